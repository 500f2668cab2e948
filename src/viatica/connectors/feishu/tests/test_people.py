"""The directory, linking people, and the two ways to sign in."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pytest_httpserver import HTTPServer

from simulators.feishu.testing import Running
from viatica.connectors.feishu.errors import ScopeMissing
from viatica.connectors.feishu.people import (
    USER_ID_SCOPE,
    FeishuDirectory,
    FeishuSignIn,
    NotOfThisCompany,
    link_people,
)
from viatica.connectors.feishu.tests.conftest import AT, connection_to
from viatica.connectors.registry import LinkReport
from viatica.kernel.errors import OutsideRefused, OutsideUnavailable
from viatica.offices.access.ports import SignedIn
from viatica.offices.company.models import Department, Employee, Grade, LegalEntity, OutsideIdentity
from viatica.spine.models import Connection

CHILDREN = "/open-apis/contact/v3/departments/{department_id}/children"
MEMBERS = "GET /open-apis/contact/v3/users/find_by_department"


def hire(number: str, mobile: str = "", *, is_active: bool = True) -> Employee:
    entity, _ = LegalEntity.objects.get_or_create(code="SH", defaults={"name": "上海云帆"})
    department, _ = Department.objects.get_or_create(name="市场部", entity=entity)
    grade, _ = Grade.objects.get_or_create(code="P5", defaults={"name": "P5", "rank": 5})
    return Employee.objects.create(
        number=number, name=f"员工{number}", entity=entity, department=department, grade=grade, mobile=mobile,
        is_active=is_active,
    )  # fmt: skip


def unionid(feishu: Running, userid: str) -> str:
    return str(next(one["union_id"] for one in feishu.facts["users"] if one["user_id"] == userid))


# The directory


def test_departments_come_parents_first(connection: Connection) -> None:
    found = list(FeishuDirectory.of(connection).departments())
    assert sorted((one.dept_id, one.name, one.parent_id) for one in found) == [
        ("D10", "研发部", "0"), ("D11", "平台组", "D10"), ("D20", "销售部", "0"), ("D30", "财务部", "0"),
        ("D40", "人力行政部", "0"), ("D50", "市场部", "0"),
    ]  # fmt: skip
    ids = [one.dept_id for one in found]
    assert ids.index("D10") < ids.index("D11")


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
    directory = FeishuDirectory.of(connection_to(feishu, forms, base_url=httpserver.url_for("")))
    assert [one.dept_id for one in directory.departments()] == ["a", "b", "c", "d", "y", "z"]


def test_people_come_page_after_page_each_once(feishu: Running, forms: dict[str, Any]) -> None:
    users = [{"user_id": f"u{no}", "name": f"员工{no}", "department_ids": ["D2", "D3"]} for no in range(105)]
    feishu.load(
        {"departments": [{"department_id": one, "name": one} for one in ("D2", "D3")], "users": users}
    )
    found = list(FeishuDirectory.of(connection_to(feishu, forms)).users())
    assert [one.userid for one in found] == [f"u{no}" for no in range(105)]
    assert found[0].dept_ids == ("D2", "D3")
    assert feishu.calls()[MEMBERS] == 7  # one for the root, three for each other


def test_nothing_is_read_before_it_is_asked_for(connection: Connection, feishu: Running) -> None:
    next(FeishuDirectory.of(connection).users())
    assert feishu.calls()[MEMBERS] == 1


def test_people_whose_ids_may_not_be_read_are_refused(connection: Connection, feishu: Running) -> None:
    feishu.set(missing_scopes=[USER_ID_SCOPE])
    with pytest.raises(ScopeMissing, match=USER_ID_SCOPE):
        list(FeishuDirectory.of(connection).users())


# Linking


@pytest.mark.django_db
def test_people_are_linked_by_number_then_by_mobile(connection: Connection, feishu: Running) -> None:
    connection.save()
    by_number = hire("E0004")  # zhangsan
    by_mobile = hire("A-17", "138-0000-0005")  # linxiao, +86 there
    hire("A-18", "13800000006")
    hire("A-19", "13800000006")  # two share chenjing's mobile: neither is linked
    hire("E0007", is_active=False)  # wulei's number, but he has left
    report = link_people(connection, AT)
    assert (report.read, report.linked, report.already) == (12, 2, 0)
    assert sorted(report.unmatched) == sorted(
        ("周明远", "李思源", "陈静", "吴磊", "孙慧", "钱薇", "赵敏", "何涛", "徐佳", "王凯")
    )
    rows = OutsideIdentity.objects.order_by("userid").values_list(
        "employee_id", "userid", "unionid", "dept_id"
    )
    assert list(rows) == [
        (by_mobile.pk, "linxiao", unionid(feishu, "linxiao"), "D10"),
        (by_number.pk, "zhangsan", unionid(feishu, "zhangsan"), "D11"),
    ]
    again = link_people(connection, AT)
    assert (again.linked, again.already, len(again.unmatched)) == (0, 2, 10)


@pytest.mark.django_db
def test_one_person_here_is_never_linked_to_two_there(feishu: Running, forms: dict[str, Any]) -> None:
    feishu.load(
        {
            "departments": [],
            "users": [
                {"user_id": "a", "name": "甲", "employee_no": "E1"},
                {"user_id": "b", "name": "甲（旧）", "mobile": "+8613900000001"},
                {"user_id": "c", "name": "冻结", "employee_no": "E2", "is_frozen": True},
            ],
        }
    )
    connection = connection_to(feishu, forms)
    connection.save()
    hire("E1", "13900000001")
    hire("E2")
    assert link_people(connection, AT) == LinkReport(read=2, linked=1, already=0, unmatched=("甲（旧）",))


@pytest.mark.django_db
def test_a_directory_that_breaks_off_links_nobody(connection: Connection, feishu: Running) -> None:
    connection.save()
    hire("E0001")
    feishu.fault("html_page", CHILDREN, times=1)
    with pytest.raises(OutsideUnavailable):
        link_people(connection, AT)
    assert not OutsideIdentity.objects.exists()


# Signing in


def test_the_browser_is_sent_to_feishu_and_back(connection: Connection, feishu: Running) -> None:
    url = urlsplit(
        FeishuSignIn(connection).start_url(
            "st&ate", "https://v.example.com/sign-in/feishu?next=/", inside=False
        )
    )
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{feishu.base_url}/open-apis/authen/v1/authorize"
    assert {key: value for key, (value,) in parse_qs(url.query).items()} == {
        "client_id": feishu.facts["app_id"],
        "response_type": "code",
        "redirect_uri": "https://v.example.com/sign-in/feishu?next=/",
        "state": "st&ate",
    }


@pytest.mark.parametrize("way", ["finish", "free_login"])
def test_a_code_tells_who_it_is_once(connection: Connection, feishu: Running, way: str) -> None:
    redeem = getattr(FeishuSignIn(connection), way)
    code = feishu.login_code("zhangsan")
    assert redeem(code) == SignedIn("zhangsan", "张三", unionid(feishu, "zhangsan"))
    for bad in (code, "invented"):
        with pytest.raises(OutsideRefused, match="200"):
            redeem(bad)


def test_without_the_permission_to_read_ids_nobody_is_let_in_and_it_is_named(
    connection: Connection, feishu: Running
) -> None:
    code = feishu.login_code("zhangsan")
    feishu.set(missing_scopes=[USER_ID_SCOPE])
    with pytest.raises(ScopeMissing, match=USER_ID_SCOPE):
        FeishuSignIn(connection).finish(code)


def test_someone_of_another_tenant_is_refused(feishu: Running, forms: dict[str, Any]) -> None:
    port = FeishuSignIn(connection_to(feishu, forms, tenant_key="another"))
    with pytest.raises(NotOfThisCompany):
        port.finish(feishu.login_code("zhangsan"))
    ours = FeishuSignIn(connection_to(feishu, forms, tenant_key=feishu.facts["tenant_key"]))
    assert ours.finish(feishu.login_code("zhangsan")).userid == "zhangsan"


def test_someone_our_directory_does_not_know_is_refused(
    feishu: Running, forms: dict[str, Any], httpserver: HTTPServer
) -> None:
    answers: dict[str, tuple[int, dict[str, Any]]] = {
        "/open-apis/auth/v3/tenant_access_token/internal": (200, {"code": 0, "tenant_access_token": "t-1"}),
        "/open-apis/authen/v2/oauth/token": (200, {"code": 0, "access_token": "u-1"}),
        "/open-apis/authen/v1/user_info": (200, {"code": 0, "data": {"open_id": "ou_x", "name": "陌生人"}}),
        "/open-apis/contact/v3/users/ou_x": (400, {"code": 41012, "msg": "user id invalid error"}),
    }
    for path, (status, body) in answers.items():
        httpserver.expect_request(path).respond_with_json(body, status=status)
    with pytest.raises(NotOfThisCompany):
        FeishuSignIn(connection_to(feishu, forms, base_url=httpserver.url_for(""))).finish("code")
