"""Which budget pays for what: one statement for all charges, however many.

Of the budgets that cover a charge, the one with the most dimensions set counts; of equals the one whose department is
nearer, then the one with a project, with a cost center, for the shorter period, the older one.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from django.db import connection

from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.offices.budget.charges import BudgetStanding, Charge
from viatica.offices.company import queries as company

_MATCHED = """
WITH charge AS (
    SELECT * FROM jsonb_to_recordset(%(charges)s::jsonb) AS c(
        no int, entity_id bigint, ancestors bigint[], cost_center_id bigint, project_id bigint, category text, day date
    )
), touched AS (
    SELECT best.id, charge.no
      FROM charge CROSS JOIN LATERAL (
        SELECT b.id
          FROM budget_budget b
         WHERE b.entity_id = charge.entity_id
           AND b.start <= charge.day AND charge.day < b."end"
           AND (b.department_id IS NULL OR b.department_id = ANY (charge.ancestors))
           AND (b.cost_center_id IS NULL OR b.cost_center_id = charge.cost_center_id)
           AND (b.project_id IS NULL OR b.project_id = charge.project_id)
           AND b.category IN ('', charge.category)
         ORDER BY num_nonnulls(b.department_id, b.cost_center_id, b.project_id, nullif(b.category, '')) DESC,
                  array_position(charge.ancestors, b.department_id) DESC NULLS LAST,
                  b.project_id IS NULL, b.cost_center_id IS NULL, b."end" - b.start, b.id
         LIMIT 1
      ) best
     UNION ALL
    SELECT budget_id, NULL FROM budget_budgetentry WHERE ref = %(also)s
), wanted AS (
    SELECT id, array_agg(no) FILTER (WHERE no IS NOT NULL) AS nos FROM touched GROUP BY id
)
SELECT b.id, b.name, b.control, b.currency, b.amount, b.reserved, b.consumed, wanted.nos,
       (SELECT e.name FROM company_employee e WHERE e.id = coalesce(
            b.owner_id,
            (SELECT p.owner_id FROM company_project p WHERE p.id = b.project_id),
            (SELECT c.owner_id FROM company_costcenter c WHERE c.id = b.cost_center_id),
            (SELECT d.head_id FROM company_department d WHERE d.id = b.department_id)))
  FROM wanted JOIN budget_budget b ON b.id = wanted.id
 ORDER BY b.id
"""

# In the order of their ids, so that two papers that want the same budgets never wait for each other in a circle.
_LOCKED = _MATCHED + " FOR UPDATE OF b"


@dataclass(frozen=True, slots=True)
class _Place:
    """Charges of one place are one charge: the statement grows with places, not with lines."""

    entity_id: int
    ancestors: tuple[int, ...]
    cost_center_id: int | None
    project_id: int | None
    category: str
    day: date


def match(charges: Sequence[Charge]) -> list[BudgetStanding]:
    """The budgets that pay for `charges` and what is asked of each; a charge no budget covers is left out."""
    return _standings(charges, _MATCHED, also=None)


def match_and_lock(charges: Sequence[Charge], also: Ref | None) -> list[BudgetStanding]:
    """The same, read and locked until the transaction ends; with the budgets `also` has entries in, asked nothing."""
    return _standings(charges, _LOCKED, also=also)


def _standings(charges: Sequence[Charge], sql: str, *, also: Ref | None) -> list[BudgetStanding]:
    wanted = _by_place(charges)
    places = [{"no": no, **asdict(place), "day": place.day.isoformat()} for no, place in enumerate(wanted)]
    with connection.cursor() as cursor:
        cursor.execute(sql, {"charges": json.dumps(places), "also": str(also) if also else None})
        rows = cursor.fetchall()
    asked = list(wanted.items())
    return [_standing(row, [asked[no] for no in row[7] or ()]) for row in rows]


def _by_place(charges: Sequence[Charge]) -> dict[_Place, list[Money]]:
    places: dict[_Place, dict[str, Money]] = defaultdict(dict)
    for charge in charges:
        place = _Place(
            entity_id=charge.entity_id,
            ancestors=tuple(int(part) for part in charge.department_path.strip("/").split("/") if part),
            cost_center_id=charge.cost_center_id,
            project_id=charge.project_id,
            category=charge.category,
            day=charge.month,
        )
        sums = places[place]
        sums[charge.money.currency] = charge.money + sums.get(
            charge.money.currency, Money.zero(charge.money.currency)
        )
    return {place: list(sums.values()) for place, sums in places.items()}


def _standing(row: tuple[Any, ...], asked: list[tuple[_Place, list[Money]]]) -> BudgetStanding:
    budget_id, name, control, currency, amount, reserved, consumed, _nos, owner = row
    return BudgetStanding(
        budget_id=budget_id,
        name=name,
        control=control,
        owner=owner or "",
        total=Money(amount, currency),
        reserved=Money(reserved, currency),
        consumed=Money(consumed, currency),
        asked=Money.total(
            (_in(currency, money, place.day) for place, sums in asked for money in sums), currency
        ),
    )


def _in(currency: str, money: Money, day: date) -> Money:
    """In the budget's currency, at the rate of `day`. Raises company's NoRate."""
    if money.currency == currency:
        return money
    rate, _dated, _source = company.rate(money.currency, currency, day)
    return money.convert(rate, currency)
