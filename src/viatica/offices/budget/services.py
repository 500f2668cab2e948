"""Holding, spending and giving back. Every movement is an entry and its sum, written by one statement."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from viatica.kernel.errors import Conflict, Refused
from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.kernel.words import N_
from viatica.offices.budget.charges import BudgetStanding, Charge, Hold, Moved
from viatica.offices.budget.matching import match_and_lock
from viatica.offices.budget.models import Kind
from viatica.spine import facts

__all__ = [
    "AlreadyReserved",
    "BudgetShort",
    "Charge",
    "Hold",
    "Moved",
    "consume",
    "release",
    "reserve",
    "reverse",
]


class BudgetShort(Refused):
    """`shorts` are all the budgets without room; the words name the first of them."""

    code = "budget.short"
    message = N_("The budget “{budget}” has {left} left; this needs {asked}.")
    hint = N_("Lower the amount, or ask the budget's owner ({owner}) to release a reservation or raise it.")

    def __init__(self, shorts: Sequence[BudgetStanding]) -> None:
        self.shorts = list(shorts)
        first = self.shorts[0]
        super().__init__(budget=first.name, left=first.left, asked=first.asked, owner=first.owner or "–")


class AlreadyReserved(Conflict):
    code = "budget.already_reserved"
    message = N_("{ref} holds budget already.")
    hint = N_("Give its reservation back before reserving anew.")


# What each movement does to the sums of its budget, and what it settles.
_EFFECT = {Kind.CONSUME: (-1, +1), Kind.RELEASE: (-1, 0), Kind.REVERSE: (0, -1)}
_SETTLES = {Kind.CONSUME: Kind.RESERVE, Kind.RELEASE: Kind.RESERVE, Kind.REVERSE: Kind.CONSUME}
_FACT = {Kind.CONSUME: "budget.consumed", Kind.RELEASE: "budget.released", Kind.REVERSE: "budget.reversed"}

_UNSETTLED = """
    SELECT e.id, e.budget_id, e.amount FROM budget_budgetentry e
     WHERE e.ref = %(of)s AND e.kind = %(settles)s
       AND NOT EXISTS (SELECT 1 FROM budget_budgetentry s WHERE s.settles_id = e.id)
