"""Trip requests: ask for one, see where it is, hand it in, take it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from viatica.documents.expense import queries as reports
from viatica.documents.steps import own
from viatica.documents.travel import journey, queries, services
from viatica.documents.travel.models import TravelRequest, TravelState
from viatica.front import choices, shown, timeline, usual
from viatica.front.bars import bars
from viatica.front.desks.mine import desk
from viatica.front.forms import version_of, write_once
from viatica.front.papers.trip_forms import TripForms
from viatica.front.viewer import SignedIn, signed_in
from viatica.kernel import clock
from viatica.kernel.errors import ViaticaError
from viatica.offices.approval import queries as approval
from viatica.offices.approval import services as approvals
from viatica.offices.approval.models import ItemState, StepState
from viatica.offices.approval.queries import PathStep
from viatica.offices.budget import queries as budget
from viatica.offices.company.models import Employee


def address(trip: TravelRequest, name: str = "trip") -> str:
    return reverse(f"front:{name}", args=[trip.number])


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: SignedIn) -> HttpResponse:
    currency = Employee.objects.values_list("entity__currency", flat=True).get(pk=request.viewer.employee_id)
    forms = TripForms(request.POST if request.method == "POST" else None, currency=currency)
    if request.method != "POST":
        return _form(request, forms)

    def run(at: Any) -> str:
        trip = journey.create(viewer=request.viewer, draft=forms.draft(), at=at, via="web")
        return address(trip, "trip_submit" if "submit" in request.POST else "trip")

    return _saved(request, forms, run)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: SignedIn, number: str) -> HttpResponse:
    trip = queries.get(number, request.viewer)
    own(trip, request.viewer)
    forms = TripForms(request.POST if request.method == "POST" else None, trip, currency=trip.currency)
    if request.method != "POST":
        return _form(request, forms, trip)

    def run(at: Any) -> str:
        journey.edit(
            trip=trip,
            viewer=request.viewer,
            draft=forms.draft(),
            expected_version=version_of(request),
            at=at,
            via="web",
        )
        return address(trip, "trip_submit" if "submit" in request.POST else "trip")

    return _saved(request, forms, run, trip)


def _saved(request: SignedIn, forms: TripForms, run: Any, trip: TravelRequest | None = None) -> HttpResponse:
    if again := forms.reshaped():
        return _form(request, again, trip)
    if not forms.is_valid():
        return _form(request, forms, trip, status=422)
    try:
        return write_once(request, run)
    except ViaticaError as error:
        if error.status in (403, 404):
            raise
        forms.blame(error)
        return _form(request, forms, trip, status=error.status)


def _form(
    request: SignedIn, forms: TripForms, trip: TravelRequest | None = None, status: int = 200
) -> HttpResponse:
    context = {
        "here": "mine",
        "forms": forms,
        "trip": trip,
        # After a conflict this is the latest version: what was typed is kept, and can be saved over it.
        "version": TravelRequest.objects.values_list("version", flat=True).get(pk=trip.pk)
        if trip and status == 409
        else None,
        "cities": choices.cities(),
        "projects": choices.projects(),
    }
    return render(request, "front/trip_form.html", context, status=status)


@signed_in
@require_GET
def page(request: SignedIn, number: str) -> HttpResponse:
    seen = timeline.token_of(TravelRequest, number)
    trip = queries.get(number, request.viewer)
    return render(
        request, "front/trip.html", {**_context(request, trip, seen), **desk(request.viewer, trip.number)}
    )


@signed_in
@require_GET
def live(request: SignedIn, number: str) -> HttpResponse:
    """What changes by itself; nothing while it has not."""
    seen = timeline.token_of(TravelRequest, number)
    trip = queries.get(number, request.viewer)
    if request.GET.get("seen") == seen:
        return HttpResponse(status=204)
    beside = desk(request.viewer, trip.number) if trip.owner_id == request.viewer.employee_id else {}
    return render(request, "front/trip.html#live", {**_context(request, trip, seen), **beside, "fresh": True})


def _context(request: SignedIn, trip: TravelRequest, seen: str) -> dict[str, Any]:
    legs = list(trip.legs.all())
    is_mine = trip.owner_id == request.viewer.employee_id
    path = approval.path(trip.ref)
    return {
        "here": "mine" if is_mine else "",
        "trip": trip,
        "legs": legs,
        "cities": " → ".join(leg.city.name for leg in legs),
        "starts": min(leg.leaves_on for leg in legs),
        "ends": max(leg.returns_on for leg in legs),
        "is_mine": is_mine,
        "path": path,
        "asked": asked_now(path),
        "my_item": None if is_mine else approval.my_item(trip.ref, request.viewer.employee_id),
        "reports": list(reports.visible(request.viewer).filter(trip_id=trip.pk).order_by("id"))
        if trip.state == TravelState.APPROVED
        else [],
        "bars": bars(budget.standing(services.charges(trip))) if trip.is_editable else [],
        "timeline": timeline.of(trip.ref),
        "seen": seen,
        "page_url": journey.page(trip),
        "live": reverse("front:trip_live", args=[trip.number]),
        # Only what others may change is watched.
        "is_live": trip.state == TravelState.IN_APPROVAL,
        "usual": usual.wait(TravelRequest.KIND, trip.entity_id)
        if trip.state == TravelState.IN_APPROVAL
        else "",
    }


OVER = (StepState.PASSED, StepState.SKIPPED, StepState.REJECTED, StepState.RETURNED, StepState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who has the paper now, and in which step."""

    step: str
    names: str


