"""Forms, the rehearsal, the long connection, and every guide: what the path asks of the product itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.utils import translation

from simulators.dingtalk.testing import Running, running
from viatica.connectors import registry
from viatica.connectors.dingtalk import client
from viatica.connectors.guide import USES, Hears
from viatica.connectors.tokens import TokenCache
from viatica.front.desks.connections.products import able, offered
from viatica.front.tests.conftest import AT, House, text_of
from viatica.front.tests.test_connections import Api, begin, enter, facts_of, ready, step, token, version
from viatica.kernel.refs import Ref
from viatica.offices.company.models import OutsideIdentity
from viatica.spine import exchanges, inbox, streams
from viatica.spine.models import Connection


@pytest.fixture
def sim(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    with running(terminate_ban_s=0) as server:
        monkeypatch.setattr(client, "_tokens", TokenCache())
        yield server


# Forms


def entered(house: House, browser: Client, sim: Running, **more: Any) -> Connection:
    draft = begin(browser, **more)
    enter(house, browser, draft, sim)
    return draft


def chosen_on(page: Any, kind: str) -> dict[str, str]:
    """What the page's own form for one kind of paper would send."""
    html = unescape(page.content.decode())
    section = html[html.index(f'id="{kind}"') :].split("</section>")[0]
    form: dict[str, str] = {"kind": kind}
    for name, options in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', section, re.DOTALL):
        found = re.search(r'<option value="([^>]*?)" selected', options)
        form[name] = found[1] if found else ""
    return form


def test_a_form_is_read_suggested_and_kept(house: House, sim: Running) -> None:
    browser = house.client("administrator")
    draft = entered(house, browser, sim)
    code = sim.process_codes["expense"]
    page = browser.get(
        step(draft, "forms"), {"expense_report": f"https://aflow.dingtalk.com/x?processCode={code}"}
    )
    form = chosen_on(page, "expense_report")
    assert form["f-number"]
    answer = browser.post(step(draft, "forms"), {**form, "code": code, "version": version(house, draft)})
    assert answer.status_code == 302, text_of(answer)
    draft.refresh_from_db()
    suggested = registry.suggest(draft, {"expense_report": code})
    assert draft.settings["forms"] == suggested
    assert "连接" in text_of(browser.get(step(draft, "forms")))


def test_a_form_that_is_not_there_is_said_at_its_paper(house: House, sim: Running) -> None:
    browser = house.client("administrator")
    draft = entered(house, browser, sim)
    page = browser.get(step(draft, "forms"), {"travel_request": "PROC-NOPE"})
    assert page.status_code == 200
    assert "PROC-NOPE" in page.content.decode()
    assert "钉钉" in text_of(page)


def test_what_does_not_fit_is_marked_and_kept_only_while_it_is_off(house: House, sim: Running) -> None:
    browser = house.client("administrator")
    draft = ready(house, browser, sim)
    api = Api(token(house))
    code = sim.process_codes["expense"]
    _status, found = api("get", f"/dingtalk/forms/expense_report?code={code}")
    assert found["wrong"] == []
    table = {
        "code": code,
        "fields": {**found["fields"], "number": ""},
        "table": found["table"],
        "columns": found["columns"],
    }
    status, kept = api("put", "/dingtalk/forms/expense_report", {**table, "version": version(house, draft)})
    assert (status, len(kept["wrong"]) > 0) == (200, True)
    assert facts_of(draft)[-1] == "connection.mapped"
    assert browser.get(step(draft, "next")).headers["Location"] != step(draft, "switch")
    on = browser.post(step(draft, "switch"), {"what": "on", "version": version(house, draft)})
    assert on.status_code == 422
    Connection.objects.filter(pk=draft.pk).update(is_active=True)
    status, refused = api(
        "put", "/dingtalk/forms/expense_report", {**table, "version": version(house, draft)}
    )
    assert (status, refused["code"]) == (422, "connections.unsound")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/dingtalk/forms/payslip?code=x", 422), ("/dingtalk/forms/expense_report?code=PROC-NOPE", 502)],
)
def test_forms_that_cannot_be_read_by_the_api(house: House, sim: Running, path: str, status: int) -> None:
    entered(house, house.client("administrator"), sim)
    assert Api(token(house))("get", path)[0] in (status, 422, 424, 503)


# The rehearsal


def who_is_who(house: House, connection: Connection) -> OutsideIdentity:
    employee = house.employee("administrator")
    return OutsideIdentity.objects.create(
        employee=employee, connection=connection, userid="zhangsan", unionid="u", dept_id="11"
    )


