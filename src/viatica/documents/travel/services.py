"""Commands on a trip. They join the open transaction; the journey orders them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from viatica.documents import checks, errors
from viatica.documents.search import pairs
from viatica.documents.steps import move
from viatica.documents.travel.models import EDITABLE, TravelEstimate, TravelLeg, TravelRequest, TravelState
from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.offices.approval.ports import CaseForm, Field, Line
from viatica.offices.budget.services import Charge
from viatica.offices.company.categories import Category
from viatica.offices.company.models import City, Employee


@dataclass(frozen=True, slots=True)
class LegDraft:
    city_id: int
    leaves_on: date
    returns_on: date
    origin: str = ""


@dataclass(frozen=True, slots=True)
class TripDraft:
    """`estimates`: category → expected cost, in the legal entity's currency."""

    purpose: str
    legs: list[LegDraft]
    estimates: dict[str, Money] = field(default_factory=dict)
    cost_center_id: int | None = None
    project_id: int | None = None


def check_draft(draft: TripDraft, *, currency: str, at: datetime) -> TripDraft:
    """`draft` with clean texts. Raises the refusals of documents.errors, each naming its field."""
    if not draft.legs:
        raise errors.Missing(field="legs")
    horizon = checks.today(at) + timedelta(days=366)
    for no, leg in enumerate(draft.legs):
        if leg.returns_on < leg.leaves_on:
            raise errors.BadTripDays(field=f"legs.{no}.returns_on", start=leg.leaves_on, end=leg.returns_on)
        if leg.returns_on > horizon or leg.leaves_on < checks.OLDEST:
            raise errors.BadDay(field=f"legs.{no}.leaves_on", day=leg.leaves_on)
    known = set(City.objects.filter(pk__in={leg.city_id for leg in draft.legs}).values_list("pk", flat=True))
    for no, leg in enumerate(draft.legs):
        if leg.city_id not in known:
            raise errors.UnknownChoice(field=f"legs.{no}.city", choice=leg.city_id)
    for category, money in draft.estimates.items():
        checks.choice(category, Category.values, field=f"estimates.{category}")
        checks.positive(money, field=f"estimates.{category}")
    Money.total(draft.estimates.values(), currency)
    return TripDraft(
        purpose=checks.text(draft.purpose, field="purpose", most=200, needed=True),
        legs=draft.legs,
        estimates=draft.estimates,
        cost_center_id=draft.cost_center_id,
        project_id=draft.project_id,
    )


def create(*, owner: Employee, draft: TripDraft, at: datetime) -> TravelRequest:
    draft = check_draft(draft, currency=owner.entity.currency, at=at)
    trip = TravelRequest.objects.create(
        owner=owner,
        entity_id=owner.entity_id,
        department_id=owner.department_id,
        cost_center_id=draft.cost_center_id,
        project_id=draft.project_id,
        purpose=draft.purpose,
        currency=owner.entity.currency,
        estimate_amount=Money.total(draft.estimates.values(), owner.entity.currency).amount,
        pairs=pairs(draft.purpose, owner.name),
        created_at=at,
        changed_at=at,
    )
    _write_parts(trip, draft)
    return trip


def _write_parts(trip: TravelRequest, draft: TripDraft) -> None:
    TravelLeg.objects.bulk_create(
        TravelLeg(
            request=trip, no=no, origin=leg.origin.strip()[:60], city_id=leg.city_id, leaves_on=leg.leaves_on,
            returns_on=leg.returns_on,
        )
        for no, leg in enumerate(draft.legs, start=1)
    )  # fmt: skip
    TravelEstimate.objects.bulk_create(
        TravelEstimate(request=trip, category=category, amount=money.amount)
        for category, money in draft.estimates.items()
    )


def edit(*, trip: TravelRequest, draft: TripDraft, expected_version: int, at: datetime) -> TravelRequest:
    draft = check_draft(draft, currency=trip.currency, at=at)
    move(
        trip, EDITABLE, expected_version, at,
        content_hash="", purpose=draft.purpose, cost_center_id=draft.cost_center_id, project_id=draft.project_id,
        estimate_amount=Money.total(draft.estimates.values(), trip.currency).amount,
        pairs=pairs(draft.purpose, trip.owner.name),
    )  # fmt: skip
    trip.legs.all().delete()
    trip.estimates.all().delete()
    _write_parts(trip, draft)
    return trip


