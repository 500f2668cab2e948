"""Who wants to hear that an order was paid. Documents register in their `apps.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from viatica.kernel.money import Money
from viatica.kernel.refs import Ref


@dataclass(frozen=True, slots=True)
class PaidNews:
    """`by` is who confirmed it, as facts name people."""

    ref: Ref
    order_id: int
    number: str
    entity_id: int
    payee_id: int
    money: Money
    at: datetime
    by: str
    via: str


Handler = Callable[[PaidNews], None]

_handlers: dict[str, Handler] = {}


def on_paid(kind: str, handler: Handler) -> None:
    """`handler` is called once per paid order of a `kind` of document, inside the paying transaction."""
    _handlers[kind] = handler


def tell(news: PaidNews) -> None:
    """Papers of a kind nobody registered for hear nothing."""
    handler = _handlers.get(news.ref.kind)
    if handler is not None:
        handler(news)
