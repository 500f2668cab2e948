"""What a page shows, as a file for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from viatica.documents.expense.models import ReportState
from viatica.insights.queries import STRETCHES, WHATS, Excess, Figure, Overview, Papers
from viatica.kernel import sheets
from viatica.kernel.money import Money

Cell = str | int | Decimal | None


def text(value: Any) -> str:
    """One line, and nothing a spreadsheet would calculate."""
    return sheets.text("".join(letter for letter in str(value) if letter.isprintable() or letter.isspace()))


def answer(name: str, rows: Iterable[Sequence[Cell]]) -> HttpResponse:
    """`name`: plain letters, digits and dashes."""
    response = HttpResponse(sheets.written(rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def overview(shown: Overview) -> Iterable[Sequence[Cell]]:
    """One row for each figure of the page, by what it is of."""
    yield [
        _("Of"), _("What"), _("Currency"), _("Spent"), _("In approval"), _("Budget"), _("Left of the budget"),
        _("Expenses"), _("Over the standard by"), _("Expenses over the standard"),
    ]  # fmt: skip
    period = shown.question.window.period
    yield _row(_("Period"), f"{period.start} – {period.last}", shown.total, shown.excess)
    for month in shown.months:
        yield _row(_("Month"), f"{month.day:%Y-%m}", month.figure)
    for place in shown.places:
        yield _row(_("Department"), place.name or _("No single department"), place.figure)
    for kind in shown.kinds:
        yield _row(_("Category"), kind.category.label, kind.figure, kind.excess)
    yield []
    yield [_("Time"), _("Count"), _("Half within (hours)"), _("Nine of ten within (hours)")]
    for took in shown.times.values():
        ends = (took.median, took.ninth_decile)
        yield [
            text(WHATS[took.stretch]),
            took.count,
            *(None if one is None else _hours(one.total_seconds()) for one in ends),
        ]


def _row(of: str, what: Any, figure: Figure, excess: Excess | None = None) -> Sequence[Cell]:
    return [
        text(of), text(what), figure.spent.currency, _amount(figure.spent), _amount(figure.asked), _amount(figure.budget),
        _amount(figure.left), figure.lines, _amount(excess.money if excess else None), excess.lines if excess else None,
    ]  # fmt: skip


def _amount(money: Money | None) -> Decimal | None:
    return None if money is None else money.amount


def _hours(seconds: float) -> Decimal:
    return (Decimal(round(seconds)) / 3600).quantize(Decimal("0.01"))


def papers(shown: Papers) -> Iterable[Sequence[Cell]]:
    with_time = shown.what in STRETCHES
    yield [
        _("Report number"), _("Title"), _("Owner"), _("Department"), _("Company"), _("State"), _("Handed in"), _("Expenses"),
        _("Counted here"), _("Total of the report"), _("Currency"), *([_("Took (hours)")] if with_time else []),
    ]  # fmt: skip
    for one in shown.rows:
        yield [
            text(one.number), text(one.title), text(one.owner), text(one.department), text(one.entity),
            text(ReportState(one.state).label),
            f"{timezone.localtime(one.submitted_at):%Y-%m-%d %H:%M}" if one.submitted_at else "", one.lines,
            one.money.amount, one.total.amount, one.total.currency,
            *([_hours(one.took.total_seconds())] if with_time and one.took else []),
        ]  # fmt: skip
