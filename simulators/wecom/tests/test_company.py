"""The corp changes. Only the 通讯录同步助手's address hears of it, and one saved today hears ids alone."""

from __future__ import annotations

import time
from typing import Any

import pytest
from lxml import etree

from simulators.wecom.testing import ControlError, Running
from simulators.wecom.tests.client import Api


def told(wecom: Running) -> list[dict[str, str]]:
    found = []
    for event in wecom.events("change_contact"):
        assert event["place"] == "contacts"
        root = etree.fromstring(event["text"].encode())
        found.append({str(child.tag): child.text or "" for child in list(root)[5:]})
    return found


def test_somebody_comes_changes_moves_and_goes(wecom: Running, api: Api) -> None:
    wecom.put_user("newbie", name="新人", department=10, position="工程师")
    wecom.put_user("newbie", position="组长")  # of that nobody is told
    wecom.put_user("newbie", department=[20, 30])
    user = api.get("/user/get", userid="newbie")
    assert (user["name"], user["position"], user["department"]) == ("新人", "组长", [20, 30])
    wecom.leave("newbie")
    assert api.get("/user/get", userid="newbie")["errcode"] == 60111
    assert told(wecom) == [
        {"ChangeType": "create_user", "UserID": "newbie", "Department": "10"},
        {"ChangeType": "update_user", "UserID": "newbie", "Department": "20,30"},
        {"ChangeType": "delete_user", "UserID": "newbie"},
    ]


def test_an_address_saved_before_2022_hears_all(wecom: Running) -> None:
    wecom.set(full_contact_events=True)
    wecom.put_user("wangkai", position="总监", alias="Kai")
    (event,) = told(wecom)
    assert {
        "ChangeType": "update_user",
        "Name": "王凯",
        "MainDepartment": "11",
        "IsLeaderInDept": "1",
        "Position": "总监",
        "Mobile": "13800000003",
        "Alias": "Kai",
        "Status": "1",
    }.items() <= event.items()
    text = wecom.events("change_contact")[0]["text"]
    assert (
        "<Item><Name><![CDATA[工号]]></Name><Type>0</Type><Text><Value><![CDATA[E0003]]></Value></Text>"
        in text
    )


def test_a_userid_changes_once(wecom: Running, api: Api) -> None:
    wecom.put_user("linxiao", direct_leader=["wangkai"])
    wecom.control("POST", "/users/wangkai/rename", {"to": "KaiWang"})
    assert api.get("/user/get", userid="wangkai")["errcode"] == 60111
    assert api.get("/user/get", userid="kaiwang")["name"] == "王凯"
    assert api.get("/department/get", id=11)["department"]["department_leader"] == ["KaiWang"]
    assert api.get("/user/get", userid="linxiao")["direct_leader"] == ["KaiWang"]
    assert told(wecom) == [
        {"ChangeType": "update_user", "UserID": "wangkai", "Department": "11", "NewUserID": "KaiWang"}
    ]
    with pytest.raises(ControlError, match="taken"):
        wecom.control("POST", "/users/KaiWang/rename", {"to": "ZHANGSAN"})
    assert api.get("/user/get", userid="kaiwang")["errcode"] == 0


def test_departments(wecom: Running, api: Api) -> None:
    wecom.put_department(12, name="质量组", parentid=10, department_leader=["linxiao"])
    wecom.put_department(12, name="质量部")  # a name alone is not told
    wecom.put_department(12, parentid=20)
    shown = api.get("/department/get", id=12)["department"]
    assert (shown["name"], shown["parentid"], shown["department_leader"]) == ("质量部", 20, ["linxiao"])
    wecom.drop_department(12)
    assert api.get("/department/get", id=12)["errcode"] == 60123
    assert told(wecom) == [
        {"ChangeType": "create_party", "Id": "12", "ParentId": "10"},
        {"ChangeType": "update_party", "Id": "12", "ParentId": "20"},
        {"ChangeType": "delete_party", "Id": "12"},
    ]


@pytest.mark.parametrize(
    ("method", "path", "body", "reason"),
    [
        ("PUT", "/users/zhangsan", {"department": 99}, "department 99"),
        ("PUT", "/departments/10", {"parentid": 11}, "cannot be under 11"),
        ("DELETE", "/departments/1", None, "not empty"),
        ("DELETE", "/departments/11", None, "not empty"),
        ("POST", "/users/nobody/rename", {"to": "x"}, "not found"),
        ("PUT", "/directory/crowd", {"people": 10_000_000, "departments": 4}, "under 10,000,000"),
    ],
)
def test_what_does_not_fit_changes_nothing(
    wecom: Running, api: Api, method: str, path: str, body: Any, reason: str
) -> None:
    before = api.get("/department/list"), api.get("/user/list", department_id=11)["userlist"]
    with pytest.raises(ControlError, match=reason):
        wecom.control(method, path, body)
    assert (api.get("/department/list"), api.get("/user/list", department_id=11)["userlist"]) == before
    assert wecom.events() == []


def test_a_crowd_is_read_department_by_department(wecom: Running, api: Api) -> None:
    assert wecom.gather(1500, 25) == {"departments": 32, "users": 1512}
    rows = api.get("/department/list")["department"]
    assert len(rows) == 32
    assert {row["parentid"] for row in rows} <= {0, *(row["id"] for row in rows)}
    seen = [
        user["userid"] for row in rows for user in api.get("/user/list", department_id=row["id"])["userlist"]
    ]
    assert len(seen) == len(set(seen)) == 1512
    someone = api.get("/user/get", userid="P0000345")
    assert (someone["userid"], someone["main_department"]) == ("p0000345", 100_000 + 345 % 25)
    assert someone["direct_leader"] == ["p0000020"]
    assert wecom.events() == []


def test_ids_of_a_crowd_with_the_sync_secret(wecom: Running) -> None:
    wecom.gather(25_000, 100)
    wecom.change_crowd(100)
    contacts = Api(wecom, wecom.contacts_secret)
    found, cursor, began = [], "", time.monotonic()
    while True:
        page = contacts.post("/user/list_id", {"cursor": cursor, "limit": 10_000})
        found += [(row["userid"], row["department"]) for row in page["dept_user"]]
        if not (cursor := page["next_cursor"]):
            break
    assert len(found) == len(set(found)) == 25_012 - 5
    assert time.monotonic() - began < 10


def test_messages_reach_a_crowd_by_department(wecom: Running, api: Api) -> None:
    wecom.gather(300, 3)
    body = {"toparty": "100001", "msgtype": "text", "text": {"content": "你好"}, "agentid": wecom.agent_id}
    assert api.post("/message/send", body)["errcode"] == 0
    assert len(wecom.messages("p0000004")) == 1
    assert wecom.messages("p0000003") == []
