"""Every exchange: written with its attempt, or at the end of a block; found again by connection, paper and words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.db import transaction
from pytest_django import DjangoAssertNumQueries

from viatica.kernel import clock
from viatica.kernel.errors import NotFound, OutsideRefused, OutsideUnavailable, OutsideUnknown
from viatica.kernel.refs import Ref
from viatica.spine import correlation, exchange_search, exchanges, handlers, inbox, outbox, pruning, relay
from viatica.spine.models import Capability, Connection, Exchange, InboxEvent, OutboxMessage, State
from viatica.spine.tests.conftest import a_connection
from viatica.spine.tests.toy.connector import KIND

AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
REPORT, TRIP = Ref("expense_report", "42"), Ref("travel_request", "7")
Step = Callable[[relay.Delivery], relay.Outcome]


def ask(
    path: str = "/orders", *, method: str = "POST", body: str = '{"n": 1}', answer: str = '{"ok": true}',
    status: int = 200, error: str = "", at: datetime | None = None, **more: Any,
) -> None:  # fmt: skip
    exchanges.note(
        exchanges.Asked(method, path, body=body.encode(), media_type="application/json"),
        exchanges.Answered(status, {"Content-Type": "application/json", "X-Tt-Logid": "L1", "Date": "x"}, answer.encode()),
        at=at or clock.now(), ms=12, error=error, **more,
    )  # fmt: skip


@pytest.fixture
def does() -> Iterator[Callable[[Step], None]]:
    """Sets what delivering does."""

    def use(step: Step) -> None:
        handlers._handlers["approval.script"] = step

    yield use
    handlers._handlers.pop("approval.script", None)


def put(connection: Connection | None, lane: str = str(REPORT)) -> int:
    return outbox.put(
        kind="approval.script", lane=lane, payload={}, at=clock.now(), connection_id=connection.pk if connection else None
    )  # fmt: skip


def rows(connection: Connection) -> list[Exchange]:
    return list(Exchange.objects.filter(connection_id=connection.pk).order_by("id"))


# with deliveries


@pytest.mark.django_db
def test_a_delivery_leaves_its_exchange_with_its_paper(does: Callable[[Step], None]) -> None:
    connection = a_connection()

    def deliver(delivery: relay.Delivery) -> relay.Outcome:
        ask(
            body='{"app_secret": "s3cret-value", "form": "报销"}',
            answer='{"id": "i-1"}',
            secrets=("i-1-not-there",),
        )
        return relay.Done({})

    does(deliver)
    with correlation.carried("c-1"):
        item = put(connection)
    relay.drain()
    (row,) = rows(connection)
    assert (row.method, row.path, row.status, row.ms, row.error) == ("POST", "/orders", 200, 12, "")
    assert (row.box, row.item_id, row.capability, row.correlation) == ("out", item, "approval", "c-1")
    assert (row.ref_kind, row.ref_key, row.left_out) == ("expense_report", "42", 0)
    assert row.request == '{"app_secret": "…", "form": "报销"}'
    assert row.answer == 'content-type: application/json\nx-tt-logid: L1\n\n{"id": "i-1"}'
    capability = Capability.objects.get(connection=connection)
    assert (capability.name, capability.failed_at) == ("approval", None)
    assert capability.succeeded_at is not None


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (OutsideRefused(system="toy", said_by="no such field"), State.PARKED),
        (OutsideUnavailable(system="toy", said_by="busy"), State.WAITING),
        (OutsideUnknown(system="toy", said_by="no answer in time"), State.WAITING),
        (KeyError("ours"), State.WAITING),
    ],
)
@pytest.mark.django_db
def test_an_attempt_that_fails_leaves_its_exchange(
    does: Callable[[Step], None], error: Exception, state: State
) -> None:
    connection = a_connection()

    def deliver(delivery: relay.Delivery) -> relay.Outcome:
        ask(status=400, error="1390001")
        raise error

    does(deliver)
    item = put(connection)
    relay.drain()
    (row,) = rows(connection)
    assert (row.item_id, row.status, row.error, row.ref_key) == (item, 400, "1390001", "42")
    assert OutboxMessage.objects.get(pk=item).state == state
    capability = Capability.objects.get(connection=connection)
    assert capability.succeeded_at is None
    assert capability.error == OutboxMessage.objects.get(pk=item).reason != ""


@pytest.mark.django_db
def test_who_delivers_may_name_another_paper_than_the_lane(does: Callable[[Step], None]) -> None:
    connection = a_connection()

    def deliver(delivery: relay.Delivery) -> relay.Outcome:
        ask("/before")
        exchanges.about(TRIP)
        ask("/after")
        return relay.Done({})

    does(deliver)
    put(connection, lane=f"notice:{REPORT}:7")
    relay.drain()
    assert [(row.path, row.ref_kind, row.ref_key) for row in rows(connection)] == [
        ("/before", "travel_request", "7"), ("/after", "travel_request", "7"),
    ]  # fmt: skip


@pytest.mark.django_db
def test_a_lane_that_is_no_paper_names_none(does: Callable[[Step], None]) -> None:
    connection = a_connection()

    def deliver(delivery: relay.Delivery) -> relay.Outcome:
        ask()
        return relay.Done({})

    does(deliver)
    put(connection, lane=f"notice:{REPORT}:7")
    relay.drain()
    assert [row.ref_key for row in rows(connection)] == [None]


@pytest.mark.django_db
def test_what_asks_nothing_leaves_nothing_and_proves_nothing(does: Callable[[Step], None]) -> None:
    connection = a_connection()
    does(lambda delivery: relay.Done({"skipped": True}))
    put(connection)
    relay.drain()
    assert rows(connection) == []
    assert not Capability.objects.filter(connection=connection).exists()


@pytest.mark.django_db
def test_odd_signs_in_an_answer_stop_nobody(does: Callable[[Step], None]) -> None:
    """PostgreSQL keeps neither NUL nor half a character; an answer may hold both."""
    connection = a_connection()
    said = "bad\0 \ud83d field"

    def deliver(delivery: relay.Delivery) -> relay.Outcome:
        ask("/o\0dd\ud83d", answer='{"errmsg": "bad\\u0000 \\ud83d field", "token": 1}', error=said)
        if delivery.lane == str(TRIP):
            return relay.Done({"said": said})
        raise OutsideRefused(system="toy", said_by=said)

    does(deliver)
    refused, done = put(connection), put(connection, lane=str(TRIP))
    relay.drain()
    assert OutboxMessage.objects.get(pk=refused).state == State.PARKED
    assert "bad ? field" in OutboxMessage.objects.get(pk=refused).reason
    assert OutboxMessage.objects.get(pk=done).result == {"said": "bad ? field"}
    assert [row.error for row in rows(connection)] == ["bad ? field"] * 2
    inbox.store(connection, "e1", {"said": said, "back\\u0000slash": "\\u0000"}, AT)
    assert InboxEvent.objects.get().body == {"said": "bad ? field", "back\\u0000slash": "\\u0000"}


@pytest.mark.django_db
def test_of_very_many_a_sample_is_kept_and_the_others_counted(does: Callable[[Step], None]) -> None:
    connection = a_connection()
    with exchanges.gathered(connection, "directory"):
        for n in range(1, 1001):
            ask(f"/page/{n}", error="busy" if n % 300 == 0 else "")
    kept = rows(connection)
    assert [row.path.rpartition("/")[2] for row in kept] == [
        *(str(n) for n in range(1, 21)), "32", "64", "128", "256", "300", "512", "600", "900",
    ]  # fmt: skip
    assert len(kept) + sum(row.left_out for row in kept) == 1000
    assert [row.left_out for row in kept[-3:]] == [87, 299, 100]


# outside of deliveries


@pytest.mark.django_db(transaction=True)
def test_an_error_leaves_its_exchange_whatever_becomes_of_the_transaction() -> None:
    connection = a_connection()
    refusal = OutsideRefused(system="toy", said_by="wrong secret")
    with pytest.raises(OutsideRefused), transaction.atomic(), exchanges.gathered(connection, "sign_in"):
        ask("/in", error="40001")
        raise refusal
    with pytest.raises(ZeroDivisionError), exchanges.gathered(connection, "directory"):
        ask("/out")
        _ = 1 / 0
    assert [(row.path, row.capability, row.box) for row in rows(connection)] == [
        ("/in", "sign_in", None), ("/out", "directory", None),
    ]  # fmt: skip
    (capability,) = Capability.objects.filter(connection=connection)
    assert (capability.name, capability.succeeded_at) == ("sign_in", None)
    assert "wrong secret" in capability.error


@pytest.mark.django_db(transaction=True)
def test_a_record_that_cannot_be_written_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = a_connection()
    with database.cursor() as cursor:
        cursor.execute("ALTER TABLE spine_exchange RENAME TO spine_exchange_away")
    try:
        with exchanges.gathered(connection):
            ask()
    finally:
        with database.cursor() as cursor:
            cursor.execute("ALTER TABLE spine_exchange_away RENAME TO spine_exchange")
    assert rows(connection) == []


@pytest.mark.django_db
def test_a_block_writes_once_and_only_when_something_was_asked(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    connection = a_connection()
    with django_assert_num_queries(0):
        with exchanges.gathered(connection, "sign_in"):
            pass
        ask()  # nobody gathers
    assert rows(connection) == []
    assert not Capability.objects.filter(connection=connection).exists()


@pytest.mark.django_db
def test_a_comparison_goes_from_paper_to_paper(does: Callable[[Step], None]) -> None:
    connection = a_connection()
    with exchanges.gathered(connection, "reconcile"):
        ask("/one")
        exchanges.about(REPORT)
        ask("/other")
        exchanges.about(TRIP)
        ask("/list")
    assert [row.ref_key for row in rows(connection)] == ["42", "7", None]


@pytest.mark.django_db
def test_a_block_inside_a_delivery_is_written_with_it(does: Callable[[Step], None]) -> None:
    connection, other = a_connection(), a_connection("other")

    def deliver(delivery: relay.Delivery) -> relay.Outcome:
        with exchanges.gathered(other, "directory"):
            ask("/member")
            assert rows(other) == []
        return relay.Done({})

    does(deliver)
    item = put(connection)
    relay.drain()
    assert rows(connection) == []
    (row,) = rows(other)
    assert (row.path, row.capability, row.box, row.item_id) == ("/member", "directory", "out", item)
    assert Capability.objects.get(connection__in=[connection, other]).name == "directory"


# found again


def fill(connection: Connection, count: int, *, since: datetime = AT, **more: Any) -> None:
    with exchanges.gathered(connection):
        for n in range(count):
            exchanges._current.get()._seen = 0  # type: ignore[union-attr]  # keep every one
            ask(f"/n/{n}", at=since + timedelta(seconds=n), **more)


def all_pages(connection: Connection, **wanted: Any) -> list[exchanges.Exchange]:
    found: list[exchanges.Exchange] = []
    page: str | None = ""
    while page is not None:
        shown = exchanges.search(connection, page=page, **wanted)
        found += shown.rows
        page = shown.next
    return found


@pytest.mark.django_db
def test_pages_show_each_once_in_order_while_more_comes_in(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    connection, other = a_connection(), a_connection("other")
    fill(connection, 130)
    fill(other, 3)
    for n in range(30):  # at the very moments of what went out
        inbox.store(connection, f"e{n}", {}, AT + timedelta(seconds=n))
    with django_assert_num_queries(2):
        first = exchanges.search(connection)
    assert [row.path for row in first.rows] == [f"/n/{n}" for n in range(129, 79, -1)]
    fill(connection, 5, since=AT + timedelta(hours=1))
    rest = []
    page = first.next
    while page:
        shown = exchanges.search(connection, page=page)
        rest += shown.rows
        page = shown.next
    assert [row.path for row in rest[:20]] == [f"/n/{n}" for n in range(79, 59, -1)]
    assert [row.path for row in rest if row.direction == "out"] == [f"/n/{n}" for n in range(79, -1, -1)]
    assert [row.path for row in rest if row.direction == "in"] == [f"e{n}" for n in range(29, -1, -1)]
    assert [row.key for row in rest] == [
        row.key for row in sorted(rest, key=lambda row: (row.at, row.direction), reverse=True)
    ]
    assert [row.path for row in rest[-4:]] == ["/n/1", "e1", "/n/0", "e0"]


@pytest.mark.django_db
def test_only_failed_since_and_by_paper(does: Callable[[Step], None]) -> None:
    connection, other = a_connection(), a_connection("other")
    for one in (connection, other):
        fill(one, 3)
        fill(one, 2, since=AT + timedelta(hours=1), error="40035")
    inbox.store(connection, "stuck", {}, AT)
    inbox.store(connection, "fine", {}, AT)
    InboxEvent.objects.filter(event_id="stuck").update(
        state=State.PARKED, reason="The form has no such field."
    )
    failed = exchanges.search(connection, only_failed=True).rows
    assert [(row.path, row.error) for row in failed] == [
        ("/n/1", "40035"), ("/n/0", "40035"), ("stuck", "The form has no such field."),
    ]  # fmt: skip
    assert len(exchanges.search(connection, since=AT + timedelta(minutes=1)).rows) == 2

    paper = Ref("expense_report", f"of-{connection.pk}")
    with exchanges.gathered(connection):
        ask("/about")
        exchanges.about(paper)
    with exchanges.gathered(other):
        ask("/about-too")
        exchanges.about(paper)
    InboxEvent.objects.filter(event_id="fine").update(ref=str(paper))
    assert [row.path for row in exchanges.search(connection, ref=paper).rows] == ["/about", "fine"]
    assert [row.path for row in exchanges.of(paper)] == ["/about-too", "/about", "fine"]
    assert [row.path for row in exchanges.of(paper, connection_ids=[other.pk])] == ["/about-too"]
    assert {row.ref for row in exchanges.of(paper)} == {paper}
    assert exchanges.of(paper, connection_ids=[]) == []


@pytest.mark.django_db
def test_words_are_found_in_what_was_said_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = a_connection()
    fill(connection, 40)
    with exchanges.gathered(connection):
        ask("/x", body='{"number": "BX20261124-0001"}', at=AT + timedelta(seconds=100))
        ask("/y", answer='{"title": "打车 100% 报销_"}', at=AT + timedelta(seconds=5.5))
    for n in range(30):
        inbox.store(connection, f"e{n}", {"n": n}, AT + timedelta(seconds=n))
    inbox.store(connection, "old", {"number": "BX20261124-0001"}, AT - timedelta(days=9))

    def found(text: str) -> list[str]:
        return [row.path for row in all_pages(connection, text=text)]

    for stretch in (5_000, 7):  # in one look, and in many
        monkeypatch.setattr(exchange_search, "STRETCH", stretch)
        assert found("BX20261124-0001") == ["/x", "old"]
        assert found("100% 报销_") == ["/y"]
        assert found("/n/39") == ["/n/39"]
        assert found("e7") == ["e7"]
        assert found("nothing like it") == []
        assert found("%") == ["/y"]


@pytest.mark.parametrize(
    "page", ["x", "2026-11-24~out-1", "2026-11-24T00:00:00+00:00~up-1", "~", f"{AT}~in-{2**64}"]
)
@pytest.mark.django_db
def test_a_page_that_is_none_is_refused(page: str) -> None:
    with pytest.raises(exchange_search.BadPlace):
        exchanges.search(a_connection(), page=page)


@pytest.mark.django_db
def test_one_in_full_and_nobody_elses() -> None:
    connection, other = a_connection(), a_connection("other")
    fill(connection, 1)
    inbox.store(connection, "e1", {"token": "verification", "event": {"mobile": "13812345678", "n": 1}}, AT)
    for row in exchanges.search(connection).rows:
        whole = exchanges.one(connection, row.key)
        assert whole.exchange == row
        if row.direction == "out":
            assert (whole.request, whole.answer.splitlines()[-1]) == ('{"n": 1}', '{"ok": true}')
        else:
            assert whole.request == (
                '{\n  "event": {\n    "n": 1,\n    "mobile": "…"\n  },\n  "token": "…"\n}'
            )
        with pytest.raises(NotFound):
            exchanges.one(other, row.key)
    for key in ("out-0", "in-0", "out", "up-1", "out-x", f"out-{2**70}"):
        with pytest.raises(NotFound):
            exchanges.one(connection, key)


@pytest.mark.django_db
def test_an_event_is_found_by_the_paper_it_turned_out_to_be_about() -> None:
    connection = a_connection()
    inbox.store(connection, "e1", {"number": "42"}, clock.now())
    inbox.store(connection, "e2", {"number": "43", "is_early": True}, clock.now())
    relay.drain()
    assert [row.path for row in exchanges.of(Ref("toy_order", "42"))] == ["e1"]
    assert [row.path for row in exchanges.of(Ref("toy_order", "43"))] == ["e2"]
    assert Capability.objects.get(connection=connection).name == "callbacks"
    assert connection.kind == KIND


@pytest.mark.django_db
def test_no_page_costs_more_the_more_there_is() -> None:
    """Blocks read for the latest page and for one in the middle, at 200 and at 20,000 exchanges each way."""
    connection = a_connection()

    def blocks(after: datetime | None) -> int:
        wanted = exchange_search._Wanted(
            [connection.pk], after=exchange_search._Place(after, "out", 0) if after else None
        )
        total = 0
        for sql, direction in ((exchange_search._OUT, "out"), (exchange_search._IN, "in")):
            with database.cursor() as cursor:
                cursor.execute(
                    "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "
                    + sql.format(more="", conditions=wanted.conditions(direction)),
                    wanted.values() | {"limit": 51},
                )
                plan = cursor.fetchone()[0][0]["Plan"]
            total += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        return total

    def more(count: int) -> None:
        with database.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO spine_exchange (at, connection_id, capability, method, path, status, ms, request, answer,
                                            error, left_out)
                SELECT %s::timestamptz - n * interval '1 minute', %s, '', 'GET', '/x', 200, 1, repeat('r', 500), '', '', 0
                FROM generate_series(1, %s) n
                """,
                [AT, connection.pk, count],
            )
            cursor.execute(
                """
                INSERT INTO spine_inboxevent (connection_id, event_id, body, at, state, done_at)
                SELECT %s, %s || ':' || n, '{}', %s::timestamptz - n * interval '1 minute', 'done', now()
                FROM generate_series(1, %s) n
                """,
                [connection.pk, count, AT, count],
            )
            cursor.execute("ANALYZE spine_exchange; ANALYZE spine_inboxevent")

    # At worst each row of a page lies in a block of its own; the whole has thousands.
    for count, middle in ((200, 100), (20_000, 10_000)):
        more(count)
        assert blocks(None) <= 200
        assert blocks(AT - timedelta(minutes=middle)) <= 200


