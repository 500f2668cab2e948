"""`/api/v1/trips`: everything the trip pages do."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import Field, StringConstraints

from viatica.documents import errors, papers
from viatica.documents.papers import Expected, FactOut, MoneyData, Person, timeline
from viatica.documents.travel import journey, queries, services
from viatica.documents.travel.foresight import foresee
from viatica.documents.travel.models import TravelRequest, TravelState
from viatica.kernel import clock
from viatica.offices.access import shapes
from viatica.offices.access.doors import viewer, write_once
from viatica.offices.access.shapes import Number, Text
from viatica.offices.access.viewer import Viewer
from viatica.offices.company.categories import Category
from viatica.offices.company.models import City, Project

router = Router(tags=["trips"])
papers.add_approval_doors(router, queries.get, "trip")
CityName = Annotated[str, StringConstraints(max_length=60)]


class LegIn(Schema):
    city: CityName
    leaves_on: date
    returns_on: date
    origin: CityName = ""


class TripIn(Schema):
    purpose: Text
    legs: list[LegIn] = Field(min_length=1, max_length=20)
    estimates: dict[Category, MoneyData] = Field(default_factory=dict)
    project: Annotated[str, StringConstraints(max_length=32)] | None = None


class TripChange(TripIn, Expected):
    pass


class TripRow(Schema):
    number: str
    purpose: str
    owner: Person
    department: str
    state: str
    version: int
    estimate: MoneyData
    created_at: datetime
    submitted_at: datetime | None


class TripOut(TripRow):
    project: str | None
    legs: list[LegIn]
    estimates: dict[str, MoneyData]


class TripPage(Schema):
    items: list[TripRow]
    next: int | None = Field(description="Pass it as `before` to get the next page.")


class Listing(shapes.Listing):
    state: TravelState | None = None
    q: Annotated[str, StringConstraints(max_length=60)] = Field(
        "", description="A number, or two characters and more of the purpose or the owner's name."
    )
    mine: bool = False


@router.get("", response=TripPage, summary="Trips you may see, newest first")
def list_trips(request: HttpRequest, listing: Query[Listing]) -> dict[str, Any]:
    asker = viewer(request)
    rows = queries.mine(asker).prefetch_related(None) if listing.mine else queries.visible(asker)
    if len(listing.q.strip()) >= 2:
        rows = rows & queries.search(asker, listing.q) if listing.mine else queries.search(asker, listing.q)
    if listing.state:
        rows = rows.filter(state=listing.state)
    if listing.before:
        rows = rows.filter(pk__lt=listing.before)
    found = list(rows.order_by("-id")[: listing.size + 1])
    more = len(found) > listing.size
    return {
        "items": [_row(trip) for trip in found[: listing.size]],
        "next": found[listing.size - 1].pk if more else None,
    }


@router.post("", response={201: TripOut}, summary="Draft a trip request")
def create_trip(request: HttpRequest, body: TripIn) -> Any:
    def run(asker: Viewer, at: datetime) -> TripOut:
        trip = journey.create(viewer=asker, draft=_draft(body), at=at, via="api")
        return _out(queries.get(trip.number, asker))

    return Status(201, write_once(request, run))


@router.get("/{number}", response=TripOut, summary="One trip")
def get_trip(request: HttpRequest, number: Number) -> TripOut:
    return _out(queries.get(number, viewer(request)))


@router.put("/{number}", response=TripOut, summary="Change a draft")
def change_trip(request: HttpRequest, number: Number, body: TripChange) -> Any:
    def run(asker: Viewer, at: datetime) -> TripOut:
        journey.edit(
            trip=queries.get(number, asker), viewer=asker, draft=_draft(body), expected_version=body.version, at=at,
            via="api",
        )  # fmt: skip
        return _out(queries.get(number, asker))

    return write_once(request, run)


@router.post("/{number}/submit", response=TripOut, summary="Hand it in for approval")
def submit_trip(request: HttpRequest, number: Number, body: Expected) -> Any:
    def run(asker: Viewer, at: datetime) -> TripOut:
        trip = queries.get(number, asker)
        return _out(journey.submit(trip=trip, viewer=asker, expected_version=body.version, at=at, via="api"))

    return write_once(request, run)


@router.post("/{number}/withdraw", response=TripOut, summary="Take it back from approval")
def withdraw_trip(request: HttpRequest, number: Number) -> Any:
    def run(asker: Viewer, at: datetime) -> TripOut:
        return _out(journey.withdraw(trip=queries.get(number, asker), viewer=asker, at=at, via="api"))

    return write_once(request, run)


@router.get("/{number}/timeline", response=list[FactOut], summary="What happened to it, oldest first (all)")
def trip_timeline(request: HttpRequest, number: Number) -> list[FactOut]:
    return timeline(queries.get(number, viewer(request)).ref)


@router.get(
    "/{number}/check",
    response=papers.CheckOut,
    summary="Before handing it in: the budgets, who would be asked, and what keeps it back",
)
def check_trip(request: HttpRequest, number: Number) -> papers.CheckOut:
    trip = queries.get(number, viewer(request))
    if not trip.is_editable:
        raise errors.WrongState(number=trip.number, state=trip.get_state_display())
    seen = foresee(trip, at=clock.now())
    return papers.CheckOut(
        is_ready=not seen.hindrances,
        hindrances=[papers.hindrance(error) for error in seen.hindrances],
        budgets=papers.budgets_out(seen.budgets),
        path=papers.steps_out(seen.path),
    )


def _draft(body: TripIn) -> services.TripDraft:
    cities = dict(City.objects.filter(name__in={leg.city for leg in body.legs}).values_list("name", "pk"))
    legs = []
    for no, leg in enumerate(body.legs):
        if leg.city not in cities:
            raise errors.UnknownChoice(field=f"legs.{no}.city", choice=leg.city)
        legs.append(services.LegDraft(cities[leg.city], leg.leaves_on, leg.returns_on, leg.origin))
    project_id = None
    if body.project:
        project_id = (
            Project.objects.filter(code=body.project, is_active=True).values_list("pk", flat=True).first()
        )
        if project_id is None:
            raise errors.UnknownChoice(field="project", choice=body.project)
    return services.TripDraft(
        purpose=body.purpose,
        legs=legs,
        estimates={str(category): money.money() for category, money in body.estimates.items()},
        project_id=project_id,
    )


def _row(trip: TravelRequest) -> dict[str, Any]:
    return {
        "number": trip.number,
        "purpose": trip.purpose,
        "owner": {"number": trip.owner.number, "name": trip.owner.name},
        "department": trip.department.name,
        "state": trip.state,
        "version": trip.version,
        "estimate": MoneyData.of(trip.estimate_amount, trip.currency),
        "created_at": trip.created_at,
        "submitted_at": trip.submitted_at,
    }


def _out(trip: TravelRequest) -> TripOut:
    return TripOut(
        **_row(trip),
        project=trip.project.code if trip.project else None,
        legs=[
            LegIn(city=leg.city.name, leaves_on=leg.leaves_on, returns_on=leg.returns_on, origin=leg.origin)
            for leg in trip.legs.all()
        ],
        estimates={row.category: MoneyData.of(row.amount, trip.currency) for row in trip.estimates.all()},
    )
