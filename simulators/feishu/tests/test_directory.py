from __future__ import annotations

from typing import Any

import pytest

from simulators.feishu.testing import Running
from simulators.feishu.tests.wire import Wire

HOME = "/open-apis/contact/v3"


def departments(wire: Wire, parent: str = "0", **query: Any) -> list[dict[str, Any]]:
    """All pages of the children."""
    rows: list[dict[str, Any]] = []
    token = ""
    while True:
        more = {"page_token": token} if token else {}
        page = wire.get(f"{HOME}/departments/{parent}/children", **query, **more).data
        rows += page["items"]
        if not page["has_more"]:
            return rows
        token = page["page_token"]


def test_the_tree(wire: Wire) -> None:
    first = departments(wire)
    assert [row["name"] for row in first] == ["研发部", "销售部", "财务部", "人力行政部", "市场部"]
    lab = first[0]
    assert (lab["department_id"], lab["parent_department_id"], lab["member_count"]) == ("D10", "0", 4)
    assert lab["open_department_id"].startswith("od-")
    assert lab["leaders"] == [{"leaderType": 1, "leaderID": wire.open_id("lisiyuan")}]
    (team,) = departments(wire, lab["open_department_id"])
    assert (team["name"], team["parent_department_id"]) == ("平台组", lab["open_department_id"])
    (same,) = departments(wire, "D10", department_id_type="department_id", user_id_type="user_id")
    assert (same["parent_department_id"], same["leader_user_id"]) == ("D10", "wangkai")
    assert len(departments(wire, fetch_child="true", page_size=4)) == 6


def test_one_department(wire: Wire) -> None:
    shown = wire.get(f"{HOME}/departments/D11", department_id_type="department_id").data["department"]
    assert shown["name"] == "平台组"
    assert wire.get(f"{HOME}/departments/D11").code == 40008  # by default an open_department_id is wanted


def test_members_are_the_direct_ones(wire: Wire) -> None:
    query = {"department_id_type": "department_id", "user_id_type": "user_id"}
    page = wire.get(f"{HOME}/users/find_by_department", department_id="D10", **query).data
    assert [user["user_id"] for user in page["items"]] == ["lisiyuan", "linxiao"]
    root = wire.get(f"{HOME}/users/find_by_department", department_id="0").data
    assert [(user["name"], user["department_ids"]) for user in root["items"]] == [("周明远", ["0"])]


def test_one_person_by_each_kind_of_id(wire: Wire) -> None:
    open_id = wire.open_id("zhangsan")
    user = wire.get(f"{HOME}/users/{open_id}").data["user"]
    assert (user["name"], user["job_title"], user["employee_no"]) == ("张三", "工程师", "E0004")
    assert (user["mobile"], user["leader_user_id"]) == ("+8613800000004", wire.open_id("wangkai"))
    assert user["union_id"].startswith("on_")
    assert user["orders"][0]["is_primary_dept"] is True
    assert user["department_ids"][0].startswith("od-")
    for given, id_type in (("zhangsan", "user_id"), (user["union_id"], "union_id")):
        shown = wire.get(f"{HOME}/users/{given}", user_id_type=id_type).data["user"]
        assert shown["open_id"] == open_id
    assert wire.get(f"{HOME}/users/zhangsan").code == 41012


def test_several_people(wire: Wire) -> None:
    ids = ["zhangsan", "nobody", "sunhui"]
    items = wire.get(f"{HOME}/users/batch", user_ids=ids, user_id_type="user_id").data["items"]
    assert [user["name"] for user in items] == ["张三", "孙慧"]
    assert wire.get(f"{HOME}/users/batch").code == 40001


def test_ids_by_mobile_and_mail(wire: Wire) -> None:
    body = {
        "mobiles": ["13800000004", "+8613800000008", "13999999999"],
        "emails": ["wangkai@demo.example.com"],
    }
    rows = wire.post(f"{HOME}/users/batch_get_id", body, user_id_type="user_id").data["user_list"]
    assert [(row.get("mobile") or row["email"], row.get("user_id")) for row in rows] == [
        ("13800000004", "zhangsan"),
        ("+8613800000008", "sunhui"),
        ("13999999999", None),
        ("wangkai@demo.example.com", "wangkai"),
    ]


@pytest.mark.parametrize(
    ("query", "code"),
    [({"page_size": 51}, 40011), ({"page_token": "odd"}, 40012), ({"user_id_type": "lark"}, 40001)],
)
def test_bad_paging(wire: Wire, query: dict[str, Any], code: int) -> None:
    assert wire.get(f"{HOME}/departments/0/children", **query).code == code


def test_fields_hide_behind_their_scopes(feishu: Running, wire: Wire) -> None:
    feishu.set(missing_scopes=["contact:user.phone:readonly", "contact:user.employee_id:readonly"])
    user = wire.get(f"{HOME}/users/{wire.open_id('zhangsan')}").data["user"]
    assert not {"mobile", "user_id"} & set(user)
    assert user["name"] == "张三"


def test_who_left_is_resigned(feishu: Running, wire: Wire) -> None:
    feishu.leave("xujia")
    user = wire.get(f"{HOME}/users/{wire.open_id('xujia')}").data["user"]
    assert user["status"]["is_resigned"] is True
    page = wire.get(
        f"{HOME}/users/find_by_department", department_id="D50", department_id_type="department_id"
    )
    assert [row["name"] for row in page.data["items"]] == ["何涛"]
