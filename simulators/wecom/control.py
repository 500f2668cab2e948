"""The control door (/_control): for tests, demos and trainers. WeCom has nothing like it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from itertools import islice
from typing import Any

from starlette.requests import Request

from simulators.stage.company_door import CompanyDoor
from simulators.stage.control import Table
from simulators.stage.fields import Fields
from simulators.stage.pushing import Fate
from simulators.wecom.approval import Form, flow_from
from simulators.wecom.approval_doors import shown_form
from simulators.wecom.callbacks import Place, Push
from simulators.wecom.company import Company, Department, User
from simulators.wecom.crypto import CryptoError
from simulators.wecom.errors import Refusal
from simulators.wecom.messages import Message
from simulators.wecom.simulator import Simulator

CLICK_WAIT_S = 6.0


class Control(CompanyDoor[Simulator]):
    refusals = (ValueError, Refusal, CryptoError)
    user_key, department_key = "userid", "id"
    read_key = int

    def table(self) -> Table:
        return [
            *self.company_table(),
            ("PUT", "/callback", self.register),
            ("GET", "/callback", self.callback),
            ("POST", "/events", self.emit),
            ("POST", "/tokens/expire", self.expire_tokens),
            ("POST", "/codes", self.code),
            ("PUT", "/trusted-domains", self.trusted_domains),
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
            ("POST", "/users/{user}/rename", self.rename),
            ("GET", "/quota", self.quota),
            ("PUT", "/quota", self.set_quota),
        ]

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
            "spoiling": self.sim.callbacks.spoiling.shown(),
            "failed": sum(1 for event in self.sim.callbacks.events if event.fate is Fate.FAILED),
            "under_way": len(self.sim.callbacks.tasks),
        }

    async def emit(self, request: Request, body: Fields) -> Any:
        """Any event at all: for types nobody expects."""
        place = Place(body.text_or("place", Place.APP))
        fields = dict(body.part("fields").values)
        sender = body.text_or("from_user", "sys")
        event = self.sim.callbacks.tell(place, body.text("kind"), body.text_or("lane"), sender, fields)
        return event.shown()

    # Sign-in and people.

    async def expire_tokens(self, request: Request, body: Fields) -> Any:
        self.sim.tokens.expire(forget=body.flag_or("forget", False))
        return {}

    async def code(self, request: Request, body: Fields) -> Any:
        """A sign-in code of a member; without `userid`, of somebody from outside the corp."""
        userid = body.text_or("userid")
        if userid:
            self.known(userid)
        return {"code": self.sim.signin.new_code(userid, is_private=body.flag_or("private", False))}

    async def trusted_domains(self, request: Request, body: Fields) -> Any:
        self.sim.signin.trusted_domains = body.texts("domains")
        return {}

    # Directory changes, told to the 通讯录同步助手 alone.

    @property
    def company(self) -> Company:
        return self.sim.company

    def tell_user(self, before: User | None, now: User) -> None:
        """An address saved today hears of new departments only, and of nobody's new title."""
        if before is None:
            self.sim.tell_contacts("create_user", user_ids(now), self._all_of(now))
        elif self.sim.settings.full_contact_events or before.departments != now.departments:
            self.sim.tell_contacts("update_user", user_ids(now), self._all_of(now))

    async def rename(self, request: Request, body: Fields) -> Any:
        """`to`: a member's other userid, which a system-made one may get once."""
        before = self.known(request.path_params["user"])
        now = self.company.rename(before.userid, body.text("to", most=64))
        fields = user_ids(now) | {"UserID": before.userid, "NewUserID": now.userid}
        self.sim.tell_contacts("update_user", fields, self._all_of(now))
        return {"userid": now.userid}

    def _all_of(self, user: User) -> dict[str, Any]:
        leads = [int(user.userid in self.company.departments[key].leaders) for key in user.departments]
        return contact_fields(user) | {"IsLeaderInDept": ",".join(map(str, leads))}

    def tell_leaving(self, user: User) -> None:
        self.sim.tell_contacts("delete_user", {"UserID": user.userid})

    def tell_department(self, before: Department | None, now: Department | None) -> None:
        if now is None:
            assert before is not None
            self.sim.tell_contacts("delete_party", {"Id": before.id})
            return
        fields = {"Id": now.id, "ParentId": now.parentid}
        if before is None:
            self.sim.tell_contacts("create_party", fields, {"Name": now.name, "Order": now.order})
        elif self.sim.settings.full_contact_events or before.parentid != now.parentid:
            self.sim.tell_contacts("update_party", fields, {"Name": now.name})

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
        self.known(body.text("userid"))
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
        self.known(body.text("userid"))
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

    async def quota(self, request: Request, body: Fields) -> Any:
        """Of app messages today, in person-times; `dropped`: over what one member may get, in silence."""
        messages = self.sim.messages
        limit, used = self.sim.settings.daily_messages, messages.used_today()
        left = None if limit is None else max(0, limit - used)
        return {"limit": limit, "used": used, "left": left, "dropped": messages.postbox.dropped}

    async def set_quota(self, request: Request, body: Fields) -> Any:
        """`left` person-times for the rest of the day."""
        self.sim.settings.change({"daily_messages": self.sim.messages.used_today() + body.number("left")})
        return await self.quota(request, body)

    async def workbench(self, request: Request, body: Fields) -> Any:
        return {"template": self.sim.workbench.template, "tiles": self.sim.workbench.tiles}


async def answered(event: Push) -> None:
    ends = time.monotonic() + CLICK_WAIT_S
    while event.fate is Fate.WAITING and not event.attempts and time.monotonic() < ends:
        await asyncio.sleep(0.005)


def user_ids(user: User) -> dict[str, Any]:
    return {"UserID": user.userid, "Department": ",".join(map(str, user.departments))}


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
        "Avatar": user.avatar,
        "Alias": user.alias,
        "Telephone": user.telephone,
        "Address": user.address,
        "ExtAttr": {
            "Item": [
                {"Name": name, "Type": 0, "Text": {"Value": text}} for name, text in user.extattr.items()
            ]
        },
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
