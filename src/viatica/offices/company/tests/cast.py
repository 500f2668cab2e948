"""The small company the offices' tests share, and a way to do things at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection, transaction

from viatica.kernel.errors import ViaticaError
from viatica.offices.access.models import Role
from viatica.offices.access.viewer import GrantRow, Viewer
from viatica.offices.company.models import CostCenter, Department, Employee, Grade, LegalEntity, Project


@dataclass
class Company:
    """Sales (head: Chief) holds East; Zhang works in East. Another company stands beside it."""

    entity: LegalEntity
    other: LegalEntity
    sales: Department
    east: Department
    chief: Employee
    zhang: Employee
    cost_center: CostCenter
    project: Project

    def viewer(self, employee: Employee, *roles: Role, entity: LegalEntity | None = None) -> Viewer:
        """`employee`, holding `roles` in the entity (the company's first, unless given)."""
        grants = tuple(GrantRow(role, (entity or self.entity).pk) for role in roles)
        return Viewer(
            employee.pk, employee.pk, employee.name, employee.entity_id, employee.department_id, grants
        )

    def person(self, number: str, name: str) -> Employee:
        return Employee.objects.create(
            number=number, name=name, entity=self.entity, department=self.east, grade=self.zhang.grade,
            bank_name="招商银行北京分行", bank_account=f"622588000000{number:0>4}",
        )  # fmt: skip


@pytest.fixture
def company(db: None) -> Company:
    return _company()


@pytest.fixture
def real_company(transactional_db: None) -> Company:
    """The same, committed, for tests with several connections."""
    return _company()


def _company() -> Company:
    entity = LegalEntity.objects.create(code="A", name="甲公司")
    other = LegalEntity.objects.create(code="B", name="乙公司")
    grade = Grade.objects.create(code="P5", name="专员", rank=2)
    sales = Department.objects.create(name="销售", entity=entity)
    east = Department.objects.create(name="华东", entity=entity, parent=sales)
    person: dict[str, Any] = {"entity": entity, "grade": grade, "bank_name": "招商银行北京分行"}
    chief = Employee.objects.create(
        number="1", name="周总", department=sales, bank_account="6225880000000001", **person
    )
    zhang = Employee.objects.create(
        number="2", name="张三", department=east, bank_account="6225880000000002", **person
    )
    sales.head = chief
    sales.save()
    cost_center = CostCenter.objects.create(code="CC1", name="华东成本", owner=zhang)
    project = Project.objects.create(code="P1", name="一号项目", owner=zhang)
    return Company(entity, other, sales, east, chief, zhang, cost_center, project)


Together = Callable[[list[Callable[[], Any]]], list[Any]]


@pytest.fixture
def together(transactional_db: None) -> Together:
    """Run each call in its own transaction on its own connection, eight at a time.

    Gives the results in order; a refusal is given as the error itself, anything else is raised.
    """

    def run(call: Callable[[], Any]) -> Any:
        try:
            with transaction.atomic():
                return call()
        except ViaticaError as error:
            return error
        finally:
            connection.close()

    def run_all(calls: list[Callable[[], Any]]) -> list[Any]:
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(run, calls))

    return run_all
