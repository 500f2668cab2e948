"""What WeCom tells: XML into a plain tree, which event it is, and what it means for an approval. Pure.

Sources: vendor pages 回调配置, 审批申请状态变化回调通知, 事件格式 (审批流程引擎), 模板卡片事件推送, 成员变更通知, 部门变更通知.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from lxml import etree

from viatica.connectors.errors import BadCallback
from viatica.connectors.wecom import tasks
from viatica.connectors.wecom.tasks import FormStatus, Node, moment, whole
from viatica.offices.approval.ports import (
    ApprovalNews,
    InstanceId,
    TaskResult,
    TaskState,
    TaskStatus,
    What,
)

Json = dict[str, Any]

APPROVAL = "sys_approval_change"
ENGINE = "open_approval_change"
CARD_CLICK = "template_card_event"
CONTACT = "change_contact"

# What may come once or several times: always a list, so that one approver is read as two are.
LISTS = frozenset(
    (
        "sprecord", "details", "notifyer", "nodelist", "subnodelist", "comments", "mediaids", "attach",
        "approvalnode", "notifynode", "item", "selecteditem", "optionid",
    )
)  # fmt: skip


class Change(IntEnum):
    """StatuChangeEvent (the vendor's spelling)."""

    SUBMITTED = 1
    AGREED = 2
    REJECTED = 3
    TRANSFERRED = 4
    URGED = 5
    WITHDRAWN = 6
    WITHDRAWN_AFTER = 8
    COMMENTED = 10
    RETURNED = 11
    APPROVER_ADDED = 12
    AGREED_AND_ADDED = 13
    HANDLED = 14
    FORWARDED = 15


# --- XML -------------------------------------------------------------------------------------------------------


def tree(text: str | bytes) -> Json | None:
    """The document as names in lower case and texts; None when it is no XML, or brings declarations of its own."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root = etree.fromstring(text.encode() if isinstance(text, str) else text, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    if root.getroottree().docinfo.internalDTD is not None:
        return None
    found = _read(root)
    return found if isinstance(found, dict) else None


def _read(element: etree._Element) -> Any:
    children = list(element.iterchildren(etree.Element))
    if not children:
        return element.text or ""
    found: Json = {}
    for child in children:
        name = str(etree.QName(child).localname).lower()
        value = _read(child)
        if name in LISTS or name in found:
            before = found.get(name, [])
            found[name] = [*(before if isinstance(before, list) else [before]), value]
        else:
            found[name] = value
    return found


def encrypted_in(body: bytes) -> str:
    """The sealed part of an envelope. Raises BadCallback."""
    envelope = tree(body) or {}
    encrypt = envelope.get("encrypt")
    if not isinstance(encrypt, str) or not encrypt:
        raise BadCallback(example="<xml><Encrypt>…</Encrypt></xml>")
    return encrypt.strip()


# --- which event it is -----------------------------------------------------------------------------------------


def part(body: Mapping[str, Any], name: str) -> Json:
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def said(body: Mapping[str, Any], name: str) -> str:
    """A text of it; "" when absent."""
    found = body.get(name)
    return found.strip() if isinstance(found, str) else ""


def event_type(body: Mapping[str, Any]) -> str:
    """ "" for what is no event: a person writing to the app."""
    return said(body, "event") if said(body, "msgtype") == "event" else ""


def event_id(body: Mapping[str, Any]) -> str:
    """WeCom gives events no id of their own; pushed again they say the same, and no two in one second do."""
    match event_type(body):
        case "template_card_event":
            key = said(body, "responsecode")
        case "sys_approval_change":
            info = part(body, "approvalinfo")
            key = f"{event_instance(body)}:{said(info, 'statuchangeevent')}:{said(body, 'createtime')}:{_digest(info)}"
        case _:
            key = f"{said(body, 'createtime')}:{_digest(body)}"
    return f"{event_type(body)}:{key}"[:200]


def _digest(data: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:32]


def event_instance(body: Mapping[str, Any]) -> str:
    """The number of the form an approval event is about; "" for any other event."""
    if event_type(body) != APPROVAL:
        return ""
    info = part(body, "approvalinfo")
    return said(info, "spnostr") or said(info, "spno")


def event_template(body: Mapping[str, Any]) -> str:
    return said(part(body, "approvalinfo"), "templateid")


def is_reversal(body: Mapping[str, Any]) -> bool:
    """Whether it tells that an approved form was withdrawn."""
    info = part(body, "approvalinfo")
    return event_type(body) == APPROVAL and (
        whole(info.get("spstatus")) == FormStatus.WITHDRAWN_AFTER
        or whole(info.get("statuchangeevent")) == Change.WITHDRAWN_AFTER
    )


# --- what it means for an approval -----------------------------------------------------------------------------

ENDS: Mapping[int, What] = {
    FormStatus.APPROVED: What.APPROVED,
    FormStatus.PAID: What.APPROVED,
    FormStatus.REJECTED: What.REJECTED,
    FormStatus.WITHDRAWN: What.WITHDRAWN,
    FormStatus.WITHDRAWN_AFTER: What.WITHDRAWN,
    FormStatus.DELETED: What.DELETED,
}
DECISIONS = frozenset({What.APPROVED, What.REJECTED})
TASK_CHANGES: Mapping[int, tuple[What, TaskResult]] = {
    Change.AGREED: (What.TASK_DECIDED, TaskResult.APPROVED),
    Change.AGREED_AND_ADDED: (What.TASK_DECIDED, TaskResult.APPROVED),
    Change.HANDLED: (What.TASK_DECIDED, TaskResult.APPROVED),
    Change.TRANSFERRED: (What.TASK_HANDED_OVER, TaskResult.HANDED_OVER),
    Change.FORWARDED: (What.TASK_HANDED_OVER, TaskResult.HANDED_OVER),
}


def news(body: Mapping[str, Any], connection_id: int) -> list[ApprovalNews]:
    """One event as news; none for what concerns no approval, is not known, or has no word of ours."""
    sp_no = event_instance(body)
    return list(_news(body, sp_no, connection_id)) if sp_no else []


def _news(body: Mapping[str, Any], sp_no: str, connection_id: int) -> Iterator[ApprovalNews]:
    info = part(body, "approvalinfo")
    process = tasks.nodes(info)
    change, status = whole(info.get("statuchangeevent")), whole(info.get("spstatus"))
    at = moment(said(body, "createtime")) or datetime.fromtimestamp(0, UTC)

    def one(what: What, **more: Any) -> ApprovalNews:
        return ApprovalNews(
            connection_id=connection_id,
            instance_id=InstanceId(sp_no),
            what=what,
            at=at,
            event_id=event_id(body),
            version=int(at.timestamp()),
            **more,
        )

    if ENDS.get(status) in DECISIONS:
        last = tasks.latest(process)
        yield one(ENDS[status], actor_userid=last.userid if last else "", comment=last.speech if last else "")
    elif status in ENDS:
        yield one(ENDS[status], actor_userid=_applicant(info))
    elif change == Change.SUBMITTED:
        yield one(What.STARTED, actor_userid=_applicant(info))
    elif change in TASK_CHANGES:
        what, result = TASK_CHANGES[change]
        if task := _changed(process, status, result):
            yield one(
                what, actor_userid=task.userid, task_id=task.task_id, result=result, comment=task.comment
            )


def _applicant(info: Mapping[str, Any]) -> str:
    return said(part(info, "applyer"), "userid") or said(part(info, "batchapplyer"), "userid")


def _changed(process: tuple[Node, ...], status: int, result: TaskResult) -> TaskState | None:
    """The task whose change it tells: the last one decided that way."""
    decided = [
        task
        for task in tasks.tasks(process, tasks.status_of(status))
        if task.status is TaskStatus.DECIDED and task.result is result and task.at
    ]
    return max(decided, key=lambda task: task.at or datetime.fromtimestamp(0, UTC), default=None)
