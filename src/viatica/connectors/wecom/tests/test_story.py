"""Whole stories: a case goes to WeCom, people decide there, events come in by our real door, the case ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from simulators.wecom.testing import Running
from viatica.connectors.settling import HEARD_AT
from viatica.connectors.testing import Office, Person, looks_afresh, office_of
from viatica.connectors.wecom import connector
from viatica.connectors.wecom.tests.conftest import connection_to
from viatica.kernel import clock
from viatica.offices.approval import desk as approval_desk
from viatica.offices.approval import services
from viatica.offices.approval.models import Item
from viatica.offices.approval.rechecking import Undone, verify_before_payment
from viatica.spine.models import InboxEvent, Issue
from viatica.spine.outcomes import Done, Later

APPLY_PATH, DETAIL_PATH = "/cgi-bin/oa/applyevent", "/cgi-bin/oa/getapprovaldetail"
APPLY, DETAIL = f"POST {APPLY_PATH}", f"POST {DETAIL_PATH}"
PEOPLE = (
    Person("zhangsan", "张三", "11", "wangkai"),
    Person("wangkai", "王凯", "11"),
    Person("sunhui", "孙慧", "30"),
)
STEPS = {"主管": "wangkai", "财务": "sunhui"}
TOLD = ["case.opened", "case.sent", "case.decided", "case.decided", "case.concluded"]


@pytest.fixture
def office(
    wecom: Running,
    forms: dict[str, Any],
    live_server: LiveServer,
    transactional_db: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Office[Running]]:
    looks_afresh(connector, monkeypatch)
    wecom.set(verify_timeout_s=10.0)  # the live server's first request takes longer than any other
    connection = connection_to(wecom, forms)
    with office_of(
        wecom, connection, people=PEOPLE, steps=STEPS, url=live_server.url, patch=monkeypatch
    ) as made:
        yield made


def approve(office: Office[Running], instance_id: str) -> None:
    """Both steps, as people do it over there."""
    office.oa.decide(instance_id, remark="同意")
    office.oa.decide(instance_id, remark="金额已核")


def number_of(instance: dict[str, Any]) -> str:
    return str(instance["values"]["单号"]["text"])


def test_an_added_signer_comes_first_and_then_the_one_who_added_them(office: Office[Running]) -> None:
    ref, instance_id = office.sent()
    office.work()
    office.oa.add_signer(instance_id, "linxiao", after=False)
    office.work()
    office.oa.decide(instance_id, userid="linxiao")
    approve(office, instance_id)
    office.work()
    states = office.case(ref).items.values_list("userid", "state")
    assert sorted(states) == [("linxiao", "approved"), ("sunhui", "approved"), ("wangkai", "approved")]
    assert office.case(ref).state == "approved"


def test_an_approval_taken_back_there_stops_the_payment(office: Office[Running]) -> None:
    ref, instance_id = office.sent()
    approve(office, instance_id)
    office.work()
    verify_before_payment([ref], clock.now())
    office.oa.withdraw(instance_id)  # 撤销 of an approved one
    office.work()
    issue = Issue.objects.get()
    assert (issue.kind, issue.ref, issue.closed_at) == ("approval.undone", str(ref), None)
    assert office.case(ref).state == "approved" and len(office.conclusions) == 1
    with pytest.raises(Undone):
        verify_before_payment([ref], clock.now())


def test_an_approval_taken_back_unheard_is_found_before_the_payment(office: Office[Running]) -> None:
    ref, instance_id = office.sent()
    approve(office, instance_id)
    office.work()
    office.oa.spoil_callbacks(door_is_open=False)
    office.oa.withdraw(instance_id)
    with pytest.raises(Undone):
        verify_before_payment([ref], clock.now() + timedelta(hours=1))


def test_an_approval_that_was_paid_there_still_stands(office: Office[Running]) -> None:
    ref, instance_id = office.sent()
    approve(office, instance_id)
    office.work()
    office.oa.pay(instance_id)
    verify_before_payment([ref], clock.now() + timedelta(hours=1))
    assert not Issue.objects.exists()


def test_forms_of_others_are_not_even_read(office: Office[Running]) -> None:
    fields = {"SpNoStr": "202611180009", "TemplateId": "3TmLeave", "SpStatus": 1, "StatuChangeEvent": 1}
    office.oa.control(
        "POST", "/events", {"kind": "sys_approval_change", "lane": "x", "fields": {"ApprovalInfo": fields}}
    )
    office.work()
    assert [one.state for one in InboxEvent.objects.all()] == ["done"]
    assert DETAIL not in office.oa.calls()


def test_an_end_that_is_told_before_it_can_be_read_is_waited_for(office: Office[Running]) -> None:
    ref, instance_id = office.sent()
    office.oa.decide(instance_id, "reject")
    office.work()
    (event,) = (
        one for one in InboxEvent.objects.all() if one.body["approvalinfo"]["statuchangeevent"] == "3"
    )
    running = event.body | {"approvalinfo": event.body["approvalinfo"] | {"spnostr": office.sent("2")[1]}}
    now = clock.now()
    young = connector.translate_event(office.connection, running | {HEARD_AT: now.isoformat()}, now)
    assert isinstance(young, Later)
    old = (now - timedelta(minutes=3)).isoformat()
    assert isinstance(connector.translate_event(office.connection, running | {HEARD_AT: old}, now), Done)
    assert office.case(ref).state == "rejected"


# Our flow, their cards


@pytest.fixture
def desk(office: Office[Running]) -> Office[Running]:
    """The same company, whose papers run here and whose tasks show there."""
    office.connection.uses = ["desk", "messages", "directory", "sign_in"]
    office.connection.save()
    return office


def the_card(office: Office[Running], userid: str) -> dict[str, Any]:
    (message,) = office.oa.messages(userid)
    return message


def press(office: Office[Running], userid: str, key: str, **more: Any) -> None:
    card = the_card(office, userid)
    shown = card["replaced"].get(userid, card["body"])
    (button,) = (one["key"] for one in shown["button_list"] if str(one.get("key")).startswith(f"{key}@"))
    office.oa.click(card["msgid"], userid, button, **more)


def ended(office: Office[Running], userid: str) -> str:
    return str(the_card(office, userid)["replaced"][userid]["source"]["desc"])


def test_decided_on_the_card_one_after_the_other(desk: Office[Running]) -> None:
    ref = desk.open()
    desk.work()
    assert [len(desk.oa.messages(userid)) for userid in ("wangkai", "sunhui")] == [1, 0]
    press(desk, "wangkai", "approve")
    desk.work()
    assert (ended(desk, "wangkai"), len(desk.oa.messages("sunhui"))) == ("已同意", 1)
    press(desk, "sunhui", "reject", selected={"reason": ["receipts"]})
    desk.work()
    assert (ended(desk, "sunhui"), desk.case(ref).state) == ("已驳回", "rejected")
    (conclusion,) = desk.conclusions
    assert (conclusion.by, conclusion.via, conclusion.comment) == (
        f"employee:{desk.people['sunhui'].pk}",
        "wecom",
        "票据有误或不全",
    )
    assert desk.oa.instances() == []


def test_decided_here_the_card_says_so(desk: Office[Running]) -> None:
    ref = desk.open()
    desk.work()
    item = Item.objects.get(case=desk.case(ref), state="open")
    services.decide(
        item_id=item.pk, actor=desk.people["wangkai"], verdict="approve", expected_version=item.version, at=clock.now()
    )  # fmt: skip
    desk.work()
    assert ended(desk, "wangkai") == "已同意"
    services.withdraw(ref=ref, actor=desk.applicant, at=clock.now())
    desk.work()
    assert (ended(desk, "sunhui"), desk.case(ref).state) == ("无需处理", "withdrawn")


def test_a_click_by_somebody_else_changes_nothing(desk: Office[Running]) -> None:
    ref = desk.open()
    desk.work()
    body = the_card(desk, "wangkai")["body"]
    (key,) = (one["key"] for one in body["button_list"] if str(one.get("key")).startswith("approve"))
    fields = {"EventKey": key, "TaskId": body["task_id"], "ResponseCode": "invented"}
    desk.oa.control(
        "POST",
        "/events",
        {"kind": "template_card_event", "from_user": "sunhui", "lane": "x", "fields": fields},
    )
    desk.work()
    assert (desk.case(ref).state, "news.ignored" in desk.facts(ref)) == ("active", True)
    press(desk, "wangkai", "approve")  # the card is as it was, and its own click brings a code that is one
    desk.work()
    assert ended(desk, "wangkai") == "已同意"


def test_a_late_click_is_told_and_puts_the_card_right(desk: Office[Running]) -> None:
    """Its code had been used up meanwhile: until somebody clicks, it asks for what is decided."""
    desk.oa.set(response_code_ttl_s=0)
    desk.oa.fault("server_error", "/cgi-bin/message/recall", status=40058)
    ref = desk.open()
    desk.work()
    item = Item.objects.get(case=desk.case(ref), state="open")
    services.decide(
        item_id=item.pk, actor=desk.people["wangkai"], verdict="approve", expected_version=item.version, at=clock.now()
    )  # fmt: skip
    desk.work()
    assert the_card(desk, "wangkai")["replaced"] == {}
    desk.oa.set(response_code_ttl_s=72 * 3600)
    press(desk, "wangkai", "reject")
    desk.work()
    item.refresh_from_db()
    assert (item.state, ended(desk, "wangkai")) == ("approved", "已同意")
    assert "news.ignored" in desk.facts(ref)


def test_whoever_is_not_reached_decides_here_and_is_named(desk: Office[Running]) -> None:
    desk.oa.leave("wangkai")
    ref = desk.open()
    desk.work()
    (issue,) = Issue.objects.filter(kind=approval_desk.NOT_SEEN_KIND)
    assert issue.params["who"] == "王凯" and "81013" in issue.params["reason"]
    assert desk.case(ref).state == "active"
