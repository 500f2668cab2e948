"""The company changes: people and departments one by one, told as the product tells it; and a crowd."""

from __future__ import annotations

from typing import Any

import pytest

from simulators.feishu.testing import ControlError, Running, running
from simulators.feishu.tests.test_directory import HOME, departments
from simulators.feishu.tests.wire import Wire


def told(feishu: Running) -> list[tuple[str, dict[str, Any]]]:
    return [(event["kind"], event["body"]["event"]) for event in feishu.events()]


def person(wire: Wire, user_id: str) -> dict[str, Any]:
    user: dict[str, Any] = wire.get(f"{HOME}/users/{user_id}", user_id_type="user_id").data["user"]
    return user


def members(wire: Wire, department: str) -> list[str]:
    query = {"department_id_type": "department_id", "user_id_type": "user_id", "page_size": 50}
    found: list[str] = []
    token = ""
    while True:
        more = {"page_token": token} if token else {}
        page = wire.get(f"{HOME}/users/find_by_department", department_id=department, **query, **more).data
        found += [user["user_id"] for user in page["items"]]
        if not page["has_more"]:
            return found
        token = page["page_token"]


def test_somebody_comes_changes_moves_and_goes(feishu: Running, wire: Wire) -> None:
    feishu.put_user("newbie", name="新人", department_id="D10", job_title="工程师")
    feishu.put_user("newbie", job_title="组长")
    feishu.put_user("newbie", department_id="D20", mobile="+8613911112222")
    assert (person(wire, "newbie")["name"], members(wire, "D20")[-1]) == ("新人", "newbie")
    assert "newbie" not in members(wire, "D10")
    feishu.leave("newbie")
    assert person(wire, "newbie")["status"]["is_resigned"] is True
    assert "newbie" not in members(wire, "D20")
    kinds, events = zip(*told(feishu), strict=True)
    assert [kind.removeprefix("contact.user.") for kind in kinds] == [
        "created_v3",
        "updated_v3",
        "updated_v3",
        "updated_v3",
        "deleted_v3",
    ]
    assert events[1]["old_object"] == {"job_title": "工程师"}
    # A new mobile comes in an event of its own.
    assert set(events[2]["old_object"]) == {"department_ids", "orders"}
    assert events[3]["old_object"] == {"mobile": ""}
    assert events[4]["old_object"]["open_id"] == events[0]["object"]["open_id"]


def test_a_department_is_made_moved_and_dropped(feishu: Running, wire: Wire) -> None:
    feishu.put_department("D12", name="质量组", parent_department_id="D10", leaders=["linxiao"])
    feishu.put_department("D12", parent_department_id="D20")
    (moved,) = departments(wire, "D20", department_id_type="department_id", user_id_type="user_id")
    assert (moved["name"], moved["leader_user_id"]) == ("质量组", "linxiao")
    feishu.drop_department("D12")
    assert departments(wire, "D20", department_id_type="department_id") == []
    kinds = [kind.removeprefix("contact.department.") for kind, _ in told(feishu)]
    assert kinds == ["created_v3", "updated_v3", "deleted_v3"]
    assert told(feishu)[2][1]["object"]["status"] == {"is_deleted": True}


@pytest.mark.parametrize(
    ("method", "path", "body", "reason"),
    [
        ("PUT", "/users/zhangsan", {"department_id": "D99"}, "D99, which does not exist"),
        ("PUT", "/users/nobody", {"department_id": "D10"}, "name is required"),
        ("PUT", "/departments/D10", {"parent_department_id": "D11"}, "cannot be under D11"),
        ("PUT", "/departments/D10", {"leaders": ["nobody"]}, "led by nobody"),
        ("PUT", "/departments/D99", {"name": "x", "parent_department_id": "D98"}, "cannot be under D98"),
        ("DELETE", "/departments/D11", None, "not empty"),
        ("DELETE", "/departments/D99", None, "not found"),
        ("POST", "/users/nobody/leave", {}, "not found"),
        ("PUT", "/directory/crowd", {"people": 3, "departments": 4}, "departments between"),
        ("POST", "/directory/changes", {"people": 3}, "no crowd"),
    ],
)
def test_what_does_not_fit_changes_nothing(
    feishu: Running, wire: Wire, method: str, path: str, body: Any, reason: str
) -> None:
    before = departments(wire, fetch_child="true"), members(wire, "D11")
    with pytest.raises(ControlError, match=reason):
        feishu.control(method, path, body)
    assert (departments(wire, fetch_child="true"), members(wire, "D11")) == before
    assert feishu.events() == []


