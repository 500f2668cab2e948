"""Feishu's contacts through their port, and merged from there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from simulators.feishu.testing import Running
from viatica.connectors.errors import ScopeMissing
from viatica.connectors.feishu.directory import USER_ID_SCOPE, FeishuDirectory, change
from viatica.connectors.feishu.tests.conftest import connection_to
from viatica.offices.company.directory.running import apply, changed, sync
from viatica.offices.company.models import Department, Employee, Grade, LegalEntity, OutsideIdentity
from viatica.offices.company.ports import DirectoryChange, OutsideDepartment, OutsideMember
from viatica.spine.models import Connection
from viatica.spine.outcomes import Done

AT = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
MEMBERS = "GET /open-apis/contact/v3/users/find_by_department"
ORGANISATION: dict[str, Any] = {
    "name": "行资公司",
    "departments": [
        {"department_id": "D11", "name": "平台组", "parent_department_id": "D10", "order": 3},
        {"department_id": "D10", "name": "研发部", "leaders": ["li", "boss"], "order": 2},
        {"department_id": "D20", "name": "销售部", "order": 1},
    ],
    "users": [
        {"user_id": "boss", "name": "周总", "department_id": "D10", "employee_no": "E1", "union_id": "on_b",
         "mobile": "+8613800000001"},
        {"user_id": "li", "name": "李四", "department_ids": ["D11", "D10"], "employee_no": "E2", "union_id": "on_l",
         "job_title": "总监", "email": "li@home.example", "enterprise_email": "li@work.example", "leader_user_id": "boss"},
        {"user_id": "zhang", "name": "张三𠮷", "department_id": "D11", "union_id": "on_z", "leader_user_id": "li"},
    ],
}  # fmt: skip


@pytest.fixture
def directory(feishu: Running, connection: Connection) -> FeishuDirectory:
    feishu.load(ORGANISATION)
    return FeishuDirectory(connection)


def test_departments_come_parents_first_with_their_heads(directory: FeishuDirectory) -> None:
    found = {one.id: one for one in directory.departments()}
    assert found == {
        "D10": OutsideDepartment("D10", "", "研发部", ("li", "boss"), 2),
        "D11": OutsideDepartment("D11", "D10", "平台组", (), 3),
        "D20": OutsideDepartment("D20", "", "销售部", (), 1),
    }
    assert list(found).index("D10") < list(found).index("D11")
    assert directory.department("D11") == found["D11"]
    assert directory.department("D404") is None


def test_departments_in_any_order_and_orphans_come_parents_first(
    feishu: Running, forms: dict[str, Any], httpserver: HTTPServer
) -> None:
    parents = {"c": "b", "d": "c", "b": "a", "y": "hidden", "a": "0", "z": "y"}
    rows = [
        {"department_id": one, "name": one, "parent_department_id": parent} for one, parent in parents.items()
    ]
    httpserver.expect_request("/open-apis/auth/v3/tenant_access_token/internal").respond_with_json(
        {"code": 0, "tenant_access_token": "t-1"}
    )
    httpserver.expect_request("/open-apis/contact/v3/departments/0/children").respond_with_json(
        {"code": 0, "data": {"has_more": False, "items": rows}}
    )
    directory = FeishuDirectory(connection_to(feishu, forms, base_url=httpserver.url_for("")))
    assert [one.id for one in directory.departments()] == ["a", "b", "c", "d", "y", "z"]


def test_members_come_once_whole_and_with_their_managers(directory: FeishuDirectory) -> None:
    members = {one.userid: one for one in directory.members()}
    assert members["boss"] == OutsideMember(
        "boss", "周总", unionid="on_b", number="E1", mobile="+8613800000001", department_ids=("D10",)
    )
    assert members["li"] == OutsideMember(
        "li", "李四", unionid="on_l", number="E2", email="li@work.example", title="总监", department_ids=("D11", "D10"),
        manager_userid="boss",
    )  # fmt: skip
    assert (members["zhang"].name, members["zhang"].number, members["zhang"].manager_userid) == (
        "张三𠮷",
        "",
        "li",
    )
    assert directory.member("li") == members["li"]
    assert directory.member("nobody") is None


def test_who_has_left_is_nobody(feishu: Running, directory: FeishuDirectory) -> None:
    feishu.leave("zhang")
    assert directory.member("zhang") is None
    assert [one.userid for one in directory.members()] == ["boss", "li"]


def test_members_come_page_after_page_each_once(feishu: Running, connection: Connection) -> None:
    users = [{"user_id": f"u{no}", "name": f"员工{no}", "department_ids": ["D2", "D3"]} for no in range(105)]
    feishu.load(
        {"departments": [{"department_id": one, "name": one} for one in ("D2", "D3")], "users": users}
    )
    members = FeishuDirectory(connection).members()
    assert next(members).userid == "u0"
    assert feishu.calls()[MEMBERS] == 2  # the root's page is empty
    assert [one.userid for one in members] == [f"u{no}" for no in range(1, 105)]
    assert feishu.calls()[MEMBERS] == 7


def test_people_whose_ids_may_not_be_read_are_refused(feishu: Running, directory: FeishuDirectory) -> None:
    feishu.set(missing_scopes=[USER_ID_SCOPE])
    with pytest.raises(ScopeMissing, match=USER_ID_SCOPE):
        list(directory.members())


def event(kind: str, **about: Any) -> dict[str, Any]:
    return {"schema": "2.0", "header": {"event_type": kind}, "event": about}


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (event("contact.user.created_v3", object={"user_id": "a"}), DirectoryChange(userids=("a",))),
        (event("contact.user.deleted_v3", object={"open_id": "ou_a"}), DirectoryChange(everything=True)),
        (
            event("contact.department.updated_v3", object={"department_id": "D10"}),
            DirectoryChange(department_ids=("D10",)),
        ),
        (event("contact.scope.updated_v3", added={}), DirectoryChange(everything=True)),
        (event("im.message.receive_v1", message={}), None),
        ({"event": {"type": "approval_task"}}, None),
    ],
)
def test_events_say_what_to_read_again(told: dict[str, Any], wanted: DirectoryChange | None) -> None:
    assert change(told) == wanted


@pytest.mark.django_db
def test_a_company_is_made_from_its_feishu_and_loses_who_leaves(
    feishu: Running, connection: Connection
) -> None:
    feishu.load(ORGANISATION)
    connection.save()
    LegalEntity.objects.create(code="SH", name="上海公司", connection=connection)
    Grade.objects.create(code="P4", name="员工", rank=4)
    run = sync(connection, by="system", via="worker", at=AT)
    assert (run.state, run.departments, run.people) == ("staged", 3, 3)
    apply(run.pk, by="employee:1", via="api", at=AT)

    boss, li, zhang = Employee.objects.select_related("manager", "department").order_by("number")
    assert [(one.number, one.department.name) for one in (boss, li, zhang)] == [
        ("E1", "研发部"), ("E2", "平台组"), ("zhang", "平台组"),
    ]  # fmt: skip
    assert (boss.manager, li.manager, zhang.manager) == (None, boss, li)
    assert Department.objects.get(name="研发部").head == li
    assert set(OutsideIdentity.objects.values_list("userid", "unionid", "dept_id")) == {
        ("boss", "on_b", "D10"), ("li", "on_l", "D11"), ("zhang", "on_z", "D11"),
    }  # fmt: skip

    feishu.leave("zhang")
    assert isinstance(changed(connection, DirectoryChange(userids=("zhang",)), at=AT), Done)
    assert [one.name for one in Employee.objects.filter(is_active=False)] == ["张三𠮷"]
