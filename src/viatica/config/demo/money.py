"""Budgets, standards, accounts and flows of the demo company."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal

from viatica.config.demo import plan
from viatica.config.demo.structure import Company
from viatica.offices.approval.models import Flow
from viatica.offices.budget.models import Budget, Control
from viatica.offices.company.categories import Category
from viatica.offices.ledger.services import seed_accounts
from viatica.offices.policy.models import Per, Standard
from viatica.offices.policy.services import seed_typical

HEADS_FROM = 11  # the rank of M1
ABROAD = {"香港": "1500", "新加坡": "1400", "东京": "1300"}

# Departments with a budget of their own; everybody else spends from the nearest one above.
BUDGETED = (
    "SH00", "SH10", "SH11", "SH12", "SH14", "SH20", "SH30", "SH31", "SH32", "SH40", "SH50", "SH60", "SH70", "SH80", "SH90",
    "BJ00", "BJ10", "BJ20", "BJ30", "BJ40", "SZ00", "SZ10", "SZ20", "SZ30", "SZ40", "SZ50",
)  # fmt: skip
SOFT = ("SH14", "SH40", "BJ40", "SZ50")
TIGHT = {"SH14": Decimal("0.3"), "BJ40": Decimal("0.3"), "SZ20": Decimal("0.7")}
PROJECT_BUDGETS = {
    "XM2601": 40_000, "XM2602": 30_000, "XM2604": 15_000, "XM2607": 24_000, "XM2609": 12_000, "XM2611": 12_000,
}  # fmt: skip
QUARTERLY = 5_000  # CNY for each budget …
PER_WEIGHT = 620  # … and more for everyone in it, by how often they travel


def fill(company: Company, *, at: datetime) -> None:
    start = date(at.year, 1, 1)
    seed_typical(valid_from=start, heads_from=HEADS_FROM)
    _abroad(company, start)
    seed_accounts()
    Budget.objects.bulk_create(
        [*_department_budgets(company, at.date()), *_project_budgets(company, at.date())]
    )
    flows(company, at=datetime(at.year, 1, 1, tzinfo=at.tzinfo))


def _abroad(company: Company, start: date) -> None:
    Standard.objects.bulk_create(
        Standard(
            category=Category.LODGING,
            city=company.cities[city],
            amount=Decimal(amount),
            per=Per.NIGHT,
            valid_from=start,
        )
        for city, amount in ABROAD.items()
    )


def _department_budgets(company: Company, today: date) -> Iterator[Budget]:
    for key in BUDGETED:
        department = company.departments[key]
        weight = Decimal(
            str(sum((one.people + 1) * one.travel for one in plan.DEPARTMENTS if _payer(one.key) == key))
        )
        for year, quarter in _quarters(today):
            amount = QUARTERLY + weight * PER_WEIGHT * TIGHT.get(key, Decimal(1))
            yield Budget(
                name=f"{department.name} {year}Q{quarter} 差旅费用",
                entity=department.entity,
                department=department,
                start=date(year, quarter * 3 - 2, 1),
                end=date(year + quarter // 4, quarter * 3 % 12 + 1, 1),
                amount=(amount / 1000).to_integral_value() * 1000,
                control=Control.SOFT if key in SOFT else Control.HARD,
                owner=department.head,
            )


def _payer(key: str) -> str:
    """The nearest department upwards that has a budget."""
    parents = {one.key: one.parent for one in plan.DEPARTMENTS}
    while key not in BUDGETED:
        key = parents[key]
    return key


def _quarters(today: date) -> Iterator[tuple[int, int]]:
    """From two quarters back to the next one."""
    now = today.year * 4 + (today.month - 1) // 3
    for number in range(now - 2, now + 2):
        yield number // 4, number % 4 + 1


def _project_budgets(company: Company, today: date) -> Iterator[Budget]:
    for code, amount in PROJECT_BUDGETS.items():
        project = company.projects[code]
        assert project.owner is not None
        yield Budget(
            name=f"{project.name} {today.year} 年度预算",
            entity=project.owner.entity,
            # Both dimensions, so that it comes before the departments' own budgets.
            department=company.departments[f"{project.owner.entity.code}00"],
            project=project,
            start=date(today.year, 1, 1),
            end=date(today.year + 1, 2, 1),
            amount=Decimal(amount),
            owner=project.owner,
        )


def flows(company: Company, *, at: datetime) -> None:
    """A trip goes to the manager, further up when it is dear. A report goes further up sooner."""
    chief = company.logins["fangzhiyuan"]
    trip = [
        {"name": "直属上级", "who": {"by": "manager"}},
        {
            "name": "上级部门负责人",
            "who": {"by": "department_head", "level": 2},
            "when": "amount > 8000 || over_standard",
        },
    ]
    report = [
        {"name": "直属上级", "who": {"by": "manager"}},
        {"name": "项目负责人", "who": {"by": "project_owner"}, "when": "project_id != 0", "nobody": "skip"},
        {
            "name": "部门负责人",
            "who": {"by": "department_head", "level": 2},
            "when": "amount > 5000 || over_standard",
        },
        {
            "name": "财务负责人",
            "who": {"by": "people", "people": [company.logins["luzhengping"].pk]},
            "when": "amount > 20000",
        },
    ]
    Flow.objects.bulk_create(
        Flow(kind=kind, name=name, steps=steps, same_person="once", fallback=chief, valid_from=at)
        for kind, name, steps in (
            ("travel_request", "出差申请审批", trip),
            ("expense_report", "费用报销审批", report),
        )
    )
