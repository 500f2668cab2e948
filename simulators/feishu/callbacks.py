"""Pushing events: sealed, signed, retried; and spoiled on demand.

The events of one approval instance are told in order, and one that is not answered with 200 holds up all that
follow it until it is, or until its retries are used up (审批事件概述, 事件推送顺序). Other events wait for nobody.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from random import Random
from typing import Any

from simulators.feishu.crypto import EventCrypto
from simulators.feishu.settings import Identity, Settings
from simulators.stage.post import NoAnswer, Postman

KEPT = 5000
REORDER_WAIT_S = 0.25


class Fate(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    DROPPED = "dropped"
    UNSUBSCRIBED = "unsubscribed"  # nobody subscribed to this approval code
    UNHEARD = "unheard"  # no address registered at the time


@dataclass(slots=True)
class Event:
    id: str
    kind: str
    lane: str
    at_ms: int
    body: dict[str, Any]
    fate: Fate = Fate.WAITING
    attempts: list[str] = field(default_factory=list)
    settled_ms: int = 0


@dataclass(slots=True)
class Spoiling:
    """How deliveries go wrong. Fractions are chances per event."""

    delay_s: float = 0.0
    delay_fraction: float = 1.0
    repeat: int = 0  # how many times more than once
    repeat_fraction: float = 1.0
    reorder_fraction: float = 0.0  # swapped with the next event of the same instance
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


@dataclass(frozen=True, slots=True)
class Registration:
    """请求地址 of events, and of card callbacks when that is another. Without a key nothing is sealed or signed."""

    url: str
    verification_token: str
    encrypt_key: str
    card_url: str = ""


@dataclass(slots=True)
class Callbacks:
    identity: Identity
    settings: Settings
    random: Random
    postman: Postman = field(default_factory=Postman)
    registration: Registration | None = None
    subscribed: set[str] = field(default_factory=set)  # approval codes
    spoiling: Spoiling = field(default_factory=Spoiling)
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=KEPT))
    lanes: dict[str, deque[Event]] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    busy: int = 0  # lanes at work, those that sleep until a retry not counted
    slots: asyncio.Semaphore | None = None
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
        self._send(Event(str(body["uuid"]), kind, lane, self._now(), body), approval_code=approval_code)

    def emit_v2(self, kind: str, event: dict[str, Any], *, lane: str = "", approval_code: str = "") -> None:
        body = self.v2_body(kind, event, create_time=str(self._now()))
        event_id = str(body["header"]["event_id"])
        self._send(Event(event_id, kind, lane or event_id, self._now(), body), approval_code=approval_code)

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
        self.events.append(event)
        if approval_code and approval_code not in self.subscribed:
            event.fate = Fate.UNSUBSCRIBED
        elif self.registration is None and self.other_way is None:
            event.fate = Fate.UNHEARD
        elif self._is_dropped():
            event.fate = Fate.DROPPED
        else:
            waiting = self.lanes.get(event.lane)
            if waiting is not None:
                waiting.append(event)
            else:
                self.lanes[event.lane] = deque([event])
                self.busy += 1
                self._spawn(self._drain(event.lane))

    def resend(self, event_id: str, times: int = 1) -> bool:
        """Push an old event again, past its lane, as a platform does that never saw the answer."""
        for event in self.events:
            if event.id == event_id:
                for _ in range(times):
                    self.busy += 1
                    self._spawn(self._once_more(event))
                return True
        return False

    async def _once_more(self, event: Event) -> None:
        try:
            await self._attempt(event)
        finally:
            self.busy -= 1

    def _is_dropped(self) -> bool:
        if self.spoiling.drop_next > 0:
            self.spoiling.drop_next -= 1
            return True
        return self.random.random() < self.spoiling.drop_fraction

    async def _drain(self, lane: str) -> None:
        waiting = self.lanes[lane]
        try:
            while waiting:
                event = waiting.popleft()
                if self.random.random() < self.spoiling.reorder_fraction:
                    event = await self._overtaken(event, waiting)
                await self._deliver(event)
        finally:
            del self.lanes[lane]
            self.busy -= 1

    async def _overtaken(self, event: Event, waiting: deque[Event]) -> Event:
        """Let the next event go first, if one comes at all."""
        if not waiting:
            await asyncio.sleep(REORDER_WAIT_S)
        if not waiting:
            return event
        overtaking = waiting.popleft()
        waiting.appendleft(event)
        return overtaking

    async def _deliver(self, event: Event) -> None:
        """Try until it is answered; the lane waits meanwhile."""
        if self.spoiling.delay_s and self.random.random() < self.spoiling.delay_fraction:
            await asyncio.sleep(self.spoiling.delay_s)
        if await self._attempt(event):
            if self.spoiling.repeat and self.random.random() < self.spoiling.repeat_fraction:
                for _ in range(self.spoiling.repeat):
                    await self._attempt(event)
            return
        for seconds in list(self.settings.retry_after_s):
            self.busy -= 1
            try:
                await asyncio.sleep(seconds * self.settings.retry_scale)
            finally:
                self.busy += 1
            if await self._attempt(event):
                return
        event.fate = Fate.FAILED
        event.settled_ms = self._now()

    async def _attempt(self, event: Event) -> bool:
        if self.slots is None:
            self.slots = asyncio.Semaphore(self.settings.callback_parallel)
        async with self.slots:
            said = await self._push_event(event)
        event.attempts.append(said)
        if said != "success":
            return False
        event.fate = Fate.DELIVERED
        event.settled_ms = self._now()
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
        body = self.v2_body("card.action.trigger", event, create_time=str(self._now() * 1000))
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

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def idle(self, *, timeout_s: float, with_retries: bool) -> bool:
        """Wait until nothing is under way but what sleeps until a retry (or, if wanted, that as well)."""
        ends = time.monotonic() + timeout_s
        while self.tasks if with_retries else self.busy:
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

    def shown(self, *, kind: str = "", lane: str = "") -> list[dict[str, Any]]:
        return [
            asdict(event) for event in self.events if kind in ("", event.kind) and lane in ("", event.lane)
        ]

    def _token(self) -> str:
        return self.registration.verification_token if self.registration else self.identity.verification_token

    def _now(self) -> int:
        return int(time.time() * 1000)
