"""What was spent, against which budget, how far over the standard, and how long it took. Sets, never rows.

Spent: the lines of reports approved or later, by the day of the line. Asked: the lines of reports in approval.
A question costs the same number of statements whatever the amount of data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import IntEnum
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext_lazy as _

from viatica.documents.expense.models import ReportState
from viatica.insights.questions import Question
from viatica.insights.windows import months_of
from viatica.kernel.money import Money
from viatica.kernel.periods import Period
from viatica.offices.company.categories import Category

SPENT = (ReportState.TO_AUDIT, ReportState.TO_PAY, ReportState.PAID)
ASKED = (ReportState.IN_APPROVAL,)
FEWEST_MONTHS = 6
WORST = 6


@dataclass(slots=True)
class Figure:
    """`budget` None: none covers it, or nobody shows one to this reader."""

    spent: Money
    asked: Money
    lines: int = 0
    budget: Money | None = None

    @property
    def used(self) -> int | None:
        """Per cent of the budget that is spent, rounded down."""
        if self.budget is None or not self.budget:
            return None
        return int(self.spent.amount * 100 / self.budget.amount)

    @property
    def left(self) -> Money | None:
        return None if self.budget is None else self.budget - self.spent

    @property
    def is_over(self) -> bool:
        return self.budget is not None and self.spent > self.budget

    @property
    def extent(self) -> Decimal:
        """The longest of what a bar of it shows."""
        budget = self.budget.amount if self.budget else Decimal(0)
        return max(self.spent.amount + self.asked.amount, budget)


@dataclass(slots=True)
class Month:
    day: date
    figure: Figure
    is_inside: bool


@dataclass(slots=True)
class Place:
    """A department with all below it. `is_itself`: what the department at the top spent directly.

    `id` None: what belongs to no department in reach, such as a budget of a whole company.
    """

    id: int | None
    name: str
    figure: Figure
    can_open: bool
    is_itself: bool


@dataclass(slots=True)
class Excess:
    """What went over the standard: lines, reports, and by how much."""

    lines: int
    reports: int
    money: Money


@dataclass(slots=True)
class Kind:
    category: Category
    figure: Figure
    excess: Excess


@dataclass(frozen=True, slots=True)
class Worst:
    """A report that went far over the standard."""

    number: str
    title: str
    owner: str
    department: str
    state: str
    reason: str
    lines: int
    excess: Money


@dataclass(frozen=True, slots=True)
class Took:
    """One stretch of a report's way: how many ended it in the period, and how long it took half and nine of ten."""

    stretch: str
    count: int
    median: timedelta | None
    ninth_decile: timedelta | None


@dataclass(slots=True)
class Overview:
    question: Question
    total: Figure
    months: list[Month]
    places: list[Place]
    kinds: list[Kind]
    excess: Excess
    worst: list[Worst]
    times: dict[str, Took]
    others: dict[str, Money] = field(default_factory=dict)

    @property
    def over_share(self) -> Decimal | None:
        """Per cent of the lines that are over the standard, with one decimal."""
        if not self.total.lines:
            return None
        return (Decimal(self.excess.lines) * 100 / self.total.lines).quantize(Decimal("0.1"))

    @property
    def is_empty(self) -> bool:
        return not any(month.figure.spent or month.figure.asked for month in self.months)


def overview(question: Question) -> Overview:
    """Four statements."""
    cube = _spending(question)
    plan = _budgets(question)
    excess, by_category, worst = _excess(question)
    total = cube.total
    total.budget = plan.total
    return Overview(
        question=question,
        total=total,
        months=_months(question, cube, plan),
        places=_places(question, cube, plan),
        kinds=_kinds(question, cube, plan, by_category),
        excess=excess,
        worst=worst,
        times=_times(question),
        others=cube.others,
    )


# What was spent

