from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_django import Settings

from viatica.offices.access.models import Role
from viatica.offices.access.viewer import GrantRow, Viewer
from viatica.offices.company.models import Department, Employee, Grade, LegalEntity

from .samples import OURS

AT = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Cast:
    """An owner, a colleague of the same team, a stranger of another entity, and who watches over them."""

    entity: LegalEntity
    other_entity: LegalEntity
    owner: Employee
    colleague: Employee
    stranger: Employee

    def viewer(self, person: Employee, *grants: GrantRow) -> Viewer:
        return Viewer(person.pk, person.pk, person.name, person.entity_id, person.department_id, grants)

    @property
    def finance(self) -> Viewer:
        return self.viewer(self.colleague, GrantRow(Role.FINANCE, self.entity.pk))

    @property
    def manager(self) -> Viewer:
        return self.viewer(self.colleague, GrantRow(Role.MANAGER, self.entity.pk, self.owner.department.path))


@pytest.fixture(autouse=True)
def shelf(settings: Settings, tmp_path: Path) -> Path:
    settings.ARCHIVE_DIR = tmp_path / "archive"
    return tmp_path / "archive"


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


def make_cast() -> Cast:
    entity = LegalEntity.objects.create(code="SH", name=OURS.name, tax_id=OURS.tax_id)
    other = LegalEntity.objects.create(
        code="BJ", name="行资示例（北京）有限公司", tax_id="91110108690017781B"
    )
    grade = Grade.objects.create(code="P5", name="P5", rank=5)
    team = Department.objects.create(name="销售一部", entity=entity)
    elsewhere = Department.objects.create(name="北京办", entity=other)
    people = [
        Employee.objects.create(number=f"T{n}", name=name, entity=where, department=department, grade=grade)
        for n, (name, where, department) in enumerate(
            [("王敏", entity, team), ("李强", entity, team), ("赵磊", other, elsewhere)]
        )
    ]
    return Cast(entity, other, *people)
