"""What an OA says, applied once, whatever is repeated, reordered, late or contradictory.

`settle` alone decides what changes. A task only moves forward, open → cancelled → decided, and the first decision
counts; a case ends once. What cannot be applied changes nothing and is recorded, once, as the fact `news.ignored`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import chain

from django.db import transaction
from django.db.models import Q

from viatica.kernel.words import N_
from viatica.offices.approval import casefile
from viatica.offices.approval.casefile import CaseFile
from viatica.offices.approval.models import (
    Case,
    Item,
    ItemState,
    Origin,
    Reason,
    Sent,
    State,
    Step,
    StepState,
)
from viatica.offices.approval.ports import (
    ApprovalNews,
    CaseState,
    CaseStatus,
    Outcome,
    TaskResult,
    TaskState,
    TaskStatus,
    What,
)
from viatica.offices.company.models import Employee, OutsideIdentity
from viatica.spine import exchanges, issues


class Heard(StrEnum):
    """What became of news. UNKNOWN: it does not say enough (whose case, which of two tasks): look, then `settle`."""

    APPLIED = "applied"
    IGNORED = "ignored"
    UNKNOWN = "unknown"


OUTCOMES = {
    CaseStatus.APPROVED: Outcome.APPROVED,
    CaseStatus.REJECTED: Outcome.REJECTED,
    CaseStatus.WITHDRAWN: Outcome.WITHDRAWN,
    CaseStatus.GONE: Outcome.WITHDRAWN,
}
STATUSES = {
    What.APPROVED: CaseStatus.APPROVED,
    What.REJECTED: CaseStatus.REJECTED,
    What.WITHDRAWN: CaseStatus.WITHDRAWN,
    What.DELETED: CaseStatus.GONE,
}
TASKS = {
    What.TASK_OPENED: TaskStatus.OPEN,
    What.TASK_DECIDED: TaskStatus.DECIDED,
    What.TASK_HANDED_OVER: TaskStatus.DECIDED,
    What.TASK_CANCELLED: TaskStatus.CANCELLED,
}
ENDS = {
    TaskResult.APPROVED: ItemState.APPROVED,
    TaskResult.REJECTED: ItemState.REJECTED,
    TaskResult.HANDED_OVER: ItemState.HANDED_OVER,
}
VERDICTS = {ItemState.APPROVED: "approve", ItemState.REJECTED: "reject"}
DECIDED = tuple(ENDS.values())
UNDONE_KIND = "approval.undone"
UNDONE = N_("{number} was approved, and then its approval was taken back in {system}: it must not be paid.")


def apply(news: ApprovalNews, *, at: datetime) -> Heard:
    """One event. Only what it says is applied; a look knows more."""
    tasks: tuple[TaskState, ...] = ()
    if news.what in TASKS:
        result = TaskResult.HANDED_OVER if news.what is What.TASK_HANDED_OVER else news.result
        tasks = (TaskState(news.task_id, news.actor_userid, TASKS[news.what], result, news.at, news.comment),)
    state = CaseState(news.instance_id, news.number, STATUSES.get(news.what, CaseStatus.RUNNING), tasks)
    is_start = news.what is What.STARTED
    return _tell(_Told(news.connection_id, state, is_news=not is_start, is_partial=True), at)


def settle(*, connection_id: int, state: CaseState, at: datetime) -> Heard:
    """Bring our case to what a look at its instance said. A look that finds nothing new is no fact.

    UNKNOWN: the instance is not ours.
    """
    return _tell(_Told(connection_id, state, is_news=False), at)


def _tell(told: _Told, at: datetime) -> Heard:
    with transaction.atomic(savepoint=False):
        case = find(told.connection_id, told.state)
        if case is None or (told.is_partial and told.is_ambiguous(case)):
            return Heard.UNKNOWN
        exchanges.about(case.ref)
        again = chain([case], iter(lambda: find(told.connection_id, told.state), None))
        file = casefile.take(lambda: _file_of(next(again), at), told.change)
        return Heard.APPLIED if told.has_changed and file.is_touched else Heard.IGNORED


def find(connection_id: int, state: CaseState) -> Case | None:
    """Our case behind an instance: by the instance's id, or by our number in its form."""
    known = Q(instance_id=state.instance_id)
    if state.number:
        known |= Q(outside_number=state.number)
    found = list(
        Case.objects.filter(known, connection_id=connection_id)
        .select_related("connection")
        .defer("form")
        .order_by("id")
    )
    return next(
        (case for case in found if case.instance_id == state.instance_id), found[0] if found else None
    )


