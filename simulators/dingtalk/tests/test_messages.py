from __future__ import annotations

import json
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from Tea.exceptions import UnretryableException
from werkzeug import Request, Response

from simulators.dingtalk.callbacks import card_signature
from simulators.dingtalk.testing import Running
from simulators.dingtalk.tests.official import Official, card_models, robot_models

CARD = {
    "msgtype": "action_card",
    "action_card": {
        "title": "报销已付款",
        "markdown": "**BX202611-000001** 已付款",
        "single_title": "查看",
        "single_url": "https://e.example.com/1",
    },
}
OA = {
    "msgtype": "oa",
    "oa": {
        "message_url": "https://e.example.com/1",
        "head": {"bgcolor": "FFBBBBBB", "text": "行资"},
        "status_bar": {"status_value": "审批中", "status_bg": "0xFFF65E5E"},
        "body": {"title": "差旅报销", "form": [{"key": "金额", "value": "¥1,448.50"}]},
    },
}
WORK = "/topapi/message/corpconversation"


def send(official: Official, msg: Any = CARD, /, **more: str) -> dict[str, Any]:
    fields = {"agent_id": str(official.dingtalk.agent_id), "userid_list": "zhangsan", "msg": json.dumps(msg)}
    return official.old(f"{WORK}/asyncsend_v2", **(fields | more))


def result(official: Official, task_id: int) -> dict[str, Any]:
    fields = {"agent_id": str(official.dingtalk.agent_id), "task_id": str(task_id)}
    return dict(official.old(f"{WORK}/getsendresult", **fields)["send_result"])


def test_a_notification_arrives_and_is_read(dingtalk: Running, official: Official) -> None:
    sent = send(official, userid_list="zhangsan,stranger")
    assert (sent["errcode"], sent["errmsg"]) == (0, "ok")
    before = result(official, sent["task_id"])
    assert (before["unread_user_id_list"], before["read_user_id_list"]) == (["zhangsan"], [])
    assert before["invalid_user_id_list"] == ["stranger"]
    official.http.request("GET", f"{dingtalk.base_url}/u/zhangsan?tab=news")
    assert result(official, sent["task_id"])["read_user_id_list"] == ["zhangsan"]


def test_the_same_text_twice_a_day_is_swallowed_with_success(dingtalk: Running, official: Official) -> None:
    first, again = send(official), send(official)
    assert again["errcode"] == 0
    assert again["task_id"] != first["task_id"]
    swallowed = result(official, again["task_id"])
    assert swallowed["forbidden_list"] == [{"code": "143105", "count": 1, "userid": "zhangsan"}]
    assert swallowed["unread_user_id_list"] == []
    assert len(dingtalk.notifications("zhangsan")) == 1
    assert send(official, userid_list="linxiao")["errcode"] == 0
    assert len(dingtalk.notifications("linxiao")) == 1


def test_whole_departments(dingtalk: Running, official: Official) -> None:
    send(official, userid_list="", dept_id_list="10")
    got = {
        userid
        for userid in ("lisiyuan", "wangkai", "zhangsan", "linxiao", "sunhui")
        if dingtalk.notifications(userid)
    }
    assert got == {"lisiyuan", "wangkai", "zhangsan", "linxiao"}


def test_the_status_bar_changes(dingtalk: Running, official: Official) -> None:
    task_id = send(official, OA)["task_id"]
    fields = {"agent_id": str(dingtalk.agent_id), "task_id": str(task_id)}
    changed = official.old(
        f"{WORK}/status_bar/update", **fields, status_value="已付款", status_bg="0xFF78C06E"
    )
    assert changed["errcode"] == 0
    (shown,) = dingtalk.notifications("zhangsan")
    assert (shown["status_value"], shown["status_bg"]) == ("已付款", "0xFF78C06E")
    no_bar = send(official)["task_id"]
    fields["task_id"] = str(no_bar)
    assert official.old(f"{WORK}/status_bar/update", **fields, status_value="x")["errcode"] == 400002


def test_a_recall(dingtalk: Running, official: Official) -> None:
    task_id = send(official)["task_id"]
    fields = {"agent_id": str(dingtalk.agent_id), "msg_task_id": str(task_id)}
    assert official.old(f"{WORK}/recall", **fields)["errcode"] == 0
    assert dingtalk.notifications("zhangsan") == []


@pytest.mark.parametrize(
    ("msg", "more", "errcode"),
    [
        (CARD, {"agent_id": "1"}, 33001),
        (CARD, {"userid_list": ""}, 400002),
        (CARD, {"userid_list": ",".join(f"u{place}" for place in range(101))}, 400002),
        (CARD, {"dept_id_list": ",".join(["10"] * 21)}, 400002),
        (CARD, {"dept_id_list": "999"}, 60003),
        (CARD, {"msg": "{"}, 400002),
        ({"msgtype": "smoke"}, {}, 400002),
        ({"msgtype": "text", "text": {"content": "长" * 700}}, {}, 400002),
        ({"msgtype": "action_card", "action_card": {"title": "x"}}, {}, 400002),
        (OA, {"userid_list": "zhangsan,linxiao,wangkai,sunhui,hetao,xujia"}, 400002),
        (OA, {"to_all_user": "true"}, 400002),
    ],
    ids=lambda item: str(item)[:30],
)
def test_notifications_that_are_refused(
    dingtalk: Running, official: Official, msg: Any, more: dict[str, str], errcode: int
) -> None:
    assert send(official, msg, **more)["errcode"] == errcode
    assert dingtalk.notifications() == []


