"""The cast of every story: an owner, an approver, a stranger, and the people of finance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from django.db import transaction

from viatica.documents.expense import journey as expense
from viatica.documents.expense import queries as reports
from viatica.documents.expense.models import ExpenseReport
from viatica.documents.expense.services import LineDraft, ReportDraft
from viatica.documents.travel import journey as travel
from viatica.documents.travel import queries as trips
from viatica.documents.travel.models import TravelRequest
from viatica.documents.travel.services import LegDraft, TripDraft
from viatica.kernel import clock
from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.offices.access.models import Grant, Role, User
from viatica.offices.access.queries import viewer_of
from viatica.offices.access.services import issue_token
from viatica.offices.access.viewer import Viewer
from viatica.offices.approval import queries as approvals
from viatica.offices.approval import services as approval
from viatica.offices.budget.models import Budget
from viatica.offices.company.models import City, CostCenter, Department, Employee, Grade, LegalEntity
from viatica.offices.invoices import services as invoices
from viatica.offices.invoices.models import Invoice
from viatica.offices.invoices.readers.reading import Kind
from viatica.offices.ledger.services import seed_accounts
from viatica.offices.payment import queries as payments
from viatica.offices.payment import services as payment
from viatica.offices.payment.models import PaymentBatch
from viatica.offices.policy.services import seed_typical as seed_standards

if TYPE_CHECKING:
    from tests.journeys.doors import World

E = TypeVar("E", bound=Exception)
AT = datetime(2026, 11, 24, 4, tzinfo=UTC)
NOVEMBER = date(2026, 11, 1)


@dataclass
class Company:
    """One legal entity with a team, its head, and finance; another one beside it."""

    entity: LegalEntity
    other: LegalEntity
    team: Department
    people: dict[str, User]
    budget: Budget
    city: City
    tokens: dict[str, str] = field(default_factory=dict)

    def employee(self, name: str) -> Employee:
        employee = self.people[name].employee
        assert employee is not None
        return Employee.objects.select_related("entity", "department").get(pk=employee.pk)

    def viewer(self, name: str) -> Viewer:
        return viewer_of(self.people[name].pk)

    def token(self, name: str) -> str:
        if name not in self.tokens:
            self.tokens[name] = issue_token(user=self.people[name], name="test", at=AT)
        return self.tokens[name]


def build_company(*, budget: str = "100000") -> Company:
    entity = LegalEntity.objects.create(
        code="SH", name="行远科技（上海）有限公司", tax_id="91310000MA1FL0000X"
    )
    other = LegalEntity.objects.create(code="BJ", name="行远科技（北京）有限公司")
    grade = Grade.objects.create(code="P5", name="P5", rank=5)
    center = CostCenter.objects.create(code="CC01", name="销售")
    root = Department.objects.create(name="公司", entity=entity)
    team = Department.objects.create(name="销售部", entity=entity, parent=root, cost_center=center)
    people: dict[str, User] = {}

    def hire(name: str, department: Department, *roles: Role, manager: str | None = None) -> None:
        employee = Employee.objects.create(
            number=name, name=name, entity=department.entity, department=department, grade=grade,
            manager=people[manager].employee if manager else None, bank_name="招商银行", bank_account="6225880123456789",
        )  # fmt: skip
        people[name] = User.objects.create(username=name, employee=employee)
        for role in roles:
            Grant.objects.create(user=people[name], role=role, entity=department.entity)

    hire("head", root)
    hire("approver", team, manager="head")
    hire("owner", team, manager="approver")
    hire("colleague", team, manager="approver")
    hire("finance", root, Role.FINANCE)
    hire("finance2", root, Role.FINANCE)
    hire("cashier", root, Role.CASHIER)
    hire("auditor", root, Role.AUDITOR)
    hire("administrator", root, Role.ADMINISTRATOR)
    hire("stranger", Department.objects.create(name="研发部", entity=entity, parent=root))
    hire(
        "foreigner",
        Department.objects.create(name="销售部", entity=other),
        Role.FINANCE,
        Role.CASHIER,
        Role.AUDITOR,
    )
    root.head, team.head = people["head"].employee, people["approver"].employee
    root.save()
    team.save()
    approval.save_flow(
        kind="",
        name="直属上级",
        steps=[{"name": "直属上级", "who": {"by": "manager"}}],
        at=AT - timedelta(days=1),
    )
    seed_standards(valid_from=date(2026, 1, 1), heads_from=10)
    seed_accounts()
    city = City.objects.create(name="北京", tier="t1")
    held = Budget.objects.create(
        name="销售部 2026 四季度",
        entity=entity,
        department=team,
        start=date(2026, 10, 1),
        end=date(2027, 1, 1),
        amount=budget,
    )
    return Company(entity, other, team, people, held, city)


def taxi(amount: str = "48.00", **more: Any) -> LineDraft:
    return LineDraft(
        category="taxi", day=date(2026, 11, 20), paid=Money(amount, "CNY"), note="机场 → 酒店", **more
    )


@dataclass
class Desk:
    """What people do with papers, in one word each."""

    company: Company
    at: datetime = AT

    def later(self, **more: float) -> datetime:
        self.at += timedelta(**more)
        return self.at

    def trip(self, owner: str = "owner", **estimates: str) -> TravelRequest:
        draft = TripDraft(
            purpose="拜访客户",
            legs=[LegDraft(self.company.city.pk, date(2026, 11, 18), date(2026, 11, 20), "上海")],
            estimates={category: Money(amount, "CNY") for category, amount in estimates.items()} or {"rail": Money("1000", "CNY")},
        )  # fmt: skip
        viewer = self.company.viewer(owner)
        made = travel.create(viewer=viewer, draft=draft, at=self.at, via="web")
        return trips.get(made.number, viewer)

    def submit_trip(self, trip: TravelRequest) -> TravelRequest:
        viewer = self.company.viewer("owner")
        return travel.submit(trip=trip, viewer=viewer, expected_version=trip.version, at=self.at, via="web")

    def draft(
        self, *lines: LineDraft, owner: str = "owner", trip: TravelRequest | None = None
    ) -> ExpenseReport:
        viewer = self.company.viewer(owner)
        draft = ReportDraft(title="北京拜访客户", lines=list(lines), trip_id=trip.pk if trip else None)
        made = expense.create(viewer=viewer, draft=draft, at=self.at, via="web")
        return reports.get(made.number, viewer)

    def submit(self, report: ExpenseReport) -> ExpenseReport:
        viewer = self.company.viewer(report.owner.name)
        return expense.submit(
            report=report, viewer=viewer, expected_version=report.version, at=self.at, via="web"
        )

    def handed_in(self, *lines: LineDraft, owner: str = "owner") -> ExpenseReport:
        return self.submit(self.draft(*lines, owner=owner))

    def withdraw(self, report: ExpenseReport) -> ExpenseReport:
        return expense.withdraw(report=report, viewer=self.company.viewer("owner"), at=self.at, via="web")

    def decide(
        self, ref: Ref, verdict: str = "approve", *, by: str = "approver", comment: str = "看过"
    ) -> None:
        employee = self.company.employee(by)
        item = approvals.my_item(ref, employee.pk)
        assert item is not None, f"{by} is not asked"
        approval.decide(
            item_id=item.pk,
            actor=employee,
            verdict=verdict,
            comment=comment,
            expected_version=item.version,
            at=self.at,
        )

    def audit(self, report: ExpenseReport, *, by: str = "finance") -> ExpenseReport:
        report = reports.get(report.number, self.company.viewer(by))
        return expense.audit_pass(
            report=report,
            viewer=self.company.viewer(by),
            expected_version=report.version,
            at=self.at,
            via="web",
        )

    def pay(self, report: ExpenseReport) -> PaymentBatch:
        order = payments.order_of(report.ref)
        assert order is not None
        batch = payment.put_in_batch(
            [order.pk], entity_id=self.company.entity.pk, actor=self.company.viewer("cashier"), at=self.at
        )
        return payment.mark_paid(
            batch.pk, actor=self.company.viewer("finance2"), at=self.at, expected_version=batch.version
        )

    def paper_invoice(self, number: str, amount: str = "48.00", owner: str = "owner") -> Invoice:
        employee = self.company.employee(owner)
        paper = invoices.PaperInvoice(
            kind=Kind.DIGITAL_ORDINARY, issued=date(2026, 11, 20), total=Money(amount, "CNY"), seller_name="强生出租",
            number=number, buyer_name=self.company.entity.name,
        )  # fmt: skip
        return invoices.enter_by_hand(paper=paper, owner=employee, entity=self.company.entity, at=self.at)

    def state(self, paper: ExpenseReport | TravelRequest) -> str:
        paper.refresh_from_db()
        return paper.state

    def standing(self) -> tuple[str, str]:
        """What the team's budget holds and has spent."""
        self.company.budget.refresh_from_db()
        return str(self.company.budget.reserved), str(self.company.budget.consumed)


@contextmanager
def refuses(error: type[E]) -> Iterator[pytest.ExceptionInfo[E]]:
    """The block is refused with `error`, and rolled back as a door would."""
    with pytest.raises(error) as refused, transaction.atomic():
        yield refused


@pytest.fixture
def company(db: None) -> Company:
    return build_company()


@pytest.fixture
def desk(company: Company) -> Desk:
    return Desk(company)


@pytest.fixture
def open_desk(transactional_db: None) -> Callable[..., Desk]:
    """A desk whose company really commits, for stories with several people at once."""
    return lambda **more: Desk(build_company(**more))


@pytest.fixture
def world(desk: Desk, settings: Any, tmp_path: Path) -> Iterator[World]:
    """A paper in every stage of its life, an hour after the beginning."""
    from tests.journeys.doors import build_world

    settings.ARCHIVE_DIR = tmp_path
    desk.later(hours=1)
    with clock.fixed(desk.at):
        yield build_world(desk)