# Add the lines up once, finely; everything else is made of these few thousand cells.
_SPENDING = """
WITH cells AS MATERIALIZED (
    SELECT date_trunc('month', l.day::timestamp)::date AS month, r.department_id, l.category, r.currency,
           coalesce(sum(l.amount) FILTER (WHERE r.state <> ALL(%(asked)s)), 0) AS spent,
           coalesce(sum(l.amount) FILTER (WHERE r.state = ANY(%(asked)s)), 0) AS asked,
           count(*) FILTER (WHERE r.state <> ALL(%(asked)s)) AS lines
      FROM expense_expenseline l
      JOIN expense_expensereport r ON r.id = l.report_id
      JOIN company_department d ON d.id = r.department_id
     WHERE l.day >= %(from)s AND l.day < %(until)s AND r.state = ANY(%(counted)s) AND {where}
     GROUP BY 1, 2, 3, 4
), placed AS (
    SELECT c.*, c.month >= %(start)s AS inside,
           coalesce(nullif(split_part(d.path, '/', base.at), '')::bigint, CASE WHEN base.at IS NOT NULL THEN d.id END) AS place
      FROM cells c
      JOIN company_department d ON d.id = c.department_id
      LEFT JOIN unnest(%(bases)s::text[], %(at)s::int[]) AS base(path, at) ON starts_with(d.path, base.path)
), sums AS (
    SELECT grouping(month, place, category) AS level, currency, month, place, category,
           sum(spent) AS spent, sum(asked) AS asked, sum(lines) AS lines
      FROM placed
     GROUP BY GROUPING SETS ((currency, month), (currency, inside, place), (currency, inside, category), (currency, inside))
    HAVING grouping(inside) = 1 OR inside
)
SELECT s.level, s.currency, s.month, s.place, s.category, s.spent, s.asked, s.lines, {name}
  FROM sums s LEFT JOIN company_department d ON d.id = s.place
"""
# A department's name, and whether the reader may look below it.
_NAME = """coalesce(d.name, ''), d.id IS NOT NULL AND {reach} AND EXISTS (
    SELECT 1 FROM company_department c WHERE c.parent_id = d.id)"""


class Level(IntEnum):
    """What a row adds up, as `grouping(month, place, category)` tells it."""

    MONTH = 0b011
    PLACE = 0b101
    CATEGORY = 0b110
    TOTAL = 0b111


@dataclass(slots=True)
class _Cube:
    total: Figure
    months: dict[date, Figure] = field(default_factory=dict)
    places: dict[int | None, Figure] = field(default_factory=dict)
    kinds: dict[str, Figure] = field(default_factory=dict)
    names: dict[int | None, tuple[str, bool]] = field(default_factory=dict)
    others: dict[str, Money] = field(default_factory=dict)


def _spending(question: Question) -> _Cube:
    where = question.of_reports()
    reach = question.scope.departments()
    sql = _SPENDING.format(where=where.sql, name=_NAME.format(reach=reach.sql))
    chart = question.window.chart
    values = {
        **where.values, **reach.values, **_bases(question),
        "asked": list(ASKED), "counted": [*SPENT, *ASKED], "start": question.window.period.start,
        "from": chart.start, "until": chart.end,
    }  # fmt: skip
    zero = Money.zero(question.currency)
    cube = _Cube(Figure(zero, zero))
    for level, currency, month, place, category, spent, asked, lines, name, can_open in _rows(sql, values):
        if currency != question.currency:
            if level == Level.TOTAL and spent:
                cube.others[currency] = Money(spent, currency)
            continue
        figure = Figure(Money(spent, currency), Money(asked, currency), int(lines))
        match level:
            case Level.MONTH:
                cube.months[month] = figure
            case Level.PLACE:
                cube.places[place] = figure
                cube.names[place] = (name, can_open)
            case Level.CATEGORY:
                cube.kinds[category] = figure
            case _:
                cube.total = figure
    return cube


