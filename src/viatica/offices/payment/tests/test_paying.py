from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from viatica.kernel.errors import Conflict, NotFound
from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.offices.access.models import Role
from viatica.offices.access.viewer import RoleNeeded, Viewer
from viatica.offices.company.models import Employee
from viatica.offices.company.tests.cast import Company, Together
from viatica.offices.payment import PaidNews, books, news, queries, services
from viatica.offices.payment.bank_file import batch_csv
from viatica.offices.payment.models import PaymentBatch, PaymentOrder
from viatica.spine import facts

AT = datetime(2026, 11, 24, 8, tzinfo=UTC)
LATER = datetime(2026, 11, 25, 8, tzinfo=UTC)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[PaidNews]]:
    """What documents of the kind `test_report` hear."""
    told: list[PaidNews] = []
    monkeypatch.setitem(news._handlers, "test_report", told.append)
    yield told


def ref(n: int) -> Ref:
    return Ref("test_report", str(n))


def order(
    company: Company, n: int = 1, money: str = "600", currency: str = "CNY", **changed: Any
) -> PaymentOrder:
    values: dict[str, Any] = {
        "ref": ref(n), "number": f"BX202611-{n:06d}", "entity_id": company.entity.pk, "payee": company.zhang,
        "money": Money(money, currency), "at": AT,
    }  # fmt: skip
    return services.order(**{**values, **changed})


def cashier(company: Company) -> Viewer:
    return company.viewer(company.person("C1", "钱出纳"), Role.CASHIER)


def finance(company: Company) -> Viewer:
    return company.viewer(company.person("F1", "冯会计"), Role.FINANCE)


def batched(company: Company, *orders: PaymentOrder, actor: Viewer) -> PaymentBatch:
    return services.put_in_batch([one.pk for one in orders], entity_id=company.entity.pk, actor=actor, at=AT)


def states() -> list[str]:
    return list(PaymentOrder.objects.order_by("id").values_list("state", flat=True))


def told(n: int = 1) -> list[str]:
    return [fact.fact for fact in facts.timeline(ref(n))]


def test_ordered_batched_exported_paid(company: Company, heard: list[PaidNews]) -> None:
    first, second = order(company, 1, "600"), order(company, 2, "0.50")
    maker, checker = cashier(company), finance(company)
    assert list(queries.waiting(maker)) == [first, second]
    batch = batched(company, first, second, actor=maker)
    assert re.fullmatch(r"FK202611-\d{6}", batch.number)
    assert (batch.money, batch.orders_count, batch.state, batch.version) == (
        Money("600.50", "CNY"),
        2,
        "open",
        1,
    )
    assert list(queries.waiting(maker)) == []
    services.export(batch.pk, actor=maker, at=AT, expected_version=1)
    paid = services.mark_paid(batch.pk, actor=checker, at=LATER, expected_version=2)
    assert (paid.state, paid.checker_id, paid.paid_at, paid.version) == (
        "paid",
        checker.employee_id,
        LATER,
        3,
    )
    assert states() == ["paid", "paid"]
    assert heard == [
        PaidNews(
            ref=ref(n), order_id=one.pk, number=one.number, entity_id=company.entity.pk, payee_id=company.zhang.pk,
            money=one.money, at=LATER, by=checker.actor, via="web",
        )
        for n, one in ((1, first), (2, second))
    ]  # fmt: skip
    assert told() == ["payment.ordered", "payment.batched", "payment.exported", "payment.paid"]
    assert facts.timeline(ref(1))[-1].data == {
        "batch": batch.number, "amount": {"amount": "600.00", "currency": "CNY"},
    }  # fmt: skip
    assert books.disagreements(AT) == []
    assert next(books.ordered("test_report")) == books.RefOrdered(
        "test_report:1", Money("600", "CNY"), "paid"
    )


def test_a_repeated_order_is_the_same_and_another_amount_is_refused(company: Company) -> None:
    first = order(company)
    assert order(company) == first
    with pytest.raises(services.AlreadyOrdered):
        order(company, money="601")
    with pytest.raises(services.AlreadyOrdered):
        order(company, payee=company.chief)
    assert PaymentOrder.objects.get().money == Money("600", "CNY")
    assert told() == ["payment.ordered"]


