"""What can be connected, and how its console calls things."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from viatica.connectors import registry
from viatica.connectors.guide import USES, Credential, Guide, Hears, PlaceFor, Term
from viatica.connectors.registry import Connector
from viatica.kernel.errors import Refused
from viatica.kernel.words import N_
from viatica.spine import streams
from viatica.spine.models import Connection
from viatica.spine.sealing import CannotOpen

WORDS = {
    "approval": _("Approval"), "desk": _("Approval here, tasks there"), "todo": _("To-dos"), "messages": _("Messages"),
    "directory": _("Directory"), "sign_in": _("Sign-in"),
}  # fmt: skip


class NoGuide(Refused):
    code = "connections.no_guide"
    message = N_("Connections of the kind “{kind}” are not set up here.")
    hint = N_("Use the command: viatica connect.")


def able(connector: Connector) -> list[str]:
    """What it can be used for: from the parts it declares."""
    return [use for use in USES if connector.parts[use] is not None]


def guide_if_any(kind: str) -> Guide | None:
    """None: its connections are made by the command."""
    try:
        return registry.of(kind).guide
    except registry.UnknownKind:
        return None


def guide_of(kind: str) -> Guide:
    """Raises NoGuide."""
    guide = guide_if_any(kind)
    if guide is None:
        raise NoGuide(kind=kind)
    return guide


def offered() -> Iterator[tuple[Connector, Guide]]:
    """What can be set up here."""
    for connector in registry.kinds():
        if connector.guide is not None:
            yield connector, connector.guide


def hears(connection: Connection) -> Hears:
    """How it learns what happens over there."""
    return Hears.LONG_CONNECTION if connection.settings.get(streams.SETTING) else Hears.CALLBACKS


def can_hear(kind: str) -> list[Hears]:
    """The ways its connector has."""
    connector = registry.of(kind)
    ways = {Hears.CALLBACKS: connector.door, Hears.LONG_CONNECTION: connector.stream}
    return [way for way, part in ways.items() if part is not None]


def places(connection: Connection, guide: Guide) -> list[PlaceFor]:
    return guide.places_for(connection.uses, hears(connection))


def credentials(connection: Connection, guide: Guide) -> list[Credential]:
    return guide.credentials_for(connection.uses, hears(connection))


def name_of(kind: str) -> str:
    guide = guide_if_any(kind)
    return said(guide.product) if guide else kind


def secrets_of(connection: Connection) -> dict[str, Any]:
    """Its credentials; none, when the key that sealed them is gone: then they are entered again."""
    try:
        return connection.secrets()
    except CannotOpen:
        return {}


def said(term: Term) -> str:
    """The console's own word; beside it in English, for who does not read it."""
    if (get_language() or "").startswith("zh") or not term.gloss:
        return term.word
    return f"{term.word} ({term.gloss})"
