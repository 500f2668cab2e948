"""Commands on a report. They join the open transaction; the journey orders them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Count, DecimalField, IntegerField, Max, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from viatica.documents import checks, errors
from viatica.documents.expense.models import EDITABLE, ExpenseLine, ExpenseReport, ReportState
from viatica.documents.search import pairs
from viatica.documents.steps import move
from viatica.kernel.errors import NotFound
from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.offices.access.viewer import Viewer
from viatica.offices.approval.ports import Attachment, CaseForm, Field, Line
from viatica.offices.budget.services import Charge
from viatica.offices.company.categories import Category
from viatica.offices.company.models import City, Employee
from viatica.offices.company.queries import rate as rate_of
from viatica.offices.invoices.models import Invoice
from viatica.offices.ledger.services import Posting
from viatica.offices.policy.services import ClaimFacts, Finding, LineFacts


@dataclass(frozen=True, slots=True)
class LineDraft:
    """One expense as entered. `rate` only when typed by hand; otherwise the company's rate of the day counts."""

    category: str
    day: date
    paid: Money
    city_id: int | None = None
    nights: int = 0
    tax: Money | None = None
    note: str = ""
    reason: str = ""
    invoice_id: int | None = None
    rate: Decimal | None = None
    rate_source: str = ""
    recognised: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ReportDraft:
    title: str
    lines: list[LineDraft] = field(default_factory=list)
    trip_id: int | None = None
    cost_center_id: int | None = None
    project_id: int | None = None


# Drafting


def create(*, owner: Employee, draft: ReportDraft, at: datetime) -> ExpenseReport:
    lines = check_lines(draft.lines, owner_id=owner.pk, currency=owner.entity.currency, at=at)
    title = checks.text(draft.title, field="title", most=200, needed=True)
    report = ExpenseReport.objects.create(
        owner=owner,
        entity_id=owner.entity_id,
        department=owner.department,
        cost_center_id=draft.cost_center_id,
        project_id=draft.project_id,
        trip_id=draft.trip_id,
        title=title,
        currency=owner.entity.currency,
        total_amount=Money.total(
            (Money(line.amount, owner.entity.currency) for line in lines), owner.entity.currency
        ).amount,
        line_count=len(lines),
        pairs=pairs(title, owner.name),
        created_at=at,
        changed_at=at,
    )
    _write_lines(report, lines, first=1)
    report.known_lines = lines
    return report


def edit(*, report: ExpenseReport, draft: ReportDraft, expected_version: int, at: datetime) -> None:
    """Replace title and lines as a whole."""
    lines = check_lines(draft.lines, owner_id=report.owner_id, currency=report.currency, at=at)
    title = checks.text(draft.title, field="title", most=200, needed=True)
    _touch(
        report, expected_version, at,
        title=title, pairs=pairs(title, report.owner.name), trip_id=draft.trip_id,
        cost_center_id=draft.cost_center_id, project_id=draft.project_id,
    )  # fmt: skip
    report.lines.all().delete()
    _write_lines(report, lines, first=1)
    _retotal(report)


def add_lines(
    *, report: ExpenseReport, drafts: Sequence[LineDraft], expected_version: int, at: datetime
) -> None:
    lines = check_lines(drafts, owner_id=report.owner_id, currency=report.currency, at=at)
    _touch(report, expected_version, at)
    last = report.lines.aggregate(last=Max("no"))["last"] or 0
    _write_lines(report, lines, first=last + 1)
    _retotal(report)


def change_line(
    *, report: ExpenseReport, no: int, draft: LineDraft, expected_version: int, at: datetime
) -> None:
    (line,) = check_lines([draft], owner_id=report.owner_id, currency=report.currency, at=at)
    _touch(report, expected_version, at)
    line.pk = _line_id(report, no)
    line.no, line.report = no, report
    line.save(force_update=True)
    _retotal(report)


def remove_line(*, report: ExpenseReport, no: int, expected_version: int, at: datetime) -> None:
    _touch(report, expected_version, at)
    report.lines.filter(pk=_line_id(report, no)).delete()
    _retotal(report)


