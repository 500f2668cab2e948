"""Work notifications and to-dos against the simulator."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from simulators.dingtalk.testing import Running
from viatica.connectors.dingtalk.messages import DingTalkMessages, DingTalkTodo, NoUnionId, card_message
from viatica.connectors.dingtalk.tests.conftest import connection_to
from viatica.kernel.errors import OutsideRefused, OutsideUnavailable
from viatica.offices.notices.ports import Card, Recipient, Status, Todo, Tone
from viatica.spine.models import Connection

CARD = Card(
    title="你的报销单 BX202611-000123 已通过，等待财务审核",
    status=Status("已通过", Tone.GOOD),
    stamp="11月24日 14:05",
    url="https://viatica.example.com/reports/BX202611-000123",
    rows=(("金额", "1280.50 CNY"),),
)
SEND = "/topapi/message/corpconversation/asyncsend_v2"


def recipient(dingtalk: Running, userid: str = "zhangsan") -> Recipient:
    (unionid,) = (one["unionid"] for one in dingtalk.facts["users"] if one["userid"] == userid)
    return Recipient(userid, "张三", unionid)


def test_a_card_arrives_with_its_state(connection: Connection, dingtalk: Running) -> None:
    message_id = DingTalkMessages(connection).send_card(recipient(dingtalk), CARD)
    (sent,) = dingtalk.notifications("zhangsan")
    assert str(sent["task_id"]) == message_id
    assert sent["msg"] == {
        "msgtype": "oa",
        "oa": {
            "message_url": CARD.url,
            "pc_message_url": CARD.url,
            "head": {"bgcolor": "FF0F766E", "text": "行资 Viatica"},
            "status_bar": {"status_value": "已通过", "status_bg": "0xFF2E8B57"},
            "body": {
                "title": CARD.title,
                "form": [{"key": "金额：", "value": "1280.50 CNY"}],
                "author": "11月24日 14:05",
            },
        },
    }


def test_a_card_shows_its_new_state(connection: Connection, dingtalk: Running) -> None:
    port = DingTalkMessages(connection)
    message_id = port.send_card(recipient(dingtalk), CARD)
    port.update_card(message_id, replace(CARD, status=Status("已付款", Tone.GOOD)))
    (sent,) = dingtalk.notifications("zhangsan")
    assert (sent["status_value"], sent["status_bg"]) == ("已付款", "0xFF2E8B57")


def test_a_repetition_is_swallowed_and_another_notice_is_not(
    connection: Connection, dingtalk: Running
) -> None:
    port = DingTalkMessages(connection)
    dingtalk.fault("lost_answer", SEND, times=1)
    with pytest.raises(OutsideUnavailable):
        port.send_card(recipient(dingtalk), CARD)
    port.send_card(recipient(dingtalk), CARD)
    assert len(dingtalk.notifications("zhangsan")) == 1
    port.send_card(recipient(dingtalk), Card(CARD.title, CARD.status, "11月24日 16:05", CARD.url, CARD.rows))
    assert len(dingtalk.notifications("zhangsan")) == 2


def test_a_card_never_exceeds_two_kilobytes() -> None:
    rows = tuple((f"字段{no}", "值" * 100) for no in range(9))
    for title in ("短", "长" * 300, "👩🏽‍💻" * 400, '"' * 3000):
        message = card_message(Card(title, CARD.status, CARD.stamp, CARD.url, rows))
        assert len(json.dumps(message, ensure_ascii=False).encode()) <= 2048
        body = message["oa"]["body"]
        assert body["title"] == title or (body["form"] == [] and body["title"].endswith("…"))
    assert len(card_message(Card("短", CARD.status, CARD.stamp, CARD.url, rows))["oa"]["body"]["form"]) == 5


def test_a_card_whose_link_alone_is_too_long_is_refused() -> None:
    with pytest.raises(OutsideRefused):
        card_message(Card("x", CARD.status, CARD.stamp, "https://x/" + "a" * 3000))


@pytest.mark.parametrize("harm", ["server_error", "html_page", "rate_limit", "hang_up"])
def test_a_card_that_went_wrong_is_worth_another_try(
    connection: Connection, dingtalk: Running, harm: str
) -> None:
    dingtalk.fault(harm, SEND, times=1)
    port = DingTalkMessages(connection)
    with pytest.raises(OutsideUnavailable):
        port.send_card(recipient(dingtalk), CARD)
    assert port.send_card(recipient(dingtalk), CARD)
    assert len(dingtalk.notifications("zhangsan")) == 1


def test_an_expired_token_wrapped_by_the_older_gateway_is_replaced(
    connection: Connection, dingtalk: Running
) -> None:
    port = DingTalkMessages(connection)
    port.send_card(recipient(dingtalk), CARD)
    dingtalk.expire_tokens()
    message_id = str(dingtalk.notifications("zhangsan")[0]["task_id"])
    port.update_card(message_id, replace(CARD, status=Status("已付款")))
    assert dingtalk.calls()["GET /gettoken"] == 2


def test_a_wrong_agent_is_refused(dingtalk: Running) -> None:
    connection = connection_to(dingtalk)
    connection.seal(connection.secrets() | {"agent_id": 1})
    with pytest.raises(OutsideRefused, match="33001"):
        DingTalkMessages(connection).send_card(recipient(dingtalk), CARD)
    assert dingtalk.notifications("zhangsan") == []


TODO = Todo(key="viatica-item-7", subject="审批 张三 报销 1280.50", url="https://viatica.example.com/cases/7")


def test_a_todo_is_put_changed_and_finished(connection: Connection, dingtalk: Running) -> None:
    port = DingTalkTodo(connection)
    to = recipient(dingtalk, "lisiyuan")
    first = port.put(to, TODO)
    assert port.put(to, Todo(TODO.key, "催办：审批 张三 报销", TODO.url)) == first
    (shown,) = dingtalk.todos("lisiyuan")
    assert (shown["id"], shown["subject"], shown["done"]) == (first, "催办：审批 张三 报销", False)
    assert shown["detailUrl"] == {"appUrl": TODO.url, "pcUrl": TODO.url}
    port.finish(to, TODO.key)
    port.finish(to, TODO.key)
    (shown,) = dingtalk.todos("lisiyuan")
    assert shown["done"] is True
    assert dingtalk.calls()["PUT /v1.0/todo/users/{union_id}/tasks/{task_id}"] == 2


def test_a_todo_whose_answer_was_lost_is_there_once(connection: Connection, dingtalk: Running) -> None:
    port = DingTalkTodo(connection)
    to = recipient(dingtalk, "lisiyuan")
    dingtalk.fault("lost_answer", "/v1.0/todo/users/{union_id}/tasks", times=1)
    with pytest.raises(OutsideUnavailable):
        port.put(to, TODO)
    port.put(to, TODO)
    assert [one["sourceId"] for one in dingtalk.todos("lisiyuan")] == ["viatica-item-7"]


def test_a_todo_is_removed_and_what_is_not_there_is_left(connection: Connection, dingtalk: Running) -> None:
    port = DingTalkTodo(connection)
    to = recipient(dingtalk, "lisiyuan")
    port.put(to, TODO)
    port.remove(to, TODO.key)
    port.remove(to, TODO.key)
    port.finish(to, TODO.key)
    assert dingtalk.todos("lisiyuan") == []


def test_a_todo_needs_a_unionid(connection: Connection, dingtalk: Running) -> None:
    with pytest.raises(NoUnionId, match="张三"):
        DingTalkTodo(connection).put(Recipient("zhangsan", "张三"), TODO)
    assert dingtalk.todos() == []
