"""Who comes in, by which door, and what a closed one says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern
from pytest_django import Settings

from viatica.front import urls
from viatica.front.tests.conftest import House, text_of
from viatica.offices.access import ports
from viatica.offices.access.models import User
from viatica.offices.company.models import OutsideIdentity
from viatica.offices.notices.models import Notice
from viatica.spine import connections
from viatica.spine.models import Connection

OPEN = {
    "sign_in",
    "sign_in_as",
    "sign_out",
    "language",
    "outside_start",
    "outside_finish",
    "inside",
    "picture_by_token",
}
VALUES: dict[str, Any] = {
    "number": "BX202611-000001",
    "no": 1,
    "item_id": 1,
    "slug": "dingtalk",
    "notice_id": 1,
}
NAMES = {"username": "owner", "token": "x", "kind": "expense_report", "key": "1", "step": "switch"}


def every_door() -> Iterator[tuple[str, str]]:
    for pattern in urls.urlpatterns:
        assert isinstance(pattern, URLPattern)
        path = re.sub(
            r"<(?:\w+:)?(\w+)>", lambda found: str({**VALUES, **NAMES}[found[1]]), str(pattern.pattern)
        )
        yield pattern.name or "", f"/{path}"


@pytest.mark.parametrize(("name", "path"), [door for door in every_door() if door[0] not in OPEN])
@pytest.mark.parametrize("method", ["get", "post"])
def test_without_a_sign_in_every_door_leads_to_it(db: None, name: str, path: str, method: str) -> None:
    answer = getattr(Client(), method)(path)
    assert answer.status_code in (302, 405)
    if answer.status_code == 302:
        assert answer.headers["Location"].startswith("/sign-in")


@pytest.mark.parametrize("path", [path for name, path in every_door() if "/connections" in path])
@pytest.mark.parametrize("who", ["owner", "approver", "finance", "cashier", "auditor"])
def test_connections_are_the_administrator_s(house: House, who: str, path: str) -> None:
    Connection.objects.create(slug="dingtalk", kind="toy", name="钉钉", uses=["approval"])
    browser = house.client(who)
    assert {browser.get(path).status_code, browser.post(path).status_code} <= {403, 405}


@pytest.mark.parametrize("path", [path for name, path in every_door() if "/finance" in path])
@pytest.mark.parametrize("who", ["owner", "approver", "administrator", "stranger"])
def test_finance_is_finance_s(house: House, who: str, path: str) -> None:
    report = house.pay_ready()
    path = path.replace("BX202611-000001", report.number)
    browser = house.client(who)
    assert {browser.get(path).status_code, browser.post(path).status_code} <= {403, 404, 405}


@pytest.mark.parametrize(
    "step",
    [
        "edit",
        "submit",
        "withdraw",
        "urge",
        "invoices",
        "lines/new",
        "lines/1",
        "lines/1/remove",
        "lines/1/reason",
    ],
)
@pytest.mark.parametrize("who", ["approver", "stranger", "finance", "administrator"])
def test_only_the_owner_writes_a_report(house: House, who: str, step: str) -> None:
    report = house.report(submit=False)
    form = {
        "once": "k",
        "version": "1",
        "title": "改",
        "reason": "改",
        "paid": "1",
        "category": "taxi",
        "day": "2026-11-20",
        "currency": "CNY",
    }
    answer = house.client(who).post(f"/reports/{report.number}/{step}", form)
    assert answer.status_code in (403, 404)
    report.refresh_from_db()
    assert (report.version, report.title, house.state(report)) == (1, "市内交通", "draft")


# Passwords and the demo


def test_signing_in_and_out(house: House) -> None:
    browser = Client()
    page = browser.get("/reports/new")
    assert page.headers["Location"] == "/sign-in?next=/reports/new"
    wrong = browser.post("/sign-in", {"username": "owner", "password": "wrong", "next": "/reports/new"})
    assert wrong.status_code == 422
    assert "用户名或密码不正确" in text_of(wrong)
    right = browser.post("/sign-in", {"username": "owner", "password": "right horse", "next": "/reports/new"})
    assert right.headers["Location"] == "/reports/new"
    assert browser.get("/").status_code == 200
    browser.post("/sign-out")
    assert browser.get("/").status_code == 302


def test_the_way_back_never_leads_elsewhere(house: House) -> None:
    for target in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
        answer = Client().post("/sign-in", {"username": "owner", "password": "right horse", "next": target})
        assert answer.headers["Location"] == "/"


def test_one_click_people_are_only_in_the_demo(house: House, settings: Settings) -> None:
    assert Client().post("/sign-in/as/owner").status_code == 404
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"demo": True})
    settings.DEMO_CAST = [("owner", "员工 · employee"), ("gone", "x")]
    page = Client().get("/sign-in")
    assert "林晓雨" in text_of(page) and "员工" in text_of(page) and "employee" not in text_of(page)
    assert Client().post("/sign-in/as/owner").headers["Location"] == "/"
    assert Client().get("/sign-in/as/owner").status_code == 405


def test_the_chosen_language_is_remembered_with_the_person(house: House) -> None:
    browser = house.client("owner")
    browser.post("/language", {"language": "en", "next": "/"})
    assert "Needs you" in text_of(browser.get("/")) or "Nothing here yet" in text_of(browser.get("/"))
    assert User.objects.get(username="owner").language == "en"
    other = Client()
    other.post("/sign-in", {"username": "owner", "password": "right horse"})
    assert other.cookies["django_language"].value == "en"
    assert other.post("/language", {"language": "klingon"}).status_code == 302
    assert other.cookies["django_language"].value == "en"


def test_pages_are_chinese_until_somebody_chooses(db: None) -> None:
    page = Client().get("/sign-in", headers={"Accept-Language": "en-US,en"})
    assert '<html lang="zh-hans">' in page.content.decode()


# The OA's doors


class ToySignIn:
    """Knows one code, once. Its client calls itself ToyClient and signs people in without asking."""

    kind = "toy"
    client_mark = "ToyClient"
    script: ports.ClientScript | None = None
    codes = {
        "good": ports.SignedIn(userid="u1", name="林晓雨"),
        "other": ports.SignedIn(userid="nobody", name="某人"),
    }

    def start_url(self, state: str, redirect: str, *, inside: bool) -> str:
        page = "silent" if inside else "auth"
        return f"https://oa.example/{page}?state={state}&redirect={redirect}"

    def client_script(self) -> ports.ClientScript | None:
        return self.script

    def finish(self, code: str) -> ports.SignedIn:
        return self.codes[code]

    def free_login(self, code: str) -> ports.SignedIn:
        return self.codes[code]


@pytest.fixture
def oa(house: House) -> Iterator[Connection]:
    ports.register("toy", lambda connection: ToySignIn())
    connection = Connection.objects.create(slug="oa", kind="toy", name="某 OA", uses=["sign_in"])
    OutsideIdentity.objects.create(employee=house.employee("owner"), connection=connection, userid="u1")
    connections.forget()
    yield connection
    connections.forget()
    ports._factories.pop("toy")


def state_of(answer: Any) -> str:
    found = re.search(r"state=([^&]+)", answer.headers["Location"])
    assert found is not None
    return found[1]


def test_signing_in_through_the_oa(oa: Connection) -> None:
    browser = Client()
    assert "用某 OA登录" in text_of(browser.get("/sign-in"))
    started = browser.get("/sign-in/with/oa?next=/reports/new")
    assert started.headers["Location"].endswith("redirect=http://testserver/sign-in/with/oa/back")
    back = browser.get(f"/sign-in/with/oa/back?authCode=good&state={state_of(started)}")
    assert back.headers["Location"] == "/reports/new"
    assert browser.get("/").status_code == 200


def test_a_state_that_is_not_ours_is_refused_and_good_for_one_return(oa: Connection) -> None:
    assert Client().get("/sign-in/with/oa/back?authCode=good&state=forged").status_code == 400
    assert Client().get("/sign-in/with/oa/back?authCode=good&state=").status_code == 400
    browser = Client()
    state = state_of(browser.get("/sign-in/with/oa"))
    assert browser.get("/sign-in/with/oa/back?authCode=good&state=wrong").status_code == 400
    assert browser.get(f"/sign-in/with/oa/back?authCode=good&state={state}").status_code == 400
    assert browser.get("/").status_code == 302


def test_someone_the_company_does_not_know_stays_outside(oa: Connection) -> None:
    browser = Client()
    state = state_of(browser.get("/sign-in/with/oa"))
    page = browser.get(f"/sign-in/with/oa/back?code=other&state={state}")
    assert page.status_code == 403
    assert "某人" in text_of(page)
    assert browser.get("/").status_code == 302


INSIDE = {"User-Agent": "Mozilla/5.0 (iPhone) ToyClient/7.1"}


def test_inside_the_client_the_one_link_asks_nothing(oa: Connection) -> None:
    browser = Client(headers=INSIDE)
    started = browser.get("/sign-in/with/oa?next=/approvals")
    assert started.headers["Location"].startswith("https://oa.example/silent?")
    back = browser.get(f"/sign-in/with/oa/back?code=good&state={state_of(started)}")
    assert back.headers["Location"] == "/approvals"
    # A client without a script needs no page of ours in between.
    assert browser.get("/sign-in/inside/oa?next=/a").headers["Location"] == "/sign-in/with/oa?next=%2Fa"


def test_free_login_by_the_clients_script(oa: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    script = ports.ClientScript("https://cdn.oa.example/client.js", {"corp": "c1", "client": "k1"})
    monkeypatch.setattr(ToySignIn, "script", script)
    browser = Client(headers=INSIDE)
    to = browser.get("/sign-in/with/oa?next=/approvals").headers["Location"]
    assert to == "/sign-in/inside/oa?next=%2Fapprovals"
    page = browser.get(to)
    assert 'src="https://cdn.oa.example/client.js"' in page.content.decode()
    assert 'data-corp="c1" data-client="k1"' in page.content.decode()
    assert "connect-src 'self' https://cdn.oa.example" in page.headers["Content-Security-Policy"]
    answer = browser.post("/sign-in/inside/oa", {"code": "good", "next": "/approvals"})
    assert answer.headers["Location"] == "/approvals"
    assert Client().post("/sign-in/inside/oa", {"code": ""}).status_code == 400


# What a closed door says


def test_errors_say_what_and_what_next(house: House) -> None:
    browser = house.client("owner")
    missing = browser.get("/reports/BX209901-999999")
    assert missing.status_code == 404
    assert "查看" in text_of(missing) or "检查" in text_of(missing)
    assert browser.get("/no/such/page").status_code == 404
    assert "没有这个页面" in text_of(browser.get("/no/such/page"))


def test_a_form_without_its_token_is_refused(house: House) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(house.people["owner"], backend="viatica.offices.access.backends.PasswordBackend")
    page = browser.post("/trips/new", {})
    assert page.status_code == 403
    assert "此表单已过期" in text_of(page)


def test_every_page_keeps_to_its_own_scripts_and_styles(house: House) -> None:
    page = house.client("owner").get("/")
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy
    html = page.content.decode()
    assert not re.search(r"<script(?![^>]*src=)", html)
    assert "style=" not in html and "<style" not in html and " onclick=" not in html


# Notices and search


def test_notices_are_read_by_following_them(house: House) -> None:
    report = house.report()
    house.decide(report)
    browser = house.client("owner")
    page = browser.get("/notices")
    link = re.search(r'href="(/notices/\d+)"', page.content.decode())
    assert link is not None
    assert report.number in text_of(page)
    assert browser.get(link[1]).headers["Location"] == f"/reports/{report.number}"
    assert Notice.objects.filter(employee=house.employee("owner"), read_at=None).count() == 0
    assert house.client("stranger").get(link[1]).headers["Location"] == "/notices"


def test_search_finds_what_one_may_see(house: House) -> None:
    report = house.report(title="杭州渠道会")
    house.trip()
    owner, stranger = house.client("owner"), house.client("stranger")
    assert "杭州渠道会" in text_of(owner.get("/search?q=渠道"))
    assert "北京客户方案汇报" in text_of(owner.get("/search?q=林晓雨"))
    assert owner.get(f"/search?q={report.number.lower()}").headers["Location"] == f"/reports/{report.number}"
    assert "没有找到" in text_of(stranger.get("/search?q=渠道"))
    assert owner.get(f"/paper/expense_report/{report.pk}").headers["Location"] == f"/reports/{report.number}"
