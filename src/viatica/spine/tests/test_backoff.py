from __future__ import annotations

from datetime import timedelta

import pytest

from viatica.spine import backoff


def highest(_low: float, high: float) -> float:
    return high


def lowest(low: float, _high: float) -> float:
    return low


@pytest.mark.parametrize(
    ("attempt", "ceiling"), [(1, 2.0), (2, 4.0), (5, 32.0), (13, 8192.0), (14, 14400.0), (1000, 14400.0)]
)
def test_the_ceiling_doubles_up_to_four_hours(attempt: int, ceiling: float) -> None:
    assert backoff.before_next_try(attempt, highest) == ceiling


def test_full_jitter_reaches_down_to_almost_nothing() -> None:
    assert backoff.before_next_try(10, lowest) == 0.05


def test_retry_after_is_never_undercut_and_a_little_spread() -> None:
    assert backoff.before_next_try(1, lowest, retry_after=60) == 60
    assert backoff.before_next_try(1, highest, retry_after=60) == 66
    assert backoff.before_next_try(20, highest, retry_after=60) == 14400


@pytest.mark.parametrize("nonsense", [0.0, -5.0])
def test_a_nonsensical_retry_after_is_ignored(nonsense: float) -> None:
    assert backoff.before_next_try(3, highest, retry_after=nonsense) == 8.0


def test_an_absurd_retry_after_is_bounded_by_the_three_days() -> None:
    assert backoff.before_next_try(1, lowest, retry_after=1e12) == timedelta(days=3).total_seconds()


def test_three_days_hold_some_fifty_tries() -> None:
    waited, tries = timedelta(0), 0
    while waited < backoff.GIVE_UP_AFTER:
        tries += 1
        waited += timedelta(seconds=backoff.before_next_try(tries, lambda low, high: (low + high) / 2))
    assert 40 <= tries <= 60


def test_the_breaker_rests_longer_each_time_up_to_five_minutes() -> None:
    def middle(low: float, high: float) -> float:
        return (low + high) / 2

    assert [backoff.breaker_opens_for(n, middle) for n in (1, 2, 3, 7, 100)] == [5, 10, 20, 300, 300]
    assert backoff.breaker_opens_for(1, middle, retry_after=120) == 120
    assert backoff.breaker_opens_for(1, middle, retry_after=1e9) == 3600
