"""Feishu's JSON and our words, both ways. Pure; foreign `Any` ends here.

Sources: vendor pages 创建审批实例, 审批实例表单控件参数, 获取单个审批实例详情, 审批事件, 获取部门直属用户列表.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from viatica.connectors.errors import FormDoesNotFit, FormNotMapped
from viatica.connectors.feishu.errors import SYSTEM
from viatica.offices.approval.ports import (
    ApprovalNews,
    ApproverGroup,
    CaseOrder,
    CaseState,
    CaseStatus,
    InstanceId,
    Line,
    TaskResult,
    TaskState,
    TaskStatus,
    What,
)

ROOT = "0"
MOST_CC = 20
ZONE = "Asia/Shanghai"

# The names under which a form mapping may place what is no field of the form itself.
NUMBER, TITLE, URL, APPLICANT = "number", "title", "url", "applicant"
ATTACHMENTS, ATTACHMENT_LINKS = "attachments", "attachment_links"

TEXTS = frozenset({"input", "textarea"})
NUMBERS = frozenset({"number", "amount"})
CHOICES = frozenset({"radioV2", "checkboxV2"})
PICTURES = frozenset({"image", "imageV2"})
FILES = frozenset({"attachmentV2"}) | PICTURES
TABLE = "fieldList"

Json = dict[str, Any]


# --- the mapping: Connection.settings["forms"][kind] -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Widget:
    """One widget of a form. `options` of a choice: what people read → the key that is sent."""

    id: str
    type: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LinesMap:
    """The table of lines: its widget, and each column's by our field's name."""

    id: str
    columns: Mapping[str, Widget]


@dataclass(frozen=True, slots=True)
class FormMap:
    """How one kind of document is laid out in one approval.

    `approver_nodes` are its 自选 nodes in order, which our groups fill; `cc_node` is where our copies go.
    """

    kind: str
    approval_code: str
    fields: Mapping[str, Widget]
    lines: LinesMap | None = None
    approver_nodes: Sequence[str] = ()
    cc_node: str = ""
    zone: str = ZONE

    @property
    def attachments(self) -> Widget | None:
        """Where files go, if files they are to be."""
        widget = self.fields.get(ATTACHMENTS)
        return widget if widget and widget.type in FILES else None

    @property
    def links_to_files(self) -> bool:
        """Whether who reads the form finds files that are not in it."""
        return bool({URL, ATTACHMENT_LINKS} & set(self.fields))


def form_maps(settings: Mapping[str, Any]) -> dict[str, FormMap]:
    """Every mapped kind of document. Raises FormNotMapped."""
    forms = settings.get("forms")
    zone = str(settings.get("time_zone") or ZONE)
    return (
        {kind: _form_map(kind, data, zone) for kind, data in forms.items()} if isinstance(forms, dict) else {}
    )


def form_map(settings: Mapping[str, Any], kind: str) -> FormMap:
    """Raises FormNotMapped."""
    found = form_maps(settings).get(kind)
    if found is None:
        raise _unmapped(kind, "approval_code")
    return found


def _form_map(kind: str, data: Any, zone: str) -> FormMap:
    match data:
        case {"approval_code": str(code), "fields": dict(fields)} if code and fields:
            return FormMap(
                kind=kind,
                approval_code=code,
                fields={name: _widget(kind, name, one) for name, one in fields.items()},
                lines=_lines_map(kind, data.get("lines")),
                approver_nodes=tuple(data.get("approver_nodes") or ()),
                cc_node=str(data.get("cc_node") or ""),
                zone=zone,
            )
        case _:
            raise _unmapped(kind, "approval_code, fields")


def _lines_map(kind: str, data: Any) -> LinesMap | None:
    match data:
        case None:
            return None
        case {"id": str(widget_id), "columns": dict(columns)}:
            return LinesMap(widget_id, {name: _widget(kind, name, one) for name, one in columns.items()})
        case _:
            raise _unmapped(kind, "lines")


def _widget(kind: str, name: str, data: Any) -> Widget:
    match data:
        case {"id": str(widget_id), "type": str(widget_type)}:
            return Widget(widget_id, widget_type, dict(data.get("options") or {}))
        case _:
            raise _unmapped(kind, name)


def _unmapped(kind: str, missing: str) -> FormNotMapped:
    return FormNotMapped(system=SYSTEM, said_by=kind, kind=kind, missing=missing)


# --- a case on its way out -------------------------------------------------------------------------------------


def instance_body(order: CaseOrder, mapping: FormMap, codes: Sequence[str] = ()) -> Json:
    """The body of 创建审批实例. `codes` are those of the files already uploaded.

    No department: Feishu takes the person's first, which is right even when the one we know of is not any more.
    Raises FormDoesNotFit, FormNotMapped.
    """
    body: Json = {
        "approval_code": mapping.approval_code,
        "user_id": order.applicant.userid,
        "form": _dumps(form_values(order, mapping, codes)),
        # The company's idempotency key: a repetition is refused, and by it the instance can be read.
        "uuid": order.number,
    }
    if mapping.approver_nodes and order.approvers:
        body["node_approver_user_id_list"] = _chosen(order.approvers, mapping)
    if mapping.cc_node and order.cc:
        people = list(dict.fromkeys(order.cc))[:MOST_CC]
        body["node_cc_user_id_list"] = [{"key": mapping.cc_node, "value": people}]
    return body


def _chosen(groups: Sequence[ApproverGroup], mapping: FormMap) -> list[Json]:
    """Whom the 自选 nodes ask. Whether all of them must agree is the node's own setting."""
    if len(groups) > len(mapping.approver_nodes):
        said = f"{len(groups)} > {len(mapping.approver_nodes)}"
        raise FormDoesNotFit(system=SYSTEM, said_by=said, what="approver_nodes")
    nodes = zip(mapping.approver_nodes, groups, strict=False)
    return [{"key": node, "value": list(group.userids)} for node, group in nodes]


