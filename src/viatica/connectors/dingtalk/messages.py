"""Work notifications (工作通知) and to-dos (待办) as the notices office wants them."""

from __future__ import annotations

import json
from typing import Any

from viatica.connectors.dingtalk.client import DingTalkClient
from viatica.connectors.dingtalk.errors import SYSTEM, TaskExists
from viatica.kernel.errors import OutsideRefused
from viatica.kernel.words import N_
from viatica.offices.notices.ports import Card, Recipient, Todo, Tone
from viatica.spine.models import Connection

MOST_BYTES = 2048
MOST_ROWS = 6
COLOURS = {
    Tone.NEUTRAL: "0xFF5B6B7B",
    Tone.GOOD: "0xFF2E8B57",
    Tone.WARNING: "0xFFB7791F",
    Tone.BAD: "0xFFC0392B",
}
HEAD_COLOUR = "FF0F766E"


class NoUnionId(OutsideRefused):
    """To-dos name people by unionId."""

    code = "dingtalk.no_unionid"
    message = N_("{said_by} has no DingTalk unionId yet, which a to-do needs.")
    hint = N_("Synchronise the directory, then replay the message.")


class DingTalkMessages:
    """Fills `notices.ports.MessagePort`. The message id is the task id of the work notification."""

    kind = "dingtalk"

    def __init__(self, connection: Connection) -> None:
        self.client = DingTalkClient.of(connection)

    def send_card(self, to: Recipient, card: Card) -> str:
        return self.client.send_notification((to.userid,), card_message(card))

    def update_card(self, message_id: str, card: Card) -> None:
        status = card.status
        self.client.update_status_bar(message_id, text=status.word, colour=COLOURS[status.tone])


def card_message(card: Card) -> dict[str, Any]:
    """An `oa` message with a status bar, at most 2048 bytes.

    DingTalk swallows the same text to the same person on the same day; the stamp makes every notice a text of its
    own, and a repetition of one notice the same text.
    """
    rows = [{"key": f"{key}：", "value": value} for key, value in card.rows[:MOST_ROWS]]
    while (excess := _excess(_message(card, card.title, rows))) > 0 and rows:
        rows.pop()
    kept = len(card.title)
    message = _message(card, card.title, rows)
    while excess > 0 and kept > 0:
        kept = max(0, kept - 1 - excess // 8)  # a character and its escapes take at most eight bytes
        message = _message(card, card.title[:kept] + "…", rows)
        excess = _excess(message)
    if excess > 0:
        raise OutsideRefused(system=SYSTEM, said_by=f"{MOST_BYTES + excess} > {MOST_BYTES}")
    return message


def _excess(message: dict[str, Any]) -> int:
    """Bytes beyond what a message may have."""
    return len(json.dumps(message, ensure_ascii=False).encode()) - MOST_BYTES


def _message(card: Card, title: str, rows: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "msgtype": "oa",
        "oa": {
            "message_url": card.url,
            "pc_message_url": card.url,
            "head": {"bgcolor": HEAD_COLOUR, "text": card.sender or "行资 Viatica"},
            "status_bar": {"status_value": card.status.word, "status_bg": COLOURS[card.status.tone]},
            "body": {"title": title, "form": rows, "author": card.stamp},
        },
    }


class DingTalkTodo:
    """Fills `notices.ports.TodoPort`. Our key is DingTalk's sourceId: a second create finds the first."""

    kind = "dingtalk"

    def __init__(self, connection: Connection) -> None:
        self.client = DingTalkClient.of(connection)

    def put(self, to: Recipient, todo: Todo) -> str:
        unionid = _unionid(to)
        try:
            return str(self.client.create_todo(unionid, todo_body(unionid, todo))["id"])
        except TaskExists:
            found = self.client.todo_by_source(unionid, todo.key)
            if found is None:
                raise
        self.client.update_todo(unionid, str(found["id"]), {"subject": todo.subject, "done": False})
        return str(found["id"])

    def finish(self, to: Recipient, key: str) -> None:
        unionid = _unionid(to)
        found = self.client.todo_by_source(unionid, key)
        if found is not None and not found.get("done"):
            self.client.update_todo(unionid, str(found["id"]), {"done": True})

    def remove(self, to: Recipient, key: str) -> None:
        unionid = _unionid(to)
        found = self.client.todo_by_source(unionid, key)
        if found is not None:
            self.client.delete_todo(unionid, str(found["id"]))


def _unionid(to: Recipient) -> str:
    if not to.unionid:
        raise NoUnionId(system=SYSTEM, said_by=to.name)
    return to.unionid


def todo_body(unionid: str, todo: Todo) -> dict[str, Any]:
    return {
        "sourceId": todo.key,
        "subject": todo.subject[:1024],
        "creatorId": unionid,
        "executorIds": [unionid],
        "detailUrl": {"appUrl": todo.url, "pcUrl": todo.url},
        "isOnlyShowExecutor": True,
        "priority": 20,
        "notifyConfigs": {"dingNotify": "1"},
        "contentFieldList": [{"fieldKey": key, "fieldValue": value} for key, value in todo.rows],
    }
