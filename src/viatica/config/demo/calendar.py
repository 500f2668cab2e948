"""A past to live through: events in their order, with clocks, ours and the database's, standing at each."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from django.db import connection

from viatica.kernel import clock

ZONE = ZoneInfo("Asia/Shanghai")
Event = Callable[[datetime], None]


@dataclass(slots=True)
class Calendar:
    random: Random
    ends: datetime
    _events: list[tuple[datetime, int, Event]] = field(default_factory=list)
    _count: int = 0

    def plan(self, at: datetime, event: Event) -> None:
        """What would lie behind `ends` has not happened yet and never will."""
        if at <= self.ends:
            self._count += 1
            heapq.heappush(self._events, (at, self._count, event))

    def live(self) -> int:
        """Let everything happen, oldest first, including what that leads to. How many events there were."""
        with _database_clock() as turn_to:
            while self._events:
                at, _, event = heapq.heappop(self._events)
                turn_to(at)
                with clock.fixed(at):
                    event(at)
        return self._count

    def at_work(self, after: datetime, least: timedelta, most: timedelta) -> datetime:
        """A moment in office hours, between `least` and `most` after `after`, or on the next working morning."""
        seconds = self.random.uniform(least.total_seconds(), most.total_seconds())
        local = (after + timedelta(seconds=seconds)).astimezone(ZONE)
        if local.hour < 9:
            local = local.replace(hour=9, minute=self.random.randrange(60))
        elif local.hour >= 19:
            local = (local + timedelta(days=1)).replace(hour=9, minute=self.random.randrange(60))
        while local.weekday() >= 5:
            local = (local + timedelta(days=1)).replace(hour=self.random.randrange(9, 12))
        return max(local, after + timedelta(seconds=30))


# The database's own now() gives document numbers their month and histories their time. A function found before the
# built-in one lets it stand still as well, in this session only; DDL and defaults of the product stay as they are.
_STAND_STILL = """
CREATE SCHEMA demo_clock;
CREATE FUNCTION demo_clock.now() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT current_setting('viatica.demo_now')::timestamptz $$;
SELECT set_config('search_path', 'demo_clock, pg_catalog, public', false);
"""
_GO_ON = """
SELECT set_config('search_path', '"$user", public', false);
DROP SCHEMA demo_clock CASCADE;
"""


@contextmanager
def _database_clock() -> Iterator[Callable[[datetime], None]]:
    with connection.cursor() as cursor:
        cursor.execute(_STAND_STILL)

    def turn_to(at: datetime) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('viatica.demo_now', %s, false)", [at.isoformat()])

    try:
        yield turn_to
    finally:
        with connection.cursor() as cursor:
            cursor.execute(_GO_ON)
