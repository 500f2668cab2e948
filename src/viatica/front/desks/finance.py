"""财务: the audit queue, the payments, the batches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.db.models import Count, Sum
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from viatica.documents.expense import journey
from viatica.documents.expense import queries as reports
from viatica.documents.expense import services as report_services
from viatica.documents.expense.models import ExpenseReport, ReportState
from viatica.front import shown, timeline
from viatica.front.context import WATCHES_MONEY
from viatica.front.forms import version_of, write_once
from viatica.front.papers.reports import ShownLine, findings_of, shown_lines
from viatica.front.viewer import SignedIn, signed_in
from viatica.kernel import clock
from viatica.kernel.errors import NotFound, ViaticaError
from viatica.kernel.money import Money
from viatica.offices.access.models import Role
from viatica.offices.access.viewer import Viewer
from viatica.offices.ledger import services as ledger
from viatica.offices.payment import queries as payments
from viatica.offices.payment import services as payment
from viatica.offices.payment.models import BatchState, PaymentBatch, PaymentOrder

MOST = 100


@signed_in
@require_GET
def page(request: SignedIn) -> HttpResponse:
    """To the queue that is one's own."""
    request.viewer.need(*WATCHES_MONEY)
    return HttpResponseRedirect(
        reverse("front:audits" if request.viewer.has(Role.FINANCE) else "front:payments")
    )


def queues(viewer: Viewer, queue: str) -> dict[str, Any]:
    """The desk's own navigation, with how much waits in each queue. Two statements."""
    return {
        "here": "finance",
        "queue": queue,
        "to_audit_count": reports.to_audit(viewer).count() if viewer.has(Role.FINANCE) else None,
        "to_pay_count": payments.waiting(viewer).count(),
    }


# Auditing


def _queue(viewer: Viewer) -> list[ExpenseReport]:
    return list(reports.to_audit(viewer)[:MOST]) if viewer.has(Role.FINANCE) else []


@signed_in
@require_GET
def audits(request: SignedIn) -> HttpResponse:
    request.viewer.need(Role.FINANCE, Role.AUDITOR)
    return render(
        request, "front/audits.html", {**queues(request.viewer, "audit"), "reports": _queue(request.viewer)}
    )


@dataclass(frozen=True, slots=True)
class Compared:
    """One value on the line beside the same value on the invoice."""

    label: Any
    line: str
    invoice: str
    differs: bool


@dataclass(frozen=True, slots=True)
class AuditLine:
    shown: ShownLine
    compared: list[Compared]

    @property
    def differs(self) -> bool:
        return any(one.differs for one in self.compared)


def _compare(one: ShownLine, report: ExpenseReport) -> AuditLine:
    line, invoice = one.line, one.line.invoice
    if invoice is None:
        return AuditLine(one, [])
    paid, stated = Money(line.paid_amount, line.paid_currency), invoice.money
    tax, stated_tax = Money(line.tax_amount, report.currency), invoice.tax_money
    buyer_is_ours = not invoice.buyer_tax_id or invoice.buyer_tax_id == report.entity.tax_id
    return AuditLine(
        one,
        [
            Compared(_("Amount"), shown.money(paid), shown.money(stated), paid != stated),
            Compared(_("Day"), f"{line.day}", f"{invoice.issued}", line.day != invoice.issued),
            Compared(
                _("Deductible tax"),
                shown.money(tax),
                shown.money(stated_tax),
                bool(tax) and tax != stated_tax,
            ),
            Compared(
                _("Category"),
                one.category,
                _hint(invoice),
                bool(invoice.category_hint) and invoice.category_hint != line.category,
            ),
            Compared(_("Buyer"), report.entity.name, invoice.buyer_name or "–", not buyer_is_ours),
            Compared(_("Seller"), line.note, invoice.seller_name or "–", False),
            Compared(_("Number"), "", invoice.number or "–", False),
        ],
    )


def _hint(invoice: Any) -> str:
    return str(invoice.get_category_hint_display()) if invoice.category_hint else "–"


@signed_in
@require_GET
def audit(request: SignedIn, number: str) -> HttpResponse:
    return _audit(request, number)