def form_values(order: CaseOrder, mapping: FormMap, codes: Sequence[str] = ()) -> list[Json]:
    """`form` before it becomes text: the mapped fields in the order of the mapping, then the lines."""
    writer = _Writer(order, mapping, codes)
    values = [value for name, widget in mapping.fields.items() if (value := writer.field(name, widget))]
    if mapping.lines and order.form.lines:
        rows = [writer.row(line, mapping.lines) for line in order.form.lines]
        values.append({"id": mapping.lines.id, "type": TABLE, "value": rows})
    return values


@dataclass(frozen=True, slots=True)
class _Writer:
    order: CaseOrder
    mapping: FormMap
    codes: Sequence[str]

    def field(self, name: str, widget: Widget) -> Json | None:
        """One widget filled; None where the form has nothing to say under `name`."""
        match name:
            case "applicant" if widget.type == "contact":
                return self._item(widget, [self.order.applicant.userid])
            case "attachments" if widget.type in FILES:
                return self._item(widget, list(self.codes)) if self.codes else None
            case _:
                return self._filled(name, widget, self._value(name))

    def row(self, line: Line, lines: LinesMap) -> list[Json]:
        cells = (
            self._filled(name, widget, line.values.get(name, "")) for name, widget in lines.columns.items()
        )
        return [cell for cell in cells if cell]

    def _value(self, name: str) -> str | Sequence[str]:
        form = self.order.form
        match name:
            case "number":
                # Ours for this very case, not the document's: the same that is its uuid.
                return self.order.number
            case "title":
                return self.order.title
            case "url":
                return self.order.url
            case "applicant":
                return self.order.applicant.name
            case "attachments" | "attachment_links":
                return "\n".join(f"{one.name} {one.url}" for one in form.attachments)
            case _:
                return next((one.value for one in form.fields if one.name == name), "")

    def _filled(self, name: str, widget: Widget, value: str | Sequence[str]) -> Json | None:
        parts = [value] if isinstance(value, str) else list(value)
        if not any(parts):
            return None
        match widget.type:
            case "input" | "textarea":
                return self._item(widget, " ~ ".join(parts))
            case "number":
                return self._item(widget, _float(name, parts[0]))
            case "amount":
                currency = self.order.form.amount.currency if self.order.form.amount else "CNY"
                return {**self._item(widget, _float(name, parts[0])), "currency": currency}
            case "date":
                return self._item(widget, self._moment(name, parts[0]))
            case "dateInterval":
                return self._item(widget, self._interval(name, parts[0], parts[-1]))
            case "radioV2":
                return self._item(widget, _option(name, widget, parts[0]))
            case "checkboxV2":
                return self._item(widget, [_option(name, widget, part) for part in parts])
            case _:
                raise FormDoesNotFit(system=SYSTEM, said_by=widget.type, what=name)

    @staticmethod
    def _item(widget: Widget, value: Any) -> Json:
        return {"id": widget.id, "type": widget.type, "value": value}

    def _moment(self, name: str, day: str) -> str:
        """The beginning of a day where the company is, in RFC 3339."""
        zone = ZoneInfo(self.mapping.zone)
        return datetime.combine(_day(name, day), time(), zone).isoformat()

    def _interval(self, name: str, first: str, last: str) -> Json:
        """`interval` counts both ends."""
        days = (_day(name, last) - _day(name, first)).days + 1
        return {"start": self._moment(name, first), "end": self._moment(name, last), "interval": float(days)}


