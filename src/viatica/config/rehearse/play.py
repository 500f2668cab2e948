"""The play: a trip, its report, the approvals, the audit and the payment; then the four promises."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from viatica.config.books import re_add
from viatica.config.rehearse.doors import Control, NotNow
from viatica.config.rehearse.stage import Stage
from viatica.documents.expense.models import ExpenseReport
from viatica.documents.travel.models import TravelRequest
from viatica.kernel import clock
from viatica.kernel.refs import Ref
from viatica.offices.approval import queries as approvals
from viatica.offices.approval.boards import key_of
from viatica.offices.approval.models import Case, Item
from viatica.spine import facts, reconcile
from viatica.spine.models import Connection

PATIENCE = 300.0  # seconds for one step; people in a real OA take longer, so there it is an hour
PEOPLES_PATIENCE = 3600.0
RECONCILE_EVERY = 3.0

Tell = Callable[[str], None]


def life(stage: Stage, invoices: Sequence[Path], *, tell: Tell) -> str:
    """Play it from the first click to paid; the report's number."""
    trip = _trip(stage)
    tell(f"出差申请 {trip} 已通过 · trip approved")
    report = _report(stage, trip, invoices)
    tell(f"报销单 {report} 已通过审批 · report approved")
    _audit(stage, report)
    tell("财务审核通过，凭证已生成 · audited, voucher posted")
    _pay(stage, report)
    tell("已付款 · paid")
    return report


def _trip(stage: Stage) -> str:
    start = date.today() - timedelta(days=4)  # noqa: DTZ011 - any recent day will do
    trip = stage.owner.post(
        "/trips",
        {
            "purpose": "彩排：拜访客户",
            "legs": [
                {"city": stage.city, "leaves_on": str(start), "returns_on": str(start + timedelta(days=2))}
            ],
            "estimates": {"rail": {"amount": "600.00"}, "lodging": {"amount": "900.00"}},
        },
    )
    stage.owner.post(f"/trips/{trip['number']}/submit", {"version": trip["version"]})
    ref = Ref(TravelRequest.KIND, str(TravelRequest.objects.get(number=trip["number"]).pk))
    _approved(stage, f"/trips/{trip['number']}", ref, "approved")
    number: str = trip["number"]
    return number


def _report(stage: Stage, trip: str, invoices: Sequence[Path]) -> str:
    taken = [stage.owner.upload("/invoices", file)["id"] for file in invoices]
    yesterday = str(date.today() - timedelta(days=2))  # noqa: DTZ011 - any recent day will do
    taxi = {"category": "taxi", "day": yesterday, "paid": {"amount": "36.50"}, "note": "车站 → 客户"}
    report = stage.owner.post("/reports", {"title": "彩排：客户拜访报销", "trip": trip, "lines": [taxi]})
    number: str = report["number"]
    if taken:
        report = stage.owner.post(
            f"/reports/{number}/invoices", {"version": report["version"], "invoices": taken}
        )
    for line in report["lines"]:
        change = {
            name: line[name]
            for name in ("category", "day", "paid", "city", "nights", "tax", "note", "invoice")
        }
        body = {"version": report["version"], "line": {**change, "reason": "彩排：协议酒店已满"}}
        report = stage.owner.put(f"/reports/{number}/lines/{line['no']}", body)
    stage.owner.post(f"/reports/{number}/submit", {"version": report["version"]})
    ref = Ref(ExpenseReport.KIND, str(ExpenseReport.objects.get(number=number).pk))
    _approved(stage, f"/reports/{number}", ref, "to_audit")
    return number


def _approved(stage: Stage, path: str, ref: Ref, state: str) -> None:
    """Let the approvers decide, where they decide, until the paper is in `state`."""
    end = time.monotonic() + (PATIENCE if stage.control or not stage.connection_id else PEOPLES_PATIENCE)
    compared = time.monotonic()
    while time.monotonic() < end:
        now = stage.owner.get(path)["state"]
        if now == state:
            return
        if now != "in_approval":
            raise TimeoutError(f"{path} is {now}, not {state}")
        if stage.connection_id is None:
            _decide_here(stage, ref)
        elif stage.control and stage.is_theirs:
            _decide_there(stage, ref)
        elif stage.control:
            _decide_at_desk(stage, stage.control, ref)
        if time.monotonic() - compared > RECONCILE_EVERY and stage.connection_id:
            reconcile.run(Connection.objects.get(pk=stage.connection_id), clock.now())
            compared = time.monotonic()
        time.sleep(0.1)
    raise TimeoutError(f"{path} did not become {state} in time")


