"""Checking a paper's lines against the standard: one statement, however many lines."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection

from viatica.kernel.money import Money
from viatica.kernel.words import N_
from viatica.offices.company.categories import Category
from viatica.offices.company.models import CityTier
from viatica.offices.policy.findings import NOTE, REASON, ClaimFacts, Finding, LineFacts, is_blocked
from viatica.offices.policy.models import TOP_RANK, Control, Per, Rule, Standard

__all__ = ["ClaimFacts", "Finding", "LineFacts", "check", "is_blocked", "seed_typical"]

OVER_NIGHT = N_(
    "{per_night} a night is over the standard of {cap} a night; {excess} too much for {nights} nights."
)
OVER_DAY = N_("{actual} on {day} is over the standard of {cap} a day; {excess} too much.")
OVER_ITEM = N_("{actual} is over the standard of {cap}; {excess} too much.")
NO_RECEIPT = N_("{actual} needs a receipt: nothing above {cap} passes without one.")
NO_RATE = N_("The standard of {cap} could not be compared: there is no {currency} rate for {day}.")

# The rate turns the standard's currency into the line's, as of the line's day.
_STANDARDS = """
WITH line AS (
    SELECT * FROM jsonb_to_recordset(%(lines)s::jsonb) AS l(
        no int, category text, city_id bigint, tier text, day date, currency text
    )
)
SELECT line.no, best.id, best.rule, best.per, best.control, best.amount, best.currency,
       CASE WHEN best.currency = line.currency THEN 1 ELSE (
            SELECT r.rate FROM company_currencyrate r
             WHERE r.currency = best.currency AND r.base = line.currency AND r.day <= line.day
             ORDER BY r.day DESC LIMIT 1) END
  FROM line
 CROSS JOIN (VALUES ('cap'), ('receipt')) AS wanted(rule)
 CROSS JOIN LATERAL (
    SELECT s.id, s.rule, s.per, s.control, s.amount, s.currency
      FROM policy_standard s
     WHERE s.category = line.category AND s.rule = wanted.rule
       AND s.valid_from <= line.day AND (s.valid_to IS NULL OR line.day < s.valid_to)
       AND (s.entity_id IS NULL OR s.entity_id = %(entity)s)
       AND %(rank)s BETWEEN s.rank_from AND s.rank_to
       AND (s.city_id IS NULL OR s.city_id = line.city_id)
       AND s.tier IN ('', line.tier)
     ORDER BY s.entity_id NULLS LAST, s.city_id NULLS LAST, s.tier DESC, s.rank_to - s.rank_from,
              s.valid_from DESC, s.id DESC
     LIMIT 1
  ) best
 ORDER BY line.no, best.rule
"""


@dataclass(frozen=True, slots=True)
class _Applied:
    """The one standard of its rule that counts for `line`. `cap` is in the line's currency; None: no rate."""

    line: LineFacts
    standard_id: int
    rule: str
    per: str
    control: str
    stated: Money
    cap: Money | None


def check(facts: ClaimFacts) -> list[Finding]:
    """What the standard says to each line, in their order. A line no standard fits is found nothing about.

    A per-day standard is compared with all lines of its category on that day; the last of them gets the finding.
    """
    applied = _applied(facts)
    caps = [one for one in applied if one.rule == Rule.CAP]
    found = [*_too_dear(caps), *_over_a_day(caps), *_without_receipt(applied), *_not_comparable(applied)]
    return sorted(found, key=lambda finding: (finding.line_index or 0, finding.rule))


def _applied(facts: ClaimFacts) -> list[_Applied]:
    lines = [
        {
            "no": no, "category": line.category, "city_id": line.city_id, "tier": line.tier or "",
            "day": line.day.isoformat(), "currency": line.money.currency,
        }
        for no, line in enumerate(facts.lines)
    ]  # fmt: skip
    values: dict[str, str | int] = {
        "lines": json.dumps(lines),
        "entity": facts.entity_id,
        "rank": facts.grade_rank,
    }
    with connection.cursor() as cursor:
        cursor.execute(_STANDARDS, values)
        return [_read(facts.lines[row[0]], *row[1:]) for row in cursor.fetchall()]


def _read(
    line: LineFacts,
    id_: int,
    rule: str,
    per: str,
    control: str,
    amount: Decimal,
    currency: str,
    rate: Decimal | None,
) -> _Applied:
    stated = Money(amount, currency)
    cap = None if rate is None else stated.convert(Decimal(rate), line.money.currency)
    return _Applied(line, id_, rule, per, control, stated, cap)


def _too_dear(caps: list[_Applied]) -> Iterator[Finding]:
    for one in caps:
        if one.cap is None or one.per == Per.DAY:
            continue
        nights = max(one.line.nights or 1, 1) if one.per == Per.NIGHT else 1
        limit = one.cap * nights
        if one.line.money > limit:
            yield (
                _night(one, limit, nights)
                if one.per == Per.NIGHT
                else _over(one, OVER_ITEM, limit, one.line.money)
            )


