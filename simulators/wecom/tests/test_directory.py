from __future__ import annotations

import pytest

from simulators.wecom.testing import ControlError, Running
from simulators.wecom.tests.client import Api

HIDDEN = {"avatar", "gender", "mobile", "email", "biz_mail", "qr_code", "address", "thumb_avatar"}


def test_departments(api: Api) -> None:
    rows = api.get("/department/list")["department"]
    assert [row["id"] for row in rows] == [1, 10, 11, 20, 30, 40, 50]
    assert rows[2] == {
        "id": 11,
        "name": "平台组",
        "name_en": "",
        "department_leader": ["wangkai"],
        "parentid": 10,
        "order": 0,
    }
    assert api.get("/department/simplelist", id=10)["department_id"] == [
        {"id": 10, "parentid": 1, "order": 0},
        {"id": 11, "parentid": 10, "order": 0},
    ]
    assert api.get("/department/get", id=1)["department"]["parentid"] == 0
    assert api.get("/department/get", id=99)["errcode"] == 60123


def test_members_of_one_department_only(api: Api) -> None:
    rows = api.get("/user/simplelist", department_id=10, fetch_child=1)["userlist"]
    assert [(row["userid"], row["department"]) for row in rows] == [("lisiyuan", [10]), ("linxiao", [10])]
    full = api.get("/user/list", department_id=11)["userlist"]
    assert [row["userid"] for row in full] == ["wangkai", "zhangsan"]
    assert full[0]["is_leader_in_dept"] == [1]


def test_a_member_without_personal_fields(wecom: Running, api: Api) -> None:
    user = api.get("/user/get", userid="ZhangSan")
    assert (user["userid"], user["name"], user["position"]) == ("zhangsan", "张三", "工程师")
    assert (user["main_department"], user["status"], user["direct_leader"]) == (11, 1, [])
    assert user["extattr"] == {"attrs": [{"type": 0, "name": "工号", "text": {"value": "E0004"}}]}
    assert not HIDDEN & set(user)
    wecom.set(hides_personal_fields=False, exposes_extattr=False)
    user = api.get("/user/get", userid="zhangsan")
    assert set(user) >= HIDDEN
    assert user["mobile"] == "13800000004"
    assert user["extattr"] == {"attrs": []}
    assert api.get("/user/get", userid="nobody")["errcode"] == 60111


def test_by_mobile_and_mail(api: Api) -> None:
    assert api.post("/user/getuserid", {"mobile": "13800000004"})["userid"] == "zhangsan"
    assert api.post("/user/getuserid", {"mobile": "1"})["errcode"] == 46004
    mail = {"email": "zhangsan@demo.example.com", "email_type": 1}
    assert api.post("/user/get_userid_by_email", mail)["userid"] == "zhangsan"
    assert api.post("/user/get_userid_by_email", mail | {"email_type": 2})["errcode"] == 46004


def test_a_visible_range_begins_anywhere(wecom: Running, api: Api) -> None:
    wecom.set(visible_departments=[11, 30])
    rows = api.get("/department/list")["department"]
    assert [(row["id"], row["parentid"]) for row in rows] == [(11, 10), (30, 1)]
    assert api.get("/user/list", department_id=20)["errcode"] == 60011
    assert api.get("/department/list", id=1)["errcode"] == 60011
    assert api.get("/user/get", userid="chenjing")["errcode"] == 60011
    assert api.get("/user/get", userid="zhangsan")["errcode"] == 0
    agent = api.get("/agent/get", agentid=wecom.agent_id)
    assert agent["allow_partys"] == {"partyid": [11, 30]}


def test_ids_page_by_page_with_the_other_secret(wecom: Running) -> None:
    contacts = Api(wecom, wecom.contacts_secret)
    found, cursor = [], ""
    while True:
        page = contacts.post("/user/list_id", {"cursor": cursor, "limit": 5})
        found += page["dept_user"]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert len(found) == 12
    assert {"userid": "zhangsan", "department": 11} in found
    assert contacts.post("/user/list_id", {"limit": 10_001})["errcode"] == 40058
    assert contacts.post("/user/list_id", {"cursor": "??"})["errcode"] == 40058


def test_who_left_is_gone(wecom: Running, api: Api) -> None:
    wecom.leave("wangkai")
    assert api.get("/user/get", userid="wangkai")["errcode"] == 60111
    assert api.get("/department/get", id=11)["department"]["department_leader"] == []


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"departments": [{"id": 2, "name": "x", "parentid": 9}]}, "no parent 9"),
        ({"departments": [{"id": 2, "name": "x", "department_leader": ["y"]}]}, "led by y"),
        ({"users": [{"userid": "x", "name": "x", "department": [9]}]}, "department 9"),
        ({"users": [{"userid": "x", "name": "x"}, {"userid": "X", "name": "x"}]}, "appears twice"),
        ({"users": [{"userid": "x", "name": "x", "department": []}]}, "department must be"),
    ],
)
def test_a_broken_corp_changes_nothing(
    wecom: Running, api: Api, document: dict[str, object], named: str
) -> None:
    with pytest.raises(ControlError, match=named):
        wecom.load(document)
    assert len(api.get("/department/list")["department"]) == 7
