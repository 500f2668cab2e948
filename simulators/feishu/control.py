"""The control door (/_control): for tests, demos and trainers. Feishu has nothing like it."""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import asdict
from typing import Any

from starlette.requests import Request

from simulators.feishu.callbacks import Registration
from simulators.feishu.company import Company, Department, User, made_up
from simulators.feishu.errors import Refusal
from simulators.feishu.forms import flow_from, widgets_from
from simulators.feishu.messages import Sent, buttons_of
from simulators.feishu.quick import Press
from simulators.feishu.simulator import Simulator
from simulators.feishu.workflow import Instance, Status, Task, TaskStatus, Verdict
from simulators.stage.company_door import CompanyDoor
from simulators.stage.control import Table
from simulators.stage.fields import Fields
from simulators.stage.post import NoAnswer

DAY_MS = 24 * 3600 * 1000


class Control(CompanyDoor[Simulator]):
    refusals = (ValueError, Refusal)
    user_key, department_key = "user_id", "department_id"
    stands_for = {"department_id": "department_ids"}

    def table(self) -> Table:
        return [
            *self.company_table(),
            ("PUT", "/callback", self.register),
            ("GET", "/callback", self.callback),
            ("GET", "/subscriptions", self.subscriptions),
            ("PUT", "/subscriptions", self.change_subscriptions),
            ("POST", "/events", self.emit),
            ("POST", "/tokens/expire", self.expire_tokens),
            ("POST", "/codes", self.code),
            ("PUT", "/redirect-uris", self.redirect_uris),
            ("PUT", "/templates/{code}", self.change_template),
            ("DELETE", "/templates/{code}", self.delete_template),
            ("GET", "/instances", self.instances),
            ("GET", "/instances/{instance_id}", self.instance),
            ("DELETE", "/instances/{instance_id}", self.delete_instance),
            ("POST", "/instances/{instance_id}/decide", self.decide),
            ("POST", "/instances/{instance_id}/redirect", self.redirect),
            ("POST", "/instances/{instance_id}/send-back", self.send_back),
            ("POST", "/instances/{instance_id}/comment", self.comment),
            ("POST", "/instances/{instance_id}/withdraw", self.withdraw),
            ("GET", "/tasks", self.tasks),
            ("GET", "/messages", self.messages),
            ("POST", "/messages/{message_id}/click", self.click),
            ("POST", "/messages/{message_id}/age", self.age),
            ("GET", "/external-instances", self.external_instances),
            ("GET", "/todos", self.todos),
            ("POST", "/external-tasks/press", self.press),
            ("GET", "/bot-messages", self.bot_messages),
            ("POST", "/bot-messages/{message_id}/press", self.press_card),
            ("POST", "/files", self.upload),
            ("POST", "/stream/cut", self.cut),
        ]

    # Callbacks.

    async def cut(self, request: Request, body: Fields) -> Any:
        """Every long connection is lost."""
        await self.sim.stream.cut()
        return {}

    async def register(self, request: Request, body: Fields) -> Any:
        """`plain` true: no Encrypt Key, so nothing is sealed or signed."""
        if not body.text_or("url"):
            self.sim.callbacks.registration = None
            self.sim.callbacks.other_way = None
            return {"ok": True, "detail": "no callback address any more"}
        identity = self.sim.identity
        key = "" if body.flag_or("plain", False) else body.text_or("encrypt_key") or identity.encrypt_key
        registration = Registration(
            body.text("url"),
            verification_token=body.text_or("verification_token") or identity.verification_token,
            encrypt_key=key,
            card_url=body.text_or("card_url"),
        )
        said = await self.sim.callbacks.register(registration, check=body.flag_or("check", True))
        return {"ok": said == "success", "detail": said}

    async def callback(self, request: Request, body: Fields) -> Any:
        callbacks = self.sim.callbacks
        registration = callbacks.registration
        return {
            "url": registration.url if registration else None,
            "card_url": (registration.card_url or registration.url) if registration else None,
            "is_sealed": bool(registration and registration.encrypt_key),
            "spoiling": callbacks.spoiling.shown(),
            "subscribed": sorted(callbacks.subscribed),
            "long_connections": len(self.sim.stream.lines),
            "under_way": len(callbacks.tasks),
        }

    async def subscriptions(self, request: Request, body: Fields) -> Any:
        return {"approval_codes": sorted(self.sim.callbacks.subscribed)}

    async def change_subscriptions(self, request: Request, body: Fields) -> Any:
        """Set them all at once: `approval_codes`, or the short names expense and travel."""
        wanted = [self.sim.approval_codes.get(code, code) for code in body.texts("approval_codes")]
        for code in wanted:
            self.sim.workflow.definition(code)
        # The set itself is shared: emptied and filled, not replaced.
        self.sim.callbacks.subscribed.clear()
        self.sim.callbacks.subscribed.update(wanted)
        return {"approval_codes": sorted(wanted)}

    async def emit(self, request: Request, body: Fields) -> Any:
        """Any event at all, for types nobody expects: schema 2.0, or with `schema` "1" the older envelope."""
        kind, fields = body.text("kind"), dict(body.part("fields").values)
        if body.text_or("schema", "2") == "1":
            lane = body.text_or("lane") or made_up("", f"{kind}{len(self.sim.callbacks.events)}")
            self.sim.callbacks.emit(kind, approval_code="", lane=lane, fields={"type": kind, **fields})
        else:
            self.sim.callbacks.emit_v2(kind, fields, lane=body.text_or("lane"))
        return {}

    # Sign-in and people.

    async def expire_tokens(self, request: Request, body: Fields) -> Any:
        """Of the app and of everybody signed in."""
        self.sim.tokens.expire()
        self.sim.signin.expire()
        return {}

    async def code(self, request: Request, body: Fields) -> Any:
        """A login code of this person, as the browser or the client would bring it."""
        user = self.known(body.text("user_id"))
        code = self.sim.signin.new_code(
            user.user_id, redirect_uri=body.text_or("redirect_uri"), scope=body.text_or("scope")
        )
        return {"code": code}

    async def redirect_uris(self, request: Request, body: Fields) -> Any:
        self.sim.signin.redirect_uris = body.texts("redirect_uris")
        return {}

    @property
    def company(self) -> Company:
        return self.sim.company

    def tell_user(self, before: User | None, now: User) -> None:
        """`contact.user.created_v3`, or `updated_v3` with what was different before."""
        shown = self.sim.directory.shown_user(now)
        if before is None:
            self.sim.callbacks.emit_v2("contact.user.created_v3", {"object": shown})
            return
        old = self.sim.directory.shown_user(before)
        changed = {name: value for name, value in old.items() if shown.get(name) != value}
        # A new mobile or address comes in an event of its own.
        parts = [{name: changed.pop(name)} for name in ("mobile", "email") if name in changed]
        for part in [changed, *parts] if changed or not parts else parts:
            event = {"object": shown, "old_object": part}
            self.sim.callbacks.emit_v2("contact.user.updated_v3", event)

    def tell_leaving(self, user: User) -> None:
        shown = self.sim.directory.shown_user(user)
        old = {"department_ids": shown.get("department_ids", []), "open_id": user.open_id}
        shown["status"] = {**shown.get("status", {}), "is_resigned": True}
        self.sim.callbacks.emit_v2("contact.user.deleted_v3", {"object": shown, "old_object": old})

    def tell_department(self, before: Department | None, now: Department | None) -> None:
        old = self._shown_department(before) if before else {}
        if now is None:
            gone = {**old, "status": {"is_deleted": True}}
            event = {"object": gone, "old_object": {"status": old["status"]}}
            self.sim.callbacks.emit_v2("contact.department.deleted_v3", event)
            return
        event = {"object": self._shown_department(now)} | ({"old_object": old} if before else {})
        kind = "updated" if before else "created"
        self.sim.callbacks.emit_v2(f"contact.department.{kind}_v3", event)

    def _shown_department(self, department: Department) -> dict[str, Any]:
        leaders = [self.company.open_id_of(leader) for leader in department.leaders]
        return self.sim.directory.department_body(department, "open_department_id", leaders)

    # Approval.

    async def change_template(self, request: Request, body: Fields) -> Any:
        """`flow`, `widgets`, `status`, `lets_withdraw`, `lets_revert`, `is_free`: what is not named stays."""
        code = request.path_params["code"]
        definition = self.sim.workflow.book.definitions[self.sim.approval_codes.get(code, code)]
        flow = flow_from(body.rows("flow")) if body.has("flow") else definition.flow
        widgets = widgets_from(body.rows("widgets")) if body.has("widgets") else definition.widgets
        status = body.text_or("status", definition.status)
        if status not in ("ACTIVE", "INACTIVE", "DELETED"):
            raise ValueError("status must be ACTIVE, INACTIVE or DELETED")
        definition.flow, definition.widgets, definition.status = flow, widgets, status
        definition.lets_withdraw = body.flag_or("lets_withdraw", definition.lets_withdraw)
        definition.lets_revert = body.flag_or("lets_revert", definition.lets_revert)
        definition.is_free = body.flag_or("is_free", definition.is_free)
        return {
            "flow": [asdict(step) for step in definition.flow],
            "widgets": [widget.brief() for widget in definition.widgets],
        }

    async def delete_template(self, request: Request, body: Fields) -> Any:
        code = request.path_params["code"]
        definition = self.sim.workflow.book.definitions[self.sim.approval_codes.get(code, code)]
        self.sim.workflow.delete_definition(definition)
        return {}

    async def instances(self, request: Request, body: Fields) -> Any:
        """Newest first: `approval_code`, `status`, `skip`, `limit` (100)."""
        query = request.query_params
        book = self.sim.workflow.book
        wanted = query.get("approval_code", "")
        codes = [self.sim.approval_codes.get(wanted, wanted)] if wanted else list(book.timelines)
        skip, limit = int(query.get("skip", "0")), int(query.get("limit", "100"))
        found: list[Instance] = []
        for code in codes:
            timeline = book.timelines.get(code)
            for key in reversed(timeline.codes if timeline else []):
                instance = book.instances[key]
                if query.get("status", instance.status) == instance.status:
                    found.append(instance)
                if len(found) >= skip + limit:
                    break
        return {
            "total": len(book.instances),
            "instances": [self._shown(instance) for instance in found[skip : skip + limit]],
        }

    async def instance(self, request: Request, body: Fields) -> Any:
        return self._shown(self._instance(request))

    async def delete_instance(self, request: Request, body: Fields) -> Any:
        self.sim.workflow.delete(self._instance(request))
        return {}

    async def decide(self, request: Request, body: Fields) -> Any:
        """As a person (`user_id`; without one, whoever's task is open first): `verdict` approve or reject."""
        task = self._open_task(self._instance(request), body)
        verdict = Verdict(body.text_or("verdict", "approve"))
        self.sim.workflow.decide(task, verdict, comment=body.text_or("comment"))
        return self._shown(self._instance(request))

    async def redirect(self, request: Request, body: Fields) -> Any:
        task = self._open_task(self._instance(request), body)
        self.sim.workflow.hand_over(task, body.text("to_user_id"), comment=body.text_or("comment"))
        return self._shown(self._instance(request))

    async def send_back(self, request: Request, body: Fields) -> Any:
        """退回 to the originator; when he "decides", the flow starts over."""
        task = self._open_task(self._instance(request), body)
        self.sim.workflow.send_back(task, comment=body.text_or("comment"))
        return self._shown(self._instance(request))

    async def comment(self, request: Request, body: Fields) -> Any:
        user = self.known(body.text("user_id"))
        self.sim.workflow.comment(self._instance(request), user.user_id, body.text("text"))
        return self._shown(self._instance(request))

    async def withdraw(self, request: Request, body: Fields) -> Any:
        """As the originator in the client; of an approved instance it is the later undoing (撤销)."""
        instance = self._instance(request)
        self.sim.workflow.withdraw(instance, instance.originator)
        return self._shown(instance)

    async def tasks(self, request: Request, body: Fields) -> Any:
        user_id = request.query_params.get("user_id", "")
        book = self.sim.workflow.book
        people = [user_id] if user_id else list(book.open_tasks)
        return [asdict(task) for person in people for task in book.open_tasks.get(person, {}).values()]

    def _instance(self, request: Request) -> Instance:
        key = request.path_params["instance_id"]
        book = self.sim.workflow.book
        return book.instances[book.by_uuid.get(key.upper(), key)]

    def _open_task(self, instance: Instance, body: Fields) -> Task:
        user_id = body.text_or("user_id")
        for task in instance.tasks:
            if task.status is TaskStatus.PENDING and user_id in ("", task.user_id):
                return task
        if instance.status is not Status.PENDING:
            raise ValueError(f"the instance is {instance.status}")
        raise LookupError(f"an open task of {user_id or 'anybody'}")

    def _shown(self, instance: Instance) -> dict[str, Any]:
        return {
            "id": instance.code,
            "uuid": instance.uuid,
            "serial_number": instance.serial_number,
            "approval_code": instance.approval_code,
            "title": instance.title,
            "originator": instance.originator,
            "status": instance.status,
            "is_reverted": instance.is_reverted,
            "created_ms": instance.created_ms,
            "finished_ms": instance.finished_ms,
            "values": {widget.name: item.get("value") for widget, item in instance.values},
            "nodes": [asdict(node) for node in instance.nodes],
            "tasks": [asdict(task) for task in instance.tasks],
            "records": [asdict(entry) for entry in instance.timeline],
            "comments": [asdict(comment) for comment in instance.comments],
        }

    # Messages and cards.

    async def messages(self, request: Request, body: Fields) -> Any:
        """What people got, newest first: `user_id`."""
        if user_id := request.query_params.get("user_id", ""):
            found = self.sim.messages.inbox(user_id)
        else:
            found = list(reversed(self.sim.messages.postbox.messages.values()))
        return [asdict(sent) | {"content": json.loads(sent.content)} for sent in found]

    async def click(self, request: Request, body: Fields) -> Any:
        """Press a button of a card: `user_id`, and the button's `text` (or any `value` at all)."""
        sent = self._sent(request)
        user = self.known(body.text_or("user_id") or sent.user_id)
        value, name = body.values.get("value"), ""
        if value is None:
            wanted = body.text_or("text")
            button = next(
                (one for one in buttons_of(sent.card) if one.value is not None and wanted in ("", one.text)),
                None,
            )
            if button is None:
                raise LookupError(f"a button {wanted!r} with a callback")
            value, name = button.value, button.name
        try:
            return await self.sim.messages.click(sent, user, value, name=name)
        except NoAnswer as error:
            raise ValueError(f"the card's callback failed: {error}") from error

    async def age(self, request: Request, body: Fields) -> Any:
        """Let a message have been sent `days` earlier."""
        sent = self._sent(request)
        sent.sent_ms -= body.number("days") * DAY_MS
        return asdict(sent)

    def _sent(self, request: Request) -> Sent:
        return self.sim.messages.postbox.messages[request.path_params["message_id"]]

    # Third-party approval.

    async def external_instances(self, request: Request, body: Fields) -> Any:
        return [
            {"approval_code": instance.code, **asdict(instance)}
            for instance in self.sim.external.desk.instances.values()
        ]

    async def todos(self, request: Request, body: Fields) -> Any:
        """The open third-party tasks of a person (`user_id`), or of everybody."""
        wanted = request.query_params.get("user_id", "")
        people = [wanted] if wanted else list(self.sim.external.desk.waiting)
        return [
            {"user_id": user_id, "approval_code": instance.code, "instance_id": instance.id, "task": task}
            for user_id in people
            for instance, task in self.sim.external.todos(user_id)
        ]

    async def press(self, request: Request, body: Fields) -> Any:
        """A quick decision (三方快捷审批) on the phone: `approval_code, instance_id, task_id, action, reason`."""
        press = Press(body.text_or("action", "APPROVE"), body.text_or("reason"))
        code, instance_id, task_id = (
            body.text("approval_code"),
            body.text("instance_id"),
            body.text("task_id"),
        )
        return await self.sim.press(code, instance_id, task_id, press)

    async def press_card(self, request: Request, body: Fields) -> Any:
        """The same on a card of the approval bot: `action`, `reason`."""
        message = self.sim.bot.inbox.messages[request.path_params["message_id"]]
        said = await self.sim.press_card(
            message, Press(body.text_or("action", "APPROVE"), body.text_or("reason"))
        )
        return said | {"card_status": message.status}

    async def bot_messages(self, request: Request, body: Fields) -> Any:
        wanted = request.query_params.get("user_id", "")
        found = self.sim.bot.of(wanted) if wanted else self.sim.bot.inbox.messages.values()
        return [asdict(message) | {"title": message.title} for message in found]

    async def upload(self, request: Request, body: Fields) -> Any:
        """A file as the client uploads it (`data`: base64; `type` image or attachment)."""
        try:
            data = b64decode(body.text("data"), validate=True)
        except Base64Error as error:
            raise ValueError("data must be base64") from error
        kept = self.sim.files.keep(
            body.text("name"),
            body.text_or("type", "attachment"),
            data,
            body.text_or("media_type", "application/octet-stream"),
        )
        return {"code": kept.code, "url": self.sim.files.link(kept.code)}
