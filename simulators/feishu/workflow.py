"""Native approval (原生审批): instances, tasks and what people do with them.

Nothing here knows HTTP. Every lookup is by key: a call costs the same beside ten instances or a million.
"""

from __future__ import annotations

import json
import time
import uuid
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from typing import Any, Protocol

from simulators.feishu.company import ROOT, Company
from simulators.feishu.errors import Refusal, bad_approval
from simulators.feishu.files import Files
from simulators.feishu.forms import (
    END_NODE,
    START_NODE,
    Definition,
    FlowStep,
    StepKind,
    Widget,
    read_form,
)

CHINA = timezone(timedelta(hours=8))
KEPT_DONE = 200


class Emit(Protocol):
    """Tell the app of something that happened to an instance; in order within one lane."""

    def __call__(self, kind: str, *, approval_code: str, lane: str, fields: dict[str, Any]) -> None: ...


class Status(StrEnum):
    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    CANCELED = "CANCELED"
    DELETED = "DELETED"


class TaskStatus(StrEnum):
    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    TRANSFERRED = "TRANSFERRED"
    DONE = "DONE"


class Verdict(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"


@dataclass(slots=True)
class Task:
    id: str
    instance_code: str
    user_id: str  # empty: nobody had to do it (AUTO_PASS)
    node_id: str
    node_name: str
    custom_node_id: str
    mode: str
    created_ms: int
    needs_signature: bool = False
    status: TaskStatus = TaskStatus.PENDING
    finished_ms: int = 0


@dataclass(slots=True)
class Entry:
    """One line of the timeline (审批动态)."""

    kind: str
    at_ms: int
    user_id: str
    task_id: str = ""
    node_id: str = ""
    comment: str = ""
    others: list[str] = field(default_factory=list)  # transferred to, copied to


@dataclass(slots=True)
class Comment:
    id: str
    user_id: str
    at_ms: int
    text: str
    files: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Node:
    node_id: str
    custom_node_id: str
    name: str
    mode: str
    user_ids: list[str]
    needs_signature: bool = False
    is_self_select: bool = False
    asked: int = 0  # SEQUENTIAL: how many have been asked this time round


@dataclass(slots=True)
class Instance:
    code: str
    serial_number: str
    uuid: str
    approval_code: str
    approval_name: str
    title: str
    originator: str
    department_id: str
    created_ms: int
    values: list[tuple[Widget, dict[str, Any]]]
    nodes: list[Node]
    cc: list[tuple[str, list[str]]]  # node id, people told when that node is done
    forbids_revoke: bool = False
    status: Status = Status.PENDING
    is_reverted: bool = False
    finished_ms: int = 0
    place: int = 0  # -1: back at the originator
    tasks: list[Task] = field(default_factory=list)
    timeline: list[Entry] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)


@dataclass(slots=True)
class Order:
    """A wish to start an instance; everything in it is still to be checked."""

    approval_code: str
    originator: str
    form: str
    department_id: str = ""
    uuid: str = ""
    title: str = ""
    chosen: dict[str, list[str]] = field(default_factory=dict)
    cc: dict[str, list[str]] = field(default_factory=dict)
    forbids_revoke: bool = False


@dataclass(slots=True)
class Timeline:
    """The instances of one definition in the order they started."""

    starts: list[int] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Book:
    """All that is remembered, by key."""

    definitions: dict[str, Definition] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    by_uuid: dict[str, str] = field(default_factory=dict)  # in capitals: a uuid is case-insensitive
    tasks: dict[str, Task] = field(default_factory=dict)
    timelines: dict[str, Timeline] = field(default_factory=dict)
    open_tasks: dict[str, dict[str, Task]] = field(default_factory=dict)
    done_tasks: dict[str, deque[Task]] = field(default_factory=dict)
    started: dict[str, deque[str]] = field(default_factory=dict)
    copied: dict[str, deque[str]] = field(default_factory=dict)
    last_ms: int = 0
    last_id: int = 0
    numbers: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def now(self) -> int:
        """Milliseconds that never go back, so that a timeline stays sorted."""
        self.last_ms = max(self.last_ms, int(time.time() * 1000))
        return self.last_ms

    def next_id(self) -> str:
        """19 digits, from the clock, so that a restarted simulator does not hand out an old id again."""
        self.last_id = max(self.last_id + 1, int(time.time() * 1000) * 1_000_000)
        return str(self.last_id)

    def next_serial(self, at_ms: int) -> str:
        day = datetime.fromtimestamp(at_ms / 1000, CHINA).strftime("%Y%m%d")
        self.numbers[day] += 1
        return f"{day}{self.numbers[day]:04d}"


