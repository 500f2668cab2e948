"""Budgets as bars: what is spent, what others hold, what this paper asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.offices.budget import queries as budget
from viatica.offices.budget.charges import BudgetStanding


@dataclass(frozen=True, slots=True)
class Bar:
    """A budget as three parts of a bar, in per mille: spent, held by others, asked by this paper."""

    standing: BudgetStanding
    used: int
    held: int
    this: int

    @property
    def left_after(self) -> Money:
        return self.standing.left - self.standing.asked

    @property
    def this_at(self) -> int:
        return self.used + self.held


def bars(standings: Sequence[BudgetStanding]) -> list[Bar]:
    shown_bars = []
    for standing in standings:
        taken = standing.reserved.amount + standing.consumed.amount + standing.asked.amount
        whole: Decimal = max(standing.total.amount, taken, Decimal(1))
        used, held, this = (
            int(part.amount * 1000 / whole) for part in (standing.consumed, standing.reserved, standing.asked)
        )
        shown_bars.append(Bar(standing, used, held, _seen(this)))
    return shown_bars


def _seen(part: int) -> int:
    """A small part is still to be seen."""
    return max(part, 6)


def held_bars(ref: Ref) -> list[Bar]:
    """Budgets in which this paper holds or spent something now: the rest of them, and its own part."""
    own: dict[int, Any] = {}
    rows: dict[int, Any] = {}
    for entry in budget.entries_of(ref):
        rows[entry.budget_id] = entry.budget
        own[entry.budget_id] = own.get(entry.budget_id, 0) + _effect(entry)
    return [_bar(rows[pk], amount) for pk, amount in own.items() if amount > 0]


def _effect(entry: Any) -> Any:
    """Reserve adds, release and reverse take away; consuming moves what is held already."""
    match str(entry.kind):
        case "reserve":
            return abs(entry.amount)
        case "release" | "reverse":
            return -abs(entry.amount)
        case _:
            return 0


def _bar(row: Any, own: Any) -> Bar:
    asked = Money(own, row.currency)
    taken = row.reserved + row.consumed
    others = max(taken - own, 0)
    whole: Decimal = max(row.amount, taken, Decimal(1))
    standing = BudgetStanding(
        budget_id=row.pk,
        name=row.name,
        control=row.control,
        owner="",
        total=row.total,
        reserved=Money(others, row.currency),
        consumed=Money.zero(row.currency),
        asked=asked,
    )
    return Bar(standing, 0, int(others * 1000 / whole), _seen(int(own * 1000 / whole)))
