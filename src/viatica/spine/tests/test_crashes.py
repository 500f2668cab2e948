"""Workers killed at any point, two at once, the database restarted: nothing lost, nothing done twice, order kept."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from viatica.config.database import DatabaseFailed, start_embedded
from viatica.kernel import clock
from viatica.spine import outbox
from viatica.spine.models import Attempt, Exchange, OutboxMessage, State
from viatica.spine.tests.toy.handles import Nursery, Receiver, is_alive, until

pytestmark = pytest.mark.crash

FAST = {"lease": 0.6, "poll": 0.1, "threads": 4}


def orders(receiver: Receiver, lanes: int, each: int, name: str = "lane") -> list[dict[str, Any]]:
    """`each` orders for each lane, their turns mixed as in life."""
    return [
        {"url": receiver.url, "lane": f"{name}:{lane}", "seq": seq, "number": f"{name}-{lane}-{seq}"}
        for seq in range(each)
        for lane in range(lanes)
    ]


def put_all(wanted: list[dict[str, Any]]) -> None:
    for order in wanted:
        outbox.put(kind="toy.order", lane=order["lane"], payload=order, at=clock.now(), key=order["number"])


def is_over() -> bool:
    return not OutboxMessage.objects.exclude(state=State.DONE).exists()


def assert_each_once_and_in_order(receiver: Receiver, wanted: list[dict[str, Any]]) -> None:
    taken = receiver.orders()
    assert sorted(order["number"] for order in taken) == sorted(order["number"] for order in wanted)
    by_lane: dict[str, list[int]] = defaultdict(list)
    for order in taken:
        by_lane[order["lane"]].append(order["seq"])
    assert all(sequence == sorted(sequence) for sequence in by_lane.values())


def assert_exchanges_stand_with_their_attempts(wanted: list[dict[str, Any]]) -> None:
    """What a killed worker had asked died with it; what was settled is there, and nothing twice."""
    ids = OutboxMessage.objects.filter(payload__number__in=[one["number"] for one in wanted]).values("pk")
    rows = Exchange.objects.filter(box="out", item_id__in=ids).values_list("item_id", "method", "status")
    kept = Counter(rows)
    closed = Attempt.objects.filter(box="out", item_id__in=ids, outcome="done").values_list(
        "item_id", flat=True
    )
    looked_or_took = Counter(
        item_id for item_id, method, status in kept.elements() if (method, status) in DONE
    )
    assert looked_or_took == Counter(closed)
    assert set(looked_or_took.values()) == {1}


DONE = {("POST", 201), ("GET", 200)}


def test_killed_around_every_statement_and_call(nursery: Nursery, receiver: Receiver) -> None:
    wanted: list[dict[str, Any]] = []
    for point in range(1, 60):
        these = orders(receiver, lanes=2, each=2, name=f"p{point}")
        put_all(these)
        wanted += these
        nursery.wait(nursery.start("work", die_at=point, **FAST), 10)
    nursery.start("work", **FAST)
    until(is_over)
    assert_each_once_and_in_order(receiver, wanted)
    # Whoever was told that an earlier try may have done it looked, and did not do it again.
    assert receiver.requests()["look"] > 0
    assert_exchanges_stand_with_their_attempts(wanted)


def test_killed_at_random_moments_with_a_faulty_receiver(nursery: Nursery, receiver: Receiver) -> None:
    chance = random.Random(20261124)
    receiver.control(lost=0.05, unavailable=0.05, slow=0.1, slow_seconds=0.05)
    wanted = orders(receiver, lanes=40, each=8)
    put_all(wanted)
    workers = [nursery.start("work", **FAST) for _ in range(2)]
    for _ in range(40):
        time.sleep(chance.uniform(0.02, 0.15))
        victim = chance.randrange(2)
        nursery.kill(workers[victim])
        workers[victim] = nursery.start("work", **FAST)
    receiver.control()
    # Backoff after a fault may be seconds; the crashes are over, so make what waits due.
    until(
        lambda: (
            bool(OutboxMessage.objects.filter(leased_by=None).update(due_at=clock.now()) or is_over())
            and is_over()
        )
    )
    assert_each_once_and_in_order(receiver, wanted)
    open_attempts = Attempt.objects.filter(
        box="out", outcome=None, item_id__in=OutboxMessage.objects.values("pk")
    )
    assert open_attempts.exists()  # the killed ones left their traces
    assert not OutboxMessage.objects.filter(attempts=0).exists()


def test_two_workers_share_the_work(nursery: Nursery, receiver: Receiver) -> None:
    receiver.control(slow=1.0, slow_seconds=0.01)
    wanted = orders(receiver, lanes=60, each=4)
    put_all(wanted)
    for _ in range(2):
        nursery.start("work", **FAST)
    until(is_over)
    assert_each_once_and_in_order(receiver, wanted)
    assert receiver.requests() == {"take": len(wanted)}
    ids = OutboxMessage.objects.values("pk")
    workers = Attempt.objects.filter(box="out", item_id__in=ids).values_list("worker", flat=True).distinct()
    assert len(workers) == 2


def test_a_worker_asked_to_stop_finishes_and_gives_back(nursery: Nursery, receiver: Receiver) -> None:
    receiver.control(slow=1.0, slow_seconds=0.2)
    wanted = orders(receiver, lanes=30, each=1)
    put_all(wanted)
    pid = nursery.start("work", lease=60, poll=0.1, threads=4)
    until(lambda: len(receiver.times()) >= 4)
    nursery.kill(pid, signal.SIGTERM)
    nursery.wait(pid)
    # Nothing is left in its hands, and what it had begun is done: no lease to wait for, nothing unknown.
    assert not OutboxMessage.objects.exclude(leased_by=None).exists()
    assert OutboxMessage.objects.filter(state=State.DONE).count() == len(receiver.orders())
    assert not OutboxMessage.objects.filter(earlier_unknown=True).exists()
    nursery.start("work", **FAST)
    receiver.control()
    until(is_over)
    assert receiver.requests() == {"take": len(wanted)}
    assert_each_once_and_in_order(receiver, wanted)


def test_the_workers_sessions_are_cut_again_and_again(nursery: Nursery, receiver: Receiver) -> None:
    """As a failover or an impatient administrator does."""
    receiver.control(slow=1.0, slow_seconds=0.01)
    wanted = orders(receiver, lanes=40, each=6)
    put_all(wanted)
    ours = _sessions()
    nursery.start("work", **FAST)
    cut = 0
    while not is_over():
        for session in _sessions() - ours:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s)", [session])
            cut += 1
        time.sleep(0.4)
        assert cut < 500
    assert cut > 0
    assert_each_once_and_in_order(receiver, wanted)


def _sessions() -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        return {row[0] for row in cursor.fetchall()}


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
def test_the_database_restarts_under_a_worker(
    receiver: Receiver, tmp_path: Path, way: signal.Signals
) -> None:
    url = start_embedded(tmp_path, "fsync = off\n")
    nursery = Nursery(url, tmp_path)
    try:
        nursery.run("migrate")
        wanted = orders(receiver, lanes=20, each=6)
        receiver.control(slow=1.0, slow_seconds=0.02)
        nursery.run("put", orders=wanted)
        worker = nursery.start("work", **FAST)
        until(lambda: len(receiver.orders()) > 20)
        postmaster = int((tmp_path / "postgres" / "postmaster.pid").read_text().split()[0])
        _stop(postmaster, way)
        until(lambda: _is_up_again(tmp_path), 20, "the database to start")
        with psycopg.connect(url, autocommit=True) as line:
            until(
                lambda: (
                    line.execute("SELECT bool_and(state = 'done') FROM spine_outboxmessage").fetchone()
                    == (True,)
                )
            )
            nursery.kill(worker, signal.SIGTERM)
            nursery.wait(worker)
        assert_each_once_and_in_order(receiver, wanted)
    finally:
        nursery.close()
        _stop(int((tmp_path / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)


def _is_up_again(home: Path) -> bool:
    """Its last processes may still be letting go of what the new server needs."""
    try:
        start_embedded(home)
    except DatabaseFailed:
        return False
    return True


def _stop(postmaster: int, way: signal.Signals) -> None:
    os.kill(postmaster, way)
    until(lambda: not is_alive(postmaster), 20, "the database to stop")
