"""What worked last: told from deliveries, events and blocks, written seldom, and never wrong for longer than a minute."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection as database
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from viatica.kernel import clock
from viatica.kernel.errors import OutsideUnavailable
from viatica.spine import capabilities, handlers, inbox, outbox, quotas, reconcile, relay, vitals
from viatica.spine.capabilities import Row, Went
from viatica.spine.exchanges import Answered, Asked, note
from viatica.spine.models import Capability, Connection
from viatica.spine.tests.conftest import a_connection

AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capabilities, "_kept", {})


@pytest.fixture
def calls() -> Iterator[list[Exception | None]]:
    """What the next deliveries run into; None: all goes well."""
    told: list[Exception | None] = []

    def deliver(delivery: relay.Delivery) -> relay.Outcome:
        note(Asked("POST", "/x"), Answered(200), at=clock.now(), ms=1)
        error = told.pop(0) if told else None
        if error:
            raise error
        return relay.Done()

    relay.deliver_with("todo.capability-test", deliver)
    relay.deliver_with("notice.capability-test", deliver, capability="messages")
    yield told
    for kind in ("todo.capability-test", "notice.capability-test"):
        del handlers._handlers[kind], handlers._traits[kind]


def write() -> list[Row]:
    due = capabilities.due(clock=lambda: now[0])
    with database.cursor() as cursor:
        capabilities.write(cursor, due)
    capabilities.written(due, clock=lambda: now[0])
    return due


now = [0.0]


def went(seconds: float, error: str = "") -> None:
    capabilities.hear([Went(1, "approval", AT + timedelta(seconds=seconds), error)])


@pytest.mark.django_db
def test_a_capability_is_written_at_most_once_a_minute_and_ends_up_right(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    now[0] = 1000.0
    went(0)
    assert len(write()) == 1
    for second in range(1, 60):
        now[0] += 1
        went(second, "busy" if second % 2 else "")
        with django_assert_num_queries(0):
            assert write() == []
    now[0] += 1
    with django_assert_num_queries(1):
        write()
    row = Capability.objects.get(connection_id=1)
    assert (row.succeeded_at, row.failed_at) == (AT + timedelta(seconds=58), AT + timedelta(seconds=59))
    assert row.error == "busy"
    now[0] += 3600
    assert write() == []  # nothing new was heard


@pytest.mark.django_db
def test_who_writes_seldom_writes_a_turn_at_once() -> None:
    went(0)
    write()
    went(1)
    assert capabilities.due(at_once=True, clock=lambda: now[0]) == []
    went(2, "wrong secret")
    (turned,) = capabilities.due(at_once=True, clock=lambda: now[0])
    assert turned.is_failing
    assert capabilities.due(clock=lambda: now[0]) == []


@pytest.mark.django_db
def test_an_older_word_changes_nothing(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """Two processes: the one that heard later writes first."""
    with database.cursor() as cursor:
        for seconds, error in ((9, "new"), (5, "old")):
            at = AT + timedelta(seconds=seconds)
            capabilities.write(cursor, [Row(1, "approval", at, at, error)])
    row = Capability.objects.get(connection_id=1)
    nine = AT + timedelta(seconds=9)
    assert (row.succeeded_at, row.failed_at, row.error) == (nine, nine, "new")


@pytest.mark.django_db
def test_deliveries_tell_of_what_they_use(calls: list[Exception | None]) -> None:
    connection = a_connection()
    for number, kind in enumerate(("todo.capability-test", "notice.capability-test")):
        outbox.put(kind=kind, lane=f"x:{number}", payload={}, at=clock.now(), connection_id=connection.pk)
    calls += [None, OutsideUnavailable(system="toy", said_by="busy")]
    relay.drain()
    (todo, messages) = Capability.objects.filter(connection=connection).order_by("-name")
    assert (todo.name, todo.failed_at, todo.error) == ("todo", None, "")
    assert todo.succeeded_at is not None
    assert (messages.name, messages.succeeded_at) == ("messages", None)
    assert "busy" in messages.error


@pytest.mark.django_db
def test_what_is_left_over_is_written_while_nothing_else_happens(
    calls: list[Exception | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = a_connection()

    def deliver() -> None:
        outbox.put(
            kind="todo.capability-test", lane="x:1", payload={}, at=clock.now(), connection_id=connection.pk
        )
        relay.drain()

    deliver()
    first = Capability.objects.get(connection=connection).succeeded_at
    deliver()
    assert Capability.objects.get(connection=connection).succeeded_at == first
    monkeypatch.setattr(capabilities, "EVERY_SECONDS", 0.0)
    assert relay.drain() == 0
    later = Capability.objects.get(connection=connection).succeeded_at
    assert first is not None and later is not None and later > first


@pytest.mark.django_db(transaction=True)
def test_callbacks_tell_of_forged_ones_checks_and_events(client: Client) -> None:
    connection = a_connection()

    def known() -> Capability:
        return Capability.objects.get(connection=connection, name="callbacks")

    assert client.post("/hooks/toy", b"{}", "application/json").status_code == 403
    assert (known().succeeded_at, bool(known().error)) == (None, True)
    assert client.get("/hooks/toy?challenge=x").content == b"x"
    checked = known().succeeded_at
    assert checked is not None
    body = json.dumps({"event_id": "e1", "number": "42"}).encode()
    signature = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    capabilities._kept.clear()  # another process
    assert (
        client.post("/hooks/toy", body, "application/json", HTTP_X_TOY_SIGNATURE=signature).status_code == 200
    )
    assert known().succeeded_at == checked
    relay.drain()
    heard = known().succeeded_at
    assert heard is not None and heard > checked


@pytest.mark.django_db
def test_a_comparison_tells_too(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = a_connection()
    monkeypatch.setattr(reconcile, "_reconcilers", {})

    def compare(connection: Connection, at: datetime) -> reconcile.ReconcileReport:
        note(Asked("GET", "/list"), Answered(500), at=at, ms=1, error="HTTP 500")
        raise OutsideUnavailable(system="toy", said_by="HTTP 500")

    reconcile.register("toy", compare)
    assert reconcile.run(connection, AT) == []
    row = Capability.objects.get(connection=connection)
    assert (row.name, row.succeeded_at) == ("reconcile", None)
    assert "HTTP 500" in row.error


@pytest.mark.django_db
def test_vitals_are_two_statements_for_all(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    well, sick = a_connection("well", rate=20), a_connection("sick")
    Connection.objects.filter(pk=well.pk).update(tokens=1.0, tokens_at=AT - timedelta(seconds=0.1))
    Connection.objects.filter(pk=sick.pk).update(failures=9, open_until=AT + timedelta(seconds=5))
    with database.cursor() as cursor:
        capabilities.write(cursor, [Row(well.pk, "approval", AT, None), Row(sick.pk, "todo", AT, AT, "busy")])
        quotas.write(cursor, {(well.pk, "calls_a_month"): 7}, AT)
    connections = list(Connection.objects.filter(pk__in=[well.pk, sick.pk]).order_by("pk"))
    with django_assert_num_queries(2):
        found = vitals.of(connections, AT)
    one, other = found[well.pk], found[sick.pk]
    assert (one.breaker, one.tokens_left, one.burst, one.rate_per_second) == ("closed", 3, 5, 20)
    assert one.capabilities == {"approval": Row(well.pk, "approval", AT, None, "")}
    assert [(quota.name, quota.used, quota.limit) for quota in one.quotas] == [("calls_a_month", 7, None)]
    assert (other.breaker, other.open_until, other.failures_in_a_row) == (
        "open",
        AT + timedelta(seconds=5),
        9,
    )
    assert (other.tokens_left, other.burst, other.quotas) == (None, None, [])
    (half,) = vitals.of(connections[1:], AT + timedelta(seconds=6)).values()
    assert (half.breaker, half.open_until) == ("half_open", None)


@pytest.mark.django_db
def test_an_event_that_stops_is_a_failure_of_callbacks() -> None:
    connection = Connection.objects.create(slug="mute", kind="no such kind", name="Mute")
    inbox.store(connection, "e1", {}, clock.now())
    relay.drain()
    row = Capability.objects.get(connection=connection)
    assert (row.name, row.succeeded_at) == ("callbacks", None)
    assert row.error == "Nothing here knows how to handle this."
