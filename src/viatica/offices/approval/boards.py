"""Cases as a desk should show them now. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext

from viatica.offices.access.sign_in import page_through
from viatica.offices.approval.models import Case, Item, ItemState, State
from viatica.offices.approval.ports import (
    Board,
    BoardStatus,
    CaseForm,
    DeskStatus,
    DeskTask,
    OutsidePerson,
)
from viatica.offices.approval.telling import desk_status, page_of
from viatica.offices.company.models import Employee, OutsideIdentity
from viatica.spine.models import Connection

STATUSES = {
    State.ACTIVE: BoardStatus.RUNNING,
    State.APPROVED: BoardStatus.APPROVED,
    State.REJECTED: BoardStatus.REJECTED,
    State.RETURNED: BoardStatus.RETURNED,
    State.WITHDRAWN: BoardStatus.WITHDRAWN,
}
PREFIX = "item-"


def key_of(item_id: int) -> str:
    return f"{PREFIX}{item_id}"


def item_of(key: str) -> int | None:
    """None for what is no key of ours."""
    number = key.removeprefix(PREFIX)
    is_ours = key.startswith(PREFIX) and number.isascii() and number.isdecimal() and len(number) <= 18
    return int(number) if is_ours else None


@dataclass(frozen=True, slots=True)
class Drawn:
    """A board, what it was drawn from, and who should see a task and has no account over there."""

    case: Case
    board: Board
    items: Mapping[str, Item]
    missing: Sequence[Employee]

    @property
    def has_hidden(self) -> bool:
        """Whether an open task has no handle: its person was linked since, or could not be reached."""
        return any(task.status is DeskStatus.OPEN and not task.shown for task in self.board.tasks)


def draw(desk: Connection, cases: Sequence[Case], *, earlier_unknown: bool = False) -> list[Drawn]:
    """The boards of these cases, whole: `applicant` and `form` at hand. Two statements."""
    items = _items(cases)
    known = _identities(desk, cases, items)
    return [_draw(desk, case, items[case.pk], known, earlier_unknown) for case in cases]


def _items(cases: Iterable[Case]) -> defaultdict[int, list[Item]]:
    """What was ever open, in the order it was opened."""
    rows = (
        Item.objects.filter(
            case__in=[case.pk for case in cases], opened_at__isnull=False, approver__isnull=False
        )
        .select_related("approver", "step", "on_behalf_of")
        .order_by("opened_at", "id")
    )
    found: defaultdict[int, list[Item]] = defaultdict(list)
    for item in rows:
        found[item.case_id].append(item)
    return found


def _identities(
    desk: Connection, cases: Iterable[Case], items: Mapping[int, Sequence[Item]]
) -> dict[int, OutsideIdentity]:
    people = {case.applicant_id for case in cases}
    people |= {item.approver_id for own in items.values() for item in own if item.approver_id}
    rows = OutsideIdentity.objects.filter(connection=desk, employee_id__in=people)
    return {row.employee_id: row for row in rows}


def _draw(
    desk: Connection,
    case: Case,
    items: Sequence[Item],
    known: Mapping[int, OutsideIdentity],
    earlier_unknown: bool,
) -> Drawn:
    tasks: list[DeskTask] = []
    shown: dict[str, Item] = {}
    missing: list[Employee] = []
    for item in items:
        assert item.approver is not None
        person = _person(item.approver, known.get(item.approver.pk), item.userid)
        if person.userid:
            task = _task(desk, item, person)
            tasks.append(task)
            shown[task.key] = item
        elif item.state == ItemState.OPEN:
            missing.append(item.approver)
    form = CaseForm.parse(case.form)
    moments = [case.opened_at, case.concluded_at, *(item.opened_at for item in items)]
    moments += [item.decided_at for item in items]
    board = Board(
        number=case.outside_number,
        kind=case.ref_kind,
        title=case.title,
        applicant=_person(case.applicant, known.get(case.applicant_id), ""),
        form=form,
        status=STATUSES[State(case.state)],
        url=page_through(desk, form.url),
        opened_at=case.opened_at,
        changed_at=max(moment for moment in moments if moment is not None),
        version=case.version,
        tasks=tasks,
        shown=case.desk_handle,
        earlier_unknown=earlier_unknown,
    )
    return Drawn(case, board, shown, missing)


def _person(employee: Employee, identity: OutsideIdentity | None, shown_to: str) -> OutsidePerson:
    """`shown_to`: who was shown the task, should they be linked no longer."""
    if identity is None:
        return OutsidePerson(shown_to, employee.name)
    return OutsidePerson(identity.userid, employee.name, identity.unionid, identity.dept_id)


def _task(desk: Connection, item: Item, person: OutsidePerson) -> DeskTask:
    assert item.opened_at is not None
    return DeskTask(
        key=key_of(item.pk),
        version=item.version,
        person=person,
        status=desk_status(item),
        step=gettext(item.step.name),
        step_no=item.step.seq,
        url=page_through(desk, page_of(item.pk)),
        opened_at=item.opened_at,
        closed_at=item.decided_at,
        comment=item.comment,
        on_behalf_of=item.on_behalf_of.name if item.on_behalf_of else "",
        shown=item.desk_handle,
    )
