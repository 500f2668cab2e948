"""Our tasks as template cards (mode B): each approver gets one, may decide on it, and it says so when it is over.

A card is changed by a *response code*: one comes with its sending and one with each click, each good for one change
within 72 hours. A card whose code is used up is recalled within a day; later it stays as it is until somebody clicks,
which is refused here and brings a fresh code, by which the card is put right.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from viatica.connectors.errors import CannotBeReached, CardTooOld, PersonUnknown
from viatica.connectors.wecom import cards, events
from viatica.connectors.wecom.client import WeComClient
from viatica.connectors.wecom.errors import OutOfSight, TaskTaken
from viatica.connectors.wecom.events import part, said
from viatica.connectors.wecom.post import Post
from viatica.connectors.wecom.tasks import moment, whole
from viatica.offices.approval.ports import Board, DeskDecision, DeskStatus, DeskTask, Shown, Verdict
from viatica.spine.models import Connection

VERDICTS = {cards.APPROVE_KEY: Verdict.APPROVE, cards.REJECT_KEY: Verdict.REJECT}


@dataclass(frozen=True, slots=True)
class Handle:
    """How a card is found again; kept as JSON text.

    `code` changes it once. `msgid` recalls it. `clicked`: the version on the button whose click brought the code.
    """

    task_id: str
    code: str = ""
    msgid: str = ""
    clicked: int | None = None

    @classmethod
    def parse(cls, text: str) -> Handle | None:
        """None for ""."""
        return cls(**json.loads(text)) if text else None

    def __str__(self) -> str:
        kept = {key: value for key, value in asdict(self).items() if value not in ("", None)}
        return json.dumps(kept, separators=(",", ":"))


class WeComDesk:
    """Fills `approval.ports.DeskPort`."""

    kind = "wecom"

    def __init__(self, connection: Connection) -> None:
        self.client = WeComClient.of(connection)
        self.post = Post(self.client, connection)

    @property
    def can_decide(self) -> bool:
        """Not without a callback address: then cards only lead to our page."""
        return self.client.setup.can_hear

    def show(self, board: Board) -> Iterator[Shown]:
        for task in board.tasks:
            handle = Handle.parse(task.shown)
            if task.status is not DeskStatus.OPEN:
                yield from self._close(board, task, handle)
            elif handle is None:
                yield self._send(board, task)
            elif handle.clicked not in (None, task.version):
                yield self._renew(board, task, handle)

    def _send(self, board: Board, task: DeskTask) -> Shown:
        task_id = f"{task.key}@{task.version}"
        try:
            sent = self.post.send(task.person.userid, self._card(board, task, task_id))
        except TaskTaken:
            handle = Handle(task_id)  # it is there: the answer to its sending was lost, and with it the code
        except (CannotBeReached, PersonUnknown, OutOfSight) as refusal:
            return Shown(refused={task.key: str(refusal.params["said_by"])})
        else:
            handle = Handle(task_id, sent.code, sent.msgid)
        return Shown(tasks={task.key: str(handle)})

    def _card(self, board: Board, task: DeskTask, task_id: str) -> dict[str, Any]:
        return cards.task(board, task, task_id) if self.can_decide else cards.task_to_open(board, task)

    def _renew(self, board: Board, task: DeskTask, handle: Handle) -> Shown:
        """The buttons tell a version that is past: a click on them would be refused again."""
        self._change(handle, self._card(board, task, handle.task_id), task)
        return Shown(tasks={task.key: str(Handle(handle.task_id, msgid=handle.msgid))})

    def _close(self, board: Board, task: DeskTask, handle: Handle | None) -> Iterator[Shown]:
        if handle is None:
            return
        if self._change(handle, cards.ended_task(board, task), task) or self._recall(handle):
            yield Shown(tasks={task.key: ""})
        elif handle.code or handle.msgid:
            # Nothing more can be done about it until somebody clicks.
            yield Shown(tasks={task.key: str(Handle(handle.task_id))})

    def _change(self, handle: Handle, card: dict[str, Any], task: DeskTask) -> bool:
        if not handle.code:
            return False
        try:
            self.client.change_card(handle.code, card, [task.person.userid])
        except CardTooOld:
            return False
        return True

    def _recall(self, handle: Handle) -> bool:
        if not handle.msgid:
            return False
        try:
            self.client.recall(handle.msgid)
        except CardTooOld:
            return False
        return True

    def hear(self, event: dict[str, Any]) -> list[DeskDecision]:
        return decisions(event)

    def differs(self, boards: Sequence[Board]) -> Iterable[str]:
        """WeCom cannot be asked what a card shows."""
        return ()


def decisions(event: Mapping[str, Any]) -> list[DeskDecision]:
    """What somebody pressed on a card of ours."""
    if events.event_type(event) != events.CARD_CLICK:
        return []
    task_id, code = said(event, "taskid"), said(event, "responsecode")
    key, _, version = said(event, "eventkey").partition("@")
    verdict = VERDICTS.get(key)
    if verdict is None or not version:
        return []
    return [
        DeskDecision(
            task_key=task_id.partition("@")[0],
            userid=said(event, "fromusername"),
            verdict=verdict,
            event_id=events.event_id(event),
            at=moment(said(event, "createtime")) or datetime.fromtimestamp(0, UTC),
            version=whole(version),
            comment=cards.reason(_chosen(event)) if verdict is Verdict.REJECT else "",
            handle=str(Handle(task_id, code, clicked=whole(version))),
        )
    ]


def _chosen(event: Mapping[str, Any]) -> str:
    """The reason picked on the card; "" when the list was not touched."""
    for item in part(event, "selecteditems").get("selecteditem") or []:
        if isinstance(item, dict) and said(item, "questionkey") == cards.REASON:
            ids = part(item, "optionids").get("optionid") or [""]
            return str(ids[0])
    return ""