def _audit(
    request: SignedIn, number: str, refusal: ViaticaError | None = None, comment: str = ""
) -> HttpResponse:
    viewer = request.viewer
    report = reports.get(number, viewer)
    viewer.need(Role.FINANCE, Role.AUDITOR, entity_id=report.entity_id)
    lines = report_services.lines_of(report)
    shown_list = shown_lines(report, lines, findings_of(report, lines))
    voucher, missing = _voucher(report, lines)
    context = {
        **queues(viewer, "audit"),
        "report": report,
        "reports": _queue(viewer),
        "current": report.number,
        "lines": [_compare(one, report) for one in shown_list],
        "voucher": voucher,
        "voucher_refusal": missing,
        "timeline": timeline.of(report.ref),
        "may_audit": report.state == ReportState.TO_AUDIT
        and viewer.has(Role.FINANCE, report.entity_id)
        and report.owner_id != viewer.employee_id,
        "refusal": refusal,
        "comment": comment,
    }
    return render(request, "front/audit.html", context, status=refusal.status if refusal else 200)


def _voucher(report: ExpenseReport, lines: list[Any]) -> tuple[list[Any], ViaticaError | None]:
    """The sides that would be posted, or what is missing for them."""
    if report.state != ReportState.TO_AUDIT:
        return [], None
    try:
        sides = ledger.preview(
            lines=report_services.postings(report, lines),
            entity_id=report.entity_id,
            payee_employee_id=report.owner_id,
        )
    except ViaticaError as error:
        return [], error
    return sides, None


@signed_in
@require_POST
def audit_decide(request: SignedIn, number: str) -> HttpResponse:
    """Pass it, or send it back with a reason; then on to the next in the queue."""
    report = reports.get(number, request.viewer)
    comment = request.POST.get("comment", "").strip()[:500]
    passes = request.POST.get("verdict") == "pass"
    following = next((one.number for one in _queue(request.viewer) if one.pk > report.pk), None)

    def run(at: datetime) -> str:
        say: dict[str, Any] = {
            "report": report, "viewer": request.viewer, "expected_version": version_of(request), "at": at, "via": "web",
        }  # fmt: skip
        if passes:
            journey.audit_pass(**say)
        else:
            journey.audit_send_back(comment=comment, **say)
        return reverse("front:audit", args=[following]) if following else reverse("front:audits")

    try:
        answer = write_once(request, run)
    except ViaticaError as error:
        if error.status == 404:
            raise
        return _audit(request, number, error, comment)
    said = gettext("{number} passed the audit.") if passes else gettext("{number} was sent back.")
    messages.success(request, said.format(number=report.number))
    return answer


# Paying


@dataclass(frozen=True, slots=True)
class Pile:
    """Waiting payments of one company in one currency: what one batch may hold."""

    entity_id: int
    entity: str
    currency: str
    orders: list[PaymentOrder]

    @property
    def total(self) -> Money:
        return Money(sum((order.amount for order in self.orders), Decimal(0)), self.currency)


@signed_in
@require_http_methods(["GET", "HEAD"])
def pay(request: SignedIn) -> HttpResponse:
    return _pay(request)


def _pay(request: SignedIn, refusal: ViaticaError | None = None) -> HttpResponse:
    viewer = request.viewer
    viewer.need(*WATCHES_MONEY)
    piles: dict[tuple[int, str], Pile] = {}
    for order in payments.waiting(viewer)[: MOST * 5]:
        key = (order.entity_id, order.currency)
        piles.setdefault(key, Pile(order.entity_id, order.entity.name, order.currency, [])).orders.append(
            order
        )
    context = {
        **queues(viewer, "pay"),
        "piles": list(piles.values()),
        "batches": list(payments.batches(viewer).exclude(state=BatchState.PAID)[:MOST]),
        "may_batch": any(viewer.has(role) for role in payment.MAKES),
        "refusal": refusal,
    }
    return render(request, "front/payments.html", context, status=refusal.status if refusal else 200)


