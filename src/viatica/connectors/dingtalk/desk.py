"""Mode B: our tasks where DingTalk's people look, as process centre tasks (流程中心) or, if the settings say so, as to-dos.

Neither can be decided over there without a gateway of the vendor's: a tap, and 同意 and 拒绝, open our page signed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from viatica.connectors.dingtalk import centre
from viatica.connectors.dingtalk.centre import MOST_AT_ONCE, CentreClient
from viatica.connectors.dingtalk.client import DingTalkClient
from viatica.connectors.dingtalk.errors import SYSTEM, NoSuchTemplate, TaskExists, TemplateExists, TodoGone
from viatica.connectors.dingtalk.messages import DingTalkTodo, NoUnionId
from viatica.connectors.errors import AlreadyEnded, NoSuchInstance, PersonUnknown
from viatica.kernel.errors import OutsideRefused
from viatica.offices.approval.ports import (
    Board,
    BoardStatus,
    DeskDecision,
    DeskStatus,
    DeskTask,
    OutsidePerson,
    Shown,
)
from viatica.offices.notices.ports import Recipient, Todo
from viatica.spine.models import Connection

TODO = "todo"  # settings["desk"]
SOURCE = "viatica-desk-"


class Way(Protocol):
    """How tasks are shown. Handles are texts of its own; `case` is the whole case's."""

    def waiting_for(self, person: OutsidePerson) -> Mapping[str, tuple[str, str]]:
        """What is open over there for somebody: our key → (case, task)."""
        ...

    def start(self, board: Board) -> str: ...

    def open(self, case: str, board: Board, task: DeskTask) -> str:
        """Raises PersonUnknown, NoUnionId."""
        ...

    def close(self, case: str, tasks: Sequence[tuple[DeskTask, str]]) -> None:
        """At most MOST_AT_ONCE. What is closed already stays so."""
        ...

    def end(self, case: str, status: BoardStatus) -> None: ...


class DingTalkDesk:
    """Fills `approval.ports.DeskPort`."""

    kind = "dingtalk"
    can_decide = False

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.is_todo = connection.settings.get("desk") == TODO

    def show(self, board: Board) -> Iterator[Shown]:
        way = self._way_of(board)
        there, case = _there(way, board), board.shown
        if not case:
            case = next((found_case for found_case, _ in there.values()), "")
            yield Shown(handle=case)
        yield from _close(way, board, case, there)
        if board.is_over:
            if case:
                way.end(case, board.status)
            return
        for task in board.tasks:
            if task.status is not DeskStatus.OPEN:
                continue
            if not case:
                case = way.start(board)
                yield Shown(handle=case)
            yield _open(way, board, case, task, there)

    def _way_of(self, board: Board) -> Way:
        """What was begun one way ends that way, whatever the settings say since."""
        is_todo = board.shown == TODO if board.shown else self.is_todo
        return TodoWay(self.connection) if is_todo else CentreWay(self.connection)

    def hear(self, event: dict[str, Any]) -> list[DeskDecision]:
        """Nothing is decided over there."""
        return []

    def differs(self, boards: Sequence[Board]) -> Iterable[str]:
        """One question for each person, however many of their tasks are asked about."""
        for kind in (CentreWay, TodoWay):
            ways = [(self._way_of(board), board) for board in boards]
            own = [board for way, board in ways if isinstance(way, kind)]
            there = _waiting(kind(self.connection), (task for board in own for task in board.tasks))
            for board in own:
                believed = {task.key for task in board.tasks if task.status is DeskStatus.OPEN and task.shown}
                if believed != {task.key for task in board.tasks if task.key in there}:
                    yield board.number


def _there(way: Way, board: Board) -> Mapping[str, tuple[str, str]]:
    """Our key → (case, task). Where handles may be lost or stale, what people still have open over there."""
    if board.earlier_unknown:
        return _waiting(way, board.tasks)
    return {task.key: (board.shown, task.shown) for task in board.tasks if task.shown}


def _waiting(way: Way, tasks: Iterable[DeskTask]) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for person in {task.person.userid: task.person for task in tasks}.values():
        found |= way.waiting_for(person)
    return found


def _close(way: Way, board: Board, case: str, there: Mapping[str, tuple[str, str]]) -> Iterator[Shown]:
    """First, so that nobody is asked in vain while others are asked."""
    over = [task for task in board.tasks if task.status is not DeskStatus.OPEN]
    left = [(task, there[task.key][1]) for task in over if task.key in there]
    for start in range(0, len(left), MOST_AT_ONCE):
        some = left[start : start + MOST_AT_ONCE]
        way.close(case, some)
        yield Shown(tasks={task.key: "" for task, _ in some})
    yield Shown(tasks={task.key: "" for task in over if task.shown and task.key not in there})


