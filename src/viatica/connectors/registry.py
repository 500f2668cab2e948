"""Which kinds of outside system are installed. Each connector declares itself once; its parts go to their offices.

Ours are listed in `settings.CONNECTORS`; other packages bring theirs by the entry point group `viatica.connectors`,
each naming a module with a `CONNECTOR`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from django.conf import settings

from viatica.connectors import forms
from viatica.connectors.checking import Check as Check
from viatica.kernel.errors import Refused
from viatica.kernel.words import N_
from viatica.offices.access import ports as access
from viatica.offices.approval import ports as approval
from viatica.offices.company import ports as company
from viatica.offices.notices import ports as notices
from viatica.spine import hooks, inbox, quotas, reconcile, streams
from viatica.spine.outcomes import Outcome

if TYPE_CHECKING:
    from viatica.connectors.forms import FormsPort
    from viatica.connectors.guide import Guide
    from viatica.offices.approval.ports import DeskPort
    from viatica.offices.company.ports import DirectoryPort
    from viatica.spine.models import Connection

GROUP = "viatica.connectors"


@dataclass(frozen=True, slots=True)
class Connector:
    """What one kind of connection can be used for. A part that is None is a thing the product cannot do.

    `defaults` are its usual settings; `forms` reads the customer's templates; `stream` keeps one long connection to the
    product; `quotas` are what its calls count.
    """

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
    defaults: Mapping[str, Any] = field(default_factory=dict)
    forms: Callable[[Connection], FormsPort] | None = None
    directory: Callable[[Connection], DirectoryPort] | None = None
    desk: Callable[[Connection], DeskPort] | None = None
    guide: Guide | None = None
    stream: streams.Handler | None = None
    quotas: tuple[quotas.Quota, ...] = ()

    @property
    def parts(self) -> dict[str, object]:
        """What a connection of this kind may be used for: each use, and the part that serves it; None: it cannot."""
        return {
            "approval": self.approval, "desk": self.desk, "todo": self.todos, "messages": self.messages,
            "directory": self.directory, "sign_in": self.sign_in,
        }  # fmt: skip


class UnknownKind(Refused):
    code = "connectors.unknown_kind"
    message = N_("No connector of the kind “{kind}” is installed.")
    hint = N_("Check the kind of the connection, or install the package that brings it.")


class NoForms(Refused):
    code = "connectors.no_forms"
    message = N_("Connections of the kind “{kind}” have no forms.")
    hint = N_("Use them for what they can do; approvals go another way.")


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
    if connector.desk:
        approval.register_desk(kind, connector.desk)
    if connector.directory:
        company.register(kind, connector.directory)
    if connector.messages:
        notices.register_messages(kind, connector.messages)
    if connector.todos:
        notices.register_todos(kind, connector.todos)
    if connector.sign_in:
        access.register(kind, connector.sign_in)
    if connector.reconcile:
        reconcile.register(kind, connector.reconcile)
    if connector.stream:
        streams.run_with(kind, connector.stream)
    if connector.quotas:
        quotas.register(kind, connector.quotas)


def suggest(connection: Connection, codes: Mapping[str, str]) -> dict[str, Any]:
    """What `settings["forms"]` becomes when our kinds of document go into these templates, which are read over there.

    Raises NoForms, OutsideError.
    """
    factory = of(connection.kind).forms
    if factory is None:
        raise NoForms(kind=connection.kind)
    port = factory(connection)
    return {kind: forms.suggest(port, kind, port.template(code)) for kind, code in codes.items()}


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
