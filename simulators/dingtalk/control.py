"""The control door (/_control): for tests, demos and trainers. DingTalk has nothing like it."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from starlette.requests import Request

from simulators.dingtalk.company import Company, Department, User
from simulators.dingtalk.control_desk import DeskDoor
from simulators.dingtalk.errors import NewRefusal
from simulators.dingtalk.workflow import Instance, Status, Task, Verdict, flow_from
from simulators.stage.control import Table
from simulators.stage.fields import Fields


class Control(DeskDoor):
    refusals = (ValueError, NewRefusal)
    user_key, department_key = "userid", "dept_id"
    read_key = int
    stands_for = {"dept_id": "dept_id_list"}

    def table(self) -> Table:
        return [
            *self.company_table(),
            ("PUT", "/callback", self.register),
            ("GET", "/callback", self.callback),
            ("GET", "/stream", self.stream),
            ("POST", "/stream/ping", self.ping),
            ("POST", "/stream/disconnect", self.disconnect),
            ("POST", "/events", self.emit),
            ("POST", "/tokens/expire", self.expire_tokens),
            ("POST", "/codes", self.code),
            ("PUT", "/redirect-uris", self.redirect_uris),
            ("PUT", "/templates/{code}", self.change_template),
            ("GET", "/instances", self.instances),
            ("GET", "/instances/{instance_id}", self.instance),
            ("DELETE", "/instances/{instance_id}", self.delete_instance),
            ("POST", "/instances/{instance_id}/decide", self.decide),
            ("POST", "/instances/{instance_id}/redirect", self.redirect),
            ("POST", "/instances/{instance_id}/comment", self.comment),
            ("POST", "/instances/{instance_id}/withdraw", self.withdraw),
            ("POST", "/instances/{instance_id}/revoke", self.revoke),
            ("GET", "/tasks", self.tasks),
            *self.desk_table(),
        ]

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
            "spoiling": self.sim.callbacks.spoiling.shown(),
            "failed": len(self.sim.callbacks.failed),
            "under_way": len(self.sim.callbacks.tasks),
        }

    async def stream(self, request: Request, body: Fields) -> Any:
        return self.sim.stream.shown()

    async def ping(self, request: Request, body: Fields) -> Any:
        """Ping every connection; how many answered rightly."""
        answers = await asyncio.gather(*(self.sim.stream.ping(line) for line in self.sim.stream.lines))
        return {"pinged": len(answers), "answered": sum(answers)}

    async def disconnect(self, request: Request, body: Fields) -> Any:
        """Every connection is told to go (`reason`), or with `abrupt` cut without a word."""
        lines, stream = list(self.sim.stream.lines), self.sim.stream
        if body.flag_or("abrupt", False):
            await asyncio.gather(*(stream.cut(line) for line in lines))
        else:
            reason = body.text_or("reason", "persistent connection is timeout")
            await asyncio.gather(*(stream.send_away(line, reason) for line in lines))
        return {"connections": len(lines)}

    async def emit(self, request: Request, body: Fields) -> Any:
        """Any event at all: for types nobody expects."""
        self.sim.callbacks.emit(body.text("kind"), body.text_or("lane"), dict(body.part("fields").values))
        return {}

    # Sign-in and people.

    async def expire_tokens(self, request: Request, body: Fields) -> Any:
        self.sim.tokens.expire()
        return {}

    async def code(self, request: Request, body: Fields) -> Any:
        userid = body.text("userid")
        self.known(userid)
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

    @property
    def company(self) -> Company:
        return self.sim.company

    def tell_user(self, before: User | None, now: User) -> None:
        """Of the fields of the organisation alone, and by the names the event gives them."""
        fields: dict[str, Any] = {}
        if before is not None:
            old, new = org_fields(before), org_fields(now)
            changed = [name for name in old if old[name] != new[name]]
            diff = {
                "userid": now.userid,
                "prev": {name: old[name] for name in changed},
                "curr": {name: new[name] for name in changed},
            }
            fields["diffInfo"] = diff
        self._tell_people("user_add_org" if before is None else "user_modify_org", now.userid, fields)

    def tell_leaving(self, user: User) -> None:
        self._tell_people("user_leave_org", user.userid, {})

    def _tell_people(self, kind: str, userid: str, more: dict[str, Any]) -> None:
        fields = {"timeStamp": str(self.sim.workflow.book.now()), "userId": [userid], **more}
        self.sim.callbacks.emit(kind, "", fields)

    def tell_department(self, before: Department | None, now: Department | None) -> None:
        kind = "remove" if now is None else "create" if before is None else "modify"
        department = now or before
        assert department is not None
        self.sim.workflow.book.now()
        self.sim.callbacks.emit(f"org_dept_{kind}", "", {"deptId": [department.dept_id]})

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
        self.known(body.text("userid"))
        self.sim.workflow.comment(self._instance(request), body.text("userid"), body.text("text"))
        return shown_instance(self._instance(request))

    async def withdraw(self, request: Request, body: Fields) -> Any:
        """As the originator in the client, where the API's 15 seconds do not count."""
        instance = self._instance(request)
        self.sim.workflow.withdraw(instance, instance.originator, remark=body.text_or("remark"))
        return shown_instance(instance)

    async def revoke(self, request: Request, body: Fields) -> Any:
        """As the originator, of an approved one: the revocation, which is still to be decided."""
        return shown_instance(
            self.sim.workflow.revoke(self._instance(request), remark=body.text_or("remark"))
        )

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


def org_fields(user: User) -> dict[str, Any]:
    """What an event says of a changed person (通讯录用户更改: diffInfo)."""
    return {
        "name": user.name,
        "jobNumber": user.job_number,
        "email": user.email,
        "workPlace": user.work_place,
        "managerUserid": user.manager_userid,
        "hiredDate": str(user.hired_date or ""),
    }


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
        "revokes": instance.revokes,
        "revocations": list(instance.revocations),
        "is_revoked": instance.is_revoked,
    }


def shown_task(task: Task) -> dict[str, Any]:
    return asdict(task)
