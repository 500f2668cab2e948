"""Official OA approval (官方 OA 审批): instances, tasks and what people do with them.

Nothing here knows HTTP. Every lookup is by key: a call costs the same beside ten instances or a million.
"""

from __future__ import annotations

import time
import uuid
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

from simulators.dingtalk.company import ROOT, Company
from simulators.dingtalk.errors import NewRefusal, bad_new
from simulators.dingtalk.forms import Component, FlowStep, StepKind, Template, check_value, misfit
from simulators.dingtalk.settings import Settings

CHINA = timezone(timedelta(hours=8))
KEPT_DONE = 200

Emit = Callable[[str, str, dict[str, Any]], None]


class Status(StrEnum):
    RUNNING = "RUNNING"
    TERMINATED = "TERMINATED"
    COMPLETED = "COMPLETED"


class TaskStatus(StrEnum):
    RUNNING = "RUNNING"
    CANCELED = "CANCELED"
    COMPLETED = "COMPLETED"
    TERMINATED = "TERMINATED"


class Verdict(StrEnum):
    AGREE = "agree"
    REFUSE = "refuse"


@dataclass(slots=True)
class Task:
    id: int
    instance_id: str
    userid: str
    activity_id: str
    group_name: str
    created_ms: int
    status: TaskStatus = TaskStatus.RUNNING
    result: str = "NONE"
    finished_ms: int = 0


@dataclass(slots=True)
class Record:
    """One line of the instance's history."""

    userid: str
    at_ms: int
    type: str
    result: str = "NONE"
    remark: str = ""
    activity_id: str = ""
    show_name: str = ""
    attachments: list[dict[str, str]] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    cc: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Node:
    activity_id: str
    name: str
    mode: str  # AND, OR, NONE
    user_ids: list[str]


@dataclass(slots=True)
class Value:
    component: Component
    value: str
    ext_value: str = ""


