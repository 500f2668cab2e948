"""Pushing events: sealed, signed, retried; and spoiled on demand.

The events of one approval instance are told in order, and one that is not answered with 200 holds up all that
follow it until it is, or until its retries are used up (审批事件概述, 事件推送顺序). Other events wait for nobody.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from simulators.feishu.crypto import EventCrypto
from simulators.feishu.settings import Identity, Settings
from simulators.stage.post import NoAnswer
from simulators.stage.pushing import Event, Fate, Pusher, now_ms


@dataclass(frozen=True, slots=True)
class Registration:
    """请求地址 of events, and of card callbacks when that is another. Without a key nothing is sealed or signed."""

    url: str
    verification_token: str
    encrypt_key: str
    card_url: str = ""


@dataclass
class Callbacks(Pusher[Settings, Event]):
    holds_up = True

    identity: Identity = field(kw_only=True)
    registration: Registration | None = None
    subscribed: set[str] = field(default_factory=set)  # approval codes
    # The long connection, once it was opened: what an attempt came to, and the data it was answered with.
    other_way: Callable[[str], Awaitable[tuple[str, bytes]]] | None = None

    # Telling.

    def emit(self, kind: str, *, approval_code: str, lane: str, fields: dict[str, Any]) -> None:
        """An event of the old schema, sent only to an app that subscribed to the definition."""
        inner = {"app_id": self.identity.app_id, "tenant_key": self.identity.tenant_key, **fields}
        body = {
            "ts": f"{time.time():.7f}",
            "uuid": secrets.token_hex(16),
            "token": self._token(),
            "type": "event_callback",
            "event": inner,
        }
        self._send(Event(str(body["uuid"]), kind, lane, now_ms(), body), approval_code=approval_code)

    def emit_v2(self, kind: str, event: dict[str, Any], *, lane: str = "", approval_code: str = "") -> None:
        body = self.v2_body(kind, event, create_time=str(now_ms()))
        event_id = str(body["header"]["event_id"])
        self._send(Event(event_id, kind, lane or event_id, now_ms(), body), approval_code=approval_code)

    def v2_body(self, kind: str, event: dict[str, Any], *, create_time: str) -> dict[str, Any]:
        header = {
            "event_id": secrets.token_hex(16),
            "event_type": kind,
            "create_time": create_time,
            "token": self._token(),
            "app_id": self.identity.app_id,
            "tenant_key": self.identity.tenant_key,
        }
        return {"schema": "2.0", "header": header, "event": event}

    def _send(self, event: Event, *, approval_code: str) -> None:
        if approval_code and approval_code not in self.subscribed:
            event.fate = Fate.UNSUBSCRIBED
        self.keep(event, is_heard=self.registration is not None or self.other_way is not None)

    def waits(self) -> list[float]:
        return [seconds * self.settings.retry_scale for seconds in self.settings.retry_after_s]

    async def attempt(self, event: Event) -> bool:
        said = await self._push_event(event)
        event.attempts.append(said)
        if said != "success":
            return False
        event.fate, event.settled_ms = Fate.DELIVERED, now_ms()
        return True

    async def _push_event(self, event: Event) -> str:
        if not self.spoiling.door_is_open:
            return "the door is closed"
        if self.other_way is not None:
            said, _ = await self.other_way(json.dumps(event.body, ensure_ascii=False))
            return said
        if self.registration is None:
            return "the door is closed"
        body = {**event.body}
        if "token" in body:
            body["token"] = self.registration.verification_token
        else:
            body["header"] = {**body["header"], "token": self.registration.verification_token}
        try:
            status, _ = await self.push(
                self.registration.url, body, self.registration, timeout_s=self.settings.callback_timeout_s
            )
        except NoAnswer as error:
            return f"no answer: {error}"
        return "success" if status == 200 else f"HTTP {status}"

    async def push(
        self, url: str, body: dict[str, Any], registration: Registration, *, timeout_s: float
    ) -> tuple[int, bytes]:
        """One POST, sealed and signed when there is a key. Raises NoAnswer."""
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        headers = {"content-type": "application/json; charset=utf-8", "user-agent": "Go-http-client/1.1"}
        raw = text.encode()
        if registration.encrypt_key:
            crypto = EventCrypto(registration.encrypt_key)
            raw = json.dumps({"encrypt": crypto.encrypt(text)}, separators=(",", ":")).encode()
            timestamp, nonce = str(int(time.time())), secrets.token_hex(8)
            headers |= {
                "X-Lark-Request-Timestamp": timestamp,
                "X-Lark-Request-Nonce": nonce,
                "X-Lark-Signature": crypto.sign(timestamp=timestamp, nonce=nonce, body=raw),
            }
        answer = await self.postman.post(url, raw, headers, timeout_s=timeout_s)
        return answer.status, answer.body

    async def push_card(self, event: dict[str, Any]) -> tuple[int, bytes]:
        """card.action.trigger: told once, its answer read. Raises NoAnswer, and ValueError without an address."""
        # This header alone counts microseconds.
        body = self.v2_body("card.action.trigger", event, create_time=str(now_ms() * 1000))
        if self.other_way is not None:
            said, data = await self.other_way(json.dumps(body, ensure_ascii=False))
            if said != "success":
                raise NoAnswer(said)
            return 200, data
        if self.registration is None:
            raise ValueError("no callback address is registered")
        body["header"]["token"] = self.registration.verification_token
        return await self.push(
            self.registration.card_url or self.registration.url,
            body,
            self.registration,
            timeout_s=self.settings.callback_timeout_s,
        )

    # Registering.

    async def register(self, registration: Registration, *, check: bool = True) -> str:
        """Save the address once it answers the challenge; "success", or why not (then nothing is saved)."""
        for url in {registration.url, registration.card_url} - {""} if check else ():
            said = await self._challenge(url, registration)
            if said != "success":
                return said
        self.registration, self.other_way = registration, None
        return "success"

    async def _challenge(self, url: str, registration: Registration) -> str:
        challenge = secrets.token_hex(16)
        body = {
            "challenge": challenge,
            "token": registration.verification_token,
            "type": "url_verification",
        }
        try:
            status, answer = await self.push(
                url, body, registration, timeout_s=self.settings.challenge_timeout_s
            )
        except NoAnswer as error:
            return f"no answer: {error}"
        if status != 200:
            return f"HTTP {status}"
        try:
            said = json.loads(answer)
        except ValueError:
            return "Challenge code 没有返回: the answer is not JSON"
        if not isinstance(said, dict) or said.get("challenge") != challenge:
            return "Challenge code 没有返回: the answer does not repeat the challenge"
        return "success"

    def _token(self) -> str:
        return self.registration.verification_token if self.registration else self.identity.verification_token
