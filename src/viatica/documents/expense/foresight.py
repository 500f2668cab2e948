"""What would happen to a report if it were handed in now. Nothing is kept, nobody is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from viatica.documents.expense import journey, services
from viatica.documents.expense.models import ExpenseLine, ExpenseReport
from viatica.kernel.errors import Refused, ViaticaError
from viatica.offices.approval import services as approval
from viatica.offices.approval.queries import PathStep
from viatica.offices.budget import queries as budget
from viatica.offices.budget.charges import BudgetStanding
from viatica.offices.budget.services import BudgetShort
from viatica.offices.invoices import services as invoices
from viatica.offices.policy import services as policy
from viatica.offices.policy.services import Finding


@dataclass(slots=True)
class Foresight:
    """`hindrances` are what `journey.submit` would refuse it for, each of them, not only the first."""

    findings: list[Finding] = field(default_factory=list)
    budgets: list[BudgetStanding] = field(default_factory=list)
    path: list[PathStep] = field(default_factory=list)
    hindrances: list[ViaticaError] = field(default_factory=list)


def standings(report: ExpenseReport, lines: list[ExpenseLine]) -> list[BudgetStanding]:
    """The budgets that would pay, as they stand once the trip's own hold has made way."""
    return budget.standing(
        services.charges(report, lines), instead_of=report.trip.ref if report.trip else None
    )


def foresee(report: ExpenseReport, *, at: datetime) -> Foresight:
    """For a report that can still be handed in."""
    seen = Foresight()
    lines = services.lines_of(report)
    try:
        services.take_submittable(report, lines)
    except Refused as error:
        seen.hindrances.append(error)
        return seen
    seen.findings = policy.check(services.claim_facts(report, lines))
    try:
        services.refuse_if_blocked(seen.findings)
    except Refused as error:
        seen.hindrances.append(error)
    seen.hindrances += invoices.hindrances(invoice_ids=services.invoice_ids(lines), ref=report.ref, at=at)
    seen.budgets = standings(report, lines)
    if short := [one for one in seen.budgets if one.is_short]:
        seen.hindrances.append(BudgetShort(short))
    try:
        seen.path = approval.preview(
            services.form(report, lines, seen.findings, url=journey.page(report)),
            report.owner,
            report.entity_id,
            kind=ExpenseReport.KIND,
            at=at,
            ref=report.ref,
        )
    except ViaticaError as error:
        seen.hindrances.append(error)
    return seen
