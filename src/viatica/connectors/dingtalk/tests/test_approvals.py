"""Every approval call against the simulator, on good days and bad ones."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from simulators.dingtalk.testing import Running
from viatica.connectors.dingtalk.approvals import DingTalkApproval
from viatica.connectors.dingtalk.errors import TooEarlyToWithdraw
from viatica.connectors.dingtalk.tests.conftest import connection_to, form, order
from viatica.connectors.dingtalk.translate import table_rows
from viatica.connectors.errors import AlreadyEnded, FormNotMapped, NoSuchInstance, QuotaUsedUp
from viatica.connectors.testing import ref
from viatica.kernel import clock
from viatica.kernel.errors import OutsideRefused, OutsideUnavailable, OutsideUnknown
from viatica.offices.approval.ports import (
    ApproverGroup,
    CaseStatus,
    GroupMode,
    InstanceId,
    Line,
    OutsidePerson,
    TaskResult,
    TaskStatus,
)
from viatica.spine.models import Connection

CREATE = "POST /v1.0/workflow/processInstances"
LIST = "POST /v1.0/workflow/processes/instanceIds/query"


@pytest.fixture
def port(connection: Connection) -> DingTalkApproval:
    return DingTalkApproval(connection)


def test_a_report_arrives_with_every_field(port: DingTalkApproval, dingtalk: Running) -> None:
    instance_id = port.submit(order(cc=("sunhui", "sunhui")))
    shown = dingtalk.instance(instance_id)
    assert shown["originator"] == "zhangsan"
    assert [(node["mode"], node["user_ids"]) for node in shown["nodes"]] == [("NONE", ["lisiyuan"])]
    assert shown["cc"] == ["sunhui"]
    values = dict(shown["values"])
    table = json.loads(values.pop("费用明细"))
    assert values == {
        "单号": "BX202611-000123",
        "申请人": '["zhangsan"]',
        "事由": "上海客户拜访",
        "金额（元）": "1280.50",
        '["开始时间","结束时间"]': '["2026-11-02","2026-11-05"]',
        "发票": '["https://viatica.example.com/files/a.png","https://viatica.example.com/files/b.png"]',
        "详情链接": "https://viatica.example.com/reports/BX202611-000123",
    }
    assert table == [
        [
            {"name": "费用类型", "value": "交通"},
            {"name": "日期", "value": "2026-11-02"},
            {"name": "金额（元）", "value": "10.10"},
            {"name": "说明", "value": f"第 {no} 段"},
        ]
        for no in (1, 2)
    ]


def test_the_oas_own_flow_asks_the_department_head(port: DingTalkApproval, dingtalk: Running) -> None:
    instance_id = port.submit(order(approvers=()))
    assert [node["user_ids"] for node in dingtalk.instance(instance_id)["nodes"]] == [["wangkai"], ["sunhui"]]


def test_a_missing_department_is_looked_up_for_the_oas_own_flow(
    port: DingTalkApproval, dingtalk: Running
) -> None:
    applicant = OutsidePerson(userid="zhangsan", name="张三")
    instance_id = port.submit(order(approvers=(), applicant=applicant))
    assert dingtalk.instance(instance_id)["nodes"][0]["user_ids"] == ["wangkai"]


def test_the_root_department_is_minus_one(port: DingTalkApproval, dingtalk: Running) -> None:
    boss = OutsidePerson(userid="zhoumingyuan", name="周明远", dept_id="1")
    instance_id = port.submit(order(applicant=boss))
    assert dingtalk.instance(instance_id)["originator"] == "zhoumingyuan"


def test_groups_of_approvers_keep_their_modes(port: DingTalkApproval, dingtalk: Running) -> None:
    groups = (
        ApproverGroup(GroupMode.AND, ("wangkai", "lisiyuan")),
        ApproverGroup(GroupMode.OR, ("sunhui", "qianwei")),
    )
    shown = dingtalk.instance(port.submit(order(approvers=groups)))
    assert [(node["mode"], node["user_ids"]) for node in shown["nodes"]] == [
        ("AND", ["wangkai", "lisiyuan"]),
        ("OR", ["sunhui", "qianwei"]),
    ]


def test_rare_characters_and_emoji_pass(port: DingTalkApproval, dingtalk: Running) -> None:
    text = "𠮷野家 👩🏽‍💻 \t“quoted”\n第二行 ﷽"
    instance_id = port.submit(order(form=form(reason=text)))
    assert dingtalk.instance(instance_id)["values"]["事由"] == text
    state = port.look(ref(order(), instance_id))
    assert state and state.fields["事由"] == text


def test_what_was_sent_reads_back_the_same(port: DingTalkApproval) -> None:
    sent = order()
    state = port.look(ref(sent, port.submit(sent)))
    assert state is not None
    assert (state.status, state.number, state.finished_at) == (CaseStatus.RUNNING, "BX202611-000123", None)
    assert [(task.userid, task.status, task.result) for task in state.tasks] == [
        ("lisiyuan", TaskStatus.OPEN, TaskResult.NONE)
    ]
    rows = table_rows(state.fields["费用明细"])
    assert rows[1] == {"费用类型": "交通", "日期": "2026-11-02", "金额（元）": "10.10", "说明": "第 2 段"}


def test_an_approval_reads_back_with_its_comment(port: DingTalkApproval, dingtalk: Running) -> None:
    sent = order()
    instance_id = port.submit(sent)
    dingtalk.decide(instance_id, "agree", remark="同意，注意控制费用")
    state = port.look(ref(sent, instance_id))
    assert state is not None and state.status is CaseStatus.APPROVED and state.finished_at is not None
    (task,) = state.tasks
    assert (task.userid, task.status, task.result) == ("lisiyuan", TaskStatus.DECIDED, TaskResult.APPROVED)
    assert task.comment == "同意，注意控制费用"


def test_a_refusal_a_withdrawal_and_a_deletion_read_back(port: DingTalkApproval, dingtalk: Running) -> None:
    sent = [order(f"BX-{no}") for no in range(3)]
    ids = [port.submit(one) for one in sent]
    dingtalk.decide(ids[0], "refuse", remark="发票抬头不对")
    dingtalk.withdraw(ids[1])
    dingtalk.delete(ids[2])
    states = [port.look(ref(one, instance_id)) for one, instance_id in zip(sent, ids, strict=True)]
    assert [state and state.status for state in states] == [
        CaseStatus.REJECTED,
        CaseStatus.WITHDRAWN,
        CaseStatus.GONE,
    ]


def test_a_task_handed_over_reads_back_as_two(port: DingTalkApproval, dingtalk: Running) -> None:
    sent = order()
    instance_id = port.submit(sent)
    dingtalk.hand_over(instance_id, "sunhui", remark="请财务看")
    state = port.look(ref(sent, instance_id))
    assert state is not None
    assert [(task.userid, task.status, task.result) for task in state.tasks] == [
        ("lisiyuan", TaskStatus.DECIDED, TaskResult.HANDED_OVER),
        ("sunhui", TaskStatus.OPEN, TaskResult.NONE),
    ]


def test_a_lost_answer_is_found_by_our_number(port: DingTalkApproval, dingtalk: Running) -> None:
    for no in range(25):  # more than a page of the applicant's other instances
        port.submit(order(f"BX-other-{no}"))
    sent = order("BX-lost")
    dingtalk.fault("lost_answer", "/v1.0/workflow/processInstances", times=1)
    with pytest.raises(OutsideUnknown):
        port.submit(sent)
    found = port.look(ref(sent))
    assert found is not None and found.number == "BX-lost"
    assert dingtalk.instance(found.instance_id)["values"]["单号"] == "BX-lost"
    assert dingtalk.calls()[LIST] == 2


def test_a_number_never_sent_is_not_found(port: DingTalkApproval) -> None:
    port.submit(order("BX-1"))
    assert port.look(ref(order("BX-2"))) is None


def test_only_the_applicants_instances_are_opened_when_looking(
    port: DingTalkApproval, dingtalk: Running
) -> None:
    port.submit(order("BX-1", applicant=OutsidePerson("linxiao", "林晓", dept_id="10")))
    before = dingtalk.calls().get("GET /v1.0/workflow/processInstances", 0)
    assert port.look(ref(order("BX-2"))) is None
    assert dingtalk.calls().get("GET /v1.0/workflow/processInstances", 0) == before


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
    port: DingTalkApproval, dingtalk: Running, harm: str, more: dict[str, int], error: type[Exception]
) -> None:
    dingtalk.fault(harm, "/v1.0/workflow/processInstances", method="POST", times=1, **more)
    with pytest.raises(error) as caught:
        port.submit(order())
    assert type(caught.value) is error
    assert port.submit(order())  # the next try finds everything as it was


@pytest.mark.parametrize("harm", ["server_error", "html_page", "lost_answer", "hang_up", "rate_limit"])
def test_a_look_that_went_wrong_is_worth_another(
    port: DingTalkApproval, dingtalk: Running, harm: str
) -> None:
    sent = order()
    instance_id = port.submit(sent)
    dingtalk.fault(harm, "/v1.0/workflow/processInstances", method="GET", times=1)
    with pytest.raises(OutsideUnavailable):
        port.look(ref(sent, instance_id))
    assert port.look(ref(sent, instance_id)) is not None


def test_a_rate_limit_says_when_to_come_again(port: DingTalkApproval, dingtalk: Running) -> None:
    dingtalk.fault("rate_limit", "/v1.0/workflow/processInstances", times=1)
    with pytest.raises(OutsideUnavailable) as caught:
        port.submit(order())
    assert caught.value.retry_after == 1.0


def test_an_expired_token_is_replaced_once(port: DingTalkApproval, dingtalk: Running) -> None:
    port.submit(order("BX-1"))
    dingtalk.expire_tokens()
    assert port.submit(order("BX-2"))
    assert dingtalk.calls()["POST /v1.0/oauth2/accessToken"] == 2


def test_wrong_credentials_are_refused_with_dingtalks_words(dingtalk: Running) -> None:
    connection = connection_to(dingtalk)
    connection.seal(connection.secrets() | {"app_secret": "wrong-secret-entirely"})
    with pytest.raises(OutsideRefused, match="invalidClientIdOrSecret") as caught:
        DingTalkApproval(connection).submit(order())
    assert "wrong-secret-entirely" not in str(caught.value)
    assert CREATE not in dingtalk.calls()


def test_the_monthly_quota_is_not_knocked_at_again_soon(port: DingTalkApproval, dingtalk: Running) -> None:
    dingtalk.set(monthly_quota=0)
    with pytest.raises(QuotaUsedUp) as caught:
        port.submit(order())
    assert caught.value.retry_after == 6 * 3600
    dingtalk.set(monthly_quota=None)


def test_a_label_the_template_lacks_is_refused_naming_it(dingtalk: Running) -> None:
    connection = connection_to(dingtalk)
    connection.settings["forms"]["expense_report"]["fields"]["reason"] = "报销事由"
    with pytest.raises(OutsideRefused, match="报销事由"):
        DingTalkApproval(connection).submit(order())
    assert dingtalk.instances() == []


def test_a_kind_without_a_mapping_is_refused_before_calling(
    port: DingTalkApproval, dingtalk: Running
) -> None:
    with pytest.raises(FormNotMapped):
        port.submit(order(kind="cash_advance"))
    assert CREATE not in dingtalk.calls()


def test_someone_who_left_cannot_apply(port: DingTalkApproval, dingtalk: Running) -> None:
    with pytest.raises(OutsideRefused, match=r"发起人|nobody"):
        port.submit(order(applicant=OutsidePerson("nobody", "无名", dept_id="11")))


def test_withdrawing_in_the_first_seconds_comes_again_later(
    port: DingTalkApproval, dingtalk: Running
) -> None:
    dingtalk.set(terminate_ban_s=15)
    sent = order()
    instance_id = port.submit(sent)
    with pytest.raises(TooEarlyToWithdraw) as caught:
        port.withdraw(ref(sent, instance_id), "行程取消")
    assert caught.value.retry_after is not None and 12 < caught.value.retry_after <= 15
    assert dingtalk.instance(instance_id)["status"] == "RUNNING"


def test_withdrawing_ends_it_and_twice_is_once(port: DingTalkApproval, dingtalk: Running) -> None:
    sent = order()
    instance_id = port.submit(sent)
    port.withdraw(ref(sent, instance_id), "行程取消")
    port.withdraw(ref(sent, instance_id), "行程取消")
    shown = dingtalk.instance(instance_id)
    assert shown["status"] == "TERMINATED"
    assert [one["remark"] for one in shown["records"] if one["type"] == "TERMINATE_PROCESS_INSTANCE"] == [
        "行程取消"
    ]


def test_withdrawing_after_a_decision_is_refused(port: DingTalkApproval, dingtalk: Running) -> None:
    sent = order()
    instance_id = port.submit(sent)
    dingtalk.decide(instance_id)
    with pytest.raises(AlreadyEnded):
        port.withdraw(ref(sent, instance_id), "晚了")
    assert dingtalk.instance(instance_id)["status"] == "COMPLETED"


def test_withdrawing_a_case_whose_answer_was_lost_finds_it(port: DingTalkApproval, dingtalk: Running) -> None:
    sent = order()
    instance_id = port.submit(sent)
    port.withdraw(ref(sent), "行程取消")
    assert dingtalk.instance(instance_id)["status"] == "TERMINATED"
    with pytest.raises(NoSuchInstance):
        port.withdraw(ref(order("BX-never")), "")


def test_a_comment_is_seen_there(port: DingTalkApproval, dingtalk: Running) -> None:
    sent = order()
    instance_id = port.submit(sent)
    port.comment(ref(sent, instance_id), "补充了发票")
    records = dingtalk.instance(instance_id)["records"]
    assert [(one["userid"], one["remark"]) for one in records if one["type"] == "ADD_REMARK"] == [
        ("zhangsan", "补充了发票")
    ]


def test_listing_pages_through_every_template_in_windows(port: DingTalkApproval, dingtalk: Running) -> None:
    expected = {port.submit(order(f"BX-{no}")) for no in range(21)}
    trip = replace(form(), lines=(Line({"city": "杭州", "start": "2026-12-02", "end": "2026-12-03"}),))
    expected.add(port.submit(order("CC-1", kind="travel_request", form=trip)))
    now = clock.now()
    assert set(port.list_since(now - timedelta(days=200), now + timedelta(seconds=5))) == expected
    # Two windows of 120 days for two templates, the newer one of reports on two pages.
    assert dingtalk.calls()[LIST] == 5
    assert list(port.list_since(now - timedelta(days=20), now - timedelta(days=10))) == []


def test_a_page_that_failed_while_listing_is_not_taken_for_the_end(
    port: DingTalkApproval, dingtalk: Running
) -> None:
    for no in range(21):
        port.submit(order(f"BX-{no}"))
    now = clock.now()
    found: list[InstanceId] = []
    listing = port.list_since(now - timedelta(days=1), now + timedelta(seconds=5))
    found.append(next(listing))
    dingtalk.fault("html_page", "/v1.0/workflow/processes/instanceIds/query", times=1)
    with pytest.raises(OutsideUnavailable):
        found.extend(listing)
