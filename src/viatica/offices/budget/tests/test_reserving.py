from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.offices.budget import books, services
from viatica.offices.budget.charges import Charge
from viatica.offices.budget.models import Budget, BudgetEntry
from viatica.offices.company.tests.cast import Company, Together
from viatica.spine import facts

AT = datetime(2026, 11, 24, 8, tzinfo=UTC)
REPORT, TRIP = Ref("expense_report", "1"), Ref("travel_request", "1")


def budget(company: Company, name: str = "华东", amount: str = "1000", **dimensions: Any) -> Budget:
    return Budget.objects.create(
        name=name,
        entity=company.entity,
        start=date(2026, 1, 1),
        end=date(2027, 1, 1),
        amount=amount,
        **dimensions,
    )


def charge(company: Company, amount: str, category: str = "lodging") -> Charge:
    return Charge(
        company.entity.pk,
        company.east.pk,
        company.east.path,
        None,
        None,
        category,
        date(2026, 11, 1),
        Money(amount, "CNY"),
    )


def reserve(company: Company, amount: str, ref: Ref = REPORT, **kwargs: Any) -> list[services.Hold]:
    return services.reserve(charges=[charge(company, amount)], ref=ref, at=AT, actor="employee:2", **kwargs)


def sums(row: Budget) -> tuple[str, str]:
    row.refresh_from_db()
    return str(row.reserved), str(row.consumed)


def test_held_then_spent_then_undone(company: Company) -> None:
    row = budget(company)
    (hold,) = reserve(company, "300")
    assert (hold.money, hold.left, hold.warning) == (Money("300", "CNY"), Money("700", "CNY"), None)
    assert sums(row) == ("300.00", "0.00")
    (moved,) = services.consume(ref=REPORT, at=AT)
    assert (moved.budget_id, moved.money) == (row.pk, Money("300", "CNY"))
    assert sums(row) == ("0.00", "300.00")
    services.reverse(ref=REPORT, at=AT)
    assert sums(row) == ("0.00", "0.00")
    assert [fact.fact for fact in facts.timeline(REPORT)] == [
        "budget.reserved",
        "budget.consumed",
        "budget.reversed",
    ]
    assert facts.timeline(REPORT)[0].data == {
        "budgets": [{"id": row.pk, "budget": "华东", "amount": "300.00", "currency": "CNY"}]
    }
    assert books.disagreements(AT) == []


def test_repeating_or_contradicting_a_movement_moves_nothing(company: Company) -> None:
    row = budget(company)
    reserve(company, "300")
    services.consume(ref=REPORT, at=AT)
    assert services.consume(ref=REPORT, at=AT) == []
    assert services.release(ref=REPORT, at=AT) == []
    assert sums(row) == ("0.00", "300.00")
    services.reverse(ref=REPORT, at=AT)
    assert services.reverse(ref=REPORT, at=AT) == []
    assert sums(row) == ("0.00", "0.00")
    assert BudgetEntry.objects.count() == 3
    assert len(facts.timeline(REPORT)) == 3


def test_a_released_paper_may_hold_anew(company: Company) -> None:
    row = budget(company)
    reserve(company, "300")
    services.release(ref=REPORT, at=AT)
    reserve(company, "400")
    assert sums(row) == ("400.00", "0.00")
    services.consume(ref=REPORT, at=AT)
    services.reverse(ref=REPORT, at=AT)
    reserve(company, "500")
    services.consume(ref=REPORT, at=AT)
    assert sums(row) == ("0.00", "500.00")


def test_a_paper_cannot_hold_twice(company: Company) -> None:
    row = budget(company)
    reserve(company, "300")
    with pytest.raises(services.AlreadyReserved):
        reserve(company, "300")
    assert sums(row) == ("300.00", "0.00")


