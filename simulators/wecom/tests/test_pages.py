from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from simulators.wecom.testing import Running
from simulators.wecom.tests.client import Api, contents, through
from simulators.wecom.tests.receiver import Receiver
from simulators.wecom.tests.test_messages import TASK, card, send, send_card


def get(api: Api, path: str, status: int = 200) -> str:
    answer = api.http.request("GET", f"{api.wecom.base_url}{path}")
    assert answer.status == status
    return str(answer.data.decode())


def click(api: Api, path: str, status: int = 303, **fields: Any) -> str:
    body = urlencode(fields)
    headers = {"content-type": "application/x-www-form-urlencoded"}
    url = f"{api.wecom.base_url}{path}"
    answer = api.http.request("POST", url, body=body, headers=headers, redirect=False)
    assert answer.status == status, answer.data.decode()
    return str(answer.data.decode())


def test_everybody_can_be_picked(api: Api) -> None:
    api.apply()
    page = get(api, "/")
    assert "王凯" in page
    assert '<span class="count" title="待处理">1</span>' in page


def test_an_approver_sees_all_and_agrees(wecom: Running, api: Api) -> None:
    media_id = api.upload("发票.pdf", b"%PDF-1.7")["media_id"]
    sp_no = api.apply(apply_data={"contents": contents(wecom, 附件={"files": [{"file_id": media_id}]})})
    desk = get(api, "/u/wangkai")
    assert "张三的差旅报销" in desk
    assert "拜访上海客户" in desk  # the summary that was sent
    here = f"/u/wangkai/forms/{sp_no}"
    page = get(api, here)
    for shown in (
        "BX202611-000001",
        "¥1,448.50",
        "上海往返",
        "¥980.00",
        "机票",
        "2026-11-18 上午 至 2026-11-20 下午",
        "发票.pdf",
        "同意",
    ):
        assert shown in page
    click(api, f"{here}/agree", text="好")
    assert wecom.instance(sp_no)["nodes"][0]["people"][0]["deed"] == "AGREED"
    assert "没有等你审批的单子" in get(api, "/u/wangkai")
    assert "张三的差旅报销" in get(api, "/u/wangkai?tab=done")
    assert "张三的差旅报销" in get(api, "/u/sunhui")


def test_the_other_deeds(wecom: Running, api: Api) -> None:
    sp_no = api.apply(
        **through((1, 2, ["wangkai"]), (1, 2, ["sunhui"]), (3, 2, ["qianwei"]), (2, 1, ["hetao"]))
    )

    def do(userid: str, action: str, **fields: Any) -> None:
        click(api, f"/u/{userid}/forms/{sp_no}/{action}", **fields)

    do("wangkai", "redirect", to="lisiyuan", text="你来")
    do("lisiyuan", "add", to="chenjing", after="1")
    do("chenjing", "agree")
    do("sunhui", "return", node="0", text="请核对")
    do("lisiyuan", "agree")
    do("chenjing", "agree")
    do("zhangsan", "urge")
    do("sunhui", "comment", text="看到了")
    do("sunhui", "agree")
    assert "办理完成" in get(api, f"/u/qianwei/forms/{sp_no}")
    do("qianwei", "agree")
    assert wecom.instance(sp_no)["status"] == "APPROVED"
    assert "看到了" in get(api, f"/u/zhangsan/forms/{sp_no}")
    assert "张三的差旅报销" in get(api, "/u/hetao?tab=copied")
    do("zhangsan", "withdraw")
    assert "通过后撤销" in get(api, "/u/zhangsan?tab=mine")


def test_rejecting_with_a_reason(wecom: Running, api: Api) -> None:
    sp_no = api.apply()
    click(api, f"/u/wangkai/forms/{sp_no}/reject", text="缺少水单")
    assert wecom.instance(sp_no)["status"] == "REJECTED"
    assert "缺少水单" in get(api, f"/u/zhangsan/forms/{sp_no}")


@pytest.mark.parametrize(
    ("who", "action", "fields"),
    [
        ("linxiao", "agree", {}),
        ("linxiao", "withdraw", {}),
        ("wangkai", "redirect", {"to": "nobody"}),
        ("wangkai", "return", {"node": "0"}),
        ("wangkai", "return", {"node": "x"}),
        ("wangkai", "comment", {"text": " "}),
        ("wangkai", "urge", {}),
        ("wangkai", "explode", {}),
    ],
)
def test_what_may_not_be_done_changes_nothing(
    wecom: Running, api: Api, who: str, action: str, fields: dict[str, str]
) -> None:
    sp_no = api.apply()
    before = wecom.instance(sp_no)
    page = click(api, f"/u/{who}/forms/{sp_no}/{action}", status=409, **fields)
    assert 'role="alert"' in page
    assert wecom.instance(sp_no) == before


def test_values_cannot_run_as_a_page(wecom: Running, api: Api) -> None:
    evil = "<script>alert(1)</script>"
    values = contents(
        wecom, 单号={"text": evil}, 事由={"text": evil}, 详情链接={"text": "javascript:alert(1)"}
    )
    sp_no = api.apply(apply_data={"contents": values})
    send(api, text={"content": evil})
    send_card(api, main_title={"title": evil}, card_action={"type": 1, "url": "javascript:alert(1)"})
    for page in (get(api, f"/u/wangkai/forms/{sp_no}"), get(api, "/u/wangkai?tab=news")):
        assert evil not in page
        assert 'href="javascript' not in page


