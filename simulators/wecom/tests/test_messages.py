from __future__ import annotations

from typing import Any

import pytest

from simulators.wecom.testing import ControlError, Running
from simulators.wecom.tests.client import Api
from simulators.wecom.tests.receiver import Receiver

TASK = "BX202611-000001@step1"


def card(**more: Any) -> dict[str, Any]:
    whole = {
        "card_type": "button_interaction",
        "source": {"desc": "行资"},
        "main_title": {"title": "张三的差旅报销", "desc": "BX202611-000001"},
        "horizontal_content_list": [{"keyname": "金额", "value": "¥1,448.50"}],
        "card_action": {"type": 1, "url": "https://expense.example.com/1"},
        "task_id": TASK,
        "button_list": [
            {"text": "同意", "style": 1, "key": "approve"},
            {"text": "驳回", "style": 2, "key": "reject"},
            {"text": "详情", "type": 1, "url": "https://expense.example.com/1"},
        ],
    }
    return {key: value for key, value in {**whole, **more}.items() if value is not None}


def send(api: Api, msgtype: str = "text", **more: Any) -> dict[str, Any]:
    body = {"touser": "wangkai", "msgtype": msgtype, "agentid": api.wecom.agent_id, **more}
    body.setdefault(msgtype, {"content": "你好"})
    return api.post("/message/send", body)


def send_card(api: Api, /, touser: str = "wangkai", **more: Any) -> dict[str, Any]:
    answer = send(api, "template_card", touser=touser, template_card=card(**more))
    assert answer["errcode"] == 0, answer
    return answer


def update(api: Api, code: str, **more: Any) -> dict[str, Any]:
    wish = {"agentid": api.wecom.agent_id, "response_code": code, "button": {"replace_name": "已同意"}}
    return api.post("/message/update_template_card", {"userids": ["wangkai"], **wish, **more})


def test_partly_invalid_is_a_success_in_lower_case(wecom: Running, api: Api) -> None:
    answer = send(api, touser="WangKai|NoBody", toparty="11|99", totag="1")
    assert answer["errcode"] == 0
    assert (answer["invaliduser"], answer["invalidparty"], answer["invalidtag"]) == ("nobody", "99", "1")
    assert "response_code" not in answer
    (message,) = wecom.messages("wangkai")
    assert message["body"] == {"content": "你好"}
    assert message["userids"] == ["wangkai", "zhangsan"]


@pytest.mark.parametrize(
    ("more", "errcode"),
    [
        ({"touser": "nobody"}, 81013),
        ({"touser": ""}, 82001),
        ({"agentid": 1}, 301002),
        ({"agentid": None}, 40056),
        ({"msgtype": "smoke"}, 40008),
        ({"text": {}}, 40058),
        ({"touser": "|".join(["wangkai"] * 1001)}, 40058),
    ],
)
def test_messages_that_go_nowhere(unharmed: Api, more: dict[str, Any], errcode: int) -> None:
    assert send(unharmed, **{"text": {"content": "x"}, **more})["errcode"] == errcode
    assert unharmed.wecom.messages() == []


def test_everybody(wecom: Running, api: Api) -> None:
    send(api, touser="@all")
    assert len(wecom.messages()[0]["userids"]) == 12


def test_what_is_too_long_is_cut(wecom: Running, api: Api) -> None:
    send(api, text={"content": "差" * 700})
    send(
        api,
        "textcard",
        textcard={"title": "t" * 200, "description": "d" * 600, "url": "https://x", "btntxt": "12345"},
    )
    text, textcard = wecom.messages()
    assert text["body"]["content"] == "差" * 682
    assert [len(textcard["body"][key]) for key in ("title", "description", "btntxt")] == [128, 512, 4]
    assert send(api, "textcard", textcard={"title": "t", "description": "d"})["errcode"] == 40058


def test_dropped_in_silence(wecom: Running, api: Api) -> None:
    wecom.set(per_member_per_minute=2)
    assert [send(api)["errcode"] for _ in range(3)] == [0, 0, 0]
    assert len(wecom.messages("wangkai")) == 2


def test_the_same_json_is_swallowed_when_asked_to(wecom: Running, api: Api) -> None:
    for _ in range(2):
        assert send(api, enable_duplicate_check=1)["errcode"] == 0
    send(api)
    send(api)
    assert len(wecom.messages("wangkai")) == 3


