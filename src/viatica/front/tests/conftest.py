"""The cast before the pages: an owner, an approver, a stranger, and the people of finance."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from simulators.tax_bureau import Party, make_invoice, uscc
from simulators.tax_bureau.xml import issue_xml
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
from viatica.offices.access.viewer import Viewer
from viatica.offices.approval import queries as approvals
from viatica.offices.approval import services as approval
from viatica.offices.budget.models import Budget
from viatica.offices.company.models import City, CostCenter, Department, Employee, Grade, LegalEntity, Project
from viatica.offices.ledger.services import seed_accounts
from viatica.offices.policy.services import seed_typical
from viatica.spine import correlation

AT = datetime(2026, 11, 24, 4, tzinfo=UTC)  # noon in Shanghai


def today() -> date:
    """The company's day, by the clock of the test."""
    return timezone.localtime(clock.now()).date()


OURS = Party("行资示例科技（上海）有限公司", uscc("91310000MA1FL0B02"))
HOTEL = Party("上海示例酒店管理有限公司", uscc("91310000MA1FL0A01"))
AIRLINE = Party("示例航空股份有限公司", uscc("91310000MA1FL0E05"))
RIDES = Party("示例出行科技有限公司", uscc("91310000MA1FL0F06"))
DINNER = Party("京华示例餐饮有限公司", uscc("91110000MA1FL0G07"))
CAST = {
    # login: name, department, manager, roles
    "head": ("何静", "公司", None, ()),
    "approver": ("周明", "华东销售部", "head", ()),
    "owner": ("林晓雨", "华东销售部", "approver", ()),
    "colleague": ("陈思", "华东销售部", "approver", ()),
    "finance": ("苏婉清", "公司", "head", (Role.FINANCE,)),
    "cashier": ("金可", "公司", "head", (Role.CASHIER,)),
    "cashier2": ("钱思远", "公司", "head", (Role.CASHIER, Role.FINANCE)),
    "auditor": ("季安然", "公司", "head", (Role.AUDITOR,)),
    "administrator": ("方志远", "公司", "head", (Role.ADMINISTRATOR,)),
    "stranger": ("赵磊", "研发部", "head", ()),
}


@dataclass
class House:
    """What people do with papers, in one word each; and a browser for each of them."""

    entity: LegalEntity
    people: dict[str, User]
    cities: dict[str, City]
    project: Project

    def employee(self, name: str) -> Employee:
        return Employee.objects.select_related("entity").get(user=self.people[name])

    def viewer(self, name: str) -> Viewer:
        return viewer_of(self.people[name].pk)

    def client(self, name: str, language: str = "zh-hans") -> Client:
        client = Client()
        client.force_login(self.people[name], backend="viatica.offices.access.backends.PasswordBackend")
        client.cookies["django_language"] = language
        return client

    def trip(
        self, *, submit: bool = True, approve: bool = True, who: str = "owner", days: int = -6
    ) -> TravelRequest:
        draft = TripDraft(
            purpose="北京客户方案汇报",
            legs=[LegDraft(self.cities["北京"].pk, today() + timedelta(days), today() + timedelta(days + 2))],
            estimates={"air": Money("2400", "CNY"), "lodging": Money("1200", "CNY")},
        )
        at = clock.now()
        trip = trips.get(
            travel.create(viewer=self.viewer(who), draft=draft, at=at, via="web").number, self.viewer(who)
        )
        if submit:
            travel.submit(trip=trip, viewer=self.viewer(who), expected_version=1, at=at, via="web")
            if approve:
                self.decide(trip)
        return trips.get(trip.number, self.viewer(who))

    def report(
        self,
        *lines: LineDraft,
        submit: bool = True,
        approve: bool = False,
        who: str = "owner",
        title: str = "市内交通",
    ) -> ExpenseReport:
        at = clock.now()
        draft = ReportDraft(title=title, lines=list(lines or [taxi()]))
        number = expense.create(viewer=self.viewer(who), draft=draft, at=at, via="web").number
        if submit:
            report = reports.get(number, self.viewer(who))
            expense.submit(report=report, viewer=self.viewer(who), expected_version=1, at=at, via="web")
            if approve:
                self.decide(report)
        return reports.get(number, self.viewer(who))

    def decide(self, paper: Any, verdict: str = "approve", comment: str = "") -> None:
        """Whoever is asked says so, step after step, until it is over."""
        while items := approvals.open_items_of(paper.ref):
            item = items[0]
            assert item.approver is not None
            approval.decide(
                item_id=item.pk, actor=item.approver, verdict=verdict, comment=comment, expected_version=item.version,
                at=clock.now(),
            )  # fmt: skip
            if verdict != "approve":
                return

    def item(self, paper: Any) -> int:
        """The task of whoever is asked now."""
        return approvals.open_items_of(paper.ref)[0].pk

    def state(self, paper: Any) -> str:
        return str(type(paper).objects.values_list("state", flat=True).get(pk=paper.pk))

    def pay_ready(self, who: str = "owner") -> ExpenseReport:
        report = self.report(approve=True, who=who)
        expense.audit_pass(
            report=report,
            viewer=self.viewer("finance"),
            expected_version=report.version,
            at=clock.now(),
            via="web",
        )
        return report