@signed_in
@require_POST
def make_batch(request: SignedIn) -> HttpResponse:
    chosen = [int(text) for text in request.POST.getlist("order") if text.isdecimal()]
    entity = request.POST.get("entity", "")

    def run(at: datetime) -> str:
        batch = payment.put_in_batch(
            chosen, entity_id=int(entity) if entity.isdecimal() else 0, actor=request.viewer, at=at, via="web"
        )
        return reverse("front:batch", args=[batch.number])

    try:
        payment.clear(payments.waiting(request.viewer).filter(pk__in=chosen), clock.now())
        return write_once(request, run)
    except ViaticaError as error:
        if error.status in (403, 404):
            raise
        return _pay(request, error)


@signed_in
@require_GET
def batches(request: SignedIn) -> HttpResponse:
    request.viewer.need(*WATCHES_MONEY)
    rows = payments.batches(request.viewer)
    context = {
        **queues(request.viewer, "batches"),
        "batches": list(rows[:MOST]),
        "sums": list(
            rows.exclude(state=BatchState.PAID)
            .order_by()
            .values("currency")
            .annotate(count=Count("pk"), sum=Sum("total"))
        ),
    }
    return render(request, "front/batches.html", context)


@signed_in
@require_GET
def batch(request: SignedIn, number: str) -> HttpResponse:
    return _batch(request, _get_batch(number, request.viewer))


def _get_batch(number: str, viewer: Viewer) -> PaymentBatch:
    viewer.need(*WATCHES_MONEY)
    found = payments.batches(viewer).filter(number=number).first()
    if found is None:
        raise NotFound()
    return found


def _batch(request: SignedIn, found: PaymentBatch, refusal: ViaticaError | None = None) -> HttpResponse:
    viewer = request.viewer
    is_maker = found.maker_id == viewer.employee_id
    context = {
        **queues(viewer, "batches"),
        "batch": found,
        "orders": list(found.orders.order_by("id")),
        "is_open": found.state != BatchState.PAID,
        "is_maker": is_maker,
        "may_export": any(viewer.has(role, found.entity_id) for role in payment.MAKES),
        "may_confirm": not is_maker and any(viewer.has(role, found.entity_id) for role in payment.CONFIRMS),
        "refusal": refusal,
    }
    return render(request, "front/batch.html", context, status=refusal.status if refusal else 200)


@signed_in
@require_POST
def batch_file(request: SignedIn, number: str) -> HttpResponse:
    """The file for the bank: the first time it closes the batch, afterwards it is the same file again."""
    found = _get_batch(number, request.viewer)
    if found.state == BatchState.OPEN:

        def run(at: datetime) -> str:
            payment.export(
                found.pk, actor=request.viewer, at=at, expected_version=version_of(request), via="web"
            )
            return ""

        try:
            payment.clear(found.orders.all(), clock.now())
            write_once(request, run)
        except ViaticaError as error:
            if error.status in (403, 404):
                raise
            return _batch(request, _get_batch(number, request.viewer), error)
        found = _get_batch(number, request.viewer)
    response = HttpResponse(payment.batch_csv(found), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{found.number}.csv"'
    return response


@signed_in
@require_POST
def batch_paid(request: SignedIn, number: str) -> HttpResponse:
    found = _get_batch(number, request.viewer)

    def run(at: datetime) -> str:
        payment.mark_paid(
            found.pk, actor=request.viewer, at=at, expected_version=version_of(request), via="web"
        )
        return reverse("front:batch", args=[found.number])

    try:
        if found.state == BatchState.OPEN:
            payment.clear(found.orders.all(), clock.now())
        answer = write_once(request, run)
    except ViaticaError as error:
        if error.status == 404:
            raise
        return _batch(request, _get_batch(number, request.viewer), error)
    messages.success(request, gettext("{number} is paid; every payee is told.").format(number=found.number))
    return answer


@signed_in
@require_POST
def batch_take_out(request: SignedIn, number: str) -> HttpResponse:
    """Back to waiting, while the bank does not have the file."""
    found = _get_batch(number, request.viewer)
    chosen = [int(text) for text in request.POST.getlist("order") if text.isdecimal()]

    def run(at: datetime) -> str:
        payment.take_out(
            chosen,
            batch_id=found.pk,
            actor=request.viewer,
            at=at,
            expected_version=version_of(request),
            via="web",
        )
        return reverse("front:batch", args=[found.number])

    try:
        return write_once(request, run)
    except ViaticaError as error:
        if error.status == 404:
            raise
        return _batch(request, _get_batch(number, request.viewer), error)
