"""Our cases as Feishu's third-party approvals (三方审批). Pure.

Sources: vendor pages 创建三方审批定义, 同步三方审批实例, 校验三方审批实例, 三方快捷审批回调.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from viatica.connectors.settling import HEARD_AT
from viatica.offices.approval.ports import Board, BoardStatus, DeskDecision, DeskStatus, DeskTask, Verdict

Json = dict[str, Any]

MOST_TASKS = 300
MOST_FORM = 2048  # characters
MOST_LINES = 20
LOCALE = "zh-CN"
NAMES: Mapping[str, str] = {
    "expense_report": "差旅费用报销（行资）",
    "travel_request": "出差申请审批（行资）",
}

CASE_STATUS: Mapping[BoardStatus, str] = {
    BoardStatus.RUNNING: "PENDING",
    BoardStatus.APPROVED: "APPROVED",
    BoardStatus.REJECTED: "REJECTED",
    BoardStatus.RETURNED: "REJECTED",
    BoardStatus.WITHDRAWN: "CANCELED",
}
TASK_STATUS: Mapping[DeskStatus, str] = {
    DeskStatus.OPEN: "PENDING",
    DeskStatus.WAITING: "DONE",
    DeskStatus.APPROVED: "APPROVED",
    DeskStatus.REJECTED: "REJECTED",
    DeskStatus.RETURNED: "REJECTED",
    DeskStatus.HANDED_OVER: "TRANSFERRED",
    DeskStatus.CANCELLED: "DONE",
}
REASONS: Mapping[DeskStatus, str] = {
    DeskStatus.WAITING: "add_pre",
    DeskStatus.APPROVED: "approved",
    DeskStatus.REJECTED: "rejected",
    DeskStatus.RETURNED: "specific_rollback",
    DeskStatus.HANDED_OVER: "forward",
}
VERDICTS: Mapping[str, Verdict] = {"APPROVE": Verdict.APPROVE, "REJECT": Verdict.REJECT}


@dataclass(slots=True)
class _Texts:
    """Every text goes beside the body, under a key of its own."""

    said: dict[str, str] = field(default_factory=dict)

    def __call__(self, text: str) -> str:
        key = f"@i18n@text{len(self.said) + 1:03}"  # nine characters at least
        self.said[key] = text
        return key

    def resources(self) -> list[Json]:
        texts = [{"key": key, "value": text} for key, text in self.said.items()]
        return [{"locale": LOCALE, "is_default": True, "texts": texts}]


def definition(kind: str, own_code: str, *, home: str, callback: str, token: str, key: str) -> Json:
    """The body of 创建三方审批定义: one for each kind of document, with the callback of its quick decisions.

    Nobody starts one over there, so it is shown in nobody's list of forms.
    """
    texts = _Texts()
    external: Json = {
        "biz_name": texts("行资"),
        "biz_type": "viatica",
        "create_link_pc": home,
        "create_link_mobile": home,
        "support_pc": True,
        "support_mobile": True,
        "action_callback_url": callback,
        "action_callback_token": token,
    }
    if key:
        external["action_callback_key"] = key
    return {
        "approval_name": texts(NAMES.get(kind, "行资审批单据流程")),
        "approval_code": own_code,
        "group_code": "viatica",
        "group_name": texts("差旅与报销"),
        "external": external,
        "viewers": [{"viewer_type": "NONE"}],
        "i18n_resources": texts.resources(),
    }


def own_code(slug: str, kind: str) -> str:
    return f"viatica-{slug}-{kind}"


def instance(board: Board, approval_code: str, *, without: frozenset[str] = frozenset()) -> Json:
    """The body of 同步三方审批实例, which replaces all of it. `without`: userids nobody bears over there."""
    texts = _Texts()
    body: Json = {
        "approval_code": approval_code,
        "instance_id": board.number,
        "status": CASE_STATUS[board.status],
        "title": texts(board.title),
        "links": {"pc_link": board.url, "mobile_link": board.url},
        "form": [{"name": texts(name), "value": texts(value)} for name, value in _form(board)],
        "start_time": _ms(board.opened_at),
        "end_time": _ms(board.changed_at) if board.is_over else "0",
        "update_time": _ms(board.changed_at),
        "update_mode": "REPLACE",
        "extra": _dumps({"business_key": board.number}),
        "task_list": [_task(task, texts) for task in shown_tasks(board, without)],
    }
    if board.applicant.userid and board.applicant.userid not in without:
        body["user_id"] = board.applicant.userid
    else:
        body["user_name"] = board.applicant.name
    return body | {"i18n_resources": texts.resources()}


def shown_tasks(board: Board, without: frozenset[str] = frozenset()) -> list[DeskTask]:
    """What fits: those that are open, and the latest of the rest."""
    tasks = [task for task in board.tasks if task.person.userid not in without]
    by_need = sorted(tasks, key=lambda task: (task.status is DeskStatus.OPEN, task.opened_at), reverse=True)
    kept = {task.key for task in by_need[:MOST_TASKS]}
    return [task for task in tasks if task.key in kept]


def _task(task: DeskTask, texts: _Texts) -> Json:
    body: Json = {
        "task_id": task.key,
        "user_id": task.person.userid,
        "links": {"pc_link": task.url, "mobile_link": task.url},
        "status": TASK_STATUS[task.status],
        "create_time": _ms(task.opened_at),
        "end_time": _ms(task.closed_at) if task.closed_at else "0",
        "update_time": task_time(task),
        "node_id": f"step-{task.step_no}",
        "node_name": texts(task.step),
    }
    if task.status is DeskStatus.OPEN:
        # What the decision is about: a press on a task that changed since is recognised by it.
        body["action_context"] = str(task.version)
        body["action_configs"] = [
            {"action_type": "APPROVE", "is_need_reason": True, "is_reason_required": False},
            {"action_type": "REJECT", "is_need_reason": True, "is_reason_required": True},
        ]
    elif reason := REASONS.get(task.status):
        body["extra"] = _dumps({"complete_reason": reason})
    return body


def task_time(task: DeskTask) -> str:
    """A task that opens again after waiting is changed, though neither of its times is."""
    return str(int(_ms(task.closed_at or task.opened_at)) + task.version)


def _form(board: Board) -> Iterator[tuple[str, str]]:
    """Amount first: the first three are what people see in the list. Cut where the product would refuse it."""
    rows = [
        (one.label, one.value if isinstance(one.value, str) else " ~ ".join(one.value))
        for one in board.form.fields
    ]
    rows.sort(key=lambda row: row[1] != (str(board.form.amount.amount) if board.form.amount else None))
    rows += [("明细", " · ".join(line.values.values())) for line in board.form.lines[:MOST_LINES]]
    left = MOST_FORM
    for name, value in rows:
        if value and (left := left - len(name) - len(value)) > 0:
            yield name, value


def believed(board: Board, without: frozenset[str] = frozenset()) -> Json:
    """One of 校验三方审批实例's instances: what we believe is shown."""
    tasks = [{"task_id": task.key, "update_time": task_time(task)} for task in shown_tasks(board, without)]
    return {"instance_id": board.number, "update_time": _ms(board.changed_at), "tasks": tasks}


