"""What the relay carries to an OA: a case to open, to withdraw, to comment on. Runs in a worker, outside a transaction."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from typing import Any

from django.db import transaction
from django.db.models import F

from viatica.kernel import clock
from viatica.kernel.errors import OutsideRefused
from viatica.kernel.words import N_
from viatica.offices.approval import news
from viatica.offices.approval.models import Case, Cc, Item, ItemState, Mode, Sent, State
from viatica.offices.approval.ports import (
    ApprovalPort,
    ApproverGroup,
    CaseForm,
    CaseOrder,
    CaseRef,
    GroupMode,
    InstanceId,
    OutsidePerson,
    port_for,
)
from viatica.offices.company.models import Employee, OutsideIdentity
from viatica.spine import facts, issues
from viatica.spine.models import Connection
from viatica.spine.outcomes import Delivery, Done, Outcome, Park

NOT_LINKED = N_("{who} is not known in {system}, so {number} cannot be sent there.")
NOT_LINKED_HINT = N_("Sync the directory or link the person by hand, then replay the message.")
TWICE = N_("{number} exists twice in {system}: {ours} and {theirs}.")


def deliver_submit(delivery: Delivery) -> Outcome:
    """Create the instance, once: look first when an earlier attempt may have done it."""
    case, connection = _case(delivery)
    port = port_for(connection)
    if case.instance_id is None and delivery.earlier_unknown and _found(case, connection, port):
        return Done({"found": True})
    if case.instance_id is not None:
        return Done({"instance": case.instance_id})
    if not case.is_active:
        return Done({"skipped": case.state})
    people = _People(case, connection)
    order = _order(case, people, port)
    if people.missing:
        return _park(case, connection, people.missing)
    trying = Case.objects.filter(pk=case.pk, state=State.ACTIVE, instance_id=None).update(sent=Sent.TRYING)
    if not trying:  # withdrawn, or called back, a moment ago
        return Done({"skipped": True})
    instance_id = port.submit(order)
    mark_sent(case, instance_id, at=clock.now())
    if delivery.attempt > 1:
        _unpark(case, connection, people.known)
    return Done({"instance": instance_id})


def deliver_withdraw(delivery: Delivery) -> Outcome:
    """End the instance of a case withdrawn here; a case that was never sent has none."""
    case, connection = _case(delivery)
    port = port_for(connection)
    if case.sent == Sent.WAITING or not port.can.withdraw:
        return Done({"skipped": case.sent})
    if case.instance_id is None and not _found(case, connection, port):
        return Done({"skipped": "not there"})
    case.refresh_from_db(fields=["instance_id", "is_agreed"])
    if case.is_agreed:
        return Done({"skipped": "already ended there"})
    try:
        port.withdraw(
            case_ref(case, userid_of(case, connection)), delivery.payload.get("reason") or case.number
        )
    except OutsideRefused:
        # Already over there? Then what it says is compared; only a running instance is a real refusal.
        if not _is_over(case, connection, port):
            raise
        return Done({"over": True})
    Case.objects.filter(pk=case.pk).update(is_agreed=True, checked_at=clock.now())
    return Done()


def deliver_comment(delivery: Delivery) -> Outcome:
    """Show a comment made here in the OA too. Told twice rather than lost."""
    case, connection = _case(delivery)
    port = port_for(connection)
    if case.instance_id is None or not port.can.comment:
        return Done({"skipped": case.sent})
    payload = delivery.payload
    port.comment(case_ref(case, userid_of(case, connection)), f"{payload['by']}：{payload['text']}")
    return Done()


def case_ref(case: Case, userid: str = "") -> CaseRef:
    instance_id = InstanceId(case.instance_id) if case.instance_id else None
    return CaseRef(case.outside_number, case.ref_kind, case.opened_at, instance_id, userid)


def mark_sent(case: Case, instance_id: InstanceId, *, at: datetime) -> None:
    """Keep the instance's id, once; a callback may have brought it already."""
    with transaction.atomic():
        unknown = Case.objects.filter(pk=case.pk, instance_id=None)
        if unknown.update(instance_id=instance_id, sent=Sent.SENT, version=F("version") + 1):
            facts.record(
                ref=case.ref, fact="case.sent", actor="system", via="worker", at=at,
                data={"case": case.pk, "instance": instance_id},
            )  # fmt: skip
            return
        known = Case.objects.values_list("instance_id", flat=True).get(pk=case.pk)
        if known != instance_id:
            assert case.connection is not None
            issues.raise_issue(
                key=f"approval.twice:{case.pk}", kind="approval.twice", message=TWICE, ref=case.ref, at=at,
                params={
                    "number": case.outside_number, "system": case.connection.name, "ours": known, "theirs": instance_id,
                },
            )  # fmt: skip


