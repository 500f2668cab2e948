"""Keeping the spine small: what is done and old goes, months ahead get their partitions."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta

import structlog
from django.conf import settings
from django.db import DatabaseError, transaction
from django.db import connection as database

from viatica.spine.models import IdempotencyKey, QuotaUse

log = structlog.get_logger(__name__)

# The contract with API clients is 24 hours; a little more lets a client of the night before repeat itself.
KEYS_KEPT = timedelta(hours=48)
MONTHS_AHEAD = 3
USES_KEPT = timedelta(days=400)

_BATCH = 5000


@dataclass(frozen=True, slots=True)
class Pruned:
    outbox: int
    inbox: int
    keys: int
    set_free: int
    exchanges: int


def prune(at: datetime, keep: timedelta | None = None) -> Pruned:
    """Delete finished messages and events older than `keep` (default: the setting), in small transactions.

    What is parked, waiting or held is never deleted; nor are facts and attempts, which leave by partition. Exchanges
    are kept for a time of their own.
    """
    keep = timedelta(days=settings.ENVIRONMENT.keep_done_days) if keep is None else keep
    pruned = Pruned(
        outbox=_in_batches(lambda: _delete_done("spine_outboxmessage", at - keep)),
        inbox=_in_batches(lambda: _delete_done("spine_inboxevent", at - keep)),
        keys=IdempotencyKey.objects.filter(at__lt=at - KEYS_KEPT).delete()[0],
        set_free=free_orphans(),
        exchanges=delete_exchanges(at - timedelta(days=settings.ENVIRONMENT.keep_exchange_days)),
    )
    QuotaUse.objects.filter(since__lt=(at - USES_KEPT).date()).delete()
    log.info("spine.pruned", **asdict(pruned))
    return pruned


def delete_exchanges(before: datetime) -> int:
    """Months that are over by then leave with their partition, uncounted; of the month that holds it, the days before."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'spine_exchange'::regclass"
        )
        months = [name for (name,) in cursor.fetchall() if re.fullmatch(r"spine_exchange_\d{4}_\d\d", name)]
    for name in sorted(months):
        if name < f"spine_exchange_{before.astimezone(UTC):%Y_%m}":
            _drop_partition(name)
    with database.cursor() as cursor:
        cursor.execute("DELETE FROM spine_exchange WHERE at < %s", [before])
        return int(cursor.rowcount)


def _drop_partition(name: str) -> None:
    """Without making anyone wait for it: when the table is in use just now, tomorrow night is as good."""
    try:
        with transaction.atomic(), database.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '2s'")
            cursor.execute(f"DROP TABLE {name}")
    except DatabaseError as error:
        log.warning("exchanges.partition_in_use", partition=name, error=str(error).strip())


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
    """Partitions of facts, attempts and exchanges for every month from `since` to `until`; gives how many were made.

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
