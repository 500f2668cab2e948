"""Expense reports: make one, drop invoices in, mend what is flagged, hand it in, watch it being paid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core import signing
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from viatica.documents.expense import foresight, journey, queries, services
from viatica.documents.expense.models import ExpenseLine, ExpenseReport, ReportState
from viatica.documents.steps import own
from viatica.documents.travel import queries as trips
from viatica.documents.travel.models import TravelRequest
from viatica.front import choices, pictures, shown, timeline, usual
from viatica.front.bars import bars
from viatica.front.desks.mine import desk
from viatica.front.forms import blame, version_of, write_once
from viatica.front.papers.report_forms import HeadForm, line_form, line_values, recognised_fields
from viatica.front.papers.trips import asked_now, urge_paper
from viatica.front.viewer import SignedIn, signed_in
from viatica.kernel import clock
from viatica.kernel.errors import NotFound, ViaticaError
from viatica.kernel.money import Money
from viatica.offices.access.models import Role
from viatica.offices.approval import queries as approval
from viatica.offices.approval import services as approvals
from viatica.offices.company.categories import Category
from viatica.offices.company.models import Employee
from viatica.offices.invoices import services as invoices
from viatica.offices.ledger import queries as ledger
from viatica.offices.payment import queries as payment
from viatica.offices.policy import services as policy
from viatica.offices.policy.findings import REASON
from viatica.offices.policy.services import Finding

MOST_FILES = 50
REMOVED = "front.removed_line"
WATCHED = (ReportState.IN_APPROVAL, ReportState.TO_AUDIT, ReportState.TO_PAY)


def address(report: ExpenseReport, name: str = "report") -> str:
    return reverse(f"front:{name}", args=[report.number])


# A new report: from a trip, with its invoices, in one go


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: SignedIn) -> HttpResponse:
    reportable = _reportable(request)
    if request.method != "POST":
        chosen = request.GET.get("trip", "")
        trip = next((trip for trip in reportable if trip.number == chosen), None)
        return _new(request, HeadForm(initial={"title": trip.purpose if trip else ""}), reportable, chosen)
    chosen = request.POST.get("trip", "")
    trip = next((trip for trip in reportable if trip.number == chosen), None)
    data = request.POST.copy()
    if trip and not data.get("title", "").strip():
        data["title"] = trip.purpose  # nothing is typed twice: the trip has said it
        data["project"] = data.get("project") or str(trip.project or "")
    form = HeadForm(data)
    if not form.is_valid():
        return _new(request, form, reportable, chosen, status=422)
    taken = Taken()

    def run(at: datetime) -> str:
        draft = services.ReportDraft(
            title=form.cleaned_data["title"],
            trip_id=trip.pk if trip else None,
            project_id=choices.project_id(form.cleaned_data["project"]),
        )
        report = journey.create(viewer=request.viewer, draft=draft, at=at, via="web")
        _take_files(request, report, taken, at)
        return address(report)

    try:
        answer = write_once(request, run)
    except ViaticaError as error:
        if error.status in (403, 404):
            raise
        blame(form, error)
        return _new(request, form, reportable, chosen, status=error.status)
    taken.tell(request)
    return answer


def _reportable(request: SignedIn) -> list[TravelRequest]:
    """Approved trips, those without a report first; `has_report` marks the rest."""
    has_report = ExpenseReport.objects.filter(trip_id=OuterRef("pk")).exclude(state=ReportState.REJECTED)
    rows = trips.reportable(request.viewer).annotate(has_report=Exists(has_report))
    return sorted(rows[:30], key=lambda trip: bool(getattr(trip, "has_report", False)))


def _new(
    request: SignedIn, form: HeadForm, reportable: list[TravelRequest], chosen: str, status: int = 200
) -> HttpResponse:
    context = {
        "here": "mine",
        "form": form,
        "trips": reportable,
        "chosen": chosen,
        "projects": choices.projects(),
    }
    return render(request, "front/report_new.html", context, status=status)


# Invoices


@dataclass(slots=True)
class Taken:
    """What became of the files of one form: lines, or a reason."""

    lines: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)

    def tell(self, request: SignedIn) -> None:
        if self.lines:
            messages.success(
                request, gettext("{count} invoices were read and added.").format(count=self.lines)
            )
        for name, why in self.failed[:8]:
            messages.warning(
                request, gettext("“{name}” was not added: {why}").format(name=name[:60], why=why)
            )
        if len(self.failed) > 8:
            messages.warning(
                request, gettext("{count} more files were not added.").format(count=len(self.failed) - 8)
            )


def _take_files(request: SignedIn, report: ExpenseReport, taken: Taken, at: datetime) -> None:
    """Each file by itself: one that cannot be read does not keep the others out."""
    files = request.FILES.getlist("files")
    if not files:
        return
    owner = Employee.objects.select_related("entity").get(pk=request.viewer.employee_id)
    there = set(report.lines.filter(invoice__isnull=False).values_list("invoice_id", flat=True))
    stay = services.stay_of(report)
    chosen = []
    for file in files[:MOST_FILES]:
        name = file.name or ""
        try:
            with transaction.atomic():
                invoice = invoices.take_in(
                    data=file.read(), name=name, owner=owner, entity=owner.entity, at=at
                )
            draft = services.line_from(invoice, stay)
            services.check_lines([draft], owner_id=owner.pk, currency=report.currency, at=at)
        except ViaticaError as error:
            taken.failed.append((name, shown.refusal(error)))
            continue
        if invoice.pk in there:
            taken.failed.append((name, gettext("it is already on this report.")))
            continue
        there.add(invoice.pk)
        chosen.append(invoice)
    if chosen:
        journey.add_invoices(
            report=report,
            viewer=request.viewer,
            chosen=chosen,
            expected_version=report.version,
            at=at,
            via="web",
        )
        taken.lines = len(chosen)


@signed_in
@require_POST
def take_invoices(request: SignedIn, number: str) -> HttpResponse:
    report = queries.get(number, request.viewer)
    own(report, request.viewer)
    if not request.FILES.getlist("files"):
        messages.warning(request, gettext("No file was chosen."))
        return HttpResponseRedirect(address(report))
    taken = Taken()

    def run(at: datetime) -> str:
        _take_files(request, report, taken, at)
        return address(report) + "#lines"

    answer = write_once(request, run)
    taken.tell(request)
    return answer


# The paper


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line with what the standard says of it and whether its invoice can be claimed."""

    line: ExpenseLine
    findings: list[Finding]
    doubts: list[Any]
    foreign: Money | None

    @property
    def category(self) -> Any:
        return Category(self.line.category).label

    @property
    def is_blocked(self) -> bool:
        return any(finding.blocks for finding in self.findings) or any(
            doubt.level == "stop" for doubt in self.doubts
        )

    @property
    def wants_reason(self) -> bool:
        """Whether a reason alone would let it pass."""
        blocking = [finding for finding in self.findings if finding.blocks]
        return bool(blocking) and all(finding.control == REASON for finding in blocking)


