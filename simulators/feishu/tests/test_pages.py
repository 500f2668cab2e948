from __future__ import annotations

import json
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from simulators.feishu.testing import Running
from simulators.feishu.tests.test_external import BOT, define, instance, sync, task
from simulators.feishu.tests.test_external import card as bot_card
from simulators.feishu.tests.test_messages import card, send
from simulators.feishu.tests.wire import Wire


def get(wire: Wire, path: str, status: int = 200) -> str:
    answer = wire.http.request("GET", f"{wire.feishu.base_url}{path}")
    assert answer.status == status
    return answer.data.decode()


def click(wire: Wire, path: str, status: int = 303, **fields: str) -> str:
    answer = wire.http.request(
        "POST", f"{wire.feishu.base_url}{path}", fields=fields, encode_multipart=False, redirect=False
    )
    assert answer.status == status
    return answer.data.decode()


def test_everybody_can_be_picked(wire: Wire) -> None:
    wire.create()
    page = get(wire, "/")
    assert "王凯" in page
    assert '<span class="count" title="待处理">1</span>' in page


def test_an_approver_sees_all_and_approves(feishu: Running, wire: Wire) -> None:
    photo = feishu.upload("票.png", b"\x89PNG", "image")
    paper = feishu.upload("水单.pdf", b"%PDF")
    code = wire.create(form=[*wire.form(), wire.item("invoices", [photo]), wire.item("attachments", [paper])])
    assert "张三提交的差旅报销" in get(wire, "/u/wangkai")
    here = f"/u/wangkai/instances/{code}"
    page = get(wire, here)
    for shown in (
        "BX202611-000001",
        "拜访上海客户",
        "¥1,448.50",
        "上海往返",
        "市内交通",
        "¥980.00",
        "2026-11-18 至 2026-11-20",
        "张三",
        "水单.pdf",
        "同意",
    ):
        assert shown in page
    click(wire, f"{here}/approve", text="好")
    assert feishu.instance(code)["tasks"][0]["status"] == "APPROVED"
    assert "没有等你审批的单子" in get(wire, "/u/wangkai")
    assert "张三提交的差旅报销" in get(wire, "/u/wangkai?tab=done")
    assert "张三提交的差旅报销" in get(wire, "/u/sunhui")


def test_rejecting_with_a_reason(feishu: Running, wire: Wire) -> None:
    code = wire.create()
    click(wire, f"/u/wangkai/instances/{code}/reject", text="缺少水单")
    assert feishu.instance(code)["status"] == "REJECTED"
    assert "缺少水单" in get(wire, f"/u/zhangsan/instances/{code}")


def test_handing_over_commenting_sending_back_and_withdrawing(feishu: Running, wire: Wire) -> None:
    code = wire.create()
    click(wire, f"/u/wangkai/instances/{code}/transfer", to="lisiyuan", text="你来")
    click(wire, f"/u/sunhui/instances/{code}/comment", text="看到了")
    assert "看到了" in get(wire, f"/u/lisiyuan/instances/{code}")
    click(wire, f"/u/lisiyuan/instances/{code}/send-back", text="补水单")
    assert "重新提交" in get(wire, f"/u/zhangsan/instances/{code}")
    click(wire, f"/u/zhangsan/instances/{code}/approve")
    assert feishu.tasks("wangkai")
    click(wire, f"/u/zhangsan/instances/{code}/withdraw")
    assert feishu.instance(code)["status"] == "CANCELED"
    assert "张三提交的差旅报销" in get(wire, "/u/zhangsan?tab=mine")


def test_what_was_approved_can_be_undone(feishu: Running, wire: Wire) -> None:
    code = wire.create()
    feishu.decide(code)
    feishu.decide(code)
    assert "撤销" in get(wire, f"/u/zhangsan/instances/{code}")
    click(wire, f"/u/zhangsan/instances/{code}/withdraw")
    assert feishu.instance(code)["is_reverted"] is True
    assert "已撤销" in get(wire, f"/u/zhangsan/instances/{code}")


@pytest.mark.parametrize(
    ("who", "action", "fields"),
    [
        ("linxiao", "approve", {}),
        ("linxiao", "withdraw", {}),
        ("wangkai", "transfer", {"to": "nobody"}),
        ("wangkai", "comment", {"text": " "}),
        ("wangkai", "explode", {}),
    ],
)
def test_what_may_not_be_done_changes_nothing(
    feishu: Running, wire: Wire, who: str, action: str, fields: dict[str, str]
) -> None:
    code = wire.create()
    before = feishu.instance(code)
    page = click(wire, f"/u/{who}/instances/{code}/{action}", status=409, **fields)
    assert 'role="alert"' in page
    assert feishu.instance(code) == before


