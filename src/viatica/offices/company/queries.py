"""Reads of master data that several rooms ask for."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from django.db.models import Q
from django.db.models.functions import Lower

from viatica.kernel.errors import Refused
from viatica.kernel.words import N_
from viatica.offices.company.models import CurrencyRate, Delegation, Employee, OutsideIdentity


class NoRate(Refused):
    code = "company.no_rate"
    message = N_("There is no {currency} → {base} rate for {day}.")
    hint = N_("Enter the rate by hand with its source, or ask finance to add it.")


def rate(currency: str, base: str, day: date) -> tuple[Decimal, date, str]:
    """The rate valid on `day`, the day it dates from, and its source. Raises NoRate."""
    if currency == base:
        return Decimal(1), day, ""
    row = (
        CurrencyRate.objects.filter(currency=currency, base=base, day__lte=day)
        .order_by("-day")
        .values_list("rate", "day", "source")
        .first()
    )
    if row is None:
        raise NoRate(currency=currency, base=base, day=day)
    return row


def delegate_of(principal_id: int, kind: str, at: datetime) -> Employee | None:
    """The active employee who stands in for `principal_id` at `at`, if any."""
    row = (
        Delegation.objects.filter(principal_id=principal_id, starts_at__lte=at, ends_at__gt=at)
        .filter(Q(kind="") | Q(kind=kind), delegate__is_active=True)
        .select_related("delegate")
        .order_by("-kind", "-starts_at")
        .first()
    )
    return row.delegate if row else None


def identity(employee_id: int, connection_id: int) -> OutsideIdentity | None:
    return OutsideIdentity.objects.filter(employee_id=employee_id, connection_id=connection_id).first()


def employee_behind(connection_id: int, userid: str) -> Employee | None:
    """Our person behind the OA's `userid`; products that do not mind its case send it one way or the other."""
    rows = OutsideIdentity.objects.alias(key=Lower("userid")).filter(
        connection_id=connection_id, key=userid.lower()
    )
    found = {row.userid: row.employee for row in rows.select_related("employee")}
    return found.get(userid) or (next(iter(found.values())) if len(found) == 1 else None)


def colleagues(text: str, *, most: int) -> list[Employee]:
    """Who works here and has the number `text`, or a name that begins with it. One statement; none for no text."""
    bare = text.strip()
    if not bare:
        return []
    rows = Employee.objects.filter(Q(number=bare) | Q(name__startswith=bare), is_active=True)
    return list(rows.select_related("department", "entity").order_by("name", "pk")[:most])


def latest_rates(*, most: int) -> list[CurrencyRate]:
    """The newest rate of each currency, by currency."""
    return list(CurrencyRate.objects.order_by("currency", "base", "-day").distinct("currency", "base")[:most])
