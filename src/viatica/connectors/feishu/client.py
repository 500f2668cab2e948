"""The only speaker of HTTP to Feishu: its tokens, its envelope and its refusals."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from viatica.connectors.errors import NoSuchInstance, ScopeMissing, sorted_error
from viatica.connectors.feishu import errors
from viatica.connectors.feishu.errors import SYSTEM
from viatica.connectors.http import Answer, Client, Part, Values
from viatica.connectors.setup import Setup
from viatica.connectors.tokens import Token, TokenCache
from viatica.kernel.errors import OutsideRefused, OutsideUnavailable, OutsideUnknown
from viatica.spine.models import Connection
from viatica.spine.redaction import redact

Json = dict[str, Any]

INSTANCES_PER_PAGE = 100
PEOPLE_PER_PAGE = 50
UPLOAD_READ_S = 60.0

# People and departments by the company's own ids: open_ids differ from app to app.
IDS: Mapping[str, str] = {"user_id_type": "user_id", "department_id_type": "department_id"}
USER_IDS: Mapping[str, str] = {"user_id_type": "user_id"}

_tokens = TokenCache()


@dataclass(frozen=True, slots=True)
class FeishuSetup(Setup):
    needed = ("app_id", "app_secret")
    usual = {
        "base_url": "https://open.feishu.cn",
        "login_url": "https://accounts.feishu.cn",
        "upload_url": "https://www.feishu.cn",
    }

    base_url: str
    login_url: str
    upload_url: str
    app_id: str
    app_secret: str = field(repr=False)
    verification_token: str = field(default="", repr=False)
    encrypt_key: str = field(default="", repr=False)
    tenant_key: str = ""


class FeishuClient:
    """Each method is one call (or one loop of pages) and gives the business part of the answer as JSON."""

    def __init__(self, setup: FeishuSetup) -> None:
        self.setup = setup
        self._api = Client(SYSTEM, setup.base_url, secrets=setup.secrets)
        self._files = Client(SYSTEM, setup.upload_url, secrets=setup.secrets, read_s=UPLOAD_READ_S)

    @classmethod
    def of(cls, connection: Connection) -> FeishuClient:
        return cls(FeishuSetup.of(connection))

    # approvals

    def create_instance(self, body: Json) -> str:
        """The new instance's code. Raises NumberTaken when its uuid was used before."""
        # A repetition creates nothing, thanks to the uuid, but is refused: the office had better look first.
        data = self._ask("POST", "/open-apis/approval/v4/instances", body=body, is_repeatable=False)
        code = data.get("instance_code")
        if not code:
            raise OutsideUnknown(system=SYSTEM, said_by="no instance_code")
        return str(code)

    def instance(self, code_or_uuid: str) -> Json | None:
        """None when Feishu knows no such instance, neither by its own code nor by ours."""
        try:
            return self._ask("GET", f"/open-apis/approval/v4/instances/{_part(code_or_uuid)}", query=USER_IDS)
        except NoSuchInstance:
            return None

    def instance_codes(self, approval_code: str, *, start_ms: int, end_ms: int) -> Iterator[str]:
        """Instances of one approval started in [start, end], at most ten hours; page after page."""
        query: dict[str, str | int] = {
            "approval_code": approval_code,
            "start_time": start_ms,
            "end_time": end_ms,
            "page_size": INSTANCES_PER_PAGE,
        }
        for page in self._pages("/open-apis/approval/v4/instances", query):
            yield from (str(one) for one in page.get("instance_code_list") or [])

    def cancel(self, approval_code: str, instance_code: str, *, userid: str) -> None:
        body = {"approval_code": approval_code, "instance_code": instance_code, "user_id": userid}
        path = "/open-apis/approval/v4/instances/cancel"
        self._ask("POST", path, query=USER_IDS, body=body, is_repeatable=True)

    def comment(self, instance_code: str, *, userid: str, text: str) -> None:
        path = f"/open-apis/approval/v4/instances/{_part(instance_code)}/comments"
        body = {"content": json.dumps({"text": text, "files": []}, ensure_ascii=False)}
        self._ask("POST", path, query={"user_id": userid, **USER_IDS}, body=body, is_repeatable=False)

    def definition(self, approval_code: str) -> Json:
        path = f"/open-apis/approval/v4/approvals/{_part(approval_code)}"
        return self._ask("GET", path, query=USER_IDS)

    def subscribe(self, approval_code: str) -> bool:
        """Have events of this approval sent. False when they were sent already."""
        try:
            self._ask(
                "POST",
                f"/open-apis/approval/v4/approvals/{_part(approval_code)}/subscribe",
                is_repeatable=True,
            )
        except errors.AlreadySubscribed:
            return False
        return True

    def upload(self, name: str, data: bytes, *, kind: str) -> str:
        """The file's code for a form. `kind`: image or attachment, as its widget is; `name` with its extension."""

        def ask(token: str) -> Json:
            answer = self._files.call(
                "POST",
                "/approval/openapi/v2/file/upload",
                form={"name": name, "type": kind},
                multipart=[Part("content", name, data)],
                headers=_bearer(token),
                is_repeatable=True,
            )
            return _data(_envelope(answer))

        return str(self._with_token(ask)["code"])

    # our own approvals, shown over there

    def define_external(self, body: Json) -> str:
        """Create or change a definition of ours; the code it is kept under."""
        query = {"user_id_type": "user_id", "department_id_type": "department_id"}
        data = self._ask(
            "POST", "/open-apis/approval/v4/external_approvals", query=query, body=body, is_repeatable=True
        )
        return str(data["approval_code"])

    def put_external(self, body: Json) -> None:
        """All of one case. Raises PersonUnknown when anyone named in it is not there."""
        self._ask("POST", "/open-apis/approval/v4/external_instances", body=body, is_repeatable=True)

    def check_external(self, instances: list[Json]) -> list[Json]:
        """Those that differ from what is believed of them."""
        path = "/open-apis/approval/v4/external_instances/check"
        return (
            self._ask("POST", path, body={"instances": instances}, is_repeatable=True).get("diff_instances")
            or []
        )

    # messages

    def send_card(self, userid: str, card: str, *, uuid: str) -> str:
        """The message's id. `uuid` (at most 50) makes a repetition within an hour harmless."""
        body = {"receive_id": userid, "msg_type": "interactive", "content": card, "uuid": uuid}
        query = {"receive_id_type": "user_id"}
        data = self._ask("POST", "/open-apis/im/v1/messages", query=query, body=body, is_repeatable=True)
        return str(data.get("message_id") or "")

    def change_card(self, message_id: str, card: str) -> None:
        path = f"/open-apis/im/v1/messages/{_part(message_id)}"
        self._ask("PATCH", path, body={"content": card}, is_repeatable=True)

    # sign-in

    def user_token(self, code: str) -> str:
        """The person's own token for a sign-in's code, from a browser or from inside the client; a code works once."""
        body = {
            "grant_type": "authorization_code",
            "client_id": self.setup.app_id,
            "client_secret": self.setup.app_secret,
            "code": code,
        }
        answer = self._api.call("POST", "/open-apis/authen/v2/oauth/token", json=body)
        return str(_envelope(answer)["access_token"])

    def me(self, user_token: str) -> Json:
        answer = self._api.call("GET", "/open-apis/authen/v1/user_info", headers=_bearer(user_token))
        return _data(_envelope(answer))

    def jsapi_ticket(self) -> str:
        def fetch() -> Token:
            data = self._ask("POST", "/open-apis/jssdk/ticket/get", is_repeatable=True)
            return Token(str(data["ticket"]), float(data.get("expire_in") or 7200))

        return _tokens.get(("feishu.jsapi", self.setup.base_url, self.setup.app_id), fetch)

    # directory

    def departments_below(self, department_id: str) -> Iterator[Json]:
        """All of them, at any depth, in no promised order; page after page."""
        query: Values = {**IDS, "fetch_child": "true", "page_size": PEOPLE_PER_PAGE}
        path = f"/open-apis/contact/v3/departments/{_part(department_id)}/children"
        for page in self._pages(path, query):
            yield from page.get("items") or []

    def users_of(self, department_id: str) -> Iterator[Json]:
        """Direct members only; page after page."""
        query: Values = {**IDS, "department_id": department_id, "page_size": PEOPLE_PER_PAGE}
        for page in self._pages("/open-apis/contact/v3/users/find_by_department", query):
            yield from page.get("items") or []

    def person(self, userid: str) -> Json | None:
        """None: nobody, nobody any more, or not to be seen by the app."""
        try:
            user = self._ask("GET", f"/open-apis/contact/v3/users/{_part(userid)}", query=IDS).get("user")
        except OutsideRefused as refusal:
            if refusal.params.get("outside_code") in errors.NO_PERSON:
                return None
            raise
        return user if isinstance(user, dict) else None

    def department(self, department_id: str) -> Json | None:
        """None: there is no such department, or the app may not see it."""
        path = f"/open-apis/contact/v3/departments/{_part(department_id)}"
        try:
            department = self._ask("GET", path, query=IDS).get("department")
        except OutsideRefused as refusal:
            if refusal.params.get("outside_code") in errors.NO_DEPARTMENT:
                return None
            raise
        return department if isinstance(department, dict) else None

    def user_by_open_id(self, open_id: str) -> Json:
        query = {**IDS, "user_id_type": "open_id"}
        user = self._ask("GET", f"/open-apis/contact/v3/users/{_part(open_id)}", query=query).get("user")
        return user if isinstance(user, dict) else {}

    # tokens

    def check_token(self) -> None:
        """Fetch the token anew. Raises what Feishu says against the credentials."""
        self._fetch_token()

    def _fetch_token(self) -> Token:
        body = {"app_id": self.setup.app_id, "app_secret": self.setup.app_secret}
        path = "/open-apis/auth/v3/tenant_access_token/internal"
        answer = _envelope(self._api.call("POST", path, json=body, is_repeatable=True))
        return Token(str(answer["tenant_access_token"]), float(answer.get("expire") or 7200))

    def _with_token(self, ask: Callable[[str], Json]) -> Json:
        key = ("feishu", self.setup.base_url, self.setup.app_id, self.setup.app_secret)
        return _tokens.use(SYSTEM, key, self._fetch_token, ask)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Values | None = None,
        body: Json | None = None,
        is_repeatable: bool | None = None,
    ) -> Json:
        def ask(token: str) -> Json:
            answer = self._api.call(
                method, path, query=query, json=body, headers=_bearer(token), is_repeatable=is_repeatable
            )
            return _data(_envelope(answer))

        return self._with_token(ask)

    def _pages(self, path: str, query: Values) -> Iterator[Json]:
        token = ""
        while True:
            page = self._ask("GET", path, query={**query, "page_token": token} if token else query)
            yield page
            token = str(page.get("page_token") or "") if page.get("has_more") else ""
            if not token:
                return


