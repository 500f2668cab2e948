"""What a claim costs must not grow with what stands behind an open breaker, a parked lane or a delayed one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database

from viatica.kernel import clock
from viatica.spine import claims, rounds
from viatica.spine.models import Connection, OutboxMessage, State
from viatica.spine.tests.conftest import a_connection

BACKLOG = 200_000
LEASE = timedelta(seconds=30)


@contextmanager
def pages_read() -> Iterator[list[int]]:
    """The heap and index pages the statements inside touch, as EXPLAIN counts them."""
    read: list[int] = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().startswith(("SELECT m.id", "WITH candidate", "SELECT clock_timestamp")):
            with database.connection.cursor() as cursor:
                whole = cursor.mogrify(sql, params)
                cursor.execute("SAVEPOINT measured")  # what is explained is also done
                cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {whole}")
                plan = cursor.fetchone()[0]
                cursor.execute("ROLLBACK TO SAVEPOINT measured")
            top = json.loads(plan)[0]["Plan"] if isinstance(plan, str) else plan[0]["Plan"]
            read.append(top["Shared Hit Blocks"] + top["Shared Read Blocks"])
        return execute(sql, params, many, context)

    with database.execute_wrapper(explain):
        yield read


def fill(connection: Connection, *, lanes: int, count: int = BACKLOG) -> None:
    with database.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO spine_outboxmessage (kind, lane, payload, connection_id)
            SELECT 'k', 'backlog:' || (i %% %s), '{}', %s FROM generate_series(1, %s) AS i
            """,
            [lanes, connection.pk, count],
        )
        cursor.execute("ANALYZE spine_outboxmessage")


def put_one(lane: str, connection: Connection) -> OutboxMessage:
    return OutboxMessage.objects.create(kind="k", lane=lane, payload={}, connection=connection)


def claim(capacity: int = 50) -> tuple[list[claims.Job], int]:
    with pages_read() as read:
        jobs = rounds.work([], worker="w", capacity=capacity, lease=LEASE, purse=None).jobs
    return jobs, sum(read)


@pytest.mark.django_db(transaction=True)
def test_behind_an_open_breaker() -> None:
    sick, well = a_connection("sick"), a_connection("well")
    message = put_one("paper:1", well)
    _, alone = claim(capacity=1)
    OutboxMessage.objects.update(leased_by=None, due_at=clock.now())
    fill(sick, lanes=BACKLOG)
    Connection.objects.filter(pk=sick.pk).update(failures=9, open_until=clock.now() + timedelta(hours=1))
    jobs, crowded = claim(capacity=1)
    assert [job.id for job in jobs] == [message.pk]
    assert crowded <= alone + 30


@pytest.mark.django_db(transaction=True)
def test_behind_parked_lanes() -> None:
    connection = a_connection()
    fill(connection, lanes=500, count=50_000)
    with database.cursor() as cursor:
        cursor.execute(
            """
            UPDATE spine_outboxmessage SET state = 'parked'
            WHERE id IN (SELECT min(id) FROM spine_outboxmessage GROUP BY lane)
            """
        )
    met = 0
    while OutboxMessage.objects.filter(state=State.WAITING).exists():
        assert not rounds.work([], worker="w", capacity=1000, lease=LEASE, purse=None).jobs
        met += 1
    assert met <= 50_000 / 1000 + 2  # each is met once, a thousand at a time, and held
    message = put_one("paper:1", connection)
    jobs, read = claim()
    assert [job.id for job in jobs] == [message.pk]
    assert read < 3000  # what the vacuum has not swept yet; a claim that saw the backlog would read 50,000
    with database.cursor() as cursor:
        claims.set_free(cursor, ["backlog:7"])
        assert OutboxMessage.objects.filter(lane="backlog:7", state=State.WAITING).count() == 0
        OutboxMessage.objects.filter(lane="backlog:7", state=State.PARKED).update(
            state=State.DROPPED, done_at=clock.now()
        )
        claims.set_free(cursor, ["backlog:7"])
    jobs, _ = claim()
    assert [job.lane for job in jobs] == ["backlog:7"]


@pytest.mark.django_db(transaction=True)
def test_one_lane_of_many_messages() -> None:
    connection = a_connection()
    fill(connection, lanes=1)
    jobs, _ = claim()
    assert len(jobs) == 1
    costs = []
    for _ in range(5):
        news = [claims.News(job, claims.Ending.DONE, result={}) for job in jobs]
        rounds.work(news, worker="w", capacity=0, lease=LEASE, purse=None)
        jobs, cost = claim()
        assert len(jobs) == 1
        costs.append(cost)
    assert max(costs) < 10_000  # not the 200,000 behind
