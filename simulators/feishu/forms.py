"""Approval definitions: their widgets (控件), what each accepts as a value and how it reads back, and their flow."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import md5
from typing import Any, Protocol

from simulators.feishu.errors import Refusal, bad_approval
from simulators.stage.fields import Fields

# These two nodes have the same ids in every definition.
START_NODE, END_NODE = "b078ffd28db767c502ac367053f6e0ac", "b1a326c06d88bf042f73d70f50197905"
NOT_BY_API = (
    "text",
    "mutableGroup",
    "account",
    "serialNumber",
    "tripGroup",
    "apaascorehrOnboardingGroup",
    "remedyGroupV2",
)
CATEGORIES = (
    "机票",
    "火车",
    "长途客运/轮船",
    "市内交通",
    "住宿",
    "餐饮",
    "业务招待",
    "会务培训",
    "通讯",
    "办公用品",
    "其他",
)


@dataclass(slots=True)
class Widget:
    id: str
    kind: str
    name: str
    custom_id: str = ""
    required: bool = False
    options: list[tuple[str, str]] = field(default_factory=list)  # key, text
    currencies: list[str] = field(default_factory=lambda: ["CNY"])
    children: list[Widget] = field(default_factory=list)

    def definition(self) -> dict[str, Any]:
        """As `GET /approvals/{code}` shows it inside its `form` string."""
        shown: dict[str, Any] = {
            "id": self.id,
            "custom_id": self.custom_id,
            "name": self.name,
            "type": self.kind,
            "required": self.required,
            "printable": True,
            "visible": True,
            "enable_default_value": False,
            "widget_default_value": "",
            "default_value_type": "",
        }
        match self.kind:
            case "amount":
                shown |= {"value": self.currencies[0], "option": {"currencyRange": self.currencies}}
            case "radioV2" | "checkboxV2":
                shown["option"] = [{"value": key, "text": text} for key, text in self.options]
            case "date":
                shown["value"] = "YYYY-MM-DD"
            case "dateInterval":
                shown["value"] = {"format": "YYYY-MM-DD", "intervalAllowModify": False}
            case "contact":
                shown["value"] = {"ignore": False, "multi": False}
            case "fieldList":
                shown["children"] = [child.definition() for child in self.children]
                shown["option"] = {"inputType": "LIST", "printType": "LIST"}
        return shown

    def brief(self) -> dict[str, Any]:
        """For the first line the command prints."""
        shown: dict[str, Any] = {
            "id": self.id,
            "custom_id": self.custom_id,
            "name": self.name,
            "type": self.kind,
            "required": self.required,
        }
        if self.options:
            shown["options"] = [{"key": key, "text": text} for key, text in self.options]
        if self.children:
            shown["children"] = [child.brief() for child in self.children]
        return shown


class StepKind(StrEnum):
    MANAGER = "manager"  # leader of the originator's department, or the next one up
    ROLE = "role"
    USERS = "users"
    SELF_SELECT = "self_select"  # 发起人自选


@dataclass(slots=True)
class FlowStep:
    kind: StepKind
    name: str
    mode: str = "AND"  # AND 会签, OR 或签, SEQUENTIAL 依次审批
    role: str = ""
    user_ids: list[str] = field(default_factory=list)
    node_id: str = ""
    custom_node_id: str = ""
    needs_signature: bool = False  # 手写签名: cannot be given through the API

    def __post_init__(self) -> None:
        self.node_id = self.node_id or md5(f"{self.kind}/{self.name}".encode()).hexdigest()

    def is_called(self, key: str) -> bool:
        return key in (self.node_id, self.custom_node_id or self.node_id)


@dataclass(slots=True)
class Definition:
    approval_code: str
    name: str
    widgets: list[Widget]
    flow: list[FlowStep]
    status: str = "ACTIVE"  # ACTIVE, INACTIVE, DELETED
    lets_withdraw: bool = True  # 允许撤销审批中的申请
    lets_revert: bool = True  # 允许撤销 x 天内通过的审批
    is_free: bool = False  # 自由流程: no API for it

    def find(self, key: str) -> Widget | None:
        return find_widget(self.widgets, key)


def find_widget(widgets: Iterable[Widget], key: str) -> Widget | None:
    for widget in widgets:
        if key == widget.id or (key and key == widget.custom_id):
            return widget
    return None


class Outside(Protocol):
    """What a value may point to."""

    def is_active_user(self, given: str, id_type: str) -> bool: ...
    def is_department(self, open_department_id: str) -> bool: ...
    def is_instance(self, instance_code: str) -> bool: ...
    def has_file(self, code: str, kind: str) -> bool: ...


# --- what may be written ---------------------------------------------------------------------------------------


def misfit(widget: Widget, detail: str) -> Refusal:
    return bad_approval(f"控件= {widget.id}, {detail}")


Item = Mapping[str, Any]
Check = Callable[[Widget, Item, Outside], None]


def read_form(text: str, widgets: list[Widget], outside: Outside) -> list[tuple[Widget, dict[str, Any]]]:
    """The `form` string of an instance, checked. Raises 1390001 naming the widget."""
    try:
        items = json.loads(text)
    except ValueError:
        raise bad_approval("form is not a JSON array") from None
    return read_items(items, widgets, outside, where="form")


def read_items(
    items: Any, widgets: list[Widget], outside: Outside, *, where: str
) -> list[tuple[Widget, dict[str, Any]]]:
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise bad_approval(f"{where} is not a list of controls")
    given: dict[str, dict[str, Any]] = {}
    for item in items:
        widget = find_widget(widgets, str(item.get("id", "")))
        if widget is None:
            raise bad_approval(f"控件= {item.get('id')}, control not found in the definition")
        if item.get("type") != widget.kind:
            raise misfit(widget, f"type should be {widget.kind}")
        if widget.id in given:
            raise misfit(widget, "control appears twice")
        if not is_empty(item.get("value")) or item.get("open_ids"):
            check_value(widget, item, outside)
            given[widget.id] = item
    for widget in widgets:
        if widget.required and widget.id not in given:
            raise misfit(widget, "value is required")
    return [(widget, given[widget.id]) for widget in widgets if widget.id in given]


def is_empty(value: Any) -> bool:
    return value is None or value == "" or value == []


def check_value(widget: Widget, item: Item, outside: Outside) -> None:
    if widget.kind in NOT_BY_API:
        raise misfit(widget, f"{widget.kind} is not supported by API")
    check = CHECKS.get(widget.kind)
    if check is None:
        raise misfit(widget, f"unknown control type {widget.kind}")
    check(widget, item, outside)


def _text(widget: Widget, item: Item, outside: Outside) -> None:
    if not isinstance(item["value"], str):
        raise misfit(widget, "value should be a string")


def _number(widget: Widget, item: Item, outside: Outside) -> None:
    if isinstance(item["value"], bool) or not isinstance(item["value"], (int, float)):
        raise misfit(widget, "value should be a number")


def _amount(widget: Widget, item: Item, outside: Outside) -> None:
    _number(widget, item, outside)
    if item.get("currency", widget.currencies[0]) not in widget.currencies:
        raise misfit(widget, f"currency {item.get('currency')} is not allowed")


def _rfc3339(widget: Widget, text: Any) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise misfit(widget, "time format is not RFC3339") from None
    if at.tzinfo is None or "T" not in text:
        raise misfit(widget, "time format is not RFC3339")
    return at


def _date(widget: Widget, item: Item, outside: Outside) -> None:
    _rfc3339(widget, item["value"])


def _interval(widget: Widget, item: Item, outside: Outside) -> None:
    value = item["value"]
    if not isinstance(value, dict):
        raise misfit(widget, "value should be an object")
    start, end = _rfc3339(widget, value.get("start")), _rfc3339(widget, value.get("end"))
    if start.utcoffset() != end.utcoffset():
        raise misfit(widget, "start time and end time must be in the same time zone")
    if start > end:
        raise misfit(widget, "start time is after end time")
    days = value.get("interval")
    if isinstance(days, bool) or not isinstance(days, (int, float)) or days < 0:
        raise misfit(widget, "interval should be a number of days")


def _radio(widget: Widget, item: Item, outside: Outside) -> None:
    if item["value"] not in [key for key, _ in widget.options]:
        raise misfit(widget, f"option {item['value']} does not exist")


def _checkbox(widget: Widget, item: Item, outside: Outside) -> None:
    for key in _strings(widget, item["value"]):
        _radio(widget, {"value": key}, outside)


def _table(widget: Widget, item: Item, outside: Outside) -> None:
    if not isinstance(item["value"], list):
        raise misfit(widget, "value should be a two-dimensional array")
    for row in item["value"]:
        if not isinstance(row, list):
            raise misfit(widget, "value should be a two-dimensional array")
        read_items(row, widget.children, outside, where=f"控件= {widget.id}, row")


def _files(widget: Widget, item: Item, outside: Outside) -> None:
    kind = "attachment" if widget.kind.startswith("attachment") else "image"
    for code in _strings(widget, item["value"]):
        if not outside.has_file(code, kind):
            raise misfit(widget, f"no {kind} was uploaded as {code}")


def _contacts(widget: Widget, item: Item, outside: Outside) -> None:
    for name, id_type in (("value", "user_id"), ("open_ids", "open_id")):
        for given in _strings(widget, item.get(name) or []):
            if not outside.is_active_user(given, id_type):
                raise misfit(widget, f"no such user {given}")


def _departments(widget: Widget, item: Item, outside: Outside) -> None:
    value = item["value"]
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise misfit(widget, 'value should be [{"open_id": …}]')
    for row in value:
        if not outside.is_department(str(row.get("open_id"))):
            raise misfit(widget, f"no such department {row.get('open_id')}")


def _related(widget: Widget, item: Item, outside: Outside) -> None:
    for code in _strings(widget, item["value"]):
        if not outside.is_instance(code):
            raise misfit(widget, f"no such instance {code}")


def _phone(widget: Widget, item: Item, outside: Outside) -> None:
    value = item["value"]
    if not isinstance(value, dict) or not {"countryCode", "nationalNumber"} <= set(value):
        raise misfit(widget, "value needs countryCode and nationalNumber")


def _address(widget: Widget, item: Item, outside: Outside) -> None:
    value = item["value"]
    if not isinstance(value, list) or not all(isinstance(row, dict) and row.get("id") for row in value):
        raise misfit(widget, 'value should be [{"id": …, "detailAddress": …}]')


CHECKS: Mapping[str, Check] = {
    "input": _text,
    "textarea": _text,
    "number": _number,
    "amount": _amount,
    "formula": _number,
    "date": _date,
    "dateInterval": _interval,
    "radioV2": _radio,
    "checkboxV2": _checkbox,
    "fieldList": _table,
    "attachmentV2": _files,
    "image": _files,
    "imageV2": _files,
    "contact": _contacts,
    "department": _departments,
    "connect": _related,
    "telephone": _phone,
    "address": _address,
}


def _strings(widget: Widget, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise misfit(widget, "value should be an array of strings")
    return value


# --- how it reads back -----------------------------------------------------------------------------------------


class Links(Protocol):
    def link(self, code: str) -> str: ...
    def name(self, code: str) -> str: ...


def shown_value(widget: Widget, item: Item, links: Links) -> dict[str, Any]:
    """One control of the `form` string of a read instance: options as texts, files as links, not as they came."""
    value = item.get("value")
    shown: dict[str, Any] = {
        "id": widget.id,
        "custom_id": widget.custom_id,
        "name": widget.name,
        "type": widget.kind,
        "ext": None,
        "value": value,
    }
    texts = dict(widget.options)
    match widget.kind:
        case "radioV2":
            shown["value"] = texts[str(value)]
            shown["option"] = {"key": value, "text": texts[str(value)]}
        case "checkboxV2":
            shown["value"] = [texts[key] for key in value or []]
            shown["option"] = [{"key": key, "text": texts[key]} for key in value or []]
        case "amount":
            currency = item.get("currency", widget.currencies[0])
            shown["ext"] = {"capitalValue": "", "currency": currency, "currencyRange": widget.currencies}
        case "contact":
            shown |= {"value": item.get("value") or [], "open_ids": item.get("open_ids") or []}
        case "attachmentV2" | "image" | "imageV2":
            shown["ext"] = ",".join(links.name(code) for code in value or [])
            shown["value"] = [links.link(code) for code in value or []]
        case "fieldList":
            shown["value"] = [
                [
                    shown_value(child, cell, links)
                    for cell in row
                    if (child := find_widget(widget.children, str(cell["id"])))
                ]
                for row in value or []
            ]
            shown["ext"] = _sums(widget, value or [])
    return shown


def _sums(widget: Widget, rows: list[list[Item]]) -> list[dict[str, Any]]:
    """The totals the product shows under a table: floats, as it keeps them."""
    sums = []
    for child in widget.children:
        if child.kind in ("amount", "number"):
            cells = [
                cell["value"] for row in rows for cell in row if child is find_widget([child], cell["id"])
            ]
            sums.append({"id": child.id, "type": child.kind, "value": str(round(sum(cells), 2))})
    return sums


# --- the two definitions ---------------------------------------------------------------------------------------


def own_flow(finance_lead: str) -> list[FlowStep]:
    return [
        FlowStep(StepKind.MANAGER, "直属主管", custom_node_id="manager"),
        FlowStep(StepKind.ROLE, "财务负责人", role=finance_lead, custom_node_id="finance"),
    ]


def _widget(
    kind: str,
    name: str,
    custom_id: str,
    *,
    required: bool = False,
    options: Iterable[str] = (),
    children: list[Widget] | None = None,
) -> Widget:
    # Stable ids: clients keep them, and a restarted simulator must not invent new ones.
    number = uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}/{custom_id}/{name}").int % 10**17
    return Widget(
        f"widget{number:017d}",
        kind,
        name,
        custom_id=custom_id,
        required=required,
        # Keys as the product makes them: random letters, a dash, a number that means nothing.
        options=[
            (f"l{uuid.uuid5(uuid.NAMESPACE_URL, text).hex[:7]}-{place}", text)
            for place, text in enumerate(options)
        ],
        currencies=["CNY", "USD", "EUR", "HKD", "JPY"] if kind == "amount" else ["CNY"],
        children=children or [],
    )


def expense_definition(finance_lead: str) -> Definition:
    lines = [
        _widget("radioV2", "费用类型", "line_category", required=True, options=CATEGORIES),
        _widget("date", "日期", "line_day"),
        _widget("amount", "金额", "line_amount", required=True),
        _widget("input", "说明", "line_note"),
    ]
    widgets = [
        _widget("input", "单号", "number", required=True),
        _widget("contact", "申请人", "applicant"),
        _widget("textarea", "事由", "reason", required=True),
        _widget("amount", "金额", "amount", required=True),
        _widget("dateInterval", "起止时间", "period"),
        _widget("fieldList", "费用明细", "lines", children=lines),
        _widget("image", "发票", "invoices"),
        _widget("attachmentV2", "附件", "attachments"),
        _widget("input", "详情链接", "url"),
    ]
    return Definition("5F0A7C1E-3B52-4B1B-9C57-0E4BE25E0001", "差旅报销", widgets, own_flow(finance_lead))


def travel_definition(finance_lead: str) -> Definition:
    legs = [
        _widget("input", "城市", "leg_city", required=True),
        _widget("date", "开始日期", "leg_start"),
        _widget("date", "结束日期", "leg_end"),
        _widget("input", "说明", "leg_note"),
    ]
    widgets = [
        _widget("input", "单号", "travel_number", required=True),
        _widget("contact", "申请人", "travel_applicant"),
        _widget("textarea", "事由", "travel_reason", required=True),
        _widget("dateInterval", "起止时间", "travel_period", required=True),
        _widget("fieldList", "行程", "legs", children=legs),
        _widget("amount", "预计金额", "estimate"),
        _widget("input", "详情链接", "travel_url"),
    ]
    return Definition("8D21B9F4-6A0E-4E57-8B1D-72A7E1000001", "出差申请", widgets, own_flow(finance_lead))


# --- as the control door tells them ----------------------------------------------------------------------------


def widgets_from(rows: list[Fields]) -> list[Widget]:
    """Raises ValueError."""
    widgets = []
    for row in rows:
        kind, name = row.text("type"), row.text("name")
        widget = _widget(
            kind,
            name,
            row.text_or("custom_id"),
            required=row.flag_or("required", False),
            children=widgets_from(row.rows("children")),
        )
        widget.id = row.text_or("id") or widget.id
        widget.options = [(option.text("key"), option.text("text")) for option in row.rows("options")]
        widget.currencies = row.texts("currencies") or widget.currencies
        if kind not in CHECKS and kind not in NOT_BY_API:
            raise ValueError(f"unknown control type {kind}")
        widgets.append(widget)
    return widgets


def flow_from(rows: list[Fields]) -> list[FlowStep]:
    """Raises ValueError."""
    steps = []
    for row in rows:
        mode = row.text_or("mode", "AND")
        if mode not in ("AND", "OR", "SEQUENTIAL"):
            raise ValueError(f"mode must be AND, OR or SEQUENTIAL, not {mode}")
        steps.append(
            FlowStep(
                StepKind(row.text("kind")),
                row.text_or("name") or row.text("kind"),
                mode=mode,
                role=row.text_or("role"),
                user_ids=row.texts("user_ids"),
                custom_node_id=row.text_or("custom_node_id"),
                needs_signature=row.flag_or("needs_signature", False),
            )
        )
    return steps