def _line_id(report: ExpenseReport, no: int) -> int:
    line_id = report.lines.filter(no=no).values_list("pk", flat=True).first()
    if line_id is None:
        raise NotFound(field=f"lines.{no}")
    return line_id


def check_lines(
    drafts: Sequence[LineDraft], *, owner_id: int, currency: str, at: datetime
) -> list[ExpenseLine]:
    """The rows `drafts` become, converted and rounded once. Raises refusals naming `lines.<n>.<field>`."""
    cities = City.objects.in_bulk({draft.city_id for draft in drafts if draft.city_id})
    invoices = Invoice.objects.filter(owner_id=owner_id).in_bulk(
        {draft.invoice_id for draft in drafts if draft.invoice_id}
    )
    lines = []
    for no, draft in enumerate(drafts):
        where = f"lines.{no}"
        checks.choice(draft.category, Category.values, field=f"{where}.category")
        checks.past_day(draft.day, field=f"{where}.day", at=at)
        checks.positive(draft.paid, field=f"{where}.amount")
        if draft.city_id and draft.city_id not in cities:
            raise errors.UnknownChoice(field=f"{where}.city", choice=draft.city_id)
        if draft.invoice_id and draft.invoice_id not in invoices:
            raise errors.UnknownChoice(field=f"{where}.invoice", choice=draft.invoice_id)
        if not (1 if draft.category == Category.LODGING else 0) <= draft.nights <= 366:
            raise errors.BadNights(field=f"{where}.nights", nights=draft.nights)
        line = _line(draft, currency, where)
        line.city, line.invoice = cities.get(draft.city_id or 0), invoices.get(draft.invoice_id or 0)
        lines.append(line)
    return lines


def _line(draft: LineDraft, currency: str, where: str) -> ExpenseLine:
    rate, rate_day, source = _rate(draft, currency)
    amount = checks.positive(draft.paid.convert(rate, currency), field=f"{where}.amount")
    tax = draft.tax.convert(rate, currency) if draft.tax else Money.zero(currency)
    if tax.is_negative or tax > amount:
        raise errors.TaxTooHigh(field=f"{where}.tax", tax=tax, amount=amount)
    return ExpenseLine(
        category=draft.category,
        day=draft.day,
        nights=draft.nights if draft.category == Category.LODGING else 0,
        paid_amount=draft.paid.amount,
        paid_currency=draft.paid.currency,
        rate=rate,
        rate_day=rate_day,
        rate_source=source,
        amount=amount.amount,
        tax_amount=tax.amount,
        note=checks.text(draft.note, field=f"{where}.note", most=200),
        reason=checks.text(draft.reason, field=f"{where}.reason", most=200),
        recognised=draft.recognised,
    )


def _rate(draft: LineDraft, currency: str) -> tuple[Decimal, date | None, str]:
    if draft.paid.currency == currency:
        return Decimal(1), None, ""
    if draft.rate is not None:
        return draft.rate, draft.day, checks.text(draft.rate_source or "manual", field="rate_source", most=60)
    return rate_of(draft.paid.currency, currency, draft.day)


def _write_lines(report: ExpenseReport, lines: list[ExpenseLine], *, first: int) -> None:
    for no, line in enumerate(lines, start=first):
        line.report, line.no = report, no
    if lines:
        ExpenseLine.objects.bulk_create(lines)


def _touch(report: ExpenseReport, expected_version: int, at: datetime, **changes: Any) -> None:
    """Any edit voids an earlier approval, visibly: the content hash goes."""
    report.known_lines = None
    move(report, EDITABLE, expected_version, at, content_hash="", findings=[], **changes)


def _retotal(report: ExpenseReport) -> None:
    lines = ExpenseLine.objects.filter(report_id=OuterRef("pk")).order_by().values("report_id")
    money = DecimalField(max_digits=18, decimal_places=2)
    ExpenseReport.objects.filter(pk=report.pk).update(
        total_amount=Coalesce(
            Subquery(lines.annotate(s=Sum("amount")).values("s")), Decimal(0), output_field=money
        ),
        line_count=Coalesce(
            Subquery(lines.annotate(c=Count("pk")).values("c")), 0, output_field=IntegerField()
        ),
    )
    report.refresh_from_db(fields=["total_amount", "line_count"])


