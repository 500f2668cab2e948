"""How long to wait before asking again. Pure; every time is in seconds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

FIRST_WAIT = 2.0
LONGEST_WAIT = 4 * 3600.0
# Counted from the first try: about fifty tries. A weekend's outage heals by itself.
GIVE_UP_AFTER = timedelta(days=3)

BREAKER_THRESHOLD = 5
BREAKER_FIRST = 5.0
BREAKER_LONGEST = 300.0
PROBE_LEASE = 30.0

_SHORTEST = 0.05

Uniform = Callable[[float, float], float]


def before_next_try(attempt: int, uniform: Uniform, retry_after: float | None = None) -> float:
    """Full jitter under a doubling ceiling; never earlier than `retry_after`, and a little spread beyond it."""
    ceiling = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(attempt - 1, 40))
    wait = max(_SHORTEST, uniform(0.0, ceiling))
    if retry_after is None or retry_after <= 0:
        return wait
    asked = min(retry_after, GIVE_UP_AFTER.total_seconds())
    return max(wait, asked + uniform(0.0, 0.1 * asked))


def breaker_opens_for(openings: int, uniform: Uniform, retry_after: float | None = None) -> float:
    """How long a connection rests when its breaker opens for the `openings`-th time in a row."""
    rest = min(BREAKER_LONGEST, BREAKER_FIRST * 2.0 ** min(openings - 1, 20))
    return max(rest * uniform(0.8, 1.2), min(retry_after or 0.0, 3600.0))
