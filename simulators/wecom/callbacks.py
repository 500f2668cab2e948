"""Pushing events: sealed XML, signed in the query, retried on silence; and spoiled on demand.

The app has one address, the 通讯录同步助手 another, each with Token and EncodingAESKey of its own.
First attempts of one lane (one form, one card) go out in order. A retry waits for nobody and holds up nobody.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any
from urllib.parse import urlencode, urlsplit

from simulators.stage.post import Answer, NoAnswer, Postman
from simulators.wecom.crypto import CallbackCrypto, CryptoError
from simulators.wecom.settings import Identity, Settings
from simulators.wecom.xml import document

KEPT = 5000
REORDER_WAIT_S = 0.25
HEADERS = {"content-type": "text/xml; charset=utf-8", "user-agent": "Mozilla/4.0"}


class Place(StrEnum):
    APP = "app"
    CONTACTS = "contacts"


class Fate(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    DROPPED = "dropped"
    UNHEARD = "unheard"  # no address registered at the time


@dataclass(slots=True)
class Event:
    id: str  # for the control door alone: on the wire an event has none
    kind: str
    place: Place
    lane: str
    at_ms: int
    text: str
    fate: Fate = Fate.WAITING
    attempts: list[str] = field(default_factory=list)
    hear_reply: Callable[[str], None] | None = None  # of an encrypted passive reply

    def shown(self) -> dict[str, Any]:
        names = ("id", "kind", "place", "lane", "at_ms", "text", "fate", "attempts")
        return {name: getattr(self, name) for name in names}


@dataclass(slots=True)
class Spoiling:
    """How deliveries go wrong. Fractions are chances per event."""

    delay_s: float = 0.0
    delay_fraction: float = 1.0
    repeat: int = 0  # how many times more than once
    repeat_fraction: float = 1.0
    reorder_fraction: float = 0.0  # swapped with the next event of the same lane
    drop_next: int = 0
    drop_fraction: float = 0.0  # lost for good
    door_is_open: bool = True  # False: every push fails, as if the receiver were down

    def change(self, wishes: dict[str, Any]) -> None:
        """Raises ValueError."""
        for name, value in wishes.items():
            if name not in Spoiling.__slots__:
                raise ValueError(f"unknown: {name}")
            if isinstance(getattr(self, name), bool) != isinstance(value, bool):
                raise ValueError(f"bad value for {name}: {value!r}")
            if not isinstance(value, (int, float)) or value < 0:
                raise ValueError(f"bad value for {name}: {value!r}")
        for name, value in wishes.items():
            setattr(self, name, value)


@dataclass(slots=True)
class Registration:
    url: str
    crypto: CallbackCrypto
    agent_id: int | None  # in the envelope of an app's callbacks


@dataclass(slots=True)
class Callbacks:
    identity: Identity
    settings: Settings
    random: Random
    postman: Postman = field(default_factory=Postman)
    registrations: dict[Place, Registration] = field(default_factory=dict)
    spoiling: Spoiling = field(default_factory=Spoiling)
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=KEPT))
    lanes: dict[str, deque[Event]] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    first_tries: int = 0  # events whose first attempt has not ended yet
    slots: asyncio.Semaphore | None = None

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
    ) -> Event:
        now = time.time()
        header = {
            "ToUserName": self.identity.corp_id,
            "FromUserName": from_user,
            "CreateTime": int(now),
            "MsgType": "event",
            "Event": kind,
        }
        event_id = secrets.token_hex(16)
        lane = f"{place}:{lane or event_id}"
        event = Event(event_id, kind, place, lane, int(now * 1000), document(header | fields))
        event.hear_reply = hear_reply
        self.events.append(event)
        if place not in self.registrations:
            event.fate = Fate.UNHEARD
        elif self._is_dropped():
            event.fate = Fate.DROPPED
        else:
            self._send(event)
        return event

    def _send(self, event: Event) -> None:
        self.first_tries += 1
        waiting = self.lanes.get(event.lane)
        if waiting is not None:
            waiting.append(event)
            return
        self.lanes[event.lane] = deque([event])
        self._spawn(self._drain(event.lane))

    def resend(self, event_id: str, times: int = 1) -> bool:
        """Push an old event again, as a platform does that never saw the answer."""
        for event in self.events:
            if event.id == event_id:
                for _ in range(times):
                    self._spawn(self._again(event))
                return True
        return False

    async def _again(self, event: Event) -> None:
        await self._attempt(event)

    def _is_dropped(self) -> bool:
        if self.spoiling.drop_next > 0:
            self.spoiling.drop_next -= 1
            return True
        return self.random.random() < self.spoiling.drop_fraction

    async def _drain(self, lane: str) -> None:
        waiting = self.lanes[lane]
        while waiting:
            event = waiting.popleft()
            if self.random.random() < self.spoiling.reorder_fraction:
                event = await self._overtaken(event, waiting)
            await self._first_try(event)
        del self.lanes[lane]

    async def _overtaken(self, event: Event, waiting: deque[Event]) -> Event:
        """Let the next event go first, if one comes at all."""
        if not waiting:
            await asyncio.sleep(REORDER_WAIT_S)
        if not waiting:
            return event
        overtaking = waiting.popleft()
        waiting.appendleft(event)
        return overtaking

    async def _first_try(self, event: Event) -> None:
        try:
            if self.spoiling.delay_s and self.random.random() < self.spoiling.delay_fraction:
                await asyncio.sleep(self.spoiling.delay_s)
            if not await self._attempt(event):
                self._spawn(self._retry(event))
            elif self.spoiling.repeat and self.random.random() < self.spoiling.repeat_fraction:
                for _ in range(self.spoiling.repeat):
                    await self._attempt(event)
        finally:
            self.first_tries -= 1

    async def _retry(self, event: Event) -> None:
        for seconds in list(self.settings.retry_after_s):
            await asyncio.sleep(seconds)
            if await self._attempt(event):
                return
        event.fate = Fate.FAILED

    async def _attempt(self, event: Event) -> bool:
        """One push; True when it will not be tried again, whatever became of it."""
        if self.slots is None:
            self.slots = asyncio.Semaphore(self.settings.callback_parallel)
        registration = self.registrations.get(event.place)
        async with self.slots:
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

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def idle(self, *, timeout_s: float, with_retries: bool) -> bool:
        """Wait until every first attempt (and, if wanted, every retry) has ended."""
        ends = time.monotonic() + timeout_s
        while self.tasks if with_retries else self.first_tries:
            if time.monotonic() > ends:
                return False
            await asyncio.sleep(0.005)
        return True

    async def close(self) -> None:
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.postman.close()

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


def hear(event: Event, crypto: CallbackCrypto, body: bytes) -> str:
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
