"""洞察: spending against budget, what went over, how long it took; and the papers behind each figure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from viatica.insights import queries, sheets
from viatica.insights.questions import Question, ask
from viatica.insights.windows import Span
from viatica.offices.access.doors import viewer
from viatica.offices.company.categories import Category

MOST_PLACES = 10
PAGE = 50
MOST_IN_FILE = 20_000
LAST_PAGE = 1000

SPANS = [
    (Span.MONTH, _("Month")),
    (Span.QUARTER, _("Quarter")),
    (Span.YEAR, _("Year")),
    (Span.TWELVE, _("12 months")),
]


def _asked(request: HttpRequest) -> Question:
    """Who looks is kept for the frame of the page. Raises NotSignedIn, NotFound."""
    asker = viewer(request)
    request.viewer = asker  # type: ignore[attr-defined]  # the frame of every page reads it
    return ask(request.GET, asker)


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    shown = queries.overview(_asked(request))
    rest = shown.places[MOST_PLACES:]
    context = {
        **_frame(shown.question, "overview"),
        "shown": shown,
        "tallest": _longest([month.figure for month in shown.months]),
        "places": shown.places[:MOST_PLACES],
        "rest": _sum(rest) if rest else None,
        "rest_count": len(rest),
        "widest_place": _longest([place.figure for place in shown.places[:MOST_PLACES]]),
        "widest_kind": _longest([kind.figure for kind in shown.kinds]),
        "gone": shown.question.window.gone(shown.question.today),
        "stretches": [(took, queries.WHATS[took.stretch]) for took in shown.times.values()],
    }
    return render(request, "insights/overview.html", context)


@require_safe
def overview_file(request: HttpRequest) -> HttpResponse:
    shown = queries.overview(_asked(request))
    return sheets.answer(f"insights-{shown.question.window.of}", sheets.overview(shown))


@require_safe
def documents(request: HttpRequest) -> HttpResponse:
    question = _asked(request)
    what, category = _behind(request)
    number = request.GET.get("page", "")
    page = min(max(int(number), 1), LAST_PAGE) if number.isdecimal() and len(number) < 6 else 1
    papers = queries.papers(question, what, category=category, size=PAGE, skip=(page - 1) * PAGE)
    context = {
        **_frame(question, "documents", what=what, category=category or ""),
        "papers": papers,
        "what_name": queries.WHATS[what],
        "category_name": Category(category).label if category else "",
        "is_time": what in queries.STRETCHES,
        "page_no": page,
        "first": (page - 1) * PAGE + 1,
        "last": (page - 1) * PAGE + len(papers.rows),
        "is_last": page * PAGE >= papers.count or page == LAST_PAGE,
    }
    return render(request, "insights/documents.html", context)


@require_safe
def documents_file(request: HttpRequest) -> HttpResponse:
    """The same papers, the first 20,000 of them."""
    question = _asked(request)
    what, category = _behind(request)
    papers = queries.papers(question, what, category=category, size=MOST_IN_FILE)
    return sheets.answer(f"insights-{what}-{question.window.of}", sheets.papers(papers))


def _behind(request: HttpRequest) -> tuple[str, str | None]:
    """Which figure, and of which category; what cannot be read counts as not said."""
    what, category = request.GET.get("what", ""), request.GET.get("category", "")
    return what if what in queries.WHATS else "spent", category if category in Category.values else None


def _frame(question: Question, page: str, **more: str) -> dict[str, Any]:
    """`more`: what this page asks beyond the question, kept by its links and by the filter."""
    window = question.window
    later = window.later
    kept = question.params(entity=None, department=None, currency=None, **more)
    return {
        **more,
        "page": page,
        "hidden": kept.items(),
        "here": "insights",
        "question": question,
        "window": window,
        "spans": SPANS,
        "earlier": window.earlier.of,
        "later": later.of if later.period.start <= question.today else "",
        "own": question.scope.is_own,
    }


def _longest(figures: list[queries.Figure]) -> Decimal:
    return max((figure.extent for figure in figures), default=Decimal(0))


def _sum(places: list[queries.Place]) -> queries.Figure:
    first, *others = (place.figure for place in places)
    whole = queries.Figure(first.spent, first.asked, first.lines, first.budget)
    for one in others:
        whole.spent += one.spent
        whole.asked += one.asked
        whole.lines += one.lines
        if one.budget is not None:
            whole.budget = one.budget if whole.budget is None else whole.budget + one.budget
    return whole
