"""Keeping the spine small: what is done and old goes, months ahead get their partitions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import structlog
from django.conf import settings
from django.db import connection as database

from viatica.spine.models import IdempotencyKey

log = structlog.get_logger(__name__)

# The contract with API clients is 24 hours; a little more lets a client of the night before repeat itself.
KEYS_KEPT = timedelta(hours=48)
MONTHS_AHEAD = 3

_BATCH = 5000


@dataclass(frozen=True, slots=True)
class Pruned:
    outbox: int
    inbox: int
    keys: int
    set_free: int


def prune(at: datetime, keep: timedelta | None = None) -> Pruned:
    """Delete finished messages and events older than `keep` (default: the setting), in small transactions.

    What is parked, waiting or held is never deleted; nor are facts and attempts, which leave by partition.
    """
    keep = timedelta(days=settings.ENVIRONMENT.keep_done_days) if keep is None else keep
    pruned = Pruned(
        outbox=_in_batches(lambda: _delete_done("spine_outboxmessage", at - keep)),
        inbox=_in_batches(lambda: _delete_done("spine_inboxevent", at - keep)),
        keys=IdempotencyKey.objects.filter(at__lt=at - KEYS_KEPT).delete()[0],
        set_free=free_orphans(),
    )
    log.info(
        "spine.pruned", outbox=pruned.outbox, inbox=pruned.inbox, keys=pruned.keys, set_free=pruned.set_free
    )
    return pruned


def free_orphans() -> int:
    """Set free what is held though nothing is before it. There should be none: each one is logged as a mistake."""
    with database.cursor() as cursor:
        cursor.execute(
            """
            UPDATE spine_outboxmessage AS m SET state = 'waiting'
            WHERE m.state = 'held' AND m.id = (
                SELECT e.id FROM spine_outboxmessage AS e
                WHERE e.lane = m.lane AND e.done_at IS NULL ORDER BY e.id + 0 LIMIT 1
            ) RETURNING m.id
            """
        )
        freed = [row[0] for row in cursor.fetchall()]
    if freed:
        log.error("relay.orphans_freed", ids=freed[:50], count=len(freed))
    return len(freed)


def make_partitions(since: date, until: date) -> int:
    """Partitions of facts and attempts for every month from `since` to `until`; gives how many were made.

    Rows of those months that had to go to the default partition are moved. Safe to repeat.
    """
    with database.cursor() as cursor:
        cursor.execute("SELECT spine_make_partitions(%s, %s)", [since, until])
        (made,) = cursor.fetchone()
    return int(made)


def make_next_partitions(at: datetime) -> int:
    """Partitions for this month and the next MONTHS_AHEAD."""
    return make_partitions(at.date(), (at + timedelta(days=31 * MONTHS_AHEAD)).date())


def _delete_done(table: str, before: datetime) -> int:
    with database.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {table} WHERE id = ANY(ARRAY(SELECT id FROM {table} WHERE done_at < %s LIMIT %s))",
            [before, _BATCH],
        )
        return int(cursor.rowcount)


def _in_batches(step: Callable[[], int]) -> int:
    total = 0
    while deleted := step():
        total += deleted
    return total
