"""Tokens of the app (tenant_access_token, app_access_token) and the JSSDK ticket."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from simulators.feishu.errors import FlatRefusal
from simulators.feishu.settings import Identity, Settings
from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door

TICKET_S = 7200
REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Flat:
    """An answer that is not wrapped in `data`."""

    body: dict[str, Any]


@dataclass(slots=True)
class Tokens:
    identity: Identity
    settings: Settings
    current: str = ""
    # Token → when it ends. Two may be valid at once: the old one lives on beside its successor.
    ends: OrderedDict[str, float] = field(default_factory=OrderedDict)
    ticket: str = ""
    ticket_ends: float = 0.0

    def doors(self) -> list[Door]:
        home = "/open-apis/auth/v3"
        return [
            Door("POST", f"{home}/tenant_access_token/internal", self.tenant_token, is_open_to_all=True),
            Door("POST", f"{home}/app_access_token/internal", self.app_token, is_open_to_all=True),
            Door("POST", "/open-apis/jssdk/ticket/get", self.jssdk_ticket),
        ]

    def issue(self) -> tuple[str, int]:
        """The token and its seconds: the same one while enough of its life is left."""
        now = time.time()
        if self.ends.get(self.current, 0) - now < min(
            self.settings.token_renew_s, self.settings.token_ttl_s / 4
        ):
            self.current = f"t-{secrets.token_hex(20)}"
            while len(self.ends) >= REMEMBERED:
                self.ends.popitem(last=False)
            self.ends[self.current] = now + self.settings.token_ttl_s
        return self.current, int(self.ends[self.current] - now)

    def expire(self) -> None:
        now = time.time()
        for token in self.ends:
            self.ends[token] = min(self.ends[token], now)

    def is_valid(self, token: str) -> bool:
        return self.ends.get(token, 0) > time.time()

    def tenant_token(self, call: Call) -> Flat:
        self._check_app(call)
        token, seconds = self.issue()
        return Flat({"code": 0, "msg": "ok", "tenant_access_token": token, "expire": seconds})

    def app_token(self, call: Call) -> Flat:
        """A self-built app is given one token under both names."""
        self._check_app(call)
        token, seconds = self.issue()
        shown = {"app_access_token": token, "tenant_access_token": token, "expire": seconds}
        return Flat({"code": 0, "msg": "ok", **shown})

    def jssdk_ticket(self, call: Call) -> dict[str, Any]:
        now = time.time()
        if now >= self.ticket_ends:
            self.ticket, self.ticket_ends = secrets.token_hex(21), now + TICKET_S
        return {"ticket": self.ticket, "expire_in": int(self.ticket_ends - now)}

    def _check_app(self, call: Call) -> None:
        fields = Fields(call.body, lambda detail: FlatRefusal(10003, f"invalid param: {detail}"))
        app_id, secret = fields.text("app_id"), fields.text("app_secret")
        if app_id != self.identity.app_id:
            raise FlatRefusal(10003, "invalid app_id")
        if not self.settings.is_app_enabled:
            raise FlatRefusal(10014, "app unauthorized")
        if secret != self.identity.app_secret:
            raise FlatRefusal(10015, "wrong app secret")
