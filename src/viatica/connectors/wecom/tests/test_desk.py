"""Our tasks on people's cards: shown, pressed, and put right whatever happened elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from simulators.wecom.testing import Running
from viatica.connectors.errors import AddressNotListed
from viatica.connectors.testing import AT, form
from viatica.connectors.wecom import cards, events
from viatica.connectors.wecom.desk import Handle, WeComDesk, decisions
from viatica.connectors.wecom.errors import MessageLimit
from viatica.connectors.wecom.tests.conftest import connection_to
from viatica.connectors.wecom.tests.test_signing import REQUESTS
from viatica.kernel.errors import OutsideUnavailable
from viatica.offices.approval.ports import (
    Board,
    BoardStatus,
    DeskDecision,
    DeskStatus,
    DeskTask,
    OutsidePerson,
    Verdict,
)
from viatica.spine.models import Connection

UPDATE = "/cgi-bin/message/update_template_card"
RECALL = "/cgi-bin/message/recall"
SEND = "/cgi-bin/message/send"


def task(key: str = "item-42", userid: str = "wangkai", **changes: Any) -> DeskTask:
    usual = DeskTask(
        key=key,
        version=3,
        person=OutsidePerson(userid, "王凯"),
        status=DeskStatus.OPEN,
        step="主管",
        step_no=1,
        url=f"https://viatica.example.com/approvals/{key}",
        opened_at=AT,
    )
    return replace(usual, **changes)


def board(*tasks: DeskTask, **changes: Any) -> Board:
    usual = Board(
        number="BX202611-000123",
        kind="expense_report",
        title="张三 报销 上海客户拜访",
        applicant=OutsidePerson("zhangsan", "张三"),
        form=form(),
        status=BoardStatus.RUNNING,
        url="https://viatica.example.com/reports/1",
        opened_at=AT,
        changed_at=AT,
        version=1,
        tasks=tasks,
    )
    return replace(usual, **changes)


@pytest.fixture
def desk(connection: Connection) -> WeComDesk:
    return WeComDesk(connection)


def show(desk: WeComDesk, *tasks: DeskTask) -> list[DeskTask]:
    """The tasks with what was kept of each, as the office would hand them in again."""
    handles: dict[str, str] = {}
    for shown in desk.show(board(*tasks)):
        handles |= shown.tasks
    return [replace(one, shown=handles.get(one.key, one.shown)) for one in tasks]


def clicked(wecom: Running, key: str, userid: str = "wangkai", **more: Any) -> DeskDecision:
    """What our door would hear of it."""
    (message,) = wecom.messages(userid)
    event = wecom.click(message["msgid"], userid, key, **more)["event"]
    body = events.tree(event["text"])
    assert body is not None
    (decision,) = decisions(body)
    return decision


@pytest.fixture
def listening(wecom: Running, httpserver: HTTPServer) -> Iterator[None]:
    """Somebody answers the clicks."""
    httpserver.expect_request("/hook").respond_with_data("success")
    assert wecom.set_callback(httpserver.url_for("/hook"), check=False) == "success"
    yield
    wecom.set_callback(None)


def test_each_approver_gets_a_card_and_the_same_board_again_changes_nothing(
    desk: WeComDesk, wecom: Running
) -> None:
    tasks = show(desk, task(), task("item-43", "sunhui", version=1))
    assert [len(wecom.messages(userid)) for userid in ("wangkai", "sunhui", "zhangsan")] == [1, 1, 0]
    body = wecom.messages("wangkai")[0]["body"]
    assert (body["card_type"], body["task_id"]) == ("button_interaction", "item-42@3")
    assert body["main_title"] == {"title": "张三 报销 上海客户拜访", "desc": "张三 · 主管"}
    assert [(row["keyname"], row["value"]) for row in body["horizontal_content_list"]] == [
        ("单号", "BX202611-000123"),
        ("金额", "¥1,280.50"),
        ("事由", "上海客户拜访"),
        ("出差日期", "2026-11-02 ~ 2026-11-05"),
    ]
    assert [(one["text"], one.get("key"), one.get("url")) for one in body["button_list"]] == [
        ("同意", "approve@3", None),
        ("驳回", "reject@3", None),
        ("查看详情", None, "https://viatica.example.com/approvals/item-42"),
    ]
    calls = wecom.calls()
    assert show(desk, *tasks) == tasks
    assert wecom.calls() == calls


def test_a_click_is_a_decision_of_the_version_it_was_shown_at(
    desk: WeComDesk, wecom: Running, listening: None
) -> None:
    (kept,) = show(desk, task())
    decision = clicked(wecom, "approve@3")
    assert (decision.task_key, decision.userid, decision.verdict, decision.version, decision.comment) == (
        "item-42",
        "wangkai",
        Verdict.APPROVE,
        3,
        "",
    )
    # What the click brought changes the card, though the code of the sending is used up.
    code = str(json.loads(kept.shown)["code"])
    desk.client.change_card(code, cards.ended_task(board(), task(status=DeskStatus.WAITING)))
    (closed,) = show(desk, replace(kept, status=DeskStatus.APPROVED, shown=decision.handle))
    assert closed.shown == ""
    shown = wecom.messages("wangkai")[0]["replaced"]["wangkai"]
    assert (shown["source"], shown["horizontal_content_list"][0]) == (
        {"desc": "已同意", "desc_color": cards.GREEN},
        {"keyname": "结果", "value": "已同意"},
    )


@pytest.mark.parametrize(
    ("selected", "comment"),
    [
        ({}, "其他，请与我联系"),
        ({"reason": ["receipts"]}, "票据有误或不全"),
        ({"x": ["receipts"]}, "其他，请与我联系"),
    ],
)
def test_refusing_says_why(
    desk: WeComDesk, wecom: Running, listening: None, selected: dict[str, list[str]], comment: str
) -> None:
    show(desk, task())
    decision = clicked(wecom, "reject@3", selected=selected)
    assert (decision.verdict, decision.comment) == (Verdict.REJECT, comment)


def test_a_task_done_elsewhere_disappears_from_the_card(desk: WeComDesk, wecom: Running) -> None:
    tasks = show(desk, task(), task("item-43", "sunhui"), task("item-44", "qianwei"))
    ended = (DeskStatus.APPROVED, DeskStatus.CANCELLED, DeskStatus.HANDED_OVER)
    after = [replace(one, status=status, comment="同意") for one, status in zip(tasks, ended, strict=True)]
    assert [one.shown for one in show(desk, *after)] == ["", "", ""]
    found = [wecom.messages(userid)[0]["replaced"][userid] for userid in ("wangkai", "sunhui", "qianwei")]
    assert [one["source"]["desc"] for one in found] == ["已同意", "无需处理", "已转交"]
    assert {one["card_type"] for one in found} == {"text_notice"}
    assert found[0]["horizontal_content_list"][1] == {"keyname": "意见", "value": "同意"}
    calls = wecom.calls()
    assert [one.shown for one in show(desk, *(replace(one, shown="") for one in after))] == ["", "", ""]
    assert wecom.calls() == calls  # what was taken away is not shown again


def test_a_task_that_opens_again_gets_a_card_of_its_own(desk: WeComDesk, wecom: Running) -> None:
    """An added signer came first: the card went, and comes back with the task."""
    (kept,) = show(desk, task())
    (waiting,) = show(desk, replace(kept, status=DeskStatus.WAITING, version=4))
    assert waiting.shown == ""
    (again,) = show(desk, replace(waiting, status=DeskStatus.OPEN, version=5))
    assert [one["body"]["task_id"] for one in wecom.messages("wangkai")] == ["item-42@5", "item-42@3"]
    assert Handle.parse(again.shown) is not None


# When the code is used up


def test_without_a_code_a_card_is_recalled_within_the_day(desk: WeComDesk, wecom: Running) -> None:
    wecom.set(response_code_ttl_s=0)
    (kept,) = show(desk, task())
    (closed,) = show(desk, replace(kept, status=DeskStatus.APPROVED))
    assert closed.shown == ""
    assert wecom.messages("wangkai") == []


def test_after_the_day_the_card_waits_for_a_click_which_puts_it_right(
    desk: WeComDesk, wecom: Running, listening: None
) -> None:
    wecom.set(response_code_ttl_s=0)
    (kept,) = show(desk, task())
    wecom.fault("server_error", RECALL, times=1, status=40058)  # older than 24 hours
    (stuck,) = show(desk, replace(kept, status=DeskStatus.APPROVED))
    assert stuck.shown == '{"task_id":"item-42@3"}'
    calls = wecom.calls()
    assert show(desk, stuck) == [stuck]
    assert wecom.calls() == calls  # nothing is tried in vain for ever
    wecom.set(response_code_ttl_s=72 * 3600)
    decision = clicked(wecom, "approve@3")
    (closed,) = show(desk, replace(stuck, shown=decision.handle))
    assert closed.shown == ""
    assert wecom.messages("wangkai")[0]["replaced"]["wangkai"]["source"]["desc"] == "已同意"


def test_a_click_on_a_past_version_renews_the_card(desk: WeComDesk, wecom: Running, listening: None) -> None:
    (kept,) = show(desk, task())
    decision = clicked(wecom, "approve@3")
    (renewed,) = show(desk, replace(kept, version=4, shown=decision.handle))
    shown = wecom.messages("wangkai")[0]["replaced"]["wangkai"]
    assert [one.get("key") for one in shown["button_list"]] == ["approve@4", "reject@4", None]
    assert shown["task_id"] == "item-42@3"
    again = clicked(wecom, "approve@4")
    assert (again.task_key, again.version) == ("item-42", 4)
    assert show(desk, renewed) == [renewed]


def test_a_click_that_was_not_taken_leaves_its_code_for_later(
    desk: WeComDesk, wecom: Running, listening: None
) -> None:
    """Somebody else's turn, say: the buttons are still right."""
    (kept,) = show(desk, task())
    decision = clicked(wecom, "approve@3")
    held = replace(kept, shown=decision.handle)
    calls = wecom.calls()
    assert show(desk, held) == [held] and wecom.calls() == calls
    (closed,) = show(desk, replace(held, status=DeskStatus.CANCELLED))
    assert closed.shown == ""


