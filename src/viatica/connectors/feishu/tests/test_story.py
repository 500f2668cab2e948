"""Whole stories: a case goes to Feishu, people decide there, events come in by our real door, the case ends."""

from __future__ import annotations

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

from simulators.feishu.testing import Running
from viatica.connectors.feishu import connector
from viatica.connectors.feishu.approvals import FeishuApproval
from viatica.connectors.feishu.callbacks import HEARD_AT
from viatica.connectors.feishu.looks import Looks
from viatica.connectors.feishu.tests.conftest import connection_to, form
from viatica.connectors.feishu.tests.sealing import callback
from viatica.connectors.feishu.translate import event_type
from viatica.kernel import clock
from viatica.kernel.refs import Ref
from viatica.offices.approval import hearing, services
from viatica.offices.approval.models import Case
from viatica.offices.approval.ports import Conclusion
from viatica.offices.company.models import Department, Employee, Grade, LegalEntity, OutsideIdentity
from viatica.spine import connections, facts, inbox, reconcile, relay
from viatica.spine.models import Connection, InboxEvent, Issue
from viatica.spine.outcomes import Done, Later, Outcome

KIND = "paper"
CREATE_PATH = "/open-apis/approval/v4/instances"
LOOK_PATH = "/open-apis/approval/v4/instances/{instance_id}"
CREATE, LOOK = f"POST {CREATE_PATH}", f"GET {LOOK_PATH}"


@dataclass
class Office:
    """One company whose papers are approved in Feishu. `applicant` is 张三, `boss` 王凯, `finance` 孙慧."""

    feishu: Running
    connection: Connection
    entity: LegalEntity
    applicant: Employee
    boss: Employee
    finance: Employee
    hooks: str
    conclusions: list[Conclusion] = field(default_factory=list)
    # Facts and numbers outlive a test: no two tests may tell of the same paper.
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

    def approve(self, instance_id: str) -> None:
        """Both steps, as people do it over there."""
        self.feishu.decide(instance_id, "approve", comment="同意")
        self.feishu.decide(instance_id, "approve", comment="金额已核")

    def work(self, later: float = 0) -> None:
        """Let every callback arrive and the worker do what is due, `later` seconds from now included."""
        assert self.feishu.wait_for_callbacks()
        relay.drain(at=clock.now() + timedelta(seconds=later) if later else None)

    def facts(self, ref: Ref) -> list[str]:
        return [row.fact for row in facts.timeline(ref)]


@pytest.fixture
def office(
    feishu: Running,
    forms: dict[str, Any],
    live_server: LiveServer,
    transactional_db: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Office]:
    connections.forget()
    monkeypatch.setattr(connector, "_looks", Looks())
    connection = connection_to(feishu, forms)
    connection.settings["forms"][KIND] = connection.settings["forms"]["expense_report"]
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

    boss = hire("wangkai", "王凯", "D11")
    applicant = hire("zhangsan", "张三", "D11", boss)
    finance = hire("sunhui", "孙慧", "D30")
    steps = [
        {"name": "主管", "who": {"by": "people", "people": [boss.pk]}},
        {"name": "财务", "who": {"by": "people", "people": [finance.pk]}},
    ]
    services.save_flow(kind=KIND, name="测试", steps=steps, at=clock.now() - timedelta(days=1))
    made = Office(
        feishu, connection, entity, applicant, boss, finance, f"{live_server.url}/hooks/{connection.slug}"
    )
    monkeypatch.setattr(hearing, "_concluded", {KIND: made.conclusions.append})
    assert feishu.set_callback(made.hooks) == "success"
    FeishuApproval(connection).subscribe()
    yield made
    feishu.set_callback(None)
    connections.forget()


