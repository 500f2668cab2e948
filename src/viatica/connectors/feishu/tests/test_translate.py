"""Golden pairs of `payloads/`, and what a form does not take."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from viatica.connectors.errors import FormDoesNotFit, FormNotMapped
from viatica.connectors.feishu import translate
from viatica.connectors.testing import Golden, order_of, plain
from viatica.kernel.money import Money
from viatica.offices.approval.ports import (
    ApproverGroup,
    Attachment,
    CaseForm,
    CaseOrder,
    Field,
    FieldKind,
    GroupMode,
    Line,
    OutsidePerson,
)

GOLDEN = Golden(Path(__file__).parent.parent / "payloads")


def widget(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"id": f"widget-{name}", "type": kind, **more}


FORMS: dict[str, Any] = {
    "expense_report": {
        "approval_code": "EXP-0001",
        "fields": {
            "number": widget("number", "input"),
            "applicant": widget("applicant", "contact"),
            "reason": widget("reason", "textarea"),
            "amount": widget("amount", "amount"),
            "period": widget("period", "dateInterval"),
            "attachments": widget("files", "attachmentV2"),
            "url": widget("url", "input"),
        },
        "lines": {
            "id": "widget-lines",
            "columns": {
                "category": widget("category", "radioV2", options={"机票": "l1-0", "市内交通": "l2-3"}),
                "day": widget("day", "date"),
                "amount": widget("line_amount", "amount"),
                "note": widget("note", "input"),
            },
        },
        "approver_nodes": ["first", "second"],
        "cc_node": "copies",
    },
    "travel_request": {
        "approval_code": "TRIP-0001",
        "fields": {
            "number": widget("number", "input"),
            "title": widget("title", "input"),
            "applicant": widget("applicant", "input"),
            "reason": widget("reason", "input"),
            "period": widget("period", "input"),
            "amount": widget("amount", "number"),
        },
        "lines": {
            "id": "widget-legs",
            "columns": {"city": widget("city", "input"), "start": widget("start", "date")},
        },
    },
}


def test_every_payload_has_its_pair() -> None:
    assert GOLDEN.alone() == set()


@pytest.mark.parametrize("name", GOLDEN.names("news"))
def test_events(name: str) -> None:
    assert plain([asdict(one) for one in translate.news(GOLDEN.read(name), 7)]) == GOLDEN.read(f"{name}.news")


@pytest.mark.parametrize("name", GOLDEN.names("state"))
def test_instances(name: str) -> None:
    assert plain(asdict(translate.instance(GOLDEN.read(name)))) == GOLDEN.read(f"{name}.state")


def body_of(one: CaseOrder) -> dict[str, Any]:
    """With its form opened again, so that a pair can be read."""
    body = translate.instance_body(one, translate.form_map({"forms": FORMS}, one.kind), ["CODE-1"])
    return body | {"form": json.loads(body["form"])}


@pytest.mark.parametrize("name", GOLDEN.names("body"))
def test_orders(name: str) -> None:
    assert body_of(order_of(GOLDEN.read(name))) == GOLDEN.read(f"{name}.body")


# What a form does not take


def one_field(value: str | list[str], kind: str, name: str = "reason", **more: Any) -> Any:
    """What `value` becomes in a form of one widget."""
    forms = {"paper": {"approval_code": "C", "fields": {name: widget(name, kind, **more)}}}
    form = CaseForm(title="t", amount=Money("1", "USD"), fields=(Field(name, "", FieldKind.TEXT, value),))
    order = CaseOrder(
        "BX-1", "paper", "t", OutsidePerson("u", "甲"), form, datetime(2026, 11, 24, tzinfo=UTC)
    )
    found = translate.form_values(order, translate.form_map({"forms": forms}, "paper"))
    return [{key: part for key, part in one.items() if key not in ("id", "type")} for one in found]


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("出差", "input", {"value": "出差"}),
        (["2026-11-02", "2026-11-05"], "textarea", {"value": "2026-11-02 ~ 2026-11-05"}),
        ("1280.50", "number", {"value": 1280.5}),
        ("9999999999.99", "amount", {"value": 9999999999.99, "currency": "USD"}),
        ("2026-11-02", "date", {"value": "2026-11-02T00:00:00+08:00"}),
        (
            "2026-11-02",
            "dateInterval",
            {
                "value": {
                    "start": "2026-11-02T00:00:00+08:00",
                    "end": "2026-11-02T00:00:00+08:00",
                    "interval": 1.0,
                }
            },
        ),
    ],
)
def test_values(value: str | list[str], kind: str, expected: dict[str, Any]) -> None:
    assert one_field(value, kind) == [expected]


def test_a_choice_is_sent_by_its_key() -> None:
    options = {"差旅": "k-0", "招待": "k-1"}
    assert one_field("招待", "radioV2", options=options) == [{"value": "k-1"}]
    assert one_field("k-1", "radioV2", options=options) == [{"value": "k-1"}]
    assert one_field(["差旅", "招待"], "checkboxV2", options=options) == [{"value": ["k-0", "k-1"]}]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("很多", "number"),
        ("NaN", "number"),
        ("Infinity", "amount"),
        ("12345678901234567.89", "amount"),  # would lose its cents on the way
        ("明天", "date"),
        ("差旅", "radioV2"),
        ("x", "tripGroup"),
        ("x", "attachmentV2"),
    ],
)
def test_what_a_widget_does_not_take_is_refused_naming_the_field(value: str, kind: str) -> None:
    with pytest.raises(FormDoesNotFit, match="reason"):
        one_field(value, kind)


@pytest.mark.parametrize("kind", ["input", "number", "date", "dateInterval", "radioV2"])
def test_nothing_to_say_is_left_out(kind: str) -> None:
    assert one_field("", kind) == []


def test_another_zone_can_be_set() -> None:
    forms = {"forms": FORMS, "time_zone": "Europe/Berlin"}
    mapping = translate.form_map(forms, "expense_report")
    order = order_of(GOLDEN.read("order_report__their_flow"))
    (interval,) = (
        one["value"] for one in translate.form_values(order, mapping) if one["type"] == "dateInterval"
    )
    assert interval["start"] == "2026-11-02T00:00:00+01:00"


def test_a_day_of_the_clocks_change_is_still_a_day() -> None:
    forms = {"forms": FORMS, "time_zone": "Europe/Berlin"}
    order = order_of(GOLDEN.read("order_report__their_flow"))
    field = Field("period", "", FieldKind.DATE_RANGE, ("2026-10-24", "2026-10-26"))
    changed = replace(order, form=replace(order.form, fields=(field,)))
    values = translate.form_values(changed, translate.form_map(forms, "expense_report"))
    (interval,) = (one["value"] for one in values if one["type"] == "dateInterval")
    assert interval == {
        "start": "2026-10-24T00:00:00+02:00",
        "end": "2026-10-26T00:00:00+01:00",
        "interval": 3.0,
    }


def test_attachments_in_a_text_are_links() -> None:
    forms = {"paper": {"approval_code": "C", "fields": {"attachments": widget("a", "textarea")}}}
    files = (Attachment("01 发票", "https://v/a.png", "a"), Attachment("02 发票", "https://v/b.png", "b"))
    order = CaseOrder(
        "BX-1", "paper", "t", OutsidePerson("u", "甲"), CaseForm(title="t", attachments=files),
        datetime(2026, 11, 24, tzinfo=UTC),
    )  # fmt: skip
    mapping = translate.form_map({"forms": forms}, "paper")
    assert mapping.attachments is None
    (text,) = translate.form_values(order, mapping)
    assert text["value"] == "01 发票 https://v/a.png\n02 发票 https://v/b.png"


def test_a_line_without_a_value_leaves_the_cell_out() -> None:
    order = order_of(GOLDEN.read("order_report__their_flow"))
    lines = (Line({"category": "机票", "day": "2026-11-02", "amount": "1.00", "note": ""}),)
    values = translate.form_values(
        replace(order, form=replace(order.form, lines=lines)),
        translate.form_map({"forms": FORMS}, "expense_report"),
    )
    (row,) = values[-1]["value"]
    assert [cell["id"] for cell in row] == ["widget-category", "widget-day", "widget-line_amount"]


def test_more_groups_than_steps_are_refused() -> None:
    order = order_of(GOLDEN.read("order_report__chosen_steps_and_copies"))
    groups = (*order.approvers, ApproverGroup(GroupMode.NONE, ("x",)))
    with pytest.raises(FormDoesNotFit, match="3 > 2"):
        body_of(replace(order, approvers=groups))


@pytest.mark.parametrize(
    "forms",
    [
        None,
        {},
        {"paper": {}},
        {"paper": {"approval_code": "C"}},
        {"paper": {"approval_code": "", "fields": {"number": widget("n", "input")}}},
        {"paper": {"approval_code": "C", "fields": {}}},
        {"paper": {"approval_code": "C", "fields": {"number": "单号"}}},
        {"paper": {"approval_code": "C", "fields": {"number": {"id": "w"}}}},
        {"paper": {"approval_code": "C", "fields": {"number": widget("n", "input")}, "lines": {"id": "w"}}},
    ],
)
def test_a_mapping_that_cannot_work_is_refused(forms: Any) -> None:
    with pytest.raises(FormNotMapped):
        translate.form_map({"forms": forms}, "paper")


# Reading


def test_a_table_reads_back() -> None:
    state = translate.instance(GOLDEN.read("instance_detail_rejected")).state
    assert translate.table_rows(state.fields["费用明细"]) == [{"费用类型": "机票", "金额": "1180.5"}]
    assert translate.table_rows("") == translate.table_rows('{"a":1}') == []


@pytest.mark.parametrize("form", ["", "null", "{}", "[1]", "not json"])
def test_a_form_that_is_none_has_no_fields(form: str) -> None:
    assert translate.form_fields(form) == {}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
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


def test_an_unknown_status_never_ends_a_case() -> None:
    data = GOLDEN.read("instance_detail_rejected") | {"status": "SOMETHING_NEW"}
    assert translate.instance(data).state.status == "running"


def test_event_ids_fall_back_on_what_the_event_says() -> None:
    event = {"type": "event_callback", "event": {"type": "approval_task", "task_id": "1"}}
    other = {"type": "event_callback", "event": {"type": "approval_task", "task_id": "2"}}
    assert translate.event_id(event) == translate.event_id({**event, "ts": "another time"})
    assert translate.event_id(event) != translate.event_id(other)


def test_a_person_and_the_main_department() -> None:
    row = {
        "user_id": "u", "union_id": "on_u", "open_id": "ou_u", "name": "甲", "mobile": "+8613800000001",
        "employee_no": "E1", "email": "a@x", "enterprise_email": "", "department_ids": ["D1", "D2"],
        "orders": [{"department_id": "D2", "is_primary_dept": True}], "status": {"is_resigned": False},
    }  # fmt: skip
    assert translate.user(row) == translate.OutsideUser(
        "u", "on_u", "甲", ("D2", "D1"), "E1", "+8613800000001", True, "a@x"
    )
    for left in ("is_resigned", "is_exited", "is_frozen"):
        assert not translate.user(row | {"status": {left: True}}).is_active
    assert translate.user({"name": "乙"}).userid == ""
