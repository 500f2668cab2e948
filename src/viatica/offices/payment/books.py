"""Re-adding the payments: batches against their orders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from viatica.kernel.books import Disagreement
from viatica.kernel.money import Money

ROOM = "payment"

_RE_ADDED = """
SELECT b.number, b.total, b.orders_count, coalesce(sum(o.amount), 0), count(o.id)
  FROM payment_paymentbatch b LEFT JOIN payment_paymentorder o ON o.batch_id = b.id
 GROUP BY b.id
HAVING b.total <> coalesce(sum(o.amount), 0) OR b.orders_count <> count(o.id)
 ORDER BY b.id
"""

# An order goes with its batch: same company, same currency, paid when the batch is and not before.
_OUT_OF_STEP = """
SELECT o.ref, o.state, o.entity_id, o.currency, b.number, b.state, b.entity_id, b.currency
  FROM payment_paymentorder o JOIN payment_paymentbatch b ON b.id = o.batch_id
 WHERE o.entity_id <> b.entity_id OR o.currency <> b.currency OR (o.state = 'paid') <> (b.state = 'paid')
    OR o.paid_at IS DISTINCT FROM b.paid_at
 ORDER BY o.id
"""

_BY_REF = """
SELECT ref, amount, currency, state FROM payment_paymentorder
 WHERE NOT state = 'cancelled' AND ref LIKE %s ORDER BY ref
"""


@dataclass(frozen=True, slots=True)
class RefOrdered:
    """The live order of one paper. `state` is an OrderState."""

    ref: str
    money: Money
    state: str


def disagreements(at: datetime) -> list[Disagreement]:
    return [*_wrong_totals(), *_out_of_step()]


def ordered(kind: str) -> Iterator[RefOrdered]:
    """For every paper of `kind` with a live order."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_REF, [f"{kind}:%"])
        for ref, amount, currency, state in cursor.fetchall():
            yield RefOrdered(ref, Money(amount, currency), state)


def _wrong_totals() -> Iterator[Disagreement]:
    with connection.cursor() as cursor:
        cursor.execute(_RE_ADDED)
        rows = cursor.fetchall()
    for number, total, count, total_sum, found in rows:
        yield Disagreement(
            ROOM, number, "batch", ours=f"{count} orders, {total}", theirs=f"{found} orders, {total_sum}"
        )


def _out_of_step() -> Iterator[Disagreement]:
    with connection.cursor() as cursor:
        cursor.execute(_OUT_OF_STEP)
        rows = cursor.fetchall()
    for ref, state, entity_id, currency, number, batch_state, batch_entity_id, batch_currency in rows:
        yield Disagreement(
            ROOM, ref, f"its batch {number}", ours=f"{state}, entity {entity_id}, {currency}",
            theirs=f"{batch_state}, entity {batch_entity_id}, {batch_currency}",
        )  # fmt: skip