def _case(delivery: Delivery) -> tuple[Case, Connection]:
    case = Case.objects.select_related("connection", "applicant").get(pk=delivery.payload["case"])
    assert case.connection is not None  # only cases of a connection are sent
    return case, case.connection


def _found(case: Case, connection: Connection, port: ApprovalPort) -> bool:
    """Whether the OA has it under our number; then it is ours from here on."""
    state = port.look(case_ref(case, userid_of(case, connection)))
    if state is None:
        return False
    mark_sent(case, state.instance_id, at=clock.now())
    news.settle(connection_id=connection.pk, state=state, at=clock.now())
    return True


def _is_over(case: Case, connection: Connection, port: ApprovalPort) -> bool:
    state = port.look(case_ref(case))
    if state is None:
        return True
    news.settle(connection_id=connection.pk, state=state, at=clock.now())
    return state.status in news.OUTCOMES


def userid_of(case: Case, connection: Connection) -> str:
    """The applicant as the OA knows them, which narrows a search over there; "" when unknown."""
    row = OutsideIdentity.objects.filter(connection=connection, employee_id=case.applicant_id).first()
    return row.userid if row else ""


class _People:
    """Our people as the OA knows them; who is not known there is gathered in `missing`."""

    def __init__(self, case: Case, connection: Connection) -> None:
        asked = Item.objects.filter(case=case, state=ItemState.WAITING, task_id="")
        self.items = list(asked.select_related("approver", "step").order_by("step__seq", "place", "id"))
        self.copied = list(Cc.objects.filter(case=case).values_list("employee_id", flat=True))
        asked_ids = [item.approver_id for item in self.items if item.approver_id]
        ids = {case.applicant_id, *self.copied, *asked_ids}
        rows = OutsideIdentity.objects.filter(connection=connection, employee_id__in=ids)
        self.known = {row.employee_id: row for row in rows}
        self.missing: list[Employee] = []

    def userid(self, employee: Employee) -> str:
        return self.identity(employee).userid

    def identity(self, employee: Employee) -> OutsideIdentity:
        found = self.known.get(employee.pk)
        if found is None:
            self.missing.append(employee)
            return OutsideIdentity(employee=employee, userid="")
        return found


def _order(case: Case, people: _People, port: ApprovalPort) -> CaseOrder:
    applicant = people.identity(case.applicant)
    return CaseOrder(
        number=case.outside_number,
        kind=case.ref_kind,
        title=case.title,
        applicant=OutsidePerson(applicant.userid, case.applicant.name, applicant.unionid, applicant.dept_id),
        form=CaseForm.parse(case.form),
        opened_at=case.opened_at,
        approvers=tuple(_groups(people)) if port.can.given_approvers else (),
        cc=tuple(people.known[one].userid for one in people.copied if one in people.known)
        if port.can.cc
        else (),
    )


def _groups(people: _People) -> Iterable[ApproverGroup]:
    """The planned steps as the OA asks them: a sequence is one group a person."""
    for step, items in groupby(people.items, key=lambda item: item.step):
        userids = [people.userid(item.approver) for item in items if item.approver]
        if len(userids) == 1 or step.mode == Mode.SEQUENCE:
            yield from (ApproverGroup(GroupMode.NONE, (userid,)) for userid in userids)
        else:
            yield ApproverGroup(GroupMode.OR if step.mode == Mode.ANY_SIGN else GroupMode.AND, tuple(userids))


def _issue_key(connection: Connection, employee_id: int) -> str:
    return f"approval.not_linked:{connection.slug}:{employee_id}"


def _park(case: Case, connection: Connection, missing: list[Employee]) -> Park:
    """One issue a person, listing every paper that waits for them."""
    at = clock.now()
    params: dict[str, Any] = {"system": connection.name, "number": case.number}
    for employee in missing:
        issues.raise_issue(
            key=_issue_key(connection, employee.pk), kind="approval.not_linked", message=NOT_LINKED,
            params=params | {"who": employee.name, "employee": employee.pk}, ref=None, waiting=[case.ref], at=at,
        )  # fmt: skip
    names = "、".join(dict.fromkeys(employee.name for employee in missing))
    return Park(NOT_LINKED.format(who=names, **params), NOT_LINKED_HINT)


def _unpark(case: Case, connection: Connection, employee_ids: Iterable[int]) -> None:
    for employee_id in employee_ids:
        issues.let_go(_issue_key(connection, employee_id), str(case.ref), clock.now())
