"""The operator's screen: health, what stopped, and sending it again."""

from __future__ import annotations

import pytest

from viatica.front.tests.conftest import AT, House, text_of
from viatica.spine import outbox
from viatica.spine.models import Connection, Fact, OutboxMessage


@pytest.fixture
def dingtalk(house: House) -> Connection:
    return Connection.objects.create(
        slug="dingtalk", kind="toy", name="演示钉钉", uses=["approval", "messages"]
    )


def park(connection: Connection, lane: str = "expense_report:1") -> OutboxMessage:
    message_id = outbox.put(
        kind="approval.submit", lane=lane, payload={"case": 7}, at=AT, connection_id=connection.pk
    )
    OutboxMessage.objects.filter(pk=message_id).update(
        state="parked", reason="应用没有权限", hint="在开放平台打开权限", attempts=3
    )
    return OutboxMessage.objects.get(pk=message_id)


def test_one_health_word(house: House, dingtalk: Connection) -> None:
    browser = house.client("administrator")
    assert "正常" in text_of(browser.get("/connections"))
    park(dingtalk)
    assert "需处理" in text_of(browser.get("/connections"))
    assert "1 条停住" in text_of(browser.get("/connections"))


def test_a_stopped_message_shows_why_and_goes_out_again(house: House, dingtalk: Connection) -> None:
    message, browser = park(dingtalk), house.client("administrator")
    page = text_of(browser.get("/connections/dingtalk"))
    for words in ("approval.submit", "应用没有权限", "在开放平台打开权限", "&quot;case&quot;: 7"):
        assert words in page
    browser.post("/connections/dingtalk/replay", {"once": "a", "what": "one", "message": f"out:{message.pk}"})
    message.refresh_from_db()
    assert message.state == "waiting"
    assert (
        Fact.objects.filter(fact="message.replayed", actor=house.viewer("administrator").actor).count() == 1
    )
    again = browser.post(
        "/connections/dingtalk/replay",
        {"once": "b", "what": "one", "message": f"out:{message.pk}"},
        follow=True,
    )
    assert str(message.pk) in text_of(again)
    assert Fact.objects.filter(fact="message.replayed").count() == 1


def test_all_again_and_giving_up(house: House, dingtalk: Connection) -> None:
    messages = [park(dingtalk, f"expense_report:{n}") for n in range(3)]
    browser = house.client("administrator")
    browser.post(
        "/connections/dingtalk/replay",
        {"once": "a", "what": "drop", "message": f"out:{messages[0].pk}", "reason": "单据已作废"},
    )
    browser.post("/connections/dingtalk/replay", {"once": "b", "what": "all"})
    states = list(OutboxMessage.objects.order_by("pk").values_list("state", "reason"))
    assert states[0] == ("dropped", "单据已作废")
    assert [state for state, _reason in states[1:]] == ["waiting", "waiting"]
