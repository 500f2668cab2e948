"""Re-adding the budgets: the entries are the truth, `reserved` and `consumed` their running sums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from viatica.kernel.books import Disagreement
from viatica.kernel.money import Money

ROOM = "budget"

_RE_ADDED = """
WITH sums AS (
    SELECT budget_id,
           coalesce(sum(amount) FILTER (WHERE kind = 'reserve'), 0)
             - coalesce(sum(amount) FILTER (WHERE kind IN ('consume', 'release')), 0) AS reserved,
           coalesce(sum(amount) FILTER (WHERE kind = 'consume'), 0)
             - coalesce(sum(amount) FILTER (WHERE kind = 'reverse'), 0) AS consumed
      FROM budget_budgetentry GROUP BY budget_id
)
SELECT b.id, b.name, b.reserved, coalesce(s.reserved, 0), b.consumed, coalesce(s.consumed, 0)
  FROM budget_budget b LEFT JOIN sums s ON s.budget_id = b.id
 WHERE b.reserved <> coalesce(s.reserved, 0) OR b.consumed <> coalesce(s.consumed, 0)
 ORDER BY b.id
"""

_MISSETTLED = """
SELECT e.ref, e.id, e.kind, e.amount, o.kind, o.amount
  FROM budget_budgetentry e JOIN budget_budgetentry o ON o.id = e.settles_id
 WHERE (e.ref, e.budget_id, e.amount) <> (o.ref, o.budget_id, o.amount)
    OR o.kind <> CASE e.kind WHEN 'reverse' THEN 'consume' ELSE 'reserve' END
 ORDER BY e.id
"""

_BY_REF = """
SELECT e.ref, b.currency,
       sum(CASE e.kind WHEN 'reserve' THEN e.amount WHEN 'reverse' THEN 0 ELSE -e.amount END),
       sum(CASE e.kind WHEN 'consume' THEN e.amount WHEN 'reverse' THEN -e.amount ELSE 0 END)
  FROM budget_budgetentry e JOIN budget_budget b ON b.id = e.budget_id
 WHERE e.ref LIKE %s
 GROUP BY e.ref, b.currency
 ORDER BY e.ref, b.currency
"""


@dataclass(frozen=True, slots=True)
class RefBalance:
    """What one paper holds and has spent, in the currency of its budgets."""

    ref: str
    held: Money
    spent: Money


def disagreements(at: datetime) -> list[Disagreement]:
    """Budgets whose columns are not the sums of their entries, and entries that do not fit what they settle."""
    return [*_wrong_sums(), *_missettled()]


def balances(kind: str) -> Iterator[RefBalance]:
    """For every paper of `kind` that ever moved a budget."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_REF, [f"{kind}:%"])
        for ref, currency, held, spent in cursor.fetchall():
            yield RefBalance(ref, Money(held, currency), Money(spent, currency))


def _wrong_sums() -> Iterator[Disagreement]:
    with connection.cursor() as cursor:
        cursor.execute(_RE_ADDED)
        rows = cursor.fetchall()
    for budget_id, name, reserved, reserved_sum, consumed, consumed_sum in rows:
        ref = f"budget:{budget_id}"
        if reserved != reserved_sum:
            yield Disagreement(ROOM, ref, f"reserved of {name}", ours=str(reserved), theirs=str(reserved_sum))
        if consumed != consumed_sum:
            yield Disagreement(ROOM, ref, f"consumed of {name}", ours=str(consumed), theirs=str(consumed_sum))


def _missettled() -> Iterator[Disagreement]:
    with connection.cursor() as cursor:
        cursor.execute(_MISSETTLED)
        rows = cursor.fetchall()
    for ref, entry_id, kind, amount, settled_kind, settled_amount in rows:
        yield Disagreement(
            ROOM, ref, f"entry {entry_id} settles another", ours=f"{kind} {amount}",
            theirs=f"{settled_kind} {settled_amount}",
        )  # fmt: skip
