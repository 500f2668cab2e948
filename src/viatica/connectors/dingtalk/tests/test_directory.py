"""DingTalk's address book through its port, and merged from there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from simulators.dingtalk.testing import Running
from viatica.connectors.dingtalk.directory import DingTalkDirectory
from viatica.kernel.errors import OutsideUnavailable
from viatica.offices.company import ports
from viatica.offices.company.directory.running import apply, changed, sync
from viatica.offices.company.models import Department, Employee, Grade, LegalEntity, OutsideIdentity
from viatica.offices.company.ports import DirectoryChange, OutsideDepartment, OutsideMember
from viatica.spine.models import Connection
from viatica.spine.outcomes import Done

AT = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
ORGANISATION: dict[str, Any] = {
    "departments": [
        {"dept_id": 1, "name": "行资公司", "parent_id": 0, "dept_manager_userid_list": ["boss"]},
        {"dept_id": 10, "name": "研发部", "parent_id": 1, "order": 2, "dept_manager_userid_list": ["li", "boss"]},
        {"dept_id": 11, "name": "平台组", "parent_id": 10},
        {"dept_id": 20, "name": "销售部", "parent_id": 1, "order": 1},
    ],
    "users": [
        {"userid": "boss", "name": "周总", "dept_id": 1, "job_number": "E1", "unionid": "ub", "mobile": "13800000001"},
        {
            "userid": "li", "name": "李四", "dept_id_list": [11, 10], "job_number": "E2", "unionid": "ul", "title": "总监",
            "email": "li@home.example", "org_email": "li@work.example", "manager_userid": "boss", "active": False,
        },
        {"userid": "zhang", "name": "张三𠮷", "dept_id": 11, "unionid": "uz", "manager_userid": "li"},
    ],
}  # fmt: skip


def crowd(many: int) -> dict[str, Any]:
    """In two departments, more than a page each."""
    users = [
        {"userid": f"u{n}", "name": f"员工{n}", "dept_id": 10 + n % 2, "job_number": f"N{n}"}
        for n in range(many)
    ]
    departments = [{"dept_id": 10 + n, "name": f"部门{n}", "parent_id": 1} for n in range(2)]
    return {"departments": departments, "users": users}


@pytest.fixture
def directory(dingtalk: Running, connection: Connection) -> DingTalkDirectory:
    dingtalk.load(ORGANISATION)
    return DingTalkDirectory(connection)


def test_departments_come_parents_first_with_their_heads(directory: DingTalkDirectory) -> None:
    assert list(directory.departments()) == [
        OutsideDepartment("1", "", "行资公司", ("boss",)),
        OutsideDepartment("20", "1", "销售部", (), 1),
        OutsideDepartment("10", "1", "研发部", ("li", "boss"), 2),
        OutsideDepartment("11", "10", "平台组"),
    ]
    assert directory.department("11") == OutsideDepartment("11", "10", "平台组")
    assert directory.department("404") is None


def test_members_come_once_whole_and_with_their_managers(directory: DingTalkDirectory) -> None:
    boss, li, zhang = directory.members()

    assert boss == OutsideMember(
        "boss", "周总", unionid="ub", number="E1", mobile="13800000001", department_ids=("1",)
    )
    # In two departments: listed by both, told once. Not yet opened DingTalk: works there all the same.
    assert li == OutsideMember(
        "li", "李四", unionid="ul", number="E2", email="li@work.example", title="总监", department_ids=("11", "10"),
        manager_userid="boss",
    )  # fmt: skip
    assert (zhang.name, zhang.number, zhang.manager_userid) == ("张三𠮷", "", "li")
    assert directory.member("li") == li
    assert directory.member("nobody") is None


def test_managers_are_not_asked_for_where_the_settings_say_so(
    dingtalk: Running, connection: Connection
) -> None:
    dingtalk.load(ORGANISATION)
    connection.settings["directory"] = {"managers": False}

    members = list(DingTalkDirectory(connection).members())

    assert {one.manager_userid for one in members} == {""}
    assert [one.userid for one in members] == ["boss", "li", "zhang"]
    assert "POST /topapi/v2/user/get" not in dingtalk.calls()


def test_pages_are_read_only_as_they_are_needed(dingtalk: Running, connection: Connection) -> None:
    dingtalk.load(crowd(450))
    connection.settings["directory"] = {"managers": False}
    members = DingTalkDirectory(connection).members()

    for _ in range(100):
        next(members)
    # The root's page is empty; then one page of the first department.
    assert dingtalk.calls()["POST /topapi/v2/user/list"] == 2
    assert len({one.userid for one in members}) == 350
    assert dingtalk.calls()["POST /topapi/v2/user/list"] == 7


def test_busy_moment_costs_a_pause_and_not_the_pages_before_it(
    dingtalk: Running, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("viatica.connectors.dingtalk.directory.time.sleep", pauses.append)
    dingtalk.load(crowd(250))
    connection.settings["directory"] = {"managers": False}
    dingtalk.fault("rate_limit", "/topapi/v2/user/list", times=2)

    assert len(list(DingTalkDirectory(connection).members())) == 250
    assert len(pauses) == 2

    dingtalk.fault("rate_limit", "/topapi/v2/user/list", times=99)
    with pytest.raises(OutsideUnavailable):
        list(DingTalkDirectory(connection).members())


@pytest.mark.parametrize(
    ("event", "change"),
    [
        ({"EventType": "user_add_org", "userId": ["a", "b"]}, DirectoryChange(userids=("a", "b"))),
        ({"EventType": "user_leave_org", "UserId": ["a"]}, DirectoryChange(userids=("a",))),
        ({"EventType": "user_modify_org", "userId": '["a","b"]'}, DirectoryChange(userids=("a", "b"))),
        (
            {"EventType": "org_dept_modify", "deptId": [432825033]},
            DirectoryChange(department_ids=("432825033",)),
        ),
        ({"EventType": "org_dept_remove", "DeptId": [1, 2]}, DirectoryChange(department_ids=("1", "2"))),
        ({"EventType": "bpms_task_change", "userId": ["a"]}, None),
        ({"EventType": "label_user_change"}, None),
        ({}, None),
    ],
)
def test_events_say_what_to_read_again(
    directory: DingTalkDirectory, event: dict[str, Any], change: DirectoryChange | None
) -> None:
    assert directory.hear(event) == change


@pytest.fixture
def company(dingtalk: Running, connection: Connection, db: None) -> Connection:
    """A company that knows nobody yet."""
    ports.register("dingtalk", DingTalkDirectory)
    dingtalk.load(ORGANISATION)
    connection.save()
    LegalEntity.objects.create(code="SH", name="上海公司", connection=connection)
    Grade.objects.create(code="P4", name="员工", rank=4)
    return connection


def test_company_is_made_from_its_dingtalk(dingtalk: Running, company: Connection) -> None:
    run = sync(company, by="system", via="worker", at=AT)
    assert (run.state, run.departments, run.people) == ("staged", 4, 3)
    apply(run.pk, by="employee:1", via="api", at=AT)

    boss, li, zhang = Employee.objects.select_related("manager", "department").order_by("number")
    assert [(one.number, one.name, one.department.name) for one in (boss, li, zhang)] == [
        ("E1", "周总", "行资公司"), ("E2", "李四", "平台组"), ("zhang", "张三𠮷", "平台组"),
    ]  # fmt: skip
    assert (boss.manager, li.manager, zhang.manager) == (None, boss, li)
    assert Department.objects.get(name="研发部").head == li
    assert set(OutsideIdentity.objects.values_list("userid", "unionid", "dept_id")) == {
        ("boss", "ub", "1"), ("li", "ul", "11"), ("zhang", "uz", "11"),
    }  # fmt: skip
    assert sync(company, by="system", via="worker", at=AT).counts["person"] == {}


def test_who_leaves_dingtalk_leaves_here_by_the_event_alone(dingtalk: Running, company: Connection) -> None:
    run = sync(company, by="system", via="worker", at=AT)
    apply(run.pk, by="employee:1", via="api", at=AT)
    dingtalk.leave("zhang")
    named = DingTalkDirectory(company).hear({"EventType": "user_leave_org", "userId": ["zhang"]})
    assert named is not None

    outcome = changed(company, named, at=AT)

    assert isinstance(outcome, Done)
    assert [one.name for one in Employee.objects.filter(is_active=False)] == ["张三𠮷"]


def test_directory_that_breaks_off_half_way_changes_nothing(
    dingtalk: Running, company: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("viatica.connectors.dingtalk.directory.time.sleep", lambda seconds: None)
    run = sync(company, by="system", via="worker", at=AT)
    apply(run.pk, by="employee:1", via="api", at=AT)
    dingtalk.fault("html_page", "/topapi/v2/user/list", times=99, status=502)

    run = sync(company, by="system", via="worker", at=AT)

    assert (run.state, run.problem_code) == ("failed", "outside.unavailable")
    assert Employee.objects.filter(is_active=True).count() == 3


def test_connection_that_is_not_complete_fails_its_run_and_says_what_is_missing(company: Connection) -> None:
    company.seal({})
    company.save()

    run = sync(company, by="system", via="worker", at=AT)

    assert (run.state, run.problem_code) == ("failed", "connectors.connection_incomplete")
    assert run.problem_params["missing"] == "app_key"
    assert not Employee.objects.exists()
