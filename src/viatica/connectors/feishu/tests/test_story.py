"""Whole stories: a case goes to Feishu, people decide there, events come in by our real door, the case ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import urllib3
from django.db import close_old_connections
from django.db import connection as database
from pytest_django.live_server_helper import LiveServer
from pytest_httpserver import HTTPServer

from simulators.feishu.testing import Running
from viatica.connectors.feishu import connector
from viatica.connectors.feishu.approvals import FeishuApproval
from viatica.connectors.feishu.tests.conftest import connection_to
from viatica.connectors.feishu.tests.sealing import callback
from viatica.connectors.feishu.translate import event_type
from viatica.connectors.settling import HEARD_AT
from viatica.connectors.testing import Office, Person, looks_afresh, office_of
from viatica.kernel import clock
from viatica.spine import inbox, reconcile
from viatica.spine.models import Connection, InboxEvent, Issue
from viatica.spine.outcomes import Done, Later, Outcome

CREATE_PATH = "/open-apis/approval/v4/instances"
LOOK_PATH = "/open-apis/approval/v4/instances/{instance_id}"
CREATE, LOOK = f"POST {CREATE_PATH}", f"GET {LOOK_PATH}"


@pytest.fixture
def office(
    feishu: Running,
    forms: dict[str, Any],
    live_server: LiveServer,
    transactional_db: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Office[Running]]:
    looks_afresh(connector, monkeypatch)
    connection = connection_to(feishu, forms)
    people = (
        Person("zhangsan", "张三", "D11", "wangkai"),
        Person("wangkai", "王凯", "D11"),
        Person("sunhui", "孙慧", "D30"),
    )
    steps = {"主管": "wangkai", "财务": "sunhui"}
    with office_of(
        feishu, connection, people=people, steps=steps, url=live_server.url, patch=monkeypatch
    ) as made:
        FeishuApproval(connection).subscribe()
        yield made


def approve(office: Office[Running], instance_id: str) -> None:
    """Both steps, as people do it over there."""
    office.oa.decide(instance_id, "approve", comment="同意")
    office.oa.decide(instance_id, "approve", comment="金额已核")


def test_events_of_both_schemas_and_their_repetitions_need_one_look_and_tell_once(
    office: Office[Running],
) -> None:
    office.oa.set(approval_v2_events=True)
    ref, instance_id = office.sent()
    approve(office, instance_id)
    before = office.oa.calls().get(LOOK, 0)
    office.work()
    assert office.oa.calls()[LOOK] - before == 1
    bodies = list(InboxEvent.objects.values_list("body", flat=True))
    assert {body.get("schema", "1.0") for body in bodies} == {"1.0", "2.0"}
    told = ["case.opened", "case.sent", "case.decided", "case.decided", "case.concluded"]
    assert office.facts(ref) == told
    for event in office.oa.events(instance_id=instance_id):
        office.oa.resend(event["id"], times=2)
    time.sleep(0.2)
    office.work()
    assert InboxEvent.objects.count() == len(bodies)
    assert office.facts(ref) == told
    assert len(office.conclusions) == 1


def test_what_happened_while_nobody_was_subscribed_is_made_up_for(office: Office[Running]) -> None:
    office.oa.control("PUT", "/subscriptions", {"approval_codes": []})
    ref, instance_id = office.sent()
    approve(office, instance_id)
    office.work()
    assert office.case(ref).state == "active"
    (report,) = reconcile.run(office.connection, clock.now())
    assert [(drift.ref, drift.ours, drift.theirs) for drift in report.healed] == [
        (str(ref), "active", "approved")
    ]
    assert report.unhealed == []
    assert office.case(ref).state == "approved"
    (again,) = reconcile.run(office.connection, clock.now())
    assert (again.healed, again.unhealed) == ([], [])
    assert len(office.conclusions) == 1
    following, following_id = office.sent("2")
    approve(office, following_id)
    office.work()
    assert office.case(following).state == "approved"  # its events came: reconcile has subscribed again


def test_an_approval_undone_there_is_marked_and_changes_nothing_else(office: Office[Running]) -> None:
    ref, instance_id = office.sent()
    approve(office, instance_id)
    office.work()
    office.oa.withdraw(instance_id)  # 撤销 of an approved one
    office.work()
    issue = Issue.objects.get()
    assert (issue.kind, issue.params["number"], issue.closed_at) == ("approval.undone", "BX-1", None)
    case = office.case(ref)
    assert (case.state, case.undone_at is not None) == (
        "approved",
        True,
    )  # money may have moved: a person decides
    assert len(office.conclusions) == 1


def test_forged_and_recorded_callbacks_leave_no_trace_and_foreign_events_are_left(
    office: Office[Running],
) -> None:
    key, token = office.oa.encrypt_key, office.oa.verification_token
    event = {"uuid": "e-1", "token": token, "type": "event_callback", "event": {"type": "approval_cc"}}

    def post(age_s: float, **changes: str) -> tuple[int, str]:
        raw = callback(key, event, int(time.time() - age_s))
        headers = {**raw.headers, **changes}
        answer = urllib3.request("POST", office.hooks, body=raw.body, headers=headers, retries=False)
        return answer.status, answer.json().get("code", "")

    assert post(0, **{"x-lark-request-nonce": "m"}) == (403, "connectors.callback_forged")
    assert post(9 * 3600) == (403, "connectors.callback_old")
    assert not InboxEvent.objects.exists()
    assert post(0) == (200, "")
    office.oa.leave("xujia")
    office.work()
    kinds = [(event.state, event_type(event.body)) for event in InboxEvent.objects.order_by("pk")]
    assert kinds == [("done", "approval_cc"), ("done", "contact.user.deleted_v3")]


# What an event leads to, where the simulator is too honest


def details(httpserver: HTTPServer, instance_id: str = "i-1", **data: Any) -> None:
    httpserver.expect_request("/open-apis/auth/v3/tenant_access_token/internal").respond_with_json(
        {"code": 0, "tenant_access_token": "t-1", "expire": 7200}
    )
    found = {"status": "PENDING", "instance_code": instance_id, "user_id": "zhangsan", **data}
    httpserver.expect_request(f"/open-apis/approval/v4/instances/{instance_id}").respond_with_json(
        {"code": 0, "msg": "success", "data": found}
    )


def finished(instance_id: str = "i-1", heard_ago_s: float = 0, **more: Any) -> dict[str, Any]:
    return {
        "type": "event_callback",
        "event": {"type": "approval_instance", "instance_code": instance_id, "status": "APPROVED"},
        HEARD_AT: (clock.now() - timedelta(seconds=heard_ago_s)).isoformat(),
        **more,
    }


@pytest.fixture
def elsewhere(
    feishu: Running,
    forms: dict[str, Any],
    httpserver: HTTPServer,
    db: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Connection:
    looks_afresh(connector, monkeypatch)
    connection = connection_to(feishu, forms, base_url=httpserver.url_for(""))
    connection.save()
    return connection


def test_a_truth_behind_its_event_is_looked_at_again(elsewhere: Connection, httpserver: HTTPServer) -> None:
    details(httpserver)
    translate = inbox.translator_of("feishu")
    assert translate is not None
    assert isinstance(translate(elsewhere, finished(), clock.now()), Later)
    # But not for ever: the next reconcile will tell.
    assert isinstance(translate(elsewhere, finished(heard_ago_s=121), clock.now()), Done)


def test_events_that_come_together_wait_for_one_look(elsewhere: Connection, httpserver: HTTPServer) -> None:
    details(httpserver, status="APPROVED")
    events = [finished(uuid=str(no)) for no in range(8)]

    def translate(event: dict[str, Any]) -> Outcome:
        try:
            return connector.translate_event(elsewhere, event, clock.now())
        finally:
            close_old_connections()
            database.close()

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(translate, events))
    looks = [one for one, _ in httpserver.log if one.path == "/open-apis/approval/v4/instances/i-1"]
    assert len(looks) == 1
    assert sum(outcome == Done({"covered": "i-1"}) for outcome in outcomes) == 7


def test_an_instance_that_is_not_ours_is_left(elsewhere: Connection, httpserver: HTTPServer) -> None:
    details(httpserver, status="APPROVED")
    outcome = connector.translate_event(elsewhere, finished(), clock.now())
    assert outcome == Done({"settled": "unknown", "status": "approved"})
    reversal = finished()
    reversal["event"]["status"] = "REVERTED"
    connector.translate_event(elsewhere, reversal, clock.now())
    assert not Issue.objects.exists()


@pytest.mark.django_db
def test_reconcile_goes_on_when_subscribing_is_refused(connection: Connection, feishu: Running) -> None:
    connection.save()
    feishu.fault("rate_limit", "/open-apis/approval/v4/approvals/*", times=1)
    (report,) = reconcile.run(connection, clock.now())
    assert (report.compared, report.unhealed) == (0, [])
    assert not Issue.objects.exists()
