"""WeCom at the gate: tokens, trusted addresses, limits, and the faces of its bad days."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from dataclasses import dataclass, field

from simulators.stage.faults import FaultRule, Harm
from simulators.stage.gate import Call, Door, Reply, html_reply, json_reply
from simulators.wecom.errors import Refusal, bad
from simulators.wecom.settings import Settings
from simulators.wecom.tokens import Caller, Tokens

# Since 2022-08-15 the 通讯录同步 secret reads ids only, and only it reads the list of them.
FOR_CONTACTS = ("/cgi-bin/user/list_id", "/cgi-bin/department/simplelist", "/cgi-bin/getcallbackip")
FOR_CONTACTS_ALONE = ("/cgi-bin/user/list_id",)
APPROVAL = ("/cgi-bin/oa/",)
BAD_GATEWAY = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"
TOO_MANY = 45009
LEAST_ERRCODE = 1000


@dataclass(slots=True)
class WeComManners:
    tokens: Tokens
    settings: Settings
    recent: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    blocked_until: dict[str, float] = field(default_factory=dict)

    def admit(self, call: Call, door: Door) -> None:
        if not door.is_open_to_all:
            caller = self.tokens.caller(call.query.get("access_token", ""))
            if not self.settings.trusted_ip:
                raise Refusal(60020, "not allow to access from your ip")
            self._check_caller(caller, door.path)
        self._check_rate(door.path)
        if door.path.startswith(APPROVAL):
            self._check_approval()

    def _check_caller(self, caller: Caller, path: str) -> None:
        is_allowed = path in FOR_CONTACTS if caller is Caller.CONTACTS else path not in FOR_CONTACTS_ALONE
        if not is_allowed:
            raise Refusal(48002, "api forbidden")

    def _check_rate(self, path: str) -> None:
        limit = self.settings.per_minute
        if path.startswith(APPROVAL) and self.settings.approval_per_minute is not None:
            limit = self.settings.approval_per_minute
        if limit is None:
            return
        seen, now = self.recent[path], time.monotonic()
        while seen and seen[0] <= now - 60:
            seen.popleft()
        if self.blocked_until.get(path, 0.0) > now:
            raise Refusal(TOO_MANY, "api freq out of limit")
        if len(seen) >= limit:
            # Going over costs a whole window, however little it was over.
            self.blocked_until[path] = now + self.settings.penalty_s
            seen.clear()
            raise Refusal(TOO_MANY, "api freq out of limit")
        seen.append(now)

    def _check_approval(self) -> None:
        if not self.settings.approval_is_enabled:
            raise Refusal(301056, "approval app is disabled")
        if not self.settings.may_approve:
            raise Refusal(301055, "no approval auth")

    def forget(self) -> None:
        self.recent.clear()
        self.blocked_until.clear()

    def refusal(self, path: str, error: Exception) -> Reply | None:
        if isinstance(error, Refusal):
            return json_reply(error.body(), outcome=str(error.errcode))
        return None

    def unknown(self, path: str) -> Reply:
        return self._no(Refusal(404, "Not Found: no such api"))

    def unreadable(self, path: str, detail: str) -> Reply:
        if path.startswith(APPROVAL):
            return self._no(Refusal(301025, f"Warning: wrong json format. {detail}"))
        return self._no(bad(detail))

    def harmed(self, path: str, rule: FaultRule) -> Reply:
        """A rule's `status` may be an HTTP status or one of WeCom's own errcodes (45033, 301057, …)."""
        if rule.status and rule.status >= LEAST_ERRCODE:
            return self._no(Refusal(rule.status, "said because told to"))
        match rule.harm:
            case Harm.RATE_LIMIT:
                return self._no(Refusal(TOO_MANY, "api freq out of limit"))
            case Harm.HTML_PAGE:
                return html_reply(BAD_GATEWAY.format("出错了"), status=rule.status or 200, outcome=rule.harm)
            case _ if rule.status:
                page = BAD_GATEWAY.format(f"{rule.status} Server Error")
                return html_reply(page, status=rule.status, outcome=rule.harm)
            case _:
                return self._no(Refusal(-1, "system busy"))

    def _no(self, error: Refusal) -> Reply:
        return json_reply(error.body(), outcome=str(error.errcode))