def _night(one: _Applied, limit: Money, nights: int) -> Finding:
    per_night = Money.rounded(one.line.money.amount / nights, one.line.money.currency)
    return _over(one, OVER_NIGHT, limit, one.line.money, nights=nights, per_night=str(per_night))


def _over_a_day(caps: list[_Applied]) -> Iterator[Finding]:
    days: dict[tuple[str, date, str], list[_Applied]] = defaultdict(list)
    for one in caps:
        if one.per == Per.DAY:
            days[one.line.category, one.line.day, one.line.money.currency].append(one)
    for (_category, day, currency), same in days.items():
        last, spent = same[-1], Money.total((one.line.money for one in same), currency)
        if last.cap is not None and spent > last.cap:
            reasoned = any(one.line.reason.strip() for one in same)
            yield _over(last, OVER_DAY, last.cap, spent, is_met=reasoned, day=day.isoformat())


def _over(
    one: _Applied, message: str, limit: Money, actual: Money, *, is_met: bool | None = None, **params: Any
) -> Finding:
    reasoned = bool(one.line.reason.strip()) if is_met is None else is_met
    excess = actual - limit
    return Finding(
        rule="policy.over_cap",
        line_index=one.line.index,
        field="reason" if one.control == REASON else "amount",
        control=one.control,
        message=message,
        params={"cap": str(one.cap), "actual": str(actual), "excess": str(excess), **params},
        limit=limit,
        actual=actual,
        excess=excess,
        is_met=one.control == REASON and reasoned,
        standard_id=one.standard_id,
    )


def _without_receipt(applied: list[_Applied]) -> Iterator[Finding]:
    for one in applied:
        if (
            one.rule == Rule.RECEIPT
            and not one.line.has_receipt
            and one.cap is not None
            and one.line.money > one.cap
        ):
            yield Finding(
                rule="policy.receipt_needed",
                line_index=one.line.index,
                field="receipt",
                control=one.control,
                message=NO_RECEIPT,
                params={"actual": str(one.line.money), "cap": str(one.cap)},
                limit=one.cap,
                actual=one.line.money,
                is_met=one.control == REASON and bool(one.line.reason.strip()),
                standard_id=one.standard_id,
            )


def _not_comparable(applied: list[_Applied]) -> Iterator[Finding]:
    for one in applied:
        if one.cap is None:
            yield Finding(
                rule="policy.no_rate",
                line_index=one.line.index,
                field="amount",
                control=NOTE,
                message=NO_RATE,
                params={
                    "cap": str(one.stated),
                    "currency": one.stated.currency,
                    "day": one.line.day.isoformat(),
                },
                standard_id=one.standard_id,
            )


# What many Chinese companies use: hotel caps by city tier for everybody, a third more for heads and above.
_HOTEL = {CityTier.T1: ("600", "800"), CityTier.T2: ("500", "650"), CityTier.T3: ("400", "550")}
_OTHERS = [
    (Category.MEALS, "100", Per.DAY, Control.REASON),
    (Category.TAXI, "80", Per.DAY, Control.REASON),
    (Category.AIR, "3000", Per.ITEM, Control.REASON),
    (Category.RAIL, "1200", Per.ITEM, Control.REASON),
    (Category.ENTERTAINMENT, "3000", Per.ITEM, Control.REASON),
    (Category.COMMUNICATION, "300", Per.ITEM, Control.BLOCK),
]
_RECEIPT_ABOVE = "200"


def seed_typical(*, valid_from: date, heads_from: int, entity_id: int | None = None) -> int:
    """A usual enterprise's rows, in CNY, unless there are any yet. Returns how many were made.

    Hotels 600/500/400 a night by city tier; 800/650/550 for heads, whose rank is `heads_from` (> 0) or higher.
    """
    if Standard.objects.filter(entity_id=entity_id).exists():
        return 0
    rows = [
        Standard(
            category=Category.LODGING,
            tier=tier,
            amount=Decimal(amount),
            per=Per.NIGHT,
            rank_from=low,
            rank_to=high,
        )
        for tier, (everybody, heads) in _HOTEL.items()
        for amount, low, high in ((everybody, 0, heads_from - 1), (heads, heads_from, TOP_RANK))
    ]
    rows += [
        Standard(category=category, amount=Decimal(amount), per=per, control=control)
        for category, amount, per, control in _OTHERS
    ]
    rows += [
        Standard(category=category, rule=Rule.RECEIPT, amount=Decimal(_RECEIPT_ABOVE), control=Control.REASON)
        for category in Category.values
    ]
    for row in rows:
        row.entity_id, row.valid_from = entity_id, valid_from
    return len(Standard.objects.bulk_create(rows))
