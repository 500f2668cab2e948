"""Approval templates: their controls, the flow of their own, and how both are written and read."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from simulators.stage.fields import Fields
from simulators.wecom.errors import Refusal

KINDS = (
    "Text",
    "Textarea",
    "Number",
    "Money",
    "Date",
    "DateRange",
    "Selector",
    "Contact",
    "File",
    "Table",
    "Attendance",
    "Location",
    "RelatedApproval",
)
# A template may hold these as well: they take no value, or the API cannot submit one.
WITHOUT_VALUE = ("Tips", "Formula", "PhoneNumber", "Vacation", "BankAccount")
CONTROL_ID = re.compile(r"[A-Za-z]+-\w+")
# What a value read back carries besides its own key.
NOISE = ("tips", "members", "departments", "files", "children", "stat_field", "sum_field", "related_approval")


@dataclass(slots=True)
class Control:
    kind: str
    id: str
    title: str
    required: bool = False
    placeholder: str = ""
    type: str = ""  # day/hour, single/multi, halfday/hour
    mode: str = ""  # of a Contact: user/department
    options: list[tuple[str, str]] = field(default_factory=list)  # key, text
    only_photos: bool = False
    attendance: int = 0  # 1 leave, 3 business trip, 4 out, 5 overtime
    template_ids: list[str] = field(default_factory=list)  # of a RelatedApproval; empty: any
    children: list[Control] = field(default_factory=list)


class StepKind(StrEnum):
    SUPERIOR = "superior"  # 上级: the direct leader, or the leader of the department or the next one up
    TAG = "tag"
    USERS = "users"
    SELF_SELECT = "self_select"  # 申请人自选


@dataclass(slots=True)
class FlowStep:
    kind: StepKind
    rel: int = 2  # 1 AND (会签), 2 OR (或签), 3 one after the other
    type: int = 1  # 1 approver, 2 cc, 3 handler (办理人)
    tag: str = ""
    user_ids: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Template:
    id: str
    name: str
    controls: list[Control]
    flow: list[FlowStep]
    is_ours: bool = False  # made by this app's own create_template
    is_usable: bool = True


def both_ways(text: str) -> list[dict[str, str]]:
    return [{"text": text, "lang": "zh_CN"}]


# Reading back.


def shown_value(control: Control, value: dict[str, Any]) -> dict[str, Any]:
    """A value as getapprovaldetail gives it: with the empty lists of the other kinds beside it."""
    shown: dict[str, Any] = {name: [] for name in NOISE}
    if control.kind in ("Text", "Textarea"):
        shown["text"] = ""
    for key, item in value.items():
        shown[key] = item
    if "children" in value:
        columns = {child.id: child for child in control.children}
        shown["children"] = [
            {
                "list": [
                    {**cell, "value": shown_value(columns[cell["id"]], cell["value"])} for cell in row["list"]
                ]
            }
            for row in value["children"]
        ]
    return shown


def shown_contents(controls: list[Control], values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "control": control.kind,
            "id": control.id,
            "title": both_ways(control.title),
            "value": shown_value(control, values.get(control.id, {})),
            "hidden": 0,
        }
        for control in controls
        if control.kind != "Tips"
    ]


def shown_control(control: Control) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "property": {
            "control": control.kind,
            "id": control.id,
            "title": both_ways(control.title),
            "placeholder": both_ways(control.placeholder) if control.placeholder else [],
            "require": int(control.required),
            "un_print": 0,
        }
    }
    if config := _config(control):
        shown["config"] = config
    return shown


def _config(control: Control) -> dict[str, Any]:
    match control.kind:
        case "Date":
            return {"date": {"type": control.type}}
        case "Selector":
            options = [{"key": key, "value": both_ways(text)} for key, text in control.options]
            return {"selector": {"type": control.type, "options": options, "exp_type": 0}}
        case "Contact":
            return {"contact": {"type": control.type, "mode": control.mode}}
        case "File":
            return {"file": {"is_only_photo": int(control.only_photos)}}
        case "Table":
            return {"table": {"children": [shown_control(row) for row in control.children], "stat_field": []}}
        case "DateRange":
            return {"date_range": {"type": control.type, "official_holiday": 0, "perday_duration": 86400}}
        case "Attendance":
            return {"attendance": {"date_range": {"type": control.type}, "type": control.attendance}}
        case "RelatedApproval":
            return {"related_approval": {"template_id": list(control.template_ids)}}
        case _:
            return {}


# Templates made through the API.


def read_controls(rows: list[Fields]) -> list[Control]:
    controls = [_read_control(row) for row in rows]
    everything = controls + [child for control in controls for child in control.children]
    if len({control.id for control in everything}) != len(everything):
        raise Refusal(301086, "invalid template control: an id appears twice")
    return controls


def _read_control(row: Fields) -> Control:
    about, config = row.part("property"), row.part("config")
    kind, control_id = about.text("control"), about.text("id")
    if kind not in (*KINDS, *WITHOUT_VALUE):
        raise Refusal(301086, f"invalid template control: {kind}")
    if not CONTROL_ID.fullmatch(control_id):
        raise Refusal(301086, f"invalid template control id: {control_id}")
    children = [_read_control(child) for child in config.part("table").rows("children")]
    if kind == "Table" and (not children or any(child.kind in ("Table", "Attendance") for child in children)):
        raise Refusal(301086, "invalid template control: a table holds plain controls, one at least")
    selector, contact = config.part("selector"), config.part("contact")
    given = {"Date": config.part("date"), "DateRange": config.part("date_range")}.get(kind)
    attendance = config.part("attendance")
    return Control(
        kind,
        control_id,
        first_text(about, "title"),
        required=about.number_or("require", 0) == 1,
        placeholder=first_text(about, "placeholder"),
        type=_type_of(kind, given or selector, contact, attendance),
        mode=contact.text_or("mode"),
        options=[
            (option.text("key"), option.part("value").text("text")) for option in selector.rows("options")
        ],
        only_photos=config.part("file").number_or("is_only_photo", 0) == 1,
        attendance=attendance.number_or("type", 0),
        template_ids=config.part("related_approval").texts("template_id"),
        children=children,
    )


def _type_of(kind: str, plain: Fields, contact: Fields, attendance: Fields) -> str:
    if kind == "Attendance":
        return attendance.part("date_range").text("type")
    if kind in ("Date", "DateRange", "Selector"):
        return plain.text("type")
    return contact.text_or("type")


def first_text(row: Fields, name: str) -> str:
    """The first text of [{text, lang}]; absent means empty."""
    found = row.rows(name)
    return found[0].text("text") if found else ""


def new_template_id() -> str:
    return "3W" + uuid.uuid4().hex[:38]
