"""Reads of reports, scoped to the viewer."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet

from viatica.documents.expense.models import EDITABLE, ExpenseLine, ExpenseReport, ReportState
from viatica.documents.search import pairs
from viatica.kernel.errors import NotFound
from viatica.offices.access.models import Role
from viatica.offices.access.viewer import Viewer
from viatica.offices.approval import queries as approval

# Few joins on purpose: the planner takes 6 ms for nine tables. Project and cost centre are read when there is one.
WITH_ALL = ("owner__grade", "department", "entity", "trip")


def visible(viewer: Viewer) -> QuerySet[ExpenseReport]:
    return viewer.scope(ExpenseReport.objects.all()).select_related("owner", "department")


def mine(viewer: Viewer) -> QuerySet[ExpenseReport]:
    return (
        ExpenseReport.objects.filter(owner_id=viewer.employee_id)
        .select_related("owner", "department")
        .order_by("-id")
    )


def open_of_trip(viewer: Viewer, trip_id: int) -> QuerySet[ExpenseReport]:
    """The viewer's reports of that trip that can still take lines."""
    return mine(viewer).filter(trip_id=trip_id, state__in=EDITABLE)


def to_audit(viewer: Viewer) -> QuerySet[ExpenseReport]:
    """The audit desk's queue, oldest first, of the entities where the viewer is finance; never their own."""
    rows = ExpenseReport.objects.filter(state=ReportState.TO_AUDIT).exclude(owner_id=viewer.employee_id)
    entities = viewer.entities(Role.FINANCE)
    if entities is not None:
        rows = rows.filter(entity_id__in=sorted(entities))
    return rows.select_related("owner", "department", "entity").order_by("id")


def search(viewer: Viewer, phrase: str) -> QuerySet[ExpenseReport]:
    if phrase.upper().startswith("BX20"):
        return visible(viewer).filter(number__startswith=phrase.upper()).order_by("-id")
    return visible(viewer).filter(pairs__contains=pairs(phrase)).order_by("-id")


def with_invoices(rows: QuerySet[ExpenseReport], invoice_ids: list[int]) -> QuerySet[ExpenseReport]:
    """Those of `rows` that have one of these invoices on a line."""
    lines = ExpenseLine.objects.filter(report_id=OuterRef("pk"), invoice_id__in=invoice_ids)
    return rows.filter(Exists(lines))


def page(
    rows: QuerySet[ExpenseReport], *, before: int | None, size: int
) -> tuple[list[ExpenseReport], int | None]:
    """`size` rows older than `before` (an id), and the cursor of the next page, if there is one."""
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows.order_by("-id")[: size + 1])
    return found[:size], found[size - 1].pk if len(found) > size else None


def get(number: str, viewer: Viewer) -> ExpenseReport:
    """The report with all its page needs. Raises NotFound also for what `viewer` may not see."""
    report = ExpenseReport.objects.filter(number=number).select_related(*WITH_ALL).first()
    if report is None:
        raise NotFound()
    sees = viewer.sees(owner_id=report.owner_id, entity_id=report.entity_id, path=report.department.path)
    if not sees and not approval.takes_part(report.ref, viewer.employee_id):
        raise NotFound()
    return report
