"""The only speaker of HTTP to DingTalk: both generations of its API, their tokens, envelopes and refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import quote

from viatica.connectors.dingtalk import errors
from viatica.connectors.dingtalk.errors import SYSTEM
from viatica.connectors.errors import NoSuchInstance, sorted_error
from viatica.connectors.http import Answer, Client, Values
from viatica.connectors.setup import Setup
from viatica.connectors.tokens import Token, TokenCache
from viatica.kernel.errors import OutsideRefused, OutsideUnavailable, OutsideUnknown
from viatica.kernel.words import N_
from viatica.spine.models import Connection
from viatica.spine.quotas import Quota
from viatica.spine.redaction import redact

Json = dict[str, Any]

IDS_PER_PAGE = 20
USERS_PER_PAGE = 100

# Of all apps of a company together; who buys more says so in the connection's settings.
CALLS = Quota("calls_a_month", N_("API calls a month"), 5000, source="调用频次与限流")
FREE = (
    "/v1.0/oauth2/", "/v1.0/contact/", "/v1.0/gateway/", "/auth/", "/topapi/user/", "/topapi/v2/user/",
    "/topapi/v2/department/",
)  # fmt: skip

_tokens = TokenCache()


@dataclass(frozen=True, slots=True)
class DingTalkSetup(Setup):
    needed = ("app_key", "app_secret")
    usual = {
        "base_url": "https://api.dingtalk.com",
        "oapi_base_url": "https://oapi.dingtalk.com",
        "login_url": "https://login.dingtalk.com",
    }

    base_url: str
    oapi_base_url: str
    login_url: str
    app_key: str
    app_secret: str = field(repr=False)
    corp_id: str = ""
    agent_id: str = ""
    token: str = field(default="", repr=False)
    aes_key: str = field(default="", repr=False)

    @property
    def owner_keys(self) -> tuple[str, ...]:
        """Who callbacks are addressed to: the app; the organisation when registered the old way."""
        return tuple(key for key in (self.app_key, self.corp_id) if key)


class DingTalkClient:
    """Each method is one call (or one loop of pages) and gives the business part of the answer as JSON."""

    def __init__(self, setup: DingTalkSetup) -> None:
        self.setup = setup
        self._new = Client(SYSTEM, setup.base_url, secrets=setup.secrets)
        self._old = Client(SYSTEM, setup.oapi_base_url, secrets=setup.secrets)

    @classmethod
    def of(cls, connection: Connection) -> Self:
        return cls(DingTalkSetup.of(connection))

    # approvals

    def create_instance(self, body: Json) -> str:
        """The new instance's id. Raises OutsideUnknown when it may exist without our knowing."""
        answer = self._ask_new("POST", "/v1.0/workflow/processInstances", body=body, is_repeatable=False)
        instance_id = answer.get("instanceId") or (answer.get("result") or {}).get("instanceId")
        if not instance_id:
            raise OutsideUnknown(system=SYSTEM, said_by="no instanceId")
        return str(instance_id)

    def instance(self, instance_id: str) -> Json | None:
        """None when DingTalk knows no such instance."""
        query = {"processInstanceId": instance_id}
        try:
            return result_of(self._ask_new("GET", "/v1.0/workflow/processInstances", query=query))
        except NoSuchInstance:
            return None

    def instance_ids(
        self, process_code: str, *, start_ms: int, end_ms: int, userids: tuple[str, ...] = ()
    ) -> Iterator[str]:
        """Instances of one template started in [start, end], at most 120 days; page after page."""
        token: int | None = 0
        while token is not None:
            body: Json = {
                "processCode": process_code,
                "startTime": start_ms,
                "endTime": end_ms,
                "nextToken": token,
                "maxResults": IDS_PER_PAGE,
            }
            if userids:
                body["userIds"] = list(userids)
            path = "/v1.0/workflow/processes/instanceIds/query"
            page = result_of(self._ask_new("POST", path, body=body, is_repeatable=True))
            yield from (str(one) for one in page.get("list") or [])
            following = str(page.get("nextToken") or "")
            token = int(following) if following.isdecimal() else None

    def terminate(self, instance_id: str, *, userid: str, remark: str) -> None:
        body = {
            "processInstanceId": instance_id,
            # By the system: a template may forbid its originator to withdraw, but the document is withdrawn.
            "isSystem": True,
            "operatingUserId": userid,
            "remark": remark[:1024],
        }
        # Ending twice ends once: the second call is refused, which the connector recognises.
        path = "/v1.0/workflow/processInstances/terminate"
        self._ask_new("POST", path, body=body, is_repeatable=True)

    def comment(self, instance_id: str, *, userid: str, text: str) -> None:
        body = {"processInstanceId": instance_id, "text": text[:1024], "commentUserId": userid}
        self._ask_new("POST", "/v1.0/workflow/processInstances/comments", body=body, is_repeatable=False)

    def form_schema(self, process_code: str) -> Json:
        path = "/v1.0/workflow/forms/schemas/processCodes"
        return result_of(self._ask_new("GET", path, query={"processCode": process_code}))

    # messages

    def send_notification(self, userids: tuple[str, ...], message: Json) -> str:
        """The message's task id. Success means taken, not read, not even delivered."""
        form = {
            "agent_id": self.setup.need("agent_id"),
            "userid_list": ",".join(userids),
            "msg": json.dumps(message, ensure_ascii=False),
        }
        # The same text reaches the same person once a day, so asking twice does no harm.
        path = "/topapi/message/corpconversation/asyncsend_v2"
        return str(self._ask_old("POST", path, form=form, is_repeatable=True).get("task_id") or "")

    def sendresult_of(self, task_id: str) -> Json:
        form = {"agent_id": self.setup.need("agent_id"), "task_id": task_id}
        answer = self._ask_old("POST", "/topapi/message/corpconversation/getsendresult", form=form)
        return answer.get("send_result") or {}

    def update_status_bar(self, task_id: str, *, text: str, colour: str) -> None:
        form = {
            "agent_id": self.setup.need("agent_id"),
            "task_id": task_id,
            "status_value": text,
            "status_bg": colour,
        }
        self._ask_old("POST", "/topapi/message/corpconversation/status_bar/update", form=form)

    # to-dos

    def create_todo(self, unionid: str, body: Json) -> Json:
        """Raises TaskExists when its sourceId was used before."""
        return self._ask_new("POST", f"/v1.0/todo/users/{part(unionid)}/tasks", body=body, is_repeatable=True)

    def todo_by_source(self, unionid: str, source_id: str) -> Json | None:
        try:
            return self._ask_new("GET", f"/v1.0/todo/users/{part(unionid)}/tasks/sources/{part(source_id)}")
        except errors.TodoGone:
            return None

    def update_todo(self, unionid: str, task_id: str, body: Json) -> None:
        path = f"/v1.0/todo/users/{part(unionid)}/tasks/{part(task_id)}"
        self._ask_new("PUT", path, query={"operatorId": unionid}, body=body, is_repeatable=True)

    def delete_todo(self, unionid: str, task_id: str) -> None:
        path = f"/v1.0/todo/users/{part(unionid)}/tasks/{part(task_id)}"
        self._ask_new("DELETE", path, query={"operatorId": unionid}, is_repeatable=True)

    def open_todos(self, unionid: str) -> Iterator[Json]:
        """What somebody still has to do, in the app's own words; page after page."""
        path, token = f"/v1.0/todo/users/{part(unionid)}/org/tasks/query", ""
        while True:
            body: Json = {"isDone": False} | ({"nextToken": token} if token else {})
            page = self._ask_new("POST", path, body=body, is_repeatable=True)
            yield from page.get("todoCards") or []
            token = str(page.get("nextToken") or "")
            if not token:
                return

    # sign-in

    def user_token(self, code: str) -> str:
        """The person's own token for a browser sign-in's code; a code works once."""
        body = {
            "clientId": self.setup.app_key,
            "clientSecret": self.setup.app_secret,
            "code": code,
            "grantType": "authorization_code",
        }
        answer = self._new.call("POST", "/v1.0/oauth2/userAccessToken", json=body)
        return str(_new_envelope(answer)["accessToken"])

    def me(self, user_token: str) -> Json:
        headers = {"x-acs-dingtalk-access-token": user_token}
        return _new_envelope(self._new.call("GET", "/v1.0/contact/users/me", headers=headers))

    def userid_of(self, unionid: str) -> str | None:
        """None for someone outside the organisation."""
        try:
            answer = self._ask_old("POST", "/topapi/user/getbyunionid", form={"unionid": unionid})
        except OutsideRefused as refusal:
            if refusal.params.get("outside_code") in errors.NO_USER_OLD:
                return None
            raise
        result = result_of(answer)
        return str(result["userid"]) if str(result.get("contact_type", "0")) == "0" else None

    def user_by_code(self, code: str) -> Json:
        """Who opened our page inside DingTalk (免登); a code works once and for five minutes."""
        return result_of(self._ask_old("POST", "/topapi/v2/user/getuserinfo", form={"code": code}))

    def jsapi_ticket(self) -> str:
        def fetch() -> Token:
            answer = self._ask_new("POST", "/v1.0/oauth2/jsapiTickets", is_repeatable=True)
            return Token(str(answer["jsapiTicket"]), float(answer.get("expireIn") or 7200))

        return _tokens.get(("dingtalk.jsapi", self.setup.base_url, self.setup.app_key), fetch)

    # directory

    def departments_below(self, dept_id: str) -> list[Json]:
        """Direct children only; there is no paging."""
        answer = self._ask_old("POST", "/topapi/v2/department/listsub", form={"dept_id": dept_id})
        return list(answer.get("result") or [])

    def user(self, userid: str) -> Json:
        return result_of(self._ask_old("POST", "/topapi/v2/user/get", form={"userid": userid}))

    # events without a public address

    def open_stream(self) -> tuple[str, str]:
        """Where to open a WebSocket for all events, and the ticket that opens it once."""
        body = {
            "clientId": self.setup.app_key,
            "clientSecret": self.setup.app_secret,
            "subscriptions": [{"type": "EVENT", "topic": "*"}],
            "ua": "viatica",
        }
        answer = self._new.call("POST", "/v1.0/gateway/connections/open", json=body, is_repeatable=True)
        opened = _new_envelope(answer)
        return str(opened["endpoint"]), str(opened["ticket"])

    # tokens

    def check_token(self) -> None:
        """Fetch both generations' tokens anew. Raises what DingTalk says against the credentials."""
        self._fetch_new_token()
        self._fetch_old_token()

    def _fetch_new_token(self) -> Token:
        body = {"appKey": self.setup.app_key, "appSecret": self.setup.app_secret}
        answer = _new_envelope(
            self._new.call("POST", "/v1.0/oauth2/accessToken", json=body, is_repeatable=True)
        )
        return Token(str(answer["accessToken"]), float(answer.get("expireIn") or 7200))

    def _fetch_old_token(self) -> Token:
        query = {"appkey": self.setup.app_key, "appsecret": self.setup.app_secret}
        answer = _old_envelope(self._old.call("GET", "/gettoken", query=query))
        return Token(str(answer["access_token"]), float(answer.get("expires_in") or 7200))

    # the two generations

    def _ask_new(
        self,
        method: str,
        path: str,
        *,
        query: Values | None = None,
        body: Json | None = None,
        is_repeatable: bool | None = None,
    ) -> Json:
        def ask(token: str) -> Json:
            headers = {"x-acs-dingtalk-access-token": token}
            return _new_envelope(
                self._new.call(
                    method, path, query=query, json=body, headers=headers, is_repeatable=is_repeatable,
                    counts=_counts(path),
                )
            )  # fmt: skip

        key = ("dingtalk.new", self.setup.base_url, self.setup.app_key, self.setup.app_secret)
        return _tokens.use(SYSTEM, key, self._fetch_new_token, ask)

    def _ask_old(self, method: str, path: str, *, form: Values, is_repeatable: bool = True) -> Json:
        def ask(token: str) -> Json:
            query = {"access_token": token}
            return _old_envelope(
                self._old.call(
                    method, path, query=query, form=form, is_repeatable=is_repeatable, counts=_counts(path)
                )
            )

        key = ("dingtalk.old", self.setup.oapi_base_url, self.setup.app_key, self.setup.app_secret)
        return _tokens.use(SYSTEM, key, self._fetch_old_token, ask)


