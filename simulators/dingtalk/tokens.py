"""App tokens of both generations and the JSAPI ticket."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from simulators.dingtalk.errors import NewRefusal, OldRefusal, bad_new, bad_old
from simulators.dingtalk.settings import Identity, Settings
from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door

TICKET_DAY_S = 24 * 3600
REMEMBERED = 1000


@dataclass(slots=True)
class Tokens:
    identity: Identity
    settings: Settings
    current: str = ""
    # Token → when it ends. Ended ones are remembered for a while: "expired" and "never heard of" differ.
    ends: OrderedDict[str, float] = field(default_factory=OrderedDict)
    ticket: str = ""
    ticket_ends: float = 0.0
    ticket_last: float = 0.0

    def doors(self) -> list[Door]:
        return [
            Door("POST", "/v1.0/oauth2/accessToken", self.new_token, is_open_to_all=True),
            Door("POST", "/v1.0/oauth2/{corp_id}/token", self.client_token, is_open_to_all=True),
            Door("GET", "/gettoken", self.old_token, is_open_to_all=True),
            Door("POST", "/v1.0/oauth2/jsapiTickets", self.jsapi_ticket),
            Door("GET", "/get_jsapi_ticket", self.old_jsapi_ticket),
        ]

    def issue(self) -> tuple[str, int]:
        """The token and its seconds: within its validity the same token again, renewed."""
        now = time.time()
        if self.ends.get(self.current, 0) <= now:
            self.current = secrets.token_hex(16)
            while len(self.ends) >= REMEMBERED:
                self.ends.popitem(last=False)
        self.ends[self.current] = now + self.settings.token_ttl_s
        return self.current, int(self.settings.token_ttl_s)

    def expire(self) -> None:
        now = time.time()
        for token in self.ends:
            self.ends[token] = min(self.ends[token], now)

    def is_valid(self, token: str) -> bool:
        return self.ends.get(token, 0) > time.time()

    def is_expired(self, token: str) -> bool:
        return token in self.ends and not self.is_valid(token)

    def new_token(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_new)
        self._check_client(fields.text("appKey"), fields.text("appSecret"))
        token, seconds = self.issue()
        return {"accessToken": token, "expireIn": seconds}

    def client_token(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_new)
        self._check_client(fields.text("client_id"), fields.text("client_secret"))
        if call.args["corp_id"] != self.identity.corp_id:
            raise NewRefusal("invalidCorpId", "无效的corpId")
        if fields.text("grant_type") != "client_credentials":
            raise bad_new("grant_type must be client_credentials")
        token, seconds = self.issue()
        return {"access_token": token, "expires_in": seconds}

    def old_token(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.query, bad_old)
        if (fields.text("appkey"), fields.text("appsecret")) != self._client():
            raise OldRefusal(40089, "不合法的appkey或appsecret")
        token, seconds = self.issue()
        return {"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": seconds}

    def jsapi_ticket(self, call: Call) -> dict[str, Any]:
        ticket, seconds = self._ticket()
        return {"jsapiTicket": ticket, "expireIn": seconds}

    def old_jsapi_ticket(self, call: Call) -> dict[str, Any]:
        ticket, seconds = self._ticket()
        return {"errcode": 0, "errmsg": "ok", "ticket": ticket, "expires_in": seconds}

    def _ticket(self) -> tuple[str, int]:
        """Renewed with the same value, but never older than a day."""
        now = time.time()
        if now >= min(self.ticket_ends, self.ticket_last):
            self.ticket = secrets.token_urlsafe(48)
            self.ticket_last = now + TICKET_DAY_S
        self.ticket_ends = min(now + self.settings.token_ttl_s, self.ticket_last)
        return self.ticket, int(self.ticket_ends - now + 0.5)

    def _client(self) -> tuple[str, str]:
        return self.identity.app_key, self.identity.app_secret

    def _check_client(self, key: str, secret: str) -> None:
        if (key, secret) != self._client():
            raise NewRefusal("invalidClientIdOrSecret", "无效的clientId或者clientSecret")