def _bases(question: Question) -> dict[str, Any]:
    bases = question.bases
    return {"bases": [path for path, _ in bases], "at": [at for _, at in bases]}


def _rows(sql: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


# What was planned

# A budget counts evenly over its months: each weighs 1, a part of a month what part it is.
_BUDGETS = """
WITH wanted AS (
    SELECT b.id, b.amount, b.currency, b.category, b.start, b."end",
           coalesce(nullif(split_part(d.path, '/', base.at), '')::bigint, CASE WHEN base.at IS NOT NULL THEN d.id END) AS place
      FROM budget_budget b
      LEFT JOIN company_department d ON d.id = b.department_id
      LEFT JOIN unnest(%(bases)s::text[], %(at)s::int[]) AS base(path, at) ON starts_with(d.path, base.path)
     WHERE b.start < %(until)s AND b."end" > %(from)s AND b.currency = %(currency)s AND {where}
), weighed AS (
    SELECT w.*, m.month::date AS month,
           (least(w."end", (m.month + interval '1 month')::date) - greatest(w.start, m.month::date))::numeric
           / ((m.month + interval '1 month')::date - m.month::date) AS weight
      FROM wanted w
      CROSS JOIN LATERAL generate_series(
           date_trunc('month', w.start::timestamp), (w."end" - 1)::timestamp, interval '1 month') AS m(month)
), spread AS (
    SELECT month, month >= %(start)s AS inside, place, category,
           amount * weight / sum(weight) OVER (PARTITION BY id) AS amount
      FROM weighed
), sums AS (
    SELECT grouping(month, place, category) AS level, month, place, category, sum(amount) AS amount
      FROM spread
     WHERE month >= %(from)s AND month < %(until)s
     GROUP BY GROUPING SETS ((month), (inside, place), (inside, category), (inside))
    HAVING grouping(inside) = 1 OR inside
)
SELECT s.level, s.month, s.place, s.category, s.amount, {name}
  FROM sums s LEFT JOIN company_department d ON d.id = s.place
"""


@dataclass(slots=True)
class _Plan:
    """Rounded half up, once; the months so that they add up."""

    total: Money | None = None
    months: dict[date, Money] = field(default_factory=dict)
    places: dict[int | None, Money] = field(default_factory=dict)
    kinds: dict[str, Money] = field(default_factory=dict)
    names: dict[int | None, tuple[str, bool]] = field(default_factory=dict)


def _budgets(question: Question) -> _Plan:
    where = question.of_budgets()
    reach = question.scope.departments()
    sql = _BUDGETS.format(where=where.sql, name=_NAME.format(reach=reach.sql))
    chart = question.window.chart
    values = {
        **where.values, **reach.values, **_bases(question), "currency": question.currency,
        "start": question.window.period.start, "from": chart.start, "until": chart.end,
    }  # fmt: skip
    plan = _Plan()
    months: dict[date, Decimal] = {}
    for level, month, place, category, amount, name, can_open in _rows(sql, values):
        match level:
            case Level.MONTH:
                months[month] = amount
            case Level.PLACE:
                plan.places[place] = Money.rounded(amount, question.currency)
                plan.names[place] = (name, can_open)
            case Level.CATEGORY if category:
                plan.kinds[category] = Money.rounded(amount, question.currency)
            case Level.TOTAL:
                plan.total = Money.rounded(amount, question.currency)
    plan.months = _rounded_together(months, question.window.period, question.currency)
    return plan


def _rounded_together(parts: dict[date, Decimal], period: Period, currency: str) -> dict[date, Money]:
    """Each month rounded so that those of the period add up to the rounded sum of the period."""
    rounded: dict[date, Money] = {}
    for inside in (False, True):
        so_far, told = Decimal(0), Money.zero(currency)
        for month in sorted(month for month in parts if (month in period) == inside):
            so_far += parts[month]
            rounded[month] = Money.rounded(so_far, currency) - told
            told += rounded[month]
    return rounded


# Together


def _months(question: Question, cube: _Cube, plan: _Plan) -> list[Month]:
    """The months of the chart, from the first with spending; those of the period and at least six."""
    zero = Money.zero(question.currency)
    months = []
    for day in months_of(question.window.chart):
        figure = cube.months.get(day) or Figure(zero, zero)
        figure.budget = plan.months.get(day)
        months.append(Month(day, figure, day in question.window.period))
    first = next(
        (no for no, one in enumerate(months) if one.figure.spent or one.figure.asked or one.is_inside), 0
    )
    return months[min(first, len(months) - FEWEST_MONTHS) :]


def _places(question: Question, cube: _Cube, plan: _Plan) -> list[Place]:
    """Dearest first; those with a budget and no spending last. Nothing of it for one's own expenses."""
    if question.scope.is_own:
        return []
    zero = Money.zero(question.currency)
    itself = {
        int(path.strip("/").rsplit("/", 1)[-1]) for path, at in question.bases if at == path.count("/") + 1
    }
    names = {**plan.names, **cube.names}
    places = []
    for id_, (name, can_open) in names.items():
        figure = cube.places.get(id_) or Figure(zero, zero)
        figure.budget = plan.places.get(id_)
        is_itself = id_ in itself
        places.append(Place(id_, name, figure, can_open and not is_itself, is_itself))
    return sorted(places, key=lambda one: (-one.figure.spent.amount, -one.figure.extent, one.id or 0))


def _kinds(question: Question, cube: _Cube, plan: _Plan, excess: dict[str, Excess]) -> list[Kind]:
    zero = Money.zero(question.currency)
    kinds = []
    for category in Category:
        figure = cube.kinds.get(category) or Figure(zero, zero)
        figure.budget = plan.kinds.get(category)
        if figure.spent or figure.asked or figure.budget:
            kinds.append(Kind(category, figure, excess.get(category) or Excess(0, 0, zero)))
    return sorted(kinds, key=lambda one: (-one.figure.spent.amount, -one.figure.extent))


# Over the standard

# A line's day is not after its report was handed in, so older reports need not be opened.
_EXCESS = """
WITH found AS (
    SELECT r.id AS report_id, l.category, l.no, max(l.reason) AS reason,
           sum((f.finding -> 'excess' ->> 'amount')::numeric) AS excess
      FROM expense_expensereport r
      JOIN company_department d ON d.id = r.department_id
      CROSS JOIN LATERAL jsonb_array_elements(r.findings) AS f(finding)
      JOIN expense_expenseline l ON l.report_id = r.id AND l.no = (f.finding ->> 'line_index')::int
     WHERE r.findings <> '[]' AND r.submitted_at >= %(since)s AND r.state = ANY(%(counted)s) AND r.currency = %(currency)s
       AND jsonb_typeof(f.finding -> 'excess') = 'object'
       AND l.day >= %(from)s AND l.day < %(until)s AND {where}
     GROUP BY 1, 2, 3
), sums AS (
    SELECT grouping(category, report_id) AS level, category, report_id, count(*) AS lines,
           count(DISTINCT report_id) AS reports, sum(excess) AS excess,
           (array_agg(reason ORDER BY excess DESC) FILTER (WHERE reason <> ''))[1] AS reason
      FROM found
     GROUP BY GROUPING SETS ((), (category), (report_id))
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY level ORDER BY excess DESC, report_id DESC) AS rank FROM sums
)
SELECT k.level, k.category, k.lines, k.reports, coalesce(k.excess, 0), coalesce(k.reason, ''),
       r.number, r.title, e.name, d.name, r.state
  FROM ranked k
  LEFT JOIN expense_expensereport r ON r.id = k.report_id
  LEFT JOIN company_employee e ON e.id = r.owner_id
  LEFT JOIN company_department d ON d.id = r.department_id
 WHERE k.level <> %(by_report)s OR k.rank <= %(worst)s
 ORDER BY k.level, k.rank
"""


class ExcessLevel(IntEnum):
    """`grouping(category, report_id)`."""

    CATEGORY = 0b01
    REPORT = 0b10
    TOTAL = 0b11


def _excess(question: Question) -> tuple[Excess, dict[str, Excess], list[Worst]]:
    where = question.of_reports()
    period = question.window.period
    values = {
        **where.values, "counted": list(SPENT), "currency": question.currency, "from": period.start, "until": period.end,
        "since": _midnight(period.start), "by_report": ExcessLevel.REPORT.value, "worst": WORST,
    }  # fmt: skip
    whole = Excess(0, 0, Money.zero(question.currency))
    by_category: dict[str, Excess] = {}
    worst: list[Worst] = []
    rows = _rows(_EXCESS.format(where=where.sql), values)
    for level, category, lines, reports, amount, reason, number, title, owner, department, state in rows:
        money = Money(amount, question.currency)
        match level:
            case ExcessLevel.CATEGORY:
                by_category[category] = Excess(lines, reports, money)
            case ExcessLevel.REPORT:
                worst.append(Worst(number, title, owner, department, state, reason, lines, money))
            case _:
                whole = Excess(lines, reports, money)
    return whole, by_category, worst


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, ZoneInfo(settings.TIME_ZONE))


