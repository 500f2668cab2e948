"""`/api/v1/connections`: the same path an administrator walks on the pages, for who sets many companies up by a program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import Field, StringConstraints

from viatica.connectors import forms
from viatica.connectors.checking import Check
from viatica.connectors.forms import FormField, FormsPort
from viatica.connectors.guide import Guide, Hears, Ours
from viatica.front.desks.connections import changes, checks, mapping, path, products, switching
from viatica.front.desks.connections.health import connection_of
from viatica.offices.access.doors import viewer, write_once
from viatica.offices.access.models import Role
from viatica.offices.access.shapes import Slug
from viatica.offices.access.viewer import Viewer
from viatica.spine.models import Connection

router = Router(tags=["connections"])

Use = Literal["approval", "desk", "todo", "messages", "directory", "sign_in"]
Seen = Annotated[str, StringConstraints(min_length=16, max_length=16, pattern=r"^[0-9a-f]{16}$")]
Value = Annotated[str, StringConstraints(max_length=500)]
Name = Annotated[str, StringConstraints(max_length=80)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[a-z0-9_]+$")]
Code200 = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Code = Annotated[str, StringConstraints(min_length=1, max_length=16, pattern=r"^[0-9A-Za-z_-]+$")]


class CredentialOut(Schema):
    name: str
    label: str = Field(description="As the product's console calls it.")
    where: str
    is_secret: bool
    is_required: bool
    uses: list[str] = Field(description="Asked for with one of these uses; empty: always.")


class CodeOut(Schema):
    code: str
    label: str
    uses: list[str]


class KindOut(Schema):
    kind: str
    name: str
    can: list[Use]
    hears: list[Hears] = Field(description="The ways it can tell us.")
    credentials: list[CredentialOut]
    hosts: dict[str, str] = Field(description="Addresses that may be replaced, with the usual ones.")
    permissions: list[CodeOut]
    events: list[CodeOut]


class EntityOut(Schema):
    code: str
    name: str
    approves_through: str | None = Field(description="A connection's slug; null: in-house.")
    in_approval: int = Field(description="Papers under way, wherever (2,000 are counted at most).")


class SetupOut(Schema):
    slug: str
    kind: str
    name: str
    uses: list[str]
    hears: Hears
    is_on: bool
    version: str = Field(description="To be sent with every change: it says what the change was made from.")
    missing: list[str] = Field(description="Credentials that are needed and not there.")
    kept: list[str] = Field(description="Secrets that are there. None is ever shown.")
    addresses: dict[Ours, str] = Field(description="Ours, for the product's console.")
    entities: list[EntityOut] = Field(description="Those the asker administers.")


class NewIn(Schema):
    kind: Key
    name: Name = ""
    uses: list[Use] = Field(min_length=1, max_length=6)
    hears: Hears | None = Field(
        None, description="How what happens over there comes here; usually by callbacks."
    )


class UseIn(Schema):
    version: Seen
    name: Name = ""
    uses: list[Use] = Field(min_length=1, max_length=6)
    hears: Hears | None = Field(None, description="Left out: as it is.")


class CredentialsIn(Schema):
    version: Seen
    values: dict[Key, Value] = Field(
        description="By name; a secret that is not given is kept.", max_length=20
    )
    hosts: dict[Key, Value] = Field({}, max_length=10)


class OnIn(Schema):
    version: Seen
    entities: list[Code] = Field(
        description="Codes: new papers of these are approved through it, of the asker's others not.",
        max_length=500,
    )


class SeenIn(Schema):
    version: Seen


class FieldOut(Schema):
    key: str
    label: str
    type: str = Field(description="The product's word.")
    is_required: bool
    takes: list[str] = Field(description="Our fields that may go into it.")
    columns: list[FieldOut] = Field([], description="Of a table of rows.")


class MapIn(Schema):
    """Our field → the key of the form's."""

    code: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    fields: dict[Key, Value] = Field(max_length=20)
    table: Value = Field("", description="The key of the form's table of rows.")
    columns: dict[Key, Value] = Field({}, max_length=20)


class SaveMapIn(MapIn):
    version: Seen


