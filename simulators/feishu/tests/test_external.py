"""Third-party approval: our flow on their desk."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from simulators.feishu.crypto import EventCrypto
from simulators.feishu.testing import ControlError, Running
from simulators.feishu.tests.wire import Said, Wire

HOME = "/open-apis/approval/v4"
LINKS = {"pc_link": "https://e.example.com/1", "mobile_link": "https://e.example.com/m/1"}


def define(wire: Wire, **external: Any) -> str:
    body = {
        "approval_name": "@i18n@name",
        "approval_code": "viatica.expense",
        "group_code": "viatica",
        "external": {"support_pc": True, "support_mobile": True, **external},
        "viewers": [{"viewer_type": "TENANT"}],
        "i18n_resources": [texts({"@i18n@name": "差旅报销"})],
    }
    return str(wire.post(f"{HOME}/external_approvals", body).data["approval_code"])


def texts(given: dict[str, str]) -> dict[str, Any]:
    pairs = [{"key": key, "value": value} for key, value in given.items()]
    return {"locale": "zh-CN", "is_default": True, "texts": pairs}


def task(task_id: str, user_id: str, status: str = "PENDING", *, at: int, **more: Any) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "user_id": user_id,
        "links": LINKS,
        "status": status,
        "create_time": "1700000000000",
        "end_time": "0" if status == "PENDING" else str(at),
        "update_time": str(at),
        **more,
    }


def instance(code: str, tasks: list[dict[str, Any]], *, at: int, **more: Any) -> dict[str, Any]:
    return {
        "approval_code": code,
        "instance_id": "BX202611-000001",
        "status": "PENDING",
        "user_id": "zhangsan",
        "title": "@i18n@title",
        "form": [{"name": "@i18n@amount", "value": "@i18n@money"}],
        "links": LINKS,
        "start_time": "1700000000000",
        "end_time": "0",
        "update_time": str(at),
        "task_list": tasks,
        "i18n_resources": [
            texts({"@i18n@title": "张三的差旅报销", "@i18n@amount": "金额", "@i18n@money": "¥1,448.50"})
        ],
        **more,
    }


def sync(wire: Wire, body: dict[str, Any]) -> Said:
    return wire.post(f"{HOME}/external_instances", body)


def test_a_definition_is_made_once_and_then_changed(wire: Wire) -> None:
    code = define(wire)
    assert code != "viatica.expense"  # the answered code is the one that counts
    assert define(wire, support_pc=False) == code
    shown = wire.get(f"{HOME}/external_approvals/{code}").data
    assert (shown["approval_code"], shown["external"]["support_pc"]) == (code, False)
    assert wire.get(f"{HOME}/external_approvals/none").code == 1390002


def test_a_definition_must_be_reachable(wire: Wire) -> None:
    body = {
        "approval_name": "@i18n@name",
        "approval_code": "x",
        "external": {"support_pc": False, "support_mobile": False},
        "i18n_resources": [texts({"@i18n@name": "报销"})],
    }
    assert wire.post(f"{HOME}/external_approvals", body).code == 1390001
    body["external"] = {"support_pc": True}
    assert wire.post(f"{HOME}/external_approvals", {**body, "approval_name": "报销"}).code == 1390001
    assert wire.post(f"{HOME}/external_approvals", {**body, "i18n_resources": []}).code == 1390001


def test_a_task_appears_and_goes_when_done_elsewhere(feishu: Running, wire: Wire) -> None:
    code, at = define(wire), int(time.time() * 1000)
    echoed = sync(wire, instance(code, [task("t1", "wangkai", at=at)], at=at)).data["data"]
    assert (echoed["instance_id"], len(echoed["task_list"])) == ("BX202611-000001", 1)
    (todo,) = feishu.todos("wangkai")
    assert (todo["instance_id"], todo["task"]["task_id"]) == ("BX202611-000001", "t1")
    done = [task("t1", "wangkai", "APPROVED", at=at + 1), task("t2", "sunhui", at=at + 1)]
    sync(wire, instance(code, done, at=at + 1)).data  # noqa: B018 - it went well
    assert (feishu.todos("wangkai"), len(feishu.todos("sunhui"))) == ([], 1)
    ended = instance(code, [], at=at + 2, status="APPROVED", end_time=str(at + 2))
    sync(wire, ended).data  # noqa: B018 - it went well
    assert feishu.todos() == []
    assert feishu.external_instances()[0]["tasks"] == {}  # REPLACE deletes what is not named


def test_updating_bit_by_bit(feishu: Running, wire: Wire) -> None:
    code, at = define(wire), 1_700_000_000_000
    sync(wire, instance(code, [task("t1", "wangkai", at=at)], at=at))
    late = instance(
        code, [task("t1", "wangkai", "APPROVED", at=at)], at=at, update_mode="UPDATE", status="APPROVED"
    )
    assert sync(wire, late).code == 0
    # Not newer than what is there: passed over without a word.
    (row,) = feishu.external_instances()
    assert (row["body"]["status"], row["tasks"]["t1"]["status"]) == ("PENDING", "PENDING")
    newer = instance(code, [task("t2", "sunhui", at=at + 1)], at=at + 1, update_mode="UPDATE", title="")
    sync(wire, newer)
    (row,) = feishu.external_instances()
    assert sorted(row["tasks"]) == ["t1", "t2"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"approval_code": "none"}, 1390002),
        ({"status": "MAYBE"}, 1390001),
        ({"links": {}}, 1390001),
        ({"user_id": "nobody"}, 1390004),
        ({"update_time": "yesterday"}, 1390001),
        ({"title": "@i18n@unknown"}, 1390001),
        ({"i18n_resources": None}, 1390001),
        ({"task_list": [task("BX202611-000001", "wangkai", at=1)]}, 1390001),
        ({"task_list": [task("t1", "wangkai", "HALF", at=1)]}, 1390001),
        ({"task_list": [task("t1", "wangkai", at=1, generate_type="")]}, 1390001),
    ],
)
def test_what_is_refused_leaves_nothing(
    feishu: Running, wire: Wire, change: dict[str, Any], code: int
) -> None:
    said = sync(wire, instance(define(wire), [task("t1", "wangkai", at=1)], at=1) | change)
    assert (said.status, said.code) == (400, code)
    assert feishu.external_instances() == []


def test_the_check_names_what_differs(wire: Wire) -> None:
    code, at = define(wire), 1_700_000_000_000
    sync(wire, instance(code, [task("t1", "wangkai", at=at)], at=at))

    def differs(update: int, task_update: int, instance_id: str = "BX202611-000001") -> list[Any]:
        tasks = [{"task_id": "t1", "update_time": str(task_update)}]
        body = {"instances": [{"instance_id": instance_id, "update_time": str(update), "tasks": tasks}]}
        found: list[Any] = wire.post(f"{HOME}/external_instances/check", body).data["diff_instances"]
        return found

    assert differs(at, at) == []
    assert differs(at, at + 5) == [
        {
            "instance_id": "BX202611-000001",
            "update_time": str(at),
            "tasks": [{"task_id": "t1", "update_time": str(at)}],
        }
    ]
    assert differs(at, at, "none") == [{"instance_id": "none", "update_time": "0", "tasks": []}]


def test_listing_tasks_by_a_get_with_a_body(wire: Wire) -> None:
    code, at = define(wire), 1_700_000_000_000
    sync(wire, instance(code, [task("t1", "wangkai", at=at)], at=at))
    body = {"approval_codes": [code], "user_ids": ["wangkai"]}
    (row,) = wire.call("GET", f"{HOME}/external_tasks", body, page_size=10).data["data"]
    assert (row["instance_id"], row["tasks"][0]["id"]) == ("BX202611-000001", "t1")
    assert wire.call("GET", f"{HOME}/external_tasks", {"user_ids": ["xujia"]}).data["data"] == []


@pytest.mark.parametrize("key", ["", "quick-key"])
def test_a_quick_decision(feishu: Running, wire: Wire, httpserver: HTTPServer, key: str) -> None:
    heard: list[dict[str, Any]] = []

    def answer(request: Request) -> Response:
        body = request.get_json()
        if key:
            assert set(body) == {"encrypt"}
            body = json.loads(EventCrypto(key).decrypt(body["encrypt"]))
        heard.append(body)
        if body["reason"] == "no":
            return Response(json.dumps({"message": "预算不足", "without_prefix": "true"}), status=422)
        return Response("{}")

    httpserver.expect_request("/quick").respond_with_handler(answer)
    url = httpserver.url_for("/quick")
    code = define(wire, action_callback_url=url, action_callback_token="tok", action_callback_key=key)
    offered = [{"action_type": "APPROVE", "action_name": "@i18n@title"}]
    one = task("t1", "wangkai", at=1, action_configs=offered, action_context="ctx")
    sync(wire, instance(code, [one], at=1))
    feishu.press(code, "BX202611-000001", "t1", reason="好")
    assert heard == [
        {
            "action_type": "APPROVE",
            "action_context": "ctx",
            "user_id": "wangkai",
            "approval_code": code,
            "instance_id": "BX202611-000001",
            "task_id": "t1",
            "reason": "好",
            "attachments": [],
            "token": "tok",
        }
    ]
    # Pressing changes nothing by itself: the outside system has to say so.
    assert len(feishu.todos("wangkai")) == 1
    with pytest.raises(ControlError, match="预算不足"):
        feishu.press(code, "BX202611-000001", "t1", reason="no")
    with pytest.raises(ControlError, match="REJECT"):
        feishu.press(code, "BX202611-000001", "t1", "REJECT")


def test_a_reason_that_is_asked_for(feishu: Running, wire: Wire, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/quick").respond_with_json({})
    code = define(wire, action_callback_url=httpserver.url_for("/quick"))
    offered = [{"action_type": "REJECT", "is_reason_required": True}]
    sync(wire, instance(code, [task("t1", "wangkai", at=1, action_configs=offered)], at=1))
    with pytest.raises(ControlError, match="请填写理由"):
        feishu.press(code, "BX202611-000001", "t1", "REJECT")
    assert httpserver.log == []
    feishu.press(code, "BX202611-000001", "t1", "REJECT", reason="缺水单")
    assert json.loads(httpserver.log[0][0].data)["reason"] == "缺水单"


def card(**more: Any) -> dict[str, Any]:
    return {
        "template_id": "1008",
        "user_id": "wangkai",
        "uuid": "once",
        "approval_name": "@i18n@name",
        "content": {"user_id": "zhangsan", "summaries": [{"summary": "@i18n@sum"}]},
        "actions": [{"action_name": "DETAIL", "url": "https://e.example.com"}],
        "i18n_resources": [texts({"@i18n@name": "差旅报销", "@i18n@sum": "金额：¥48.50"})],
        **more,
    }


BOT = "/open-apis/approval/v1/message"


def test_messages_of_the_approval_bot(feishu: Running, wire: Wire) -> None:
    message_id = wire.post(f"{BOT}/send", card()).data["message_id"]
    assert wire.post(f"{BOT}/send", card()).data["message_id"] == message_id
    # The same uuid for somebody else is another card.
    assert wire.post(f"{BOT}/send", card(user_id="sunhui")).data["message_id"] != message_id
    wire.post(f"{BOT}/update", {"message_id": message_id, "status": "APPROVED"}).data  # noqa: B018
    (message,) = feishu.bot_messages("wangkai")
    assert (message["title"], message["status"]) == ("差旅报销：待你审批", "APPROVED")
    assert wire.post(f"{BOT}/update", {"message_id": message_id, "status": "ODD"}).code == 1390001
    assert wire.post(f"{BOT}/update", {"message_id": "1", "status": "APPROVED"}).code == 1390001


def test_a_decision_on_the_bots_card(feishu: Running, wire: Wire, httpserver: HTTPServer) -> None:
    """Told by the card's own id, without instance and task; done, the card says so by itself."""
    httpserver.expect_request("/quick").respond_with_json({})
    httpserver.expect_request("/broken").respond_with_json(
        {"message": "已撤回", "without_prefix": "true"}, status=422
    )
    offered = [{"action_type": "APPROVE", "next_status": "APPROVED"}, {"action_type": "REJECT"}]

    def send(path: str, uuid: str) -> str:
        back = {
            "action_callback_url": httpserver.url_for(path),
            "action_callback_token": "tok",
            "action_context": "7",
        }
        body = card(uuid=uuid, action_callback=back, action_configs=offered)
        return str(wire.post(f"{BOT}/send", body).data["message_id"])

    message_id = send("/quick", "a")
    assert feishu.press_card(message_id)["card_status"] == "APPROVED"
    sent = json.loads(httpserver.log[0][0].data)
    assert sent == {
        "action_type": "APPROVE",
        "action_context": "7",
        "user_id": "wangkai",
        "approval_code": "",
        "message_id": int(message_id),
        "reason": "",
        "attachments": [],
        "token": "tok",
    }
    with pytest.raises(ControlError, match="not offered"):
        feishu.press_card(message_id)
    # Not done: only the way to the details is left, until the outside system changes the card.
    broken = send("/broken", "b")
    with pytest.raises(ControlError, match="已撤回"):
        feishu.press_card(broken)
    message = next(row for row in feishu.bot_messages() if row["id"] == broken)
    assert (message["status"], message["has_buttons"]) == ("", False)
