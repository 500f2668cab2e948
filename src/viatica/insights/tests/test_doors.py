"""The doors: pages in both languages, files for spreadsheets, the API; a stranger at each of them."""

from __future__ import annotations

import csv
import io
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from tests.journeys.conftest import taxi
from viatica.insights import sheets
from viatica.insights.tests.conftest import HOUR, Told

PAGES = ("/insights/", "/insights/overview.csv", "/insights/documents", "/insights/documents.csv")


def rows(answer: Any) -> list[list[str]]:
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    text = answer.content.decode("utf-8")
    assert text.startswith("\ufeff") and "\r\n" in text
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


@pytest.mark.parametrize("address", PAGES)
def test_whoever_is_not_signed_in_is_led_to_the_sign_in(told: Told, address: str) -> None:
    answer = Client().get(f"{address}?period=year")
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"/sign-in?next={address}%3Fperiod%3Dyear"


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh-hans", ["洞察", "支出", "¥887.00", "按部门", "火车", "2026年第4季度", "20.0%", "5 小时", "+¥120.00"]),
        ("en", ["Insights", "Spent", "¥887.00", "By department", "Train", "Q4 2026", "20.0%", "5 hours", "+¥120.00"]),
    ],
)  # fmt: skip
def test_the_page(told: Told, language: str, words: list[str]) -> None:
    answer = told.client("finance", language).get("/insights/")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert [word for word in words if word not in page] == []
    assert 'style="' not in page and "onclick" not in page  # the content policy lets neither run
    assert 'aria-current="page">' in page.replace("\n", "")


def test_every_figure_leads_to_its_papers(told: Told) -> None:
    client = told.client("finance")
    page = client.get("/insights/").content.decode()
    links = {link.replace("&amp;", "&") for link in re.findall(r'href="(/insights/documents[^"]*)"', page)}
    assert len(links) >= 12
    for link in links:
        answer = client.get(link)
        assert answer.status_code == 200, link
        wanted = parse_qs(urlsplit(link).query).get("what", ["spent"])
        assert [answer.context["papers"].what] == wanted
        assert answer.context["papers"].rows
    november = client.get("/insights/documents?period=month&of=2026-11").content.decode()
    assert "¥687.00" in november and "全单 ¥120.00" in november


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("who", ["owner", "stranger", "approver", "chief"])
@pytest.mark.parametrize("address", ["/insights/", "/insights/documents?what=whole&category=taxi"])
def test_a_page_for_everyone(told: Told, address: str, who: str, language: str) -> None:
    assert told.client(who, language).get(address).status_code == 200


def test_a_stranger_reads_nothing_of_others(told: Told) -> None:
    client = told.client("stranger")
    for address in PAGES:
        page = client.get(address).content.decode()
        assert [
            word for word in ("887.00", "821.00", "553.00", "106000", "销售部", "colleague") if word in page
        ] == []
        assert not any(report.number in page for report in told.papers.values())
    assert "这里还没有支出" in client.get("/insights/").content.decode()
    group = told.department("华东组")
    for address in PAGES:
        answer = client.get(f"{address}?department={group.pk}")
        assert answer.status_code == 404
        assert "华东组" not in answer.content.decode()


