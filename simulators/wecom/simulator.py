"""The whole simulator, wired: rooms that know one another only as far as they need."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Any

from simulators.stage.app import Simulated
from simulators.stage.gate import Door
from simulators.wecom.approval import Book, Form, Sub, Workflow
from simulators.wecom.approval_doors import ApprovalDoors
from simulators.wecom.built_in import expense_template, own_flow, travel_template
from simulators.wecom.callbacks import Callbacks, Place
from simulators.wecom.company import FINANCE_LEAD, Company, User, default_document
from simulators.wecom.directory import Directory
from simulators.wecom.events import Herald
from simulators.wecom.forms import Control, Template
from simulators.wecom.manners import WeComManners
from simulators.wecom.media import Media
from simulators.wecom.messages import Messages, Postbox
from simulators.wecom.settings import Identity, Settings
from simulators.wecom.signin import SignIn
from simulators.wecom.tokens import Tokens
from simulators.wecom.workbench import Workbench


class Simulator(Simulated):
    def __init__(self, base_url: str, *, seed: int = 0, org: Mapping[str, Any] | None = None) -> None:
        super().__init__(base_url, seed)
        self.identity = Identity.from_seed(seed)
        self.settings: Settings = Settings()
        self.callbacks: Callbacks = Callbacks(self.settings, Random(seed + 1), identity=self.identity)
        self.company = Company()
        self.company.load(org or default_document())
        self.tokens = Tokens(self.identity, self.settings)
        self.manners: WeComManners = WeComManners(self.tokens, self.settings)
        self.directory = Directory(self.company, self.identity, self.settings)
        self.media = Media(self.base_url, self.settings)
        self.herald = Herald(self.company, self.identity, self.settings, self.callbacks.emit)
        self.workflow = Workflow(self.company, self.directory, self.media, self.settings, self.herald.tell)
        self.workflow.when_asked.append(self._agree_by_itself)
        self.template_ids: dict[str, str] = {}
        self.engine_template_ids: dict[str, str] = {}
        self._make_templates()
        self.approval_doors = ApprovalDoors(self.workflow, self.herald)
        self.messages = Messages(
            self.company,
            self.directory,
            self.identity,
            self.settings,
            self.callbacks,
            self.workflow.book,
        )
        self.workbench = Workbench(self.directory, self.identity, self.settings)
        self.signin = SignIn(self.directory, self.identity, self.settings, self.tokens)

    def _make_templates(self) -> None:
        travel = travel_template(FINANCE_LEAD)
        for short, template in (("expense", expense_template(FINANCE_LEAD, travel.id)), ("travel", travel)):
            self.workflow.book.templates[template.id] = template
            self.template_ids[short] = template.id
            engine_id = f"46af67a118a6ebf0{short}"
            # The engine's templates are a flow only: the form is a page of the app's own.
            engine_template = Template(engine_id, template.name, [], own_flow(FINANCE_LEAD))
            self.workflow.book.engine_templates[engine_id] = engine_template
            self.engine_template_ids[short] = engine_id

    def doors(self) -> list[Door]:
        rooms = (
            self.tokens,
            self.directory,
            self.media,
            self.approval_doors,
            self.messages,
            self.workbench,
            self.signin,
        )
        return [door for room in rooms for door in room.doors()]

    def facts(self) -> dict[str, Any]:
        return {
            "base_url": self.base_url,
            "corp_id": self.identity.corp_id,
            "agent_id": self.identity.agent_id,
            "secret": self.identity.secret,
            "token": self.identity.token,
            "aes_key": self.identity.aes_key,
            "contacts_secret": self.identity.contacts_secret,
            "contacts_token": self.identity.contacts_token,
            "contacts_aes_key": self.identity.contacts_aes_key,
            "authorize_url": f"{self.base_url}/connect/oauth2/authorize",
            "sso_url": f"{self.base_url}/wwlogin/sso/login",
            "client_script_url": f"{self.base_url}/client/wecom.js",
            "template_ids": dict(self.template_ids),
            "engine_template_ids": dict(self.engine_template_ids),
            "forms": {template_id: self._form(template_id) for template_id in self.template_ids.values()},
            "users": [self._person(user) for user in self.company.users.named()],
            "control_url": f"{self.base_url}/_control",
        }

    def _person(self, user: User) -> dict[str, Any]:
        return {
            "userid": user.userid,
            "name": user.name,
            "department": user.main_department,
            "position": user.position,
        }

    def _form(self, template_id: str) -> list[dict[str, Any]]:
        return [_told(control) for control in self.workflow.book.templates[template_id].controls]

    # Directory events, to the 通讯录同步助手 alone.

    def tell_contacts(self, change: str, fields: dict[str, Any], full: dict[str, Any] | None = None) -> None:
        """`full` are the fields only addresses saved before 2022-08-15 still get."""
        more = (full or {}) if self.settings.full_contact_events else {}
        told = {"ChangeType": change, **fields, **more}
        self.callbacks.tell(Place.CONTACTS, "change_contact", "contacts", "sys", told)

    # Deciding without anybody.

    def _agree_by_itself(self, form: Form, sub: Sub) -> None:
        after = self.settings.auto_agree_after_s
        if after is not None:
            asyncio.get_running_loop().call_later(after, self._agree, form, sub)

    def _agree(self, form: Form, sub: Sub) -> None:
        # A person may have been quicker, or the form withdrawn.
        if self.workflow.asked(form, sub.userid) is sub:
            self.workflow.agree(form, sub.userid, speech="同意")

    def forget(self) -> None:
        """Back to how it started, keeping the corp, the callback addresses and the uploaded media."""
        book, empty = self.workflow.book, Book()
        empty.templates = {key: book.templates[key] for key in self.template_ids.values()}
        empty.engine_templates = book.engine_templates
        empty.last_ms, empty.numbers = book.last_ms, book.numbers
        self.workflow.book = self.messages.book = empty
        self.messages.postbox = Postbox()
        self.workbench.template, self.workbench.tiles = {}, {}
        super().forget()

    # Between two runs.

    def worth_keeping(self) -> int:
        # Anything of the kind came through a call, a click or the control door, and told the clock.
        return self.workflow.book.last_ms

    def state(self) -> dict[str, Any]:
        return {
            "company": self.company,
            "book": self.workflow.book,
            "postbox": self.messages.postbox,
            "media": self.media.files,
            "tiles": (self.workbench.template, self.workbench.tiles),
            "registrations": self.callbacks.registrations,
            "tokens": (self.tokens.current, self.tokens.issued),
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        self.company.departments = state["company"].departments
        self.company.users = state["company"].users
        self.company.index()
        self.workflow.book = self.messages.book = state["book"]
        self.messages.postbox = state["postbox"]
        self.media.files = state["media"]
        self.workbench.template, self.workbench.tiles = state["tiles"]
        self.callbacks.registrations = state["registrations"]
        self.tokens.current, self.tokens.issued = state["tokens"]


def _told(control: Control) -> dict[str, Any]:
    told: dict[str, Any] = {
        "control": control.kind,
        "id": control.id,
        "title": control.title,
        "required": control.required,
    }
    if control.type:
        told["type"] = control.type
    if control.options:
        told["options"] = [{"key": key, "text": text} for key, text in control.options]
    if control.children:
        told["children"] = [_told(child) for child in control.children]
    return told
