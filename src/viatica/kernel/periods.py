"""Half-open ranges of days."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from viatica.kernel.errors import BadInput
from viatica.kernel.words import N_


class BadPeriod(BadInput):
    code = "period.bad"
    message = N_("The end {end} is not after the start {start}.")
    hint = N_("Give an end date after the start date.")


@dataclass(frozen=True, slots=True)
class Period:
    """`start` belongs to it, `end` does not."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise BadPeriod(start=self.start, end=self.end)

    @classmethod
    def month(cls, year: int, month: int) -> Period:
        following = date(year + 1, 1, 1) if month == 12 else date(year, month + 1, 1)
        return cls(date(year, month, 1), following)

    @classmethod
    def month_around(cls, day: date) -> Period:
        return cls.month(day.year, day.month)

    @classmethod
    def quarter_around(cls, day: date) -> Period:
        first = 3 * ((day.month - 1) // 3) + 1
        return cls(date(day.year, first, 1), cls.month(day.year, first + 2).end)

    @classmethod
    def year(cls, year: int) -> Period:
        return cls(date(year, 1, 1), date(year + 1, 1, 1))

    @classmethod
    def through(cls, first: date, last: date) -> Period:
        """The days from `first` to `last`, both included, as people write them."""
        return cls(first, last + timedelta(days=1))

    @property
    def last(self) -> date:
        """The last day that belongs to it."""
        return self.end - timedelta(days=1)

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end

    def __len__(self) -> int:
        return (self.end - self.start).days

    def days(self) -> Iterator[date]:
        return (self.start + timedelta(days=n) for n in range(len(self)))

    def overlaps(self, other: Period) -> bool:
        return self.start < other.end and other.start < self.end