def shown_lines(
    report: ExpenseReport, lines: list[ExpenseLine], findings: Iterable[Finding]
) -> list[ShownLine]:
    by_line: dict[int | None, list[Finding]] = {}
    for finding in findings:
        by_line.setdefault(finding.line_index, []).append(finding)
    return [
        ShownLine(
            line=line,
            findings=by_line.get(line.no, []),
            doubts=[one for one in invoices.warning_rows(line.invoice) if one.level != "note"]
            if line.invoice
            else [],
            foreign=Money(line.paid_amount, line.paid_currency)
            if line.paid_currency != report.currency
            else None,
        )
        for line in lines
    ]


def findings_of(report: ExpenseReport, lines: list[ExpenseLine]) -> list[Finding]:
    """Of a draft: as the standard says now. Of anything later: as it said on submission."""
    if report.is_editable:
        return policy.check(services.claim_facts(report, lines)) if lines else []
    return [Finding.parse(finding) for finding in report.findings]


@signed_in
@require_GET
def page(request: SignedIn, number: str) -> HttpResponse:
    seen = timeline.token_of(ExpenseReport, number)
    report = queries.get(number, request.viewer)
    return render(
        request,
        "front/report.html",
        {**_context(request, report, seen), **desk(request.viewer, report.number)},
    )


