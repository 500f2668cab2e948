"""流程中心 (自有 OA 审批): somebody else's flow, shown here. We keep what the app says; it decides everything.

Source: 创建或更新审批模板, 创建实例, 更新实例状态, 创建流程中心待处理任务, 更新流程中心任务状态, 批量取消流程中心待处理任务.
"""

from __future__ import annotations

import json
import time
import uuid
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from simulators.dingtalk.errors import NewRefusal
from simulators.dingtalk.forms import Component, label_key
from simulators.dingtalk.settings import Identity
from simulators.dingtalk.workflow import KEPT_DONE, Book, Status, TaskStatus, Value
from simulators.stage.post import NoAnswer, Postman

MOST_TASKS = 100
GATEWAY_TIMEOUT_S = 5.0


@dataclass(slots=True)
class Feature:
    """A part of DingTalk's own pages that the app takes over: TASK_EXECUTE, CUSTOM_SHORTCUT, SYNC_BOXSTER, …"""

    name: str
    run_type: str  # ORIGIN, REDIRECT, DEFAULT, OUTBIZ_CUSTOM
    pc_url: str = ""
    mobile_url: str = ""
    api_key: str = ""  # of the data source that is told
    config: str = ""

    @property
    def is_pressed_here(self) -> bool:
        """Agree and refuse are DingTalk's own buttons, and the app hears of them through the gateway."""
        match self.name:
            case "TASK_EXECUTE":
                return self.run_type == "ORIGIN"
            case "CUSTOM_SHORTCUT":
                return bool(self.api_key) and "EXECUTE_ACTION" in self.config
            case _:
                return False


@dataclass(slots=True)
class CentreTemplate:
    code: str
    name: str
    components: list[Component]
    description: str = ""
    features: list[Feature] = field(default_factory=list)
    is_hidden: bool = False
    sends_cards: bool = True
    modified_ms: int = 0

    def find(self, *, name: str, component_id: str, alias: str) -> Component | None:
        """By its id, its alias or its label, whichever is given."""
        for component in self.components:
            if component_id and component.id == component_id:
                return component
            if alias and component.biz_alias == alias:
                return component
            if not component_id and not alias and label_key(component.label) == label_key(name):
                return component
        return None


@dataclass(slots=True)
class CentreTask:
    id: int
    instance_id: str
    userid: str
    activity_id: str
    created_ms: int
    url: str = ""
    custom_data: str = ""
    due_ms: int = 0
    features: list[Feature] = field(default_factory=list)
    status: TaskStatus = TaskStatus.RUNNING
    result: str = "NONE"  # AGREE, REFUSE
    finished_ms: int = 0


@dataclass(slots=True)
class CentreInstance:
    id: str
    code: str
    title: str
    originator: str
    url: str
    created_ms: int
    values: list[Value]
    notified: dict[str, str] = field(default_factory=dict)  # userid → start, finish, start_finish
    biz_data: str = ""
    features: list[Feature] = field(default_factory=list)
    status: Status = Status.RUNNING
    result: str = ""
    finished_ms: int = 0
    tasks: list[CentreTask] = field(default_factory=list)


@dataclass(slots=True)
class CentreBox:
    templates: dict[str, CentreTemplate] = field(default_factory=dict)
    instances: dict[str, CentreInstance] = field(default_factory=dict)
    tasks: dict[int, CentreTask] = field(default_factory=dict)
    open_tasks: dict[str, dict[int, CentreTask]] = field(default_factory=dict)
    done_tasks: dict[str, deque[CentreTask]] = field(default_factory=dict)
    started: dict[str, deque[str]] = field(default_factory=dict)
    copied: dict[str, deque[str]] = field(default_factory=dict)


