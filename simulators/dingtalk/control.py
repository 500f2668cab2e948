"""The control door (/_control): for tests, demos and trainers. DingTalk has nothing like it."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.dingtalk.callbacks import card_signature
from simulators.dingtalk.company import read_user
from simulators.dingtalk.errors import NewRefusal
from simulators.dingtalk.messages import Notification
from simulators.dingtalk.simulator import Simulator
from simulators.dingtalk.todo import shown_todo
from simulators.dingtalk.workflow import Instance, Status, Task, Verdict, flow_from
from simulators.stage.faults import FaultRule, Harm
from simulators.stage.fields import Fields
from simulators.stage.gate import Upload
from simulators.stage.post import NoAnswer

Handler = Callable[[Request, Fields], Awaitable[Any]]


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
            ("PUT", "/users/{userid}", self.put_user),
            ("POST", "/users/{userid}/leave", self.leave),
            ("PUT", "/templates/{code}", self.change_template),
            ("GET", "/instances", self.instances),
            ("GET", "/instances/{instance_id}", self.instance),
            ("DELETE", "/instances/{instance_id}", self.delete_instance),
            ("POST", "/instances/{instance_id}/decide", self.decide),
            ("POST", "/instances/{instance_id}/redirect", self.redirect),
            ("POST", "/instances/{instance_id}/comment", self.comment),
            ("POST", "/instances/{instance_id}/withdraw", self.withdraw),
            ("GET", "/tasks", self.tasks),
            ("GET", "/notifications", self.notifications),
            ("GET", "/robot-messages", self.robot_messages),
            ("GET", "/todos", self.todos),
            ("GET", "/cards", self.cards),
            ("POST", "/cards/{out_track_id}/click", self.click_card),
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
            except (ValueError, NewRefusal) as error:
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
        if not body.text_or("url"):
            self.sim.callbacks.registration = None
            return {"ok": True, "detail": "no callback address any more"}
        said = await self.sim.callbacks.register(
            body.text("url"),
            token=body.text_or("token"),
            aes_key=body.text_or("aes_key"),
            owner_key=body.text_or("owner_key"),
            check=body.flag_or("check", True),
        )
        return {"ok": said == "success", "detail": said}

    async def callback(self, request: Request, body: Fields) -> Any:
        registration = self.sim.callbacks.registration
        return {
            "url": registration.url if registration else None,
            "spoiling": asdict(self.sim.callbacks.spoiling),
            "failed": len(self.sim.callbacks.failed),
            "under_way": len(self.sim.callbacks.tasks),
        }

    async def spoil(self, request: Request, body: Fields) -> Any:
        self.sim.callbacks.spoiling.change(dict(body.values))
        return asdict(self.sim.callbacks.spoiling)

    async def events(self, request: Request, body: Fields) -> Any:
        query = request.query_params
        return self.sim.callbacks.shown(kind=query.get("kind", ""), lane=query.get("instance_id", ""))

    async def resend(self, request: Request, body: Fields) -> Any:
        event_id = request.path_params["event_id"]
        if not self.sim.callbacks.resend(event_id, body.number_or("times", 1)):
            raise LookupError(event_id)
        return {}

    async def emit(self, request: Request, body: Fields) -> Any:
        """Any event at all: for types nobody expects."""
        self.sim.callbacks.emit(body.text("kind"), body.text_or("lane"), dict(body.part("fields").values))
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
        self.sim.tokens.expire()
        return {}

    async def code(self, request: Request, body: Fields) -> Any:
        userid = body.text("userid")
        self._known(userid)
        match body.text_or("kind", "free"):
            case "free":
                return {"code": self.sim.signin.free_code(userid)}
            case "browser":
                return {"code": self.sim.signin.browser_code(userid)}
            case other:
                raise ValueError(f"kind must be free or browser, not {other}")

    async def redirect_uris(self, request: Request, body: Fields) -> Any:
        self.sim.signin.redirect_uris = body.texts("redirect_uris")
        return {}

    async def load_directory(self, request: Request, body: Fields) -> Any:
        self.sim.company.load(body.values)
        return {"departments": len(self.sim.company.departments), "users": len(self.sim.company.users)}

    async def put_user(self, request: Request, body: Fields) -> Any:
        userid = request.path_params["userid"]
        user = read_user(Fields({**body.values, "userid": userid}, ValueError))
        for dept_id in user.dept_ids:
            if dept_id not in self.sim.company.departments:
                raise ValueError(f"no department {dept_id}")
        is_new = self.sim.company.put_user(user)
        self._tell_people("user_add_org" if is_new else "user_modify_org", userid)
        return {"is_new": is_new}

    async def leave(self, request: Request, body: Fields) -> Any:
        userid = request.path_params["userid"]
        self._known(userid)
        self.sim.company.let_go(userid, body.text_or("reason", "leave"))
        self._tell_people("user_leave_org", userid)
        return {}

    def _tell_people(self, kind: str, userid: str) -> None:
        fields = {"timeStamp": str(self.sim.workflow.book.now()), "userId": [userid]}
        self.sim.callbacks.emit(kind, "", fields)

    def _known(self, userid: str) -> None:
        if userid not in self.sim.company.users:
            raise LookupError(userid)

    # Approval.

    async def change_template(self, request: Request, body: Fields) -> Any:
        code = request.path_params["code"]
        template = self.sim.workflow.book.templates[self.sim.process_codes.get(code, code)]
        flow = (
            flow_from([dict(row.values) for row in body.rows("flow")]) if body.has("flow") else template.flow
        )
        template.flow = flow
        template.is_enabled = body.flag_or("is_enabled", template.is_enabled)
        template.lets_withdraw = body.flag_or("lets_withdraw", template.lets_withdraw)
        return {"flow": [{**asdict(step), "actor_key": step.actor_key} for step in template.flow]}

    async def instances(self, request: Request, body: Fields) -> Any:
        """Newest first: `process_code`, `status`, `skip`, `limit` (100)."""
        query = request.query_params
        wanted = query.get("process_code", "")
        codes = (
            [self.sim.process_codes.get(wanted, wanted)] if wanted else list(self.sim.workflow.book.timelines)
        )
        skip, limit = int(query.get("skip", "0")), int(query.get("limit", "100"))
        found = []
        for code in codes:
            timeline = self.sim.workflow.book.timelines.get(code)
            for instance_id in reversed(timeline.ids if timeline else []):
                instance = self.sim.workflow.book.instances.get(instance_id)
                if instance and query.get("status", instance.status) == instance.status:
                    found.append(instance)
                if len(found) >= skip + limit:
                    break
        return {
            "total": len(self.sim.workflow.book.instances),
            "instances": [shown_instance(instance) for instance in found[skip : skip + limit]],
        }

    async def instance(self, request: Request, body: Fields) -> Any:
        return shown_instance(self._instance(request))

    async def delete_instance(self, request: Request, body: Fields) -> Any:
        self.sim.workflow.delete(self._instance(request))
        return {}

    async def decide(self, request: Request, body: Fields) -> Any:
        """As a person (`userid`; without one, whoever's task is open first): `verdict` agree or refuse."""
        task = self._open_task(self._instance(request), body)
        verdict = Verdict(body.text_or("verdict", "agree"))
        self.sim.workflow.decide(task, verdict, remark=body.text_or("remark"))
        return shown_instance(self._instance(request))

    async def redirect(self, request: Request, body: Fields) -> Any:
        task = self._open_task(self._instance(request), body)
        self.sim.workflow.hand_over(task, body.text("to_userid"), remark=body.text_or("remark"))
        return shown_instance(self._instance(request))

    async def comment(self, request: Request, body: Fields) -> Any:
        self._known(body.text("userid"))
        self.sim.workflow.comment(self._instance(request), body.text("userid"), body.text("text"))
        return shown_instance(self._instance(request))

    async def withdraw(self, request: Request, body: Fields) -> Any:
        """As the originator in the client, where the API's 15 seconds do not count."""
        instance = self._instance(request)
        self.sim.workflow.withdraw(instance, instance.originator, remark=body.text_or("remark"))
        return shown_instance(instance)

    async def tasks(self, request: Request, body: Fields) -> Any:
        userid = request.query_params.get("userid", "")
        book = self.sim.workflow.book
        people = [userid] if userid else list(book.open_tasks)
        return [shown_task(task) for person in people for task in book.open_tasks.get(person, {}).values()]

    def _instance(self, request: Request) -> Instance:
        return self.sim.workflow.book.instances[request.path_params["instance_id"]]

    def _open_task(self, instance: Instance, body: Fields) -> Task:
        userid = body.text_or("userid")
        for task in instance.tasks:
            if task.status == "RUNNING" and userid in ("", task.userid):
                return task
        if instance.status is not Status.RUNNING:
            raise ValueError(f"the instance is {instance.status}")
        raise LookupError(f"an open task of {userid or 'anybody'}")

    # Messages, cards, files.

    async def notifications(self, request: Request, body: Fields) -> Any:
        messages = self.sim.messages
        if userid := request.query_params.get("userid", ""):
            return [shown_notification(sent) for sent in messages.inbox(userid)]
        return [shown_notification(sent) for sent in messages.postbox.notifications.values()]

    async def robot_messages(self, request: Request, body: Fields) -> Any:
        return [asdict(message) for message in self.sim.messages.postbox.robot]

    async def todos(self, request: Request, body: Fields) -> Any:
        if userid := request.query_params.get("userid", ""):
            self._known(userid)
            cards = self.sim.todos.of(self.sim.company.users[userid].unionid)
        else:
            cards = list(self.sim.todos.box.todos.values())
        return [shown_todo(todo) | {"doneBy": sorted(todo.done_by)} for todo in cards]

    async def cards(self, request: Request, body: Fields) -> Any:
        return [asdict(card) for card in self.sim.messages.postbox.cards.values()]

    async def click_card(self, request: Request, body: Fields) -> Any:
        """A person presses a button: push the card's callback and apply what it answers."""
        card = self.sim.messages.postbox.cards[request.path_params["out_track_id"]]
        if card.callback_type != "HTTP":
            raise ValueError("the card has no HTTP callback")
        route = self.sim.messages.postbox.routes[card.route_key]
        private = {"actionIds": body.texts("action_ids"), "params": dict(body.part("params").values)}
        timestamp = str(self.sim.workflow.book.now())
        sent = {
            "type": "actionCallback",
            "outTrackId": card.out_track_id,
            "corpId": self.sim.identity.corp_id,
            "userId": body.text("userid"),
            "content": json.dumps({"cardPrivateData": private}, ensure_ascii=False),
        }
        headers = {
            "content-type": "application/json; charset=utf-8",
            "x-ddpaas-signature-timestamp": timestamp,
            "x-ddpaas-signature": card_signature(route.secret, timestamp),
        }
        try:
            answer = await self.sim.callbacks.postman.post(
                route.url, json.dumps(sent, ensure_ascii=False).encode(), headers, timeout_s=2.0
            )
            said = json.loads(answer.body)
        except (NoAnswer, ValueError) as error:
            raise ValueError(f"the card's callback failed: {error}") from error
        fields = Fields(said, ValueError)
        self.sim.messages.change_card(
            card,
            {key: str(value) for key, value in fields.part("cardData").part("cardParamMap").values.items()},
            by_key=fields.part("cardUpdateOptions").flag_or("updateCardDataByKey", False),
        )
        return asdict(card)

    async def upload(self, request: Request, body: Fields) -> Any:
        """What a person's client does through its JSAPI: put a file into the approval space (`data`: base64)."""
        try:
            data = b64decode(body.text("data"), validate=True)
        except Base64Error as error:
            raise ValueError("data must be base64") from error
        media_type = body.text_or("media_type", "application/octet-stream")
        await asyncio.sleep(0)
        return self.sim.files.keep(Upload(body.text("name"), media_type, data))


def shown_instance(instance: Instance) -> dict[str, Any]:
    return {
        "id": instance.id,
        "business_id": instance.business_id,
        "process_code": instance.process_code,
        "title": instance.title,
        "originator": instance.originator,
        "status": instance.status,
        "result": instance.result,
        "created_ms": instance.created_ms,
        "finished_ms": instance.finished_ms,
        "values": {value.component.label: value.value for value in instance.values},
        "nodes": [asdict(node) for node in instance.nodes],
        "tasks": [shown_task(task) for task in instance.tasks],
        "records": [asdict(record) for record in instance.records],
        "cc": list(instance.cc),
    }


def shown_task(task: Task) -> dict[str, Any]:
    return asdict(task)


def shown_notification(sent: Notification) -> dict[str, Any]:
    return asdict(sent) | {"unread": list(sent.unread), "read": list(sent.read)}
