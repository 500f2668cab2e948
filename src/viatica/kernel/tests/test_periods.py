from datetime import UTC, date, datetime

import pytest

from viatica.kernel import clock
from viatica.kernel.periods import BadPeriod, Period
from viatica.kernel.refs import BadRef, Ref


def test_a_period_is_half_open() -> None:
    november = Period.month(2026, 11)
    assert date(2026, 11, 1) in november
    assert date(2026, 12, 1) not in november
    assert len(november) == 30
    assert november.last == date(2026, 11, 30)


def test_december_ends_with_the_year() -> None:
    assert Period.month(2026, 12).end == date(2027, 1, 1)
    assert Period.quarter_around(date(2026, 12, 31)) == Period(date(2026, 10, 1), date(2027, 1, 1))


def test_an_empty_period_is_refused() -> None:
    with pytest.raises(BadPeriod):
        Period(date(2026, 1, 2), date(2026, 1, 2))


def test_overlap_needs_a_common_day() -> None:
    november = Period.month(2026, 11)
    assert november.overlaps(Period.through(date(2026, 11, 30), date(2026, 12, 3)))
    assert not november.overlaps(Period.month(2026, 12))


def test_a_fixed_clock_stands_still() -> None:
    noon = datetime(2026, 11, 24, 4, tzinfo=UTC)
    with clock.fixed(noon):
        assert clock.now() == noon
    assert clock.now() != noon


def test_refs_travel_as_text() -> None:
    ref = Ref("expense_report", "42")
    assert Ref.parse(str(ref)) == ref
    assert ref.id == 42
    for text in ("", "expense_report", ":1", "expense_report:"):
        with pytest.raises(BadRef):
            Ref.parse(text)
