"""待我审批: oldest first, the paper on one screen, and a decision in one press."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from viatica.documents.expense.models import ExpenseReport
from viatica.front import people, shown, timeline
from viatica.front.bars import held_bars
from viatica.front.forms import version_of, write_once
from viatica.front.papers.shown import open_paper
from viatica.front.viewer import SignedIn, signed_in
from viatica.kernel.errors import NotFound, ViaticaError
from viatica.offices.access.viewer import Viewer
from viatica.offices.approval import queries, services
from viatica.offices.approval.models import LIVE, Item, ItemState
from viatica.offices.approval.queries import TodoRow
from viatica.offices.company.models import Employee

MOST = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One task in the list. `is_clean`: decided here, and nothing about it needs a look."""

    todo: TodoRow
    is_clean: bool
    exceptions: int

    @property
    def url(self) -> str:
        return reverse("front:approval", args=[self.todo.item_id])

    @property
    def what(self) -> str:
        """The title without the applicant's name, which stands beside it."""
        return self.todo.title.removeprefix(self.todo.applicant).strip()


def rows_of(viewer: Viewer) -> list[Row]:
    """Oldest first. Two statements."""
    todos = queries.todo(viewer, size=MOST)[::-1]
    keys = [todo.ref.id for todo in todos if todo.ref.kind == ExpenseReport.KIND]
    found = dict(ExpenseReport.objects.filter(pk__in=keys).values_list("pk", "findings")) if keys else {}
    rows = []
    for todo in todos:
        findings = found.get(todo.ref.id, []) if todo.ref.kind == ExpenseReport.KIND else []
        exceptions = sum(1 for finding in findings if finding.get("excess"))
        rows.append(Row(todo, is_clean=todo.is_decided_here and not exceptions, exceptions=exceptions))
    return rows


@signed_in
@require_GET
def page(request: SignedIn) -> HttpResponse:
    rows = rows_of(request.viewer)
    context = {
        "here": "approvals",
        "rows": rows,
        "clean": sum(row.is_clean for row in rows),
        "copies": queries.copies(request.viewer.employee_id, size=10),
    }
    return render(request, "front/approvals.html", context)


@signed_in
@require_POST
def approve_many(request: SignedIn) -> HttpResponse:
    """Only clean ones may be approved unseen; each is its own step, and one that fails keeps no other back."""
    clean = {row.todo.item_id: row.todo for row in rows_of(request.viewer) if row.is_clean}
    chosen = [
        clean[int(text)] for text in request.POST.getlist("item") if text.isdecimal() and int(text) in clean
    ]
    actor = _actor(request)
    done = 0
    for todo in chosen:
        try:
            write_once(request, _approving(todo, actor), suffix=str(todo.item_id))
            done += 1
        except ViaticaError as error:
            messages.warning(request, f"{todo.number}: {shown.refusal(error)}")
    if done:
        text = ngettext("{count} paper was approved.", "{count} papers were approved.", done)
        messages.success(request, text.format(count=done))
    elif not chosen:
        messages.warning(request, gettext("Nothing was chosen."))
    return HttpResponseRedirect(reverse("front:approvals"))


def _approving(todo: TodoRow, actor: Employee) -> Callable[[datetime], str]:
    def run(at: datetime) -> str:
        services.decide(
            item_id=todo.item_id,
            actor=actor,
            verdict="approve",
            expected_version=todo.version,
            at=at,
            via="web",
        )
        return reverse("front:approvals")

    return run


def _actor(request: SignedIn) -> Employee:
    return Employee.objects.get(pk=request.viewer.employee_id)


# One paper


def _item(item_id: int, viewer: Viewer) -> Item:
    """An item of the viewer's, or one a delegate decides for them. Raises NotFound."""
    item = (
        Item.objects.filter(pk=item_id).select_related("case__connection", "case__applicant", "step", "on_behalf_of")
        .defer("case__form", "case__context").first()
    )  # fmt: skip
    if item is None or viewer.employee_id not in (item.approver_id, item.on_behalf_of_id):
        raise NotFound()
    return item


def _seen(item: Item) -> tuple[str, Item]:
    """The paper's token, and the item read after it."""
    seen = timeline.token(item.case.ref)
    item.refresh_from_db(fields=["state", "version", "approver"])
    return seen, item


@signed_in
@require_GET
def paper(request: SignedIn, item_id: int) -> HttpResponse:
    return _paper(request, _item(item_id, request.viewer))


def _paper(
    request: SignedIn, item: Item, refusal: ViaticaError | None = None, comment: str = ""
) -> HttpResponse:
    seen, item = _seen(item)
    context = {
        **_context(request, item, seen),
        "rows": rows_of(request.viewer),
        "current": item.pk,
        "refusal": refusal,
        "comment": comment,
    }
    return render(request, "front/approval.html", context, status=refusal.status if refusal else 200)