def taxi(amount: str = "48.00", **more: Any) -> LineDraft:
    return LineDraft(
        category="taxi", day=date(2026, 11, 20), paid=Money(amount, "CNY"), note="机场 → 酒店", **more
    )


def hotel_file(serial: int = 1, amount: str = "980.00", name: str = "住宿.xml") -> SimpleUploadedFile:
    """A digital invoice of a hotel, as the tax bureau hands it out."""
    return invoice_file(serial, "*住宿服务*住宿费", amount, HOTEL, name)


def invoice_file(
    serial: int, item: str, amount: str, seller: Party, name: str = "发票.xml"
) -> SimpleUploadedFile:
    invoice = make_invoice(
        serial, issued=today() - timedelta(4), buyer=OURS, gross=Decimal(amount), seller=seller, item=item
    )
    return SimpleUploadedFile(name, issue_xml(invoice), "application/xml")


def build_house() -> House:
    entity = LegalEntity.objects.create(code="SH", name=OURS.name, tax_id=OURS.tax_id)
    grade = Grade.objects.create(code="P5", name="P5", rank=5)
    center = CostCenter.objects.create(code="CC01", name="销售")
    root = Department.objects.create(name="公司", entity=entity)
    places = {"公司": root}
    for name in ("华东销售部", "研发部"):
        places[name] = Department.objects.create(name=name, entity=entity, parent=root, cost_center=center)
    people: dict[str, User] = {}
    for login, (name, place, manager, roles) in CAST.items():
        employee = Employee.objects.create(
            number=login, name=name, entity=entity, department=places[place], grade=grade, bank_name="招商银行",
            manager=people[manager].employee if manager else None, bank_account="6225880123456789", title="职员",
        )  # fmt: skip
        people[login] = User(username=login, employee=employee)
        people[login].set_password("right horse")
        people[login].save()
        Grant.objects.bulk_create(Grant(user=people[login], role=role, entity=entity) for role in roles)
    root.head, places["华东销售部"].head = people["head"].employee, people["approver"].employee
    for department in places.values():
        department.save()
    approval.save_flow(
        kind="",
        name="直属上级",
        steps=[{"name": "直属上级", "who": {"by": "manager"}}],
        at=clock.now() - timedelta(days=1),
    )
    seed_typical(valid_from=today() - timedelta(700), heads_from=10)
    seed_accounts()
    cities = {
        name: City.objects.create(name=name, tier=tier) for name, tier in (("北京", "t1"), ("苏州", "t2"))
    }
    project = Project.objects.create(code="XM01", name="智慧园区")
    Budget.objects.create(
        name="华东销售部 2026Q4", entity=entity, department=places["华东销售部"], start=today() - timedelta(60),
        end=today() + timedelta(60), amount="100000",
    )  # fmt: skip
    return House(entity, people, cities, project)


@pytest.fixture(autouse=True)
def quiet_places(settings: Settings, tmp_path: Path) -> None:
    settings.ARCHIVE_DIR = tmp_path / "archive"
    settings.PUBLIC_URL = "http://testserver"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # ten people, quickly


@pytest.fixture
def at() -> Any:
    with clock.fixed(AT) as now:
        yield now


@pytest.fixture
def house(db: None, at: datetime) -> House:
    with correlation.carried("test"):
        return build_house()


def text_of(response: Any) -> str:
    """The page's words, without its marks."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


__all__ = [
    "AIRLINE",
    "AT",
    "DINNER",
    "HOTEL",
    "RIDES",
    "House",
    "Ref",
    "hotel_file",
    "invoice_file",
    "taxi",
    "text_of",
]
