"""`/api/v1/insights`: the figures of the page, and the papers behind them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field, StringConstraints

from viatica.documents.papers import MoneyData
from viatica.insights import queries
from viatica.insights.questions import ask
from viatica.insights.windows import MONTH, Span
from viatica.kernel.money import Money
from viatica.offices.access.doors import viewer
from viatica.offices.company.categories import Category

router = Router(tags=["insights"])
MOST = 100


class Asked(Schema):
    """The filters of the page. Without `of`: the period of today."""

    period: Span = Span.QUARTER
    of: Annotated[str, StringConstraints(pattern=f"^{MONTH}$")] | None = Field(
        None, description="A month of the period.", examples=["2026-11"]
    )
    entity: Annotated[str, StringConstraints(max_length=16)] | None = Field(None, description="Its code.")
    department: int | None = Field(None, ge=1, le=2**62, description="Its id, as listed under `departments`.")
    direct: bool = Field(False, description="The department without those below it.")
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = None


class PapersAsked(Asked):
    what: Literal["spent", "asked", "over", "approval", "audit", "payment", "whole"] = "spent"
    category: Category | None = None
    page: int = Field(1, ge=1, le=1000)
    size: int = Field(50, ge=1, le=MOST)


class FigureOut(Schema):
    """`used`: per cent of the budget; null where no budget is shown."""

    spent: MoneyData
    asked: MoneyData
    lines: int
    budget: MoneyData | None
    used: int | None


class MonthOut(FigureOut):
    month: date
    in_period: bool


class DepartmentOut(FigureOut):
    """`id` null: what belongs to no department in reach. `is_itself`: spent directly, not by departments below."""

    id: int | None
    name: str
    can_open: bool
    is_itself: bool


class ExcessOut(Schema):
    lines: int
    reports: int
    amount: MoneyData


class CategoryOut(FigureOut):
    category: Category
    over_standard: ExcessOut


class TookOut(Schema):
    """Hours. Counted are the reports that ended the stretch in the period."""

    reports: int
    median_hours: float | None
    ninth_decile_hours: float | None


class OverviewOut(Schema):
    start: date
    end: date = Field(description="The day after the last.")
    currency: str
    total: FigureOut
    months: list[MonthOut]
    departments: list[DepartmentOut]
    categories: list[CategoryOut]
    over_standard: ExcessOut
    times: dict[str, TookOut] = Field(description="By stretch: approval, audit, payment, whole.")
    other_currencies: list[MoneyData]


class PaperOut(Schema):
    """`amount` is the part the figure counts."""

    number: str
    title: str
    owner: str
    department: str
    entity: str
    state: str
    submitted_at: datetime | None
    lines: int
    amount: MoneyData
    total: MoneyData
    took_hours: float | None


class PapersOut(Schema):
    items: list[PaperOut]
    count: int
    amount: MoneyData | None
    next_page: int | None


@router.get(
    "", response=OverviewOut, summary="Spending against budget, exceptions and times, as far as you may see"
)
def get_overview(request: HttpRequest, asked: Query[Asked]) -> Any:
    shown = queries.overview(ask(asked.dict(), viewer(request)))
    period = shown.question.window.period
    return {
        "start": period.start,
        "end": period.end,
        "currency": shown.question.currency,
        "total": _figure(shown.total),
        "months": [{**_figure(one.figure), "month": one.day, "in_period": one.is_inside} for one in shown.months],
        "departments": [
            {
                **_figure(one.figure), "id": one.id, "name": one.name, "can_open": one.can_open, "is_itself": one.is_itself,
            }
            for one in shown.places
        ],
        "categories": [
            {**_figure(one.figure), "category": one.category, "over_standard": _excess(one.excess)} for one in shown.kinds
        ],
        "over_standard": _excess(shown.excess),
        "times": {
            stretch: {
                "reports": took.count,
                "median_hours": _hours(took.median),
                "ninth_decile_hours": _hours(took.ninth_decile),
            }
            for stretch, took in shown.times.items()
        },
        "other_currencies": [_money(money) for money in shown.others.values()],
    }  # fmt: skip


@router.get("/documents", response=PapersOut, summary="The reports behind a figure, what weighs most first")
def list_papers(request: HttpRequest, asked: Query[PapersAsked]) -> Any:
    question = ask(asked.dict(), viewer(request))
    skip = (asked.page - 1) * asked.size
    found = queries.papers(question, asked.what, category=asked.category, size=asked.size, skip=skip)
    return {
        "items": [
            {
                "number": one.number,
                "title": one.title,
                "owner": one.owner,
                "department": one.department,
                "entity": one.entity,
                "state": one.state,
                "submitted_at": one.submitted_at,
                "lines": one.lines,
                "amount": _money(one.money),
                "total": _money(one.total),
                "took_hours": _hours(one.took),
            }
            for one in found.rows
        ],
        "count": found.count,
        "amount": None if found.money is None else _money(found.money),
        "next_page": asked.page + 1 if skip + asked.size < found.count and asked.page < 1000 else None,
    }


def _money(money: Money) -> MoneyData:
    return MoneyData.of(money.amount, money.currency)


def _figure(figure: queries.Figure) -> dict[str, Any]:
    return {
        "spent": _money(figure.spent),
        "asked": _money(figure.asked),
        "lines": figure.lines,
        "budget": None if figure.budget is None else _money(figure.budget),
        "used": figure.used,
    }


def _excess(excess: queries.Excess) -> dict[str, Any]:
    return {"lines": excess.lines, "reports": excess.reports, "amount": _money(excess.money)}


def _hours(length: timedelta | None) -> float | None:
    return None if length is None else round(length.total_seconds() / 3600, 2)