def _context(request: SignedIn, item: Item, seen: str) -> dict[str, Any]:
    case = item.case
    found = open_paper(case.ref, request.viewer)
    is_outside = case.is_outside
    return {
        "here": "approvals",
        "item": item,
        "case": case,
        "report": found.report,
        "trip": found.trip,
        "legs": list(found.trip.legs.all()) if found.trip else [],
        "paper": found.paper,
        "money": found.money,
        "lines": found.lines,
        "exceptions": found.exceptions,
        "without_invoice": sum(line.line.invoice_id is None for line in found.lines),
        "doubtful": [line for line in found.lines if line.doubts],
        "bars": held_bars(case.ref),
        "path": queries.path(case.ref),
        "timeline": timeline.of(case.ref),
        "seen": seen,
        "live": reverse("front:approval_live", args=[item.pk]),
        "is_live": item.state in LIVE,
        "system": case.connection.name if is_outside and case.connection else "",
        "may_decide": item.state == ItemState.OPEN
        and not is_outside
        and item.approver_id == request.viewer.employee_id,
    }


@signed_in
@require_GET
def live(request: SignedIn, item_id: int) -> HttpResponse:
    seen, item = _seen(_item(item_id, request.viewer))
    if request.GET.get("seen") == seen:
        return HttpResponse(status=204)
    return render(request, "front/approval.html#live", {**_context(request, item, seen), "fresh": True})


@signed_in
@require_POST
def decide(request: SignedIn, item_id: int) -> HttpResponse:
    item = _item(item_id, request.viewer)
    comment = request.POST.get("comment", "").strip()[:1000]
    verdict = request.POST.get("verdict", "")

    def run(at: datetime) -> str:
        services.decide(
            item_id=item.pk, actor=_actor(request), verdict=verdict, comment=comment,
            expected_version=version_of(request), at=at, via="web",
        )  # fmt: skip
        return reverse("front:approvals")

    try:
        answer = write_once(request, run)
    except ViaticaError as error:
        if error.status == 404:
            raise
        return _paper(request, _item(item_id, request.viewer), error, comment)
    said = {"approve": gettext("{number} was approved."), "reject": gettext("{number} was rejected.")}
    messages.success(
        request, said.get(verdict, gettext("{number} was sent back.")).format(number=item.case.number)
    )
    return answer


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def hand_over(request: SignedIn, item_id: int) -> HttpResponse:
    """转交: a colleague decides instead."""

    def act(item: Item, who: Employee, comment: str, at: datetime) -> str:
        services.hand_over(
            item_id=item.pk, actor=_actor(request), to=who, comment=comment, expected_version=version_of(request),
            at=at, via="web",
        )  # fmt: skip
        return gettext("{number} was handed over to {name}.")

    return _with_colleague(request, item_id, "hand_over", act)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def add_signer(request: SignedIn, item_id: int) -> HttpResponse:
    """加签: a colleague is asked as well."""

    def act(item: Item, who: Employee, comment: str, at: datetime) -> str:
        position = request.POST.get("position", "")
        services.add_signer(
            item_id=item.pk, actor=_actor(request), signer=who, comment=comment,
            position=position if position in ("before", "after", "beside") else "before",
            expected_version=version_of(request), at=at, via="web",
        )  # fmt: skip
        return gettext("{name} was asked to sign {number} as well.")

    return _with_colleague(request, item_id, "add_signer", act)


def _with_colleague(
    request: SignedIn, item_id: int, action: str, act: Callable[[Item, Employee, str, datetime], str]
) -> HttpResponse:
    """Find the colleague by what was typed; several of one name are offered to choose from."""
    item = _item(item_id, request.viewer)
    context: dict[str, Any] = {
        "here": "approvals", "item": item, "case": item.case, "action": action,
        "who": request.POST.get("who", ""), "comment": request.POST.get("comment", ""),
        "position": request.POST.get("position", "before"), "found": [],
    }  # fmt: skip
    if request.method != "POST":
        return render(request, "front/colleague.html", context)
    try:
        found = _chosen(request)
        if len(found) > 1:
            return render(request, "front/colleague.html", {**context, "found": found})
        said = ""

        def run(at: datetime) -> str:
            nonlocal said
            said = act(item, found[0], context["comment"].strip()[:1000], at)
            return reverse("front:approvals")

        answer = write_once(request, run)
        if said:
            messages.success(request, said.format(number=item.case.number, name=found[0].name))
        return answer
    except ViaticaError as error:
        if error.status == 404:
            raise
        return render(request, "front/colleague.html", {**context, "refusal": error}, status=error.status)


def _chosen(request: SignedIn) -> list[Employee]:
    chosen = request.POST.get("employee", "")
    if chosen.isdecimal():
        return list(Employee.objects.filter(pk=int(chosen), is_active=True)) or people.find("")
    return people.find(request.POST.get("who", ""))
