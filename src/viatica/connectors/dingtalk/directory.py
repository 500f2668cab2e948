"""The address book (通讯录) as the office `company` asks for it.

DingTalk has no list of everybody: the tree is walked, then each department's members are listed page by page. A list
shows no manager (直属主管), so each person is asked for once more, unless the connection's settings say
`{"directory": {"managers": false}}`: a company of a hundred thousand whose approvals go by department heads saves an hour.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Container, Iterator
from functools import partial
from typing import Any, TypeVar

from viatica.connectors.dingtalk import translate
from viatica.connectors.dingtalk.client import USERS_PER_PAGE, DingTalkClient, Json
from viatica.connectors.dingtalk.errors import NO_USER_OLD
from viatica.connectors.dingtalk.translate import ROOT_IN_DIRECTORY
from viatica.connectors.http import Values
from viatica.kernel.errors import OutsideRefused, OutsideUnavailable
from viatica.offices.company.ports import DirectoryChange, OutsideDepartment, OutsideMember
from viatica.spine.models import Connection

T = TypeVar("T")

NO_DEPARTMENT_OLD = frozenset({60003})
TRIES = 5
LONGEST_PAUSE_S = 60.0  # what says to come back later than that is not waited for

PEOPLE_EVENTS = frozenset({"user_add_org", "user_modify_org", "user_leave_org", "user_active_org"})
DEPARTMENT_EVENTS = frozenset({"org_dept_create", "org_dept_modify", "org_dept_remove"})


class DirectoryClient(DingTalkClient):
    """The calls that only the directory makes."""

    def department(self, dept_id: str) -> Json | None:
        """None: there is no such department."""
        return self._unless_gone("/topapi/v2/department/get", {"dept_id": dept_id}, NO_DEPARTMENT_OLD)

    def person(self, userid: str) -> Json | None:
        """None: nobody, or nobody any more."""
        return self._unless_gone("/topapi/v2/user/get", {"userid": userid}, NO_USER_OLD)

    def users_page(self, dept_id: str, cursor: int) -> Json:
        form: Values = {"dept_id": dept_id, "cursor": cursor, "size": USERS_PER_PAGE}
        result = self._ask_old("POST", "/topapi/v2/user/list", form=form).get("result")
        return result if isinstance(result, dict) else {}

    def scopes(self) -> Json:
        return self._ask_old("GET", "/auth/scopes", form={})

    def _unless_gone(self, path: str, form: dict[str, str], gone: Container[Any]) -> Json | None:
        try:
            answer = self._ask_old("POST", path, form=form)
        except OutsideRefused as refusal:
            if refusal.params.get("outside_code") in gone:
                return None
            raise
        result = answer.get("result")
        return result if isinstance(result, dict) else None


class DingTalkDirectory:
    """Fills `company.ports.DirectoryPort`: no page is fetched before the one before it is used."""

    kind = "dingtalk"

    def __init__(self, connection: Connection) -> None:
        self.client = DirectoryClient.of(connection)
        settings = connection.settings.get("directory") or {}
        self.asks_for_managers = settings.get("managers") is not False

    def departments(self) -> Iterator[OutsideDepartment]:
        """From what the app may see downwards; for most companies that is the root, the company itself."""
        for dept_id in self._walk():
            found = self.department(dept_id)
            if found is not None:
                yield found

    def members(self) -> Iterator[OutsideMember]:
        """Each by the first department of theirs that is seen; then whom the app may see without their department."""
        visible = list(self._walk())
        seen = frozenset(visible)
        for dept_id in visible:
            for row in self._rows_of(dept_id):
                if _main(row, seen) == dept_id:
                    yield self._whole(row)
        for userid in self._scope("authed_user"):
            found = self._person(userid)
            if found is not None and not _main(found, seen):
                yield _member(found)

    def member(self, userid: str) -> OutsideMember | None:
        found = self._person(userid)
        return _member(found) if found is not None else None

    def department(self, department_id: str) -> OutsideDepartment | None:
        found = patiently(lambda: self.client.department(department_id))
        return _department(found) if found is not None else None

    def hear(self, event: dict[str, Any]) -> DirectoryChange | None:
        return change(event)

    def _walk(self) -> Iterator[str]:
        """Ids of the departments the app may see, parents first, each once."""
        waiting = deque(self._scope("authed_dept"))
        met: set[str] = set()
        while waiting:
            dept_id = waiting.popleft()
            if dept_id in met:
                continue
            met.add(dept_id)
            yield dept_id
            waiting.extend(str(row["dept_id"]) for row in self._below(dept_id))

    def _scope(self, name: str) -> list[str]:
        scopes = patiently(self.client.scopes).get("auth_org_scopes") or {}
        return [str(one) for one in scopes.get(name) or []]

    def _below(self, dept_id: str) -> list[Json]:
        return patiently(lambda: self.client.departments_below(dept_id))

    def _rows_of(self, dept_id: str) -> Iterator[Json]:
        """Page by page, each asked for patiently: a lost page must not cost the pages before it."""
        cursor: int | None = 0
        while cursor is not None:
            page = patiently(partial(self.client.users_page, dept_id, cursor))
            yield from page.get("list") or []
            cursor = int(page["next_cursor"]) if page.get("has_more") in (True, "true") else None

    def _whole(self, row: Json) -> OutsideMember:
        """With the manager, which lists do not show. Who leaves between the list and the question is as listed."""
        if not self.asks_for_managers:
            return _member(row)
        return _member(self._person(str(row["userid"])) or row)

    def _person(self, userid: str) -> Json | None:
        return patiently(lambda: self.client.person(userid))


def change(event: dict[str, Any]) -> DirectoryChange | None:
    """Events carry ids only, spelt one way or another by how the callback was registered."""
    kind = translate.event_type(event)
    if kind in PEOPLE_EVENTS:
        return DirectoryChange(userids=_ids(event, "userId"))
    if kind in DEPARTMENT_EVENTS:
        return DirectoryChange(department_ids=_ids(event, "deptId"))
    return None


def patiently(ask: Callable[[], T]) -> T:
    """Ask again when the product is too busy for a moment: a directory is a thousand pages, and one must not cost them all."""
    for tried in range(TRIES):
        try:
            return ask()
        except OutsideUnavailable as trouble:
            pause = trouble.retry_after if trouble.retry_after is not None else float(2**tried)
            if tried == TRIES - 1 or pause > LONGEST_PAUSE_S:
                raise
            time.sleep(pause)
    raise AssertionError("the last try answers or raises")


def _department(row: Json) -> OutsideDepartment:
    dept_id = str(row["dept_id"])
    parent_id = "" if dept_id == ROOT_IN_DIRECTORY else str(row.get("parent_id") or "")
    return OutsideDepartment(
        id=dept_id,
        parent_id=parent_id,
        name=str(row.get("name") or ""),
        head_userids=tuple(str(one) for one in row.get("dept_manager_userid_list") or []),
        order=int(row.get("order") or 0),
    )


def _member(row: Json) -> OutsideMember:
    """Whoever is listed works there: `active` only says whether they have ever opened DingTalk."""
    known = translate.user(row)
    return OutsideMember(
        userid=known.userid,
        name=known.name,
        unionid=known.unionid,
        number=known.job_number,
        mobile=known.mobile,
        email=known.email,
        title=str(row.get("title") or ""),
        department_ids=known.dept_ids,
        manager_userid=str(row.get("manager_userid") or ""),
    )


def _main(row: Json, visible: frozenset[str]) -> str:
    """The first department of theirs that is seen; "" when none is."""
    return next((one for one in translate.user(row).dept_ids if one in visible), "")


def _ids(event: dict[str, Any], name: str) -> tuple[str, ...]:
    found = event.get(name, event.get(name[0].upper() + name[1:]))
    if isinstance(found, str):
        found = [one for one in found.strip("[]").replace('"', "").split(",") if one]
    return tuple(str(one).strip() for one in found or [])
