"""A company: departments and people, with the indexes an address book needs, kept up to date change by change.

Every product names its fields its own way; what they mean is the same. People of a crowd are made when asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Generic, TypeVar

from simulators.stage.crowd import Crowd, Room, Stranger, login_of
from simulators.stage.fields import Fields

K = TypeVar("K", bound=Hashable)
D = TypeVar("D")
U = TypeVar("U")


@dataclass
class People(Mapping[str, U], Generic[U]):
    """Those with a record of their own, and a crowd behind them."""

    invent: Callable[[Stranger], U]
    kept: dict[str, U] = field(default_factory=dict)
    crowd: Crowd | None = None
    gone: set[str] = field(default_factory=set)  # of the crowd

    def __getitem__(self, key: str) -> U:
        if key in self.kept:
            return self.kept[key]
        number = self._number(key)
        if self.crowd is None or number is None:
            raise KeyError(key)
        return self.invent(self.crowd.person(number))

    def __contains__(self, key: object) -> bool:
        return key in self.kept or (isinstance(key, str) and self._number(key) is not None)

    def __iter__(self) -> Iterator[str]:
        return chain(self.kept, self.unseen())

    def __len__(self) -> int:
        if self.crowd is None:
            return len(self.kept)
        known = sum(1 for key in self.kept if self.crowd.find(key) is not None)
        return len(self.kept) + self.crowd.people - known - len(self.gone)

    def unseen(self, numbers: Iterable[int] | None = None) -> Iterator[str]:
        """Those of the crowd who have no record."""
        if self.crowd is None:
            return
        for number in range(self.crowd.people) if numbers is None else numbers:
            if (login := login_of(number)) not in self.kept and login not in self.gone:
                yield login

    def named(self) -> list[U]:
        """Those who are no crowd: few enough to be listed."""
        crowd = self.crowd
        return [user for key, user in self.kept.items() if crowd is None or crowd.find(key) is None]

    def _number(self, key: str) -> int | None:
        if self.crowd is None or key in self.gone:
            return None
        return self.crowd.find(key)


@dataclass
class Org(Generic[K, D, U]):
    root: K
    users: People[U]
    departments: dict[K, D] = field(default_factory=dict)
    children: dict[K, list[K]] = field(default_factory=dict)
    members: dict[K, dict[str, None]] = field(default_factory=dict)  # of those with a record
    marks: dict[tuple[str, str], str] = field(default_factory=dict)  # ("mobile", "138…") → who

    # How the product's own records are read.

    def room_key(self, number: int) -> K:
        """The id of a department of the crowd."""
        raise NotImplementedError

    def room_number(self, key: K) -> int | None:
        """The other way round; None for a department that is not of the crowd's kind."""
        raise NotImplementedError

    def invent_room(self, room: Room) -> D:
        raise NotImplementedError

    def key_of(self, department: D) -> K:
        raise NotImplementedError

    def parent_of(self, department: D) -> K:
        raise NotImplementedError

    def rank_of(self, department: D) -> tuple[Any, ...]:
        """By which departments beside each other are sorted."""
        raise NotImplementedError

    def heads_of(self, department: D) -> list[str]:
        """The list itself, to be changed."""
        raise NotImplementedError

    def id_of(self, user: U) -> str:
        raise NotImplementedError

    def rooms_of(self, user: U) -> Sequence[K]:
        raise NotImplementedError

    def marks_of(self, user: U) -> Iterator[tuple[str, str]]:
        """By what else a person is found: kind and value."""
        raise NotImplementedError

    def document_of(self, user: U) -> dict[str, Any]:
        """As the organisation's document has a person: what a partial change starts from."""
        raise NotImplementedError

    def read_user(self, row: Fields) -> U:
        """Raises ValueError; also for a department that is not there."""
        raise NotImplementedError

    def department_document(self, department: D) -> dict[str, Any]:
        raise NotImplementedError

    def read_department(self, row: Fields) -> D:
        raise NotImplementedError

    def retitled(self, user: U, title: str) -> U:
        raise NotImplementedError

    def moved(self, user: U, key: K) -> U:
        raise NotImplementedError

    def mark_number(self, kind: str, value: str) -> int | None:
        """The number in the crowd of whom a mark belongs to."""
        raise NotImplementedError

    def read(self, document: Mapping[str, Any]) -> Org[K, D, U]:
        """Raises ValueError naming what does not fit."""
        raise NotImplementedError

    # Changing.

    def load(self, document: Mapping[str, Any]) -> None:
        """Replace the company. Raises ValueError; then nothing has changed."""
        fresh = self.read(document)
        self.users.crowd, self.users.gone = None, set()
        self.departments, self.users.kept = fresh.departments, fresh.users.kept
        self.index()

    def index(self) -> None:
        """From the records alone."""
        self._index_departments()
        self.members, self.marks = {}, {}
        for user in self.users.kept.values():
            self._file(user)

    def _index_departments(self) -> None:
        self.children = {}
        for department in sorted(self.departments.values(), key=self.rank_of):
            self.children.setdefault(self.parent_of(department), []).append(self.key_of(department))

    def _file(self, user: U) -> None:
        for key in self.rooms_of(user):
            self.members.setdefault(key, {})[self.id_of(user)] = None
        for mark in self.marks_of(user):
            self.marks[mark] = self.id_of(user)

    def _unfile(self, user: U) -> None:
        for key in self.rooms_of(user):
            self.members.get(key, {}).pop(self.id_of(user), None)
        for mark in self.marks_of(user):
            if self.marks.get(mark) == self.id_of(user):
                del self.marks[mark]

    def put_user(self, user: U) -> U | None:
        """Add or replace one person; who was there before."""
        key = self.id_of(user)
        before = self.users.get(key)
        if key in self.users.kept:
            self._unfile(self.users.kept[key])
        self.users.kept[key] = user
        self._file(user)
        return before

    def let_go(self, key: str, reason: str = "leave") -> U:
        user = self.users[key]
        if key in self.users.kept:
            self._unfile(self.users.kept.pop(key))
        if self.users.crowd is not None and self.users.crowd.find(key) is not None:
            self.users.gone.add(key)
        for department in self._led_by(key):
            self.heads_of(department).remove(key)
        self.remember(user, reason)
        return user

    def remember(self, user: U, reason: str) -> None:
        """What the product still knows of somebody who left."""

    def _led_by(self, key: str) -> list[D]:
        return [row for row in self.departments.values() if key in self.heads_of(row)]

    def put_department(self, department: D) -> D | None:
        """Add, change or move one; the one before. Raises ValueError for a parent that is not there or beneath it."""
        key, parent = self.key_of(department), self.parent_of(department)
        if key != self.root and (not self.is_department(parent) or key in (parent, *self.above(parent))):
            raise ValueError(f"department {key} cannot be under {parent}")
        for head in self.heads_of(department):
            if head not in self.users:
                raise ValueError(f"department {key} is led by {head}, who does not exist")
        before = self.departments.get(key)
        self.departments[key] = department
        self._index_departments()
        return before

    def drop_department(self, key: K) -> D:
        """Raises LookupError, and ValueError while anybody or anything is in it."""
        department = self.departments[key]
        if key == self.root or self.members_of(key) or self.children_of(key):
            raise ValueError("the department is not empty")
        del self.departments[key]
        self._index_departments()
        return department

    def gather(self, crowd: Crowd | None) -> None:
        """Have this crowd beside the people with a record of their own, instead of the one before."""
        self.disperse()
        self.users.crowd = crowd if crowd and crowd.people else None
        for room in crowd.rooms() if crowd else ():
            department = self.invent_room(room)
            self.departments[self.key_of(department)] = department
        self._index_departments()

    def disperse(self) -> None:
        crowd = self.users.crowd
        if crowd is None:
            return
        for login in [key for key in self.users.kept if crowd.find(key) is not None]:
            self._unfile(self.users.kept.pop(login))
        for number in range(crowd.departments):
            self.departments.pop(self.room_key(number), None)
        self.users.crowd, self.users.gone = None, set()
        self._index_departments()

    # Looking.

    def is_department(self, key: K) -> bool:
        return key in self.departments or key == self.root

    def children_of(self, key: K) -> list[K]:
        return self.children.get(key, [])

    def members_of(self, key: K) -> Sequence[str]:
        """Who is in this very department."""
        known = list(self.members.get(key, ()))
        number = self.room_number(key)
        if self.users.crowd is None or number is None or key not in self.departments:
            return known
        return [*known, *self.users.unseen(self.users.crowd.numbers_in(number))]

    def find_by(self, kind: str, value: str) -> U | None:
        if key := self.marks.get((kind, value)):
            return self.users.kept[key]
        number = self.mark_number(kind, value) if value else None
        if number is None or login_of(number) in self.users.kept:
            return None
        return self.users.get(login_of(number))

    def above(self, key: K) -> Iterator[K]:
        """The departments over this one, the nearest first."""
        seen = {key}
        while (department := self.departments.get(key)) is not None:
            key = self.parent_of(department)
            if key in seen or key not in self.departments:
                return
            seen.add(key)
            yield key

    def upwards(self, key: K) -> Iterator[D]:
        """The department and those above it."""
        if key in self.departments:
            yield self.departments[key]
            for higher in self.above(key):
                yield self.departments[higher]

    def below(self, key: K) -> Iterator[K]:
        """The department and all beneath it, each before what is under it."""
        waiting = [key]
        while waiting:
            key = waiting.pop()
            yield key
            waiting.extend(reversed(self.children_of(key)))

    def is_active(self, userid: str) -> bool:
        return userid in self.users

    def boss_above(self, userid: str, key: K) -> str | None:
        """Who decides for this person: the head of the department, or of the next one up."""
        for department in self.upwards(key):
            for head in self.heads_of(department):
                if head != userid and self.is_active(head):
                    return head
        return None

    def seats(self) -> Iterator[tuple[str, K]]:
        """Everybody with each department they are in."""
        for userid, user in self.users.kept.items():
            for key in self.rooms_of(user):
                yield userid, key
        if (crowd := self.users.crowd) is not None:
            for login in self.users.unseen():
                yield login, self.room_key(int(login[1:]) % crowd.departments)
