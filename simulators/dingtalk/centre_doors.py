"""The calls of 流程中心: parse, one step, answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulators.dingtalk.centre import (
    Centre,
    CentreInstance,
    CentreTask,
    CentreTemplate,
    Feature,
    new_code,
    new_instance_id,
)
from simulators.dingtalk.errors import NewRefusal
from simulators.dingtalk.forms import CHECKS, Component, check_value
from simulators.dingtalk.manners import request_id
from simulators.dingtalk.workflow import Status, TaskStatus, Value, Workflow
from simulators.dingtalk.workflow_doors import minute, read_component
from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door

MOST_TEMPLATES = 200
PAGE = 40
UNSUPPORTED = ("PhoneField", "LocationField")
RUN_TYPES = {
    "TASK_EXECUTE": ("ORIGIN", "REDIRECT"),
    "SYNC_BOXSTER": ("DEFAULT", "OUTBIZ_CUSTOM"),
    "CUSTOM_SHORTCUT": ("ORIGIN", "REDIRECT"),
    "AFFILIATION_DIR": ("OUTBIZ_CUSTOM",),
}


@dataclass(frozen=True, slots=True)
class CentreDoors:
    centre: Centre
    workflow: Workflow  # of the official OA: whose ids are refused here, and who is in the company

    def doors(self) -> list[Door]:
        home = "/v1.0/workflow/processCentres"
        return [
            Door("POST", f"{home}/schemas", self.put_template),
            Door("DELETE", f"{home}/schemas", self.drop_template),
            Door("GET", f"{home}/schemaNames/processCodes", self.code_by_name),
            Door("POST", f"{home}/instances", self.create),
            Door("PUT", f"{home}/instances", self.finish),
            Door("PUT", f"{home}/instances/batch", self.finish_many),
            Door("POST", f"{home}/tasks", self.open_tasks, lane=_instance_of),
            Door("PUT", f"{home}/tasks", self.close_tasks),
            Door("POST", f"{home}/tasks/cancel", self.cancel_tasks),
            Door("GET", f"{home}/todoTasks", self.list_tasks),
        ]

    # Templates.

    def put_template(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, _bad("parameter.error"))
        name = fields.text("name", most=200)
        components = [_component(row) for row in fields.rows("formComponents", most=200)]
        if not components:
            raise NewRefusal("formschema.error", "formComponents is required")
        box = self.centre.box
        code = fields.text_or("processCode")
        if any(row.name == name and row.code != code for row in box.templates.values()):
            raise NewRefusal("formName.error", "已有相同名称表单")
        config = fields.part("templateConfig")
        template = CentreTemplate(
            code or new_code(),
            name,
            components,
            description=fields.text_or("description", most=300),
            features=read_features(fields.part("processFeatureConfig")),
            is_hidden=config.flag_or("hidden", False),
            sends_cards=not config.flag_or("disableSendCard", False),
            modified_ms=self.centre.book.now(),
        )
        if code:
            self._template(code, "processcode.error", "processCode对应的审批流程不存在")
        elif len(box.templates) >= MOST_TEMPLATES:
            raise NewRefusal("processes.error", "审批流已超过最大数量")
        box.templates[template.code] = template
        return {"result": {"processCode": template.code}}

    def drop_template(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.query, _bad("parameter.error"))
        template = self._template(fields.text("processCode"), "processNotExist", "审批流不存在")
        self.centre.drop(template, with_tasks=fields.flag_or("cleanRunningTask", False))
        return {"result": {"processCode": template.code}}

    def code_by_name(self, call: Call) -> dict[str, Any]:
        name = Fields(call.query, _bad("parameter.error")).text("name")
        for template in self.centre.box.templates.values():
            if template.name == name:
                modified = minute(template.modified_ms)
                return {"result": {"processCode": template.code, "gmtModified": modified}}
        raise NewRefusal("processNotExist", "审批流不存在")

    def _template(self, code: str, missing: str, text: str) -> CentreTemplate:
        template = self.centre.box.templates.get(code)
        if template is None and code in self.workflow.book.templates:
            raise NewRefusal("permission.error", "没有访问权限")
        if template is None:
            raise NewRefusal(missing, text)
        return template

    # Instances.

    def create(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, _bad("parameter.invalid"))
        template = self._template(fields.text("processCode"), "process.error", "审批流不存在")
        originator = self._user(fields.text("originatorUserId"))
        if not fields.has("url"):
            raise NewRefusal("required.error", "url必填")
        notified = {
            self._user(row.text("userid")): row.text_or("position", "start")
            for row in fields.rows("notifiers", most=20)
        }
        if set(notified.values()) - {"start", "finish", "start_finish"}:
            raise NewRefusal("parameter.invalid", "notifiers.position must be start, finish or start_finish")
        instance = CentreInstance(
            id=new_instance_id(),
            code=template.code,
            title=fields.text_or("title", most=64)
            or f"{self.workflow.company.name(originator)}提交的{template.name}",
            originator=originator,
            url=fields.text("url", most=1024),
            created_ms=self.centre.book.now(),
            values=self._values(template, fields),
            notified=notified,
            biz_data=fields.text_or("bizData", most=1024),
            features=read_features(fields.part("featureConfig")),
        )
        self.centre.start(instance)
        return {"result": {"processInstanceId": instance.id}}

    def _values(self, template: CentreTemplate, fields: Fields) -> list[Value]:
        given: dict[str, Value] = {}
        for row in fields.rows("formComponentValueList", most=100):
            name = row.text_or("name", most=64)
            component = template.find(
                name=name, component_id=row.text_or("id"), alias=row.text_or("bizAlias")
            )
            value = row.values.get("value")
            if component is None or not isinstance(value, str):
                raise NewRefusal("formConverterError", f"表单数据反向转换出错: {name}")
            check_value(component, value, self.workflow)
            given[component.id] = Value(component, value, row.text_or("extValue"))
        for component in template.components:
            if component.required and component.id not in given:
                raise NewRefusal("required.error", f"{component.label}必填")
        return list(given.values())

    def finish(self, call: Call) -> dict[str, Any]:
        self._finish(Fields(call.body, _bad("parameter.invalid")))
        return {"success": True}

    def finish_many(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, _bad("parameter.invalid"))
        rows = fields.rows("updateProcessInstanceRequests", most=50)
        for row in rows:
            self._ended(row)  # all or nothing
        for row in rows:
            self._finish(row)
        return {"success": True}

    def _finish(self, row: Fields) -> None:
        instance, status, notified = self._ended(row)
        self.centre.finish(instance, status, row.text("result"), notified)

    def _ended(self, row: Fields) -> tuple[CentreInstance, Status, list[str]]:
        instance_id = row.text("processInstanceId")
        instance = self.centre.box.instances.get(instance_id)
        if instance is None and instance_id in self.workflow.book.instances:
            raise NewRefusal("permission.error", "没有访问权限")
        if instance is None:
            raise NewRefusal("process.inst.notExist", "审批单不存在或已删除")
        # The result is asked for even of a withdrawn one.
        if row.text("status") not in ("COMPLETED", "TERMINATED") or row.text("result") not in (
            "agree",
            "refuse",
        ):
            raise NewRefusal("parameter.invalid", "status: COMPLETED或TERMINATED; result: agree或refuse")
        people = row.rows("notifiers")
        if len(people) > 30:
            raise NewRefusal("noticerOverLimit", "抄送人数量超过限制")
        return instance, Status(row.text("status")), [self._user(person.text("userId")) for person in people]

    # Tasks.

    def open_tasks(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, _bad("invalidParameter"))
        instance_id = fields.text("processInstanceId")
        if call.overlaps:
            raise NewRefusal("integrated.concurrency.error", "不支持并发创建任务和实例，请稍后再试")
        if instance_id in self.workflow.book.instances:
            raise NewRefusal("setup.no.permission", "没有操作审批流的权限，请检查审批实例是否正确")
        instance = self._instance(instance_id)
        if instance.status is not Status.RUNNING:
            raise NewRefusal("integrated.state.invalid", "流程实例已完结，不能继续创建任务")
        activity_id = fields.text_or("activityId", most=256)
        features = read_features(fields.part("featureConfig"))
        rows = fields.rows("tasks", most=20)
        if not rows:
            raise NewRefusal("tasks.is.null", "参数错误，任务列表tasks不能为空")
        tasks = [self._new_task(row, instance, activity_id, features) for row in rows]
        self.centre.open(instance, tasks)
        return {"result": [{"taskId": task.id, "userId": task.userid} for task in tasks], "success": True}

    def _new_task(
        self, row: Fields, instance: CentreInstance, activity_id: str, features: list[Feature]
    ) -> CentreTask:
        now = self.centre.book.now()
        if len(row.text_or("url")) > 1024:
            raise NewRefusal("task.url.error", "任务列表tasks中url长度不能超过1024字符")
        due_ms = row.number_or("dueTimestamp", 0)
        if due_ms and due_ms < now:
            message = "任务列表tasks中截止时间dueTimestamp不能小于当前任务创建时间"
            raise NewRefusal("task.dueTime.error", message)
        return CentreTask(
            id=self.centre.book.next_task(),
            instance_id=instance.id,
            userid=self._user(row.text("userId")),
            activity_id=activity_id,
            created_ms=now,
            url=row.text_or("url"),
            custom_data=row.text_or("customData", most=500),
            due_ms=due_ms,
            features=features,
        )

    def close_tasks(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, _bad("invalidParameter"))
        if fields.has("processInstanceId"):
            self._own_instance(fields.text("processInstanceId"))
        wishes = [self._closing(row) for row in fields.rows("tasks", most=20)]
        for task, status, result in wishes:
            self.centre.close(task, status, result)
        return {"success": True}

    def _closing(self, row: Fields) -> tuple[CentreTask, TaskStatus, str]:
        task = self.centre.box.tasks.get(row.number("taskId"))
        if task is None:
            raise NewRefusal(
                "integrated.permission.error", "无操作审批流的权限，请检查审批实例或者模板是否正确"
            )
        match row.text("status"), row.text_or("result"):
            case "CANCELED", _:
                return task, TaskStatus.CANCELED, "NONE"
            case "COMPLETED", ("AGREE" | "REFUSE") as result:
                return task, TaskStatus.COMPLETED, result
            case _:
                raise NewRefusal("invalidParameter", "status: CANCELED或COMPLETED; result: AGREE或REFUSE")

    def cancel_tasks(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, _bad("invalidParameter"))
        instance = self._own_instance(fields.text("processInstanceId"))
        wanted = {*fields.texts("activityIds"), fields.text_or("activityId", most=512)} - {""}
        if not wanted:
            raise NewRefusal("invalidParameter", "activityId is required")
        for task in instance.tasks:
            if task.activity_id in wanted:
                self.centre.close(task, TaskStatus.CANCELED, "NONE")
        return {"success": True}

    def list_tasks(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.query, _bad("integrated.params.error"))
        if not fields.has("userId"):
            raise NewRefusal("integrated.params.error", "用户ID不能为空，请检查")
        page, size = fields.number("pageNumber"), fields.number("pageSize")
        if page < 1 or not 1 <= size <= PAGE:
            raise NewRefusal("integrated.params.error", "参数非法，请检查分页参数跟起始时间")
        before = fields.number_or("createBefore", 0)
        mine = self.centre.box.open_tasks.get(fields.text("userId"), {})
        found = [task for task in mine.values() if not before or task.created_ms < before]
        start = (page - 1) * size
        shown = {
            "hasMore": start + size < len(found),
            "list": [_shown_task(task) for task in found[start : start + size]],
        }
        # The page says taskPage, the SDK reads result.
        return {"requestId": request_id(), "taskPage": shown, "result": shown}

    def _instance(self, instance_id: str) -> CentreInstance:
        instance = self.centre.box.instances.get(instance_id)
        if instance is None:
            raise NewRefusal("integrated.state.invalid", "流程实例不存在")
        return instance

    def _own_instance(self, instance_id: str) -> CentreInstance:
        if instance_id in self.workflow.book.instances:
            raise NewRefusal("integrated.permission.error", "非流程中心集成审批流，无权操作")
        return self._instance(instance_id)

    def _user(self, userid: str) -> str:
        if not self.workflow.is_active_user(userid):
            raise NewRefusal("userNotExist", "用户不存在")
        return userid


def read_features(config: Fields) -> list[Feature]:
    return [_feature(row) for row in config.rows("features")]


def _feature(row: Fields) -> Feature:
    name, run_type, callback = row.text("name"), row.text("runType"), row.part("callback")
    if run_type not in RUN_TYPES.get(name, ()):
        raise NewRefusal("parameter.error", f"流程中心配置参数错误：{name} {run_type}")
    feature = Feature(
        name,
        run_type,
        pc_url=row.text_or("pcUrl", most=1024),
        mobile_url=row.text_or("mobileUrl", most=1024),
        api_key=callback.text_or("apiKey"),
        config=row.text_or("config", most=1024),
    )
    if name == "TASK_EXECUTE" and run_type == "ORIGIN":
        for part in ("appUuid", "apiKey", "version"):
            callback.text(part)
    if name == "TASK_EXECUTE" and run_type == "REDIRECT" and not (feature.pc_url or feature.mobile_url):
        raise NewRefusal("parameter.error", "流程中心配置参数错误：pcUrl, mobileUrl")
    return feature


def _component(row: Fields) -> Component:
    if row.text_or("componentType") in UNSUPPORTED or row.text_or("componentType") not in CHECKS:
        raise NewRefusal("formschema.error", f"不支持的控件 {row.text_or('componentType')}")
    return read_component(row)


def _shown_task(task: CentreTask) -> dict[str, Any]:
    return {
        "taskId": task.id,
        "activityId": task.activity_id,
        "userId": task.userid,
        "status": str(task.status),
        "result": task.result,
        "createTime": task.created_ms,
        "finishTime": str(task.finished_ms) if task.finished_ms else "",
        "processInstanceId": task.instance_id,
    }


def _bad(code: str) -> Callable[[str], NewRefusal]:
    return lambda detail: NewRefusal(code, detail)


def _instance_of(call: Call) -> str:
    return str(call.body.get("processInstanceId", ""))