def _decide_here(stage: Stage, ref: Ref) -> None:
    for item in approvals.open_items_of(ref):
        _agree(stage, item)


def _agree(stage: Stage, item: Item) -> None:
    if item.approver_id is not None:
        approver = stage.person(item.approver_id)
        approver.post(f"/todos/{item.pk}/approve", {"version": item.version, "comment": "同意"})


def _decide_at_desk(stage: Stage, control: Control, ref: Ref) -> None:
    """Only once the desk shows the task; where it cannot decide, its approver follows it to our page."""
    for item in approvals.open_items_of(ref):
        for seen in control.shown(key_of(item.pk)):
            if not control.agree(seen):
                _agree(stage, item)
            return


def _decide_there(stage: Stage, ref: Ref) -> None:
    case = approvals.current_case(ref)
    if stage.control is None or case is None:
        return
    stage.control.approve_next(case.outside_number)


def _audit(stage: Stage, number: str) -> None:
    report = stage.finance.get(f"/reports/{number}")
    stage.finance.post(f"/reports/{number}/audit/pass", {"version": report["version"]})
    vouchers = stage.finance.get("/vouchers", document=number)["items"]
    if len(vouchers) != 1:
        raise TimeoutError(f"{number} has {len(vouchers)} vouchers")


def _pay(stage: Stage, number: str) -> None:
    orders = [order["id"] for order in stage.cashier.get("/payments/waiting") if order["document"] == number]
    batch = _patiently(
        lambda: stage.cashier.post("/payments/batches", {"entity": stage.entity, "orders": orders})
    )
    _patiently(
        lambda: stage.checker.post(f"/payments/batches/{batch['number']}/pay", {"version": batch["version"]})
    )
    state = stage.owner.get(f"/reports/{number}")["state"]
    if state != "paid":
        raise TimeoutError(f"{number} is {state}, not paid")


def _patiently(ask: Callable[[], Any]) -> Any:
    """Before money goes the OA is asked whether the approval stands; while it does not answer, people try again."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except NotNow:
            if time.monotonic() > end:
                raise
            time.sleep(1)


def promises(stage: Stage, number: str) -> dict[str, bool]:
    """design.md's promises, each compared where its truth lies."""
    report = ExpenseReport.objects.select_related("trip").get(number=number)
    refs = [report.ref] + ([report.trip.ref] if report.trip else [])
    return {
        "created_exactly_once": all(_created_once(stage, ref) for ref in refs),
        "decided_exactly_once": all(_decided_once(ref) for ref in refs),
        "sides_agree": _sides_agree(stage),
        "books_balance": not re_add(clock.now())[1],
    }


def _created_once(stage: Stage, ref: Ref) -> bool:
    cases = list(Case.objects.filter(ref_kind=ref.kind, ref_key=ref.key))
    if len(cases) != 1:
        return False
    if stage.control is None:
        return True
    if stage.is_theirs:
        return len(stage.control.instances(cases[0].outside_number)) == 1
    asked = cases[0].items.filter(opened_at__isnull=False)
    return all(len(stage.control.shown(key_of(item.pk))) == 1 for item in asked)


def _decided_once(ref: Ref) -> bool:
    told = [row.fact for row in facts.timeline(ref)]
    return (
        sum(fact in ("trip.approved", "report.approved") for fact in told) == 1
        and told.count("report.paid") <= 1
    )


def _sides_agree(stage: Stage) -> bool:
    """Two looks: the first may heal what a lost callback left behind, the second must find nothing."""
    if stage.connection_id is None:
        return True
    connection = Connection.objects.get(pk=stage.connection_id)
    reconcile.run(connection, clock.now())
    second = reconcile.run(connection, clock.now())
    return len(second) == 1 and not second[0].healed and not second[0].unhealed


def timeline(stage: Stage, number: str) -> list[dict[str, Any]]:
    rows = stage.owner.get(f"/reports/{number}/timeline")
    return [{name: row[name] for name in ("at", "fact", "actor", "via")} for row in rows]
