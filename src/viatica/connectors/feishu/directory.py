"""The contacts (通讯录) as the office `company` asks for them.

Source: vendor pages 获取子部门列表, 获取部门直属用户列表, 通讯录事件.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from viatica.connectors.errors import ScopeMissing
from viatica.connectors.feishu import translate
from viatica.connectors.feishu.client import FeishuClient, Json
from viatica.connectors.feishu.errors import SYSTEM
from viatica.connectors.feishu.translate import ROOT
from viatica.offices.company.ports import DirectoryChange, OutsideDepartment, OutsideMember
from viatica.spine.models import Connection

USER_ID_SCOPE = "contact:user.employee_id:readonly"
PEOPLE_EVENTS = frozenset({"contact.user.created_v3", "contact.user.updated_v3", "contact.user.deleted_v3"})
DEPARTMENT_EVENTS = frozenset(
    {"contact.department.created_v3", "contact.department.updated_v3", "contact.department.deleted_v3"}
)
SCOPE_EVENT = "contact.scope.updated_v3"


class FeishuDirectory:
    """Fills `company.ports.DirectoryPort`: no page is fetched before the one before it is used."""

    kind = "feishu"

    def __init__(self, connection: Connection) -> None:
        self.client = FeishuClient.of(connection)

    def departments(self) -> Iterator[OutsideDepartment]:
        """Parents before children, though Feishu promises no order; the root is the company and not among them.

        One whose parent the app may not see stands at the top.
        """
        told: set[str] = set()
        waiting: defaultdict[str, list[OutsideDepartment]] = defaultdict(list)
        for row in self.client.departments_below(ROOT):
            one = _department(row)
            if one.parent_id and one.parent_id not in told:
                waiting[one.parent_id].append(one)
            else:
                yield from _with_waiting(one, waiting, told)
        for parent_id in list(waiting):
            for one in waiting.pop(parent_id, []):
                yield from _with_waiting(one, waiting, told)

    def members(self) -> Iterator[OutsideMember]:
        """Each by the department that is their first here, so that nobody need be remembered."""
        visible = [ROOT, *(one.id for one in self.departments())]
        seen = frozenset(visible)
        for department_id in visible:
            for row in self.client.users_of(department_id):
                one = _member(row)
                if one is not None and _main(one, seen) == department_id:
                    yield one

    def member(self, userid: str) -> OutsideMember | None:
        row = self.client.person(userid)
        return _member(row) if row else None

    def department(self, department_id: str) -> OutsideDepartment | None:
        row = self.client.department(department_id)
        return _department(row) if row else None

    def hear(self, event: dict[str, Any]) -> DirectoryChange | None:
        return change(event)


def change(event: Mapping[str, Any]) -> DirectoryChange | None:
    """What an event asks to be read again. One that names nobody by the company's own id asks for everything."""
    kind = translate.event_type(event)
    about = event.get("event")
    row = about.get("object") if isinstance(about, Mapping) else None
    named = row if isinstance(row, Mapping) else {}
    if kind in PEOPLE_EVENTS:
        userid = str(named.get("user_id") or "")
        return DirectoryChange(userids=(userid,)) if userid else DirectoryChange(everything=True)
    if kind in DEPARTMENT_EVENTS:
        department_id = str(named.get("department_id") or "")
        return (
            DirectoryChange(department_ids=(department_id,))
            if department_id
            else DirectoryChange(everything=True)
        )
    return DirectoryChange(everything=True) if kind == SCOPE_EVENT else None


def _with_waiting(
    one: OutsideDepartment, waiting: dict[str, list[OutsideDepartment]], told: set[str]
) -> Iterator[OutsideDepartment]:
    """`one`, then those that waited for it, and so on."""
    ready = [one]
    while ready:
        following = ready.pop(0)
        told.add(following.id)
        yield following
        ready.extend(waiting.pop(following.id, []))


def _department(row: Json) -> OutsideDepartment:
    parent_id = str(row.get("parent_department_id") or "")
    return OutsideDepartment(
        id=str(row["department_id"]),
        parent_id="" if parent_id == ROOT else parent_id,
        name=str(row.get("name") or ""),
        head_userids=_heads(row),
        order=_number(row.get("order")),
    )


def _heads(row: Json) -> tuple[str, ...]:
    """The main one first. The vendor spells the names of a leader's fields in two ways."""
    leaders = [one for one in row.get("leaders") or [] if isinstance(one, dict)]
    leaders.sort(key=lambda one: _number(one.get("leaderType") or one.get("leader_type") or 9))
    named = [str(one.get("leaderID") or one.get("leader_id") or "") for one in leaders]
    return tuple(dict.fromkeys(filter(None, [*named, str(row.get("leader_user_id") or "")])))


def _member(row: Json) -> OutsideMember | None:
    """None: somebody who has left. Raises ScopeMissing where the app may not read the company's own ids."""
    known = translate.user(row)
    if not known.is_active:
        return None
    if not known.userid:
        raise ScopeMissing(system=SYSTEM, said_by=known.name, scopes=USER_ID_SCOPE)
    return OutsideMember(
        userid=known.userid,
        name=known.name,
        unionid=known.unionid,
        number=known.job_number,
        mobile=known.mobile,
        email=known.email,
        title=str(row.get("job_title") or ""),
        department_ids=tuple(one for one in known.dept_ids if one != ROOT),
        manager_userid=str(row.get("leader_user_id") or ""),
    )


def _main(one: OutsideMember, visible: frozenset[str]) -> str:
    """The first department of theirs that is seen; the root where there is none."""
    return next((dept for dept in one.department_ids if dept in visible), ROOT)


def _number(value: Any) -> int:
    text = str(value or "")
    return int(text) if text.lstrip("-").isdecimal() else 0
