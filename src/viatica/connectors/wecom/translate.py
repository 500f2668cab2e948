"""WeCom's forms, templates and people as we read them. Pure; foreign `Any` ends here.

Sources: vendor pages 获取审批申请详情, 获取审批模板详情, 获取部门列表, 读取成员.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from viatica.connectors.wecom import tasks
from viatica.connectors.wecom.mapping import ZONE
from viatica.connectors.wecom.tasks import FormStatus, moment, whole
from viatica.offices.approval.ports import CaseState, CaseStatus, InstanceId
from viatica.offices.company.ports import OutsideDepartment, OutsideMember

Json = dict[str, Any]


# --- a form read back ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Form:
    """One approval form. `is_undone`: it had been approved, and was withdrawn afterwards."""

    state: CaseState
    template_id: str
    applicant_userid: str
    submitted_at: datetime | None
    is_undone: bool = False


def form(info: Json, number_ids: Mapping[str, str], zone: str = ZONE) -> Form:
    """From 获取审批申请详情's `info`. `number_ids`: template → the control that holds our number."""
    status = tasks.status_of(info.get("sp_status"))
    template_id = str(info.get("template_id") or "")
    rows = list(_rows(info.get("apply_data"), "contents"))
    process = tasks.nodes(info)
    last = tasks.latest(process)
    state = CaseState(
        instance_id=InstanceId(str(info.get("sp_no") or "")),
        number=_number(rows, number_ids.get(template_id, "")),
        status=status,
        tasks=tuple(tasks.tasks(process, status)),
        fields={_title(one): _shown(one, zone) for one in rows},
        finished_at=last.at if last and status in (CaseStatus.APPROVED, CaseStatus.REJECTED) else None,
    )
    return Form(
        state=state,
        template_id=template_id,
        applicant_userid=_applicant(info),
        submitted_at=moment(info.get("apply_time")),
        is_undone=whole(info.get("sp_status")) == FormStatus.WITHDRAWN_AFTER,
    )


def _applicant(info: Json) -> str:
    """Forms handed in for somebody else name them as `batch_applyer`, of one or several."""
    for name in ("applyer", "batch_applyer"):
        match info.get(name):
            case {"userid": str(userid)} | [{"userid": str(userid)}, *_]:
                return userid
    return ""


def _number(rows: Sequence[Json], control_id: str) -> str | None:
    found = next((one for one in rows if control_id and one.get("id") == control_id), {})
    return str((found.get("value") or {}).get("text") or "") or None


def _rows(data: Any, name: str) -> Iterator[Json]:
    rows = data.get(name) if isinstance(data, dict) else None
    yield from (one for one in rows or [] if isinstance(one, dict))


def first_text(said: Any) -> str:
    """Of `[{text, lang}]`: the Chinese one, else the first."""
    rows = [one for one in said or [] if isinstance(one, dict)] if isinstance(said, list) else []
    chosen = next((one for one in rows if one.get("lang") == "zh_CN"), rows[0] if rows else {})
    return str(chosen.get("text") or "")


def _title(row: Json) -> str:
    return first_text(row.get("title")) or str(row.get("id") or "")


def _shown(row: Json, zone: str) -> str:
    """What a control shows, as text; a table as `table_rows` reads it."""
    value = row.get("value")
    match row.get("control"), value:
        case "Text" | "Textarea", {"text": text}:
            return str(text)
        case "Number", {"new_number": number}:
            return str(number)
        case "Money", {"new_money": money}:
            return str(money)
        case "Date", {"date": {"type": of, "s_timestamp": stamp}}:
            return _shown_moment(stamp, of, zone)
        case "DateRange", {"date_range": {"type": of, "new_begin": begin, "new_end": end}}:
            return f"{_shown_moment(begin, of, zone)} ~ {_shown_moment(end, of, zone)}"
        case "Selector", {"selector": {"options": list(options)}}:
            return "、".join(first_text(one.get("value")) or str(one.get("key")) for one in options)
        case "Contact", {"members": [_, *_] as members}:
            return "、".join(str(one.get("name") or one.get("userid")) for one in members)
        case "Contact", {"departments": [_, *_] as departments}:
            return "、".join(str(one.get("name") or one.get("openapi_id")) for one in departments)
        case "File", {"files": list(files)}:
            return "\n".join(str(one.get("file_name") or one.get("file_id")) for one in files)
        case "Table", {"children": [_, *_] as children}:
            return _dumps([_shown_row(child, zone) for child in children if isinstance(child, dict)])
        case _:
            return ""


