"""What every paper checks about the values people and machines hand in."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.conf import settings

from viatica.documents import errors
from viatica.kernel.money import Money

OLDEST = date(2000, 1, 1)
LARGEST = Decimal("100000000")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def today(at: datetime) -> date:
    """The company's day at `at`."""
    return at.astimezone(ZoneInfo(settings.TIME_ZONE)).date()


def text(value: str, *, field: str, most: int, needed: bool = False) -> str:
    """`value` without surrounding space and control characters. Raises Missing, TooLong."""
    clean = CONTROL.sub("", value).strip()
    if needed and not clean:
        raise errors.Missing(field=field)
    if len(clean) > most:
        raise errors.TooLong(field=field, length=len(clean), most=most)
    return clean


def past_day(day: date, *, field: str, at: datetime) -> date:
    """A day something was spent: not in the future, not before this century. Raises BadDay."""
    if not OLDEST <= day <= today(at):
        raise errors.BadDay(field=field, day=day)
    return day


def positive(money: Money, *, field: str) -> Money:
    if not 0 < money.amount < LARGEST:
        raise errors.NotPositive(field=field, amount=money)
    return money


def choice(value: str, choices: list[str], *, field: str) -> str:
    if value not in choices:
        raise errors.UnknownChoice(field=field, choice=value)
    return value