def _float(name: str, text: str) -> float:
    """Money travels as a JSON number; one that would lose a cent on the way is refused."""
    try:
        exact = Decimal(text)
    except InvalidOperation:
        raise FormDoesNotFit(system=SYSTEM, said_by=text, what=name) from None
    if not exact.is_finite() or Decimal(repr(float(exact))) != exact:
        raise FormDoesNotFit(system=SYSTEM, said_by=text, what=name)
    return float(exact)


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise FormDoesNotFit(system=SYSTEM, said_by=text, what=name) from None


def _option(name: str, widget: Widget, text: str) -> str:
    """A choice is sent by its key, not by what people read."""
    if text in widget.options:
        return widget.options[text]
    if text in widget.options.values():
        return text
    raise FormDoesNotFit(system=SYSTEM, said_by=text, what=name)


# --- an instance read back -------------------------------------------------------------------------------------

CASE_STATUS = {
    "PENDING": CaseStatus.RUNNING,
    "APPROVED": CaseStatus.APPROVED,
    "REJECTED": CaseStatus.REJECTED,
    "CANCELED": CaseStatus.WITHDRAWN,
    "OVERTIME_CLOSE": CaseStatus.WITHDRAWN,
    "DELETED": CaseStatus.GONE,
}
TASK_ENDS = {
    "APPROVED": (TaskStatus.DECIDED, TaskResult.APPROVED),
    "REJECTED": (TaskStatus.DECIDED, TaskResult.REJECTED),
    "TRANSFERRED": (TaskStatus.DECIDED, TaskResult.HANDED_OVER),
    "DONE": (TaskStatus.CANCELLED, TaskResult.NONE),
    "ROLLBACK": (TaskStatus.CANCELLED, TaskResult.NONE),
    "REVERTED": (TaskStatus.CANCELLED, TaskResult.NONE),
    "OVERTIME_CLOSE": (TaskStatus.CANCELLED, TaskResult.NONE),
}


@dataclass(frozen=True, slots=True)
class Instance:
    """One approval instance. `is_reverted`: it had been approved, and that was undone."""

    state: CaseState
    approval_code: str
    originator_userid: str
    started_at: datetime | None
    is_reverted: bool = False


def instance(data: Json) -> Instance:
    """From 获取单个审批实例详情's `data`."""
    status = CASE_STATUS.get(str(data.get("status") or "").upper(), CaseStatus.RUNNING)
    state = CaseState(
        instance_id=InstanceId(str(data.get("instance_code") or "")),
        number=str(data.get("uuid") or "") or None,
        status=status,
        tasks=tuple(_tasks(data)),
        fields=form_fields(str(data.get("form") or "")),
        finished_at=moment(data.get("end_time")),
    )
    return Instance(
        state=state,
        approval_code=str(data.get("approval_code") or ""),
        originator_userid=str(data.get("user_id") or ""),
        started_at=moment(data.get("start_time")),
        is_reverted=data.get("reverted") is True,
    )


def _tasks(data: Json) -> Iterator[TaskState]:
    """Tasks of people; a node that passed by itself has nobody."""
    said = _comments(data.get("timeline") or [])
    for task in data.get("task_list") or []:
        userid = str(task.get("user_id") or task.get("open_id") or "")
        if not userid:
            continue
        ended = TASK_ENDS.get(str(task.get("status") or "").upper())
        status, result = ended or (TaskStatus.OPEN, TaskResult.NONE)
        task_id = str(task.get("id") or "")
        yield TaskState(
            task_id=task_id,
            userid=userid,
            status=status,
            result=result,
            at=moment(task.get("end_time") if ended else task.get("start_time")),
            comment=said.get(task_id, "") if status is TaskStatus.DECIDED else "",
        )


def _comments(timeline: Iterable[Json]) -> dict[str, str]:
    """What each person wrote when deciding, by task; the last one counts."""
    return {
        str(one["task_id"]): str(one["comment"])
        for one in timeline
        if one.get("task_id") and one.get("comment")
    }


def form_fields(form: str) -> dict[str, str]:
    """What a form read back shows, by the widgets' names; a table as `table_rows` reads it."""
    items = _loads(form)
    if not isinstance(items, list):
        return {}
    return {_name(one): _shown(one) for one in items if isinstance(one, dict)}


