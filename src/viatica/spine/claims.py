"""The relay's SQL: what is due, taking it, and writing down what became of it. Joins the open transaction.

What makes it right:
- A message is *held* when a claim meets it behind an earlier one of its lane, and is not met again before that one is
  over; so every message is met a bounded number of times, however long the queue behind a parked or waiting one is.
- Held and set free exclude one another. A claim first locks the candidates and then, in a new statement with a new
  snapshot, looks whether they head their lane. Settling writes the next of a lane whether it is held or not: if a
  claim has it locked, settling waits and then sees it held; if settling was first, the claim skips the locked row.
- A claim skips locked rows and so never waits; settling locks only the worker's own rows and their successors.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from django.db.backends.utils import CursorWrapper

from viatica.spine import wire

if TYPE_CHECKING:
    from viatica.spine.exchanges import Gathering

Box = Literal["out", "in"]

# The planner must not judge a queue by statistics taken while it was empty or full. Claims go from row to row by index;
# settling fetches its rows by their ids, once, and hashes the news against them.
_PLAN = """
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_mergejoin', 'off', true),
       set_config('jit', 'off', true),
       set_config('enable_hashjoin', %(hash)s, true), set_config('enable_nestloop', %(loop)s, true)
"""

_STANDING = """
SELECT clock_timestamp(), set_config('synchronous_commit', 'off', true), c.id, c.name, c.slug, c.is_active,
       c.rate_per_second, c.failures, c.open_until, o.due_at, i.due_at
