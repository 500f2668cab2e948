"""The calls of official OA approval: parse, one step of the workflow, render."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from simulators.dingtalk.company import FINANCE_LEAD
from simulators.dingtalk.errors import NewRefusal, bad_new
from simulators.dingtalk.files import Files
from simulators.dingtalk.forms import CHECKS, Component, StepKind, Template, own_flow, rows_as_shown
from simulators.dingtalk.settings import Identity
from simulators.dingtalk.workflow import Enclosed, Instance, Order, Record, Status, Task, Verdict, Workflow
from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door

DAY_MS = 24 * 3600 * 1000
MOST_SPAN_MS = 120 * DAY_MS
MOST_AGE_MS = 365 * DAY_MS
MOST_IN_A_LOOP = 10_000
MOST_LOOKED_AT = 2_000  # places of the timeline per call: a filter may not turn a page into a scan


@dataclass(frozen=True, slots=True)
class WorkflowDoors:
    workflow: Workflow
    files: Files
    identity: Identity

    def doors(self) -> list[Door]:
        instances = "/v1.0/workflow/processInstances"
        return [
            Door("POST", instances, self.create),
            Door("GET", instances, self.look),
            Door("POST", f"{instances}/terminate", self.terminate),
            Door("POST", f"{instances}/comments", self.comment),
            Door("POST", f"{instances}/execute", self.execute),
            Door("POST", f"{instances}/spaces/infos/query", self.space),
            Door("POST", f"{instances}/spaces/files/urls/download", self.download),
            Door("POST", "/v1.0/workflow/tasks/redirect", self.redirect),
            Door("POST", "/v1.0/workflow/processes/instanceIds/query", self.list_ids),
            Door("GET", "/v1.0/workflow/processes/pages/instances", self.page),
            Door("POST", "/v1.0/workflow/processes/forecast", self.forecast),
            Door("POST", "/v1.0/workflow/forms", self.put_form),
            Door("GET", "/v1.0/workflow/forms/schemas/processCodes", self.schema),
            Door("GET", "/v1.0/workflow/processes/userVisibilities/templates", self.visible_templates),
            Door("GET", "/v1.0/workflow/processes/todoTasks/numbers", self.count_tasks),
        ]

    # Instances.

    def create(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_new)
        agent_id = fields.number_or("microappAgentId", self.identity.agent_id)
        if agent_id != self.identity.agent_id:
            raise NewRefusal("invalidAgentId", "无效的微应用ID")
        url = fields.text_or("bizDetailPageUrl", most=1024)
        if url and not self.workflow.settings.premium:
            raise NewRefusal(
                "benefitStatusInvalid",
                "权益校验失败。指定bizDetailPageUrl为OA高级版专享功能，请开通高级版后再重试。",
            )
        cc_position = fields.text_or("ccPosition")
        if cc_position not in ("", "START", "FINISH", "START_FINISH"):
            raise bad_new("ccPosition must be START, FINISH or START_FINISH")
        order = Order(
            process_code=fields.text("processCode"),
            originator=fields.text("originatorUserId"),
            values=read_values(fields),
            dept_id=fields.number("deptId") if fields.has("deptId") else None,
            approvers=[
                (row.text("actionType"), row.texts("userIds")) for row in fields.rows("approvers", most=20)
            ],
            selected={
                row.text("actionerKey"): row.texts("actionerUserIds")
                for row in fields.rows("targetSelectActioners", most=20)
            },
            cc=fields.texts("ccList", most=50),
            cc_position=cc_position or "START",
            url=url,
        )
        return {"instanceId": self.workflow.start(order).id}

    def look(self, call: Call) -> dict[str, Any]:
        instance_id = call.query.get("processInstanceId", "")
        if not instance_id:
            raise NewRefusal("processInstanceIdError", "processInstanceId参数无效")
        # "true" in quotes: the documentation and the SDK agree on a string here.
        return {"result": self._shown(self.workflow.instance(instance_id)), "success": "true"}

    def terminate(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_new)
        if not fields.has("processInstanceId"):
            raise NewRefusal("invalidInstanceId", "审批实例ID不能为空")
        if not fields.has("isSystem"):
            raise NewRefusal("invalidInstanceTerminateIsSystem", "撤销审批实例，是否通过系统操作参数不能为空")
        instance = self.workflow.instance(fields.text("processInstanceId"), "aflowProcessInstNotExist")
        userid = fields.text_or("operatingUserId")
        remark = fields.text_or("remark", most=1024)
        if not fields.flag_or("isSystem", False):
            self._check_originator(instance, userid)
        age_s = (self.workflow.book.now() - instance.created_ms) / 1000
        if instance.status is Status.RUNNING and age_s < self.workflow.settings.terminate_ban_s:
            raise NewRefusal("aflowProcessInstStatusException", "提交审批后 15 秒内不允许撤销")
        self.workflow.withdraw(instance, userid or instance.originator, remark=remark)
        return {"result": True, "success": True}

    def _check_originator(self, instance: Instance, userid: str) -> None:
        if not userid:
            raise NewRefusal(
                "invalidInstanceTerminateOperatingUserId", "当isSystem为false时，操作人的userId不能为空"
            )
        if userid not in self.workflow.company.users:
            raise NewRefusal("userNotExist", "用户不存在")
        template = self.workflow.book.templates[instance.process_code]
        if userid != instance.originator or not template.lets_withdraw:
            raise NewRefusal("internalError", "您没有任务处理的权限")

    def comment(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_new)
        instance = self.workflow.instance(fields.text("processInstanceId"), "aflowProcessInstNotExist")
        userid = fields.text("commentUserId")
        text = fields.text("text", most=1024)
        if userid not in self.workflow.company.users:
            raise NewRefusal("userNotExist", "用户不存在")
        self.workflow.comment(instance, userid, text, enclosed=self._enclosed(fields))
        return {"result": True, "success": True}

    def execute(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_new)
        instance = self.workflow.instance(fields.text("processInstanceId"), "aflowProcessInstNotExist")
        if fields.text_or("result") not in ("agree", "refuse"):
            raise NewRefusal("invalidInstanceExecuteResult", "审批操作取值必填且值必须为agree或refuse")
        task = self._task(fields.number("taskId"))
        if task.instance_id != instance.id:
            raise bad_new("任务不属于该流程实例")
        if task.userid != fields.text("actionerUserId"):
            raise NewRefusal("needAuth", "没有同意拒绝审批的权限")
        verdict = Verdict(fields.text("result"))
        remark = fields.text_or("remark")
        self.workflow.decide(task, verdict, remark=remark, enclosed=self._enclosed(fields))
        return {"result": True, "success": True}

    def redirect(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_new)
        task = self._task(fields.number("taskId"))
        to_userid = fields.text("toUserId")
        remark = fields.text_or("remark", most=256)
        if fields.text("operateUserId") != task.userid:
            raise NewRefusal("needAuth", "当前操作人不是该任务的处理人")
        self.workflow.hand_over(task, to_userid, remark=remark, enclosed=self._enclosed(fields))
        return {"result": True}

    def _task(self, task_id: int) -> Task:
        task = self.workflow.book.tasks.get(task_id)
        if task is None:
            raise bad_new("任务不存在")
        return task

    def _enclosed(self, fields: Fields) -> Enclosed:
        file = fields.part("file")
        attachments = []
        for row in file.rows("attachments", most=20):
            shown = {key: row.text(key) for key in ("spaceId", "fileId", "fileName", "fileSize", "fileType")}
            attachments.append(shown)
        return Enclosed(photos=file.texts("photos"), attachments=attachments)

    # Lists.

    def list_ids(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_new)
        statuses = set(fields.texts("statuses"))
        if statuses - set(Status):
            raise bad_new("statuses must be RUNNING, TERMINATED or COMPLETED")
        end_ms = fields.number("endTime") if fields.has("endTime") else None
        found, token = self._walk(
            fields.text("processCode"),
            start_ms=fields.number("startTime"),
            end_ms=end_ms,
            token=fields.number("nextToken"),
            size=fields.number("maxResults"),
            userids=set(fields.texts("userIds", most=10)),
            statuses=statuses,
        )
        result: dict[str, Any] = {"list": [instance.id for instance in found]}
        if token is not None:
            result["nextToken"] = str(token)
        return {"result": result, "success": True}

    def page(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.query, bad_new)
        size = fields.number("maxResults")
        end_ms = fields.number("endTimeInMills") if fields.has("endTimeInMills") else None
        found, token = self._walk(
            fields.text("processCode"),
            start_ms=fields.number("startTimeInMills"),
            end_ms=end_ms,
            token=fields.number_or("nextToken", 0),
            size=size,
            userids=set(),
            statuses=set(),
        )
        result: dict[str, Any] = {
            "list": [self._shown_in_page(instance) for instance in found],
            "hasMore": token is not None,
            "maxResults": size,
        }
        if token is not None:
            result["nextToken"] = str(token)
        return {"result": result}

    def _walk(
        self,
        process_code: str,
        *,
        start_ms: int,
        end_ms: int | None,
        token: int,
        size: int,
        userids: set[str],
        statuses: set[str],
    ) -> tuple[list[Instance], int | None]:
        """One page, and where the next begins; a token is a place counted from the window's start."""
        self.workflow.template(process_code)
        now = self.workflow.book.now()
        if not 1 <= size <= 20 or token < 0:
            raise bad_new("maxResults must be 1 to 20, nextToken at least 0")
        if end_ms is None and start_ms < now - MOST_SPAN_MS:
            raise bad_new("startTime may lie 120 days back at most")
        if end_ms is not None and not 0 <= end_ms - start_ms <= MOST_SPAN_MS:
            raise bad_new("endTime must lie 0 to 120 days after startTime")
        if end_ms is not None and start_ms < now - MOST_AGE_MS:
            raise bad_new("startTime may lie 365 days back at most")
        timeline, first, end = self.workflow.window(process_code, start_ms, now if end_ms is None else end_ms)
        end = min(end, first + MOST_IN_A_LOOP)
        place = first + token
        stop = min(end, place + MOST_LOOKED_AT)
        found: list[Instance] = []
        while place < stop and len(found) < size:
            instance = self.workflow.book.instances.get(timeline.ids[place])
            place += 1
            if instance is None:
                continue  # deleted since
            if userids and instance.originator not in userids:
                continue
            if not statuses or instance.status in statuses:
                found.append(instance)
        return found, (place - first if place < end else None)

    # Templates.

    def forecast(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_new)
        template = self.workflow.template(fields.text("processCode"))
        userid = fields.text("userId")
        selected = {step.actor_key: [userid] for step in template.flow if step.kind is StepKind.SELF_SELECT}
        order = Order(
            process_code=template.process_code,
            originator=userid,
            values=read_values(fields),
            dept_id=fields.number("deptId"),
            selected=selected,
        )
        nodes = {node.activity_id: node for node in self.workflow.preview(template, order)}
        rules = []
        previous = ""
        for step in template.flow:
            is_selected = step.kind is StepKind.SELF_SELECT
            node = nodes.get(step.activity_id)
            people = node.user_ids if node and not is_selected else []
            rules.append(
                {
                    "activityId": step.activity_id,
                    "prevActivityId": previous,
                    "activityName": step.name,
                    "activityType": "target_select" if is_selected else "target_approval",
                    "isTargetSelect": is_selected,
                    "activityActioners": [
                        {"userId": person, "name": self.workflow.company.name(person), "avatar": ""}
                        for person in people
                    ],
                    "workflowActor": {
                        "actorKey": step.actor_key,
                        "actorType": "approver",
                        "approvalMethod": {"NONE": "ONE_BY_ONE"}.get(step.mode, step.mode),
                        "approvalType": "MANUAL",
                        "allowedMulti": True,
                        "required": is_selected,
                    },
                }
            )
            previous = step.activity_id
        result = {
            "isForecastSuccess": True,
            "isStaticWorkflow": True,
            "processCode": template.process_code,
            "processId": int(template.created_ms),
            "userId": userid,
            "workflowActivityRules": rules,
            "workflowForecastNodes": [
                {"activityId": step.activity_id, "outId": ""} for step in template.flow
            ],
        }
        return {"result": result}

    def put_form(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_new)
        name = fields.text("name", most=50)
        components = [read_component(row) for row in fields.rows("formComponents", most=200)]
        if not components:
            raise bad_new("formComponents is required")
        labels = [component.label for component in components]
        if len(set(labels)) != len(labels):
            raise NewRefusal("illegalComponent", "表单组件入参错误: 控件名称重复")
        book, now = self.workflow.book, self.workflow.book.now()
        code = fields.text_or("processCode")
        config = fields.part("templateConfig")
        if code:
            template = self.workflow.template(code)
            template.name, template.components = name, components
        else:
            code = f"PROC-{str(uuid.uuid4()).upper()}"
            template = Template(code, name, components, own_flow(FINANCE_LEAD), created_ms=now)
            book.templates[code] = template
        template.description = fields.text_or("description", template.description)
        template.modified_ms = now
        template.is_hidden = config.flag_or("hidden", template.is_hidden)
        template.lets_withdraw = not config.flag_or("disableStopProcessButton", not template.lets_withdraw)
        return {"result": {"processCode": code}}

    def schema(self, call: Call) -> dict[str, Any]:
        template = self.workflow.template(Fields(call.query, bad_new).text("processCode"))
        items = [shown_component(component) for component in template.components]
        result = {
            "name": template.name,
            "memo": template.description,
            "icon": "",
            "appType": 0,
            "appUuid": "",
            "bizType": "",
            "engineType": 0,
            "formCode": template.process_code,
            "formUuid": template.process_code,
            "ownerIdType": "orgId",
            "procType": "inner",
            "status": "PUBLISHED",
            "gmtCreate": minute(template.created_ms),
            "gmtModified": minute(template.modified_ms),
            "schemaContent": {"title": template.name, "icon": "", "items": items},
        }
        return {"result": result}

    def visible_templates(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.query, bad_new)
        size, skip = fields.number("maxResults"), fields.number("nextToken")
        if not 1 <= size <= 100 or skip < 0:
            raise bad_new("maxResults must be 1 to 100")
        if fields.has("userId") and not self.workflow.is_active_user(fields.text("userId")):
            raise NewRefusal("userNotExist", "用户不存在")
        shown = [row for row in self.workflow.book.templates.values() if row.is_enabled and not row.is_hidden]
        result: dict[str, Any] = {
            "processList": [
                {
                    "name": row.name,
                    "processCode": row.process_code,
                    "url": f"https://aflow.dingtalk.com/dingtalk/mobile/homepage.htm?processCode={row.process_code}",
                    "iconUrl": "",
                    "dirId": "other",
                    "dirName": "其他",
                }
                for row in shown[skip : skip + size]
            ]
        }
        if skip + size < len(shown):
            result["nextToken"] = skip + size
        return {"result": result}

    def count_tasks(self, call: Call) -> dict[str, Any]:
        userid = Fields(call.query, bad_new).text("userId")
        return {"result": len(self.workflow.book.open_tasks.get(userid, {}))}

    # Attachments.

    def space(self, call: Call) -> dict[str, Any]:
        userid = Fields(call.body, bad_new).text("userId")
        if not self.workflow.is_active_user(userid):
            raise NewRefusal("userNotExist", "用户不存在")
        return {"result": {"spaceId": int(self.files.grant(userid))}, "success": True}

    def download(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_new)
        instance = self.workflow.instance(fields.text("processInstanceId"), "aflowProcessInstNotExist")
        file_id = fields.text("fileId")
        with_comments = fields.flag_or("withCommentAttatchment", False)  # the vendor's spelling
        if file_id not in attached_to(instance, with_comments=with_comments):
            raise bad_new("文件不在该审批单中")
        result = {
            "spaceId": int(self.files.space_id),
            "fileId": file_id,
            "downloadUri": self.files.link(file_id),
        }
        return {"result": result, "success": True}

    # Rendering.

    def _shown(self, instance: Instance) -> dict[str, Any]:
        department = self.workflow.company.departments.get(instance.dept_id)
        shown: dict[str, Any] = {
            "title": instance.title,
            "createTime": minute(instance.created_ms),
            "originatorUserId": instance.originator,
            "originatorDeptId": str(wire_dept(instance.dept_id)),
            "originatorDeptName": department.name if department else "",
            "status": str(instance.status),
            "result": instance.result,
            "businessId": instance.business_id,
            "bizAction": "REVOKE" if instance.revokes else "NONE",
            "ccUserIds": list(instance.cc),
            "attachedProcessInstanceIds": list(instance.revocations),
            "formComponentValues": self._values(instance),
            "operationRecords": [_shown_record(record) for record in instance.records],
            "tasks": [self._shown_task(task) for task in instance.tasks],
        }
        if instance.finished_ms:
            shown["finishTime"] = minute(instance.finished_ms)
        if instance.revokes:
            shown["mainProcessInstanceId"] = instance.revokes
        if instance.approver_ids:
            shown["approverUserIds"] = list(instance.approver_ids)
        return shown

    def _values(self, instance: Instance) -> list[dict[str, Any]]:
        values = []
        for value in instance.values:
            text, ext_value = value.value, value.ext_value
            if value.component.kind == "TableField":
                ext_value = ext_value or '{"statValue":[],"componentName":"TableField"}'
                if text and self.workflow.settings.table_value == "rows":
                    text = rows_as_shown(value.component, text)
            shown = {
                "id": value.component.id,
                "name": value.component.label,
                "value": text,
                "componentType": value.component.kind,
            }
            if ext_value:
                shown["extValue"] = ext_value
            if value.component.biz_alias:
                shown["bizAlias"] = value.component.biz_alias
            values.append(shown)
        return values

    def _shown_task(self, task: Task) -> dict[str, Any]:
        page = self.workflow.page_of(task.userid, task.instance_id)
        shown = {
            "taskId": task.id,
            "userId": task.userid,
            "status": str(task.status),
            "result": task.result,
            "createTime": minute(task.created_ms),
            "mobileUrl": page,
            "pcUrl": page,
            "processInstanceId": task.instance_id,
            "activityId": task.activity_id,
            "taskGroupName": task.group_name,
        }
        if task.finished_ms:
            shown["finishTime"] = minute(task.finished_ms)
        return shown

    def _shown_in_page(self, instance: Instance) -> dict[str, Any]:
        return {
            "processInstanceId": instance.id,
            "title": instance.title,
            "businessId": instance.business_id,
            "originatorUserid": instance.originator,
            "originatorDeptId": str(wire_dept(instance.dept_id)),
            "status": str(instance.status),
            "result": instance.result,
            "createTime": instance.created_ms,
            "finishTime": instance.finished_ms or None,
            "formComponentValues": [
                {key: value[key] for key in ("id", "name", "value", "extValue") if key in value}
                for value in self._values(instance)
            ],
            "operationRecords": [
                {
                    "userId": record.userid,
                    "timestamp": record.at_ms,
                    "operationType": record.type,
                    "result": record.result,
                    "remark": record.remark,
                    "attachments": record.attachments,
                }
                for record in instance.records
            ],
            "tasks": [
                {
                    "taskId": task.id,
                    "userId": task.userid,
                    "status": str(task.status),
                    "result": task.result,
                    "activityId": task.activity_id,
                    "createTimestamp": task.created_ms,
                    "finishTimestamp": task.finished_ms or None,
                }
                for task in instance.tasks
            ],
        }


