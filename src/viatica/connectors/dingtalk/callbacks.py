"""DingTalk's callbacks: the door that verifies and answers, and what the worker makes of an event."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from typing import Any

import structlog

from viatica.connectors.dingtalk import translate
from viatica.connectors.dingtalk.client import DingTalkSetup
from viatica.connectors.dingtalk.signing import CallbackCipher
from viatica.connectors.errors import BadCallback, OldCallback, UnreadableCallback
from viatica.connectors.settling import HEARD_AT
from viatica.kernel import clock
from viatica.spine.hooks import RawCallback, Receipt
from viatica.spine.models import Connection

log = structlog.get_logger(__name__)

WINDOW_S = 3600
CHECKS = frozenset({"check_url", "check_create_suite_url", "check_update_suite_url"})


def door(connection: Connection, raw: RawCallback) -> Receipt:
    """Verify, open, and answer the sealed `success`; what is to be done is the worker's."""
    setup = DingTalkSetup.of(connection)
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
