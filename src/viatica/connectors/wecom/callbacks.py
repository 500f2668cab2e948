"""WeCom's callbacks: the door that verifies, opens and answers. One address serves the app and 通讯录同步助手."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from viatica.connectors.errors import BadCallback, ForgedCallback, OldCallback, UnreadableCallback
from viatica.connectors.settling import HEARD_AT
from viatica.connectors.wecom import events
from viatica.connectors.wecom.client import WeComSetup
from viatica.connectors.wecom.signing import CallbackCipher
from viatica.kernel import clock
from viatica.spine.hooks import RawCallback, Receipt
from viatica.spine.models import Connection

# Retries come within seconds; it is not documented whether they are signed afresh.
WINDOW_S = 3600
KEPT = frozenset({events.APPROVAL, events.CARD_CLICK, events.CONTACT})
PLAIN = "text/plain; charset=utf-8"


def door(connection: Connection, raw: RawCallback) -> Receipt:
    """Verify, open, and answer at once; what is to be done is the worker's.

    What nobody here acts on, people's own messages to the app among it, is answered and not kept.
    """
    setup = WeComSetup.of(connection)
    encrypt = raw.query.get("echostr", "") if raw.method == "GET" else events.encrypted_in(raw.body)
    if not encrypt:
        raise BadCallback(example="?msg_signature=…&timestamp=…&nonce=…&echostr=…")
    now = clock.now()
    text = _opened(setup, raw, encrypt)
    _refuse_old(raw.query.get("timestamp", ""), now, _window(connection))
    if raw.method == "GET":
        return Receipt(
            None, None, text.encode(), PLAIN
        )  # the bare text: nothing around it, not even a newline
    body = events.tree(text)
    if body is None:
        raise UnreadableCallback()
    if events.event_type(body) not in KEPT:
        return Receipt(None, None, b"success", PLAIN)
    return Receipt(events.event_id(body), body | {HEARD_AT: now.isoformat()}, b"success", PLAIN)


def _opened(setup: WeComSetup, raw: RawCallback, encrypt: str) -> str:
    """By whichever pair of keys signed it. Raises ForgedCallback when neither did."""
    query = raw.query
    given = {
        "signature": query.get("msg_signature", ""),
        "timestamp": query.get("timestamp", ""),
        "nonce": query.get("nonce", ""),
        "encrypt": encrypt,
    }
    for cipher in _ciphers(setup):
        if cipher.is_signed(**given):
            return cipher.open(**given)
    raise ForgedCallback()


def _ciphers(setup: WeComSetup) -> Iterator[CallbackCipher]:
    yield CallbackCipher(setup.need("token"), setup.need("aes_key"), setup.corp_id)
    if setup.contacts_token and setup.contacts_aes_key:
        yield CallbackCipher(setup.contacts_token, setup.contacts_aes_key, setup.corp_id)


def _window(connection: Connection) -> timedelta:
    return timedelta(seconds=int(connection.settings.get("callback_window_s", WINDOW_S)))


def _refuse_old(timestamp: str, now: datetime, window: timedelta) -> None:
    """After the signature: only the signed time (seconds) is worth reading."""
    is_time = timestamp.isascii() and timestamp.isdecimal() and len(timestamp) < 12
    sent = datetime.fromtimestamp(int(timestamp), UTC) if is_time else None
    if sent is None or abs(now - sent) > window:
        raise OldCallback()
