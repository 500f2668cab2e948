"""DingTalk's JSON and our words, both ways. Pure; foreign `Any` ends here.

Sources: vendor pages 发起审批实例, 获取单个审批实例详情, HTTP回调概述, 获取部门列表, 查询用户详情.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from viatica.connectors.dingtalk.errors import SYSTEM
from viatica.connectors.errors import FormDoesNotFit, FormNotMapped
from viatica.offices.approval.ports import (
    ApprovalNews,
    ApproverGroup,
    CaseForm,
    CaseOrder,
    CaseState,
    CaseStatus,
    Field,
    InstanceId,
    TaskResult,
    TaskState,
    TaskStatus,
    What,
)

MOST_COMPONENTS = 150
MOST_ROWS = 100
MOST_CHARACTERS = 65_535
MOST_GROUPS = 20
MOST_CC = 50
ROOT_IN_DIRECTORY, ROOT_IN_WORKFLOW = "1", -1

# The names under which a form mapping may place what is no field of the form itself.
NUMBER, TITLE, URL, ATTACHMENTS, APPLICANT = "number", "title", "url", "attachments", "applicant"

Json = dict[str, Any]
Label = str | tuple[str, str]


# --- the mapping: Connection.settings["forms"][kind] -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LinesMap:
    """The table of lines: its label, and each column's label by our field's name."""

    label: str
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FormMap:
    """How one kind of document is laid out in one template. A label that is a pair is a date range."""

    kind: str
    process_code: str
    fields: Mapping[str, Label]
    lines: LinesMap | None = None
    attachments_as: str = "photos"  # or "links": a text component

    @property
    def number_label(self) -> str:
        label = self.fields.get(NUMBER)
        if not isinstance(label, str):
            raise FormNotMapped(system=SYSTEM, said_by=self.kind, kind=self.kind, missing=NUMBER)
        return label


def form_maps(settings: Mapping[str, Any]) -> dict[str, FormMap]:
    """Every mapped kind of document."""
    forms = settings.get("forms")
    return {kind: _form_map(kind, data) for kind, data in forms.items()} if isinstance(forms, dict) else {}


def form_map(settings: Mapping[str, Any], kind: str) -> FormMap:
    """Raises FormNotMapped."""
    found = form_maps(settings).get(kind)
    if found is None:
        raise FormNotMapped(system=SYSTEM, said_by=kind, kind=kind, missing="process_code")
    return found


def _form_map(kind: str, data: Any) -> FormMap:
    match data:
        case {"process_code": str(code), "fields": dict(fields)} if code:
            return FormMap(
                kind=kind,
                process_code=code,
                fields={name: _label(label) for name, label in fields.items()},
                lines=_lines_map(kind, data.get("lines")),
                attachments_as=data.get("attachments_as", "photos"),
            )
        case _:
            raise FormNotMapped(system=SYSTEM, said_by=kind, kind=kind, missing="process_code, fields")


def _lines_map(kind: str, data: Any) -> LinesMap | None:
    match data:
        case None:
            return None
        case {"label": str(label), "columns": dict(columns)}:
            return LinesMap(label, columns)
        case _:
            raise FormNotMapped(system=SYSTEM, said_by=kind, kind=kind, missing="lines")


def _label(label: Any) -> Label:
    match label:
        case str():
            return label
        case [str(start), str(end)]:
            return start, end
        case _:
            raise FormNotMapped(system=SYSTEM, said_by=str(label), kind="", missing=str(label))


def component_name(label: Label) -> str:
    """A date range is named by the JSON array of its two labels."""
    return label if isinstance(label, str) else _dumps(list(label))


def labels_of_range(label: str) -> tuple[str, str] | None:
    """Both labels of a date range; None where the label is a single one."""
    match _loads(label) if label.startswith("[") else None:
        case [str(start), str(end)]:
            return start, end
        case _:
            return None


def same_name(one: str, other: str) -> bool:
    return one == other or (one.startswith("[") and _loads(one) == _loads(other) is not None)


# --- a case on its way out -------------------------------------------------------------------------------------


def instance_body(order: CaseOrder, mapping: FormMap, *, agent_id: int | None = None) -> Json:
    """The body of 发起审批实例. Raises FormDoesNotFit, FormNotMapped."""
    body: Json = {
        "originatorUserId": order.applicant.userid,
        "processCode": mapping.process_code,
        "formComponentValues": form_values(order, mapping),
    }
    if order.applicant.dept_id:
        body["deptId"] = workflow_dept(order.applicant.dept_id)
    if agent_id is not None:
        body["microappAgentId"] = agent_id
    if order.approvers:
        body["approvers"] = _approvers(order.approvers)
        if order.cc:
            body["ccList"] = list(dict.fromkeys(order.cc))[:MOST_CC]
            body["ccPosition"] = "FINISH"
    return body


def workflow_dept(dept_id: str) -> int:
    """The root department is 1 in the directory and -1 in workflows."""
    return ROOT_IN_WORKFLOW if dept_id == ROOT_IN_DIRECTORY else int(dept_id)


def _approvers(groups: Sequence[ApproverGroup]) -> list[Json]:
    if len(groups) > MOST_GROUPS:
        raise FormDoesNotFit(system=SYSTEM, said_by=f"{len(groups)} > {MOST_GROUPS}", what="approvers")
    return [{"actionType": group.mode.value, "userIds": list(group.userids)} for group in groups]


def form_values(order: CaseOrder, mapping: FormMap) -> list[Json]:
    """formComponentValues: the mapped fields of the form, in the order of the mapping."""
    by_name = {one.name: one for one in order.form.fields}
    values = [_value(name, label, order, by_name, mapping) for name, label in mapping.fields.items()]
    if not any(same_name(one["name"], mapping.number_label) for one in values if one):
        raise FormNotMapped(system=SYSTEM, said_by=mapping.kind, kind=mapping.kind, missing=NUMBER)
    if mapping.lines and order.form.lines:
        values.append(_table(order.form, mapping.lines))
    kept = [one for one in values if one is not None]
    if len(kept) > MOST_COMPONENTS:
        raise FormDoesNotFit(system=SYSTEM, said_by=f"{len(kept)} > {MOST_COMPONENTS}", what=mapping.kind)
    return kept


def _value(
    name: str, label: Label, order: CaseOrder, by_name: Mapping[str, Field], mapping: FormMap
) -> Json | None:
    """One component; None where the form has nothing to say under `name`."""
    if isinstance(label, tuple):
        days = _days(by_name.get(name))
        return _component(component_name(label), _dumps(days)) if days else None
    match name:
        case "number":
            # Ours for this very case, not the document's: a lost answer is found by it.
            text = order.number
        case "applicant":
            text = _dumps([order.applicant.userid])
        case "attachments":
            text = _attachments(order.form, mapping.attachments_as)
        case "title":
            text = order.title
        case "url":
            text = order.url
        case _:
            text = _text(by_name[name]) if name in by_name else ""
    return _component(label, text) if text else None


def _component(name: str, value: str) -> Json:
    return {"name": name, "value": shortened(value)}


def shortened(value: str, most: int = MOST_CHARACTERS) -> str:
    return value if len(value) <= most else value[: most - 1] + "…"


def _text(one: Field) -> str:
    return one.value if isinstance(one.value, str) else " ~ ".join(one.value)


def _days(one: Field | None) -> list[str]:
    """[first, last] of a period; a single day is both."""
    if one is None:
        return []
    days = [one.value] if isinstance(one.value, str) else list(one.value)
    return [days[0], days[-1]] if days and all(days) else []


def _attachments(form: CaseForm, how: str) -> str:
    """As pictures by URL, or as lines of name and link. Files cannot be put into a form by a server (FAQ)."""
    if not form.attachments:
        return ""
    if how == "links":
        return "\n".join(f"{one.name} {one.url}" for one in form.attachments)
    urls = [one.url for one in form.attachments]
    while len(value := _dumps(urls)) > MOST_CHARACTERS:
        urls.pop()  # the rest is behind the link to our page
    return value


def _table(form: CaseForm, lines: LinesMap) -> Json:
    """At most 100 rows and 65,535 characters; what does not fit is summed up in one last row."""
    rows = [_row(line.values, lines) for line in form.lines]
    room = len(rows) if len(rows) <= MOST_ROWS else MOST_ROWS - 1
    while True:
        shown = rows[:room] if room == len(rows) else [*rows[:room], _rest(form, room, lines)]
        value = _dumps(shown)
        if len(value) <= MOST_CHARACTERS:
            return {"name": lines.label, "value": value}
        if room == 0:
            raise FormDoesNotFit(system=SYSTEM, said_by=f"{len(value)} > {MOST_CHARACTERS}", what=lines.label)
        room = min(room - 1, room * MOST_CHARACTERS // len(value))


def _row(values: Mapping[str, str], lines: LinesMap) -> list[Json]:
    return [
        {"name": label, "value": values[name]} for name, label in lines.columns.items() if values.get(name)
    ]


def _rest(form: CaseForm, shown: int, lines: LinesMap) -> list[Json]:
    """The lines after the first `shown`, as one row: their sum, and where to see them."""
    rest = [line.values for line in form.lines[shown:]]
    total = sum((_decimal(row.get("amount", "")) for row in rest), Decimal(0))
    note = f"其余 {len(rest)} 行见详情"
    texts = [name for name in lines.columns if name != "amount"]
    told_in = "note" if "note" in lines.columns else texts[-1] if texts else ""
    values = {name: "其余" if name == "category" else rest[0].get(name, "") for name in texts}
    return _row(values | {"amount": str(total), told_in: note}, lines)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal(0)


# --- an instance read back -------------------------------------------------------------------------------------

TASK_STATUS = {
    "NEW": TaskStatus.OPEN,
    "RUNNING": TaskStatus.OPEN,
    "PAUSED": TaskStatus.OPEN,
    "COMPLETED": TaskStatus.DECIDED,
    "CANCELED": TaskStatus.CANCELLED,
    "TERMINATED": TaskStatus.CANCELLED,
}
TASK_RESULT = {
    "AGREE": TaskResult.APPROVED,
    "REFUSE": TaskResult.REJECTED,
    "REDIRECTED": TaskResult.HANDED_OVER,
    "REDIRECT": TaskResult.HANDED_OVER,
}


@dataclass(frozen=True, slots=True)
class Instance:
    """One approval instance. `revokes` names the instance whose approval this one takes back, when it is approved.

    `attached`: instances that came of this one after its approval, such as one that takes it back.
    """

    state: CaseState
    originator_userid: str
    started_at: datetime | None
    revokes: str = ""
    attached: tuple[str, ...] = ()


def instance(instance_id: str, result: Json, number_labels: Iterable[str]) -> Instance:
    """From 获取单个审批实例详情's `result`. `number_labels`: under which our number may stand."""
    fields = {one["name"]: str(one.get("value") or "") for one in result.get("formComponentValues") or []}
    revokes = str(result.get("mainProcessInstanceId") or "") if result.get("bizAction") == "REVOKE" else ""
    # What takes an approval back bears a copy of its form.
    number = None if revokes else next((fields[label] for label in number_labels if fields.get(label)), None)
    state = CaseState(
        instance_id=InstanceId(instance_id),
        number=number,
        status=case_status(str(result.get("status", "")), str(result.get("result") or "")),
        tasks=tuple(_tasks(result)),
        fields=fields,
        finished_at=moment(result.get("finishTime")),
    )
    return Instance(
        state,
        str(result.get("originatorUserId", "")),
        moment(result.get("createTime")),
        revokes,
        tuple(str(one) for one in result.get("attachedProcessInstanceIds") or ()),
    )


