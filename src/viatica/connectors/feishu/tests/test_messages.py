"""Interactive cards against the simulator."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from simulators.feishu.testing import Running
from viatica.connectors.errors import CannotBeReached
from viatica.connectors.feishu.messages import FeishuMessages, card_content
from viatica.kernel.errors import OutsideRefused, OutsideUnavailable
from viatica.offices.notices.ports import Card, Recipient, Status, Tone
from viatica.spine.models import Connection

CARD = Card(
    title="你的报销单 BX202611-000123 已通过，等待财务审核",
    status=Status("已通过", Tone.GOOD),
    stamp="11月24日 14:05",
    url="https://viatica.example.com/reports/BX202611-000123",
    rows=(("金额", "1280.50 CNY"),),
)
TO = Recipient("zhangsan", "张三")
SEND = "/open-apis/im/v1/messages"


def shown(feishu: Running, userid: str = "zhangsan") -> list[dict[str, Any]]:
    """The cards this person has, newest first."""
    return [one["content"] for one in feishu.messages(userid)]


def texts(card: dict[str, Any]) -> list[str]:
    return [one["text"]["content"] for one in card["elements"] if one["tag"] == "div"]


def test_a_card_arrives_with_its_state(connection: Connection, feishu: Running) -> None:
    message_id = FeishuMessages(connection).send_card(TO, CARD)
    assert message_id.startswith("om_")
    assert shown(feishu) == [
        {
            "config": {"update_multi": True},
            "header": {"title": {"tag": "plain_text", "content": CARD.title}, "template": "green"},
            "elements": [
                {"tag": "div", "text": {"tag": "plain_text", "content": "已通过"}},
                {"tag": "div", "text": {"tag": "plain_text", "content": "金额：1280.50 CNY"}},
                {
                    "tag": "action",
                    "actions": [
                        {
                            "tag": "button",
                            "text": {"tag": "plain_text", "content": "查看详情"},
                            "type": "primary",
                            "url": CARD.url,
                        }
                    ],
                },
                {"tag": "div", "text": {"tag": "plain_text", "content": "11月24日 14:05"}},
            ],
        }
    ]


def test_a_card_shows_its_new_state_and_keeps_its_words(connection: Connection, feishu: Running) -> None:
    port = FeishuMessages(connection)
    message_id = port.send_card(TO, CARD)
    port.update_card(message_id, replace(CARD, status=Status("已付款", Tone.NEUTRAL)))
    (card,) = shown(feishu)
    assert (card["header"]["title"]["content"], card["header"]["template"]) == (CARD.title, "blue")
    assert texts(card) == ["已付款", "金额：1280.50 CNY", "11月24日 14:05"]


def test_a_repetition_is_swallowed_and_another_notice_is_not(connection: Connection, feishu: Running) -> None:
    port = FeishuMessages(connection)
    feishu.fault("lost_answer", SEND, times=1)
    with pytest.raises(OutsideUnavailable):
        port.send_card(TO, CARD)
    first = port.send_card(TO, CARD)
    assert len(shown(feishu)) == 1
    assert port.send_card(TO, CARD) == first
    port.send_card(TO, replace(CARD, stamp="11月24日 16:05"))
    port.send_card(Recipient("wangkai", "王凯"), CARD)
    assert (len(shown(feishu)), len(shown(feishu, "wangkai"))) == (2, 1)


def test_words_of_people_are_never_markdown() -> None:
    card = json.loads(
        card_content(replace(CARD, title="<at id=all></at> **x**", rows=(("事由", "[x](http://e)"),)))
    )
    assert {one["text"]["tag"] for one in card["elements"] if one["tag"] == "div"} == {"plain_text"}
    assert card["header"]["title"] == {"tag": "plain_text", "content": "<at id=all></at> **x**"}


def test_a_card_never_exceeds_thirty_kilobytes() -> None:
    rows = tuple((f"字段{no}", "值" * 2000) for no in range(9))
    for title in ("短", "长" * 900, "👩🏽‍💻" * 4000, '"' * 30000):
        content = card_content(replace(CARD, title=title, rows=rows))
        assert len(content.encode()) <= 30 * 1024
        said = json.loads(content)["header"]["title"]["content"]
        assert said == title or (len(said) == 400 and said.endswith("…"))
    assert len(texts(json.loads(card_content(replace(CARD, rows=rows))))) == 6


def test_a_card_whose_link_alone_is_too_long_is_refused() -> None:
    with pytest.raises(OutsideRefused):
        card_content(replace(CARD, url="https://x/" + "a" * 31_000))


@pytest.mark.parametrize("harm", ["server_error", "html_page", "rate_limit", "hang_up"])
def test_a_card_that_went_wrong_is_worth_another_try(
    connection: Connection, feishu: Running, harm: str
) -> None:
    feishu.fault(harm, SEND, times=1)
    port = FeishuMessages(connection)
    with pytest.raises(OutsideUnavailable):
        port.send_card(TO, CARD)
    assert port.send_card(TO, CARD)
    assert len(shown(feishu)) == 1


def test_an_app_without_a_bot_and_a_leaver_are_told_apart_from_a_pause(
    connection: Connection, feishu: Running
) -> None:
    port = FeishuMessages(connection)
    feishu.leave("xujia")
    with pytest.raises(CannotBeReached, match="230013"):
        port.send_card(Recipient("xujia", "徐佳"), CARD)
    feishu.set(has_bot=False)
    with pytest.raises(CannotBeReached, match="230006"):
        port.send_card(TO, CARD)
    assert shown(feishu) == []