def test_a_page_costs_the_same_for_more_papers(
    told: Told, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = told.client("finance")
    with django_assert_num_queries(
        10
    ):  # the person, the viewer, two of the frame, two filters, four of figures
        client.get("/insights/")
    with django_assert_num_queries(7):
        client.get("/insights/documents")
    for _ in range(4):
        told.decided(taxi("20.00"), owner="colleague", by="approver", after=HOUR)
    with django_assert_num_queries(10):
        client.get("/insights/")
    with django_assert_num_queries(7):
        client.get("/insights/documents")


def test_pages_of_papers(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("viatica.insights.views.PAGE", 3)
    client = told.client("finance")
    first = client.get("/insights/documents")
    assert [row.number for row in first.context["papers"].rows] == [
        told.papers[name].number for name in "bae"
    ]
    assert 'rel="next"' in first.content.decode()
    second = client.get("/insights/documents?page=2")
    assert [row.number for row in second.context["papers"].rows] == [told.papers["c"].number]
    assert "第 4–4 张，共 4 张" in second.content.decode()
    assert client.get("/insights/documents?page=99999999999999").status_code == 200
    assert "没有对应的报销单" in client.get("/insights/documents?page=7").content.decode()


def test_the_overview_as_a_spreadsheet(told: Told) -> None:
    table = rows(told.client("finance").get("/insights/overview.csv"))
    assert table[0][:6] == ["口径", "项目", "币种", "支出", "审批中", "预算"]
    assert table[1] == [
        "期间", "2026-10-01 – 2026-12-31", "CNY", "887.00", "30.00", "106000.00", "105113.00", "5", "120.00", "1",
    ]  # fmt: skip
    assert ["部门", "销售部", "CNY", "821.00", "30.00", "103000.00", "102179.00", "4", "", ""] in table
    assert ["类别", "市内交通", "CNY", "268.00", "30.00", "", "", "3", "120.00", "1"] in table
    assert table[-1] == ["提交到付款", "1", "74.00", "74.00"]


def test_the_papers_as_a_spreadsheet_that_calculates_nothing(told: Told) -> None:
    type(told.papers["b"]).objects.filter(pk=told.papers["b"].pk).update(title="=HYPERLINK(1)\n+2")
    table = rows(told.client("finance", "en").get("/insights/documents.csv"))
    assert table[0][:3] == ["Report number", "Title", "Owner"]
    assert table[1][:6] == [
        told.papers["b"].number, "'=HYPERLINK(1) +2", "colleague", "销售部", "行远科技（上海）有限公司", "To audit",
    ]  # fmt: skip
    assert table[1][7:] == ["1", "553.00", "553.00", "CNY"]
    assert len(table) == 1 + 4
    slow = rows(told.client("finance", "en").get("/insights/documents.csv?what=whole"))
    assert slow[1][-1] == "74.00"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("=1+1", "'=1+1"), ("+1", "'+1"), ("-1", "'-1"), ("@SUM(A1)", "'@SUM(A1)"), ("\t=1", "'=1"), ("\r\n=1", "'=1"),
        ("\x00=1", "'=1"), ("北京出差", "北京出差"), ("a=1", "a=1"), ("", ""),
    ],
)  # fmt: skip
def test_no_text_becomes_a_formula(written: str, kept: str) -> None:
    assert sheets.text(written) == kept


@pytest.fixture
def call(told: Told, settings: Settings) -> Any:
    settings.ROOT_URLCONF = "viatica.insights.tests.doors"

    def get(who: str, path: str, status: int = 200) -> Any:
        client = Client(headers={"Authorization": f"Bearer {told.company.token(who)}"})
        answer = client.get(f"/api/insights-alone/insights{path}")
        assert answer.status_code == status, answer.content.decode()
        return answer.json()

    return get


def test_the_api_says_what_the_page_says(told: Told, call: Any) -> None:
    said = call("finance", "")
    assert (said["start"], said["end"], said["currency"]) == ("2026-10-01", "2027-01-01", "CNY")
    assert said["total"] == {
        "spent": {"amount": "887.00", "currency": "CNY"},
        "asked": {"amount": "30.00", "currency": "CNY"},
        "lines": 5,
        "budget": {"amount": "106000.00", "currency": "CNY"},
        "used": 0,
    }
    assert said["over_standard"] == {
        "lines": 1,
        "reports": 1,
        "amount": {"amount": "120.00", "currency": "CNY"},
    }
    assert said["times"]["approval"] == {"reports": 4, "median_hours": 5.0, "ninth_decile_hours": 7.4}
    assert [one["name"] for one in said["departments"]] == ["销售部", "研发部", ""]
    narrowed = call("finance", f"?department={told.department('华东组').pk}&period=12m&of=2026-11")
    assert narrowed["total"]["spent"]["amount"] == "120.00"


def test_the_api_lists_papers_page_by_page(told: Told, call: Any) -> None:
    first = call("finance", "/documents?size=3")
    assert [one["number"] for one in first["items"]] == [told.papers[name].number for name in "bae"]
    assert (first["count"], first["amount"]["amount"], first["next_page"]) == (4, "887.00", 2)
    second = call("finance", "/documents?size=3&page=2")
    assert [one["amount"]["amount"] for one in second["items"]] == ["20.00"]
    assert second["next_page"] is None
    assert [one["took_hours"] for one in call("finance", "/documents?what=whole")["items"]] == [74.0]


def test_the_api_keeps_to_the_readers_reach(told: Told, call: Any) -> None:
    assert call("stranger", "")["total"]["spent"]["amount"] == "0.00"
    assert call("stranger", "/documents")["items"] == []
    assert call("owner", "")["total"]["budget"] is None
    assert call("foreigner", "")["total"]["spent"]["amount"] == "70.00"
    assert call("foreigner", "?entity=SH", 404)["code"] == "not_found"
    assert call("approver", f"?department={told.department('公司').pk}", 404)["code"] == "not_found"
    for nonsense in (
        "?period=century",
        "?of=2026-13",
        "?department=0",
        "/documents?what=all",
        "/documents?size=1000",
    ):
        call("finance", nonsense, 422)
