"""Our flow at Feishu's desk: tasks appear there, are decided there or here, and leave when they are over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from simulators.feishu.testing import ControlError, Running
from viatica.connectors.feishu import connector, desk
from viatica.connectors.feishu.tests.conftest import connection_to
from viatica.connectors.testing import Office, Person, looks_afresh, office_of
from viatica.kernel import clock
from viatica.kernel.refs import Ref
from viatica.offices.approval import services
from viatica.spine import facts, reconcile
from viatica.spine.models import InboxEvent, Issue

PUT = "/open-apis/approval/v4/external_instances"


@pytest.fixture
def office(
    feishu: Running, forms: dict[str, Any], live_server: LiveServer, transactional_db: None,
    monkeypatch: pytest.MonkeyPatch, settings: Settings,
) -> Iterator[Office[Running]]:  # fmt: skip
    looks_afresh(connector, monkeypatch)
    monkeypatch.setattr(desk, "_defined", {})
    settings.PUBLIC_URL = live_server.url
    connection = connection_to(feishu, forms)
    connection.uses = ["desk", "messages", "sign_in"]
    people = (
        Person("zhangsan", "张三", "D11", "wangkai"),
        Person("wangkai", "王凯", "D11"),
        Person("sunhui", "孙慧", "D30"),
    )
    steps = {"主管": "wangkai", "财务": "sunhui"}
    with office_of(
        feishu, connection, people=people, steps=steps, url=live_server.url, patch=monkeypatch
    ) as made:
        yield made


def shown(office: Office[Running], key: str = "1") -> Ref:
    ref = office.open(key)
    office.work()
    return ref


def press(office: Office[Running], ref: Ref, userid: str, action: str = "APPROVE", reason: str = "") -> None:
    """The quick button on somebody's phone."""
    todo = next(
        one for one in office.oa.todos(userid) if one["instance_id"] == office.case(ref).outside_number
    )
    office.oa.press(todo["approval_code"], todo["instance_id"], todo["task"]["task_id"], action, reason)
    office.work()


def on_desks(office: Office[Running]) -> dict[str, int]:
    return {userid: len(office.oa.todos(userid)) for userid in ("wangkai", "sunhui")}


def paper(office: Office[Running]) -> dict[str, Any]:
    (one,) = office.oa.external_instances()
    body: dict[str, Any] = one["body"]
    return body


def test_a_task_is_on_the_desk_decided_there_and_gone(office: Office[Running]) -> None:
    ref = shown(office)
    assert on_desks(office) == {"wangkai": 1, "sunhui": 0}
    (todo,) = office.oa.todos("wangkai")
    assert todo["task"]["links"]["mobile_link"].startswith(
        f"{office.hooks.split('/hooks')[0]}/sign-in/with/feishu?next="
    )
    press(office, ref, "wangkai", reason="同意")
    assert on_desks(office) == {"wangkai": 0, "sunhui": 1}
    press(office, ref, "sunhui")
    case = office.case(ref)
    assert (case.state, case.is_agreed, on_desks(office)) == ("approved", True, {"wangkai": 0, "sunhui": 0})
    assert paper(office)["status"] == "APPROVED"
    decided = [row for row in facts.timeline(ref) if row.fact == "case.decided"]
    assert [(row.actor, row.via) for row in decided] == [
        (f"employee:{office.people[name].pk}", "feishu") for name in ("wangkai", "sunhui")
    ]
    assert len(office.conclusions) == 1
    assert InboxEvent.objects.exclude(state="done").count() == 0
    assert office.oa.verification_token not in str(list(InboxEvent.objects.values_list("body", flat=True)))


def test_decided_here_it_leaves_the_desk_there(office: Office[Running]) -> None:
    ref = shown(office)
    item = office.case(ref).items.get()
    services.decide(
        item_id=item.pk, actor=office.people["wangkai"], verdict="reject", comment="超标", expected_version=item.version,
        at=clock.now(),
    )  # fmt: skip
    office.work()
    assert on_desks(office) == {"wangkai": 0, "sunhui": 0}
    assert (paper(office)["status"], office.case(ref).state) == ("REJECTED", "rejected")


def test_withdrawn_here_it_is_cancelled_there(office: Office[Running]) -> None:
    ref = shown(office)
    services.withdraw(ref=ref, actor=office.applicant, at=clock.now())
    office.work()
    assert (on_desks(office)["wangkai"], paper(office)["status"]) == (0, "CANCELED")


def test_a_press_repeated_counts_once_and_one_too_late_changes_nothing(office: Office[Running]) -> None:
    ref = shown(office)
    (todo,) = office.oa.todos("wangkai")
    item = office.case(ref).items.get()
    services.decide(
        item_id=item.pk, actor=office.people["wangkai"], verdict="approve", comment="", expected_version=item.version,
        at=clock.now(),
    )  # fmt: skip
    # The desk has not been told yet: the phone still shows the button, and is pressed twice.
    for _ in range(2):
        office.oa.press(
            todo["approval_code"], todo["instance_id"], todo["task"]["task_id"], "REJECT", "不同意"
        )
    office.work()
    assert (office.case(ref).state, on_desks(office)) == ("active", {"wangkai": 0, "sunhui": 1})
    assert office.facts(ref).count("case.decided") == 1
    assert office.facts(ref).count("news.ignored") == 1


def test_a_lost_answer_shows_it_once(office: Office[Running]) -> None:
    office.oa.fault("lost_answer", PUT, times=1)
    office.open()
    office.work()
    office.work(later=300)
    assert (len(office.oa.external_instances()), on_desks(office)["wangkai"]) == (1, 1)


def test_somebody_feishu_does_not_know_is_named_and_the_rest_is_shown(office: Office[Running]) -> None:
    office.oa.leave("sunhui")
    ref = shown(office)
    press(office, ref, "wangkai")
    (issue,) = Issue.objects.filter(closed_at=None)
    assert "孙慧" in str(issue.params)
    item = office.case(ref).items.get(state="open")
    services.decide(
        item_id=item.pk, actor=office.people["sunhui"], verdict="approve", comment="", expected_version=item.version,
        at=clock.now(),
    )  # fmt: skip
    office.work()
    assert (office.case(ref).state, paper(office)["status"]) == ("approved", "APPROVED")


def test_what_the_desk_lost_is_shown_again_by_the_next_comparison(office: Office[Running]) -> None:
    ref = shown(office)
    office.oa.reset()
    assert on_desks(office)["wangkai"] == 0
    (report,) = reconcile.run(office.connection, clock.now())
    office.work()
    assert (len(report.healed), on_desks(office)["wangkai"]) == (1, 1)
    (second,) = reconcile.run(office.connection, clock.now())
    assert (second.healed, second.unhealed, office.case(ref).state) == ([], [], "active")


def test_a_forged_press_is_refused(office: Office[Running]) -> None:
    shown(office)
    (todo,) = office.oa.todos("wangkai")
    body = {
        "action_type": "APPROVE", "user_id": "wangkai", "approval_code": todo["approval_code"],
        "instance_id": todo["instance_id"], "task_id": todo["task"]["task_id"], "token": office.oa.verification_token,
    }  # fmt: skip
    answer = office.oa.http.request("POST", office.hooks, json=body)
    assert answer.status in (400, 403)
    assert not InboxEvent.objects.exists()
    with pytest.raises(ControlError):
        office.oa.press(todo["approval_code"], todo["instance_id"], todo["task"]["task_id"], "NO_SUCH")
