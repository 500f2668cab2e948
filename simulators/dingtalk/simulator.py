"""One simulated DingTalk: all its rooms, wired together, and what may be kept between two runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Any

from simulators.dingtalk.callbacks import Callbacks
from simulators.dingtalk.centre import Centre, CentreBox
from simulators.dingtalk.centre_doors import CentreDoors
from simulators.dingtalk.company import FINANCE_LEAD, Company, default_document
from simulators.dingtalk.directory import Directory
from simulators.dingtalk.files import Files
from simulators.dingtalk.forms import expense_template, travel_template
from simulators.dingtalk.manners import DingTalkManners
from simulators.dingtalk.messages import Messages, Postbox
from simulators.dingtalk.settings import Identity, Settings
from simulators.dingtalk.signin import SignIn
from simulators.dingtalk.stream import Stream
from simulators.dingtalk.todo import TodoBox, Todos
from simulators.dingtalk.tokens import Tokens
from simulators.dingtalk.workflow import Book, Task, Verdict, Workflow
from simulators.dingtalk.workflow_doors import WorkflowDoors
from simulators.stage.app import Simulated
from simulators.stage.gate import Door


class Simulator(Simulated):
    def __init__(self, base_url: str, *, seed: int = 0, org: Mapping[str, Any] | None = None) -> None:
        super().__init__(base_url, seed)
        self.identity = Identity.from_seed(seed)
        self.settings: Settings = Settings()
        self.stream = Stream(base_url, self.identity, self.settings, Random(seed + 2))
        self.callbacks: Callbacks = Callbacks(
            self.settings, Random(seed + 1), identity=self.identity, stream=self.stream
        )
        self.process_codes: dict[str, str] = {}
        self.company = Company()
        self.company.load(org or default_document())
        self.files = Files(self.base_url)
        self.tokens = Tokens(self.identity, self.settings)
        self.manners: DingTalkManners = DingTalkManners(self.tokens, self.settings)
        self.workflow = Workflow(self.company, self.settings, self.callbacks.emit, self.page_of)
        self.workflow.when_opened.append(self._agree_by_itself)
        for short, template in (
            ("expense", expense_template(FINANCE_LEAD)),
            ("travel", travel_template(FINANCE_LEAD)),
        ):
            template.created_ms = template.modified_ms = self.workflow.book.now()
            self.workflow.book.templates[template.process_code] = template
            self.process_codes[short] = template.process_code
        self.directory = Directory(self.company)
        self.workflow_doors = WorkflowDoors(self.workflow, self.files, self.identity)
        self.centre = Centre(self.identity, self.workflow.book, self.callbacks.postman)
        self.todos = Todos(self.company, self.workflow.book, self.callbacks.postman)
        self.messages = Messages(self.company, self.identity, self.workflow.book)
        self.signin = SignIn(self.company, self.identity, self.settings)

    def doors(self) -> list[Door]:
        rooms = (
            self.tokens,
            self.directory,
            self.workflow_doors,
            CentreDoors(self.centre, self.workflow),
            self.todos,
            self.messages,
            self.files,
            self.signin,
            self.callbacks,
            self.stream,
        )
        return [door for room in rooms for door in room.doors()]

    def page_of(self, userid: str, instance_id: str) -> str:
        return f"{self.base_url}/u/{userid}/instances/{instance_id}"

    def facts(self) -> dict[str, Any]:
        return {
            "base_url": self.base_url,
            "oapi_base_url": self.base_url,
            "app_key": self.identity.app_key,
            "app_secret": self.identity.app_secret,
            "corp_id": self.identity.corp_id,
            "agent_id": self.identity.agent_id,
            "robot_code": self.identity.app_key,
            "push_mode": self.settings.push_mode,
            "data_source_key": self.identity.data_source_key,
            "token": self.identity.token,
            "aes_key": self.identity.aes_key,
            "process_codes": dict(self.process_codes),
            "forms": {code: self._form(code) for code in self.process_codes.values()},
            "users": [
                {
                    "userid": user.userid,
                    "name": user.name,
                    # As workflow calls want it: the root department is -1 there.
                    "dept_id": -1 if user.dept_ids[0] == 1 else user.dept_ids[0],
                    "unionid": user.unionid,
                    "title": user.title,
                }
                for user in self.company.users.named()
            ],
            "control_url": f"{self.base_url}/_control",
        }

    def _form(self, code: str) -> list[dict[str, Any]]:
        return [
            {
                "name": component.label,
                "component_type": component.kind,
                "required": component.required,
                "children": [
                    {"name": child.label, "component_type": child.kind, "required": child.required}
                    for child in component.children
                ],
            }
            for component in self.workflow.book.templates[code].components
        ]

    def _agree_by_itself(self, task: Task) -> None:
        after = self.settings.auto_agree_after_s
        if after is not None:
            asyncio.get_running_loop().call_later(after, self._agree, task)

    def _agree(self, task: Task) -> None:
        # A person may have been quicker, or the instance withdrawn.
        if self.workflow.book.open_tasks.get(task.userid, {}).get(task.id) is task:
            self.workflow.decide(task, Verdict.AGREE, remark="同意")

    def forget(self) -> None:
        """Back to how it started, keeping the organisation, templates of 流程中心 and how events are told."""
        push_mode = self.settings.push_mode
        book, empty = self.workflow.book, Book()
        empty.templates = {code: book.templates[code] for code in self.process_codes.values()}
        empty.last_ms, empty.last_task = book.last_ms, book.last_task
        self._take(empty)
        self.todos.box = TodoBox()
        self.centre.box = CentreBox(templates=self.centre.box.templates)
        self.messages.postbox = Postbox()
        super().forget()
        self.settings.push_mode = push_mode

    def _take(self, book: Book) -> None:
        for room in (self.workflow, self.todos, self.messages, self.centre):
            room.book = book

    # Between two runs.

    def worth_keeping(self) -> int:
        # Anything of the kind came through a call, a click or the control door, and told the clock.
        return self.workflow.book.last_ms

    def state(self) -> dict[str, Any]:
        return {
            "company": self.company,
            "book": self.workflow.book,
            "box": self.todos.box,
            "postbox": self.messages.postbox,
            "files": (self.files.space_id, self.files.files, self.files.media),
            "centre": (self.centre.box, self.centre.data_sources),
            "registration": self.callbacks.registration,
            "push_mode": self.settings.push_mode,
            "tokens": (self.tokens.current, self.tokens.ends),
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        for name in ("departments", "users", "left"):
            setattr(self.company, name, getattr(state["company"], name))
        self.company.index()
        self._take(state["book"])
        self.todos.box, self.messages.postbox = state["box"], state["postbox"]
        self.files.space_id, self.files.files, self.files.media = state["files"]
        self.centre.box, self.centre.data_sources = state["centre"]
        self.callbacks.registration = state["registration"]
        self.settings.push_mode = state["push_mode"]
        self.tokens.current, self.tokens.ends = state["tokens"]