@dataclass(slots=True)
class Workflow:
    company: Company
    files: Files
    emit: Emit
    book: Book = field(default_factory=Book)
    when_opened: list[Callable[[Task], None]] = field(default_factory=list)

    # What a value may point to (forms.Outside).

    def is_active_user(self, given: str, id_type: str) -> bool:
        user = self.company.find_user(given, id_type)
        return user is not None and user.is_active

    def is_department(self, open_department_id: str) -> bool:
        return open_department_id in self.company.by_open_department

    def is_instance(self, instance_code: str) -> bool:
        return instance_code in self.book.instances

    def has_file(self, code: str, kind: str) -> bool:
        return self.files.has(code, kind)

    # Starting.

    def start(self, order: Order) -> Instance:
        definition = self.definition(order.approval_code)
        if definition.status == "DELETED":
            raise Refusal(1390016, "approval is deleted")
        if definition.status != "ACTIVE":
            raise Refusal(1390015, "approval is not active")
        if definition.is_free:
            raise Refusal(1390013, "unsupported approval for free process")
        if order.uuid.upper() in self.book.by_uuid:
            raise Refusal(60012, "OpenApiErrorCodeUuidConflict: uuid conflict")
        department_id = self._department(order)
        values = read_form(order.form, definition.widgets, self)
        nodes = self._nodes(definition, order, department_id)
        cc = self._cc(definition, order)
        now = self.book.now()
        instance = Instance(
            code=str(uuid.uuid4()).upper(),
            serial_number=self.book.next_serial(now),
            uuid=order.uuid,
            approval_code=definition.approval_code,
            approval_name=definition.name,
            title=order.title or f"{self.company.name_of(order.originator)}提交的{definition.name}",
            originator=order.originator,
            department_id=department_id,
            created_ms=now,
            values=values,
            nodes=nodes,
            cc=cc,
            forbids_revoke=order.forbids_revoke,
        )
        self._file(instance)
        instance.timeline.append(Entry("START", now, order.originator, node_id=START_NODE))
        self._tell_instance(instance, instance.status)
        self._copy(instance, START_NODE)
        self._open_node(instance)
        return instance

    def preview(self, order: Order) -> list[Node]:
        definition = self.definition(order.approval_code)
        read_form(order.form, definition.widgets, self)
        return self._nodes(definition, order, self._department(order), is_preview=True)

    def definition(self, approval_code: str) -> Definition:
        definition = self.book.definitions.get(approval_code)
        if definition is None:
            raise Refusal(1390002, "approval code not found")
        return definition

    def _department(self, order: Order) -> str:
        user = self.company.users.get(order.originator)
        if user is None or not user.is_active:
            raise Refusal(1390004, "user_id or open_id not found")
        if not order.department_id:
            return user.department_ids[0]
        if order.department_id == ROOT:
            raise bad_approval("department_id: the root department is not allowed")
        if order.department_id not in self.company.departments:
            raise bad_approval(f"department_id {order.department_id} not found, it must be a department_id")
        if order.department_id not in user.department_ids:
            raise bad_approval(f"department_id {order.department_id} is not the user's")
        return order.department_id

    def _nodes(
        self, definition: Definition, order: Order, department_id: str, *, is_preview: bool = False
    ) -> list[Node]:
        for key in order.chosen:
            step = next((step for step in definition.flow if step.is_called(key)), None)
            if step is None or step.kind is not StepKind.SELF_SELECT:
                raise bad_approval(f"node_approver_user_id_list: {key} is no node chosen by the originator")
        nodes = []
        for step in definition.flow:
            people = self._people(step, order, department_id, is_preview=is_preview)
            nodes.append(
                Node(
                    step.node_id,
                    step.custom_node_id,
                    step.name,
                    step.mode,
                    list(dict.fromkeys(people)),
                    needs_signature=step.needs_signature,
                    is_self_select=step.kind is StepKind.SELF_SELECT,
                )
            )
        if not any(node.user_ids for node in nodes):
            # Nobody at all to ask: the administrators, so that no paper passes unread.
            admins = self._admins()
            nodes = [*nodes[:-1], Node("admin", "", "审批管理员", "OR", admins)]
        return nodes

    def _people(
        self, step: FlowStep, order: Order, department_id: str, *, is_preview: bool = False
    ) -> list[str]:
        match step.kind:
            case StepKind.MANAGER:
                leader = self.company.users[order.originator].leader_user_id
                if not leader or not self.company.is_active(leader):
                    leader = self.company.boss_above(order.originator, department_id) or ""
                return [leader] if leader else []
            case StepKind.ROLE:
                return [holder for holder in self.company.holders(step.role) if holder != order.originator]
            case StepKind.USERS:
                return [user_id for user_id in step.user_ids if self.company.is_active(user_id)]
            case StepKind.SELF_SELECT:
                chosen = [
                    user_id
                    for key, people in order.chosen.items()
                    if step.is_called(key)
                    for user_id in people
                ]
                if not chosen and not is_preview:
                    raise bad_approval(f"node {step.node_id} needs approvers chosen by the originator")
                self._check_people(chosen)
                return chosen

    def _cc(self, definition: Definition, order: Order) -> list[tuple[str, list[str]]]:
        found = []
        for key, people in order.cc.items():
            self._check_people(people)
            if key in (START_NODE, "START"):
                found.append((START_NODE, people))
            elif key in (END_NODE, "END"):
                found.append((END_NODE, people))
            elif step := next((step for step in definition.flow if step.is_called(key)), None):
                found.append((step.node_id, people))
            else:
                raise bad_approval(f"node_cc_user_id_list: node {key} not found")
        return found

    def _check_people(self, user_ids: Iterable[str]) -> None:
        for user_id in user_ids:
            if not self.company.is_active(user_id):
                raise Refusal(1390004, f"user_id or open_id not found: {user_id}")

    def _admins(self) -> list[str]:
        admins = [user.user_id for user in self.company.managers()]
        return admins or [next(iter(self.company.users))]

    def _file(self, instance: Instance) -> None:
        book = self.book
        book.instances[instance.code] = instance
        if instance.uuid:
            book.by_uuid[instance.uuid.upper()] = instance.code
        timeline = book.timelines.setdefault(instance.approval_code, Timeline())
        timeline.starts.append(instance.created_ms)
        timeline.codes.append(instance.code)
        book.started.setdefault(instance.originator, deque(maxlen=KEPT_DONE)).append(instance.code)

    # Looking.

    def instance(self, key: str) -> Instance:
        """By its code, or by the uuid it was created with."""
        instance = self.book.instances.get(key) or self.book.instances.get(
            self.book.by_uuid.get(key.upper(), "")
        )
        if instance is None:
            raise Refusal(1390003, "instance code not found")
        return instance

    def window(self, approval_code: str, start_ms: int, end_ms: int) -> tuple[Timeline, int, int]:
        """The timeline and the half-open range of places whose start lies in [start, end]."""
        timeline = self.book.timelines.get(approval_code) or Timeline()
        return timeline, bisect_left(timeline.starts, start_ms), bisect_left(timeline.starts, end_ms + 1)

    def open_task_of(self, instance_code: str, user_id: str) -> Task | None:
        for task in self.book.open_tasks.get(user_id, {}).values():
            if task.instance_code == instance_code:
                return task
        return None

    def task(self, instance: Instance, task_id: str, user_id: str) -> Task:
        """An open task of this person in this instance. Raises 1390010."""
        task = self.book.tasks.get(task_id)
        is_his = task is not None and task.instance_code == instance.code and task.user_id == user_id
        if task is None or not is_his or task.status is not TaskStatus.PENDING:
            raise Refusal(1390010, "task not found")
        return task

    # Deciding.

    def decide(self, task: Task, verdict: Verdict, *, comment: str = "") -> None:
        instance = self.instance(task.instance_code)
        self._check_open(instance, task)
        now = self.book.now()
        if instance.place < 0:
            self._resubmit(instance, task, now)
            return
        approved = verdict is Verdict.APPROVE
        self._close(task, TaskStatus.APPROVED if approved else TaskStatus.REJECTED, now)
        self._note(instance, "PASS" if approved else "REJECT", task, now, comment)
        self._tell_task(instance, task, task.status)
        node = instance.nodes[instance.place]
        if not approved:
            self._done_all(instance, now)
            self._finish(instance, Status.REJECTED, now)
        elif node.mode == "AND" and (rest := self._open_in(instance)):
            # The product tells of the others once more, as still pending.
            for other in rest:
                self._tell_task(instance, other, other.status)
        elif node.mode == "SEQUENTIAL" and (following := self._next_in(node)):
            self._open(instance, node, following)
        else:
            self._done_all(instance, now)
            self._advance(instance)

    def hand_over(self, task: Task, to_user_id: str, *, comment: str = "") -> Task:
        """转交: the task ends as TRANSFERRED and a new one opens for the other person."""
        instance = self.instance(task.instance_code)
        self._check_open(instance, task)
        if instance.place < 0:
            raise Refusal(1390009, "no permission: the task waits for the originator")
        if to_user_id == task.user_id or not self.company.is_active(to_user_id):
            raise Refusal(1390004, f"user_id or open_id not found: {to_user_id}")
        now = self.book.now()
        self._close(task, TaskStatus.TRANSFERRED, now)
        self._note(instance, "TRANSFER", task, now, comment, others=[to_user_id])
        self._tell_task(instance, task, task.status)
        return self._open(instance, instance.nodes[instance.place], to_user_id)

    def send_back(self, task: Task, *, comment: str = "") -> None:
        """退回至发起人: the originator gets a task and the flow starts again when he has dealt with it."""
        instance = self.instance(task.instance_code)
        self._check_open(instance, task)
        now = self.book.now()
        self._close(task, TaskStatus.DONE, now)
        self._note(instance, "ROLLBACK", task, now, comment)
        extra = json.dumps({"rollback_node_ids": [START_NODE], "rollback_custom_node_ids": [""]})
        self._tell_task(instance, task, "ROLLBACK", extra=extra)
        self._done_all(instance, now)
        instance.place = -1
        self._open(instance, Node(START_NODE, "", "发起", "AND", []), instance.originator)

    def comment(
        self, instance: Instance, user_id: str, text: str, *, files: list[dict[str, Any]] | None = None
    ) -> Comment:
        comment = Comment(self.book.next_id(), user_id, self.book.now(), text, files or [])
        instance.comments.append(comment)
        return comment

    def withdraw(self, instance: Instance, user_id: str) -> None:
        """撤回 while pending; 撤销 of what was approved already, which makes it PENDING again."""
        if user_id != instance.originator:
            raise Refusal(1390009, "no permission: only the originator may withdraw")
        definition = self.definition(instance.approval_code)
        match instance.status:
            case Status.PENDING if definition.lets_withdraw and not instance.forbids_revoke:
                self._cancel(instance)
            case Status.APPROVED if definition.lets_revert:
                self._revert(instance)
            case Status.PENDING | Status.APPROVED:
                raise Refusal(1390009, "no permission: the definition does not allow to withdraw")
            case _:
                raise bad_approval(f"the instance is {instance.status}")

    def delete(self, instance: Instance) -> None:
        """What happens to every open instance when an administrator deletes the definition."""
        now = self.book.now()
        self._done_all(instance, now)
        instance.status, instance.finished_ms = Status.DELETED, now
        instance.timeline.append(Entry("DELETE", now, instance.originator))
        self._tell_instance(instance, Status.DELETED)

    def delete_definition(self, definition: Definition) -> None:
        definition.status = "DELETED"
        timeline = self.book.timelines.get(definition.approval_code) or Timeline()
        for code in timeline.codes:
            if self.book.instances[code].status is Status.PENDING:
                self.delete(self.book.instances[code])

    def copy_to(self, instance: Instance, user_id: str, people: list[str], *, comment: str = "") -> None:
        self._check_people(people)
        self._tell_copied(instance, user_id, people, comment=comment)

    # Steps of the above.

    def _check_open(self, instance: Instance, task: Task) -> None:
        if instance.status is not Status.PENDING or task.status is not TaskStatus.PENDING:
            raise Refusal(1390010, "task not found: it is done, or the instance has ended")

    def _resubmit(self, instance: Instance, task: Task, now: int) -> None:
        self._close(task, TaskStatus.APPROVED, now)
        instance.timeline.append(Entry("START", now, task.user_id, task.id, START_NODE))
        self._tell_task(instance, task, task.status)
        instance.place = 0
        self._open_node(instance)

    def _cancel(self, instance: Instance) -> None:
        now = self.book.now()
        self._done_all(instance, now)
        instance.status, instance.finished_ms = Status.CANCELED, now
        instance.timeline.append(Entry("CANCEL", now, instance.originator))
        self._tell_instance(instance, Status.CANCELED)

    def _revert(self, instance: Instance) -> None:
        instance.status, instance.is_reverted, instance.finished_ms = Status.PENDING, True, 0
        instance.timeline.append(Entry("CANCEL", self.book.now(), instance.originator))
        self._tell_instance(instance, "REVERTED")

    def _open_node(self, instance: Instance) -> None:
        node = instance.nodes[instance.place]
        before = instance.nodes[instance.place - 1].user_ids if instance.place > 0 else []
        if not node.user_ids:
            self._pass_by_itself(instance, node)
        elif node.user_ids == before:
            entry = Entry("REMOVE_REPEAT", self.book.now(), node.user_ids[0], node_id=node.node_id)
            instance.timeline.append(entry)
            self._advance(instance)
        else:
            node.asked = 1 if node.mode == "SEQUENTIAL" else len(node.user_ids)
            for user_id in node.user_ids[: node.asked]:
                self._open(instance, node, user_id)

    def _pass_by_itself(self, instance: Instance, node: Node) -> None:
        """A node with nobody in it: passed, with a task that belongs to no one."""
        now = self.book.now()
        task = Task(
            self.book.next_id(),
            instance.code,
            "",
            node.node_id,
            node.name,
            node.custom_node_id,
            "AUTO_PASS",
            now,
            status=TaskStatus.APPROVED,
            finished_ms=now,
        )
        instance.tasks.append(task)
        self.book.tasks[task.id] = task
        self._note(instance, "AUTO_PASS", task, now)
        self._tell_task(instance, task, task.status)
        self._advance(instance)

    def _advance(self, instance: Instance) -> None:
        self._copy(instance, instance.nodes[instance.place].node_id)
        instance.place += 1
        if instance.place == len(instance.nodes):
            self._finish(instance, Status.APPROVED, self.book.now())
        else:
            self._open_node(instance)

    def _open(self, instance: Instance, node: Node, user_id: str) -> Task:
        task = Task(
            self.book.next_id(),
            instance.code,
            user_id,
            node.node_id,
            node.name,
            node.custom_node_id,
            node.mode,
            self.book.now(),
            needs_signature=node.needs_signature,
        )
        instance.tasks.append(task)
        self.book.tasks[task.id] = task
        self.book.open_tasks.setdefault(user_id, {})[task.id] = task
        self._tell_task(instance, task, task.status)
        for hear in self.when_opened:
            hear(task)
        return task

    def _open_in(self, instance: Instance) -> list[Task]:
        return [task for task in instance.tasks if task.status is TaskStatus.PENDING]

    def _next_in(self, node: Node) -> str | None:
        if node.asked == len(node.user_ids):
            return None
        node.asked += 1
        return node.user_ids[node.asked - 1]

    def _close(self, task: Task, status: TaskStatus, now: int) -> None:
        task.status, task.finished_ms = status, now
        self.book.open_tasks[task.user_id].pop(task.id, None)
        if status is not TaskStatus.DONE:
            self.book.done_tasks.setdefault(task.user_id, deque(maxlen=KEPT_DONE)).append(task)

    def _done_all(self, instance: Instance, now: int) -> None:
        for task in self._open_in(instance):
            self._close(task, TaskStatus.DONE, now)
            self._tell_task(instance, task, task.status)

    def _finish(self, instance: Instance, status: Status, now: int) -> None:
        instance.status, instance.finished_ms = status, now
        self._tell_instance(instance, status)
        if status is Status.APPROVED:
            self._copy(instance, END_NODE)

    def _note(
        self,
        instance: Instance,
        kind: str,
        task: Task,
        now: int,
        comment: str = "",
        *,
        others: list[str] | None = None,
    ) -> None:
        instance.timeline.append(Entry(kind, now, task.user_id, task.id, task.node_id, comment, others or []))

    def _copy(self, instance: Instance, node_id: str) -> None:
        for wanted, people in instance.cc:
            if wanted == node_id:
                self._tell_copied(instance, instance.originator, people, node_id=node_id)

    # Telling.

    def _tell_instance(self, instance: Instance, status: str) -> None:
        now = self.book.now()
        fields: dict[str, Any] = {
            "type": "approval_instance",
            "approval_code": instance.approval_code,
            "instance_code": instance.code,
            "status": str(status),
        }
        if status == "REVERTED":
            fields["operate_time"] = now  # a number here, and only here
        else:
            fields |= {"operate_time": str(now), "instance_operate_time": str(now)}
            if instance.uuid:
                fields["uuid"] = instance.uuid
        self.emit(
            "approval_instance", approval_code=instance.approval_code, lane=instance.code, fields=fields
        )

    def _tell_task(self, instance: Instance, task: Task, status: str, *, extra: str = "") -> None:
        fields = {
            "open_id": self.company.open_id_of(task.user_id),
            "type": "approval_task",
            "approval_code": instance.approval_code,
            "instance_code": instance.code,
            "task_id": task.id,
            "user_id": task.user_id,
            "status": str(status),
            "operate_time": str(self.book.now()),
            "custom_key": task.custom_node_id,
            "def_key": task.node_id,
            "extra": extra,
        }
        self.emit("approval_task", approval_code=instance.approval_code, lane=instance.code, fields=fields)

    def _tell_copied(
        self, instance: Instance, by: str, people: list[str], *, node_id: str = "", comment: str = ""
    ) -> None:
        now = self.book.now()
        instance.timeline.append(Entry("CC", now, by, node_id=node_id, comment=comment, others=list(people)))
        for user_id in people:
            copied = self.book.copied.setdefault(user_id, deque(maxlen=KEPT_DONE))
            if instance.code not in copied:
                copied.append(instance.code)
            fields = {
                "type": "approval_cc",
                "approval_code": instance.approval_code,
                "instance_code": instance.code,
                "id": self.book.next_id(),
                "user_id": user_id,
                "open_id": self.company.open_id_of(user_id),
                "operate": "CREATE",
                "create_time": str(now),
            }
            self.emit("approval_cc", approval_code=instance.approval_code, lane=instance.code, fields=fields)
