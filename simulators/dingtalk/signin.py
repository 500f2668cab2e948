"""Signing in: the browser way (OAuth2) and the free login inside the client (免登)."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from simulators.dingtalk.company import Company, User
from simulators.dingtalk.directory import asked, fine
from simulators.dingtalk.errors import NewRefusal, OldRefusal, bad_new
from simulators.dingtalk.settings import Identity, Settings
from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door

CODE_S = 5 * 60
REFRESH_S = 30 * 24 * 3600


@dataclass(slots=True)
class Code:
    userid: str
    ends: float
    is_used: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    userid: str
    ends: float


@dataclass(slots=True)
class SignIn:
    company: Company
    identity: Identity
    settings: Settings
    redirect_uris: list[str] = field(default_factory=list)  # empty: any
    browser_codes: dict[str, Code] = field(default_factory=dict)
    free_codes: dict[str, Code] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    refreshes: dict[str, Session] = field(default_factory=dict)

    def doors(self) -> list[Door]:
        return [
            Door("POST", "/v1.0/oauth2/userAccessToken", self.user_token, is_open_to_all=True),
            Door("GET", "/v1.0/contact/users/{union_id}", self.me, is_open_to_all=True),
            Door("POST", "/topapi/v2/user/getuserinfo", self.free_login),
        ]

    # The login page's side.

    def check_wish(self, wish: dict[str, str]) -> str | None:
        """What is wrong with the address the browser was sent to; None when it is well formed."""
        if wish.get("client_id") != self.identity.app_key:
            return "client_id 无效"
        if wish.get("response_type") != "code":
            return "response_type 必须为 code"
        if wish.get("scope") not in ("openid", "openid corpid"):
            return "scope 只能为 openid 或 openid corpid"
        target = wish.get("redirect_uri", "")
        if urlsplit(target).scheme not in ("http", "https"):
            return "redirect_uri 无效"
        if self.redirect_uris and target not in self.redirect_uris:
            return "redirect_uri 未登记"
        return None

    def back(self, wish: dict[str, str], userid: str | None) -> str:
        """Where the browser goes next: with a code, or with the error of somebody who may not sign in."""
        target = wish["redirect_uri"]
        state = {"state": wish["state"]} if "state" in wish else {}
        if userid is None or userid not in self.company.users:
            return _with(target, {"error": "access_denied", **state})
        code = self.browser_code(userid)
        return _with(target, {"code": code, "authCode": code, **state})

    def browser_code(self, userid: str) -> str:
        code = secrets.token_hex(16)
        self.browser_codes[code] = Code(userid, time.time() + CODE_S)
        return code

    def free_code(self, userid: str) -> str:
        code = secrets.token_hex(16)
        self.free_codes[code] = Code(userid, time.time() + CODE_S)
        return code

    # The API's side.

    def user_token(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_new)
        client = (fields.text("clientId"), fields.text("clientSecret"))
        if client != (self.identity.app_key, self.identity.app_secret):
            raise NewRefusal("invalidClientIdOrSecret", "无效的clientId或者clientSecret")
        now = time.time()
        match fields.text("grantType"):
            case "authorization_code":
                code = self.browser_codes.get(fields.text("code"))
                if code is None or code.is_used or code.ends <= now:
                    raise NewRefusal("invalidParameter.authCode.notFound", "不存在的临时授权码")
                code.is_used = True
                userid = code.userid
            case "refresh_token":
                before = self.refreshes.pop(fields.text("refreshToken"), None)
                if before is None or before.ends <= now:
                    raise NewRefusal("invalidRefreshToken", "无效的refreshToken")
                userid = before.userid
            case _:
                raise bad_new("grantType must be authorization_code or refresh_token")
        access, refresh = secrets.token_hex(16), secrets.token_hex(16)
        self.sessions[access] = Session(userid, now + self.settings.token_ttl_s)
        self.refreshes[refresh] = Session(userid, now + REFRESH_S)
        return {
            "accessToken": access,
            "refreshToken": refresh,
            "expireIn": int(self.settings.token_ttl_s),
            "corpId": self.identity.corp_id,
        }

    def me(self, call: Call) -> dict[str, Any]:
        session = self.sessions.get(call.headers.get("x-acs-dingtalk-access-token", ""))
        if session is None or session.ends <= time.time():
            raise NewRefusal("InvalidAuthentication", "不合法的access_token")
        user = self.company.users.get(session.userid)
        if user is None or call.args["union_id"] not in ("me", user.unionid):
            raise NewRefusal("userNotExist", "用户不存在")
        return _profile(user)

    def free_login(self, call: Call) -> dict[str, Any]:
        code = self.free_codes.get(asked(call).text("code"))
        if code is None or code.is_used:
            raise OldRefusal(40078, "不存在的临时授权码")
        if code.ends <= time.time():
            raise OldRefusal(42008, "临时授权码已过期")
        code.is_used = True
        user = self.company.users.get(code.userid)
        if user is None:
            raise OldRefusal(60121, "找不到该用户")
        return fine(
            {
                "userid": user.userid,
                "unionid": user.unionid,
                "associated_unionid": "",
                "device_id": "simulated",
                "sys": user.admin or user.boss,
                "sys_level": 1 if user.admin else 100 if user.boss else 0,
                "name": user.name,
            }
        )


def _profile(user: User) -> dict[str, Any]:
    return {
        "nick": user.name,
        "avatarUrl": user.avatar,
        "mobile": user.mobile,
        "openId": user.openid,
        "unionId": user.unionid,
        "email": user.email,
        "stateCode": "86",
    }


def _with(target: str, values: dict[str, str]) -> str:
    return f"{target}{'&' if urlsplit(target).query else '?'}{urlencode(values)}"
