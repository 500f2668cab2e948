"""What would happen to a trip request if it were handed in now. Nothing is held, nobody is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from viatica.documents.travel import journey, services
from viatica.documents.travel.models import TravelRequest
from viatica.kernel.errors import ViaticaError
from viatica.offices.approval import services as approval
from viatica.offices.approval.queries import PathStep
from viatica.offices.budget import queries as budget
from viatica.offices.budget.charges import BudgetStanding
from viatica.offices.budget.services import BudgetShort


@dataclass(slots=True)
class Foresight:
    """`hindrances` are what `journey.submit` would refuse it for, each of them, not only the first."""

    budgets: list[BudgetStanding]
    path: list[PathStep] = field(default_factory=list)
    hindrances: list[ViaticaError] = field(default_factory=list)


def foresee(trip: TravelRequest, *, at: datetime) -> Foresight:
    """For a trip that can still be handed in."""
    seen = Foresight(budgets=budget.standing(services.charges(trip)))
    if short := [one for one in seen.budgets if one.is_short]:
        seen.hindrances.append(BudgetShort(short))
    try:
        seen.path = approval.preview(
            services.form(trip, url=journey.page(trip)),
            trip.owner,
            trip.entity_id,
            kind=TravelRequest.KIND,
            at=at,
            ref=trip.ref,
        )
    except ViaticaError as error:
        seen.hindrances.append(error)
    return seen
