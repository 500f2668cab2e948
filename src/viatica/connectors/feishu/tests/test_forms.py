"""Mappings suggested from what a form looks like."""

from __future__ import annotations

from typing import Any

from viatica.connectors import forms
from viatica.connectors.feishu import translate
from viatica.connectors.feishu.forms import FeishuForms, template
from viatica.connectors.feishu.translate import Definition, Node, WidgetSpec
from viatica.spine.models import Connection


def spec(name: str, kind: str, **more: object) -> WidgetSpec:
    return WidgetSpec(id=f"w-{name}", name=name, type=kind, **more)  # type: ignore[arg-type]


def suggested(kind: str, code: str, defined: Definition) -> dict[str, Any]:
    connection = Connection(kind="feishu", name="飞书", settings={})
    connection.seal({"app_id": "cli_1", "app_secret": "s"})
    return forms.suggest(FeishuForms(connection), kind, template(code, defined))


def test_widgets_are_found_by_name_and_only_where_they_fit() -> None:
    table = spec(
        "明细", "fieldList", children=(spec("日期", "date"), spec("金额", "amount"), spec("说明", "contact"))
    )
    widgets = (
        spec("单号", "input"), spec("金额", "input"), spec("总金额", "amount"), spec("事由", "radioV2"),
        spec("附件", "textarea"), spec("心情", "input"), table,
    )  # fmt: skip
    mapping = suggested("expense_report", "CODE", Definition("差旅报销", True, widgets))
    assert mapping == {
        "approval_code": "CODE",
        "fields": {
            "number": {"id": "w-单号", "type": "input"},
            "amount": {"id": "w-金额", "type": "input"},
            "attachments": {"id": "w-附件", "type": "textarea"},
        },
        "lines": {
            "id": "w-明细",
            "columns": {
                "day": {"id": "w-日期", "type": "date"},
                "amount": {"id": "w-金额", "type": "amount"},
            },
        },
    }
    assert (
        translate.form_map({"forms": {"expense_report": mapping}}, "expense_report").approval_code == "CODE"
    )


def test_categories_are_matched_by_any_of_their_names_and_the_rest_goes_under_other() -> None:
    options = {"高铁": "k-1", "酒店": "k-2", "其他": "k-9"}
    table = spec("费用明细", "fieldList", children=(spec("费用类型", "radioV2", options=options),))
    mapping = suggested("expense_report", "C", Definition("x", True, (spec("单号", "input"), table)))
    found = mapping["lines"]["columns"]["category"]["options"]
    assert {key: found[key] for key in ("高铁", "火车", "Train", "住宿", "Hotel", "机票", "Flight", "其他")} == {
        "高铁": "k-1", "火车": "k-1", "Train": "k-1", "住宿": "k-2", "Hotel": "k-2", "机票": "k-9", "Flight": "k-9",
        "其他": "k-9",
    }  # fmt: skip


def test_a_category_without_an_option_is_left_for_a_person_to_map() -> None:
    table = spec("费用明细", "fieldList", children=(spec("费用类型", "radioV2", options={"机票": "k-1"}),))
    mapping = suggested("expense_report", "C", Definition("x", True, (spec("单号", "input"), table)))
    found = mapping["lines"]["columns"]["category"]
    assert found["options"] == {"机票": "k-1", "Flight": "k-1"}
    assert forms.categories_without_option(found["options"])[:2] == ["火车", "长途客运/轮船"]


def test_steps_the_applicant_fills_are_kept_in_order() -> None:
    nodes = (Node("first", "直属主管", "n1"), Node("n2", "财务", "n2"))
    mapping = suggested("travel_request", "C", Definition("x", True, (spec("单号", "input"),), nodes))
    assert (mapping["approver_nodes"], mapping["lines"]) == (["first", "n2"], None)
