from __future__ import annotations

import json
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from simulators.feishu.crypto import EventCrypto
from simulators.feishu.testing import ControlError, Running
from simulators.feishu.tests.wire import Said, Wire

SEND = "/open-apis/im/v1/messages"


def card(title: str = "待审批：差旅报销", *, shared: bool = True, **button: Any) -> dict[str, Any]:
    press = {
        "tag": "button",
        "text": {"tag": "plain_text", "content": "同意"},
        "type": "primary",
        "value": {"item": 7, "verdict": "approve"},
        **button,
    }
    return {
        "config": {"update_multi": shared},
        "header": {"title": {"tag": "plain_text", "content": title}, "template": "blue"},
        "elements": [
            {"tag": "div", "text": {"tag": "lark_md", "content": "**金额** ¥1,448.50"}},
            {"tag": "action", "actions": [press]},
        ],
    }


def send(wire: Wire, content: Any, *, to: str = "wangkai", kind: str = "interactive", **more: Any) -> Said:
    body = {
        "receive_id": to,
        "msg_type": kind,
        "content": content if isinstance(content, str) else json.dumps(content),
        **more,
    }
    return wire.post(SEND, body, receive_id_type="user_id")


def test_a_card_arrives_and_changes_after_the_decision(feishu: Running, wire: Wire) -> None:
    data = send(wire, card()).data
    assert data["message_id"].startswith("om_")
    assert (data["msg_type"], data["updated"]) == ("interactive", False)
    assert data["sender"]["id"] == feishu.app_id
    changed = {"content": json.dumps(card("已同意"))}
    assert wire.call("PATCH", f"{SEND}/{data['message_id']}", changed).data == {}
    (sent,) = feishu.messages("wangkai")
    assert sent["content"]["header"]["title"]["content"] == "已同意"
    assert wire.get(f"{SEND}/{data['message_id']}").data["items"][0]["updated"] is True


def test_a_uuid_sends_once(feishu: Running, wire: Wire) -> None:
    first = send(wire, card(), uuid="notice-1").data["message_id"]
    assert send(wire, card(), uuid="notice-1").data["message_id"] == first
    send(wire, card(), uuid="notice-2")
    assert len(feishu.messages("wangkai")) == 2


def test_only_shared_cards_change_and_only_for_a_fortnight(feishu: Running, wire: Wire) -> None:
    def patch(message_id: str, **more: Any) -> int:
        return wire.call("PATCH", f"{SEND}/{message_id}", {"content": json.dumps(card(**more))}).code

    alone = send(wire, card(shared=False)).data["message_id"]
    assert patch(alone) == 230001
    shared = send(wire, card()).data["message_id"]
    assert patch(shared, shared=False) == 230001
    feishu.control("POST", f"/messages/{shared}/age", {"days": 15})
    assert patch(shared) == 230031
    text = send(wire, {"text": "hi"}, kind="text").data["message_id"]
    assert patch(text) == 230001
    assert patch("om_none") == 230001


@pytest.mark.parametrize(
    ("content", "more", "code"),
    [
        ("{", {}, 230001),
        ({"nothing": 1}, {}, 230099),
        ({"elements": ["x" * 31_000]}, {}, 230025),
        ({"text": ""}, {"kind": "text"}, 230001),
        ({"text": "hi"}, {"kind": "carrier pigeon"}, 230001),
        (card(), {"to": "nobody"}, 230001),
        (card(), {"to": ""}, 99992402),
    ],
)
def test_what_cannot_be_sent(
    feishu: Running, wire: Wire, content: Any, more: dict[str, Any], code: int
) -> None:
    said = send(wire, content, **more)
    assert (said.status, said.code) == (400, code)
    assert feishu.messages() == []


def test_without_a_receive_id_type_the_field_is_named(wire: Wire) -> None:
    said = wire.post(SEND, {})
    assert said.code == 99992402
    assert said.body["error"]["field_violations"][0]["field"] == "receive_id_type"


def test_who_left_gets_nothing(feishu: Running, wire: Wire) -> None:
    feishu.leave("xujia")
    assert send(wire, card(), to="xujia").code == 230013
    feishu.set(has_bot=False)
    assert send(wire, card()).code == 230006


