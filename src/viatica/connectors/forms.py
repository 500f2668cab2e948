"""The customer's forms: which of our fields goes where, suggested by name and type, and checked. Names no vendor.

`Connection.settings["forms"][kind]` keeps one mapping for each kind of document:
`{<code_name>: code, "fields": {our field: setting}, "lines": {…, "columns": {our column: setting}} | None, …}`,
where a *setting* is how the connector names a field of the form (a label, an id with its type …).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from django.utils import translation

from viatica.connectors.checking import Check
from viatica.kernel.errors import OutsideError
from viatica.kernel.words import N_
from viatica.offices.company.categories import Category


class Shape(StrEnum):
    """What a field of a form can hold."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    DATE_RANGE = "date_range"
    PERSON = "person"
    FILES = "files"
    CHOICE = "choice"
    TABLE = "table"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of a form as the OA defines it. `type` is the product's word; a table has `children`.

    `setting` is what the mapping keeps of it, and `key` how that names it. `options` of a choice: what people read → the
    value that is sent.
    """

    key: str
    label: str
    shape: Shape
    type: str
    setting: Any
    is_required: bool = False
    other_key: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    children: tuple[FormField, ...] = ()

    def is_called(self, key: str) -> bool:
        return bool(key) and key in (self.key, self.other_key)


@dataclass(frozen=True, slots=True)
class Step:
    """Of a flow over there. A mapping may name it by either key."""

    key: str
    name: str
    other_key: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """One form. `extra` is what its mapping keeps besides fields and lines, as the product needs it.

    `chosen`: steps at which the applicant names who approves.
    """

    code: str
    name: str
    fields: tuple[FormField, ...]
    is_active: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)
    chosen: tuple[Step, ...] = ()


class FormsPort(Protocol):
    @property
    def code_name(self) -> str:
        """Under which a mapping keeps the template's code, as the product calls it."""
        ...

    def listed(self) -> list[tuple[str, str]]:
        """Code and name of each template, where the product can list them; else empty."""
        ...

    def template(self, code: str) -> Template:
        """Raises OutsideError."""
        ...

    def key_of(self, setting: Any) -> str:
        """Which field of the form a setting names."""
        ...

    def fits(self, name: str) -> frozenset[Shape]:
        """What our field `name` may be poured into."""
        ...

    def more_checks(self, name: str, mapping: Mapping[str, Any], template: Template) -> Iterable[Check]:
        """What only this product asks of a mapping."""
        ...


# What our fields may be poured into. One that is not listed goes into a text or a choice.
_FITS: Mapping[str, frozenset[Shape]] = {
    "amount": frozenset({Shape.NUMBER, Shape.TEXT}),
    "period": frozenset({Shape.DATE_RANGE, Shape.TEXT}),
    "day": frozenset({Shape.DATE, Shape.TEXT}),
    "start": frozenset({Shape.DATE, Shape.TEXT}),
    "end": frozenset({Shape.DATE, Shape.TEXT}),
    "number": frozenset({Shape.TEXT}),
    "title": frozenset({Shape.TEXT}),
    "reason": frozenset({Shape.TEXT}),
    "note": frozenset({Shape.TEXT}),
    "url": frozenset({Shape.TEXT}),
    "applicant": frozenset({Shape.PERSON, Shape.TEXT}),
    "attachments": frozenset({Shape.FILES, Shape.TEXT}),
    "attachment_links": frozenset({Shape.TEXT}),
}
_USUAL = frozenset({Shape.TEXT, Shape.CHOICE})


def fits(name: str) -> frozenset[Shape]:
    """The usual answer of a FormsPort."""
    return _FITS.get(name, _USUAL)


# What the fields are usually called, the likeliest first.
FIELD_NAMES: Mapping[str, Sequence[str]] = {
    "number": ("单号", "报销单号", "申请单号", "系统单号"),
    "applicant": ("申请人", "报销人"),
    "reason": ("事由", "报销事由", "出差事由"),
    "amount": (
        "金额（元）", "金额", "报销金额", "报销总额", "总金额", "预计金额（元）", "预计金额", "预计费用",
    ),
    "period": (
        "起止时间", "起止日期", "出差日期", "出差时间", "开始时间 结束时间", "开始日期 结束日期", "日期", "时间",
    ),
    "attachments": ("附件", "发票附件", "发票"),
    "attachment_links": ("附件链接", "发票链接"),
    "url": ("详情链接", "链接", "单据链接"),
}  # fmt: skip
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


# Suggesting


def suggest(port: FormsPort, kind: str, template: Template) -> dict[str, Any]:
    """The mapping that the names and types of the form's fields suggest; nothing is taken that does not fit."""
    table = _named(TABLE_NAMES.get(kind, ()), frozenset({Shape.TABLE}), template.fields)
    return {
        port.code_name: template.code,
        "fields": _suggested(port, FIELD_NAMES, template.fields),
        "lines": {**table.setting, "columns": _suggested(port, COLUMN_NAMES, table.children)}
        if table
        else None,
        **template.extra,
    }


def _suggested(
    port: FormsPort, names: Mapping[str, Sequence[str]], fields: Sequence[FormField]
) -> dict[str, Any]:
    found = {name: _named(called, port.fits(name), fields) for name, called in names.items()}
    return {name: setting_of(name, one) for name, one in found.items() if one}


