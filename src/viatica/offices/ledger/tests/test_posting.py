from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.offices.access.models import Role
from viatica.offices.company.categories import Category
from viatica.offices.company.tests.cast import Company, Together
from viatica.offices.ledger import books, queries, services
from viatica.offices.ledger.models import AccountMapping, Purpose, Voucher, VoucherCounter, VoucherLine
from viatica.spine import facts

AT = datetime(2026, 11, 24, 8, tzinfo=UTC)
DAY = date(2026, 11, 24)
REPORT = Ref("expense_report", "1")


@pytest.fixture(autouse=True)
def accounts(request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("real_company" if "real_company" in request.fixturenames else "company")
    services.seed_accounts()


def line(company: Company, net: str, tax: str = "0", category: str = "lodging") -> services.Posting:
    return services.Posting(
        category,
        company.east.pk,
        company.cost_center.pk,
        None,
        company.zhang.pk,
        Money(net, "CNY"),
        Money(tax, "CNY"),
    )


def post(company: Company, *lines: services.Posting, ref: Ref = REPORT, **changed: Any) -> Voucher:
    values: dict[str, Any] = {
        "ref": ref, "number": "BX202611-000001", "entity_id": company.entity.pk, "day": DAY, "summary": "报销 张三",
        "payee_employee_id": company.zhang.pk, "at": AT, "actor": "employee:1",
        "lines": list(lines) or [line(company, "566.04", "33.96")],
    }  # fmt: skip
    return services.post(**{**values, **changed})


def pay(company: Company, money: str = "600", ref: Ref = REPORT) -> Voucher:
    return services.post_payment(
        ref=ref, number="BX202611-000001", entity_id=company.entity.pk, day=DAY, summary="付款 张三",
        money=Money(money, "CNY"), payee_employee_id=company.zhang.pk, at=AT, actor="employee:1",
    )  # fmt: skip


def sides(voucher: Voucher) -> list[tuple[str, str, str]]:
    return [(side.account_code, str(side.debit), str(side.credit)) for side in voucher.lines.all()]


def check_now() -> None:
    """Deferred checks run at commit; ask for them now."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")


def test_a_claim_is_cost_and_input_tax_owed_to_the_payee(company: Company) -> None:
    voucher = post(company, line(company, "566.04", "33.96"), line(company, "100", category="taxi"))
    check_now()
    assert str(voucher) == "2026-11 记-0001"
    assert voucher.money == Money("700", "CNY")
    assert sides(voucher) == [
        ("660201", "566.04", "0.00"),
        ("660201", "100.00", "0.00"),
        ("22210101", "33.96", "0.00"),
        ("2241", "0.00", "700.00"),
    ]
    cost, *_, payable = voucher.lines.all()
    assert (cost.category, cost.department, cost.cost_center, cost.employee) == (
        "lodging", company.east, company.cost_center, company.zhang,
    )  # fmt: skip
    assert (payable.employee, payable.department) == (company.zhang, None)
    (fact,) = facts.timeline(REPORT)
    assert (fact.fact, fact.actor, fact.data) == (
        "voucher.posted",
        "employee:1",
        {"voucher": "2026-11 记-0001", "purpose": "claim", "amount": {"amount": "700.00", "currency": "CNY"}},
    )
    assert queries.voucher_of(REPORT) == voucher


def test_a_payment_is_what_was_owed_against_the_bank(company: Company) -> None:
    post(company)
    paid = pay(company)
    check_now()
    assert sides(paid) == [("2241", "600.00", "0.00"), ("1002", "0.00", "600.00")]
    assert queries.voucher_of(REPORT, Purpose.PAYMENT) == paid
    assert list(books.booked("expense_report")) == [
        books.RefBooked("expense_report:1", Money("600", "CNY"), Money("600", "CNY"))
    ]


def test_posting_twice_gives_the_same_voucher_and_uses_no_number(company: Company) -> None:
    first = post(company)
    assert post(company, line(company, "1")) == first
    assert pay(company) == pay(company)
    assert list(Voucher.objects.values_list("number", flat=True).order_by("id")) == [1, 2]
    assert VoucherCounter.objects.get().last == 2
    assert len(facts.timeline(REPORT)) == 2
    assert books.disagreements(AT) == []


def test_numbers_run_per_entity_and_month(company: Company) -> None:
    days = [date(2026, 11, 1), date(2026, 11, 30), date(2026, 12, 1)]
    numbers = [str(post(company, ref=Ref("expense_report", str(n)), day=day)) for n, day in enumerate(days)]
    other = post(company, ref=Ref("expense_report", "9"), entity_id=company.other.pk)
    assert [*numbers, str(other)] == [
        "2026-11 记-0001",
        "2026-11 记-0002",
        "2026-12 记-0001",
        "2026-11 记-0001",
    ]


def test_a_rolled_back_posting_leaves_no_gap(company: Company) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        post(company)
        raise ZeroDivisionError
    assert post(company).number == 1


def test_the_entitys_own_account_comes_before_everybodys(company: Company) -> None:
    AccountMapping.objects.create(
        entity=company.entity, role="lodging", code="660101", name="销售费用—差旅费"
    )
    AccountMapping.objects.create(entity=company.other, role="taxi", code="1", name="")
    voucher = post(company, line(company, "1"), line(company, "1", category="taxi"))
    assert [code for code, _debit, _credit in sides(voucher)] == ["660101", "660201", "2241"]


def test_without_an_account_nothing_is_posted_or_numbered(company: Company) -> None:
    AccountMapping.objects.filter(role="taxi").delete()
    with pytest.raises(services.NoAccount) as refused:
        post(company, line(company, "1"), line(company, "1", category="taxi"))
    assert refused.value.params["role"] == Category.TAXI.label
    assert not Voucher.objects.exists()
    assert not VoucherCounter.objects.exists()
    assert facts.timeline(REPORT) == []


@pytest.mark.parametrize("nets", [[], ["0"], ["5", "-5"]])
def test_nothing_is_not_posted(company: Company, nets: list[str]) -> None:
    with pytest.raises(services.NothingToPost):
        post(company, lines=[line(company, net) for net in nets])
    assert not Voucher.objects.exists()


def test_a_red_voucher_undoes_and_the_paper_may_be_posted_anew(company: Company) -> None:
    original = post(company)
    red = services.reverse(ref=REPORT, day=date(2026, 12, 2), at=AT, actor="employee:1")
    check_now()
    assert str(red) == "2026-12 记-0001"
    assert red.reverses == original
    assert sides(red) == [
        (code, f"{-Decimal(debit):.2f}", f"{-Decimal(credit):.2f}") for code, debit, credit in sides(original)
    ]
    assert queries.voucher_of(REPORT) is None
    assert services.reverse(ref=REPORT, day=DAY, at=AT, actor="employee:1") == red
    again = post(company)
    assert again not in (original, red)
    assert queries.vouchers_of(REPORT) == [original, red, again]
    assert [fact.fact for fact in facts.timeline(REPORT)] == [
        "voucher.posted",
        "voucher.reversed",
        "voucher.posted",
    ]
    assert books.disagreements(AT) == []
    assert [booked.claimed for booked in books.booked("expense_report")] == [Money("600", "CNY")]


def test_what_was_never_posted_cannot_be_reversed(company: Company) -> None:
    pay(company)
    with pytest.raises(services.NotPosted):
        services.reverse(ref=REPORT, day=DAY, at=AT, actor="employee:1")
    assert Voucher.objects.count() == 1


CHANGES: list[Callable[[], Any]] = [
    lambda: Voucher.objects.update(summary="x"),
    lambda: Voucher.objects.update(reversed_at=AT, total=1),
    lambda: Voucher.objects.all().delete(),
    lambda: VoucherLine.objects.update(debit=1),
    lambda: VoucherLine.objects.all().delete(),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_posted_voucher_never_changes(company: Company, change: Callable[[], Any]) -> None:
    voucher = post(company)
    with pytest.raises(DatabaseError), transaction.atomic():
        change()
    kept = Voucher.objects.get()
    assert (kept.summary, kept.total, kept.reversed_at) == (voucher.summary, voucher.total, None)
    assert sides(kept) == sides(voucher)


def test_a_reversal_is_marked_once_and_for_ever(company: Company) -> None:
    post(company)
    services.reverse(ref=REPORT, day=DAY, at=AT, actor="employee:1")
    with pytest.raises(DatabaseError, match="is posted"), transaction.atomic():
        Voucher.objects.filter(reverses=None).update(reversed_at=None)


def test_no_line_is_added_later(company: Company) -> None:
    voucher = post(company)
    with pytest.raises(DatabaseError, match="no further lines"), transaction.atomic():
        VoucherLine.objects.create(voucher=voucher, no=9, account_code="1", debit=1)
    assert voucher.lines.count() == 3


def test_an_unbalanced_voucher_cannot_be_committed(company: Company) -> None:
    head: dict[str, Any] = {
        "entity": company.entity, "month": date(2026, 11, 1), "day": DAY, "summary": "", "ref": "x:1", "number": 1,
        "purpose": "claim", "document_number": "", "payee": company.zhang, "total": 5, "currency": "CNY", "posted_at": AT,
    }  # fmt: skip
    with pytest.raises(DatabaseError, match="does not balance"), transaction.atomic():
        voucher = Voucher.objects.create(lines_count=2, **head)
        VoucherLine.objects.create(voucher=voucher, no=1, account_code="1", debit=5)
        VoucherLine.objects.create(voucher=voucher, no=2, account_code="2", credit=Decimal("4.99"))
        check_now()
    with pytest.raises(DatabaseError, match="does not balance"), transaction.atomic():
        Voucher.objects.create(lines_count=0, **head)
        check_now()
    with pytest.raises(DatabaseError, match="voucher_line_one_side"), transaction.atomic():
        voucher = Voucher.objects.create(lines_count=1, **head)
        VoucherLine.objects.create(voucher=voucher, no=1, account_code="1", debit=5, credit=5)
    assert not Voucher.objects.exists()


def test_five_statements_however_many_lines(company: Company) -> None:
    lines = [line(company, "1", "0.06", category) for category in Category.values] * 20
    with CaptureQueriesContext(connection) as statements:
        post(company, *lines)
    assert len(statements) == 5


amounts = st.integers(-100_000, 10_000_000).map(lambda n: Decimal(n) / 100)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(amounts, amounts, st.sampled_from(Category.values)), max_size=12))
def test_every_voucher_balances_and_so_does_its_red_one(
    company: Company, parts: list[tuple[Any, ...]]
) -> None:
    total = sum((net + tax for net, tax, _category in parts), Decimal(0))
    with transaction.atomic():
        lines = [line(company, str(net), str(tax), category) for net, tax, category in parts]
        if not total:
            with pytest.raises(services.NothingToPost):
                post(company, lines=lines)
        else:
            assert post(company, lines=lines).total == total
            services.reverse(ref=REPORT, day=DAY, at=AT, actor="employee:1")
        check_now()
        assert books.disagreements(AT) == []
        assert all(booked.claimed == Money(0, "CNY") for booked in books.booked("expense_report"))
        transaction.set_rollback(True)


def test_only_the_finance_desks_of_the_entity_see_its_vouchers(company: Company) -> None:
    ours = post(company)
    theirs = post(company, ref=Ref("expense_report", "2"), entity_id=company.other.pk)
    assert list(queries.vouchers(company.viewer(company.zhang, Role.FINANCE))) == [ours]
    assert list(queries.vouchers(company.viewer(company.zhang, Role.AUDITOR, entity=company.other))) == [
        theirs
    ]
    assert list(queries.vouchers(company.viewer(company.zhang, Role.MANAGER))) == []


def test_forty_at_once_are_numbered_without_gap_and_twins_are_one(
    real_company: Company, together: Together
) -> None:
    refs = [Ref("expense_report", str(n // 2)) for n in range(40)]
    vouchers = together([partial(post, real_company, ref=ref) for ref in refs])
    assert [vouchers[n] for n in range(0, 40, 2)] == [vouchers[n] for n in range(1, 40, 2)]
    assert sorted(Voucher.objects.values_list("number", flat=True)) == list(range(1, 21))
    assert books.disagreements(AT) == []


def test_eight_reversing_at_once_make_one_red_voucher(real_company: Company, together: Together) -> None:
    together([partial(post, real_company)])
    reds = together([partial(services.reverse, ref=REPORT, day=DAY, at=AT, actor="employee:1")] * 8)
    assert len({red.pk for red in reds}) == 1
    assert Voucher.objects.count() == 2
    assert books.disagreements(AT) == []
