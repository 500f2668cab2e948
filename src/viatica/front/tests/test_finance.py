"""The desks of finance: audit, pay, confirm."""

from __future__ import annotations

import re

from pytest_django import DjangoAssertNumQueries

from viatica.documents.expense.models import ExpenseLine
from viatica.front.tests.conftest import House, hotel_file, text_of
from viatica.offices.ledger.models import Voucher
from viatica.offices.payment.models import PaymentBatch, PaymentOrder


def test_the_desk_opens_one_s_own_queue(house: House) -> None:
    assert house.client("finance").get("/finance").headers["Location"] == "/finance/audit"
    assert house.client("cashier").get("/finance").headers["Location"] == "/finance/pay"
    page = house.client("owner").get("/finance")
    assert page.status_code == 403
    assert "财务" in text_of(page)


def test_what_differs_from_the_invoice_is_marked(house: House) -> None:
    report, browser = house.report(submit=False), house.client("owner")
    browser.post(f"/reports/{report.number}/invoices", {"once": "a", "files": [hotel_file(amount="500.00")]})
    ExpenseLine.objects.filter(report=report, no=2).update(paid_amount=480, amount=480, nights=1)
    browser.post(f"/reports/{report.number}/submit", {"once": "s", "version": "2"})
    house.decide(report)
    page = house.client("finance").get(f"/finance/audit/{report.number}").content.decode()
    assert re.findall(r'<mark class="highlight">([^<]+)</mark>', page) == ["¥480.00", "¥500.00"]


def test_passing_posts_a_voucher_and_goes_on_to_the_next(house: House) -> None:
    first, second = house.report(approve=True), house.report(approve=True)
    browser = house.client("finance")
    page = text_of(browser.get(f"/finance/audit/{first.number}"))
    assert "凭证预览" in page and "48.00" in page
    answer = browser.post(
        f"/finance/audit/{first.number}/decide",
        {"once": "a", "version": str(first.version), "verdict": "pass"},
    )
    assert answer.headers["Location"] == f"/finance/audit/{second.number}"
    assert house.state(first) == "to_pay"
    assert Voucher.objects.count() == 1


def test_sending_back_says_why(house: House) -> None:
    report, browser = house.report(approve=True), house.client("finance")
    form = {"once": "a", "version": str(report.version), "verdict": "send_back", "comment": " "}
    assert browser.post(f"/finance/audit/{report.number}/decide", form).status_code == 422
    assert house.state(report) == "to_audit"
    browser.post(f"/finance/audit/{report.number}/decide", {**form, "once": "b", "comment": "发票抬头不对"})
    assert house.state(report) == "returned"
    assert "发票抬头不对" in text_of(house.client("owner").get(f"/reports/{report.number}"))


def test_an_old_page_changes_nothing(house: House) -> None:
    report, browser = house.report(approve=True), house.client("finance")
    stale = {"once": "a", "version": str(report.version - 1), "verdict": "pass"}
    assert browser.post(f"/finance/audit/{report.number}/decide", stale).status_code == 409
    assert house.state(report) == "to_audit"
    assert not Voucher.objects.exists()


def test_nobody_audits_their_own(house: House) -> None:
    report = house.report(who="finance", approve=True)
    page = house.client("finance").get(f"/finance/audit/{report.number}")
    assert "审核通过" not in text_of(page)
    form = {"once": "a", "version": str(report.version), "verdict": "pass"}
    assert house.client("finance").post(f"/finance/audit/{report.number}/decide", form).status_code == 403
    assert house.state(report) == "to_audit"


def test_from_batch_to_paid(house: House) -> None:
    report = house.pay_ready()
    cashier = house.client("cashier")
    assert "¥48.00" in text_of(cashier.get("/finance/pay"))
    order = PaymentOrder.objects.get()
    made = cashier.post(
        "/finance/batches/new", {"once": "a", "entity": str(house.entity.pk), "order": [str(order.pk)]}
    )
    batch = PaymentBatch.objects.get()
    assert made.headers["Location"] == f"/finance/batches/{batch.number}"

    file = cashier.post(f"/finance/batches/{batch.number}/file", {"version": str(batch.version)})
    assert file.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "林晓雨" in file.content.decode("utf-8-sig")
    batch.refresh_from_db()
    assert batch.state == "exported"
    again = cashier.post(f"/finance/batches/{batch.number}/file", {"version": "1"})
    assert again.content == file.content

    own = cashier.post(f"/finance/batches/{batch.number}/paid", {"once": "b", "version": str(batch.version)})
    assert own.status_code >= 400
    assert house.state(report) == "to_pay"
    house.client("cashier2").post(
        f"/finance/batches/{batch.number}/paid", {"once": "c", "version": str(batch.version)}
    )
    assert house.state(report) == "paid"
    assert "已付款 ¥48.00" in text_of(house.client("owner").get(f"/reports/{report.number}"))
    assert "到 招商银行 尾号 6789" in text_of(house.client("owner").get(f"/reports/{report.number}"))


def test_the_auditor_looks_and_does_nothing(house: House) -> None:
    report = house.pay_ready()
    waiting = house.report(approve=True)
    auditor = house.client("auditor")
    for path in ("/finance/audit", "/finance/pay", "/finance/batches", f"/finance/audit/{waiting.number}"):
        assert auditor.get(path).status_code == 200
    form = {"once": "a", "version": str(waiting.version), "verdict": "pass"}
    assert auditor.post(f"/finance/audit/{waiting.number}/decide", form).status_code == 403
    order = PaymentOrder.objects.get()
    assert auditor.post(
        "/finance/batches/new", {"once": "b", "entity": str(house.entity.pk), "order": [str(order.pk)]}
    ).status_code == 403  # fmt: skip
    assert (house.state(report), house.state(waiting)) == ("to_pay", "to_audit")
    assert not PaymentBatch.objects.exists()


def test_statements_do_not_grow_with_the_queue(
    house: House, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    browser = house.client("finance")
    house.report(approve=True)
    with django_assert_num_queries(7):
        browser.get("/finance/audit")
    for _ in range(4):
        house.report(approve=True)
    with django_assert_num_queries(7):
        browser.get("/finance/audit")
