"""The control door (/_control): for tests, demos and trainers. WeCom has nothing like it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from itertools import islice
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.stage.faults import FaultRule, Harm
from simulators.stage.fields import Fields
from simulators.wecom.approval import Form, flow_from
from simulators.wecom.approval_doors import shown_form
from simulators.wecom.callbacks import Event, Fate, Place
from simulators.wecom.company import User, check_departments, read_user
from simulators.wecom.crypto import CryptoError
from simulators.wecom.errors import Refusal
from simulators.wecom.messages import Message
from simulators.wecom.simulator import Simulator

Handler = Callable[[Request, Fields], Awaitable[Any]]
CLICK_WAIT_S = 6.0


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
            ("PUT", "/trusted-domains", self.trusted_domains),
            ("PUT", "/directory", self.load_directory),
            ("PUT", "/users/{userid}", self.put_user),
            ("POST", "/users/{userid}/leave", self.leave),
            ("PUT", "/departments/{dept_id}", self.move_department),
            ("PUT", "/templates/{template_id}", self.change_template),
            ("POST", "/engine", self.start_engine),
            ("GET", "/instances", self.instances),
            ("GET", "/instances/{instance_id}", self.instance),
            ("DELETE", "/instances/{instance_id}", self.delete_instance),
            ("POST", "/instances/{instance_id}/decide", self.decide),
            ("POST", "/instances/{instance_id}/redirect", self.redirect),
            ("POST", "/instances/{instance_id}/add-signer", self.add_signer),
            ("POST", "/instances/{instance_id}/send-back", self.send_back),
            ("POST", "/instances/{instance_id}/comment", self.comment),
            ("POST", "/instances/{instance_id}/urge", self.urge),
            ("POST", "/instances/{instance_id}/withdraw", self.withdraw),
            ("POST", "/instances/{instance_id}/pay", self.pay),
            ("GET", "/tasks", self.tasks),
            ("GET", "/messages", self.messages),
            ("POST", "/messages/{msgid}/click", self.click),
            ("GET", "/workbench", self.workbench),
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
            except (ValueError, Refusal, CryptoError) as error:
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
        """`kind`: app (approvals, cards) or contacts; an empty `url` takes the address away."""
        place = Place(body.text_or("kind", Place.APP))
        if not body.text_or("url"):
            self.sim.callbacks.registrations.pop(place, None)
            return {"ok": True, "detail": "no callback address any more"}
        said = await self.sim.callbacks.register(
            place,
            body.text("url"),
            token=body.text_or("token"),
            aes_key=body.text_or("aes_key"),
            check=body.flag_or("check", True),
        )
        return {"ok": said == "success", "detail": said}

    async def callback(self, request: Request, body: Fields) -> Any:
        urls = {place: row.url for place, row in self.sim.callbacks.registrations.items()}
        return {
            "url": urls.get(Place.APP),
            "contacts_url": urls.get(Place.CONTACTS),
            "spoiling": asdict(self.sim.callbacks.spoiling),
            "failed": sum(1 for event in self.sim.callbacks.events if event.fate is Fate.FAILED),
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
        place = Place(body.text_or("place", Place.APP))
        fields = dict(body.part("fields").values)
        sender = body.text_or("from_user", "sys")
        event = self.sim.callbacks.tell(place, body.text("kind"), body.text_or("lane"), sender, fields)
        return event.shown()

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
        self.sim.tokens.expire(forget=body.flag_or("forget", False))
        return {}

    async def code(self, request: Request, body: Fields) -> Any:
        """A sign-in code of a member; without `userid`, of somebody from outside the corp."""
        userid = body.text_or("userid")
        if userid:
            self._known(userid)
        return {"code": self.sim.signin.new_code(userid, is_private=body.flag_or("private", False))}

    async def trusted_domains(self, request: Request, body: Fields) -> Any:
        self.sim.signin.trusted_domains = body.texts("domains")
        return {}

    async def load_directory(self, request: Request, body: Fields) -> Any:
        self.sim.company.load(body.values)
        return {"departments": len(self.sim.company.departments), "users": len(self.sim.company.users)}

    async def put_user(self, request: Request, body: Fields) -> Any:
        userid = request.path_params["userid"]
        user = read_user(Fields({**body.values, "userid": userid}, ValueError))
        check_departments(self.sim.company, user)
        is_new = self.sim.company.put_user(user)
        departments = ",".join(str(dept_id) for dept_id in user.departments)
        change = "create_user" if is_new else "update_user"
        self.sim.tell_contacts(change, {"UserID": userid, "Department": departments}, contact_fields(user))
        return {"is_new": is_new}

    async def leave(self, request: Request, body: Fields) -> Any:
        userid = request.path_params["userid"]
        self._known(userid)
        self.sim.company.let_go(userid)
        self.sim.tell_contacts("delete_user", {"UserID": userid})
        return {}

    async def move_department(self, request: Request, body: Fields) -> Any:
        department = self.sim.company.departments[int(request.path_params["dept_id"])]
        department.name = body.text_or("name", department.name)
        department.parentid = body.number_or("parentid", department.parentid)
        self.sim.company.index()
        fields = {"Id": department.id, "ParentId": department.parentid}
        self.sim.tell_contacts("update_party", fields, {"Name": department.name})
        return asdict(department)

    def _known(self, userid: str) -> None:
        if userid not in self.sim.company.users:
            raise LookupError(userid)

    # Approval.

    async def change_template(self, request: Request, body: Fields) -> Any:
        """`flow`, `is_usable`; `drop` and `rename` change the controls under a client's feet."""
        name = request.path_params["template_id"]
        book = self.sim.workflow.book
        template = book.templates.get(name) or book.engine_templates.get(name)
        template = template or book.templates[self.sim.template_ids[name]]
        if body.has("flow"):
            template.flow = flow_from([dict(row.values) for row in body.rows("flow")])
        template.is_usable = body.flag_or("is_usable", template.is_usable)
        gone = set(body.texts("drop"))
        template.controls = [row for row in template.controls if gone.isdisjoint((row.id, row.title))]
        for before, after in body.part("rename").values.items():
            for control in template.controls:
                control.title = str(after) if control.title == before else control.title
        return {
            "flow": [asdict(step) for step in template.flow],
            "controls": [(row.id, row.title) for row in template.controls],
        }

    async def start_engine(self, request: Request, body: Fields) -> Any:
        """As thirdPartyOpenPage in the client: `third_no`, `template_id` (or expense/travel), `userid`, `fields`."""
        self._known(body.text("userid"))
        template_id = body.text("template_id")
        form = self.sim.workflow.start_engine(
            third_no=body.text("third_no"),
            template_id=self.sim.engine_template_ids.get(template_id, template_id),
            userid=body.text("userid"),
            extra=[{key: str(value) for key, value in row.values.items()} for row in body.rows("fields")],
        )
        return shown_instance(form)

    async def instances(self, request: Request, body: Fields) -> Any:
        """Newest first: `template_id`, `status`, `skip`, `limit` (100)."""
        query = request.query_params
        wanted = self.sim.template_ids.get(query.get("template_id", ""), query.get("template_id", ""))
        skip, limit = int(query.get("skip", "0")), int(query.get("limit", "100"))
        found = (
            form
            for form in reversed(self.sim.workflow.book.forms.values())
            if wanted in ("", form.template_id) and query.get("status", form.status.name) == form.status.name
        )
        return {
            "total": len(self.sim.workflow.book.forms),
            "instances": [shown_instance(form) for form in islice(found, skip, skip + limit)],
        }

    async def instance(self, request: Request, body: Fields) -> Any:
        return shown_instance(self._form(request))

    async def delete_instance(self, request: Request, body: Fields) -> Any:
        self.sim.workflow.delete(self._form(request))
        return {}

    async def decide(self, request: Request, body: Fields) -> Any:
        """As a person (`userid`; without one, whoever is asked first): `verdict` agree or reject."""
        form = self._form(request)
        userid, speech = self._asked(form, body), body.text_or("remark")
        match body.text_or("verdict", "agree"):
            case "agree":
                self.sim.workflow.agree(form, userid, speech=speech)
            case "reject" | "refuse":
                self.sim.workflow.reject(form, userid, speech=speech)
            case other:
                raise ValueError(f"verdict must be agree or reject, not {other}")
        return shown_instance(form)

    async def redirect(self, request: Request, body: Fields) -> Any:
        form = self._form(request)
        userid = self._asked(form, body)
        self.sim.workflow.hand_over(form, userid, body.text("to_userid"), speech=body.text_or("remark"))
        return shown_instance(form)

    async def add_signer(self, request: Request, body: Fields) -> Any:
        """`to_userid`, and `after`: true agrees and passes on (13), false asks the other one first (12)."""
        form = self._form(request)
        self.sim.workflow.add_signer(
            form,
            self._asked(form, body),
            body.text("to_userid"),
            after=body.flag_or("after", False),
            speech=body.text_or("remark"),
        )
        return shown_instance(form)

    async def send_back(self, request: Request, body: Fields) -> Any:
        """To the approvers of `node`, counted from 0."""
        form = self._form(request)
        userid = self._asked(form, body)
        self.sim.workflow.send_back(form, userid, body.number_or("node", 0), speech=body.text_or("remark"))
        return shown_instance(form)

    async def comment(self, request: Request, body: Fields) -> Any:
        form = self._form(request)
        self._known(body.text("userid"))
        self.sim.workflow.comment(form, body.text("userid"), body.text("text"))
        return shown_instance(form)

    async def urge(self, request: Request, body: Fields) -> Any:
        form = self._form(request)
        self.sim.workflow.urge(form, form.applicant)
        return shown_instance(form)

    async def withdraw(self, request: Request, body: Fields) -> Any:
        """As the applicant in the client; also once it is approved."""
        form = self._form(request)
        self.sim.workflow.withdraw(form, form.applicant, speech=body.text_or("remark"))
        return shown_instance(form)

    async def pay(self, request: Request, body: Fields) -> Any:
        form = self._form(request)
        self.sim.workflow.pay(form)
        return shown_instance(form)

    async def tasks(self, request: Request, body: Fields) -> Any:
        userid = request.query_params.get("userid", "")
        waiting = self.sim.workflow.book.waiting
        people = [userid] if userid else list(waiting)
        return [
            {"userid": person, "no": form.no, "name": form.name, "node": form.place}
            for person in people
            for form in waiting.get(person, {}).values()
        ]

    def _form(self, request: Request) -> Form:
        """By sp_no or thirdNo."""
        return self.sim.workflow.book.find(request.path_params["instance_id"])

    def _asked(self, form: Form, body: Fields) -> str:
        userid = body.text_or("userid")
        if userid:
            return userid
        for sub in form.nodes[min(form.place, len(form.nodes) - 1)].subs:
            if sub.is_asked:
                return sub.userid
        raise ValueError(f"nobody is asked, the form is {form.status.name}")

    # Messages.

    async def messages(self, request: Request, body: Fields) -> Any:
        messages = self.sim.messages
        if userid := request.query_params.get("userid", ""):
            return [shown_message(message) for message in messages.of(userid)]
        return [shown_message(message) for message in messages.postbox.messages.values()]

    async def click(self, request: Request, body: Fields) -> Any:
        """A person presses a button: push the event, wait for the answer, show what became of the card."""
        postbox = self.sim.messages.postbox
        msgid = request.path_params["msgid"]
        message = postbox.messages.get(msgid) or postbox.messages[postbox.task_ids[msgid]]
        selected = {str(key): list(ids) for key, ids in body.part("selected").values.items()}
        event = self.sim.messages.click(message, body.text("userid"), body.text("key"), selected)
        await answered(event)
        return shown_message(message) | {"event": event.shown()}

    async def workbench(self, request: Request, body: Fields) -> Any:
        return {"template": self.sim.workbench.template, "tiles": self.sim.workbench.tiles}


