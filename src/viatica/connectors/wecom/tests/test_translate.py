"""Golden pairs of `payloads/`, and what a form does not take."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from viatica.connectors.errors import FormDoesNotFit, FormNotMapped
from viatica.connectors.testing import Golden, order_of, plain
from viatica.connectors.wecom import events, filling, mapping, tasks, translate
from viatica.kernel.money import Money
from viatica.offices.approval.ports import CaseForm, CaseOrder, Field, FieldKind, Line, OutsidePerson

PAYLOADS = Path(__file__).parent.parent / "payloads"
GOLDEN = Golden(PAYLOADS)


def control(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"id": f"{kind.partition('/')[0]}-{name}", "type": kind, **more}


CATEGORIES = {"机票": "option-1", "Flight": "option-1", "市内交通": "option-4"}
REPORT: dict[str, Any] = {
    "template_id": "EXP-0001",
    "fields": {
        "number": {"id": "Text-1", "type": "Text"},
        "applicant": control("applicant", "Contact/user"),
        "reason": control("reason", "Textarea"),
        "amount": control("amount", "Money"),
        "period": control("period", "DateRange/halfday"),
        "attachments": control("files", "File"),
        "url": control("url", "Text"),
        "headcount": control("headcount", "Number"),
    },
    "lines": {
        "id": "Table-lines",
        "type": "Table",
        "cells": [
            {**control("category", "Selector/single"), "title": "费用类型"},
            {**control("day", "Date/day"), "title": "日期"},
            {**control("line", "Money"), "title": "金额"},
            {**control("unmapped", "Text"), "title": "发票号"},
            {**control("note", "Text"), "title": "说明"},
        ],
        "columns": {
            "category": control("category", "Selector/single", options=CATEGORIES),
            "day": control("day", "Date/day"),
            "amount": control("line", "Money"),
            "note": control("note", "Text"),
        },
    },
}
FORMS: dict[str, Any] = {
    "expense_report": REPORT,
    "report_by_our_flow": {**REPORT, "flow": "ours"},
    "travel_request": {
        "template_id": "TRIP-0001",
        "fields": {
            "number": control("number", "Text"),
            "title": control("title", "Text"),
            "applicant": control("applicant", "Text"),
            "department": control("department", "Contact/department"),
            "reason": control("reason", "Text"),
            "period": control("period", "DateRange/hour"),
            "amount": control("amount", "Money"),
            "currency": control("currency", "Text"),
            "attachment_links": control("links", "Textarea"),
        },
        "lines": {
            "id": "Table-legs",
            "cells": [
                {**control("city", "Text"), "title": "城市"},
                {**control("start", "Date/hour"), "title": "开始"},
            ],
            "columns": {"city": control("city", "Text"), "start": control("start", "Date/hour")},
        },
    },
}


def news_of(name: str) -> Any:
    body = events.tree((PAYLOADS / f"{name}.xml").read_bytes())
    assert body is not None
    return plain([asdict(one) for one in events.news(body, 7)])


def state_of(name: str) -> Any:
    return plain(asdict(translate.form(GOLDEN.read(name), {"EXP-0001": "Text-1"})))


def body_of(name: str) -> Any:
    one = order_of(GOLDEN.read(name))
    return plain(filling.form_body(one, mapping.form_map({"forms": FORMS}, one.kind), ["MEDIA-1", "MEDIA-2"]))


def test_every_payload_has_its_pair() -> None:
    told = {path.stem for path in PAYLOADS.glob("*.xml")}
    assert GOLDEN.alone() == told == set(GOLDEN.names("news"))


@pytest.mark.parametrize("name", GOLDEN.names("news"))
def test_events(name: str) -> None:
    assert news_of(name) == GOLDEN.read(f"{name}.news")


@pytest.mark.parametrize("name", GOLDEN.names("state"))
def test_forms(name: str) -> None:
    assert state_of(name) == GOLDEN.read(f"{name}.state")


@pytest.mark.parametrize("name", GOLDEN.names("body"))
def test_orders(name: str) -> None:
    assert body_of(name) == GOLDEN.read(f"{name}.body")


# Every word of theirs has one of ours


def test_every_status_and_change_of_theirs_is_sorted() -> None:
    assert set(tasks.CASE_STATUS) == set(tasks.FormStatus)
    assert set(events.ENDS) == set(tasks.FormStatus) - {tasks.FormStatus.RUNNING}
    untold = {"WAITING", "RETURNED", "ADDING"}
    assert {deed.name for deed in tasks.Deed} - {tasks.Deed(one).name for one in tasks.DECIDED} == untold
    looked_at = {"SUBMITTED", "REJECTED", "WITHDRAWN", "WITHDRAWN_AFTER", "URGED", "COMMENTED", "RETURNED"}
    looked_at |= {"APPROVER_ADDED"}
    assert {one.name for one in events.Change} - {
        events.Change(n).name for n in events.TASK_CHANGES
    } == looked_at


# What a form does not take


def one_field(value: str | list[str], kind: str, name: str = "reason", **more: Any) -> Any:
    """What `value` becomes in a form of one control beside the number."""
    fields = {"number": control("number", "Text"), name: control(name, kind, **more)}
    layout = mapping.form_map({"forms": {"paper": {"template_id": "T", "fields": fields}}}, "paper")
    form = CaseForm(title="t", amount=Money("1", "CNY"), fields=(Field(name, "", FieldKind.TEXT, value),))
    one = CaseOrder("BX-1", "paper", "t", OutsidePerson("u", "甲"), form, datetime(2026, 11, 24, tzinfo=UTC))
    return [entry["value"] for entry in filling.contents(one, layout)[1:]]


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("1280.5", "Money", {"new_money": "1280.50"}),
        ("0.10", "Money", {"new_money": "0.10"}),
        ("3", "Number", {"new_number": "3"}),
        ("a\r\n\r\nb", "Text", {"text": "a b"}),
        ("a\nb", "Textarea", {"text": "a\nb"}),
        (["a", "b"], "Text", {"text": "a ~ b"}),
        ("2026-11-18", "Date/day", {"date": {"type": "day", "s_timestamp": "1794931200"}}),
    ],
)
def test_values_take_the_shape_of_their_control(value: Any, kind: str, expected: Any) -> None:
    assert one_field(value, kind) == [expected]


@pytest.mark.parametrize("value", ["", [], ["", ""]])
def test_what_is_empty_is_left_out(value: Any) -> None:
    assert one_field(value, "Text") == []


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("1.005", "Money"),
        ("abc", "Money"),
        ("NaN", "Money"),
        ("Infinity", "Number"),
        ("18.11.2026", "Date/day"),
        ("宠物", "Selector/single"),
        ("上海", "Location"),
        ("上海", "Contact/user"),
        ("上海", "BankAccount"),
    ],
)
def test_what_does_not_fit_is_refused_naming_the_field(value: str, kind: str) -> None:
    with pytest.raises(FormDoesNotFit, match="reason"):
        one_field(value, kind)


def test_links_are_told_whole_or_not_at_all() -> None:
    order = order_of(GOLDEN.read("order_report__their_flow"))
    (first, _) = order.form.attachments
    fields = {"number": control("number", "Text"), "attachment_links": control("links", "Text")}
    settings = {"text_most": len(first.name) + len(first.url) + 5}
    layout = mapping.form_map(
        {"forms": {"expense_report": {"template_id": "T", "fields": fields}}, **settings}, "expense_report"
    )
    (_, links) = filling.contents(order, layout)
    assert links["value"] == {"text": f"{first.name} {first.url}"}


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"template_id": ""}, "template_id, fields"),
        ({"fields": []}, "template_id, fields"),
        ({"fields": {"reason": control("reason", "Text")}}, "number"),
        ({"fields": {"number": "Text-1"}}, "number"),
        ({"lines": {"id": "Table-1"}}, "lines"),
        ({"lines": {**REPORT["lines"], "cells": [{"id": "Text-1"}]}}, "lines"),
        ({"lines": {**REPORT["lines"], "columns": {"note": {}}}}, "note"),
    ],
)
def test_a_mapping_that_is_none_says_what_it_lacks(change: dict[str, Any], missing: str) -> None:
    with pytest.raises(FormNotMapped) as caught:
        mapping.form_maps({"forms": {"paper": REPORT | change}})
    assert caught.value.params["missing"] == missing
    assert mapping.form_maps({}) == {}


def test_lines_of_another_currency_are_refused_too() -> None:
    order = order_of(GOLDEN.read("order_report__their_flow"))
    dollars = replace(order, form=replace(order.form, amount=Money("1", "USD")))
    with pytest.raises(FormDoesNotFit, match="currency"):
        filling.form_body(dollars, mapping.form_map({"forms": FORMS}, "expense_report"))


def test_a_row_lacks_nothing_that_the_template_has() -> None:
    order = order_of(GOLDEN.read("order_report__their_flow"))
    bare = replace(order, form=replace(order.form, lines=(Line({}),)))
    body = filling.form_body(bare, mapping.form_map({"forms": FORMS}, "expense_report"))
    (row,) = body["apply_data"]["contents"][-1]["value"]["children"]
    assert [(cell["id"], cell["value"]) for cell in row["list"]] == [
        ("Selector-category", {}),
        ("Date-day", {}),
        ("Money-line", {}),
        ("Text-unmapped", {}),
        ("Text-note", {}),
    ]
