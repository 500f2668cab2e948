"""Golden pairs of `payloads/`, and the limits of a form."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from viatica.connectors.dingtalk import translate
from viatica.connectors.dingtalk.tests.conftest import form, order
from viatica.connectors.errors import FormDoesNotFit, FormNotMapped
from viatica.connectors.testing import Golden, order_of, plain
from viatica.offices.approval.ports import (
    ApproverGroup,
    Attachment,
    CaseForm,
    CaseOrder,
    CaseStatus,
    Field,
    FieldKind,
    GroupMode,
    Line,
)

GOLDEN = Golden(Path(__file__).parent.parent / "payloads")
PERIOD = ["开始时间", "结束时间"]
SETTINGS: dict[str, Any] = {
    "forms": {
        "expense_report": {
            "process_code": "PROC-EXP-0001",
            "fields": {
                "number": "单号", "applicant": "申请人", "reason": "事由", "amount": "金额（元）", "period": PERIOD,
                "attachments": "发票", "url": "详情链接",
            },
            "lines": {
                "label": "费用明细",
                "columns": {"category": "费用类型", "day": "日期", "amount": "金额（元）", "note": "说明"},
            },
        },
        "travel_request": {
            "process_code": "PROC-TRIP-0001",
            "fields": {
                "number": "单号", "applicant": "申请人", "reason": "事由", "period": PERIOD, "amount": "预计金额（元）",
                "url": "详情链接",
            },
            "lines": {
                "label": "行程",
                "columns": {"city": "城市", "start": "开始日期", "end": "结束日期", "note": "说明"},
            },
        },
    }
}  # fmt: skip


def test_every_payload_has_its_pair() -> None:
    assert GOLDEN.alone() == set()


@pytest.mark.parametrize("name", GOLDEN.names("news"))
def test_events(name: str) -> None:
    assert plain([asdict(one) for one in translate.news(GOLDEN.read(name), 7)]) == GOLDEN.read(f"{name}.news")


@pytest.mark.parametrize("name", GOLDEN.names("state"))
def test_instances(name: str) -> None:
    assert plain(asdict(translate.instance("inst-1", GOLDEN.read(name), ["单号"]))) == GOLDEN.read(
        f"{name}.state"
    )


@pytest.mark.parametrize("name", GOLDEN.names("body"))
def test_orders(name: str) -> None:
    one = order_of(GOLDEN.read(name))
    assert translate.instance_body(one, translate.form_map(SETTINGS, one.kind)) == GOLDEN.read(f"{name}.body")


# Limits


def values(one: CaseOrder, **changes: Any) -> dict[str, str]:
    settings = deepcopy(SETTINGS)
    settings["forms"]["expense_report"] |= changes
    found = translate.form_values(one, translate.form_map(settings, "expense_report"))
    return {value["name"]: value["value"] for value in found}


def amounts(table: str) -> list[str]:
    return [row["金额（元）"] for row in translate.table_rows(table)]


def test_a_hundred_rows_fit() -> None:
    assert amounts(values(order(form=form(lines=100)))["费用明细"]) == ["10.10"] * 100


def test_rows_beyond_a_hundred_are_summed_up_in_the_last() -> None:
    rows = translate.table_rows(values(order(form=form(lines=130)))["费用明细"])
    assert len(rows) == 100
    assert [row["说明"] for row in rows[:99]] == [f"第 {no} 段" for no in range(1, 100)]
    assert rows[99] == {
        "费用类型": "其余",
        "日期": "2026-11-02",
        "金额（元）": "313.10",
        "说明": "其余 31 行见详情",
    }


def test_rows_too_long_for_a_value_are_summed_up_too() -> None:
    lines = tuple(
        Line({"category": "交通", "day": "2026-11-02", "amount": "1.01", "note": "长" * 1000})
        for _ in range(90)
    )
    table = values(order(form=CaseForm(title="x", lines=lines)))["费用明细"]
    rows = translate.table_rows(table)
    assert len(table) <= 65_535 < len(table) + 1200
    assert rows[-1]["说明"] == f"其余 {90 - len(rows) + 1} 行见详情"
    assert sum(round(float(amount) * 100) for amount in amounts(table)) == 90 * 101


def test_a_row_that_cannot_fit_at_all_is_refused() -> None:
    lines = (Line({"category": "交通" * 40_000, "day": "", "amount": "1", "note": ""}),) * 2
    columns = {"label": "费用明细", "columns": {"day": "日期", "category": "费用类型"}}
    with pytest.raises(FormDoesNotFit):
        values(
            order(form=CaseForm(title="x", lines=(Line({"day": "长" * 70_000, "category": "a"}), *lines))),
            lines=columns,
        )


def test_a_text_too_long_is_cut_and_says_so() -> None:
    text = values(order(form=form(reason="长" * 70_000)))["事由"]
    assert (len(text), text[-2:]) == (65_535, "长…")


def test_too_many_fields_are_refused() -> None:
    fields = {"number": "单号"} | {f"f{no}": f"标签{no}" for no in range(150)}
    many = tuple(Field(f"f{no}", "", FieldKind.TEXT, "x") for no in range(150))
    with pytest.raises(FormDoesNotFit):
        values(order(form=CaseForm(title="x", fields=many)), fields=fields)


def test_too_many_approver_groups_are_refused() -> None:
    groups = (ApproverGroup(GroupMode.NONE, ("u",)),) * 21
    with pytest.raises(FormDoesNotFit):
        translate.instance_body(order(approvers=groups), translate.form_map(SETTINGS, "expense_report"))


@pytest.mark.parametrize(
    "forms",
    [
        None,
        {},
        {"expense_report": {}},
        {"expense_report": {"process_code": "P"}},
        {"expense_report": {"process_code": "", "fields": {"number": "单号"}}},
        {"expense_report": {"process_code": "P", "fields": {"reason": "事由"}}},
        {"expense_report": {"process_code": "P", "fields": {"number": ["a", "b", "c"]}}},
        {"expense_report": {"process_code": "P", "fields": {"number": "单号"}, "lines": {"label": "明细"}}},
    ],
)
def test_a_mapping_that_cannot_work_is_refused(forms: Any) -> None:
    with pytest.raises(FormNotMapped):
        translate.form_values(order(), translate.form_map({"forms": forms}, "expense_report"))


def test_links_instead_of_pictures() -> None:
    fields = {"number": "单号", "attachments": "附件链接"}
    assert values(order(), fields=fields, attachments_as="links", lines=None)["附件链接"] == (
        "01 发票 https://viatica.example.com/files/a.png\n02 发票 https://viatica.example.com/files/b.png"
    )


def test_more_pictures_than_a_value_takes_stay_behind_the_link() -> None:
    files = tuple(
        Attachment(f"{no} 发票", f"https://v.example.com/{no}-{'x' * 900}", "a" * 64) for no in range(100)
    )
    sent = json.loads(values(order(form=replace(form(), attachments=files)))["发票"])
    assert sent == [one.url for one in files[: len(sent)]]
    assert 60 < len(sent) < 100


def test_a_table_reads_back_in_both_shapes() -> None:
    sent = '[[{"name":"费用类型","value":"机票"},{"name":"金额（元）","value":"1"}]]'
    shown = (
        '[{"rowValue":[{"componentType":"TextField","label":"费用类型","value":"机票","key":"k"},'
        '{"componentType":"MoneyField","label":"金额（元）","value":"1","key":"k2"}],"rowNumber":"T_1"}]'
    )
    assert (
        translate.table_rows(sent) == translate.table_rows(shown) == [{"费用类型": "机票", "金额（元）": "1"}]
    )
    assert translate.table_rows("") == translate.table_rows('{"a":1}') == []


@pytest.mark.parametrize(
    ("status", "result", "expected"),
    [
        ("NEW", "", CaseStatus.RUNNING),
        ("RUNNING", "", CaseStatus.RUNNING),
        ("COMPLETED", "agree", CaseStatus.APPROVED),
        ("COMPLETED", "refuse", CaseStatus.REJECTED),
        ("COMPLETED", "", CaseStatus.RUNNING),  # never guess an end
        ("TERMINATED", "", CaseStatus.WITHDRAWN),
        ("TERMINATED", "refuse", CaseStatus.WITHDRAWN),
        ("SOMETHING_NEW", "agree", CaseStatus.RUNNING),
    ],
)
def test_statuses(status: str, result: str, expected: CaseStatus) -> None:
    assert translate.case_status(status, result) is expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2026-11-24T08:30Z", "2026-11-24T08:30:00+00:00"),
        ("2026-11-24T08:30:15Z", "2026-11-24T08:30:15+00:00"),
        ("2026-11-24T16:30:15+08:00", "2026-11-24T08:30:15+00:00"),
        ("2026-11-24 08:30:15", "2026-11-24T08:30:15+00:00"),
        (1700000000123, "2023-11-14T22:13:20.123000+00:00"),
        ("1700000000123", "2023-11-14T22:13:20.123000+00:00"),
    ],
)
def test_moments(said: Any, expected: str) -> None:
    found = translate.moment(said)
    assert found is not None and found.isoformat() == expected


@pytest.mark.parametrize("said", [None, "", "soon", 0, "0", True, [], 1.5])
def test_what_is_no_moment(said: Any) -> None:
    assert translate.moment(said) is None


def test_event_ids_fall_back_on_what_the_event_is_about() -> None:
    event = {
        "EventType": "bpms_task_change",
        "processInstanceId": "i",
        "type": "finish",
        "taskId": 5,
        "result": "agree",
    }
    assert translate.event_id(event | {"eventId": "e", "BizId": "b"}) == "e"
    assert translate.event_id(event | {"BizId": "b"}) == "b"
    assert translate.event_id(event) == "bpms_task_change:i:finish:5:agree"
    left = {"EventType": "user_leave_org", "UserId": ["a"]}
    assert translate.event_id(left) != translate.event_id(left | {"UserId": ["b"]})


def test_a_person_from_the_vendors_own_sample_text() -> None:
    row = {"userid": "u", "name": "甲", "dept_id_list": "[2,3,4]", "active": "true", "unionid": "x"}
    assert translate.user(row) == translate.OutsideUser("u", "x", "甲", ("2", "3", "4"))