def test_a_hard_budget_without_room_says_whose_it_is_and_holds_nothing(company: Company) -> None:
    roomy = budget(company, "全部", "9000")
    row = budget(company, "酒店", "1000", department=company.sales, category="lodging")
    reserve(company, "999.99", Ref("expense_report", "7"))
    with pytest.raises(services.BudgetShort) as short:
        services.reserve(
            charges=[charge(company, "0.02"), charge(company, "5", "air")],
            ref=REPORT,
            at=AT,
            actor="employee:2",
        )
    assert short.value.status == 422
    assert short.value.said(str) == "The budget “酒店” has 0.01 CNY left; this needs 0.02 CNY."
    assert "周总" in short.value.advice(str)
    assert sums(row) == ("999.99", "0.00")
    assert sums(roomy) == ("0.00", "0.00")
    assert not BudgetEntry.objects.filter(ref=str(REPORT)).exists()
    assert facts.timeline(REPORT) == []
    assert reserve(company, "0.01")[0].left == Money("0", "CNY")


def test_a_soft_budget_warns_and_holds(company: Company) -> None:
    row = budget(company, control="soft")
    (hold,) = reserve(company, "1200.50")
    assert hold.warning == (
        "With this the budget “{budget}” is overdrawn by {excess}.", {"budget": "华东", "excess": "200.50 CNY"},
    )  # fmt: skip
    assert sums(row) == ("1200.50", "0.00")


def test_what_no_budget_covers_is_free(company: Company) -> None:
    assert reserve(company, "99999") == []
    assert facts.timeline(REPORT) == []
    assert services.consume(ref=REPORT, at=AT) == []


def test_a_refund_asks_for_no_room_even_of_an_overdrawn_budget(company: Company) -> None:
    row = budget(company)
    reserve(company, "1000", TRIP)
    Budget.objects.filter(pk=row.pk).update(amount=500)
    assert reserve(company, "-20") == []
    with pytest.raises(services.BudgetShort):
        reserve(company, "1")


def test_the_trip_makes_way_for_its_report(company: Company) -> None:
    row = budget(company)
    reserve(company, "900", TRIP)
    with pytest.raises(services.BudgetShort):
        reserve(company, "950")
    with pytest.raises(services.BudgetShort):
        reserve(company, "1000.01", instead_of=TRIP)
    assert sums(row) == ("900.00", "0.00")
    (hold,) = reserve(company, "950", instead_of=TRIP)
    assert hold.left == Money("50", "CNY")
    assert sums(row) == ("950.00", "0.00")
    assert [fact.fact for fact in facts.timeline(TRIP)] == ["budget.reserved", "budget.released"]
    assert services.release(ref=TRIP, at=AT) == []


def test_the_trip_gives_back_even_where_its_report_asks_nothing(company: Company) -> None:
    row = budget(company, category="air")
    services.reserve(charges=[charge(company, "900", "air")], ref=TRIP, at=AT, actor="employee:2")
    assert reserve(company, "10", instead_of=TRIP) == []
    assert sums(row) == ("0.00", "0.00")


def test_three_statements_to_reserve_and_two_to_settle_however_many_lines(company: Company) -> None:
    for category in ("", "lodging", "air"):
        budget(company, category or "all", "90000", category=category)
    charges = [charge(company, "1", ("lodging", "air", "taxi")[n % 3]) for n in range(90)]
    with CaptureQueriesContext(connection) as reserving:
        assert len(services.reserve(charges=charges, ref=REPORT, at=AT, actor="employee:2")) == 3
    with CaptureQueriesContext(connection) as consuming:
        assert len(services.consume(ref=REPORT, at=AT)) == 3
    with CaptureQueriesContext(connection) as nothing:
        services.consume(ref=REPORT, at=AT)
    assert (len(reserving), len(consuming), len(nothing)) == (3, 2, 1)