def test_one_test_approval_made_decided_heard_and_taken_away(house: House, sim: Running) -> None:
    browser = house.client("administrator")
    draft = ready(house, browser, sim)
    person = who_is_who(house, draft)
    here = step(draft, "rehearsal")
    for _twice in range(2):
        browser.post(here, {"what": "begin", "person": person.pk, "once": "same"})
    (instance,) = sim.control("GET", "/instances")["instances"]
    instance_id = instance["id"]
    assert facts_of(draft)[-2:] == ["connection.rehearsal_begun", "connection.rehearsal_sent"]
    assert instance_id in text_of(browser.get(here))
    sim.decide(instance_id, "agree", remark="看到了")
    page = text_of(browser.get(here, {"look": "1"}))
    assert "已通过" in page or "同意" in page
    assert "没有收到" in page
    inbox.store(
        draft,
        "evt-1",
        {"processInstanceId": instance_id, "EventType": "bpms_instance_change"},
        AT + timedelta(minutes=1),
    )
    assert "没有收到" not in text_of(browser.get(here))
    browser.post(here, {"what": "end", "once": "end"})
    assert facts_of(draft)[-1] == "connection.rehearsal_ended"
    assert not OutsideIdentity.objects.exclude(pk=person.pk).exists()


def test_a_test_approval_that_cannot_be_made_says_why(house: House, sim: Running) -> None:
    browser = house.client("administrator")
    draft = ready(house, browser, sim)
    person = who_is_who(house, draft)
    OutsideIdentity.objects.filter(pk=person.pk).update(userid="nobody-there")
    browser.post(step(draft, "rehearsal"), {"what": "begin", "person": person.pk, "once": "x"})
    assert facts_of(draft)[-1] == "connection.rehearsal_failed"
    assert "钉钉" in text_of(browser.get(step(draft, "rehearsal")))


def test_without_anybody_over_there_the_directory_comes_first(house: House, sim: Running) -> None:
    browser = house.client("administrator")
    draft = ready(house, browser, sim)
    page = browser.get(step(draft, "rehearsal"))
    assert step(draft, "directory") in page.content.decode()
    assert browser.post(step(draft, "rehearsal"), {"what": "begin", "person": "1"}).status_code == 422
    assert "connection.rehearsal_begun" not in facts_of(draft)


# How it tells us


def test_a_long_connection_needs_no_address_of_ours(house: House) -> None:
    browser = house.client("administrator")
    draft = begin(browser, hears="long_connection")
    assert draft.settings == {streams.SETTING: True}
    page = text_of(browser.get(step(draft, "console")))
    assert "Stream模式推送" in page
    assert "HTTP推送" not in page
    assert "/hooks/dingtalk" not in page
    assert "id_aes_key" not in browser.get(step(draft, "credentials")).content.decode()
    form = {"name": "钉钉", "way": "approval", "uses": "messages", "hears": "callbacks"}
    browser.post(step(draft, "product"), {**form, "version": version(house, draft)})
    draft.refresh_from_db()
    assert draft.settings == {}
    assert "/hooks/dingtalk" in text_of(browser.get(step(draft, "console")))


def test_a_product_without_one_is_told_so(house: House) -> None:
    status, answer = Api(token(house))(
        "post", "", {"kind": "wecom", "uses": ["messages"], "hears": "long_connection"}
    )
    assert (status, answer["code"]) == (422, "connections.no_long_connection")
    assert not Connection.objects.exists()


# Every guide


@pytest.mark.parametrize("kind", [connector.kind for connector, _guide in offered()])
def test_a_guide_is_whole(kind: str) -> None:
    connector = registry.of(kind)
    guide = connector.guide
    assert guide is not None
    named = [
        part.uses
        for place in guide.places
        for part in list[Any]((place, *place.permissions, *place.events, *place.addresses, *place.choices))
    ]
    named += [one.uses for one in guide.credentials]
    assert {use for uses in named for use in uses} <= set(USES)
    with translation.override("zh-hans"):
        for text in guide.texts():
            assert translation.gettext(text) != text, text
    for use in able(connector):
        for hears in Hears:
            shown = guide.places_for([use], hears)
            assert shown, (use, hears)
            for one in shown:
                assert one.place.url.startswith("https://")
    for name, usual in connector.defaults.items():
        assert {host.name: host.usual for host in guide.hosts}[name] == usual


def test_only_what_the_use_needs_is_asked_for() -> None:
    for _connector, guide in offered():
        everything = {one.code for place in guide.places_for(USES) for one in place.permissions}
        messages = {one.code for place in guide.places_for(["messages"]) for one in place.permissions}
        assert messages <= everything
        assert len({one.name for one in guide.credentials}) == len(guide.credentials)


# Exchanges


