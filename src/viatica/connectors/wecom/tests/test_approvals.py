"""Every approval call against the simulator, on good days and bad ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import translation

from simulators.wecom.testing import Running, running
from viatica.connectors.errors import FormDoesNotFit, FormNotMapped, FormRefused
from viatica.connectors.testing import form, ref
from viatica.connectors.wecom.approvals import WeComApproval
from viatica.connectors.wecom.errors import (
    ApprovalsOff,
    CannotComment,
    CannotWithdraw,
    MayNotApprove,
    TooManyForms,
    WrongCorp,
    WrongSecret,
)
from viatica.connectors.wecom.tests.conftest import connection_to, order
from viatica.connectors.wecom.translate import table_rows
from viatica.kernel import clock
from viatica.kernel.errors import OutsideUnavailable, OutsideUnknown
from viatica.kernel.money import Money
from viatica.offices.approval.ports import (
    ApproverGroup,
    CaseStatus,
    GroupMode,
    InstanceId,
    Line,
    OutsidePerson,
    TaskResult,
    TaskState,
    TaskStatus,
)
from viatica.offices.company.categories import Category
from viatica.spine.models import Connection

APPLY_PATH = "/cgi-bin/oa/applyevent"
DETAIL_PATH = "/cgi-bin/oa/getapprovaldetail"
LIST_PATH = "/cgi-bin/oa/getapprovalinfo"
APPLY, DETAIL, LIST, TOKEN = (
    f"POST {APPLY_PATH}",
    f"POST {DETAIL_PATH}",
    f"POST {LIST_PATH}",
    "GET /cgi-bin/gettoken",
)


@pytest.fixture
def port(connection: Connection) -> WeComApproval:
    return WeComApproval(connection)


def shown(tasks: Any) -> list[tuple[str, TaskStatus, TaskResult, str]]:
    return [(task.userid, task.status, task.result, task.comment) for task in tasks]


def looked(port: WeComApproval, sent: Any, instance_id: InstanceId) -> Any:
    state = port.look(ref(sent, instance_id))
    assert state is not None
    return state


OPEN = (TaskStatus.OPEN, TaskResult.NONE, "")


def test_what_it_can_is_said(connection: Connection, port: WeComApproval) -> None:
    assert (port.can.withdraw, port.can.comment, port.can.may_be_undone, port.can.list_window_days) == (
        False,
        False,
        True,
        31,
    )
    assert (port.can.given_approvers, port.can.cc) == (False, False)
    connection.settings["forms"]["expense_report"]["flow"] = "ours"
    assert WeComApproval(connection).can.given_approvers


def test_a_report_arrives_with_every_field(port: WeComApproval, wecom: Running) -> None:
    sent = order()
    state = looked(port, sent, port.submit(sent))
    assert (state.status, state.number, state.finished_at) == (CaseStatus.RUNNING, sent.number, None)
    fields = dict(state.fields)
    table = table_rows(fields.pop("费用明细"))
    assert fields == {
        "单号": "BX202611-000123",
        "申请人": "张三",
        "事由": "上海客户拜访",
        "金额（元）": "1280.50",
        "起止时间": "2026-11-02T00:00+08:00 ~ 2026-11-05T12:00+08:00",
        "附件": "",
        "关联出差申请": "",
        "详情链接": "https://viatica.example.com/reports/BX202611-000123",
    }
    assert table == [
        {"费用类型": "市内交通", "日期": "2026-11-02", "金额（元）": "10.10", "说明": f"第 {no} 段"}
        for no in (1, 2)
    ]
    (there,) = wecom.instances()
    assert there["summary"] == ["张三 报销 上海客户拜访", "¥1,280.50", "BX202611-000123"]
    assert there["values"]["起止时间"]["date_range"]["new_duration"] == 4 * 86400


def test_their_flow_asks_the_manager_then_finance(port: WeComApproval, wecom: Running) -> None:
    sent = order(
        approvers=(ApproverGroup(GroupMode.NONE, ("xujia",)),), cc=("hetao",)
    )  # nobody asks for ours
    instance_id = port.submit(sent)
    assert shown(looked(port, sent, instance_id).tasks) == [("wangkai", *OPEN)]
    wecom.decide(instance_id, remark="同意")
    assert shown(looked(port, sent, instance_id).tasks) == [
        ("wangkai", TaskStatus.DECIDED, TaskResult.APPROVED, "同意"),
        ("sunhui", *OPEN),
    ]
    wecom.decide(instance_id)
    state = looked(port, sent, instance_id)
    assert (state.status, state.finished_at) == (CaseStatus.APPROVED, state.tasks[1].at)
    assert state.finished_at is not None


def test_our_approvers_are_asked_one_group_after_the_other(connection: Connection, wecom: Running) -> None:
    connection.settings["forms"]["expense_report"]["flow"] = "ours"
    port = WeComApproval(connection)
    groups = (
        ApproverGroup(GroupMode.NONE, ("lisiyuan",)),
        ApproverGroup(GroupMode.OR, ("sunhui", "qianwei")),
        ApproverGroup(GroupMode.AND, ("hetao", "xujia")),
    )
    sent = order(approvers=groups, cc=("zhaomin", "zhaomin"))
    instance_id = port.submit(sent)
    wecom.decide(instance_id)
    assert shown(looked(port, sent, instance_id).tasks) == [
        ("lisiyuan", TaskStatus.DECIDED, TaskResult.APPROVED, ""),
        ("sunhui", *OPEN),
        ("qianwei", *OPEN),
    ]
    wecom.decide(instance_id, userid="qianwei")
    wecom.decide(instance_id, userid="xujia")
    assert shown(looked(port, sent, instance_id).tasks)[1:] == [
        ("sunhui", TaskStatus.CANCELLED, TaskResult.NONE, ""),
        ("qianwei", TaskStatus.DECIDED, TaskResult.APPROVED, ""),
        ("hetao", *OPEN),
        ("xujia", TaskStatus.DECIDED, TaskResult.APPROVED, ""),
    ]
    assert wecom.instance(instance_id)["cc"] == ["zhaomin"]


def test_a_refusal_and_a_withdrawal_read_back(port: WeComApproval, wecom: Running) -> None:
    sent = [order(f"BX-{no}") for no in range(2)]
    ids = [port.submit(one) for one in sent]
    wecom.decide(ids[0], "reject", remark="发票抬头不对")
    wecom.withdraw(ids[1])
    states = [looked(port, one, instance_id) for one, instance_id in zip(sent, ids, strict=True)]
    assert [state.status for state in states] == [CaseStatus.REJECTED, CaseStatus.WITHDRAWN]
    assert shown(states[0].tasks) == [("wangkai", TaskStatus.DECIDED, TaskResult.REJECTED, "发票抬头不对")]
    assert shown(states[1].tasks) == [("wangkai", TaskStatus.CANCELLED, TaskResult.NONE, "")]


def test_withdrawn_after_approval_deleted_and_paid_read_back(port: WeComApproval, wecom: Running) -> None:
    sent = [order(f"BX-{no}") for no in range(3)]
    ids = [port.submit(one) for one in sent]
    for instance_id in ids[:2]:
        wecom.decide(instance_id)
        wecom.decide(instance_id)
    wecom.withdraw(ids[0])
    wecom.pay(ids[1])
    wecom.delete(ids[2])
    statuses = [looked(port, one, no).status for one, no in zip(sent, ids, strict=True)]
    assert statuses == [CaseStatus.WITHDRAWN, CaseStatus.APPROVED, CaseStatus.GONE]
    assert [found and found.is_undone for found in map(port.form, ids)] == [True, False, False]


def test_a_task_handed_over_reads_back_as_two(port: WeComApproval, wecom: Running) -> None:
    sent = order()
    instance_id = port.submit(sent)
    wecom.hand_over(instance_id, "linxiao", remark="请林晓看")
    assert shown(looked(port, sent, instance_id).tasks) == [
        ("wangkai", TaskStatus.DECIDED, TaskResult.HANDED_OVER, "请林晓看"),
        ("linxiao", *OPEN),
    ]


def test_added_signers_and_sending_back_keep_what_each_task_is_called(
    port: WeComApproval, wecom: Running
) -> None:
    sent = order()
    instance_id = port.submit(sent)
    wecom.add_signer(instance_id, "linxiao", after=False)
    ids = [(task.task_id, task.status) for task in looked(port, sent, instance_id).tasks]
    assert ids == [("linxiao#1", TaskStatus.OPEN)]
    wecom.decide(instance_id)  # 林晓, before 王凯
    wecom.add_signer(instance_id, "xujia", after=True)  # 王凯 agrees, and 徐佳 is asked
    wecom.send_back(instance_id, 1, remark="请再看")  # 徐佳, back to 王凯
    tasks: list[TaskState] = looked(port, sent, instance_id).tasks
    assert [(task.task_id, task.status, task.result) for task in tasks] == [
        ("linxiao#1", TaskStatus.DECIDED, TaskResult.APPROVED),
        ("wangkai#1", TaskStatus.DECIDED, TaskResult.APPROVED),
        ("xujia#1", TaskStatus.CANCELLED, TaskResult.NONE),
        ("wangkai#2", TaskStatus.OPEN, TaskResult.NONE),
    ]


# What a form takes


def test_rare_characters_and_emoji_pass(port: WeComApproval) -> None:
    text = "𠮷野家 👩🏽‍💻 \t“quoted”\n第二行 ﷽"
    sent = order(form=form(reason=text))
    assert looked(port, sent, port.submit(sent)).fields["事由"] == text


def test_control_characters_and_line_breaks_are_left_out_where_they_would_be_refused(
    port: WeComApproval,
) -> None:
    line = Line({"category": "住宿", "day": "2026-11-02", "amount": "1", "note": "第一行\r\n第二行\x00\x1f"})
    sent = order(form=replace(form(reason="a\x00b"), lines=(line,)))
    fields = looked(port, sent, port.submit(sent)).fields
    assert (fields["事由"], table_rows(fields["费用明细"])[0]["说明"]) == ("ab", "第一行 第二行")


def test_text_over_the_length_is_cut_where_a_link_tells_the_rest(
    connection: Connection, wecom: Running
) -> None:
    port = WeComApproval(connection)
    sent = order(form=form(reason="𠮷" * 2000))
    said = looked(port, sent, port.submit(sent)).fields["事由"]
    assert said == "𠮷" * 999 + "…"  # 2000 units of UTF-16, none cut in half
    del connection.settings["forms"]["expense_report"]["fields"]["url"]
    with pytest.raises(FormDoesNotFit, match=r"reason.*4000 > 2000"):
        WeComApproval(connection).submit(order("BX-2", form=form(reason="𠮷" * 2000)))
    assert len(wecom.instances()) == 1


def test_a_number_is_never_cut(port: WeComApproval, wecom: Running) -> None:
    with pytest.raises(FormDoesNotFit, match="number"):
        port.submit(order("B" * 501))
    assert APPLY not in wecom.calls()


def test_money_of_another_currency_never_reads_as_yuan(connection: Connection, wecom: Running) -> None:
    dollars = order(form=replace(form(), amount=Money("1280.50", "USD")))
    with pytest.raises(FormDoesNotFit, match="currency"):
        WeComApproval(connection).submit(dollars)
    assert APPLY not in wecom.calls()
    fields = connection.settings["forms"]["expense_report"]["fields"]
    fields["currency"] = {**fields["number"], "id": wecom.control_id("expense", "详情链接")}
    del fields["url"]
    port = WeComApproval(connection)
    assert looked(port, dollars, port.submit(dollars)).fields["详情链接"] == "USD"
    assert wecom.instances()[0]["summary"][1] == "USD 1,280.50"


def test_a_trip_goes_into_its_own_template(port: WeComApproval, wecom: Running) -> None:
    legs = (Line({"city": "上海", "start": "2026-11-02", "end": "2026-11-05", "note": "北京"}),)
    sent = order("CC-1", kind="travel_request", form=replace(form(), lines=legs))
    fields = looked(port, sent, port.submit(sent)).fields
    assert table_rows(fields["行程"]) == [
        {"城市": "上海", "开始日期": "2026-11-02", "结束日期": "2026-11-05", "说明": "北京"}
    ]
    assert (fields["预计金额（元）"], wecom.instances()[0]["title"]) == ("1280.50", "出差申请")


def test_a_form_without_lines_leaves_the_table_out(port: WeComApproval) -> None:
    sent = order(form=form(lines=0))
    assert looked(port, sent, port.submit(sent)).fields["费用明细"] == ""


def test_many_lines_come_through_and_too_many_are_refused_naming_the_control(port: WeComApproval) -> None:
    sent = order(form=form(lines=200))
    assert len(table_rows(looked(port, sent, port.submit(sent)).fields["费用明细"])) == 200
    with pytest.raises(FormRefused, match="费用明细"):
        port.submit(order("BX-2", form=form(lines=201)))


def test_every_category_of_ours_in_both_languages_finds_its_option(port: WeComApproval) -> None:
    for language in ("zh-hans", "en"):
        with translation.override(language):
            labels = [str(category.label) for category in Category]
        lines = tuple(Line({"category": label, "day": "2026-11-02", "amount": "1"}) for label in labels)
        sent = order(f"BX-{language}", form=replace(form(), lines=lines))
        rows = table_rows(looked(port, sent, port.submit(sent)).fields["费用明细"])
        with translation.override("zh-hans"):
            expected = [str(category.label) for category in Category]
        assert [row["费用类型"] for row in rows] == expected


def test_a_category_nobody_mapped_is_refused_before_calling(port: WeComApproval, wecom: Running) -> None:
    with pytest.raises(FormDoesNotFit, match="category"):
        port.submit(order(form=form(category="宠物")))
    assert APPLY not in wecom.calls()


# The lost answer


def test_a_lost_answer_is_found_by_our_number(port: WeComApproval, wecom: Running) -> None:
    others = [port.submit(order(f"BX-{no}")) for no in range(3)]
    port.submit(order("CC-1", kind="travel_request", form=form(lines=0)))
    port.submit(order("BX-9", applicant=OutsidePerson("linxiao", "林晓")))
    sent = order("BX-lost")
    wecom.fault("lost_answer", APPLY_PATH, method="POST", times=1)
    with pytest.raises(OutsideUnknown):
        port.submit(sent)
    before = wecom.calls()
    found = port.look(ref(sent))
    assert found is not None and found.number == "BX-lost" and found.instance_id not in others
    after = wecom.calls()
    # One search by window, template and applicant; then each form it names, until ours is among them.
    assert (after[LIST] - before.get(LIST, 0), after[DETAIL] - before.get(DETAIL, 0)) == (1, 4)


def test_a_number_never_sent_is_not_found(port: WeComApproval) -> None:
    port.submit(order("BX-1"))
    assert port.look(ref(order("BX-2"))) is None


def test_the_search_goes_on_past_pages_that_hold_nothing(port: WeComApproval, wecom: Running) -> None:
    """Only a missing cursor ends it: 101 forms are two pages, and filters leave pages empty."""
    for no in range(101):
        port.submit(order(f"BX-{no}", form=form(lines=0)))
    late = order("BX-late", applicant=OutsidePerson("linxiao", "林晓"), form=form(lines=0))
    port.submit(late)
    assert port.look(ref(late)) is not None
    now = clock.now()
    assert len(list(port.list_since(now - timedelta(hours=1), now + timedelta(seconds=5)))) == 102
    assert wecom.calls()[LIST] >= 4


def test_somebody_who_has_left_is_searched_without_their_name(port: WeComApproval, wecom: Running) -> None:
    sent = order("BX-left")
    instance_id = port.submit(sent)
    wecom.leave("zhangsan")
    found = port.look(ref(sent))
    assert found is not None and found.instance_id == instance_id


def test_a_case_opened_long_ago_is_searched_in_windows_of_31_days(
    port: WeComApproval, wecom: Running
) -> None:
    sent = order("BX-old", opened_at=clock.now() - timedelta(days=70))
    port.submit(sent)
    found = port.look(ref(sent))
    assert found is not None and found.number == "BX-old"
    assert wecom.calls()[LIST] == 3


@pytest.mark.parametrize(
    ("harm", "more", "error"),
    [
        ("server_error", {}, OutsideUnknown),
        ("server_error", {"status": 502}, OutsideUnknown),
        ("server_error", {"status": 301057}, OutsideUnknown),
        ("html_page", {}, OutsideUnknown),
        ("lost_answer", {}, OutsideUnknown),
        ("hang_up", {}, OutsideUnknown),
        ("rate_limit", {}, OutsideUnavailable),
        ("server_error", {"status": 45033}, OutsideUnavailable),
    ],
)
def test_a_create_that_went_wrong_says_whether_it_may_have_worked(
    port: WeComApproval, wecom: Running, harm: str, more: dict[str, int], error: type[Exception]
) -> None:
    wecom.fault(harm, APPLY_PATH, method="POST", times=1, **more)
    with pytest.raises(error) as caught:
        port.submit(order())
    assert type(caught.value) is error


@pytest.mark.parametrize("harm", ["server_error", "html_page", "lost_answer", "hang_up", "rate_limit"])
def test_a_look_that_went_wrong_is_worth_another(port: WeComApproval, wecom: Running, harm: str) -> None:
    sent = order()
    instance_id = port.submit(sent)
    wecom.fault(harm, DETAIL_PATH, method="POST", times=1)
    with pytest.raises(OutsideUnavailable):
        port.look(ref(sent, instance_id))
    assert port.look(ref(sent, instance_id)) is not None


def test_a_rate_limit_is_waited_out_a_whole_window(port: WeComApproval, wecom: Running) -> None:
    wecom.fault("rate_limit", APPLY_PATH, times=1)
    with pytest.raises(OutsideUnavailable) as caught:
        port.submit(order())
    assert caught.value.retry_after == 60.0


@pytest.mark.parametrize("forget", [False, True])
def test_an_expired_token_is_replaced_once(port: WeComApproval, wecom: Running, forget: bool) -> None:
    port.submit(order("BX-1"))
    wecom.expire_tokens(forget=forget)
    assert port.submit(order("BX-2"))
    assert wecom.calls()[TOKEN] == 2


def test_a_form_wecom_does_not_know_is_gone_unless_its_list_tells_of_it(
    port: WeComApproval, wecom: Running
) -> None:
    sent = order()
    instance_id = port.submit(sent)
    gone = looked(port, sent, InstanceId("209901010001"))
    assert (gone.status, gone.number) == (CaseStatus.GONE, None)
    wecom.fault("server_error", DETAIL_PATH, times=1, status=301025)
    with pytest.raises(OutsideUnavailable):
        port.look(ref(sent, instance_id))


# Refusals with their remedies


def test_wrong_secret_and_wrong_corp_are_told_apart(wecom: Running, forms: dict[str, Any]) -> None:
    connection = connection_to(wecom, forms)
    connection.seal(connection.secrets() | {"secret": "wrong-secret-entirely"})
    with pytest.raises(WrongSecret, match="40001") as caught:
        WeComApproval(connection).submit(order())
    assert "wrong-secret-entirely" not in str(caught.value)
    with pytest.raises(WrongCorp, match="40013"):
        WeComApproval(connection_to(wecom, forms, corp_id="ww0000000000000000")).submit(order())
    assert APPLY not in wecom.calls()


def test_an_app_that_may_not_approve_and_approvals_switched_off(port: WeComApproval, wecom: Running) -> None:
    wecom.set(may_approve=False)
    with pytest.raises(MayNotApprove, match="301055"):
        port.submit(order())
    wecom.set(may_approve=True, approval_is_enabled=False)
    with pytest.raises(ApprovalsOff, match="301056"):
        port.submit(order())
    assert wecom.instances() == []


def test_somebody_outside_the_visible_range_cannot_apply(port: WeComApproval, wecom: Running) -> None:
    wecom.set(visible_departments=[30])
    with pytest.raises(MayNotApprove, match="visible range"):
        port.submit(order())


def test_an_approver_unknown_there_is_refused(connection: Connection, wecom: Running) -> None:
    connection.settings["forms"]["expense_report"]["flow"] = "ours"
    with pytest.raises(FormRefused, match="nobody"):
        WeComApproval(connection).submit(order(approvers=(ApproverGroup(GroupMode.NONE, ("nobody",)),)))
    assert wecom.instances() == []


def test_a_template_changed_under_us_is_refused_naming_the_control(forms: dict[str, Any]) -> None:
    with running() as wecom:
        port = WeComApproval(connection_to(wecom, forms))
        wecom.control("PUT", "/templates/expense", {"drop": ["关联出差申请"]})
        assert port.submit(order("BX-1"))  # what we do not fill does not matter
        gone = wecom.control_id("expense", "事由")
        wecom.control("PUT", "/templates/expense", {"drop": ["事由"]})
        with pytest.raises(FormRefused, match=gone):
            port.submit(order("BX-2"))
        assert len(wecom.instances()) == 1


def test_kinds_without_a_mapping_and_mappings_without_a_number(
    connection: Connection, port: WeComApproval
) -> None:
    with pytest.raises(FormNotMapped, match="template_id"):
        port.submit(order(kind="cash_advance"))
    del connection.settings["forms"]["expense_report"]["fields"]["number"]
    with pytest.raises(FormNotMapped, match="number"):
        WeComApproval(connection)


# What WeCom does not offer


def test_only_the_applicant_withdraws_and_only_there(port: WeComApproval, wecom: Running) -> None:
    sent = order()
    instance_id = port.submit(sent)
    with pytest.raises(CannotWithdraw):
        port.withdraw(ref(sent, instance_id), "行程取消")
    assert wecom.instance(instance_id)["status"] == "RUNNING"
    wecom.withdraw(instance_id)
    port.withdraw(ref(sent, instance_id), "行程取消")
    with pytest.raises(CannotComment):
        port.comment(ref(sent, instance_id), "补充了发票")


# Listing


def test_listing_serves_every_template_once(port: WeComApproval, connection: Connection) -> None:
    connection.settings["forms"]["paper"] = connection.settings["forms"]["expense_report"]
    expected = {port.submit(order(f"BX-{no}")) for no in range(3)}
    expected.add(port.submit(order("CC-1", kind="travel_request", form=form(lines=0))))
    now = clock.now()
    found = list(WeComApproval(connection).list_since(now - timedelta(hours=1), now + timedelta(seconds=5)))
    assert (set(found), len(found)) == (expected, 4)
    assert list(port.list_since(now - timedelta(days=20), now - timedelta(days=19))) == []


def test_a_window_with_too_many_forms_is_halved_until_it_fits(port: WeComApproval, wecom: Running) -> None:
    expected = {port.submit(order(f"BX-{no}")) for no in range(4)}
    now = clock.now()
    wecom.fault("server_error", LIST_PATH, times=2, status=301112)
    listed = list(port.list_since(now - timedelta(hours=1), now + timedelta(hours=1)))
    assert (set(listed), len(listed)) == (expected, 4)
    wecom.set(most_in_window=2)  # all four came within a minute
    with pytest.raises(TooManyForms):
        list(port.list_since(now - timedelta(hours=1), now + timedelta(hours=1)))


def test_a_page_that_failed_while_listing_is_not_taken_for_the_end(
    port: WeComApproval, wecom: Running
) -> None:
    port.submit(order())
    now = clock.now()
    wecom.fault("html_page", LIST_PATH, times=1)
    with pytest.raises(OutsideUnavailable):
        list(port.list_since(now - timedelta(hours=1), now + timedelta(seconds=5)))
