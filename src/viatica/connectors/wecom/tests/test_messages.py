"""Notices as template cards: how they arrive, change once, and are held back rather than lost."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from simulators.wecom.testing import Running
from viatica.connectors.errors import AddressNotListed, CannotBeReached, CardTooOld
from viatica.connectors.wecom import cards
from viatica.connectors.wecom.errors import MessageLimit
from viatica.connectors.wecom.messages import WeComMessages
from viatica.connectors.wecom.pace import Pace
from viatica.connectors.wecom.tests.conftest import connection_to
from viatica.kernel.errors import OutsideUnavailable
from viatica.offices.notices.ports import Card, Recipient, Status, Tone
from viatica.spine.models import Connection

SEND = "/cgi-bin/message/send"
TO = Recipient("wangkai", "王凯")
URL = "https://viatica.example.com/reports/1"
CARD = Card("BX-1 等你审批", Status("审批中"), "11-24 14:00", URL, rows=(("金额", "¥1,280.50"),))


@pytest.fixture
def port(connection: Connection) -> WeComMessages:
    return WeComMessages(connection)


def test_a_card_arrives_with_its_state_and_opens_the_paper(port: WeComMessages, wecom: Running) -> None:
    code = port.send_card(TO, CARD)
    (there,) = wecom.messages("wangkai")
    body = there["body"]
    assert (body["card_type"], body["main_title"]) == (
        "button_interaction",
        {"title": "BX-1 等你审批", "desc": "11-24 14:00"},
    )
    assert body["horizontal_content_list"] == [
        {"keyname": "状态", "value": "审批中"},
        {"keyname": "金额", "value": "¥1,280.50"},
    ]
    assert body["button_list"] == [{"type": 1, "text": "查看详情", "url": URL}]
    assert (body["card_action"], bool(code)) == ({"type": 1, "url": URL}, True)


def test_a_card_shows_its_new_state_once(port: WeComMessages, wecom: Running) -> None:
    code = port.send_card(TO, CARD)
    approved = replace(CARD, status=Status("已通过", Tone.GOOD))
    port.update_card(code, approved)
    (there,) = wecom.messages("wangkai")
    shown = there["replaced"]["wangkai"]
    assert (shown["card_type"], shown["source"]["desc_color"]) == ("text_notice", cards.GREEN)
    assert shown["horizontal_content_list"][0] == {"keyname": "状态", "value": "已通过"}
    with pytest.raises(CardTooOld):
        port.update_card(code, replace(CARD, status=Status("已付款", Tone.GOOD)))
    assert wecom.messages("wangkai")[0]["replaced"]["wangkai"] == shown


def test_a_code_older_than_72_hours_changes_nothing(port: WeComMessages, wecom: Running) -> None:
    wecom.set(response_code_ttl_s=0)
    code = port.send_card(TO, CARD)
    with pytest.raises(CardTooOld):
        port.update_card(code, CARD)
    assert wecom.messages("wangkai")[0]["replaced"] == {}


def test_what_is_wrong_with_the_app_is_not_taken_for_an_old_card(port: WeComMessages, wecom: Running) -> None:
    code = port.send_card(TO, CARD)
    wecom.set(trusted_ip=False)
    with pytest.raises(AddressNotListed):
        port.update_card(code, CARD)
    wecom.set(trusted_ip=True)
    port.update_card(code, CARD)  # the code was not lost


@pytest.mark.parametrize("userid", ["nobody", "Nobody"])
def test_somebody_unknown_cannot_be_reached(port: WeComMessages, wecom: Running, userid: str) -> None:
    with pytest.raises(CannotBeReached):
        port.send_card(Recipient(userid, "无名"), CARD)
    assert wecom.messages() == []


def test_somebody_named_in_vain_is_not_a_success(
    wecom: Running, forms: dict[str, Any], httpserver: HTTPServer
) -> None:
    """`invaliduser` comes with errcode 0, and in lower case."""
    httpserver.expect_request("/cgi-bin/gettoken").respond_with_json({"errcode": 0, "access_token": "t"})
    httpserver.expect_request(SEND).respond_with_json({"errcode": 0, "invaliduser": "wangkai", "msgid": "m"})
    port = WeComMessages(connection_to(wecom, forms, base_url=httpserver.url_for("")))
    with pytest.raises(CannotBeReached, match="WangKai"):
        port.send_card(Recipient("WangKai", "王凯"), CARD)


def test_a_repetition_is_the_same_message_and_another_notice_is_not(
    wecom: Running, forms: dict[str, Any], httpserver: HTTPServer
) -> None:
    asked: list[Any] = []

    def take(request: Request) -> Response:
        asked.append(json.loads(request.data))
        return Response(json.dumps({"errcode": 0, "msgid": "m", "response_code": "c"}))

    httpserver.expect_request("/cgi-bin/gettoken").respond_with_json({"errcode": 0, "access_token": "t"})
    httpserver.expect_request(SEND).respond_with_handler(take)
    port = WeComMessages(connection_to(wecom, forms, base_url=httpserver.url_for("")))
    for card in (CARD, CARD, replace(CARD, stamp="11-24 14:01")):
        assert port.send_card(TO, card) == "c"
    assert asked[0] == asked[1] != asked[2]
    assert (asked[0]["enable_duplicate_check"], asked[0]["duplicate_check_interval"]) == (1, 1800)
    ids = [one["template_card"]["task_id"] for one in asked]
    assert len(set(ids)) == 2 and all(one.isascii() and len(one) <= 128 for one in ids)


def test_a_card_that_went_out_when_its_answer_was_lost_is_no_fault(
    wecom: Running, forms: dict[str, Any], httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/cgi-bin/gettoken").respond_with_json({"errcode": 0, "access_token": "t"})
    httpserver.expect_request(SEND).respond_with_json(
        {"errcode": 42014, "errmsg": "taskid has existed or empty or exceed max len"}
    )
    assert (
        WeComMessages(connection_to(wecom, forms, base_url=httpserver.url_for(""))).send_card(TO, CARD) == ""
    )


def test_without_a_callback_address_cards_have_no_button(wecom: Running, forms: dict[str, Any]) -> None:
    connection = connection_to(wecom, forms)
    connection.seal({"secret": wecom.secret})
    assert WeComMessages(connection).send_card(TO, CARD) == ""
    body = wecom.messages("wangkai")[0]["body"]
    assert (body["card_type"], body["card_action"]["url"], "button_list" in body) == (
        "text_notice",
        URL,
        False,
    )


def test_every_length_stays_below_what_the_client_cuts(port: WeComMessages, wecom: Running) -> None:
    long = replace(
        CARD,
        title="𠮷" * 500,
        stamp="很" * 100,
        sender="某" * 100,
        rows=tuple((f"第{no}个很长的名字", "值" * 100 + "\n") for no in range(9)),
    )
    port.send_card(TO, long)
    body = wecom.messages("wangkai")[0]["body"]
    lengths = (
        (body["main_title"]["title"], 36),
        (body["main_title"]["desc"], 44),
        (body["sub_title_text"], 160),
        *((row["keyname"], 5) for row in body["horizontal_content_list"]),
        *((row["value"], 30) for row in body["horizontal_content_list"]),
    )
    assert [len(text.encode("utf-16-le")) // 2 <= most for text, most in lengths] == [True] * len(lengths)
    assert len(body["horizontal_content_list"]) == 6
    assert body["sub_title_text"] == "𠮷" * 79 + "…"


@pytest.mark.parametrize("harm", ["server_error", "html_page", "hang_up", "rate_limit"])
def test_a_sending_that_went_wrong_is_worth_another(port: WeComMessages, wecom: Running, harm: str) -> None:
    wecom.fault(harm, SEND, times=1)
    with pytest.raises(OutsideUnavailable):
        port.send_card(TO, CARD)
    assert port.send_card(TO, CARD)
    assert len(wecom.messages("wangkai")) == 1


# What is over the limit is dropped over there without a word


def test_messages_are_held_back_before_wecom_drops_them(connection: Connection, wecom: Running) -> None:
    wecom.set(per_member_per_minute=12)
    connection.settings["messages_a_minute"] = 12
    port = WeComMessages(connection)
    for no in range(12):
        port.send_card(TO, replace(CARD, stamp=str(no)))
    with pytest.raises(MessageLimit) as caught:
        port.send_card(TO, replace(CARD, stamp="late"))
    assert caught.value.retry_after is not None and 55 < caught.value.retry_after <= 60
    assert len(wecom.messages("wangkai")) == 12 and wecom.calls()[f"POST {SEND}"] == 12
    port.send_card(Recipient("sunhui", "孙慧"), CARD)  # nobody else waits


def test_the_pace_is_kept_by_the_minute_and_by_the_hour() -> None:
    now = [0.0]
    pace = Pace(clock=lambda: now[0])

    def step() -> float:
        """Seconds to wait; 0 when it went."""
        try:
            pace.step(("k",), a_minute=2, an_hour=3)
        except MessageLimit as limit:
            return limit.retry_after or 0.0
        return 0.0

    assert [step(), step(), step()] == [0.0, 0.0, 60.0]
    now[0] = 60.0
    assert [step(), step()] == [0.0, 3540.0]
    now[0] = 3600.0
    assert step() == 0.0


def test_the_pace_forgets_whom_it_has_not_seen_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("viatica.connectors.wecom.pace.MOST_PEOPLE", 2)
    pace = Pace()
    for who in "abca":
        pace.step((who,), a_minute=1, an_hour=1)  # “a” is new again: it was forgotten for “c”
    with pytest.raises(MessageLimit):
        pace.step(("c",), a_minute=1, an_hour=1)