def _name(item: Json) -> str:
    return str(item.get("name") or item.get("custom_id") or item.get("id") or "")


def _shown(item: Json) -> str:
    value = item.get("value")
    match item.get("type"), value:
        case _, None:
            return ""
        case "fieldList", list():
            rows = [{_name(cell): _shown(cell) for cell in row} for row in value if isinstance(row, list)]
            return _dumps(rows)
        case _, str() | int() | float() | Decimal():
            return str(value)
        case _, {"start": start, "end": end}:
            return f"{start} ~ {end}"
        case _, list() if all(isinstance(one, str) for one in value):
            return "\n".join(value)
        case _:
            return _dumps(value)


def table_rows(value: str) -> list[dict[str, str]]:
    """A table out of `CaseState.fields`; column's name → text."""
    rows = _loads(value)
    return rows if isinstance(rows, list) else []


def moment(said: Any) -> datetime | None:
    """Milliseconds, as number or text; "0" and anything else is None."""
    match said:
        case int() if not isinstance(said, bool) and said > 0:
            return datetime.fromtimestamp(said / 1000, UTC)
        case str() if said.isdecimal() and int(said):
            return datetime.fromtimestamp(int(said) / 1000, UTC)
        case _:
            return None


# --- events ----------------------------------------------------------------------------------------------------

CHECK = "url_verification"
CARD_CLICK = "card.action.trigger"
# Both generations of an event mean the same.
INSTANCE_EVENTS = frozenset({"approval_instance", "approval.instance.status_changed_v4"})
TASK_EVENTS = frozenset({"approval_task", "approval.task.status_changed_v4"})
REVERTED = "REVERTED"
WHAT = {
    "PENDING": What.STARTED,
    "APPROVED": What.APPROVED,
    "REJECTED": What.REJECTED,
    "CANCELED": What.WITHDRAWN,
    "OVERTIME_CLOSE": What.WITHDRAWN,
    "DELETED": What.DELETED,
}
TASK_WHAT = {
    "PENDING": What.TASK_OPENED,
    "OVERTIME_RECOVER": What.TASK_OPENED,
    "APPROVED": What.TASK_DECIDED,
    "REJECTED": What.TASK_DECIDED,
    "TRANSFERRED": What.TASK_HANDED_OVER,
    "DONE": What.TASK_CANCELLED,
    "ROLLBACK": What.TASK_CANCELLED,
    "REVERTED": What.TASK_CANCELLED,
    "OVERTIME_CLOSE": What.TASK_CANCELLED,
}


