"""What goes into the budget office and what comes out. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from viatica.kernel.money import Money
from viatica.kernel.words import N_

HARD, SOFT = "hard", "soft"
OVERDRAWN = N_("With this the budget “{budget}” is overdrawn by {excess}.")


@dataclass(frozen=True, slots=True)
class Charge:
    """Money to be spent. `department_path` is the department's own, `/1/4/`; `month` any day of the month."""

    entity_id: int
    department_id: int
    department_path: str
    cost_center_id: int | None
    project_id: int | None
    category: str
    month: date
    money: Money


@dataclass(frozen=True, slots=True)
class BudgetStanding:
    """Where a budget stands, and what is `asked` of it now. `owner` is a name, "" when there is none."""

    budget_id: int
    name: str
    control: str
    owner: str
    total: Money
    reserved: Money
    consumed: Money
    asked: Money

    @property
    def left(self) -> Money:
        """Before what is asked."""
        return self.total - self.reserved - self.consumed

    @property
    def is_over(self) -> bool:
        return self.asked.amount > 0 and self.asked > self.left

    @property
    def is_short(self) -> bool:
        """Over, and nothing may pass."""
        return self.is_over and self.control == HARD


@dataclass(frozen=True, slots=True)
class Hold:
    """Room held in one budget. `left` is what remains after it, negative where a soft budget is overdrawn."""

    budget_id: int
    name: str
    control: str
    money: Money
    left: Money

    @property
    def is_over(self) -> bool:
        return self.left.is_negative

    @property
    def warning(self) -> tuple[str, dict[str, Any]] | None:
        """A msgid and its parameters when a soft budget has no room left for this."""
        return (OVERDRAWN, {"budget": self.name, "excess": str(-self.left)}) if self.is_over else None


@dataclass(frozen=True, slots=True)
class Moved:
    """What one movement changed in one budget."""

    budget_id: int
    name: str
    money: Money

    def json(self) -> dict[str, Any]:
        return {"id": self.budget_id, "budget": self.name, **self.money.json()}
