"""Who people are over there: the directory, and signing in."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.db import transaction

from viatica.connectors.dingtalk import translate
from viatica.connectors.dingtalk.client import DingTalkClient
from viatica.connectors.dingtalk.errors import SYSTEM
from viatica.connectors.dingtalk.translate import ROOT_IN_DIRECTORY, OutsideDepartment, OutsideUser
from viatica.connectors.registry import LinkReport
from viatica.kernel.errors import OutsideRefused
from viatica.kernel.words import N_
from viatica.offices.access.ports import ClientScript, SignedIn
from viatica.offices.company.models import Employee, OutsideIdentity
from viatica.spine.models import Connection

CLIENT_SCRIPT = "https://g.alicdn.com/dingding/dingtalk-jsapi/3.0.25/dingtalk.open.js"
MOST_NAMES = 200  # unmatched people named in a report


class NotOfThisCompany(OutsideRefused):
    code = "dingtalk.not_of_this_company"
    message = N_("This DingTalk account does not belong to the connected company.")
    hint = N_("Sign in with the account of your company.")


class DingTalkSignIn:
    """Fills `access.ports.SignInPort`."""

    kind = "dingtalk"
    client_mark = "DingTalk"

    def __init__(self, connection: Connection) -> None:
        self.client = DingTalkClient.of(connection)
        self.script_url = connection.settings.get("client_script") or CLIENT_SCRIPT

    def start_url(self, state: str, redirect: str, *, inside: bool) -> str:
        setup = self.client.setup
        query = {
            "redirect_uri": redirect,
            "response_type": "code",
            "client_id": setup.app_key,
            "scope": "openid corpid" if setup.corp_id else "openid",
            "state": state,
            "prompt": "consent",
        }
        if setup.corp_id:
            query["corpId"] = setup.corp_id
        return f"{setup.login_url.rstrip('/')}/oauth2/auth?{urlencode(query)}"

    def client_script(self) -> ClientScript:
        setup = self.client.setup
        return ClientScript(self.script_url, {"corp": setup.corp_id, "client": setup.app_key})

    def finish(self, code: str) -> SignedIn:
        """The browser way. The person's token tells the unionId; only the app's token leads to the userId."""
        profile = self.client.me(self.client.user_token(code))
        unionid = str(profile.get("unionId") or "")
        userid = self.client.userid_of(unionid) if unionid else None
        if userid is None:
            raise NotOfThisCompany(system=SYSTEM, said_by=str(profile.get("nick") or ""))
        return SignedIn(userid=userid, name=str(profile.get("nick") or ""), unionid=unionid)

    def free_login(self, code: str) -> SignedIn:
        found = self.client.user_by_code(code)
        return SignedIn(
            userid=str(found["userid"]),
            name=str(found.get("name") or ""),
            unionid=str(found.get("unionid") or ""),
        )


@dataclass(frozen=True, slots=True)
class DingTalkDirectory:
    """Departments and people, read as they are asked for: no page is fetched before the one before it is used."""

    client: DingTalkClient

    @classmethod
    def of(cls, connection: Connection) -> DingTalkDirectory:
        return cls(DingTalkClient.of(connection))

    def departments(self) -> Iterator[OutsideDepartment]:
        """Parents before children; the root, which has no name of its own here, is not among them."""
        waiting = deque([ROOT_IN_DIRECTORY])
        while waiting:
            for row in self.client.departments_below(waiting.popleft()):
                one = translate.department(row)
                waiting.append(one.dept_id)
                yield one

    def users(self) -> Iterator[OutsideUser]:
        """Each person once, however many departments list them."""
        seen: set[str] = set()
        dept_ids = [ROOT_IN_DIRECTORY, *(one.dept_id for one in self.departments())]
        for dept_id in dept_ids:
            for row in self.client.users_of(dept_id):
                one = translate.user(row)
                if one.userid not in seen:
                    seen.add(one.userid)
                    yield one


def link_people(connection: Connection, at: datetime) -> LinkReport:
    """Link existing employees to their DingTalk selves by job number, else by mobile. Nobody is added or changed.

    The network comes first, the transaction after it. A job number or mobile that fits two people links neither.
    """
    people = [one for one in DingTalkDirectory.of(connection).users() if one.is_active]
    return _link(connection, people)


@transaction.atomic
def _link(connection: Connection, people: list[OutsideUser]) -> LinkReport:
    known = {one.userid: one for one in OutsideIdentity.objects.filter(connection=connection)}
    linked_employees = {one.employee_id for one in known.values()}
    numbers, mobiles = _employees()
    fresh: list[OutsideIdentity] = []
    unmatched: list[str] = []
    for one in people:
        if one.userid in known:
            continue
        employee_id = numbers.get(one.job_number) or mobiles.get(_mobile(one.mobile))
        if employee_id is None or employee_id in linked_employees:
            unmatched.append(one.name)
            continue
        linked_employees.add(employee_id)
        fresh.append(
            OutsideIdentity(
                employee_id=employee_id,
                connection=connection,
                userid=one.userid,
                unionid=one.unionid,
                dept_id=one.dept_ids[0] if one.dept_ids else "",
            )
        )
    OutsideIdentity.objects.bulk_create(fresh, batch_size=1000)
    already = len(people) - len(fresh) - len(unmatched)
    return LinkReport(len(people), len(fresh), already, tuple(unmatched[:MOST_NAMES]))


def _employees() -> tuple[dict[str, int], dict[str, int]]:
    """Active employees by number and by mobile; a mobile two of them share is nobody's."""
    numbers: dict[str, int] = {}
    mobiles: dict[str, int | None] = {}
    rows = Employee.objects.filter(is_active=True).values_list("pk", "number", "mobile")
    for employee_id, number, mobile in rows.iterator(chunk_size=5000):
        numbers[number] = employee_id
        if plain := _mobile(mobile):
            mobiles[plain] = None if plain in mobiles else employee_id
    return numbers, {mobile: one for mobile, one in mobiles.items() if one is not None}


def _mobile(text: str) -> str:
    """Digits only, without China's country code."""
    digits = "".join(sign for sign in text if sign.isdecimal())
    return digits[2:] if len(digits) == 13 and digits.startswith("86") else digits
