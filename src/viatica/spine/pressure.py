"""How hard a connection may be pressed: its rate limit and its circuit breaker, shared by all workers in its row."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db.backends.utils import CursorWrapper

from viatica.kernel.words import N_
from viatica.spine import backoff, issues
from viatica.spine.claims import News, Standing
from viatica.spine.models import Connection

log = structlog.get_logger(__name__)

# A quarter of a second's worth may go at once: a smooth limit is what the products count by the second.
_BUCKET_SECONDS = 0.25

_TAKE_TOKENS = """
WITH filled AS MATERIALIZED (
    SELECT c.id, wanted.most, LEAST(
        GREATEST(1, c.rate_per_second * %(bucket)s::float8),
        c.tokens + c.rate_per_second * GREATEST(
            0, EXTRACT(EPOCH FROM %(at)s::timestamptz - COALESCE(c.tokens_at, %(at)s::timestamptz - interval '1 day'))
        )::float8
    ) AS tokens
    FROM spine_connection AS c JOIN unnest(%(ids)s::bigint[], %(most)s::int[]) AS wanted (id, most) USING (id)
    ORDER BY c.id FOR UPDATE OF c
), granted AS (
    SELECT id, tokens, LEAST(floor(tokens), most)::int AS granted FROM filled
)
UPDATE spine_connection AS c
SET tokens = granted.tokens - granted.granted, tokens_at = GREATEST(%(at)s::timestamptz, c.tokens_at)
FROM granted WHERE c.id = granted.id
RETURNING c.id, granted.granted
"""


def take_tokens(cursor: CursorWrapper, wanted: dict[int, int], at: datetime) -> dict[int, int]:
    """Ask for deliveries of rate-limited connections; gives how many each may make now."""
    if not wanted:
        return {}
    cursor.execute(
        _TAKE_TOKENS,
        {"ids": list(wanted), "most": list(wanted.values()), "at": at, "bucket": _BUCKET_SECONDS},
    )
    return dict(cursor.fetchall())


def burst(connection: Connection) -> float:
    """Deliveries that may go at once after a rest."""
    return max(1.0, connection.rate_per_second * _BUCKET_SECONDS)


def tokens_left(connection: Connection, at: datetime) -> int:
    """Deliveries allowed at once at `at`, as `take_tokens` would find; the row is as fresh as it was read."""
    rested = (at - connection.tokens_at).total_seconds() if connection.tokens_at else 86_400.0
    return int(min(burst(connection), connection.tokens + connection.rate_per_second * max(0.0, rested)))


def win_probe(cursor: CursorWrapper, connection_id: int, at: datetime) -> bool:
    """Of all workers one may try a connection whose breaker has rested; if it dies, another may after PROBE_LEASE."""
    cursor.execute(
        "UPDATE spine_connection SET open_until = %s WHERE id = %s AND open_until <= %s",
        [at + timedelta(seconds=backoff.PROBE_LEASE), connection_id, at],
    )
    return bool(cursor.rowcount)


@dataclass(slots=True)
class _Tally:
    ok: int = 0
    failed: int = 0
    probe_failed: bool = False
    reason: str = ""
    retry_after: float | None = None


def note(news: Iterable[News], standings: dict[int, Standing], at: datetime) -> None:
    """Count what deliveries say about their connections; open and close breakers. Costs nothing while all is well."""
    tallies: dict[int, _Tally] = defaultdict(_Tally)
    for one in news:
        if one.job.box == "in" or one.job.connection_id is None or one.ending == "released":
            continue
        tally = tallies[one.job.connection_id]
        if not one.failed:
            tally.ok += 1
            continue
        tally.failed += 1
        tally.probe_failed |= one.job.is_probe
        tally.reason = one.reason
        tally.retry_after = max(tally.retry_after or 0.0, one.retry_after or 0.0) or None
    # In one order, so that two workers cannot wait for each other.
    for connection_id in sorted(tallies):
        tally = tallies[connection_id]
        known = standings.get(connection_id)
        if tally.ok:
            if known is None or known.failures or known.open_until:
                _close(connection_id, at)
        else:
            _count(connection_id, tally, at)


def _close(connection_id: int, at: datetime) -> None:
    changed = (
        Connection.objects.filter(pk=connection_id)
        .exclude(failures=0, open_until=None)
        .update(failures=0, openings=0, open_until=None)
    )
    if not changed:
        return
    slug = Connection.objects.values_list("slug", flat=True).get(pk=connection_id)
    if issues.close_issue(_issue_key(slug), at):
        log.info("breaker.closed", connection=slug)


def _count(connection_id: int, tally: _Tally, at: datetime) -> None:
    connection = Connection.objects.select_for_update().filter(pk=connection_id).first()
    if connection is None:
        return
    connection.failures += tally.failed
    # While it is open, what was under way before says nothing new; only the probe does.
    opens = tally.probe_failed or (
        connection.open_until is None and connection.failures >= backoff.BREAKER_THRESHOLD
    )
    if opens:
        connection.openings += 1
        rest = backoff.breaker_opens_for(connection.openings, random.uniform, tally.retry_after)
        connection.open_until = at + timedelta(seconds=rest)
    Connection.objects.filter(pk=connection_id).update(
        failures=connection.failures, openings=connection.openings, open_until=connection.open_until
    )
    if opens:
        log.warning(
            "breaker.opened", connection=connection.slug, openings=connection.openings, reason=tally.reason
        )
        issues.raise_issue(
            key=_issue_key(connection.slug),
            kind="connection.unreachable",
            message=N_(
                "{connection} does not answer: {reason}. Messages wait and go out by themselves once it does."
            ),
            params={"connection": connection.name, "reason": tally.reason},
            ref=None,
            at=at,
        )


def _issue_key(slug: str) -> str:
    return f"unreachable:{slug}"
