"""On and off: the connection itself, and which legal entities approve through it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext

from viatica.connectors.checking import Check
from viatica.front.desks.connections import checks, mapping
from viatica.front.desks.connections.changes import administered_entities, record, save, take
from viatica.kernel.errors import NotFound, Refused
from viatica.kernel.words import N_
from viatica.offices.access.viewer import Viewer
from viatica.offices.approval.models import Case, State
from viatica.offices.company.models import LegalEntity
from viatica.spine.models import Connection

COUNTED = 2000  # papers in approval, at most; more are said to be more


class NotReady(Refused):
    code = "connections.not_ready"
    message = N_("It cannot be switched on yet: {what}")
    hint = N_("Mend what is named, run the live check, then switch it on.")


class IsOff(Refused):
    code = "connections.is_off"
    message = N_("This connection is switched off.")
    hint = N_("Switch it on first.")


@dataclass(frozen=True, slots=True)
class EntityRow:
    """One legal entity the viewer administers: where it approves now, and its papers in approval by place."""

    entity: LegalEntity
    in_house: int
    here: int
    elsewhere: int
    is_here: bool

    @property
    def moves(self) -> int:
        """Papers in approval somewhere else, which stay there."""
        return self.in_house + self.elsewhere


@dataclass(frozen=True, slots=True)
class Board:
    rows: list[EntityRow]
    is_capped: bool

    @property
    def here(self) -> int:
        return sum(row.here for row in self.rows)

    @property
    def serves(self) -> list[EntityRow]:
        return [row for row in self.rows if row.is_here]


def board(viewer: Viewer, connection: Connection) -> Board:
    """Two statements, and what they cost is capped."""
    entities = list(administered_entities(viewer).select_related("connection"))
    flying: list[tuple[int, int | None]] = list(
        Case.objects.filter(state=State.ACTIVE, entity_id__in=[one.pk for one in entities])
        .order_by()
        .values_list("entity_id", "connection_id")[: COUNTED + 1]
    )
    counted = Counter(flying)
    rows = [_row(one, connection, counted) for one in entities]
    return Board(rows, len(flying) > COUNTED)


def _row(entity: LegalEntity, connection: Connection, counted: Counter[tuple[int, int | None]]) -> EntityRow:
    every = sum(count for (entity_id, _where), count in counted.items() if entity_id == entity.pk)
    in_house, here = counted[entity.pk, None], counted[entity.pk, connection.pk]
    return EntityRow(entity, in_house, here, every - in_house - here, entity.connection_id == connection.pk)


def need_ready(connection: Connection, found: Sequence[Check]) -> None:
    """`found`: a check made just now. Raises NotReady when what nothing works without is not there."""
    lines = checks.lines(found)
    wrong = [one.said for one in lines if not one.ok and (one.name in checks.VITAL or one.is_form)]
    if found and "approval" in connection.uses:
        lacking = mapping.KINDS.keys() - (connection.settings.get("forms") or {}).keys()
        wrong += [
            gettext("{paper}: no form is mapped.").format(paper=mapping.KINDS[kind])
            for kind in sorted(lacking)
        ]
    if wrong:
        raise NotReady(what=" ".join(wrong[:5]))


def ids_of(viewer: Viewer, codes: Sequence[str]) -> list[int]:
    """Raises NotFound for an entity the viewer does not administer."""
    known = dict(administered_entities(viewer).filter(code__in=codes).values_list("code", "pk"))
    if set(codes) - known.keys():
        raise NotFound()
    return list(known.values())


def switch_on(
    *, viewer: Viewer, slug: str, version: str, entities: Collection[int], found: Sequence[Check],
    at: datetime, via: str,
) -> Connection:  # fmt: skip
    """From now on it works, and new papers of `entities` (ids) are approved through it; of the viewer's others, not.

    `found` is the check made just before, outside of the transaction. Papers in approval stay where they are.
    Raises NotReady, ChangedMeanwhile, ServesOthers, NotFound.
    """
    connection, rows = take(viewer, slug, version), _entities(viewer)
    if set(entities) - {one.pk for one in rows}:
        raise NotFound()
    need_ready(connection, found)
    on = [one for one in rows if one.pk in entities and one.connection_id != connection.pk]
    off = [one for one in rows if one.pk not in entities and one.connection_id == connection.pk]
    _link(on, connection)
    _link(off, None)
    was_on = connection.is_active
    connection.is_active = True
    save(connection, "is_active")
    if found:
        checks.keep(connection, found, viewer, at, via)
    fact = "connection.entities" if was_on else "connection.switched_on"
    data = {"on": [one.code for one in on], "off": [one.code for one in off]}
    record(connection, fact, viewer, at, via, data)
    return connection


def serve(
    *, viewer: Viewer, slug: str, version: str, code: str, wanted: bool, at: datetime, via: str
) -> Connection:
    """Whether new papers of one legal entity are approved through it. Raises IsOff."""
    connection, rows = take(viewer, slug, version), _entities(viewer)
    entity = next((one for one in rows if one.code == code), None)
    if entity is None:
        raise NotFound()
    if wanted and not connection.is_active:
        raise IsOff()
    is_here = entity.connection_id == connection.pk
    if is_here != wanted:
        _link([entity], connection if wanted else None)
        data = {"on": [code], "off": []} if wanted else {"on": [], "off": [code]}
        record(connection, "connection.entities", viewer, at, via, data)
    return connection


def switch_off(*, viewer: Viewer, slug: str, version: str, at: datetime, via: str) -> Connection:
    """Nothing goes out or comes in until it is on again; new papers are approved in-house meanwhile. Raises IsOff."""
    connection = take(viewer, slug, version)
    if not connection.is_active:
        raise IsOff()
    connection.is_active = False
    save(connection, "is_active")
    record(connection, "connection.switched_off", viewer, at, via, {})
    return connection


def _entities(viewer: Viewer) -> list[LegalEntity]:
    """The viewer's, locked after the connection and in one order."""
    return list(administered_entities(viewer).select_for_update())


def _link(entities: list[LegalEntity], connection: Connection | None) -> None:
    LegalEntity.objects.filter(pk__in=[one.pk for one in entities]).update(connection=connection)