@signed_in
@require_GET
def live(request: SignedIn, number: str) -> HttpResponse:
    """What changes by itself; nothing while it has not."""
    seen = timeline.token_of(ExpenseReport, number)
    report = queries.get(number, request.viewer)
    if request.GET.get("seen") == seen:
        return HttpResponse(status=204)
    beside = desk(request.viewer, report.number) if report.owner_id == request.viewer.employee_id else {}
    return render(
        request, "front/report.html#live", {**_context(request, report, seen), **beside, "fresh": True}
    )


def _context(request: SignedIn, report: ExpenseReport, seen: str) -> dict[str, Any]:
    viewer = request.viewer
    lines = services.lines_of(report)
    findings = findings_of(report, lines)
    shown_list = shown_lines(report, lines, findings)
    is_mine = report.owner_id == viewer.employee_id
    path = approval.path(report.ref)
    return {
        "here": "mine" if is_mine else "",
        "report": report,
        "lines": shown_list,
        "blocked": sum(line.is_blocked for line in shown_list),
        "unread": [line for line in shown_list if line.doubts],
        "is_mine": is_mine,
        "may_edit": is_mine and report.is_editable,
        "may_audit": not is_mine
        and report.state == ReportState.TO_AUDIT
        and viewer.has(Role.FINANCE, report.entity_id),
        "path": path,
        "asked": asked_now(path),
        "removed": _removed(request, report) if is_mine else None,
        "my_item": None if is_mine else approval.my_item(report.ref, viewer.employee_id),
        "order": payment.order_of(report.ref),
        "vouchers": ledger.vouchers_of(report.ref) if may_see_books(viewer, report.entity_id) else [],
        "bars": bars(foresight.standings(report, lines)) if report.is_editable and lines else [],
        "timeline": timeline.of(report.ref),
        "seen": seen,
        "page_url": journey.page(report),
        "live": reverse("front:report_live", args=[report.number]),
        # Only what others may change is watched.
        "is_live": report.state in WATCHED,
        "usual": usual.wait(ExpenseReport.KIND, report.entity_id)
        if report.state == ReportState.IN_APPROVAL
        else "",
    }


def may_see_books(viewer: Any, entity_id: int) -> bool:
    return any(viewer.has(role, entity_id) for role in (Role.FINANCE, Role.CASHIER, Role.AUDITOR))


# Head and lines


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: SignedIn, number: str) -> HttpResponse:
    """Title and project; the lines stay as they are."""
    report = queries.get(number, request.viewer)
    own(report, request.viewer)
    initial = {"title": report.title, "project": str(report.project or "")}
    form = HeadForm(request.POST if request.method == "POST" else None, initial=initial)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            return write_once(request, lambda at: _save_head(request, report, form, at))
        except ViaticaError as error:
            if error.status in (403, 404):
                raise
            blame(form, error)
            status = error.status
    elif request.method == "POST":
        status = 422
    context = {
        "here": "mine", "report": report, "form": form, "projects": choices.projects(),
        "version": _latest(report) if status == 409 else report.version,
    }  # fmt: skip
    return render(request, "front/report_edit.html", context, status=status)


def _save_head(request: SignedIn, report: ExpenseReport, form: HeadForm, at: datetime) -> str:
    draft = services.ReportDraft(
        title=form.cleaned_data["title"],
        project_id=choices.project_id(form.cleaned_data["project"]),
        trip_id=report.trip_id,
        cost_center_id=report.cost_center_id,
        lines=[_as_draft(line) for line in services.lines_of(report)],
    )
    journey.edit(
        report=report,
        viewer=request.viewer,
        draft=draft,
        expected_version=version_of(request),
        at=at,
        via="web",
    )
    return address(report)


def _as_draft(line: ExpenseLine) -> services.LineDraft:
    """A line as it stands, to be written again unchanged."""
    is_foreign = line.rate_day is not None
    tax = Money.rounded(line.tax_amount / line.rate, line.paid_currency) if is_foreign else None
    return services.LineDraft(
        category=line.category,
        day=line.day,
        paid=Money(line.paid_amount, line.paid_currency),
        city_id=line.city_id,
        nights=line.nights,
        tax=tax if is_foreign else Money(line.tax_amount, line.paid_currency),
        note=line.note,
        reason=line.reason,
        invoice_id=line.invoice_id,
        rate=line.rate if is_foreign else None,
        rate_source=line.rate_source,
        recognised=line.recognised,
    )


