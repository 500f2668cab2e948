"""Employees' pages: asking for a trip, reporting it, mending what is flagged, handing it in."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from viatica.documents.expense.models import ExpenseLine, ExpenseReport
from viatica.documents.travel.models import TravelRequest
from viatica.front.tests.conftest import House, hotel_file, taxi, text_of
from viatica.kernel.money import Money
from viatica.offices.invoices.models import Invoice

TRIP = {
    "once": "k1", "legs": "1", "purpose": "拜访客户", "leg-0-city": "苏州市", "leg-0-leaves_on": "2026-11-26",
    "leg-0-returns_on": "2026-11-27", "cost-rail": "180", "cost-lodging": "1,000.00", "project": "XM01 智慧园区",
}  # fmt: skip


def only(model: Any) -> Any:
    return model.objects.get()


# Trips


def test_a_trip_is_asked_for_and_handed_in(house: House) -> None:
    browser = house.client("owner")
    answer = browser.post("/trips/new", {**TRIP, "submit": "1"})
    trip = only(TravelRequest)
    assert answer.headers["Location"] == f"/trips/{trip.number}/submit"
    assert trip.estimate == Money("1180", "CNY")
    assert [leg.city.name for leg in trip.legs.all()] == ["苏州"]
    assert trip.project == house.project

    question = browser.get(answer.headers["Location"])
    assert "提交这次出差（预估 ¥1,180.00）的审批？" in text_of(question)
    assert "周明" in text_of(question)
    done = browser.post(answer.headers["Location"], {"version": "1", "once": "k2"}, follow=True)
    assert house.state(trip) == "in_approval"
    assert "等待 周明 审批（直属上级）" in text_of(done)


def test_the_same_form_twice_makes_one_trip(house: House) -> None:
    browser = house.client("owner")
    first, second = (browser.post("/trips/new", TRIP) for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    assert TravelRequest.objects.count() == 1


def test_another_city_needs_no_script(house: House) -> None:
    page = house.client("owner").post("/trips/new", {**TRIP, "add_leg": "1"})
    assert page.status_code == 200
    assert 'name="leg-1-city"' in page.content.decode()
    assert 'value="苏州市"' in page.content.decode()
    assert not TravelRequest.objects.exists()


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"leg-0-city": "亚特兰蒂斯"}, "leg-0-city", "亚特兰蒂斯"),
        ({"leg-0-returns_on": "2026-11-25"}, "leg-0-returns_on", "2026-11-25"),
        ({"project": "XM99"}, "project", "XM99"),
        ({"purpose": ""}, "purpose", ""),
        ({"cost-rail": "很多"}, "cost-rail", ""),
        ({"cost-rail": "100000000"}, "cost-rail", ""),
    ],
)
def test_a_refusal_stands_next_to_its_field(
    house: House, change: dict[str, str], field: str, words: str
) -> None:
    page = house.client("owner").post("/trips/new", {**TRIP, **change})
    html = page.content.decode()
    assert page.status_code in (400, 422)
    assert re.search(rf'id="id_{field}_error"', html), text_of(page)
    assert words in html
    assert not TravelRequest.objects.exists()


def test_a_trip_changed_by_another_window_keeps_what_was_typed(house: House) -> None:
    trip, browser = house.trip(submit=False), house.client("owner")
    browser.post(f"/trips/{trip.number}/edit", {**TRIP, "version": "1", "once": "a"})
    page = browser.post(
        f"/trips/{trip.number}/edit", {**TRIP, "purpose": "我的改动", "version": "1", "once": "b"}
    )
    assert page.status_code == 409
    assert 'value="我的改动"' in page.content.decode()
    assert 'name="version" value="2"' in page.content.decode()
    assert TravelRequest.objects.get().purpose == "拜访客户"
    browser.post(f"/trips/{trip.number}/edit", {**TRIP, "purpose": "我的改动", "version": "2", "once": "c"})
    assert TravelRequest.objects.get().purpose == "我的改动"


def test_withdrawing_and_reminding(house: House) -> None:
    trip, browser = house.trip(approve=False), house.client("owner")
    page = browser.post(f"/trips/{trip.number}/urge", {"once": "a"}, follow=True)
    assert "已提醒 1 人" in text_of(page)
    again = browser.post(f"/trips/{trip.number}/urge", {"once": "b"}, follow=True)
    assert "已提醒" not in text_of(again)
    assert again.status_code == 200
    browser.post(f"/trips/{trip.number}/withdraw", {"once": "c"})
    assert house.state(trip) == "draft"


# Reports


def test_a_report_from_a_trip_with_its_invoices_in_one_go(house: House) -> None:
    trip, browser = house.trip(), house.client("owner")
    page = browser.get(f"/reports/new?trip={trip.number}")
    assert f'value="{trip.number}" checked' in page.content.decode()
    answer = browser.post(
        "/reports/new",
        {"once": "k", "trip": trip.number, "title": "", "files": [hotel_file(1), hotel_file(2, "100.00")]},
    )
    report = only(ExpenseReport)
    assert answer.headers["Location"] == f"/reports/{report.number}"
    assert (report.title, report.trip, report.total) == ("北京客户方案汇报", trip, Money("1080", "CNY"))
    line = report.lines.first()
    assert line is not None and line.city == house.cities["北京"] and line.nights == 2
    assert "paid" in line.recognised
    shown = text_of(browser.get(answer.headers["Location"]))
    assert "已识别并添加 2 张发票" in shown
    assert "上海示例酒店管理有限公司" in shown


def test_one_bad_file_keeps_no_other_out(house: House) -> None:
    report, browser = house.report(submit=False), house.client("owner")
    bad = SimpleUploadedFile("猫.pdf", b"%PDF-1.7 no", "application/pdf")
    page = browser.post(
        f"/reports/{report.number}/invoices", {"once": "k", "files": [hotel_file(), bad]}, follow=True
    )
    assert "“猫.pdf”没有添加" in text_of(page)
    assert report.lines.count() == 2
    assert Invoice.objects.count() == 1


def test_a_file_dropped_in_twice_counts_once(house: House) -> None:
    report, browser = house.report(submit=False), house.client("owner")
    for key in ("a", "b"):
        page = browser.post(
            f"/reports/{report.number}/invoices", {"once": key, "files": [hotel_file()]}, follow=True
        )
    assert "这张发票已在本报销单中" in text_of(page)
    assert report.lines.count() == 2


def test_a_touched_value_is_no_longer_recognised(house: House) -> None:
    report, browser = house.report(submit=False), house.client("owner")
    browser.post(f"/reports/{report.number}/invoices", {"once": "a", "files": [hotel_file()]})
    form = {
        "once": "b", "version": "2", "category": "lodging", "day": "2026-11-20", "paid": "900.00", "currency": "CNY",
        "city": "北京", "nights": "2", "note": "上海示例酒店管理有限公司", "reason": "", "tax": "", "rate": "",
    }  # fmt: skip
    page = browser.get(f"/reports/{report.number}/lines/2").content.decode()
    assert page.count("recognised-mark") >= 3
    assert browser.post(f"/reports/{report.number}/lines/2", form).status_code == 302
    line = ExpenseLine.objects.get(report=report, no=2)
    assert line.amount == 900
    assert "paid" not in line.recognised and "day" in line.recognised


def over_the_standard(house: House) -> ExpenseReport:
    """Its third line is a hotel at 990 a night, where 600 is the standard."""
    report, browser = house.report(taxi("48.00"), taxi("5.00"), submit=False), house.client("owner")
    browser.post(f"/reports/{report.number}/invoices", {"once": "i", "files": [hotel_file(amount="1980.00")]})
    ExpenseLine.objects.filter(report=report, no=3).update(nights=2, city=house.cities["北京"])
    return report


def test_a_finding_is_explained_and_answered_where_it_stands(house: House) -> None:
    report, browser = over_the_standard(house), house.client("owner")
    page = text_of(browser.get(f"/reports/{report.number}"))
    assert "有 1 笔费用需要先处理" in page
    assert "每晚 ¥990.00，超过每晚 ¥600.00 的标准" in page
    question = browser.get(f"/reports/{report.number}/submit")
    assert "请先处理这些" in text_of(question)
    assert re.search(r'class="button primary" disabled', question.content.decode())
    browser.post(
        f"/reports/{report.number}/lines/3/reason", {"once": "r", "version": "2", "reason": "客户指定酒店"}
    )
    assert ExpenseLine.objects.get(report=report, no=3).reason == "客户指定酒店"
    assert "已就绪" in text_of(browser.get(f"/reports/{report.number}"))
    browser.post(f"/reports/{report.number}/submit", {"once": "s", "version": "3"})
    assert house.state(report) == "in_approval"


def test_submitting_what_is_blocked_changes_nothing(house: House) -> None:
    report, browser = over_the_standard(house), house.client("owner")
    page = browser.post(f"/reports/{report.number}/submit", {"once": "s", "version": "2"})
    assert page.status_code == 422
    assert house.state(report) == "draft"


def test_a_removed_line_can_be_put_back(house: House) -> None:
    report, browser = (
        house.report(taxi("48.00"), taxi("52.00", reason="晚归"), submit=False),
        house.client("owner"),
    )
    page = browser.post(
        f"/reports/{report.number}/lines/2/remove", {"once": "a", "version": "1"}, follow=True
    )
    assert "已移除第 2 笔费用" in text_of(page)
    assert report.lines.count() == 1
    kept = re.search(r'name="removed" value="([^"]+)"', page.content.decode())
    assert kept is not None
    undo = {"once": "b", "version": "2", "removed": kept[1]}
    for _ in range(2):
        browser.post(f"/reports/{report.number}/lines/restore", undo)
    assert [(int(line.amount), line.reason) for line in report.lines.all()] == [(48, ""), (52, "晚归")]
    other = house.report(submit=False)
    refused = browser.post(f"/reports/{other.number}/lines/restore", {**undo, "once": "c"})
    assert refused.status_code == 404


def test_title_and_project_change_without_touching_lines(house: House) -> None:
    report, browser = house.report(taxi("48.00"), submit=False), house.client("owner")
    browser.post(
        f"/reports/{report.number}/edit", {"once": "a", "version": "1", "title": "新事由", "project": "XM01"}
    )
    report.refresh_from_db()
    assert (report.title, report.project, report.total) == ("新事由", house.project, Money("48", "CNY"))


def test_a_line_in_another_currency_keeps_its_rate(house: House) -> None:
    report, browser = house.report(submit=False), house.client("owner")
    form = {
        "once": "a", "version": "1", "category": "meals", "day": "2026-11-20", "paid": "10.00", "currency": "USD",
        "city": "", "nights": "", "note": "", "reason": "", "tax": "", "rate": "7.1",
    }  # fmt: skip
    assert browser.post(f"/reports/{report.number}/lines/new", form).status_code == 302
    line = ExpenseLine.objects.get(report=report, no=2)
    assert (int(line.amount), int(line.paid_amount), line.paid_currency) == (71, 10, "USD")
    refused = browser.post(
        f"/reports/{report.number}/lines/new", {**form, "once": "b", "version": "2", "rate": ""}
    )
    assert refused.status_code == 422


def test_the_page_moves_only_when_something_happened(house: House) -> None:
    report, browser = house.report(), house.client("owner")
    page = browser.get(f"/reports/{report.number}").content.decode()
    live = re.search(r'hx-get="([^"]+)"', page)
    assert live is not None
    assert browser.get(live[1]).status_code == 204
    house.decide(report)
    moved = browser.get(live[1])
    assert moved.status_code == 200
    assert "审批已通过，等待财务审核" in text_of(moved)
    assert "<html" not in moved.content.decode()


def test_the_timeline_says_who_did_what(house: House) -> None:
    report = house.report()
    house.decide(report, "send_back", "请补发票")
    page = text_of(house.client("owner").get(f"/reports/{report.number}"))
    assert "林晓雨 提交了审批" in page
    assert "周明 退回" in page
    assert "请补发票" in page
    assert "已退回给你" in page


def test_english_is_complete_too(house: House) -> None:
    report = house.report()
    page = text_of(house.client("owner", "en").get(f"/reports/{report.number}"))
    assert "Waits for 周明 to decide" in page
    assert "submitted it for approval" in page


# The desk


def test_the_desk_puts_first_what_needs_me(house: House) -> None:
    house.report(submit=False, title="待我补全")
    house.report(title="在路上")
    house.trip()
    page = text_of(house.client("owner").get("/"))
    assert page.index("需要你处理") < page.index("待我补全") < page.index("进行中") < page.index("在路上")
    assert "待报销" in page


def test_a_new_user_finds_the_one_next_step(house: House) -> None:
    page = text_of(house.client("stranger").get("/"))
    assert "还没有单据" in page and "申请出差" in page


def test_statements_do_not_grow_with_the_list(
    house: House, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    browser = house.client("owner")
    house.report(title="一")
    house.trip(approve=False)
    with django_assert_num_queries(9):
        browser.get("/")
    for _ in range(5):
        house.report(title="更多")
        house.trip(approve=False)
    with django_assert_num_queries(9):
        browser.get("/")


def test_others_find_nothing_there(house: House) -> None:
    report, trip = house.report(), house.trip(approve=False)
    stranger: Client = house.client("stranger")
    for path in (f"/reports/{report.number}", f"/trips/{trip.number}", f"/reports/{report.number}/live"):
        page = stranger.get(path)
        assert page.status_code == 404
        assert "林晓雨" not in page.content.decode()
