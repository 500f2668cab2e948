"""离职转办: whoever has left is asked no longer; their tasks go to those the rules name.

The message a person causes is worked off case by case, each in a transaction of its own, and may be repeated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain

from django.conf import settings
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext

from viatica.kernel import clock
from viatica.kernel.refs import Ref
from viatica.kernel.words import N_
from viatica.offices.approval import casefile
from viatica.offices.approval.casefile import CaseFile
from viatica.offices.approval.flows import By, StepPlan, Who
from viatica.offices.approval.models import LIVE, Case, Item, ItemState, Reason, Sent
from viatica.offices.approval.people import NobodyToAsk, Seat
from viatica.offices.company.models import Employee
from viatica.spine import issues, outbox
from viatica.spine.models import Connection, Issue
from viatica.spine.outcomes import Delivery, Done, Outcome, Park

LEFT = "approval.left"
THERE_KIND = "approval.left_there"
THERE = N_(
    "{who} has left, but {number} waits for them in {system}. Hand the task over there, or let the applicant withdraw"
    " and submit again."
)
NOBODY = N_("{who} has left, and nobody can be found to decide {numbers} instead.")
NOBODY_HINT = N_("Name a fallback in the flow, or an administrator for the legal entity; then replay.")


def person_left(employee_ids: Sequence[int], at: datetime) -> None:
    """Their open tasks are handed over by the relay. One message for each who has any."""
    asked = Item.objects.filter(approver_id__in=employee_ids, state__in=LIVE)
    for employee_id in sorted({one for one in asked.values_list("approver_id", flat=True) if one}):
        outbox.put(kind=LEFT, lane=str(_ref(employee_id)), payload={"employee": employee_id}, at=at)


def _ref(employee_id: int) -> Ref:
    return Ref("employee", str(employee_id))


def deliver_left(delivery: Delivery) -> Outcome:
    employee = Employee.objects.get(pk=delivery.payload["employee"])
    if employee.is_active:
        return Done({"skipped": "came back"})
    at = clock.now()
    _raise_there(employee, at)
    stuck = [case.number for case in _cases_here(employee) if not _leave(case, employee, at)]
    return _park(employee, stuck) if stuck else Done()


def _park(employee: Employee, stuck: Sequence[str]) -> Park:
    with translation.override(settings.LANGUAGE_CODE):  # kept for the operators, whoever they are
        return Park(gettext(NOBODY).format(who=employee.name, numbers="、".join(stuck)), gettext(NOBODY_HINT))


# In-house


def _cases_here(employee: Employee) -> list[Case]:
    live = Item.objects.filter(approver=employee, state__in=LIVE, case__sent=Sent.IN_HOUSE)
    return list(Case.objects.filter(pk__in=live.values("case_id")).defer("form").order_by("pk"))


def _leave(case: Case, employee: Employee, at: datetime) -> bool:
    """Whether the case can go on without them."""

    def load() -> CaseFile:
        fresh = Case.objects.defer("form").get(pk=case.pk)
        return casefile.of_case(fresh, at=at, actor="system", via="system")

    def change(file: CaseFile) -> None:
        for item in [one for one in file.items if one.is_live and one.approver_id == employee.pk]:
            _hand_on(file, item, employee)

    try:
        with transaction.atomic():
            casefile.take(load, change)
    except NobodyToAsk:
        return False
    return True


def _hand_on(file: CaseFile, item: Item, leaver: Employee) -> None:
    """To the first who may decide instead. Are they asked in this step already, their decision there counts for both."""
    others = [one for one in file.items_of(item.step) if one.is_live and one is not item]
    taken = {one.approver_id for one in others}
    heirs = _heirs(file, item, leaver)
    first = next(heirs)
    if first.employee_id in taken and not any(one.parent_id == item.pk for one in others):
        file.cancel([item])
        _note(file, item, leaver, first)
        file.go_on()
        return
    heir = next((seat for seat in chain([first], heirs) if seat.employee_id not in taken), None)
    if heir is None:
        raise NobodyToAsk(step=item.step.name)
    state = item.state
    file.close(item, ItemState.HANDED_OVER)
    file.add(
        Item(
            case=file.case,
            step=item.step,
            approver_id=heir.employee_id,
            on_behalf_of_id=heir.on_behalf_of,
            place=item.place,
            origin=item.origin,
            parent_id=item.parent_id,
            replaces=item,
            reason=Reason.HANDED_OVER,
            state=state,
            opened_at=file.at if state == ItemState.OPEN else None,
        )
    )
    _note(file, item, leaver, heir)


def _heirs(file: CaseFile, item: Item, leaver: Employee) -> Iterator[Seat]:
    plan = file.plan_of(item.step) or StepPlan(item.step.name, Who(By.MANAGER))
    return file.directory().heirs(casefile.route(file.case.flow_id), plan, leaver.pk, item.on_behalf_of_id)


def _note(file: CaseFile, item: Item, leaver: Employee, heir: Seat) -> None:
    file.note("case.reassigned", item=item.pk, step=item.step.name, who=leaver.name, to=heir.name)


# In an OA, only its own people can hand a task over


def _raise_there(employee: Employee, at: datetime) -> None:
    """One issue an OA, listing every paper that waits for them there."""
    waiting = Item.objects.filter(approver=employee, state=ItemState.OPEN).exclude(case__sent=Sent.IN_HOUSE)
    papers: defaultdict[Connection, list[Case]] = defaultdict(list)
    for item in waiting.select_related("case__connection").defer("case__form").order_by("case_id"):
        assert item.case.connection is not None
        papers[item.case.connection].append(item.case)
    for connection, cases in papers.items():
        issues.raise_issue(
            key=f"{THERE_KIND}:{connection.slug}:{employee.pk}", kind=THERE_KIND, message=THERE, ref=None,
            params={
                "who": employee.name, "employee": employee.pk, "system": connection.name,
                "number": "、".join(dict.fromkeys(case.number for case in cases)),
            },
            waiting=[case.ref for case in cases], at=at,
        )  # fmt: skip


def review(connection: Connection, at: datetime) -> None:
    """Let go of papers that no longer wait for somebody who has left."""
    found = Issue.objects.filter(
        kind=THERE_KIND, key__startswith=f"{THERE_KIND}:{connection.slug}:", closed_at__isnull=True
    )
    for issue in found.prefetch_related("waits"):
        still = Item.objects.filter(
            approver_id=issue.params["employee"], state=ItemState.OPEN, case__connection=connection
        ).values_list("case__ref_kind", "case__ref_key")
        waits = {str(Ref(kind, key)) for kind, key in still}
        for wait in issue.waits.all():
            if wait.ref not in waits:
                issues.let_go(issue.key, wait.ref, at)
