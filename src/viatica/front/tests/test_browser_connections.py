"""Connecting a product in a real Chromium: the whole path at a desk and on a phone, with and without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from simulators.dingtalk.testing import Running, running
from viatica.connectors.dingtalk import client
from viatica.connectors.tokens import TokenCache
from viatica.front.tests import test_browser
from viatica.front.tests.conftest import AT
from viatica.front.tests.test_browser import World, chromium, patience, window, world
from viatica.offices.company import ports
from viatica.offices.company.directory import running as directory
from viatica.offices.company.models import LegalEntity, OutsideIdentity
from viatica.offices.company.tests.toy import ToyDirectory
from viatica.spine.models import Connection

__all__ = ["chromium", "patience", "world"]

pytestmark = pytest.mark.browser


@pytest.fixture
def sim(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    with running(terminate_ban_s=0) as server:
        monkeypatch.setattr(client, "_tokens", TokenCache())
        yield server


@pytest.mark.parametrize(
    ("size", "language", "scripts", "dark"),
    [
        ("desk", "zh-hans", True, False),
        ("phone", "zh-hans", False, False),
        ("phone", "en", True, True),
        ("desk", "en", True, False),
    ],
)
def test_the_whole_path(
    chromium: Browser, world: World, sim: Running, size: str, language: str, scripts: bool, dark: bool
) -> None:
    variant = "" if language == "zh-hans" else "en"
    with window(
        chromium, world, "administrator", size, scripts=scripts, dark=dark, language=language
    ) as page:
        page.goto(world.url + "/connections")
        look(page, "connections-empty", size, variant)
        page.goto(world.url + "/connections/new")
        look(page, "connection-products", size, variant)
        page.locator("a.product[href$='kind=dingtalk']").click()
        look(page, "connection-use", size, variant)
        press(page)
        expect(page).to_have_url(re.compile("setup/console$"))
        look(page, "connection-console", size, variant)
        enter(page, world, sim)
        check(page, scripts=scripts)
        look(page, "connection-check", size, variant)
        map_forms(page, world, sim)
        look(page, "connection-forms", size, variant)
        rehearse(page, world, sim, size, variant)
        switch_on(page, world, size, variant)
        look(page, "connection-health", size, variant)
        page.goto(world.url + "/connections/dingtalk/exchanges")
        look(page, "connection-exchanges", size, variant)
        page.locator("a.exchange").first.click()
        look(page, "connection-exchange", size, variant)
    assert LegalEntity.objects.get().connection == Connection.objects.get(is_active=True)


def look(page: Page, name: str, size: str, variant: str = "") -> None:
    """Also where no scripts tell that the page is there."""
    page.wait_for_load_state()
    test_browser.look(page, name, size, variant)


def press(page: Page) -> None:
    page.locator("main button.primary").last.click()
    page.wait_for_load_state()


def go(page: Page, world: World, step: str) -> None:
    page.goto(f"{world.url}/connections/dingtalk/setup/{step}")


def enter(page: Page, world: World, sim: Running) -> None:
    """An empty form says at each field what is missing; then everything is copied from the console."""
    go(page, world, "credentials")
    press(page)
    expect(page.locator("#id_app_key")).to_have_attribute("aria-invalid", "true")
    values = {
        "app_key": sim.app_key, "app_secret": sim.app_secret, "corp_id": sim.corp_id, "agent_id": str(sim.agent_id),
        "token": sim.token, "aes_key": sim.aes_key,
    }  # fmt: skip
    for name, value in values.items():
        page.locator(f"#id_{name}").fill(value)
    page.locator("details summary").last.click()
    for name, value in {
        "base_url": sim.base_url,
        "oapi_base_url": sim.oapi_base_url,
        "login_url": sim.base_url,
    }.items():
        page.locator(f"#id_{name}").fill(value)
    press(page)
    expect(page).to_have_url(re.compile("setup/check$"))
    assert sim.app_secret not in page.content()


def check(page: Page, *, scripts: bool) -> None:
    page.locator("#check-now").click()
    expect(page.locator(".check-line.good").first).to_be_visible()
    if scripts:
        expect(page).to_have_url(re.compile("setup/check$"))
    expect(page.locator(".check-line.bad")).to_have_count(0)


def map_forms(page: Page, world: World, sim: Running) -> None:
    go(page, world, "forms")
    for kind, code in (("travel_request", "travel"), ("expense_report", "expense")):
        page.locator(f"#{kind}-code").fill(sim.process_codes[code])
        page.locator(f"#{kind} .form-code button").click()
        page.wait_for_load_state()
        page.locator(f"#{kind} form[method=post] button.primary").click()
        page.wait_for_load_state()
    expect(page.locator(".misfit, .gone")).to_have_count(0)


def rehearse(page: Page, world: World, sim: Running, size: str, variant: str) -> None:
    go(page, world, "rehearsal")
    look(page, "connection-rehearsal-nobody", size, variant)
    OutsideIdentity.objects.create(
        employee=world.house.employee("administrator"), connection=Connection.objects.get(), userid="zhangsan",
        unionid="u", dept_id="11",
    )  # fmt: skip
    go(page, world, "rehearsal")
    page.locator("button[value=begin]").click()
    page.wait_for_load_state()
    (instance,) = sim.control("GET", "/instances")["instances"]
    expect(page.get_by_text(instance["id"])).to_be_visible()
    sim.decide(instance["id"], "agree", remark="OK")
    page.goto(f"{world.url}/connections/dingtalk/setup/rehearsal?look=1")
    look(page, "connection-rehearsal", size, variant)
    page.locator("button[value=end]").click()
    page.wait_for_load_state()
    expect(page.locator("button[value=begin]")).to_be_visible()


def switch_on(page: Page, world: World, size: str, variant: str) -> None:
    go(page, world, "switch")
    look(page, "connection-switch", size, variant)
    page.locator("input[name=entity]").first.check()
    page.locator("button[value=on]").click()
    expect(page).to_have_url(re.compile("connections/dingtalk$"))


def test_one_press_copies(chromium: Browser, world: World) -> None:
    with window(chromium, world, "administrator") as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(world.url + "/connections/new?kind=dingtalk")
        press(page)
        row = page.locator(".copy", has_text="/hooks/dingtalk").first
        row.locator("[data-copy]").click()
        expect(page.locator("#copied")).not_to_be_empty()
        assert page.evaluate("navigator.clipboard.readText()") == f"{world.url}/hooks/dingtalk"


@pytest.mark.parametrize(("size", "language"), [("desk", "zh-hans"), ("phone", "zh-hans"), ("phone", "en")])
def test_the_directory_in_every_state(
    chromium: Browser, world: World, monkeypatch: pytest.MonkeyPatch, size: str, language: str
) -> None:
    there = ToyDirectory(kind="feishu")
    monkeypatch.setitem(ports._factories, "feishu", lambda _connection: there)
    there.department_is("0", "公司")
    there.department_is("1", "华东销售部", "0")
    there.department_is("2", "研发部", "0")
    for user in world.house.people.values():
        one = user.employee
        assert one is not None
        there.member_is(f"ou_{one.number}", one.name, "1", number=one.number)
    there.changes("ou_owner", name="林晓雨（改）", department_ids=("2",))
    there.member_is("ou_new", "新同事", "2", number="N1")
    there.member_is("ou_twin", "陈思", "1", number="colleague")
    there.leaves("ou_stranger")
    variant = "" if language == "zh-hans" else "en"

    def read() -> None:
        directory.sync(Connection.objects.get(), by="system", via="worker", at=AT)

    with window(chromium, world, "administrator", size, language=language) as page:
        page.goto(world.url + "/connections/new?kind=feishu")
        press(page)
        here = f"{world.url}/connections/feishu/setup/directory"
        page.goto(here)
        look(page, "directory-unread", size, variant)
        read()
        page.goto(here)
        look(page, "directory-read", size, variant)
        page.goto(here + "?of=person&kind=added")
        expect(page.get_by_text("新同事")).to_be_visible()
        page.locator("button[value=apply]").click()
        page.wait_for_load_state()
        look(page, "directory-applied", size, variant)
        for name in list(there.people)[:7]:
            there.leaves(name)
        read()
        page.goto(here)
        expect(page.locator("button[value=anyway]")).to_be_visible()
        look(page, "directory-refused", size, variant)
        there.here.clear()
        LegalEntity.objects.create(code="BJ", name="行资示例科技（北京）有限公司")
        there.department_is("0", "公司")
        read()
        page.goto(here)
        look(page, "directory-nobodys", size, variant)


def test_who_may_not_is_told(chromium: Browser, world: World) -> None:
    with window(chromium, world, "owner") as page:
        page.goto(world.url + "/connections/new")
        expect(page.locator("h1")).to_be_visible()
        look(page, "connections-not-for-you", "desk")
