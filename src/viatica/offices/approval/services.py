"""What people do with cases. Every action is one conditional write and one fact; the loser is told who was first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import F, Q
from django.utils.translation import gettext

from viatica.kernel.errors import NotFound
from viatica.kernel.refs import Ref
from viatica.offices.approval import (
    casefile,
    errors,
    flows,
    hearing,
    modes,
    opening,
    permissions,
    telling,
)
from viatica.offices.approval.casefile import CaseFile
from viatica.offices.approval.hearing import on_asked, on_concluded
from viatica.offices.approval.models import (
    Case,
    Cc,
    Flow,
    Item,
    ItemState,
    Oneself,
    Origin,
    Reason,
    SamePerson,
    State,
)
from viatica.offices.approval.news import apply, settle
from viatica.offices.approval.people import Directory, Subject
from viatica.offices.approval.ports import Asked, CaseForm, Outcome, Verdict, Why
from viatica.offices.approval.queries import PathPerson, PathStep
from viatica.offices.company.models import Employee
from viatica.spine import facts, outbox

URGE_EVERY = timedelta(hours=2)
MOST_ADDED = 2


class Position(StrEnum):
    """Where an added signer stands (加签)."""

    BEFORE = "before"
    AFTER = "after"
    BESIDE = "beside"


ENDS = {
    Verdict.APPROVE: ItemState.APPROVED,
    Verdict.REJECT: ItemState.REJECTED,
    Verdict.SEND_BACK: ItemState.RETURNED,
}


# The flow


def save_flow(
    *,
    kind: str,
    name: str,
    steps: Sequence[Any],
    at: datetime,
    actor: str = "system",
    via: str = "web",
    entity_id: int | None = None,
    same_person: SamePerson = SamePerson.CONSECUTIVE,
    oneself: Oneself = Oneself.SUPERIOR,
    fallback_id: int | None = None,
) -> Flow:
    """A new version of the flow for `kind` (and entity); cases under way keep the one they started with.

    Raises BadFlow or BadCondition, naming step and field.
    """
    plans = flows.parse(steps)
    _refuse_strangers(plans)
    Flow.objects.filter(kind=kind, entity_id=entity_id, valid_until=None).update(valid_until=at)
    flow = Flow.objects.create(
        kind=kind, entity_id=entity_id, name=name, steps=[plan.json() for plan in plans],
        same_person=same_person, oneself=oneself, fallback_id=fallback_id, valid_from=at,
    )  # fmt: skip
    facts.record(
        ref=Ref("flow", kind or "all"), fact="flow.saved", actor=actor, via=via, at=at,
        data={"flow": flow.pk, "name": name, "entity": entity_id},
    )  # fmt: skip
    return flow


def _refuse_strangers(plans: Iterable[flows.StepPlan]) -> None:
    """Named people must exist and work here."""
    named = {
        one: n for n, plan in enumerate(plans) for one in (*plan.who.people, plan.fallback) if one is not None
    }
    known = (
        set(Employee.objects.filter(pk__in=named, is_active=True).values_list("pk", flat=True))
        if named
        else set()
    )
    for employee, n in named.items():
        if employee not in known:
            raise flows.BadFlow(
                step=n + 1,
                problem=gettext("no active employee has the id {employee}").format(employee=employee),
                field=f"steps.{n}.who.people",
            )


def preview(
    form: CaseForm, applicant: Employee, entity_id: int, *, kind: str, at: datetime, ref: Ref | None = None
) -> list[PathStep]:
    """The path it would take if submitted now, with names. Raises NobodyToAsk, naming the step."""
    base = opening.ground(ref=ref, kind=kind, entity_id=entity_id, applicant=applicant, form=form, at=at)
    directory = Directory(
        Subject.of(base.context, kind=kind, applicant_id=applicant.pk, entity_id=entity_id), at
    )
    return [
        PathStep(
            seq=seq,
            name=name,
            mode=seating.mode.value,
            state="planned" if any(not seat.is_auto for seat in seating.seats) else "skipped",
            persons=tuple(
                PathPerson(
                    employee_id=seat.employee_id,
                    name=seat.name,
                    on_behalf_of=seat.principal,
                    state=ItemState.AUTO_APPROVED.value if seat.is_auto else ItemState.WAITING.value,
                    reason=seat.reason.value,
                )
                for seat in seating.seats
            ),
        )
        for seq, name, seating in opening.foresee(base.flow_id, directory, base.context, base.is_protected)
    ]


# The applicant


def open_case(
    *,
    ref: Ref,
    number: str,
    kind: str,
    entity_id: int,
    applicant: Employee,
    form: CaseForm,
    content_hash: str,
    at: datetime,
    via: str = "web",
) -> Case:
    """Ask for approval, in-house or through the legal entity's OA.

    Sent back or withdrawn, a document comes again with a new case: then nobody is passed over automatically.
    Raises CaseIsLive, NobodyToAsk, NoPort.
    """
    file = opening.open_file(
        ref=ref, number=number, entity_id=entity_id, applicant=applicant, form=form,
        content_hash=content_hash, at=at, via=via,
    )  # fmt: skip
    if file.case.is_outside:
        _tell_oa(file.case, "approval.submit", at=at)
    return file.case


def withdraw(*, ref: Ref, actor: Employee, at: datetime, via: str = "web", comment: str = "") -> Case:
    """The applicant takes it back, any time before the end; nobody is asked any more.

    Raises NoLiveCase, NotApplicant.
    """

    def load() -> CaseFile:
        return casefile.of_case(_live(ref), at=at, actor=_name(actor), via=via)

    def change(file: CaseFile) -> None:
        if file.case.applicant_id != actor.pk:
            raise errors.NotApplicant(who=file.case.applicant.name)
        file.note("case.withdrawn", comment=comment)
        file.conclude(Outcome.WITHDRAWN, comment)

    case = casefile.take(load, change).case
    if case.is_outside:
        _tell_oa(case, "approval.withdraw", at=at, reason=comment)
    return case


def urge(*, ref: Ref, actor: Employee, at: datetime, via: str = "web") -> int:
    """催办: remind everyone who is asked and was not reminded within two hours; how many were.

    Raises NoLiveCase, NotApplicant, UrgedLately.
    """
    case = _live(ref)
    if case.applicant_id != actor.pk:
        raise errors.NotApplicant(who=case.applicant.name)
    open_items = Item.objects.filter(case=case, state=ItemState.OPEN, approver__isnull=False)
    lately = Q(urged_at__gt=at - URGE_EVERY)
    items = list(open_items.exclude(lately & Q(urged_at__isnull=False)).select_related("approver"))
    due = [
        item
        for item in items
        if Item.objects.filter(Q(urged_at=None) | Q(urged_at__lte=at - URGE_EVERY), pk=item.pk, state=ItemState.OPEN)
        .update(urged_at=at, urged_times=F("urged_times") + 1)
    ]  # fmt: skip
    if not due:
        last = open_items.order_by("urged_at").values_list("urged_at", flat=True).first()
        raise errors.UrgedLately(when=errors.said((last or at) + URGE_EVERY))
    for item in due:
        item.urged_times += 1
    facts.record(
        ref=ref, fact="case.urged", actor=_name(actor), via=via, at=at,
        data={"case": case.pk, "people": [item.approver.name for item in due if item.approver]},
    )  # fmt: skip
    telling.ask(case, due, Why.URGED, at)
    return len(due)


# The approver


def decide(
    *,
    item_id: int,
    actor: Employee,
    verdict: str,
    comment: str = "",
    expected_version: int,
    at: datetime,
    via: str = "web",
) -> Case:
    """Approve, reject or send back.

    Raises NotYours (NoSuchItem to outsiders), AlreadyHandled, ItemChanged, NotYourTurn, DecidedElsewhere, CommentNeeded,
    BadVerdict.
    """
    chosen = _verdict(verdict)
    if chosen is not Verdict.APPROVE and not comment.strip():
        raise errors.CommentNeeded(field="comment")

    def change(file: CaseFile) -> None:
        item = _own(file, item_id, actor, expected_version)
        file.close(item, ENDS[chosen], comment)
        file.note(
            "case.decided",
            item=item.pk,
            step=item.step.name,
            verdict=chosen.value,
            comment=comment,
            on_behalf_of=item.on_behalf_of.name if item.on_behalf_of else None,
        )
        file.go_on(comment)

    return casefile.take(_load(item_id, actor, at, via), change).case


def hand_over(
    *,
    item_id: int,
    actor: Employee,
    to: Employee,
    comment: str = "",
    expected_version: int,
    at: datetime,
    via: str = "web",
) -> Case:
    """转交: `to` decides instead. An administrator may reassign (改派), saying why; a principal may take theirs back.

    Raises as `decide` does, and CannotAsk.
    """

    def change(file: CaseFile) -> None:
        item = permissions.item_of(file, item_id)
        takes_back = item.on_behalf_of_id == actor.pk == to.pk
        if not takes_back and item.approver_id != actor.pk:
            if not permissions.administers(actor.pk, file.case.entity_id):
                raise permissions.not_yours(file, item, actor.pk)
            if not comment.strip():
                raise errors.CommentNeeded(field="comment")
        refusal = permissions.not_open(file, item, expected_version)
        if refusal is not None:
            raise refusal
        permissions.refuse_to_ask(file, item, to)
        file.close(item, ItemState.HANDED_OVER, comment)
        file.add(
            Item(
                case=file.case,
                step=item.step,
                approver=to,
                place=item.place,
                origin=item.origin,
                parent_id=item.parent_id,
                replaces=item,
                reason=Reason.HANDED_OVER,
                state=ItemState.OPEN,
                opened_at=at,
            )
        )
        file.note("case.handed_over", item=item.pk, step=item.step.name, to=to.name, comment=comment)

    return casefile.take(_load(item_id, actor, at, via), change).case


def add_signer(
    *,
    item_id: int,
    actor: Employee,
    signer: Employee,
    position: str,
    comment: str = "",
    expected_version: int,
    at: datetime,
    via: str = "web",
) -> Case:
    """加签. Before: `signer` decides first, then the actor. After: asked once the actor has approved. Beside: also asked.

    Raises as `decide` does, and CannotAsk, TooDeep.
    """
    place = _position(position)

    def change(file: CaseFile) -> None:
        item = _own(file, item_id, actor, expected_version)
        permissions.refuse_to_ask(file, item, signer)
        if modes.depth(item, file.items_of(item.step)) >= MOST_ADDED:
            raise errors.TooDeep(most=MOST_ADDED)
        waits = place is Position.AFTER
        file.add(
            Item(
                case=file.case,
                step=item.step,
                approver=signer,
                place=item.place,
                origin=Origin(place.value),
                parent=item,
                state=ItemState.WAITING if waits else ItemState.OPEN,
                opened_at=None if waits else at,
            )
        )
        if place is Position.BEFORE:
            file.change(item, state=ItemState.SUSPENDED)
        file.note(
            "case.signer_added",
            item=item.pk,
            step=item.step.name,
            position=place.value,
            who=signer.name,
            comment=comment,
        )

    return casefile.take(_load(item_id, actor, at, via), change).case


# Anyone who takes part


def cc(*, ref: Ref, actor: Employee, employees: Sequence[Employee], at: datetime, via: str = "web") -> int:
    """抄送: a copy to read, at most one a person and case. How many are new.

    Raises NotAllowed for someone who has no part in it, NotFound when there is no case.
    """
    case = _latest(ref)
    permissions.refuse_strangers(case, actor)
    copies = [
        Cc(case=case, employee=one, by=_name(actor), at=at)
        for one in employees
        if one.pk != case.applicant_id
    ]
    known = set(Cc.objects.filter(case=case).values_list("employee_id", flat=True))
    fresh = [copy for copy in copies if copy.employee_id not in known]
    Cc.objects.bulk_create(fresh, ignore_conflicts=True)
    if fresh:
        facts.record(
            ref=ref, fact="case.copied", actor=_name(actor), via=via, at=at,
            data={"case": case.pk, "people": [copy.employee.name for copy in fresh]},
        )  # fmt: skip
    hearing.ask([_copied(case, copy, at) for copy in fresh])
    return len(fresh)


def read_copy(*, ref: Ref, employee: Employee, at: datetime) -> bool:
    """Whether it was unread until now."""
    unread = Cc.objects.filter(
        case__ref_kind=ref.kind, case__ref_key=ref.key, employee=employee, read_at=None
    )
    return bool(unread.update(read_at=at))


def comment(*, ref: Ref, actor: Employee, text: str, at: datetime, via: str = "web") -> None:
    """沟通: said to all, changes no state; the OA shows it too, when it runs the case.

    Raises as `cc`, and CommentNeeded.
    """
    if not text.strip():
        raise errors.CommentNeeded(field="text")
    case = _latest(ref)
    permissions.refuse_strangers(case, actor)
    facts.record(
        ref=ref,
        fact="case.commented",
        actor=_name(actor),
        via=via,
        at=at,
        data={"case": case.pk, "comment": text},
    )
    if case.is_outside:
        _tell_oa(case, "approval.comment", at=at, text=text, by=actor.name)


# Helpers


def _tell_oa(case: Case, kind: str, *, at: datetime, **more: Any) -> None:
    key = None if kind == "approval.comment" else f"{kind}:{case.pk}"
    outbox.put(
        kind=kind,
        lane=str(case.ref),
        payload={"case": case.pk, **more},
        at=at,
        connection_id=case.connection_id,
        key=key,
    )


def _live(ref: Ref) -> Case:
    case = (
        Case.objects.filter(ref_kind=ref.kind, ref_key=ref.key, state=State.ACTIVE)
        .select_related("applicant", "connection")
        .defer("form")
        .first()
    )
    if case is None:
        raise errors.NoLiveCase()
    return case


def _latest(ref: Ref) -> Case:
    case = Case.objects.filter(ref_kind=ref.kind, ref_key=ref.key).defer("form").order_by("-id").first()
    if case is None:
        raise NotFound()
    return case


def _position(text: str) -> Position:
    try:
        return Position(text)
    except ValueError as error:
        raise errors.BadPosition(position=text, field="position") from error


def _load(item_id: int, actor: Employee, at: datetime, via: str) -> Callable[[], CaseFile]:
    def load() -> CaseFile:
        file = casefile.of_item(item_id, at=at, actor=_name(actor), via=via)
        if file is None:
            raise errors.NoSuchItem()
        return file

    return load


def _own(file: CaseFile, item_id: int, actor: Employee, expected_version: int) -> Item:
    """The item, when `actor` may decide it now."""
    item = permissions.item_of(file, item_id)
    refusal = permissions.refusal(file, item, actor.pk, expected_version)
    if refusal is not None:
        raise refusal
    return item


def _copied(case: Case, copy: Cc, at: datetime) -> Asked:
    return Asked(
        ref=case.ref, case_id=case.pk, item_id=None, employee_id=copy.employee_id, why=Why.COPIED,
        number=case.number, title=case.title, amount=case.money, applicant_id=case.applicant_id,
        since=at, times=0, in_oa=case.is_outside, at=at,
    )  # fmt: skip


def _name(actor: Employee) -> str:
    return f"employee:{actor.pk}"


def _verdict(text: str) -> Verdict:
    try:
        return Verdict(text)
    except ValueError as error:
        raise errors.BadVerdict(verdict=text, field="verdict") from error


__all__ = [
    "Position", "Verdict", "add_signer", "apply", "cc", "comment", "decide", "hand_over", "on_asked", "on_concluded",
    "open_case", "preview", "read_copy", "save_flow", "settle", "urge", "withdraw",
]  # fmt: skip
