"""The approval bot (审批 Bot): cards it sends for outside systems, which may decide right there."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from simulators.feishu.errors import bad_approval
from simulators.feishu.external import External, default_texts
from simulators.feishu.quick import Press, QuickCall, quick_call
from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door

STATES = {
    "APPROVED": "已同意",
    "REJECTED": "已拒绝",
    "CANCELLED": "已撤回",
    "FORWARDED": "已转交",
    "ROLLBACK": "已退回",
    "ADD": "已加签",
    "DELETED": "已删除",
    "PROCESSED": "已处理",
}
CUSTOM = "CUSTOM"
TITLES = {"1001": "{name}：新评论", "1008": "{name}：待你审批"}
DEDUP_S = 3600


@dataclass(slots=True)
class BotMessage:
    id: str
    user_id: str
    sent_ms: int
    body: dict[str, Any]
    texts: dict[str, str]
    status: str = ""  # one of STATES, or the words of a CUSTOM one
    has_buttons: bool = True  # until one was pressed: then only the way to the details is left

    def say(self, key: Any) -> str:
        return self.texts.get(str(key), str(key or ""))

    @property
    def title(self) -> str:
        template = TITLES.get(str(self.body["template_id"]), "{name}")
        return template.format(name=self.say(self.body.get("approval_name")))

    @property
    def lines(self) -> list[str]:
        rows = (self.body.get("content") or {}).get("summaries") or []
        return [self.say(row.get("summary")) for row in rows]

    @property
    def links(self) -> list[tuple[str, str]]:
        """Name and address of each way to the details."""
        rows = self.body.get("actions") or []
        names = [
            "查看详情" if row["action_name"] == "DETAIL" else self.say(row["action_name"]) for row in rows
        ]
        return [
            (name, str(row.get("pc_url") or row.get("url") or ""))
            for name, row in zip(names, rows, strict=True)
        ]

    @property
    def offers(self) -> list[dict[str, Any]]:
        is_open = self.has_buttons and not self.status
        return list(self.body.get("action_configs") or []) if is_open else []


@dataclass(slots=True)
class Inbox:
    messages: dict[str, BotMessage] = field(default_factory=dict)
    of: dict[str, list[str]] = field(default_factory=dict)
    by_uuid: dict[tuple[str, str], tuple[str, float]] = field(default_factory=dict)
    last: int = 0


@dataclass(slots=True)
class Bot:
    external: External
    inbox: Inbox = field(default_factory=Inbox)

    def doors(self) -> list[Door]:
        home = "/open-apis/approval/v1/message"
        return [Door("POST", f"{home}/send", self.send), Door("POST", f"{home}/update", self.update)]

    def send(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_approval)
        fields.text("template_id")
        user_id = self.external.named(fields)
        for action in fields.rows("actions", most=2):
            action.text("action_name")
        for offer in fields.rows("action_configs"):
            offer.text("action_type")
        fields.part("content").rows("summaries", most=5)
        key, now = (fields.text_or("uuid", most=64), user_id), time.time()
        before = self.inbox.by_uuid.get(key) if key[0] else None
        if before and before[1] > now:
            return {"message_id": before[0]}
        self.inbox.last = max(self.inbox.last + 1, int(now * 1000) * 1000)
        message = BotMessage(
            str(self.inbox.last), user_id, int(now * 1000), dict(call.body), default_texts(fields)
        )
        self.inbox.messages[message.id] = message
        self.inbox.of.setdefault(user_id, []).append(message.id)
        if key[0]:
            self.inbox.by_uuid[key] = (message.id, now + DEDUP_S)
        return {"message_id": message.id}

    def update(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_approval)
        message = self.inbox.messages.get(fields.text("message_id"))
        if message is None:
            raise bad_approval("message_id not found")
        status = fields.text("status")
        if status not in STATES and status != CUSTOM:
            raise bad_approval(f"status {status} is unknown")
        message.texts |= default_texts(fields)
        message.status = message.say(fields.text("status_name")) if status == CUSTOM else status
        return {"message_id": message.id}

    # A person's side.

    def of(self, user_id: str) -> list[BotMessage]:
        """Newest first."""
        return [self.inbox.messages[key] for key in reversed(self.inbox.of.get(user_id, ()))]

    def quick_call(self, message: BotMessage, press: Press) -> QuickCall:
        """On the card: the card's own message_id says which, no instance and no task. Raises ValueError."""
        press.check(message.offers)
        where_to = message.body.get("action_callback") or {}
        about = {
            "user_id": message.user_id,
            "approval_code": str(message.body.get("approval_code", "")),
            "message_id": int(message.id),
        }
        return quick_call(where_to, press, str(where_to.get("action_context", "")), about)

    def settle(self, message: BotMessage, press: Press, *, is_done: bool) -> None:
        """Done: the card says so by itself, as its `next_status` has it. Not done: only the way to the details is left."""
        offer = next(row for row in message.offers if row["action_type"] == press.action)
        message.has_buttons = False
        if is_done:
            message.status = str(offer.get("next_status") or "PROCESSED")
