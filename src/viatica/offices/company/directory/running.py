"""A directory run, top to bottom: read, compare, ask or refuse, merge.

The network is read outside every transaction; comparing and merging are one. The first run of a connection waits for a
person's yes; later ones are applied at once, unless they would deactivate too many people.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pghistory
import structlog
from django.db import connection as database
from django.db import transaction

from viatica.kernel.errors import NotFound, ViaticaError
from viatica.kernel.refs import Ref
from viatica.offices.company import ports
from viatica.offices.company.directory import conflicts, guard, locking, scheduling, staging
from viatica.offices.company.directory.differing import differ
from viatica.offices.company.directory.errors import (
    BrokeOff,
    Busy,
    EmptyDirectory,
    NotWaiting,
    TooManyGone,
)
from viatica.offices.company.directory.matching import match
from viatica.offices.company.directory.merging import merge
from viatica.offices.company.directory.models import (
    WAITING,
    DirectoryRun,
    RunState,
    Scope,
    StagedDepartment,
    StagedMember,
)
from viatica.offices.company.directory.parts import read_part
from viatica.offices.company.directory.placing import place
from viatica.offices.company.directory.statements import execute, rows
from viatica.offices.company.directory.terms import Terms, last_applied, terms_of
from viatica.offices.company.ports import DirectoryChange
from viatica.spine import facts, issues
from viatica.spine.models import Connection
from viatica.spine.outcomes import Done, Later, Outcome

log = structlog.get_logger(__name__)

ASK_AGAIN_S = 20.0
KEPT = timedelta(days=30)

_NAMED = """
SELECT (SELECT count(*) FROM company_stagedmember WHERE run_id = %(run)s AND manager_userid <> ''),
       (SELECT count(*) FROM company_stageddepartment WHERE run_id = %(run)s AND head_userid <> '')
"""


def sync(connection: Connection, *, by: str, via: str, at: datetime) -> DirectoryRun:
    """A full run, as far as it may go by itself. How it ended is the run's `state`; raises Busy, and NoDirectory."""
    ports.need_directory(connection)
    with locking.only_one(connection):
        _bury_dead(connection, at)
        run = DirectoryRun.objects.create(connection=connection, started_by=by, started_at=at)
        try:
            terms_of(run, managers=0, heads=0)  # what no reading can mend is said before reading
            staging.read_all(run, ports.port_for(connection))
            _note_reading(run, at)
            _settle(run, by=by, via=via, at=at)
        except ViaticaError as error:
            _end_badly(run, error, at)
        except BaseException:
            _end_badly(run, BrokeOff(connection=connection.name), at)
            raise
    log.info("directory.run", connection=connection.slug, run=run.pk, state=run.state, people=run.people)
    return run


def apply(run_id: int, *, by: str, via: str, at: datetime, anyway: bool = False) -> DirectoryRun:
    """Merge a run that waits, as it stands against today's people. `anyway`: even if it deactivates too many.

    Raises NotWaiting, Busy, TooManyGone, EmptyDirectory; then nothing has changed.
    """
    with transaction.atomic():
        run = _waiting(run_id)
        locking.only_one_in_transaction(run.connection)
        guard.refuse_unusable(run)
        terms = _compare(run)
        if not anyway:
            guard.refuse_too_many_gone(terms)
        conflicts.keep(terms, at)
        _merge(terms, by=by, via=via, at=at)
    _clear_staged(run)
    return run


def discard(run_id: int, *, by: str, via: str, at: datetime) -> DirectoryRun:
    """Leave a waiting run at that. Raises NotWaiting."""
    with transaction.atomic():
        run = _waiting(run_id)
        run.state, run.ended_by, run.ended_at = RunState.DISCARDED, by, at
        run.save(update_fields=["state", "ended_by", "ended_at"])
        _record(run, "directory.discarded", actor=by, via=via, at=at)
        issues.close_issue(_key(run.connection), at)
    _clear_staged(run)
    return run


def changed(connection: Connection, change: DirectoryChange, *, at: datetime) -> Outcome:
    """What an event asks for: read again whom it names, and merge that alone. Safe to repeat.

    Raises what the port raises: the relay asks again later.
    """
    if change.everything:
        return Done({"scheduled": scheduling.sync_soon(connection.slug, by="system")})
    if last_applied(connection) is None:
        return Done({"ignored": "the directory has not been applied yet"})
    port = ports.port_for(connection)
    try:
        with locking.only_one(connection):
            _bury_dead(connection, at)
            run = read_part(connection, port, change, at)
            try:
                _settle(run, by="system", via="worker", at=at)
            except ViaticaError as error:
                _end_badly(run, error, at)
    except Busy as busy:
        return Later(ASK_AGAIN_S, str(busy))
    return Done({"run": run.pk, "state": run.state})


def prune(at: datetime) -> int:
    """Delete runs that ended long ago, and what runs that wait for nobody still have staged."""
    for run in DirectoryRun.objects.exclude(state__in=[RunState.READING, *WAITING]).filter(
        pk__in=StagedMember.objects.values("run_id")
    ):
        _clear_staged(run)
    old = DirectoryRun.objects.exclude(state=RunState.READING).filter(started_at__lt=at - KEPT)
    # The last full run that was applied says whether the next may go by itself.
    last = [found.pk for one in Connection.objects.all() if (found := last_applied(one)) is not None]
    deleted, _each = old.exclude(pk__in=last).delete()
    return deleted


