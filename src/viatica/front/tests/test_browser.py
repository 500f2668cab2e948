"""The pages in a real Chromium: at a desk and on a phone, with and without scripts.

`VIATICA_PICTURES=1` also keeps what was seen in docs/pictures.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from viatica.documents.expense.models import ExpenseLine, ExpenseReport
from viatica.front.tests.conftest import (
    AIRLINE,
    DINNER,
    HOTEL,
    RIDES,
    House,
    build_house,
    hotel_file,
    invoice_file,
    today,
)
from viatica.offices.payment.models import PaymentBatch, PaymentOrder
from viatica.spine.models import Connection

pytestmark = pytest.mark.browser

CHROMIUM = Path(os.environ.get("VIATICA_CHROMIUM", "/usr/bin/chromium"))
PICTURES = Path(__file__).parents[4] / "docs" / "pictures"
SIZES = {"desk": (1280, 800), "phone": (390, 844)}
NO_LABEL = """() => [...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
    .filter(one => !(one.labels && one.labels.length) && !one.getAttribute('aria-label')).map(one => one.outerHTML)"""
NO_NAME = """() => [...document.querySelectorAll('a, button, summary')]
    .filter(one => !one.textContent.trim() && !one.getAttribute('aria-label') && !one.querySelector('[aria-label], img[alt]'))
    .map(one => one.outerHTML)"""
SMALL = """() => [...document.querySelectorAll(
        '.button, .tab, .icon-button, .menu-item, select, textarea, input[type=text], input[type=date], input[type=number]'
    )].filter(one => one.offsetParent !== null && one.getBoundingClientRect().height < 43.5).map(one => one.outerHTML)"""
BROKEN_IDS = """() => [...document.querySelectorAll('[id]')].map(one => one.id)
    .filter((id, n, all) => all.indexOf(id) !== n)"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}: apt-get install chromium, or set VIATICA_CHROMIUM")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # playwright runs a loop of its own in this thread
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-dev-shm-usage", "--lang=zh-CN"]
        )
        yield browser
        browser.close()


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """Not everything asked of a browser has a time limit of its own: two minutes for each story."""

    def tell(_number: int, _frame: Any) -> None:
        raise TimeoutError("the browser did not answer within two minutes")

    before = signal.signal(signal.SIGALRM, tell)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@dataclass
class World:
    """The house with a life in it, served on a port of its own."""

    house: House
    url: str
    papers: dict[str, Any] = field(default_factory=dict)


@pytest.fixture
def world(transactional_db: None, live_server: LiveServer, chromium: Browser, settings: Settings) -> World:
    settings.PUBLIC_URL = live_server.url
    return World(build_house(), live_server.url)


