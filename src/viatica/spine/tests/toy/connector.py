"""A connector to the toy receiver, as a real one would be written."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import urllib3

from viatica.kernel import clock
from viatica.kernel.errors import (
    BadInput,
    NotAllowed,
    OutsideError,
    OutsideRefused,
    OutsideUnavailable,
    OutsideUnknown,
)
from viatica.kernel.refs import Ref
from viatica.spine import exchanges, facts, hooks, inbox, relay
from viatica.spine.models import Connection, Fact

KIND = "toy"
POOL = urllib3.PoolManager(maxsize=32, retries=False, timeout=urllib3.Timeout(connect=2, read=5))


def nothing(_event: str) -> None:
    """Where a test hooks in, to die there."""


on_step: Callable[[str], None] = nothing


def register() -> None:
    relay.deliver_with("toy.order", order)
    hooks.open_door(KIND, read_callback)
    inbox.translate_with(KIND, translate)


def order(delivery: relay.Delivery) -> relay.Outcome:
    """Place an order; when an earlier try may have done so, look first."""
    base, number = delivery.payload["url"], delivery.payload["number"]
    if delivery.earlier_unknown and _call("GET", f"{base}/orders/{number}").status == 200:
        return relay.Done({"found": True})
    on_step("before the call")
    answer = _call("POST", f"{base}/orders", delivery.payload)
    on_step("after the call")
    match answer.status:
        case 201:
            return relay.Done({"number": number})
        case 422:
            raise OutsideRefused(system="toy", said_by=answer.json()["message"])
        case status:
            retry_after = answer.headers.get("Retry-After")
            raise OutsideUnavailable(
                system="toy", said_by=str(status), retry_after=float(retry_after) if retry_after else None
            )


def _call(method: str, url: str, body: dict[str, Any] | None = None) -> urllib3.BaseHTTPResponse:
    asked = exchanges.Asked(method, urlsplit(url).path, body=json.dumps(body or {}).encode())
    at = clock.now()
    try:
        answer = POOL.request(method, url, json=body)
    except urllib3.exceptions.HTTPError as error:
        exchanges.note(asked, type(error).__name__, at=at, ms=0, error="toy.lost")
        raise _sorted(error) from error
    wrong = f"HTTP {answer.status}" if answer.status >= 400 else ""
    exchanges.note(asked, exchanges.Answered(answer.status, {}, answer.data), at=at, ms=0, error=wrong)
    return answer


def _sorted(error: urllib3.exceptions.HTTPError) -> OutsideError:
    match error:
        case urllib3.exceptions.NewConnectionError():
            return OutsideUnavailable(system="toy", said_by="nobody there")
        case _:
            return OutsideUnknown(system="toy", said_by=type(error).__name__)


def read_callback(connection: Connection, raw: hooks.RawCallback) -> hooks.Receipt:
    if raw.method == "GET":
        return hooks.Receipt(None, None, raw.query.get("challenge", "").encode(), "text/plain")
    expected = hmac.new(connection.secrets()["secret"].encode(), raw.body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, raw.headers.get("x-toy-signature", "")):
        raise NotAllowed
    try:
        body = json.loads(raw.body)
    except ValueError as error:
        raise BadInput from error
    return hooks.Receipt(body["event_id"], body, b'{"ok": true}', "application/json")


def translate(connection: Connection, body: dict[str, Any], at: datetime) -> relay.Outcome:
    """Keep the news as a fact, once: it may be told again after a crash."""
    ref = Ref("toy_order", body["number"])
    exchanges.about(ref)
    if body.get("is_early"):
        return relay.Later(30, "The order is not known yet.")
    if not Fact.objects.filter(ref_kind=ref.kind, ref_key=ref.key, fact="toy.taken").exists():
        facts.record(ref=ref, fact="toy.taken", actor="toy", via=connection.kind, at=at)
    return relay.Done()
