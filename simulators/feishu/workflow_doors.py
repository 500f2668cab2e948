"""The calls of native approval (approval v4)."""

from __future__ import annotations

import json
from typing import Any

from simulators.feishu.callbacks import Callbacks
from simulators.feishu.company import User, id_of
from simulators.feishu.directory import page_token, read_page_token, user_type
from simulators.feishu.errors import Refusal, bad_approval
from simulators.feishu.files import Files
from simulators.feishu.forms import END_NODE, START_NODE, shown_value
from simulators.feishu.settings import Settings
from simulators.feishu.workflow import (
    Comment,
    Entry,
    Instance,
    Node,
    Order,
    Status,
    Task,
    TaskStatus,
    Timeline,
    Verdict,
    Workflow,
)
from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door

HOUR_MS = 3600 * 1000
MOST_DAYS_QUERY = 30
# Topics of tasks/query.
TODO, DONE, STARTED, UNREAD_CC, READ_CC = "1", "2", "3", "17", "18"
QUERY_STATUS = {
    "PENDING": Status.PENDING,
    "RECALL": Status.CANCELED,
    "REJECT": Status.REJECTED,
    "DELETED": Status.DELETED,
    "APPROVED": Status.APPROVED,
}


class WorkflowDoors:
    def __init__(self, workflow: Workflow, files: Files, callbacks: Callbacks, settings: Settings) -> None:
        self.workflow = workflow
        self.files = files
        self.callbacks = callbacks
        self.settings = settings

    def doors(self) -> list[Door]:
        home = "/open-apis/approval/v4"
        return [
            Door("GET", f"{home}/approvals/{{approval_code}}", self.definition),
            Door("POST", f"{home}/approvals/{{approval_code}}/subscribe", self.subscribe),
            Door("POST", f"{home}/approvals/{{approval_code}}/unsubscribe", self.unsubscribe),
            Door("POST", f"{home}/instances", self.create),
            Door("GET", f"{home}/instances", self.list_codes),
            Door("POST", f"{home}/instances/query", self.query),
            Door("POST", f"{home}/instances/preview", self.preview),
            Door("POST", f"{home}/instances/cancel", self.cancel),
            Door("POST", f"{home}/instances/cc", self.copy_to),
            Door("GET", f"{home}/instances/{{instance_id}}", self.look),
            Door("POST", f"{home}/instances/{{instance_id}}/comments", self.comment),
            Door("GET", f"{home}/instances/{{instance_id}}/comments", self.comments),
            Door("POST", f"{home}/tasks/approve", self.approve),
            Door("POST", f"{home}/tasks/reject", self.reject),
            Door("POST", f"{home}/tasks/transfer", self.transfer),
            Door("POST", f"{home}/tasks/resubmit", self.resubmit),
            Door("GET", f"{home}/tasks/query", self.tasks_of),
        ]

    # Definitions.

    def definition(self, call: Call) -> dict[str, Any]:
        definition = self.workflow.definition(call.args["approval_code"])
        if definition.status == "DELETED":
            raise Refusal(1390016, "approval is deleted")
        nodes: list[dict[str, Any]] = [_fixed_node("开始", START_NODE)]
        for step in definition.flow:
            is_chosen = step.kind == "self_select"
            node: dict[str, Any] = {
                "name": step.name,
                "need_approver": is_chosen,
                "node_id": step.node_id,
                "node_type": step.mode,
                "approver_chosen_multi": is_chosen,
                "require_signature": step.needs_signature,
            }
            if step.custom_node_id:
                node["custom_node_id"] = step.custom_node_id
            if is_chosen:
                node["approver_chosen_range"] = [{"approver_range_type": 0, "approver_range_ids": []}]
            nodes.append(node)
        nodes.append(_fixed_node("结束", END_NODE))
        shown: dict[str, Any] = {
            "approval_name": definition.name,
            "status": definition.status,
            "form": _json([widget.definition() for widget in definition.widgets]),
            "node_list": nodes,
            "viewers": [{"type": "TENANT", "id": "", "user_id": ""}],
            "form_widget_relation": "{}",
        }
        if call.query.get("with_admin_id") == "true":
            admins = self.workflow.company.managers()
            shown["approval_admin_ids"] = [id_of(user, user_type(call)) for user in admins]
        return shown

    def subscribe(self, call: Call) -> dict[str, Any]:
        code = self.workflow.definition(call.args["approval_code"]).approval_code
        if code in self.callbacks.subscribed:
            raise Refusal(1390007, "subscription existed")
        self.callbacks.subscribed.add(code)
        return {}

    def unsubscribe(self, call: Call) -> dict[str, Any]:
        code = self.workflow.definition(call.args["approval_code"]).approval_code
        if code not in self.callbacks.subscribed:
            raise Refusal(1390007, "subscription existed")
        self.callbacks.subscribed.discard(code)
        return {}

    # Starting.

    def create(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_approval)
        order = self._order(fields)
        instance = self.workflow.start(order)
        return {"instance_code": instance.code}

    def _order(self, fields: Fields) -> Order:
        key = fields.text_or("uuid", most=64)
        return Order(
            approval_code=fields.text("approval_code"),
            originator=self._originator(fields),
            form=_string(fields, "form"),
            department_id=fields.text_or("department_id"),
            uuid=key,
            title=self._title(fields),
            chosen=self._by_node(fields, "node_approver"),
            cc=self._by_node(fields, "node_cc", most=20),
            forbids_revoke=fields.flag_or("forbid_revoke", False),
        )

    def _originator(self, fields: Fields) -> str:
        if fields.has("user_id"):
            return fields.text("user_id")
        if not fields.has("open_id"):
            raise bad_approval("user_id or open_id is required")
        user = self.workflow.company.find_user(fields.text("open_id"), "open_id")
        if user is None:
            raise Refusal(1390004, "user_id or open_id not found")
        return user.user_id

    def _title(self, fields: Fields) -> str:
        """A key of `i18n_resources`, its first language. One nobody explains is refused."""
        key = fields.text_or("title")
        if not key:
            return ""
        for resource in fields.rows("i18n_resources"):
            for text in resource.rows("texts"):
                if text.text("key") == key:
                    return text.text_or("value")
        raise bad_approval(f"title {key} is not in i18n_resources")

    def _by_node(self, fields: Fields, prefix: str, *, most: int | None = None) -> dict[str, list[str]]:
        """The union of the list by user_id and the one by open_id."""
        found: dict[str, list[str]] = {}
        for id_type in ("user_id", "open_id"):
            for row in fields.rows(f"{prefix}_{id_type}_list"):
                people = found.setdefault(row.text("key"), [])
                for given in row.texts("value", most=most):
                    user = self.workflow.company.find_user(given, id_type)
                    if user is None:
                        raise Refusal(1390004, f"user_id or open_id not found: {given}")
                    people.append(user.user_id)
        return found

    def preview(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_approval)
        user = self._person(call, fields.text("user_id"))
        order = Order(
            approval_code=fields.text("approval_code"),
            originator=user.user_id,
            form=_string(fields, "form"),
            department_id=fields.text_or("department_id"),
        )
        nodes = self.workflow.preview(order)
        first = Node(START_NODE, "", "发起", "", [user.user_id])
        last = Node(END_NODE, "", "结束", "", [])
        return {"preview_nodes": [self._previewed(node, call) for node in (first, *nodes, last)]}

    def _previewed(self, node: Node, call: Call) -> dict[str, Any]:
        people = [self.workflow.company.users[user_id] for user_id in node.user_ids]
        return {
            "node_id": node.node_id,
            "node_name": node.name,
            "node_type": node.mode,
            "comments": [],
            "custom_node_id": node.custom_node_id,
            "user_id_list": [id_of(user, user_type(call)) for user in people],
            "end_cc_id_list": [],
            "is_empty_logic": not people and node.node_id != END_NODE,
            "is_approver_type_free": node.is_self_select,
            "has_cc_type_free": False,
        }

    # Looking.

    def look(self, call: Call) -> dict[str, Any]:
        return self._shown(self.workflow.instance(call.args["instance_id"]))

    def list_codes(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.query, bad_approval)
        code = self.workflow.definition(fields.text("approval_code")).approval_code
        start, end = fields.number("start_time"), fields.number("end_time")
        size = fields.number_or("page_size", 100)
        if not 1 <= size <= 100:
            raise bad_approval("page_size must be 1 to 100")
        if end < start:
            raise bad_approval("end_time is before start_time")
        if end - start > self.settings.list_window_h * HOUR_MS:
            raise bad_approval(f"the time range must not exceed {self.settings.list_window_h:g} hours")
        timeline, first, last = self.workflow.window(code, start, end)
        skip = read_page_token(fields.text_or("page_token"), bad_approval("page_token is invalid"))
        page = timeline.codes[first + skip : min(first + skip + size, last)]
        has_more = first + skip + size < last
        return {
            "instance_code_list": page,
            "page_token": page_token(skip + size) if has_more else "",
            "has_more": has_more,
        }

    def query(self, call: Call) -> dict[str, Any]:
        """查询实例列表: by definition, instance, person, title, status, time."""
        fields = Fields(call.body, bad_approval)
        paging = Fields(call.query, bad_approval)
        size = paging.number_or("page_size", 10)
        if not 5 <= size <= 200:
            raise bad_approval("page_size must be 5 to 200")
        skip = read_page_token(paging.text_or("page_token"), bad_approval("page_token is invalid"))
        found = self._found(call, fields)
        page = found[skip : skip + size]
        answer: dict[str, Any] = {
            "count": len(found),
            "instance_list": [self._search_item(instance, call) for instance in page],
            "has_more": skip + size < len(found),
        }
        if answer["has_more"]:
            answer["page_token"] = page_token(skip + size)
        return answer

    def _found(self, call: Call, fields: Fields) -> list[Instance]:
        status = fields.text_or("instance_status", "ALL")
        if status != "ALL" and status not in QUERY_STATUS:
            raise bad_approval(f"instance_status {status} is unknown")
        start, end = (
            fields.number_or("instance_start_time_from", 0),
            fields.number_or("instance_start_time_to", 0),
        )
        if bool(start) != bool(end) or end - start > MOST_DAYS_QUERY * 24 * HOUR_MS or end < start:
            raise bad_approval("instance_start_time_from and _to go together and span 30 days at most")
        names = ("approval_code", "instance_code", "instance_external_id", "user_id", "instance_title")
        if not start and not any(fields.has(name) for name in names):
            raise bad_approval("at least one condition is required")
        user_id = self._person(call, fields.text("user_id")).user_id if fields.has("user_id") else ""
        found = []
        for instance in self._candidates(fields, start, end):
            if (
                (not user_id or instance.originator == user_id)
                and fields.text_or("instance_title") in instance.title
                and (status == "ALL" or instance.status is QUERY_STATUS[status])
            ):
                found.append(instance)
        return found

    def _candidates(self, fields: Fields, start: int, end: int) -> list[Instance]:
        book = self.workflow.book
        for name in ("instance_code", "instance_external_id"):
            if fields.has(name):
                key = fields.text(name)
                instance = book.instances.get(key) or book.instances.get(book.by_uuid.get(key.upper(), ""))
                return [instance] if instance else []
        codes = [fields.text("approval_code")] if fields.has("approval_code") else list(book.timelines)
        found = []
        for code in codes:
            if start:
                timeline, first, last = self.workflow.window(code, start, end)
            else:
                timeline = book.timelines.get(code) or Timeline()
                first, last = 0, len(timeline.codes)
            found += [book.instances[key] for key in timeline.codes[first:last]]
        return found

    def _search_item(self, instance: Instance, call: Call) -> dict[str, Any]:
        user = self.workflow.company.user(instance.originator)
        return {
            "approval": {
                "code": instance.approval_code,
                "name": instance.approval_name,
                "is_external": False,
                "external": {},
            },
            "group": {"external_id": "", "name": "行政"},
            "instance": {
                "code": instance.code,
                "external_id": instance.uuid,
                "user_id": id_of(user, user_type(call)) if user else "",
                "start_time": str(instance.created_ms),
                "end_time": str(instance.finished_ms),
                "status": instance.status.lower(),
                "title": instance.title,
                "extra": "",
                "serial_id": instance.serial_number,
                "link": {"pc_link": "", "mobile_link": ""},
            },
        }

    def tasks_of(self, call: Call) -> dict[str, Any]:
        """查询用户的任务列表."""
        fields = Fields(call.query, bad_approval)
        user = self._person(call, fields.text("user_id"))
        topic = fields.text("topic")
        size = fields.number_or("page_size", 100)
        if not 1 <= size <= 200:
            raise bad_approval("page_size must be 1 to 200")
        skip = read_page_token(fields.text_or("page_token"), bad_approval("page_token is invalid"))
        rows = self._topic(user.user_id, topic)
        shown = [self._todo(instance, task, user, topic) for instance, task in rows[skip : skip + size]]
        answer: dict[str, Any] = {
            "tasks": shown,
            "count": {"total": len(rows), "has_more": False},
            "has_more": skip + size < len(rows),
        }
        if answer["has_more"]:
            answer["page_token"] = page_token(skip + size)
        return answer

    def _topic(self, user_id: str, topic: str) -> list[tuple[Instance, Task | None]]:
        book = self.workflow.book
        match topic:
            case "1":
                tasks = list(book.open_tasks.get(user_id, {}).values())
                return [(book.instances[task.instance_code], task) for task in tasks]
            case "2":
                done = list(book.done_tasks.get(user_id, ()))
                return [(book.instances[task.instance_code], task) for task in done]
            case "3":
                return [(book.instances[code], None) for code in book.started.get(user_id, ())]
            case "17":
                return [(book.instances[code], None) for code in book.copied.get(user_id, ())]
            case "18":
                return []
            case _:
                raise bad_approval("topic must be 1, 2, 3, 17 or 18")

    def _todo(self, instance: Instance, task: Task | None, user: User, topic: str) -> dict[str, Any]:
        words = {Status.PENDING: "Running", Status.APPROVED: "Approved", Status.REJECTED: "Rejected"}
        is_open = task is not None and task.status is TaskStatus.PENDING
        return {
            "topic": topic,
            "user_id": user.user_id,
            "title": instance.approval_name,
            "urls": {"helpdesk": "", "mobile": "", "pc": ""},
            "process_external_id": instance.uuid,
            "task_external_id": "",
            "status": "Todo" if is_open else "Done",
            "process_status": words.get(instance.status, "Recalled"),
            "definition_code": instance.approval_code,
            "initiators": [self.workflow.company.open_id_of(instance.originator)],
            "initiator_names": [self.workflow.company.name_of(instance.originator)],
            "task_id": task.id if task else "",
            "process_id": instance.code,
            "process_code": instance.code,
            "definition_name": instance.approval_name,
        }

    # Acting.

    def cancel(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_approval)
        instance = self._instance(fields)
        self.workflow.withdraw(instance, self._person(call, fields.text("user_id")).user_id)
        return {}

    def copy_to(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_approval)
        instance = self._instance(fields)
        by = self._person(call, fields.text("user_id")).user_id
        people = [self._person(call, given).user_id for given in fields.texts("cc_user_ids")]
        self.workflow.copy_to(instance, by, people, comment=fields.text_or("comment"))
        return {}

    def approve(self, call: Call) -> dict[str, Any]:
        return self._decide(call, Verdict.APPROVE)

    def reject(self, call: Call) -> dict[str, Any]:
        return self._decide(call, Verdict.REJECT)

    def _decide(self, call: Call, verdict: Verdict) -> dict[str, Any]:
        fields = Fields(call.body, bad_approval)
        task = self._task(call, fields)
        if task.needs_signature:
            raise Refusal(1390018, "not support handwritten signature")
        if task.node_id == START_NODE:
            raise Refusal(1390010, "task not found: it waits for the originator")
        self.workflow.decide(task, verdict, comment=fields.text_or("comment"))
        return {}

    def transfer(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_approval)
        task = self._task(call, fields)
        to = self._person(call, fields.text("transfer_user_id"))
        self.workflow.hand_over(task, to.user_id, comment=fields.text_or("comment"))
        return {}

    def resubmit(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_approval)
        task = self._task(call, fields)
        if task.node_id != START_NODE:
            raise Refusal(1390010, "task not found: nothing was sent back")
        self.workflow.decide(task, Verdict.APPROVE, comment=fields.text_or("comment"))
        return {}

    def comment(self, call: Call) -> dict[str, Any]:
        user = self._person(call, Fields(call.query, bad_approval).text("user_id"))
        instance = self.workflow.instance(call.args["instance_id"])
        fields = Fields(call.body, bad_approval)
        try:
            content = json.loads(fields.text("content"))
        except ValueError:
            raise bad_approval("content must be a JSON string") from None
        inner = Fields(content if isinstance(content, dict) else {}, bad_approval)
        text = inner.text_or("text")
        files = [dict(row.values) for row in inner.rows("files")]
        if not text and not files:
            raise bad_approval("content needs text or files")
        return {"comment_id": self.workflow.comment(instance, user.user_id, text, files=files).id}

    def comments(self, call: Call) -> dict[str, Any]:
        self._person(call, Fields(call.query, bad_approval).text("user_id"))
        instance = self.workflow.instance(call.args["instance_id"])
        rows = [
            {
                "id": comment.id,
                "content": _json({"text": comment.text, "files": comment.files}),
                "create_time": str(comment.at_ms),
                "update_time": str(comment.at_ms),
                "is_delete": 0,
                "replies": [],
                "at_info_list": [],
                "commentator": self.workflow.company.open_id_of(comment.user_id),
            }
            for comment in instance.comments
        ]
        return {"comments": rows}

    def _instance(self, fields: Fields) -> Instance:
        code = self.workflow.definition(fields.text("approval_code")).approval_code
        instance = self.workflow.instance(fields.text("instance_code"))
        if instance.approval_code != code:
            raise Refusal(1390003, "instance code not found: it belongs to another definition")
        return instance

    def _task(self, call: Call, fields: Fields) -> Task:
        instance = self._instance(fields)
        user = self._person(call, fields.text("user_id"))
        return self.workflow.task(instance, fields.text("task_id"), user.user_id)

    def _person(self, call: Call, given: str) -> User:
        user = self.workflow.company.find_user(given, user_type(call))
        if user is None:
            raise Refusal(1390004, f"user_id or open_id not found: {given} is no {user_type(call)}")
        return user

    # Rendering.

    def _shown(self, instance: Instance) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "approval_name": instance.approval_name,
            "approval_code": instance.approval_code,
            "instance_code": instance.code,
            "serial_number": instance.serial_number,
            "uuid": instance.uuid or instance.code,
            "user_id": instance.originator,
            "open_id": self.workflow.company.open_id_of(instance.originator),
            "department_id": instance.department_id,
            "status": str(instance.status),
            "start_time": str(instance.created_ms),
            "end_time": str(instance.finished_ms),
            "form": _json([shown_value(widget, item, self.files) for widget, item in instance.values]),
            "task_list": [self._shown_task(task) for task in instance.tasks],
            "comment_list": [self._shown_comment(comment) for comment in instance.comments],
            "timeline": [self._shown_entry(entry) for entry in instance.timeline],
            "reverted": instance.is_reverted,
        }
        return self._without_user_ids(shown) if self._hides_user_ids() else shown

    def _hides_user_ids(self) -> bool:
        return "contact:user.employee_id:readonly" in self.settings.missing_scopes

    def _without_user_ids(self, shown: dict[str, Any]) -> dict[str, Any]:
        """Without the scope for it, user_id is empty wherever it would stand; open_id stays."""
        for row in (shown, *shown["task_list"], *shown["comment_list"], *shown["timeline"]):
            row["user_id"] = ""
        return shown

    def _shown_task(self, task: Task) -> dict[str, Any]:
        shown = {
            "id": task.id,
            "user_id": task.user_id,
            "open_id": self.workflow.company.open_id_of(task.user_id),
            "status": str(task.status),
            "node_id": task.node_id,
            "node_name": task.node_name,
            "type": task.mode,
            "start_time": str(task.created_ms),
            "end_time": str(task.finished_ms),
        }
        if task.custom_node_id:
            shown["custom_node_id"] = task.custom_node_id
        return shown

    def _shown_comment(self, comment: Comment) -> dict[str, Any]:
        return {
            "id": comment.id,
            "user_id": comment.user_id,
            "open_id": self.workflow.company.open_id_of(comment.user_id),
            "comment": comment.text,
            "create_time": str(comment.at_ms),
            "files": comment.files,
        }

    def _shown_entry(self, entry: Entry) -> dict[str, Any]:
        company = self.workflow.company
        ext: dict[str, Any] = {}
        shown: dict[str, Any] = {
            "type": entry.kind,
            "create_time": str(entry.at_ms),
            "user_id": entry.user_id,
            "open_id": company.open_id_of(entry.user_id),
            "node_key": entry.node_id,
        }
        if entry.task_id:
            shown["task_id"] = entry.task_id
        if entry.comment:
            shown["comment"] = entry.comment
        if entry.others:
            open_ids = [company.open_id_of(user_id) for user_id in entry.others]
            shown |= {"user_id_list": entry.others, "open_id_list": open_ids}
            ext = {"user_id_list": entry.others, "open_id_list": open_ids}
        if entry.kind == "CC":
            shown["cc_user_list"] = [
                {"user_id": user_id, "open_id": company.open_id_of(user_id), "cc_id": f"{entry.at_ms}{place}"}
                for place, user_id in enumerate(entry.others)
            ]
        shown["ext"] = _json(ext)
        return shown


def _fixed_node(name: str, node_id: str) -> dict[str, Any]:
    return {
        "name": name,
        "need_approver": False,
        "node_id": node_id,
        "node_type": "AND",
        "approver_chosen_multi": False,
        "require_signature": False,
    }


def _string(fields: Fields, name: str) -> str:
    """A string and nothing that could be made one: `form` is JSON inside a string, and a list is refused."""
    if not isinstance(fields.values.get(name), str):
        raise bad_approval(f"{name} must be a JSON string")
    return str(fields.values[name])


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