@pytest.mark.parametrize(
    "more",
    [
        {"card_type": "poem"},
        {"task_id": None},
        {"task_id": "含中文"},
        {"task_id": "x" * 129},
        {"main_title": {"desc": "x"}},
        {"button_list": []},
        {"button_list": [{"text": "x", "key": "k"}] * 7},
        {"button_list": [{"text": "x"}]},
        {"button_list": [{"text": "x", "type": 1}]},
        {"card_type": "text_notice", "card_action": None},
        {"card_type": "news_notice"},
        {"card_type": "vote_interaction"},
        {"card_type": "multiple_interaction", "submit_button": {"text": "x", "key": "k"}},
        {"horizontal_content_list": [{"keyname": "x"}] * 7},
        {"jump_list": [{"title": "x"}] * 4},
        {"action_menu": {"action_list": []}},
    ],
)
def test_cards_that_do_not_fit(unharmed: Api, more: dict[str, Any]) -> None:
    assert send(unharmed, "template_card", template_card=card(**more))["errcode"] == 40058
    assert unharmed.wecom.messages() == []


def test_a_task_id_is_new(api: Api) -> None:
    send_card(api)
    assert send(api, "template_card", template_card=card())["errcode"] == 42014


def test_who_gets_a_response_code(api: Api) -> None:
    assert "response_code" in send_card(api)
    notice: dict[str, Any] = {"card_type": "text_notice", "button_list": None, "task_id": None}
    assert "response_code" not in send_card(api, **notice)
    menu = {"desc": "更多", "action_list": [{"text": "不再提醒", "key": "mute"}]}
    assert "response_code" in send_card(api, **notice | {"task_id": "t2", "action_menu": menu})


def test_a_response_code_works_once(wecom: Running, api: Api) -> None:
    sent = send_card(api, touser="wangkai|sunhui")
    answer = update(api, sent["response_code"], userids=["WangKai", "zhangsan"])
    assert (answer["errcode"], answer["invaliduser"]) == (0, ["zhangsan"])
    (message,) = wecom.messages("wangkai")
    assert message["greyed"] == {"wangkai": "已同意"}
    assert update(api, sent["response_code"])["errcode"] == 40058
    assert update(api, "unknown")["errcode"] == 40058
    other = send_card(api, task_id="t2")["response_code"]
    assert update(api, other, userids=[])["errcode"] == 82001
    assert update(api, other, button={})["errcode"] == 40058
    assert update(api, other, agentid=1)["errcode"] == 301002
    assert update(api, other, userids=[], atall=1)["errcode"] == 0


def test_a_response_code_ends(wecom: Running, api: Api) -> None:
    wecom.set(response_code_ttl_s=0.0)
    assert update(api, send_card(api)["response_code"])["errcode"] == 40058


def test_a_card_becomes_another(wecom: Running, api: Api) -> None:
    code = send_card(api)["response_code"]
    fresh = card(card_type="text_notice", button_list=None, sub_title_text="已同意", task_id=None)
    assert update(api, code, button=None, template_card=fresh)["errcode"] == 0
    (message,) = wecom.messages("wangkai")
    assert message["replaced"]["wangkai"]["sub_title_text"] == "已同意"


def test_recalled_messages_are_gone(wecom: Running, api: Api) -> None:
    msgid = send(api)["msgid"]
    assert api.post("/message/recall", {"msgid": msgid})["errcode"] == 0
    assert wecom.messages("wangkai") == []
    assert api.post("/message/recall", {"msgid": "unknown"})["errcode"] == 40058


def test_a_click_is_told(wecom: Running, api: Api, receiver: Receiver) -> None:
    sent = send_card(api, touser="wangkai|sunhui")
    wecom.click(sent["msgid"], "wangkai", "approve")
    (event,) = receiver.heard()
    told = {child.tag: child.text for child in event}
    assert told["FromUserName"] == "wangkai"
    assert (told["Event"], told["EventKey"], told["TaskId"]) == ("template_card_event", "approve", TASK)
    assert (told["CardType"], told["AgentID"]) == ("button_interaction", str(wecom.agent_id))
    # The click's own code greys the card out for both, the code of sending is still there.
    code = told["ResponseCode"] or ""
    assert update(api, code, userids=["wangkai", "sunhui"])["errcode"] == 0
    assert update(api, code)["errcode"] == 40058
    assert update(api, sent["response_code"])["errcode"] == 0
    with pytest.raises(ControlError, match="已失效"):
        wecom.click(TASK, "sunhui", "approve")


def test_clicks_that_are_none(wecom: Running, api: Api, receiver: Receiver) -> None:
    send_card(api)
    for userid, key in (("sunhui", "approve"), ("wangkai", "explode")):
        with pytest.raises(ControlError):
            wecom.click(TASK, userid, key)
    assert receiver.texts == []


