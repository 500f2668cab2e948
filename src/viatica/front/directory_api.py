"""`/api/v1/connections/{slug}/directory`: runs of a connection's directory, what they found, who cannot be told apart.

It stands here and not in the office: that office knows no viewer.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.utils.translation import gettext
from ninja import Query, Router, Schema, Status
from pydantic import Field, StringConstraints

from viatica.front.desks.connections import changes
from viatica.front.desks.connections.health import connection_of
from viatica.kernel.errors import NotFound
from viatica.offices.access.doors import viewer, write_once
from viatica.offices.access.models import Role
from viatica.offices.access.shapes import LARGEST_ID, EmployeeNumber, Id, Listing, Slug
from viatica.offices.access.viewer import Viewer
from viatica.offices.company import ports
from viatica.offices.company.directory import conflicts, queries, running, scheduling
from viatica.offices.company.directory.models import DirectoryRun, Kind, Subject
from viatica.offices.company.models import Employee
from viatica.spine.models import Connection

router = Router(tags=["directory"])

UserId = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class RunOut(Schema):
    id: int
    state: str = Field(
        description="reading, staged (waits for a yes), applied, refused, discarded or failed."
    )
    scope: str = Field(description="full; part: only what an event named.")
    started_at: datetime
    started_by: str
    read_at: datetime | None
    ended_at: datetime | None
    ended_by: str = Field(description="Who had it applied or discarded.")
    departments: int = Field(description="Read.")
    people: int = Field(description="Read.")
    counts: dict[str, Any] = Field(
        description='What it changes: {"person": {"added": 3, …}, "department": {…}, "conflicts": 0, …}.'
    )
    problem: str = Field(description="Why it was refused or failed, in the reader's language.")
    problem_code: str
    hint: str


class DifferenceOut(Schema):
    id: int
    subject: str
    kind: str
    outside_id: str = Field(description="The userid, or the department's id over there.")
    name: str
    place: str = Field(description="The department a person is in.")
    changes: dict[str, list[str]] = Field(description="Field → [from, to].")


class OtherOut(Schema):
    userid: str
    name: str
    employee: int | None
    number: str


class ConflictOut(Schema):
    id: int
    userid: str
    name: str
    reason: str
    said: str = Field(description="In the reader's language.")
    others: list[OtherOut] = Field(description="Whom they are mixed up with (5 of a kind at most).")
    opened_at: datetime


class StartedOut(Schema):
    is_new: bool = Field(description="False: a run was waiting already.")


class ApplyIn(Schema):
    anyway: bool = Field(False, description="Even if the run deactivates more people than may go unasked.")


class MemberIn(Schema):
    userid: UserId


class ResolveIn(Schema):
    userid: UserId
    employee: EmployeeNumber = Field(description="The number of the employee this member is.")


class Page(Schema):
    subject: Literal["person", "department"] = "person"
    kind: Literal["added", "back", "moved", "renamed", "changed", "gone", "linked"] | None = None
    after: int = Field(0, ge=0, le=LARGEST_ID, description="The id of the last line of the page before.")
    size: int = Field(50, ge=1, le=200)


@router.get("/{slug}/directory/runs", response=list[RunOut], summary="Runs of the directory, newest first")
def list_directory_runs(request: HttpRequest, slug: Slug, page: Query[Listing]) -> Any:
    connection = connection_of(viewer(request), slug)
    return [_run(one) for one in queries.runs(connection, before=page.before, most=page.size)]


@router.post(
    "/{slug}/directory/runs",
    response={202: StartedOut},
    summary="Read the directory now; a worker does it at once",
)
def start_directory_run(request: HttpRequest, slug: Slug) -> Any:
    def run(asker: Viewer, at: datetime) -> StartedOut:
        connection = _own(asker, slug)
        ports.need_directory(connection)
        return StartedOut(is_new=scheduling.sync_soon(connection.slug, by=asker.actor))

    return Status(202, write_once(request, run))


@router.get("/{slug}/directory/runs/{int:run_id}", response=RunOut, summary="One run")
def get_directory_run(request: HttpRequest, slug: Slug, run_id: Id) -> RunOut:
    return _run(queries.run_of(connection_of(viewer(request), slug), run_id))


@router.get(
    "/{slug}/directory/runs/{int:run_id}/differences",
    response=list[DifferenceOut],
    summary="What a run changes, or changed; the next page begins `after` the last line's id",
)
def list_directory_differences(request: HttpRequest, slug: Slug, run_id: Id, page: Query[Page]) -> Any:
    run = queries.run_of(connection_of(viewer(request), slug), run_id)
    lines = queries.differences(
        run,
        subject=Subject(page.subject),
        kind=Kind(page.kind) if page.kind else None,
        after=page.after,
        most=page.size,
    )
    return [
        DifferenceOut(
            id=line.pk, subject=line.subject, kind=line.kind, outside_id=line.outside_id, name=line.name,
            place=line.place, changes=line.changes,
        )
        for line in lines
    ]  # fmt: skip


@router.post(
    "/{slug}/directory/runs/{int:run_id}/apply", response=RunOut, summary="Merge a run that waits for a yes"
)
def apply_directory_run(request: HttpRequest, slug: Slug, run_id: Id, body: ApplyIn) -> Any:
    def run(asker: Viewer, at: datetime) -> RunOut:
        found = queries.run_of(_own(asker, slug), run_id)
        return _run(running.apply(found.pk, by=asker.actor, via="api", at=at, anyway=body.anyway))

    return write_once(request, run)


@router.post(
    "/{slug}/directory/runs/{int:run_id}/discard", response=RunOut, summary="Leave a run that waits at that"
)
def discard_directory_run(request: HttpRequest, slug: Slug, run_id: Id) -> Any:
    def run(asker: Viewer, at: datetime) -> RunOut:
        found = queries.run_of(_own(asker, slug), run_id)
        return _run(running.discard(found.pk, by=asker.actor, via="api", at=at))

    return write_once(request, run)


@router.get(
    "/{slug}/directory/conflicts",
    response=list[ConflictOut],
    summary="Members who cannot be told apart and are left out until somebody says who they are, newest first",
)
def list_directory_conflicts(request: HttpRequest, slug: Slug, page: Query[Listing]) -> Any:
    connection = connection_of(viewer(request), slug)
    found = queries.conflicts(connection, before=page.before, most=page.size)
    return [
        ConflictOut(
            id=one.pk, userid=one.userid, name=one.name, reason=one.reason,
            said=conflicts.said(one, connection, gettext), others=one.others, opened_at=one.opened_at,
        )
        for one in found
    ]  # fmt: skip


@router.post(
    "/{slug}/directory/conflicts/resolve",
    response={204: None},
    summary="This member is that employee, for good",
)
def resolve_directory_conflict(request: HttpRequest, slug: Slug, body: ResolveIn) -> Any:
    def run(asker: Viewer, at: datetime) -> None:
        conflicts.resolve(
            connection=_own(asker, slug), userid=body.userid, employee=_employee(asker, body.employee),
            actor=asker.actor, via="api", at=at,
        )  # fmt: skip

    write_once(request, run)
    return Status(204, None)


@router.post(
    "/{slug}/directory/conflicts/keep-apart",
    response={204: None},
    summary="This member is none of those they resemble, for good",
)
def keep_directory_members_apart(request: HttpRequest, slug: Slug, body: MemberIn) -> Any:
    def run(asker: Viewer, at: datetime) -> None:
        conflicts.keep_apart(
            connection=_own(asker, slug), userid=body.userid, actor=asker.actor, via="api", at=at
        )

    write_once(request, run)
    return Status(204, None)


@router.post(
    "/{slug}/directory/conflicts/leave-out",
    response={204: None},
    summary="This account is somebody's second one: it is left alone, for good",
)
def leave_directory_member_out(request: HttpRequest, slug: Slug, body: MemberIn) -> Any:
    def run(asker: Viewer, at: datetime) -> None:
        conflicts.leave_out(
            connection=_own(asker, slug), userid=body.userid, actor=asker.actor, via="api", at=at
        )

    write_once(request, run)
    return Status(204, None)


def _own(asker: Viewer, slug: str) -> Connection:
    """For a change: all that it serves and leads is the asker's, as on the page. Raises NotFound, ServesOthers."""
    connection = connection_of(asker, slug)
    changes.need_all(asker, connection)
    return connection


def _employee(asker: Viewer, number: str) -> Employee:
    """Of an entity the asker administers: to become somebody means to sign in as them. Raises NotFound."""
    found = Employee.objects.filter(number=number).first()
    if found is None or not asker.has(Role.ADMINISTRATOR, found.entity_id):
        raise NotFound()
    return found


def _run(run: DirectoryRun) -> RunOut:
    return RunOut(
        id=run.pk, state=run.state, scope=run.scope, started_at=run.started_at, started_by=run.started_by,
        read_at=run.read_at, ended_at=run.ended_at, ended_by=run.ended_by, departments=run.departments,
        people=run.people, counts=run.counts, problem=_filled(run.problem, run.problem_params),
        problem_code=run.problem_code, hint=_filled(run.problem_hint, run.problem_params),
    )  # fmt: skip


def _filled(msgid: str, params: dict[str, str]) -> str:
    return gettext(msgid).format(**params) if msgid else ""
