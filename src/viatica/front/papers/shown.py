"""What the approver's and the auditor's pages show of a paper, whichever kind it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from viatica.documents.expense import queries as reports
from viatica.documents.expense import services as report_services
from viatica.documents.expense.models import ExpenseReport
from viatica.documents.travel import queries as trips
from viatica.documents.travel.models import TravelRequest
from viatica.front.papers.reports import ShownLine, shown_lines
from viatica.kernel.errors import NotFound
from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.offices.access.viewer import Viewer
from viatica.offices.policy.services import Finding


@dataclass(slots=True)
class Paper:
    """One of `report` and `trip` is there."""

    report: ExpenseReport | None = None
    trip: TravelRequest | None = None
    lines: list[ShownLine] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def paper(self) -> Any:
        return self.report or self.trip

    @property
    def money(self) -> Money:
        if self.report:
            return self.report.total
        if self.trip:
            return self.trip.estimate
        raise ValueError("an empty paper")

    @property
    def exceptions(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.excess]


def open_paper(ref: Ref, viewer: Viewer) -> Paper:
    """Raises NotFound also for what `viewer` may not see."""
    match ref.kind:
        case ExpenseReport.KIND:
            number = ExpenseReport.objects.filter(pk=ref.id).values_list("number", flat=True).first()
            report = reports.get(number or "", viewer)
            lines = report_services.lines_of(report)
            findings = [Finding.parse(finding) for finding in report.findings]
            return Paper(report=report, lines=shown_lines(report, lines, findings), findings=findings)
        case TravelRequest.KIND:
            number = TravelRequest.objects.filter(pk=ref.id).values_list("number", flat=True).first()
            return Paper(trip=trips.get(number or "", viewer))
        case _:
            raise NotFound()
