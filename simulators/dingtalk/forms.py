"""Approval templates: their components, what each accepts as a value, and the flow of their own."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import urlsplit

from simulators.dingtalk.errors import NewRefusal

MOST_CHARACTERS = 65_535
DECIMAL = re.compile(r"-?\d{1,15}(\.\d{1,10})?")
PHONE = re.compile(r"\+?[\d\- ]{5,20}")
ATTACHMENT_KEYS = ("spaceId", "fileName", "fileSize", "fileType", "fileId")


@dataclass(slots=True)
class Component:
    id: str
    kind: str
    label: str  # of a DDDateRangeField: a JSON array of two labels
    required: bool = False
    options: list[str] = field(default_factory=list)
    format: str = ""
    biz_alias: str = ""
    children: list[Component] = field(default_factory=list)


class StepKind(StrEnum):
    MANAGER = "manager"  # of the originator's department, or the next one up
    ROLE = "role"
    USERS = "users"
    SELF_SELECT = "self_select"  # 发起人自选


@dataclass(slots=True)
class FlowStep:
    kind: StepKind
    name: str
    mode: str = "NONE"  # AND, OR, NONE
    role: str = ""
    user_ids: list[str] = field(default_factory=list)
    activity_id: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    @property
    def actor_key(self) -> str:
        return f"manual_{self.activity_id}"


@dataclass(slots=True)
class Template:
    process_code: str
    name: str
    components: list[Component]
    flow: list[FlowStep]
    description: str = ""
    is_enabled: bool = True
    is_hidden: bool = False
    lets_withdraw: bool = True
    created_ms: int = 0
    modified_ms: int = 0

    def find(self, name: str) -> Component | None:
        wanted = label_key(name)
        for component in self.components:
            if label_key(component.label) == wanted:
                return component
        return None


def label_key(name: str) -> tuple[str, ...]:
    """Two spellings of one date range name (spaces in the JSON) are the same label."""
    if name.startswith("["):
        try:
            parts = json.loads(name)
        except ValueError:
            return (name,)
        if isinstance(parts, list) and all(isinstance(part, str) for part in parts):
            return tuple(parts)
    return (name,)


class Outside(Protocol):
    """What a value may point to."""

    def is_active_user(self, userid: str) -> bool: ...
    def is_department(self, dept_id: str) -> bool: ...
    def is_instance(self, instance_id: str) -> bool: ...


def misfit(component: Component, detail: str) -> NewRefusal:
    return NewRefusal("formConverterError", f"表单数据校验失败，失败控件：{component.label}（{detail}）")


def check_value(component: Component, value: str, outside: Outside) -> None:
    """Raises formConverterError naming the component."""
    if len(value) > MOST_CHARACTERS:
        raise misfit(component, f"超过{MOST_CHARACTERS}字符")
    if not value:
        if component.required:
            raise misfit(component, "必填")
        return
    CHECKS.get(component.kind, _any_text)(component, value, outside)


def _any_text(component: Component, value: str, outside: Outside) -> None:
    return None


def _note(component: Component, value: str, outside: Outside) -> None:
    raise misfit(component, "说明文字不能填写")


def _decimal(component: Component, value: str, outside: Outside) -> None:
    if not DECIMAL.fullmatch(value):
        raise misfit(component, "不是数字")


def _option(component: Component, value: str, outside: Outside) -> None:
    if value not in component.options:
        raise misfit(component, f"没有选项 {value}")


def _options(component: Component, value: str, outside: Outside) -> None:
    for item in _strings(component, value):
        _option(component, item, outside)


def _date(component: Component, value: str, outside: Outside) -> None:
    patterns = ["%Y-%m-%d", "%Y-%m-%d %H:%M"] if "HH" in component.format else ["%Y-%m-%d"]
    for pattern in patterns:
        try:
            datetime.strptime(value, pattern)  # noqa: DTZ007 - a form's date has no zone
            return
        except ValueError:
            continue
    raise misfit(component, "日期格式应为 yyyy-MM-dd")


def _date_range(component: Component, value: str, outside: Outside) -> None:
    dates = _strings(component, value)
    if len(dates) != 2:
        raise misfit(component, "需要开始和结束两个日期")
    for date in dates:
        _date(component, date, outside)
    if dates[0] > dates[1]:
        raise misfit(component, "开始晚于结束")


def _photos(component: Component, value: str, outside: Outside) -> None:
    for url in _strings(component, value):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise misfit(component, "图片必须是网址")


def _attachments(component: Component, value: str, outside: Outside) -> None:
    for item in _list(component, value):
        if not isinstance(item, dict) or not all(item.get(key) not in (None, "") for key in ATTACHMENT_KEYS):
            raise misfit(component, "附件缺少 " + "/".join(ATTACHMENT_KEYS))


def _contacts(component: Component, value: str, outside: Outside) -> None:
    for userid in _strings(component, value):
        if not outside.is_active_user(userid):
            raise misfit(component, f"不是在职成员: {userid}")


def _departments(component: Component, value: str, outside: Outside) -> None:
    for dept_id in value.split(","):
        if not outside.is_department(dept_id):
            raise misfit(component, f"部门不存在: {dept_id}")


def _related(component: Component, value: str, outside: Outside) -> None:
    for instance_id in _strings(component, value):
        if not outside.is_instance(instance_id):
            raise misfit(component, f"审批单不存在: {instance_id}")


def _phone(component: Component, value: str, outside: Outside) -> None:
    if not PHONE.fullmatch(value):
        raise misfit(component, "不是电话号码")


def _stars(component: Component, value: str, outside: Outside) -> None:
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= 5:
        raise misfit(component, "评分应为 1 到 5")


def _address(component: Component, value: str, outside: Outside) -> None:
    if not 2 <= len([part for part in value.split(",") if part]) <= 4:
        raise misfit(component, "省市区需用英文逗号分隔")


def _table(component: Component, value: str, outside: Outside) -> None:
    columns = {child.label: child for child in component.children}
    for place, row in enumerate(_list(component, value), start=1):
        if not isinstance(row, list):
            raise misfit(component, f"第{place}行不是列表")
        filled: dict[str, str] = {}
        for cell in row:
            if not isinstance(cell, dict) or not isinstance(cell.get("value"), str):
                raise misfit(component, f"第{place}行的单元格需要 name 和字符串 value")
            child = columns.get(str(cell.get("name")))
            if child is None:
                raise misfit(component, f"第{place}行没有列 {cell.get('name')}")
            filled[child.label] = cell["value"]
        for child in component.children:
            check_value(child, filled.get(child.label, ""), outside)


CHECKS: Mapping[str, Callable[[Component, str, Outside], None]] = {
    "TextField": _any_text,
    "TextareaField": _any_text,
    "TextNote": _note,
    "NumberField": _decimal,
    "MoneyField": _decimal,
    "DDSelectField": _option,
    "DDMultiSelectField": _options,
    "DDDateField": _date,
    "DDDateRangeField": _date_range,
    "DDPhotoField": _photos,
    "DDAttachment": _attachments,
    "InnerContactField": _contacts,
    "DepartmentField": _departments,
    "RelateField": _related,
    "PhoneField": _phone,
    "StarRatingField": _stars,
    "AddressField": _address,
    "TableField": _table,
}


def _list(component: Component, value: str) -> list[Any]:
    try:
        items = json.loads(value)
    except ValueError:
        raise misfit(component, "值不是 JSON 数组") from None
    if not isinstance(items, list):
        raise misfit(component, "值不是 JSON 数组")
    return items


def _strings(component: Component, value: str) -> list[str]:
    items = _list(component, value)
    if not items or not all(isinstance(item, str) for item in items):
        raise misfit(component, "值应为字符串数组")
    return items


def rows_as_shown(component: Component, value: str) -> str:
    """A table as the product gives it back: rowValue/rowNumber, not the two-dimensional list it was sent as."""
    columns = {child.label: child for child in component.children}
    rows = []
    for place, row in enumerate(json.loads(value)):
        cells = [
            {
                "componentType": columns[cell["name"]].kind,
                "label": cell["name"],
                "value": cell["value"],
                "key": columns[cell["name"]].id,
            }
            for cell in row
        ]
        rows.append({"rowValue": cells, "rowNumber": f"{component.id}_{place}"})
    return json.dumps(rows, ensure_ascii=False)


def own_flow(finance_lead: str) -> list[FlowStep]:
    return [
        FlowStep(StepKind.MANAGER, "直属主管"),
        FlowStep(StepKind.ROLE, "财务负责人", role=finance_lead),
    ]


def _component(
    kind: str, label: str, *, required: bool = False, children: list[Component] | None = None
) -> Component:
    # Stable ids: clients keep them, and a restarted simulator must not invent new ones.
    number = uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}/{label}").hex[:12].upper()
    return Component(f"{kind}_{number}", kind, label, required=required, children=children or [])


def expense_template(finance_lead: str) -> Template:
    lines = [
        _component("TextField", "费用类型", required=True),
        _component("TextField", "日期"),
        _component("MoneyField", "金额（元）", required=True),
        _component("TextField", "说明"),
    ]
    components = [
        _component("TextField", "单号", required=True),
        _component("InnerContactField", "申请人"),
        _component("TextareaField", "事由", required=True),
        _component("MoneyField", "金额（元）", required=True),
        _component("DDDateRangeField", '["开始时间","结束时间"]'),
        _component("TableField", "费用明细", children=lines),
        _component("DDPhotoField", "发票"),
        _component("DDAttachment", "附件"),
        _component("TextField", "详情链接"),
    ]
    return Template(
        "PROC-5F0A7C1E-3B52-4B1B-9C57-EXPENSE00001", "差旅报销", components, own_flow(finance_lead)
    )


def travel_template(finance_lead: str) -> Template:
    legs = [
        _component("TextField", "城市", required=True),
        _component("TextField", "开始日期"),
        _component("TextField", "结束日期"),
        _component("TextField", "说明"),
    ]
    components = [
        _component("TextField", "单号", required=True),
        _component("InnerContactField", "申请人"),
        _component("TextareaField", "事由", required=True),
        _component("DDDateRangeField", '["开始时间","结束时间"]', required=True),
        _component("TableField", "行程", children=legs),
        _component("MoneyField", "预计金额（元）"),
        _component("TextField", "详情链接"),
    ]
    return Template(
        "PROC-8D21B9F4-6A0E-4E57-8B1D-TRAVEL000001", "出差申请", components, own_flow(finance_lead)
    )
