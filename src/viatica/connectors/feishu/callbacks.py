"""Feishu's callbacks: the door that verifies, opens and answers."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from viatica.connectors.errors import (
    BadCallback,
    ForeignCallback,
    ForgedCallback,
    OldCallback,
    UnreadableCallback,
)
from viatica.connectors.feishu import external, translate
from viatica.connectors.feishu.client import FeishuSetup
from viatica.connectors.feishu.signing import EventCipher
from viatica.connectors.settling import HEARD_AT
from viatica.kernel import clock
from viatica.spine.hooks import RawCallback, Receipt
from viatica.spine.models import Connection

# Feishu's last retry comes 7.1 hours after the event, and it is not documented whether it is signed afresh.
WINDOW_S = 8 * 3600


def door(connection: Connection, raw: RawCallback) -> Receipt:
    """Verify, open, and answer at once; what is to be done is the worker's."""
    setup = FeishuSetup.of(connection)
    now = clock.now()
    body = _verified(setup, raw, now, _window(connection))
    kind = translate.event_type(body)
    if kind == translate.CHECK:
        return _answer({"challenge": str(body.get("challenge") or "")})
    if translate.event_app(body) not in ("", setup.app_id):
        raise ForeignCallback()
    kept = translate.without_token(body) | {HEARD_AT: now.isoformat()}
    if external.is_press(body):
        return _answer({}, event_id=external.press_id(body), body=kept)
    # The answer to a click would change the card; any 200 will do for an event.
    answer = {} if kind == translate.CARD_CLICK else {"msg": "success"}
    return _answer(answer, event_id=translate.event_id(body), body=kept)


def _answer(
    said: Mapping[str, str], *, event_id: str | None = None, body: dict[str, Any] | None = None
) -> Receipt:
    return Receipt(event_id, body, json.dumps(said, ensure_ascii=False).encode(), "application/json")


def _window(connection: Connection) -> timedelta:
    return timedelta(seconds=int(connection.settings.get("callback_window_s", WINDOW_S)))


def _verified(setup: FeishuSetup, raw: RawCallback, now: datetime, window: timedelta) -> dict[str, Any]:
    """The event in the clear, proved to be Feishu's: by signature and token, or by the token alone."""
    sent = _json(raw.body) if raw.method == "POST" else None
    match sent:
        case {"encrypt": str(encrypt)} if setup.encrypt_key:
            body = _opened(setup, raw, encrypt, now, window)
        case {"encrypt": _}:
            raise BadCallback(example='{"event": {…}}')
        case dict() if not setup.encrypt_key:
            body = sent
        case _:
            raise BadCallback(example='{"encrypt": "…"}')
    shown = translate.event_token(body)
    if not hmac.compare_digest(shown.encode(), setup.need("verification_token").encode()):
        raise ForgedCallback()
    if not translate.event_type(body) and not external.is_press(body):
        raise BadCallback(example='{"event": {"type": "…"}}')
    return body


def _opened(
    setup: FeishuSetup, raw: RawCallback, encrypt: str, now: datetime, window: timedelta
) -> dict[str, Any]:
    cipher = EventCipher(setup.encrypt_key)
    timestamp = raw.headers.get("x-lark-request-timestamp", "")
    is_signed = cipher.is_signed(
        signature=raw.headers.get("x-lark-signature", ""),
        timestamp=timestamp,
        nonce=raw.headers.get("x-lark-request-nonce", ""),
        body=raw.body,
    )
    try:
        body = _json(cipher.open(encrypt))
    except UnreadableCallback:
        # Unsigned, it gets the same word whatever is wrong inside: no one shall decrypt by asking.
        raise UnreadableCallback() if is_signed else ForgedCallback() from None
    if is_signed:
        _refuse_old(timestamp, now, window)
    elif not (isinstance(body, dict) and _comes_unsigned(body)):
        raise ForgedCallback()
    if not isinstance(body, dict):
        raise UnreadableCallback()
    return body


def _comes_unsigned(body: Mapping[str, Any]) -> bool:
    """The check of the URL and quick decisions: sealed with our key and showing our token, and harmless when repeated."""
    return translate.event_type(body) == translate.CHECK or external.is_press(body)


def _json(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _refuse_old(timestamp: str, now: datetime, window: timedelta) -> None:
    """After the signature: only the signed time (seconds) is worth reading."""
    sent = (
        datetime.fromtimestamp(int(timestamp), UTC) if timestamp.isdecimal() and len(timestamp) < 12 else None
    )
    if sent is None or abs(now - sent) > window:
        raise OldCallback()
