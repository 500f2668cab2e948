"""One access token per secret, and the JS-SDK tickets."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door
from simulators.wecom.errors import Refusal, bad, fine
from simulators.wecom.settings import Identity, Settings

REMEMBERED = 1000


class Caller(StrEnum):
    APP = "app"
    CONTACTS = "contacts"  # 通讯录同步


@dataclass(slots=True)
class Issued:
    caller: Caller
    ends: float


@dataclass(slots=True)
class Tokens:
    identity: Identity
    settings: Settings
    current: dict[Caller, str] = field(default_factory=dict)
    # Ended ones are remembered for a while: "expired" and "never heard of" differ.
    issued: OrderedDict[str, Issued] = field(default_factory=OrderedDict)
    tickets: dict[str, tuple[str, float]] = field(default_factory=dict)

    def doors(self) -> list[Door]:
        return [
            Door("GET", "/cgi-bin/gettoken", self.get_token, is_open_to_all=True),
            Door("GET", "/cgi-bin/get_jsapi_ticket", self.corp_ticket),
            Door("GET", "/cgi-bin/ticket/get", self.agent_ticket),
        ]

    def get_token(self, call: Call) -> dict[str, Any]:
        corp_id, secret = call.query.get("corpid", ""), call.query.get("corpsecret", "")
        if not corp_id:
            raise Refusal(41002, "corpid missing")
        if corp_id != self.identity.corp_id:
            raise Refusal(40013, "invalid corpid")
        if not secret:
            raise Refusal(41004, "secret missing")
        callers = {self.identity.secret: Caller.APP, self.identity.contacts_secret: Caller.CONTACTS}
        if secret not in callers:
            raise Refusal(40001, "invalid credential")
        token, seconds = self.issue(callers[secret])
        return fine(access_token=token, expires_in=seconds)

    def issue(self, caller: Caller) -> tuple[str, int]:
        """The token and its seconds: within its validity the same token again."""
        now = time.time()
        before = self.issued.get(self.current.get(caller, ""))
        if before is None or before.ends <= now:
            self.current[caller] = secrets.token_urlsafe(64)
            while len(self.issued) >= REMEMBERED:
                self.issued.popitem(last=False)
            before = self.issued[self.current[caller]] = Issued(caller, now + self.settings.token_ttl_s)
        # Rounded up: a token of half a second's life must not look dead on arrival.
        return self.current[caller], max(1, round(before.ends - now))

    def caller(self, token: str) -> Caller:
        """Who holds this token. Raises 41001, 40014 or 42001."""
        if not token:
            raise Refusal(41001, "access_token missing")
        issued = self.issued.get(token)
        if issued is None:
            raise Refusal(40014, "invalid access_token")
        if issued.ends <= time.time():
            raise Refusal(42001, "access_token expired")
        return issued.caller

    def expire(self, *, forget: bool = False) -> None:
        """End all tokens now: 42001 from here on, or 40014 when forgotten altogether."""
        if forget:
            self.issued.clear()
        for issued in self.issued.values():
            issued.ends = min(issued.ends, time.time())

    # Tickets.

    def corp_ticket(self, call: Call) -> dict[str, Any]:
        return self._ticket("corp")

    def agent_ticket(self, call: Call) -> dict[str, Any]:
        if Fields(call.query, bad).text("type") != "agent_config":
            raise bad("type must be agent_config")
        return self._ticket("agent")

    def _ticket(self, kind: str) -> dict[str, Any]:
        now = time.time()
        ticket, ends = self.tickets.get(kind, ("", 0.0))
        if ends <= now:
            ticket, ends = secrets.token_urlsafe(64), now + self.settings.token_ttl_s
            self.tickets[kind] = (ticket, ends)
        return fine(ticket=ticket, expires_in=max(1, round(ends - now)))