def not_own(report: ExpenseReport, viewer: Viewer) -> None:
    """Raises SegregationOfDuties."""
    if report.owner_id == viewer.employee_id:
        raise errors.SegregationOfDuties()


# Lines from invoices


@dataclass(frozen=True, slots=True)
class Stay:
    """Where the trip went, as far as it says without doubt: one city, and the nights in it."""

    city_id: int
    nights: int


def stay_of(report: ExpenseReport) -> Stay | None:
    """None without a trip, or when it went to several cities."""
    legs = list(report.trip.legs.all()) if report.trip else []
    if len(legs) != 1:
        return None
    return Stay(legs[0].city_id, (legs[0].returns_on - legs[0].leaves_on).days)


def line_from(invoice: Invoice, stay: Stay | None) -> LineDraft:
    """What an invoice tells of an expense; a hotel's city and nights come from the trip until somebody says better."""
    category = invoice.category_hint or Category.OTHER
    is_hotel = category == Category.LODGING
    return LineDraft(
        category=category,
        day=invoice.issued,
        paid=invoice.money,
        city_id=stay.city_id if is_hotel and stay else None,
        nights=max(stay.nights if stay else 1, 1) if is_hotel else 0,
        tax=invoice.tax_money if invoice.is_deductible else None,
        note=invoice.seller_name,
        invoice_id=invoice.pk,
        recognised=["category", "day", "paid", "tax", "note"],
    )


# Facts for the offices


def lines_of(report: ExpenseReport) -> list[ExpenseLine]:
    """All lines in order, with city and invoice; read once for each report object."""
    if report.known_lines is None:
        report.known_lines = list(report.lines.select_related("city", "invoice").order_by("no"))
    return report.known_lines


def invoice_ids(lines: list[ExpenseLine]) -> list[int]:
    return [line.invoice_id for line in lines if line.invoice_id]


def content_hash(report: ExpenseReport, lines: list[ExpenseLine]) -> str:
    """SHA-256 of everything an approver approves."""
    content = {
        "title": report.title,
        "total": report.total.json(),
        "trip": report.trip_id,
        "cost_center": report.cost_center_id,
        "project": report.project_id,
        "lines": [
            [
                line.no, line.category, str(line.day), line.city_id, line.nights, str(line.paid_amount), line.paid_currency,
                str(line.amount), str(line.tax_amount), line.note, line.reason, line.invoice_id,
            ]
            for line in lines
        ],
    }  # fmt: skip
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def claim_facts(report: ExpenseReport, lines: list[ExpenseLine]) -> ClaimFacts:
    return ClaimFacts(
        entity_id=report.entity_id,
        grade_id=report.owner.grade_id,
        grade_rank=report.owner.grade.rank,
        lines=[
            LineFacts(
                index=line.no,
                category=line.category,
                city_id=line.city_id,
                tier=line.city.tier if line.city else None,
                nights=line.nights,
                money=Money(line.amount, report.currency),
                day=line.day,
                reason=line.reason,
                has_receipt=line.invoice_id is not None,
            )
            for line in lines
        ],
    )


def refuse_if_blocked(findings: list[Finding]) -> None:
    blocking = [finding for finding in findings if finding.blocks]
    if blocking:
        raise errors.Blocked(count=len(blocking), field=f"lines.{blocking[0].line_index}")


def charges(report: ExpenseReport, lines: list[ExpenseLine]) -> list[Charge]:
    return [
        Charge(
            entity_id=report.entity_id,
            department_id=report.department_id,
            department_path=report.department.path,
            cost_center_id=report.cost_center_id or report.department.cost_center_id,
            project_id=report.project_id,
            category=line.category,
            month=line.day.replace(day=1),
            money=Money(line.amount, report.currency),
        )
        for line in lines
    ]


