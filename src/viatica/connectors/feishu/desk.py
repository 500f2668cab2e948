"""Mode B: our tasks in Feishu's approval centre, as third-party approvals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.conf import settings

from viatica.connectors.errors import FormClosed, PersonUnknown
from viatica.connectors.feishu import external, translate
from viatica.connectors.feishu.client import FeishuClient
from viatica.offices.approval.ports import Board, DeskDecision, Shown
from viatica.spine.models import Connection

MOST_CHECKED = 50

# Definitions this process has seen to: theirs stay, and seeing to one again changes nothing.
_defined: dict[tuple[str, str, str, str], str] = {}


class FeishuDesk:
    """Fills `approval.ports.DeskPort`. Feishu's own quick buttons are on its mobile client only; else a task opens our page."""

    kind = "feishu"
    can_decide = True

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.client = FeishuClient.of(connection)

    def show(self, board: Board) -> Iterator[Shown]:
        """One call carries the whole case; shown again it changes nothing."""
        gone: frozenset[str] = frozenset()
        try:
            self._put(board)
        except PersonUnknown:
            gone = self._unknown(board)
            if not gone:
                raise
            self._put(board, without=gone)
        shown = {task.key: task.key for task in external.shown_tasks(board, gone)}
        refused = {task.key: task.person.userid for task in board.tasks if task.person.userid in gone}
        yield Shown(handle=board.number, tasks=shown, refused=refused)

    def _put(self, board: Board, *, without: frozenset[str] = frozenset()) -> None:
        """A definition that was deleted over there is made again, once."""
        try:
            self.client.put_external(external.instance(board, self._definition(board.kind), without=without))
        except FormClosed:
            _defined.pop(self._key(board.kind))
            self.client.put_external(external.instance(board, self._definition(board.kind), without=without))

    def _unknown(self, board: Board) -> frozenset[str]:
        """Who has left, or is not shown to the app; Feishu names nobody in its refusal."""
        people = {task.person.userid for task in board.tasks} | {board.applicant.userid}
        return frozenset(userid for userid in people if userid and not self._works_there(userid))

    def _works_there(self, userid: str) -> bool:
        row = self.client.person(userid)
        return row is not None and translate.user(row).is_active

    def hear(self, event: dict[str, Any]) -> list[DeskDecision]:
        return external.decisions(event)

    def differs(self, boards: Sequence[Board]) -> Iterable[str]:
        """Tasks of people Feishu does not know differ as well: showing them again is how one learns of their coming."""
        for start in range(0, len(boards), MOST_CHECKED):
            some = boards[start : start + MOST_CHECKED]
            yield from external.differing(
                self.client.check_external([external.believed(one) for one in some])
            )

    def _definition(self, kind: str) -> str:
        """The code Feishu keeps our kind of document under."""
        setup, url, key = self.client.setup, settings.PUBLIC_URL, self._key(kind)
        if key not in _defined:
            body = external.definition(
                kind,
                external.own_code(self.connection.slug, kind),
                home=url,
                callback=f"{url}/hooks/{self.connection.slug}",
                token=setup.need("verification_token"),
                key=setup.encrypt_key,
            )
            _defined[key] = self.client.define_external(body)
        return _defined[key]

    def _key(self, kind: str) -> tuple[str, str, str, str]:
        return self.client.setup.base_url, self.client.setup.app_id, settings.PUBLIC_URL, kind
