"""Sending one card to one person, no faster than WeCom delivers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from viatica.connectors.errors import CannotBeReached
from viatica.connectors.wecom.client import WeComClient
from viatica.connectors.wecom.errors import SYSTEM
from viatica.connectors.wecom.pace import A_MINUTE, AN_HOUR, Pace
from viatica.spine.models import Connection

_pace = Pace()


@dataclass(frozen=True, slots=True)
class Sent:
    """`code` changes the card once, within 72 hours; "" for a card without buttons."""

    msgid: str
    code: str


class Post:
    def __init__(self, client: WeComClient, connection: Connection) -> None:
        self.client = client
        self.a_minute = int(connection.settings.get("messages_a_minute") or A_MINUTE)
        self.an_hour = int(connection.settings.get("messages_an_hour") or AN_HOUR)

    def send(self, userid: str, card: dict[str, Any]) -> Sent:
        """Raises MessageLimit, TaskTaken, CannotBeReached."""
        setup = self.client.setup
        key = (setup.base_url, setup.corp_id, setup.agent_id, userid.lower())
        _pace.step(key, self.a_minute, self.an_hour)
        answer = self.client.send(userid, card)
        # Some of several in vain is a success over there; the only one in vain is none here.
        if userid.lower() in str(answer.get("invaliduser") or "").lower().split("|"):
            raise CannotBeReached(system=SYSTEM, said_by=userid)
        return Sent(str(answer.get("msgid") or ""), str(answer.get("response_code") or ""))
