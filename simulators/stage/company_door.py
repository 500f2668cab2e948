"""The part of every control door that changes the company: people and departments, one by one or by the thousand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from starlette.requests import Request

from simulators.stage.control import ControlDoor, S, Table
from simulators.stage.crowd import TITLES, Crowd, login_of
from simulators.stage.fields import Fields
from simulators.stage.org import Org

# Of twenty people of a crowd who change, one leaves and two move; the others get another title.
CYCLE = 20


class CompanyDoor(ControlDoor[S]):
    user_key: ClassVar[str]  # the name of a person's id in the product's documents
    department_key: ClassVar[str]
    read_key: ClassVar[Callable[[str], Any]] = str  # of a department
    stands_for: ClassVar[dict[str, str]] = {}  # a short way to say it in a document → what it replaces

    @property
    def company(self) -> Org[Any, Any, Any]:
        raise NotImplementedError

    # What the product tells of a change.

    def tell_user(self, before: Any, now: Any) -> None:
        """`before` is None for somebody new."""
        raise NotImplementedError

    def tell_leaving(self, user: Any) -> None:
        raise NotImplementedError

    def tell_department(self, before: Any, now: Any) -> None:
        """`before` is None for a new one, `now` for one that is gone."""
        raise NotImplementedError

    def company_table(self) -> Table:
        return [
            ("PUT", "/directory", self.load_directory),
            ("PUT", "/directory/crowd", self.gather),
            ("POST", "/directory/changes", self.change_crowd),
            ("PUT", "/users/{user}", self.put_user),
            ("POST", "/users/{user}/leave", self.leave),
            ("PUT", "/departments/{department}", self.put_department),
            ("DELETE", "/departments/{department}", self.drop_department),
        ]

    async def load_directory(self, request: Request, body: Fields) -> Any:
        """Another company altogether. Nobody is told."""
        self.company.load(body.values)
        return self._size()

    async def gather(self, request: Request, body: Fields) -> Any:
        """`people` in `departments`, the same for the same `seed`, beside those who are here. Nobody is told."""
        people = body.number("people")
        departments = body.number_or("departments", max(1, people // 100))
        self.company.gather(Crowd(people, departments, body.number_or("seed", 0)) if people else None)
        return self._size()

    async def change_crowd(self, request: Request, body: Fields) -> Any:
        """`people` of the crowd change, others for another `seed`; told one by one when `tell`."""
        crowd = self.company.users.crowd
        if crowd is None:
            raise ValueError("there is no crowd")
        tells = body.flag_or("tell", False)
        done: dict[str, list[str]] = {"left": [], "moved": [], "retitled": []}
        for place, number in enumerate(crowd.lucky(body.number("people"), seed=body.number_or("seed", 1))):
            login = login_of(number)
            if login in self.company.users:
                done[self._change(login, place, crowd, tells=tells)].append(login)
        return done

    def _change(self, login: str, place: int, crowd: Crowd, *, tells: bool) -> str:
        before = self.company.users[login]
        if place % CYCLE == 0:
            self._let_go(login, tells=tells)
            return "left"
        if place % CYCLE in (1, 2):
            room = self.company.room_number(self.company.rooms_of(before)[0]) or 0
            now, deed = (
                self.company.moved(before, self.company.room_key((room + 1) % crowd.departments)),
                "moved",
            )
        else:
            now, deed = self.company.retitled(before, f"新任{TITLES[place % len(TITLES)]}"), "retitled"
        self.company.put_user(now)
        if tells:
            self.tell_user(before, now)
        return deed

    async def put_user(self, request: Request, body: Fields) -> Any:
        """Add a person, or change what is named of one; told either way."""
        key = request.path_params["user"]
        known = self.company.users.get(key)
        document = self.company.document_of(known) if known is not None else {}
        for short, whole in self.stands_for.items():
            if short in body.values:
                document.pop(whole, None)
        user = self.company.read_user(Fields({**document, **body.values, self.user_key: key}, ValueError))
        before = self.company.put_user(user)
        self.tell_user(before, user)
        return {"is_new": before is None}

    async def leave(self, request: Request, body: Fields) -> Any:
        self._let_go(request.path_params["user"], reason=body.text_or("reason", "leave"), tells=True)
        return {}

    def _let_go(self, key: str, *, tells: bool, reason: str = "leave") -> None:
        self.known(key)
        user = self.company.let_go(key, reason)
        if tells:
            self.tell_leaving(user)

    async def put_department(self, request: Request, body: Fields) -> Any:
        """Add a department, or change or move one: what is not named stays; told either way."""
        key = self._department(request)
        known = self.company.departments.get(key)
        document = self.company.department_document(known) if known is not None else {}
        values = {**document, **body.values, self.department_key: key}
        department = self.company.read_department(Fields(values, ValueError))
        before = self.company.put_department(department)
        self.tell_department(before, department)
        return {"is_new": before is None}

    async def drop_department(self, request: Request, body: Fields) -> Any:
        """Raises for one that is not empty."""
        gone = self.company.drop_department(self._department(request))
        self.tell_department(gone, None)
        return {}

    def _department(self, request: Request) -> Any:
        return type(self).read_key(request.path_params["department"])

    def known(self, key: str) -> Any:
        """The person. Raises LookupError."""
        if key not in self.company.users:
            raise LookupError(key)
        return self.company.users[key]

    def _size(self) -> dict[str, int]:
        return {"departments": len(self.company.departments), "users": len(self.company.users)}
