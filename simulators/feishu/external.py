"""Third-party approval (三方审批): our flow on their desk. Definitions, instances with their tasks, and the check."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from simulators.feishu.company import Company
from simulators.feishu.directory import page_token, read_page_token
from simulators.feishu.errors import Refusal, bad_approval
from simulators.feishu.quick import Press, QuickCall, quick_call
from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door

INSTANCE_STATES = ("PENDING", "APPROVED", "REJECTED", "CANCELED", "DELETED", "HIDDEN", "TERMINATED")
TASK_STATES = ("PENDING", "APPROVED", "REJECTED", "TRANSFERRED", "DONE")
MOST_TASKS, MOST_CC = 300, 200
FIXED_IN_UPDATE = ("task_id", "user_id", "open_id", "create_time", "node_id", "node_name")


@dataclass(slots=True)
class ExternalDefinition:
    code: str
    body: dict[str, Any]

    @property
    def external(self) -> dict[str, Any]:
        found: dict[str, Any] = self.body["external"]
        return found


@dataclass(slots=True)
class ExternalInstance:
    body: dict[str, Any]  # as synchronised, without its lists
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    cc: dict[str, dict[str, Any]] = field(default_factory=dict)
    syncs: int = 0
    on_desks_of: dict[str, str] = field(default_factory=dict)  # task_id → user_id

    @property
    def id(self) -> str:
        return str(self.body["instance_id"])

    @property
    def code(self) -> str:
        return str(self.body["approval_code"])

    @property
    def update_time(self) -> int:
        return int(self.body["update_time"])


@dataclass(slots=True)
class Desk:
    """All that outside systems have put on people's desks."""

    definitions: dict[str, ExternalDefinition] = field(default_factory=dict)
    instances: dict[str, ExternalInstance] = field(default_factory=dict)  # by its id, ours alone
    waiting: dict[str, dict[tuple[str, str], None]] = field(default_factory=dict)  # user_id → instance, task