@contextmanager
def window(
    chromium: Browser,
    world: World,
    who: str | None,
    size: str = "desk",
    *,
    scripts: bool = True,
    dark: bool = False,
    language: str = "zh-hans",
) -> Iterator[Page]:
    """A browser of one's own, signed in. Whatever it complains about on its console fails the test."""
    width, height = SIZES[size]
    scheme: Literal["dark", "light"] = "dark" if dark else "light"
    context = chromium.new_context(
        viewport={"width": width, "height": height},
        locale="zh-CN",
        color_scheme=scheme,
        java_script_enabled=scripts,
        reduced_motion="reduce",
        has_touch=size == "phone",
    )
    complaints: list[str] = []
    cookies: list[Any] = [{"name": "django_language", "value": language, "url": world.url}]
    if who:
        session = world.house.client(who).cookies[settings.SESSION_COOKIE_NAME].value
        cookies.append({"name": settings.SESSION_COOKIE_NAME, "value": session, "url": world.url})
    context.add_cookies(cookies)
    page = context.new_page()
    page.on(
        "console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.set_default_timeout(15_000)
    yield page
    page.goto("about:blank")  # a context that is closed while a form is on its way may never close
    context.close()
    # A refused form answers 4xx on purpose, and Chromium remarks on it.
    assert [one for one in complaints if "the server responded with a status of 4" not in one] == []


def look(page: Page, name: str, size: str, variant: str = "") -> None:
    """What holds for every page; and its picture, when pictures are wanted."""
    width, _height = SIZES[size]
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "it scrolls sideways"
    assert page.evaluate(NO_LABEL) == []
    assert page.evaluate(NO_NAME) == []
    assert page.evaluate(BROKEN_IDS) == []
    if size == "phone":
        assert page.evaluate(SMALL) == []
    assert page.locator("h1").count() >= 1
    if os.environ.get("VIATICA_PICTURES") == "1":
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.evaluate("document.fonts.ready")
        page.wait_for_timeout(150)
        page.screenshot(path=PICTURES / f"{name}-{size}{variant}.png")


# Stories


def test_three_invoices_on_a_phone_in_under_a_minute(chromium: Browser, world: World, tmp_path: Path) -> None:
    """From the trip to “in approval”, and the decision appears by itself."""
    house, trip = world.house, world.house.trip()
    files = []
    for serial, amount in ((1, "1100.00"), (2, "88.00"), (3, "64.00")):
        files.append(tmp_path / f"{serial}.xml")
        files[-1].write_bytes(hotel_file(serial, amount).read())
    with window(chromium, world, "owner", "phone") as page:
        page.goto(f"{world.url}/trips/{trip.number}")
        page.get_by_role("link", name="报销这次出差").click()
        page.get_by_label("放入发票").set_input_files(files)
        page.get_by_role("button", name="生成报销单").click()
        expect(page.get_by_role("status").first).to_contain_text("已识别并添加 3 张发票")
        expect(page.locator(".figure")).to_have_text("¥1,252.00")
        look(page, "report-draft", "phone")
        page.get_by_role("link", name="提交审批").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("提交 ¥1,252.00 的报销审批？")
        look(page, "report-submit", "phone")
        page.get_by_role("button", name="提交审批").click()
        expect(page.locator(".says")).to_contain_text("等待 周明 审批")
        report = ExpenseReport.objects.get()
        house.decide(report)
        expect(page.locator(".says")).to_contain_text("等待财务审核", timeout=2_500)
        look(page, "report-approved", "phone")


def test_everything_works_without_scripts(chromium: Browser, world: World) -> None:
    with window(chromium, world, "owner", "phone", scripts=False) as page:
        page.goto(f"{world.url}/")
        page.get_by_role("link", name="申请出差").first.click()
        page.get_by_label("出差事由").fill("拜访客户")
        page.get_by_label("城市").fill("北京")
        page.get_by_label("出发日期").fill(str(today() + timedelta(3)))
        page.get_by_label("返回日期").fill(str(today() + timedelta(4)))
        page.get_by_role("button", name="再加一个城市").click()
        page.get_by_label("城市").nth(1).fill("苏州")
        page.get_by_label("返回日期").nth(1).fill(str(today() + timedelta(5)))
        page.get_by_label("火车").fill("1,200.00")
        page.get_by_role("button", name="下一步：提交").click()
        page.get_by_role("button", name="提交审批").click()
        expect(page.locator(".says")).to_contain_text("等待 周明 审批")
        expect(page.locator("body")).to_contain_text("北京 → 苏州")


def test_an_approver_decides_without_scrolling(chromium: Browser, world: World) -> None:
    first = world.house.report(title="拜访客户")
    second = world.house.report(title="市内交通")
    with window(chromium, world, "approver") as page:
        page.goto(f"{world.url}/approvals/{world.house.item(first)}")
        expect(page.get_by_role("button", name="同意")).to_be_in_viewport()
        page.get_by_label("意见").fill("请补充拜访记录")
        page.get_by_role("button", name="退回修改").click()
        expect(page.get_by_role("status")).to_contain_text(f"{first.number} 已退回")
    with window(chromium, world, "approver", "phone") as page:
        page.goto(f"{world.url}/approvals/{world.house.item(second)}")
        button = page.get_by_role("button", name="同意")
        expect(button).to_be_in_viewport()
        button.click()
        expect(page.get_by_role("status")).to_contain_text(f"{second.number} 已同意")
    assert (world.house.state(first), world.house.state(second)) == ("returned", "to_audit")


def test_what_an_approver_typed_outlives_what_happens_meanwhile(chromium: Browser, world: World) -> None:
    report = world.house.report()
    with window(chromium, world, "approver") as page:
        page.goto(f"{world.url}/approvals/{world.house.item(report)}")
        page.get_by_label("意见").fill("想一想")
        with window(chromium, world, "owner") as other:
            other.goto(f"{world.url}/reports/{report.number}")
            other.get_by_role("button", name="催办").click()
            expect(other.get_by_role("status").first).to_contain_text("已提醒 1 人")
        expect(page.locator(".timeline")).to_contain_text("催办", timeout=4_000)
        expect(page.get_by_label("意见")).to_have_value("想一想")


def test_finance_clears_the_queue_with_the_keyboard(chromium: Browser, world: World) -> None:
    reports = [world.house.report(title=f"第{n}张", approve=True) for n in (1, 2, 3)]
    with window(chromium, world, "finance") as page:
        page.goto(f"{world.url}/finance/audit/{reports[0].number}")
        page.keyboard.press("j")
        expect(page).to_have_url(f"{world.url}/finance/audit/{reports[1].number}")
        page.keyboard.press("k")
        expect(page).to_have_url(f"{world.url}/finance/audit/{reports[0].number}")
        page.keyboard.press("a")
        expect(page.get_by_role("status").first).to_contain_text(f"{reports[0].number} 审核通过")
        expect(page).to_have_url(f"{world.url}/finance/audit/{reports[1].number}")
        page.keyboard.press("Control+k")
        expect(page.get_by_label("查找单据和人员").first).to_be_focused()
    assert [world.house.state(one) for one in reports] == ["to_pay", "to_audit", "to_audit"]


def test_the_keyboard_reaches_the_content_first(chromium: Browser, world: World) -> None:
    with window(chromium, world, "owner") as page:
        page.goto(f"{world.url}/")
        page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="跳到正文")
        expect(skip).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#main")).to_be_focused()


