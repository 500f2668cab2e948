"""Feishu at the gate: tokens, scopes, limits, one envelope, and the faces of its bad days."""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from simulators.feishu.errors import Refusal
from simulators.feishu.settings import Identity, Settings
from simulators.feishu.tokens import Flat, Tokens
from simulators.stage.faults import FaultRule, Harm
from simulators.stage.gate import Call, Door, Reply, html_reply

BAD_GATEWAY = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"
DENIED = "<!DOCTYPE html><html><head><title>访问受限</title></head><body>当前访问存在风险，请稍后再试。</body></html>"

# Calls of the slower kind, by page: 100 a minute. All others: 1000 a minute and 50 a second.
SLOW_CALLS = {
    ("POST", "/open-apis/approval/v4/instances"),
    ("GET", "/open-apis/approval/v4/instances"),
    ("POST", "/open-apis/approval/v4/instances/cancel"),
    ("POST", "/open-apis/approval/v4/tasks/approve"),
    ("POST", "/open-apis/approval/v4/tasks/reject"),
    ("POST", "/open-apis/approval/v4/tasks/transfer"),
    ("GET", "/open-apis/approval/v4/approvals/{approval_code}"),
    ("POST", "/open-apis/approval/v4/approvals/{approval_code}/subscribe"),
    ("POST", "/open-apis/approval/v4/approvals/{approval_code}/unsubscribe"),
}

APPROVAL = "approval:approval"
CONTACT_BASE = (
    "contact:contact.base:readonly",
    "contact:contact:access_as_app",
    "contact:contact:readonly",
    "contact:contact:readonly_as_app",
)
# What opens a door, any one of them. The first pattern that begins the path counts; the most exact come first.
SCOPES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("POST /open-apis/contact/v3/users/batch_get_id", ("contact:user.id:readonly",)),
    ("/open-apis/contact/", CONTACT_BASE),
    ("POST /open-apis/approval/v4/instances/query", ("approval:approval.list:readonly",)),
    ("GET /open-apis/approval/v4/tasks/query", ("approval:approval:readonly",)),
    ("GET /open-apis/approval/v4/instances", (APPROVAL, "approval:approval:readonly", "approval:instance")),
    ("/open-apis/approval/v4/instances/{instance_id}/comments", (APPROVAL, "approval:instance.comment")),
    ("/open-apis/approval/v4/instances", (APPROVAL, "approval:approval:readonly", "approval:instance")),
    ("/open-apis/approval/v4/tasks", (APPROVAL, "approval:approval:readonly", "approval:task")),
    (
        "GET /open-apis/approval/v4/approvals",
        (APPROVAL, "approval:approval:readonly", "approval:definition"),
    ),
    ("/open-apis/approval/v4/approvals", (APPROVAL, "approval:definition")),
    ("/open-apis/approval/v4/external_approvals", (APPROVAL, "approval:external_approval")),
    ("/open-apis/approval/v4/external_", (APPROVAL, "approval:external_instance")),
    ("/open-apis/approval/v1/message", ("approval:approval:readonly",)),
    ("/approval/openapi/", ("approval:approval:readonly",)),
    ("PATCH /open-apis/im/v1/messages", ("im:message", "im:message:send_as_bot", "im:message:update")),
    ("/open-apis/im/v1/messages", ("im:message", "im:message:send_as_bot", "im:message:send")),
    ("/open-apis/im/v1/", ("im:resource", "im:resource:upload")),
)


def is_api(path: str) -> bool:
    """Everything but the two pages a browser is sent to."""
    return path.startswith(("/open-apis/", "/approval/openapi/", "/callback/ws/")) and path not in (
        "/open-apis/authen/v1/authorize",
        "/open-apis/authen/v1/index",
    )


def new_log_id() -> str:
    return time.strftime("%Y%m%d%H%M%S") + secrets.token_hex(9).upper()


def wrapped(door: Door) -> Door:
    """The door with its answer in Feishu's envelope, and a log id in the header as every answer has."""

    def answer(call: Call) -> Reply:
        said = door.answer(call)
        if isinstance(said, Reply):
            return said
        body = said.body if isinstance(said, Flat) else {"code": 0, "msg": "success", "data": said}
        return _json(body)

    return replace(door, answer=answer)


