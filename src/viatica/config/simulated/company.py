"""The part of the demo company whose OA is simulated, in words no product owns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from viatica.config.demo import plan

if TYPE_CHECKING:  # the command reads this room before Django is ready
    from viatica.config.demo.structure import Company
    from viatica.offices.company.models import Employee

ROOT = 1
FIRST = 10  # numbers of departments below the root
ADMINISTRATOR, CHIEF, FINANCE_LEAD = "fangzhiyuan", "guanheping", "luzhengping"


@dataclass(frozen=True, slots=True)
class Room:
    """A department: `number` is its id over there, `head` a login."""

    number: int
    name: str
    parent: int
    head: str
    order: int


@dataclass(frozen=True, slots=True)
class Member:
    """A person: `login` is their id over there, `manager` a login or empty."""

    employee: Employee
    login: str
    room: int
    manager: str


@dataclass(frozen=True, slots=True)
class Organisation:
    """`rooms` come parents first and without the root, which bears the company's own name."""

    name: str
    head: str
    rooms: tuple[Room, ...]
    members: tuple[Member, ...]


def parent_of(company: Company) -> Organisation:
    """The parent company, which approves in the OA; its daughters approve in-house."""
    departments = [one for one in plan.DEPARTMENTS if one.key.startswith(plan.PARENT)]
    numbers = {one.key: place for place, one in enumerate(departments, FIRST)}
    rooms = tuple(
        Room(numbers[one.key], one.name, numbers.get(one.parent, ROOT), _login(company.head(one.key)), order)
        for order, one in enumerate(departments)
    )
    return Organisation(
        name=company.entities[plan.PARENT].name,
        head=_login(company.head(departments[0].key)),
        rooms=rooms,
        members=tuple(_members(company, numbers)),
    )


def _members(company: Company, numbers: dict[str, int]) -> Iterator[Member]:
    logins = {person.pk: login for login, person in company.logins.items()}
    for key, number in numbers.items():
        for person in company.members[key]:
            yield Member(person, logins[person.pk], number, logins.get(person.manager_id or 0, ""))


def _login(person: Employee) -> str:
    return person.email.split("@")[0]
