"""The control door (/_control): for tests, demos and trainers. Feishu has nothing like it."""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.feishu.callbacks import Registration
from simulators.feishu.company import ROOT, Department, User, check_departments, made_up, read_user
from simulators.feishu.errors import Refusal
from simulators.feishu.forms import flow_from, widgets_from
from simulators.feishu.messages import Sent, buttons_of
from simulators.feishu.simulator import Simulator
from simulators.feishu.workflow import Instance, Status, Task, TaskStatus, Verdict
from simulators.stage.faults import FaultRule, Harm
from simulators.stage.fields import Fields
from simulators.stage.post import NoAnswer

Handler = Callable[[Request, Fields], Awaitable[Any]]
DAY_MS = 24 * 3600 * 1000


class Control:
    def __init__(self, simulator: Simulator) -> None:
        self.sim = simulator

    def routes(self) -> list[Route]:
        table: list[tuple[str, str, Handler]] = [
            ("GET", "", self.facts),
            ("GET", "/settings", self.settings),
            ("PUT", "/settings", self.change_settings),
            ("PUT", "/callback", self.register),
            ("GET", "/callback", self.callback),
            ("PUT", "/callback/spoiling", self.spoil),
            ("GET", "/subscriptions", self.subscriptions),
            ("PUT", "/subscriptions", self.change_subscriptions),
            ("GET", "/events", self.events),
            ("POST", "/events/{event_id}/resend", self.resend),
            ("POST", "/events", self.emit),
            ("GET", "/idle", self.idle),
            ("GET", "/faults", self.faults),
            ("POST", "/faults", self.add_fault),
            ("DELETE", "/faults", self.clear_faults),
            ("GET", "/calls", self.calls),
            ("DELETE", "/calls", self.clear_calls),
            ("POST", "/tokens/expire", self.expire_tokens),
            ("POST", "/codes", self.code),
            ("PUT", "/redirect-uris", self.redirect_uris),
            ("PUT", "/directory", self.load_directory),
            ("PUT", "/users/{user_id}", self.put_user),
            ("POST", "/users/{user_id}/leave", self.leave),
            ("PUT", "/departments/{department_id}", self.put_department),
            ("DELETE", "/departments/{department_id}", self.drop_department),
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
            ("POST", "/files", self.upload),
            ("POST", "/reset", self.reset),
        ]
        return [
            Route(f"/_control{path}", self._door(handler), methods=[method])
            for method, path, handler in table
        ]

    def _door(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def door(request: Request) -> Response:
            try:
                raw = await request.body()
                body = json.loads(raw) if raw else {}
                if not isinstance(body, dict):
                    raise ValueError("the body must be a JSON object")
                answer = await handler(request, Fields(body, ValueError))
            except LookupError as error:
                return JSONResponse({"error": f"not found: {error}"}, status_code=404)
            except (ValueError, Refusal) as error:
                return JSONResponse({"error": str(error)}, status_code=400)
            return JSONResponse(answer)

        return door

    # The simulator itself.

    async def facts(self, request: Request, body: Fields) -> Any:
        return self.sim.facts()

    async def settings(self, request: Request, body: Fields) -> Any:
        return self.sim.settings.shown()

    async def change_settings(self, request: Request, body: Fields) -> Any:
        self.sim.settings.change(body.values)
        return self.sim.settings.shown()

    async def reset(self, request: Request, body: Fields) -> Any:
        self.sim.forget()
        return {}

    # Callbacks.

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
            "spoiling": asdict(callbacks.spoiling),
            "subscribed": sorted(callbacks.subscribed),
            "long_connections": len(self.sim.stream.lines),
            "under_way": len(callbacks.tasks),
        }

    async def spoil(self, request: Request, body: Fields) -> Any:
        self.sim.callbacks.spoiling.change(dict(body.values))
        return asdict(self.sim.callbacks.spoiling)

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

    async def events(self, request: Request, body: Fields) -> Any:
        query = request.query_params
        return self.sim.callbacks.shown(kind=query.get("kind", ""), lane=query.get("instance_id", ""))

    async def resend(self, request: Request, body: Fields) -> Any:
        event_id = request.path_params["event_id"]
        if not self.sim.callbacks.resend(event_id, body.number_or("times", 1)):
            raise LookupError(event_id)
        return {}

    async def emit(self, request: Request, body: Fields) -> Any:
        """Any event at all, for types nobody expects: schema 2.0, or with `schema` "1" the older envelope."""
        kind, fields = body.text("kind"), dict(body.part("fields").values)
        if body.text_or("schema", "2") == "1":
            lane = body.text_or("lane") or made_up("", f"{kind}{len(self.sim.callbacks.events)}")
            self.sim.callbacks.emit(kind, approval_code="", lane=lane, fields={"type": kind, **fields})
        else:
            self.sim.callbacks.emit_v2(kind, fields, lane=body.text_or("lane"))
        return {}

    async def idle(self, request: Request, body: Fields) -> Any:
        query = request.query_params
        is_idle = await self.sim.callbacks.idle(
            timeout_s=float(query.get("timeout", "5")), with_retries=query.get("retries") == "true"
        )
        return {"idle": is_idle}

    # Faults and calls.

    async def faults(self, request: Request, body: Fields) -> Any:
        return self.sim.faults.shown()

    async def add_fault(self, request: Request, body: Fields) -> Any:
        fraction = body.values.get("fraction")
        if fraction is not None and not (isinstance(fraction, (int, float)) and 0 <= fraction <= 1):
            raise ValueError("fraction must be 0 to 1")
        seconds = body.values.get("seconds", 0)
        if not isinstance(seconds, (int, float)):
            raise ValueError("seconds must be a number")
        rule = FaultRule(
            Harm(body.text("harm")),
            path=body.text_or("path", "*"),
            method=body.text_or("method", "*"),
            times=body.number("times") if body.has("times") else None,
            fraction=fraction,
            seconds=float(seconds),
            status=body.number("status") if body.has("status") else None,
        )
        self.sim.faults.rules.append(rule)
        return self.sim.faults.shown()

    async def clear_faults(self, request: Request, body: Fields) -> Any:
        self.sim.faults.rules.clear()
        return {}

    async def calls(self, request: Request, body: Fields) -> Any:
        return self.sim.calls.shown()

    async def clear_calls(self, request: Request, body: Fields) -> Any:
        self.sim.calls.clear()
        return {}

    # Sign-in and people.

    async def expire_tokens(self, request: Request, body: Fields) -> Any:
        """Of the app and of everybody signed in."""
        self.sim.tokens.expire()
        self.sim.signin.expire()
        return {}

    async def code(self, request: Request, body: Fields) -> Any:
        """A login code of this person, as the browser or the client would bring it."""
        user = self._user(body.text("user_id"))
        code = self.sim.signin.new_code(
            user.user_id, redirect_uri=body.text_or("redirect_uri"), scope=body.text_or("scope")
        )
        return {"code": code}

    async def redirect_uris(self, request: Request, body: Fields) -> Any:
        self.sim.signin.redirect_uris = body.texts("redirect_uris")
        return {}

    async def load_directory(self, request: Request, body: Fields) -> Any:
        self.sim.company.load(body.values)
        return {"departments": len(self.sim.company.departments), "users": len(self.sim.company.users)}

    async def put_user(self, request: Request, body: Fields) -> Any:
        """Tells `contact.user.created_v3`, or `updated_v3` with what was different before."""
        user = read_user(Fields({**body.values, "user_id": request.path_params["user_id"]}, ValueError))
        check_departments(self.sim.company, user)
        known = self.sim.company.users.get(user.user_id)
        before = self.sim.directory.shown_user(known) if known else None
        self.sim.company.put_user(user)
        now = self.sim.directory.shown_user(user)
        if before is None:
            self.sim.callbacks.emit_v2("contact.user.created_v3", {"object": now})
        else:
            changed = {name: value for name, value in before.items() if now.get(name) != value}
            event = {"object": now, "old_object": changed}
            self.sim.callbacks.emit_v2("contact.user.updated_v3", event)
        return {"is_new": before is None, "open_id": user.open_id}

    async def leave(self, request: Request, body: Fields) -> Any:
        user = self._user(request.path_params["user_id"])
        shown = self.sim.directory.shown_user(user)
        self.sim.company.let_go(user.user_id)
        old = {"department_ids": shown.get("department_ids", []), "open_id": user.open_id}
        shown["status"] = {**shown.get("status", {}), "is_resigned": True}
        self.sim.callbacks.emit_v2("contact.user.deleted_v3", {"object": shown, "old_object": old})
        return {}

    async def put_department(self, request: Request, body: Fields) -> Any:
        department_id = request.path_params["department_id"]
        company = self.sim.company
        known = company.departments.get(department_id)
        before = self._shown_department(known) if known else None
        parent = body.text_or("parent_department_id", known.parent_id if known else ROOT)
        if parent != ROOT and (parent not in company.departments or parent == department_id):
            raise ValueError(f"no department {parent}")
        leaders = body.texts("leaders") if body.has("leaders") else list(known.leaders if known else [])
        for leader in leaders:
            self._user(leader)
        company.departments[department_id] = Department(
            department_id,
            body.text_or("name", known.name if known else department_id),
            parent,
            known.open_id if known else made_up("od-", department_id),
            leaders,
            body.number_or("order", known.order if known else 0),
        )
        company.index()
        event = {"object": self._shown_department(company.departments[department_id])}
        if before:
            event["old_object"] = before
        kind = "updated" if before else "created"
        self.sim.callbacks.emit_v2(f"contact.department.{kind}_v3", event)
        return {"is_new": before is None}

    async def drop_department(self, request: Request, body: Fields) -> Any:
        company = self.sim.company
        department = company.departments[request.path_params["department_id"]]
        if company.members[department.department_id] or company.children[department.department_id]:
            raise ValueError("the department is not empty")
        shown = self._shown_department(department)
        del company.departments[department.department_id]
        company.index()
        gone = {**shown, "status": {"is_deleted": True}}
        event = {"object": gone, "old_object": {"status": shown["status"]}}
        self.sim.callbacks.emit_v2("contact.department.deleted_v3", event)
        return {}

    def _shown_department(self, department: Department) -> dict[str, Any]:
        leaders = [self.sim.company.open_id_of(leader) for leader in department.leaders]
        return self.sim.directory.department_body(department, "open_department_id", leaders)

    def _user(self, user_id: str) -> User:
        user = self.sim.company.users.get(user_id)
        if user is None:
            raise LookupError(user_id)
        return user

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
        user = self._user(body.text("user_id"))
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
        user = self._user(body.text_or("user_id") or sent.user_id)
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
        people = [wanted] if wanted else list(self.sim.company.users)
        return [
            {"user_id": user_id, "approval_code": instance.code, "instance_id": instance.id, "task": task}
            for user_id in people
            for instance, task in self.sim.external.todos(user_id)
        ]

    async def press(self, request: Request, body: Fields) -> Any:
        """A quick decision (三方快捷审批) on the phone: `approval_code, instance_id, task_id, action, reason`."""
        return await self.sim.press(
            body.text("approval_code"),
            body.text("instance_id"),
            body.text("task_id"),
            action=body.text_or("action", "APPROVE"),
            reason=body.text_or("reason"),
        )

    async def bot_messages(self, request: Request, body: Fields) -> Any:
        return [asdict(message) for message in self.sim.external.desk.messages.values()]

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