def case_status(status: str, result: str) -> CaseStatus:
    """`result` means something only once the instance is COMPLETED; TERMINATED is a withdrawal, not a refusal."""
    match status.upper(), result.lower():
        case "COMPLETED", "agree":
            return CaseStatus.APPROVED
        case "COMPLETED", "refuse":
            return CaseStatus.REJECTED
        case "TERMINATED" | "CANCELED", _:
            return CaseStatus.WITHDRAWN
        case _:
            return CaseStatus.RUNNING


def _tasks(result: Json) -> Iterator[TaskState]:
    comments = _comments(result.get("operationRecords") or [])
    for task in result.get("tasks") or []:
        userid = str(task.get("userId", ""))
        status = TASK_STATUS.get(str(task.get("status", "")).upper(), TaskStatus.OPEN)
        done = TASK_RESULT.get(str(task.get("result") or "").upper(), TaskResult.NONE)
        is_open = status is TaskStatus.OPEN
        yield TaskState(
            task_id=str(task.get("taskId", "")),
            userid=userid,
            status=status,
            result=TaskResult.NONE if status is TaskStatus.CANCELLED else done,
            at=moment(task.get("createTime") if is_open else task.get("finishTime")),
            comment="" if is_open else comments.get((userid, str(task.get("activityId") or "")), ""),
        )