async def answered(event: Event) -> None:
    ends = time.monotonic() + CLICK_WAIT_S
    while event.fate is Fate.WAITING and not event.attempts and time.monotonic() < ends:
        await asyncio.sleep(0.005)


def contact_fields(user: User) -> dict[str, Any]:
    return {
        "Name": user.name,
        "MainDepartment": user.main_department,
        "DirectLeader": ",".join(user.direct_leader),
        "Position": user.position,
        "Mobile": user.mobile,
        "Gender": int(user.gender or 0),
        "Email": user.email,
        "BizMail": user.biz_mail,
        "Status": user.status,
    }


def shown_instance(form: Form) -> dict[str, Any]:
    nodes = [
        {
            "type": node.type,
            "rel": node.rel,
            "status": node.status.name,
            "people": [
                {
                    "userid": sub.userid,
                    "deed": sub.deed.name,
                    "is_asked": sub.is_asked,
                    "speech": sub.speech,
                    "at_ms": sub.at_ms,
                }
                for sub in node.subs
            ],
        }
        for node in form.nodes
    ]
    return {
        "id": form.no,
        "template_id": form.template_id,
        "title": form.name,
        "applicant": form.applicant,
        "status": form.status.name,
        "sp_status": form.status,
        "created_ms": form.created_ms,
        "finished_ms": form.finished_ms,
        "is_engine": form.is_engine,
        "values": {control.title: form.values.get(control.id, {}) for control in form.controls},
        "extra": form.extra,
        "summary": form.summary,
        "place": form.place,
        "nodes": nodes,
        "records": [asdict(record) | {"change": record.change.name} for record in form.records],
        "comments": [asdict(comment) for comment in form.comments],
        "cc": form.notifyers,
        "detail": None if form.is_engine else shown_form(form),
    }


def shown_message(message: Message) -> dict[str, Any]:
    return asdict(message)
