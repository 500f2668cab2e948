"""Signing in: in the client by OAuth (网页授权), on a desktop by scan (Web登录组件), and the client's own JS calls."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door
from simulators.wecom.crypto import jsapi_signature
from simulators.wecom.directory import Directory, personal
from simulators.wecom.errors import Refusal, bad, fine
from simulators.wecom.settings import Identity, Settings
from simulators.wecom.tokens import Tokens

STATE = re.compile(r"[A-Za-z0-9]{0,128}")


@dataclass(slots=True)
class Code:
    userid: str  # empty: not a member of this corp
    ends: float
    is_private: bool = False
    is_used: bool = False


@dataclass(slots=True)
class SignIn:
    directory: Directory
    identity: Identity
    settings: Settings
    tokens: Tokens
    trusted_domains: list[str] = field(default_factory=list)  # empty: any
    codes: dict[str, Code] = field(default_factory=dict)
    tickets: dict[str, tuple[str, float]] = field(default_factory=dict)

    def doors(self) -> list[Door]:
        return [
            Door("GET", "/cgi-bin/auth/getuserinfo", self.who),
            Door("GET", "/cgi-bin/user/getuserinfo", self.who_old),
            Door("POST", "/cgi-bin/auth/getuserdetail", self.detail),
        ]

    # The pages' side.

    def check_authorize(self, wish: dict[str, str]) -> str | None:
        """What is wrong with the address the browser was sent to; None when it is well formed."""
        if wish.get("response_type") != "code":
            return "response_type 必须为 code"
        if wish.get("scope") not in ("snsapi_base", "snsapi_privateinfo"):
            return "scope 只能为 snsapi_base 或 snsapi_privateinfo"
        return self._check_common(wish)

    def check_sso(self, wish: dict[str, str]) -> str | None:
        if wish.get("login_type") != "CorpApp":
            return "login_type 必须为 CorpApp"
        if wish.get("agentid") != str(self.identity.agent_id):
            return "agentid 无效"
        return self._check_common(wish)

    def _check_common(self, wish: dict[str, str]) -> str | None:
        if wish.get("appid") != self.identity.corp_id:
            return "appid 无效（应为 corpid）"
        target = urlsplit(wish.get("redirect_uri", ""))
        if target.scheme not in ("http", "https") or not target.netloc:
            return "redirect_uri 无效"
        # Exactly, port included, no wildcard.
        if self.trusted_domains and target.netloc not in self.trusted_domains:
            return "50001：redirect_uri 与配置的可信域名不一致"
        if not STATE.fullmatch(wish.get("state", "")):
            return "state 只能为最多 128 个字母和数字"
        return None

    def is_private(self, wish: dict[str, str]) -> bool:
        """snsapi_privateinfo without agentid is taken for snsapi_base, and nobody is told."""
        agent_id = str(self.identity.agent_id)
        return wish.get("scope") == "snsapi_privateinfo" and wish.get("agentid") == agent_id

    def back(self, wish: dict[str, str], userid: str) -> str:
        """Where the browser goes next. `userid` empty: somebody from outside the corp."""
        code = self.new_code(userid, is_private=self.is_private(wish))
        target = wish["redirect_uri"]
        more = {"code": code} | ({"state": wish["state"]} if "state" in wish else {})
        return f"{target}{'&' if urlsplit(target).query else '?'}{urlencode(more)}"

    def new_code(self, userid: str, *, is_private: bool = False) -> str:
        code = secrets.token_urlsafe(32)
        self.codes[code] = Code(userid, time.time() + self.settings.code_ttl_s, is_private)
        return code

    # The API's side.

    def who(self, call: Call) -> dict[str, Any]:
        code = self._use(call)
        if not code.userid:
            return fine(openid=f"o{secrets.token_hex(13)}", external_userid=f"wm{secrets.token_hex(15)}")
        # Somebody outside the visible range is still told: the app has to look in its own table.
        answer = fine(userid=code.userid)
        if code.is_private and self.directory.visible_user(code.userid):
            ticket = secrets.token_urlsafe(64)
            self.tickets[ticket] = (code.userid, time.time() + self.settings.ticket_ttl_s)
            answer["user_ticket"] = ticket
        return answer

    def who_old(self, call: Call) -> dict[str, Any]:
        """The older path community clients still take; its keys are capitalised."""
        code = self._use(call)
        if not code.userid:
            return fine(OpenId=f"o{secrets.token_hex(13)}")
        return fine(UserId=code.userid, DeviceId="")

    def _use(self, call: Call) -> Code:
        code = self.codes.get(Fields(call.query, bad).text_or("code"))
        if code is None or code.is_used or code.ends <= time.time():
            raise Refusal(40029, "invalid code")
        code.is_used = True
        return code

    def detail(self, call: Call) -> dict[str, Any]:
        ticket = Fields(call.body, bad).text("user_ticket")
        userid, ends = self.tickets.get(ticket, ("", 0.0))
        user = self.directory.visible_user(userid) if ends > time.time() else None
        if user is None:
            raise Refusal(84014, "user_ticket is expired")
        shown = personal(user)
        del shown["thumb_avatar"]
        return fine(userid=user.userid, **shown)

    # The client's JS calls.

    def check_config(self, kind: str, given: Fields) -> str:
        """ "ok", or what wx.config and wx.agentConfig say to a signature that does not fit."""
        ticket, ends = self.tokens.tickets.get("agent" if kind == "agentConfig" else "corp", ("", 0.0))
        wanted = jsapi_signature(
            ticket=ticket,
            nonce=given.text_or("nonceStr"),
            timestamp=given.text_or("timestamp"),
            url=given.text_or("url"),
        )
        if not ticket or ends <= time.time() or given.text_or("signature") != wanted:
            return "40093: invalid signature"
        if given.text_or("corpid") != self.identity.corp_id:
            return "40013: invalid corpid"
        if kind == "agentConfig" and given.text_or("agentid") != str(self.identity.agent_id):
            return "40056: invalid agentid"
        return "ok"