def _latest(report: ExpenseReport) -> int:
    return ExpenseReport.objects.values_list("version", flat=True).get(pk=report.pk)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def new_line(request: SignedIn, number: str) -> HttpResponse:
    """An expense without an electronic invoice, typed by hand."""
    return _line(request, number, None)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def edit_line(request: SignedIn, number: str, no: int) -> HttpResponse:
    return _line(request, number, no)


def _line(request: SignedIn, number: str, no: int | None) -> HttpResponse:
    report = queries.get(number, request.viewer)
    own(report, request.viewer)
    if not report.is_editable:
        return HttpResponseRedirect(address(report))
    lines = services.lines_of(report)
    line = next((one for one in lines if one.no == no), None)
    if no is not None and line is None:
        raise NotFound()
    form = line_form(request.POST if request.method == "POST" else None, line, report)
    if request.method != "POST":
        return _line_page(request, report, lines, line, form)
    if not form.is_valid():
        return _line_page(request, report, lines, line, form, status=422)

    def run(at: datetime) -> str:
        draft = form.draft(line, report)
        say: dict[str, Any] = {
            "report": report,
            "viewer": request.viewer,
            "expected_version": version_of(request),
            "at": at,
            "via": "web",
        }
        if line is None:
            journey.add_lines(drafts=[draft], **say)
        else:
            journey.change_line(no=line.no, draft=draft, **say)
        return address(report) + (f"#line-{line.no}" if line else "#lines")

    try:
        return write_once(request, run)
    except ViaticaError as error:
        if error.status in (403, 404):
            raise
        form.blame(error)
        return _line_page(request, report, lines, line, form, status=error.status)


def _line_page(
    request: SignedIn,
    report: ExpenseReport,
    lines: list[ExpenseLine],
    line: ExpenseLine | None,
    form: Any,
    status: int = 200,
) -> HttpResponse:
    """After a conflict the page keeps what was typed and shows what the line is now beside it."""
    findings = findings_of(report, lines) if line else []
    theirs = line_values(line, report) if line and status == 409 else {}
    context = {
        "here": "mine",
        "report": report,
        "line": next(
            (one for one in shown_lines(report, lines, findings) if line and one.line.pk == line.pk), None
        ),
        "form": form,
        "recognised": recognised_fields(line),
        "version": _latest(report) if status == 409 else report.version,
        "theirs": {
            name: value for name, value in theirs.items() if str(value or "") != str(form[name].value() or "")
        },
        "cities": choices.cities(),
        "symbol": shown.symbol(report.currency).strip(),
    }
    return render(request, "front/line.html", context, status=status)


@signed_in
@require_POST
def remove_line(request: SignedIn, number: str, no: int) -> HttpResponse:
    report = queries.get(number, request.viewer)

    def run(at: datetime) -> str:
        journey.remove_line(
            report=report,
            viewer=request.viewer,
            no=no,
            expected_version=version_of(request),
            at=at,
            via="web",
        )
        return address(report) + "#lines"

    line = report.lines.select_related("city").filter(no=no).first()
    kept = signing.dumps(_as_json(line), salt=REMOVED, compress=True) if line else ""
    answer = write_once(request, run)
    # What was removed travels in the address, signed: it can be undone, and nothing is stored for it.
    return HttpResponseRedirect(f"{address(report)}?{urlencode({'removed': kept})}#lines") if kept else answer


def _as_json(line: ExpenseLine) -> dict[str, Any]:
    draft = _as_draft(line)
    return {
        **asdict(draft),
        "report": line.report_id,
        "no": line.no,
        "day": str(draft.day),
        "paid": draft.paid.json(),
        "tax": draft.tax.json() if draft.tax else None,
        "rate": str(draft.rate) if draft.rate else None,
    }


def _removed(request: SignedIn, report: ExpenseReport) -> dict[str, Any] | None:
    """The line just removed from this report, when the address carries one that can be put back."""
    kept = request.POST.get("removed") or request.GET.get("removed", "")
    try:
        values: dict[str, Any] = signing.loads(kept, salt=REMOVED, max_age=3600)
    except signing.BadSignature:
        return None
    return values if values.get("report") == report.pk and report.is_editable else None