def _section(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def event_type(body: Mapping[str, Any]) -> str:
    """Of either schema: 2.0 has a header, 1.0 an envelope; `url_verification` has neither."""
    named = (
        _section(body, "header").get("event_type") or _section(body, "event").get("type") or body.get("type")
    )
    return str(named or "")


def event_token(body: Mapping[str, Any]) -> str:
    """The Verification Token it shows."""
    return str(_section(body, "header").get("token") or body.get("token") or "")


def event_app(body: Mapping[str, Any]) -> str:
    """The app it was meant for; "" where it does not say."""
    return str(_section(body, "header").get("app_id") or _section(body, "event").get("app_id") or "")


def event_id(body: Mapping[str, Any]) -> str:
    """The event's own id, which its repetitions share; else a digest of what it says."""
    own = _section(body, "header").get("event_id") or body.get("uuid")
    if own:
        return str(own)[:200]
    said = json.dumps(_section(body, "event"), sort_keys=True, ensure_ascii=False)
    return f"{event_type(body)}:{hashlib.sha256(said.encode()).hexdigest()}"[:200]


def without_token(body: Mapping[str, Any]) -> Json:
    """To be kept: the Verification Token is a secret of the connection's."""
    kept = {key: value for key, value in body.items() if key != "token"}
    if "header" in kept:
        kept["header"] = {key: value for key, value in _section(body, "header").items() if key != "token"}
    return kept


def event_instance(body: Mapping[str, Any]) -> str:
    """The instance an approval event is about; "" for any other event."""
    if event_type(body) not in INSTANCE_EVENTS | TASK_EVENTS:
        return ""
    return str(_section(body, "event").get("instance_code") or "")


def is_reversal(body: Mapping[str, Any]) -> bool:
    """Whether it tells that an approved instance was undone."""
    return event_type(body) in INSTANCE_EVENTS and _section(body, "event").get("status") == REVERTED


def news(body: Mapping[str, Any], connection_id: int) -> list[ApprovalNews]:
    """One event as news; none for what concerns no approval, is not known, or has no word of ours."""
    event, instance_id = _section(body, "event"), event_instance(body)
    is_task = event_type(body) in TASK_EVENTS
    status = str(event.get("status") or "")
    what = (TASK_WHAT if is_task else WHAT).get(status) if instance_id else None
    if what is None:
        return []
    person = _section(event, "assigned_user") or event
    userid = str(person.get("user_id") or person.get("open_id") or "") if is_task else ""
    if is_task and not userid:
        return []  # a step that passed by itself asks nobody
    at = moment(event.get("operate_time"))
    _, result = TASK_ENDS.get(status, (TaskStatus.OPEN, TaskResult.NONE))
    return [
        ApprovalNews(
            connection_id=connection_id,
            instance_id=InstanceId(instance_id),
            what=what,
            at=at or datetime.fromtimestamp(0, UTC),
            event_id=event_id(body),
            number=None if is_task else str(event.get("uuid") or "") or None,
            actor_userid=userid,
            task_id=str(event.get("task_id") or "") if is_task else "",
            result=result if is_task else TaskResult.NONE,
            version=int(at.timestamp() * 1000) if at else 0,
        )
    ]


# --- an approval's definition ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WidgetSpec:
    """One widget as the approval defines it; a table has `children`."""

    id: str
    name: str
    type: str
    is_required: bool = False
    custom_id: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    children: tuple[WidgetSpec, ...] = ()

    def is_called(self, widget_id: str) -> bool:
        return widget_id in (self.id, self.custom_id)


@dataclass(frozen=True, slots=True)
class Node:
    """A step that asks whom the applicant names (自选)."""

    key: str
    name: str
    other_key: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """One approval; `chosen_nodes` are its 自选 steps in order."""

    name: str
    is_active: bool
    widgets: tuple[WidgetSpec, ...]
    chosen_nodes: tuple[Node, ...] = ()


def definition(data: Json) -> Definition:
    """From 查看指定审批定义's `data`."""
    items = _loads(str(data.get("form") or "")) or []
    nodes = [node for node in data.get("node_list") or [] if node.get("need_approver")]
    return Definition(
        name=str(data.get("approval_name") or ""),
        is_active=str(data.get("status") or "ACTIVE") == "ACTIVE",
        widgets=tuple(_spec(one) for one in items if isinstance(one, dict)),
        chosen_nodes=tuple(_node(node) for node in nodes),
    )


def _node(node: Json) -> Node:
    own, given = str(node.get("node_id") or ""), str(node.get("custom_node_id") or "")
    return Node(given or own, str(node.get("name") or ""), own)


def _spec(item: Json) -> WidgetSpec:
    options = item.get("option")
    children = item.get("children")
    return WidgetSpec(
        id=str(item.get("id") or ""),
        name=str(item.get("name") or ""),
        type=str(item.get("type") or ""),
        is_required=item.get("required") is True,
        custom_id=str(item.get("custom_id") or ""),
        # A choice lists its options here; other widgets keep an object of settings under the same word.
        options={
            str(one.get("text") or one.get("value")): str(one.get("value") or one.get("key") or "")
            for one in (options if isinstance(options, list) else [])
            if isinstance(one, dict)
        },
        children=tuple(_spec(one) for one in (children if isinstance(children, list) else [])),
    )


# --- directory -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OutsideUser:
    """`userid`, `job_number`, `mobile` and `email` are empty where the app may not read them."""

    userid: str
    unionid: str
    name: str
    dept_ids: tuple[str, ...]
    job_number: str = ""
    mobile: str = ""
    is_active: bool = True
    email: str = field(default="", repr=False)


def user(row: Json) -> OutsideUser:
    status = _section(row, "status")
    return OutsideUser(
        userid=str(row.get("user_id") or ""),
        unionid=str(row.get("union_id") or ""),
        name=str(row.get("name") or ""),
        dept_ids=tuple(_departments(row)),
        job_number=str(row.get("employee_no") or ""),
        mobile=str(row.get("mobile") or ""),
        is_active=not any(status.get(name) is True for name in ("is_resigned", "is_exited", "is_frozen")),
        email=str(row.get("enterprise_email") or row.get("email") or ""),
    )


def _departments(row: Json) -> list[str]:
    """The main one first."""
    ids = [str(one) for one in row.get("department_ids") or []]
    main = {
        str(one.get("department_id")) for one in row.get("orders") or [] if one.get("is_primary_dept") is True
    }
    return sorted(ids, key=lambda one: one not in main)


def _dumps(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