class Hook:
    """A card callback that opens, checks and answers."""

    def __init__(self, feishu: Running, server: HTTPServer) -> None:
        self.crypto = EventCrypto(feishu.encrypt_key)
        self.heard: list[dict[str, Any]] = []
        self.answer: Any = {"toast": {"type": "success", "content": "已同意"}}
        self.status = 200
        server.expect_request("/hooks/feishu").respond_with_handler(self.respond)
        self.url = server.url_for("/hooks/feishu")

    def respond(self, request: Request) -> Response:
        self.crypto.check(
            signature=request.headers["X-Lark-Signature"],
            timestamp=request.headers["X-Lark-Request-Timestamp"],
            nonce=request.headers["X-Lark-Request-Nonce"],
            body=request.get_data(),
        )
        body = json.loads(self.crypto.decrypt(request.get_json()["encrypt"]))
        if body.get("type") == "url_verification":
            return Response(json.dumps({"challenge": body["challenge"]}))
        self.heard.append(body)
        said = self.answer if isinstance(self.answer, str) else json.dumps(self.answer)
        return Response(said, status=self.status)


@pytest.fixture
def hook(feishu: Running, httpserver: HTTPServer) -> Hook:
    hook = Hook(feishu, httpserver)
    assert feishu.set_callback(hook.url) == "success"
    return hook


def test_pressing_a_button(feishu: Running, wire: Wire, hook: Hook) -> None:
    message_id = send(wire, card()).data["message_id"]
    hook.answer["card"] = {"type": "raw", "data": card("已同意")}
    said = feishu.click(message_id, "同意")
    assert said["toast"] == {"type": "success", "content": "已同意"}
    assert feishu.messages("wangkai")[0]["content"]["header"]["title"]["content"] == "已同意"
    (heard,) = hook.heard
    assert (heard["schema"], heard["header"]["event_type"]) == ("2.0", "card.action.trigger")
    assert len(heard["header"]["create_time"]) == 16  # microseconds, here alone
    event = heard["event"]
    assert event["action"] == {"value": {"item": 7, "verdict": "approve"}, "tag": "button"}
    assert event["operator"]["open_id"] == wire.open_id("wangkai")
    assert event["context"]["open_message_id"] == message_id


def test_a_late_change_by_the_token_of_the_click(feishu: Running, wire: Wire, hook: Hook) -> None:
    message_id = send(wire, card()).data["message_id"]
    token = feishu.click(message_id)["token"]
    assert token == hook.heard[0]["event"]["token"]
    path = "/open-apis/interactive/v1/card/update"
    codes = [wire.post(path, {"token": token, "card": card("已同意")}).code for _ in range(3)]
    assert codes == [0, 0, 300040]
    assert wire.post(path, {"token": "c-none", "card": card()}).code == 300030
    assert wire.post(path, {"token": "none", "card": card()}).code == 300020


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        ("sorry", 500, "HTTP 500"),
        ("<html>", 200, "not JSON"),
        ({"toast": {"type": "loud", "content": "x"}}, 200, "toast.type"),
        ({"card": {"type": "drawn", "data": {}}}, 200, "card.type"),
    ],
)
def test_an_answer_that_does_not_fit_changes_nothing(
    feishu: Running, wire: Wire, hook: Hook, answer: Any, status: int, reason: str
) -> None:
    message_id = send(wire, card()).data["message_id"]
    hook.answer, hook.status = answer, status
    with pytest.raises(ControlError, match=reason):
        feishu.click(message_id)
    assert feishu.messages("wangkai")[0]["updates"] == 0


def test_buttons_of_the_newer_cards(feishu: Running, wire: Wire, hook: Hook) -> None:
    newer = {
        "schema": "2.0",
        "header": {"title": {"tag": "plain_text", "content": "待审批"}},
        "body": {
            "elements": [
                {
                    "tag": "button",
                    "text": {"tag": "plain_text", "content": "拒绝"},
                    "behaviors": [{"type": "callback", "value": {"verdict": "reject"}}],
                }
            ]
        },
    }
    message_id = send(wire, newer).data["message_id"]
    feishu.click(message_id, "拒绝")
    assert hook.heard[0]["event"]["action"]["value"] == {"verdict": "reject"}
    with pytest.raises(ControlError):
        feishu.click(message_id, "同意")


def test_five_messages_a_second_to_one_person(feishu: Running, wire: Wire) -> None:
    feishu.set(real_limits=True)
    codes = [send(wire, card()).code for _ in range(7)]
    assert codes == [0] * 5 + [230020] * 2
    assert send(wire, card(), to="sunhui").code == 0
