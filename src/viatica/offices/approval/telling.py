"""What a changed case has to tell: who is asked and who no longer, and that its desk must show it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, assert_never

from django.conf import settings

from viatica.offices.approval import hearing
from viatica.offices.approval.models import Case, Item, ItemState
from viatica.offices.approval.ports import Asked, DeskStatus, Unasked, Why
from viatica.offices.company.models import OutsideIdentity
from viatica.spine import outbox

SHOW = "approval.show"


def page_of(item_id: int) -> str:
    """Where an approver decides."""
    return f"{settings.PUBLIC_URL}/approvals/{item_id}"


def ask(case: Case, items: Sequence[Item], why: Why, at: datetime) -> None:
    """One statement more where an OA was told, and one for a case with a desk; else none."""
    if not items:
        return
    seen = _seen_on_desk(case, items)
    told = hearing.ask(
        [_asked(case, item, why, at, in_oa=case.is_outside or item.approver_id in seen) for item in items]
    )
    fresh = [item for item in items if item.pk in told and not item.is_told]
    if fresh:
        Item.objects.filter(pk__in=[item.pk for item in fresh]).update(is_told=True)
    for item in fresh:
        item.is_told = True


def _seen_on_desk(case: Case, items: Sequence[Item]) -> set[int]:
    """Whose desk shows them the task: who has no account there hears of it as anybody else does."""
    if case.desk_id is None:
        return set()
    asked = [item.approver_id for item in items if item.approver_id is not None]
    known = OutsideIdentity.objects.filter(connection_id=case.desk_id, employee_id__in=asked)
    return set(known.values_list("employee_id", flat=True))


def _asked(case: Case, item: Item, why: Why, at: datetime, *, in_oa: bool) -> Asked:
    assert item.approver_id is not None
    return Asked(
        ref=case.ref,
        case_id=case.pk,
        item_id=item.pk,
        employee_id=item.approver_id,
        why=why,
        number=case.number,
        title=case.title,
        amount=case.money,
        applicant_id=case.applicant_id,
        since=item.opened_at or at,
        times=item.urged_times,
        in_oa=in_oa,
        at=at,
        url=page_of(item.pk),
    )


def unask(case: Case, items: Sequence[Item], at: datetime) -> None:
    hearing.unask(
        [
            Unasked(
                ref=case.ref,
                case_id=case.pk,
                item_id=item.pk,
                employee_id=item.approver_id,
                since=item.opened_at or at,
                now=desk_status(item),
                at=at,
            )
            for item in items
            if item.approver_id is not None
        ]
    )


def let_show(case: Case, at: datetime, **more: Any) -> None:
    """The desk shows the case as it is when the message goes out. Nothing happens to a case without a desk."""
    if case.desk_id is not None:
        outbox.put(
            kind=SHOW,
            lane=str(case.ref),
            payload={"case": case.pk, **more},
            at=at,
            connection_id=case.desk_id,
        )


def desk_status(item: Item) -> DeskStatus:
    state = ItemState(item.state)
    match state:
        case ItemState.OPEN:
            return DeskStatus.OPEN
        case ItemState.WAITING | ItemState.SUSPENDED:
            return DeskStatus.WAITING
        case ItemState.APPROVED | ItemState.AUTO_APPROVED:
            return DeskStatus.APPROVED
        case ItemState.REJECTED:
            return DeskStatus.REJECTED
        case ItemState.RETURNED:
            return DeskStatus.RETURNED
        case ItemState.HANDED_OVER:
            return DeskStatus.HANDED_OVER
        case ItemState.CANCELLED:
            return DeskStatus.CANCELLED
    assert_never(state)