def test_a_crowd_is_read_page_by_page(feishu: Running, wire: Wire) -> None:
    assert feishu.gather(1200, 30) == {"departments": 36, "users": 1212}
    rows = departments(wire, fetch_child="true", department_id_type="department_id", page_size=50)
    assert len(rows) == 36
    seen = [key for row in rows for key in members(wire, row["department_id"])]
    assert len(seen) == len(set(seen)) == 1211  # the general manager sits in the root
    someone = person(wire, "p0000345")
    assert someone["leader_user_id"] == "p0000015"
    room = next(row for row in rows if row["department_id"] == "B000015")
    assert room["leaders"][0]["leaderID"] == person(wire, "p0000015")["open_id"]
    by_id = wire.get(f"{HOME}/users/{someone['open_id']}").data["user"]
    assert by_id["user_id"] == "p0000345"
    body = {"mobiles": [someone["mobile"]], "emails": [someone["email"]]}
    found = wire.post(f"{HOME}/users/batch_get_id", body, user_id_type="user_id").data["user_list"]
    assert [row["user_id"] for row in found] == ["p0000345", "p0000345"]
    assert feishu.events() == []
    assert len(feishu.control("GET", "")["users"]) == 12  # the facts stay short


def test_a_crowd_is_the_same_every_time(wire: Wire, feishu: Running) -> None:
    feishu.gather(200, 10, seed=7)
    before = [person(wire, f"p{number:07d}") for number in range(0, 200, 17)]
    with running() as other:
        other.gather(200, 10, seed=7)
        again = Wire(other)
        assert [person(again, f"p{number:07d}") for number in range(0, 200, 17)] == before
        other.gather(200, 10, seed=8)
        assert [person(again, f"p{number:07d}") for number in range(0, 200, 17)] != before


def test_a_share_of_the_crowd_changes(feishu: Running, wire: Wire) -> None:
    feishu.gather(1000, 20)
    done = feishu.change_crowd(40)
    assert {deed: len(people) for deed, people in done.items()} == {"left": 2, "moved": 4, "retitled": 34}
    assert feishu.events() == []
    assert person(wire, done["retitled"][0])["job_title"].startswith("新任")
    mover = done["moved"][0]
    old = f"B{int(mover[1:]) % 20:06d}"
    assert mover not in members(wire, old)
    assert mover in members(wire, f"B{(int(mover[1:]) + 1) % 20:06d}")
    assert done["left"][0] not in members(wire, f"B{int(done['left'][0][1:]) % 20:06d}")
    told_later = feishu.change_crowd(20, seed=2, tell=True)
    kinds = [event["kind"] for event in feishu.events()]
    assert kinds.count("contact.user.deleted_v3") == len(told_later["left"]) == 1
    assert kinds.count("contact.user.updated_v3") == 19
    feishu.gather(0, 1)
    assert feishu.control("GET", "")["users"][0]["user_id"] == "zhoumingyuan"
    assert wire.get(f"{HOME}/users/{mover}", user_id_type="user_id").code == 41012


def test_the_crowd_is_found_on_the_first_page_by_account(feishu: Running, wire: Wire) -> None:
    feishu.gather(5000, 50)
    page = wire.http.request("GET", f"{feishu.base_url}/").data.decode()
    assert "5,000" in page
    assert "p0000100" not in page
    answer = wire.http.request("GET", f"{feishu.base_url}/?who=p0000100", redirect=False)
    assert (answer.status, answer.headers["location"]) == (303, "/u/p0000100")
    page = wire.http.request("GET", f"{feishu.base_url}/?who=p9999999").data.decode()
    assert "没有账号 p9999999" in page