def _shown_row(child: Json, zone: str) -> dict[str, str]:
    return {_title(cell): _shown(cell, zone) for cell in _rows(child, "list")}


def _shown_moment(stamp: Any, of: str, zone: str) -> str:
    at = moment(stamp)
    if at is None:
        return ""
    local = at.astimezone(ZoneInfo(zone))
    return local.date().isoformat() if of == "day" else local.isoformat(timespec="minutes")


def table_rows(value: str) -> list[dict[str, str]]:
    """A table out of `CaseState.fields`; column's title → text."""
    try:
        rows = json.loads(value)
    except ValueError:
        return []
    return rows if isinstance(rows, list) else []


def _dumps(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


# --- a template ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ControlSpec:
    """One control as the template defines it; a table has `children`."""

    id: str
    title: str
    kind: str
    of: str = ""
    is_required: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    children: tuple[ControlSpec, ...] = ()

    @property
    def type(self) -> str:
        return f"{self.kind}/{self.of}" if self.of else self.kind


def template(data: Json) -> tuple[str, tuple[ControlSpec, ...]]:
    """Name and controls, from 获取审批模板详情. What takes no value is left out."""
    content = data.get("template_content")
    controls = tuple(_spec(one) for one in _rows(content, "controls"))
    return first_text(data.get("template_names")), tuple(one for one in controls if one.kind not in VALUELESS)


VALUELESS = frozenset({"Tips", "Formula"})


def _spec(data: Json) -> ControlSpec:
    about = data.get("property") or {}
    config = data.get("config") or {}
    kind = str(about.get("control") or "")
    table = config.get("table")
    selector = config.get("selector") or {}
    return ControlSpec(
        id=str(about.get("id") or ""),
        title=first_text(about.get("title")),
        kind=kind,
        of=_variety(kind, config),
        is_required=whole(about.get("require")) == 1,
        options={first_text(one.get("value")): str(one.get("key")) for one in _rows(selector, "options")},
        children=tuple(_spec(one) for one in _rows(table, "children")),
    )


def _variety(kind: str, config: Json) -> str:
    match kind, config:
        case "Date", {"date": {"type": str(of)}}:
            return of
        case "DateRange", {"date_range": {"type": str(of)}}:
            return of
        case "Selector", {"selector": {"type": str(of)}}:
            return of
        case "Contact", {"contact": {"mode": str(of)}}:
            return of
        case "File", {"file": {"is_only_photo": 1}}:
            return "photo"
        case _:
            return ""


# --- directory -------------------------------------------------------------------------------------------------

ROOT = 1
HERE = frozenset({1, 4})  # active, and not activated yet; 2 is disabled, 5 has left


def department(row: Json) -> OutsideDepartment:
    """A larger order sorts first."""
    parent = whole(row.get("parentid"))
    return OutsideDepartment(
        id=str(row["id"]),
        parent_id=str(parent) if parent else "",
        name=str(row.get("name") or ""),
        head_userids=tuple(str(one) for one in row.get("department_leader") or []),
        order=-whole(row.get("order")),
    )


def member(row: Json, number_attribute: str = "") -> OutsideMember:
    """`number_attribute`: where the company keeps employee numbers, which WeCom itself has not; else the userid is one."""
    userid = str(row["userid"])
    return OutsideMember(
        userid=userid,
        name=str(row.get("name") or ""),
        number=attribute(row, number_attribute) if number_attribute else userid,
        mobile=str(row.get("mobile") or ""),
        email=str(row.get("biz_mail") or row.get("email") or ""),
        title=str(row.get("position") or ""),
        department_ids=tuple(_departments(row)),
        manager_userid=next((str(one) for one in row.get("direct_leader") or []), ""),
        is_active=whole(row.get("status")) in HERE,
    )


def attribute(row: Json, name: str) -> str:
    """A text the company added to its people; "" where it is not shown to the app."""
    found = next((one for one in _rows(row.get("extattr"), "attrs") if one.get("name") == name), {})
    text = found.get("text")
    return str(text.get("value") or "").strip() if isinstance(text, dict) else ""


def _departments(row: Json) -> list[str]:
    """The main one first, if the app may see it."""
    ids = [str(one) for one in row.get("department") or []]
    main = str(row.get("main_department") or "")
    return sorted(ids, key=lambda one: one != main)
