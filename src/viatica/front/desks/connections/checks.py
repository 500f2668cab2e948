"""The live check: what the product itself says of credentials, permissions and forms; and the last one made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from viatica.connectors import registry
from viatica.connectors.checking import Check
from viatica.front import shown
from viatica.front.desks.connections import mapping, products
from viatica.front.desks.connections.changes import ref_of
from viatica.kernel.errors import OutsideError, Refused
from viatica.kernel.words import N_
from viatica.offices.access.viewer import Viewer
from viatica.spine import exchanges, facts
from viatica.spine.models import Connection, Fact

CHECKED = "connection.checked"
CHANGES = ("connection.entered", "connection.changed")
MAPPED = "connection.mapped"
# What a check's name says of where its failure is mended.
MENDED_AT = {
    "credentials": "credentials",
    "token": "credentials",
    "agent_id": "credentials",
    "directory_events": "credentials",
}
# Without these nothing can work; the others are told, and left to the administrator.
VITAL = frozenset({"credentials", "token", "app"})


class NothingToCheck(Refused):
    code = "connections.nothing_to_check"
    message = N_("This kind of connection has nothing to check.")
    hint = N_("Look at its waiting and parked messages instead.")


@dataclass(frozen=True, slots=True)
class Line:
    """One check in the reader's words. `mended_at`: the step of the path where it is put right."""

    name: str
    ok: bool
    said: str
    remedy: str

    @property
    def mended_at(self) -> str:
        return "forms" if self.is_form else MENDED_AT.get(self.name, "console")

    @property
    def is_form(self) -> bool:
        return self.name.startswith("form")

    @property
    def about(self) -> Any:
        """The kind of paper whose form it is about."""
        return mapping.KINDS.get(self.name.partition(".")[2], "")


@dataclass(frozen=True, slots=True)
class Checked:
    """`is_old`: something was changed after it."""

    at: datetime
    lines: list[Line]
    is_old: bool = False

    @property
    def rest(self) -> list[Line]:
        """All but the forms, which have a step of their own."""
        return [one for one in self.lines if not one.is_form]

    @property
    def is_well(self) -> bool:
        return not self.is_old and all(one.ok for one in self.rest)

    @property
    def are_all_well(self) -> bool:
        return not self.is_old and all(one.ok for one in self.lines)

    @property
    def failed(self) -> int:
        return sum(not one.ok for one in self.rest)


def ask(connection: Connection) -> list[Check]:
    """Some calls to the product; never inside a transaction. Raises NothingToCheck."""
    checker = registry.of(connection.kind).check
    if checker is None:
        raise NothingToCheck()
    try:
        with exchanges.gathered(connection):
            found = checker(connection)
    except OutsideError as error:  # a product that is down while it is asked
        params = tuple((name, str(value)) for name, value in error.params.items())
        found = [Check("token", False, error.message, error.hint, params)]
    return [one for one in found if _concerns(one, connection)]


def ask_if_possible(connection: Connection) -> list[Check]:
    """The same; nothing, where there is nothing to check."""
    return ask(connection) if registry.of(connection.kind).check else []


def _concerns(check: Check, connection: Connection) -> bool:
    """Forms are the OA's own approval's, an id of the app the messages', and what is heard theirs who wait for it."""
    if check.name.startswith("form"):
        return "approval" in connection.uses
    match check.name:
        case "agent_id":
            return "messages" in connection.uses
        case "callback" | "long_connection":
            guide = products.guide_if_any(connection.kind)
            return guide is None or any(one.events for one in products.places(connection, guide))
    return True


def keep(connection: Connection, found: Sequence[Check], viewer: Viewer, at: datetime, via: str) -> None:
    """As a fact: who had it checked, and what was found."""
    rows = [
        {"name": one.name, "ok": one.ok, "said": one.said, "remedy": one.remedy, "params": dict(one.params)}
        for one in found
    ]
    facts.record(
        ref=ref_of(connection), fact=CHECKED, actor=viewer.actor, via=via, at=at, data={"checks": rows}
    )


def last(connection: Connection) -> Checked | None:
    """The latest check, in the reader's words. One statement."""
    rows = Fact.objects.filter(
        ref_kind="connection", ref_key=connection.slug, fact__in=[CHECKED, *CHANGES]
    ).order_by("-at", "-id")
    is_old = False
    for row in rows[:200]:
        if row.fact == CHECKED:
            return Checked(row.at, [_line_of(one) for one in (row.data or {}).get("checks", [])], is_old)
        is_old = True
    return None


def sound_forms(connection: Connection) -> frozenset[str]:
    """Kinds of paper whose form fitted when it was last looked at. One statement."""
    rows = Fact.objects.filter(
        ref_kind="connection", ref_key=connection.slug, fact__in=[CHECKED, MAPPED]
    ).order_by("-at", "-id")
    seen: dict[str, bool] = {}
    for row in rows[:50]:
        data = row.data or {}
        if row.fact == MAPPED:
            seen.setdefault(str(data.get("kind")), bool(data.get("is_sound")))
            continue
        found: dict[str, bool] = {}
        for one in data.get("checks", []):
            kind = str(one["name"]).partition(".")[2]
            found[kind] = found.get(kind, True) and bool(one["ok"])
        for kind, is_sound in found.items():
            seen.setdefault(kind, is_sound)
    return frozenset(kind for kind, is_sound in seen.items() if kind and is_sound)


def lines(found: Sequence[Check]) -> list[Line]:
    return [_line(one.name, one.ok, one.said, one.remedy, dict(one.params)) for one in found]


def _line_of(row: dict[str, Any]) -> Line:
    return _line(row["name"], row["ok"], row["said"], row["remedy"], row["params"])


def _line(name: str, ok: bool, said: str, remedy: str, params: dict[str, Any]) -> Line:
    return Line(
        name, ok, shown.words(said, params) if said else "", shown.words(remedy, params) if remedy else ""
    )
