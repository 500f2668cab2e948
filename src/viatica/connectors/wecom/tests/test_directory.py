"""The address book, as far as a self-built app sees it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from simulators.wecom.testing import Running
from viatica.connectors.testing import AT
from viatica.connectors.wecom import events
from viatica.connectors.wecom.directory import WeComDirectory, change
from viatica.connectors.wecom.errors import OutOfSight
from viatica.connectors.wecom.tests.conftest import connection_to
from viatica.connectors.wecom.tests.test_signing import REQUESTS
from viatica.kernel.errors import OutsideUnavailable
from viatica.offices.company.directory import running
from viatica.offices.company.directory.models import DirectoryRun
from viatica.offices.company.models import Employee, Grade, LegalEntity, OutsideIdentity
from viatica.offices.company.ports import DirectoryChange, OutsideDepartment, OutsideMember
from viatica.spine.models import Connection

MEMBERS = "GET /cgi-bin/user/list"


@pytest.fixture
def directory(connection: Connection) -> WeComDirectory:
    return WeComDirectory(connection)


def test_departments_come_parents_first(directory: WeComDirectory) -> None:
    found = list(directory.departments())
    assert found[0] == OutsideDepartment("1", "", "行资演示公司", ("zhoumingyuan",))
    assert sorted((one.id, one.parent_id, one.name) for one in found[1:]) == [
        ("10", "1", "研发部"), ("11", "10", "平台组"), ("20", "1", "销售部"), ("30", "1", "财务部"),
        ("40", "1", "人力行政部"), ("50", "1", "市场部"),
    ]  # fmt: skip
    ids = [one.id for one in found]
    assert ids.index("10") < ids.index("11")


def test_departments_in_any_order_orphans_and_larger_orders_first(
    wecom: Running, forms: dict[str, Any], httpserver: HTTPServer
) -> None:
    """The visible range began below the root: 7's parent cannot be seen."""
    rows = [(4, 3, 0), (3, 1, 1), (2, 1, 9), (1, 0, 0), (8, 7, 0), (7, 99, 0)]
    department = [{"id": one, "name": f"部门{one}", "parentid": up, "order": no} for one, up, no in rows]
    httpserver.expect_request("/cgi-bin/gettoken").respond_with_json({"errcode": 0, "access_token": "t"})
    httpserver.expect_request("/cgi-bin/department/list").respond_with_json(
        {"errcode": 0, "department": department}
    )
    found = list(WeComDirectory(connection_to(wecom, forms, base_url=httpserver.url_for(""))).departments())
    assert [one.id for one in found] == ["1", "7", "2", "3", "8", "4"]
    assert found[1].parent_id == "99"


def test_people_are_told_each_once_with_what_is_not_hidden(directory: WeComDirectory, wecom: Running) -> None:
    wecom.load(
        {
            "departments": [{"id": 2, "name": "甲"}, {"id": 3, "name": "乙"}],
            "users": [
                {
                    "userid": "zhangsan",
                    "name": "张三",
                    "department": [3, 2],
                    "position": "工程师",
                    "mobile": "13800000001",
                    "biz_mail": "z@example.com",
                    "direct_leader": ["lisi"],
                    "extattr": {"工号": " E0001 "},
                },
                {"userid": "lisi", "name": "李四", "department": 2, "status": 4},
                {"userid": "gone", "name": "停用", "department": 2, "status": 2},
            ],
        }
    )
    found = {one.userid: one for one in directory.members()}
    assert found["zhangsan"] == OutsideMember(
        userid="zhangsan",
        name="张三",
        number="E0001",
        title="工程师",
        department_ids=("3", "2"),
        manager_userid="lisi",
    )
    assert [
        (one.userid, one.is_active, one.number) for one in found.values() if one.userid != "zhangsan"
    ] == [
        ("lisi", True, ""),
        ("gone", False, ""),
    ]
    assert wecom.calls()[MEMBERS] == 3