def _file_of(case: Case, at: datetime) -> CaseFile:
    assert case.connection is not None  # found by its connection
    return casefile.of_case(case, at=at, actor="system", via=case.connection.kind)


@dataclass(slots=True)
class _Told:
    """One telling, applied to the file of its case as often as the file must be read again."""

    connection_id: int
    state: CaseState
    is_news: bool
    is_partial: bool = False
    has_changed: bool = False
    ignored: list[tuple[str, str]] = field(default_factory=list)
    people: dict[str, Employee] | None = None

    def is_ambiguous(self, case: Case) -> bool:
        """One person planned in two steps: a single event does not say which of the two tasks it is."""
        for task in self.state.tasks:
            person = self._people().get(task.userid)
            planned = Item.objects.filter(case=case, approver=person, task_id="").exclude(state__in=DECIDED)
            known = Item.objects.filter(case=case, task_id=task.task_id)
            if person is not None and planned.count() > 1 and not known.exists():
                return True
        return False

    def change(self, file: CaseFile) -> None:
        case, state = file.case, self.state
        self.ignored = []
        if case.instance_id not in (None, state.instance_id):
            self.ignored.append(("second_instance", state.instance_id))
        else:
            self._meet(file)
            for task in state.tasks:
                self._hear_task(file, task)
            if state.status is not CaseStatus.RUNNING:
                self._hear_end(file, OUTCOMES[state.status])
            restate(file)
        self.has_changed = file.is_touched
        if not self.has_changed and self.is_news and not self.ignored:
            task_ids = ",".join(task.task_id for task in state.tasks)
            self.ignored.append(("repeated" if case.is_active else "late", f"{state.status}:{task_ids}"))
        file.ignore(self.ignored, instance=self.state.instance_id)

    def _meet(self, file: CaseFile) -> None:
        """It may call back before our own call has had its answer."""
        if file.case.instance_id is None:
            file.set_case(instance_id=self.state.instance_id, sent=Sent.SENT)
            file.note("case.sent", instance=self.state.instance_id)

    def _hear_task(self, file: CaseFile, task: TaskState) -> None:
        item = next((one for one in file.items if one.task_id == task.task_id), None) or self._item(
            file, task
        )
        match task.status:
            case TaskStatus.OPEN:
                if item.state == ItemState.WAITING:
                    file.open(item)
            case TaskStatus.CANCELLED:
                if item.is_live:
                    file.cancel([item])
            case TaskStatus.DECIDED:
                end = ENDS.get(task.result)
                if end is None or item.state == end:
                    return
                if item.state in DECIDED:
                    self.ignored.append(("contradicts", f"task:{task.task_id}:{task.result}"))
                    return
                self._decide(file, item, task, end)

    def _decide(self, file: CaseFile, item: Item, task: TaskState, end: ItemState) -> None:
        who = self._who(file, task.userid)
        at = max(task.at, item.opened_at) if task.at and item.opened_at else task.at or file.at
        file.change(
            item, state=end, decided_at=at, opened_at=item.opened_at or at, decided_by=who, via=file.via,
            comment=task.comment,
        )  # fmt: skip
        if end is ItemState.HANDED_OVER:
            file.note("case.handed_over", by=who, item=item.pk, step=item.step.name, comment=task.comment)
        else:
            file.note(
                "case.decided",
                by=who,
                item=item.pk,
                step=item.step.name,
                verdict=VERDICTS[end],
                comment=task.comment,
            )

    def _item(self, file: CaseFile, task: TaskState) -> Item:
        """The planned item this task is, or a new one: the OA asks whom it likes."""
        person = self._people().get(task.userid)
        planned = (
            one
            for step in file.steps
            for one in file.items_of(step)
            if not one.task_id and person and one.approver_id == person.pk
            and one.state in (ItemState.WAITING, ItemState.OPEN, ItemState.CANCELLED)
        )  # fmt: skip
        item = next(planned, None)
        if item is not None:
            file.change(item, task_id=task.task_id, userid=task.userid)
            return item
        left = next(
            (one for one in file.items if one.state == ItemState.HANDED_OVER and not _heir(one, file)), None
        )
        step = left.step if left else _current(file)
        return file.add(
            Item(
                case=file.case,
                step=step,
                approver=person,
                userid=task.userid,
                task_id=task.task_id,
                origin=Origin.OUTSIDE,
                state=ItemState.WAITING,
                place=len(file.items_of(step)),
                reason=Reason.HANDED_OVER if left else Reason.NONE,
                replaces=left,
            )
        )

    def _hear_end(self, file: CaseFile, outcome: Outcome) -> None:
        case = file.case
        if not case.is_active:
            if case.state == State.APPROVED and outcome is not Outcome.APPROVED:
                _undo(file, self.state.status)
            elif case.state != outcome.value:
                self.ignored.append(("contradicts", f"{case.state}:{self.state.status}"))
            elif not case.is_agreed:
                file.set_case(is_agreed=True)
            return
        last = _decisive(file, outcome)
        file.conclude(outcome, last.comment if last else "", last.decided_by if last else "")
        file.set_case(is_agreed=True, checked_at=file.at)

    def _people(self) -> dict[str, Employee]:
        if self.people is None:
            userids = {task.userid for task in self.state.tasks}
            rows = OutsideIdentity.objects.filter(connection_id=self.connection_id, userid__in=userids)
            self.people = {row.userid: row.employee for row in rows.select_related("employee")}
        return self.people

    def _who(self, file: CaseFile, userid: str) -> str:
        person = self._people().get(userid)
        return f"employee:{person.pk}" if person else f"{file.via}:{userid}"


