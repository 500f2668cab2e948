"""Who is asked and who has decided, out of a form's process. Pure.

The event and the query spell the same process differently (`NodeList`/`node_list`, `Sptime`/`sptime`): names are read
without case and underscores.

Sources: vendor pages 获取审批申请详情, 审批申请状态变化回调通知.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from viatica.offices.approval.ports import CaseStatus, TaskResult, TaskState, TaskStatus

LONGEST_ID = 60


class FormStatus(IntEnum):
    """sp_status of a form."""

    RUNNING = 1
    APPROVED = 2
    REJECTED = 3
    WITHDRAWN = 4
    WITHDRAWN_AFTER = 6  # after it had been approved
    DELETED = 7
    PAID = 10


CASE_STATUS = {
    FormStatus.RUNNING: CaseStatus.RUNNING,
    FormStatus.APPROVED: CaseStatus.APPROVED,
    FormStatus.REJECTED: CaseStatus.REJECTED,
    FormStatus.WITHDRAWN: CaseStatus.WITHDRAWN,
    FormStatus.WITHDRAWN_AFTER: CaseStatus.WITHDRAWN,
    FormStatus.DELETED: CaseStatus.GONE,
    FormStatus.PAID: CaseStatus.APPROVED,
}


class NodeKind(IntEnum):
    """node_type; 办理人 (handlers) decide nothing, but the flow waits for them."""

    APPROVER = 1
    COPY = 2
    HANDLER = 3


class Rel(IntEnum):
    """apv_rel. The older approverattr has AND and OR the other way round."""

    AND = 1
    OR = 2
    SEQUENCE = 3


class Deed(IntEnum):
    """sp_yj of a person, and sp_status of a node."""

    WAITING = 1
    AGREED = 2
    REJECTED = 3
    TRANSFERRED = 4
    RETURNED = 11
    ADDING = 12  # an added signer comes first
    AGREED_AND_ADDED = 13
    HANDLED = 14
    FORWARDED = 15


DECIDED: Mapping[int, TaskResult] = {
    Deed.AGREED: TaskResult.APPROVED,
    Deed.AGREED_AND_ADDED: TaskResult.APPROVED,
    Deed.HANDLED: TaskResult.APPROVED,
    Deed.REJECTED: TaskResult.REJECTED,
    Deed.TRANSFERRED: TaskResult.HANDED_OVER,
    Deed.FORWARDED: TaskResult.HANDED_OVER,
}
SETTLED = frozenset({Deed.AGREED, Deed.AGREED_AND_ADDED, Deed.HANDLED, Deed.REJECTED, Deed.RETURNED})


@dataclass(frozen=True, slots=True)
class Sub:
    """One person in a node. Who was not reached yet and who was spared both read WAITING, at no time."""

    userid: str
    deed: int
    at: datetime | None
    speech: str


@dataclass(frozen=True, slots=True)
class Node:
    kind: int
    status: int
    rel: int
    subs: tuple[Sub, ...]

    @property
    def still_asks(self) -> bool:
        return self.status not in SETTLED and any(sub.deed == Deed.WAITING for sub in self.subs)


def status_of(said: Any) -> CaseStatus:
    """An unknown number is taken for one that still runs."""
    number = whole(said)
    return CASE_STATUS[FormStatus(number)] if number in set(FormStatus) else CaseStatus.RUNNING


def nodes(info: Mapping[str, Any]) -> tuple[Node, ...]:
    """From `info` of a form or ApprovalInfo of an event; the older sp_record where there is no process_list."""
    said = _plainly(info)
    process = _part(said, "processlist")
    if process:
        return tuple(_node(row) for row in _list(process, "nodelist"))
    return tuple(_old_node(row) for row in _list(said, "sprecord"))


def _node(row: Mapping[str, Any]) -> Node:
    subs = tuple(
        Sub(
            userid=str(_part(sub, "userinfo").get("userid") or sub.get("userid") or ""),
            deed=whole(sub.get("spyj")),
            at=moment(sub.get("sptime")),
            speech=str(sub.get("speech") or ""),
        )
        for sub in _list(row, "subnodelist")
    )
    return Node(whole(row.get("nodetype")), whole(row.get("spstatus")), whole(row.get("apvrel")), subs)


def _old_node(row: Mapping[str, Any]) -> Node:
    subs = tuple(
        Sub(
            userid=str(_part(sub, "approver").get("userid") or ""),
            deed=whole(sub.get("spstatus")),
            at=moment(sub.get("sptime")),
            speech=str(sub.get("speech") or ""),
        )
        for sub in _list(row, "details")
    )
    rel = Rel.OR if whole(row.get("approverattr")) == 1 else Rel.AND
    return Node(NodeKind.APPROVER, whole(row.get("spstatus")), rel, subs)


def tasks(process: Sequence[Node], status: CaseStatus) -> Iterator[TaskState]:
    """Everybody who was ever asked, in order. Whom the flow has not reached is left out."""
    deciding = [node for node in process if node.kind != NodeKind.COPY]
    asking = _asking(deciding, status)
    seen: Counter[str] = Counter()
    for node in deciding:
        asked = set(_asked(node)) if node is asking else set()
        for place, sub in enumerate(node.subs):
            seen[sub.userid] += 1
            task_id = _task_id(sub.userid, seen[sub.userid])
            if found := _task(
                node, sub, task_id, is_asked=place in asked, is_running=status is CaseStatus.RUNNING
            ):
                yield found


def _asking(deciding: Sequence[Node], status: CaseStatus) -> Node | None:
    """The node at work; when the form was withdrawn or deleted, the one that was. Nothing is at work after a decision."""
    if status in (CaseStatus.APPROVED, CaseStatus.REJECTED):
        return None
    return next((node for node in deciding if node.still_asks), None)


def _asked(node: Node) -> list[int]:
    waiting = [place for place, sub in enumerate(node.subs) if sub.deed == Deed.WAITING]
    return waiting[:1] if node.rel == Rel.SEQUENCE else waiting


def _task(node: Node, sub: Sub, task_id: str, *, is_asked: bool, is_running: bool) -> TaskState | None:
    result = DECIDED.get(sub.deed)
    if result is not None:
        return TaskState(task_id, sub.userid, TaskStatus.DECIDED, result, sub.at, sub.speech)
    if sub.deed == Deed.RETURNED:
        return TaskState(task_id, sub.userid, TaskStatus.CANCELLED, at=sub.at, comment=sub.speech)
    if sub.deed != Deed.WAITING:
        return None  # an added signer comes first; asked again afterwards
    if is_asked:
        return TaskState(task_id, sub.userid, TaskStatus.OPEN if is_running else TaskStatus.CANCELLED)
    was_asked = node.status in SETTLED and node.rel != Rel.SEQUENCE
    return TaskState(task_id, sub.userid, TaskStatus.CANCELLED) if was_asked else None


def _task_id(userid: str, nth: int) -> str:
    """WeCom numbers no tasks. Who is asked for the n-th time stays so, wherever nodes are put in between."""
    who = userid if len(userid) <= LONGEST_ID else hashlib.sha1(userid.encode()).hexdigest()
    return f"{who}#{nth}"


def latest(process: Sequence[Node]) -> Sub | None:
    """Who acted last; of the same second, the one further on."""
    acted = [sub for node in process if node.kind != NodeKind.COPY for sub in node.subs if sub.at]
    found: Sub | None = None
    for sub in acted:
        if found is None or (sub.at and found.at and sub.at >= found.at):
            found = sub
    return found


# Reading


def moment(said: Any) -> datetime | None:
    """Seconds, as number or text; 0 and anything else is None."""
    seconds = whole(said)
    return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < 10**11 else None


def whole(said: Any) -> int:
    """A number, or a text of digits; else 0."""
    match said:
        case int() if not isinstance(said, bool):
            return said
        case str() if said.strip().isdecimal():
            return int(said)
        case _:
            return 0


def _plainly(data: Any) -> Any:
    match data:
        case dict():
            return {str(key).replace("_", "").lower(): _plainly(value) for key, value in data.items()}
        case list():
            return [_plainly(value) for value in data]
        case _:
            return data


def _part(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def _list(data: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = data.get(name)
    rows = found if isinstance(found, list) else [found]
    return [row for row in rows if isinstance(row, dict)]
