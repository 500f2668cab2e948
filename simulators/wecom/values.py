"""What each control of a form accepts as a value. Anything else is 301025, naming the control."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

from simulators.stage.fields import Fields
from simulators.wecom.errors import Refusal, bad_form
from simulators.wecom.forms import Control, both_ways

CHINA = timezone(timedelta(hours=8))
MOST_FILES = 6  # of a whole form
NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,10})?")
MONEY = re.compile(r"-?\d{1,12}(\.\d{1,2})?")
DEGREES = re.compile(r"-?\d{1,3}\.\d{1,6}")


class Outside(Protocol):
    """What a value may point to."""

    def member(self, userid: str) -> str | None: ...
    def is_department(self, dept_id: str) -> bool: ...
    def template_of(self, sp_no: str) -> str | None: ...
    def media_kind(self, media_id: str) -> str | None: ...
    def most(self, what: str) -> int: ...


def misfit(control: Control, detail: str) -> Refusal:
    return bad_form(f"control {control.id} ({control.title}): {detail}")


def read_contents(controls: list[Control], rows: list[Fields], outside: Outside) -> dict[str, Any]:
    """The values by control id, checked. Raises 301025 naming the control."""
    known = {control.id: control for control in controls}
    values: dict[str, Any] = {}
    for row in rows:
        control = known.get(row.text("id"))
        if control is None:
            raise bad_form(f"invalid control id {row.text('id')}")
        if row.text("control") != control.kind:
            raise misfit(control, f"is a {control.kind}, not a {row.text('control')}")
        if control.id in values:
            raise misfit(control, "appears twice")
        values[control.id] = checked(control, row.values.get("value"), outside)
    for control in controls:
        if control.required and not values.get(control.id):
            raise misfit(control, "is required")
    return {control.id: values.get(control.id, {}) for control in controls}


def checked(control: Control, value: Any, outside: Outside) -> dict[str, Any]:
    """The value as it is kept; {} when there is none."""
    if control.kind in ("Tips", "Formula"):
        raise misfit(control, "takes no value")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise misfit(control, "value must be an object")
    if control.kind not in CHECKS:
        raise misfit(control, f"{control.kind} cannot be submitted through the API")
    return CHECKS[control.kind](control, value, outside)


def _text(control: Control, value: dict[str, Any], outside: Outside) -> dict[str, Any]:
    text = value.get("text", "")
    if not isinstance(text, str):
        raise misfit(control, "text must be a string")
    if control.kind == "Text" and ("\n" in text or "\r" in text):
        raise misfit(control, "text must not contain a newline")
    if len(text) > (most := outside.most("text_most" if control.kind == "Text" else "textarea_most")):
        raise misfit(control, f"text is longer than {most} characters")
    return {"text": text} if text else {}


def _number(control: Control, value: dict[str, Any], outside: Outside) -> dict[str, Any]:
    return _numeric(control, value, "new_number", NUMBER)


def _money(control: Control, value: dict[str, Any], outside: Outside) -> dict[str, Any]:
    return _numeric(control, value, "new_money", MONEY)


def _numeric(control: Control, value: dict[str, Any], key: str, pattern: re.Pattern[str]) -> dict[str, Any]:
    given = value.get(key, "")
    if given == "":
        return {}
    if not isinstance(given, str) or not pattern.fullmatch(given):
        raise misfit(control, f"{key} must be a decimal in a string")
    return {key: given}


def _date(control: Control, value: dict[str, Any], outside: Outside) -> dict[str, Any]:
    date = value.get("date") or {}
    stamp = date.get("s_timestamp", "")
    if stamp == "":
        return {}
    if date.get("type") != control.type:
        raise misfit(control, f"date.type must be {control.type}")
    if not isinstance(stamp, str) or not stamp.isdigit():
        raise misfit(control, "s_timestamp must be seconds in a string")
    return {"date": {"type": control.type, "s_timestamp": stamp}}


def _selector(control: Control, value: dict[str, Any], outside: Outside) -> dict[str, Any]:
    selector = value.get("selector") or {}
    options = selector.get("options") or []
    if not options:
        return {}
    if selector.get("type") != control.type:
        raise misfit(control, f"selector.type must be {control.type}")
    if control.type == "single" and len(options) > 1:
        raise misfit(control, "takes one option")
    texts = dict(control.options)
    kept = []
    for option in options:
        key = option.get("key") if isinstance(option, dict) else None
        if key not in texts:
            raise misfit(control, f"has no option {key}")
        kept.append({"key": key, "value": both_ways(texts[key])})
    return {"selector": {"type": control.type, "options": kept}}


def _contact(control: Control, value: dict[str, Any], outside: Outside) -> dict[str, Any]:
    people = control.mode == "user"
    rows = value.get("members" if people else "departments") or []
    if control.type == "single" and len(rows) > 1:
        raise misfit(control, "takes one")
    return _members(control, rows, outside) if people else _departments(control, rows, outside)


def _members(control: Control, rows: list[Any], outside: Outside) -> dict[str, Any]:
    kept = []
    for row in rows:
        userid = outside.member(str(row.get("userid", ""))) if isinstance(row, dict) else None
        if userid is None:
            raise misfit(control, f"no such member: {row}")
        kept.append({"userid": userid, "name": str(row.get("name", ""))})
    return {"members": kept} if kept else {}


def _departments(control: Control, rows: list[Any], outside: Outside) -> dict[str, Any]:
    for row in rows:
        dept_id = row.get("openapi_id") if isinstance(row, dict) else None
        if not isinstance(dept_id, str) or not outside.is_department(dept_id):
            raise misfit(control, f"no such department: {row}")
    kept = [{"openapi_id": row["openapi_id"], "name": str(row.get("name", ""))} for row in rows]
    return {"departments": kept} if kept else {}


def _files(control: Control, value: dict[str, Any], outside: Outside) -> dict[str, Any]:
    rows = value.get("files") or []
    for row in rows:
        media_id = row.get("file_id") if isinstance(row, dict) else None
        kind = outside.media_kind(media_id) if isinstance(media_id, str) else None
        if kind is None:
            raise misfit(control, f"invalid file_id {media_id}")
        if control.only_photos and kind != "image":
            raise misfit(control, "takes pictures only")
    return {"files": [dict(row) for row in rows]} if rows else {}


def _date_range(control: Control, value: dict[str, Any], outside: Outside) -> dict[str, Any]:
    given = value.get("date_range") or {}
    return {"date_range": _range(control, given)} if given.get("new_begin") else {}


def _range(control: Control, given: dict[str, Any], *, needs_duration: bool = True) -> dict[str, Any]:
    if given.get("type") != control.type:
        raise misfit(control, f"date_range.type must be {control.type}")
    numbers = [given.get("new_begin"), given.get("new_end")]
    if needs_duration:
        numbers.append(given.get("new_duration"))
    if not all(isinstance(item, int) and not isinstance(item, bool) and item >= 0 for item in numbers):
        raise misfit(control, "new_begin, new_end and new_duration must be numbers")
    begin, end = given["new_begin"], given["new_end"]
    if begin > end:
        raise misfit(control, "begins after its end")
    if control.type == "halfday" and not (is_half(begin) and is_half(end)):
        raise misfit(control, "a half day begins at 00:00 or 12:00")
    return dict(given)


def local(at_s: int) -> datetime:
    return datetime.fromtimestamp(at_s, CHINA)


def is_half(at_s: int) -> bool:
    at = local(at_s)
    return at.hour in (0, 12) and (at.minute, at.second) == (0, 0)


def _attendance(control: Control, value: dict[str, Any], outside: Outside) -> dict[str, Any]:
    given = value.get("attendance") or {}
    if not given:
        return {}
    if given.get("type") != control.attendance:
        raise misfit(control, f"attendance.type must be {control.attendance}")
    slices = (given.get("slice_info") or {}).get("day_items") or []
    for item in slices:
        if not isinstance(item, dict) or local(int(item.get("daytime", 1))).strftime("%H%M%S") != "000000":
            raise misfit(control, "daytime must be midnight in UTC+8")
    kept = {**given, "date_range": _range(control, given.get("date_range") or {}, needs_duration=not slices)}
    return {"attendance": kept}


def _location(control: Control, value: dict[str, Any], outside: Outside) -> dict[str, Any]:
    given = value.get("location") or {}
    if not given:
        return {}
    for key in ("latitude", "longitude"):
        if not isinstance(given.get(key), str) or not DEGREES.fullmatch(given[key]):
            raise misfit(control, f"{key} must be a decimal in a string")
    return {"location": dict(given)}


def _related(control: Control, value: dict[str, Any], outside: Outside) -> dict[str, Any]:
    rows = value.get("related_approval") or []
    for row in rows:
        template_id = outside.template_of(str(row.get("sp_no", ""))) if isinstance(row, dict) else None
        if template_id is None or (control.template_ids and template_id not in control.template_ids):
            raise misfit(control, f"no such approval: {row}")
    return {"related_approval": [dict(row) for row in rows]} if rows else {}


def _table(control: Control, value: dict[str, Any], outside: Outside) -> dict[str, Any]:
    rows = value.get("children")
    if not isinstance(rows, list) or not rows:
        raise misfit(control, "needs one row at least")
    if len(rows) > (most := outside.most("table_rows_most")):
        raise misfit(control, f"has more than {most} rows")
    return {"children": [{"list": _row(control, row, outside)} for row in rows]}


def _row(control: Control, row: Any, outside: Outside) -> list[dict[str, Any]]:
    cells = row.get("list") if isinstance(row, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise misfit(control, "a row must be {list: [...]}")
    given = {str(cell.get("id")) for cell in cells}
    for child in control.children:
        if child.id not in given:
            raise misfit(child, "every control must be present in each row")
    fields = [Fields(cell, bad_form) for cell in cells]
    values = read_contents(control.children, fields, outside)
    return [
        {"control": child.kind, "id": child.id, "title": both_ways(child.title), "value": values[child.id]}
        for child in control.children
    ]


CHECKS: Mapping[str, Callable[[Control, dict[str, Any], Outside], dict[str, Any]]] = {
    "Text": _text,
    "Textarea": _text,
    "Number": _number,
    "Money": _money,
    "Date": _date,
    "DateRange": _date_range,
    "Selector": _selector,
    "Contact": _contact,
    "File": _files,
    "Table": _table,
    "Attendance": _attendance,
    "Location": _location,
    "RelatedApproval": _related,
}


def file_ids(values: Mapping[str, Any]) -> list[str]:
    """Every attachment of a form, in tables too."""
    found = []
    for value in values.values():
        found += [str(row["file_id"]) for row in value.get("files", [])]
        for row in value.get("children", []):
            found += file_ids({cell["id"]: cell["value"] for cell in row["list"]})
    return found
