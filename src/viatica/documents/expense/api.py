"""`/api/v1/reports`: everything the report pages do."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from ninja import Query, Router, Schema, Status
from pydantic import Field, StringConstraints

from viatica.documents import errors, papers
from viatica.documents.expense import journey, queries, services
from viatica.documents.expense.foresight import foresee
from viatica.documents.expense.models import ExpenseLine, ExpenseReport, ReportState
from viatica.documents.papers import Expected, FactOut, MoneyData, Person, WithComment, timeline
from viatica.documents.travel import queries as travel
from viatica.kernel import clock
from viatica.kernel.errors import NotFound, ViaticaError
from viatica.kernel.money import Money
from viatica.offices.access import shapes
from viatica.offices.access.doors import viewer, write_once
from viatica.offices.access.models import Role
from viatica.offices.access.shapes import Id, Number, Text, Version
from viatica.offices.access.viewer import Viewer
from viatica.offices.company.categories import Category
from viatica.offices.company.models import City, Project
from viatica.offices.invoices import pictures
from viatica.offices.invoices import queries as invoices
from viatica.offices.ledger import services as ledger
from viatica.offices.payment import queries as payments
from viatica.offices.policy.services import Finding

router = Router(tags=["reports"])
papers.add_approval_doors(router, queries.get, "report")


class LineIn(Schema):
    category: Category
    day: date
    paid: MoneyData
    city: Annotated[str, StringConstraints(max_length=60)] | None = None
    nights: int = Field(0, ge=0, le=366)
    tax: MoneyData | None = None
    note: Text = ""
    reason: Text = ""
    invoice: Id | None = Field(None, description="Id of an invoice taken in before.")
    rate: Decimal | None = Field(None, gt=0, lt=10**6, max_digits=18, decimal_places=8)
    rate_source: Annotated[str, StringConstraints(max_length=60)] = ""


class ReportIn(Schema):
    title: Annotated[str, StringConstraints(max_length=2000)]
    trip: Number | None = Field(None, description="Number of an approved trip of yours.")
    project: Annotated[str, StringConstraints(max_length=32)] | None = None
    lines: list[LineIn] = Field(default_factory=list, max_length=500)


class ReportChange(ReportIn, Expected):
    pass


class LinesIn(Expected):
    lines: list[LineIn] = Field(min_length=1, max_length=500)


class InvoicesIn(Expected):
    invoices: list[Id] = Field(min_length=1, max_length=100)


class LineChange(Expected):
    line: LineIn


class LineOut(Schema):
    no: int
    category: str
    day: date
    city: str | None
    nights: int
    paid: MoneyData
    amount: MoneyData
    tax: MoneyData
    rate: Decimal
    rate_day: date | None
    rate_source: str
    note: str
    reason: str
    invoice: int | None


class ReportRow(Schema):
    number: str
    title: str
    owner: Person
    department: str
    state: str
    version: int
    total: MoneyData
    line_count: int
    created_at: datetime
    submitted_at: datetime | None
    paid_at: datetime | None


class ReportOut(ReportRow):
    trip: str | None
    project: str | None
    findings: list[dict[str, Any]]
    lines: list[LineOut]


class ReportPage(Schema):
    items: list[ReportRow]
    next: int | None = Field(description="Pass it as `before` to get the next page.")


class FindingOut(Schema):
    rule: str
    line: int | None
    field: str
    control: str
    said: str = Field(description="In the reader's language.")
    limit: dict[str, str] | None
    actual: dict[str, str] | None
    excess: dict[str, str] | None
    blocks: bool


class ReportCheck(papers.CheckOut):
    findings: list[FindingOut]


class SideOut(Schema):
    account: str
    name: str
    debit: str
    credit: str


class AuditOut(Schema):
    sides: list[SideOut] = Field(description="What the voucher would say if the audit passed now.")
    hindrance: papers.Hindrance | None


class PaymentOut(Schema):
    state: str
    amount: MoneyData
    batch: str | None
    ordered_at: datetime
    paid_at: datetime | None


class Listing(shapes.Listing):
    state: ReportState | None = None
    q: Annotated[str, StringConstraints(max_length=60)] = Field(
        "", description="A number, or two characters and more of the title or the owner's name."
    )
    invoice: Annotated[str, StringConstraints(max_length=40)] = Field(
        "", description="Number of an invoice claimed in it."
    )
    mine: bool = False


@router.get("", response=ReportPage, summary="Reports you may see, newest first")
def list_reports(request: HttpRequest, listing: Query[Listing]) -> dict[str, Any]:
    asker = viewer(request)
    rows = queries.mine(asker) if listing.mine else queries.visible(asker)
    if len(listing.q.strip()) >= 2:
        rows = rows & queries.search(asker, listing.q) if listing.mine else queries.search(asker, listing.q)
    if listing.state:
        rows = rows.filter(state=listing.state)
    if listing.invoice:
        rows = queries.with_invoices(rows, [one.pk for one in invoices.by_number(listing.invoice, asker)])
    found, cursor = queries.page(rows, before=listing.before, size=listing.size)
    return {"items": [_row(report) for report in found], "next": cursor}


@router.post("", response={201: ReportOut}, summary="Start a report")
def create_report(request: HttpRequest, body: ReportIn) -> Any:
    def run(asker: Viewer, at: datetime) -> ReportOut:
        report = journey.create(viewer=asker, draft=_draft(body, asker), at=at, via="api")
        return _out(report, services.lines_of(report))

    return Status(201, write_once(request, run))


@router.get("/{number}", response=ReportOut, summary="One report with its lines")
def get_report(request: HttpRequest, number: Number) -> ReportOut:
    report = queries.get(number, viewer(request))
    return _out(report, services.lines_of(report))


@router.put("/{number}", response=ReportOut, summary="Replace title and lines of a draft")
def change_report(request: HttpRequest, number: Number, body: ReportChange) -> Any:
    def run(asker: Viewer, at: datetime) -> ReportOut:
        report = queries.get(number, asker)
        journey.edit(
            report=report,
            viewer=asker,
            draft=_draft(body, asker),
            expected_version=body.version,
            at=at,
            via="api",
        )
        return _out(report, services.lines_of(report))

    return write_once(request, run)


@router.post("/{number}/lines", response=ReportOut, summary="Add lines to a draft")
def add_lines(request: HttpRequest, number: Number, body: LinesIn) -> Any:
    def run(asker: Viewer, at: datetime) -> ReportOut:
        report = queries.get(number, asker)
        journey.add_lines(
            report=report,
            viewer=asker,
            drafts=_lines(body.lines),
            expected_version=body.version,
            at=at,
            via="api",
        )
        return _out(report, services.lines_of(report))

    return write_once(request, run)


@router.post("/{number}/invoices", response=ReportOut, summary="Add a line for each of these invoices")
def add_invoices(request: HttpRequest, number: Number, body: InvoicesIn) -> Any:
    def run(asker: Viewer, at: datetime) -> ReportOut:
        report = queries.get(number, asker)
        journey.add_invoices(
            report=report, viewer=asker, chosen=invoices.held(body.invoices, asker), expected_version=body.version,
            at=at, via="api",
        )  # fmt: skip
        return _out(report, services.lines_of(report))

    return write_once(request, run)


@router.put("/{number}/lines/{int:no}", response=ReportOut, summary="Change one line of a draft")
def change_line(request: HttpRequest, number: Number, no: int, body: LineChange) -> Any:
    def run(asker: Viewer, at: datetime) -> ReportOut:
        report = queries.get(number, asker)
        (draft,) = _lines([body.line])
        journey.change_line(
            report=report, viewer=asker, no=no, draft=draft, expected_version=body.version, at=at, via="api"
        )
        return _out(report, services.lines_of(report))

    return write_once(request, run)


@router.delete("/{number}/lines/{int:no}", response=ReportOut, summary="Remove one line of a draft")
def remove_line(request: HttpRequest, number: Number, no: int, version: Version) -> Any:
    def run(asker: Viewer, at: datetime) -> ReportOut:
        report = queries.get(number, asker)
        journey.remove_line(report=report, viewer=asker, no=no, expected_version=version, at=at, via="api")
        return _out(report, services.lines_of(report))

    return write_once(request, run)


@router.post("/{number}/submit", response=ReportOut, summary="Hand it in for approval")
def submit_report(request: HttpRequest, number: Number, body: Expected) -> Any:
    def run(asker: Viewer, at: datetime) -> ReportOut:
        report = queries.get(number, asker)
        journey.submit(report=report, viewer=asker, expected_version=body.version, at=at, via="api")
        return _out(report, services.lines_of(report))

    return write_once(request, run)


@router.post("/{number}/withdraw", response=ReportOut, summary="Take it back from approval")
def withdraw_report(request: HttpRequest, number: Number) -> Any:
    def run(asker: Viewer, at: datetime) -> ReportOut:
        report = journey.withdraw(report=queries.get(number, asker), viewer=asker, at=at, via="api")
        return _out(report, services.lines_of(report))

    return write_once(request, run)


@router.post(
    "/{number}/audit/pass", response=ReportOut, summary="Finance: it is right; post and order the payment"
)
def pass_audit(request: HttpRequest, number: Number, body: Expected) -> Any:
    def run(asker: Viewer, at: datetime) -> ReportOut:
        report = journey.audit_pass(
            report=queries.get(number, asker), viewer=asker, expected_version=body.version, at=at, via="api"
        )
        return _out(report, services.lines_of(report))

    return write_once(request, run)


@router.post(
    "/{number}/audit/send-back", response=ReportOut, summary="Finance: the owner must mend something"
)
def send_back_from_audit(request: HttpRequest, number: Number, body: WithComment) -> Any:
    def run(asker: Viewer, at: datetime) -> ReportOut:
        report = journey.audit_send_back(
            report=queries.get(number, asker), viewer=asker, comment=body.comment, expected_version=body.version, at=at,
            via="api",
        )  # fmt: skip
        return _out(report, services.lines_of(report))

    return write_once(request, run)


@router.get("/{number}/timeline", response=list[FactOut], summary="What happened to it, oldest first (all)")
def report_timeline(request: HttpRequest, number: Number) -> list[FactOut]:
    return timeline(queries.get(number, viewer(request)).ref)


@router.get(
    "/{number}/check",
    response=ReportCheck,
    summary="Before handing it in: the standard, the budgets, who would be asked, and what keeps it back",
)
def check_report(request: HttpRequest, number: Number) -> ReportCheck:
    report = queries.get(number, viewer(request))
    if not report.is_editable:
        raise errors.WrongState(number=report.number, state=report.get_state_display())
    seen = foresee(report, at=clock.now())
    return ReportCheck(
        is_ready=not seen.hindrances,
        hindrances=[papers.hindrance(error) for error in seen.hindrances],
        budgets=papers.budgets_out(seen.budgets),
        path=papers.steps_out(seen.path),
        findings=[_finding(finding) for finding in seen.findings],
    )


@router.get("/{number}/audit", response=AuditOut, summary="Finance: the voucher that passing it would post")
def see_audit(request: HttpRequest, number: Number) -> AuditOut:
    asker = viewer(request)
    report = queries.get(number, asker)
    asker.need(Role.FINANCE, Role.AUDITOR, entity_id=report.entity_id)
    if report.state != ReportState.TO_AUDIT:
        raise errors.WrongState(number=report.number, state=report.get_state_display())
    try:
        sides = ledger.preview(
            lines=services.postings(report, services.lines_of(report)),
            entity_id=report.entity_id,
            payee_employee_id=report.owner_id,
        )
    except ViaticaError as error:
        return AuditOut(sides=[], hindrance=papers.hindrance(error))
    return AuditOut(
        sides=[
            SideOut(
                account=side.account_code,
                name=side.account_name,
                debit=str(side.debit),
                credit=str(side.credit),
            )
            for side in sides
        ],
        hindrance=None,
    )


@router.get("/{number}/payment", response=PaymentOut, summary="Where the money is, once it is ordered")
def see_payment(request: HttpRequest, number: Number) -> PaymentOut:
    order = payments.order_of(queries.get(number, viewer(request)).ref)
    if order is None:
        raise NotFound()
    return PaymentOut(
        state=order.state,
        amount=MoneyData.of(order.amount, order.currency),
        batch=order.batch.number if order.batch else None,
        ordered_at=order.ordered_at,
        paid_at=order.paid_at,
    )


@router.get(
    "/{number}/lines/{int:no}/picture",
    summary="The invoice of a line as a picture (PNG or SVG), for whoever may see the report",
    openapi_extra={
        "responses": {200: {"content": {media: {"schema": {}} for media in ("image/png", "image/svg+xml")}}}
    },
)
def see_picture(request: HttpRequest, number: Number, no: int) -> HttpResponse:
    report = queries.get(number, viewer(request))
    line = report.lines.select_related("invoice").filter(no=no, invoice__isnull=False).first()
    if line is None or line.invoice is None:
        raise NotFound()
    picture, media_type = pictures.of_invoice(line.invoice)
    return HttpResponse(picture, content_type=media_type)


def _draft(body: ReportIn, asker: Viewer) -> services.ReportDraft:
    return services.ReportDraft(
        title=body.title,
        trip_id=travel.reportable_id(asker, body.trip) if body.trip else None,
        project_id=_project_id(body.project) if body.project else None,
        lines=_lines(body.lines),
    )


def _project_id(code: str) -> int:
    project_id = Project.objects.filter(code=code, is_active=True).values_list("pk", flat=True).first()
    if project_id is None:
        raise errors.UnknownChoice(field="project", choice=code)
    return project_id


def _lines(lines: list[LineIn]) -> list[services.LineDraft]:
    names = {line.city for line in lines if line.city}
    cities = dict(City.objects.filter(name__in=names).values_list("name", "pk")) if names else {}
    for no, line in enumerate(lines):
        if line.city and line.city not in cities:
            raise errors.UnknownChoice(field=f"lines.{no}.city", choice=line.city)
    return [
        services.LineDraft(
            category=line.category,
            day=line.day,
            paid=line.paid.money(),
            city_id=cities[line.city] if line.city else None,
            nights=line.nights,
            tax=line.tax.money() if line.tax else None,
            note=line.note,
            reason=line.reason,
            invoice_id=line.invoice,
            rate=line.rate,
            rate_source=line.rate_source,
        )
        for line in lines
    ]


def _finding(finding: Finding) -> FindingOut:
    def plain(money: Money | None) -> dict[str, str] | None:
        return money.json() if money else None

    return FindingOut(
        rule=finding.rule,
        line=finding.line_index,
        field=finding.field,
        control=finding.control,
        said=gettext(finding.message).format(**finding.params),
        limit=plain(finding.limit),
        actual=plain(finding.actual),
        excess=plain(finding.excess),
        blocks=finding.blocks,
    )


def _row(report: ExpenseReport) -> dict[str, Any]:
    return {
        "number": report.number,
        "title": report.title,
        "owner": {"number": report.owner.number, "name": report.owner.name},
        "department": report.department.name,
        "state": report.state,
        "version": report.version,
        "total": MoneyData.of(report.total_amount, report.currency),
        "line_count": report.line_count,
        "created_at": report.created_at,
        "submitted_at": report.submitted_at,
        "paid_at": report.paid_at,
    }


def _out(report: ExpenseReport, lines: list[ExpenseLine]) -> ReportOut:
    return ReportOut(
        **_row(report),
        trip=report.trip.number if report.trip else None,
        project=report.project.code if report.project else None,
        findings=report.findings,
        lines=[_line(line, report.currency) for line in lines],
    )


def _line(line: ExpenseLine, currency: str) -> LineOut:
    return LineOut(
        no=line.no,
        category=line.category,
        day=line.day,
        city=line.city.name if line.city else None,
        nights=line.nights,
        paid=MoneyData.of(line.paid_amount, line.paid_currency),
        amount=MoneyData.of(line.amount, currency),
        tax=MoneyData.of(line.tax_amount, currency),
        rate=line.rate,
        rate_day=line.rate_day,
        rate_source=line.rate_source,
        note=line.note,
        reason=line.reason,
        invoice=line.invoice_id,
    )
