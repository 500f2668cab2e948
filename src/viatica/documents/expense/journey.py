"""The life of an expense report, top to bottom. Each function is one step and one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction

from viatica.documents import checks
from viatica.documents.expense import services
from viatica.documents.expense.models import ExpenseReport, ReportState
from viatica.documents.steps import own
from viatica.kernel.words import N_
from viatica.offices.access.models import Role
from viatica.offices.access.viewer import Viewer
from viatica.offices.approval import services as approval
from viatica.offices.approval.ports import Conclusion
from viatica.offices.budget import services as budget
from viatica.offices.company.models import Employee
from viatica.offices.invoices import services as invoices
from viatica.offices.invoices.models import Invoice
from viatica.offices.ledger import services as ledger
from viatica.offices.notices import services as notices
from viatica.offices.payment import services as payment
from viatica.offices.payment.services import PaidNews
from viatica.offices.policy import services as policy
from viatica.spine import facts

OUTCOMES = {
    "approved": ReportState.TO_AUDIT,
    "rejected": ReportState.REJECTED,
    "returned": ReportState.RETURNED,
    "withdrawn": ReportState.DRAFT,
}

NEWS = {
    "approved": N_("Your report {number} was approved; finance audits it next"),
    "rejected": N_("Your report {number} was rejected"),
    "returned": N_("Your report {number} was sent back"),
    "sent_back": N_("Finance sent back your report {number}"),
    "paid": N_("Your report {number} was paid: {amount}"),
}


def page(report: ExpenseReport) -> str:
    return f"{settings.PUBLIC_URL}/reports/{report.number}"


@transaction.atomic(savepoint=False)
def create(*, viewer: Viewer, draft: services.ReportDraft, at: datetime, via: str) -> ExpenseReport:
    owner = Employee.objects.select_related("entity", "department").get(pk=viewer.employee_id)
    report = services.create(owner=owner, draft=draft, at=at)
    facts.record(ref=report.ref, fact="report.created", actor=viewer.actor, via=via, at=at)
    return report


@transaction.atomic(savepoint=False)
def edit(
    *,
    report: ExpenseReport,
    viewer: Viewer,
    draft: services.ReportDraft,
    expected_version: int,
    at: datetime,
    via: str,
) -> ExpenseReport:
    own(report, viewer)
    services.edit(report=report, draft=draft, expected_version=expected_version, at=at)
    facts.record(ref=report.ref, fact="report.edited", actor=viewer.actor, via=via, at=at)
    return report


@transaction.atomic(savepoint=False)
def add_lines(
    *,
    report: ExpenseReport,
    viewer: Viewer,
    drafts: Sequence[services.LineDraft],
    expected_version: int,
    at: datetime,
    via: str,
) -> ExpenseReport:
    own(report, viewer)
    services.add_lines(report=report, drafts=drafts, expected_version=expected_version, at=at)
    facts.record(
        ref=report.ref,
        fact="report.lines_added",
        actor=viewer.actor,
        via=via,
        at=at,
        data={"count": len(drafts)},
    )
    return report


@transaction.atomic(savepoint=False)
def add_invoices(
    *,
    report: ExpenseReport,
    viewer: Viewer,
    chosen: Sequence[Invoice],
    expected_version: int,
    at: datetime,
    via: str,
) -> ExpenseReport:
    """A line for each invoice, filled with what it tells and what the trip knows."""
    own(report, viewer)
    stay = services.stay_of(report)
    drafts = [services.line_from(invoice, stay) for invoice in chosen]
    services.add_lines(report=report, drafts=drafts, expected_version=expected_version, at=at)
    facts.record(
        ref=report.ref, fact="report.lines_added", actor=viewer.actor, via=via, at=at,
        data={"count": len(drafts), "invoices": [invoice.number for invoice in chosen]},
    )  # fmt: skip
    return report


@transaction.atomic(savepoint=False)
def change_line(
    *,
    report: ExpenseReport,
    viewer: Viewer,
    no: int,
    draft: services.LineDraft,
    expected_version: int,
    at: datetime,
    via: str,
) -> ExpenseReport:
    own(report, viewer)
    services.change_line(report=report, no=no, draft=draft, expected_version=expected_version, at=at)
    facts.record(
        ref=report.ref, fact="report.line_changed", actor=viewer.actor, via=via, at=at, data={"no": no}
    )
    return report


@transaction.atomic(savepoint=False)
def remove_line(
    *, report: ExpenseReport, viewer: Viewer, no: int, expected_version: int, at: datetime, via: str
) -> ExpenseReport:
    own(report, viewer)
    services.remove_line(report=report, no=no, expected_version=expected_version, at=at)
    facts.record(
        ref=report.ref, fact="report.line_removed", actor=viewer.actor, via=via, at=at, data={"no": no}
    )
    return report


@transaction.atomic(savepoint=False)
def submit(
    *, report: ExpenseReport, viewer: Viewer, expected_version: int, at: datetime, via: str
) -> ExpenseReport:
    own(report, viewer)
    lines = services.lines_of(report)
    services.take_submittable(report, lines)
    findings = policy.check(services.claim_facts(report, lines))
    services.refuse_if_blocked(findings)
    content = services.content_hash(report, lines)
    services.mark_submitted(
        report=report, findings=findings, expected_version=expected_version, content=content, at=at
    )
    facts.record(
        ref=report.ref,
        fact="report.submitted",
        actor=viewer.actor,
        via=via,
        at=at,
        data={"total": report.total.json()},
    )
    invoices.claim(invoice_ids=services.invoice_ids(lines), ref=report.ref, number=report.number, at=at)
    # The trip held the budget for what it expected; the report now holds it for what was spent.
    budget.reserve(
        charges=services.charges(report, lines), ref=report.ref, at=at, actor=viewer.actor, via=via,
        instead_of=report.trip.ref if report.trip else None,
    )  # fmt: skip
    approval.open_case(
        ref=report.ref,
        number=report.number,
        kind=ExpenseReport.KIND,
        entity_id=report.entity_id,
        applicant=report.owner,
        form=services.form(report, lines, findings, url=page(report)),
        content_hash=content,
        at=at,
        via=via,
    )
    return report


@transaction.atomic(savepoint=False)
def withdraw(*, report: ExpenseReport, viewer: Viewer, at: datetime, via: str) -> ExpenseReport:
    """The case's own conclusion (below) gives budget and invoices back."""
    own(report, viewer)
    approval.withdraw(ref=report.ref, actor=report.owner, at=at, via=via)
    report.refresh_from_db()
    return report