@dataclass(slots=True)
class FeishuManners:
    identity: Identity
    tokens: Tokens
    settings: Settings
    user_of_token: Callable[[str], str | None]  # raises the refusal of a token that has ended
    recent: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    this_month: Counter[str] = field(default_factory=Counter)

    def admit(self, call: Call, door: Door) -> None:
        if not door.is_open_to_all:
            self._check_token(call)
            self._check_scopes(call, door)
        self._check_rate(call, door)
        self._check_quota(call)

    def _check_token(self, call: Call) -> None:
        token = bearer(call)
        if not token:
            raise Refusal(
                99991661,
                "Missing access token for authorization. Please make a request with token attached.",
            )
        if token.startswith("u-"):
            # A person's token opens nothing here but what asks for one itself.
            self.user_of_token(token)
            raise Refusal(99991663, "token type is not supported by this API: user_access_token")
        if not token.startswith("t-"):
            raise Refusal(99991671, 'Invalid access token format: it must start with "t-" or "u-".')
        if not self.tokens.is_valid(token):
            raise Refusal(
                99991663,
                "Invalid access token for authorization. Please make a request with token attached.",
            )

    def _check_scopes(self, call: Call, door: Door) -> None:
        wanted = scopes_of(call.method, door.path)
        missing = self.settings.missing_scopes
        if not missing or not wanted or not all(scope in missing for scope in wanted):
            return
        listed = ", ".join(wanted)
        link = (
            f"https://open.feishu.cn/app/{self.identity.app_id}/auth"
            f"?q={','.join(wanted)}&op_from=openapi&token_type=tenant"
        )
        raise Refusal(
            99991672,
            f"Access denied. One of the following scopes is required: [{listed}]."
            f"应用尚未开通所需的应用身份权限：[{listed}]，点击链接申请并开通任一权限即可：{link}",
            more={
                "permission_violations": [
                    {"type": "action_scope_required", "subject": scope} for scope in wanted
                ],
                "helps": [
                    {"url": link, "description": f"Learn more about scopes and how to add them: {listed}"}
                ],
            },
        )

    def _check_rate(self, call: Call, door: Door) -> None:
        if self.settings.qps is not None:
            windows = [(1.0, self.settings.qps)]
        elif not self.settings.real_limits:
            return
        elif (call.method, door.path) in SLOW_CALLS:
            windows = [(60.0, 100.0)]
        else:
            windows = [(60.0, 1000.0), (1.0, 50.0)]
        seen, now = self.recent[f"{call.method} {door.path}"], time.monotonic()
        while seen and seen[0] <= now - 60:
            seen.popleft()
        for seconds, most in windows:
            inside = [at for at in seen if at > now - seconds] if seconds < 60 else seen
            if len(inside) >= most:
                reset = max(1, round(inside[0] + seconds - now)) if seconds > 1 else 1
                raise self.too_many(limit=int(most), reset_s=reset)
        seen.append(now)

    def too_many(self, *, limit: int = 50, reset_s: int | None = None, status: int = 429) -> Refusal:
        reset = self.settings.ratelimit_reset_s if reset_s is None else reset_s
        headers = (("x-ogw-ratelimit-limit", str(limit)), ("x-ogw-ratelimit-reset", str(reset)))
        return Refusal(99991400, "request trigger frequency limit", status, headers=headers)

    def _check_quota(self, call: Call) -> None:
        if self.settings.monthly_quota is None or call.path.startswith("/open-apis/auth/"):
            return
        month = time.strftime("%Y-%m")
        if self.this_month[month] >= self.settings.monthly_quota:
            raise Refusal(99991403, "This month's API call quota has been exceeded")
        self.this_month[month] += 1

    def forget(self) -> None:
        self.recent.clear()
        self.this_month.clear()

    def refusal(self, path: str, error: Exception) -> Reply | None:
        if not isinstance(error, Refusal):
            return None
        log_id = new_log_id()
        return _json(
            error.body(log_id),
            status=error.status,
            outcome=str(error.code),
            headers=error.headers,
            log_id=log_id,
        )

    def unknown(self, path: str) -> Reply:
        return Reply(b"404 page not found", 404, "text/plain; charset=utf-8", outcome="404")

    def unreadable(self, path: str, detail: str) -> Reply:
        return self._no(Refusal(9499, f"Bad Request: {detail}"))

    def harmed(self, path: str, rule: FaultRule) -> Reply:
        match rule.harm:
            case Harm.RATE_LIMIT:
                return self._no(self.too_many(status=rule.status or 429))
            case Harm.HTML_PAGE:
                return html_reply(DENIED, status=rule.status or 200, outcome=rule.harm)
            case _ if rule.status and rule.status != 500:
                page = BAD_GATEWAY.format(f"{rule.status} Server Error")
                return html_reply(page, status=rule.status, outcome=rule.harm)
            case _ if path.startswith("/open-apis/approval/"):
                # The page of every approval call gives this one with HTTP 400; a 500 is told apart by `status`.
                text = "There have been some errors. Please try again later"
                return self._no(Refusal(1395001, text, rule.status or 400))
            case _:
                return self._no(Refusal(2200, "internal error", 500))

    def _no(self, error: Refusal) -> Reply:
        reply = self.refusal("", error)
        assert reply is not None
        return reply


def bearer(call: Call) -> str:
    kind, _, token = call.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def scopes_of(method: str, path: str) -> tuple[str, ...]:
    for pattern, scopes in SCOPES:
        wanted_method, _, prefix = pattern.rpartition(" ")
        if wanted_method in ("", method) and path.startswith(prefix):
            return scopes
    return ()


def _json(
    body: dict[str, Any],
    *,
    status: int = 200,
    outcome: str = "ok",
    headers: tuple[tuple[str, str], ...] = (),
    log_id: str = "",
) -> Reply:
    return Reply(
        json.dumps(body, ensure_ascii=False).encode(),
        status=status,
        outcome=outcome,
        headers=(("X-Tt-Logid", log_id or new_log_id()), *headers),
    )
