"""How amounts and times are written for people, in the active language and the company's zone."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from babel.dates import format_date
from babel.numbers import format_decimal
from django.utils import timezone
from django.utils.translation import get_language, gettext

from viatica.kernel.errors import ViaticaError
from viatica.kernel.money import Money, minor_unit

SYMBOLS = {"CNY": "¥", "USD": "$", "EUR": "€", "GBP": "£", "HKD": "HK$"}
MINUS = "−"
WITHIN = re.compile(r"(?<![\w.-])(-?\d+(?:\.\d{1,2})?) (CNY|USD|EUR|GBP|HKD|JPY|SGD|AUD|KRW|THB)\b")
AS_TEXT = re.compile(r"(-?\d+(?:\.\d+)?) ([A-Z]{3})")


def locale() -> str:
    return "zh_Hans_CN" if (get_language() or "").startswith("zh") else "en_GB"


def symbol(currency: str) -> str:
    """`¥` where a sign is unmistakable, else the code and a space: `JPY `."""
    return SYMBOLS.get(currency, f"{currency} ")


def figure(amount: Decimal | int, currency: str = "CNY") -> str:
    """`−1,280.50`: without its currency, which a column says once."""
    places = -int(minor_unit(currency).as_tuple().exponent)
    pattern = "#,##0." + "0" * places if places else "#,##0"
    written: str = format_decimal(abs(Decimal(amount)), pattern, locale="en")
    return MINUS + written if amount < 0 else written


def money(value: Money) -> str:
    """`¥1,280.50`, `−¥20.00`."""
    written = figure(abs(value.amount), value.currency)
    return f"{MINUS if value.is_negative else ''}{symbol(value.currency)}{written}"


def day(value: date, today: date) -> str:
    """今天, 昨天, 明天, 11月3日, 2025年11月3日."""
    match (value - today).days:
        case 0:
            return gettext("today")
        case -1:
            return gettext("yesterday")
        case 1:
            return gettext("tomorrow")
    chinese = locale().startswith("zh")
    if value.year == today.year:
        return str(format_date(value, "M月d日" if chinese else "d MMM", locale=locale()))
    return str(format_date(value, "y年M月d日" if chinese else "d MMM y", locale=locale()))


def moment(at: datetime, now: datetime) -> str:
    """今天 14:05, 昨天 09:12, 11月3日: as people say it; the exact time belongs beside it."""
    local = timezone.localtime(at)
    today = timezone.localtime(now).date()
    said = day(local.date(), today)
    if abs((local.date() - today).days) <= 1:
        return f"{said} {local:%H:%M}"
    return said


def exact(at: datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}"


def span(start: date, end: date, today: date) -> str:
    """11月3日 – 11月5日; one day stands alone."""
    return day(start, today) if start == end else f"{day(start, today)} – {day(end, today)}"


def duration(length: timedelta) -> str:
    """3 minutes, 4 hours, 2 days: one unit, rounded."""
    seconds = length.total_seconds()
    if seconds < 90 * 60:
        return gettext("{n} minutes").format(n=max(1, round(seconds / 60)))
    if seconds < 36 * 3600:
        return gettext("{n} hours").format(n=round(seconds / 3600))
    return gettext("{n} days").format(n=round(seconds / 86400))


def spoken(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters of a message for people: `1280.50 CNY`, as amounts travel in JSON, becomes `¥1,280.50`."""
    return {name: _spoken(value) for name, value in params.items()}


def _spoken(value: Any) -> Any:
    if isinstance(value, Money):
        return money(value)
    if isinstance(value, str) and (found := AS_TEXT.fullmatch(value)):
        return money(Money(found[1], found[2]))
    return value


def amounts(text: str) -> str:
    """A finished sentence with its amounts written for people."""
    return WITHIN.sub(lambda found: money(Money(found[1], found[2])), text)


def words(msgid: str, params: dict[str, Any]) -> str:
    """A stored msgid in the reader's language, its parameters filled in."""
    return gettext(msgid).format(**spoken(params)) if params else gettext(msgid)


def refusal(error: ViaticaError) -> str:
    """What happened and what to do next, as one text."""
    return f"{words(error.message, error.params)} {words(error.hint, error.params)}"
