"""Whole stories: a case goes to DingTalk, people decide there, callbacks come in by our real door, the case ends."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import urllib3
from django.db import close_old_connections
from django.db import connection as database
from pytest_django.live_server_helper import LiveServer
from pytest_httpserver import HTTPServer

from simulators.dingtalk.testing import Running
from viatica.connectors.dingtalk import connector
from viatica.connectors.dingtalk.callbacks import HEARD_AT, Looks
from viatica.connectors.dingtalk.signing import CallbackCipher
from viatica.connectors.dingtalk.tests.conftest import connection_to, form
from viatica.kernel import clock
from viatica.kernel.refs import Ref
from viatica.offices.approval import hearing, services
from viatica.offices.approval.models import Case
from viatica.offices.approval.ports import Conclusion
from viatica.offices.company.models import Department, Employee, Grade, LegalEntity, OutsideIdentity
from viatica.spine import connections, facts, inbox, reconcile, relay
from viatica.spine.models import Connection, InboxEvent, Issue, OutboxMessage
from viatica.spine.outcomes import Done, Later, Outcome

KIND = "paper"
LOOK = "GET /v1.0/workflow/processInstances"
CREATE = "POST /v1.0/workflow/processInstances"


@dataclass
class Office:
    """One company whose papers are approved in DingTalk. `applicant` is 张三, `boss` 李思源."""

    dingtalk: Running
    connection: Connection
    entity: LegalEntity
    applicant: Employee
    boss: Employee
    hooks: str
    conclusions: list[Conclusion] = field(default_factory=list)
    # Facts outlive a test: no two tests may tell of the same paper.
    prefix: str = field(default_factory=lambda: uuid4().hex[:8])

    def open(self, key: str = "1") -> Ref:
        ref = Ref(KIND, f"{self.prefix}-{key}")
        services.open_case(
            ref=ref, number=f"BX-{key}", kind=KIND, entity_id=self.entity.pk, applicant=self.applicant,
            form=form(), content_hash="a" * 64, at=clock.now(),
        )  # fmt: skip
        return ref

    def case(self, ref: Ref) -> Case:
        return Case.objects.filter(ref_kind=ref.kind, ref_key=ref.key).latest("id")

    def sent(self, key: str = "1") -> tuple[Ref, str]:
        ref = self.open(key)
        self.work()
        instance_id = self.case(ref).instance_id
        assert instance_id is not None
        return ref, instance_id

    def work(self, later: float = 0) -> None:
        """Let every callback arrive and the worker do what is due, `later` seconds from now included."""
        assert self.dingtalk.wait_for_callbacks()
        relay.drain(at=clock.now() + timedelta(seconds=later) if later else None)

    def facts(self, ref: Ref) -> list[str]:
        return [row.fact for row in facts.timeline(ref)]


@pytest.fixture
def office(
    dingtalk: Running, live_server: LiveServer, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Office]:
    connections.forget()
    monkeypatch.setattr(connector, "_looks", Looks())
    connection = connection_to(dingtalk)
    forms = connection.settings["forms"]
    forms[KIND] = forms["expense_report"]
    connection.rate_per_second = 0
    connection.save()
    entity = LegalEntity.objects.create(code="SH", name="上海云帆", connection=connection)
    department = Department.objects.create(name="研发部", entity=entity)
    grade = Grade.objects.create(code="P5", name="P5", rank=5)

    def hire(userid: str, name: str, dept_id: str, manager: Employee | None = None) -> Employee:
        person = Employee.objects.create(
            number=userid, name=name, entity=entity, department=department, grade=grade, manager=manager
        )
        OutsideIdentity.objects.create(employee=person, connection=connection, userid=userid, dept_id=dept_id)
        return person

    boss = hire("lisiyuan", "李思源", "10")
    applicant = hire("zhangsan", "张三", "11", boss)
    who = {"by": "people", "people": [boss.pk]}
    services.save_flow(
        kind=KIND, name="测试", steps=[{"name": "审批", "who": who}], at=clock.now() - timedelta(days=1)
    )
    made = Office(dingtalk, connection, entity, applicant, boss, f"{live_server.url}/hooks/{connection.slug}")
    monkeypatch.setattr(hearing, "_concluded", {KIND: made.conclusions.append})
    assert dingtalk.set_callback(made.hooks) == "success"
    yield made
    dingtalk.set_callback(None)
    connections.forget()


def test_approved_over_there_is_approved_here(office: Office) -> None:
    ref, instance_id = office.sent()
    assert office.dingtalk.instance(instance_id)["values"]["单号"] == office.case(ref).outside_number
    office.dingtalk.decide(instance_id, "agree", remark="同意")
    office.work()
    case = office.case(ref)
    assert (case.state, case.is_agreed) == ("approved", True)
    (conclusion,) = office.conclusions
    assert (conclusion.outcome, conclusion.by, conclusion.via, conclusion.comment) == (
        "approved",
        f"employee:{office.boss.pk}",
        "dingtalk",
        "同意",
    )
    assert office.facts(ref) == ["case.opened", "case.sent", "case.decided", "case.concluded"]
    assert InboxEvent.objects.exclude(state="done").count() == 0


def test_refused_and_withdrawn_over_there(office: Office) -> None:
    refused, refused_id = office.sent("1")
    withdrawn, withdrawn_id = office.sent("2")
    office.dingtalk.decide(refused_id, "refuse", remark="缺发票")
    office.dingtalk.withdraw(withdrawn_id)
    office.work()
    assert [office.case(ref).state for ref in (refused, withdrawn)] == ["rejected", "withdrawn"]
    assert sorted((one.outcome, one.comment) for one in office.conclusions) == [
        ("rejected", "缺发票"),
        ("withdrawn", ""),
    ]


def test_withdrawn_here_is_withdrawn_there(office: Office) -> None:
    office.dingtalk.set(terminate_ban_s=15)
    ref, instance_id = office.sent()
    services.withdraw(ref=ref, actor=office.applicant, at=clock.now(), comment="行程取消")
    office.work()
    assert office.dingtalk.instance(instance_id)["status"] == "RUNNING"  # its first fifteen seconds
    message = OutboxMessage.objects.get(kind="approval.withdraw")
    assert (message.state, message.earlier_unknown) == ("waiting", False)
    office.dingtalk.set(terminate_ban_s=0)
    office.work(later=20)
    assert office.dingtalk.instance(instance_id)["status"] == "TERMINATED"
    office.work()
    assert (office.case(ref).state, office.case(ref).is_agreed) == ("withdrawn", True)
    assert [one.outcome for one in office.conclusions] == ["withdrawn"]


def test_a_lost_answer_creates_no_second_instance(office: Office) -> None:
    office.dingtalk.fault("lost_answer", "/v1.0/workflow/processInstances", method="POST", times=1)
    ref = office.open()
    office.work()
    assert len(office.dingtalk.instances()) == 1
    office.work(later=600)
    assert [one["values"]["单号"] for one in office.dingtalk.instances()] == [office.case(ref).outside_number]
    assert office.dingtalk.calls()[CREATE] == 1
    office.dingtalk.decide(office.dingtalk.instances()[0]["id"])
    office.work()
    assert office.case(ref).state == "approved"


def test_bad_days_change_nothing_in_the_end(office: Office) -> None:
    office.dingtalk.spoil_callbacks(repeat=2, reorder_fraction=0.5, delay_s=0.02, delay_fraction=0.5)
    office.dingtalk.fault("server_error", "/v1.0/workflow/processInstances", times=2)
    office.dingtalk.fault("html_page", "/v1.0/workflow/processInstances", times=1)
    office.dingtalk.fault("rate_limit", "/v1.0/workflow/processInstances", times=1)
    refs = [office.open(str(no)) for no in range(5)]
    for later in (0, 60, 600, 3600, 7200):
        office.work(later=later)
    found = office.dingtalk.instances()
    numbers = sorted(office.case(ref).outside_number for ref in refs)
    assert sorted(one["values"]["单号"] for one in found) == numbers
    for one in found:
        office.dingtalk.decide(one["id"])
    for later in (0, 60, 600):
        office.work(later=later)
    assert [office.case(ref).state for ref in refs] == ["approved"] * 5
    assert [one.outcome for one in office.conclusions] == ["approved"] * 5


def test_one_look_serves_all_events_that_had_come_in(office: Office) -> None:
    _, instance_id = office.sent()
    office.dingtalk.decide(instance_id, remark="同意")
    before = office.dingtalk.calls().get(LOOK, 0)
    office.work()
    kinds = [(one["kind"], one["body"]["type"]) for one in office.dingtalk.events(instance_id=instance_id)]
    assert ("bpms_task_change", "finish") in kinds and ("bpms_instance_change", "finish") in kinds
    assert office.dingtalk.calls()[LOOK] - before == 1


def test_callbacks_that_never_came_are_made_up_for(office: Office) -> None:
    office.dingtalk.spoil_callbacks(drop_fraction=1.0)
    ref, instance_id = office.sent()
    office.dingtalk.decide(instance_id, remark="同意")
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


def test_an_event_pushed_again_is_kept_once(office: Office) -> None:
    ref, instance_id = office.sent()
    office.dingtalk.decide(instance_id)
    office.work()
    kept = InboxEvent.objects.count()
    for event in office.dingtalk.events(instance_id=instance_id):
        office.dingtalk.resend(event["id"], times=2)
    time.sleep(0.2)
    office.work()
    assert InboxEvent.objects.count() == kept
    assert office.facts(ref) == ["case.opened", "case.sent", "case.decided", "case.concluded"]
    assert len(office.conclusions) == 1


def test_a_decision_after_our_withdrawal_changes_nothing_here_and_is_told(office: Office) -> None:
    ref, instance_id = office.sent()
    services.withdraw(ref=ref, actor=office.applicant, at=clock.now())
    office.dingtalk.decide(instance_id)  # before the worker could withdraw it there
    office.work()
    office.work(later=60)
    assert office.case(ref).state == "withdrawn"
    assert [one.outcome for one in office.conclusions] == ["withdrawn"]
    assert "news.ignored" in office.facts(ref)


def test_handed_over_there_the_other_persons_decision_counts(office: Office) -> None:
    ref, instance_id = office.sent()
    office.dingtalk.hand_over(instance_id, "sunhui", remark="请财务看")
    office.dingtalk.decide(instance_id, remark="可以")
    office.work()
    assert office.case(ref).state == "approved"
    (conclusion,) = office.conclusions
    assert (conclusion.by, conclusion.comment) == ("dingtalk:sunhui", "可以")
    assert "case.handed_over" in office.facts(ref)


def test_events_that_concern_no_approval_are_kept_and_left(office: Office) -> None:
    office.dingtalk.control("POST", "/users/xujia/leave")
    office.work()
    event = InboxEvent.objects.get()
    assert (event.state, event.body["EventType"], event.body["userId"]) == (
        "done",
        "user_leave_org",
        ["xujia"],
    )


def test_forged_and_recorded_callbacks_leave_no_trace(office: Office) -> None:
    cipher = CallbackCipher(office.dingtalk.token, office.dingtalk.aes_key, (office.dingtalk.app_key,))
    event = json.dumps({"EventType": "bpms_instance_change", "processInstanceId": "x", "type": "finish"})

    def post(age_s: float, **changes: str) -> tuple[int, str]:
        sealed = cipher.seal(event, timestamp=str(int((time.time() - age_s) * 1000)), nonce="n")
        query = {
            "msg_signature": sealed["msg_signature"],
            "timestamp": sealed["timeStamp"],
            "nonce": "n",
            **changes,
        }
        url = f"{office.hooks}?{'&'.join(f'{key}={value}' for key, value in query.items())}"
        answer = urllib3.request("POST", url, json={"encrypt": sealed["encrypt"]}, retries=False)
        body = json.loads(answer.data)
        return answer.status, body.get("code", "")

    assert post(0, nonce="m") == (403, "dingtalk.callback_forged")
    assert post(7200) == (403, "dingtalk.callback_old")
    assert not InboxEvent.objects.exists()
    assert post(0)[0] == 200
    assert InboxEvent.objects.count() == 1


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
    monkeypatch.setattr(connector, "_looks", Looks())
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


def test_an_approval_revoked_there_becomes_an_issue(elsewhere: Connection, httpserver: HTTPServer) -> None:
    details(
        httpserver, status="COMPLETED", result="agree", bizAction="REVOKE", mainProcessInstanceId="i-main"
    )
    connector.translate_event(elsewhere, finished(), clock.now())
    issue = Issue.objects.get()
    assert (issue.kind, issue.params) == ("dingtalk.revoked", {"instance": "i-main", "by": "i-1"})
