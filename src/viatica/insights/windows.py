"""Which months a reader looks at, and the twelve they are shown among."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Self, assert_never

from viatica.kernel.periods import Period

CHART_MONTHS = 12
MONTH = r"20\d\d-(?:0[1-9]|1[0-2])"
DAY = timedelta(days=1)


class Span(StrEnum):
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    TWELVE = "12m"


def month_on(first: date, months: int) -> date:
    """The first day of the month that lies `months` after the one beginning with `first`."""
    count = first.year * 12 + first.month - 1 + months
    return date(count // 12, count % 12 + 1, 1)


def months_of(period: Period) -> Iterator[date]:
    """The first days of the months that begin in it."""
    month = period.start.replace(day=1)
    while month < period.end:
        yield month
        month = month_on(month, 1)


def read_month(text: Any) -> date | None:
    """`2026-11`; None for anything else."""
    if not isinstance(text, str) or not re.fullmatch(MONTH, text):
        return None
    return date(int(text[:4]), int(text[5:]), 1)


@dataclass(frozen=True, slots=True)
class Window:
    """Whole months. `period` is what the figures add up; `chart` is what the columns show."""

    span: Span
    period: Period

    @classmethod
    def around(cls, span: Span, day: date) -> Self:
        match span:
            case Span.MONTH:
                return cls(span, Period.month_around(day))
            case Span.QUARTER:
                return cls(span, Period.quarter_around(day))
            case Span.YEAR:
                return cls(span, Period.year(day.year))
            case Span.TWELVE:
                end = Period.month_around(day).end
                return cls(span, Period(month_on(end, -CHART_MONTHS), end))
            case _:
                assert_never(span)

    @property
    def of(self) -> str:
        """How an address names it: its last month."""
        return f"{self.period.last:%Y-%m}"

    @property
    def chart(self) -> Period:
        return Period(month_on(self.period.end, -CHART_MONTHS), self.period.end)

    @property
    def earlier(self) -> Window:
        return Window.around(self.span, self.period.start - DAY)

    @property
    def later(self) -> Window:
        if self.span == Span.TWELVE:
            return Window.around(self.span, month_on(self.period.end, CHART_MONTHS - 1))
        return Window.around(self.span, self.period.end)

    def gone(self, today: date) -> int | None:
        """Per cent of its days that lie behind us, today included; None once it is over or before it begins.

        The last twelve months always end now and say nothing by it.
        """
        if self.span == Span.TWELVE or today not in self.period:
            return None
        return ((today - self.period.start).days + 1) * 100 // len(self.period)
