"""Who people are over there: the directory, and signing in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from viatica.connectors.feishu import linking, translate
from viatica.connectors.feishu.client import FeishuClient
from viatica.connectors.feishu.errors import SYSTEM, ScopeMissing
from viatica.connectors.feishu.translate import ROOT, OutsideDepartment, OutsideUser
from viatica.connectors.registry import LinkReport
from viatica.kernel.errors import OutsideRefused
from viatica.kernel.words import N_
from viatica.offices.access.ports import SignedIn
from viatica.spine.models import Connection

USER_ID_SCOPE = "contact:user.employee_id:readonly"


class NotOfThisCompany(OutsideRefused):
    code = "feishu.not_of_this_company"
    message = N_("This Feishu account does not belong to the connected company.")
    hint = N_("Sign in with the account of your company.")


class FeishuSignIn:
    """Fills `access.ports.SignInPort`."""

    kind = "feishu"
    client_mark = "Lark"

    def __init__(self, connection: Connection) -> None:
        self.client = FeishuClient.of(connection)

    def start_url(self, state: str, redirect: str, *, inside: bool) -> str:
        """The same for both: Feishu's client redirects without a prompt."""
        setup = self.client.setup
        query = {"client_id": setup.app_id, "response_type": "code", "redirect_uri": redirect, "state": state}
        return f"{setup.login_url.rstrip('/')}/open-apis/authen/v1/authorize?{urlencode(query)}"

    def client_script(self) -> None:
        return None

    def finish(self, code: str) -> SignedIn:
        """The person's token tells their open_id; that they are of this company, only our own directory tells."""
        profile = self.client.me(self.client.user_token(code))
        name, tenant_key = str(profile.get("name") or ""), self.client.setup.tenant_key
        if tenant_key and profile.get("tenant_key") != tenant_key:
            raise NotOfThisCompany(system=SYSTEM, said_by=name)
        found = self._of_this_company(str(profile.get("open_id") or ""), name)
        return SignedIn(userid=found.userid, name=found.name or name, unionid=found.unionid)

    def _of_this_company(self, open_id: str, name: str) -> OutsideUser:
        try:
            found = translate.user(self.client.user_by_open_id(open_id))
        except ScopeMissing:
            raise
        except OutsideRefused as refusal:
            raise NotOfThisCompany(system=SYSTEM, said_by=name) from refusal
        if not found.userid:
            raise ScopeMissing(system=SYSTEM, said_by=name, scopes=USER_ID_SCOPE)
        if not found.is_active:
            raise NotOfThisCompany(system=SYSTEM, said_by=name)
        return found

    def free_login(self, code: str) -> SignedIn:
        """The client's code is redeemed like a browser's."""
        return self.finish(code)


@dataclass(frozen=True, slots=True)
class FeishuDirectory:
    """Departments and people, read as they are asked for: no page is fetched before the one before it is used."""

    client: FeishuClient

    @classmethod
    def of(cls, connection: Connection) -> FeishuDirectory:
        return cls(FeishuClient.of(connection))

    def departments(self) -> Iterator[OutsideDepartment]:
        """Parents before children; the root, which has no name of its own here, is not among them."""
        told = {ROOT}
        waiting: defaultdict[str, list[OutsideDepartment]] = defaultdict(list)
        for row in self.client.departments_below(ROOT):
            one = translate.department(row)
            if one.parent_id in told:
                yield from _with_waiting(one, waiting, told)
            else:
                waiting[one.parent_id].append(one)
        # Whose parent the app may not see: kept, below the root as far as we can tell.
        for parent_id in list(waiting):
            for one in waiting.pop(parent_id, []):
                yield from _with_waiting(one, waiting, told)

    def users(self) -> Iterator[OutsideUser]:
        """Each person once, however many departments list them."""
        seen: set[str] = set()
        dept_ids = [ROOT, *(one.dept_id for one in self.departments())]
        for dept_id in dept_ids:
            for row in self.client.users_of(dept_id):
                one = translate.user(row)
                if not one.userid:
                    raise ScopeMissing(system=SYSTEM, said_by=one.name, scopes=USER_ID_SCOPE)
                if one.userid not in seen:
                    seen.add(one.userid)
                    yield one


def _with_waiting(
    one: OutsideDepartment, waiting: dict[str, list[OutsideDepartment]], told: set[str]
) -> Iterator[OutsideDepartment]:
    """`one`, then those that waited for it, and so on."""
    ready = [one]
    while ready:
        following = ready.pop(0)
        told.add(following.dept_id)
        yield following
        ready.extend(waiting.pop(following.dept_id, []))


def link_people(connection: Connection, at: datetime) -> LinkReport:
    """Link existing employees to their Feishu selves. The network comes first, the transaction after it."""
    people = [one for one in FeishuDirectory.of(connection).users() if one.is_active]
    return linking.link(connection, people)
