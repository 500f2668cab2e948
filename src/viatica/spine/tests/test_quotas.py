"""Quotas: counted with what is delivered, warned of at 80 %, kept to at 100 %: notices wait, approvals go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection as database
from pytest_django import DjangoAssertNumQueries

from viatica.kernel import clock
from viatica.spine import exchanges, handlers, outbox, pruning, quotas, relay
from viatica.spine.models import Attempt, Connection, Issue, OutboxMessage, QuotaUse, State
from viatica.spine.quotas import Quota
from viatica.spine.tests.conftest import a_connection

AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
CALLS, MESSAGES = "calls_a_month", "messages_a_day"
SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture(autouse=True)
def _known_quotas(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(quotas, "_quotas", {})
    quotas.forget()
    quotas.register(
        "toy",
        [
            Quota(CALLS, "API calls a month", 5000, source="调用频次与限流"),
            Quota(MESSAGES, "messages a day", 50),
        ],
    )
    yield
    quotas.forget()


@pytest.fixture
def delivered() -> Iterator[list[str]]:
    """The lanes whose messages were delivered; each counts one call."""
    seen: list[str] = []

    def deliver(delivery: relay.Delivery) -> relay.Outcome:
        seen.append(delivery.lane)
        exchanges.note(
            exchanges.Asked("POST", "/x"), exchanges.Answered(200), at=clock.now(), ms=1, counts={CALLS: 1}
        )
        return relay.Done()

    relay.deliver_with("approval.quota-test", deliver)
    relay.deliver_with("notice.quota-test", deliver, can_wait=True)
    yield seen
    for kind in ("approval.quota-test", "notice.quota-test"):
        del handlers._handlers[kind], handlers._traits[kind]


def connected(limit: int | None = 10) -> Connection:
    connection = a_connection()
    connection.settings = {"quotas": {CALLS: limit}}
    connection.save()
    return connection


def put(kind: str, connection: Connection, *lanes: str) -> list[int]:
    return [
        outbox.put(
            kind=f"{kind}.quota-test", lane=lane, payload={}, at=clock.now(), connection_id=connection.pk
        )
        for lane in lanes
    ]


def used(connection: Connection, name: str = CALLS) -> int:
    return next(one.used for one in quotas.standing(connection, clock.now()) if one.name == name)


def open_kinds() -> list[str]:
    return sorted(
        Issue.objects.filter(closed_at=None, kind__startswith="quota").values_list("kind", flat=True)
    )


@pytest.mark.django_db
def test_what_is_delivered_is_counted_by_one_statement_a_round(delivered: list[str]) -> None:
    connection = connected(limit=None)
    put("approval", connection, *(f"x:{n}" for n in range(30)))
    statements: list[str] = []

    def watch(execute, sql, params, many, context):  # type: ignore[no-untyped-def]  # Django's own signature
        statements.append(sql)
        return execute(sql, params, many, context)

    with database.execute_wrapper(watch):
        relay.drain()
    assert used(connection) == len(delivered) == 30
    assert sum("spine_quotause" in sql for sql in statements) == 1


@pytest.mark.django_db
def test_a_standing_says_what_is_known(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    connection = a_connection()
    connection.settings = {"quotas": {MESSAGES: 200, "stamps_a_day": 3, "junk": "x"}}
    connection.save()
    with database.cursor() as cursor:
        quotas.write(cursor, {(connection.pk, CALLS): 1250, (connection.pk, "other_a_month"): 2}, AT)
    with django_assert_num_queries(1):
        found = {one.name: one for one in quotas.standing(connection, AT)}
    assert list(found) == [CALLS, MESSAGES, "junk", "other_a_month", "stamps_a_day"]
    calls = found[CALLS]
    assert (calls.used, calls.limit, calls.share, calls.resets_on) == (1250, 5000, 0.25, date(2026, 12, 1))
    assert (calls.words, calls.is_verified, calls.is_low) == ("API calls a month", True, False)
    assert (found[MESSAGES].limit, found[MESSAGES].resets_on) == (200, date(2026, 11, 25))
    assert [found[name].limit for name in ("junk", "other_a_month", "stamps_a_day")] == [None, None, 3]
    usual = quotas.standing(a_connection("bare"), AT)
    assert [(one.limit, one.is_verified) for one in usual] == [(5000, True), (50, False)]


@pytest.mark.django_db
def test_days_and_months_are_those_of_the_company() -> None:
    """New year's eve in Shanghai, eight hours before it is one in London."""
    connection = a_connection()
    for at in (
        datetime(2026, 12, 31, 23, 59, 59, tzinfo=SHANGHAI),
        datetime(2027, 1, 1, tzinfo=SHANGHAI),
        datetime(2027, 1, 2, tzinfo=SHANGHAI),
    ):
        quotas.count(connection, CALLS, at)
        quotas.count(connection, MESSAGES, at)
    assert sorted(QuotaUse.objects.filter(connection=connection).values_list("name", "since", "used")) == [
        (CALLS, date(2026, 12, 1), 1), (CALLS, date(2027, 1, 1), 2),
        (MESSAGES, date(2026, 12, 31), 1), (MESSAGES, date(2027, 1, 1), 1), (MESSAGES, date(2027, 1, 2), 1),
    ]  # fmt: skip
    calls, messages = quotas.standing(connection, datetime(2027, 1, 31, 15, tzinfo=UTC))
    assert (calls.used, calls.resets_on, messages.used) == (2, date(2027, 2, 1), 0)