# Quick decisions


def is_press(body: Mapping[str, Any]) -> bool:
    """Whether a callback is somebody's quick decision on one of our tasks; these are not signed."""
    return all(isinstance(body.get(name), str) for name in ("action_type", "instance_id", "task_id"))


def press_id(body: Mapping[str, Any]) -> str:
    """The callback has no id: a press says the same when it is repeated, and something else when the task has changed."""
    said = [
        str(body.get(name) or "")
        for name in ("instance_id", "task_id", "action_type", "action_context", "user_id")
    ]
    digest = hashlib.sha256("\n".join([*said, str(body.get("reason") or "")]).encode()).hexdigest()
    return f"press:{body['task_id']}:{digest}"[:200]


def decisions(body: Mapping[str, Any]) -> list[DeskDecision]:
    verdict = VERDICTS.get(str(body.get("action_type")))
    if not is_press(body) or verdict is None:
        return []
    seen = str(body.get("action_context") or "")
    return [
        DeskDecision(
            task_key=str(body["task_id"]),
            userid=str(body.get("user_id") or ""),
            verdict=verdict,
            event_id=press_id(body),
            at=datetime.fromisoformat(str(body[HEARD_AT])),
            version=int(seen) if seen.isdecimal() else None,
            comment=str(body.get("reason") or ""),
        )
    ]


def differing(found: Sequence[Json]) -> list[str]:
    """The numbers in 校验三方审批实例's answer."""
    return [str(one.get("instance_id")) for one in found if one.get("instance_id")]


def _ms(at: datetime) -> str:
    return str(int(at.astimezone(UTC).timestamp() * 1000))


def _dumps(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
