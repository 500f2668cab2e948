"""Re-adding the vouchers: lines against heads, numbers against counters, red ones against what they undo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from viatica.kernel.books import Disagreement
from viatica.kernel.money import Money

ROOM = "ledger"

_UNBALANCED = """
SELECT v.ref, v.id, v.total, v.lines_count, coalesce(sum(l.debit), 0), coalesce(sum(l.credit), 0), count(l.id)
  FROM ledger_voucher v LEFT JOIN ledger_voucherline l ON l.voucher_id = v.id
 GROUP BY v.id
HAVING coalesce(sum(l.debit), 0) <> v.total OR coalesce(sum(l.credit), 0) <> v.total OR count(l.id) <> v.lines_count
 ORDER BY v.id
"""

_MISNUMBERED = """
SELECT c.entity_id, c.month, c.last, count(v.id), coalesce(max(v.number), 0)
  FROM ledger_vouchercounter c LEFT JOIN ledger_voucher v ON v.entity_id = c.entity_id AND v.month = c.month
 GROUP BY c.id
HAVING count(v.id) <> c.last OR coalesce(max(v.number), 0) <> c.last
 ORDER BY c.entity_id, c.month
"""

_NOT_UNDONE = """
SELECT v.ref, v.id, v.total, coalesce(red.total, 0)
  FROM ledger_voucher v LEFT JOIN ledger_voucher red ON red.reverses_id = v.id
 WHERE (v.reversed_at IS NOT NULL OR red.id IS NOT NULL)
   AND (v.reversed_at IS NULL OR coalesce(red.total, 0) <> -v.total OR red.ref <> v.ref OR red.purpose <> v.purpose)
 ORDER BY v.id
"""

_BY_REF = """
SELECT ref, currency, coalesce(sum(total) FILTER (WHERE purpose = 'claim'), 0),
       coalesce(sum(total) FILTER (WHERE purpose = 'payment'), 0)
  FROM ledger_voucher WHERE ref LIKE %s GROUP BY ref, currency ORDER BY ref, currency
"""


@dataclass(frozen=True, slots=True)
class RefBooked:
    """What the books say of one paper: `claimed` as owed, `paid` as paid; red vouchers taken off."""

    ref: str
    claimed: Money
    paid: Money


def disagreements(at: datetime) -> list[Disagreement]:
    return [*_unbalanced(), *_misnumbered(), *_not_undone()]


def booked(kind: str) -> Iterator[RefBooked]:
    """For every paper of `kind` that was ever booked."""
    for ref, currency, claimed, paid in _rows(_BY_REF, f"{kind}:%"):
        yield RefBooked(ref, Money(claimed, currency), Money(paid, currency))


def _unbalanced() -> Iterator[Disagreement]:
    for ref, voucher_id, total, count, debit, credit, found in _rows(_UNBALANCED):
        yield Disagreement(
            ROOM, ref, f"voucher {voucher_id}", ours=f"{count} lines, {total}",
            theirs=f"{found} lines, debit {debit}, credit {credit}",
        )  # fmt: skip


def _misnumbered() -> Iterator[Disagreement]:
    for entity_id, month, last, count, highest in _rows(_MISNUMBERED):
        yield Disagreement(
            ROOM, f"legal_entity:{entity_id}", f"voucher numbers of {month:%Y-%m}", ours=f"last {last}",
            theirs=f"{count} vouchers, highest {highest}",
        )  # fmt: skip


def _not_undone() -> Iterator[Disagreement]:
    for ref, voucher_id, total, red in _rows(_NOT_UNDONE):
        yield Disagreement(ROOM, ref, f"red voucher of {voucher_id}", ours=str(-total), theirs=str(red))


def _rows(sql: str, *values: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
