"""Every approval call against the simulator, on good days and bad ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import translation

from simulators.feishu.testing import Running
from viatica.connectors import registry
from viatica.connectors.errors import (
    AlreadyEnded,
    FormClosed,
    FormDoesNotFit,
    FormNotMapped,
    FormRefused,
    NoSuchInstance,
    PersonUnknown,
    QuotaUsedUp,
    ScopeMissing,
)
from viatica.connectors.feishu.approvals import FeishuApproval
from viatica.connectors.feishu.doctor import check
from viatica.connectors.feishu.errors import NotWithdrawnYet, NumberTaken
from viatica.connectors.feishu.forms import FeishuForms
from viatica.connectors.feishu.tests.conftest import connection_to, order
from viatica.connectors.feishu.translate import table_rows
from viatica.connectors.testing import form, ref
from viatica.kernel import clock
from viatica.kernel.errors import OutsideRefused, OutsideUnavailable, OutsideUnknown
from viatica.offices.approval.ports import (
    ApproverGroup,
    CaseStatus,
    GroupMode,
    InstanceId,
    OutsidePerson,
    TaskResult,
    TaskStatus,
)
from viatica.offices.company.categories import Category
from viatica.spine.models import Connection

CREATE_PATH = "/open-apis/approval/v4/instances"
CREATE = f"POST {CREATE_PATH}"
LIST = f"GET {CREATE_PATH}"
LOOK_PATH = "/open-apis/approval/v4/instances/{instance_id}"
CANCEL = "POST /open-apis/approval/v4/instances/cancel"


@pytest.fixture
def port(connection: Connection) -> FeishuApproval:
    return FeishuApproval(connection)


def test_a_report_arrives_with_every_field(port: FeishuApproval, feishu: Running) -> None:
    sent = order()
    state = port.look(ref(sent, port.submit(sent)))
    assert state is not None
    assert (state.status, state.number, state.finished_at) == (CaseStatus.RUNNING, sent.number, None)
    fields = dict(state.fields)
    table = table_rows(fields.pop("费用明细"))
    assert fields == {
        "单号": "BX202611-000123",
        "申请人": "zhangsan",
        "事由": "上海客户拜访",
        "金额": "1280.5",
        "起止时间": "2026-11-02T00:00:00+08:00 ~ 2026-11-05T00:00:00+08:00",
        "详情链接": "https://viatica.example.com/reports/BX202611-000123",
    }
    assert table == [
        {"费用类型": "市内交通", "日期": "2026-11-02T00:00:00+08:00", "金额": "10.1", "说明": f"第 {no} 段"}
        for no in (1, 2)
    ]


def test_their_flow_asks_the_manager_then_finance(port: FeishuApproval, feishu: Running) -> None:
    sent = order(approvers=(ApproverGroup(GroupMode.NONE, ("xujia",)),))  # nobody asks for ours
    instance_id = port.submit(sent)
    feishu.decide(instance_id, "approve", comment="同意")
    state = port.look(ref(sent, instance_id))
    assert state is not None
    assert [(task.userid, task.status, task.result, task.comment) for task in state.tasks] == [
        ("wangkai", TaskStatus.DECIDED, TaskResult.APPROVED, "同意"),
        ("sunhui", TaskStatus.OPEN, TaskResult.NONE, ""),
    ]


def test_rare_characters_and_emoji_pass(port: FeishuApproval) -> None:
    text = "𠮷野家 👩🏽‍💻 \t“quoted”\n第二行 ﷽"
    sent = order(form=form(reason=text))
    state = port.look(ref(sent, port.submit(sent)))
    assert state and state.fields["事由"] == text


def test_every_category_of_ours_in_both_languages_finds_its_option(port: FeishuApproval) -> None:
    for category in Category:
        told = []
        for language in ("zh-hans", "en"):
            with translation.override(language):
                label = str(category.label)
            sent = order(f"BX-{category}-{language}", form=form(lines=1, category=label))
            state = port.look(ref(sent, port.submit(sent)))
            assert state is not None
            told.append(table_rows(state.fields["费用明细"])[0]["费用类型"])
        with translation.override("zh-hans"):
            assert told == [str(category.label)] * 2


def test_a_category_nobody_mapped_is_refused_before_calling(port: FeishuApproval, feishu: Running) -> None:
    with pytest.raises(FormDoesNotFit, match="category"):
        port.submit(order(form=form(category="宠物")))
    assert CREATE not in feishu.calls()


def test_a_refusal_and_a_withdrawal_read_back(port: FeishuApproval, feishu: Running) -> None:
    sent = [order(f"BX-{no}") for no in range(2)]
    ids = [port.submit(one) for one in sent]
    feishu.decide(ids[0], "reject", comment="发票抬头不对")
    feishu.withdraw(ids[1])
    states = [port.look(ref(one, instance_id)) for one, instance_id in zip(sent, ids, strict=True)]
    assert [state and state.status for state in states] == [CaseStatus.REJECTED, CaseStatus.WITHDRAWN]
    assert states[0] and [task.comment for task in states[0].tasks] == ["发票抬头不对"]


def test_a_task_handed_over_reads_back_as_two(port: FeishuApproval, feishu: Running) -> None:
    sent = order()
    instance_id = port.submit(sent)
    feishu.hand_over(instance_id, "linxiao", comment="请林晓看")
    state = port.look(ref(sent, instance_id))
    assert state is not None
    assert [(task.userid, task.status, task.result, task.comment) for task in state.tasks] == [
        ("wangkai", TaskStatus.DECIDED, TaskResult.HANDED_OVER, "请林晓看"),
        ("linxiao", TaskStatus.OPEN, TaskResult.NONE, ""),
    ]


def test_an_instance_that_is_gone_reads_as_gone(port: FeishuApproval) -> None:
    state = port.look(ref(order(), InstanceId("81D31358-93AF-92D6-7425-01A5D67C4E71")))
    assert state and state.status is CaseStatus.GONE


# The lost answer


def test_a_lost_answer_is_found_by_our_number_in_one_call(port: FeishuApproval, feishu: Running) -> None:
    sent = order("BX-lost")
    feishu.fault("lost_answer", CREATE_PATH, method="POST", times=1)
    with pytest.raises(OutsideUnknown):
        port.submit(sent)
    before = sum(feishu.calls().values())
    found = port.look(ref(sent))
    assert found is not None and found.number == "BX-lost"
    assert sum(feishu.calls().values()) == before + 1


def test_creating_again_gives_the_instance_that_is_there(port: FeishuApproval, feishu: Running) -> None:
    sent = order("BX-again")
    first = port.submit(sent)
    assert port.submit(sent) == first
    assert len(feishu.instances()) == 1


def test_a_number_somebody_else_used_is_refused(port: FeishuApproval, feishu: Running) -> None:
    port.submit(order("BX-1", applicant=OutsidePerson("linxiao", "林晓")))
    with pytest.raises(NumberTaken):
        port.submit(order("BX-1"))
    with pytest.raises(NumberTaken):
        port.submit(order("BX-1", kind="travel_request", applicant=OutsidePerson("linxiao", "林晓")))
    assert len(feishu.instances()) == 1


def test_a_number_never_sent_is_not_found(port: FeishuApproval) -> None:
    port.submit(order("BX-1"))
    assert port.look(ref(order("BX-2"))) is None


@pytest.mark.parametrize(
    ("harm", "more", "error"),
    [
        ("server_error", {}, OutsideUnknown),
        ("server_error", {"status": 502}, OutsideUnknown),
        ("html_page", {}, OutsideUnknown),
        ("lost_answer", {}, OutsideUnknown),
        ("hang_up", {}, OutsideUnknown),
        ("rate_limit", {}, OutsideUnavailable),
    ],
)
def test_a_create_that_went_wrong_says_whether_it_may_have_worked(
    port: FeishuApproval, feishu: Running, harm: str, more: dict[str, int], error: type[Exception]
) -> None:
    feishu.fault(harm, CREATE_PATH, method="POST", times=1, **more)
    with pytest.raises(error) as caught:
        port.submit(order())
    assert type(caught.value) is error
    port.submit(order())  # safe, whatever had happened
    assert len(feishu.instances()) == 1


@pytest.mark.parametrize("harm", ["server_error", "html_page", "lost_answer", "hang_up", "rate_limit"])
def test_a_look_that_went_wrong_is_worth_another(port: FeishuApproval, feishu: Running, harm: str) -> None:
    sent = order()
    instance_id = port.submit(sent)
    feishu.fault(harm, LOOK_PATH, method="GET", times=1)
    with pytest.raises(OutsideUnavailable):
        port.look(ref(sent, instance_id))
    assert port.look(ref(sent, instance_id)) is not None


def test_a_rate_limit_says_when_to_come_again(port: FeishuApproval, feishu: Running) -> None:
    feishu.set(ratelimit_reset_s=7)
    feishu.fault("rate_limit", CREATE_PATH, times=1)
    with pytest.raises(OutsideUnavailable) as caught:
        port.submit(order())
    assert caught.value.retry_after == 7.0


def test_an_expired_token_is_replaced_once(port: FeishuApproval, feishu: Running) -> None:
    port.submit(order("BX-1"))
    feishu.expire_tokens()
    assert port.submit(order("BX-2"))
    assert feishu.calls()["POST /open-apis/auth/v3/tenant_access_token/internal"] == 2


# Refusals with their remedies


def test_wrong_credentials_are_refused_with_feishus_words(feishu: Running, forms: dict[str, Any]) -> None:
    connection = connection_to(feishu, forms)
    connection.seal(connection.secrets() | {"app_secret": "wrong-secret-entirely"})
    with pytest.raises(OutsideRefused, match=r"10014|10015|10003") as caught:
        FeishuApproval(connection).submit(order())
    assert "wrong-secret-entirely" not in str(caught.value)
    assert CREATE not in feishu.calls()


def test_the_monthly_quota_is_not_knocked_at_again_soon(port: FeishuApproval, feishu: Running) -> None:
    feishu.set(monthly_quota=0)
    with pytest.raises(QuotaUsedUp) as caught:
        port.submit(order())
    assert caught.value.retry_after == 6 * 3600


def test_a_permission_that_is_missing_is_named(port: FeishuApproval, feishu: Running) -> None:
    feishu.set(missing_scopes=["approval:approval", "approval:approval:readonly", "approval:instance"])
    with pytest.raises(ScopeMissing, match="approval:approval"):
        port.submit(order())


def test_a_widget_the_form_lacks_is_refused_naming_it(feishu: Running, forms: dict[str, Any]) -> None:
    connection = connection_to(feishu, forms)
    connection.settings["forms"]["expense_report"]["fields"]["reason"]["id"] = "widget-gone"
    with pytest.raises(FormRefused, match="widget-gone"):
        FeishuApproval(connection).submit(order())
    assert feishu.instances() == []


def test_an_approval_nobody_published_is_refused(feishu: Running, forms: dict[str, Any]) -> None:
    connection = connection_to(feishu, forms)
    connection.settings["forms"]["expense_report"]["approval_code"] = "NO-SUCH"
    with pytest.raises(FormClosed, match="1390002"):
        FeishuApproval(connection).submit(order())


@pytest.fixture
def switched_off(feishu: Running) -> Iterator[None]:
    """The reports' approval was switched off over there."""
    path = f"/templates/{feishu.approval_codes['expense']}"
    feishu.control("PUT", path, {"status": "INACTIVE"})
    yield
    feishu.control("PUT", path, {"status": "ACTIVE"})


