"""Our flow, their desk (mode B): what an OA's desk is shown of our tasks, and what people decide there.

A show carries the whole case as it is when the message goes out, so that of several shows that wait the first does all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

from django.db import connection as database
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Lower

from viatica.kernel import clock
from viatica.kernel.errors import OutsideRefused, Refused, ViaticaError
from viatica.kernel.words import N_
from viatica.offices.approval import boards, casefile, errors, services, telling
from viatica.offices.approval.boards import Drawn
from viatica.offices.approval.casefile import CaseFile
from viatica.offices.approval.models import Case, Item, ItemState
from viatica.offices.approval.ports import DeskDecision, Shown, desk_for
from viatica.offices.company.models import Employee, OutsideIdentity
from viatica.spine import exchanges, facts, issues
from viatica.spine.models import Connection
from viatica.spine.outcomes import Delivery, Done, Outcome

NOT_KNOWN = N_(
    "{who} is not known in {system}, so {number} does not appear there. Sync the directory or link them by hand;"
    " meanwhile they can decide here."
)
NOT_REACHED = N_(
    "{system} does not show {number} to {who}: {reason}. Let them see the app there; meanwhile they can decide here."
)
NOT_SHOWN = N_("{number} does not appear in {system}: {reason}. Meanwhile it is decided here.")

NOT_SEEN_KIND = "approval.not_on_desk"
NOT_SHOWN_KIND = "approval.not_shown"


# Showing


def deliver_show(delivery: Delivery) -> Outcome:
    """Bring the desk up to what the case is now.

    What the product refuses stops nothing: people decide here, and the next show tries again.
    """
    case = Case.objects.select_related("desk", "applicant").get(pk=delivery.payload["case"])
    desk = case.desk
    assert desk is not None  # only cases with a desk are shown
    if case.shown_version >= case.version:
        return Done({"skipped": "shown"})
    is_doubtful = delivery.earlier_unknown or bool(delivery.payload.get("again"))
    (drawn,) = boards.draw(desk, [case], earlier_unknown=is_doubtful)
    refused: dict[str, str] = {}
    keeper = _Keeper(drawn)
    try:
        for shown in desk_for(desk).show(drawn.board):
            keeper.keep(shown)
            refused |= shown.refused
    except (OutsideRefused, Refused) as error:
        reason = str(error.params.get("said_by") or error)
        _raise_not_shown(drawn, desk, reason)
        return Done({"refused": reason})
    _mark_shown(case, desk)
    _settle_issues(drawn, desk, _raise_not_seen(drawn, desk, refused))
    return Done({"version": drawn.board.version})


# A handle that changed meanwhile (a click brings a new one) stays.
_KEEP = """
UPDATE approval_item AS i SET desk_handle = n.handle, userid = n.userid
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[]) AS n (id, known, handle, userid)
WHERE i.id = n.id AND i.desk_handle = n.known
"""


class _Keeper:
    """Keeps handles as they come, each only in place of the one the board told."""

    def __init__(self, drawn: Drawn) -> None:
        self.case_id = drawn.case.pk
        self.handle = drawn.board.shown
        self.tasks = {task.key: task for task in drawn.board.tasks}
        self.handles = {task.key: task.shown for task in drawn.board.tasks}

    def keep(self, shown: Shown) -> None:
        if shown.handle and shown.handle != self.handle:
            Case.objects.filter(pk=self.case_id, desk_handle=self.handle).update(desk_handle=shown.handle)
            self.handle = shown.handle
        self._keep_tasks({key: new for key, new in shown.tasks.items() if self.handles.get(key, new) != new})

    def _keep_tasks(self, fresh: Mapping[str, str]) -> None:
        if not fresh:
            return
        ids = [boards.item_of(key) for key in fresh]
        known = [self.handles[key] for key in fresh]
        people = [self.tasks[key].person.userid for key in fresh]
        with database.cursor() as cursor:
            cursor.execute(_KEEP, [ids, known, list(fresh.values()), people])
        self.handles |= fresh


def _mark_shown(case: Case, desk: Connection) -> None:
    """The desk is up to the version that was drawn. A case that is over is then agreed, unless it changed again."""
    at = clock.now()
    with transaction.atomic():
        newer = Case.objects.filter(pk=case.pk, shown_version__lt=case.version)
        if newer.update(shown_version=case.version, checked_at=at) and case.shown_version == 0:
            facts.record(
                ref=case.ref, fact="case.shown", actor="system", via=desk.kind, at=at, data={"case": case.pk}
            )
        if not case.is_active:
            Case.objects.filter(pk=case.pk, version=case.version).update(is_agreed=True)


def show_again(case: Case, at: datetime) -> bool:
    """The desk shows something else: another version tells it that this one counts. False when it changes anyway."""
    with transaction.atomic():
        same = Case.objects.filter(pk=case.pk, version=case.version)
        if not same.update(version=F("version") + 1, is_agreed=False):
            return False
        telling.let_show(case, at, again=True)
    return True


# Who cannot see a task


def _person_key(desk: Connection, employee_id: int) -> str:
    return f"{NOT_SEEN_KIND}:{desk.slug}:{employee_id}"


def _raise_not_seen(drawn: Drawn, desk: Connection, refused: Mapping[str, str]) -> set[str]:
    """One issue a person, listing every paper they do not see; the keys of these."""
    at = clock.now()
    unseen = [(who, NOT_KNOWN, "") for who in drawn.missing]
    for key, reason in refused.items():
        item = drawn.items[key]
        if item.approver is not None and item.state == ItemState.OPEN:
            unseen.append((item.approver, NOT_REACHED, reason))
    for who, message, reason in unseen:
        issues.raise_issue(
            key=_person_key(desk, who.pk), kind=NOT_SEEN_KIND, message=message, ref=None, waiting=[drawn.case.ref],
            params={
                "who": who.name, "employee": who.pk, "system": desk.name, "number": drawn.case.number, "reason": reason,
            }, at=at,
        )  # fmt: skip
    return {_person_key(desk, who.pk) for who, _message, _reason in unseen}


def _raise_not_shown(drawn: Drawn, desk: Connection, reason: str) -> None:
    """One issue a cause, listing every paper it keeps from the desk."""
    issues.raise_issue(
        key=f"{NOT_SHOWN_KIND}:{desk.slug}:{reason}", kind=NOT_SHOWN_KIND, message=NOT_SHOWN, ref=None,
        params={"system": desk.name, "number": drawn.case.number, "reason": reason}, waiting=[drawn.case.ref],
        at=clock.now(),
    )  # fmt: skip


def _settle_issues(drawn: Drawn, desk: Connection, still: set[str]) -> None:
    """What kept this paper from the desk, or from somebody's, is over."""
    for issue in issues.blocking(drawn.case.ref):
        if issue.kind in (NOT_SEEN_KIND, NOT_SHOWN_KIND) and issue.key not in still:
            issues.let_go(issue.key, str(drawn.case.ref), clock.now())