# months


@pytest.fixture
def far_months(transactional_db: None) -> Iterator[None]:
    """Months of 2031 may be made; they are gone afterwards."""
    yield
    with database.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^spine_.*_2031_'")
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP TABLE {name}")


def month_of(path: str) -> str:
    with database.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM spine_exchange WHERE path = %s", [path])
        (name,) = cursor.fetchone()
    return str(name)


@pytest.mark.usefixtures("far_months")
def test_an_exchange_lies_in_the_partition_of_its_month() -> None:
    connection = a_connection()
    pruning.make_next_partitions(clock.now())
    with exchanges.gathered(connection):
        ask("/now")
        ask("/ahead", at=clock.now() + timedelta(days=80))
        ask("/last-moment", at=datetime(2031, 3, 31, 23, 59, 59, 999999, tzinfo=UTC))
        ask("/first-moment", at=datetime(2031, 4, 1, tzinfo=UTC))
    assert month_of("/now") == f"spine_exchange_{clock.now():%Y_%m}"
    assert month_of("/ahead") == f"spine_exchange_{clock.now() + timedelta(days=80):%Y_%m}"
    assert month_of("/last-moment") == month_of("/first-moment") == "spine_exchange_default"
    pruning.make_partitions(date(2031, 3, 15), date(2031, 4, 2))
    assert month_of("/last-moment") == "spine_exchange_2031_03"
    assert month_of("/first-moment") == "spine_exchange_2031_04"
    assert [row.path for row in exchanges.search(connection).rows[:2]] == ["/first-moment", "/last-moment"]


@pytest.mark.usefixtures("far_months")
def test_what_is_older_than_it_is_kept_goes_by_month_and_by_day() -> None:
    connection = a_connection()
    pruning.make_partitions(date(2031, 1, 1), date(2031, 4, 1))
    days = [
        datetime(2031, 1, 31, tzinfo=UTC),
        datetime(2031, 3, 9, tzinfo=UTC),
        datetime(2031, 3, 10, tzinfo=UTC),
    ]
    with exchanges.gathered(connection):
        for day in days:
            ask(f"/{day:%m-%d}", at=day)
    pruning.delete_exchanges(datetime(2031, 3, 10, tzinfo=UTC))
    assert [row.path for row in rows(connection)] == ["/03-10"]
    with database.cursor() as cursor:
        cursor.execute("SELECT to_regclass('spine_exchange_2031_02'), to_regclass('spine_exchange_2031_03')")
        assert cursor.fetchone() == (None, "spine_exchange_2031_03")
