"""Interactive cards as the notices office wants them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from viatica.connectors.feishu.client import FeishuClient
from viatica.connectors.feishu.errors import SYSTEM
from viatica.kernel.errors import OutsideRefused
from viatica.offices.notices.ports import Card, Recipient, Tone
from viatica.spine.models import Connection

MOST_BYTES = 30 * 1024
MOST_TITLE = 400  # characters; far more than a card shows
COLOURS = {Tone.NEUTRAL: "blue", Tone.GOOD: "green", Tone.WARNING: "orange", Tone.BAD: "red"}
OPEN = "查看详情"


class FeishuMessages:
    """Fills `notices.ports.MessagePort`."""

    kind = "feishu"

    def __init__(self, connection: Connection) -> None:
        self.client = FeishuClient.of(connection)

    def send_card(self, to: Recipient, card: Card) -> str:
        content = card_content(card)
        # The same notice to the same person is the same message: Feishu delivers it once an hour.
        uuid = hashlib.sha256(f"{to.userid}\n{content}".encode()).hexdigest()[:32]
        return self.client.send_card(to.userid, content, uuid=uuid)

    def update_card(self, message_id: str, card: Card) -> None:
        """The whole card is drawn anew: Feishu knows no part of it."""
        self.client.change_card(message_id, card_content(card))


def card_content(card: Card) -> str:
    """The card as the JSON text a message carries, at most 30 KB. Words of people are plain text, never markdown."""
    title = card.title if len(card.title) <= MOST_TITLE else card.title[: MOST_TITLE - 1] + "…"
    rows = list(card.rows)
    while len((content := _content(card, title, rows)).encode()) > MOST_BYTES:
        if not rows:
            raise OutsideRefused(system=SYSTEM, said_by=f"{len(content.encode())} > {MOST_BYTES}")
        rows.pop()
    return content


def _content(card: Card, title: str, rows: list[tuple[str, str]]) -> str:
    button = {"tag": "button", "text": _plain(OPEN), "type": "primary", "url": card.url}
    shown: dict[str, Any] = {
        # Without it the card could not be changed later.
        "config": {"update_multi": True},
        "header": {"title": _plain(title), "template": COLOURS[card.status.tone]},
        "elements": [
            _line(card.status.word),
            *(_line(f"{key}：{value}") for key, value in rows),
            {"tag": "action", "actions": [button]},
            _line(" · ".join(filter(None, (card.sender, card.stamp)))),
        ],
    }
    return json.dumps(shown, ensure_ascii=False)


def _line(text: str) -> dict[str, Any]:
    return {"tag": "div", "text": _plain(text)}


def _plain(text: str) -> dict[str, str]:
    return {"tag": "plain_text", "content": text}
