"""Feishu's callbacks: the door that verifies, opens and answers."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from viatica.connectors.feishu import translate
from viatica.connectors.feishu.client import Setup
from viatica.connectors.feishu.signing import EventCipher, UnreadableCallback
from viatica.kernel import clock
from viatica.kernel.errors import BadInput, NotAllowed
from viatica.kernel.words import N_
from viatica.spine.hooks import RawCallback, Receipt
from viatica.spine.models import Connection

# Feishu's last retry comes 7.1 hours after the event, and it is not documented whether it is signed afresh.
WINDOW_S = 8 * 3600
HEARD_AT = "viatica_heard_at"  # our own word in a stored event: when it came in


class ForgedCallback(NotAllowed):
    code = "feishu.callback_forged"
    message = N_("This callback does not carry the connection's keys.")
    hint = N_(
        "Check Encrypt Key and Verification Token in the Feishu developer console against the connection."
    )


class ForeignCallback(NotAllowed):
    code = "feishu.callback_foreign"
    message = N_("This callback was meant for another app.")
    hint = N_("Check the App ID of the connection against the Feishu developer console.")


class OldCallback(NotAllowed):
    """A recorded callback sent again."""

    code = "feishu.callback_old"
    message = N_("This callback is too old or from the future.")
    hint = N_("Check the clock of this server; a genuine event will be found by the next reconcile.")


class BadCallback(BadInput):
    code = "feishu.callback_bad"
    message = N_("This is not a Feishu callback.")
    hint = N_("Callbacks are POSTs of {example}; with an Encrypt Key both sides must have the same one.")


def door(connection: Connection, raw: RawCallback) -> Receipt:
    """Verify, open, and answer at once; what is to be done is the worker's."""
    setup = Setup.of(connection)
    now = clock.now()
    body = _verified(setup, raw, now, _window(connection))
    kind = translate.event_type(body)
    if kind == translate.CHECK:
        return _answer({"challenge": str(body.get("challenge") or "")})
    if translate.event_app(body) not in ("", setup.app_id):
        raise ForeignCallback()
    kept = translate.without_token(body) | {HEARD_AT: now.isoformat()}
    # The answer to a click would change the card; any 200 will do for an event.
    answer = {} if kind == translate.CARD_CLICK else {"msg": "success"}
    return _answer(answer, event_id=translate.event_id(body), body=kept)


def _answer(
    said: Mapping[str, str], *, event_id: str | None = None, body: dict[str, Any] | None = None
) -> Receipt:
    return Receipt(event_id, body, json.dumps(said, ensure_ascii=False).encode(), "application/json")


def _window(connection: Connection) -> timedelta:
    return timedelta(seconds=int(connection.settings.get("callback_window_s", WINDOW_S)))


def _verified(setup: Setup, raw: RawCallback, now: datetime, window: timedelta) -> dict[str, Any]:
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
    if not translate.event_type(body):
        raise BadCallback(example='{"event": {"type": "…"}}')
    return body


def _opened(setup: Setup, raw: RawCallback, encrypt: str, now: datetime, window: timedelta) -> dict[str, Any]:
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
    elif not isinstance(body, dict) or translate.event_type(body) != translate.CHECK:
        raise ForgedCallback()
    if not isinstance(body, dict):
        raise UnreadableCallback()
    return body


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
