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
from viatica.offices.approval import services
from viatica.spine import inbox, reconcile, relay
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


def test_approved_over_there_is_approved_here(office: Office[Running]) -> None:
    ref, instance_id = office.sent()
    assert office.oa.instance(instance_id)["uuid"] == office.case(ref).outside_number
    office.oa.decide(instance_id, "approve", comment="同意")
    office.work()
    items = office.case(ref).items.order_by("step__seq").values_list("userid", "state", "comment")
    assert list(items) == [("wangkai", "approved", "同意"), ("sunhui", "open", "")]
    assert office.conclusions == []
    office.oa.decide(instance_id, "approve", comment="金额已核")
    office.work()
    case = office.case(ref)
    assert (case.state, case.is_agreed) == ("approved", True)
    (conclusion,) = office.conclusions
    assert (conclusion.outcome, conclusion.by, conclusion.via, conclusion.comment) == (
        "approved",
        f"employee:{office.people['sunhui'].pk}",
        "feishu",
        "金额已核",
    )
    told = ["case.opened", "case.sent", "case.decided", "case.decided", "case.concluded"]
    assert office.facts(ref) == told
    assert InboxEvent.objects.exclude(state="done").count() == 0
    kept = str(list(InboxEvent.objects.values_list("body", flat=True)))
    assert "approval_instance" in kept
    assert office.oa.verification_token not in kept


def test_refused_and_withdrawn_over_there(office: Office[Running]) -> None:
    refused, refused_id = office.sent("1")
    withdrawn, withdrawn_id = office.sent("2")
    office.oa.decide(refused_id, "reject", comment="缺发票")
    office.oa.withdraw(withdrawn_id)
    office.work()
    assert [office.case(ref).state for ref in (refused, withdrawn)] == ["rejected", "withdrawn"]
    assert sorted((one.outcome, one.comment) for one in office.conclusions) == [
        ("rejected", "缺发票"),
        ("withdrawn", ""),
    ]


def test_withdrawn_here_is_withdrawn_there_and_comes_again_as_another(office: Office[Running]) -> None:
    ref, instance_id = office.sent()
    services.withdraw(ref=ref, actor=office.applicant, at=clock.now(), comment="行程取消")
    office.work()
    assert office.oa.instance(instance_id)["status"] == "CANCELED"
    office.work()
    assert (office.case(ref).state, office.case(ref).is_agreed) == ("withdrawn", True)
    again, another_id = office.sent()
    assert again == ref
    assert len({one["uuid"] for one in office.oa.instances()}) == 2
    approve(office, another_id)
    office.work()
    assert [one.outcome for one in office.conclusions] == ["withdrawn", "approved"]


def test_a_lost_answer_creates_no_second_instance(office: Office[Running]) -> None:
    office.oa.fault("lost_answer", CREATE_PATH, method="POST", times=1)
    ref = office.open()
    office.work()
    assert len(office.oa.instances()) == 1
    office.work(later=600)
    (there,) = office.oa.instances()
    assert there["uuid"] == office.case(ref).outside_number
    assert office.oa.calls()[CREATE] == 1
    approve(office, there["id"])
    office.work()
    assert office.case(ref).state == "approved"


def test_a_callback_before_the_create_has_returned(office: Office[Running]) -> None:
    """The answer is on its way while the bosses have already decided and our door has heard of it."""
    office.oa.fault("slow", CREATE_PATH, method="POST", seconds=1.0, times=1)
    ref = office.open()
    with ThreadPoolExecutor(1) as over_there:
        decided = over_there.submit(_decide_at_once, office)
        office.work()
        instance_id = decided.result()
    office.work()
    case = office.case(ref)
    assert (case.state, case.instance_id) == ("approved", instance_id)
    assert [one.outcome for one in office.conclusions] == ["approved"]
    assert office.facts(ref) == ["case.opened", "case.sent", "case.decided", "case.decided", "case.concluded"]
    assert len(office.oa.instances()) == 1


def _decide_at_once(office: Office[Running]) -> str:
    deadline = time.monotonic() + 5
    while not (found := office.oa.instances()) and time.monotonic() < deadline:
        time.sleep(0.01)
    approve(office, found[0]["id"])
    assert office.oa.wait_for_callbacks()
    _drain()
    return str(found[0]["id"])


def _drain() -> None:
    try:
        relay.drain()
    finally:
        close_old_connections()
        database.close()


def test_bad_days_change_nothing_in_the_end(office: Office[Running]) -> None:
    office.oa.spoil_callbacks(repeat=2, reorder_fraction=0.5, delay_s=0.02, delay_fraction=0.5)
    office.oa.fault("server_error", CREATE_PATH, times=2)
    office.oa.fault("html_page", CREATE_PATH, times=1)
    office.oa.fault("rate_limit", CREATE_PATH, times=1)
    refs = [office.open(str(no)) for no in range(5)]
    for later in (0, 60, 600, 3600, 7200):
        office.work(later=later)
    found = office.oa.instances()
    numbers = sorted(office.case(ref).outside_number for ref in refs)
    assert sorted(one["uuid"] for one in found) == numbers
    for one in found:
        approve(office, one["id"])
    for later in (0, 60, 600):
        office.work(later=later)
    assert [office.case(ref).state for ref in refs] == ["approved"] * 5
    assert [one.outcome for one in office.conclusions] == ["approved"] * 5


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


def test_a_decision_after_our_withdrawal_changes_nothing_here_and_is_told(office: Office[Running]) -> None:
    ref, instance_id = office.sent()
    services.withdraw(ref=ref, actor=office.applicant, at=clock.now())
    approve(office, instance_id)  # before the worker could withdraw it there
    office.work()
    office.work(later=60)
    assert office.case(ref).state == "withdrawn"
    assert office.oa.instance(instance_id)["status"] == "APPROVED"  # not undone by our late withdrawal
    assert [one.outcome for one in office.conclusions] == ["withdrawn"]
    assert "news.ignored" in office.facts(ref)


def test_handed_over_there_the_other_persons_decision_counts(office: Office[Running]) -> None:
    ref, instance_id = office.sent()
    office.oa.hand_over(instance_id, "linxiao", comment="请林晓看")
    office.oa.decide(instance_id, "reject", user_id="linxiao", comment="不行")
    office.work()
    (conclusion,) = office.conclusions
    assert (conclusion.outcome, conclusion.by, conclusion.comment) == ("rejected", "feishu:linxiao", "不行")
    assert "case.handed_over" in office.facts(ref)


def test_an_approval_undone_there_becomes_an_issue_until_it_is_given_again(
    office: Office[Running], httpserver: HTTPServer
) -> None:
    ref, instance_id = office.sent()
    approve(office, instance_id)
    office.work()
    office.oa.withdraw(instance_id)  # 撤销 of an approved one
    office.work()
    issue = Issue.objects.get()
    params = (issue.params["number"], issue.params["instance"])
    assert (issue.kind, params, issue.closed_at) == ("feishu.reverted", ("BX-1", instance_id), None)
    assert office.case(ref).state == "approved"  # money may have moved: a person decides
    assert len(office.conclusions) == 1
    # Nobody can give it again in the simulator: what Feishu would then show.
    details(httpserver, instance_id, status="APPROVED", reverted=True)
    office.connection.settings["base_url"] = httpserver.url_for("")
    connector.translate_event(office.connection, finished(instance_id), clock.now())
    issue.refresh_from_db()
    assert issue.closed_at is not None
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
