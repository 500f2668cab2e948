"""What goes into a check and what comes out. Pure: kept with the line, because the standard may change later."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from viatica.kernel.money import Money

NOTE, REASON, BLOCK = "note", "reason", "block"


@dataclass(frozen=True, slots=True)
class LineFacts:
    """One line. `index` is how its paper names it; `day` the day (a stay: first night) it was spent on.

    `nights` counts for per-night standards; none or 0 is taken as one. `tier` is the city's, if known.
    """

    index: int
    category: str
    money: Money
    day: date
    city_id: int | None = None
    tier: str | None = None
    nights: int | None = None
    reason: str = ""
    has_receipt: bool = True


@dataclass(frozen=True, slots=True)
class ClaimFacts:
    entity_id: int
    grade_id: int
    grade_rank: int
    lines: list[LineFacts]


@dataclass(frozen=True, slots=True)
class Finding:
    """`limit`, `actual` and `excess` are for the whole line (a per-day rule: for all its lines of that day).

    `message` is a msgid to be filled with `params`. `is_met`: what it asks for (a reason) has been given.
    """

    rule: str
    line_index: int | None
    field: str
    control: str
    message: str
    params: dict[str, Any] = dataclasses.field(default_factory=dict)
    limit: Money | None = None
    actual: Money | None = None
    excess: Money | None = None
    is_met: bool = False
    standard_id: int | None = None

    @property
    def blocks(self) -> bool:
        """Whether the paper cannot be submitted as it stands."""
        return self.control == BLOCK or (self.control == REASON and not self.is_met)

    def json(self) -> dict[str, Any]:
        """For keeping beside the line; `Finding.parse` reads it back."""
        return {
            "rule": self.rule,
            "line_index": self.line_index,
            "field": self.field,
            "control": self.control,
            "message": self.message,
            "params": self.params,
            "limit": self.limit.json() if self.limit else None,
            "actual": self.actual.json() if self.actual else None,
            "excess": self.excess.json() if self.excess else None,
            "is_met": self.is_met,
            "standard_id": self.standard_id,
        }

    @classmethod
    def parse(cls, data: dict[str, Any]) -> Finding:
        money = {
            name: Money.parse(data[name]) if data[name] else None for name in ("limit", "actual", "excess")
        }
        return cls(**{**data, **money})


def is_blocked(findings: Iterable[Finding]) -> bool:
    return any(finding.blocks for finding in findings)