# Every page


def with_invoices(world: World, who: str, title: str, serial: int, hotel: str) -> ExpenseReport:
    """A draft from a trip with a flight, two nights in a hotel, a ride and a meal."""
    trip = world.house.trip(who=who)
    world.house.client(who).post(
        "/reports/new",
        {
            "trip": trip.number,
            "title": title,
            "files": [
                invoice_file(serial, "*航空运输服务*代订机票", f"12{serial}.00", AIRLINE),
                invoice_file(serial + 1, "*住宿服务*住宿费", hotel, HOTEL),
                invoice_file(serial + 2, "*运输服务*客运服务费", f"46.{serial}", RIDES),
                invoice_file(serial + 3, "*餐饮服务*餐费", f"88.{serial}", DINNER),
            ],
        },
    )
    return ExpenseReport.objects.get(title=title)


def submit(world: World, report: ExpenseReport, who: str) -> None:
    world.house.client(who).post(f"/reports/{report.number}/submit", {"version": str(report.version)})


def furnish(world: World) -> None:
    """Papers in every state, so that no page is empty."""
    house, papers = world.house, world.papers
    papers["trip"] = house.trip(approve=False, days=5)
    house.trip(days=-12)
    papers["draft"] = with_invoices(world, "owner", "北京客户方案汇报", 10, "1980.00")
    papers["in approval"] = with_invoices(world, "owner", "拜访园区客户", 20, "1080.00")
    submit(world, papers["in approval"], "owner")
    house.report(who="colleague", title="展会物料运送")
    returned = house.report(title="打样快递")
    house.decide(returned, "send_back", "请补上快递单照片")
    papers["to audit"] = with_invoices(world, "colleague", "杭州渠道会", 30, "1180.00")
    ExpenseLine.objects.filter(report=papers["to audit"], category="meals").update(paid_amount=66, amount=66)
    submit(world, papers["to audit"], "colleague")
    house.decide(papers["to audit"])
    house.pay_ready()
    house.pay_ready("colleague")
    order = PaymentOrder.objects.order_by("pk").last()
    assert order is not None
    cashier = house.client("cashier")
    cashier.post("/finance/batches/new", {"entity": str(house.entity.pk), "order": [str(order.pk)]})
    papers["batch"] = PaymentBatch.objects.get()
    Connection.objects.create(
        slug="dingtalk", kind="dingtalk", name="钉钉", uses=["approval", "messages", "sign_in"]
    )