# How long it took

# Stretch → its two ends on the report; it counts when its end lies in the period.
STRETCHES = {
    "approval": ("submitted_at", "concluded_at"),
    "audit": ("concluded_at", "audited_at"),
    "payment": ("audited_at", "paid_at"),
    "whole": ("submitted_at", "paid_at"),
}


def _times(question: Question) -> dict[str, Took]:
    where = question.of_reports()
    columns = ", ".join(
        f"count(*) FILTER (WHERE {_in(end)}), "
        f"percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY r.{end} - r.{start}) FILTER (WHERE {_in(end)})"
        for start, end in STRETCHES.values()
    )
    either = " OR ".join(_in(end) for end in ("concluded_at", "audited_at", "paid_at"))
    sql = (
        f"SELECT {columns} FROM expense_expensereport r JOIN company_department d ON d.id = r.department_id "
        f"WHERE r.state = ANY(%(counted)s) AND ({either}) AND {where.sql}"
    )
    period = question.window.period
    values = {
        **where.values, "counted": list(SPENT), "since": _midnight(period.start), "before": _midnight(period.end),
    }  # fmt: skip
    (row,) = _rows(sql, values)
    return {
        stretch: Took(stretch, row[no * 2], *(row[no * 2 + 1] or (None, None)))
        for no, stretch in enumerate(STRETCHES)
    }


