"""Pushing events (HTTP 推送): sealed, signed, retried, given up into the failed list; and spoiled on demand.

First attempts of one instance's events go out in order. A retry waits for nobody and holds up nobody,
so a receiver may well hear of the end before it hears of the beginning.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import time
from base64 import b64encode
from collections import deque
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from random import Random
from typing import Any
from urllib.parse import urlencode, urlsplit

from simulators.dingtalk.crypto import CallbackCrypto, CryptoError
from simulators.dingtalk.directory import asked
from simulators.dingtalk.errors import bad_new
from simulators.dingtalk.settings import Identity, Settings
from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door
from simulators.stage.post import NoAnswer, Postman

KEPT = 5000
MOST_FAILED = 200
REORDER_WAIT_S = 0.25


class Fate(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    DROPPED = "dropped"
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
    drop_fraction: float = 0.0  # lost for good: not even in the failed list
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


@dataclass(slots=True)
class Callbacks:
    identity: Identity
    settings: Settings
    random: Random
    postman: Postman = field(default_factory=Postman)
    registration: Registration | None = None
    spoiling: Spoiling = field(default_factory=Spoiling)
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=KEPT))
    failed: deque[Event] = field(default_factory=deque)
    lanes: dict[str, deque[Event]] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    first_tries: int = 0  # events whose first attempt has not ended yet
    last_biz_id: int = 0
    slots: asyncio.Semaphore | None = None

    def doors(self) -> list[Door]:
        return [
            Door("GET", "/call_back/get_call_back_failed_result", self.failed_old),
            Door("GET", "/v1.0/event/callbacks/failedResults", self.failed_new),
        ]

    # Sending.

    def emit(self, kind: str, lane: str, fields: dict[str, Any]) -> None:
        """Tell the registered address; events with the same lane are told in order."""
        now = int(time.time() * 1000)
        self.last_biz_id = max(self.last_biz_id + 1, now)
        event_id = secrets.token_hex(16)
        head = {
            "EventType": kind,
            "EventTime": now,
            "CorpId": self.identity.corp_id,
            "BizId": str(self.last_biz_id),
            "eventId": event_id,
        }
        event = Event(event_id, kind, lane or event_id, now, head | fields)
        self.events.append(event)
        if self.registration is None:
            event.fate = Fate.UNHEARD
        elif self._is_dropped():
            event.fate = Fate.DROPPED
        else:
            self.first_tries += 1
            waiting = self.lanes.get(event.lane)
            if waiting is not None:
                waiting.append(event)
            else:
                self.lanes[event.lane] = deque([event])
                self._spawn(self._drain(event.lane))

    def resend(self, event_id: str, times: int = 1) -> bool:
        """Push an old event again, as a platform does that never saw the answer."""
        for event in self.events:
            if event.id == event_id:
                for _ in range(times):
                    self._spawn(self._attempt(event))
                return True
        return False

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
        event.settled_ms = int(time.time() * 1000)
        self.failed.append(event)

    async def _attempt(self, event: Event) -> bool:
        if self.slots is None:
            self.slots = asyncio.Semaphore(self.settings.callback_parallel)
        async with self.slots:
            if self.registration is None or not self.spoiling.door_is_open:
                said = "the door is closed"
            else:
                said = await self.push(self.registration, json.dumps(event.body, ensure_ascii=False))
        event.attempts.append(said)
        if said != "success":
            return False
        event.fate = Fate.DELIVERED
        event.settled_ms = int(time.time() * 1000)
        return True

    async def push(self, registration: Registration, text: str) -> str:
        """One push; "success", or what was wrong with the answer."""
        timestamp, nonce = str(int(time.time() * 1000)), secrets.token_hex(4)
        encrypt = registration.crypto.encrypt(text)
        signature = registration.crypto.sign(timestamp=timestamp, nonce=nonce, encrypt=encrypt)
        query = {"signature": signature, "msg_signature": signature, "timestamp": timestamp, "nonce": nonce}
        join = "&" if urlsplit(registration.url).query else "?"
        try:
            answer = await self.postman.post(
                f"{registration.url}{join}{urlencode(query)}",
                json.dumps({"encrypt": encrypt}).encode(),
                {"content-type": "application/json; charset=utf-8", "user-agent": "DingTalk-Callback"},
                timeout_s=self.settings.callback_timeout_s,
            )
        except NoAnswer as error:
            return f"no answer: {error}"
        if answer.status != 200:
            return f"HTTP {answer.status}"
        return read_reply(registration.crypto, answer.body)

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
        self, url: str, *, token: str = "", aes_key: str = "", owner_key: str = "", check: bool = True
    ) -> str:
        """Save the address once it answers check_url; "success", or why not (then nothing is saved)."""
        crypto = CallbackCrypto(
            token or self.identity.token,
            aes_key or self.identity.aes_key,
            owner_key or self.identity.app_key,
        )
        registration = Registration(url, crypto)
        said = await self.push(registration, '{"EventType":"check_url"}') if check else "success"
        if said == "success":
            self.registration = registration
        return said

    # The failed list.

    def failed_old(self, call: Call) -> dict[str, Any]:
        asked(call)
        ripe, has_more = self._take_failed(0, int(time.time() * 1000))
        rows = []
        for event in ripe:
            if event.kind.startswith("bpms_"):
                inner = {"bpmsCallBackData": event.body, "corpid": self.identity.corp_id}
            elif event.kind.startswith("user_"):
                inner = {"userid": event.body.get("userId", []), "corpid": self.identity.corp_id}
            else:
                inner = {"callbackData": event.body, "corpid": self.identity.corp_id}
            rows.append({event.kind: inner, "call_back_tag": event.kind, "event_time": event.at_ms})
        return {"errcode": 0, "errmsg": "ok", "has_more": has_more, "failed_list": rows}

    def failed_new(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.query, bad_new)
        begin_ms = fields.number_or("beginTime", 0)
        ripe, has_more = self._take_failed(begin_ms, fields.number_or("endTime", int(time.time() * 1000)))
        rows = [
            {
                "callBackTag": event.kind,
                "callBackData": json.dumps(event.body, ensure_ascii=False),
                "corpId": self.identity.corp_id,
                "eventTime": event.at_ms,
            }
            for event in ripe
        ]
        return {"failedList": rows, "hasMore": has_more}

    def _take_failed(self, begin_ms: int, end_ms: int) -> tuple[list[Event], bool]:
        """Up to 200 events; reading takes them off the list."""
        now_ms = time.time() * 1000
        ripe = [
            event
            for event in self.failed
            if event.settled_ms + self.settings.failed_after_s * 1000 <= now_ms
            and begin_ms <= event.at_ms <= end_ms
        ]
        taken = ripe[:MOST_FAILED]
        gone = {event.id for event in taken}
        self.failed = deque(event for event in self.failed if event.id not in gone)
        return taken, len(ripe) > MOST_FAILED

    def shown(self, *, kind: str = "", lane: str = "") -> list[dict[str, Any]]:
        return [
            asdict(event) for event in self.events if kind in ("", event.kind) and lane in ("", event.lane)
        ]


def read_reply(crypto: CallbackCrypto, body: bytes) -> str:
    """ "success" when the answer is sealed, signed and says so; otherwise what is wrong with it."""
    try:
        reply = json.loads(body)
        said = crypto.open(
            signature=str(reply["msg_signature"]),
            timestamp=str(reply["timeStamp"]),
            nonce=str(reply["nonce"]),
            encrypt=str(reply["encrypt"]),
        )
    except (ValueError, KeyError, TypeError):
        return "the answer is not a sealed reply"
    except CryptoError as error:
        return f"the answer does not open: {error}"
    return said if said == "success" else f"the answer says {said[:40]!r}"


def card_signature(secret: str, timestamp: str) -> str:
    """x-ddpaas-signature of an interactive card's HTTP callback. Source: 互动卡片 事件回调."""
    return b64encode(hmac.digest(secret.encode(), timestamp.encode(), "sha256")).decode()