FROM (
    SELECT id, name, slug, is_active, rate_per_second, failures, open_until FROM spine_connection
    UNION ALL SELECT 0, '', '', true, 0, 0, NULL
) AS c
LEFT JOIN LATERAL (
    SELECT due_at FROM spine_outboxmessage
    WHERE state = 'waiting' AND COALESCE(connection_id, 0) = c.id ORDER BY due_at LIMIT 1
) AS o ON true
LEFT JOIN LATERAL (
    SELECT due_at FROM spine_inboxevent WHERE state = 'waiting' AND connection_id = c.id ORDER BY due_at LIMIT 1
) AS i ON true
"""

_LOCK_OUT = """
SELECT m.id FROM unnest(%(connections)s::bigint[], %(looks)s::int[]) AS quota (connection_id, look)
CROSS JOIN LATERAL (
    SELECT id FROM spine_outboxmessage
    WHERE state = 'waiting' AND COALESCE(connection_id, 0) = quota.connection_id AND due_at <= %(at)s
    ORDER BY due_at, id LIMIT quota.look FOR UPDATE SKIP LOCKED
) AS m
"""

_TAKE_OUT = """
WITH candidate AS MATERIALIZED (
    SELECT m.id, m.due_at, COALESCE(m.connection_id, 0) AS connection_id, m.id = (
        SELECT e.id FROM spine_outboxmessage AS e WHERE e.lane = m.lane AND e.done_at IS NULL ORDER BY e.id + 0 LIMIT 1
    ) AS is_head
    FROM spine_outboxmessage AS m WHERE m.id = ANY(%(ids)s)
), held AS (
    UPDATE spine_outboxmessage AS m SET state = 'held' FROM candidate
    WHERE m.id = candidate.id AND NOT candidate.is_head
), ranked AS (
    SELECT id, connection_id, row_number() OVER (PARTITION BY connection_id ORDER BY due_at, id) AS place
    FROM candidate WHERE is_head
), chosen AS MATERIALIZED (
    SELECT ranked.id FROM ranked
    JOIN unnest(%(connections)s::bigint[], %(quotas)s::int[]) AS quota (connection_id, most)
        ON quota.connection_id = ranked.connection_id AND ranked.place <= quota.most
), taken AS (
    UPDATE spine_outboxmessage AS m
    SET due_at = %(lease_end)s, attempts = m.attempts + 1, leased_by = %(worker)s,
        first_try_at = COALESCE(m.first_try_at, %(at)s),
        earlier_unknown = m.earlier_unknown OR m.leased_by IS NOT NULL
    FROM chosen WHERE m.id = chosen.id
    RETURNING m.id, m.attempts, m.kind, m.lane, m.payload::text AS payload, m.connection_id, m.earlier_unknown,
              m.first_try_at, m.correlation
), opened AS (
    INSERT INTO spine_attempt (box, item_id, number, at, worker)
    SELECT 'out', id, attempts, %(at)s, %(worker)s FROM taken
)
SELECT * FROM taken ORDER BY id
"""

_TAKE_IN = """
WITH chosen AS MATERIALIZED (
    SELECT m.id FROM unnest(%(connections)s::bigint[], %(quotas)s::int[]) AS quota (connection_id, most)
    CROSS JOIN LATERAL (
        SELECT id FROM spine_inboxevent
        WHERE state = 'waiting' AND connection_id = quota.connection_id AND due_at <= %(at)s
        ORDER BY due_at, id LIMIT quota.most FOR UPDATE SKIP LOCKED
    ) AS m
), taken AS (
    UPDATE spine_inboxevent AS m
    SET due_at = %(lease_end)s, attempts = m.attempts + 1, leased_by = %(worker)s,
        first_try_at = COALESCE(m.first_try_at, %(at)s),
        earlier_unknown = m.earlier_unknown OR m.leased_by IS NOT NULL
    FROM chosen WHERE m.id = chosen.id
    RETURNING m.id, m.attempts, '' AS kind, m.event_id AS lane, m.body::text AS payload, m.connection_id,
              m.earlier_unknown, m.first_try_at, m.correlation
), opened AS (
    INSERT INTO spine_attempt (box, item_id, number, at, worker)
    SELECT 'in', id, attempts, %(at)s, %(worker)s FROM taken
)
SELECT * FROM taken ORDER BY id
"""

# `leased_by` and `attempts` fence: a worker that was away for longer than its lease changes nothing any more.
_SETTLE = """
WITH news AS MATERIALIZED (
    SELECT * FROM unnest(
        %(ids)s::bigint[], %(numbers)s::int[], %(ats)s::timestamptz[], %(endings)s::text[], %(waits)s::float8[],
        %(reasons)s::text[], %(hints)s::text[], %(results)s::jsonb[], %(unknowns)s::bool[], %(issues)s::text[],
        %(refs)s::text[]
    ) AS n (id, number, at, ending, wait, reason, hint, result, unknown, issue_key, ref)
), settled AS (
    UPDATE {table} AS m SET
        state = CASE news.ending WHEN 'done' THEN 'done' WHEN 'park' THEN 'parked' ELSE 'waiting' END,
        done_at = CASE news.ending WHEN 'done' THEN %(at)s::timestamptz END,
        due_at = %(at)s::timestamptz + make_interval(secs => news.wait),
        attempts = m.attempts - CASE news.ending WHEN 'released' THEN 1 ELSE 0 END,
        first_try_at = CASE WHEN news.ending = 'released' AND news.number = 1 THEN NULL ELSE m.first_try_at END,
        leased_by = NULL,
        earlier_unknown = news.ending <> 'done' AND (m.earlier_unknown OR news.unknown),
        reason = news.reason, hint = news.hint, {result}
        issue_key = CASE news.ending WHEN 'park' THEN news.issue_key ELSE m.issue_key END
    FROM news
    WHERE m.id = ANY(%(ids)s) AND m.id = news.id AND m.leased_by = %(worker)s AND m.attempts = news.number AND m.done_at IS NULL
    RETURNING m.id, {lane} AS lane, m.issue_key, news.ending, news.number
), closed AS (
    UPDATE spine_attempt AS a SET ended_at = %(at)s, outcome = news.ending, reason = NULLIF(news.reason, '')
    FROM news
    WHERE a.box = '{box}' AND a.item_id = ANY(%(ids)s) AND a.item_id = news.id AND a.number = news.number AND a.at = news.at
        AND a.at BETWEEN %(since)s AND %(until)s AND a.worker = %(worker)s AND a.outcome IS NULL
)
SELECT id, lane, issue_key, ending FROM settled
"""

_SETTLE_OUT = _SETTLE.format(
    table="spine_outboxmessage", result="result = news.result,", lane="m.lane", box="out"
)
_SETTLE_IN = _SETTLE.format(
    table="spine_inboxevent", result="ref = COALESCE(news.ref, m.ref),", lane="m.event_id", box="in"
)

_SET_FREE = """
UPDATE spine_outboxmessage AS m SET state = 'waiting'
WHERE m.state IN ('waiting', 'held') AND m.id = ANY(ARRAY(
    SELECT (
        SELECT e.id FROM spine_outboxmessage AS e WHERE e.lane = l.lane AND e.done_at IS NULL ORDER BY e.id + 0 LIMIT 1
    ) FROM unnest(%(lanes)s::text[]) AS l (lane)
))
"""

_RENEW = """
UPDATE {table} SET due_at = clock_timestamp() + make_interval(secs => %(lease)s)
WHERE id = ANY(%(ids)s) AND leased_by = %(worker)s AND done_at IS NULL
"""

TABLES: dict[Box, str] = {"out": "spine_outboxmessage", "in": "spine_inboxevent"}


class Ending(StrEnum):
    """How an attempt ended, as its row says."""

    DONE = "done"
    LATER = "later"
    PARK = "park"
    UNKNOWN = "unknown"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Standing:
    """A connection's state at `at` (the database's clock). Connection 0 stands for messages without one."""

    at: datetime
    connection_id: int
    name: str
    slug: str
    is_active: bool
    rate_per_second: int
    failures: int
    open_until: datetime | None
    out_due_at: datetime | None
    in_due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Job:
    """One message or event in a worker's hands. `number` counts its attempts; `at` is when this one was taken."""

    box: Box
    id: int
    number: int
    at: datetime
    kind: str
    lane: str
    payload: str
    connection_id: int | None
    earlier_unknown: bool
    first_try_at: datetime
    correlation: str | None
    is_probe: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """What became of a job. `wait` in seconds; `failed`: the outside did not answer as it should.

    `gathering`: the exchanges made for it, to be written with it.
    """

    job: Job
    ending: Ending
    wait: float = 0.0
    reason: str = ""
    hint: str = ""
    result: dict[str, Any] | None = None
    unknown: bool = False
    failed: bool = False
    retry_after: float | None = None
    gathering: Gathering | None = None

    @property
    def ref(self) -> str | None:
        """The paper it turned out to be about, as far as its handler said."""
        return str(self.gathering.ref) if self.gathering and self.gathering.ref else None

    @property
    def issue_key(self) -> str | None:
        """One issue for one cause, however many messages it holds up."""
        if self.ending is not Ending.PARK:
            return None
        job = self.job
        return f"parked:{job.box}:{job.connection_id or 0}:{job.kind}:{self.reason}"[:200]


