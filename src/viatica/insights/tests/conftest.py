"""A small company whose figures can be added up by hand; every paper has lived through the product's own journeys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client

from tests.journeys.conftest import AT, Company, Desk, build_company, taxi
from viatica.documents.expense.models import ExpenseReport
from viatica.documents.expense.services import LineDraft
from viatica.insights.queries import Overview, overview
from viatica.insights.questions import Question, ask
from viatica.kernel import clock
from viatica.kernel.money import Money
from viatica.offices.access.models import Grant, Role, User
from viatica.offices.budget.models import Budget
from viatica.offices.company.models import Department, Employee

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
VIEWED = AT + 5 * DAY  # 29 November 2026


def line(category: str, amount: str, day: date, **more: Any) -> LineDraft:
    return LineDraft(category=category, day=day, paid=Money(amount, "CNY"), note="=1+1", **more)


@dataclass
class Told:
    """The company and its papers by a letter each."""

    company: Company
    desk: Desk
    papers: dict[str, ExpenseReport]

    def ask(self, who: str, **said: Any) -> Question:
        return ask(said, self.company.viewer(who))

    def overview(self, who: str, **said: Any) -> Overview:
        return overview(self.ask(who, **said))

    def client(self, who: str, language: str = "zh-hans") -> Client:
        client = Client()
        client.force_login(
            self.company.people[who], backend="viatica.offices.access.backends.PasswordBackend"
        )
        client.cookies["django_language"] = language
        return client

    def department(self, name: str) -> Department:
        return Department.objects.get(name=name, entity=self.company.entity)

    def handed_in(self, *lines: LineDraft, owner: str) -> ExpenseReport:
        self.desk.at = AT
        return self.desk.handed_in(*lines, owner=owner)

    def decided(
        self, *lines: LineDraft, owner: str, by: str, after: timedelta, verdict: str = "approve"
    ) -> ExpenseReport:
        report = self.handed_in(*lines, owner=owner)
        self.desk.at = AT + after
        self.desk.decide(report.ref, verdict, by=by)
        return report


def _hire(company: Company, name: str, department: Department, manager: str) -> None:
    boss = company.employee(manager)
    employee = Employee.objects.create(
        number=name, name=name, entity=department.entity, department=department, grade_id=boss.grade_id, manager=boss,
        bank_name="招商银行", bank_account="6225880123456789",
    )  # fmt: skip
    company.people[name] = User.objects.create(username=name, employee=employee)


def _grow(company: Company) -> None:
    """华东组 below 销售部 with a head of its own, a researcher, someone in 北京, and a chief who watches every entity."""
    group = Department.objects.create(name="华东组", entity=company.entity, parent=company.team)
    _hire(company, "lead", group, "approver")
    _hire(company, "junior", group, "lead")
    group.head = company.employee("lead")
    group.save()
    _hire(company, "researcher", Department.objects.get(name="研发部"), "head")
    _hire(company, "beijinger", Department.objects.get(entity=company.other), "foreigner")
    _hire(company, "chief", Department.objects.get(name="公司"), "head")
    Grant.objects.create(user=company.people["chief"], role=Role.AUDITOR)
    year = {"entity": company.entity, "start": date(2026, 1, 1), "end": date(2027, 1, 1)}
    Budget.objects.create(
        name="华东组 2026Q4", department=group, amount="3000", **{**year, "start": date(2026, 10, 1)}
    )
    Budget.objects.create(name="公司 2026", amount="12000", **year)
    Budget.objects.create(
        name="北京 2026-11",
        entity=company.other,
        start=date(2026, 11, 1),
        end=date(2026, 12, 1),
        amount="5000",
    )


@pytest.fixture
def told(db: None) -> Iterator[Told]:
    company = build_company()
    _grow(company)
    desk = Desk(company)
    told = Told(company, desk, {})
    dear = line("taxi", "200.00", date(2026, 10, 15), reason="深夜无地铁")  # the standard is 80 a day
    a = told.decided(taxi("48.00"), dear, owner="owner", by="approver", after=2 * HOUR)
    told.papers = {
        "a": a,
        "b": told.decided(
            line("rail", "553.00", date(2026, 11, 18), reason="车票遗失"), owner="colleague", by="approver", after=4 * HOUR
        ),
        "c": told.decided(
            line("rail", "100.00", date(2026, 9, 30)), line("taxi", "20.00", date(2026, 11, 19)), owner="junior",
            by="lead", after=6 * HOUR,
        ),
        "d": told.handed_in(taxi("30.00"), owner="owner"),
        "e": told.decided(line("office", "66.00", date(2026, 11, 10)), owner="researcher", by="head", after=8 * HOUR),
        "f": told.decided(taxi("70.00"), owner="beijinger", by="foreigner", after=HOUR),
        "g": desk.draft(taxi("15.00"), owner="colleague"),
        "h": told.decided(taxi("17.00"), owner="colleague", by="approver", after=HOUR, verdict="reject"),
    }  # fmt: skip
    desk.at = AT + 26 * HOUR
    desk.audit(a)
    desk.at = AT + 74 * HOUR
    desk.pay(a)
    with clock.fixed(VIEWED):
        yield told
