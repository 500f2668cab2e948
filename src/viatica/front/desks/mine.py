"""我的: what needs me first, then what is under way; what is over is folded away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Exists, Max, Min, OuterRef
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_GET

from viatica.documents.expense import queries as reports
from viatica.documents.expense.models import ExpenseReport, ReportState
from viatica.documents.travel import queries as trips
from viatica.documents.travel.models import TravelState
from viatica.front.viewer import SignedIn, signed_in
from viatica.kernel.money import Money
from viatica.offices.access.viewer import Viewer

NEEDS_ME = {"draft", "returned"}
OVER = {ReportState.PAID, ReportState.REJECTED, TravelState.CANCELLED}
MOST_OPEN, MOST_OVER = 60, 20


@dataclass(frozen=True, slots=True)
class Row:
    """One paper of mine in the list. `at`: when it last changed."""

    kind: str
    number: str
    title: str
    where: str
    state: str
    money: Money
    at: datetime
    url: str
    starts: date | None = None
    ends: date | None = None
    reports_from: str = ""

    @property
    def is_trip(self) -> bool:
        return self.kind == "trip"


@signed_in
@require_GET
def page(request: SignedIn) -> HttpResponse:
    return render(request, "front/mine.html", {"here": "mine", **desk(request.viewer)})


def desk(viewer: Viewer, current: str = "") -> dict[str, Any]:
    """The list, for the desk and for the side of a paper. Four statements, however long it is."""
    live = list(_reports(viewer).exclude(state__in=OVER)[:MOST_OPEN])
    over = list(_reports(viewer).filter(state__in=OVER)[:MOST_OVER])
    rows = sorted([*map(_of_report, live), *_trips(viewer)], key=lambda row: row.at, reverse=True)
    return {
        "current": current,
        "needs_me": [row for row in rows if row.state in NEEDS_ME or row.reports_from],
        "under_way": [row for row in rows if row.state in ("in_approval", "to_audit", "to_pay")],
        "over": [_of_report(report) for report in over] + [row for row in rows if _is_over(row)],
    }


def _is_over(row: Row) -> bool:
    return row.is_trip and row.state in ("rejected", "cancelled", "approved") and not row.reports_from


def _reports(viewer: Viewer) -> Any:
    return reports.mine(viewer).only(
        "number",
        "title",
        "state",
        "total_amount",
        "currency",
        "changed_at",
        "line_count",
        "owner__name",
        "department__name",
    )


def _of_report(report: ExpenseReport) -> Row:
    return Row(
        kind="report",
        number=report.number,
        title=report.title,
        where=gettext("{count} expenses").format(count=report.line_count),
        state=report.state,
        money=report.total,
        at=report.changed_at,
        url=reverse("front:report", args=[report.number]),
    )


def _trips(viewer: Viewer) -> list[Row]:
    has_report = ExpenseReport.objects.filter(trip_id=OuterRef("pk")).exclude(state=ReportState.REJECTED)
    rows = trips.mine(viewer).annotate(
        has_report=Exists(has_report), starts=Min("legs__leaves_on"), ends=Max("legs__returns_on")
    )
    return [
        Row(
            kind="trip",
            number=trip.number,
            title=trip.purpose,
            where=" → ".join(leg.city.name for leg in trip.legs.all()),
            state=trip.state,
            money=trip.estimate,
            at=trip.changed_at,
            url=reverse("front:trip", args=[trip.number]),
            starts=trip.starts,
            ends=trip.ends,
            reports_from=trip.number if trip.state == TravelState.APPROVED and not trip.has_report else "",
        )
        for trip in rows[:MOST_OPEN]
    ]
