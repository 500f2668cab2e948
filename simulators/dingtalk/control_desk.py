"""The part of the control door about what stands on people's desks: 流程中心, to-dos, cards, messages, files."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import asdict
from typing import Any

from starlette.requests import Request

from simulators.dingtalk.callbacks import card_signature
from simulators.dingtalk.centre import CentreInstance
from simulators.dingtalk.messages import Notification
from simulators.dingtalk.simulator import Simulator
from simulators.dingtalk.stream import CARD_TOPIC
from simulators.dingtalk.todo import shown_todo
from simulators.dingtalk.workflow import Verdict
from simulators.stage.company_door import CompanyDoor
from simulators.stage.control import Table
from simulators.stage.fields import Fields
from simulators.stage.gate import Upload
from simulators.stage.post import NoAnswer

CARD_TIMEOUT_S = 2.0


class DeskDoor(CompanyDoor[Simulator]):
    def desk_table(self) -> Table:
        return [
            ("GET", "/centre/templates", self.centre_templates),
            ("GET", "/centre/instances", self.centre_instances),
            ("GET", "/centre/instances/{instance_id}", self.centre_instance),
            ("GET", "/centre/tasks", self.centre_tasks),
            ("POST", "/centre/tasks/{task_id}/press", self.press),
            ("PUT", "/data-sources/{api_key}", self.put_data_source),
            ("GET", "/notifications", self.notifications),
            ("GET", "/robot-messages", self.robot_messages),
            ("GET", "/todos", self.todos),
            ("POST", "/todos/{todo_id}/press", self.press_todo),
            ("GET", "/cards", self.cards),
            ("POST", "/cards/{out_track_id}/click", self.click_card),
            ("POST", "/files", self.upload),
        ]

    # 流程中心: flows of the app's own.

    async def centre_templates(self, request: Request, body: Fields) -> Any:
        return [asdict(template) for template in self.sim.centre.box.templates.values()]

    async def centre_instances(self, request: Request, body: Fields) -> Any:
        return [shown_centre(instance) for instance in self.sim.centre.box.instances.values()]

    async def centre_instance(self, request: Request, body: Fields) -> Any:
        return shown_centre(self.sim.centre.box.instances[request.path_params["instance_id"]])

    async def centre_tasks(self, request: Request, body: Fields) -> Any:
        """What is open: of `userid`, or of everybody."""
        box = self.sim.centre.box
        userid = request.query_params.get("userid", "")
        people = [userid] if userid else list(box.open_tasks)
        return [asdict(task) for person in people for task in box.open_tasks.get(person, {}).values()]

    async def press(self, request: Request, body: Fields) -> Any:
        """As a person: 同意 or 拒绝 (`verdict` agree or refuse, `remark`) where the task has those buttons."""
        task = self.sim.centre.box.tasks[int(request.path_params["task_id"])]
        verdict = Verdict(body.text_or("verdict", "agree"))
        said = await self.sim.centre.press(task, str(verdict), body.text_or("remark"))
        return {"said": said, "task": asdict(task)}

    async def put_data_source(self, request: Request, body: Fields) -> Any:
        """As an administrator in 数据源管理: where the gateway sends what is pressed. An empty `url` removes it."""
        sources = self.sim.centre.data_sources
        api_key = request.path_params["api_key"]
        sources.pop(api_key, None)
        if body.has("url"):
            sources[api_key] = body.text("url")
        return dict(sources)

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
            self.known(userid)
            cards = self.sim.todos.of(self.sim.company.users[userid].unionid)
        else:
            cards = list(self.sim.todos.box.todos.values())
        return [shown_todo(todo) | {"doneBy": sorted(todo.done_by)} for todo in cards]

    async def press_todo(self, request: Request, body: Fields) -> Any:
        """A person presses a button of the card (`action_key`): what the app answered."""
        todo = self.sim.todos.box.todos[request.path_params["todo_id"]]
        return {"said": await self.sim.todos.press(todo, body.text("action_key"))}

    async def cards(self, request: Request, body: Fields) -> Any:
        return [asdict(card) for card in self.sim.messages.postbox.cards.values()]

    async def click_card(self, request: Request, body: Fields) -> Any:
        """A person presses a button: push the card's callback and apply what it answers."""
        card = self.sim.messages.postbox.cards[request.path_params["out_track_id"]]
        private = {"actionIds": body.texts("action_ids"), "params": dict(body.part("params").values)}
        sent = {
            "type": "actionCallback",
            "outTrackId": card.out_track_id,
            "corpId": self.sim.identity.corp_id,
            "userId": body.text("userid"),
            "content": json.dumps({"cardPrivateData": private}, ensure_ascii=False),
        }
        try:
            match card.callback_type:
                case "STREAM":
                    said = await self.sim.stream.ask_callback(CARD_TOPIC, sent, timeout_s=CARD_TIMEOUT_S)
                case "HTTP":
                    said = await self._post_click(card.route_key, sent)
                case _:
                    raise ValueError("the card has no callback")
        except (NoAnswer, ValueError) as error:
            raise ValueError(f"the card's callback failed: {error}") from error
        fields = Fields(said, ValueError)
        self.sim.messages.change_card(
            card,
            {key: str(value) for key, value in fields.part("cardData").part("cardParamMap").values.items()},
            by_key=fields.part("cardUpdateOptions").flag_or("updateCardDataByKey", False),
        )
        return asdict(card)

    async def _post_click(self, route_key: str, sent: dict[str, Any]) -> Any:
        route = self.sim.messages.postbox.routes[route_key]
        timestamp = str(self.sim.workflow.book.now())
        headers = {
            "content-type": "application/json; charset=utf-8",
            "x-ddpaas-signature-timestamp": timestamp,
            "x-ddpaas-signature": card_signature(route.secret, timestamp),
        }
        data = json.dumps(sent, ensure_ascii=False).encode()
        answer = await self.sim.callbacks.postman.post(route.url, data, headers, timeout_s=CARD_TIMEOUT_S)
        return json.loads(answer.body)

    async def upload(self, request: Request, body: Fields) -> Any:
        """What a person's client does through its JSAPI: put a file into the approval space (`data`: base64)."""
        try:
            data = b64decode(body.text("data"), validate=True)
        except Base64Error as error:
            raise ValueError("data must be base64") from error
        media_type = body.text_or("media_type", "application/octet-stream")
        await asyncio.sleep(0)
        return self.sim.files.keep(Upload(body.text("name"), media_type, data))


def shown_centre(instance: CentreInstance) -> dict[str, Any]:
    values = {value.component.label: value.value for value in instance.values}
    return asdict(instance) | {"values": values}


def shown_notification(sent: Notification) -> dict[str, Any]:
    return asdict(sent) | {"unread": list(sent.unread), "read": list(sent.read)}