def concluded(news: Conclusion) -> None:
    """The approval has ended, here or in the OA. Runs inside its transaction."""
    outcome = OUTCOMES[news.outcome]
    report = services.mark_concluded(ref=news.ref, outcome=outcome, content=news.content_hash, at=news.at)
    facts.record(
        ref=report.ref, fact=f"report.{news.outcome}", actor=news.by, via=news.via, at=news.at,
        data={"comment": news.comment} if news.comment else None,
    )  # fmt: skip
    if outcome is ReportState.TO_AUDIT:
        budget.consume(ref=report.ref, at=news.at, actor=news.by, via=news.via)
    else:
        budget.release(ref=report.ref, at=news.at, actor=news.by, via=news.via)
        invoices.release(ref=report.ref, at=news.at)
    if news.outcome in NEWS:
        _tell(report, news.outcome, at=news.at)


@transaction.atomic(savepoint=False)
def audit_pass(
    *, report: ExpenseReport, viewer: Viewer, expected_version: int, at: datetime, via: str
) -> ExpenseReport:
    """Finance found it right: the voucher is posted and the money ordered."""
    viewer.need(Role.FINANCE, entity_id=report.entity_id)
    services.not_own(report, viewer)
    lines = services.lines_of(report)
    services.mark_audited(report=report, lines=lines, expected_version=expected_version, at=at)
    facts.record(ref=report.ref, fact="report.audited", actor=viewer.actor, via=via, at=at)
    ledger.post(
        ref=report.ref,
        number=report.number,
        entity_id=report.entity_id,
        day=checks.today(at),
        summary=f"报销 {report.owner.name} {report.title}"[:200],
        lines=services.postings(report, lines),
        payee_employee_id=report.owner_id,
        at=at,
        actor=viewer.actor,
        via=via,
    )
    payment.order(
        ref=report.ref, number=report.number, entity_id=report.entity_id, payee=report.owner, money=report.total, at=at,
        actor=viewer.actor, via=via,
    )  # fmt: skip
    return report


@transaction.atomic(savepoint=False)
def audit_send_back(
    *, report: ExpenseReport, viewer: Viewer, comment: str, expected_version: int, at: datetime, via: str
) -> ExpenseReport:
    """Finance found something to mend: money and invoices are free again, the approval is void."""
    viewer.need(Role.FINANCE, entity_id=report.entity_id)
    services.not_own(report, viewer)
    comment = checks.text(comment, field="comment", most=500, needed=True)
    services.mark_sent_back(report=report, expected_version=expected_version, at=at)
    budget.reverse(ref=report.ref, at=at, actor=viewer.actor, via=via)
    invoices.release(ref=report.ref, at=at)
    facts.record(
        ref=report.ref, fact="report.sent_back", actor=viewer.actor, via=via, at=at, data={"comment": comment}
    )
    _tell(report, "sent_back", at=at)
    return report


def paid(news: PaidNews) -> None:
    """The batch was confirmed. Runs inside its transaction."""
    report = services.mark_paid(ref=news.ref, at=news.at)
    facts.record(
        ref=report.ref,
        fact="report.paid",
        actor=news.by,
        via=news.via,
        at=news.at,
        data={"amount": news.money.json()},
    )
    ledger.post_payment(
        ref=report.ref, number=report.number, entity_id=report.entity_id, day=checks.today(news.at),
        summary=f"付款 {report.owner.name} {report.number}", payee_employee_id=report.owner_id, money=news.money,
        at=news.at, actor=news.by, via=news.via,
    )  # fmt: skip
    _tell(report, "paid", at=news.at)


def _tell(report: ExpenseReport, what: str, *, at: datetime) -> None:
    notices.tell(
        employee_id=report.owner_id,
        subject=NEWS[what],
        params={"number": report.number, "amount": str(report.total)},
        ref=report.ref,
        at=at,
        kind=f"report.{what}",
        url=page(report),
    )
