"""The life of a trip, top to bottom. Each function is one step and one transaction."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import transaction

from viatica.documents.steps import own
from viatica.documents.travel import services
from viatica.documents.travel.models import TravelRequest, TravelState
from viatica.kernel.words import N_
from viatica.offices.access.viewer import Viewer
from viatica.offices.approval import services as approval
from viatica.offices.approval.ports import Conclusion
from viatica.offices.budget import services as budget
from viatica.offices.company.models import Employee
from viatica.offices.notices import services as notices
from viatica.spine import facts

OUTCOMES = {
    "approved": TravelState.APPROVED,
    "rejected": TravelState.REJECTED,
    "returned": TravelState.RETURNED,
    "withdrawn": TravelState.DRAFT,
}

NEWS = {
    "approved": N_("Your trip {number} was approved"),
    "rejected": N_("Your trip {number} was rejected"),
    "returned": N_("Your trip {number} was sent back"),
}


def page(trip: TravelRequest) -> str:
    return f"{settings.PUBLIC_URL}/trips/{trip.number}"


@transaction.atomic(savepoint=False)
def create(*, viewer: Viewer, draft: services.TripDraft, at: datetime, via: str) -> TravelRequest:
    owner = Employee.objects.select_related("entity").get(pk=viewer.employee_id)
    trip = services.create(owner=owner, draft=draft, at=at)
    facts.record(ref=trip.ref, fact="trip.created", actor=viewer.actor, via=via, at=at)
    return trip


@transaction.atomic(savepoint=False)
def edit(
    *,
    trip: TravelRequest,
    viewer: Viewer,
    draft: services.TripDraft,
    expected_version: int,
    at: datetime,
    via: str,
) -> TravelRequest:
    own(trip, viewer)
    services.edit(trip=trip, draft=draft, expected_version=expected_version, at=at)
    facts.record(ref=trip.ref, fact="trip.edited", actor=viewer.actor, via=via, at=at)
    return trip


@transaction.atomic(savepoint=False)
def submit(
    *, trip: TravelRequest, viewer: Viewer, expected_version: int, at: datetime, via: str
) -> TravelRequest:
    own(trip, viewer)
    content = services.content_hash(trip)
    services.mark_submitted(trip=trip, expected_version=expected_version, content=content, at=at)
    facts.record(
        ref=trip.ref,
        fact="trip.submitted",
        actor=viewer.actor,
        via=via,
        at=at,
        data={"estimate": trip.estimate.json()},
    )
    # Hold the budget before opening the case: nobody should approve what cannot be paid.
    budget.reserve(charges=services.charges(trip), ref=trip.ref, at=at, actor=viewer.actor, via=via)
    approval.open_case(
        ref=trip.ref,
        number=trip.number,
        kind=TravelRequest.KIND,
        entity_id=trip.entity_id,
        applicant=trip.owner,
        form=services.form(trip, url=page(trip)),
        content_hash=content,
        at=at,
        via=via,
    )
    return trip


@transaction.atomic(savepoint=False)
def withdraw(*, trip: TravelRequest, viewer: Viewer, at: datetime, via: str) -> TravelRequest:
    """The case's own conclusion (below) gives the budget back."""
    own(trip, viewer)
    approval.withdraw(ref=trip.ref, actor=trip.owner, at=at, via=via)
    trip.refresh_from_db()
    return trip


def concluded(news: Conclusion) -> None:
    """The approval has ended, here or in the OA. Runs inside its transaction."""
    outcome = OUTCOMES[news.outcome]
    trip = services.mark_concluded(ref=news.ref, outcome=outcome, content=news.content_hash, at=news.at)
    facts.record(
        ref=trip.ref, fact=f"trip.{news.outcome}", actor=news.by, via=news.via, at=news.at,
        data={"comment": news.comment} if news.comment else None,
    )  # fmt: skip
    if outcome is not TravelState.APPROVED:
        budget.release(ref=trip.ref, at=news.at, actor=news.by, via=news.via)
    if subject := NEWS.get(news.outcome):
        notices.tell(
            employee_id=trip.owner_id, subject=subject, params={"number": trip.number}, ref=trip.ref, at=news.at,
            kind=f"trip.{news.outcome}", url=page(trip),
        )  # fmt: skip
