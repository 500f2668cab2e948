"""What an outside product must be able to do as the company's directory (通讯录), and the plain words exchanged with it.

A connector registers a factory for its kind; the office asks `port_for(connection)` and never knows the vendor.
Every call that reads may raise OutsideRefused or OutsideUnavailable; nothing is written over there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from viatica.kernel.errors import Refused
from viatica.kernel.words import N_

if TYPE_CHECKING:
    from viatica.spine.models import Connection


@dataclass(frozen=True, slots=True)
class OutsideDepartment:
    """A department over there; `parent_id` "" for the root. `head_userids`: the first one counts."""

    id: str
    parent_id: str
    name: str
    head_userids: tuple[str, ...] = ()
    order: int = 0


@dataclass(frozen=True, slots=True)
class OutsideMember:
    """A person over there. The first of `department_ids` is the main one. "" where the product hides or lacks it."""

    userid: str
    name: str
    unionid: str = ""
    number: str = ""
    mobile: str = ""
    email: str = ""
    title: str = ""
    department_ids: tuple[str, ...] = ()
    manager_userid: str = ""
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class DirectoryChange:
    """What an event says has changed. `everything`: it does not say what."""

    userids: tuple[str, ...] = ()
    department_ids: tuple[str, ...] = ()
    everything: bool = False


class DirectoryPort(Protocol):
    @property
    def kind(self) -> str: ...

    def departments(self) -> Iterator[OutsideDepartment]:
        """Each once, parents before children, read as they are asked for."""
        ...

    def members(self) -> Iterator[OutsideMember]:
        """Each person once, however many departments list them; read page by page, as they are asked for."""
        ...

    def member(self, userid: str) -> OutsideMember | None:
        """None: gone."""
        ...

    def department(self, department_id: str) -> OutsideDepartment | None:
        """None: gone."""
        ...

    def hear(self, event: dict[str, Any]) -> DirectoryChange | None:
        """What a stored event says has changed; pure. None: it is not about the directory."""
        ...


class NoDirectory(Refused):
    code = "company.no_directory"
    message = N_("Connections of the kind “{kind}” have no directory.")
    hint = N_("Choose another connection for the directory, or install the connector.")


Factory = Callable[["Connection"], DirectoryPort]
_factories: dict[str, Factory] = {}


def register(kind: str, factory: Factory) -> None:
    _factories[kind] = factory


def has_directory(kind: str) -> bool:
    return kind in _factories


def need_directory(connection: Connection) -> None:
    """Raises NoDirectory when no connector of that kind is installed."""
    if not has_directory(connection.kind):
        raise NoDirectory(kind=connection.kind)


def port_for(connection: Connection) -> DirectoryPort:
    """Raises NoDirectory, and what the connector says of a connection that is not complete."""
    need_directory(connection)
    return _factories[connection.kind](connection)