Where = Callable[[World], str]
PAGES: list[tuple[str, str | None, Where]] = [
    ("sign-in", None, lambda w: "/sign-in"),
    ("mine", "owner", lambda w: "/"),
    ("mine-empty", "stranger", lambda w: "/"),
    ("trip-new", "owner", lambda w: "/trips/new"),
    ("trip", "owner", lambda w: f"/trips/{w.papers['trip'].number}"),
    ("report-new", "owner", lambda w: "/reports/new"),
    ("report-draft", "owner", lambda w: f"/reports/{w.papers['draft'].number}"),
    ("report", "owner", lambda w: f"/reports/{w.papers['in approval'].number}"),
    ("report-submit", "owner", lambda w: f"/reports/{w.papers['draft'].number}/submit"),
    ("line", "owner", lambda w: f"/reports/{w.papers['draft'].number}/lines/2"),
    ("approvals", "approver", lambda w: "/approvals"),
    ("approval", "approver", lambda w: f"/approvals/{w.house.item(w.papers['in approval'])}"),
    ("hand-over", "approver", lambda w: f"/approvals/{w.house.item(w.papers['in approval'])}/hand-over"),
    ("audits", "finance", lambda w: "/finance/audit"),
    ("audit", "finance", lambda w: f"/finance/audit/{w.papers['to audit'].number}"),
    ("payments", "cashier", lambda w: "/finance/pay"),
    ("batch", "cashier2", lambda w: f"/finance/batches/{w.papers['batch'].number}"),
    ("batches", "cashier", lambda w: "/finance/batches"),
    ("connections", "administrator", lambda w: "/connections"),
    ("connection", "administrator", lambda w: "/connections/dingtalk"),
    ("notices", "owner", lambda w: "/notices"),
    ("search", "owner", lambda w: "/search?q=客户"),
    ("no-permission", "owner", lambda w: "/finance/audit"),
    ("not-found", "owner", lambda w: "/reports/BX209901-000001"),
]


def test_every_page_at_a_desk_and_on_a_phone(chromium: Browser, world: World) -> None:
    furnish(world)
    visit(chromium, world, PAGES)


DARK = ("mine", "report-draft", "approval", "audit", "sign-in")
ENGLISH = ("mine", "report", "approvals", "batch", "sign-in")


def test_some_pages_in_the_dark_and_in_english(chromium: Browser, world: World) -> None:
    furnish(world)
    visit(chromium, world, [page for page in PAGES if page[0] in DARK], dark=True)
    visit(chromium, world, [page for page in PAGES if page[0] in ENGLISH], language="en")


def visit(
    chromium: Browser,
    world: World,
    pages: list[tuple[str, str | None, Where]],
    *,
    dark: bool = False,
    language: str = "zh-hans",
) -> None:
    variant = "-dark" if dark else "-en" if language == "en" else ""
    for size in SIZES:
        for who in dict.fromkeys(page[1] for page in pages):
            with window(chromium, world, who, size, dark=dark, language=language) as page:
                for name, _who, where in (one for one in pages if one[1] == who):
                    page.goto(world.url + where(world))
                    page.wait_for_load_state("networkidle") if name == "audit" else None
                    look(page, name, size, variant)


def test_a_batch_is_paid_and_its_owner_sees_it(chromium: Browser, world: World) -> None:
    report = world.house.pay_ready()
    with window(chromium, world, "owner") as mine:
        mine.goto(f"{world.url}/reports/{report.number}")
        expect(mine.locator(".says")).to_contain_text("等待出纳安排付款")
        with window(chromium, world, "cashier") as page:
            page.goto(f"{world.url}/finance/pay")
            page.get_by_role("button", name="将所选制成批次").click()
            with page.expect_download() as download:
                page.get_by_role("button", name="下载付款文件").click()
            assert "林晓雨" in download.value.path().read_text(encoding="utf-8-sig")
        with window(chromium, world, "cashier2") as page:
            page.goto(f"{world.url}/finance/batches/{PaymentBatch.objects.get().number}")
            page.get_by_role("button", name="确认已付 ¥48.00").click()
            expect(page.locator(".says")).to_contain_text("已付款，确认人 钱思远")
        expect(mine.locator(".says")).to_contain_text("已付款 ¥48.00", timeout=2_500)
        expect(mine.locator("#desk-rows")).to_contain_text("都办完了")