@pytest.mark.django_db
def test_at_four_fifths_a_person_is_told_and_at_the_end_notices_wait(delivered: list[str]) -> None:
    connection = connected(limit=10)
    put("approval", connection, *(f"x:{n}" for n in range(7)))
    relay.drain()
    assert (used(connection), open_kinds()) == (7, [])

    put("approval", connection, "x:8")
    relay.drain()
    assert open_kinds() == ["quota.low"]
    issue = Issue.objects.get(closed_at=None)
    assert issue.message.format(**issue.params).startswith("Toy has used 8 of 10: ")

    put("notice", connection, "n:9")  # four fifths hold nothing back
    put("approval", connection, "x:10")
    relay.drain()
    assert used(connection) == 10
    assert open_kinds() == ["quota.used_up"]

    quotas.forget()
    (waiting,) = put("notice", connection, "n:waits")
    put("approval", connection, "x:goes")
    relay.drain()
    assert delivered[-1] == "x:goes" and "n:waits" not in delivered
    assert (used(connection), open_kinds()) == (11, ["quota.used_up"])
    row = OutboxMessage.objects.get(pk=waiting)
    assert (row.state, row.attempts, row.first_try_at, row.earlier_unknown) == (State.WAITING, 0, None, False)
    assert row.reason == "A quota of the connection is used up; it goes out when the count starts anew."
    assert row.due_at - clock.now() <= quotas.LONGEST_WAIT
    assert list(Attempt.objects.filter(box="out", item_id=waiting).values_list("outcome", flat=True)) == [
        "released"
    ]


@pytest.mark.django_db
def test_what_waited_goes_out_in_the_new_month_and_the_issue_closes(
    delivered: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connected(limit=2)
    quotas.count(connection, CALLS, clock.now(), 2)
    put("notice", connection, "n:1")
    relay.drain()
    assert delivered == []
    ends = quotas.standing(connection, clock.now())[0].resets_on
    new = datetime(ends.year, ends.month, ends.day, 1, tzinfo=SHANGHAI)
    quotas.forget()
    relay.drain(at=new)
    assert delivered == ["n:1"]
    quotas.review(new)
    assert open_kinds() == []


@pytest.mark.django_db
def test_a_limit_that_was_raised_lets_them_go_and_closes_the_issue(delivered: list[str]) -> None:
    connection = connected(limit=2)
    quotas.count(connection, CALLS, clock.now(), 2)
    put("notice", connection, "n:1")
    relay.drain()
    quotas.review(clock.now())
    assert (delivered, open_kinds()) == ([], ["quota.used_up"])
    assert Issue.objects.get(closed_at=None).times == 1  # said once, not every hour
    connection.settings = {"quotas": {CALLS: 100}}
    connection.save()
    quotas.forget()
    quotas.review(clock.now())
    assert open_kinds() == []
    relay.drain(at=clock.now() + quotas.LONGEST_WAIT)
    assert delivered == ["n:1"]


@pytest.mark.django_db
def test_without_a_limit_nothing_waits(delivered: list[str]) -> None:
    connection = connected(limit=0)
    quotas.count(connection, CALLS, clock.now(), 1_000_000)
    put("notice", connection, "n:1")
    relay.drain()
    assert delivered == ["n:1"]
    assert open_kinds() == []


@pytest.mark.django_db
def test_old_counts_go() -> None:
    connection = a_connection()
    quotas.count(connection, CALLS, AT - timedelta(days=420))
    quotas.count(connection, CALLS, AT)
    pruning.prune(AT)
    assert QuotaUse.objects.get(connection=connection).since == date(2026, 11, 1)
