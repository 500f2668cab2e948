"""Template cards as the notices office wants them."""

from __future__ import annotations

import hashlib

from viatica.connectors.wecom import cards
from viatica.connectors.wecom.client import WeComClient
from viatica.connectors.wecom.errors import TaskTaken
from viatica.connectors.wecom.post import Post
from viatica.offices.notices.ports import Card, Recipient
from viatica.spine.models import Connection


class WeComMessages:
    """Fills `notices.ports.MessagePort`. The message id is the card's response_code, which changes it once."""

    kind = "wecom"

    def __init__(self, connection: Connection) -> None:
        self.client = WeComClient.of(connection)
        self.post = Post(self.client, connection)

    def send_card(self, to: Recipient, card: Card) -> str:
        """ "" when the card cannot be changed later."""
        if not self.client.setup.can_hear:
            # Cards with buttons need a callback address; a plain one says as much, but stays as it is.
            self.post.send(to.userid, cards.changed_notice(card))
            return ""
        # The same notice to the same person is the same task: WeCom takes it once.
        said = f"{to.userid}\n{card.title}\n{card.status.word}\n{card.stamp}\n{card.url}"
        task_id = f"notice-{hashlib.sha256(said.encode()).hexdigest()[:32]}"
        try:
            return self.post.send(to.userid, cards.notice(card, task_id)).code
        except TaskTaken:
            return ""  # it went out when its answer was lost, and with it the code

    def update_card(self, message_id: str, card: Card) -> None:
        """Once only: the code is used up then, and only a click would bring another."""
        self.client.change_card(message_id, cards.changed_notice(card))
