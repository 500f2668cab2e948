"""WeCom's address book (通讯录) as the company office wants it: what a self-built app may see, which is little.

Mobile and mail are hidden from apps made since 2022-06-20, and there is no employee number: the setting
`number_attribute` names the attribute the company keeps it in (成员资料 › 自定义字段), else the userid is taken for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from viatica.connectors.wecom import events, translate
from viatica.connectors.wecom.client import WeComClient
from viatica.connectors.wecom.events import said
from viatica.offices.company.ports import DirectoryChange, OutsideDepartment, OutsideMember
from viatica.spine.models import Connection


class WeComDirectory:
    """Fills `company.ports.DirectoryPort`."""

    kind = "wecom"

    def __init__(self, connection: Connection) -> None:
        self.client = WeComClient.of(connection)
        self.number_attribute = str(connection.settings.get("number_attribute") or "")

    def departments(self) -> Iterator[OutsideDepartment]:
        """WeCom gives them all in one answer. The visible range may begin anywhere: then the root is not among them."""
        rows = [translate.department(row) for row in self.client.departments()]
        known = {one.id for one in rows}
        below: defaultdict[str, list[OutsideDepartment]] = defaultdict(list)
        tops: list[OutsideDepartment] = []
        for one in sorted(rows, key=lambda one: one.order):
            (below[one.parent_id] if one.parent_id in known else tops).append(one)
        while tops:
            yield (one := tops.pop(0))
            tops.extend(below.pop(one.id, []))

    def members(self) -> Iterator[OutsideMember]:
        """Department by department; no list is read before the one before it is used."""
        seen: set[str] = set()
        for department in self.departments():
            for row in self.client.users_of(department.id):
                one = translate.member(row, self.number_attribute)
                if one.userid.lower() not in seen:
                    seen.add(one.userid.lower())
                    yield one

    def member(self, userid: str) -> OutsideMember | None:
        row = self.client.user(userid)
        return translate.member(row, self.number_attribute) if row else None

    def department(self, department_id: str) -> OutsideDepartment | None:
        row = self.client.department(department_id)
        return translate.department(row) if row else None

    def hear(self, event: dict[str, Any]) -> DirectoryChange | None:
        return change(event)


def change(event: dict[str, Any]) -> DirectoryChange | None:
    """通讯录回调 names who, seldom what; a tag's members are nothing we keep."""
    if events.event_type(event) != events.CONTACT:
        return None
    match said(event, "changetype"):
        case "create_user" | "update_user" | "delete_user":
            userids = (said(event, "userid"), said(event, "newuserid"))
            return DirectoryChange(userids=tuple(filter(None, userids)))
        case "create_party" | "update_party" | "delete_party":
            return DirectoryChange(department_ids=(said(event, "id"),))
        case _:
            return None
