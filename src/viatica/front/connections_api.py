"""`/api/v1/connections` and `/issues`: what an administrator sees of the outside systems and does about them.

It stands here and not in a room downstairs: the spine knows no viewer, and the check asks the connectors.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.utils.translation import gettext
from ninja import Router, Schema, Status
from pydantic import Field, StringConstraints

from viatica.front import connections_setup_api as setup
from viatica.front import exchanges_api, shown
from viatica.front.desks.connections import checks
from viatica.front.desks.connections.health import (
    Health,
    Stopped,
    connection_of,
    has_message,
    healths,
    issues_for,
    with_details,
)
from viatica.kernel.errors import Refused
from viatica.kernel.words import N_
from viatica.offices.access.doors import viewer, write_once
from viatica.offices.access.queries import administered
from viatica.offices.access.shapes import Id, Slug
from viatica.offices.access.viewer import Viewer
from viatica.spine import jobs, reconcile, replays
from viatica.spine.models import Issue

router = Router(tags=["connections"])
issues = Router(tags=["connections"])
router.add_router("", exchanges_api.router)
MOST = 100
Box = Literal["out", "in"]


class NothingToCompare(Refused):
    code = "connections.nothing_to_compare"
    message = N_("This kind of connection has nothing to compare.")
    hint = N_("Approvals that run here need no comparison.")


class ConnectionOut(Schema):
    slug: str
    kind: str
    name: str
    uses: list[str]
    health: str = Field(description="healthy, slow, attention, failing, off or setting_up.")
    waiting: int = Field(description="Messages on their way.")
    waiting_since: datetime | None = Field(description="Since when the oldest of them waits.")
    parked: int = Field(description="Messages and events that stopped and wait for a person.")
    last_delivered: datetime | None
    last_heard: datetime | None
    compared_at: datetime | None = Field(description="When both sides were last compared.")
    compared: int | None
    healed: int | None
    unhealed: int | None = Field(description="What still differs: each is an issue.")


class TryOut(Schema):
    at: datetime
    outcome: str | None = Field(description="null: it still runs, or its worker died.")
    reason: str | None


class ParkedOut(Schema):
    box: Box
    id: int
    kind: str
    lane: str
    reason: str
    hint: str
    attempts: int
    at: datetime
    payload: str = Field(description="What was to be sent, or what came (8,000 characters at most).")
    tries: list[TryOut] = Field(description="The last ten.")


class DropIn(Schema):
    reason: Annotated[str, StringConstraints(min_length=1, max_length=300)]


class ReplayedOut(Schema):
    replayed: int


class AskedOut(Schema):
    is_new: bool = Field(description="False: a comparison was waiting already. Its result: `compared_at`.")


class CheckLine(Schema):
    name: str
    ok: bool
    said: str
    remedy: str


class IssueOut(Schema):
    kind: str
    said: str = Field(description="In the reader's language.")
    about: str | None
    times: int
    opened_at: datetime
    last_at: datetime
    waiting: list[str] = Field(description="The papers held up by it (100 at most).")


@router.get("", response=list[ConnectionOut], summary="Outside systems and how they are (all)")
def list_connections(request: HttpRequest) -> Any:
    return [_out(health) for health in healths(administered(viewer(request)))]


@router.post(
    "", response={201: setup.SetupOut}, summary="Begin a connection; it is off until it is switched on"
)
def create_connection(request: HttpRequest, body: setup.NewIn) -> Any:
    return setup.create(request, body)


@router.get(
    "/kinds", response=list[setup.KindOut], summary="What can be connected, and what each asks for (all)"
)
def list_kinds(request: HttpRequest) -> Any:
    return setup.kinds(request)


@router.get("/{slug}", response=ConnectionOut, summary="One outside system")
def get_connection(request: HttpRequest, slug: Slug) -> ConnectionOut:
    (health,) = healths([connection_of(viewer(request), slug)])
    return _out(health)


@router.get("/{slug}/parked", response=list[ParkedOut], summary="What stopped, oldest first (100 at most)")
def list_parked(request: HttpRequest, slug: Slug) -> Any:
    connection = connection_of(viewer(request), slug)
    return [_parked(one) for one in with_details(replays.parked(connection_id=connection.pk)[:MOST])]


@router.post("/{slug}/parked/replay", response=ReplayedOut, summary="Send everything that stopped again")
def replay_all(request: HttpRequest, slug: Slug) -> Any:
    def run(asker: Viewer, at: datetime) -> ReplayedOut:
        connection = connection_of(asker, slug)
        return ReplayedOut(
            replayed=replays.replay_all(connection_id=connection.pk, actor=asker.actor, via="api", at=at)
        )

    return write_once(request, run)


@router.post(
    "/{slug}/parked/{box}/{int:message_id}/replay", response=ReplayedOut, summary="Send one of them again"
)
def replay_one(request: HttpRequest, slug: Slug, box: Box, message_id: Id) -> Any:
    def run(asker: Viewer, at: datetime) -> ReplayedOut:
        has_message(connection_of(asker, slug), box, message_id)
        replays.replay(message_id=message_id, box=box, actor=asker.actor, via="api", at=at)
        return ReplayedOut(replayed=1)

    return write_once(request, run)


@router.post(
    "/{slug}/parked/out/{int:message_id}/drop",
    response={204: None},
    summary="Give one up for good; what waited behind it goes on",
)
def drop(request: HttpRequest, slug: Slug, message_id: Id, body: DropIn) -> Any:
    def run(asker: Viewer, at: datetime) -> None:
        has_message(connection_of(asker, slug), "out", message_id)
        replays.drop(message_id=message_id, actor=asker.actor, via="api", at=at, reason=body.reason)

    write_once(request, run)
    return Status(204, None)


@router.post(
    "/{slug}/reconcile",
    response={202: AskedOut},
    summary="Compare both sides now; a worker does it at once and heals what is safe",
)
def compare(request: HttpRequest, slug: Slug) -> Any:
    def run(asker: Viewer, at: datetime) -> AskedOut:
        connection = connection_of(asker, slug)
        if not reconcile.can_compare(connection):
            raise NothingToCompare()
        return AskedOut(is_new=jobs.compare_soon(connection.slug))

    return Status(202, write_once(request, run))


@router.get(
    "/{slug}/check",
    response=list[CheckLine],
    summary="Credentials, permissions and forms, asked of the product itself (some seconds)",
)
def check(request: HttpRequest, slug: Slug) -> Any:
    found = checks.ask(connection_of(viewer(request), slug))
    return [
        CheckLine(name=one.name, ok=one.ok, said=one.said, remedy=one.remedy) for one in checks.lines(found)
    ]


@issues.get("", response=list[IssueOut], summary="What a person must mend, latest first (100 at most)")
def list_issues(request: HttpRequest) -> Any:
    asker = viewer(request)
    administered(asker)
    return [_issue(one) for one in issues_for(asker)[:MOST]]


router.add_router("", setup.router)


def _out(health: Health) -> ConnectionOut:
    run = health.run
    return ConnectionOut(
        slug=health.connection.slug,
        kind=health.connection.kind,
        name=health.connection.name,
        uses=health.connection.uses,
        health=health.word,
        waiting=health.waiting,
        waiting_since=health.oldest,
        parked=health.parked,
        last_delivered=health.last_done,
        last_heard=health.heard,
        compared_at=run.at if run else None,
        compared=run.compared if run else None,
        healed=len(run.healed) if run else None,
        unhealed=len(run.unhealed) if run else None,
    )


def _parked(one: Stopped) -> ParkedOut:
    parked = one.parked
    return ParkedOut(
        box=parked.box,
        id=parked.id,
        kind=parked.kind,
        lane=parked.lane,
        reason=gettext(parked.reason) if parked.reason else "",
        hint=gettext(parked.hint) if parked.hint else "",
        attempts=parked.attempts,
        at=parked.at,
        payload=one.payload,
        tries=[TryOut(at=row.at, outcome=row.outcome, reason=row.reason) for row in one.attempts],
    )


def _issue(issue: Issue) -> IssueOut:
    return IssueOut(
        kind=issue.kind,
        said=_filled(issue.message, tuple(issue.params.items())),
        about=issue.ref,
        times=issue.times,
        opened_at=issue.opened_at,
        last_at=issue.last_at,
        waiting=[wait.ref for wait in issue.waits.all()][:MOST],
    )


def _filled(msgid: str, params: tuple[tuple[str, Any], ...]) -> str:
    return shown.words(msgid, dict(params)) if msgid else ""