def _comments(records: Iterable[Json]) -> dict[tuple[str, str], str]:
    """What each person wrote when deciding, by person and activity; the last one counts."""
    said: dict[tuple[str, str], str] = {}
    for record in records:
        if str(record.get("type", "")).startswith(("EXECUTE_TASK", "REDIRECT")) and record.get("remark"):
            said[str(record.get("userId", "")), str(record.get("activityId") or "")] = str(record["remark"])
    return said


def table_rows(value: str) -> list[dict[str, str]]:
    """A table read back, either as it was sent or as the product shows it (rowValue); label → text."""
    rows = _loads(value)
    if not isinstance(rows, list):
        return []
    cells = [row.get("rowValue", []) if isinstance(row, dict) else row for row in rows]
    return [
        {str(cell.get("label") or cell.get("name")): str(cell.get("value") or "") for cell in row}
        for row in cells
    ]


def moment(said: Any) -> datetime | None:
    """`2026-11-24T08:30Z`, or milliseconds as number or text; None for anything else."""
    match said:
        case int() if not isinstance(said, bool) and said > 0:
            return datetime.fromtimestamp(said / 1000, UTC)
        case str() if said.isdecimal() and int(said):
            return datetime.fromtimestamp(int(said) / 1000, UTC)
        case str():
            try:
                read = datetime.fromisoformat(said)
            except ValueError:
                return None
            # Without a zone it is UTC, whatever else the samples show.
            return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
        case _:
            return None


