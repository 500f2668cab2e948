from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from viatica.kernel.money import Money
from viatica.offices.access.models import Role
from viatica.offices.access.viewer import GrantRow
from viatica.offices.budget import queries
from viatica.offices.budget.charges import Charge
from viatica.offices.budget.models import Budget
from viatica.offices.company.models import CurrencyRate
from viatica.offices.company.queries import NoRate
from viatica.offices.company.tests.cast import Company

AT = datetime(2026, 11, 24, 8, tzinfo=UTC)


def budget(company: Company, name: str, **dimensions: Any) -> Budget:
    values: dict[str, Any] = {
        "start": date(2026, 1, 1),
        "end": date(2027, 1, 1),
        "amount": 10000,
        **dimensions,
    }
    return Budget.objects.create(name=name, entity=values.pop("entity", company.entity), **values)


def charge(company: Company, amount: str = "100", **changed: Any) -> Charge:
    values: dict[str, Any] = {
        "entity_id": company.entity.pk,
        "department_id": company.east.pk,
        "department_path": company.east.path,
        "cost_center_id": company.cost_center.pk,
        "project_id": company.project.pk,
        "category": "lodging",
        "month": date(2026, 11, 3),
        "money": Money(amount, "CNY"),
    }
    return Charge(**{**values, **changed})


def chosen(company: Company, **changed: Any) -> list[str]:
    return [standing.name for standing in queries.standing([charge(company, **changed)])]


def test_the_budget_with_more_dimensions_pays(company: Company) -> None:
    budget(company, "all")
    budget(company, "project", project=company.project)
    budget(company, "project and hotels", project=company.project, category="lodging")
    assert chosen(company) == ["project and hotels"]
    assert chosen(company, category="air") == ["project"]
    assert chosen(company, project_id=None) == ["all"]


def test_the_nearer_department_pays_and_a_department_covers_its_subtree(company: Company) -> None:
    budget(company, "sales", department=company.sales)
    assert chosen(company) == ["sales"]
    budget(company, "east", department=company.east)
    assert chosen(company) == ["east"]
    assert chosen(company, department_path=company.sales.path) == ["sales"]


def test_of_equals_the_project_pays_then_the_cost_center_then_the_shorter_period(company: Company) -> None:
    budget(company, "year", cost_center=company.cost_center)
    budget(
        company, "november", cost_center=company.cost_center, start=date(2026, 11, 1), end=date(2026, 12, 1)
    )
    assert chosen(company) == ["november"]
    budget(company, "project", project=company.project)
    assert chosen(company) == ["project"]


def test_no_budget_of_another_entity_period_department_or_category_pays(company: Company) -> None:
    budget(company, "other", entity=company.other)
    budget(company, "last year", start=date(2025, 1, 1), end=date(2026, 11, 3))
    budget(company, "next day", start=date(2026, 11, 4))
    budget(company, "air", category="air")
    assert chosen(company) == []
    budget(company, "east", department=company.east)
    assert chosen(company, department_path=company.sales.path) == []


def test_charges_of_one_budget_are_asked_as_one(company: Company) -> None:
    budget(company, "all", owner=company.zhang)
    hotel = budget(company, "hotels", category="lodging", department=company.sales)
    charges = [charge(company, "100"), charge(company, "50.50"), charge(company, "7", category="air")]
    asked = {standing.name: standing for standing in queries.standing(charges)}
    assert {name: str(standing.asked) for name, standing in asked.items()} == {
        "all": "7.00 CNY",
        "hotels": "150.50 CNY",
    }
    assert (asked["all"].owner, asked["hotels"].owner) == ("张三", "周总")
    assert asked["hotels"].budget_id == hotel.pk
    assert queries.left([hotel.pk]) == {hotel.pk: Money("10000", "CNY")}


def test_one_statement_for_any_number_of_charges(company: Company) -> None:
    budget(company, "all")
    with CaptureQueriesContext(
        connection,
    ) as few:
        queries.standing([charge(company)])
    with CaptureQueriesContext(connection) as many:
        queries.standing([charge(company, str(n), category=("air", "rail")[n % 2]) for n in range(1, 101)])
    assert (len(few), len(many)) == (1, 1)


def test_a_charge_in_another_currency_is_asked_at_its_days_rate(company: Company) -> None:
    budget(company, "all")
    dollars = charge(company, money=Money("10", "USD"))
    with pytest.raises(NoRate):
        queries.standing([dollars])
    CurrencyRate.objects.create(
        currency="USD", base="CNY", day=date(2026, 11, 1), rate="7.1234", source="PBOC"
    )
    CurrencyRate.objects.create(currency="USD", base="CNY", day=date(2026, 11, 4), rate="9", source="PBOC")
    assert str(queries.standing([dollars])[0].asked) == "71.23 CNY"


def test_a_viewer_sees_the_budgets_they_answer_for(company: Company) -> None:
    budget(company, "all")
    budget(company, "east", department=company.east)
    budget(company, "project", project=company.project)
    budget(company, "other", entity=company.other)

    def seen(viewer: Any) -> set[str]:
        return {row.name for row in queries.mine(viewer)}

    stranger = company.person("9", "李四")
    assert seen(company.viewer(stranger)) == set()
    assert seen(company.viewer(company.zhang)) == {"project"}
    assert seen(company.viewer(stranger, Role.FINANCE)) == {"all", "east", "project"}
    head = company.viewer(company.chief)
    head = type(head)(
        1, company.chief.pk, "", 0, 0, (GrantRow(Role.MANAGER, company.entity.pk, company.sales.path),)
    )
    assert seen(head) == {"east"}
