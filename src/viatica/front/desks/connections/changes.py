"""What an administrator does to a connection: made, entered, mapped, switched on and off. Each act is a fact.

Two administrators may be at it at once: every change names the version it was made from.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext

from viatica.connectors import forms, registry
from viatica.connectors.checking import Check
from viatica.connectors.guide import Credential, Guide, Hears
from viatica.front.desks.connections import mapping, products
from viatica.front.desks.connections.health import connection_of
from viatica.front.desks.connections.mapping import Chosen
from viatica.front.desks.connections.products import able, guide_of, secrets_of
from viatica.kernel.errors import BadInput, Conflict, NotAllowed, NotFound, Refused
from viatica.kernel.refs import Ref
from viatica.kernel.words import N_
from viatica.offices.access.models import Role
from viatica.offices.access.viewer import Viewer
from viatica.offices.company.models import LegalEntity
from viatica.spine import connections, facts, streams
from viatica.spine.models import Connection

LONGEST_VALUE = 500
SLUGS = re.compile(r"[^a-z0-9]+")


class ChangedMeanwhile(Conflict):
    code = "connections.changed_meanwhile"
    message = N_("Somebody else changed this connection in the meantime.")
    hint = N_("What you see now is the latest; enter your change again if it is still wanted.")


class ServesOthers(NotAllowed):
    code = "connections.serves_others"
    message = N_("This connection also serves {entities}, which you do not administer.")
    hint = N_("Ask an administrator of all of them.")


class BadUses(BadInput):
    code = "connections.bad_uses"
    status = 422
    message = N_("{product} cannot be used like this: {uses}.")
    hint = N_("Choose one way of approving, or none, and only what the product can do.")


class BadValue(BadInput):
    code = "connections.bad_value"
    status = 422
    message = N_("“{label}” does not look right: {looks}.")
    hint = N_("Copy it again from the console, without spaces.")


class Missing(BadInput):
    code = "connections.missing"
    status = 422
    message = N_("“{label}” is missing.")
    hint = N_("It stands in the console under {where}.")


class UnknownValue(BadInput):
    code = "connections.unknown_value"
    status = 422
    message = N_("{product} has no such credential: {name}.")
    hint = N_("See which ones it has: GET /connections/kinds.")


class UnknownPaper(BadInput):
    code = "connections.unknown_paper"
    status = 422
    message = N_("There is no kind of paper called {kind}.")
    hint = N_("They are: {known}.")


class CannotHear(BadInput):
    code = "connections.no_long_connection"
    status = 422
    message = N_("{product} tells us only by calling an address of ours.")
    hint = N_("Give this server an address that can be reached from the internet.")


class Unsound(Refused):
    code = "connections.unsound"
    message = N_("Papers go by this form now, and the mapping does not fit it: {what}")
    hint = N_("Nothing was changed. Choose fields that fit, or mend the form over there.")


class BadAddress(BadInput):
    code = "connections.bad_address"
    status = 422
    message = N_("“{address}” is no address of a server.")
    hint = N_("It begins with https:// and names a host.")


class SecretNeeded(BadInput):
    """A secret is not sent to another server than the one it was entered for."""

    code = "connections.secret_needed"
    status = 422
    message = N_("The address of the server changes: enter “{label}” again.")
    hint = N_("A secret that was entered for one server is not sent to another.")


def version_of(viewer: Viewer, connection: Connection) -> str:
    """Changes with everything the viewer may change: the connection, and where each of their entities approves.

    One statement.
    """
    where = list(administered_entities(viewer).values_list("pk", "connection_id"))
    seen = [connection.name, connection.uses, connection.settings, connection.is_active, where]
    whole = hashlib.sha256(json.dumps(seen, sort_keys=True, ensure_ascii=False).encode())
    whole.update(bytes(connection.secrets_sealed))
    return whole.hexdigest()[:16]


def administered_entities(viewer: Viewer) -> QuerySet[LegalEntity]:
    mine = viewer.entities(Role.ADMINISTRATOR)
    rows = LegalEntity.objects.order_by("pk")
    return rows if mine is None else rows.filter(pk__in=sorted(mine))


def create(
    *, viewer: Viewer, kind: str, name: str, uses: Iterable[str], at: datetime, via: str, hears: Hears | None = None
) -> Connection:  # fmt: skip
    """A draft: nothing goes out or comes in before it is switched on. Raises RoleNeeded, NoGuide, BadUses, CannotHear."""
    viewer.need(Role.ADMINISTRATOR)
    guide = guide_of(kind)
    connection = Connection(
        slug=_free_slug(kind),
        kind=kind,
        name=name.strip() or guide.product.word,
        uses=_wanted(kind, uses),
        is_active=False,
    )
    connection.settings = _hearing(connection, hears)
    connection.save()
    record(connection, "connection.created", viewer, at, via, {"kind": kind, "uses": connection.uses})
    return connection


def change(
    *, viewer: Viewer, slug: str, version: str, name: str, uses: Iterable[str], at: datetime, via: str,
    hears: Hears | None = None,
) -> Connection:  # fmt: skip
    """Its name, what it is used for, and how it hears. Raises ChangedMeanwhile, ServesOthers, BadUses, CannotHear."""
    connection = take(viewer, slug, version)
    connection.name = name.strip() or connection.name
    connection.uses = _wanted(connection.kind, uses)
    connection.settings = _hearing(connection, hears)
    save(connection, "name", "uses", "settings")
    data = {"uses": connection.uses, "hears": products.hears(connection).value}
    record(connection, "connection.changed", viewer, at, via, data)
    return connection


def enter(
    *, viewer: Viewer, slug: str, version: str, values: Mapping[str, str], hosts: Mapping[str, str],
    at: datetime, via: str,
) -> Connection:  # fmt: skip
    """Its credentials and where it answers. A secret that is not given is kept.

    Raises ChangedMeanwhile, ServesOthers, UnknownValue, BadValue, Missing, BadAddress, SecretNeeded.
    """
    connection = take(viewer, slug, version)
    guide = guide_of(connection.kind)
    known = {one.name: one for one in guide.credentials}
    given = {name: value.strip() for name, value in values.items()}
    for name in given.keys() - known.keys():
        raise UnknownValue(product=guide.product.word, name=name, field=name)
    secrets, settings = secrets_of(connection), dict(connection.settings)
    moves = _move(guide, settings, hosts)
    for one in guide.credentials:
        _enter(one, given.get(one.name), secrets, settings, moves)
    for one in products.credentials(connection, guide):
        if one.is_required and not (secrets.get(one.name) or settings.get(one.name)):
            raise Missing(label=one.term.word, where=one.where.word, field=one.name)
    connection.settings = settings
    connection.seal(secrets)
    save(connection, "settings", "secrets_sealed")
    changed = sorted(name for name, value in given.items() if value) + (["hosts"] if moves else [])
    record(connection, "connection.entered", viewer, at, via, {"changed": changed})
    return connection


@dataclass(frozen=True, slots=True)
class Fit:
    """A mapping, and whether it fits the form it was just compared with."""

    kind: str
    mapping: dict[str, Any]
    wrong: list[Check]

    @property
    def is_sound(self) -> bool:
        return not self.wrong


def fitted(connection: Connection, kind: str, code: str, chosen: Chosen) -> Fit:
    """Some calls to the product; never inside a transaction. Raises NoForms, UnknownPaper, NoSuchField, OutsideError."""
    need_paper(kind)
    port = mapping.port_of(connection)
    built = mapping.build(port, kind, code, chosen)
    return Fit(kind, built, [one for one in forms.check(port, kind, built) if not one.ok])


def need_paper(kind: str) -> None:
    """Raises UnknownPaper."""
    if kind not in mapping.KINDS:
        raise UnknownPaper(kind=kind[:40], known=", ".join(mapping.KINDS), field="kind")


def map_form(*, viewer: Viewer, slug: str, version: str, fit: Fit, at: datetime, via: str) -> Connection:
    """Keep a mapping. One that does not fit is kept too, to be gone on with, but not while papers go by it.

    Raises ChangedMeanwhile, ServesOthers, Unsound.
    """
    connection = take(viewer, slug, version)
    if connection.is_active and "approval" in connection.uses and not fit.is_sound:
        raise Unsound(what=" ".join(gettext(one.said).format(**dict(one.params)) for one in fit.wrong[:5]))
    kept = {**(connection.settings.get("forms") or {}), fit.kind: fit.mapping}
    connection.settings = {**connection.settings, "forms": kept}
    save(connection, "settings")
    data = {"kind": fit.kind, "is_sound": fit.is_sound, "fields": sorted(fit.mapping["fields"])}
    record(connection, "connection.mapped", viewer, at, via, data)
    return connection


def lead(
    *, viewer: Viewer, slug: str, version: str, department_id: str, code: str, at: datetime, via: str
) -> Connection:
    """A department over there, and all below it, belong to a legal entity of the viewer's.

    Raises ChangedMeanwhile, ServesOthers, NotFound.
    """
    connection = take(viewer, slug, version)
    if not department_id or not administered_entities(viewer).filter(code=code).exists():
        raise NotFound()
    kept = connection.settings.get("directory") or {}
    entities = {**(kept.get("entities") or {}), department_id[:128]: code}
    connection.settings = {**connection.settings, "directory": {**kept, "entities": entities}}
    save(connection, "settings")
    record(
        connection, "connection.leads", viewer, at, via, {"department": department_id[:128], "entity": code}
    )
    return connection


def _move(guide: Guide, settings: dict[str, Any], hosts: Mapping[str, str]) -> bool:
    """Write the addresses into `settings`; whether one of them is another than before."""
    before = {host.name: settings.get(host.name) or host.usual for host in guide.hosts}
    for host in guide.hosts:
        address = hosts.get(host.name)
        if address is None:
            continue
        address = address.strip().rstrip("/") or host.usual
        if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", address) or len(address) > LONGEST_VALUE:
            raise BadAddress(address=address[:80], field=host.name)
        settings[host.name] = address
    return any((settings.get(name) or host) != host for name, host in before.items())


def _enter(
    one: Credential, value: str | None, secrets: dict[str, Any], settings: dict[str, Any], moves: bool
) -> None:
    has_secret = bool(secrets.get(one.name))
    if not value:
        if one.is_secret and has_secret and moves:
            raise SecretNeeded(label=one.term.word, field=one.name)
        if value == "" and not one.is_secret:
            secrets.pop(one.name, None)
            settings.pop(one.name, None)
        return
    if len(value) > LONGEST_VALUE or (one.shape and not re.fullmatch(one.shape, value)):
        raise BadValue(label=one.term.word, looks=gettext(one.looks), field=one.name)
    if one.is_secret:
        secrets[one.name] = value
        settings.pop(one.name, None)
    else:
        secrets.pop(one.name, None)
        settings[one.name] = value


def take(viewer: Viewer, slug: str, version: str) -> Connection:
    """The connection, locked and as it was at `version`. Raises NotFound, ServesOthers, ChangedMeanwhile."""
    known = connection_of(viewer, slug)
    connection = Connection.objects.select_for_update().get(pk=known.pk)
    need_all(viewer, connection)
    if version != version_of(viewer, connection):
        raise ChangedMeanwhile()
    return connection


def unchanged(viewer: Viewer, slug: str, version: str) -> Connection:
    """As it is, for a look outside of the transaction that will change it. Raises what `take` does."""
    connection = connection_of(viewer, slug)
    need_all(viewer, connection)
    if version != version_of(viewer, connection):
        raise ChangedMeanwhile()
    return connection


def need_all(viewer: Viewer, connection: Connection) -> None:
    """What it serves is the viewer's, and what its directory was told to lead. Raises ServesOthers."""
    mine = viewer.entities(Role.ADMINISTRATOR)
    if mine is None:
        return
    led = Q(
        connection=None,
        code__in=((connection.settings.get("directory") or {}).get("entities") or {}).values(),
    )
    others = LegalEntity.objects.filter(Q(connection=connection) | led).exclude(pk__in=mine).order_by("pk")
    if names := list(others.values_list("name", flat=True)[:5]):
        raise ServesOthers(entities="、".join(names))