@pytest.mark.parametrize("money", ["0", "-1"])
def test_nothing_is_not_ordered(company: Company, money: str) -> None:
    with pytest.raises(services.NothingToPay):
        order(company, money=money)
    assert not PaymentOrder.objects.exists()


def test_a_waiting_order_is_cancelled_once_and_may_be_ordered_anew(company: Company) -> None:
    order(company)
    assert services.cancel(ref=ref(1), at=AT)
    assert not services.cancel(ref=ref(1), at=AT)
    assert queries.order_of(ref(1)) is None
    again = order(company, money="500")
    assert queries.order_of(ref(1)) == again
    assert states() == ["cancelled", "waiting"]
    assert told() == ["payment.ordered", "payment.cancelled", "payment.ordered"]


def test_an_order_on_its_way_is_not_cancelled(company: Company) -> None:
    batched(company, order(company), actor=cashier(company))
    with pytest.raises(services.InBatch):
        services.cancel(ref=ref(1), at=AT)
    assert states() == ["batched"]


def test_an_order_is_in_one_batch_only(company: Company) -> None:
    first, second = order(company, 1), order(company, 2)
    maker = cashier(company)
    batched(company, first, actor=maker)
    with pytest.raises(services.NotWaiting, match="BX202611-000001"):
        batched(company, first, second, actor=maker)
    assert states() == ["batched", "waiting"]
    assert PaymentBatch.objects.count() == 1


def test_a_batch_is_of_one_entity_and_currency(company: Company) -> None:
    ours = order(company, 1)
    theirs = order(company, 2, entity_id=company.other.pk)
    dollars = order(company, 3, currency="USD")
    maker = cashier(company)
    with pytest.raises(NotFound):
        batched(company, ours, theirs, actor=maker)
    with pytest.raises(services.MixedBatch, match="BX202611-000003"):
        batched(company, ours, dollars, actor=maker)
    with pytest.raises(NotFound):
        services.put_in_batch([ours.pk, 0], entity_id=company.entity.pk, actor=maker, at=AT)
    with pytest.raises(services.BatchEmpty):
        batched(company, actor=maker)
    assert not PaymentBatch.objects.exists()
    assert states() == ["waiting"] * 3


def test_only_a_cashier_of_the_entity_makes_a_batch(company: Company) -> None:
    one = order(company)
    for stranger in (
        company.viewer(company.zhang),
        company.viewer(company.zhang, Role.FINANCE, Role.AUDITOR, Role.ADMINISTRATOR),
        company.viewer(company.zhang, Role.CASHIER, entity=company.other),
    ):
        with pytest.raises(RoleNeeded):
            batched(company, one, actor=stranger)
    assert states() == ["waiting"]


def test_a_missing_account_names_the_person_and_is_taken_once_known(company: Company) -> None:
    Employee.objects.filter(pk=company.zhang.pk).update(bank_account="")
    company.zhang.refresh_from_db()
    one = order(company)
    maker = cashier(company)
    with pytest.raises(services.NoBankAccount, match="张三"):
        batched(company, one, actor=maker)
    assert states() == ["waiting"]
    Employee.objects.filter(pk=company.zhang.pk).update(bank_account="6225000000009999")
    batched(company, one, actor=maker)
    one.refresh_from_db()
    assert one.bank_account == "6225000000009999"


def test_the_account_is_the_one_of_the_day_it_was_ordered(company: Company) -> None:
    one = order(company)
    Employee.objects.filter(pk=company.zhang.pk).update(bank_account="6225000000009999")
    batched(company, one, actor=cashier(company))
    one.refresh_from_db()
    assert one.bank_account == "6225880000000002"


def test_taken_out_while_open_only(company: Company) -> None:
    first, second, third = (order(company, n, f"{n}.10") for n in (1, 2, 3))
    maker = cashier(company)
    batch = batched(company, first, second, actor=maker)
    take = partial(services.take_out, batch_id=batch.pk, actor=maker, at=AT)
    with pytest.raises(NotFound), transaction.atomic():
        take([third.pk], expected_version=1)
    with pytest.raises(Conflict), transaction.atomic():
        take([first.pk], expected_version=9)
    left = take([first.pk], expected_version=1)
    assert (left.money, left.orders_count, left.version) == (Money("2.10", "CNY"), 1, 2)
    assert states() == ["waiting", "batched", "waiting"]
    services.export(batch.pk, actor=maker, at=AT, expected_version=2)
    with pytest.raises(Conflict), transaction.atomic():
        take([second.pk], expected_version=3)
    assert states() == ["waiting", "batched", "waiting"]
    assert told() == ["payment.ordered", "payment.batched", "payment.taken_out"]
    assert books.disagreements(AT) == []


