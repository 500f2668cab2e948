"""What Prometheus scrapes: read from the database, so that every web process tells the same. One statement each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.db import connection as database
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily

from viatica.kernel import clock

# Only unfinished rows are counted, by the partial indexes; a queue is never read whole.
_OUTBOX = """
SELECT COALESCE(c.slug, ''), q.state, q.depth, EXTRACT(EPOCH FROM now() - q.oldest)::float8 FROM (
    SELECT connection_id, state, count(*) AS depth, min(at) AS oldest
    FROM spine_outboxmessage WHERE done_at IS NULL GROUP BY connection_id, state
) AS q LEFT JOIN spine_connection AS c ON c.id = q.connection_id
"""
_INBOX = """
SELECT c.slug, q.state, q.depth, EXTRACT(EPOCH FROM now() - q.oldest)::float8 FROM (
    SELECT connection_id, state, count(*) AS depth, min(at) AS oldest
    FROM spine_inboxevent WHERE state IN ('waiting', 'parked') GROUP BY connection_id, state
) AS q JOIN spine_connection AS c ON c.id = q.connection_id
"""
_BREAKERS = """
SELECT slug, CASE WHEN open_until IS NULL THEN 0 WHEN open_until > now() THEN 2 ELSE 1 END, failures
FROM spine_connection WHERE is_active
"""
_ISSUES = "SELECT kind, count(*) FROM spine_issue WHERE closed_at IS NULL GROUP BY kind"
_DRIFT = """
SELECT c.slug, r.compared, jsonb_array_length(r.healed), jsonb_array_length(r.unhealed),
       EXTRACT(EPOCH FROM now() - r.at)::float8
FROM spine_connection AS c CROSS JOIN LATERAL (
    SELECT * FROM spine_reconcilerun WHERE connection_id = c.id ORDER BY at DESC LIMIT 1
) AS r WHERE c.is_active
"""

Rows = list[tuple[object, ...]]


def exposition() -> bytes:
    """The text format. Raises DatabaseError."""
    registry = CollectorRegistry()
    registry.register(_Spine())
    return generate_latest(registry)


class _Spine:
    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from self._queue("outbox", _OUTBOX)
        yield from self._queue("inbox", _INBOX)
        breakers = _rows(_BREAKERS)
        yield _gauge(
            "viatica_breaker_state",
            "0 closed, 1 half open, 2 open",
            ["connection"],
            breakers,
            lambda row: row[1],
        )
        yield _gauge(
            "viatica_delivery_failures",
            "Deliveries failed in a row",
            ["connection"],
            breakers,
            lambda row: row[2],
        )
        yield _gauge(
            "viatica_open_issues", "Issues a person must mend", ["kind"], _rows(_ISSUES), lambda row: row[1]
        )
        drift = _rows(_DRIFT)
        yield _gauge(
            "viatica_drift_unhealed",
            "Drift left by the last compare",
            ["connection"],
            drift,
            lambda row: row[3],
        )
        yield _gauge(
            "viatica_drift_healed",
            "Drift healed by the last compare",
            ["connection"],
            drift,
            lambda row: row[2],
        )
        yield _gauge(
            "viatica_reconcile_age_seconds",
            "Since the last compare",
            ["connection"],
            drift,
            lambda row: row[4],
        )
        time = GaugeMetricFamily("viatica_clock_seconds", "This process's clock")
        time.add_metric([], clock.now().timestamp())
        yield time

    def _queue(self, box: str, query: str) -> Iterator[GaugeMetricFamily]:
        rows = _rows(query)
        labels = ["connection", "state"]
        yield _gauge(f"viatica_{box}_depth", "Unfinished, by state", labels, rows, lambda row: row[2])
        yield _gauge(
            f"viatica_{box}_oldest_seconds",
            "Age of the oldest unfinished one",
            labels,
            rows,
            lambda row: row[3],
        )


def _rows(query: str) -> Rows:
    with database.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def _gauge(
    name: str, text: str, labels: list[str], rows: Rows, value: Callable[[tuple[object, ...]], object]
) -> GaugeMetricFamily:
    """Each row begins with its labels."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for row in rows:
        family.add_metric([str(label) for label in row[: len(labels)]], float(str(value(row))))
    return family