def _in(column: str) -> str:
    return f"(r.{column} >= %(since)s AND r.{column} < %(before)s)"


# The papers behind a figure


@dataclass(frozen=True, slots=True)
class Paper:
    """`money`: the part of the report that the figure counts. `took`: for the stretches of time."""

    number: str
    title: str
    owner: str
    department: str
    entity: str
    state: str
    submitted_at: datetime | None
    lines: int
    money: Money
    total: Money
    took: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Papers:
    """One page of them; `count` and `money` are of all. `money` None: times are not added up."""

    what: str
    rows: Sequence[Paper]
    count: int
    money: Money | None


WHATS = {
    "spent": _("Spent"),
    "asked": _("In approval"),
    "over": _("Over the standard"),
    "approval": _("Handed in to approved"),
    "audit": _("Approved to audited"),
    "payment": _("Audited to paid"),
    "whole": _("Handed in to paid"),
}

_OF_LINES = """
    SELECT r.id, count(*) AS lines, sum(l.amount) AS amount, NULL::interval AS took, sum(l.amount) AS rank
      FROM expense_expenseline l
      JOIN expense_expensereport r ON r.id = l.report_id
      JOIN company_department d ON d.id = r.department_id
     WHERE l.day >= %(from)s AND l.day < %(until)s AND r.state = ANY(%(counted)s) AND r.currency = %(currency)s
       AND (%(category)s::text IS NULL OR l.category = %(category)s) AND {where}
     GROUP BY r.id
"""
_OF_EXCESS = """
    SELECT r.id, count(DISTINCT l.no) AS lines, sum((f.finding -> 'excess' ->> 'amount')::numeric) AS amount,
           NULL::interval AS took, sum((f.finding -> 'excess' ->> 'amount')::numeric) AS rank
      FROM expense_expensereport r
      JOIN company_department d ON d.id = r.department_id
      CROSS JOIN LATERAL jsonb_array_elements(r.findings) AS f(finding)
      JOIN expense_expenseline l ON l.report_id = r.id AND l.no = (f.finding ->> 'line_index')::int
     WHERE r.findings <> '[]' AND r.submitted_at >= %(since)s AND r.state = ANY(%(counted)s) AND r.currency = %(currency)s
       AND jsonb_typeof(f.finding -> 'excess') = 'object'
       AND l.day >= %(from)s AND l.day < %(until)s
       AND (%(category)s::text IS NULL OR l.category = %(category)s) AND {where}
     GROUP BY r.id
"""
# The figures of time count every currency, and so does the list; nothing is added up.
_OF_TIME = """
    SELECT r.id, r.line_count AS lines, r.total_amount AS amount,
           r.{end} - r.{start} AS took, extract(epoch FROM r.{end} - r.{start}) AS rank
      FROM expense_expensereport r
      JOIN company_department d ON d.id = r.department_id
     WHERE r.state = ANY(%(counted)s) AND {within} AND {where}
"""
_PAPERS = """
WITH found AS ({found}), page AS (
    SELECT *, count(*) OVER () AS count, sum(amount) OVER () AS whole FROM found
     ORDER BY rank DESC, id DESC LIMIT %(size)s OFFSET %(skip)s
)
SELECT p.count, p.whole, r.number, r.title, e.name, d.name, n.name, r.state, r.submitted_at, p.lines, p.amount, r.total_amount,
       r.currency, p.took
  FROM page p
  JOIN expense_expensereport r ON r.id = p.id
  JOIN company_employee e ON e.id = r.owner_id
  JOIN company_department d ON d.id = r.department_id
  JOIN company_legalentity n ON n.id = r.entity_id
 ORDER BY p.rank DESC, p.id DESC
"""