def test_entries_can_be_neither_changed_nor_deleted(company: Company) -> None:
    budget(company)
    reserve(company, "300")
    for change in (lambda: BudgetEntry.objects.update(amount=1), lambda: BudgetEntry.objects.all().delete()):
        with pytest.raises(DatabaseError, match=r"Cannot (update|delete)"), transaction.atomic():
            change()
    assert BudgetEntry.objects.get().amount == Decimal(300)


@pytest.mark.parametrize("column", ["reserved", "consumed"])
def test_the_sums_are_never_negative(company: Company, column: str) -> None:
    row = budget(company)
    with pytest.raises(DatabaseError, match=f"budget_{column}_not_negative"), transaction.atomic():
        Budget.objects.filter(pk=row.pk).update(**{column: -1})


def test_re_adding_names_what_disagrees(company: Company) -> None:
    row = budget(company)
    reserve(company, "300")
    Budget.objects.filter(pk=row.pk).update(reserved=299, consumed=5)
    assert [(found.ref, found.ours, found.theirs) for found in books.disagreements(AT)] == [
        (f"budget:{row.pk}", "299.00", "300.00"),
        (f"budget:{row.pk}", "5.00", "0"),
    ]
    assert list(books.balances("expense_report")) == [
        books.RefBalance("expense_report:1", Money("300", "CNY"), Money("0", "CNY"))
    ]


def test_fifty_at_once_on_a_budget_with_room_for_twenty(real_company: Company, together: Together) -> None:
    row = budget(real_company, amount="2000")
    refs = [Ref("expense_report", str(n)) for n in range(50)]
    results = together([partial(reserve, real_company, "100", ref) for ref in refs])
    held = [ref for ref, result in zip(refs, results, strict=True) if isinstance(result, list)]
    assert len(held) == 20
    assert all(isinstance(result, list | services.BudgetShort) for result in results)
    assert sums(row) == ("2000.00", "0.00")
    assert set(BudgetEntry.objects.values_list("ref", flat=True)) == {str(ref) for ref in held}
    assert books.disagreements(AT) == []


def test_eight_settling_one_paper_at_once_move_it_once(real_company: Company, together: Together) -> None:
    row, rest = budget(real_company, category="lodging"), budget(real_company, "all")
    both = [charge(real_company, "100"), charge(real_company, "70", "air")]
    for round_ in range(10):
        ref = Ref("expense_report", str(round_))
        services.reserve(charges=both, ref=ref, at=AT, actor="employee:2")
        settle = [services.consume, services.release] * 4
        results = together([partial(move, ref=ref, at=AT) for move in settle])
        assert sorted(len(result) for result in results) == [0] * 7 + [2]
        services.reverse(ref=ref, at=AT)
    assert sums(row) == sums(rest) == ("0.00", "0.00")
    assert books.disagreements(AT) == []


def test_papers_that_want_the_same_budgets_in_any_order_never_deadlock(
    real_company: Company, together: Together
) -> None:
    rows = [
        budget(real_company, category, "100000", category=category) for category in ("lodging", "air", "taxi")
    ]
    categories = ["lodging", "air", "taxi"]

    def hold(n: int) -> None:
        charges = [charge(real_company, "10", categories[n % 3])]
        services.reserve(charges=charges, ref=Ref("travel_request", str(n)), at=AT, actor="employee:2")

    def settle(n: int) -> None:
        services.consume(ref=Ref("expense_report", str(n)), at=AT)

    def swap(n: int) -> None:
        charges = [charge(real_company, "10", category) for category in categories]
        services.reserve(
            charges=charges,
            ref=Ref("expense_report", str(n)),
            at=AT,
            actor="x",
            instead_of=Ref("travel_request", str(n)),
        )

    together([partial(hold, n) for n in range(24)])
    together([partial(swap, n) for n in range(24)])
    together([partial(settle, n // 2) for n in range(48)])
    assert [sums(row) for row in rows] == [("0.00", "240.00")] * 3
    assert books.disagreements(AT) == []
