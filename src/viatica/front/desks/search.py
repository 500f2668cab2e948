"""Finding papers by number, words, person or invoice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from viatica.documents.expense import queries as reports
from viatica.documents.expense.models import ExpenseReport
from viatica.documents.travel import queries as trips
from viatica.documents.travel.models import TravelRequest
from viatica.front.viewer import SignedIn, signed_in
from viatica.kernel.errors import NotFound
from viatica.offices.access.viewer import Viewer
from viatica.offices.invoices import queries as invoices

MOST = 20
SHORTEST = 2
# kind → its page, its rows, and how a viewer gets one.
PAPERS: dict[str, tuple[str, Any, Callable[[str, Viewer], ExpenseReport | TravelRequest]]] = {
    ExpenseReport.KIND: ("report", ExpenseReport.objects, reports.get),
    TravelRequest.KIND: ("trip", TravelRequest.objects, trips.get),
}


@signed_in
@require_GET
def page(request: SignedIn) -> HttpResponse:
    """At most four statements. One exact hit opens at once."""
    phrase = request.GET.get("q", "").strip()[:80]
    context = {
        "here": "search",
        "phrase": phrase,
        "asked": len(phrase) >= SHORTEST,
        "reports": [],
        "trips": [],
    }
    if len(phrase) >= SHORTEST:
        found = list(reports.search(request.viewer, phrase)[:MOST])
        journeys = list(trips.search(request.viewer, phrase)[:MOST])
        if len(phrase) >= 8 and phrase.isalnum():
            found += _with_invoice(request, phrase)
        numbers = [*(one.number for one in found), *(one.number for one in journeys)]
        if numbers == [phrase.upper()]:
            return HttpResponseRedirect(reverse("front:report" if found else "front:trip", args=numbers))
        context |= {"reports": found, "trips": journeys}
    return render(request, "front/search.html", context)


def _with_invoice(request: SignedIn, number: str) -> list[ExpenseReport]:
    ids = [invoice.pk for invoice in invoices.by_number(number, request.viewer)]
    return (
        list(reports.visible(request.viewer).filter(lines__invoice_id__in=ids).distinct()[:MOST])
        if ids
        else []
    )


@signed_in
@require_GET
def paper(request: SignedIn, kind: str, key: str) -> HttpResponse:
    """From a reference to its page. Raises NotFound also for what the viewer may not see."""
    name, found = paper_at(request.viewer, kind, key)
    return HttpResponseRedirect(reverse(f"front:{name}", args=[found.number]))


def paper_at(viewer: Viewer, kind: str, key: str) -> tuple[str, ExpenseReport | TravelRequest]:
    """The name of its page, and the paper a reference names. Raises NotFound also for what the viewer may not see."""
    if kind not in PAPERS or not key.isdecimal() or len(key) > 18:
        raise NotFound()
    name, rows, get = PAPERS[kind]
    number = rows.filter(pk=int(key)).values_list("number", flat=True).first()
    # Asked as the viewer: the address itself must not tell a stranger that there is such a paper, and its number.
    return name, get(number or "", viewer)
