"""Signing in: the browser way (OAuth2) and inside the client (tt.requestAccess). Both hand out the same codes."""

from __future__ import annotations

import hmac
import secrets
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode, urlsplit

from simulators.feishu.company import Company, User
from simulators.feishu.errors import OauthRefusal, Refusal
from simulators.feishu.manners import bearer
from simulators.feishu.settings import Identity, Settings
from simulators.feishu.tokens import Flat, Tokens
from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door

CODE_S = 5 * 60
REFRESH_S = 7 * 24 * 3600
# Fields of user_info that need a scope of their own.
SCOPE_OF_FIELD = {
    "user_id": "contact:user.employee_id:readonly",
    "mobile": "contact:user.phone:readonly",
    "email": "contact:user.email:readonly",
    "enterprise_email": "contact:user.email:readonly",
    "employee_no": "contact:user.employee_number:read",
}


@dataclass(slots=True)
class Code:
    user_id: str
    ends: float
    redirect_uri: str = ""
    challenge: str = ""  # PKCE
    challenge_method: str = ""
    scope: str = ""
    is_used: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    user_id: str
    ends: float
    scope: str = ""


@dataclass(slots=True)
class SignIn:
    company: Company
    identity: Identity
    settings: Settings
    tokens: Tokens
    redirect_uris: list[str] = field(default_factory=list)  # empty: any
    codes: dict[str, Code] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    refreshes: dict[str, Session] = field(default_factory=dict)

    def doors(self) -> list[Door]:
        home = "/open-apis/authen"
        return [
            Door("POST", f"{home}/v2/oauth/token", self.token, is_open_to_all=True),
            Door("POST", f"{home}/v1/oidc/access_token", self.oidc_token),
            Door("POST", f"{home}/v1/oidc/refresh_access_token", self.oidc_refresh),
            Door("POST", f"{home}/v1/access_token", self.old_token),
            Door("GET", f"{home}/v1/user_info", self.user_info, is_open_to_all=True),
        ]

    # The login page's side.

    def check_wish(self, wish: dict[str, str]) -> str | None:
        """What is wrong with the address the browser was sent to; None when it is well formed."""
        if (wish.get("client_id") or wish.get("app_id")) != self.identity.app_id:
            return "20028 应用不存在，请检查 client_id"
        # The older page takes app_id and knows no response_type.
        if "client_id" in wish and wish.get("response_type") != "code":
            return "20029 response_type 必须为 code"
        target = wish.get("redirect_uri", "")
        if urlsplit(target).scheme not in ("http", "https"):
            return "20029 redirect_uri 请求不合法"
        if self.redirect_uris and target not in self.redirect_uris:
            return "20029 redirect_uri 未登记在安全设置中"
        if wish.get("code_challenge_method", "S256") not in ("S256", "plain"):
            return "20029 code_challenge_method 只能为 S256 或 plain"
        missing = [name for name in wish.get("scope", "").split() if name in self.settings.missing_scopes]
        if missing:
            return f"20027 当前应用未申请以下权限：{' '.join(missing)}"
        return None

    def back(self, wish: dict[str, str], user_id: str | None) -> str:
        """Where the browser goes next: with a code, or with the error of somebody who said no."""
        target = wish["redirect_uri"]
        state = {"state": wish["state"]} if "state" in wish else {}
        if user_id is None or user_id not in self.company.users:
            return _with(target, {"error": "access_denied", **state})
        code = self.new_code(
            user_id,
            redirect_uri=target,
            challenge=wish.get("code_challenge", ""),
            challenge_method=wish.get("code_challenge_method", "plain"),
            scope=wish.get("scope", ""),
        )
        return _with(target, {"code": code, **state})

    def new_code(
        self,
        user_id: str,
        *,
        redirect_uri: str = "",
        challenge: str = "",
        challenge_method: str = "",
        scope: str = "",
    ) -> str:
        code = secrets.token_urlsafe(24)
        self.codes[code] = Code(
            user_id, time.time() + CODE_S, redirect_uri, challenge, challenge_method, scope
        )
        return code

    def expire(self) -> None:
        now = time.time()
        self.sessions = {token: replace(row, ends=min(row.ends, now)) for token, row in self.sessions.items()}

    def session(self, token: str) -> Session:
        """Who holds this user token. Raises 99991668 or 99991677."""
        session = self.sessions.get(token)
        if session is None:
            raise Refusal(99991668, "Invalid access token for authorization: user access token is invalid")
        if session.ends <= time.time():
            raise Refusal(99991677, "Authentication token expired, please make a request with a valid token")
        return session

    def user_of(self, token: str) -> str:
        return self.session(token).user_id

    # The API's side.

    def token(self, call: Call) -> Flat:
        fields = Fields(call.body, lambda detail: OauthRefusal(20001, "invalid_request", detail))
        grant = fields.text("grant_type")
        if fields.text("client_id") != self.identity.app_id:
            raise OauthRefusal(20048, "invalid_client", "the app does not exist")
        if fields.text("client_secret") != self.identity.app_secret:
            raise OauthRefusal(20002, "invalid_client", "the client secret is invalid")
        match grant:
            case "authorization_code":
                code = self._take_code(fields)
                return Flat({"code": 0, **self._new_session(code.user_id, code.scope)})
            case "refresh_token":
                before = self.refreshes.pop(fields.text("refresh_token"), None)
                if before is None:
                    raise OauthRefusal(20026, "invalid_grant", "the refresh token is invalid or used")
                if before.ends <= time.time():
                    raise OauthRefusal(20037, "invalid_grant", "the refresh token has expired")
                return Flat({"code": 0, **self._new_session(before.user_id, before.scope)})
            case _:
                raise OauthRefusal(20036, "unsupported_grant_type", "the grant type is not supported")

    def _take_code(self, fields: Fields) -> Code:
        code = self.codes.get(fields.text("code"))
        if code is None:
            raise OauthRefusal(20003, "invalid_grant", "the authorization code was not found")
        if code.is_used:
            raise OauthRefusal(20065, "invalid_grant", "the authorization code has been used")
        if code.ends <= time.time():
            raise OauthRefusal(20004, "invalid_grant", "the authorization code has expired")
        if code.redirect_uri and fields.text_or("redirect_uri", code.redirect_uri) != code.redirect_uri:
            raise OauthRefusal(20071, "invalid_grant", "the redirect_uri does not match")
        if code.challenge and not _fits(code, fields.text_or("code_verifier")):
            raise OauthRefusal(20049, "invalid_grant", "the code_verifier does not fit (PKCE)")
        user = self.company.users.get(code.user_id)
        if user is None:
            raise OauthRefusal(20008, "invalid_grant", "the user does not exist")
        if not user.is_active:
            raise OauthRefusal(20010, "invalid_grant", "the user has no permission to use this app")
        code.is_used = True
        return code

    def _new_session(self, user_id: str, scope: str) -> dict[str, Any]:
        seconds = self.settings.user_token_ttl_s
        token = f"u-{secrets.token_urlsafe(30)}"
        self.sessions[token] = Session(user_id, time.time() + seconds, scope)
        answer: dict[str, Any] = {
            "access_token": token,
            "expires_in": int(seconds),
            "token_type": "Bearer",
            "scope": scope or "auth:user.id:read",
        }
        if "offline_access" in scope.split():
            answer |= {
                "refresh_token": self._new_refresh(user_id, scope),
                "refresh_token_expires_in": REFRESH_S,
            }
        return answer

    def _new_refresh(self, user_id: str, scope: str) -> str:
        refresh = f"ur-{secrets.token_urlsafe(30)}"
        self.refreshes[refresh] = Session(user_id, time.time() + REFRESH_S, scope)
        return refresh

    def oidc_token(self, call: Call) -> dict[str, Any]:
        return self._old_exchange(call)

    def old_token(self, call: Call) -> dict[str, Any]:
        """The oldest exchange, which tells who it is in the same breath."""
        answer = self._old_exchange(call)
        profile = self._profile(self.company.users[self.user_of(answer["access_token"])])
        return answer | profile

    def _old_exchange(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, lambda detail: Refusal(20001, f"invalid request: {detail}"))
        if fields.text("grant_type") != "authorization_code":
            raise Refusal(20036, "the grant type is not supported")
        try:
            code = self._take_code(fields)
        except OauthRefusal as error:
            raise Refusal(error.code, error.msg) from error
        return self._old_answer(code.user_id, code.scope)

    def oidc_refresh(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, lambda detail: Refusal(20001, f"invalid request: {detail}"))
        before = self.refreshes.pop(fields.text("refresh_token"), None)
        if before is None or before.ends <= time.time():
            raise Refusal(20026, "the refresh token is invalid or used")
        return self._old_answer(before.user_id, before.scope)

    def _old_answer(self, user_id: str, scope: str) -> dict[str, Any]:
        answer = self._new_session(user_id, scope)
        refresh = answer.pop("refresh_token", None) or self._new_refresh(user_id, scope)
        answer.pop("refresh_token_expires_in", None)
        return answer | {"refresh_token": refresh, "refresh_expires_in": REFRESH_S}

    def user_info(self, call: Call) -> dict[str, Any]:
        token = bearer(call)
        if not token:
            raise Refusal(99991661, "Missing access token for authorization.")
        if token.startswith("t-"):
            raise Refusal(99991668, "Invalid access token: this API takes a user_access_token")
        user = self.company.users.get(self.user_of(token))
        if user is None:
            raise Refusal(20008, "the user does not exist")
        return self._profile(user)

    def _profile(self, user: User) -> dict[str, Any]:
        shown = {
            "name": user.name,
            "en_name": user.en_name or user.name,
            "avatar_url": "",
            "avatar_thumb": "",
            "avatar_middle": "",
            "avatar_big": "",
            "open_id": user.open_id,
            "union_id": user.union_id,
            "email": user.email,
            "enterprise_email": user.enterprise_email,
            "user_id": user.user_id,
            "mobile": user.mobile,
            "tenant_key": self.identity.tenant_key,
            "employee_no": user.employee_no,
        }
        missing = self.settings.missing_scopes
        return {name: value for name, value in shown.items() if SCOPE_OF_FIELD.get(name) not in missing}


def _fits(code: Code, verifier: str) -> bool:
    if code.challenge_method == "S256":
        verifier = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return hmac.compare_digest(verifier.encode(), code.challenge.encode())


def _with(target: str, values: dict[str, str]) -> str:
    return f"{target}{'&' if urlsplit(target).query else '?'}{urlencode(values)}"
