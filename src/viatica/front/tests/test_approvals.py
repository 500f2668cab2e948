"""The approver's desk."""

from __future__ import annotations

import re

from pytest_django import DjangoAssertNumQueries

from viatica.documents.expense.models import ExpenseReport
from viatica.front.tests.conftest import House, text_of
from viatica.offices.approval.models import Item
from viatica.offices.budget.models import BudgetEntry


def decide(house: House, report: ExpenseReport, who: str = "approver", **form: str) -> tuple[int, str]:
    item = house.item(report)
    sent = {"once": f"k{item}{form.get('verdict')}", "version": "1", "comment": "", **form}
    page = house.client(who).post(f"/approvals/{item}/decide", sent)
    return page.status_code, text_of(page)


def test_the_list_is_oldest_first_and_reads_in_the_row(house: House) -> None:
    first, second = house.report(title="第一张"), house.report(title="第二张")
    page = text_of(house.client("approver").get("/approvals"))
    assert page.index(first.number) < page.index(second.number)
    assert "林晓雨 报销 第一张" in page and "¥48.00" in page


def test_the_paper_says_who_why_and_how_much(house: House) -> None:
    report = house.report(title="拜访客户")
    page = text_of(house.client("approver").get(f"/approvals/{house.item(report)}"))
    for words in (
        "林晓雨",
        "华东销售部",
        "拜访客户",
        "¥48.00",
        "预算 华东销售部 2026Q4",
        "此单后剩余 ¥99,952.00",
        "未超标",
    ):
        assert words in page


def test_approving(house: House) -> None:
    report = house.report()
    assert decide(house, report, verdict="approve")[0] == 302
    assert house.state(report) == "to_audit"


def test_sending_back_needs_a_reason(house: House) -> None:
    report = house.report()
    status, words = decide(house, report, verdict="send_back")
    assert status == 400
    assert "退回" in words
    assert house.state(report) == "in_approval"
    assert decide(house, report, verdict="send_back", comment="请补发票")[0] == 302
    assert house.state(report) == "returned"


def test_the_second_of_two_is_told_who_was_first(house: House) -> None:
    report = house.report()
    item = house.item(report)
    browser = house.client("approver")
    browser.post(f"/approvals/{item}/decide", {"once": "a", "version": "1", "verdict": "approve"})
    entries = BudgetEntry.objects.count()
    page = browser.post(
        f"/approvals/{item}/decide", {"once": "b", "version": "1", "verdict": "reject", "comment": "x"}
    )
    assert page.status_code == 409
    assert "周明" in text_of(page)
    assert house.state(report) == "to_audit"
    assert BudgetEntry.objects.count() == entries


def test_a_double_click_decides_once(house: House) -> None:
    report = house.report()
    item, browser = house.item(report), house.client("approver")
    form = {"once": "same", "version": "1", "verdict": "approve"}
    assert [browser.post(f"/approvals/{item}/decide", form).status_code for _ in range(2)] == [302, 302]
    assert house.state(report) == "to_audit"


def test_a_stranger_s_decision_does_nothing(house: House) -> None:
    report = house.report()
    for who in ("stranger", "owner", "colleague", "finance", "administrator"):
        item = house.item(report)
        assert house.client(who).get(f"/approvals/{item}").status_code == 404
        assert decide(house, report, who=who, verdict="approve")[0] == 404
    assert house.state(report) == "in_approval"


def test_only_clean_papers_are_approved_together(house: House) -> None:
    clean, marked = house.report(title="干净"), house.report(title="有例外")
    ExpenseReport.objects.filter(pk=marked.pk).update(
        findings=[{"rule": "policy.over_cap", "excess": {"amount": "10.00", "currency": "CNY"}}]
    )
    items = [str(house.item(clean)), str(house.item(marked))]
    browser = house.client("approver")
    page = browser.get("/approvals").content.decode()
    assert re.findall(r'name="item" value="(\d+)"', page) == items[:1]
    done = browser.post("/approvals/many", {"once": "k", "item": items}, follow=True)
    assert "已同意 1 张单据" in text_of(done)
    assert (house.state(clean), house.state(marked)) == ("to_audit", "in_approval")


def test_handing_over_to_a_colleague_found_by_name(house: House) -> None:
    report = house.report()
    item, browser = house.item(report), house.client("approver")
    nobody = browser.post(f"/approvals/{item}/hand-over", {"once": "a", "version": "1", "who": "没有这个人"})
    assert nobody.status_code == 422 and "没有找到在职员工" in text_of(nobody)
    browser.post(f"/approvals/{item}/hand-over", {"once": "b", "version": "1", "who": "何静"})
    new = Item.objects.get(state="open")
    assert new.approver == house.employee("head")
    assert house.client("head").get(f"/approvals/{new.pk}").status_code == 200


def test_several_of_one_name_are_offered(house: House) -> None:
    report = house.report()
    twin = house.employee("head")
    twin.pk, twin.number = None, "head2"
    twin.save()
    item, browser = house.item(report), house.client("approver")
    page = browser.post(f"/approvals/{item}/add-signer", {"once": "a", "version": "1", "who": "何静"})
    assert page.status_code == 200 and "是哪一位" in text_of(page)
    browser.post(
        f"/approvals/{item}/add-signer",
        {"once": "b", "version": "1", "who": "何静", "employee": str(twin.pk), "position": "before"},
    )
    assert Item.objects.get(state="open").approver_id == twin.pk


def test_statements_do_not_grow_with_the_list(
    house: House, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    browser = house.client("approver")
    house.report()
    with django_assert_num_queries(7):
        browser.get("/approvals")
    for _ in range(5):
        house.report()
    with django_assert_num_queries(7):
        browser.get("/approvals")
