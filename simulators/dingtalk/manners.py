"""DingTalk at the gate: tokens, limits, the two envelopes, and the faces of its bad days."""

from __future__ import annotations

import time
import uuid
from collections import defaultdict, deque
from dataclasses import dataclass, field

from simulators.dingtalk.errors import NewRefusal, OldRefusal
from simulators.dingtalk.settings import Settings
from simulators.dingtalk.tokens import Tokens
from simulators.stage.faults import FaultRule, Harm
from simulators.stage.gate import Call, Door, Reply, html_reply, json_reply

# Tokens, identity and the address book do not count against the month: 调用频次与限流.
FREE_OF_QUOTA = (
    "/gettoken",
    "/get_jsapi_ticket",
    "/v1.0/oauth2/",
    "/v1.0/contact/",
    "/v1.0/gateway/",
    "/auth/",
    "/topapi/v2/user/",
    "/topapi/user/",
    "/topapi/v2/department/",
)
PUNISHED = (
    "<!DOCTYPE html><html><head><title>访问被拒绝</title></head>"
    "<body>很抱歉，由于您访问的URL有可能对网站造成安全威胁，您的访问被阻断。</body></html>"
)
BAD_GATEWAY = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"


def is_new(path: str) -> bool:
    return path.startswith(("/v1.0/", "/v2.0/"))


def is_api(path: str) -> bool:
    return is_new(path) or path.startswith(
        ("/topapi/", "/call_back/", "/media/", "/auth/scopes", "/gettoken", "/get_jsapi_ticket")
    )


@dataclass(slots=True)
class DingTalkManners:
    tokens: Tokens
    settings: Settings
    recent: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def admit(self, call: Call, door: Door) -> None:
        if not door.is_open_to_all:
            self._check_token(call)
        self._check_rate(door)
        self._check_quota(call.path)

    def _check_token(self, call: Call) -> None:
        if is_new(call.path):
            token = call.headers.get("x-acs-dingtalk-access-token", "")
            if not self.tokens.is_valid(token):
                raise NewRefusal("InvalidAuthentication", "不合法的access_token")
            return
        token = call.query.get("access_token", "")
        if self.tokens.is_valid(token):
            return
        code, text = (
            (42001, "access_token超时") if self.tokens.is_expired(token) else (40014, "不合法的access_token")
        )
        if call.path.startswith("/topapi/message/"):
            # This service answers through the old TOP gateway, which wraps the code.
            message = f"ding talk error[subcode={code},submsg={text}]"
            raise OldRefusal(88, message, sub_code=str(code), sub_msg=text)
        raise OldRefusal(code, text)

    def _check_rate(self, door: Door) -> None:
        if self.settings.qps is None:
            return
        seen, now = self.recent[door.path], time.monotonic()
        while seen and seen[0] <= now - 1:
            seen.popleft()
        if len(seen) >= self.settings.qps:
            raise too_many(door.path)
        seen.append(now)

    def _check_quota(self, path: str) -> None:
        if self.settings.monthly_quota is None or path.startswith(FREE_OF_QUOTA):
            return
        if not self.settings.monthly_quota:
            if is_new(path):
                code = "Forbidden.AccessDenied.ApiCountLimitForOrg"
                raise NewRefusal(code, "企业本月API调用量已用完", 403)
            raise OldRefusal(90020, "企业本月API调用量已用完")
        self.settings.monthly_quota -= 1

    def forget(self) -> None:
        self.recent.clear()

    def refusal(self, path: str, error: Exception) -> Reply | None:
        match error:
            case NewRefusal():
                return json_reply(error.body(request_id()), status=error.status, outcome=error.code)
            case OldRefusal():
                return json_reply(error.body(request_id()), outcome=str(error.errcode))
            case _:
                return None

    def unknown(self, path: str) -> Reply:
        if is_new(path):
            message = "Specified api is not found, please check your url and method."
            return self._no(path, NewRefusal("InvalidAction.NotFound", message, 404))
        return self._no(path, OldRefusal(404, "请求的URI地址不存在"))

    def unreadable(self, path: str, detail: str) -> Reply:
        if is_new(path):
            return self._no(path, NewRefusal("invalidParameter", detail))
        return self._no(path, OldRefusal(400002, detail))

    def harmed(self, path: str, rule: FaultRule) -> Reply:
        match rule.harm:
            case Harm.RATE_LIMIT:
                return self._no(path, too_many(path))
            case Harm.HTML_PAGE:
                return html_reply(PUNISHED, status=rule.status or 200, outcome=rule.harm)
            case _ if rule.status and rule.status != 500:
                page = BAD_GATEWAY.format(f"{rule.status} Server Error")
                return html_reply(page, status=rule.status, outcome=rule.harm)
            case _ if is_new(path):
                return self._no(path, NewRefusal("systemError", "系统异常", 500))
            case _:
                return self._no(path, OldRefusal(-1, "系统繁忙"))

    def _no(self, path: str, error: Exception) -> Reply:
        reply = self.refusal(path, error)
        assert reply is not None
        return reply


def too_many(path: str) -> Exception:
    if is_new(path):
        code = "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"
        return NewRefusal(code, "应用对该接口的调用超过QPS限制，请1秒后重试", 403)
    return OldRefusal(90018, "您的服务器调用该接口超过QPS限制，请1秒后重试")


def request_id() -> str:
    return uuid.uuid4().hex[:16]