@pytest.mark.usefixtures("switched_off")
def test_an_approval_switched_off_is_refused_and_doctor_says_so(connection: Connection) -> None:
    with pytest.raises(FormClosed, match="1390015"):
        FeishuApproval(connection).submit(order())
    found = [(one.name, dict(one.params)) for one in check(connection) if not one.ok]
    assert found == [("form.expense_report", {"name": "差旅报销"})]


def test_a_kind_without_a_mapping_is_refused_before_calling(port: FeishuApproval, feishu: Running) -> None:
    with pytest.raises(FormNotMapped):
        port.submit(order(kind="cash_advance"))
    assert CREATE not in feishu.calls()


def test_someone_who_left_cannot_apply(port: FeishuApproval, feishu: Running) -> None:
    feishu.leave("zhangsan")
    with pytest.raises((PersonUnknown, FormRefused), match=r"1390004|no such user"):
        port.submit(order())
    assert feishu.instances() == []


# Withdrawing


def test_withdrawing_ends_it_and_twice_is_once(port: FeishuApproval, feishu: Running) -> None:
    sent = order()
    instance_id = port.submit(sent)
    port.withdraw(ref(sent, instance_id), "行程取消")
    port.withdraw(ref(sent, instance_id), "行程取消")
    assert feishu.instance(instance_id)["status"] == "CANCELED"
    assert feishu.calls()[CANCEL] == 1


