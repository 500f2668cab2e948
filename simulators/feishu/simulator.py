"""One simulated Feishu: all its rooms, wired together, and what may be kept between two runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Any

from simulators.feishu.bot import Bot, BotMessage, Inbox
from simulators.feishu.callbacks import Callbacks
from simulators.feishu.company import FINANCE_LEAD, Company, default_document
from simulators.feishu.directory import Directory
from simulators.feishu.external import Desk, External
from simulators.feishu.files import Files
from simulators.feishu.forms import expense_definition, travel_definition
from simulators.feishu.manners import FeishuManners, wrapped
from simulators.feishu.messages import Messages, Postbox
from simulators.feishu.quick import Press, QuickCall, said_in
from simulators.feishu.settings import Identity, Settings
from simulators.feishu.signin import SignIn
from simulators.feishu.stream import Stream
from simulators.feishu.tokens import Tokens
from simulators.feishu.workflow import Book, Task, TaskStatus, Verdict, Workflow
from simulators.feishu.workflow_doors import WorkflowDoors
from simulators.stage.app import Simulated
from simulators.stage.gate import Door
from simulators.stage.post import NoAnswer


class Simulator(Simulated):
    def __init__(self, base_url: str, *, seed: int = 0, org: Mapping[str, Any] | None = None) -> None:
        super().__init__(base_url, seed)
        self.identity = Identity.from_seed(seed)
        self.settings: Settings = Settings()
        self.callbacks: Callbacks = Callbacks(self.settings, Random(seed + 1), identity=self.identity)
        self.company = Company()
        self.company.load(org or default_document())
        self.files = Files(self.base_url)
        self.tokens = Tokens(self.identity, self.settings)
        self.signin = SignIn(self.company, self.identity, self.settings, self.tokens)
        self.manners: FeishuManners = FeishuManners(
            self.identity, self.tokens, self.settings, self.signin.user_of
        )
        self.workflow = Workflow(self.company, self.files, self._tell)
        self.workflow.when_opened.append(self._approve_by_itself)
        self.approval_codes: dict[str, str] = {}
        for short, definition in (
            ("expense", expense_definition(FINANCE_LEAD)),
            ("travel", travel_definition(FINANCE_LEAD)),
        ):
            self.workflow.book.definitions[definition.approval_code] = definition
            self.approval_codes[short] = definition.approval_code
        self.directory = Directory(self.company, self.settings)
        self.workflow_doors = WorkflowDoors(self.workflow, self.files, self.callbacks, self.settings)
        self.external = External(self.company)
        self.bot = Bot(self.external)
        self.messages = Messages(self.company, self.identity, self.settings, self.callbacks)
        self.stream = Stream(self.base_url, self.identity, self.settings, self.callbacks)

    def doors(self) -> list[Door]:
        rooms = (
            self.tokens,
            self.directory,
            self.workflow_doors,
            self.external,
            self.bot,
            self.messages,
            self.files,
            self.signin,
            self.stream,
        )
        return [wrapped(door) for room in rooms for door in room.doors()]

    def facts(self) -> dict[str, Any]:
        definitions = self.workflow.book.definitions
        return {
            "base_url": self.base_url,
            "accounts_url": self.base_url,
            "file_base_url": self.base_url,
            "app_id": self.identity.app_id,
            "app_secret": self.identity.app_secret,
            "verification_token": self.identity.verification_token,
            "encrypt_key": self.identity.encrypt_key,
            "tenant_key": self.identity.tenant_key,
            "approval_codes": dict(self.approval_codes),
            "forms": {
                code: [widget.brief() for widget in definitions[code].widgets]
                for code in self.approval_codes.values()
            },
            "users": [
                {
                    "user_id": user.user_id,
                    "open_id": user.open_id,
                    "name": user.name,
                    "department_id": user.department_ids[0],
                    "union_id": user.union_id,
                    "job_title": user.job_title,
                }
                for user in self.company.users.named()
            ],
            "control_url": f"{self.base_url}/_control",
        }

    def _tell(self, kind: str, *, approval_code: str, lane: str, fields: dict[str, Any]) -> None:
        self.callbacks.emit(kind, approval_code=approval_code, lane=lane, fields=fields)
        if self.settings.approval_v2_events and kind in ("approval_instance", "approval_task"):
            self._tell_v2(kind, approval_code, lane, fields)

    def _tell_v2(self, kind: str, approval_code: str, lane: str, fields: dict[str, Any]) -> None:
        instance = self.workflow.book.instances[lane]
        event: dict[str, Any] = {
            "approval_code": approval_code,
            "instance_code": lane,
            "external_id": instance.uuid,
            "status": fields["status"],
            "operate_time": str(fields["operate_time"]),
        }
        if kind == "approval_instance":
            name = "approval.instance.status_changed_v4"
            about: dict[str, Any] = {"start_user": self._ids(instance.originator)}
        else:
            name = "approval.task.status_changed_v4"
            about = {
                "task_id": fields["task_id"],
                "task_external_id": "",
                "assigned_user": self._ids(fields["user_id"]),
            }
        self.callbacks.emit_v2(name, event | about, lane=f"{lane}/v2", approval_code=approval_code)

    async def press(self, code: str, instance_id: str, task_id: str, press: Press) -> dict[str, Any]:
        """三方快捷审批 in the to-do list. Raises ValueError with the message the person would see."""
        return await self._tell_outside(self.external.quick_call(code, instance_id, task_id, press))

    async def press_card(self, message: BotMessage, press: Press) -> dict[str, Any]:
        """The same on a card of the approval bot, which then shows what came of it."""
        call = self.bot.quick_call(message, press)
        try:
            said = await self._tell_outside(call)
        except ValueError:
            self.bot.settle(message, press, is_done=False)
            raise
        self.bot.settle(message, press, is_done=True)
        return said

    async def _tell_outside(self, call: QuickCall) -> dict[str, Any]:
        headers = {"content-type": "application/json"}
        try:
            answer = await self.callbacks.postman.post(
                call.url, call.body, headers, timeout_s=self.settings.quick_timeout_s
            )
        except NoAnswer as error:
            raise ValueError(f"操作失败，请稍后重试: {error}") from error
        if answer.status != 200:
            raise ValueError(said_in(answer.body) or f"操作失败，请稍后重试: HTTP {answer.status}")
        return {"status": answer.status, "body": answer.body.decode("utf-8", "replace")}

    def _ids(self, user_id: str) -> dict[str, str]:
        user = self.company.user(user_id)
        if user is None:
            return {"open_id": "", "user_id": "", "union_id": ""}
        return {"open_id": user.open_id, "user_id": user.user_id, "union_id": user.union_id}

    def _approve_by_itself(self, task: Task) -> None:
        after = self.settings.auto_approve_after_s
        if after is not None:
            asyncio.get_running_loop().call_later(after, self._approve, task)

    def _approve(self, task: Task) -> None:
        # A person may have been quicker, or the instance withdrawn.
        if task.status is TaskStatus.PENDING:
            self.workflow.decide(task, Verdict.APPROVE, comment="同意")

    def forget(self) -> None:
        """Back to how it started, keeping the organisation, the callback address and the subscriptions."""
        book, empty = self.workflow.book, Book()
        empty.definitions = {code: book.definitions[code] for code in self.approval_codes.values()}
        empty.last_ms, empty.last_id = book.last_ms, book.last_id
        self.workflow.book = empty
        self.external.desk, self.bot.inbox = Desk(), Inbox()
        self.messages.postbox = Postbox()
        super().forget()

    # Between two runs.

    def worth_keeping(self) -> int:
        # Any call, click or turn of the control door that is worth keeping was counted.
        return sum(self.calls.worked.values()) + self.workflow.book.last_ms

    def state(self) -> dict[str, Any]:
        return {
            "company": self.company,
            "book": self.workflow.book,
            "desk": (self.external.desk, self.bot.inbox),
            "postbox": self.messages.postbox,
            "files": (self.files.files, self.files.message_files),
            "registration": (self.callbacks.registration, self.callbacks.subscribed),
            "tokens": (self.tokens.current, self.tokens.ends),
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        for name in ("name", "departments", "users", "left"):
            setattr(self.company, name, getattr(state["company"], name))
        self.company.index()
        self.workflow.book = state["book"]
        self.external.desk, self.bot.inbox = state["desk"]
        self.messages.postbox = state["postbox"]
        self.files.files, self.files.message_files = state["files"]
        self.callbacks.registration, self.callbacks.subscribed = state["registration"]
        self.tokens.current, self.tokens.ends = state["tokens"]
