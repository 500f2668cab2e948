"""The step of the directory: read it, look at what would change, settle who cannot be told apart, apply it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from procrastinate.contrib.django.models import ProcrastinateJob

from viatica.front import shown
from viatica.front.desks.connections import changes
from viatica.front.desks.connections.form_pages import Shown
from viatica.front.forms import write_once
from viatica.front.viewer import SignedIn
from viatica.kernel.errors import NotFound, ViaticaError
from viatica.offices.access.models import Role
from viatica.offices.company.directory import conflicts, queries, running, scheduling
from viatica.offices.company.directory.errors import DepartmentWithoutEntity
from viatica.offices.company.directory.models import (
    WAITING,
    DirectoryConflict,
    DirectoryDifference,
    DirectoryRun,
    Kind,
    RunState,
    Scope,
    StagedDepartment,
    Subject,
)
from viatica.offices.company.directory.terms import terms_of
from viatica.offices.company.models import Employee, LegalEntity
from viatica.spine.models import Connection

LINES = 50
MOST_CONFLICTS = 50
MOST_TOPS = 50
SUBJECTS = {Subject.PERSON: _("People"), Subject.DEPARTMENT: _("Departments")}
KINDS = {
    Kind.ADDED: _("added"), Kind.BACK: _("back again"), Kind.MOVED: _("moved"), Kind.RENAMED: _("renamed"),
    Kind.CHANGED: _("changed"), Kind.GONE: _("gone"), Kind.LINKED: _("recognised"),
}  # fmt: skip
FIELDS = {
    "number": _("Employee number"), "name": _("Name"), "title": _("Title"), "mobile": _("Mobile"), "email": _("E-mail"),
    "department": _("Department"), "entity": _("Company"), "manager": _("Manager"), "parent": _("Above it"),
    "head": _("Head"), "userid": _("Account"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Count:
    subject: Subject
    kind: Kind
    word: Any
    number: int

    @property
    def is_loss(self) -> bool:
        return self.kind is Kind.GONE


@dataclass(frozen=True, slots=True)
class Line:
    """One difference: `changes` are (field, from, to)."""

    name: str
    place: str
    outside_id: str
    word: Any
    changes: list[tuple[Any, str, str]]


@dataclass(frozen=True, slots=True)
class Mixed:
    """A member who cannot be told apart, and whom they may be."""

    userid: str
    said: str
    candidates: list[dict[str, Any]]


def directory(request: SignedIn, connection: Connection, show: Shown, here: str) -> HttpResponse:
    wrong: ViaticaError | None = None
    if request.method == "POST":
        try:
            return write_once(request, lambda at: _do(request, connection, here, at))
        except ViaticaError as error:
            if error.status in (403, 404):
                raise
            wrong = error
    return show(
        "directory", {**_context(request, connection), "wrong": wrong}, status=wrong.status if wrong else 200
    )


def _do(request: SignedIn, connection: Connection, here: str, at: datetime) -> str:
    changes.need_all(request.viewer, connection)
    say: dict[str, Any] = {"by": request.viewer.actor, "via": "web", "at": at}
    match request.POST.get("what", ""):
        case "read":
            scheduling.sync_soon(connection.slug, by=request.viewer.actor)
        case "apply" | "anyway" as what:
            run = running.apply(_run(request, connection).pk, anyway=what == "anyway", **say)
            text = gettext("Applied: {people} people and {departments} departments were compared.")
            messages.success(request, text.format(people=run.people, departments=run.departments))
        case "discard":
            running.discard(_run(request, connection).pk, **say)
            messages.success(request, gettext("Left at that; nobody was changed."))
        case "settle":
            _settle(request, connection, at)
        case "entity":
            _name_entity(request, connection, at)
        case _:
            raise NotFound()
    return here


def _run(request: SignedIn, connection: Connection) -> DirectoryRun:
    number = request.POST.get("run", "")
    return queries.run_of(connection, int(number) if number.isdecimal() and len(number) < 18 else 0)


def _settle(request: SignedIn, connection: Connection, at: datetime) -> None:
    """`verdict`: is:<employee>, apart or out."""
    verdict, _colon, key = request.POST.get("verdict", "").partition(":")
    say: dict[str, Any] = {
        "connection": connection, "userid": request.POST.get("userid", ""), "actor": request.viewer.actor,
        "via": "web", "at": at,
    }  # fmt: skip
    match verdict:
        case "is":
            conflicts.resolve(employee=_employee(request, key), **say)
        case "apart":
            conflicts.keep_apart(**say)
        case "out":
            conflicts.leave_out(**say)
        case _:
            raise NotFound()
    messages.success(request, gettext("Settled; it holds for every later run."))


def _employee(request: SignedIn, key: str) -> Employee:
    """Of a company the viewer administers: to become somebody means to sign in as them. Raises NotFound."""
    found = Employee.objects.filter(pk=int(key) if key.isdecimal() and len(key) < 18 else 0).first()
    if found is None or not request.viewer.has(Role.ADMINISTRATOR, found.entity_id):
        raise NotFound()
    return found


def _name_entity(request: SignedIn, connection: Connection, at: datetime) -> None:
    """A department over there, and all below it, belong to one legal entity; then it is read again."""
    changes.lead(
        viewer=request.viewer, slug=connection.slug, version=request.POST.get("version", ""),
        department_id=request.POST.get("department", ""), code=request.POST.get("entity", ""), at=at, via="web",
    )  # fmt: skip
    scheduling.sync_soon(connection.slug, by=request.viewer.actor)


def _context(request: SignedIn, connection: Connection) -> dict[str, Any]:
    found = queries.runs(connection, scope=Scope.FULL, most=1)
    run = found[0] if found else None
    is_asked = ProcrastinateJob.objects.filter(
        queueing_lock=f"{scheduling.SYNC}:{connection.slug}", status="todo"
    ).exists()
    context: dict[str, Any] = {
        "run": run,
        "is_asked": is_asked,
        "is_reading": is_asked or (run is not None and run.state == RunState.READING),
        "mixed": [_mixed(one, connection) for one in queries.conflicts(connection, most=MOST_CONFLICTS)],
        "named": _named(connection),
    }
    if run is None:
        return context
    context |= {
        "is_waiting": run.state in WAITING,
        "counts": _counts(run),
        "problem": shown.words(run.problem, run.problem_params) if run.problem else "",
        "gone": (run.counts.get("person") or {}).get(Kind.GONE, 0),
        **_lines(request, run),
    }
    if run.problem_code == DepartmentWithoutEntity.code:
        context["homeless"] = run.problem_params
        context["entities"] = list(changes.administered_entities(request.viewer))
    elif run.state in (RunState.STAGED, RunState.APPLIED) and not terms_of(run, managers=0, heads=0).led:
        context["leads_nobody"] = True
        context["tops"] = _tops(run)
        context["entities"] = list(changes.administered_entities(request.viewer))
    return context


def _tops(run: DirectoryRun) -> list[StagedDepartment]:
    """The departments that a company may be given to; none, when what was read has been put away."""
    read = StagedDepartment.objects.filter(run=run, is_gone=False)
    tops = read.exclude(parent_id__in=read.values("outside_id"))
    below = read.filter(parent_id__in=tops.values("outside_id"))
    return [*tops.order_by("pk")[:MOST_TOPS], *below.order_by("pk")[:MOST_TOPS]]


def _counts(run: DirectoryRun) -> list[tuple[Any, list[Count]]]:
    return [
        (
            word,
            [
                Count(subject, kind, KINDS[kind], number)
                for kind in Kind
                if (number := (run.counts.get(subject) or {}).get(kind, 0))
            ],
        )
        for subject, word in SUBJECTS.items()
    ]


def _lines(request: SignedIn, run: DirectoryRun) -> dict[str, Any]:
    """One page of the kind that was asked for; the losses first, when nothing was."""
    subject, kind = _asked(request, run)
    if subject is None or kind is None:
        return {"lines": []}
    after = request.GET.get("after", "")
    rows = queries.differences(
        run, subject=subject, kind=kind, after=int(after) if after.isdecimal() and len(after) < 18 else 0, most=LINES + 1
    )  # fmt: skip
    return {
        "lines": [_line(row) for row in rows[:LINES]],
        "of": subject.value,
        "kind": kind.value,
        "lines_of": SUBJECTS[subject],
        "lines_are": KINDS[kind],
        "more_after": rows[LINES - 1].pk if len(rows) > LINES else None,
    }


def _asked(request: SignedIn, run: DirectoryRun) -> tuple[Subject | None, Kind | None]:
    of, kind = request.GET.get("of", ""), request.GET.get("kind", "")
    if of in Subject.values and kind in Kind.values:
        return Subject(of), Kind(kind)
    order = (Kind.GONE, Kind.MOVED, Kind.CHANGED, Kind.RENAMED, Kind.ADDED, Kind.BACK, Kind.LINKED)
    for subject in SUBJECTS:
        for one in order:
            if (run.counts.get(subject) or {}).get(one, 0):
                return subject, one
    return None, None


def _line(row: DirectoryDifference) -> Line:
    told = [
        (FIELDS.get(name, name), str(before or "–"), str(now or "–"))
        for name, (before, now) in row.changes.items()
    ]
    return Line(row.name, row.place, row.outside_id, KINDS[Kind(row.kind)], told)


def _mixed(row: DirectoryConflict, connection: Connection) -> Mixed:
    said = conflicts.said(row, connection, gettext)
    known = {one["employee"]: one for one in row.others if one.get("employee")}
    return Mixed(row.userid, said, list(known.values()))


def _named(connection: Connection) -> list[tuple[str, str]]:
    """Departments over there that were given to a legal entity: id and the entity's name."""
    said = (connection.settings.get("directory") or {}).get("entities") or {}
    names = (
        dict(LegalEntity.objects.filter(code__in=said.values()).values_list("code", "name")) if said else {}
    )
    return [(str(outside), names.get(code, code)) for outside, code in said.items()]