def test_the_robot(dingtalk: Running, official: Official) -> None:
    param = json.dumps({"title": "催办", "text": "请审批"})
    request = robot_models.BatchSendOTORequest(
        robot_code=dingtalk.app_key,
        user_ids=["wangkai", "stranger"],
        msg_key="sampleMarkdown",
        msg_param=param,
    )
    body = official.call(official.robot, robot_models, "BatchSendOTO", request)
    assert body.process_query_key
    assert (body.invalid_staff_id_list, body.flow_controlled_staff_id_list) == (["stranger"], [])
    (message,) = dingtalk.robot_messages()
    assert (message["userids"], message["param"]["text"]) == (["wangkai"], "请审批")


def deliver(official: Official, **more: Any) -> Any:
    fields = {
        "cardTemplateId": "tpl.schema",
        "outTrackId": "BX202611-000001",
        "cardData": {"cardParamMap": {"状态": "审批中", "金额": "1448.50"}},
        "openSpaceId": "dtv1.card//IM_ROBOT.zhangsan",
        "imRobotOpenDeliverModel": {"spaceType": "IM_ROBOT"},
        **more,
    }
    request = card_models.CreateAndDeliverRequest().from_map(fields)
    return official.call(official.card, card_models, "CreateAndDeliver", request)


def update(official: Official, **fields: Any) -> Any:
    request = card_models.UpdateCardRequest().from_map({"outTrackId": "BX202611-000001", **fields})
    return official.call(official.card, card_models, "UpdateCard", request)


def test_cards_are_kept_by_their_own_id(dingtalk: Running, official: Official) -> None:
    made = deliver(official)
    assert (made.success, made.result.out_track_id) == (True, "BX202611-000001")
    assert made.result.deliver_results[0].success is True
    deliver(official)
    (card,) = dingtalk.cards()
    assert card["userids"] == ["zhangsan"]
    update(
        official,
        cardData={"cardParamMap": {"状态": "已付款"}},
        cardUpdateOptions={"updateCardDataByKey": True},
    )
    assert dingtalk.cards()[0]["params"] == {"状态": "已付款", "金额": "1448.50"}
    assert update(official, cardData={"cardParamMap": {"状态": "完"}}).result is True
    assert dingtalk.cards()[0]["params"] == {"状态": "完"}  # without the option the map is replaced
    lost = deliver(official, outTrackId="2", openSpaceId="dtv1.card//IM_ROBOT.stranger")
    assert lost.result.deliver_results[0].success is False
    with pytest.raises(UnretryableException) as error:
        update(official, outTrackId="3")
    assert error.value.code == "param.card.notExist"


def test_a_click_on_a_card_asks_the_registered_address(
    dingtalk: Running, official: Official, httpserver: HTTPServer
) -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Response:
        seen.append(request)
        said = {
            "cardUpdateOptions": {"updateCardDataByKey": True},
            "cardData": {"cardParamMap": {"状态": "已同意"}},
        }
        return Response(json.dumps(said), content_type="application/json")

    httpserver.expect_request("/card").respond_with_handler(answer)
    route = card_models.RegisterCallbackRequest(
        callback_route_key="r1", callback_url=httpserver.url_for("/card"), api_secret="s3cret"
    )
    official.call(official.card, card_models, "RegisterCallback", route)
    deliver(official, callbackType="HTTP", callbackRouteKey="r1")
    wish = {"userid": "zhangsan", "action_ids": ["agree"], "params": {"x": "1"}}
    clicked = dingtalk.control("POST", "/cards/BX202611-000001/click", wish)
    assert clicked["params"]["状态"] == "已同意"
    (request,) = seen
    stamp = request.headers["x-ddpaas-signature-timestamp"]
    assert request.headers["x-ddpaas-signature"] == card_signature("s3cret", stamp)
    sent = request.get_json()
    assert (sent["type"], sent["userId"]) == ("actionCallback", "zhangsan")
    assert json.loads(sent["content"])["cardPrivateData"]["actionIds"] == ["agree"]


def test_media(official: Official) -> None:
    url = f"{official.dingtalk.base_url}/media/upload?access_token={official.token}"

    def upload(kind: str, data: bytes) -> dict[str, Any]:
        fields: dict[str, Any] = {"type": kind, "media": ("发票.png", data, "image/png")}
        return dict(json.loads(official.http.request("POST", url, fields=fields).data))

    kept = upload("image", b"\x89PNG")
    assert (kept["errcode"], kept["type"]) == (0, "image")
    assert kept["media_id"].startswith("@")
    assert upload("music", b"x")["errcode"] == 40004
    assert upload("image", b"")["errcode"] == 41005
    assert upload("voice", b"x" * (2 * 1024 * 1024 + 1))["errcode"] == 45001
