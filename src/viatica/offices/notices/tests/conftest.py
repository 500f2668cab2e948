"""People, an OA of our own making, and what it was asked to show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from viatica.kernel.errors import OutsideError
from viatica.kernel.refs import Ref
from viatica.offices.access.models import User
from viatica.offices.access.queries import viewer_of
from viatica.offices.access.viewer import Viewer
from viatica.offices.company.models import Department, Employee, Grade, LegalEntity, OutsideIdentity
from viatica.offices.notices import ports
from viatica.offices.notices.ports import Card, Recipient, Status, Todo
from viatica.spine.models import Connection

AT = datetime(2026, 11, 24, 6, 5, tzinfo=UTC)
REF = Ref("expense_report", "42")
SUBJECT = "Your report {number} was paid: {amount}"
PARAMS = {"number": "BX202611-000123", "amount": "1280.50 CNY"}


@dataclass
class Board:
    """A product that shows what it is told; `fails` is raised instead, once each, in order."""

    kind: str = "board"
    cards: dict[str, tuple[str, Card]] = field(default_factory=dict)
    shown: dict[str, Status] = field(default_factory=dict)
    todos: dict[tuple[str, str], tuple[Todo, str]] = field(default_factory=dict)
    fails: list[OutsideError] = field(default_factory=list)

    def _fail(self) -> None:
        if self.fails:
            raise self.fails.pop(0)

    def send_card(self, to: Recipient, card: Card) -> str:
        self._fail()
        message_id = f"m{len(self.cards) + 1}"
        self.cards[message_id] = (to.userid, card)
        self.shown[message_id] = card.status
        return message_id

    def update_card(self, message_id: str, card: Card) -> None:
        self._fail()
        self.shown[message_id] = card.status

    def put(self, to: Recipient, todo: Todo) -> str:
        self._fail()
        self.todos[to.userid, todo.key] = (todo, "open")
        return todo.key

    def finish(self, to: Recipient, key: str) -> None:
        self.todos[to.userid, key] = (self.todos[to.userid, key][0], "done")

    def remove(self, to: Recipient, key: str) -> None:
        del self.todos[to.userid, key]

    def words(self) -> list[str]:
        return [status.word for status in self.shown.values()]


@pytest.fixture
def board() -> Iterator[Board]:
    made = Board()
    ports.register_messages("board", lambda connection: made)
    ports.register_todos("board", lambda connection: made)
    yield made
    del ports._messages["board"], ports._todos["board"]


@pytest.fixture
def oa(db: None, board: Board) -> Connection:
    return Connection.objects.create(slug="board", kind="board", name="公告栏", uses=["messages", "todo"])


def hire(number: str, language: str = "en") -> Employee:
    entity, _ = LegalEntity.objects.get_or_create(code="SH", defaults={"name": "上海云帆"})
    department, _ = Department.objects.get_or_create(name="市场部", entity=entity)
    grade, _ = Grade.objects.get_or_create(code="P5", defaults={"name": "P5", "rank": 5})
    employee = Employee.objects.create(
        number=number, name=f"员工{number}", entity=entity, department=department, grade=grade
    )
    User.objects.create(username=number, employee=employee, language=language)
    return employee


def link(employee: Employee, oa: Connection) -> Employee:
    OutsideIdentity.objects.create(
        employee=employee, connection=oa, userid=f"u-{employee.number}", unionid=f"x-{employee.number}"
    )
    return employee


def viewer(employee: Employee) -> Viewer:
    return viewer_of(User.objects.get(employee=employee).pk)
