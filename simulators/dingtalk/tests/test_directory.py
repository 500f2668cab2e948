from __future__ import annotations

import json
from typing import Any

import pytest

from simulators.dingtalk.testing import ControlError, Running, running
from simulators.dingtalk.tests.official import Official

SMALL: dict[str, Any] = {
    "departments": [
        {"dept_id": 1, "name": "总部", "parent_id": 0},
        {"dept_id": 7, "name": "华东", "parent_id": 1, "dept_manager_userid_list": ["u001"]},
    ],
    "users": [{"userid": f"u{place:03d}", "name": f"员工{place}", "dept_id": 7} for place in range(1, 251)],
}


def test_the_tree_is_walked_level_by_level(official: Official) -> None:
    root = official.old("/topapi/v2/department/listsub")["result"]
    assert {row["dept_id"] for row in root} == {10, 20, 30, 40, 50}
    assert root[0] == {
        "dept_id": 10,
        "name": "研发部",
        "parent_id": 1,
        "create_dept_group": False,
        "auto_add_user": False,
    }
    assert official.old("/topapi/v2/department/listsubid", dept_id="10")["result"] == {"dept_id_list": [11]}
    assert official.old("/topapi/v2/department/listsub", dept_id="11")["result"] == []


def test_one_department(official: Official) -> None:
    shown = official.old("/topapi/v2/department/get", dept_id="10")["result"]
    assert shown["dept_manager_userid_list"] == ["lisiyuan"]
    assert (shown["name"], shown["parent_id"], shown["member_count"]) == ("研发部", 1, 2)
    assert "parent_id" not in official.old("/topapi/v2/department/get", dept_id="1")["result"]
    assert official.old("/topapi/v2/department/get", dept_id="999")["errcode"] == 60003


def test_one_person(official: Official) -> None:
    shown = official.old("/topapi/v2/user/get", userid="wangkai")["result"]
    assert (shown["name"], shown["dept_id_list"], shown["active"]) == ("王凯", [11], True)
    assert shown["leader_in_dept"] == [{"dept_id": 11, "leader": True}]
    assert "manager_userid" not in shown
    assert official.old("/topapi/user/getbyunionid", unionid=shown["unionid"])["result"] == {
        "contact_type": 0,
        "userid": "wangkai",
    }
    assert (
        official.old("/topapi/v2/user/getbymobile", mobile=shown["mobile"])["result"]["userid"] == "wangkai"
    )
    assert official.old("/topapi/v2/user/get", userid="nobody")["errcode"] == 60121
    assert official.old("/topapi/v2/user/get")["errcode"] == 400002


def test_members_come_in_pages() -> None:
    with running(org=SMALL) as dingtalk:
        official = Official(dingtalk)
        seen, cursor = [], 0
        while True:
            result = official.old(
                "/topapi/v2/user/list", dept_id="7", cursor=str(cursor), size="100", order_field="entry_asc"
            )["result"]
            seen += [row["userid"] for row in result["list"]]
            if not result["has_more"]:
                break
            cursor = result["next_cursor"]
        assert seen == [f"u{place:03d}" for place in range(1, 251)]
        assert official.old("/topapi/user/listid", dept_id="7")["result"]["userid_list"] == seen
        assert official.old("/topapi/v2/user/list", dept_id="7", cursor="0", size="101")["errcode"] == 400002


def test_json_bodies_are_read_as_well(official: Official) -> None:
    answer = official.http.request(
        "POST",
        f"{official.dingtalk.base_url}/topapi/v2/user/get?access_token={official.token}",
        body=json.dumps({"userid": "zhangsan"}).encode(),
        headers={"content-type": "application/json"},
    )
    assert json.loads(answer.data)["result"]["name"] == "张三"


def test_scopes(official: Official) -> None:
    url = f"{official.dingtalk.base_url}/auth/scopes?access_token={official.token}"
    assert json.loads(official.http.request("GET", url).data)["auth_org_scopes"]["authed_dept"] == [1]


def test_an_organisation_is_replaced_whole(dingtalk: Running, official: Official) -> None:
    dingtalk.load(SMALL)
    assert [row["dept_id"] for row in official.old("/topapi/v2/department/listsub")["result"]] == [7]
    assert official.old("/topapi/v2/user/get", userid="zhangsan")["errcode"] == 60121
    assert official.old("/topapi/v2/user/get", userid="u001")["result"]["leader_in_dept"][0]["leader"] is True


@pytest.mark.parametrize(
    ("users", "reason"),
    [
        ([{"userid": "a", "name": "A", "dept_id": 5}], "department 5"),
        ([{"userid": "a", "name": "A"}, {"userid": "a", "name": "B"}], "appears twice"),
        ([{"userid": "a"}], "name is required"),
    ],
)
def test_a_broken_organisation_changes_nothing(
    dingtalk: Running, official: Official, users: list[dict[str, Any]], reason: str
) -> None:
    with pytest.raises(ControlError, match=reason):
        dingtalk.load({"departments": [{"dept_id": 1, "name": "总部", "parent_id": 0}], "users": users})
    assert official.old("/topapi/v2/user/get", userid="zhangsan")["errcode"] == 0


def test_who_leaves_one_company_is_still_in_the_next() -> None:
    with running() as first:
        first.leave("wangkai")
    with running() as second:
        shown = Official(second).old("/topapi/v2/department/get", dept_id="11")["result"]
        assert shown["dept_manager_userid_list"] == ["wangkai"]
