"""The only speaker of HTTP to WeCom: its tokens, its envelope and its refusals."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from viatica.connectors.errors import CardTooOld, FormRefused, PersonUnknown, ScopeMissing, sorted_error
from viatica.connectors.http import Answer, Client, Part, Values
from viatica.connectors.setup import Setup
from viatica.connectors.tokens import Token, TokenCache
from viatica.connectors.wecom import errors
from viatica.connectors.wecom.errors import SYSTEM, BadAgentId, NoSuchDepartment, OutOfSight
from viatica.kernel.errors import OutsideRefused, OutsideUnknown
from viatica.spine.models import Connection
from viatica.spine.redaction import redact

Json = dict[str, Any]

FORMS_PER_PAGE = 100
UPLOAD_READ_S = 60.0
DUPLICATE_S = 1800  # the same message again within half an hour is not delivered
ONE_MESSAGE = {"messages_a_day": 1}
PREFIX = "/cgi-bin"

_tokens = TokenCache()


@dataclass(frozen=True, slots=True)
class WeComSetup(Setup):
    """`contacts_token` and `contacts_aes_key` are those of 通讯录同步助手, whose events tell of people."""

    system = SYSTEM
    needed = ("corp_id", "agent_id", "secret")
    usual = {
        "base_url": "https://qyapi.weixin.qq.com",
        "authorize_url": "https://open.weixin.qq.com/connect/oauth2/authorize",
        "sso_url": "https://login.work.weixin.qq.com/wwlogin/sso/login",
    }

    base_url: str
    authorize_url: str
    sso_url: str
    corp_id: str
    agent_id: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)
    aes_key: str = field(default="", repr=False)
    contacts_token: str = field(default="", repr=False)
    contacts_aes_key: str = field(default="", repr=False)

    @property
    def can_hear(self) -> bool:
        return bool(self.token and self.aes_key)


class WeComClient:
    """Each method is one call (or one loop of pages) and gives the business part of the answer as JSON."""

    def __init__(self, setup: WeComSetup) -> None:
        """Raises BadAgentId."""
        if not setup.agent_id.isdecimal():
            raise BadAgentId(said=setup.agent_id)
        self.setup = setup
        host = setup.base_url.rstrip("/").removesuffix(PREFIX)
        self._api = Client(SYSTEM, host, secrets=setup.secrets)
        self._files = Client(SYSTEM, host, secrets=setup.secrets, read_s=UPLOAD_READ_S)

    @classmethod
    def of(cls, connection: Connection) -> WeComClient:
        return cls(WeComSetup.of(connection))

    @property
    def agent_id(self) -> int:
        return int(self.setup.agent_id)

    # approvals

    def template(self, template_id: str) -> Json:
        body = {"template_id": template_id}
        return self._ask("POST", "/oa/gettemplatedetail", body=body, is_repeatable=True)

    def apply(self, body: Json) -> str:
        """The new form's number over there. There is no key that would make a repetition harmless."""
        sp_no = self._ask("POST", "/oa/applyevent", body=body, is_repeatable=False).get("sp_no")
        if not sp_no:
            raise OutsideUnknown(system=SYSTEM, said_by="no sp_no")
        return str(sp_no)

    def form(self, sp_no: str) -> Json | None:
        """None when WeCom knows no such form."""
        try:
            answer = self._ask("POST", "/oa/getapprovaldetail", body={"sp_no": sp_no}, is_repeatable=True)
        except FormRefused:
            return None
        info = answer.get("info")
        return info if isinstance(info, dict) else None

    def form_numbers(
        self, *, start_s: int, end_s: int, filters: Mapping[str, str] | None = None
    ) -> Iterator[str]:
        """Forms submitted in [start, end], at most 31 days; page after page. Only a missing cursor ends it."""
        wanted = [{"key": key, "value": value} for key, value in (filters or {}).items()]
        body: Json = {
            "starttime": str(start_s),
            "endtime": str(end_s),
            "size": FORMS_PER_PAGE,
            "filters": wanted,
        }
        cursor = ""
        while True:
            page = self._ask(
                "POST", "/oa/getapprovalinfo", body={**body, "new_cursor": cursor}, is_repeatable=True
            )
            yield from (str(one) for one in page.get("sp_no_list") or [])
            following = str(page.get("new_next_cursor") or "")
            if not following or following == cursor:
                return
            cursor = following

    def upload(self, name: str, data: bytes, *, kind: str = "file") -> str:
        """The media id of a file, good for three days and longer once a form holds it. `kind`: file or image."""

        def ask(token: str) -> Json:
            answer = self._files.call(
                "POST",
                f"{PREFIX}/media/upload",
                query={"access_token": token, "type": kind},
                multipart=[Part("media", name, data)],
                is_repeatable=True,
            )
            return _envelope(answer)

        return str(self._with_token(ask)["media_id"])

    # messages

    def send(self, userid: str, card: Json) -> Json:
        """The answer, with `msgid` and, for a card with buttons, `response_code`.

        Raises CannotBeReached, TaskTaken when a card with the same task_id went out before.
        """
        body = {
            "touser": userid,
            "msgtype": "template_card",
            "agentid": self.agent_id,
            "template_card": card,
            "enable_duplicate_check": 1,
            "duplicate_check_interval": DUPLICATE_S,
        }
        # Harmless to repeat: a card's task_id is taken once, and the same message once in half an hour.
        return self._ask("POST", "/message/send", body=body, is_repeatable=True, counts=ONE_MESSAGE)

    def change_card(self, response_code: str, card: Json, userids: Sequence[str] = ()) -> None:
        """Of `userids`, or of everybody who got it. Raises CardTooOld: a code works once, within 72 hours."""
        to: Json = {"userids": list(userids)} if userids else {"atall": 1}
        body = {"agentid": self.agent_id, "response_code": response_code, "template_card": card, **to}
        self._on_card("/message/update_template_card", body)

    def recall(self, msgid: str) -> None:
        """Raises CardTooOld: within 24 hours."""
        self._on_card("/message/recall", {"msgid": msgid})

    def _on_card(self, path: str, body: Json) -> None:
        """A refusal WeCom gives no code of its own means the card: what is wrong with the app or the person has one."""
        try:
            self._ask("POST", path, body=body, is_repeatable=True)
        except OutsideRefused as refusal:
            if type(refusal) is OutsideRefused and "outside_code" in refusal.params:
                raise CardTooOld(system=SYSTEM, said_by=str(refusal.params["said_by"])) from refusal
            raise

    # sign-in

    def who(self, code: str) -> Json:
        """Whom a sign-in's code stands for; a code works once."""
        return self._ask("GET", "/auth/getuserinfo", query={"code": code}, is_repeatable=False)

    def jsapi_ticket(self) -> str:
        """The company's, for `wx.config`."""
        return self._ticket("/get_jsapi_ticket", {})

    def agent_ticket(self) -> str:
        """The app's, for `wx.agentConfig`."""
        return self._ticket("/ticket/get", {"type": "agent_config"})

    def _ticket(self, path: str, query: Values) -> str:
        def fetch() -> Token:
            answer = self._ask("GET", path, query=query)
            return Token(str(answer["ticket"]), float(answer.get("expires_in") or 7200))

        return _tokens.get((path, *self._key), fetch)

    # directory

    def departments(self) -> list[Json]:
        """All the app may see, in one answer."""
        return _rows(self._ask("GET", "/department/list"), "department")

    def department(self, department_id: str) -> Json | None:
        """None when it is gone, or out of the app's sight."""
        try:
            answer = self._ask("GET", "/department/get", query={"id": department_id})
        except (NoSuchDepartment, OutOfSight):
            return None
        found = answer.get("department")
        return found if isinstance(found, dict) else None

    def users_of(self, department_id: str) -> list[Json]:
        """Direct members only, in one answer."""
        return _rows(self._ask("GET", "/user/list", query={"department_id": department_id}), "userlist")

    def user(self, userid: str) -> Json | None:
        """None when the person has left, or is out of the app's sight."""
        try:
            return self._ask("GET", "/user/get", query={"userid": userid})
        except (PersonUnknown, OutOfSight):
            return None

    # the app itself

    def agent(self) -> Json:
        return self._ask("GET", "/agent/get", query={"agentid": self.agent_id})

    def check_token(self) -> None:
        """Fetch the token anew. Raises what WeCom says against the credentials."""
        self._fetch_token()

    @property
    def _key(self) -> tuple[str, ...]:
        setup = self.setup
        return ("wecom", setup.base_url, setup.corp_id, setup.secret)

    def _fetch_token(self) -> Token:
        query = {"corpid": self.setup.corp_id, "corpsecret": self.setup.secret}
        answer = _envelope(self._api.call("GET", f"{PREFIX}/gettoken", query=query))
        return Token(str(answer["access_token"]), float(answer.get("expires_in") or 7200))

    def _with_token(self, ask: Callable[[str], Json]) -> Json:
        return _tokens.use(SYSTEM, self._key, self._fetch_token, ask)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Values | None = None,
        body: Json | None = None,
        is_repeatable: bool | None = None,
        counts: Mapping[str, int] | None = None,
    ) -> Json:
        def ask(token: str) -> Json:
            answer = self._api.call(
                method,
                f"{PREFIX}{path}",
                query={**(query or {}), "access_token": token},
                json=body,
                is_repeatable=is_repeatable,
                counts=counts,
            )
            return _envelope(answer)

        return self._with_token(ask)