"""

_RESERVE = f"""
WITH asked AS (
    SELECT * FROM jsonb_to_recordset(%(asked)s::jsonb) AS a(budget_id bigint, amount numeric)
), entered AS (
    INSERT INTO budget_budgetentry (budget_id, ref, kind, amount, actor, at)
    SELECT budget_id, %(of)s, 'reserve', amount, %(actor)s, %(at)s FROM asked
     WHERE NOT EXISTS ({_UNSETTLED})
    RETURNING budget_id, amount
), moved AS (
    UPDATE budget_budget b SET reserved = b.reserved + e.amount
      FROM entered e
     WHERE b.id = e.budget_id AND (b.control = 'soft' OR b.reserved + b.consumed + e.amount <= b.amount)
    RETURNING b.id
)
SELECT (SELECT count(*) FROM entered), (SELECT count(*) FROM moved)
"""

# The budgets are locked, in order, before an entry is settled: whoever settles holds its budget. A twin that waited
# for the lock read its entries before that; the unique `settles` makes it enter nothing.
_SETTLE = f"""
WITH unsettled AS MATERIALIZED ({_UNSETTLED}), locked AS MATERIALIZED (
    SELECT b.id FROM budget_budget b
     WHERE b.id IN (SELECT budget_id FROM unsettled) ORDER BY b.id FOR UPDATE
), settled AS (
    INSERT INTO budget_budgetentry (budget_id, ref, kind, amount, settles_id, actor, at)
    SELECT u.budget_id, %(of)s, %(kind)s, u.amount, u.id, %(actor)s, %(at)s
      FROM unsettled u JOIN locked ON locked.id = u.budget_id
    ON CONFLICT (settles_id) DO NOTHING
    RETURNING budget_id, amount
), sums AS (
    SELECT budget_id, sum(amount) AS amount FROM settled GROUP BY budget_id
), moved AS (
    UPDATE budget_budget b
       SET reserved = b.reserved + %(reserved)s * s.amount, consumed = b.consumed + %(consumed)s * s.amount
      FROM sums s WHERE b.id = s.budget_id
    RETURNING b.id, b.name, s.amount, b.currency
)
SELECT id, name, amount, currency FROM moved ORDER BY id
"""


def reserve(
    *,
    charges: Sequence[Charge],
    ref: Ref,
    at: datetime,
    actor: str,
    via: str = "web",
    instead_of: Ref | None = None,
) -> list[Hold]:
    """Hold room for `charges`; all of it or none. A charge no budget covers is free.

    `instead_of`: another paper (the trip that led here) whose own hold makes way first, in the same locked step.
    Raises BudgetShort when a hard budget has no room; a soft one gives a Hold with a warning.
    Raises AlreadyReserved when `ref` holds budget already.
    """
    standings = match_and_lock(charges, also=instead_of)
    if instead_of is not None:
        standings = _after_release(standings, instead_of)
    _refuse_if_short(standings)
    if instead_of is not None:
        release(ref=instead_of, at=at, actor=actor, via=via)
    asking = [standing for standing in standings if standing.asked.amount > 0]
    if asking:
        _enter(asking, ref=ref, at=at, actor=actor)
        moved = [Moved(standing.budget_id, standing.name, standing.asked) for standing in asking]
        facts.record(ref=ref, fact="budget.reserved", actor=actor, via=via, at=at, data=_data(moved))
    return [
        Hold(
            standing.budget_id,
            standing.name,
            standing.control,
            standing.asked,
            standing.left - standing.asked,
        )
        for standing in asking
    ]


def consume(*, ref: Ref, at: datetime, actor: str = "system", via: str = "system") -> list[Moved]:
    """What `ref` holds becomes spending. Nothing held (any more): nothing happens, [] is returned."""
    return _settle(Kind.CONSUME, ref=ref, at=at, actor=actor, via=via)


def release(*, ref: Ref, at: datetime, actor: str = "system", via: str = "system") -> list[Moved]:
    """What `ref` holds is free again. Nothing held (any more): nothing happens, [] is returned."""
    return _settle(Kind.RELEASE, ref=ref, at=at, actor=actor, via=via)


def reverse(*, ref: Ref, at: datetime, actor: str = "system", via: str = "system") -> list[Moved]:
    """What `ref` spent is unspent. Nothing spent (any more): nothing happens, [] is returned."""
    return _settle(Kind.REVERSE, ref=ref, at=at, actor=actor, via=via)


def _after_release(standings: list[BudgetStanding], ref: Ref) -> list[BudgetStanding]:
    """As they will stand once `ref` has given back what it holds. Their rows are locked."""
    with connection.cursor() as cursor:
        cursor.execute(_UNSETTLED, {"of": str(ref), "settles": Kind.RESERVE})
        held: dict[int, Decimal] = defaultdict(Decimal)
        for _id, budget_id, amount in cursor.fetchall():
            held[budget_id] += amount
    return [
        replace(
            standing, reserved=standing.reserved - Money(held[standing.budget_id], standing.reserved.currency)
        )
        for standing in standings
    ]


def _refuse_if_short(standings: list[BudgetStanding]) -> None:
    shorts = [standing for standing in standings if standing.is_short]
    if shorts:
        raise BudgetShort(shorts)


def _enter(asking: list[BudgetStanding], *, ref: Ref, at: datetime, actor: str) -> None:
    asked = [{"budget_id": standing.budget_id, "amount": str(standing.asked.amount)} for standing in asking]
    values: dict[str, str | datetime] = {
        "asked": json.dumps(asked),
        "of": str(ref),
        "settles": Kind.RESERVE,
        "actor": actor,
        "at": at,
    }
    with connection.cursor() as cursor:
        cursor.execute(_RESERVE, values)
        entered, moved = cursor.fetchone()
    if not entered:
        raise AlreadyReserved(ref=str(ref))
    if moved != len(asking):
        raise Conflict()


def _settle(kind: Kind, *, ref: Ref, at: datetime, actor: str, via: str) -> list[Moved]:
    reserved, consumed = _EFFECT[kind]
    values: dict[str, str | int | datetime] = {
        "of": str(ref), "kind": kind, "settles": _SETTLES[kind], "reserved": reserved, "consumed": consumed,
        "actor": actor, "at": at,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_SETTLE, values)
        moved = [
            Moved(id_, name, Money(amount, currency)) for id_, name, amount, currency in cursor.fetchall()
        ]
    if moved:
        facts.record(ref=ref, fact=_FACT[kind], actor=actor, via=via, at=at, data=_data(moved))
    return moved


def _data(moved: list[Moved]) -> dict[str, Any]:
    return {"budgets": [movement.json() for movement in moved]}