class SuggestionOut(Schema):
    code: str
    name: str
    fields: dict[str, str] = Field(description="Our field → the key of the form's, by name and type.")
    table: str
    columns: dict[str, str]
    wrong: list[str] = Field(description="What does not fit, in the reader's language.")
    form: list[FieldOut]


class MappedOut(SetupOut):
    wrong: list[str] = Field(description="What does not fit the form; such a mapping cannot be switched on.")


Act = Callable[[Viewer, datetime], Connection]


def create(request: HttpRequest, body: NewIn) -> Any:
    def run(asker: Viewer, at: datetime) -> Connection:
        return changes.create(
            viewer=asker, kind=body.kind, name=body.name, uses=body.uses, hears=body.hears, at=at, via="api"
        )

    return Status(201, _done(request, run))


@router.get("/{slug}/setup", response=SetupOut, summary="How far it is set up")
def get_setup(request: HttpRequest, slug: Slug) -> Any:
    asker = viewer(request)
    return _setup(asker, connection_of(asker, slug))


@router.put("/{slug}/use", response=SetupOut, summary="What it is used for, and its name")
def change_use(request: HttpRequest, slug: Slug, body: UseIn) -> Any:
    def run(asker: Viewer, at: datetime) -> Connection:
        return changes.change(
            viewer=asker, slug=slug, version=body.version, name=body.name, uses=body.uses, hears=body.hears,
            at=at, via="api",
        )  # fmt: skip

    return _done(request, run)


@router.put("/{slug}/credentials", response=SetupOut, summary="Enter credentials; they are sealed at once")
def enter_credentials(request: HttpRequest, slug: Slug, body: CredentialsIn) -> Any:
    def run(asker: Viewer, at: datetime) -> Connection:
        return changes.enter(
            viewer=asker,
            slug=slug,
            version=body.version,
            values=body.values,
            hosts=body.hosts,
            at=at,
            via="api",
        )

    return _done(request, run)


@router.post(
    "/{slug}/on",
    response=SetupOut,
    summary="Switch it on, once a live check finds all that is vital (some seconds); or change whom it serves",
)
def switch_on(request: HttpRequest, slug: Slug, body: OnIn) -> Any:
    asker = viewer(request)
    found = checks.ask_if_possible(changes.unchanged(asker, slug, body.version))

    def run(asker: Viewer, at: datetime) -> Connection:
        return switching.switch_on(
            viewer=asker, slug=slug, version=body.version, entities=switching.ids_of(asker, body.entities),
            found=found, at=at, via="api",
        )  # fmt: skip

    return _done(request, run)


@router.post("/{slug}/off", response=SetupOut, summary="Switch it off: nothing goes out or comes in")
def switch_off(request: HttpRequest, slug: Slug, body: SeenIn) -> Any:
    def run(asker: Viewer, at: datetime) -> Connection:
        return switching.switch_off(viewer=asker, slug=slug, version=body.version, at=at, via="api")

    return _done(request, run)


@router.put(
    "/{slug}/entities/{code}",
    response=SetupOut,
    summary="New papers of one legal entity are approved through it; those in approval stay where they are",
)
def serve_entity(request: HttpRequest, slug: Slug, code: Code, body: SeenIn) -> Any:
    return _serve(request, slug, code, body.version, wanted=True)


@router.delete(
    "/{slug}/entities/{code}",
    response=SetupOut,
    summary="New papers of one legal entity are approved in-house again",
)
def release_entity(request: HttpRequest, slug: Slug, code: Code, version: Query[Seen]) -> Any:
    return _serve(request, slug, code, version, wanted=False)


def _serve(request: HttpRequest, slug: str, code: str, version: str, *, wanted: bool) -> Any:
    def run(asker: Viewer, at: datetime) -> Connection:
        return switching.serve(
            viewer=asker, slug=slug, version=version, code=code, wanted=wanted, at=at, via="api"
        )

    return _done(request, run)