# --- events ----------------------------------------------------------------------------------------------------

INSTANCE_EVENT, TASK_EVENT = "bpms_instance_change", "bpms_task_change"
RESULTS = {
    "agree": TaskResult.APPROVED,
    "refuse": TaskResult.REJECTED,
    "redirect": TaskResult.HANDED_OVER,
}


def pick(event: Mapping[str, Any], *names: str) -> Any:
    """The first of `names` the event has, in either spelling (`EventType`, `eventType`)."""
    for name in names:
        for spelt in (name, name[:1].upper() + name[1:], name[:1].lower() + name[1:]):
            if event.get(spelt) not in (None, ""):
                return event[spelt]
    return None


def event_type(event: Mapping[str, Any]) -> str:
    return str(pick(event, "EventType") or "")


def event_id(event: Mapping[str, Any]) -> str:
    """The event's own id; else its idempotency value; else what it is about."""
    own = pick(event, "eventId", "BizId")
    if own:
        return str(own)[:200]
    parts = (pick(event, name) for name in ("processInstanceId", "type", "taskId", "result"))
    about = ":".join(str(part or "") for part in parts)
    if about == ":::":
        about = _dumps({key: event[key] for key in sorted(event)})
    return f"{event_type(event)}:{about}"[:200]


def event_instance(event: Mapping[str, Any]) -> str:
    """The instance an approval event is about; "" for any other event."""
    if event_type(event) not in (INSTANCE_EVENT, TASK_EVENT):
        return ""
    return str(pick(event, "processInstanceId") or "")


