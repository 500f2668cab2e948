"""Feishu's papers, tasks and cards as its pages show them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulators.feishu.bot import STATES, BotMessage
from simulators.feishu.external import ExternalInstance
from simulators.feishu.messages import Sent, buttons_of, elements_of
from simulators.feishu.workflow import Instance, Status, Task, TaskStatus
from simulators.stage.showing import is_web, money, plain

ACTIONS = {"APPROVE": "同意", "REJECT": "拒绝"}


def state_of(instance: Instance) -> tuple[str, str]:
    """A word and its colour."""
    if instance.is_reverted and instance.status is Status.PENDING:
        return "已撤销，待处理", "running"
    match instance.status:
        case Status.PENDING:
            return "审批中", "running"
        case Status.APPROVED:
            return "已通过", "agreed"
        case Status.REJECTED:
            return "已拒绝", "refused"
        case Status.CANCELED:
            return "已撤回", "ended"
        case Status.DELETED:
            return "已删除", "ended"


def node_state(instance: Instance, place: int, tasks: list[Task]) -> str:
    if any(task.status is TaskStatus.REJECTED for task in tasks):
        return "refused"
    if place < instance.place:
        return "done"
    if instance.status is not Status.PENDING:
        return "ended"
    return "current" if place == instance.place else "waiting"


def deed(task: Task) -> str:
    match task.status:
        case TaskStatus.PENDING:
            return "审批中"
        case TaskStatus.APPROVED:
            return "自动通过" if not task.user_id else "已同意"
        case TaskStatus.REJECTED:
            return "已拒绝"
        case TaskStatus.TRANSFERRED:
            return "已转交"
        case TaskStatus.DONE:
            return "无需处理"


def brief(instance: Instance) -> list[str]:
    """The first few plain values: what a list row shows."""
    found = []
    for widget, item in instance.values:
        value = item.get("value")
        if widget.kind == "amount":
            found.append(f"{widget.name}：{money(f'{value:.2f}')}")
        elif widget.kind in ("input", "textarea") and not is_web(value):
            found.append(f"{widget.name}：{value}")
    return found[:3]


def shown_todo(instance: ExternalInstance, task: dict[str, Any]) -> dict[str, Any]:
    texts = instance.body.get("texts", {})

    def said(key: Any) -> str:
        return str(texts.get(key, key or ""))

    links = task.get("links") or instance.body.get("links") or {}
    link = links.get("pc_link") or links.get("mobile_link") or ""
    return {
        "code": instance.code,
        "instance_id": instance.id,
        "task_id": task["task_id"],
        "title": said(task.get("title") or instance.body.get("title")) or instance.id,
        "form": [
            (said(row.get("name")), said(row.get("value"))) for row in (instance.body.get("form") or [])[:3]
        ],
        "node": said(task.get("node_name")) or "审批",
        "updated_ms": instance.update_time,
        "link": link if is_web(link) else "",
        "actions": [shown_action(row, said) for row in task.get("action_configs") or []],
    }


def shown_message(sent: Sent) -> dict[str, Any]:
    card = sent.card
    shown: dict[str, Any] = {
        "message_id": sent.message_id,
        "sent_ms": sent.sent_ms,
        "updates": sent.updates,
        "is_unread": sent.is_unread,
        "buttons": [],
    }
    if sent.kind != "interactive":
        return shown | {"title": "消息", "lines": [str(card.get("text") or sent.content)]}
    header = card.get("header")
    title = header.get("title", {}).get("content", "") if isinstance(header, dict) else ""
    inside = card.get("elements") or (card.get("body") or {}).get("elements") or []
    lines = []
    for element in elements_of(inside):
        if element["tag"] in ("lark_md", "plain_text", "markdown"):
            lines.append(str(element.get("content", "")))
    labels = {button.text for button in buttons_of(card)}
    return shown | {
        "title": title or "卡片",
        "lines": [plain(line) for line in lines if line and line not in labels],
        "buttons": [
            (place, button)
            for place, button in enumerate(buttons_of(card))
            if button.value is not None or is_web(button.url)
        ],
    }


def shown_card(message: BotMessage) -> dict[str, Any]:
    """A card of the approval bot."""
    return {
        "bot_id": message.id,
        "title": message.title,
        "sent_ms": message.sent_ms,
        "status": STATES.get(message.status, message.status),
        "is_bad": message.status in ("REJECTED", "ROLLBACK", "CANCELLED"),
        "lines": message.lines,
        "links": [(name, url) for name, url in message.links if is_web(url)],
        "actions": [shown_action(row, message.say) for row in message.offers],
    }


def shown_action(row: dict[str, Any], say: Callable[[Any], str]) -> dict[str, Any]:
    kind = str(row["action_type"])
    return {
        "kind": kind,
        "label": ACTIONS.get(kind) or say(row.get("action_name")),
        "asks": bool(row.get("is_need_reason") or row.get("is_reason_required")),
        "must": bool(row.get("is_reason_required")),
    }