def part(text: str) -> str:
    """An id as one part of a path."""
    return quote(text, safe="")


def _counts(path: str) -> Mapping[str, int] | None:
    return None if path.startswith(FREE) else {CALLS.name: 1}


def result_of(answer: Mapping[str, Any]) -> Json:
    result = answer.get("result")
    return result if isinstance(result, dict) else {}


def _object(answer: Answer) -> Json:
    """The answer as a JSON object. An address shut out gets a page, or a JSON of the firewall's own."""
    body = answer.json()
    if not isinstance(body, dict):
        raise answer.trouble()
    if body.get("punish") or ("wait" in body and body.get("source") == "x5"):
        # The firewall answered, not the product: nothing was done.
        raise OutsideUnavailable(system=SYSTEM, said_by=answer.said, retry_after=errors.BLOCKED_PAUSE_S)
    return body


def _new_envelope(answer: Answer) -> Json:
    """api.dingtalk.com: success is HTTP 200 without `code`, and not `success: false`."""
    body = _object(answer)
    code = str(body.get("code") or body.get("Code") or "")
    said = f"{code} {body.get('message') or body.get('Message') or ''}".strip()
    if answer.status == 200 and not code and str(body.get("success", True)).lower() != "false":
        return body
    said = redact(said, answer.secrets)
    reading = errors.reading_new(code, said, is_repeatable=answer.is_repeatable)
    raise sorted_error(answer, said, reading, outside_code=code)


def _old_envelope(answer: Answer) -> Json:
    """oapi.dingtalk.com: HTTP 200 whatever happens; `errcode` 0 is success."""
    body = _object(answer)
    if "errcode" not in body:
        raise answer.trouble()
    errcode = int(body["errcode"])
    if errcode == 0:
        return body
    sub = str(body.get("sub_code") or "")
    said = f"{errcode} {body.get('errmsg', '')} {sub} {body.get('sub_msg') or ''}".strip()
    # 88 wraps another code of the older gateway.
    code = int(sub) if errcode == 88 and sub.isdecimal() else errcode
    raise sorted_error(answer, redact(said, answer.secrets), errors.OLD.get(code), outside_code=code)
