"""What is possible with an item, and when it is not: why, and who can."""

from __future__ import annotations

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from viatica.kernel.errors import NotAllowed, ViaticaError
from viatica.kernel.words import N_
from viatica.offices.access.models import Grant, Role
from viatica.offices.approval import errors
from viatica.offices.approval.casefile import CaseFile
from viatica.offices.approval.models import Case, Cc, Item, ItemState, State
from viatica.offices.company.models import Employee

WHY_NOT = {
    "applicant": _("they submitted it themselves"),
    "left": _("they have left or are not active"),
    "already": _("they are already asked in this step"),
}


def item_of(file: CaseFile, item_id: int) -> Item:
    return next(item for item in file.items if item.pk == item_id)


def who(item: Item) -> str:
    return item.approver.name if item.approver else item.userid


def refusal(file: CaseFile, item: Item, actor_id: int, expected_version: int | None) -> ViaticaError | None:
    """Why `actor_id` cannot decide `item` now; None when they can."""
    if item.approver_id != actor_id:
        return not_yours(file, item, actor_id)
    return not_open(file, item, expected_version)


def not_yours(file: CaseFile, item: Item, actor_id: int) -> ViaticaError:
    """Whose it is; to somebody who has nothing to do with the case, not even that it is there."""
    if takes_part(file.case, actor_id) or administers(actor_id, file.case.entity_id):
        return errors.NotYours(who=who(item))
    return errors.NoSuchItem()


def administers(employee_id: int, entity_id: int) -> bool:
    return Grant.objects.filter(
        Q(entity=None) | Q(entity_id=entity_id), user__employee_id=employee_id, role=Role.ADMINISTRATOR
    ).exists()


def not_open(file: CaseFile, item: Item, expected_version: int | None) -> ViaticaError | None:
    """Why nobody can act on `item` now. `expected_version` None: whichever it is."""
    case = file.case
    if case.is_outside:
        return errors.DecidedElsewhere(
            number=case.number, system=case.connection.name if case.connection else ""
        )
    match item.state:
        case ItemState.OPEN:
            if expected_version not in (None, item.version):
                return errors.ItemChanged()
            return None
        case ItemState.WAITING | ItemState.SUSPENDED:
            return errors.NotYourTurn(who="、".join(_first(file, item)))
        case _:
            return _handled(file, item)


def _first(file: CaseFile, item: Item) -> list[str]:
    return [who(one) for one in file.items_of(item.step) if one.state == ItemState.OPEN]


def _handled(file: CaseFile, item: Item) -> ViaticaError:
    """Who was first: the one who decided this item, or the step or case that made it needless."""
    deciding = item
    if item.state == ItemState.CANCELLED:
        decided = [one for one in file.items_of(item.step) if one.decided_by and one.decided_at]
        if not decided:
            return case_over(file.case)
        deciding = max(decided, key=lambda one: (one.decided_at or file.at, one.pk))
    return errors.AlreadyHandled(
        who=_name_of(file, deciding),
        when=errors.said(deciding.decided_at),
        state=ItemState(deciding.state).label,
    )


def _name_of(file: CaseFile, item: Item) -> str:
    """The approver; whoever else acted for them (an administrator) by the name in the facts."""
    if item.approver_id is not None and item.decided_by == f"employee:{item.approver_id}":
        return who(item)
    kind, _colon, key = item.decided_by.partition(":")
    if kind == "employee" and key.isdecimal():
        return Employee.objects.values_list("name", flat=True).get(pk=int(key))
    return item.decided_by


def case_over(case: Case) -> ViaticaError:
    return errors.CaseOver(
        number=case.number, when=errors.said(case.concluded_at), state=State(case.state).label
    )


def refuse_to_ask(file: CaseFile, item: Item, employee: Employee) -> None:
    """Raises CannotAsk: the applicant never decides, nor someone who left, nor one person twice in a step."""
    why = None
    if employee.pk == file.case.applicant_id:
        why = "applicant"
    elif not employee.is_active:
        why = "left"
    elif any(one.is_live and one.approver_id == employee.pk for one in file.items_of(item.step)):
        why = "already"
    if why is not None:
        raise errors.CannotAsk(who=employee.name, why=why, problem=WHY_NOT[why])


def takes_part(case: Case, employee_id: int) -> bool:
    if case.applicant_id == employee_id:
        return True
    mine = Item.objects.filter(case=case, approver_id=employee_id).values("pk")
    for_me = Item.objects.filter(case=case, on_behalf_of_id=employee_id).values("pk")
    copies = Cc.objects.filter(case=case, employee_id=employee_id).values("pk")
    return mine.union(for_me, copies).exists()


class NoPart(NotAllowed):
    code = "approval.no_part"
    message = N_("You take no part in this approval.")
    hint = N_("Ask the applicant or an approver for a copy.")


def refuse_strangers(case: Case, actor: Employee) -> None:
    if not takes_part(case, actor.pk):
        raise NoPart()