# Deciding


class Taken(StrEnum):
    """What became of a decision. UNKNOWN: it names no task of this desk."""

    APPLIED = "applied"
    IGNORED = "ignored"
    UNKNOWN = "unknown"


REASONS: Mapping[type[ViaticaError], str] = {
    errors.AlreadyHandled: "late",
    errors.CaseOver: "late",
    errors.ItemChanged: "outdated",
    errors.NotYourTurn: "not_their_turn",
    errors.NotYours: "not_theirs",
    errors.NoSuchItem: "not_theirs",
    errors.CommentNeeded: "no_comment",
}


def decide_from_desk(connection: Connection, decisions: Iterable[DeskDecision], at: datetime) -> list[Taken]:
    """Apply what was decided at this connection's desk, each once, whatever is repeated, late or contradictory.

    What cannot be applied changes nothing, is recorded, once, as the fact `news.ignored`, and the desk is shown the
    truth again. Outside a transaction; a refusal of the document itself is raised.
    """
    return [_take(connection, told, at) for told in decisions]


def _take(connection: Connection, told: DeskDecision, at: datetime) -> Taken:
    item = _item(connection, told.task_key)
    if item is None:
        return Taken.UNKNOWN
    exchanges.about(item.case.ref)
    person = _person(connection, told.userid)
    if person is None:
        _put_right(connection, item, told, None, "stranger", at)
        return Taken.IGNORED
    try:
        with transaction.atomic():
            _keep_click(item, told)
            services.decide(
                item_id=item.pk, actor=person, verdict=told.verdict, comment=told.comment,
                expected_version=told.version if told.version is not None else item.version,
                at=max(min(told.at, at), item.opened_at or at), via=connection.kind,
            )  # fmt: skip
    except tuple(REASONS) as error:
        _put_right(connection, item, told, person, _reason(item, told, person, error), at)
        return Taken.IGNORED
    return Taken.APPLIED


def _item(connection: Connection, key: str) -> Item | None:
    item_id = boards.item_of(key)
    if item_id is None:
        return None
    return (
        Item.objects.filter(pk=item_id, case__desk=connection)
        .select_related("case")
        .defer("case__form")
        .first()
    )


def _person(connection: Connection, userid: str) -> Employee | None:
    """Somebody who works here. Some products answer in lower case: the case of letters counts only between two who
    differ in nothing else.
    """
    alike = OutsideIdentity.objects.annotate(lower=Lower("userid")).filter(
        connection=connection, lower=userid.lower(), employee__is_active=True
    )
    found = sorted(alike.select_related("employee"), key=lambda row: row.userid != userid)
    return found[0].employee if found else None


def _keep_click(item: Item, told: DeskDecision) -> None:
    if told.handle:
        Item.objects.filter(pk=item.pk).update(desk_handle=told.handle)


def _reason(item: Item, told: DeskDecision, person: Employee, error: ViaticaError) -> str:
    """Somebody who decided already may repeat themselves, or change their mind too late."""
    item.refresh_from_db(fields=["state", "decided_by"])
    if item.decided_by != f"employee:{person.pk}":
        return REASONS[type(error)]
    return "repeated" if item.state == services.ENDS[told.verdict] else "contradicts"


def _put_right(
    connection: Connection, item: Item, told: DeskDecision, person: Employee | None, reason: str, at: datetime
) -> None:
    """Nothing changes but what the desk shows."""
    who = f"employee:{person.pk}" if person else f"{connection.kind}:{told.userid}"

    def load() -> CaseFile:
        case = Case.objects.defer("form").get(pk=item.case_id)
        return casefile.of_case(case, at=at, actor=who, via=connection.kind)

    def change(file: CaseFile) -> None:
        file.ignore([(reason, f"{told.task_key}:{told.verdict}:{told.userid}")])
        file.set_case(is_agreed=False)

    with transaction.atomic():
        _keep_click(item, told)
        casefile.take(load, change)


__all__ = ["Taken", "decide_from_desk", "deliver_show", "show_again"]
