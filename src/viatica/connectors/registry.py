"""Which kinds of outside system are installed. Each connector declares itself once; its parts go to their offices.

Ours are listed in `settings.CONNECTORS`; other packages bring theirs by the entry point group `viatica.connectors`,
each naming a module with a `CONNECTOR`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from django.conf import settings

from viatica.kernel.errors import Refused
from viatica.kernel.words import N_
from viatica.offices.access import ports as access
from viatica.offices.approval import ports as approval
from viatica.offices.notices import ports as notices
from viatica.spine import hooks, inbox, reconcile
from viatica.spine.outcomes import Outcome

if TYPE_CHECKING:
    from viatica.spine.models import Connection

GROUP = "viatica.connectors"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `viatica doctor`. `said` and `remedy` are msgids with `params`; `remedy` is empty when all is well."""

    name: str
    ok: bool
    said: str
    remedy: str = ""
    params: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class LinkReport:
    """What linking people found: who was linked now, who already was, and who fits nobody here (their names)."""

    read: int
    linked: int
    already: int
    unmatched: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Connector:
    """What one kind of connection can be used for. A part that is None is a thing the product cannot do."""

    kind: str
    name: str
    door: Callable[[Connection, hooks.RawCallback], hooks.Receipt] | None = None
    translate: Callable[[Connection, dict[str, Any], datetime], Outcome] | None = None
    approval: approval.Factory | None = None
    messages: Callable[[Connection], notices.MessagePort] | None = None
    todos: Callable[[Connection], notices.TodoPort] | None = None
    sign_in: access.Factory | None = None
    reconcile: Callable[[Connection, datetime], reconcile.ReconcileReport] | None = None
    check: Callable[[Connection], list[Check]] | None = None
    link_people: Callable[[Connection, datetime], LinkReport] | None = None


class UnknownKind(Refused):
    code = "connectors.unknown_kind"
    message = N_("No connector of the kind “{kind}” is installed.")
    hint = N_("Check the kind of the connection, or install the package that brings it.")


_connectors: dict[str, Connector] = {}


def add(connector: Connector) -> None:
    """Make one kind known everywhere."""
    kind = connector.kind
    _connectors[kind] = connector
    if connector.door:
        hooks.open_door(kind, connector.door)
    if connector.translate:
        inbox.translate_with(kind, connector.translate)
    if connector.approval:
        approval.register(kind, connector.approval)
    if connector.messages:
        notices.register_messages(kind, connector.messages)
    if connector.todos:
        notices.register_todos(kind, connector.todos)
    if connector.sign_in:
        access.register(kind, connector.sign_in)
    if connector.reconcile:
        reconcile.register(kind, connector.reconcile)


def of(kind: str) -> Connector:
    """Raises UnknownKind."""
    found = _connectors.get(kind)
    if found is None:
        raise UnknownKind(kind=kind)
    return found


def kinds() -> Iterator[Connector]:
    yield from _connectors.values()


def load() -> None:
    """Install ours and those of other packages. Called once, in apps.py."""
    for path in settings.CONNECTORS:
        add(import_module(path).CONNECTOR)
    for entry in entry_points(group=GROUP):
        add(entry.load())