def note(connection: Connection, path: str, ref: Ref | None = None, error: str = "") -> None:
    with exchanges.gathered(connection, "approval"):
        exchanges.note(
            exchanges.Asked("POST", path, body=b'{"app_secret": "s3cret", "who": "zhangsan"}', media_type="application/json"),
            exchanges.Answered(200, body=b'{"result": "fine"}'),
            at=AT, ms=12, error=error,
        )  # fmt: skip
    if ref is not None:  # as a delivery writes it
        with database.cursor() as cursor:
            cursor.execute(
                "UPDATE spine_exchange SET ref_kind = %s, ref_key = %s WHERE path = %s",
                [ref.kind, ref.key, path],
            )


@pytest.fixture
def oa(house: House) -> Connection:
    return Connection.objects.create(slug="oa", kind="toy", name="演示 OA", uses=["approval"])


def test_exchanges_are_found_and_read_in_full(house: House, oa: Connection) -> None:
    report = house.report()
    note(oa, "/first", report.ref)
    note(oa, "/second", error="40035")
    browser = house.client("administrator")
    here = "/connections/oa/exchanges"
    for query, first, second in (
        ({}, True, True),
        ({"failed": "1"}, False, True),
        ({"paper": report.number}, True, False),
        ({"paper": "BX202611-999999"}, False, False),
        ({"q": "/second"}, False, True),
    ):
        page = text_of(browser.get(here, query))
        assert ("/first" in page, "/second" in page.replace('value="/second"', "")) == (first, second), query
    key = exchanges.search(oa).rows[0].key
    whole = text_of(browser.get(f"{here}/{key}"))
    assert "zhangsan" in whole
    assert "s3cret" not in whole
    for who in ("owner", "finance", "auditor", "stranger"):
        assert house.client(who).get(here).status_code in (403, 404)
        assert house.client(who).get(f"{here}/{key}").status_code in (403, 404)


def test_a_paper_leads_administrators_to_what_was_asked_and_answered(house: House, oa: Connection) -> None:
    report = house.report(who="administrator")
    note(oa, "/first", report.ref)
    here = f"/paper/expense_report/{report.pk}/exchanges"
    browser = house.client("administrator")
    assert here in browser.get(f"/reports/{report.number}").content.decode()
    assert "/first" in text_of(browser.get(here))
    other = house.report()
    assert "/exchanges" not in house.client("owner").get(f"/reports/{other.number}").content.decode()
    page = house.client("owner").get(f"/paper/expense_report/{other.pk}/exchanges")
    assert page.status_code in (403, 404) or "/first" not in text_of(page)
    assert browser.get("/paper/payslip/1/exchanges").status_code == 404


# Health


def test_what_each_capability_last_did(house: House, oa: Connection) -> None:
    note(oa, "/first")
    exchanges.went(oa, "approval")
    page = text_of(house.client("administrator").get("/connections/oa"))
    assert "审批" in page
    for who in ("owner", "stranger"):
        assert house.client(who).get("/connections/oa").status_code in (403, 404)


def test_a_check_speaks_only_of_what_it_is_used_for(house: House, sim: Running) -> None:
    """Who only sends messages waits for no callback."""
    browser = house.client("administrator")
    draft = begin(browser, way="", uses=["messages"])
    enter(house, browser, draft, sim, token="", aes_key="")
    assert "事件订阅" not in text_of(browser.get(step(draft, "console")))
    browser.post(step(draft, "check"))
    assert "全部正常" in text_of(browser.get(step(draft, "check")))


def test_a_desk_that_cannot_decide_says_so(house: House, sim: Running) -> None:
    browser = house.client("administrator")
    draft = begin(browser, way="desk")
    enter(house, browser, draft, sim)
    draft.refresh_from_db()
    person = who_is_who(house, draft)
    browser.post(step(draft, "rehearsal"), {"what": "begin", "person": person.pk, "once": "x"})
    assert facts_of(draft)[-1] == "connection.rehearsal_sent"
    assert len(sim.centre_tasks("zhangsan")) == 1
    page = text_of(browser.get(step(draft, "rehearsal")))
    assert "在我们的页面上处理" in page
    assert "没有收到" not in page
    browser.post(step(draft, "rehearsal"), {"what": "end", "once": "y"})
    assert sim.centre_tasks("zhangsan") == []
    assert facts_of(draft)[-1] == "connection.rehearsal_ended"


def test_a_page_is_saved_over_there_only_when_its_keys_are_here(house: House, sim: Running) -> None:
    browser = house.client("administrator")
    draft = begin(browser)
    assert "回到" not in text_of(browser.get(step(draft, "check")))
    enter(house, browser, draft, sim)
    assert "回到" in text_of(browser.get(step(draft, "check")))
