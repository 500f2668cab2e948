"""Changes of the company: what the address book answers afterwards, and what is told of them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from simulators.dingtalk.testing import ControlError, Running
from simulators.dingtalk.tests.official import Official

ORG_EVENTS = ("user_", "org_dept_")


def told(dingtalk: Running) -> list[tuple[str, dict[str, Any]]]:
    """The directory events so far, without their heads."""
    head = {"EventType", "EventTime", "CorpId", "BizId", "eventId", "timeStamp"}
    return [
        (event["kind"], {name: value for name, value in event["body"].items() if name not in head})
        for event in dingtalk.events()
        if event["kind"].startswith(ORG_EVENTS)
    ]


def user(official: Official, userid: str) -> dict[str, Any]:
    return dict(official.old("/topapi/v2/user/get", userid=userid))


def put_department(dingtalk: Running, dept_id: int, **fields: Any) -> Any:
    return dingtalk.control("PUT", f"/departments/{dept_id}", fields)


def test_somebody_new(dingtalk: Running, official: Official) -> None:
    dingtalk.put_user("newbie", name="新人", dept_id=20, mobile="13900000001", manager_userid="chenjing")
    shown = user(official, "newbie")["result"]
    assert (shown["name"], shown["dept_id_list"], shown["manager_userid"]) == ("新人", [20], "chenjing")
    assert official.old("/topapi/v2/user/getbymobile", mobile="13900000001")["result"]["userid"] == "newbie"
    assert official.old("/topapi/user/listid", dept_id=20)["result"]["userid_list"] == [
        "chenjing",
        "wulei",
        "newbie",
    ]
    assert told(dingtalk) == [("user_add_org", {"userId": ["newbie"]})]
    (event,) = dingtalk.events(kind="user_add_org")
    assert isinstance(event["body"]["timeStamp"], str)
    assert abs(int(event["body"]["timeStamp"]) - time.time() * 1000) < 60_000


def test_what_is_not_named_stays(dingtalk: Running, official: Official) -> None:
    before = user(official, "zhangsan")["result"]
    dingtalk.put_user("zhangsan", job_number="E9999", manager_userid="lisiyuan")
    after = user(official, "zhangsan")["result"]
    assert after == before | {"job_number": "E9999", "manager_userid": "lisiyuan"}
    diff = {
        "userid": "zhangsan",
        "prev": {"jobNumber": "E0004", "managerUserid": ""},
        "curr": {"jobNumber": "E9999", "managerUserid": "lisiyuan"},
    }
    assert told(dingtalk) == [("user_modify_org", {"userId": ["zhangsan"], "diffInfo": diff})]


def test_moving_somebody(dingtalk: Running, official: Official) -> None:
    dingtalk.put_user("zhangsan", dept_id=30)
    assert user(official, "zhangsan")["result"]["dept_id_list"] == [30]
    assert official.old("/topapi/user/listid", dept_id=11)["result"]["userid_list"] == ["wangkai"]
    assert "zhangsan" in official.old("/topapi/user/listid", dept_id=30)["result"]["userid_list"]
    assert [kind for kind, _ in told(dingtalk)] == ["user_modify_org"]
    with pytest.raises(ControlError, match="department 99"):
        dingtalk.put_user("zhangsan", dept_id=99)
    assert user(official, "zhangsan")["result"]["dept_id_list"] == [30]
    assert len(told(dingtalk)) == 1


def test_somebody_leaves(dingtalk: Running, official: Official) -> None:
    dingtalk.leave("wangkai")
    assert user(official, "wangkai")["errcode"] == 60121
    shown = official.old("/topapi/v2/department/get", dept_id=11)["result"]
    assert shown["dept_manager_userid_list"] == []
    assert told(dingtalk) == [("user_leave_org", {"userId": ["wangkai"]})]
    with pytest.raises(ControlError, match="not found"):
        dingtalk.leave("wangkai")


def test_a_department_comes_changes_moves_and_goes(dingtalk: Running, official: Official) -> None:
    assert put_department(dingtalk, 60, name="法务部", dept_manager_userid_list=["zhaomin"]) == {
        "is_new": True
    }
    shown = official.old("/topapi/v2/department/get", dept_id=60)["result"]
    assert (shown["name"], shown["parent_id"], shown["dept_manager_userid_list"]) == (
        "法务部",
        1,
        ["zhaomin"],
    )
    put_department(dingtalk, 60, name="法务合规部")
    put_department(dingtalk, 60, parent_id=40)
    shown = official.old("/topapi/v2/department/get", dept_id=60)["result"]
    assert (shown["name"], shown["parent_id"], shown["dept_manager_userid_list"]) == (
        "法务合规部",
        40,
        ["zhaomin"],
    )
    assert official.old("/topapi/v2/department/listsubid", dept_id=40)["result"] == {"dept_id_list": [60]}
    dingtalk.control("DELETE", "/departments/60")
    assert official.old("/topapi/v2/department/get", dept_id=60)["errcode"] == 60003
    of_it = {"deptId": [60]}
    assert told(dingtalk) == [
        ("org_dept_create", of_it),
        ("org_dept_modify", of_it),
        ("org_dept_modify", of_it),
        ("org_dept_remove", of_it),
    ]


@pytest.mark.parametrize(
    ("path", "fields", "named"),
    [
        ("/departments/10", {"parent_id": 11}, "cannot be under"),
        ("/departments/60", {"name": "x", "parent_id": 99}, "cannot be under"),
        ("/departments/10", {"dept_manager_userid_list": ["nobody"]}, "led by nobody"),
        ("/departments/60", {}, "name is required"),
        ("/users/newbie", {}, "name is required"),
    ],
)
def test_a_change_that_does_not_fit(dingtalk: Running, path: str, fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ControlError, match=named):
        dingtalk.control("PUT", path, fields)
    assert told(dingtalk) == []


def test_a_department_with_somebody_in_it_stays(dingtalk: Running, official: Official) -> None:
    with pytest.raises(ControlError, match="not empty"):
        dingtalk.control("DELETE", "/departments/10")
    assert official.old("/topapi/v2/department/get", dept_id=10)["errcode"] == 0
    assert told(dingtalk) == []


# A big company.


def gather(dingtalk: Running, people: int, departments: int, seed: int = 0) -> Any:
    wish = {"people": people, "departments": departments, "seed": seed}
    return dingtalk.control("PUT", "/directory/crowd", wish)


def everybody(official: Official) -> dict[str, list[int]]:
    """As a connector walks it: the tree level by level, the members department by department, page by page."""
    found: dict[str, list[int]] = {}
    waiting = [1]
    while waiting:
        dept_id = waiting.pop()
        waiting += official.old("/topapi/v2/department/listsubid", dept_id=dept_id)["result"]["dept_id_list"]
        cursor = 0
        while True:
            page = official.old("/topapi/v2/user/list", dept_id=dept_id, cursor=cursor, size=100)["result"]
            found |= {row["userid"]: row["dept_id_list"] for row in page["list"]}
            if not page["has_more"]:
                break
            cursor = page["next_cursor"]
    return found


def test_a_crowd_stands_beside_those_who_are_here(dingtalk: Running, official: Official) -> None:
    assert gather(dingtalk, 1000, 7) == {"departments": 14, "users": 1012}
    first = everybody(official)
    assert len(first) == 1012
    assert first["zhangsan"] == [11]
    assert told(dingtalk) == []
    gather(dingtalk, 1000, 7)
    assert everybody(official) == first
    gather(dingtalk, 0, 0)
    assert len(everybody(official)) == 12


def test_a_crowd_changes_and_tells(dingtalk: Running, official: Official) -> None:
    gather(dingtalk, 1000, 7)
    before = everybody(official)
    wish = {"people": 40, "seed": 3, "tell": True}
    done = dingtalk.control("POST", "/directory/changes", wish)
    assert {deed: len(who) for deed, who in done.items()} == {"left": 2, "moved": 4, "retitled": 34}
    after = everybody(official)
    assert set(before) - set(after) == set(done["left"])
    assert {userid for userid in after if after[userid] != before[userid]} == set(done["moved"])
    kinds = [kind for kind, _ in told(dingtalk)]
    assert (kinds.count("user_leave_org"), kinds.count("user_modify_org")) == (2, 38)
    dingtalk.control("POST", "/directory/changes", {"people": 40, "seed": 4})
    assert len(told(dingtalk)) == 40


def test_a_very_big_company_costs_nothing(dingtalk: Running, official: Official) -> None:
    began = time.monotonic()
    assert gather(dingtalk, 1_000_000, 2_000)["users"] == 1_000_012
    dingtalk.put_user("p0999999", title="变了")
    dingtalk.leave("p0999998")
    assert user(official, "p0999999")["result"]["title"] == "变了"
    assert user(official, "p0999998")["errcode"] == 60121
    assert time.monotonic() - began < 3