def test_form_values_cannot_run_as_a_page(wire: Wire) -> None:
    evil = "<script>alert(1)</script>"
    form = [
        wire.item("number", evil),
        wire.item("reason", evil),
        wire.item("amount", 1),
        wire.item("url", "javascript:alert(1)"),
    ]
    page = get(wire, f"/u/wangkai/instances/{wire.create(form=form)}")
    assert evil not in page
    assert 'href="javascript' not in page


def test_third_party_todos(feishu: Running, wire: Wire, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/quick").respond_with_json({})
    httpserver.expect_request("/broken").respond_with_json(
        {"message": "已被撤回", "without_prefix": "true"}, status=422
    )
    offered: list[dict[str, Any]] = [{"action_type": "APPROVE", "action_name": "@i18n@title"}]
    code = define(wire, action_callback_url=httpserver.url_for("/quick"))
    sync(wire, instance(code, [task("t1", "wangkai", at=1, action_configs=offered)], at=1))
    page = get(wire, "/u/wangkai?tab=external")
    for shown in ("张三的差旅报销", "¥1,448.50", "https://e.example.com/1", "同意"):
        assert shown in page
    fields: dict[str, Any] = {
        "approval_code": code,
        "instance_id": "BX202611-000001",
        "task_id": "t1",
        "action": "APPROVE",
    }
    click(wire, "/u/wangkai/external/press", **fields)
    sent = json.loads(httpserver.log[0][0].data)
    assert (sent["action_type"], sent["user_id"], sent["task_id"]) == ("APPROVE", "wangkai", "t1")
    assert "答复：HTTP 200 {}" in get(wire, "/u/wangkai?tab=external&said=答复：HTTP 200 {}")
    click(wire, "/u/linxiao/external/press", status=404, **fields)
    define(wire, action_callback_url=httpserver.url_for("/broken"))
    assert "已被撤回" in click(wire, "/u/wangkai/external/press", status=409, **fields)


def test_cards_of_the_approval_bot(feishu: Running, wire: Wire, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/quick").respond_with_json({})
    offered = [{"action_type": "REJECT", "is_reason_required": True, "next_status": "REJECTED"}]
    back = {"action_callback_url": httpserver.url_for("/quick")}
    sent = wire.post(f"{BOT}/send", bot_card(action_callback=back, action_configs=offered)).data
    page = get(wire, "/u/wangkai?tab=messages")
    for shown in ("差旅报销：待你审批", "金额：¥48.50", "查看详情", "拒绝", "理由"):
        assert shown in page
    path = f"/u/wangkai/cards/{sent['message_id']}/press"
    assert "请填写理由" in click(wire, path, status=409, action="REJECT")
    click(wire, f"/u/linxiao/cards/{sent['message_id']}/press", status=404, action="REJECT")
    assert httpserver.log == []
    click(wire, path, action="REJECT", reason="缺水单")
    assert json.loads(httpserver.log[0][0].data)["reason"] == "缺水单"
    page = get(wire, "/u/wangkai?tab=messages")
    assert '<span class="chip refused">已拒绝</span>' in page
    assert "请填写" not in page


def test_messages(feishu: Running, wire: Wire, httpserver: HTTPServer) -> None:
    send(wire, card())
    send(wire, {"text": "已付款"}, kind="text")
    page = get(wire, "/u/wangkai?tab=messages")
    for shown in ("待审批：差旅报销", "金额 ¥1,448.50", "同意", "已付款"):
        assert shown in page
    message_id = feishu.messages("wangkai")[1]["message_id"]
    path = f"/u/wangkai/messages/{message_id}/click"
    assert "操作失败" in click(wire, path, status=409, place="0")
    httpserver.expect_request("/card").respond_with_json({"toast": {"type": "success", "content": "已同意"}})
    assert feishu.set_callback(httpserver.url_for("/card"), check=False) == "success"
    assert "已同意" in click(wire, path, status=200, place="0")
    click(wire, path, status=404, place="9")
    click(wire, f"/u/linxiao/messages/{message_id}/click", status=404, place="0")


def test_pages_that_are_not_there(wire: Wire) -> None:
    get(wire, "/u/nobody", status=404)
    get(wire, "/u/zhangsan/instances/nothing", status=404)
    get(wire, "/files/nothing", status=404)
    assert "--accent" in get(wire, "/style.css")
