"""The directory through the API: started, read, applied, and its conflicts settled by who may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob

from viatica.kernel import clock
from viatica.offices.access.models import Grant, Role, User
from viatica.offices.access.services import issue_token
from viatica.offices.company.models import Department, DirectoryDecision, Employee, Grade, LegalEntity
from viatica.offices.company.tests.toy import Office, open_office

ROOT = "/api/v1/connections/toy/directory"


@dataclass
class Administrator:
    """Of the entity the connection serves, and of no other."""

    office: Office
    employee: Employee

    def __post_init__(self) -> None:
        user = User.objects.create(username="admin", employee=self.employee)
        Grant.objects.create(user=user, role=Role.ADMINISTRATOR, entity=self.office.entity)
        self.client = Client(
            headers={"Authorization": f"Bearer {issue_token(user=user, name='t', at=clock.now())}"}
        )

    def get(self, path: str) -> Any:
        answer = self.client.get(ROOT + path)
        assert answer.status_code == 200, answer.content
        return answer.json()

    def post(self, path: str, body: dict[str, Any] | None = None, *, status: int = 200) -> Any:
        answer = self.client.post(ROOT + path, body or {}, content_type="application/json")
        assert answer.status_code == status, answer.content
        return answer.json() if answer.content else None


@pytest.fixture
def administrator(db: None) -> Administrator:
    office = open_office()
    department = Department.objects.create(name="信息部", entity=office.entity)
    grade = Grade.objects.get(code="P4")
    employee = Employee.objects.create(
        number="ADM", name="管理员", entity=office.entity, department=department, grade=grade
    )
    return Administrator(office, employee)


def test_run_is_asked_for_shown_page_by_page_and_applied(administrator: Administrator) -> None:
    assert administrator.post("/runs", status=202) == {"is_new": True}
    assert administrator.post("/runs", status=202) == {"is_new": False}
    (job,) = ProcrastinateJob.objects.all()
    assert job.args == {"slug": "toy", "by": f"employee:{administrator.employee.pk}"}
    run = administrator.office.sync()

    (shown,) = administrator.get("/runs")
    assert (shown["state"], shown["people"], shown["counts"]["person"]) == ("staged", 4, {"added": 4})
    first = administrator.get(f"/runs/{run.pk}/differences?kind=added&size=3")
    rest = administrator.get(f"/runs/{run.pk}/differences?kind=added&after={first[-1]['id']}")
    assert [len(first), len(rest)] == [3, 1]
    assert {line["outside_id"] for line in [*first, *rest]} == {"boss", "li", "zhang", "wang"}
    assert [line["name"] for line in administrator.get(f"/runs/{run.pk}/differences?subject=department")] == [
        "总部", "研发部", "销售部", "平台组",
    ]  # fmt: skip

    applied = administrator.post(f"/runs/{run.pk}/apply")

    assert (applied["state"], applied["ended_by"]) == ("applied", f"employee:{administrator.employee.pk}")
    assert Employee.objects.count() == 5
    assert administrator.post(f"/runs/{run.pk}/apply", status=409)["code"] == "company.directory_run_over"
    assert administrator.post(f"/runs/{run.pk}/discard", status=409)["code"] == "company.directory_run_over"


def test_run_that_dismisses_too_many_is_applied_only_anyway(administrator: Administrator) -> None:
    office = administrator.office
    for number in range(20):
        office.directory.member_is(f"u{number}", f"员工{number}", "20", number=f"N{number}")
    office.first_sync()
    for number in range(6):
        office.directory.leaves(f"u{number}")
    run = office.sync()

    shown = administrator.get(f"/runs/{run.pk}")
    assert (shown["state"], shown["problem_code"]) == ("refused", "company.directory_too_many_gone")
    assert "6" in shown["problem"] and "24" in shown["problem"]
    refusal = administrator.post(f"/runs/{run.pk}/apply", status=422)
    assert refusal["code"] == "company.directory_too_many_gone"
    assert Employee.objects.filter(is_active=True).count() == 25

    assert administrator.post(f"/runs/{run.pk}/apply", {"anyway": True})["state"] == "applied"
    assert Employee.objects.filter(is_active=True).count() == 19


def test_conflict_is_listed_and_settled(administrator: Administrator) -> None:
    office = administrator.office
    office.first_sync()
    office.directory.member_is("wang9", "王五", "20", mobile="13800000004")
    office.sync()

    (conflict,) = administrator.get("/conflicts")
    assert (conflict["userid"], conflict["reason"], conflict["others"][0]["userid"]) == (
        "wang9",
        "same_employee",
        "wang",
    )
    assert "王五 (wang)" in conflict["said"]

    administrator.post("/conflicts/leave-out", {"userid": "wang9"}, status=204)

    assert administrator.get("/conflicts") == []
    again = administrator.post("/conflicts/keep-apart", {"userid": "wang9"}, status=422)
    assert again["code"] == "company.no_such_member"


def test_nobody_is_made_a_person_of_an_entity_that_is_not_the_administrators(
    administrator: Administrator,
) -> None:
    office = administrator.office
    office.first_sync()
    other = LegalEntity.objects.create(code="BJ", name="北京公司")
    department = Department.objects.create(name="北京", entity=other)
    chief = Employee.objects.create(
        number="BJ1",
        name="总裁",
        entity=other,
        department=department,
        grade=Grade.objects.get(code="P4"),
        mobile="139",
    )
    office.directory.member_is("evil", "某人", "20", mobile="139")
    office.sync()
    assert [one["userid"] for one in administrator.get("/conflicts")] == ["evil"]

    for number in (chief.number, "nobody"):
        body = {"userid": "evil", "employee": number}
        assert administrator.post("/conflicts/resolve", body, status=404)["code"] == "not_found"
    assert not DirectoryDecision.objects.exists()

    administrator.post("/conflicts/resolve", {"userid": "evil", "employee": "ADM"}, status=204)
    assert DirectoryDecision.objects.get().employee == administrator.employee
