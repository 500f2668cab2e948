"""Pushing events: sealed XML, signed in the query, retried on silence; and spoiled on demand.

The app has one address, the 通讯录同步助手 another, each with Token and EncodingAESKey of its own.
First attempts of one lane (one form, one card) go out in order. A retry waits for nobody and holds up nobody.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode, urlsplit

from simulators.stage.post import Answer, NoAnswer
from simulators.stage.pushing import Event, Fate, Pusher
from simulators.wecom.crypto import CallbackCrypto, CryptoError
from simulators.wecom.settings import Identity, Settings
from simulators.wecom.xml import document

HEADERS = {"content-type": "text/xml; charset=utf-8", "user-agent": "Mozilla/4.0"}


class Place(StrEnum):
    APP = "app"
    CONTACTS = "contacts"


@dataclass(slots=True)
class Push(Event):
    """An event; on the wire it has no id: that is for the control door alone."""

    place: Place = Place.APP
    text: str = ""
    hear_reply: Callable[[str], None] | None = None  # of an encrypted passive reply

    def shown(self) -> dict[str, Any]:
        names = ("id", "kind", "place", "lane", "at_ms", "text", "fate", "attempts")
        return {name: getattr(self, name) for name in names}


@dataclass(slots=True)
class Registration:
    url: str
    crypto: CallbackCrypto
    agent_id: int | None  # in the envelope of an app's callbacks


@dataclass
class Callbacks(Pusher[Settings, Push]):
    identity: Identity = field(kw_only=True)
    registrations: dict[Place, Registration] = field(default_factory=dict)

    # Sending.

    def emit(self, kind: str, lane: str, from_user: str, fields: dict[str, Any]) -> None:
        """Tell the app; events with the same lane are told in order."""
        self.tell(Place.APP, kind, lane, from_user, fields)

    def tell(
        self,
        place: Place,
        kind: str,
        lane: str,
        from_user: str,
        fields: dict[str, Any],
        *,
        hear_reply: Callable[[str], None] | None = None,
    ) -> Push:
        now = time.time()
        header = {
            "ToUserName": self.identity.corp_id,
            "FromUserName": from_user,
            "CreateTime": int(now),
            "MsgType": "event",
            "Event": kind,
        }
        event_id = secrets.token_hex(16)
        event = Push(event_id, kind, f"{place}:{lane or event_id}", int(now * 1000), fields)
        event.place, event.text, event.hear_reply = place, document(header | fields), hear_reply
        self.keep(event, is_heard=place in self.registrations)
        return event

    async def attempt(self, event: Push) -> bool:
        registration = self.registrations.get(event.place)
        if registration is None or not self.spoiling.door_is_open:
            event.attempts.append("no answer: the door is closed")
            return False
        try:
            answer = await self._push(registration, event.text)
        except NoAnswer as error:
            event.attempts.append(f"no answer: {error}")
            return False
        if answer.status != 200:
            event.attempts.append(f"HTTP {answer.status}")
            event.fate = Fate.FAILED
            return not self.settings.retry_on_bad_status
        event.attempts.append(hear(event, registration.crypto, answer.body))
        event.fate = Fate.DELIVERED
        return True

    async def _push(self, registration: Registration, text: str) -> Answer:
        timestamp, nonce = str(int(time.time())), str(secrets.randbelow(10**10))
        encrypt = registration.crypto.encrypt(text)
        signature = registration.crypto.sign(timestamp=timestamp, nonce=nonce, encrypt=encrypt)
        envelope: dict[str, Any] = {"ToUserName": self.identity.corp_id, "Encrypt": encrypt}
        if registration.agent_id is not None:
            envelope["AgentID"] = str(registration.agent_id)
        query = {"msg_signature": signature, "timestamp": timestamp, "nonce": nonce}
        url = with_query(registration.url, query)
        timeout_s = self.settings.callback_timeout_s
        return await self.postman.post(url, document(envelope).encode(), HEADERS, timeout_s=timeout_s)

    # Registering.

    async def register(
        self, place: Place, url: str, *, token: str = "", aes_key: str = "", check: bool = True
    ) -> str:
        """Save the address once it gives the echostr back; "success", or why not (then nothing is saved)."""
        if place is Place.APP:
            own_token, own_key, agent_id = self.identity.token, self.identity.aes_key, self.identity.agent_id
        else:
            own_token, own_key = self.identity.contacts_token, self.identity.contacts_aes_key
            agent_id = None
        crypto = CallbackCrypto(token or own_token, aes_key or own_key, self.identity.corp_id)
        said = await self.verify(url, crypto) if check else "success"
        if said == "success":
            self.registrations[place] = Registration(url, crypto, agent_id)
        return said

    async def verify(self, url: str, crypto: CallbackCrypto) -> str:
        """GET with an echostr: the bare plaintext must come back, nothing around it, within a second."""
        wanted = str(secrets.randbelow(9 * 10**18) + 10**18)
        timestamp, nonce = str(int(time.time())), str(secrets.randbelow(10**10))
        echostr = crypto.encrypt(wanted)
        signature = crypto.sign(timestamp=timestamp, nonce=nonce, encrypt=echostr)
        query = {"msg_signature": signature, "timestamp": timestamp, "nonce": nonce, "echostr": echostr}
        try:
            answer = await self.postman.get(
                with_query(url, query),
                {"user-agent": HEADERS["user-agent"]},
                timeout_s=self.settings.verify_timeout_s,
            )
        except NoAnswer as error:
            return f"openapi回调地址请求不通过: no answer: {error}"
        if answer.status != 200:
            return f"openapi回调地址请求不通过: HTTP {answer.status}"
        if answer.body != wanted.encode():
            return f"openapi回调地址请求不通过: the answer is not the bare echostr: {answer.body[:40]!r}"
        return "success"

    def shown(self, *, kind: str = "", lane: str = "") -> list[dict[str, Any]]:
        return [
            event.shown()
            for event in self.events
            if kind in ("", event.kind) and lane in ("", event.lane, event.lane.partition(":")[2])
        ]


def hear(event: Push, crypto: CallbackCrypto, body: bytes) -> str:
    """What the answer amounts to. Empty and "success" are fine; a sealed reply is opened and followed."""
    if body.strip() in (b"", b"success"):
        return "success"
    try:
        reply = crypto.open_reply(body)
    except CryptoError as error:
        return f"ignored: {error}"
    if event.hear_reply is None:
        return "ignored: nobody waits for a reply"
    try:
        event.hear_reply(reply)
    except ValueError as error:
        return f"ignored: {error}"
    return "reply"


def with_query(url: str, query: dict[str, str]) -> str:
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(query)}"
