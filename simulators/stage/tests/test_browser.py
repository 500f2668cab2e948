"""The approvers' pages of all three products in a real Chromium, at a desk and on a phone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from simulators.dingtalk import testing as dingtalk
from simulators.dingtalk.tests.official import Official
from simulators.feishu import testing as feishu
from simulators.feishu.tests.wire import Wire
from simulators.wecom import testing as wecom
from simulators.wecom.tests.client import Api
from simulators.wecom.tests.test_messages import send_card

pytestmark = pytest.mark.browser

CHROMIUM = Path(os.environ.get("VIATICA_CHROMIUM", "/usr/bin/chromium"))
SIZES = {"desk": (1280, 800), "phone": (390, 844)}
OVERFLOW = "document.documentElement.scrollWidth - innerWidth"
OUTSIDE = """() => [...document.querySelectorAll('.actions details[open] > form')].map(form => form.getBoundingClientRect())
    .filter(box => box.left < 0 || box.right > innerWidth || box.top < 0 || box.bottom > innerHeight).length"""
SMALL = """() => [...document.querySelectorAll('button, summary, .button, .tabs a, select, input[type=search]')]
    .filter(one => one.offsetParent !== null && one.getBoundingClientRect().height < 43.5).map(one => one.outerHTML)"""
NO_LABEL = """() => [...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
    .filter(one => !(one.labels && one.labels.length) && !one.getAttribute('aria-label')).map(one => one.outerHTML)"""

House = Callable[[], AbstractContextManager[tuple[str, dict[str, str]]]]


@contextmanager
def a_dingtalk() -> Iterator[tuple[str, dict[str, str]]]:
    with dingtalk.running() as handle:
        paper = Official(handle).create()
        task = f"/u/wangkai/instances/{paper}"
        yield handle.base_url, {"list": "/u/wangkai", "task": task, "news": "/u/wangkai?tab=news"}


@contextmanager
def a_feishu() -> Iterator[tuple[str, dict[str, str]]]:
    with feishu.running() as handle:
        paper = Wire(handle).create()
        task = f"/u/wangkai/instances/{paper}"
        yield handle.base_url, {"list": "/u/wangkai", "task": task, "news": "/u/wangkai?tab=messages"}


@contextmanager
def a_wecom() -> Iterator[tuple[str, dict[str, str]]]:
    with wecom.running() as handle:
        api = Api(handle)
        send_card(api)
        task = f"/u/wangkai/forms/{api.apply()}"
        yield handle.base_url, {"list": "/u/wangkai", "task": task, "news": "/u/wangkai?tab=news"}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}: apt-get install chromium, or set VIATICA_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-dev-shm-usage", "--lang=zh-CN"]
        )
        yield browser
        browser.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("house", [a_dingtalk, a_feishu, a_wecom], ids=lambda house: house.__name__)
def test_an_approver_reads_and_decides(chromium: Browser, house: House, size: str) -> None:
    width, height = SIZES[size]
    page = chromium.new_page(viewport={"width": width, "height": height}, locale="zh-CN")
    with house() as (base, addresses):
        for address in ("/", addresses["list"], addresses["news"]):
            page.goto(f"{base}{address}")
            assert look(page) == (0, [], [])
        page.goto(f"{base}{addresses['list']}")
        page.locator("a.row").first.click()
        page.wait_for_url(f"{base}{addresses['task']}")
        assert look(page) == (0, [], [])
        for summary in page.locator(".actions summary").all():
            summary.click()
            assert page.locator(".actions details[open]").count() == 1  # one at a time
            assert page.evaluate(OUTSIDE) == 0
            assert look(page) == (0, [], [])
        page.locator(".actions summary").last.click()
        page.get_by_role("button", name="同意", exact=True).click()
        expect(page.locator("ol.flow").first).to_contain_text("已同意")
        assert page.url == f"{base}{addresses['task']}"
    page.close()


def look(page: Page) -> tuple[int, list[str], list[str]]:
    """What is wider than the window, too small to hit, without a label."""
    return page.evaluate(OVERFLOW), page.evaluate(SMALL), page.evaluate(NO_LABEL)