def test_an_emptied_batch_is_neither_exported_nor_paid(company: Company) -> None:
    maker = cashier(company)
    one = order(company)
    batch = batched(company, one, actor=maker)
    services.take_out([one.pk], batch_id=batch.pk, actor=maker, at=AT, expected_version=1)
    with pytest.raises(services.BatchEmpty):
        services.export(batch.pk, actor=maker, at=AT, expected_version=2)
    with pytest.raises(services.BatchEmpty):
        services.mark_paid(batch.pk, actor=finance(company), at=AT, expected_version=2)


def test_the_maker_does_not_confirm_and_a_stranger_does_not_see(
    company: Company, heard: list[PaidNews]
) -> None:
    maker = cashier(company)
    batch = batched(company, order(company), actor=maker)
    pay = partial(services.mark_paid, batch.pk, at=LATER, expected_version=1)
    with pytest.raises(services.SamePerson):
        pay(actor=maker)
    with pytest.raises(NotFound):
        pay(actor=company.viewer(company.zhang))
    with pytest.raises(NotFound):
        pay(actor=company.viewer(company.zhang, Role.FINANCE, entity=company.other))
    with pytest.raises(RoleNeeded):
        pay(actor=company.viewer(company.zhang, Role.AUDITOR))
    assert states() == ["batched"]
    assert heard == []
    pay(actor=company.viewer(company.chief, Role.CASHIER))
    with pytest.raises(Conflict):
        pay(actor=finance(company))
    assert len(heard) == 1


def test_the_lists_are_for_the_entitys_finance_desks(company: Company) -> None:
    maker = cashier(company)
    batch = batched(company, order(company, 1), actor=maker)
    ours, theirs = order(company, 2), order(company, 3, entity_id=company.other.pk)
    watcher = company.viewer(company.zhang, Role.AUDITOR)
    assert (list(queries.waiting(watcher)), list(queries.batches(watcher))) == ([ours], [batch])
    beside = company.viewer(company.zhang, Role.FINANCE, entity=company.other)
    assert (list(queries.waiting(beside)), list(queries.batches(beside))) == ([theirs], [])
    nobody = company.viewer(company.zhang, Role.MANAGER)
    assert (list(queries.waiting(nobody)), list(queries.batches(nobody))) == ([], [])


def test_the_bank_file_is_text_a_spreadsheet_leaves_alone(company: Company) -> None:
    evil = Employee.objects.create(
        number="E1", name="=HYPERLINK(1)", entity=company.entity, department=company.east, grade=company.zhang.grade,
        bank_name="+招商\n银行", bank_account="6225 8800 0000 0011",
    )  # fmt: skip
    first, second = order(company, 1, "1234.50"), order(company, 2, "0.01", payee=evil)
    maker = cashier(company)
    batch = batched(company, first, second, actor=maker)
    with translation.override("en"):
        data = batch_csv(batch)
    assert data.startswith(b"\xef\xbb\xbf")
    number = batch.number
    assert list(csv.reader(io.StringIO(data.decode("utf-8-sig")))) == [
        ["No.", "Payment reference", "Payee", "Account number", "Payee’s bank", "Amount", "Currency", "Remark"],
        ["1", f"{number}-1", "张三", "\t6225880000000002", "招商银行北京分行", "1234.50", "CNY", "Reimbursement BX202611-000001"],
        ["2", f"{number}-2", "'=HYPERLINK(1)", "\t6225880000000011", "'+招商 银行", "0.01", "CNY", "Reimbursement BX202611-000002"],
        ["", number, "Total of 2", "", "", "1234.51", "CNY", ""],
    ]  # fmt: skip


