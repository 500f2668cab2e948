"""A connection's settings for forms laid out the usual way: widgets are found by their names, once, at setup.

A form laid out otherwise is another mapping: see README.md, “Form mapping”.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import translation

from viatica.connectors.feishu.translate import (
    CHOICES,
    DATES,
    FILES,
    NUMBERS,
    TABLE,
    TEXTS,
    Definition,
    Widget,
    WidgetSpec,
)
from viatica.offices.company.categories import Category

USES = ("approval", "messages", "directory", "sign_in")

# What our fields may be poured into. One that is not listed goes into a text or a choice.
FITS: Mapping[str, frozenset[str]] = {
    "amount": NUMBERS | TEXTS,
    "period": TEXTS | {"dateInterval"},
    "day": TEXTS | {"date"},
    "start": TEXTS | {"date"},
    "end": TEXTS | {"date"},
    "number": TEXTS,
    "title": TEXTS,
    "reason": TEXTS,
    "note": TEXTS,
    "url": TEXTS,
    "applicant": TEXTS | {"contact"},
    "attachments": TEXTS | FILES,
    "attachment_links": TEXTS,
}
USUAL = TEXTS | CHOICES
ANYTHING = TEXTS | CHOICES | NUMBERS | DATES

# What the widgets are usually called, the likeliest first.
FIELD_NAMES: Mapping[str, Sequence[str]] = {
    "number": ("单号", "报销单号", "申请单号", "系统单号"),
    "applicant": ("申请人", "报销人"),
    "reason": ("事由", "报销事由", "出差事由"),
    "amount": (
        "金额（元）",
        "金额",
        "报销金额",
        "报销总额",
        "总金额",
        "预计金额（元）",
        "预计金额",
        "预计费用",
    ),
    "period": ("起止时间", "起止日期", "出差日期", "出差时间", "日期", "时间"),
    "attachments": ("附件", "发票附件", "发票"),
    "attachment_links": ("附件链接", "发票链接"),
    "url": ("详情链接", "链接", "单据链接"),
}
TABLE_NAMES: Mapping[str, Sequence[str]] = {
    "expense_report": ("费用明细", "报销明细", "明细"),
    "travel_request": ("行程", "行程明细", "出差行程", "明细"),
}
COLUMN_NAMES: Mapping[str, Sequence[str]] = {
    "category": ("费用类型", "类型", "报销类型"),
    "day": ("日期", "发生日期", "费用日期"),
    "amount": ("金额（元）", "金额"),
    "city": ("城市", "目的地", "出差城市"),
    "start": ("开始日期", "出发日期"),
    "end": ("结束日期", "返回日期"),
    "note": ("说明", "备注"),
}

# What a form may call our categories, beside our own words.
CATEGORY_NAMES: Mapping[Category, Sequence[str]] = {
    Category.AIR: ("飞机", "飞机票"),
    Category.RAIL: ("火车票", "高铁", "高铁/火车"),
    Category.COACH: ("长途汽车/轮船", "长途汽车", "汽车票"),
    Category.TAXI: ("出租车", "打车", "交通", "交通费"),
    Category.LODGING: ("住宿费", "酒店"),
    Category.MEALS: ("餐费", "餐饮费"),
    Category.ENTERTAINMENT: ("招待费", "业务招待费", "招待"),
    Category.CONFERENCE: ("会议培训", "会议费", "培训费", "会议"),
    Category.COMMUNICATION: ("通讯费",),
    Category.OFFICE: ("办公费", "办公"),
    Category.OTHER: ("其它", "其他费用"),
}


def settings(
    *,
    forms: Mapping[str, Mapping[str, Any]],
    base_url: str = "https://open.feishu.cn",
    login_url: str = "https://accounts.feishu.cn",
    upload_url: str = "https://www.feishu.cn",
) -> dict[str, Any]:
    """`forms`: our kind of document → its mapping, as `form` suggests it."""
    return {"base_url": base_url, "login_url": login_url, "upload_url": upload_url, "forms": dict(forms)}


def form(kind: str, approval_code: str, defined: Definition) -> dict[str, Any]:
    """The mapping that the names and types of the form's widgets suggest; nothing is taken that does not fit."""
    table = _named(TABLE_NAMES.get(kind, ()), frozenset({TABLE}), defined.widgets)
    mapping: dict[str, Any] = {
        "approval_code": approval_code,
        "fields": _suggested(FIELD_NAMES, defined.widgets),
        "lines": {"id": table.id, "columns": _suggested(COLUMN_NAMES, table.children)} if table else None,
    }
    if defined.chosen_nodes:
        mapping["approver_nodes"] = [node.key for node in defined.chosen_nodes]
    return mapping


def fits(name: str) -> frozenset[str]:
    """The types of widgets that take our field `name`."""
    return FITS.get(name, USUAL)


def _suggested(names: Mapping[str, Sequence[str]], widgets: Sequence[WidgetSpec]) -> dict[str, Any]:
    found = {name: _named(called, fits(name), widgets) for name, called in names.items()}
    return {name: _as_setting(name, widget) for name, widget in found.items() if widget}


def _named(called: Sequence[str], types: frozenset[str], widgets: Sequence[WidgetSpec]) -> WidgetSpec | None:
    fitting = {widget.name: widget for widget in widgets if widget.type in types}
    return next((fitting[name] for name in called if name in fitting), None)


def _as_setting(name: str, widget: WidgetSpec) -> dict[str, Any]:
    setting: dict[str, Any] = {"id": widget.id, "type": widget.type}
    if widget.options:
        setting["options"] = {**widget.options, **(_categories(widget) if name == "category" else {})}
    return setting


def _categories(widget: WidgetSpec) -> dict[str, str]:
    """Our categories, as documents call them in either language → an option; the rest goes under 其他 if there is one."""
    rest = _option_of(Category.OTHER, widget)
    found: dict[str, str] = {}
    for category in Category:
        key = _option_of(category, widget) or rest
        found |= dict.fromkeys(_labels(category), key) if key else {}
    return found


def categories_without_option(widget: Widget) -> list[str]:
    """Our categories a mapped choice has no option for; an expense of such a one could not be sent."""
    lacking = [_labels(one)[0] for one in Category if not set(_labels(one)) <= set(widget.options)]
    return lacking if widget.options else []


def _option_of(category: Category, widget: WidgetSpec) -> str:
    called = (*_labels(category), *CATEGORY_NAMES.get(category, ()))
    return next((widget.options[name] for name in called if name in widget.options), "")


def _labels(category: Category) -> list[str]:
    found = []
    for language in ("zh-hans", "en"):
        with translation.override(language):
            found.append(str(category.label))
    return found