def asked_now(path: Sequence[PathStep]) -> Asked | None:
    """Who decides next: whoever is asked, or, while an OA has not told yet, whoever comes first there."""
    for step in path:
        if step.state in OVER:
            continue
        asked = [person.name for person in step.persons if person.state == ItemState.OPEN]
        waiting = [person.name for person in step.persons if person.state == ItemState.WAITING]
        if names := asked or waiting:
            return Asked(step.name, "、".join(names))
    return None


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def submit(request: SignedIn, number: str) -> HttpResponse:
    """The question before it goes out: how much, and who will be asked."""
    trip = queries.get(number, request.viewer)
    own(trip, request.viewer)
    if not trip.is_editable:
        return HttpResponseRedirect(address(trip))
    refusal: ViaticaError | None = None
    if request.method == "POST":
        try:
            return write_once(request, lambda at: _submit(request, trip, at))
        except ViaticaError as error:
            if error.status in (403, 404):
                raise
            refusal = error
            trip = queries.get(number, request.viewer)
    path, refusal = _preview(trip, refusal)
    context = {
        "here": "mine",
        "trip": trip,
        "path": path,
        "refusal": refusal,
        "paper": trip,
        "back": address(trip),
    }
    return render(
        request,
        "front/submit.html",
        context,
        status=refusal.status if refusal and request.method == "POST" else 200,
    )


def _submit(request: SignedIn, trip: TravelRequest, at: Any) -> str:
    journey.submit(trip=trip, viewer=request.viewer, expected_version=version_of(request), at=at, via="web")
    messages.success(request, gettext("{number} is on its way to approval.").format(number=trip.number))
    return address(trip)


def _preview(trip: TravelRequest, refusal: ViaticaError | None) -> tuple[Any, ViaticaError | None]:
    try:
        form = services.form(trip, url=journey.page(trip))
        steps = approvals.preview(
            form, trip.owner, trip.entity_id, kind=TravelRequest.KIND, at=clock.now(), ref=trip.ref
        )
    except ViaticaError as error:
        return [], refusal or error
    return steps, refusal


@signed_in
@require_POST
def withdraw(request: SignedIn, number: str) -> HttpResponse:
    trip = queries.get(number, request.viewer)

    def run(at: Any) -> str:
        journey.withdraw(trip=trip, viewer=request.viewer, at=at, via="web")
        return address(trip)

    return write_once(request, run)


@signed_in
@require_POST
def urge(request: SignedIn, number: str) -> HttpResponse:
    trip = queries.get(number, request.viewer)
    return urge_paper(request, trip, address(trip))


def urge_paper(request: SignedIn, paper: Any, back: str) -> HttpResponse:
    """催办: remind whoever has it; what forbids it is said on the paper's page."""
    own(paper, request.viewer)

    def run(at: Any) -> str:
        count = approvals.urge(ref=paper.ref, actor=paper.owner, at=at, via="web")
        messages.success(request, gettext("{count} people were reminded.").format(count=count))
        return back

    try:
        return write_once(request, run)
    except ViaticaError as error:
        if error.status in (403, 404):
            raise
        messages.warning(request, shown.refusal(error))
        return HttpResponseRedirect(back)