def test_a_card_whose_sending_had_no_answer_is_not_sent_twice(
    wecom: Running, forms: dict[str, Any], httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/cgi-bin/gettoken").respond_with_json({"errcode": 0, "access_token": "t"})
    httpserver.expect_request(SEND).respond_with_json({"errcode": 42014, "errmsg": "taskid has existed"})
    desk = WeComDesk(connection_to(wecom, forms, base_url=httpserver.url_for("")))
    (kept,) = show(desk, task())
    assert kept.shown == '{"task_id":"item-42@3"}'


# Refusals and bad days


def test_whom_wecom_does_not_reach_is_told_and_the_others_are_served(desk: WeComDesk, wecom: Running) -> None:
    tasks = (task(userid="nobody"), task("item-43", "sunhui"))
    shown = list(desk.show(board(*tasks)))
    assert [dict(one.refused) for one in shown] == [{"item-42": "81013 user & party & tag all invalid"}, {}]
    assert [list(one.tasks) for one in shown] == [[], ["item-43"]]
    assert len(wecom.messages("sunhui")) == 1


def test_handles_are_told_as_they_come_and_kept_though_the_rest_fails(
    desk: WeComDesk, wecom: Running
) -> None:
    showing = desk.show(board(task(), task("item-43", "sunhui")))
    assert list(next(showing).tasks) == ["item-42"]
    wecom.fault("html_page", SEND, times=1)
    with pytest.raises(OutsideUnavailable):
        next(showing)
    assert (len(wecom.messages("wangkai")), len(wecom.messages("sunhui"))) == (1, 0)


def test_an_app_that_is_locked_out_does_not_pass_for_a_code_used_up(desk: WeComDesk, wecom: Running) -> None:
    (kept,) = show(desk, task())
    wecom.set(trusted_ip=False)
    with pytest.raises(AddressNotListed):
        show(desk, replace(kept, status=DeskStatus.APPROVED))
    wecom.set(trusted_ip=True)
    (closed,) = show(desk, replace(kept, status=DeskStatus.APPROVED))
    assert closed.shown == ""


def test_more_tasks_than_a_person_may_be_told_of_wait(connection: Connection, wecom: Running) -> None:
    connection.settings["messages_a_minute"] = 2
    showing = WeComDesk(connection).show(board(*(task(f"item-{no}") for no in range(3))))
    assert [list(next(showing).tasks) for _ in range(2)] == [["item-0"], ["item-1"]]
    with pytest.raises(MessageLimit):
        next(showing)


def test_without_a_callback_address_a_card_only_leads_to_our_page(
    wecom: Running, forms: dict[str, Any]
) -> None:
    connection = connection_to(wecom, forms)
    connection.seal({"secret": wecom.secret})
    desk = WeComDesk(connection)
    assert not desk.can_decide
    (kept,) = show(desk, task())
    body = wecom.messages("wangkai")[0]["body"]
    assert (body["card_type"], body["card_action"]["url"]) == ("text_notice", task().url)
    (closed,) = show(desk, replace(kept, status=DeskStatus.APPROVED))
    assert (closed.shown, wecom.messages("wangkai")) == ("", [])


def test_it_can_decide_and_cannot_be_asked(desk: WeComDesk) -> None:
    assert desk.can_decide
    assert list(desk.differs([board(task())])) == []


# Events


def event(**changes: str) -> dict[str, Any]:
    body = events.tree(REQUESTS["template_card_event"]["plaintext"])
    assert body is not None
    return body | {"eventkey": "approve@7", "taskid": "item-42@7"} | changes


def test_the_vectors_click_is_read() -> None:
    (decision,) = decisions(event())
    assert (decision.task_key, decision.version, decision.userid) == ("item-42", 7, "lisi")
    assert decision.event_id == "template_card_event:RespCode0001"
    assert decision.handle == '{"task_id":"item-42@7","code":"RespCode0001","clicked":7}'


@pytest.mark.parametrize(
    "body",
    [
        event(event="template_card_menu_event"),
        event(eventkey="approve"),
        event(eventkey="more@7"),
        event(eventkey=""),
        event(msgtype="text"),
        {},
        events.tree(REQUESTS["sys_approval_submit"]["plaintext"]),
    ],
)
def test_what_is_no_decision_of_ours_is_none(body: dict[str, Any]) -> None:
    assert decisions(body) == []


@pytest.mark.parametrize(
    "handle",
    [Handle("item-1@1"), Handle("item-1@1", "c", "m"), Handle("item-1@1", "c", clicked=0)],
)
def test_a_handle_is_what_it_was(handle: Handle) -> None:
    assert Handle.parse(str(handle)) == handle
    assert Handle.parse("") is None