@router.get(
    "/{slug}/forms/{kind}",
    response=SuggestionOut,
    summary="A form of the product, read now, and the mapping its names and types suggest",
)
def suggest_mapping(request: HttpRequest, slug: Slug, kind: Key, code: Query[Code200]) -> Any:
    connection = connection_of(viewer(request), slug)
    changes.need_paper(kind)
    port = mapping.port_of(connection)
    suggested = mapping.suggested(port, kind, code)
    chosen, template = mapping.chosen_in(port, suggested), port.template(code)
    return SuggestionOut(
        code=code,
        name=template.name,
        fields=dict(chosen.fields),
        table=chosen.table,
        columns=dict(chosen.columns),
        wrong=_wrong(forms.check(port, kind, suggested)),
        form=[_field(port, one, {**mapping.FIELDS, **mapping.COLUMNS[kind]}) for one in template.fields],
    )


@router.put(
    "/{slug}/forms/{kind}",
    response=MappedOut,
    summary="Which field of the form takes which of ours; compared with the form first (some seconds)",
)
def save_mapping(request: HttpRequest, slug: Slug, kind: Key, body: SaveMapIn) -> Any:
    connection = changes.unchanged(viewer(request), slug, body.version)
    chosen = mapping.Chosen(body.fields, body.table, body.columns)
    fit = changes.fitted(connection, kind, body.code, chosen)

    def run(asker: Viewer, at: datetime) -> MappedOut:
        mapped = changes.map_form(viewer=asker, slug=slug, version=body.version, fit=fit, at=at, via="api")
        return MappedOut(**_setup(asker, mapped).model_dump(), wrong=_wrong(fit.wrong))

    return write_once(request, run)


def _wrong(found: list[Check]) -> list[str]:
    return [one.said for one in checks.lines(found) if not one.ok]


def _field(port: FormsPort, one: FormField, ours: Mapping[str, Any]) -> FieldOut:
    return FieldOut(
        key=one.key,
        label=one.label,
        type=one.type,
        is_required=one.is_required,
        takes=[name for name in ours if one.shape in port.fits(name)],
        columns=[_field(port, child, ours) for child in one.children],
    )


def _done(request: HttpRequest, act: Act) -> Any:
    return write_once(request, lambda asker, at: _setup(asker, act(asker, at)))


def _setup(asker: Viewer, connection: Connection) -> SetupOut:
    guide = products.guide_of(connection.kind)
    secrets = products.secrets_of(connection)
    return SetupOut(
        slug=connection.slug,
        kind=connection.kind,
        name=connection.name,
        uses=connection.uses,
        hears=products.hears(connection),
        is_on=connection.is_active,
        version=changes.version_of(asker, connection),
        missing=[one.name for one in path.lacking(connection, guide)],
        kept=[one.name for one in guide.credentials if one.is_secret and secrets.get(one.name)],
        addresses={ours: path.address(ours, connection) for ours in Ours},
        entities=[_entity(row) for row in switching.board(asker, connection).rows],
    )


def _entity(row: switching.EntityRow) -> EntityOut:
    through = row.entity.connection
    return EntityOut(
        code=row.entity.code,
        name=row.entity.name,
        approves_through=through.slug if through else None,
        in_approval=row.in_house + row.here + row.elsewhere,
    )


def kinds(request: HttpRequest) -> list[KindOut]:
    """What can be connected, for an administrator."""
    viewer(request).need(Role.ADMINISTRATOR)
    return [_kind(connector.kind, products.able(connector), guide) for connector, guide in products.offered()]


def _kind(kind: str, can: list[Any], guide: Guide) -> KindOut:
    return KindOut(
        kind=kind,
        name=products.said(guide.product),
        can=can,
        hears=products.can_hear(kind),
        credentials=[
            CredentialOut(
                name=one.name,
                label=products.said(one.term),
                where=products.said(one.where),
                is_secret=one.is_secret,
                is_required=one.is_required,
                uses=list(one.uses),
            )
            for one in guide.credentials
        ],
        hosts={host.name: host.usual for host in guide.hosts},
        permissions=[
            CodeOut(code=one.code, label=products.said(one.term), uses=list(one.uses))
            for place in guide.places
            for one in place.permissions
        ],
        events=[
            CodeOut(code=one.code, label=products.said(one.term), uses=list(one.uses))
            for place in guide.places
            for one in place.events
        ],
    )
