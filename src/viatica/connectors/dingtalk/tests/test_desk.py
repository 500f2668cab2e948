"""Our tasks where people look in DingTalk: the process centre, or to-dos."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from simulators.dingtalk.testing import Running
from viatica.connectors.dingtalk import centre, desk
from viatica.connectors.dingtalk.desk import DingTalkDesk
from viatica.connectors.dingtalk.tests.conftest import connection_to
from viatica.connectors.errors import PersonUnknown
from viatica.connectors.testing import AT, Office, Person, form, office_of
from viatica.kernel import clock
from viatica.kernel.errors import OutsideUnavailable, OutsideUnknown
from viatica.offices.approval import services
from viatica.offices.approval.models import Item
from viatica.offices.approval.ports import Board, BoardStatus, DeskStatus, DeskTask, OutsidePerson
from viatica.spine import reconcile
from viatica.spine.models import Connection, Issue

TASKS = "/v1.0/workflow/processCentres/tasks"
INSTANCES = "/v1.0/workflow/processCentres/instances"


@pytest.fixture(autouse=True)
def _no_memory_of_templates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "_templates", {})
    monkeypatch.setattr(desk, "_found", {})


def unionid(dingtalk: Running, userid: str) -> str:
    return next((str(one["unionid"]) for one in dingtalk.facts["users"] if one["userid"] == userid), "")


def task(dingtalk: Running, userid: str = "lisiyuan", key: str = "item-42", **changes: Any) -> DeskTask:
    usual = DeskTask(
        key=key,
        version=3,
        person=OutsidePerson(userid, userid, unionid(dingtalk, userid)),
        status=DeskStatus.OPEN,
        step="主管",
        step_no=1,
        url=f"https://viatica.example.com/approvals/{key}",
        opened_at=AT,
    )
    return replace(usual, **changes)


def templates(dingtalk: Running) -> list[dict[str, Any]]:
    """Those for reports."""
    found: list[dict[str, Any]] = dingtalk.control("GET", "/centre/templates")
    return [one for one in found if one["name"] == "差旅费用报销（行资）"]


def board(*tasks: DeskTask, **changes: Any) -> Board:
    usual = Board(
        number="BX202611-000123",
        kind="expense_report",
        title="张三 报销 上海客户拜访",
        applicant=OutsidePerson("zhangsan", "张三", "u"),
        form=form(),
        status=BoardStatus.RUNNING,
        url="https://viatica.example.com/reports/1",
        opened_at=AT,
        changed_at=AT,
        version=1,
        tasks=tasks,
    )
    return replace(usual, **changes)


def show(port: DingTalkDesk, one: Board) -> Board:
    """The board with what was kept of it, as the office would hand it in again."""
    handle = one.shown
    handles: dict[str, str] = {}
    for shown in port.show(one):
        handle = shown.handle or handle
        handles |= shown.tasks
    tasks = tuple(replace(task, shown=handles.get(task.key, task.shown)) for task in one.tasks)
    return replace(one, shown=handle, tasks=tasks)


def ended(one: Board, status: BoardStatus, *tasks: DeskStatus) -> Board:
    closed = tuple(replace(task, status=end) for task, end in zip(one.tasks, tasks, strict=True))
    return replace(one, status=status, tasks=closed)


@pytest.fixture
def port(connection: Connection) -> DingTalkDesk:
    return DingTalkDesk(connection)


# The process centre


def test_each_approver_sees_the_task_and_the_same_board_again_costs_nothing(
    port: DingTalkDesk, dingtalk: Running
) -> None:
    kept = show(port, board(task(dingtalk), task(dingtalk, "sunhui", "item-43")))
    (instance,) = dingtalk.centre_instances()
    assert (instance["originator"], instance["title"], instance["url"], instance["status"]) == (
        "zhangsan", "张三 报销 上海客户拜访", "https://viatica.example.com/reports/1", "RUNNING",
    )  # fmt: skip
    assert instance["values"] == {
        "单号": "BX202611-000123",
        "金额": "1280.50 CNY",
        "内容": "事由：上海客户拜访\n出差日期：2026-11-02 ~ 2026-11-05",
        "明细": "市内交通 · 2026-11-02 · 10.10 · 第 1 段\n市内交通 · 2026-11-02 · 10.10 · 第 2 段",
    }
    for userid, key in (("lisiyuan", "item-42"), ("sunhui", "item-43")):
        (seen,) = dingtalk.centre_tasks(userid)
        assert (seen["activity_id"], seen["url"]) == (key, f"https://viatica.example.com/approvals/{key}")
    assert kept.shown == instance["id"]
    calls = dingtalk.calls()
    assert show(port, kept) == kept
    assert dingtalk.calls() == calls


def test_its_buttons_only_lead_to_our_page(port: DingTalkDesk, dingtalk: Running) -> None:
    show(port, board(task(dingtalk)))
    (seen,) = dingtalk.centre_tasks("lisiyuan")
    (feature,) = seen["features"]
    assert (feature["name"], feature["run_type"], feature["pc_url"]) == (
        "TASK_EXECUTE", "REDIRECT", "https://viatica.example.com/approvals/item-42",
    )  # fmt: skip
    assert not port.can_decide
    assert port.hear({"EventType": "bpms_task_change", "processInstanceId": "x"}) == []


@pytest.mark.parametrize(
    ("status", "task_status", "instance_end", "task_end"),
    [
        (BoardStatus.APPROVED, DeskStatus.APPROVED, ("COMPLETED", "agree"), ("COMPLETED", "AGREE")),
        (BoardStatus.REJECTED, DeskStatus.REJECTED, ("COMPLETED", "refuse"), ("COMPLETED", "REFUSE")),
        (BoardStatus.RETURNED, DeskStatus.RETURNED, ("COMPLETED", "refuse"), ("COMPLETED", "REFUSE")),
        (BoardStatus.WITHDRAWN, DeskStatus.CANCELLED, ("TERMINATED", "refuse"), ("CANCELED", "NONE")),
    ],
)
def test_it_ends_there_as_it_ended_here(
    port: DingTalkDesk,
    dingtalk: Running,
    status: BoardStatus,
    task_status: DeskStatus,
    instance_end: tuple[str, str],
    task_end: tuple[str, str],
) -> None:
    kept = show(port, board(task(dingtalk), task(dingtalk, "sunhui", "item-43")))
    over = show(port, ended(kept, status, task_status, DeskStatus.CANCELLED))
    (instance,) = dingtalk.centre_instances()
    assert (instance["status"], instance["result"]) == instance_end
    assert [(one["status"], one["result"]) for one in instance["tasks"]] == [task_end, ("CANCELED", "NONE")]
    assert dingtalk.centre_tasks() == []
    assert [one.shown for one in over.tasks] == ["", ""]
    assert dingtalk.calls()[f"PUT {TASKS}"] == 1  # both in one call
    show(port, over)  # ended once more, should that be asked for: nothing changes
    assert dingtalk.centre_instances() == [instance]


def test_a_task_that_waits_for_an_added_signer_comes_back(port: DingTalkDesk, dingtalk: Running) -> None:
    kept = show(port, board(task(dingtalk)))
    waiting = replace(
        kept, tasks=(replace(kept.tasks[0], status=DeskStatus.WAITING), task(dingtalk, "sunhui", "item-44"))
    )
    waiting = show(port, waiting)
    assert [one["userid"] for one in dingtalk.centre_tasks()] == ["sunhui"]
    back = (
        replace(waiting.tasks[0], status=DeskStatus.OPEN),
        replace(waiting.tasks[1], status=DeskStatus.APPROVED),
    )
    show(port, replace(waiting, tasks=back))
    assert [one["userid"] for one in dingtalk.centre_tasks()] == ["lisiyuan"]
    assert len(dingtalk.centre_instances()) == 1


def test_what_ended_before_it_was_shown_is_never_shown(port: DingTalkDesk, dingtalk: Running) -> None:
    over = ended(board(task(dingtalk)), BoardStatus.WITHDRAWN, DeskStatus.CANCELLED)
    assert show(port, over) == over
    assert dingtalk.centre_instances() == []


def test_one_template_serves_all_papers_of_a_kind(
    port: DingTalkDesk, dingtalk: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(port, board(task(dingtalk)))
    show(port, board(task(dingtalk, key="item-43"), number="BX202611-000124"))
    monkeypatch.setattr(desk, "_templates", {})  # another worker
    monkeypatch.setattr(desk, "_found", {})
    show(port, board(task(dingtalk, key="item-44"), number="BX202611-000125"))
    (template,) = templates(dingtalk)
    assert (template["is_hidden"], template["sends_cards"]) == (True, True)
    assert {one["code"] for one in dingtalk.centre_instances()} == {template["code"]}


def test_a_template_deleted_over_there_is_made_anew(port: DingTalkDesk, dingtalk: Running) -> None:
    show(port, board(task(dingtalk)))
    (template,) = templates(dingtalk)
    port._way_of(board()).client._ask_new(  # type: ignore[attr-defined]  # as their console does
        "DELETE", f"{centre.HOME}/schemas", query={"processCode": template["code"]}
    )
    show(port, board(task(dingtalk, key="item-43"), number="BX202611-000124"))
    (fresh,) = templates(dingtalk)
    assert fresh["code"] != template["code"]
    assert len(dingtalk.centre_tasks("lisiyuan")) == 2


# Lost answers


def test_a_task_whose_answer_was_lost_is_found_by_our_key(port: DingTalkDesk, dingtalk: Running) -> None:
    dingtalk.fault("lost_answer", TASKS, method="POST", times=1)
    one, kept = board(task(dingtalk)), ""
    with pytest.raises(OutsideUnknown):
        for shown in port.show(one):
            kept = shown.handle or kept
    after = show(port, replace(one, shown=kept, earlier_unknown=True))
    (seen,) = dingtalk.centre_tasks("lisiyuan")
    assert [str(seen["id"])] == [task.shown for task in after.tasks]
    # Even when the handle of the case was lost as well.
    again = show(port, replace(one, earlier_unknown=True))
    assert (again.shown, len(dingtalk.centre_instances())) == (after.shown, 1)
    assert len(dingtalk.centre_tasks()) == 1


def test_what_was_taken_away_over_there_is_put_back(port: DingTalkDesk, dingtalk: Running) -> None:
    kept = show(port, board(task(dingtalk), task(dingtalk, "sunhui", "item-43")))
    assert list(port.differs([kept])) == []
    way = port._way_of(kept)
    way.close(kept.shown, [(replace(kept.tasks[0], status=DeskStatus.CANCELLED), kept.tasks[0].shown)])
    assert list(port.differs([kept])) == [kept.number]
    after = show(port, replace(kept, earlier_unknown=True))
    assert sorted(one["userid"] for one in dingtalk.centre_tasks()) == ["lisiyuan", "sunhui"]
    assert (after.tasks[0].shown != kept.tasks[0].shown, after.tasks[1].shown) == (True, kept.tasks[1].shown)
    assert list(port.differs([after])) == []


def test_what_was_left_open_over_there_is_seen_and_closed(port: DingTalkDesk, dingtalk: Running) -> None:
    kept = show(port, board(task(dingtalk)))
    forgotten = ended(kept, BoardStatus.APPROVED, DeskStatus.APPROVED)
    forgotten = replace(forgotten, tasks=tuple(replace(one, shown="") for one in forgotten.tasks))
    assert list(port.differs([forgotten])) == [kept.number]
    show(port, replace(forgotten, earlier_unknown=True))
    assert dingtalk.centre_tasks() == []
    assert list(port.differs([forgotten])) == []


def test_many_papers_are_compared_by_one_question_a_person(port: DingTalkDesk, dingtalk: Running) -> None:
    boards = [
        show(port, board(task(dingtalk, key=f"item-{no}"), number=f"BX202611-{no}")) for no in range(45)
    ]
    before = dingtalk.calls().get("GET /v1.0/workflow/processCentres/todoTasks", 0)
    assert list(port.differs(boards)) == []
    assert dingtalk.calls()["GET /v1.0/workflow/processCentres/todoTasks"] - before == 2  # pages of forty


# Refusals and bad days


def test_whom_dingtalk_does_not_know_is_told_and_the_others_are_served(
    port: DingTalkDesk, dingtalk: Running
) -> None:
    shown = list(port.show(board(task(dingtalk, "nobody"), task(dingtalk, "sunhui", "item-43"))))
    (refused,) = [one.refused for one in shown if one.refused]
    assert dict(refused) == {"item-42": "userNotExist 用户不存在"}
    assert [one["userid"] for one in dingtalk.centre_tasks()] == ["sunhui"]


def test_an_applicant_without_an_account_is_named(port: DingTalkDesk, dingtalk: Running) -> None:
    with pytest.raises(PersonUnknown) as caught:
        show(port, board(task(dingtalk), applicant=OutsidePerson("", "外派员")))
    assert caught.value.params["said_by"] == "外派员"
    assert dingtalk.centre_instances() == []


def test_two_at_once_are_asked_one_after_the_other(port: DingTalkDesk, dingtalk: Running) -> None:
    show(port, board(task(dingtalk)))
    dingtalk.fault("rate_limit", TASKS, times=1)
    with pytest.raises(OutsideUnavailable):
        show(port, board(task(dingtalk, key="item-43")))


def test_a_long_paper_is_cut_to_what_fits(dingtalk: Running, port: DingTalkDesk) -> None:
    long = board(task(dingtalk), title="长" * 300, form=form(lines=200, reason="𠮷😀" * 5000))
    show(port, long)
    (instance,) = dingtalk.centre_instances()
    assert (len(instance["title"]), instance["title"][-1]) == (64, "…")
    assert len(instance["values"]["内容"]) == 4000
    assert instance["values"]["明细"].endswith("\n其余 180 行见详情")


# To-dos


@pytest.fixture
def todos(dingtalk: Running) -> DingTalkDesk:
    return DingTalkDesk(connection_to(dingtalk, desk="todo"))


def test_as_todos_they_are_shown_and_ticked(todos: DingTalkDesk, dingtalk: Running) -> None:
    kept = show(todos, board(task(dingtalk), task(dingtalk, "sunhui", "item-43")))
    (seen,) = dingtalk.todos("lisiyuan")
    assert (seen["subject"], seen["detailUrl"]["pcUrl"], seen["done"]) == (
        "张三 报销 上海客户拜访（主管）", "https://viatica.example.com/approvals/item-42", False,
    )  # fmt: skip
    calls = dingtalk.calls()
    assert show(todos, kept) == kept
    assert dingtalk.calls() == calls
    show(todos, ended(kept, BoardStatus.APPROVED, DeskStatus.APPROVED, DeskStatus.CANCELLED))
    assert [one["done"] for one in dingtalk.todos("lisiyuan")] == [True]
    assert dingtalk.todos("sunhui") == []  # not theirs to have done
    assert dingtalk.centre_instances() == []


def test_a_todo_whose_answer_was_lost_is_there_once_and_may_come_back(
    todos: DingTalkDesk, dingtalk: Running
) -> None:
    dingtalk.fault("lost_answer", "/v1.0/todo/users/{union_id}/tasks", times=1)
    one = board(task(dingtalk))
    with pytest.raises(OutsideUnavailable):
        show(todos, one)
    kept = show(todos, replace(one, earlier_unknown=True))
    (seen,) = dingtalk.todos("lisiyuan")
    assert kept.tasks[0].shown == seen["id"]
    waiting = show(todos, replace(kept, tasks=(replace(kept.tasks[0], status=DeskStatus.WAITING),)))
    assert dingtalk.todos("lisiyuan")[0]["done"] is True
    show(todos, replace(waiting, tasks=(replace(waiting.tasks[0], status=DeskStatus.OPEN),)))
    assert [one["done"] for one in dingtalk.todos("lisiyuan")] == [False]


def test_todos_that_differ_are_put_right(todos: DingTalkDesk, dingtalk: Running) -> None:
    kept = show(todos, board(task(dingtalk)))
    assert list(todos.differs([kept])) == []
    todos._way_of(kept).close(kept.shown, [(kept.tasks[0], kept.tasks[0].shown)])  # ticked over there
    assert list(todos.differs([kept])) == [kept.number]
    show(todos, replace(kept, earlier_unknown=True))
    assert [one["done"] for one in dingtalk.todos("lisiyuan")] == [False]


def test_todos_need_people_dingtalk_knows(todos: DingTalkDesk, dingtalk: Running) -> None:
    stranger = replace(task(dingtalk, key="item-43"), person=OutsidePerson("x", "外人", "no-such-union"))
    unlinked = replace(task(dingtalk, key="item-44"), person=OutsidePerson("y", "新人"))
    refused: dict[str, str] = {}
    for shown in todos.show(board(task(dingtalk), stranger, unlinked)):
        refused |= shown.refused
    assert refused == {
        "item-43": "todo.taskCreate.paramError unionId no-such-union not exist",
        "item-44": "新人",
    }
    assert len(dingtalk.todos("lisiyuan")) == 1


def test_what_was_begun_one_way_ends_that_way(
    port: DingTalkDesk, todos: DingTalkDesk, dingtalk: Running
) -> None:
    kept = show(port, board(task(dingtalk)))
    show(todos, ended(kept, BoardStatus.APPROVED, DeskStatus.APPROVED))  # the settings were changed since
    assert (dingtalk.centre_tasks(), dingtalk.todos()) == ([], [])


# A whole story


@pytest.fixture
def office(
    dingtalk: Running, live_server: LiveServer, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Office[Running]]:
    people = (Person("zhangsan", "张三", "11", "lisiyuan"), Person("lisiyuan", "李思源", "10"))
    connection = connection_to(dingtalk)
    connection.uses = ["desk", "directory"]
    with office_of(
        dingtalk, connection, people=people, steps={"审批": "lisiyuan"}, url=live_server.url, patch=monkeypatch,
    ) as made:  # fmt: skip
        yield made


def test_a_paper_is_shown_decided_on_our_page_and_gone_over_there(office: Office[Running]) -> None:
    ref = office.open()
    office.work()
    (seen,) = office.oa.centre_tasks("lisiyuan")
    item = Item.objects.get(case=office.case(ref))
    assert (seen["activity_id"], str(seen["id"])) == (f"item-{item.pk}", item.desk_handle)
    services.decide(
        item_id=item.pk, actor=office.people["lisiyuan"], verdict="approve", expected_version=item.version,
        at=clock.now(),
    )  # fmt: skip
    office.work()
    assert office.oa.centre_tasks() == []
    (instance,) = office.oa.centre_instances()
    assert (instance["status"], instance["result"]) == ("COMPLETED", "agree")
    case = office.case(ref)
    assert (case.state, case.is_agreed) == ("approved", True)


def test_a_lost_answer_shows_no_second_task(office: Office[Running]) -> None:
    office.oa.fault("lost_answer", TASKS, method="POST", times=1)
    office.open()
    office.work()
    office.work(later=600)
    assert [len(one["tasks"]) for one in office.oa.centre_instances()] == [1]
    assert len(office.oa.centre_tasks("lisiyuan")) == 1


def test_an_approver_who_left_dingtalk_is_an_issue_and_can_decide_here(office: Office[Running]) -> None:
    office.oa.leave("lisiyuan")
    ref = office.open()
    office.work()
    issue = Issue.objects.get(kind="approval.not_on_desk", closed_at__isnull=True)
    assert issue.params["who"] == "李思源"
    assert office.oa.centre_tasks() == []
    item = Item.objects.get(case=office.case(ref))
    services.decide(
        item_id=item.pk, actor=office.people["lisiyuan"], verdict="approve", expected_version=item.version,
        at=clock.now(),
    )  # fmt: skip
    office.work()
    assert office.oa.centre_instances()[0]["result"] == "agree"
    assert not Issue.objects.filter(kind="approval.not_on_desk", closed_at__isnull=True).exists()


def test_reconcile_puts_right_what_the_desk_lacks(office: Office[Running]) -> None:
    office.open()
    office.work()
    (seen,) = office.oa.centre_tasks("lisiyuan")
    client = centre.CentreClient.of(office.connection)
    client.close_tasks(seen["instance_id"], [{"taskId": seen["id"], "status": "CANCELED"}])
    (report,) = reconcile.run(office.connection, clock.now())
    assert len(report.healed) == 1
    office.work()
    assert [one["activity_id"] for one in office.oa.centre_tasks("lisiyuan")] == [seen["activity_id"]]