@dataclass(frozen=True, slots=True)
class Settled:
    id: int
    lane: str
    issue_key: str | None
    ending: str


def standings(cursor: CursorWrapper) -> list[Standing]:
    """Every connection's state and what is due first. Cost: a few index probes a connection."""
    cursor.execute(_STANDING)
    return [Standing(row[0], *row[2:]) for row in cursor.fetchall()]


def plan_for_claims(cursor: CursorWrapper) -> None:
    """Until the transaction ends, or is planned otherwise."""
    cursor.execute(_PLAN, {"hash": "off", "loop": "on"})


def plan_for_settling(cursor: CursorWrapper) -> None:
    """Until the transaction ends, or is planned otherwise."""
    cursor.execute(_PLAN, {"hash": "on", "loop": "off"})


def take_out(
    cursor: CursorWrapper, quotas: dict[int, int], *, worker: str, at: datetime, lease: timedelta
) -> list[Job]:
    """Take messages that are due and head their lane, at most `quotas` of each connection; followers met are held."""
    if not quotas:
        return []
    connections, most = list(quotas), list(quotas.values())
    looks = [min(2 * quota + 50, 1000) for quota in most]
    cursor.execute(_LOCK_OUT, {"connections": connections, "looks": looks, "at": at})
    ids = [row[0] for row in cursor.fetchall()]
    if not ids:
        return []
    cursor.execute(
        _TAKE_OUT,
        {
            "ids": ids, "connections": connections, "quotas": most, "at": at, "lease_end": at + lease, "worker": worker,
        },
    )  # fmt: skip
    return _jobs("out", cursor.fetchall(), at)


def take_in(
    cursor: CursorWrapper, quotas: dict[int, int], *, worker: str, at: datetime, lease: timedelta
) -> list[Job]:
    """Take events that are due, at most `quotas` of each connection."""
    if not quotas:
        return []
    cursor.execute(
        _TAKE_IN,
        {
            "connections": list(quotas), "quotas": list(quotas.values()), "at": at, "lease_end": at + lease,
            "worker": worker,
        },
    )  # fmt: skip
    return _jobs("in", cursor.fetchall(), at)


def settle(
    cursor: CursorWrapper, box: Box, news: Sequence[News], *, worker: str, at: datetime
) -> list[Settled]:
    """Write down what became of jobs of one box; set the next of each finished lane free.

    Gives the rows that changed: a job whose lease was lost is not among them.
    """
    if not news:
        return []
    cursor.execute(
        _SETTLE_OUT if box == "out" else _SETTLE_IN,
        {
            "ids": [one.job.id for one in news],
            "numbers": [one.job.number for one in news],
            "ats": [one.job.at for one in news],
            "endings": [one.ending.value for one in news],
            "waits": [one.wait for one in news],
            "reasons": [one.reason for one in news],
            "hints": [one.hint for one in news],
            "results": [
                None if one.result is None else wire.storable_json(json.dumps(one.result, ensure_ascii=False))
                for one in news
            ],
            "refs": [one.ref for one in news],
            "unknowns": [one.unknown for one in news],
            "issues": [one.issue_key for one in news],
            "since": min(one.job.at for one in news),
            "until": max(one.job.at for one in news),
            "worker": worker,
            "at": at,
        },
    )
    settled = [Settled(*row) for row in cursor.fetchall()]
    if box == "out":
        set_free(cursor, [one.lane for one in settled if one.ending == Ending.DONE])
    return settled


def set_free(cursor: CursorWrapper, lanes: Sequence[str]) -> None:
    """The first unfinished message of each lane may be claimed, if it was held."""
    if lanes:
        cursor.execute(_SET_FREE, {"lanes": list(lanes)})


def renew(cursor: CursorWrapper, box: Box, ids: Sequence[int], *, worker: str, lease: timedelta) -> None:
    """The worker still has them."""
    if ids:
        cursor.execute(
            _RENEW.format(table=TABLES[box]),
            {"ids": list(ids), "lease": lease.total_seconds(), "worker": worker},
        )


def _jobs(box: Box, rows: list[tuple[Any, ...]], at: datetime) -> list[Job]:
    return [
        Job(
            box=box, id=row[0], number=row[1], at=at, kind=row[2], lane=row[3], payload=row[4], connection_id=row[5],
            earlier_unknown=row[6], first_try_at=row[7], correlation=row[8],
        )
        for row in rows
    ]  # fmt: skip
