"""Who has a say before an order is paid, and who wants to hear that it was. Documents register in their `apps.py`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
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
Check = Callable[[Sequence[Ref], datetime], None]

_handlers: dict[str, Handler] = {}
_checks: dict[str, Check] = {}


def before_paying(kind: str, check: Check) -> None:
    """`check` is called before the money of a `kind` of document goes, outside a transaction; it raises to refuse."""
    _checks[kind] = check


def ask_first(refs: Iterable[Ref], at: datetime) -> None:
    """Papers of a kind nobody registered for may be paid."""
    of_kind: defaultdict[str, list[Ref]] = defaultdict(list)
    for ref in refs:
        of_kind[ref.kind].append(ref)
    for kind, alike in of_kind.items():
        if check := _checks.get(kind):
            check(alike, at)


def on_paid(kind: str, handler: Handler) -> None:
    """`handler` is called once per paid order of a `kind` of document, inside the paying transaction."""
    _handlers[kind] = handler


def tell(news: PaidNews) -> None:
    """Papers of a kind nobody registered for hear nothing."""
    handler = _handlers.get(news.ref.kind)
    if handler is not None:
        handler(news)