def _wanted(kind: str, uses: Iterable[str]) -> list[str]:
    wanted = frozenset(uses)
    possible = able(registry.of(kind))
    if wanted - frozenset(possible) or {"approval", "desk"} <= wanted or not wanted:
        raise BadUses(
            product=guide_of(kind).product.word, uses=", ".join(sorted(wanted)) or "–", field="uses"
        )
    return [use for use in possible if use in wanted]


def _hearing(connection: Connection, wanted: Hears | None) -> dict[str, Any]:
    """Its settings with the way it hears; as it was, when none is wanted. Raises CannotHear."""
    kept = {name: value for name, value in connection.settings.items() if name != streams.SETTING}
    match wanted:
        case None:
            return dict(connection.settings)
        case Hears.LONG_CONNECTION:
            if not streams.can_stream(connection.kind):
                raise CannotHear(product=guide_of(connection.kind).product.word, field="hears")
            return {**kept, streams.SETTING: True}
        case Hears.CALLBACKS:
            return kept


def _free_slug(kind: str) -> str:
    """The kind, or the kind and the first number nobody has."""
    plain = SLUGS.sub("-", kind.lower()).strip("-")[:34] or "oa"
    taken = frozenset(Connection.objects.filter(slug__startswith=plain).values_list("slug", flat=True))
    return next(
        slug for slug in (plain, *(f"{plain}-{n}" for n in range(2, len(taken) + 3))) if slug not in taken
    )


def save(connection: Connection, *fields: str) -> None:
    """Only these columns: the others are the workers'."""
    connection.save(update_fields=fields)
    connections.forget()


def record(
    connection: Connection, fact: str, viewer: Viewer, at: datetime, via: str, data: dict[str, Any]
) -> None:
    facts.record(ref=ref_of(connection), fact=fact, actor=viewer.actor, via=via, at=at, data=data)


def ref_of(connection: Connection) -> Ref:
    return Ref("connection", connection.slug)