def news(event: Mapping[str, Any], connection_id: int) -> list[ApprovalNews]:
    """One event as news; none for what concerns no approval or is not known."""
    instance_id = event_instance(event)
    what = _what(event) if instance_id else None
    if what is None:
        return []
    at = (
        moment(pick(event, "finishTime"))
        or moment(pick(event, "EventTime"))
        or moment(pick(event, "createTime"))
    )
    is_task = event_type(event) == TASK_EVENT
    return [
        ApprovalNews(
            connection_id=connection_id,
            instance_id=InstanceId(instance_id),
            what=what,
            at=at or datetime.fromtimestamp(0, UTC),
            event_id=event_id(event),
            actor_userid=str(pick(event, "staffId") or "") if is_task or what is What.STARTED else "",
            task_id=str(pick(event, "taskId") or "") if is_task else "",
            result=RESULTS.get(str(pick(event, "result") or ""), TaskResult.NONE)
            if is_task
            else TaskResult.NONE,
            comment=str(pick(event, "remark") or ""),
            version=int(pick(event, "EventTime") or 0),
        )
    ]


def _what(event: Mapping[str, Any]) -> What | None:
    # Directed variants of the events misspell “finsh” in the vendor's samples.
    kind = str(pick(event, "type") or "").replace("finsh", "finish")
    match event_type(event), kind, str(pick(event, "result") or ""):
        case "bpms_instance_change", "start", _:
            return What.STARTED
        case "bpms_instance_change", "finish", "agree":
            return What.APPROVED
        case "bpms_instance_change", "finish", "refuse":
            return What.REJECTED
        case "bpms_instance_change", "terminate", _:
            return What.WITHDRAWN
        case "bpms_instance_change", "delete", _:
            return What.DELETED
        case "bpms_task_change", "start", _:
            return What.TASK_OPENED
        case "bpms_task_change", "finish", "redirect":
            return What.TASK_HANDED_OVER
        case "bpms_task_change", "finish", _:
            return What.TASK_DECIDED
        case "bpms_task_change", "cancel", _:
            return What.TASK_CANCELLED
        case _:
            return None


# --- form schema -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SchemaItem:
    """One component of a template."""

    label: str
    component: str
    is_required: bool
    children: tuple[SchemaItem, ...] = ()


def schema(result: Json) -> list[SchemaItem]:
    """From the `result` of 获取表单 schema."""
    content = result.get("schemaContent") or {}
    return [_schema_item(one) for one in content.get("items") or []]


def _schema_item(one: Json) -> SchemaItem:
    props = one.get("props") or {}
    children = one.get("children") or props.get("children") or []
    label = props.get("label")
    return SchemaItem(
        label=_component_label(label),
        component=str(one.get("componentName") or one.get("componentType") or ""),
        is_required=_truth(props.get("required")),
        children=tuple(_schema_item(child) for child in children),
    )


def _component_label(label: Any) -> str:
    """A date range's two labels, a list or JSON of one, are always written the same way."""
    text = _dumps(label) if isinstance(label, list) else str(label or "")
    pair = labels_of_range(text)
    return _dumps(list(pair)) if pair else text


# --- directory -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OutsideUser:
    """`job_number` and `mobile` are empty where the app may not read them."""

    userid: str
    unionid: str
    name: str
    dept_ids: tuple[str, ...]
    job_number: str = ""
    mobile: str = ""
    is_active: bool = True
    email: str = field(default="", repr=False)


def user(row: Json) -> OutsideUser:
    """From user/list or user/get. The vendor's samples show lists and truths as text: both are read."""
    depts: Any = row.get("dept_id_list") or []
    if isinstance(depts, str):
        depts = _loads(depts) or []
    return OutsideUser(
        userid=str(row["userid"]),
        unionid=str(row.get("unionid") or ""),
        name=str(row.get("name") or ""),
        dept_ids=tuple(str(one) for one in depts),
        job_number=str(row.get("job_number") or ""),
        mobile=str(row.get("mobile") or ""),
        is_active=_truth(row.get("active", True)),
        email=str(row.get("org_email") or row.get("email") or ""),
    )


def _truth(said: Any) -> bool:
    return said is True or str(said).lower() == "true"


def _dumps(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