def read_values(fields: Fields) -> list[tuple[str, str, str, str]]:
    values = []
    for row in fields.rows("formComponentValues", most=150):
        if not isinstance(row.values.get("value"), str):
            raise bad_new(f"formComponentValues: the value of {row.values.get('name')} must be a string")
        values.append(
            (row.text("name"), row.values["value"], row.text_or("extValue"), row.text_or("componentType"))
        )
    if not values:
        raise bad_new("formComponentValues is required")
    return values


def read_component(row: Fields) -> Component:
    kind = row.text("componentType")
    if kind not in CHECKS:
        raise NewRefusal("illegalComponent", f"表单组件入参错误: {kind}")
    props = row.part("props")
    options = []
    for option in props.values.get("options") or []:
        options.append(str(option.get("value", "")) if isinstance(option, dict) else str(option))
    return Component(
        id=props.text_or("componentId") or f"{kind}_{uuid.uuid4().hex[:12].upper()}",
        kind=kind,
        label=props.text_or("content")
        if kind == "TextNote" and not props.has("label")
        else props.text("label"),
        required=props.flag_or("required", False),
        options=options,
        format=props.text_or("format"),
        biz_alias=props.text_or("bizAlias"),
        children=[read_component(child) for child in row.rows("children")],
    )


def shown_component(component: Component) -> dict[str, Any]:
    props: dict[str, Any] = {
        "id": component.id,
        "label": component.label,
        "required": component.required,
    }
    if component.options:
        props["options"] = [
            json.dumps({"value": option, "key": f"option_{place}"}, ensure_ascii=False)
            for place, option in enumerate(component.options)
        ]
    if component.format:
        props["format"] = component.format
    if component.biz_alias:
        props["bizAlias"] = component.biz_alias
    shown: dict[str, Any] = {"componentName": component.kind, "props": props}
    if component.children:
        shown["children"] = [shown_component(child) for child in component.children]
    return shown


def attached_to(instance: Instance, *, with_comments: bool) -> set[str]:
    found: set[str] = set()
    for value in instance.values:
        if value.component.kind == "DDAttachment" and value.value:
            found |= {str(item["fileId"]) for item in json.loads(value.value)}
    if with_comments:
        found |= {item["fileId"] for record in instance.records for item in record.attachments}
    return found


def minute(at_ms: int) -> str:
    """UTC, without seconds: yyyy-MM-ddTHH:mmZ."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")


def wire_dept(dept_id: int) -> int:
    return -1 if dept_id == 1 else dept_id


def _shown_record(record: Record) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "userId": record.userid,
        "date": minute(record.at_ms),
        "type": record.type,
        "result": record.result,
        "showName": record.show_name,
    }
    for key, value in (
        ("remark", record.remark),
        ("activityId", record.activity_id),
        ("attachments", record.attachments),
        ("images", record.images),
        ("ccUserIds", record.cc),
    ):
        if value:
            shown[key] = value
    return shown
