"""Telling events: by HTTP (sealed and signed) or over Stream, retried, given up into the failed list; and spoiled.

First attempts of one instance's events go out in order. A retry waits for nobody and holds up nobody,
so a receiver may well hear of the end before it hears of the beginning.
"""

from __future__ import annotations

import hmac
import json
import secrets
from base64 import b64encode
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from simulators.dingtalk.crypto import CallbackCrypto, CryptoError
from simulators.dingtalk.directory import asked
from simulators.dingtalk.errors import bad_new
from simulators.dingtalk.settings import Identity, Settings
from simulators.dingtalk.stream import Stream
from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door
from simulators.stage.post import NoAnswer
from simulators.stage.pushing import Event, Fate, Pusher, now_ms

MOST_FAILED = 200
HEAD = ("EventType", "EventTime", "CorpId", "BizId", "eventId")  # which a frame of Stream carries elsewhere


@dataclass(slots=True)
class Registration:
    url: str
    crypto: CallbackCrypto


@dataclass
class Callbacks(Pusher[Settings, Event]):
    identity: Identity = field(kw_only=True)
    stream: Stream = field(kw_only=True)
    registration: Registration | None = None
    failed: deque[Event] = field(default_factory=deque)
    last_biz_id: int = 0

    def doors(self) -> list[Door]:
        return [
            Door("GET", "/call_back/get_call_back_failed_result", self.failed_old),
            Door("GET", "/v1.0/event/callbacks/failedResults", self.failed_new),
        ]

    # Sending.

    def emit(self, kind: str, lane: str, fields: dict[str, Any]) -> None:
        """Tell the app; events with the same lane are told in order."""
        now = now_ms()
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
        self.keep(event, is_heard=self.streams or self.registration is not None)

    @property
    def streams(self) -> bool:
        return self.settings.push_mode == "stream"

    def waits(self) -> list[float]:
        return list(self.settings.stream_retry_after_s) if self.streams else super().waits()

    async def attempt(self, event: Event) -> bool:
        said = await self._tell(event)
        event.attempts.append(said)
        if said != "success":
            return False
        event.fate, event.settled_ms = Fate.DELIVERED, now_ms()
        return True

    def give_up(self, event: Event) -> None:
        super().give_up(event)
        self.failed.append(event)

    def forget(self) -> None:
        super().forget()
        self.failed.clear()

    async def _tell(self, event: Event) -> str:
        """ "success", or what was wrong."""
        if not self.spoiling.door_is_open:
            return "the door is closed"
        if self.streams:
            fields = {name: value for name, value in event.body.items() if name not in HEAD}
            return await self.stream.tell_event(event.kind, event.id, event.at_ms, fields)
        if self.registration is None:
            return "the door is closed"
        return await self.push(self.registration, json.dumps(event.body, ensure_ascii=False))

    async def push(self, registration: Registration, text: str) -> str:
        """One push; "success", or what was wrong with the answer."""
        timestamp, nonce = str(now_ms()), secrets.token_hex(4)
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
        ripe, has_more = self._take_failed(0, now_ms())
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
        ripe, has_more = self._take_failed(begin_ms, fields.number_or("endTime", now_ms()))
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
        now = now_ms()
        ripe = [
            event
            for event in self.failed
            if event.settled_ms + self.settings.failed_after_s * 1000 <= now
            and begin_ms <= event.at_ms <= end_ms
        ]
        taken = ripe[:MOST_FAILED]
        gone = {event.id for event in taken}
        self.failed = deque(event for event in self.failed if event.id not in gone)
        return taken, len(ripe) > MOST_FAILED


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