def test_an_older_app_sees_mobile_and_mail(directory: WeComDirectory, wecom: Running) -> None:
    wecom.set(hides_personal_fields=False)
    found = directory.member("zhangsan")
    assert found is not None
    assert (found.mobile, found.email) == ("13800000004", "zhangsan@demo.example.com")


def test_without_an_attribute_the_userid_is_the_number(wecom: Running, forms: dict[str, Any]) -> None:
    found = WeComDirectory(connection_to(wecom, forms, number_attribute="")).member("zhangsan")
    assert found is not None and found.number == "zhangsan"


def test_nothing_is_read_before_it_is_asked_for(directory: WeComDirectory, wecom: Running) -> None:
    next(directory.members())
    assert wecom.calls()[MEMBERS] == 1


def test_a_range_that_begins_below_the_root(directory: WeComDirectory, wecom: Running) -> None:
    wecom.set(visible_departments=[11])
    assert [(one.id, one.parent_id) for one in directory.departments()] == [("11", "10")]
    assert [one.userid for one in directory.members()] == ["wangkai", "zhangsan"]
    assert (directory.department("10"), directory.member("sunhui")) == (None, None)


def test_one_person_and_one_department_and_those_that_are_gone(
    directory: WeComDirectory, wecom: Running
) -> None:
    wecom.leave("zhangsan")
    assert directory.member("zhangsan") is None
    wangkai, platform = directory.member("wangkai"), directory.department("11")
    assert wangkai is not None and wangkai.number == "E0003"
    assert platform is not None and (platform.name, platform.head_userids) == ("平台组", ("wangkai",))
    assert directory.department("4711") is None


def test_a_list_that_breaks_off_is_not_taken_for_all(directory: WeComDirectory, wecom: Running) -> None:
    reading = directory.members()
    next(reading)
    wecom.fault("html_page", "/cgi-bin/user/list", times=1)
    with pytest.raises(OutsideUnavailable):
        list(reading)
    wecom.set(visible_departments=[30])
    with pytest.raises(OutOfSight):
        directory.client.users_of("11")


# Events


def told(name: str, **changes: str) -> dict[str, Any]:
    body = events.tree(REQUESTS[name]["plaintext"])
    assert body is not None
    return body | changes


def test_events_name_who_and_where() -> None:
    assert change(told("contact_update_user_post_2022")) == DirectoryChange(userids=("zhangsan", "zhangsan1"))
    assert change(told("contact_update_party")) == DirectoryChange(department_ids=("2",))
    left = told("contact_update_user_post_2022", changetype="delete_user", newuserid="")
    assert change(left) == DirectoryChange(userids=("zhangsan",))
    assert change(told("contact_update_party", changetype="create_party")) == DirectoryChange(
        department_ids=("2",)
    )
    assert change(told("contact_update_party", changetype="update_tag")) is None
    assert change(told("sys_approval_submit")) is None
    assert change({}) is None


# With the company office


@pytest.mark.django_db
def test_a_whole_company_is_read_shown_and_merged(connection: Connection, wecom: Running) -> None:
    connection.save()
    Grade.objects.create(code="P5", name="P5", rank=5)
    LegalEntity.objects.create(code="SH", name="上海云帆", connection=connection)
    run = running.sync(connection, by="system", via="test", at=AT)
    assert (run.problem, run.state) == ("", "staged")
    running.apply(run.pk, by="system", via="test", at=AT)
    person = Employee.objects.get(number="E0004")
    assert (person.name, person.title, person.department.name) == ("张三", "工程师", "平台组")
    assert OutsideIdentity.objects.get(employee=person).userid == "zhangsan"
    assert Employee.objects.count() == 12
    wecom.leave("zhangsan")
    outcome = running.changed(connection, DirectoryChange(userids=("zhangsan",)), at=AT + timedelta(hours=1))
    person.refresh_from_db()
    assert (str(DirectoryRun.objects.latest("id").state), person.is_active) == ("applied", False), outcome