def _named(called: Sequence[str], shapes: frozenset[Shape], fields: Sequence[FormField]) -> FormField | None:
    fitting = {one.label: one for one in fields if one.shape in shapes}
    return next((fitting[name] for name in called if name in fitting), None)


def setting_of(name: str, one: FormField) -> Any:
    """How a mapping names the form's field for ours; a choice brings its options, and those of our categories."""
    if not one.options or not isinstance(one.setting, dict):
        return one.setting
    return {**one.setting, "options": {**one.options, **(_categories(one) if name == "category" else {})}}


def _categories(one: FormField) -> dict[str, str]:
    """Our categories, as documents call them in either language → an option; the rest goes under 其他 if there is one."""
    rest = _option_of(Category.OTHER, one)
    found: dict[str, str] = {}
    for category in Category:
        key = _option_of(category, one) or rest
        found |= dict.fromkeys(_labels(category), key) if key else {}
    return found


def _option_of(category: Category, one: FormField) -> str:
    called = (*_labels(category), *CATEGORY_NAMES.get(category, ()))
    return next((one.options[name] for name in called if name in one.options), "")


def _labels(category: Category) -> list[str]:
    found = []
    for language in ("zh-hans", "en"):
        with translation.override(language):
            found.append(str(category.label))
    return found


# Checking


def checks(port: FormsPort, forms: Mapping[str, Mapping[str, Any]]) -> Iterator[Check]:
    """Every mapping against the form it is for, as the OA has it now."""
    for kind, mapping in forms.items():
        yield from check(port, kind, mapping)


def check(port: FormsPort, kind: str, mapping: Mapping[str, Any]) -> list[Check]:
    """One mapping; a single good line when nothing is wrong with it."""
    name, code = f"form.{kind}", str(mapping.get(port.code_name) or "")
    try:
        template = port.template(code)
        found = [*_misfits(port, name, mapping, template), *port.more_checks(name, mapping, template)]
    except OutsideError as error:
        said = error.params.get("said_by", "")
        return [
            Check.bad(
                name,
                N_("The form {code} cannot be read: {said_by}"),
                error.hint or N_("Check its code, and the app's permission to read forms."),
                {**error.params, "code": code, "said_by": said},
            )
        ]
    return found or [Check(name, True, N_("Every mapped field fits the form."))]


def _misfits(port: FormsPort, name: str, mapping: Mapping[str, Any], template: Template) -> Iterator[Check]:
    if not template.is_active:
        yield Check.bad(
            name,
            N_("The form “{name}” is switched off."),
            N_("Publish it in the OA's console."),
            {"name": template.name},
        )
    mapped: list[str] = []
    for ours, setting in mapping["fields"].items():
        mapped.append(port.key_of(setting))
        yield from _misfit(port, name, ours, setting, template.fields, port.fits(ours))
    lines = mapping.get("lines")
    if lines:
        mapped.append(port.key_of(lines))
        yield from _misfit(port, name, "lines", lines, template.fields, frozenset({Shape.TABLE}))
    table = find(template.fields, port.key_of(lines)) if lines else None
    columns = table.children if table else ()
    for ours, setting in (lines["columns"] if lines else {}).items():
        mapped.append(port.key_of(setting))
        yield from _misfit(port, name, ours, setting, columns, port.fits(ours))
    for one in (*template.fields, *columns):
        if one.is_required and not any(one.is_called(key) for key in mapped):
            yield Check.bad(
                name,
                N_("The form asks for “{label}”, which nothing of ours fills."),
                N_("Map a field to it, or make it optional in the form."),
                {"label": one.label},
            )


def _misfit(
    port: FormsPort, name: str, ours: str, setting: Any, fields: Sequence[FormField], shapes: frozenset[Shape]
) -> Iterator[Check]:
    one = find(fields, port.key_of(setting))
    kept = setting if isinstance(setting, dict) else {}
    if one is None:
        yield Check.bad(
            name,
            N_("The form has no field {key}, to which “{field}” is mapped."),
            N_("Map the form again: a field that was made anew or renamed is another one."),
            {"key": port.key_of(setting), "field": ours},
        )
    elif one.shape not in shapes or kept.get("type", one.type) != one.type:
        yield Check.bad(
            name,
            N_("The form's field “{label}” is a {type}, which does not take “{field}”."),
            N_("Map it again; it goes into one of: {fits}."),
            {"label": one.label, "type": one.type, "field": ours, "fits": ", ".join(sorted(shapes))},
        )
    elif gone := sorted(set(kept.get("options", {}).values()) - set(one.options.values())):
        yield Check.bad(
            name,
            N_("The choice “{label}” no longer has {gone}."),
            N_("Map the form again: its options have changed."),
            {"label": one.label, "gone": ", ".join(gone)},
        )
    elif ours == "category" and (lacking := categories_without_option(kept.get("options", {}))):
        yield Check.bad(
            name,
            N_("The choice “{label}” has no option for {lacking}."),
            N_("Map each of our categories to one of its options, in every language people use here."),
            {"label": one.label, "lacking": ", ".join(lacking)},
        )


def categories_without_option(options: Mapping[str, str]) -> list[str]:
    """Our categories a mapped choice has no option for; an expense of such a one could not be sent."""
    return [_labels(one)[0] for one in Category if not set(_labels(one)) <= set(options)] if options else []


def find(fields: Sequence[FormField], key: str) -> FormField | None:
    return next((one for one in fields if one.is_called(key)), None)
