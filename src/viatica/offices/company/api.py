"""`/api/v1/choices`: what a form offers. The same for everybody who is signed in."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field, StringConstraints

from viatica.offices.company import queries
from viatica.offices.company.categories import Category
from viatica.offices.company.models import City, Project

router = Router(tags=["choices"])
MOST = 500
MOST_COLLEAGUES = 20
MOST_RATES = 200


class Choice(Schema):
    code: str
    name: str


class CityOut(Schema):
    name: str
    tier: str


class RateOut(Schema):
    currency: str
    base: str
    rate: Decimal = Field(description="Units of `base` for one unit of `currency`.")
    day: date = Field(description="It counts from this day until the next one.")
    source: str


class ColleagueOut(Schema):
    number: str
    name: str
    department: str
    entity: str


class Beginning(Schema):
    q: Annotated[str, StringConstraints(max_length=60)] = Field("", description="What the name begins with.")


class Asked(Schema):
    q: Annotated[str, StringConstraints(min_length=1, max_length=60)] = Field(
        description="A number, or what a name begins with."
    )


@router.get("/categories", response=list[Choice], summary="Kinds of expense, in the reader's language (all)")
def list_categories(request: HttpRequest) -> Any:
    return [Choice(code=code, name=str(name)) for code, name in Category.choices]


@router.get("/cities", response=list[CityOut], summary="Cities, first tiers first (500 at most)")
def list_cities(request: HttpRequest, wanted: Query[Beginning]) -> Any:
    rows = City.objects.filter(name__startswith=wanted.q.strip()).order_by("tier", "name")
    return [CityOut(name=name, tier=tier) for name, tier in rows.values_list("name", "tier")[:MOST]]


@router.get("/projects", response=list[Choice], summary="Projects under way, by code (500 at most)")
def list_projects(request: HttpRequest, wanted: Query[Beginning]) -> Any:
    rows = Project.objects.filter(name__startswith=wanted.q.strip(), is_active=True).order_by("code")
    return [Choice(code=code, name=name) for code, name in rows.values_list("code", "name")[:MOST]]


@router.get(
    "/currencies",
    response=list[RateOut],
    summary="Currencies with a rate of the company's, the newest one each (200 at most)",
)
def list_currencies(request: HttpRequest) -> Any:
    return [
        RateOut(currency=row.currency, base=row.base, rate=row.rate, day=row.day, source=row.source)
        for row in queries.latest_rates(most=MOST_RATES)
    ]


@router.get(
    "/colleagues",
    response=list[ColleagueOut],
    summary="Whom a task can be handed over to, or a copy sent (20 at most)",
)
def find_colleagues(request: HttpRequest, wanted: Query[Asked]) -> Any:
    return [
        ColleagueOut(number=one.number, name=one.name, department=one.department.name, entity=one.entity.code)
        for one in queries.colleagues(wanted.q, most=MOST_COLLEAGUES)
    ]