def content_hash(trip: TravelRequest) -> str:
    """SHA-256 of everything an approver approves."""
    content = {
        "purpose": trip.purpose,
        "estimate": trip.estimate.json(),
        "cost_center": trip.cost_center_id,
        "project": trip.project_id,
        "legs": [[leg.no, leg.city_id, str(leg.leaves_on), str(leg.returns_on)] for leg in trip.legs.all()],
        "estimates": sorted([row.category, str(row.amount)] for row in trip.estimates.all()),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def charges(trip: TravelRequest) -> list[Charge]:
    """What the trip asks of the budgets: its estimates, in the month it starts."""
    month = min(leg.leaves_on for leg in trip.legs.all()).replace(day=1)
    return [
        Charge(
            entity_id=trip.entity_id,
            department_id=trip.department_id,
            department_path=trip.department.path,
            cost_center_id=trip.cost_center_id or trip.department.cost_center_id,
            project_id=trip.project_id,
            category=row.category,
            month=month,
            money=Money(row.amount, trip.currency),
        )
        for row in trip.estimates.all()
    ]


def form(trip: TravelRequest, *, url: str) -> CaseForm:
    """The trip as approvers see it, here and in the OA: the same words everywhere."""
    legs = list(trip.legs.all())
    start, end = min(leg.leaves_on for leg in legs), max(leg.returns_on for leg in legs)
    cities = " → ".join(leg.city.name for leg in legs)
    return CaseForm(
        title=f"{trip.owner.name} 出差申请 {cities}",
        amount=trip.estimate,
        fields=[
            Field("number", "单号", "text", trip.number),
            Field("reason", "事由", "text", f"{trip.purpose}{_expected(trip)}"),
            Field("period", "出差日期", "date_range", [str(start), str(end)]),
            Field("amount", "金额（元）", "money", str(trip.estimate_amount)),
            Field("url", "详情链接", "text", url),
        ],
        lines=[
            Line({"city": leg.city.name, "start": str(leg.leaves_on), "end": str(leg.returns_on), "note": leg.origin})
            for leg in legs
        ],
        attachments=[],
        url=url,
        context={
            "kind": TravelRequest.KIND,
            "grade": trip.owner.grade.code,
            "grade_rank": trip.owner.grade.rank,
            "department_id": trip.department_id,
            "project_id": trip.project_id,
            "cost_center_id": trip.cost_center_id or trip.department.cost_center_id,
            "findings": [],
            "over_standard": False,
        },
    )  # fmt: skip


def _expected(trip: TravelRequest) -> str:
    """`（预计 火车 1,000.00、住宿 1,200.00）`, so that an approver sees what the amount is made of."""
    parts = [f"{Category(row.category).label} {row.amount:,}" for row in trip.estimates.all()]
    return f"（预计 {'、'.join(parts)}）" if parts else ""


def mark_submitted(*, trip: TravelRequest, expected_version: int, content: str, at: datetime) -> None:
    move(
        trip, EDITABLE, expected_version, at,
        state=TravelState.IN_APPROVAL, content_hash=content, submitted_at=at, concluded_at=None,
    )  # fmt: skip


def mark_withdrawn(*, trip: TravelRequest, at: datetime) -> None:
    move(trip, (TravelState.IN_APPROVAL,), None, at, state=TravelState.DRAFT, content_hash="")


def mark_concluded(*, ref: Ref, outcome: TravelState, content: str, at: datetime) -> TravelRequest:
    """Raises ContentDiffers when what was decided is not what the trip says now."""
    trip = TravelRequest.objects.select_related("owner").get(pk=ref.id)
    if trip.content_hash != content:
        raise errors.ContentDiffers(number=trip.number)
    move(trip, (TravelState.IN_APPROVAL,), None, at, state=outcome, concluded_at=at)
    return trip