def test_messages_and_cards(wecom: Running, api: Api) -> None:
    send(api, text={"content": "你好"})
    markdown: dict[str, Any] = {"content": "# 标题\n**粗**"}
    send(api, "markdown", markdown=markdown)
    sent = send_card(api)
    data = {"agentid": wecom.agent_id, "userid": "wangkai", "type": "keydata"}
    items = [{"key": "待审批", "data": "2", "jump_url": "https://expense.example.com"}]
    api.post("/agent/set_workbench_data", data | {"keydata": {"items": items}})
    page = get(api, "/u/wangkai?tab=news")
    for shown in ("你好", "张三的差旅报销", "¥1,448.50", 'name="key" value="approve"', "待审批"):
        assert shown in page
    click(api, f"/u/wangkai/messages/{sent['msgid']}", key="approve")
    click(api, f"/u/wangkai/messages/{sent['msgid']}", status=409, key="explode")
    assert wecom.events("template_card_event")[0]["fate"] == "unheard"
    assert "应用没有接收地址" in get(api, "/u/wangkai?tab=news&said=应用没有接收地址")
    update = {"agentid": wecom.agent_id, "response_code": sent["response_code"], "userids": ["wangkai"]}
    api.post("/message/update_template_card", update | {"button": {"replace_name": "已同意"}})
    assert "<button disabled>已同意</button>" in get(api, "/u/wangkai?tab=news")


def test_a_pressed_button_is_told_and_its_code_updates_the_card(
    wecom: Running, api: Api, receiver: Receiver
) -> None:
    sent = send_card(api, touser="wangkai|sunhui")
    path = f"/u/wangkai/messages/{sent['msgid']}"
    click(api, path, key="approve")
    (event,) = receiver.heard()
    assert (event.findtext("Event"), event.findtext("EventKey")) == ("template_card_event", "approve")
    assert (event.findtext("FromUserName"), event.findtext("TaskId")) == ("wangkai", TASK)
    code = event.findtext("ResponseCode")
    wish = {"agentid": wecom.agent_id, "response_code": code, "userids": ["wangkai", "sunhui"]}
    done = card(button_list=None, card_type="text_notice", sub_title_text="王凯 已同意")
    assert api.post("/message/update_template_card", wish | {"template_card": done})["errcode"] == 0
    assert api.post("/message/update_template_card", wish | {"template_card": done})["errcode"] == 40058
    for userid in ("wangkai", "sunhui"):
        page = get(api, f"/u/{userid}?tab=news")
        assert "王凯 已同意" in page
        assert 'name="key"' not in page


def test_a_passive_reply_shows_at_once(api: Api, receiver: Receiver) -> None:
    sent = send_card(api, touser="wangkai|sunhui")
    receiver.reply = {"MsgType": "update_button", "Button": {"ReplaceName": "已同意"}}
    answer = api.http.request(
        "POST",
        f"{api.wecom.base_url}/u/wangkai/messages/{sent['msgid']}",
        fields={"key": "approve"},
        encode_multipart=False,
        redirect=False,
    )
    page = get(api, answer.headers["location"])
    assert "应用已更新卡片" in page
    assert "<button disabled>已同意</button>" in page
    assert "<button disabled>" not in get(api, "/u/sunhui?tab=news")


def test_what_is_approved_can_be_withdrawn(wecom: Running, api: Api, receiver: Receiver) -> None:
    sp_no = api.apply()
    wecom.decide(sp_no)
    wecom.decide(sp_no)
    assert "已通过的审批将被撤销" in get(api, f"/u/zhangsan/forms/{sp_no}")
    click(api, f"/u/wangkai/forms/{sp_no}/withdraw", status=409)
    click(api, f"/u/zhangsan/forms/{sp_no}/withdraw", text="行程取消")
    assert wecom.wait_for_callbacks()
    assert receiver.changes()[-1] == (8, 6)
    assert api.post("/oa/getapprovaldetail", {"sp_no": sp_no})["info"]["sp_status"] == 6
    click(api, f"/u/zhangsan/forms/{sp_no}/withdraw", status=409)


def test_cards_of_every_kind_are_shown(api: Api) -> None:
    options = [{"id": "1", "text": "超标"}, {"id": "2", "text": "缺票"}]
    submit = {"text": "提交", "key": "ok"}
    vote = {"question_key": "q", "mode": 1, "option_list": options}
    select = {"question_key": "q", "title": "原因", "option_list": options, "selected_id": "2"}
    kinds: list[dict[str, Any]] = [
        {"card_type": "vote_interaction", "checkbox": vote, "submit_button": submit},
        {"card_type": "multiple_interaction", "select_list": [select], "submit_button": submit},
        {"card_type": "news_notice", "card_image": {"url": "https://x.example.com/a.png"}},
        {
            "card_type": "text_notice",
            "emphasis_content": {"title": "100", "desc": "元"},
            "sub_title_text": "已到账",
        },
    ]
    for place, kind in enumerate(kinds):
        send_card(api, **card(button_list=None, task_id=f"t{place}", **kind))
    page = get(api, "/u/wangkai?tab=news")
    for shown in ("缺票", "提交", "已到账", "100"):
        assert shown in page
    assert TASK not in page


def test_pages_that_are_not_there(api: Api) -> None:
    get(api, "/u/nobody", status=404)
    get(api, "/u/zhangsan/forms/nothing", status=404)
    get(api, "/files/nothing", status=404)
    assert "--accent" in get(api, "/style.css")
