"""A small OA in memory that keeps its own rules: tasks, order of steps, first decision counts, lost answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

from viatica.kernel.errors import OutsideRefused, OutsideUnavailable, OutsideUnknown
from viatica.offices.approval.ports import (
    ApprovalNews,
    Capabilities,
    CaseOrder,
    CaseRef,
    CaseState,
    CaseStatus,
    GroupMode,
    InstanceId,
    TaskResult,
    TaskState,
    TaskStatus,
    What,
)


@dataclass
class Instance:
    id: InstanceId
    order: CaseOrder
    started: datetime
    status: CaseStatus = CaseStatus.RUNNING
    tasks: list[TaskState] = field(default_factory=list)
    group: int = -1


@dataclass
class ToyOA:
    """`lose`: do the next create, then lose the answer; `down`: answer nothing."""

    connection_id: int
    at: Callable[[], datetime]
    can: Capabilities = field(default_factory=Capabilities)
    kind: str = "toy"
    lose: int = 0
    down: bool = False
    young: bool = False
    instances: dict[InstanceId, Instance] = field(default_factory=dict)
    news: list[ApprovalNews] = field(default_factory=list)
    said: list[tuple[InstanceId, str]] = field(default_factory=list)
    looks: int = 0
    _ids: Iterator[int] = field(default_factory=lambda: count(1))

    # The port

    def submit(self, order: CaseOrder) -> InstanceId:
        self._answer()
        one = Instance(InstanceId(f"inst-{next(self._ids)}"), order, self.at())
        self.instances[one.id] = one
        self._tell(one, What.STARTED)
        self._next_group(one)
        if self.lose:
            self.lose -= 1
            raise OutsideUnknown(system="Toy", said_by="connection closed")
        return one.id

    def look(self, case: CaseRef) -> CaseState | None:
        self._answer()
        self.looks += 1
        found = self.instances.get(case.instance_id) if case.instance_id else self._by_number(case.number)
        return self.state(found) if found else None

    def withdraw(self, case: CaseRef, reason: str) -> None:
        self._answer()
        if self.young:
            raise OutsideUnavailable(system="Toy", said_by="too young", retry_after=15)
        one = self.instances[case.instance_id] if case.instance_id else None
        if one is None or one.status is not CaseStatus.RUNNING:
            raise OutsideRefused(system="Toy", said_by="not running")
        self.end(one.id, CaseStatus.WITHDRAWN)

    def comment(self, case: CaseRef, text: str) -> None:
        self._answer()
        assert case.instance_id is not None
        self.said.append((case.instance_id, text))

    def hear(self, event: dict[str, Any]) -> list[ApprovalNews]:
        return [self.news[event["n"]]]

    def list_since(self, start: datetime, end: datetime) -> Iterator[InstanceId]:
        self._answer()
        return (one.id for one in list(self.instances.values()) if start <= one.started < end)

    # What people do over there

    def decide(
        self, userid: str, result: TaskResult = TaskResult.APPROVED, comment: str = "ok", to: str = ""
    ) -> None:
        one, n = next(
            (one, n) for one in self.instances.values() for n, task in enumerate(one.tasks)
            if task.userid == userid and task.status is TaskStatus.OPEN
        )  # fmt: skip
        task = one.tasks[n]
        one.tasks[n] = TaskState(task.task_id, userid, TaskStatus.DECIDED, result, self.at(), comment)
        if result is TaskResult.HANDED_OVER:
            self._tell(one, What.TASK_HANDED_OVER, one.tasks[n])
            self._open(one, to)
            return
        self._tell(one, What.TASK_DECIDED, one.tasks[n])
        self._settle(one, result)

    def end(self, instance_id: InstanceId, status: CaseStatus) -> None:
        one = self.instances[instance_id]
        one.status = status
        self._cancel(one)
        whats = {
            CaseStatus.APPROVED: What.APPROVED, CaseStatus.REJECTED: What.REJECTED,
            CaseStatus.WITHDRAWN: What.WITHDRAWN, CaseStatus.GONE: What.DELETED,
        }  # fmt: skip
        self._tell(one, whats[status])

    def state(self, one: Instance) -> CaseState:
        return CaseState(one.id, one.order.number, one.status, tuple(one.tasks))

    # Its rules

    def _settle(self, one: Instance, result: TaskResult) -> None:
        if result is TaskResult.REJECTED:
            self.end(one.id, CaseStatus.REJECTED)
            return
        group = one.order.approvers[one.group]
        if group.mode is GroupMode.OR:
            self._cancel(one)
        if not any(task.status is TaskStatus.OPEN for task in one.tasks):
            self._next_group(one)

    def _next_group(self, one: Instance) -> None:
        one.group += 1
        if one.group >= len(one.order.approvers):
            if one.order.approvers:
                self.end(one.id, CaseStatus.APPROVED)
            return
        for userid in one.order.approvers[one.group].userids:
            self._open(one, userid)

    def _open(self, one: Instance, userid: str) -> None:
        one.tasks.append(TaskState(f"t{next(self._ids)}", userid, TaskStatus.OPEN, at=self.at()))
        self._tell(one, What.TASK_OPENED, one.tasks[-1])

    def _cancel(self, one: Instance) -> None:
        for n, task in enumerate(one.tasks):
            if task.status is TaskStatus.OPEN:
                one.tasks[n] = TaskState(task.task_id, task.userid, TaskStatus.CANCELLED, at=self.at())
                self._tell(one, What.TASK_CANCELLED, one.tasks[n])

    def _tell(self, one: Instance, what: What, task: TaskState | None = None) -> None:
        self.news.append(
            ApprovalNews(
                connection_id=self.connection_id,
                instance_id=one.id,
                what=what,
                at=self.at(),
                event_id=f"e{next(self._ids)}",
                number=one.order.number,
                actor_userid=task.userid if task else "",
                task_id=task.task_id if task else "",
                result=task.result if task else TaskResult.NONE,
                comment=task.comment if task else "",
            )
        )

    def _by_number(self, number: str) -> Instance | None:
        return next((one for one in self.instances.values() if one.order.number == number), None)

    def _answer(self) -> None:
        if self.down:
            raise OutsideUnavailable(system="Toy", said_by="503")