@signed_in
@require_POST
def restore_line(request: SignedIn, number: str) -> HttpResponse:
    """Undo: the removed line comes back as it was, at the end."""
    report = queries.get(number, request.viewer)
    values = _removed(request, report)
    if values is None:
        raise NotFound()
    report_id, no = values.pop("report"), values.pop("no")
    draft = services.LineDraft(
        **{
            **values,
            "day": date.fromisoformat(values["day"]),
            "paid": Money.parse(values["paid"]),
            "tax": Money.parse(values["tax"]) if values["tax"] else None,
            "rate": Decimal(values["rate"]) if values["rate"] else None,
        }
    )

    def run(at: datetime) -> str:
        journey.add_lines(
            report=report,
            viewer=request.viewer,
            drafts=[draft],
            expected_version=version_of(request),
            at=at,
            via="web",
        )
        return address(report) + "#lines"

    return write_once(request, run, suffix=f":{report_id}:{no}")


@signed_in
@require_POST
def give_reason(request: SignedIn, number: str, no: int) -> HttpResponse:
    """The reason a standard asks for, written where it is asked."""
    report = queries.get(number, request.viewer)
    line = report.lines.filter(no=no).first()
    if line is None:
        raise NotFound()
    draft = replace(_as_draft(line), reason=request.POST.get("reason", ""))

    def run(at: datetime) -> str:
        journey.change_line(
            report=report,
            viewer=request.viewer,
            no=no,
            draft=draft,
            expected_version=version_of(request),
            at=at,
            via="web",
        )
        return f"{address(report)}#line-{no}"

    return write_once(request, run)


@signed_in
@require_GET
def picture(request: SignedIn, number: str, no: int) -> HttpResponse:
    """The invoice of a line, for whoever may see the report."""
    report = queries.get(number, request.viewer)
    line = report.lines.select_related("invoice").filter(no=no, invoice__isnull=False).first()
    if line is None or line.invoice is None:
        raise NotFound()
    return pictures.answer(request, line.invoice)


# Handing it in, taking it back


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def submit(request: SignedIn, number: str) -> HttpResponse:
    """The question before it goes out: how much, and who will be asked."""
    report = queries.get(number, request.viewer)
    own(report, request.viewer)
    if not report.is_editable:
        return HttpResponseRedirect(address(report))
    refusal: ViaticaError | None = None
    if request.method == "POST":
        try:
            return write_once(request, lambda at: _submit(request, report, at))
        except ViaticaError as error:
            if error.status in (403, 404):
                raise
            refusal = error
            report = queries.get(number, request.viewer)
    lines = services.lines_of(report)
    findings = findings_of(report, lines)
    path, refusal = _preview(report, lines, findings, refusal)
    context = {
        "here": "mine",
        "report": report,
        "paper": report,
        "path": path,
        "refusal": refusal,
        "blocked": [line for line in shown_lines(report, lines, findings) if line.is_blocked],
        "exceptions": [finding for finding in findings if finding.excess],
        "bars": bars(foresight.standings(report, lines)) if lines else [],
        "back": address(report),
    }
    status = refusal.status if refusal and request.method == "POST" else 200
    return render(request, "front/submit.html", context, status=status)


def _submit(request: SignedIn, report: ExpenseReport, at: datetime) -> str:
    journey.submit(
        report=report, viewer=request.viewer, expected_version=version_of(request), at=at, via="web"
    )
    messages.success(request, gettext("{number} is on its way to approval.").format(number=report.number))
    return address(report)


def _preview(
    report: ExpenseReport, lines: list[ExpenseLine], findings: list[Finding], refusal: ViaticaError | None
) -> tuple[Any, ViaticaError | None]:
    if not lines:
        return [], refusal
    try:
        form = services.form(report, lines, findings, url=journey.page(report))
        steps = approvals.preview(
            form, report.owner, report.entity_id, kind=ExpenseReport.KIND, at=clock.now(), ref=report.ref
        )
    except ViaticaError as error:
        return [], refusal or error
    return steps, refusal


@signed_in
@require_POST
def withdraw(request: SignedIn, number: str) -> HttpResponse:
    report = queries.get(number, request.viewer)

    def run(at: datetime) -> str:
        journey.withdraw(report=report, viewer=request.viewer, at=at, via="web")
        return address(report)

    return write_once(request, run)


@signed_in
@require_POST
def urge(request: SignedIn, number: str) -> HttpResponse:
    report = queries.get(number, request.viewer)
    return urge_paper(request, report, address(report))