def _part(text: str) -> str:
    """An id as one part of a path."""
    return quote(text, safe="")


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def _data(body: Json) -> Json:
    data = body.get("data")
    return data if isinstance(data, dict) else {}


def _envelope(answer: Answer) -> Json:
    """Success is HTTP 200 with `code` 0; a refusal comes with 400, 429, 5xx or 200, and another code."""
    body = answer.json()
    if not isinstance(body, dict):
        raise answer.trouble()
    try:
        code = int(body["code"])
    except (KeyError, TypeError, ValueError):
        raise answer.trouble() from None
    if code == 0 and answer.status == 200:
        return body
    raise _refusal(answer, code, body)


def _refusal(answer: Answer, code: int, body: Json) -> Exception:
    words = body.get("msg") or body.get("error_description") or body.get("error") or ""
    said = redact(f"{code} {words}".strip(), answer.secrets)
    reading = errors.READINGS.get(code)
    if reading is None and answer.status == 429:
        reading = OutsideUnavailable
    more = {"scopes": _scopes(body) or said} if reading is ScopeMissing else {}
    return sorted_error(answer, said, reading, retry_after=_opens_in(answer, code), outside_code=code, **more)


def _opens_in(answer: Answer, code: int) -> float | None:
    """Seconds until the rate window opens again; None when not told."""
    told = answer.header("x-ogw-ratelimit-reset")
    if told.isdecimal():
        return float(told)
    return answer.retry_after or (errors.TOO_OFTEN_PAUSE_S if code == errors.TOO_OFTEN else None)


def _scopes(body: Json) -> str:
    """The permissions that are missing, in the console's own names."""
    error = body.get("error")
    rows = error.get("permission_violations") if isinstance(error, dict) else None
    return ", ".join(
        str(row.get("subject") or row.get("type") or "") for row in rows or [] if isinstance(row, dict)
    )