@dataclass(slots=True)
class Enclosed:
    """What goes with a decision or a comment."""

    photos: list[str] = field(default_factory=list)
    attachments: list[dict[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Instance:
    id: str
    business_id: str
    process_code: str
    title: str
    originator: str
    dept_id: int
    created_ms: int
    values: list[Value]
    nodes: list[Node]
    approver_ids: list[str]  # empty when the template's own flow runs
    cc: list[str]
    cc_position: str
    url: str = ""
    status: Status = Status.RUNNING
    result: str = ""
    finished_ms: int = 0
    place: int = 0
    tasks: list[Task] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    revokes: str = ""  # the approved instance this one is to undo (bizAction REVOKE)
    revocations: list[str] = field(
        default_factory=list
    )  # the other way round: who was started to undo this one
    is_revoked: bool = False


@dataclass(slots=True)
class Order:
    """A wish to start an instance; everything in it is still to be checked."""

    process_code: str
    originator: str
    values: list[tuple[str, str, str, str]]  # name, value, extValue, componentType
    dept_id: int | None = None
    approvers: list[tuple[str, list[str]]] = field(default_factory=list)
    selected: dict[str, list[str]] = field(default_factory=dict)
    cc: list[str] = field(default_factory=list)
    cc_position: str = ""
    url: str = ""


@dataclass(slots=True)
class Timeline:
    """The instances of one template in the order they started."""

    starts: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Book:
    """All that is remembered, by key."""

    templates: dict[str, Template] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    tasks: dict[int, Task] = field(default_factory=dict)
    timelines: dict[str, Timeline] = field(default_factory=dict)
    open_tasks: dict[str, dict[int, Task]] = field(default_factory=dict)
    done_tasks: dict[str, deque[Task]] = field(default_factory=dict)
    started: dict[str, deque[str]] = field(default_factory=dict)
    copied: dict[str, deque[str]] = field(default_factory=dict)
    last_ms: int = 0
    last_task: int = 0
    numbers: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def now(self) -> int:
        """Milliseconds that never go back, so that a timeline stays sorted."""
        self.last_ms = max(self.last_ms, int(time.time() * 1000))
        return self.last_ms

    def next_task(self) -> int:
        # From the clock, so that a restarted simulator does not hand out an old id again.
        self.last_task = max(self.last_task + 1, int(time.time() * 1000) * 10)
        return self.last_task

    def next_business_id(self, at_ms: int) -> str:
        minute = datetime.fromtimestamp(at_ms / 1000, CHINA).strftime("%Y%m%d%H%M")
        self.numbers[minute] += 1
        return f"{minute}{self.numbers[minute]:09d}"


@dataclass(slots=True)
class Workflow:
    company: Company
    settings: Settings
    emit: Emit
    page_of: Callable[[str, str], str]  # (userid, instance id) → the page where that person decides
    book: Book = field(default_factory=Book)
    when_opened: list[Callable[[Task], None]] = field(default_factory=list)

    # What a value may point to (forms.Outside).

    def is_active_user(self, userid: str) -> bool:
        user = self.company.users.get(userid)
        return user is not None and user.active

    def is_department(self, dept_id: str) -> bool:
        return dept_id.lstrip("-").isdigit() and int(dept_id) in self.company.departments

    def is_instance(self, instance_id: str) -> bool:
        return instance_id in self.book.instances

    # Starting.

    def start(self, order: Order) -> Instance:
        template = self.template(order.process_code)
        dept_id = self._department(order)
        values = self._values(template, order)
        nodes = self._chosen_nodes(order) if order.approvers else self._own_nodes(template, order, dept_id)
        cc = order.cc if order.approvers else []
        self._check_people(order.cc, "抄送人")
        now = self.book.now()
        instance = Instance(
            id=str(uuid.uuid4()),
            business_id=self.book.next_business_id(now),
            process_code=template.process_code,
            title=f"{self.company.name(order.originator)}提交的{template.name}",
            originator=order.originator,
            dept_id=dept_id,
            created_ms=now,
            values=values,
            nodes=nodes,
            approver_ids=[userid for _, group in order.approvers for userid in group],
            cc=cc,
            cc_position=order.cc_position if cc else "",
            url=order.url,
        )
        self._set_off(instance)
        return instance

    def _set_off(self, instance: Instance, *, remark: str = "") -> None:
        self._file(instance)
        started = Record(
            instance.originator,
            instance.created_ms,
            "START_PROCESS_INSTANCE",
            remark=remark,
            show_name="发起人",
        )
        instance.records.append(started)
        self._tell_instance(instance, "start")
        if instance.cc_position in ("START", "START_FINISH"):
            self._copy(instance)
        self._open_node(instance)

    def revoke(self, instance: Instance, *, remark: str = "") -> Instance:
        """撤销 of an approved one: an instance of its own, and only when that is approved as well is it undone.

        The same people are asked as before, in the same order.
        """
        if not self.can_be_revoked(instance):
            raise NewRefusal("aflowProcessInstStatusException", "审批单未通过、已撤销或正在撤销")
        template = self.template(instance.process_code)
        now = self.book.now()
        revocation = Instance(
            id=str(uuid.uuid4()),
            business_id=self.book.next_business_id(now),
            process_code=instance.process_code,
            title=f"{self.company.name(instance.originator)}提交的{template.name}撤销",
            originator=instance.originator,
            dept_id=instance.dept_id,
            created_ms=now,
            values=list(instance.values),
            nodes=[replace(node, user_ids=list(node.user_ids)) for node in instance.nodes],
            approver_ids=list(instance.approver_ids),
            cc=list(instance.cc),
            cc_position=instance.cc_position,
            revokes=instance.id,
        )
        instance.revocations.append(revocation.id)
        self._set_off(revocation, remark=remark)
        return revocation

    def can_be_revoked(self, instance: Instance) -> bool:
        """Once, and only what is no revocation itself; one refused or withdrawn may be tried again."""
        open_ones = [self.book.instances.get(one) for one in instance.revocations]
        return (
            instance.result == Verdict.AGREE
            and not instance.revokes
            and not instance.is_revoked
            and not any(one and one.status is Status.RUNNING for one in open_ones)
            and self.book.templates[instance.process_code].lets_withdraw
        )

    def preview(self, template: Template, order: Order) -> list[Node]:
        """The nodes the template's own flow would run through."""
        self._values(template, order)
        return self._own_nodes(template, order, self._department(order))

    def template(self, process_code: str) -> Template:
        template = self.book.templates.get(process_code)
        if template is None:
            raise NewRefusal("processCodeError", "获取审批模板失败或者模板已被删除")
        if not template.is_enabled:
            raise NewRefusal("processGetFailed", "获取审批流失败或审批单状态为非启用状态")
        return template

    def _values(self, template: Template, order: Order) -> list[Value]:
        given: dict[str, Value] = {}
        for name, value, ext_value, kind in order.values:
            component = template.find(name)
            if component is None:
                raise NewRefusal(
                    "formConverterError", f"表单数据校验失败，失败控件：{name}（模板中没有此控件）"
                )
            if kind and kind != component.kind:
                raise misfit(component, f"控件类型应为 {component.kind}")
            if component.id in given:
                raise misfit(component, "重复")
            check_value(component, value, self)
            given[component.id] = Value(component, value, ext_value)
        for component in template.components:
            if component.required and component.id not in given:
                raise misfit(component, "必填")
        return [given[component.id] for component in template.components if component.id in given]

    def _department(self, order: Order) -> int:
        """The department's number in the address book; on the wire of workflow calls the root is -1."""
        user = self.company.users.get(order.originator)
        if user is None or not user.active:
            raise NewRefusal("processInstanceInvalidParameter", "审批实例参数错误: 发起人的userid错误")
        if order.dept_id is None:
            if not order.approvers:
                raise NewRefusal(
                    "processInstanceInvalidParameter", "审批实例参数错误: 未指定审批人时deptId必填"
                )
            return user.dept_ids[0]
        dept_id = ROOT if order.dept_id == -1 else order.dept_id
        if order.dept_id == ROOT or dept_id not in self.company.departments:
            raise NewRefusal("processInstanceInvalidParameter", "审批实例参数错误: 发起部门id错误")
        if dept_id not in user.dept_ids:
            raise NewRefusal("processInstanceInvalidParameter", "审批实例参数错误: 发起人不在发起部门中")
        return dept_id

    def _check_people(self, userids: list[str], what: str) -> None:
        for userid in userids:
            if not self.is_active_user(userid):
                raise NewRefusal(
                    "processInstanceInvalidParameter", f"审批实例参数错误: {what}的userid错误 {userid}"
                )

    def _chosen_nodes(self, order: Order) -> list[Node]:
        if order.selected:
            raise bad_new("指定审批人时不支持发起人自选")
        nodes = []
        for place, (mode, user_ids) in enumerate(order.approvers, start=1):
            if mode not in ("AND", "OR", "NONE"):
                raise bad_new("approvers.actionType must be AND, OR or NONE")
            if not user_ids or (mode == "NONE" and len(user_ids) != 1):
                raise bad_new("NONE 为单人审批; AND/OR 至少一人")
            self._check_people(user_ids, "审批人")
            nodes.append(Node(uuid.uuid4().hex[:8], f"审批人{place}", mode, list(dict.fromkeys(user_ids))))
        return nodes

    def _own_nodes(self, template: Template, order: Order, dept_id: int) -> list[Node]:
        nodes: list[Node] = []
        for step in template.flow:
            people = self._people(step, order, dept_id)
            # The same person is not asked twice in a row.
            if people and (not nodes or nodes[-1].user_ids != people):
                mode = step.mode if len(people) > 1 else "NONE"
                nodes.append(Node(step.activity_id, step.name, mode, people))
        if not nodes:
            nodes.append(Node("admin", "管理员", "OR", self._admins()))
        return nodes

    def _people(self, step: FlowStep, order: Order, dept_id: int) -> list[str]:
        match step.kind:
            case StepKind.MANAGER:
                user = self.company.users[order.originator]
                manager = user.manager_userid or self.company.boss_above(order.originator, dept_id)
                return [manager] if manager and self.is_active_user(manager) else []
            case StepKind.ROLE:
                holders = [holder for holder in self.company.holders(step.role) if holder != order.originator]
                return holders if step.mode != "NONE" else holders[:1]
            case StepKind.USERS:
                return [userid for userid in step.user_ids if self.is_active_user(userid)]
            case StepKind.SELF_SELECT:
                chosen = order.selected.get(step.actor_key, [])
                if not chosen:
                    raise NewRefusal("targetSelectApproverMissing", "自选审批人缺失")
                if not all(self.is_active_user(userid) for userid in chosen):
                    raise NewRefusal("targetSelectApproverScopeError", "自选审批人不在规定范围内")
                return chosen

    def _admins(self) -> list[str]:
        admins = [user.userid for user in self.company.users.named() if user.admin]
        return admins or [next(iter(self.company.users))]

    def _file(self, instance: Instance) -> None:
        book = self.book
        book.instances[instance.id] = instance
        timeline = book.timelines.setdefault(instance.process_code, Timeline())
        timeline.starts.append(instance.created_ms)
        timeline.ids.append(instance.id)
        book.started.setdefault(instance.originator, deque(maxlen=KEPT_DONE)).append(instance.id)

    # Looking.

    def instance(self, instance_id: str, missing: str = "processInstanceNotExist") -> Instance:
        instance = self.book.instances.get(instance_id)
        if instance is None:
            raise NewRefusal(missing, "审批实例不存在")
        return instance

    def window(self, process_code: str, start_ms: int, end_ms: int) -> tuple[Timeline, int, int]:
        """The timeline and the half-open range of places whose start lies in [start, end]."""
        timeline = self.book.timelines.get(process_code) or Timeline()
        return timeline, bisect_left(timeline.starts, start_ms), bisect_left(timeline.starts, end_ms + 1)

    def open_task_of(self, instance_id: str, userid: str) -> Task | None:
        for task in self.book.open_tasks.get(userid, {}).values():
            if task.instance_id == instance_id:
                return task
        return None

    # Deciding.

    def decide(
        self, task: Task, verdict: Verdict, *, remark: str = "", enclosed: Enclosed | None = None
    ) -> None:
        instance = self.instance(task.instance_id)
        self._check_open(instance, task)
        now = self.book.now()
        self._close(task, TaskStatus.COMPLETED, verdict.upper(), now)
        enclosed = enclosed or Enclosed()
        instance.records.append(
            Record(
                task.userid,
                now,
                "EXECUTE_TASK_NORMAL",
                result=verdict.upper(),
                remark=remark,
                activity_id=task.activity_id,
                show_name=task.group_name,
                attachments=enclosed.attachments,
                images=enclosed.photos,
            )
        )
        self._tell_task(instance, task, "finish", result=verdict, remark=remark)
        node = instance.nodes[instance.place]
        if verdict is Verdict.REFUSE:
            self._cancel_open(instance, now)
            self._finish(instance, Verdict.REFUSE, now)
        elif node.mode != "AND" or not self._open_in(instance):
            self._cancel_open(instance, now)
            instance.place += 1
            if instance.place == len(instance.nodes):
                self._finish(instance, Verdict.AGREE, now)
            else:
                self._open_node(instance)

    def hand_over(
        self, task: Task, to_userid: str, *, remark: str = "", enclosed: Enclosed | None = None
    ) -> Task:
        """转交: the task ends as REDIRECTED and a new one opens for the other person."""
        instance = self.instance(task.instance_id)
        self._check_open(instance, task)
        if not self.is_active_user(to_userid) or to_userid == task.userid:
            raise NewRefusal("userNotExist", "被转交人不存在")
        now = self.book.now()
        self._close(task, TaskStatus.COMPLETED, "REDIRECTED", now)
        enclosed = enclosed or Enclosed()
        instance.records.append(
            Record(
                task.userid,
                now,
                "REDIRECT_TASK",
                remark=remark,
                activity_id=task.activity_id,
                show_name=task.group_name,
                attachments=enclosed.attachments,
                images=enclosed.photos,
            )
        )
        self._tell_task(instance, task, "finish", result="redirect", remark=remark)
        return self._open(instance, to_userid, task.activity_id, task.group_name)

    def comment(
        self, instance: Instance, userid: str, text: str, *, enclosed: Enclosed | None = None
    ) -> None:
        enclosed = enclosed or Enclosed()
        now = self.book.now()
        instance.records.append(
            Record(
                userid,
                now,
                "ADD_REMARK",
                remark=text,
                show_name="评论",
                attachments=enclosed.attachments,
                images=enclosed.photos,
            )
        )
        if self.settings.comment_events:
            fields = self._event(instance) | {
                "type": "comment",
                "remark": text,
                "staffId": userid,
                "finishTime": now,
            }
            self.emit("bpms_task_change", instance.id, fields)

    def withdraw(self, instance: Instance, userid: str, *, remark: str = "") -> None:
        if instance.status is not Status.RUNNING:
            raise NewRefusal("aflowProcessInstStatusException", "审批单已结束，不能撤销")
        now = self.book.now()
        for task in self._open_in(instance):
            self._close(task, TaskStatus.TERMINATED, "NONE", now)
        instance.status = Status.TERMINATED
        instance.finished_ms = now
        instance.records.append(
            Record(userid, now, "TERMINATE_PROCESS_INSTANCE", remark=remark, show_name="撤销")
        )
        self._tell_instance(instance, "terminate")

    def delete(self, instance: Instance) -> None:
        """An administrator removes the instance; its id answers "not exist" from now on."""
        for task in instance.tasks:
            self.book.open_tasks.get(task.userid, {}).pop(task.id, None)
            self.book.tasks.pop(task.id, None)
        del self.book.instances[instance.id]
        self._tell_instance(instance, "delete")

    # Steps of the above.

    def _check_open(self, instance: Instance, task: Task) -> None:
        if instance.status is not Status.RUNNING or task.status is not TaskStatus.RUNNING:
            raise NewRefusal("aflowProcessInstStatusException", "审批单状态异常: 任务已处理或审批单已结束")

    def _open_node(self, instance: Instance) -> None:
        node = instance.nodes[instance.place]
        for userid in node.user_ids:
            self._open(instance, userid, node.activity_id, node.name)

    def _open(self, instance: Instance, userid: str, activity_id: str, group_name: str) -> Task:
        task = Task(self.book.next_task(), instance.id, userid, activity_id, group_name, self.book.now())
        instance.tasks.append(task)
        self.book.tasks[task.id] = task
        self.book.open_tasks.setdefault(userid, {})[task.id] = task
        self._tell_task(instance, task, "start")
        for hear in self.when_opened:
            hear(task)
        return task

    def _open_in(self, instance: Instance) -> list[Task]:
        return [task for task in instance.tasks if task.status is TaskStatus.RUNNING]

    def _close(self, task: Task, status: TaskStatus, result: str, now: int) -> None:
        task.status, task.result, task.finished_ms = status, result, now
        self.book.open_tasks[task.userid].pop(task.id, None)
        if status is TaskStatus.COMPLETED:
            self.book.done_tasks.setdefault(task.userid, deque(maxlen=KEPT_DONE)).append(task)

    def _cancel_open(self, instance: Instance, now: int) -> None:
        for task in self._open_in(instance):
            self._close(task, TaskStatus.CANCELED, "NONE", now)
            self._tell_task(instance, task, "cancel")

    def _finish(self, instance: Instance, verdict: Verdict, now: int) -> None:
        instance.status = Status.COMPLETED
        instance.result = verdict
        instance.finished_ms = now
        undone = self.book.instances.get(instance.revokes)
        if undone and verdict is Verdict.AGREE:
            # Its own status and result stay: that it was undone is known from the revocation alone.
            undone.is_revoked = True
        self._tell_instance(instance, "finish", result=verdict)
        if instance.cc_position in ("FINISH", "START_FINISH"):
            self._copy(instance)

    def _copy(self, instance: Instance) -> None:
        instance.records.append(
            Record(
                instance.originator, self.book.now(), "PROCESS_CC", show_name="抄送人", cc=list(instance.cc)
            )
        )
        for userid in instance.cc:
            copied = self.book.copied.setdefault(userid, deque(maxlen=KEPT_DONE))
            if instance.id not in copied:
                copied.append(instance.id)

    # Telling.

    def _event(self, instance: Instance) -> dict[str, Any]:
        return {
            "processInstanceId": instance.id,
            "processCode": instance.process_code,
            "businessId": instance.business_id,
            "bizCategoryId": "",
            "title": instance.title,
            "createTime": instance.created_ms,
        }

    def _tell_instance(self, instance: Instance, kind: str, *, result: str = "") -> None:
        fields = self._event(instance) | {
            "type": kind,
            "businessType": "",
            "staffId": instance.originator,
            "url": self.page_of(instance.originator, instance.id),
        }
        if kind != "start":
            fields["finishTime"] = instance.finished_ms or self.book.now()
        if result:
            fields["result"] = str(result)
        self.emit("bpms_instance_change", instance.id, fields)

    def _tell_task(
        self, instance: Instance, task: Task, kind: str, *, result: str = "", remark: str = ""
    ) -> None:
        fields: dict[str, Any] = self._event(instance) | {
            "type": kind,
            "taskId": task.id,
            "staffId": task.userid,
            "createTime": task.created_ms,
        }
        if kind != "start":
            fields["finishTime"] = task.finished_ms
        if remark:
            fields["remark"] = remark
        if result:
            fields["result"] = str(result)
        self.emit("bpms_task_change", instance.id, fields)


def flow_from(rows: list[Mapping[str, Any]]) -> list[FlowStep]:
    """The flow of a template as the control door tells it. Raises ValueError."""
    return [
        FlowStep(
            StepKind(row["kind"]),
            str(row.get("name") or row["kind"]),
            mode=str(row.get("mode", "NONE")),
            role=str(row.get("role", "")),
            user_ids=list(row.get("user_ids", [])),
        )
        for row in rows
    ]