def _rows(answer: Json, name: str) -> list[Json]:
    return [row for row in answer.get(name) or [] if isinstance(row, dict)]


def _envelope(answer: Answer) -> Json:
    """Success is `errcode` 0; HTTP 200 says nothing."""
    body = answer.json()
    if not isinstance(body, dict):
        raise answer.trouble()
    try:
        code = int(body["errcode"])
    except (KeyError, TypeError, ValueError):
        raise answer.trouble() from None
    if code == 0:
        return body
    raise _refusal(answer, code, str(body.get("errmsg") or ""))


# The tail of an errmsg differs from call to call; only where the address matters is it told.
_TAIL = re.compile(r",? ?(hint: \[[^\]]*\]|more info at \S+)")
_FROM = re.compile(r",? ?from ip: [^,\s]+")


def _refusal(answer: Answer, code: int, errmsg: str) -> Exception:
    words = _TAIL.sub("", errmsg)
    said = redact(
        f"{code} {words if code == errors.NOT_LISTED else _FROM.sub('', words)}".strip(), answer.secrets
    )
    reading = errors.READINGS.get(code)
    more = {"scopes": said} if reading is ScopeMissing else {}
    pause = {errors.TOO_OFTEN: errors.WINDOW_S}.get(code, errors.BUSY_S)
    return sorted_error(answer, said, reading, retry_after=pause, outside_code=code, **more)
