"""Exact figures of a small company, and how far each reader sees."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.journeys.conftest import taxi
from viatica.documents.expense.models import ExpenseLine, ExpenseReport
from viatica.insights.queries import Figure, Overview, papers
from viatica.insights.tests.conftest import HOUR, Told, line
from viatica.insights.windows import Span, Window
from viatica.kernel.errors import NotFound
from viatica.kernel.money import Money, UnknownCurrency
from viatica.offices.budget.models import Budget
from viatica.offices.company.models import CurrencyRate


def cny(amount: str) -> Money:
    return Money(amount, "CNY")


def plain(figure: Figure) -> tuple[str, str, int, str | None]:
    budget = None if figure.budget is None else str(figure.budget.amount)
    return str(figure.spent.amount), str(figure.asked.amount), figure.lines, budget


def places(shown: Overview) -> dict[str, tuple[str, str, int, str | None]]:
    return {place.name: plain(place.figure) for place in shown.places}


def test_a_quarter_of_one_company(told: Told) -> None:
    shown = told.overview("finance")
    assert plain(shown.total) == ("887.00", "30.00", 5, "106000.00")
    assert places(shown) == {
        "销售部": ("821.00", "30.00", 4, "103000.00"),
        "研发部": ("66.00", "0.00", 1, None),
        "": ("0.00", "0.00", 0, "3000.00"),  # the company's own budget: a quarter of a year's 12,000
    }
    assert {kind.category.value: plain(kind.figure) for kind in shown.kinds} == {
        "rail": ("553.00", "0.00", 1, None),
        "taxi": ("268.00", "30.00", 3, None),
        "office": ("66.00", "0.00", 1, None),
    }
    assert [kind.category.value for kind in shown.kinds] == ["rail", "taxi", "office"]


def test_months_add_up_to_the_period_although_thirds_do_not(told: Told) -> None:
    shown = told.overview("finance")
    told_months = {str(month.day)[:7]: (*plain(month.figure), month.is_inside) for month in shown.months}
    assert told_months == {
        "2026-07": ("0.00", "0.00", 0, "1000.00", False),
        "2026-08": ("0.00", "0.00", 0, "1000.00", False),
        "2026-09": ("100.00", "0.00", 1, "1000.00", False),
        "2026-10": ("200.00", "0.00", 1, "35333.33", True),
        "2026-11": ("687.00", "30.00", 4, "35333.34", True),
        "2026-12": ("0.00", "0.00", 0, "35333.33", True),
    }
    inside = [month.figure.budget or cny("0") for month in shown.months if month.is_inside]
    assert Money.total(inside, "CNY") == shown.total.budget


def test_part_of_a_month_weighs_what_part_it_is(told: Told) -> None:
    Budget.objects.update(currency="USD")  # out of the way
    # Half of November and the whole of December: a third and two thirds.
    Budget.objects.create(
        name="半月", entity=told.company.entity, start=date(2026, 11, 16), end=date(2027, 1, 1), amount="900"
    )
    shown = told.overview("finance")
    assert [str(month.figure.budget) for month in shown.months[-3:]] == ["None", "300.00 CNY", "600.00 CNY"]


def test_over_the_standard(told: Told) -> None:
    shown = told.overview("finance")
    assert (shown.excess.lines, shown.excess.reports, shown.excess.money) == (1, 1, cny("120.00"))
    assert shown.over_share == Decimal("20.0")
    assert {kind.category.value: kind.excess.money for kind in shown.kinds if kind.excess.lines} == {
        "taxi": cny("120.00")
    }
    (worst,) = shown.worst
    assert (worst.number, worst.owner, worst.department, worst.state, worst.reason, worst.excess) == (
        told.papers["a"].number, "owner", "销售部", "paid", "深夜无地铁", cny("120.00"),
    )  # fmt: skip
    assert told.overview("finance", period="month").excess.lines == 0  # the dear taxi was in October


def test_how_long_it_took(told: Told) -> None:
    times = told.overview("finance").times
    approval = times["approval"]
    assert (approval.count, approval.median, approval.ninth_decile) == (
        4, 5 * HOUR, 7 * HOUR + timedelta(minutes=24),
    )  # fmt: skip
    assert [(name, times[name].count, times[name].median) for name in ("audit", "payment", "whole")] == [
        ("audit", 1, 24 * HOUR),
        ("payment", 1, 48 * HOUR),
        ("whole", 1, 74 * HOUR),
    ]
    before = told.overview("finance", of="2026-08").times["whole"]
    assert (before.count, before.median, before.ninth_decile) == (0, None, None)


@pytest.mark.parametrize(
    ("who", "spent", "asked", "budget"),
    [
        ("finance", "887.00", "30.00", "106000.00"),
        ("auditor", "887.00", "30.00", "106000.00"),
        ("administrator", "887.00", "30.00", "106000.00"),
        ("head", "887.00", "30.00", "103000.00"),  # head of the root department, not of the company's money
        ("approver", "821.00", "30.00", "103000.00"),
        ("lead", "20.00", "0.00", "3000.00"),
        ("foreigner", "70.00", "0.00", "5000.00"),
        ("chief", "957.00", "30.00", "111000.00"),
        # No role: only what they spent themselves, and nobody's budget.
        ("owner", "248.00", "30.00", None),
        ("junior", "20.00", "0.00", None),
        ("cashier", "0.00", "0.00", None),
        ("stranger", "0.00", "0.00", None),
    ],
)
def test_who_sees_what(told: Told, who: str, spent: str, asked: str, budget: str | None) -> None:
    shown = told.overview(who)
    assert plain(shown.total)[:2] == (spent, asked)
    assert plain(shown.total)[3] == budget
    assert Money.total([kind.figure.spent for kind in shown.kinds], "CNY") == shown.total.spent
    behind = papers(shown.question, size=50)
    assert behind.money == shown.total.spent
    waiting = papers(shown.question, "asked", size=50)
    assert waiting.money == shown.total.asked
    if budget is None:
        assert shown.places == []
    else:
        assert Money.total([place.figure.spent for place in shown.places], "CNY") == shown.total.spent


def test_times_and_excess_are_the_readers_own_as_well(told: Told) -> None:
    lead = told.overview("lead")
    assert (lead.times["approval"].count, lead.times["approval"].median) == (1, 6 * HOUR)
    assert (lead.excess.lines, lead.worst) == (0, [])
    assert told.overview("stranger").times["approval"].count == 0


def test_a_manager_opens_the_own_tree_step_by_step(told: Told) -> None:
    shown = told.overview("approver")
    assert [(place.name, place.is_itself, place.can_open) for place in shown.places] == [
        ("销售部", True, False),
        ("华东组", False, False),
    ]
    assert places(shown) == {
        "销售部": ("801.00", "30.00", 3, "100000.00"),
        "华东组": ("20.00", "0.00", 1, "3000.00"),
    }
    team = str(told.department("销售部").pk)
    assert papers(told.ask("approver", department=team, direct="1"), size=50).money == cny("801.00")
    below = told.overview("approver", department=str(told.department("华东组").pk))
    assert plain(below.total) == ("20.00", "0.00", 1, "3000.00")
    assert [one.name for one in below.question.crumbs] == ["销售部", "华东组"]


def test_several_companies_stand_side_by_side(told: Told) -> None:
    shown = told.overview("chief")
    assert {place.name: (place.figure.spent.amount, place.can_open) for place in shown.places} == {
        "公司": (Decimal("887.00"), True),
        "销售部": (Decimal("70.00"), False),
        "": (Decimal("0.00"), False),
    }
    assert plain(told.overview("chief", entity="BJ").total) == ("70.00", "0.00", 1, "5000.00")


def test_what_is_out_of_reach_is_not_there(told: Told) -> None:
    root, group = told.department("公司"), told.department("华东组")
    for who, said in (
        ("approver", {"department": str(root.pk)}),
        ("stranger", {"department": str(group.pk)}),
        ("foreigner", {"department": str(group.pk)}),
        ("finance", {"entity": "BJ"}),
        ("approver", {"entity": "BJ"}),
        ("approver", {"department": "9" * 30}),
        ("approver", {"department": "销售部"}),
    ):
        with pytest.raises(NotFound):
            told.ask(who, **said)


def test_turning_to_another_company_leaves_the_department(told: Told) -> None:
    question = told.ask("chief", entity="BJ", department=str(told.department("华东组").pk))
    assert question.department is None
    assert [one.name for one in question.departments] == ["销售部"]


def test_nonsense_counts_as_not_said(told: Told) -> None:
    question = told.ask("finance", period="century", of="2026-13")
    assert question.window == Window.around(Span.QUARTER, date(2026, 11, 29))
    with pytest.raises(UnknownCurrency):
        told.ask("finance", currency="ZZZ")


def test_another_currency_is_counted_apart(told: Told) -> None:
    ExpenseReport.objects.filter(pk=told.papers["e"].pk).update(currency="USD")
    shown = told.overview("finance")
    assert shown.total.spent == cny("821.00")
    assert shown.others == {"USD": Money("66.00", "USD")}
    dollars = told.overview("finance", currency="USD")
    assert (dollars.total.spent, dollars.total.budget) == (Money("66.00", "USD"), None)
    assert dollars.others == {"CNY": cny("821.00")}
    assert not CurrencyRate.objects.exists()  # nothing is converted, so no rate is needed


def test_papers_behind_a_figure(told: Told) -> None:
    question = told.ask("finance")
    spent = papers(question, size=2)
    assert (spent.count, spent.money) == (4, cny("887.00"))
    assert [(row.number, row.money) for row in spent.rows] == [
        (told.papers["b"].number, cny("553.00")),
        (told.papers["a"].number, cny("248.00")),
    ]
    rest = papers(question, size=2, skip=2)
    assert [(row.number, row.lines, row.money, row.total) for row in rest.rows] == [
        (told.papers["e"].number, 1, cny("66.00"), cny("66.00")),
        (told.papers["c"].number, 1, cny("20.00"), cny("120.00")),  # its other line belongs to September
    ]
    taxis = papers(question, category="taxi", size=50)
    assert (taxis.count, taxis.money) == (2, cny("268.00"))
    over = papers(question, "over", size=50)
    assert [(row.number, row.money) for row in over.rows] == [(told.papers["a"].number, cny("120.00"))]
    slowest = papers(question, "approval", size=1)
    assert (slowest.count, slowest.money) == (4, None)
    assert [(row.number, row.took) for row in slowest.rows] == [(told.papers["e"].number, 8 * HOUR)]
    assert papers(question, size=50, skip=50).rows == []


def test_the_number_of_statements_does_not_grow(told: Told) -> None:
    with CaptureQueriesContext(
        connection,
    ) as few:
        told.overview("finance")
    for no in range(6):
        told.decided(
            line("meals", "40.00", date(2026, 10, 1 + no)),
            taxi("21.00"),
            owner="colleague",
            by="approver",
            after=HOUR,
        )
    assert ExpenseLine.objects.count() == 10 + 12
    with CaptureQueriesContext(connection) as many:
        shown = told.overview("finance")
    assert shown.total.spent == cny("1253.00")
    assert len(many) == len(few) == 1 + 2 + 4  # who asks, what they may choose from, the figures
    team = str(told.department("销售部").pk)
    with CaptureQueriesContext(connection) as listed:
        papers(told.ask("finance", department=team), "over", size=50)
    assert len(listed) == 1 + 2 + 1


@pytest.mark.parametrize(
    ("span", "period", "chart", "earlier", "later"),
    [
        (Span.MONTH, ("2026-11-01", "2026-12-01"), "2025-12-01", "2026-10", "2026-12"),
        (Span.QUARTER, ("2026-10-01", "2027-01-01"), "2026-01-01", "2026-09", "2027-03"),
        (Span.YEAR, ("2026-01-01", "2027-01-01"), "2026-01-01", "2025-12", "2027-12"),
        (Span.TWELVE, ("2025-12-01", "2026-12-01"), "2025-12-01", "2025-11", "2027-11"),
    ],
)
def test_windows(span: Span, period: tuple[str, str], chart: str, earlier: str, later: str) -> None:
    window = Window.around(span, date(2026, 11, 29))
    assert (str(window.period.start), str(window.period.end)) == period
    assert (str(window.chart.start), window.chart.end) == (chart, window.period.end)
    assert (window.earlier.of, window.later.of) == (earlier, later)
    # What an address says leads back to the same window.
    assert Window.around(span, date.fromisoformat(f"{window.of}-01")) == window
    assert window.later.earlier == window


def test_how_much_time_has_gone(told: Told) -> None:
    today = date(2026, 11, 29)
    gone: Any = {span: Window.around(span, today).gone(today) for span in Span}
    assert gone == {Span.MONTH: 96, Span.QUARTER: 65, Span.YEAR: 91, Span.TWELVE: None}
    assert Window.around(Span.MONTH, date(2026, 10, 1)).gone(today) is None
