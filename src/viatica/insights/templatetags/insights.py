"""What the pages of figures need beyond the front's tags: addresses that keep the question, bars, short figures."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, assert_never
from urllib.parse import urlencode

from babel.dates import format_date
from babel.numbers import format_compact_decimal, format_decimal
from django import template
from django.template import Context
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext

from viatica.insights.queries import Figure
from viatica.insights.windows import Span, Window
from viatica.kernel.money import Money

register = template.Library()
WHOLE = 1000  # a bar's length in its own units


def _locale() -> str:
    return "zh_Hans_CN" if (get_language() or "").startswith("zh") else "en_GB"


@register.simple_tag(takes_context=True)
def asked(context: Context, name: str, **changes: Any) -> str:
    """The address of `insights:<name>` for the same question, with `changes`."""
    return f"{reverse(f'insights:{name}')}?{urlencode(context['question'].params(**changes))}"


@register.filter
def short(money: Money) -> str:
    """8.4万, 84K, and 7,369 while there is room for it."""
    if abs(money.amount) < 10_000:
        return str(format_decimal(money.amount, "#,##0", locale="en"))
    return str(format_compact_decimal(money.amount, locale=_locale(), fraction_digits=1))


@register.filter
def month(day: date) -> str:
    """9月; with the year where one begins."""
    chinese = _locale().startswith("zh")
    return str(format_date(day, "M月" if chinese else "MMM", locale=_locale()))


@register.filter
def month_and_year(day: date) -> str:
    return str(format_date(day, "y年M月" if _locale().startswith("zh") else "MMMM y", locale=_locale()))


@register.filter
def period_name(window: Window) -> str:
    """2026年11月, 2026年第4季度, 2026年, 2025年12月 – 2026年11月."""
    chinese = _locale().startswith("zh")
    start, last = window.period.start, window.period.last
    match window.span:
        case Span.MONTH:
            return month_and_year(start)
        case Span.QUARTER:
            return str(format_date(start, "y年第Q季度" if chinese else "QQQ y", locale=_locale()))
        case Span.YEAR:
            return str(format_date(start, "y年" if chinese else "y", locale=_locale()))
        case Span.TWELVE:
            return f"{month_and_year(start)} – {month_and_year(last)}"
        case _:
            assert_never(window.span)


@register.filter
def took(length: timedelta | None) -> str:
    """How long something takes, with one decimal where it matters: 3.5 hours, 2.1 days."""
    if length is None:
        return "–"
    hours = Decimal(round(length.total_seconds())) / 3600
    if hours < 1:
        return gettext("{n} minutes").format(n=max(1, round(hours * 60)))
    if hours < 36:
        return gettext("{n} hours").format(n=_one_decimal(hours))
    return gettext("{n} days").format(n=_one_decimal(hours / 24))


def _one_decimal(value: Decimal) -> str:
    return str(value.quantize(Decimal("0.1"))).removesuffix(".0")


@register.simple_tag
def bar(figure: Figure, longest: Decimal) -> SafeString:
    """Spent, asked beside it, and a mark where the budget ends. The words beside it say the same."""
    return format_html(
        '<svg class="bar figure-bar" viewBox="0 0 1000 8" preserveAspectRatio="none" aria-hidden="true">{}</svg>',
        format_html_join(
            "", '<rect class="{}" x="{}" y="0" width="{}" height="8"></rect>', _parts(figure, longest)
        ),
    )


def _parts(figure: Figure, longest: Decimal) -> list[tuple[str, int, int]]:
    def place(amount: Decimal) -> int:
        return int(amount * WHOLE / longest) if longest else 0

    spent, limit = figure.spent.amount, figure.budget.amount if figure.budget else None
    within = spent if limit is None else min(spent, limit)
    parts = [
        ("spent", 0, place(within)),
        ("over", place(within), place(spent) - place(within)),
        ("asked", place(spent), place(spent + figure.asked.amount) - place(spent)),
    ]
    shown = [part for part in parts if part[2] > 0]
    if limit is not None:
        shown.append(("limit", min(place(limit), WHOLE - 4), 4))
    return shown


@register.simple_tag
def column(figure: Figure, longest: Decimal) -> SafeString:
    """The same, standing."""
    rects = [(name, WHOLE - x - size, size) for name, x, size in _parts(figure, longest)]
    return format_html(
        '<svg class="column-bar" viewBox="0 0 100 1000" preserveAspectRatio="none" aria-hidden="true">{}</svg>',
        format_html_join(
            "",
            '<rect class="{}" x="{}" y="{}" width="{}" height="{}"></rect>',
            ((name, 0 if name == "limit" else 14, y, 100 if name == "limit" else 72, 8 if name == "limit" else height)
             for name, y, height in rects),
        ),
    )  # fmt: skip