def test_the_exported_file_is_the_one_whose_digest_is_kept(company: Company) -> None:
    maker = cashier(company)
    batch = batched(company, order(company), actor=maker)
    data = services.export(batch.pk, actor=maker, at=AT, expected_version=1)
    batch.refresh_from_db()
    assert (batch.file_digest, batch.exported_at) == (hashlib.sha256(data).hexdigest(), AT)
    with pytest.raises(Conflict):
        services.export(batch.pk, actor=maker, at=AT, expected_version=1)


def test_statements_do_not_grow_with_the_orders(company: Company) -> None:
    maker, checker = cashier(company), finance(company)
    counts = []
    for size in (2, 30):
        orders = [order(company, 100 * size + n) for n in range(size)]
        with CaptureQueriesContext(connection) as statements:
            batch = batched(company, *orders, actor=maker)
            services.mark_paid(batch.pk, actor=checker, at=AT, expected_version=1)
        counts.append(len(statements))
    assert counts[0] == counts[1] == 13


@pytest.mark.parametrize("change", [{"state": "paid"}, {"state": "batched"}, {"amount": 0}])
def test_paid_is_never_set_by_hand(company: Company, change: dict[str, Any]) -> None:
    order(company)
    with pytest.raises(DatabaseError), transaction.atomic():
        PaymentOrder.objects.update(**change)
    assert states() == ["waiting"]


def test_re_adding_names_what_disagrees(company: Company) -> None:
    maker = cashier(company)
    batch = batched(company, order(company), actor=maker)
    PaymentBatch.objects.filter(pk=batch.pk).update(total=1)
    PaymentOrder.objects.update(state="paid", paid_at=LATER)
    assert [(found.ref, found.what, found.ours, found.theirs) for found in books.disagreements(AT)] == [
        (batch.number, "batch", "1 orders, 1.00", "1 orders, 600.00"),
        (
            "test_report:1",
            f"its batch {batch.number}",
            f"paid, entity {company.entity.pk}, CNY",
            f"open, entity {company.entity.pk}, CNY",
        ),
    ]


def test_two_cashiers_reaching_for_the_same_orders(real_company: Company, together: Together) -> None:
    for round_ in range(8):
        orders = [order(real_company, 10 * round_ + n).pk for n in range(4)]
        both = [
            real_company.viewer(real_company.zhang, Role.CASHIER),
            real_company.viewer(real_company.chief, Role.CASHIER),
        ]
        choices = [orders, orders[::-1], orders[1:3], orders[::-1]]
        results = together(
            [
                partial(
                    services.put_in_batch, chosen, entity_id=real_company.entity.pk, actor=both[n % 2], at=AT
                )
                for n, chosen in enumerate(choices)
            ]
        )
        made = [result for result in results if isinstance(result, PaymentBatch)]
        assert len(made) == 1
        assert sum(isinstance(result, services.NotWaiting) for result in results) == 3
        assert set(made[0].orders.values_list("pk", flat=True)) <= set(orders)
    assert books.disagreements(AT) == []


def test_eight_confirming_at_once_pay_once(
    real_company: Company, together: Together, heard: list[PaidNews]
) -> None:
    maker, checker = cashier(real_company), finance(real_company)
    orders = [order(real_company, 801), order(real_company, 802)]
    (batch,) = together([partial(batched, real_company, *orders, actor=maker)])
    pay = partial(services.mark_paid, batch.pk, actor=checker, at=AT, expected_version=1)
    results = together([pay] * 8)
    assert sum(isinstance(result, PaymentBatch) for result in results) == 1
    assert sum(isinstance(result, Conflict) for result in results) == 7
    assert [one.ref for one in heard] == [ref(801), ref(802)]
    assert told(801).count("payment.paid") == 1


def test_eight_ordering_at_once_order_once(real_company: Company, together: Together) -> None:
    results = together([partial(order, real_company, 901)] * 8)
    assert len({result.pk for result in results}) == 1
    assert told(901) == ["payment.ordered"]


def test_a_paid_batch_can_take_no_more_orders_out(company: Company) -> None:
    maker = cashier(company)
    one = order(company)
    batch = batched(company, one, actor=maker)
    services.mark_paid(batch.pk, actor=finance(company), at=AT, expected_version=1)
    with pytest.raises(Conflict):
        services.take_out([one.pk], batch_id=batch.pk, actor=maker, at=AT, expected_version=2)
    assert states() == ["paid"]