def test_approved_over_there_is_approved_here(office: Office) -> None:
    ref, instance_id = office.sent()
    assert office.feishu.instance(instance_id)["uuid"] == office.case(ref).outside_number
    office.feishu.decide(instance_id, "approve", comment="同意")
    office.work()
    items = office.case(ref).items.order_by("step__seq").values_list("userid", "state", "comment")
    assert list(items) == [("wangkai", "approved", "同意"), ("sunhui", "open", "")]
    assert office.conclusions == []
    office.feishu.decide(instance_id, "approve", comment="金额已核")
    office.work()
    case = office.case(ref)
    assert (case.state, case.is_agreed) == ("approved", True)
    (conclusion,) = office.conclusions
    assert (conclusion.outcome, conclusion.by, conclusion.via, conclusion.comment) == (
        "approved",
        f"employee:{office.finance.pk}",
        "feishu",
        "金额已核",
    )
    told = ["case.opened", "case.sent", "case.decided", "case.decided", "case.concluded"]
    assert office.facts(ref) == told
    assert InboxEvent.objects.exclude(state="done").count() == 0
    kept = str(list(InboxEvent.objects.values_list("body", flat=True)))
    assert "approval_instance" in kept
    assert office.feishu.verification_token not in kept


def test_refused_and_withdrawn_over_there(office: Office) -> None:
    refused, refused_id = office.sent("1")
    withdrawn, withdrawn_id = office.sent("2")
    office.feishu.decide(refused_id, "reject", comment="缺发票")
    office.feishu.withdraw(withdrawn_id)
    office.work()
    assert [office.case(ref).state for ref in (refused, withdrawn)] == ["rejected", "withdrawn"]
    assert sorted((one.outcome, one.comment) for one in office.conclusions) == [
        ("rejected", "缺发票"),
        ("withdrawn", ""),
    ]


def test_withdrawn_here_is_withdrawn_there_and_comes_again_as_another(office: Office) -> None:
    ref, instance_id = office.sent()
    services.withdraw(ref=ref, actor=office.applicant, at=clock.now(), comment="行程取消")
    office.work()
    assert office.feishu.instance(instance_id)["status"] == "CANCELED"
    office.work()
    assert (office.case(ref).state, office.case(ref).is_agreed) == ("withdrawn", True)
    again, another_id = office.sent()
    assert again == ref
    assert len({one["uuid"] for one in office.feishu.instances()}) == 2
    office.approve(another_id)
    office.work()
    assert [one.outcome for one in office.conclusions] == ["withdrawn", "approved"]


def test_a_lost_answer_creates_no_second_instance(office: Office) -> None:
    office.feishu.fault("lost_answer", CREATE_PATH, method="POST", times=1)
    ref = office.open()
    office.work()
    assert len(office.feishu.instances()) == 1
    office.work(later=600)
    (there,) = office.feishu.instances()
    assert there["uuid"] == office.case(ref).outside_number
    assert office.feishu.calls()[CREATE] == 1
    office.approve(there["id"])
    office.work()
    assert office.case(ref).state == "approved"


def test_a_callback_before_the_create_has_returned(office: Office) -> None:
    """The answer is on its way while the bosses have already decided and our door has heard of it."""
    office.feishu.fault("slow", CREATE_PATH, method="POST", seconds=1.0, times=1)
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
    assert len(office.feishu.instances()) == 1


def _decide_at_once(office: Office) -> str:
    deadline = time.monotonic() + 5
    while not (found := office.feishu.instances()) and time.monotonic() < deadline:
        time.sleep(0.01)
    office.approve(found[0]["id"])
    assert office.feishu.wait_for_callbacks()
    _drain()
    return str(found[0]["id"])


def _drain() -> None:
    try:
        relay.drain()
    finally:
        close_old_connections()
        database.close()


def test_bad_days_change_nothing_in_the_end(office: Office) -> None:
    office.feishu.spoil_callbacks(repeat=2, reorder_fraction=0.5, delay_s=0.02, delay_fraction=0.5)
    office.feishu.fault("server_error", CREATE_PATH, times=2)
    office.feishu.fault("html_page", CREATE_PATH, times=1)
    office.feishu.fault("rate_limit", CREATE_PATH, times=1)
    refs = [office.open(str(no)) for no in range(5)]
    for later in (0, 60, 600, 3600, 7200):
        office.work(later=later)
    found = office.feishu.instances()
    numbers = sorted(office.case(ref).outside_number for ref in refs)
    assert sorted(one["uuid"] for one in found) == numbers
    for one in found:
        office.approve(one["id"])
    for later in (0, 60, 600):
        office.work(later=later)
    assert [office.case(ref).state for ref in refs] == ["approved"] * 5
    assert [one.outcome for one in office.conclusions] == ["approved"] * 5


