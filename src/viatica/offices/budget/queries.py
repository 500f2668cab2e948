"""Reads. Lists are scoped to the viewer; what a document asks about itself is not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from django.db.models import Case, F, Q, QuerySet, Sum, When

from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.offices.access.viewer import SEES_ALL_OF_ENTITY, Viewer
from viatica.offices.budget.charges import BudgetStanding, Charge
from viatica.offices.budget.matching import match
from viatica.offices.budget.models import Budget, BudgetEntry, Kind


def left(budget_ids: Iterable[int]) -> dict[int, Money]:
    """Budget id → what is neither held nor spent."""
    return {budget.pk: budget.left for budget in Budget.objects.filter(pk__in=list(budget_ids))}


def standing(charges: Sequence[Charge], *, instead_of: Ref | None = None) -> list[BudgetStanding]:
    """The budgets that would pay for `charges`, and what these ask of each. Locks nothing, holds nothing.

    `instead_of`: a paper whose own hold would make way, as in `reserve`.
    """
    found = match(charges)
    held = _held_by(instead_of) if instead_of else {}
    return [
        replace(one, reserved=one.reserved - held[one.budget_id]) if one.budget_id in held else one
        for one in found
    ]


def _held_by(ref: Ref) -> dict[int, Money]:
    """Budget id → what a paper holds of it now. One statement."""
    signed = Case(When(kind=Kind.RESERVE, then=F("amount")), default=-F("amount"))
    rows = BudgetEntry.objects.filter(ref=str(ref), kind__in=(Kind.RESERVE, Kind.RELEASE, Kind.CONSUME))
    sums = rows.order_by().values("budget_id", "budget__currency").annotate(held=Sum(signed))
    return {row["budget_id"]: Money(row["held"], row["budget__currency"]) for row in sums}


def entries_of(ref: Ref) -> QuerySet[BudgetEntry]:
    """Every movement of one paper, oldest first, with its budget."""
    return BudgetEntry.objects.filter(ref=str(ref)).select_related("budget").order_by("id")


def mine(viewer: Viewer) -> QuerySet[Budget]:
    """Budgets the viewer answers for: watched over, of a managed department, owned, or of an owned project."""
    watched = viewer.entities(*SEES_ALL_OF_ENTITY)
    rows = Budget.objects.select_related("entity", "department", "cost_center", "project", "owner")
    if watched is None:
        return rows
    me = viewer.employee_id
    rule = (
        Q(owner_id=me)
        | Q(project__owner_id=me)
        | Q(cost_center__owner_id=me)
        | Q(entity_id__in=sorted(watched))
    )
    for prefix in viewer.department_paths():
        rule |= Q(department__path__startswith=prefix)
    return rows.filter(rule)
