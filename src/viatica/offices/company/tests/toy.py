"""A directory of plain data, with a port of its own kind: what it holds is what the sync must make true here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from viatica.kernel.errors import OutsideUnavailable
from viatica.offices.company import ports
from viatica.offices.company.directory.models import DirectoryDifference, DirectoryRun
from viatica.offices.company.directory.running import apply, sync
from viatica.offices.company.models import Grade, LegalEntity
from viatica.offices.company.ports import DirectoryChange, OutsideDepartment, OutsideMember
from viatica.spine.models import Connection

KIND = "toy_directory"
AT = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


@dataclass
class ToyDirectory:
    """`breaks_after`: so many members, then it cannot be reached any more."""

    kind: str = KIND
    here: dict[str, OutsideDepartment] = field(default_factory=dict)
    people: dict[str, OutsideMember] = field(default_factory=dict)
    breaks_after: int | None = None
    asked: list[str] = field(default_factory=list)

    def departments(self) -> Iterator[OutsideDepartment]:
        yield from self.here.values()

    def members(self) -> Iterator[OutsideMember]:
        for place, one in enumerate(self.people.values()):
            if place == self.breaks_after:
                raise OutsideUnavailable(system="toy", said_by="gone away")
            yield one

    def member(self, userid: str) -> OutsideMember | None:
        self.asked.append(userid)
        return self.people.get(userid)

    def department(self, department_id: str) -> OutsideDepartment | None:
        self.asked.append(f"department {department_id}")
        return self.here.get(department_id)

    def hear(self, event: dict[str, Any]) -> DirectoryChange | None:
        changed = event.get("userids")
        return DirectoryChange(userids=tuple(changed)) if changed else None

    # What an administrator over there does.

    def department_is(self, department_id: str, name: str, parent: str = "", head: str = "") -> None:
        self.here[department_id] = OutsideDepartment(department_id, parent, name, (head,) if head else ())

    def member_is(self, userid: str, name: str, department: str = "1", **more: Any) -> None:
        self.people[userid] = OutsideMember(userid, name, department_ids=(department,), **more)

    def changes(self, userid: str, **what: Any) -> None:
        self.people[userid] = replace(self.people[userid], **what)

    def leaves(self, userid: str) -> None:
        del self.people[userid]


_directories: dict[str, ToyDirectory] = {}


def _of(connection: Connection) -> ToyDirectory:
    return _directories[connection.slug]


def open_directory(slug: str, *, kind: str = KIND, **settings: Any) -> tuple[Connection, ToyDirectory]:
    """A connection, and what it is connected to; it serves nobody yet."""
    ports.register(kind, _of)
    directory = _directories[slug] = ToyDirectory(kind=kind)
    connection = Connection.objects.create(
        slug=slug, kind=kind, name=f"通讯录 {slug}", uses=["directory"], settings={"directory": settings}
    )
    return connection, directory


@dataclass
class Office:
    """A company without anybody, and the OA that knows everybody."""

    entity: LegalEntity
    connection: Connection
    directory: ToyDirectory

    def sync(self) -> DirectoryRun:
        return sync(self.connection, by="system", via="worker", at=AT)

    def first_sync(self) -> DirectoryRun:
        """With the yes that a first one needs."""
        run = self.sync()
        assert run.state == "staged", run.problem
        return apply(run.pk, by="employee:1", via="api", at=AT)


def lines(run: DirectoryRun, subject: str = "person") -> dict[str, set[str]]:
    """kind → ids over there."""
    found: dict[str, set[str]] = {}
    for line in DirectoryDifference.objects.filter(run=run, subject=subject):
        found.setdefault(line.kind, set()).add(line.outside_id)
    return found


def open_office() -> Office:
    connection, directory = open_directory("toy")
    entity = LegalEntity.objects.create(code="SH", name="上海公司", connection=connection)
    Grade.objects.create(code="P9", name="专家", rank=9)
    Grade.objects.create(code="P4", name="员工", rank=4)
    directory.department_is("1", "总部", head="boss")
    directory.department_is("10", "研发部", "1", head="li")
    directory.department_is("11", "平台组", "10")
    directory.department_is("20", "销售部", "1")
    directory.member_is("boss", "周总", "1", number="E1", mobile="13800000001", title="总经理")
    directory.member_is(
        "li", "李四", "10", number="E2", mobile="13800000002", title="总监", manager_userid="boss"
    )
    directory.member_is("zhang", "张三", "11", number="E3", mobile="+86 138-0000-0003", manager_userid="li")
    directory.member_is("wang", "王五", "20", number="E4", mobile="13800000004", email="wang@example.com")
    return Office(entity, connection, directory)


@pytest.fixture
def office(db: None) -> Office:
    return open_office()


@pytest.fixture
def real_office(transactional_db: None) -> Office:
    """The same, committed, for tests with several connections to the database."""
    return open_office()