def papers(
    question: Question, what: str = "spent", *, category: str | None = None, size: int, skip: int = 0
) -> Papers:
    """The reports behind a figure, what weighs most first. One statement; a page past the end is empty."""
    where = question.of_reports()
    period = question.window.period
    values = {
        **where.values, "counted": list(ASKED if what == "asked" else SPENT), "currency": question.currency,
        "category": category, "from": period.start, "until": period.end, "since": _midnight(period.start),
        "before": _midnight(period.end), "size": size, "skip": skip,
    }  # fmt: skip
    if what in STRETCHES:
        start, end = STRETCHES[what]
        found = _OF_TIME.format(start=start, end=end, within=_in(end), where=where.sql)
    else:
        found = (_OF_EXCESS if what == "over" else _OF_LINES).format(where=where.sql)
    rows = _rows(_PAPERS.format(found=found), values)
    count, whole = (rows[0][0], rows[0][1]) if rows else (0, Decimal(0))
    money = None if what in STRETCHES else Money(whole, question.currency)
    return Papers(what, [_paper(*row[2:]) for row in rows], count, money)


def _paper(*row: Any) -> Paper:
    number, title, owner, department, entity, state, at, lines, amount, total, currency, took = row
    return Paper(
        number, title, owner, department, entity, state, at, lines, Money(amount, currency), Money(total, currency), took
    )  # fmt: skip
