"""A desk in memory with rules of its own: it knows its people, makes things anew unless told their handle, loses answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from viatica.kernel.errors import OutsideRefused, OutsideUnavailable, OutsideUnknown
from viatica.offices.approval.ports import Board, DeskDecision, DeskStatus, DeskTask, Shown, Verdict


@dataclass
class Paper:
    """One case as the desk keeps it; `tasks` by the desk's own ids."""

    id: str
    board: Board
    tasks: dict[str, DeskTask] = field(default_factory=dict)


@dataclass
class ToyDesk:
    """`lose`: do so many shows, each time losing the last answer; `stop_after`: fail after so many yields.

    `strangers` are accounts it does not know; `says_no` refuses whole boards; `meanwhile` happens during a show, whose
    handles then are new ones.
    """

    connection_id: int
    kind: str = "toy"
    can_decide: bool = True
    lose: int = 0
    stop_after: int | None = None
    down: bool = False
    says_no: str = ""
    meanwhile: Callable[[Board], None] | None = None
    strangers: set[str] = field(default_factory=set)
    papers: dict[str, Paper] = field(default_factory=dict)
    shows: int = 0
    asked: int = 0
    _ids: Iterator[int] = field(default_factory=lambda: count(1))

    # The port

    def show(self, board: Board) -> Iterator[Shown]:
        self._answer()
        self.shows += 1
        for n, shown in enumerate(self._show(board)):
            if self.stop_after == n:
                self.stop_after = None
                raise OutsideUnavailable(system="Toy", said_by="503")
            if self.lose and shown.tasks:
                self.lose -= 1
                raise OutsideUnknown(system="Toy", said_by="connection closed")
            yield shown

    def _show(self, board: Board) -> Iterator[Shown]:
        paper = self._paper(board)
        if self.meanwhile:
            self.meanwhile(board)
        yield Shown(handle=paper.id)
        for task in board.tasks:
            if task.person.userid in self.strangers:
                yield Shown(refused={task.key: "not in the visible range"})
                continue
            handle = self._handle(paper, task, board.earlier_unknown)
            if task.status is DeskStatus.WAITING:
                paper.tasks.pop(handle, None)
                handle = ""
            elif handle or task.status is DeskStatus.OPEN:
                handle = handle or f"t{next(self._ids)}"
                paper.tasks[handle] = task
            yield Shown(tasks={task.key: f"{handle}/new" if self.meanwhile else handle})

    def _paper(self, board: Board) -> Paper:
        found = self.papers.get(board.shown)
        if found is None and board.earlier_unknown:
            found = next((one for one in self.papers.values() if one.board.number == board.number), None)
        if found is None:
            found = Paper(f"p{next(self._ids)}", board)
            self.papers[found.id] = found
        found.board = board
        return found

    def _handle(self, paper: Paper, task: DeskTask, looks: bool) -> str:
        handle = task.shown.partition("/")[0]
        if not handle and looks:
            return next((one for one, had in paper.tasks.items() if had.key == task.key), "")
        return handle

    def hear(self, event: dict[str, Any]) -> list[DeskDecision]:
        return [event["decision"]]

    def differs(self, boards: Sequence[Board]) -> Iterable[str]:
        self._answer()
        self.asked += 1
        return [board.number for board in boards if self._differs(board)]

    def _differs(self, board: Board) -> bool:
        paper = self.papers.get(board.shown)
        if paper is None or paper.board.status is not board.status:
            return True
        has = {task.key: task.status for task in paper.tasks.values()}
        wants = {task.key: task.status for task in board.tasks if task.shown}
        return has != wants

    # What people see and do there

    def list_of(self, userid: str) -> list[str]:
        """Numbers of the papers that wait for somebody, one for each task."""
        return [
            paper.board.number
            for paper in self.papers.values()
            for task in paper.tasks.values()
            if task.person.userid.lower() == userid.lower() and task.status is DeskStatus.OPEN
        ]

    def paper(self, number: str) -> Paper:
        (found,) = [one for one in self.papers.values() if one.board.number == number]
        return found

    def statuses(self, number: str) -> dict[str, str]:
        """Who → the status of their task, as the desk shows it."""
        return {task.person.name: task.status.value for task in self.paper(number).tasks.values()}

    def click(
        self, number: str, whose: str, verdict: Verdict = Verdict.APPROVE, comment: str = "好", **more: Any
    ) -> DeskDecision:
        """What the desk tells of a click on `whose` task, whether it is open or not; `userid` says who clicked."""
        paper = self.paper(number)
        handle, task = next(
            (handle, task) for handle, task in paper.tasks.items() if task.person.userid == whose
        )
        n = next(self._ids)
        told: dict[str, Any] = {
            "task_key": task.key, "userid": whose, "verdict": verdict, "event_id": f"e{n}",
            "at": task.opened_at, "version": task.version, "comment": comment, "handle": f"{handle}/{n}",
        }  # fmt: skip
        return DeskDecision(**told | more)

    def _answer(self) -> None:
        if self.down:
            raise OutsideUnavailable(system="Toy", said_by="503")
        if self.says_no:
            raise OutsideRefused(system="Toy", said_by=self.says_no)
