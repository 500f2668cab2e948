"""The relay, one deterministic round after another, in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from django.db import connection as database

from viatica.kernel import clock
from viatica.kernel.errors import OutsideRefused, OutsideUnavailable, OutsideUnknown
from viatica.kernel.refs import Ref
from viatica.spine import claims, facts, handlers, issues, outbox, relay, replays, rounds
from viatica.spine.models import Attempt, Connection, Issue, OutboxMessage, State
from viatica.spine.tests.conftest import a_connection
from viatica.spine.tests.toy.handles import Receiver

REPORT = Ref("expense_report", "42")
LEASE = timedelta(seconds=30)


class Script:
    """A handler that answers as told, message by message; then Done. It remembers what it was given."""

    def __init__(self) -> None:
        self.told: list[Callable[[], relay.Outcome]] = []
        self.seen: list[relay.Delivery] = []

    def __call__(self, delivery: relay.Delivery) -> relay.Outcome:
        self.seen.append(delivery)
        return self.told.pop(0)() if self.told else relay.Done({"ok": True})

    def will(self, *answers: relay.Outcome | Exception) -> None:
        self.told += [_giving(answer) for answer in answers]

    @property
    def numbers(self) -> list[int]:
        return [delivery.payload["n"] for delivery in self.seen]


def _giving(answer: relay.Outcome | Exception) -> Callable[[], relay.Outcome]:
    def give() -> relay.Outcome:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return give


@pytest.fixture
def script() -> Iterator[Script]:
    script = Script()
    handlers._handlers["script"] = script
    yield script
    del handlers._handlers["script"]


def put(n: int, lane: str = "expense_report:42", connection: Connection | None = None) -> int:
    return outbox.put(
        kind="script",
        lane=lane,
        payload={"n": n},
        at=clock.now(),
        connection_id=connection.pk if connection else None,
    )


def message(message_id: int) -> OutboxMessage:
    return OutboxMessage.objects.get(pk=message_id)


def unavailable(retry_after: float | None = None) -> OutsideUnavailable:
    return OutsideUnavailable(system="toy", said_by="busy", retry_after=retry_after)


def later(**away: float) -> datetime:
    return clock.now() + timedelta(**away)


@pytest.mark.django_db
def test_a_message_is_delivered_with_what_was_put_and_keeps_the_result(script: Script) -> None:
    put_id = put(7)
    assert relay.drain() == 1
    assert script.seen == [
        relay.Delivery(
            id=put_id,
            kind="script",
            lane="expense_report:42",
            payload={"n": 7},
            connection_id=None,
            attempt=1,
            earlier_unknown=False,
        )
    ]
    row = message(put_id)
    assert (row.state, row.result, row.attempts, row.leased_by) == (State.DONE, {"ok": True}, 1, None)
    attempt = Attempt.objects.get(box="out", item_id=put_id)
    assert (attempt.number, attempt.outcome, attempt.reason) == (1, "done", None)
    assert attempt.ended_at is not None and attempt.ended_at >= attempt.at
    assert relay.drain() == 0


@pytest.mark.django_db
def test_a_lane_keeps_its_order_while_its_head_is_delayed(script: Script) -> None:
    script.will(unavailable())
    for n in (1, 2, 3):
        put(n)
    put(9, lane="expense_report:9")
    relay.drain()
    assert script.numbers == [1, 9]
    assert OutboxMessage.objects.filter(lane="expense_report:42", state=State.HELD).count() == 2
    relay.drain(at=later(minutes=1))
    assert script.numbers == [1, 9, 1, 2, 3]


@pytest.mark.django_db
def test_a_parked_head_holds_its_lane_until_it_is_replayed(script: Script) -> None:
    script.will(OutsideRefused(system="toy", said_by="no such field"))
    first, second = put(1), put(2)
    relay.drain()
    assert relay.drain(at=later(days=2)) == 0
    assert script.numbers == [1]
    row = message(first)
    assert row.state == State.PARKED
    assert "toy" in row.reason and "no such field" in row.reason  # in the operators' language
    assert message(second).state == State.HELD
    issue = Issue.objects.get(closed_at=None)
    assert issue.kind == "message.parked"
    assert [wait.ref for wait in issue.waits.all()] == ["expense_report:42"]
    assert issues.blocking(REPORT) == [issue]

    replays.replay(message_id=first, actor="employee:7", via="web", at=clock.now())
    relay.drain()
    assert script.numbers == [1, 1, 2]
    assert script.seen[1].attempt == 2
    assert not script.seen[1].earlier_unknown  # it said no: nothing was done
    assert not Issue.objects.filter(closed_at=None).exists()
    assert [(row.fact, row.actor) for row in facts.timeline(REPORT)][-2:] == [
        ("message.parked", "system"),
        ("message.replayed", "employee:7"),
    ]


@pytest.mark.django_db
def test_a_dropped_message_lets_its_lane_go_on(script: Script) -> None:
    script.will(relay.Park("It is of no use any more.", "Drop it."))
    first, second = put(1), put(2)
    relay.drain()
    replays.drop(message_id=first, actor="employee:7", via="web", at=clock.now(), reason="paid by hand")
    relay.drain()
    assert script.numbers == [1, 2]
    assert (message(first).state, message(second).state) == (State.DROPPED, State.DONE)
    assert not Issue.objects.filter(closed_at=None).exists()


@pytest.mark.django_db
def test_only_what_is_parked_is_replayed_or_dropped(script: Script) -> None:
    done = put(1)
    relay.drain()
    before = OutboxMessage.objects.values().get(pk=done)
    with pytest.raises(replays.NotParked):
        replays.replay(message_id=done, actor="employee:7", via="web", at=clock.now())
    with pytest.raises(replays.NotParked):
        replays.drop(message_id=done, actor="employee:7", via="web", at=clock.now(), reason="")
    assert OutboxMessage.objects.values().get(pk=done) == before


@pytest.mark.django_db
def test_one_cause_is_one_issue_with_all_that_wait_on_it(script: Script) -> None:
    refusal = OutsideRefused(system="toy", said_by="no such field")
    script.will(*[refusal] * 5)
    connection = a_connection()
    for n in range(5):
        put(n, lane=f"expense_report:{n}", connection=connection)
    relay.drain()
    issue = Issue.objects.get(closed_at=None)
    assert issue.waits.count() == 5
    assert issue.params["connection"] == "Toy"
    found = replays.parked(connection_id=connection.pk)
    assert [one.lane for one in found] == [f"expense_report:{n}" for n in range(5)]
    since = clock.now() + timedelta(hours=1)
    assert (
        replays.replay_all(
            connection_id=connection.pk, actor="system", via="cli", at=clock.now(), since=since
        )
        == 0
    )
    assert replays.replay_all(connection_id=connection.pk, actor="system", via="cli", at=clock.now()) == 5
    script.will(refusal)  # the first one is refused again
    relay.drain()
    assert [wait.ref for wait in Issue.objects.get(closed_at=None).waits.all()] == ["expense_report:0"]


@pytest.mark.django_db
def test_no_answer_makes_every_later_try_look_first(script: Script) -> None:
    script.will(
        OutsideUnknown(system="toy", said_by="read timed out"), unavailable(), relay.Later(5, "looking")
    )
    put(1)
    for minutes in range(4):
        relay.drain(at=later(minutes=minutes))
    assert [delivery.earlier_unknown for delivery in script.seen] == [False, True, True, True]
    outcomes = Attempt.objects.filter(item_id=script.seen[0].id, box="out").order_by("number")
    assert [attempt.outcome for attempt in outcomes] == ["unknown", "later", "later", "done"]


@pytest.mark.django_db
def test_our_own_mistake_counts_as_unknown(script: Script) -> None:
    script.will(KeyError("approver"))
    put_id = put(1)
    relay.drain()
    assert message(put_id).reason == "KeyError: 'approver'"
    relay.drain(at=later(minutes=1))
    assert [delivery.earlier_unknown for delivery in script.seen] == [False, True]


@pytest.mark.django_db
def test_after_three_days_a_person_is_asked(script: Script) -> None:
    put_id = put(1)
    script.will(*[unavailable()] * 9)
    relay.drain()
    relay.drain(at=later(days=2))
    assert message(put_id).state == State.WAITING
    relay.drain(at=later(days=3, minutes=1))
    assert message(put_id).state == State.PARKED
    assert Issue.objects.filter(closed_at=None, kind="message.parked").count() == 1


@pytest.mark.django_db
def test_retry_after_is_honoured(script: Script) -> None:
    script.will(unavailable(retry_after=600))
    put_id = put(1)
    relay.drain()
    away = message(put_id).due_at - clock.now()
    assert timedelta(seconds=590) < away < timedelta(seconds=661)


@pytest.mark.django_db
def test_a_kind_nobody_knows_is_parked() -> None:
    put_id = outbox.put(kind="unheard of", lane="x:1", payload={}, at=clock.now())
    relay.drain()
    assert message(put_id).state == State.PARKED
    assert message(put_id).hint.startswith("The part that knows it")


@pytest.mark.django_db
def test_not_before_is_kept(script: Script) -> None:
    outbox.put(kind="script", lane="x:1", payload={"n": 1}, at=clock.now(), not_before=later(hours=1))
    assert relay.drain() == 0
    assert relay.drain(at=later(hours=2)) == 1


@pytest.mark.django_db
def test_the_breaker_opens_probes_once_and_closes(script: Script) -> None:
    connection = a_connection()
    for n in range(8):
        put(n, lane=f"x:{n}", connection=connection)
    script.will(*[unavailable()] * 8)
    relay.drain()
    connection.refresh_from_db()
    assert connection.failures == 8 and connection.openings == 1
    assert connection.open_until is not None and connection.open_until > clock.now()
    assert (
        Issue.objects.filter(closed_at=None).values_list("kind", flat=True).get() == "connection.unreachable"
    )
    seen = len(script.seen)
    assert relay.drain() == 0  # open: nothing goes

    script.will(unavailable())
    assert relay.drain(at=later(minutes=1)) == 1  # one probe, and it fails
    connection.refresh_from_db()
    assert connection.openings == 2
    assert len(script.seen) == seen + 1

    assert relay.drain(at=later(minutes=10)) == 8  # the probe succeeds, the rest follow
    assert Connection.objects.values_list("failures", "openings", "open_until").get() == (0, 0, None)
    assert not Issue.objects.filter(closed_at=None).exists()


@pytest.mark.django_db
def test_an_open_breaker_does_not_hold_up_other_connections(script: Script) -> None:
    sick, well = a_connection("sick"), a_connection("well")
    Connection.objects.filter(pk=sick.pk).update(failures=9, open_until=later(hours=1))
    put(1, lane="x:1", connection=sick)
    put(2, lane="x:2", connection=well)
    put(3, lane="x:3")
    relay.drain()
    assert sorted(script.numbers) == [2, 3]


@pytest.mark.django_db
def test_only_one_worker_wins_the_probe() -> None:
    connection = a_connection()
    Connection.objects.filter(pk=connection.pk).update(failures=9, open_until=later(seconds=-1))
    with database.cursor() as cursor:
        from viatica.spine import pressure

        at = clock.now()
        assert [pressure.win_probe(cursor, connection.pk, at) for _ in range(3)] == [True, False, False]
        # It died with the probe in its hands: another may try after the lease of the probe.
        assert pressure.win_probe(cursor, connection.pk, at + timedelta(seconds=31))


@pytest.mark.django_db
def test_a_connection_switched_off_keeps_its_messages(script: Script) -> None:
    connection = a_connection()
    Connection.objects.filter(pk=connection.pk).update(is_active=False)
    put_id = put(1, connection=connection)
    assert relay.drain(at=later(days=9)) == 0
    Connection.objects.filter(pk=connection.pk).update(is_active=True)
    assert relay.drain() == 1
    assert message(put_id).state == State.DONE


@pytest.mark.django_db
def test_the_rate_is_kept_over_all_workers() -> None:
    connection = a_connection(rate=20)
    for n in range(100):
        put(n, lane=f"x:{n}", connection=connection)

    times: list[datetime] = []

    def taken(purse: rounds.Purse, ahead: float, worker: str) -> int:
        found = rounds.work(
            [], worker=worker, capacity=100, lease=LEASE, purse=purse, ahead=timedelta(seconds=ahead)
        )
        times.append(found.at)
        return len(found.jobs)

    one, other = rounds.Purse(), rounds.Purse()
    assert taken(one, 0, "one") == 5  # a quarter of a second's worth at once
    for step in range(60):
        taken(one, step / 20, "one")
        taken(other, step / 20, "other")
    total = OutboxMessage.objects.exclude(leased_by=None).count()
    allowed = 5 + 20 * (max(times) - times[0]).total_seconds()
    assert allowed - 3 <= total <= allowed


@pytest.mark.django_db
def test_a_worker_that_lost_its_lease_changes_nothing(script: Script) -> None:
    put_id = put(1)
    slow = rounds.work([], worker="slow", capacity=5, lease=LEASE, purse=None).jobs
    quick = rounds.work(
        [], worker="quick", capacity=5, lease=LEASE, purse=None, ahead=timedelta(seconds=31)
    ).jobs
    assert [(job.number, job.earlier_unknown) for job in slow + quick] == [(1, False), (2, True)]
    rounds.work(
        [claims.News(slow[0], claims.Ending.DONE, result={})],
        worker="slow",
        capacity=0,
        lease=LEASE,
        purse=None,
    )
    row = message(put_id)
    assert (row.state, row.leased_by) == (State.WAITING, "quick")
    rounds.work(
        [claims.News(quick[0], claims.Ending.DONE, result={})],
        worker="quick",
        capacity=0,
        lease=LEASE,
        purse=None,
    )
    assert message(put_id).state == State.DONE


@pytest.mark.django_db(transaction=True)
def test_a_follower_held_while_its_head_is_being_settled_is_not_forgotten(script: Script) -> None:
    """The race the claims are built for: both orders of holding a follower and setting it free."""
    for lane in range(20):
        put(1, lane=f"x:{lane}")
    heads = rounds.work([], worker="a", capacity=50, lease=LEASE, purse=None).jobs
    assert len(heads) == 20
    for lane in range(20):
        put(2, lane=f"x:{lane}")
    start = threading.Barrier(2)
    taken: list[claims.Job] = []

    def settle_heads() -> None:
        start.wait()
        for job in heads:
            news = [claims.News(job, claims.Ending.DONE, result={})]
            rounds.work(news, worker="a", capacity=0, lease=LEASE, purse=None)
        database.close()

    def claim_followers() -> None:
        start.wait()
        for _ in range(40):
            taken.extend(rounds.work([], worker="b", capacity=50, lease=LEASE, purse=None).jobs)
        database.close()

    threads = [threading.Thread(target=settle_heads), threading.Thread(target=claim_followers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken += rounds.work([], worker="b", capacity=50, lease=LEASE, purse=None).jobs
    assert sorted(job.lane for job in taken) == sorted(f"x:{lane}" for lane in range(20))
    assert not OutboxMessage.objects.filter(state=State.HELD).exists()


@pytest.mark.django_db(transaction=True)
def test_a_put_wakes_a_sleeping_worker(script: Script) -> None:
    """Its polling is an hour away: only the bell can have woken it."""
    delivered = threading.Event()
    awake = threading.Event()

    class Watched(relay.Worker):
        def wake(self) -> None:
            super().wake()
            awake.set()

    def note(_delivery: relay.Delivery) -> relay.Outcome:
        delivered.set()
        return relay.Done()

    handlers._handlers["noted"] = note
    worker = Watched(threads=1, poll=3600)
    work = threading.Thread(target=worker.run)
    work.start()
    try:
        assert awake.wait(20)  # it listens
        outbox.put(kind="noted", lane="x:1", payload={}, at=clock.now())
        assert delivered.wait(20)
    finally:
        worker.stop()
        work.join(20)
        del handlers._handlers["noted"]
    assert OutboxMessage.objects.get().state == State.DONE


@pytest.mark.django_db(transaction=True)
def test_slow_work_is_not_taken_for_dead(script: Script) -> None:
    """A delivery that outlasts the lease several times is made once."""
    begun, may_end = threading.Event(), threading.Event()
    calls: list[int] = []

    def dawdle(delivery: relay.Delivery) -> relay.Outcome:
        calls.append(delivery.attempt)
        begun.set()
        may_end.wait(20)
        return relay.Done()

    handlers._handlers["slow"] = dawdle
    put_id = outbox.put(kind="slow", lane="x:1", payload={}, at=clock.now())
    workers = [relay.Worker(threads=1, lease=0.6, poll=0.1) for _ in range(2)]
    threads = [threading.Thread(target=worker.run) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        assert begun.wait(20)
        began = clock.now()
        threading.Event().wait(2.0)
        due = OutboxMessage.objects.get(pk=put_id).due_at
        assert due > began + timedelta(seconds=1)  # renewed, again and again
    finally:
        may_end.set()
        for worker in workers:
            worker.stop()
        for thread in threads:
            thread.join(20)
        del handlers._handlers["slow"]
    assert calls == [1]
    assert message(put_id).state == State.DONE


@pytest.mark.django_db
def test_a_real_receiver_gets_each_order_once_though_answers_are_lost(receiver: Receiver) -> None:
    receiver.control(lost=0.5)
    for n in range(20):
        payload = {"url": receiver.url, "number": f"n{n}", "lane": f"x:{n}", "seq": 0}
        outbox.put(kind="toy.order", lane=f"x:{n}", payload=payload, at=clock.now())
    for minutes in range(5):
        relay.drain(at=later(minutes=minutes))
    assert sorted(order["number"] for order in receiver.orders()) == sorted(f"n{n}" for n in range(20))
    assert receiver.requests()["look"] > 0
    assert not OutboxMessage.objects.exclude(state=State.DONE).exists()
