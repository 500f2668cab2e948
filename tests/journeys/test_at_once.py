"""Several people at the same moment, each on a connection of their own: one effect, clear conflicts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection, transaction

from tests.journeys.conftest import Desk, taxi
from viatica.documents.expense import journey, queries
from viatica.documents.expense.models import ExpenseReport
from viatica.kernel.errors import Conflict, ViaticaError
from viatica.offices.approval import queries as approvals
from viatica.offices.approval import services as approval
from viatica.offices.budget.models import BudgetEntry
from viatica.offices.budget.services import BudgetShort
from viatica.offices.notices.models import Notice
from viatica.spine import facts


def at_once(*jobs: Callable[[], object]) -> list[object]:
    """Run `jobs` together; what each gave, or the refusal it met."""
    start = Barrier(len(jobs))

    def run(job: Callable[[], object]) -> object:
        start.wait()
        try:
            with transaction.atomic():
                return job()
        except ViaticaError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as threads:
        return list(threads.map(run, jobs))


def test_eight_approve_at_once(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    report = desk.handed_in(taxi())
    approver = desk.company.employee("approver")
    item = approvals.my_item(report.ref, approver.pk)
    assert item is not None

    def approve() -> object:
        return approval.decide(
            item_id=item.pk, actor=approver, verdict="approve", expected_version=item.version, at=desk.at
        )

    results = at_once(*[approve] * 8)
    assert sum(isinstance(result, Conflict) for result in results) == 7
    assert desk.state(report) == "to_audit"
    assert BudgetEntry.objects.filter(ref=str(report.ref), kind="consume").count() == 1
    assert [row.fact for row in facts.timeline(report.ref)].count("report.approved") == 1
    assert Notice.objects.filter(employee_id=report.owner_id).count() == 1


def test_approve_and_withdraw_at_once_have_one_winner(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    report = desk.handed_in(taxi())
    approver = desk.company.employee("approver")
    item = approvals.my_item(report.ref, approver.pk)
    assert item is not None

    def approve() -> object:
        return approval.decide(
            item_id=item.pk, actor=approver, verdict="approve", expected_version=item.version, at=desk.at
        )

    results = at_once(approve, lambda: desk.withdraw(report))
    assert sum(isinstance(result, ViaticaError) for result in results) == 1
    assert (desk.state(report), desk.standing()) in (
        ("to_audit", ("0.00", "48.00")),
        ("draft", ("0.00", "0.00")),
    )


def test_fifty_hand_in_on_one_budget(open_desk: Callable[..., Desk]) -> None:
    """Room for ten: ten pass, forty are told so, and the budget is never oversold."""
    desk = open_desk(budget="500.00")
    viewer = desk.company.viewer("owner")
    reports = [desk.draft(taxi("50.00")) for _ in range(50)]

    def hand_in(report: ExpenseReport) -> Callable[[], object]:
        return lambda: journey.submit(
            report=report, viewer=viewer, expected_version=report.version, at=desk.at, via="web"
        )

    results = [result for n in range(0, 50, 10) for result in at_once(*map(hand_in, reports[n : n + 10]))]
    assert sum(isinstance(result, BudgetShort) for result in results) == 40
    assert desk.standing() == ("500.00", "0.00")
    assert ExpenseReport.objects.filter(state="in_approval").count() == 10


def test_two_edit_at_once(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    report, viewer = desk.draft(taxi()), desk.company.viewer("owner")

    def add() -> object:
        fresh = queries.get(report.number, viewer)
        return journey.add_lines(
            report=fresh,
            viewer=viewer,
            drafts=[taxi()],
            expected_version=report.version,
            at=desk.at,
            via="web",
        )

    results = at_once(add, add)
    assert sum(isinstance(result, Conflict) for result in results) == 1
    assert queries.get(report.number, viewer).line_count == 2


def test_the_same_submit_twice_is_one(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    report = desk.draft(taxi())
    viewer = desk.company.viewer("owner")

    def hand_in() -> object:
        fresh = queries.get(report.number, viewer)
        return journey.submit(
            report=fresh, viewer=viewer, expected_version=report.version, at=desk.at, via="web"
        )

    results = at_once(*[hand_in] * 4)
    assert sum(isinstance(result, Conflict) for result in results) == 3
    assert desk.standing() == ("48.00", "0.00")


def test_a_hundred_numbers_at_once(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    numbers = [result for _ in range(10) for result in at_once(*[lambda: desk.draft().number] * 10)]
    assert len(set(numbers)) == 100
    assert all(isinstance(number, str) and number.startswith("BX202611-") for number in numbers)


@pytest.mark.parametrize("other", ["reject", "send_back"])
def test_contradicting_decisions_have_one_winner(open_desk: Callable[..., Desk], other: str) -> None:
    desk = open_desk()
    report = desk.handed_in(taxi())
    approver = desk.company.employee("approver")
    item = approvals.my_item(report.ref, approver.pk)
    assert item is not None

    def decide(verdict: str) -> Callable[[], object]:
        return lambda: approval.decide(
            item_id=item.pk,
            actor=approver,
            verdict=verdict,
            comment="看过",
            expected_version=item.version,
            at=desk.at,
        )

    results = at_once(decide("approve"), decide(other))
    assert sum(isinstance(result, Conflict) for result in results) == 1
    told = [row.fact for row in facts.timeline(report.ref)]
    assert sum(fact in ("report.approved", "report.rejected", "report.returned") for fact in told) == 1