def _undo(file: CaseFile, status: CaseStatus) -> None:
    """Some products let an approval be taken back. What followed from it stays, but nothing more is paid."""
    case = file.case
    if case.undone_at is not None:
        return
    assert case.connection is not None  # told by it
    file.set_case(undone_at=file.at)
    file.note("case.undone", status=status.value)
    issues.raise_issue(
        key=f"{UNDONE_KIND}:{case.pk}", kind=UNDONE_KIND, message=UNDONE, ref=case.ref,
        params={"number": case.number, "system": case.connection.name}, at=file.at,
    )  # fmt: skip


def _heir(item: Item, file: CaseFile) -> Item | None:
    return next(
        (one for one in file.items if one.replaces is item or (item.pk and one.replaces_id == item.pk)), None
    )


def _current(file: CaseFile) -> Step:
    """Where an unplanned task belongs: the step under way, else the next, else the last."""
    for state in (StepState.ACTIVE, StepState.PLANNED):
        found = [step for step in file.steps if step.state == state]
        if found:
            return found[-1] if state is StepState.ACTIVE else found[0]
    return file.steps[-1]


def _decisive(file: CaseFile, outcome: Outcome) -> Item | None:
    """The latest decision that points to `outcome`."""
    state = {Outcome.APPROVED: ItemState.APPROVED, Outcome.REJECTED: ItemState.REJECTED}.get(outcome)
    decided = [item for item in file.items if item.state == state and item.decided_at]
    return max(decided, key=lambda item: (item.decided_at or file.at, item.task_id), default=None)


def restate(file: CaseFile) -> None:
    """The steps' states follow from their items, in whatever order these were told."""
    reached = max(
        (item.step.seq for item in file.items if item.state in (*DECIDED, ItemState.OPEN)), default=0
    )
    for step in file.steps:
        items = file.items_of(step)
        if step.seq < reached:  # the OA has gone on: nobody is asked here any more
            file.cancel(item for item in items if item.is_live)
        state = _state_of(step, items, file.case)
        if state != step.state:
            file.change(step, state=state)


def _state_of(step: Step, items: list[Item], case: Case) -> str:
    states = {item.state for item in items}
    if step.state == StepState.SKIPPED:
        return step.state
    if ItemState.REJECTED in states:
        return StepState.REJECTED
    if ItemState.OPEN in states:
        return StepState.ACTIVE
    if ItemState.APPROVED in states:
        return StepState.ACTIVE if ItemState.WAITING in states else StepState.PASSED
    if not case.is_active:  # the OA told us the end, not who did it
        return StepState.PASSED if case.state == Outcome.APPROVED.value else StepState.CANCELLED
    return StepState.PLANNED if ItemState.WAITING in states else step.state
