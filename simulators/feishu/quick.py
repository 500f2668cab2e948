"""三方快捷审批: a decision made in Feishu's own to-do list or on the approval bot's card, told to the outside system.

It changes nothing by itself: what came of it, the outside system has to synchronise. Source: 三方快捷审批回调.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from simulators.feishu.crypto import EventCrypto


@dataclass(frozen=True, slots=True)
class Press:
    action: str
    reason: str = ""

    def check(self, configs: Iterable[Mapping[str, Any]]) -> None:
        """What the client would not let a person do. Raises ValueError."""
        offered = {str(row.get("action_type")): row for row in configs}
        if self.action not in offered:
            raise ValueError(f"{self.action} is not offered, only {sorted(offered)}")
        if offered[self.action].get("is_reason_required") and not self.reason:
            raise ValueError("请填写理由")


@dataclass(frozen=True, slots=True)
class QuickCall:
    url: str
    body: bytes


def quick_call(
    where_to: Mapping[str, Any], press: Press, context: str, about: Mapping[str, Any]
) -> QuickCall:
    """`where_to` has action_callback_url, _token and _key. Raises ValueError without an address."""
    if not where_to.get("action_callback_url"):
        raise ValueError("no action_callback_url")
    sent = {
        "action_type": press.action,
        "action_context": context,
        **about,
        "reason": press.reason,
        "attachments": [],
        "token": where_to.get("action_callback_token", ""),
    }
    text = json.dumps(sent, ensure_ascii=False)
    if key := where_to.get("action_callback_key"):
        text = json.dumps({"encrypt": EventCrypto(str(key)).encrypt(text)})
    return QuickCall(str(where_to["action_callback_url"]), text.encode())


def said_in(body: bytes) -> str:
    """The words of an answer that wants them shown (`without_prefix` "true")."""
    try:
        said = json.loads(body)
    except ValueError:
        return ""
    if isinstance(said, dict) and str(said.get("without_prefix")).lower() == "true":
        return str(said.get("message", ""))
    return ""
