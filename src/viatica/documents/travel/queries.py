"""Reads of trips, scoped to the viewer."""

from __future__ import annotations

from django.db.models import QuerySet

from viatica.documents import errors
from viatica.documents.search import pairs
from viatica.documents.travel.models import TravelRequest, TravelState
from viatica.kernel.errors import NotFound
from viatica.offices.access.viewer import Viewer
from viatica.offices.approval import queries as approval

WITH_ALL = ("owner__grade", "department", "entity")


def visible(viewer: Viewer) -> QuerySet[TravelRequest]:
    return viewer.scope(TravelRequest.objects.all()).select_related("owner", "department")


def mine(viewer: Viewer) -> QuerySet[TravelRequest]:
    return (
        TravelRequest.objects.filter(owner_id=viewer.employee_id)
        .select_related("owner", "department")
        .prefetch_related("legs__city")
        .order_by("-id")
    )


def reportable(viewer: Viewer) -> QuerySet[TravelRequest]:
    """Approved trips of the viewer's that a report may be made from."""
    return mine(viewer).filter(state=TravelState.APPROVED)


def reportable_id(viewer: Viewer, number: str) -> int:
    """The id of an approved trip of the viewer's. Raises UnknownChoice."""
    trip_id = reportable(viewer).filter(number=number).values_list("pk", flat=True).first()
    if trip_id is None:
        raise errors.UnknownChoice(field="trip", choice=number)
    return trip_id


def search(viewer: Viewer, phrase: str) -> QuerySet[TravelRequest]:
    if phrase.upper().startswith("CC20"):
        return visible(viewer).filter(number__startswith=phrase.upper())
    return visible(viewer).filter(pairs__contains=pairs(phrase)).order_by("-id")


def get(number: str, viewer: Viewer) -> TravelRequest:
    """The trip with its parts. Raises NotFound also for what `viewer` may not see."""
    trip = (
        TravelRequest.objects.filter(number=number)
        .select_related(*WITH_ALL)
        .prefetch_related("legs__city", "estimates")
        .first()
    )
    if trip is None:
        raise NotFound()
    sees = viewer.sees(owner_id=trip.owner_id, entity_id=trip.entity_id, path=trip.department.path)
    if not sees and not approval.takes_part(trip.ref, viewer.employee_id):
        raise NotFound()
    return trip