def _open(way: Way, board: Board, case: str, task: DeskTask, there: Mapping[str, tuple[str, str]]) -> Shown:
    if task.key in there:
        return Shown(tasks={task.key: there[task.key][1]})
    try:
        return Shown(tasks={task.key: way.open(case, board, task)})
    except (PersonUnknown, NoUnionId) as refusal:
        return Shown(refused={task.key: str(refusal.params["said_by"])})


# The process centre

# Templates this process has seen to, and those it only knows to be there (or not: None).
_templates: dict[tuple[str, str, str], str] = {}
_found: dict[tuple[str, str, str], str | None] = {}


class CentreWay:
    """An instance for each case, which its applicant sees too."""

    def __init__(self, connection: Connection) -> None:
        self.client = CentreClient.of(connection)

    def waiting_for(self, person: OutsidePerson) -> Mapping[str, tuple[str, str]]:
        try:
            rows = list(self.client.tasks_of(person.userid))
        except PersonUnknown:
            return {}
        return {
            str(row.get("activityId") or ""): (str(row.get("processInstanceId") or ""), str(row["taskId"]))
            for row in rows
        }

    def start(self, board: Board) -> str:
        if not board.applicant.userid:
            raise PersonUnknown(system=SYSTEM, said_by=board.applicant.name)
        try:
            return self.client.start(centre.instance(board, self._template(board.kind)))
        except NoSuchTemplate:
            _templates.clear()  # somebody deleted it over there
            _found.clear()
            return self.client.start(centre.instance(board, self._template(board.kind)))

    def _template(self, kind: str) -> str:
        setup = self.client.setup
        key = (setup.base_url, setup.app_key, centre.name_of(kind))
        if key not in _templates:
            if key not in _found:
                _found[key] = self.client.template_named(centre.name_of(kind))
            _templates[key] = self._see_to(kind, _found[key])
        return _templates[key]

    def _see_to(self, kind: str, code: str | None) -> str:
        """It looks as it should, whoever made it and when; two workers may do this at once."""
        try:
            return self.client.put_template(centre.template(kind, code))
        except TemplateExists:
            code = self.client.template_named(centre.name_of(kind))
            if code is None:
                raise
            return code

    def open(self, case: str, board: Board, task: DeskTask) -> str:
        return self.client.open_task(centre.task(task, case))

    def close(self, case: str, tasks: Sequence[tuple[DeskTask, str]]) -> None:
        try:
            self.client.close_tasks(case, [centre.closing(handle, task.status) for task, handle in tasks])
        except (AlreadyEnded, NoSuchInstance):
            return

    def end(self, case: str, status: BoardStatus) -> None:
        try:
            self.client.end(case, status)
        except (AlreadyEnded, NoSuchInstance):
            return


# To-dos


class TodoWay:
    """A to-do for each task; the case itself is shown nowhere. Its own key finds a to-do whose answer was lost."""

    def __init__(self, connection: Connection) -> None:
        self.client = DingTalkClient.of(connection)
        self.todos = DingTalkTodo(connection)

    def waiting_for(self, person: OutsidePerson) -> Mapping[str, tuple[str, str]]:
        if not person.unionid:
            return {}
        rows = [
            (str(row.get("sourceId") or ""), str(row["taskId"]))
            for row in self.client.open_todos(person.unionid)
        ]
        return {
            source.removeprefix(SOURCE): (TODO, todo_id)
            for source, todo_id in rows
            if source.startswith(SOURCE)
        }

    def start(self, board: Board) -> str:
        return TODO

    def open(self, case: str, board: Board, task: DeskTask) -> str:
        amount = board.form.amount
        rows = (("金额", f"{amount.amount} {amount.currency}"),) if amount else ()
        todo = Todo(
            key=f"{SOURCE}{task.key}", subject=f"{board.title}（{task.step}）", url=task.url,
            rows=(("单号", board.number), *rows),
        )  # fmt: skip
        person = task.person
        try:
            return self.todos.put(Recipient(person.userid, person.name, person.unionid), todo)
        except OutsideRefused as refusal:
            code = refusal.params.get("outside_code")
            if isinstance(refusal, TaskExists) or code != "todo.taskCreate.paramError":
                raise
            # All but the person is ours, and right.
            raise PersonUnknown(system=SYSTEM, said_by=str(refusal.params["said_by"])) from refusal

    def close(self, case: str, tasks: Sequence[tuple[DeskTask, str]]) -> None:
        for task, todo_id in tasks:
            if task.person.unionid:
                self._close(task, todo_id)

    def _close(self, task: DeskTask, todo_id: str) -> None:
        """What its person did not do is taken away, not ticked."""
        try:
            if task.status is DeskStatus.CANCELLED:
                self.client.delete_todo(task.person.unionid, todo_id)
            else:
                self.client.update_todo(task.person.unionid, todo_id, {"done": True})
        except TodoGone:
            return

    def end(self, case: str, status: BoardStatus) -> None:
        return