def test_a_passive_reply_changes_the_clickers_card_only(wecom: Running, api: Api, receiver: Receiver) -> None:
    send_card(api, touser="wangkai|sunhui")
    receiver.reply = {"MsgType": "update_button", "Button": {"ReplaceName": "已同意"}}
    shown = wecom.click(TASK, "wangkai", "approve")
    assert shown["greyed"] == {"wangkai": "已同意"}
    assert shown["event"]["attempts"] == ["reply"]
    receiver.reply = {
        "MsgType": "update_template_card",
        "TemplateCard": {
            "CardType": "text_notice",
            "MainTitle": {"Title": "已处理"},
            "HorizontalContentList": [{"KeyName": "金额", "Value": "1"}],
            "CardAction": {"Type": 1, "Url": "https://x.example.com"},
        },
    }
    shown = wecom.click(TASK, "sunhui", "reject")
    assert shown["replaced"] == {
        "sunhui": {
            "card_type": "text_notice",
            "main_title": {"title": "已处理"},
            "horizontal_content_list": [{"key_name": "金额", "value": "1"}],
            "card_action": {"type": 1, "url": "https://x.example.com"},
        }
    }
    receiver.reply = {"MsgType": "poem"}
    send_card(api, task_id="t2")
    assert "ignored" in wecom.click("t2", "wangkai", "approve")["event"]["attempts"][0]


def test_questions_and_menus(wecom: Running, api: Api, receiver: Receiver) -> None:
    question = {"question_key": "reason", "title": "原因", "option_list": [{"id": "1", "text": "超标"}]}
    menu = {"desc": "更多", "action_list": [{"text": "转我主管", "key": "up"}]}
    more: dict[str, Any] = {
        "select_list": [question],
        "submit_button": {"text": "提交", "key": "ok"},
        "action_menu": menu,
    }
    send_card(api, card_type="multiple_interaction", button_list=None, **more)
    wecom.click(TASK, "wangkai", "ok", selected={"reason": ["1"]})
    wecom.click(TASK, "wangkai", "up")
    submitted, chosen = receiver.heard()
    assert submitted.findtext("SelectedItems/SelectedItem/QuestionKey") == "reason"
    assert submitted.findtext("SelectedItems/SelectedItem/OptionIds/OptionId") == "1"
    assert (chosen.findtext("Event"), chosen.findtext("SelectedItems")) == ("template_card_menu_event", None)


def test_the_tile_on_the_workbench(wecom: Running, api: Api) -> None:
    def tile(count: str) -> dict[str, Any]:
        return {"type": "keydata", "keydata": {"items": [{"key": "待审批", "data": count}]}}

    about = {"agentid": wecom.agent_id}
    assert api.post("/agent/set_workbench_template", about | tile("0"))["errcode"] == 0
    assert api.post("/agent/set_workbench_data", about | tile("2") | {"userid": "wangkai"})["errcode"] == 0
    both = about | {"userid_list": ["zhangsan", "sunhui"], "data": tile("3")}
    assert api.post("/agent/batch_set_workbench_data", both)["errcode"] == 0
    tiles = wecom.workbench()["tiles"]
    assert {userid: row["keydata"]["items"][0]["data"] for userid, row in tiles.items()} == {
        "wangkai": "2",
        "zhangsan": "3",
        "sunhui": "3",
    }
    wecom.set(workbench_per_minute=1)
    assert (
        api.post("/agent/set_workbench_data", about | tile("9") | {"userid": "wangkai"})["errcode"] == 45009
    )


def test_the_day_has_so_many_messages(wecom: Running, api: Api) -> None:
    assert wecom.quota() == {"limit": None, "used": 0, "left": None, "dropped": 0}
    send(api)
    assert wecom.quota(left=2) == {"limit": 3, "used": 1, "left": 2, "dropped": 0}
    assert send(api, touser="wangkai|sunhui|zhangsan")["errcode"] == 45009  # three are too many
    assert send(api, touser="wangkai|sunhui")["errcode"] == 0
    assert send(api)["errcode"] == 45009
    assert (wecom.quota()["left"], len(wecom.messages("wangkai"))) == (0, 2)


def test_one_member_gets_so_many_an_hour(wecom: Running, api: Api) -> None:
    wecom.set(per_member_per_hour=3)
    for place in range(5):
        assert send(api, text={"content": str(place)})["errcode"] == 0
    assert len(wecom.messages("wangkai")) == 3
    assert wecom.quota()["dropped"] == 2