def test_events_of_both_schemas_and_their_repetitions_need_one_look_and_tell_once(office: Office) -> None:
    office.feishu.set(approval_v2_events=True)
    ref, instance_id = office.sent()
    office.approve(instance_id)
    before = office.feishu.calls().get(LOOK, 0)
    office.work()
    assert office.feishu.calls()[LOOK] - before == 1
    bodies = list(InboxEvent.objects.values_list("body", flat=True))
    assert {body.get("schema", "1.0") for body in bodies} == {"1.0", "2.0"}
    told = ["case.opened", "case.sent", "case.decided", "case.decided", "case.concluded"]
    assert office.facts(ref) == told
    for event in office.feishu.events(instance_id=instance_id):
        office.feishu.resend(event["id"], times=2)
    time.sleep(0.2)
    office.work()
    assert InboxEvent.objects.count() == len(bodies)
    assert office.facts(ref) == told
    assert len(office.conclusions) == 1


def test_what_happened_while_nobody_was_subscribed_is_made_up_for(office: Office) -> None:
    office.feishu.control("PUT", "/subscriptions", {"approval_codes": []})
    ref, instance_id = office.sent()
    office.approve(instance_id)
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
    office.approve(following_id)
    office.work()
    assert office.case(following).state == "approved"  # its events came: reconcile has subscribed again


def test_a_decision_after_our_withdrawal_changes_nothing_here_and_is_told(office: Office) -> None:
    ref, instance_id = office.sent()
    services.withdraw(ref=ref, actor=office.applicant, at=clock.now())
    office.approve(instance_id)  # before the worker could withdraw it there
    office.work()
    office.work(later=60)
    assert office.case(ref).state == "withdrawn"
    assert office.feishu.instance(instance_id)["status"] == "APPROVED"  # not undone by our late withdrawal
    assert [one.outcome for one in office.conclusions] == ["withdrawn"]
    assert "news.ignored" in office.facts(ref)


def test_handed_over_there_the_other_persons_decision_counts(office: Office) -> None:
    ref, instance_id = office.sent()
    office.feishu.hand_over(instance_id, "linxiao", comment="请林晓看")
    office.feishu.decide(instance_id, "reject", user_id="linxiao", comment="不行")
    office.work()
    (conclusion,) = office.conclusions
    assert (conclusion.outcome, conclusion.by, conclusion.comment) == ("rejected", "feishu:linxiao", "不行")
    assert "case.handed_over" in office.facts(ref)


def test_an_approval_undone_there_becomes_an_issue_until_it_is_given_again(
    office: Office, httpserver: HTTPServer
) -> None:
    ref, instance_id = office.sent()
    office.approve(instance_id)
    office.work()
    office.feishu.withdraw(instance_id)  # 撤销 of an approved one
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


def test_forged_and_recorded_callbacks_leave_no_trace_and_foreign_events_are_left(office: Office) -> None:
    key, token = office.feishu.encrypt_key, office.feishu.verification_token
    event = {"uuid": "e-1", "token": token, "type": "event_callback", "event": {"type": "approval_cc"}}

    def post(age_s: float, **changes: str) -> tuple[int, str]:
        raw = callback(key, event, int(time.time() - age_s))
        headers = {**raw.headers, **changes}
        answer = urllib3.request("POST", office.hooks, body=raw.body, headers=headers, retries=False)
        return answer.status, answer.json().get("code", "")

    assert post(0, **{"x-lark-request-nonce": "m"}) == (403, "feishu.callback_forged")
    assert post(9 * 3600) == (403, "feishu.callback_old")
    assert not InboxEvent.objects.exists()
    assert post(0) == (200, "")
    office.feishu.leave("xujia")
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
    monkeypatch.setattr(connector, "_looks", Looks())
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