# A full run


def _bury_dead(connection: Connection, at: datetime) -> None:
    """Whoever read before us is dead: the lock is ours."""
    for run in DirectoryRun.objects.filter(connection=connection, state=RunState.READING):
        _end_badly(run, BrokeOff(connection=connection.name), at)


def _note_reading(run: DirectoryRun, at: datetime) -> None:
    """All is staged: what waited before is out of date."""
    with transaction.atomic():
        for older in DirectoryRun.objects.filter(connection=run.connection, state__in=WAITING):
            DirectoryRun.objects.filter(pk=older.pk).update(
                state=RunState.DISCARDED, ended_at=at, ended_by="system"
            )
            _clear_staged(older)
        run.read_at = at
        run.save(update_fields=["read_at", "departments", "people"])


def _settle(run: DirectoryRun, *, by: str, via: str, at: datetime) -> None:
    """Compare, then merge, wait or refuse."""
    must_ask = run.scope == Scope.FULL and last_applied(run.connection) is None
    with transaction.atomic():
        try:
            guard.refuse_unusable(run)
            terms = _compare(run)
            guard.refuse_too_many_gone(terms)
        except (EmptyDirectory, TooManyGone) as refusal:
            _refuse(run, refusal, at)
            return
        conflicts.keep(terms, at)
        if must_ask:
            _ask(run, at)
        else:
            _merge(terms, by=by, via=via, at=at)
    if run.state == RunState.APPLIED:
        _clear_staged(run)


def _compare(run: DirectoryRun) -> Terms:
    """Fill the temporary tables; counts go into `run`."""
    locking.hold_still()
    ((managers, heads),) = rows(_NAMED, {"run": run.pk})
    terms = terms_of(run, managers=managers, heads=heads)
    for name in _TEMPORARY:
        execute(f"DROP TABLE IF EXISTS pg_temp.directory_{name}")
    place(terms)
    match(terms)
    run.counts = differ(terms)
    return terms


_TEMPORARY = (
    "read", "department", "path", "place", "member", "firm", "loose", "candidate", "choice", "person", "target", "known", "gone",
    "department_change", "department_gone", "change", "link",
)  # fmt: skip


def _merge(terms: Terms, *, by: str, via: str, at: datetime) -> None:
    run = terms.run
    with pghistory.context(directory_run=run.pk, actor=by):
        merge(terms, at)
    run.state, run.ended_by, run.ended_at = RunState.APPLIED, by, at
    run.problem = run.problem_hint = run.problem_code = ""
    run.problem_params = {}
    run.save()
    if terms.is_full:
        issues.close_issue(_key(run.connection), at)
    _record(run, "directory.applied", actor=by, via=via, at=at)


# How it ends


def _ask(run: DirectoryRun, at: datetime) -> None:
    run.state = RunState.STAGED
    run.save(update_fields=["state", "counts"])
    issues.close_issue(_key(run.connection), at)


def _refuse(run: DirectoryRun, refusal: ViaticaError, at: datetime) -> None:
    _say_problem(run, refusal)
    run.state = RunState.REFUSED
    run.save()
    _raise_issue(run, refusal, at)


def _end_badly(run: DirectoryRun, error: ViaticaError, at: datetime) -> None:
    """The reading broke off, or what was read fits no rule: nothing of it is kept but why."""
    with transaction.atomic():
        _say_problem(run, error)
        run.state, run.ended_at = RunState.FAILED, at
        run.save()
        _raise_issue(run, error, at)
    _clear_staged(run)


def _say_problem(run: DirectoryRun, error: ViaticaError) -> None:
    run.problem, run.problem_hint, run.problem_code = error.message, error.hint, error.code
    run.problem_params = {name: str(value) for name, value in error.params.items()}


def _raise_issue(run: DirectoryRun, error: ViaticaError, at: datetime) -> None:
    issues.raise_issue(
        key=_key(run.connection), kind="company.directory", message=error.message, ref=None, at=at,
        params={**error.params, "connection": run.connection.name, "slug": run.connection.slug, "run": run.pk},
    )  # fmt: skip


# Around


def _waiting(run_id: int) -> DirectoryRun:
    rows_ = DirectoryRun.objects.select_for_update(of=("self",)).select_related("connection")
    run = rows_.filter(pk=run_id).first()
    if run is None:
        raise NotFound()
    if run.state not in WAITING:
        raise NotWaiting()
    return run


def _clear_staged(run: DirectoryRun) -> None:
    """Set by set, without asking Django who else refers to each row: nobody does."""
    for table in (StagedDepartment, StagedMember):
        with database.cursor() as cursor:
            cursor.execute(f"DELETE FROM {table._meta.db_table} WHERE run_id = %s", [run.pk])


def _record(run: DirectoryRun, fact: str, *, actor: str, via: str, at: datetime) -> None:
    facts.record(
        ref=Ref("connection", run.connection.slug), fact=fact, actor=actor, via=via, at=at,
        data={"run": run.pk, "counts": run.counts},
    )  # fmt: skip


def _key(connection: Connection) -> str:
    return f"company.directory:{connection.slug}"
