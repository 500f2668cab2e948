"""Facts, putting, idempotency keys, issues, reconcile, pruning, partitions, sealing."""

from __future__ import annotations

import base64
import os
import threading
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.db import connection as database
from django.db import transaction
from pytest_django import DjangoAssertNumQueries

from viatica.kernel import clock
from viatica.kernel.errors import OutsideUnavailable, Refused
from viatica.kernel.refs import Ref
from viatica.spine import correlation, facts, idempotency, issues, outbox, pruning, reconcile, sealing
from viatica.spine.models import (
    Connection,
    Fact,
    IdempotencyKey,
    InboxEvent,
    Issue,
    OutboxMessage,
    ReconcileRun,
    State,
)
from viatica.spine.tests.conftest import a_connection

AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
REPORT = Ref("expense_report", "42")


def put(**changes: Any) -> int:
    row: dict[str, Any] = {"kind": "k", "lane": str(REPORT), "payload": {}, "at": AT}
    return outbox.put(**row | changes)


# facts


@pytest.mark.django_db
def test_a_timeline_is_in_order_and_one_statement_each_way(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(1):
        facts.record_many(
            [
                facts.NewFact(REPORT, "report.submitted", "employee:1", "web", AT, {"total": "1.00"}),
                facts.NewFact(REPORT, "case.opened", "system", "web", AT),
            ]
        )
    with django_assert_num_queries(1):
        facts.record(
            ref=REPORT, fact="report.created", actor="employee:1", via="web", at=AT - timedelta(days=1)
        )
    facts.record(ref=Ref("expense_report", "43"), fact="other", actor="system", via="web", at=AT)
    with django_assert_num_queries(1):
        rows = facts.timeline(REPORT)
    assert [row.fact for row in rows] == ["report.created", "report.submitted", "case.opened"]
    assert rows[1] == facts.FactRow(AT, "report.submitted", "employee:1", "web", {"total": "1.00"})


@pytest.mark.django_db
def test_facts_carry_the_correlation_at_hand() -> None:
    with correlation.carried("c-1"):
        facts.record(ref=REPORT, fact="a", actor="system", via="web", at=AT)
    facts.record(ref=REPORT, fact="b", actor="system", via="web", at=AT, correlation="c-2")
    assert dict(Fact.objects.filter(ref_key="42").values_list("fact", "correlation")) == {
        "a": "c-1",
        "b": "c-2",
    }


# outbox


@pytest.mark.django_db
def test_a_repeated_key_is_one_message(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(1):
        first = put(key="submit:42", payload={"n": 1})
    with django_assert_num_queries(1):
        assert put(key="submit:42", payload={"n": 2}) == first
    assert put() != put()
    assert OutboxMessage.objects.get(pk=first).payload == {"n": 1}


@pytest.mark.django_db(transaction=True)
def test_a_key_put_by_two_at_once_is_one_message() -> None:
    ids: list[int] = []
    start = threading.Barrier(4)

    def put_it() -> None:
        start.wait()
        with transaction.atomic():
            ids.append(put(key="submit:42"))
        database.close()

    threads = [threading.Thread(target=put_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 4 and len(set(ids)) == 1
    assert OutboxMessage.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_was_never_put() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        put()
        _ = 1 / 0
    assert not OutboxMessage.objects.exists()


# idempotency keys


def once(key: str | None, fingerprint: str = "f", run: Any = None) -> Any:
    return idempotency.once(
        owner="employee:1", key=key, fingerprint=fingerprint, at=AT, run=run or (lambda: {"id": 1})
    )


@pytest.mark.django_db
def test_the_same_request_again_gets_the_first_answer(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(2):
        assert once("k") == {"id": 1}
    with django_assert_num_queries(2):
        assert once("k", run=lambda: pytest.fail("ran again")) == {"id": 1}
    with django_assert_num_queries(0):
        assert once(None) == {"id": 1}
    assert idempotency.once(owner="employee:2", key="k", fingerprint="g", at=AT, run=lambda: 5) == 5


@pytest.mark.django_db
def test_the_same_key_for_another_request_is_a_conflict() -> None:
    once("k")
    with pytest.raises(idempotency.KeyReused) as caught:
        once("k", fingerprint="other", run=lambda: pytest.fail("ran"))
    assert (caught.value.status, caught.value.field) == (409, "Idempotency-Key")


@pytest.mark.parametrize("key", ["", "x" * 201, "a\nb"])
@pytest.mark.django_db
def test_a_bad_key_is_refused(key: str) -> None:
    with pytest.raises(idempotency.BadKey):
        once(key, run=lambda: pytest.fail("ran"))


@pytest.mark.django_db(transaction=True)
def test_a_refusal_frees_the_key() -> None:
    def refuse() -> None:
        put()
        raise Refused

    with pytest.raises(Refused), transaction.atomic():
        once("k", run=refuse)
    assert not IdempotencyKey.objects.exists()
    assert not OutboxMessage.objects.exists()
    with transaction.atomic():
        assert once("k") == {"id": 1}


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_it_is_a_mistake_of_ours() -> None:
    with pytest.raises(RuntimeError):
        once("k")
    assert not IdempotencyKey.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_one_key_from_eight_at_once_runs_once() -> None:
    answers: list[Any] = []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        with transaction.atomic():
            answers.append(once("k", run=lambda: {"message": put()}))
        database.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [{"message": OutboxMessage.objects.get().pk}] * 8


# issues


def raise_it(key: str = "k", ref: Ref | None = REPORT, **changes: Any) -> None:
    row: dict[str, Any] = {"message": "{what}", "params": {"what": "x"}, "at": AT}
    issues.raise_issue(key=key, kind="test", ref=ref, **row | changes)


@pytest.mark.django_db
def test_an_issue_is_one_open_row_that_closes_and_may_open_again(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(1):
        raise_it()
    raise_it(ref=Ref("expense_report", "43"), params={"what": "y"}, at=AT + timedelta(hours=1))
    (issue,) = issues.open_issues()
    assert (issue.times, issue.opened_at, issue.params) == (2, AT, {"what": "y"})
    assert sorted(wait.ref for wait in issue.waits.all()) == ["expense_report:42", "expense_report:43"]
    assert issues.close_issue("k", AT)
    assert not issues.close_issue("k", AT)
    assert issues.open_issues() == []
    raise_it()
    assert Issue.objects.count() == 2


@pytest.mark.django_db
def test_an_issue_closes_when_the_last_paper_is_let_go() -> None:
    raise_it(waiting=["expense_report:43"])
    issues.let_go("k", "expense_report:42", AT)
    assert issues.blocking(REPORT) == []
    assert issues.blocking(Ref("expense_report", "43")) != []
    issues.let_go("k", "expense_report:43", AT)
    assert issues.open_issues() == []


# reconcile


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the next comparison finds, or raises."""
    finds = SimpleNamespace(report=reconcile.ReconcileReport("toy", 3), error=None)

    def compare(connection: Connection, at: datetime) -> reconcile.ReconcileReport:
        if finds.error:
            raise finds.error
        report: reconcile.ReconcileReport = finds.report
        return report

    monkeypatch.setattr(reconcile, "_reconcilers", {})
    reconcile.register("toy", compare)
    return finds


@pytest.mark.django_db
def test_drift_nobody_could_heal_is_an_issue_until_it_is_gone(compared: SimpleNamespace) -> None:
    a_connection()
    drift = reconcile.Drift("expense_report:42", "in_approval", "gone", "status")
    healed = reconcile.Drift("expense_report:43", "in_approval", "approved", "status")
    compared.report = reconcile.ReconcileReport("toy", 3, [healed], [drift])
    assert reconcile.run(None, AT) == [compared.report]
    (issue,) = issues.blocking(REPORT)
    assert issue.kind == "reconcile.drift"
    assert issue.message.format(**issue.params) == (
        "expense_report:42 differs between here and Toy (status): here in_approval, there gone."
    )
    run = ReconcileRun.objects.get()
    assert (run.compared, len(run.healed), len(run.unhealed)) == (3, 1, 1)
    compared.report = reconcile.ReconcileReport("toy", 3)
    reconcile.run(None, AT)
    assert issues.open_issues() == []


@pytest.mark.django_db
def test_a_side_that_does_not_answer_is_an_issue_until_it_does(compared: SimpleNamespace) -> None:
    connection = a_connection()
    compared.error = OutsideUnavailable(system="Toy", said_by="nobody there")
    assert reconcile.run(connection, AT) == []
    assert [issue.kind for issue in issues.open_issues()] == ["reconcile.failed"]
    compared.error = None
    assert reconcile.run(connection, AT) == [compared.report]
    assert issues.open_issues() == []


@pytest.mark.django_db
def test_only_active_connections_of_known_kinds_are_compared(compared: SimpleNamespace) -> None:
    a_connection()
    Connection.objects.update(is_active=False)
    Connection.objects.create(slug="other", kind="unknown", name="Other")
    assert reconcile.run(None, AT) == []
    with pytest.raises(ValueError, match="already have a reconciler"):
        reconcile.register("toy", lambda connection, at: reconcile.ReconcileReport("toy", 0))


# pruning and partitions


@pytest.mark.django_db
def test_only_what_is_done_and_old_is_pruned() -> None:
    connection = a_connection()
    old, fresh = AT - timedelta(days=40), AT - timedelta(days=20)
    for state, done_at in [
        (State.DONE, old), (State.DROPPED, old), (State.DONE, fresh), (State.PARKED, None), (State.WAITING, None),
    ]:  # fmt: skip
        OutboxMessage.objects.filter(pk=put(lane=f"x:{state}")).update(state=state, done_at=done_at, at=old)
        event = InboxEvent.objects.create(connection=connection, event_id=f"{state}{done_at}", body={})
        InboxEvent.objects.filter(pk=event.pk).update(state=state, done_at=done_at, at=old)
    once("old")
    IdempotencyKey.objects.update(at=AT - timedelta(hours=49))
    once("young")
    assert pruning.prune(AT, keep=timedelta(days=30)) == pruning.Pruned(
        outbox=2, inbox=2, keys=1, set_free=0, exchanges=0
    )
    for rows in (OutboxMessage.objects.all(), InboxEvent.objects.all()):
        assert sorted(rows.values_list("state", flat=True)) == ["done", "parked", "waiting"]
    assert IdempotencyKey.objects.get().key == "young"


@pytest.mark.django_db
def test_an_orphan_would_be_found() -> None:
    first, second = put(), put()
    OutboxMessage.objects.filter(pk__in=[first, second]).update(state=State.HELD)
    assert pruning.free_orphans() == 1
    assert OutboxMessage.objects.get(state=State.WAITING).pk == first


@pytest.mark.django_db
def test_facts_lie_in_the_partition_of_their_month_even_when_it_is_made_late() -> None:
    def partition(ref: str) -> str:
        with database.cursor() as cursor:
            cursor.execute("SELECT tableoid::regclass::text FROM spine_fact WHERE ref_key = %s", [ref])
            (name,) = cursor.fetchone()
        return str(name)

    def record(ref: str, at: datetime) -> None:
        facts.record(ref=Ref("partition", ref), fact="f", actor="system", via="cli", at=at)

    record("last moment", datetime(2031, 3, 31, 23, 59, 59, 999999, tzinfo=UTC))
    record("first moment", datetime(2031, 4, 1, tzinfo=UTC))
    assert partition("first moment") == partition("last moment") == "spine_fact_default"
    assert (
        pruning.make_partitions(date(2031, 3, 15), date(2031, 4, 2)) == 6
    )  # facts, attempts and exchanges, two months
    assert partition("last moment") == "spine_fact_2031_03"
    assert partition("first moment") == "spine_fact_2031_04"
    assert pruning.make_partitions(date(2031, 3, 15), date(2031, 4, 2)) == 0
    assert len(facts.timeline(Ref("partition", "last moment"))) == 1


@pytest.mark.django_db
def test_the_coming_months_are_ready_before_they_come() -> None:
    pruning.make_next_partitions(clock.now())
    ahead = clock.now() + timedelta(days=80)
    facts.record(ref=Ref("partition", "ahead"), fact="f", actor="system", via="cli", at=ahead)
    with database.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM spine_fact WHERE ref_key = 'ahead'")
        assert cursor.fetchone() == (f"spine_fact_{ahead:%Y_%m}",)


# sealing


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the seal keys, newest first."""

    def use(*listed: str) -> None:
        environment = settings.ENVIRONMENT.model_copy(update={"seal_keys": ",".join(listed)})
        monkeypatch.setattr(settings, "ENVIRONMENT", environment)
        sealing._keys.cache_clear()

    yield use
    monkeypatch.undo()
    sealing._keys.cache_clear()


def a_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def test_what_is_sealed_opens_and_says_nothing_meanwhile(keys: Any) -> None:
    keys(a_key())
    sealed = sealing.seal({"app_secret": "s3cret"}, what="connection:a")
    assert b"s3cret" not in sealed
    assert sealing.unseal(sealed, what="connection:a") == {"app_secret": "s3cret"}
    assert sealing.seal({"app_secret": "s3cret"}, what="connection:a") != sealed


def test_a_rotated_key_still_opens_and_the_new_one_seals(keys: Any) -> None:
    old, new = a_key(), a_key()
    keys(old)
    sealed = sealing.seal({"a": 1}, what="w")
    keys(new, old)
    assert sealing.unseal(sealed, what="w") == {"a": 1}
    resealed = sealing.seal({"a": 1}, what="w")
    keys(new)
    assert sealing.unseal(resealed, what="w") == {"a": 1}
    with pytest.raises(sealing.CannotOpen):
        sealing.unseal(sealed, what="w")


def test_a_moved_or_altered_seal_does_not_open(keys: Any) -> None:
    keys(a_key())
    sealed = sealing.seal({"a": 1}, what="connection:a")
    with pytest.raises(sealing.CannotOpen):
        sealing.unseal(sealed, what="connection:b")
    for position in (0, 8, len(sealed) - 1):
        altered = bytearray(sealed)
        altered[position] ^= 1
        with pytest.raises(sealing.CannotOpen):
            sealing.unseal(bytes(altered), what="connection:a")


@pytest.mark.django_db
def test_a_connection_keeps_its_secrets_sealed() -> None:
    connection = a_connection()
    kept = Connection.objects.get(pk=connection.pk)
    assert kept.secrets() == {"secret": "s3cret"}
    assert b"s3cret" not in bytes(kept.secrets_sealed)
    assert Connection(slug="bare").secrets() == {}
