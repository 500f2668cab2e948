from __future__ import annotations

import json
from typing import Any

import pytest

from simulators.dingtalk.testing import Running
from simulators.dingtalk.tests.official import Official, report, value


def get(official: Official, path: str, status: int = 200) -> str:
    answer = official.http.request("GET", f"{official.dingtalk.base_url}{path}")
    assert answer.status == status
    return answer.data.decode()


def click(official: Official, path: str, status: int = 303, **fields: str) -> str:
    answer = official.http.request(
        "POST", f"{official.dingtalk.base_url}{path}", fields=fields, encode_multipart=False, redirect=False
    )
    assert answer.status == status
    return answer.data.decode()


def test_everybody_can_be_picked(official: Official) -> None:
    official.create()
    page = get(official, "/")
    assert "王凯" in page
    assert '<span class="count" title="待处理">1</span>' in page


def test_an_approver_sees_all_and_agrees(dingtalk: Running, official: Official) -> None:
    attached = dingtalk.upload("发票.pdf", b"%PDF")
    values = report(dingtalk)["formComponentValues"] + [value("附件", json.dumps([attached]))]
    instance_id = official.create(formComponentValues=values)
    assert "张三提交的差旅报销" in get(official, "/u/wangkai")
    here = f"/u/wangkai/instances/{instance_id}"
    page = get(official, here)
    for shown in (
        "BX202611-000001",
        "拜访上海客户",
        "¥1,448.50",
        "上海往返",
        "¥980.00",
        "2026-11-18 至 2026-11-20",
    ):
        assert shown in page
    assert '<img src="https://files.example.com/a.png"' in page
    assert "发票.pdf" in page
    assert "同意" in page
    click(official, f"{here}/agree")
    assert dingtalk.instance(instance_id)["tasks"][0]["result"] == "AGREE"
    assert "没有等你审批的单子" in get(official, "/u/wangkai")
    assert "张三提交的差旅报销" in get(official, "/u/wangkai?tab=done")
    assert "张三提交的差旅报销" in get(official, "/u/sunhui")


def test_refusing_with_a_reason(dingtalk: Running, official: Official) -> None:
    instance_id = official.create()
    click(official, f"/u/wangkai/instances/{instance_id}/refuse", text="缺少水单")
    shown = dingtalk.instance(instance_id)
    assert (shown["status"], shown["result"], shown["records"][-1]["remark"]) == (
        "COMPLETED",
        "refuse",
        "缺少水单",
    )
    assert "缺少水单" in get(official, f"/u/zhangsan/instances/{instance_id}")


def test_handing_over_commenting_and_withdrawing(dingtalk: Running, official: Official) -> None:
    instance_id = official.create()
    click(official, f"/u/wangkai/instances/{instance_id}/redirect", to="lisiyuan", text="你来")
    assert "张三提交的差旅报销" in get(official, "/u/lisiyuan")
    click(official, f"/u/sunhui/instances/{instance_id}/comment", text="看到了")
    assert "看到了" in get(official, f"/u/lisiyuan/instances/{instance_id}")
    click(official, f"/u/zhangsan/instances/{instance_id}/withdraw")
    assert dingtalk.instance(instance_id)["status"] == "TERMINATED"
    assert "张三提交的差旅报销" in get(official, "/u/zhangsan?tab=mine")


@pytest.mark.parametrize(
    ("who", "action", "fields"),
    [
        ("linxiao", "agree", {}),
        ("linxiao", "withdraw", {}),
        ("wangkai", "redirect", {"to": "nobody"}),
        ("wangkai", "comment", {"text": " "}),
        ("wangkai", "explode", {}),
    ],
)
def test_what_may_not_be_done_changes_nothing(
    dingtalk: Running, official: Official, who: str, action: str, fields: dict[str, str]
) -> None:
    instance_id = official.create()
    before = dingtalk.instance(instance_id)
    page = click(official, f"/u/{who}/instances/{instance_id}/{action}", status=409, **fields)
    assert 'role="alert"' in page
    assert dingtalk.instance(instance_id) == before


def test_form_values_cannot_run_as_a_page(dingtalk: Running, official: Official) -> None:
    evil = "<script>alert(1)</script>"
    values = [
        value("单号", evil),
        value("事由", evil),
        value("金额（元）", "1"),
        value("详情链接", "javascript:alert(1)"),
    ]
    instance_id = official.create(formComponentValues=values)
    page = get(official, f"/u/wangkai/instances/{instance_id}")
    assert evil not in page
    assert 'href="javascript' not in page


def test_todos_news_and_cards(dingtalk: Running, official: Official) -> None:
    users = {user["userid"]: user["unionid"] for user in dingtalk.facts["users"]}
    todo = {"subject": "请补充发票", "executorIds": [users["zhangsan"]]}
    status, made = official.new("POST", f"/v1.0/todo/users/{users['zhangsan']}/tasks", todo)
    assert status == 200
    msg: dict[str, Any] = {
        "msgtype": "oa",
        "oa": {
            "message_url": "https://e.example.com/1",
            "head": {"text": "行资"},
            "status_bar": {"status_value": "已付款", "status_bg": "0xFF78C06E"},
            "body": {"title": "差旅报销已付款", "form": [{"key": "金额", "value": "¥48.00"}]},
        },
    }
    official.old(
        "/topapi/message/corpconversation/asyncsend_v2",
        agent_id=str(dingtalk.agent_id),
        userid_list="zhangsan",
        msg=json.dumps(msg),
    )
    page = get(official, "/u/zhangsan?tab=news")
    for shown in ("差旅报销已付款", "已付款", "¥48.00", "background: #78C06E"):
        assert shown in page
    assert "请补充发票" in get(official, "/u/zhangsan?tab=cards")
    click(official, f"/u/zhangsan/todos/{made['id']}/done")
    assert dingtalk.todos()[0]["done"] is True


def test_pages_that_are_not_there(official: Official) -> None:
    get(official, "/u/nobody", status=404)
    get(official, "/u/zhangsan/instances/nothing", status=404)
    get(official, "/files/nothing", status=404)