def form(report: ExpenseReport, lines: list[ExpenseLine], findings: list[Finding], *, url: str) -> CaseForm:
    """The report as approvers see it, here and in the OA: the same words everywhere."""
    days = [line.day for line in lines]
    exceptions = [finding.rule for finding in findings if finding.excess]
    return CaseForm(
        title=f"{report.owner.name} 报销 {report.title}",
        amount=report.total,
        fields=[
            Field("number", "单号", "text", report.number),
            Field("reason", "事由", "text", report.title),
            Field("period", "出差日期", "date_range", [str(min(days)), str(max(days))]),
            Field("amount", "金额（元）", "money", str(report.total_amount)),
            Field("url", "详情链接", "text", url),
        ],
        lines=[
            Line({
                "category": str(Category(line.category).label),
                "day": str(line.day),
                "amount": str(line.amount),
                "note": "；".join(part for part in (line.note, line.reason) if part),
            })
            for line in lines
        ],
        attachments=[
            Attachment(
                name=f"{line.no:02d} {line.invoice.number}",
                url=f"{settings.PUBLIC_URL}/files/{line.invoice.picture_token}.png",
                digest=line.invoice.digest,
            )
            for line in lines
            if line.invoice
        ],
        url=url,
        context={
            "kind": ExpenseReport.KIND,
            "grade": report.owner.grade.code,
            "grade_rank": report.owner.grade.rank,
            "department_id": report.department_id,
            "project_id": report.project_id,
            "cost_center_id": report.cost_center_id or report.department.cost_center_id,
            "findings": exceptions,
            "over_standard": bool(exceptions),
        },
    )  # fmt: skip


def postings(report: ExpenseReport, lines: list[ExpenseLine]) -> list[Posting]:
    return [
        Posting(
            category=line.category,
            department_id=report.department_id,
            cost_center_id=report.cost_center_id or report.department.cost_center_id,
            project_id=report.project_id,
            employee_id=report.owner_id,
            net=Money(line.amount - line.tax_amount, report.currency),
            tax=Money(line.tax_amount, report.currency),
        )
        for line in lines
    ]


# Steps


def take_submittable(report: ExpenseReport, lines: list[ExpenseLine]) -> None:
    if not lines:
        raise errors.NothingInIt(number=report.number, field="lines")


def mark_submitted(
    *, report: ExpenseReport, findings: list[Finding], expected_version: int, content: str, at: datetime
) -> None:
    move(
        report, EDITABLE, expected_version, at,
        state=ReportState.IN_APPROVAL, content_hash=content, findings=[finding.json() for finding in findings],
        submitted_at=at, concluded_at=None, audited_at=None,
    )  # fmt: skip


def mark_concluded(*, ref: Ref, outcome: ReportState, content: str, at: datetime) -> ExpenseReport:
    """Raises ContentDiffers when what was decided is not what the report says now."""
    report = ExpenseReport.objects.select_related("owner").get(pk=ref.id)
    if report.content_hash != content:
        raise errors.ContentDiffers(number=report.number)
    move(report, (ReportState.IN_APPROVAL,), None, at, state=outcome, concluded_at=at)
    return report


def mark_audited(
    *, report: ExpenseReport, lines: list[ExpenseLine], expected_version: int, at: datetime
) -> None:
    """Raises ContentDiffers unless every line is still what was approved."""
    if content_hash(report, lines) != report.content_hash:
        raise errors.ContentDiffers(number=report.number)
    move(report, (ReportState.TO_AUDIT,), expected_version, at, state=ReportState.TO_PAY, audited_at=at)


def mark_sent_back(*, report: ExpenseReport, expected_version: int, at: datetime) -> None:
    move(report, (ReportState.TO_AUDIT,), expected_version, at, state=ReportState.RETURNED, content_hash="")


def mark_paid(*, ref: Ref, at: datetime) -> ExpenseReport:
    report = ExpenseReport.objects.select_related("owner").get(pk=ref.id)
    move(report, (ReportState.TO_PAY,), None, at, state=ReportState.PAID, paid_at=at)
    return report
