"""The one place that reads the time. Doors call `now()`; inner code receives `at`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_fixed: ContextVar[datetime | None] = ContextVar("fixed_clock", default=None)


def now() -> datetime:
    """Aware UTC."""
    return _fixed.get() or datetime.now(UTC)


@contextmanager
def fixed(at: datetime) -> Iterator[datetime]:
    """Stop the clock at `at` (aware) for this thread of execution; for tests and replays."""
    if at.tzinfo is None:
        raise ValueError("a clock is fixed at an aware datetime")
    token = _fixed.set(at.astimezone(UTC))
    try:
        yield at
    finally:
        _fixed.reset(token)