@pytest.mark.parametrize(("verdict", "status"), [("approve", "APPROVED"), ("reject", "REJECTED")])
def test_withdrawing_after_the_end_is_refused_and_undoes_nothing(
    port: FeishuApproval, feishu: Running, verdict: str, status: str
) -> None:
    sent = order()
    instance_id = port.submit(sent)
    feishu.decide(instance_id, verdict)
    if verdict == "approve":
        feishu.decide(instance_id, verdict)
    with pytest.raises(AlreadyEnded):
        port.withdraw(ref(sent, instance_id), "晚了")
    assert feishu.instance(instance_id)["status"] == status
    assert CANCEL not in feishu.calls()


def test_an_approval_that_came_between_is_undone_and_withdrawn(
    port: FeishuApproval, feishu: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = order()
    instance_id = port.submit(sent)
    cancel: Callable[..., None] = port.client.cancel

    def approved_first(*args: Any, **more: Any) -> None:
        monkeypatch.setattr(port.client, "cancel", cancel)
        feishu.decide(instance_id, "approve")
        feishu.decide(instance_id, "approve")
        cancel(*args, **more)

    monkeypatch.setattr(port.client, "cancel", approved_first)
    with pytest.raises(NotWithdrawnYet) as caught:
        port.withdraw(ref(sent, instance_id), "行程取消")
    assert caught.value.retry_after == 1.0
    port.withdraw(ref(sent, instance_id), "行程取消")  # as the relay does a second later
    assert feishu.instance(instance_id)["status"] == "CANCELED"


def test_withdrawing_a_case_whose_answer_was_lost_finds_it(port: FeishuApproval, feishu: Running) -> None:
    sent = order()
    instance_id = port.submit(sent)
    port.withdraw(ref(sent), "行程取消")
    assert feishu.instance(instance_id)["status"] == "CANCELED"
    with pytest.raises(NoSuchInstance):
        port.withdraw(ref(order("BX-never")), "")


def test_a_comment_is_seen_there(port: FeishuApproval, feishu: Running) -> None:
    sent = order()
    instance_id = port.submit(sent)
    port.comment(ref(sent, instance_id), "补充了发票")
    comments = feishu.instance(instance_id)["comments"]
    assert [(one["user_id"], one["text"]) for one in comments] == [("zhangsan", "补充了发票")]
    with pytest.raises(NoSuchInstance):
        port.comment(ref(order("BX-never")), "x")


# Listing


def test_listing_pages_through_every_approval_in_windows_of_ten_hours(
    port: FeishuApproval, feishu: Running
) -> None:
    expected = {port.submit(order(f"BX-{no}")) for no in range(101)}
    expected.add(port.submit(order("CC-1", kind="travel_request", form=form(lines=0))))
    now = clock.now()
    assert set(port.list_since(now - timedelta(hours=25), now + timedelta(seconds=5))) == expected
    # Three windows for two approvals, the newest one of reports on two pages.
    assert feishu.calls()[LIST] == 7
    assert list(port.list_since(now - timedelta(days=20), now - timedelta(days=19))) == []


def test_a_page_that_failed_while_listing_is_not_taken_for_the_end(
    port: FeishuApproval, feishu: Running
) -> None:
    expected = [port.submit(order(f"BX-{no}")) for no in range(101)]
    now = clock.now()
    listing = port.list_since(now - timedelta(hours=1), now + timedelta(seconds=5))
    found = [next(listing)]
    feishu.fault("html_page", CREATE_PATH, method="GET", times=1)
    with pytest.raises(OutsideUnavailable):
        found.extend(listing)
    assert found == expected[:100]


# Steps at which the applicant chooses


@pytest.fixture
def chosen_steps(feishu: Running) -> Iterator[None]:
    """The trips' approval asks the applicant twice whom it shall ask."""
    path = f"/templates/{feishu.approval_codes['travel']}"
    before = feishu.control("PUT", path, {})["flow"]
    flow = [
        {"kind": "self_select", "name": "主管", "custom_node_id": "first"},
        {"kind": "self_select", "name": "财务", "mode": "OR", "custom_node_id": "second"},
    ]
    feishu.control("PUT", path, {"flow": flow})
    yield
    feishu.control("PUT", path, {"flow": before})


@pytest.mark.usefixtures("chosen_steps")
def test_steps_at_which_the_applicant_chooses_are_filled_by_our_groups(
    feishu: Running, forms: dict[str, Any]
) -> None:
    connection = connection_to(feishu, forms)
    code = feishu.approval_codes["travel"]
    suggested = registry.suggest(connection, {"travel_request": code})["travel_request"]
    connection.settings["forms"]["travel_request"] = suggested | {"cc_node": "START"}
    port = FeishuApproval(connection)
    assert (port.can.given_approvers, port.can.cc) == (True, True)
    groups = (
        ApproverGroup(GroupMode.NONE, ("lisiyuan",)),
        ApproverGroup(GroupMode.OR, ("sunhui", "qianwei")),
    )
    sent = order(kind="travel_request", form=form(lines=0), approvers=groups, cc=("hetao", "hetao"))
    instance_id = port.submit(sent)
    feishu.decide(instance_id, "approve")
    state = port.look(ref(sent, instance_id))
    assert state is not None
    assert [(task.userid, task.status) for task in state.tasks] == [
        ("lisiyuan", TaskStatus.DECIDED),
        ("sunhui", TaskStatus.OPEN),
        ("qianwei", TaskStatus.OPEN),
    ]
    records = feishu.instance(instance_id)["records"]
    assert [one["others"] for one in records if one["kind"] == "CC"] == [["hetao"]]


@pytest.mark.usefixtures("chosen_steps")
def test_doctor_names_the_steps_nothing_of_ours_fills(connection: Connection) -> None:
    found = [dict(one.params) for one in check(connection) if not one.ok]
    assert found == [{"node": "主管"}, {"node": "财务"}]


@pytest.mark.usefixtures("chosen_steps")
def test_a_step_may_be_mapped_by_either_of_its_keys(connection: Connection, feishu: Running) -> None:
    steps = FeishuForms(connection).template(feishu.approval_codes["travel"]).chosen
    assert [step.key for step in steps] == ["first", "second"]
    nodes = [steps[0].key, steps[1].other_key]
    connection.settings["forms"]["travel_request"]["approver_nodes"] = nodes
    assert [one for one in check(connection) if not one.ok] == []


def test_without_such_steps_the_flow_is_theirs(port: FeishuApproval) -> None:
    assert (port.can.given_approvers, port.can.cc) == (False, False)
