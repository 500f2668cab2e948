"""`/api/v1/budgets`: what is planned, held, spent and left."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from viatica.offices.access.doors import viewer
from viatica.offices.budget import queries

router = Router(tags=["budgets"])


class BudgetOut(Schema):
    id: int
    name: str
    entity: str
    control: str
    start: date
    end: date
    currency: str
    amount: str
    reserved: str
    consumed: str
    left: str


@router.get("", response=list[BudgetOut], summary="Budgets you answer for (500 at most)")
def list_budgets(request: HttpRequest) -> Any:
    return [
        BudgetOut(
            id=budget.pk,
            name=budget.name,
            entity=budget.entity.code,
            control=budget.control,
            start=budget.start,
            end=budget.end,
            currency=budget.currency,
            amount=str(budget.amount),
            reserved=str(budget.reserved),
            consumed=str(budget.consumed),
            left=str(budget.left.amount),
        )
        for budget in queries.mine(viewer(request)).order_by("-start", "id")[:500]
    ]