@dataclass(slots=True)
class External:
    company: Company
    desk: Desk = field(default_factory=Desk)

    def doors(self) -> list[Door]:
        home = "/open-apis/approval/v4"
        return [
            Door("POST", f"{home}/external_approvals", self.define),
            Door("GET", f"{home}/external_approvals/{{approval_code}}", self.definition),
            Door("POST", f"{home}/external_instances", self.sync),
            Door("POST", f"{home}/external_instances/check", self.check),
            Door("GET", f"{home}/external_tasks", self.list_tasks),
        ]

    # Definitions.

    def define(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_approval)
        name, own_code = fields.text("approval_name"), fields.text("approval_code", most=128)
        if not name.startswith("@i18n@") or len(name) < 9:
            raise bad_approval("approval_name must start with @i18n@ and have 9 characters at least")
        external = fields.part("external")
        if not (external.flag_or("support_pc", False) or external.flag_or("support_mobile", False)):
            raise bad_approval("external: support_pc and support_mobile must not both be false")
        for wanted, link in (("support_pc", "create_link_pc"), ("support_mobile", "create_link_mobile")):
            if external.has(link) and not external.text(link).startswith(("http://", "https://")):
                raise bad_approval(f"external.{link} is no link")
            external.flag_or(wanted, False)
        self._texts(fields, [name, fields.text_or("group_name"), fields.text_or("description")])
        fields.rows("viewers", most=200)
        known = next(
            (
                row
                for row in self.desk.definitions.values()
                if own_code in (row.code, row.body["approval_code"])
            ),
            None,
        )
        # An existing code is changed; an unknown one gets a new code, which is the one that counts from now on.
        code = known.code if known else str(uuid.uuid4()).upper()
        self.desk.definitions[code] = ExternalDefinition(code, dict(call.body))
        return {"approval_code": code}

    def definition(self, call: Call) -> dict[str, Any]:
        found = self._definition(call.args["approval_code"])
        hidden = {"action_callback_key", "action_callback_token"}
        external = {name: value for name, value in found.external.items() if name not in hidden}
        return {**found.body, "approval_code": found.code, "external": external}

    def _definition(self, code: str) -> ExternalDefinition:
        found = self.desk.definitions.get(code)
        if found is None:
            raise Refusal(1390002, "approval code not found")
        return found

    def _texts(self, fields: Fields, used: Iterable[str]) -> dict[str, str]:
        """The texts of the default language. Every @i18n@ key that is used must be explained."""
        if not fields.rows("i18n_resources"):
            raise bad_approval("i18n_resources is required")
        texts = default_texts(fields)
        for key in used:
            if key.startswith("@i18n@") and key not in texts:
                raise bad_approval(f"{key} is not in i18n_resources")
        return texts

    # Instances.

    def sync(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_approval)
        definition = self._definition(fields.text("approval_code"))
        body, tasks, cc = self._read(fields)
        mode = fields.text_or("update_mode", "REPLACE")
        body["approval_code"] = definition.code
        key = str(body["instance_id"])
        before = self.desk.instances.get(key)
        if before and before.code != definition.code:
            raise bad_approval(f"instance_id {key} belongs to another definition")
        if mode not in ("REPLACE", "UPDATE"):
            raise bad_approval("update_mode must be REPLACE or UPDATE")
        if before:
            self._take_off(before)
        match mode:
            case "REPLACE":
                fresh = ExternalInstance(body, tasks, cc, before.syncs if before else 0)
                self.desk.instances[key] = fresh
            case "UPDATE" if before is None:
                fresh = ExternalInstance(body, tasks, cc)
                self.desk.instances[key] = fresh
            case _:
                assert before is not None
                fresh = before
                self._update(before, body, tasks, cc)
        fresh.syncs += 1
        self._put_on(fresh)
        return {
            "data": {
                **fresh.body,
                "task_list": list(fresh.tasks.values()),
                "cc_list": list(fresh.cc.values()),
            }
        }

    def _put_on(self, instance: ExternalInstance) -> None:
        """Onto the desks of whom it waits for."""
        if instance.body["status"] != "PENDING":
            return
        for key, task in instance.tasks.items():
            person = self.person(task)
            if task["status"] == "PENDING" and person:
                instance.on_desks_of[key] = person
                self.desk.waiting.setdefault(person, {})[instance.id, key] = None

    def _take_off(self, instance: ExternalInstance) -> None:
        for key, person in instance.on_desks_of.items():
            del self.desk.waiting[person][instance.id, key]
        instance.on_desks_of.clear()

    def _read(
        self, fields: Fields
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
        instance_id = fields.text("instance_id")
        if fields.text("status") not in INSTANCE_STATES:
            raise bad_approval(f"status {fields.text('status')} is unknown")
        for name in ("start_time", "end_time", "update_time"):
            _instant(fields, name)
        _links(fields)
        if not fields.has("user_name"):
            self._check_person(fields)
        used = [fields.text_or("title")]
        for row in fields.rows("form"):
            used += [row.text_or("name"), row.text_or("value")]
        tasks: dict[str, dict[str, Any]] = {}
        for row in fields.rows("task_list", most=MOST_TASKS):
            tasks[row.text("task_id")] = self._read_task(row)
            used.append(row.text_or("title"))
        cc: dict[str, dict[str, Any]] = {}
        for row in fields.rows("cc_list", most=MOST_CC):
            cc[row.text("cc_id")] = self._read_cc(row)
            used.append(row.text_or("title"))
        ids = [instance_id, *tasks, *cc]
        if len(set(ids)) != len(ids) or len(tasks) != len(fields.rows("task_list")):
            # The product answers "fine" and then shows nothing; here the mistake is said aloud.
            raise bad_approval("instance_id, task_id and cc_id must all differ")
        texts = self._texts(fields, used)
        body = {
            name: value
            for name, value in fields.values.items()
            if name not in ("task_list", "cc_list", "update_mode")
        }
        return body | {"texts": texts}, tasks, cc

    def _read_task(self, row: Fields) -> dict[str, Any]:
        self._check_person(row)
        _links(row)
        if row.text("status") not in TASK_STATES:
            raise bad_approval(f"task status {row.text('status')} is unknown")
        for name in ("create_time", "end_time"):
            _instant(row, name)
        if "generate_type" in row.values and not row.has("generate_type"):
            raise bad_approval("generate_type must not be empty")
        for action in row.rows("action_configs"):
            action.text("action_type")
        return {"update_time": row.values.get("end_time") or "0", **row.values}

    def _read_cc(self, row: Fields) -> dict[str, Any]:
        self._check_person(row)
        _links(row)
        if row.text("read_status") not in ("READ", "UNREAD"):
            raise bad_approval("read_status must be READ or UNREAD")
        for name in ("create_time", "update_time"):
            _instant(row, name)
        return dict(row.values)

    def _update(
        self,
        instance: ExternalInstance,
        body: dict[str, Any],
        tasks: dict[str, dict[str, Any]],
        cc: dict[str, dict[str, Any]],
    ) -> None:
        """Each part counts only if it is newer than what is here; what is not newer is passed over in silence."""
        if int(body["update_time"]) > instance.update_time:
            instance.body |= {
                name: value for name, value in body.items() if not name.startswith("department_")
            }
        for kept, given in ((instance.tasks, tasks), (instance.cc, cc)):
            for key, row in given.items():
                if key not in kept:
                    kept[key] = row
                elif int(row.get("update_time") or 0) > int(kept[key].get("update_time") or 0):
                    kept[key] |= {name: value for name, value in row.items() if name not in FIXED_IN_UPDATE}

    def _check_person(self, row: Fields) -> None:
        self.named(row)

    def named(self, row: Fields) -> str:
        """The user_id of whom `user_id` or `open_id` means; neither, or nobody: refused."""
        if not row.has("user_id") and not row.has("open_id"):
            raise bad_approval("user_id or open_id is required")
        if (person := self.person(row.values)) is None:
            raise Refusal(1390004, "user_id or open_id not found")
        return person

    def person(self, row: Any) -> str | None:
        """The user_id of whom a task, a copy or an instance names."""
        if row.get("user_id"):
            return row["user_id"] if row["user_id"] in self.company.users else None
        user = self.company.find_user(str(row.get("open_id", "")), "open_id")
        return user.user_id if user else None

    def check(self, call: Call) -> dict[str, Any]:
        """What here differs from what the caller believes; nothing: in step."""
        different: list[dict[str, Any]] = []
        for row in Fields(call.body, bad_approval).rows("instances"):
            instance_id = row.text("instance_id")
            wanted = {task.text("task_id"): task.number("update_time") for task in row.rows("tasks")}
            found = self.desk.instances.get(instance_id)
            if found is None:
                different.append({"instance_id": instance_id, "update_time": "0", "tasks": []})
                continue
            tasks = [
                {"task_id": key, "update_time": str(found.tasks.get(key, {}).get("update_time") or "0")}
                for key, at in wanted.items()
                if int(found.tasks.get(key, {}).get("update_time") or 0) != at
            ]
            if tasks or found.update_time != row.number("update_time"):
                entry = {"instance_id": instance_id, "update_time": str(found.update_time), "tasks": tasks}
                different.append(entry)
        return {"diff_instances": different}

    def list_tasks(self, call: Call) -> dict[str, Any]:
        """A GET with a JSON body, as the product has it."""
        fields, paging = Fields(call.body, bad_approval), Fields(call.query, bad_approval)
        size = paging.number_or("page_size", 100)
        if not 1 <= size <= 500:
            raise bad_approval("page_size must be 1 to 500")
        skip = read_page_token(paging.text_or("page_token"), bad_approval("page_token is invalid"))
        codes = fields.texts("approval_codes", most=20)
        ids, people = fields.texts("instance_ids", most=20), fields.texts("user_ids")
        status = fields.text_or("status")
        wanted = [self.desk.instances[key] for key in ids if key in self.desk.instances]
        rows = [
            instance
            for instance in (wanted if ids else self.desk.instances.values())
            if (not codes or instance.code in codes)
            and (not people or any(self.person(task) in people for task in instance.tasks.values()))
            and (not status or instance.body["status"] == status)
        ]
        answer: dict[str, Any] = {
            "data": [
                {
                    "instance_id": instance.id,
                    "approval_id": instance.code,
                    "approval_code": instance.code,
                    "status": instance.body["status"],
                    "update_time": str(instance.update_time),
                    "tasks": [
                        {"id": key, "status": task["status"], "update_time": str(task["update_time"])}
                        for key, task in instance.tasks.items()
                    ],
                }
                for instance in rows[skip : skip + size]
            ],
            "has_more": skip + size < len(rows),
        }
        if answer["has_more"]:
            answer["page_token"] = page_token(skip + size)
        return answer

    # What a person sees and does.

    def todos(self, user_id: str) -> list[tuple[ExternalInstance, dict[str, Any]]]:
        """Everything that waits for this person: the instance and his task in it."""
        found = []
        for instance_id, task_id in self.desk.waiting.get(user_id, {}):
            instance = self.desk.instances[instance_id]
            found.append((instance, instance.tasks[task_id]))
        return found

    def quick_call(self, code: str, instance_id: str, task_id: str, press: Press) -> QuickCall:
        """三方快捷审批回调 from the to-do list. Raises ValueError when there is nothing to press."""
        definition = self._definition(code)
        instance = self.desk.instances.get(instance_id)
        task = instance.tasks.get(task_id) if instance and instance.code == code else None
        if task is None or task["status"] != "PENDING":
            raise ValueError("no such open task")
        where = {"approval_code": code, "instance_id": instance_id, "task_id": task_id}
        context = str(task.get("action_context", ""))
        press.check(task.get("action_configs") or [])
        return quick_call(definition.external, press, context, {"user_id": self.person(task), **where})


def default_texts(fields: Fields) -> dict[str, str]:
    resources = fields.rows("i18n_resources")
    default = next((row for row in resources if row.flag_or("is_default", False)), None)
    default = default or (resources[0] if resources else Fields({}, bad_approval))
    given = default.values.get("texts")
    # The page's samples show an object, its table a list of pairs: the product takes both.
    if isinstance(given, dict):
        return {str(key): str(value) for key, value in given.items()}
    return {row.text("key"): row.text_or("value") for row in default.rows("texts")}


def _links(row: Fields) -> None:
    links = row.part("links")
    given = [links.text_or(name) for name in ("pc_link", "mobile_link") if links.has(name)]
    if not given:
        raise bad_approval("links needs pc_link or mobile_link")


def _instant(row: Fields, name: str) -> None:
    """Milliseconds, as a string (the SDK's model makes a number of it, which is taken as well)."""
    if row.number(name) < 0:
        raise bad_approval(f"{name} must be a time in milliseconds")