@dataclass(slots=True)
class Centre:
    identity: Identity
    book: Book
    postman: Postman
    box: CentreBox = field(default_factory=CentreBox)
    data_sources: dict[str, str] = field(default_factory=dict)  # apiKey → address (数据源管理)

    # What the app says.

    def start(self, instance: CentreInstance) -> None:
        self.box.instances[instance.id] = instance
        _remember(self.box.started, instance.originator, instance.id)
        self._copy(instance, "start")

    def finish(self, instance: CentreInstance, status: Status, result: str, notified: Iterable[str]) -> None:
        """An instance that has ended stays as it ended. Its open tasks are the app's to close."""
        if instance.status is not Status.RUNNING:
            return
        instance.status, instance.result, instance.finished_ms = status, result, self.book.now()
        self._copy(instance, "finish")
        for userid in notified:
            _remember(self.box.copied, userid, instance.id)

    def open(self, instance: CentreInstance, tasks: list[CentreTask]) -> None:
        if len(instance.tasks) + len(tasks) > MOST_TASKS:
            raise NewRefusal("integrated.number.exceed", "流程任务的数量到达上限")
        for task in tasks:
            instance.tasks.append(task)
            self.box.tasks[task.id] = task
            self.box.open_tasks.setdefault(task.userid, {})[task.id] = task

    def close(self, task: CentreTask, status: TaskStatus, result: str) -> None:
        """A task that is closed stays as it was closed."""
        if task.status is not TaskStatus.RUNNING:
            return
        task.status, task.result, task.finished_ms = status, result, self.book.now()
        self.box.open_tasks[task.userid].pop(task.id, None)
        if status is TaskStatus.COMPLETED:
            self.box.done_tasks.setdefault(task.userid, deque(maxlen=KEPT_DONE)).append(task)

    def drop(self, template: CentreTemplate, *, with_tasks: bool) -> None:
        """The template goes, its instances stay."""
        del self.box.templates[template.code]
        if with_tasks:
            for tasks in list(self.box.open_tasks.values()):
                for task in list(tasks.values()):
                    if self.box.instances[task.instance_id].code == template.code:
                        self.close(task, TaskStatus.CANCELED, "NONE")

    def _copy(self, instance: CentreInstance, moment: str) -> None:
        for userid, position in instance.notified.items():
            if moment in position:
                _remember(self.box.copied, userid, instance.id)

    # What a person sees and does.

    def features(self, task: CentreTask) -> list[Feature]:
        """The nearest say first: of the task, of its instance, of the template."""
        instance = self.box.instances[task.instance_id]
        template = self.box.templates.get(instance.code)
        return [*task.features, *instance.features, *(template.features if template else [])]

    def is_in_todo_list(self, task: CentreTask) -> bool:
        return not any(
            feature.name == "SYNC_BOXSTER" and feature.run_type == "OUTBIZ_CUSTOM"
            for feature in self.features(task)
        )

    def buttons(self, task: CentreTask) -> Feature | None:
        """The feature behind 同意 and 拒绝, when they are to be pressed here."""
        if task.status is not TaskStatus.RUNNING:
            return None
        return next((feature for feature in self.features(task) if feature.is_pressed_here), None)

    async def press(self, task: CentreTask, verdict: str, remark: str) -> str:
        """A person agrees or refuses: the data source is told, the app does the rest. Answers what it said.

        Raises NewRefusal when the task has no such buttons, or the gateway got no good answer.
        """
        feature = self.buttons(task)
        if feature is None:
            raise NewRefusal("needAuth", "这里不能直接处理，请打开业务系统")
        url = self.data_sources.get(feature.api_key)
        if url is None:
            raise NewRefusal("gateway.error", f"数据源 {feature.api_key} 没有注册")
        told = {
            "outResult": verdict,
            "processInstanceId": task.instance_id,
            "activityId": task.activity_id,
            "corpId": self.identity.corp_id,
            "data": [],
            "remark": remark,
            "title": self.box.instances[task.instance_id].title,
            "taskId": task.id,
            "operator": task.userid,
        }
        headers = {"content-type": "application/json; charset=utf-8"}
        body = json.dumps(told, ensure_ascii=False).encode()
        try:
            answer = await self.postman.post(url, body, headers, timeout_s=GATEWAY_TIMEOUT_S)
        except NoAnswer as error:
            raise NewRefusal("gateway.error", f"业务系统没有应答：{error}") from error
        if answer.status != 200:
            raise NewRefusal("gateway.error", f"业务系统应答 HTTP {answer.status}")
        return answer.body.decode("utf-8", "replace")


def new_code() -> str:
    return f"PROC-{str(uuid.uuid4()).upper()}"


def new_instance_id() -> str:
    """Longer and of other letters than the id of an official instance, as the product's are."""
    return f"{uuid.uuid4().hex}{int(time.time() * 1000)}"


def _remember(lists: dict[str, deque[str]], userid: str, instance_id: str) -> None:
    kept = lists.setdefault(userid, deque(maxlen=KEPT_DONE))
    if instance_id not in kept:
        kept.append(instance_id)
