"""DingTalk's callbacks: the door that verifies and answers, and what the worker makes of an event."""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any

import structlog

from viatica.connectors.dingtalk import translate
from viatica.connectors.dingtalk.client import Setup
from viatica.connectors.dingtalk.signing import CallbackCipher, UnreadableCallback
from viatica.kernel import clock
from viatica.kernel.errors import BadInput, NotAllowed
from viatica.kernel.words import N_
from viatica.spine.hooks import RawCallback, Receipt
from viatica.spine.models import Connection

log = structlog.get_logger(__name__)

WINDOW_S = 3600
CHECKS = frozenset({"check_url", "check_create_suite_url", "check_update_suite_url"})
HEARD_AT = "viatica_heard_at"  # our own word in a stored event: when it came in


class OldCallback(NotAllowed):
    """A recorded callback sent again. DingTalk signs each of its own retries afresh, within a minute."""

    code = "dingtalk.callback_old"
    message = N_("This callback is too old or from the future.")
    hint = N_("Check the clock of this server; a genuine event will be found by the next reconcile.")


class BadCallback(BadInput):
    code = "dingtalk.callback_bad"
    message = N_("This is not a DingTalk callback.")
    hint = N_("Callbacks are POSTs of {example} with a signature in the query.")


def door(connection: Connection, raw: RawCallback) -> Receipt:
    """Verify, open, and answer the sealed `success`; what is to be done is the worker's."""
    setup = Setup.of(connection)
    cipher = CallbackCipher(setup.need("token"), setup.need("aes_key"), setup.owner_keys)
    query = raw.query
    said = cipher.open(
        signature=query.get("msg_signature") or query.get("signature") or "",
        timestamp=query.get("timestamp", ""),
        nonce=query.get("nonce", ""),
        encrypt=_encrypted(raw),
    )
    now = clock.now()
    _refuse_old(query.get("timestamp", ""), now, connection)
    event = _event(said)
    answer = cipher.seal("success", timestamp=str(int(now.timestamp() * 1000)), nonce=os.urandom(8).hex())
    is_check = translate.event_type(event) in CHECKS
    return Receipt(
        event_id=None if is_check else translate.event_id(event),
        body=None if is_check else event | {HEARD_AT: now.isoformat()},
        answer=json.dumps(answer).encode(),
        content_type="application/json",
    )


def _encrypted(raw: RawCallback) -> str:
    try:
        body = json.loads(raw.body) if raw.method == "POST" else None
    except ValueError:
        body = None
    match body:
        case {"encrypt": str(encrypt)}:
            return encrypt
        case _:
            raise BadCallback(example='{"encrypt": "…"}')


def _refuse_old(timestamp: str, now: datetime, connection: Connection) -> None:
    """After the signature: only the signed time is worth reading. Milliseconds, or seconds in older samples."""
    window = timedelta(seconds=int(connection.settings.get("callback_window_s", WINDOW_S)))
    sent = translate.moment(timestamp if len(timestamp) > 11 else f"{timestamp}000")
    if sent is None or abs(now - sent) > window:
        raise OldCallback()


def _event(said: str) -> dict[str, Any]:
    try:
        event = json.loads(said)
    except ValueError as error:
        raise UnreadableCallback() from error
    if not isinstance(event, dict) or not translate.event_type(event):
        raise UnreadableCallback()
    return event


class Looks:
    """When each instance was last looked at by this process, so that one look serves all events before it."""

    def __init__(self, most: int = 10_000, lanes: int = 64) -> None:
        self._most = most
        self._lanes = [threading.Lock() for _ in range(lanes)]
        self._seen: OrderedDict[tuple[int, str], datetime] = OrderedDict()
        self._lock = threading.Lock()

    def turn(self, connection_id: int, instance_id: str) -> threading.Lock:
        """To be held while looking: events of one instance that come together wait for one look, not for each."""
        return self._lanes[hash((connection_id, instance_id)) % len(self._lanes)]

    def covers(self, connection_id: int, instance_id: str, heard_at: datetime) -> bool:
        """Whether a look began after the event had come in: then it saw what the event tells of."""
        with self._lock:
            looked_at = self._seen.get((connection_id, instance_id))
            return looked_at is not None and looked_at > heard_at

    def note(self, connection_id: int, instance_id: str, began_at: datetime) -> None:
        """A look that began at `began_at` has been settled."""
        key = (connection_id, instance_id)
        with self._lock:
            self._seen[key] = max(began_at, self._seen.get(key, began_at))
            self._seen.move_to_end(key)
            while len(self._seen) > self._most:
                self._seen.popitem(last=False)
