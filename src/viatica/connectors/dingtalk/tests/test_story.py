"""Whole stories: a case goes to DingTalk, people decide there, callbacks come in by our real door, the case ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import close_old_connections
from django.db import connection as database
from pytest_django.live_server_helper import LiveServer
from pytest_httpserver import HTTPServer

from simulators.dingtalk.testing import Running
from viatica.connectors.dingtalk import connector
from viatica.connectors.dingtalk.tests.conftest import connection_to
from viatica.connectors.settling import HEARD_AT
from viatica.connectors.testing import Office, Person, looks_afresh, office_of
from viatica.kernel import clock
from viatica.kernel.refs import Ref
from viatica.offices.approval import services
from viatica.offices.approval.rechecking import Undone, verify_before_payment
from viatica.offices.company.directory.running import apply, sync
from viatica.spine import inbox, quotas, relay
from viatica.spine.models import Connection, InboxEvent, Issue, OutboxMessage
from viatica.spine.outcomes import Done, Later, Outcome

LOOK = "GET /v1.0/workflow/processInstances"
CREATE = "POST /v1.0/workflow/processInstances"


@pytest.fixture
def office(
    dingtalk: Running, live_server: LiveServer, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Office[Running]]:
    looks_afresh(connector, monkeypatch)
    people = (Person("zhangsan", "张三", "11", "lisiyuan"), Person("lisiyuan", "李思源", "10"))
    with office_of(
        dingtalk, connection_to(dingtalk), people=people, steps={"审批": "lisiyuan"}, url=live_server.url,
        patch=monkeypatch,
    ) as made:  # fmt: skip
        yield made


def test_withdrawn_here_is_withdrawn_there(office: Office[Running]) -> None:
    office.oa.set(terminate_ban_s=15)
    ref, instance_id = office.sent()
    services.withdraw(ref=ref, actor=office.applicant, at=clock.now(), comment="行程取消")
    office.work()
    assert office.oa.instance(instance_id)["status"] == "RUNNING"  # its first fifteen seconds
    message = OutboxMessage.objects.get(kind="approval.withdraw")
    assert (message.state, message.earlier_unknown) == ("waiting", False)
    office.oa.set(terminate_ban_s=0)
    office.work(later=20)
    assert office.oa.instance(instance_id)["status"] == "TERMINATED"
    office.work()
    assert (office.case(ref).state, office.case(ref).is_agreed) == ("withdrawn", True)
    assert [one.outcome for one in office.conclusions] == ["withdrawn"]


def test_a_callback_before_the_create_has_returned(office: Office[Running]) -> None:
    """The answer is on its way while the boss has already decided and our door has heard of it."""
    office.oa.fault("late_answer", "/v1.0/workflow/processInstances", method="POST", seconds=1.0, times=1)
    ref = office.open()
    with ThreadPoolExecutor(1) as over_there:
        decided = over_there.submit(_decide_at_once, office)
        office.work()
        instance_id = decided.result()
    office.work()
    case = office.case(ref)
    assert (case.state, case.instance_id) == ("approved", instance_id)
    assert [one.outcome for one in office.conclusions] == ["approved"]
    assert office.facts(ref) == ["case.opened", "case.sent", "case.decided", "case.concluded"]
    assert len(office.oa.instances()) == 1


def _decide_at_once(office: Office[Running]) -> str:
    try:
        deadline = time.monotonic() + 5
        while not (found := office.oa.instances()) and time.monotonic() < deadline:
            time.sleep(0.01)
        office.oa.decide(found[0]["id"])
        assert office.oa.wait_for_callbacks()
        relay.drain()
        return str(found[0]["id"])
    finally:
        close_old_connections()
        database.close()


def revoked(office: Office[Running], *, verdict: str = "agree") -> tuple[Ref, str]:
    """Approved, and then a revocation of it decided."""
    ref, instance_id = office.sent()
    office.oa.decide(instance_id)
    office.work()
    office.oa.decide(office.oa.revoke(instance_id, "行程取消"), verdict)
    return ref, instance_id


def test_an_approval_revoked_there_is_told_once_and_stays_approved_here(office: Office[Running]) -> None:
    ref, instance_id = revoked(office)
    office.work()
    case = office.case(ref)
    assert (case.state, case.undone_at is not None) == ("approved", True)
    issue = Issue.objects.get(closed_at__isnull=True)
    assert (issue.kind, issue.ref) == ("approval.undone", str(ref))
    for event in office.oa.events(instance_id=instance_id):
        office.oa.resend(event["id"])
    time.sleep(0.2)
    office.work()
    assert office.facts(ref).count("case.undone") == 1
    assert len(office.conclusions) == 1


def test_a_revocation_that_was_refused_changes_nothing(office: Office[Running]) -> None:
    ref, _ = revoked(office, verdict="refuse")
    office.work()
    assert office.case(ref).undone_at is None
    assert "case.undone" not in office.facts(ref)
    assert not Issue.objects.exists()


def test_what_was_revoked_unheard_is_not_paid(office: Office[Running]) -> None:
    ref, instance_id = office.sent()
    office.oa.decide(instance_id)
    office.work()
    verify_before_payment([ref], clock.now())
    office.oa.set_callback(None)
    office.oa.decide(office.oa.revoke(instance_id, "行程取消"))
    with pytest.raises(Undone):
        verify_before_payment([ref], clock.now())
    assert office.case(ref).undone_at is not None


def test_looking_again_costs_one_call_where_nothing_was_revoked(office: Office[Running]) -> None:
    ref, instance_id = office.sent()
    office.oa.decide(instance_id)
    office.work()
    before = office.oa.calls()[LOOK]
    verify_before_payment([ref], clock.now())
    assert office.oa.calls()[LOOK] - before == 1


def test_a_calls_count_is_what_the_product_counts(office: Office[Running]) -> None:
    office.oa.set(monthly_quota=1000)
    _, instance_id = office.sent()
    office.oa.decide(instance_id)
    office.work()
    left = office.oa.control("GET", "/settings")["monthly_quota"]
    (standing,) = quotas.standing(office.connection, clock.now())
    assert (standing.name, standing.used, standing.limit, standing.is_verified) == (
        "calls_a_month", 1000 - left, 5000, True,
    )  # fmt: skip
    assert standing.used >= 2  # the create, and a look at what became of it


def test_a_change_of_the_address_book_is_read_again_when_we_follow_it(office: Office[Running]) -> None:
    run = sync(office.connection, by="system", via="worker", at=clock.now())
    apply(run.pk, by="system", via="worker", at=clock.now())
    assert office.people["lisiyuan"].is_active
    office.oa.leave("lisiyuan")
    office.work()
    office.people["lisiyuan"].refresh_from_db()
    assert not office.people["lisiyuan"].is_active
    assert InboxEvent.objects.get().state == "done"


def test_a_directory_nobody_follows_is_left(office: Office[Running]) -> None:
    office.connection.uses = ["approval"]
    office.connection.save()
    office.oa.leave("lisiyuan")
    office.work()
    assert InboxEvent.objects.get().state == "done"
    assert "POST /topapi/v2/user/get" not in office.oa.calls()
    office.people["lisiyuan"].refresh_from_db()
    assert office.people["lisiyuan"].is_active


def test_events_that_concern_no_approval_are_kept_and_left(office: Office[Running]) -> None:
    office.oa.control("POST", "/users/xujia/leave")
    office.work()
    event = InboxEvent.objects.get()
    assert (event.state, event.body["EventType"], event.body["userId"]) == (
        "done",
        "user_leave_org",
        ["xujia"],
    )


# What an event leads to, where the simulator is too honest


def details(httpserver: HTTPServer, **result: Any) -> None:
    httpserver.expect_request("/v1.0/oauth2/accessToken").respond_with_json(
        {"accessToken": "t", "expireIn": 7200}
    )
    found = {"status": "RUNNING", "result": "", "originatorUserId": "zhangsan", **result}
    httpserver.expect_request("/v1.0/workflow/processInstances").respond_with_json(
        {"result": found, "success": "true"}
    )


def finished(instance_id: str = "i-1", heard_ago_s: float = 0) -> dict[str, Any]:
    return {
        "EventType": "bpms_instance_change",
        "processInstanceId": instance_id,
        "type": "finish",
        "result": "agree",
        HEARD_AT: (clock.now() - timedelta(seconds=heard_ago_s)).isoformat(),
    }


@pytest.fixture
def elsewhere(
    dingtalk: Running, httpserver: HTTPServer, db: None, monkeypatch: pytest.MonkeyPatch
) -> Connection:
    looks_afresh(connector, monkeypatch)
    connection = connection_to(dingtalk, base_url=httpserver.url_for(""))
    connection.save()
    return connection


def test_a_truth_behind_its_event_is_looked_at_again(elsewhere: Connection, httpserver: HTTPServer) -> None:
    details(httpserver)
    translate = inbox.translator_of("dingtalk")
    assert translate is not None
    assert isinstance(translate(elsewhere, finished(), clock.now()), Later)
    # But not for ever: the next reconcile will tell.
    assert isinstance(translate(elsewhere, finished(heard_ago_s=121), clock.now()), Done)


def test_events_that_come_together_wait_for_one_look(elsewhere: Connection, httpserver: HTTPServer) -> None:
    details(httpserver, status="COMPLETED", result="agree")
    events = [finished() | {"eventId": str(no)} for no in range(8)]

    def translate(event: dict[str, Any]) -> Outcome:
        try:
            return connector.translate_event(elsewhere, event, clock.now())
        finally:
            close_old_connections()
            database.close()

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(translate, events))
    looks = [one for one, _ in httpserver.log if one.path == "/v1.0/workflow/processInstances"]
    assert len(looks) == 1
    assert sum(outcome == Done({"covered": "i-1"}) for outcome in outcomes) == 7


def test_an_instance_that_is_not_ours_is_left(elsewhere: Connection, httpserver: HTTPServer) -> None:
    details(httpserver, status="COMPLETED", result="agree")
    outcome = connector.translate_event(elsewhere, finished(), clock.now())
    assert outcome == Done({"settled": "unknown", "status": "approved"})
