"""The two ways to sign in."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pytest_httpserver import HTTPServer

from simulators.wecom.testing import Running
from viatica.connectors.errors import NotOfThisCompany
from viatica.connectors.wecom.client import WeComClient
from viatica.connectors.wecom.errors import CodeUsed
from viatica.connectors.wecom.people import WeComSignIn
from viatica.connectors.wecom.signing import jsapi_signature
from viatica.connectors.wecom.tests.conftest import connection_to
from viatica.offices.access.ports import SignedIn
from viatica.spine.models import Connection

BACK = "https://v.example.com/sign-in/with/wecom/back?next=/"
STATE = "a1b2" * 12


def query(url: str) -> dict[str, str]:
    return {key: value for key, (value,) in parse_qs(urlsplit(url).query).items()}


def test_the_browser_is_sent_to_scan_and_comes_back(connection: Connection, wecom: Running) -> None:
    url = WeComSignIn(connection).start_url(STATE, BACK, inside=False)
    assert url.partition("?")[0] == wecom.facts["sso_url"]
    assert query(url) == {
        "login_type": "CorpApp",
        "appid": wecom.corp_id,
        "agentid": str(wecom.agent_id),
        "redirect_uri": BACK,
        "state": STATE,
    }
    page = wecom.http.request("GET", url, redirect=False)
    assert page.status == 200 and "wangkai" in page.data.decode()


def test_the_clients_own_browser_is_sent_without_a_word(connection: Connection, wecom: Running) -> None:
    port = WeComSignIn(connection)
    url = port.start_url(STATE, BACK, inside=True)
    assert url.partition("?")[0] == wecom.facts["authorize_url"]
    assert urlsplit(url).fragment == "wechat_redirect"
    assert query(url) == {
        "appid": wecom.corp_id,
        "redirect_uri": BACK,
        "response_type": "code",
        "scope": "snsapi_base",
        "state": STATE,
        "agentid": str(wecom.agent_id),
    }
    assert port.client_mark == "wxwork"


def test_the_address_of_the_real_product_is_the_usual_one(connection: Connection) -> None:
    for name in ("authorize_url", "sso_url", "base_url"):
        del connection.settings[name]
    port = WeComSignIn(connection)
    inside, outside = (port.start_url(STATE, BACK, inside=one) for one in (True, False))
    assert inside.startswith("https://open.weixin.qq.com/connect/oauth2/authorize?appid=ww")
    assert outside.startswith(
        "https://login.work.weixin.qq.com/wwlogin/sso/login?login_type=CorpApp&appid=ww"
    )
    assert port.client.setup.base_url == "https://qyapi.weixin.qq.com"


@pytest.mark.parametrize("way", ["finish", "free_login"])
def test_a_code_tells_who_it_is_once(connection: Connection, wecom: Running, way: str) -> None:
    redeem = getattr(WeComSignIn(connection), way)
    code = wecom.code("zhangsan")
    assert redeem(code) == SignedIn("zhangsan", "张三")
    for bad in (code, "invented", ""):
        with pytest.raises(CodeUsed) as caught:
            redeem(bad)
        assert str(caught.value.params["said_by"]).startswith("40029")


def test_somebody_outside_the_visible_range_is_told_too_and_our_own_people_decide(
    connection: Connection, wecom: Running
) -> None:
    wecom.set(visible_departments=[30])
    assert WeComSignIn(connection).finish(wecom.code("zhangsan")) == SignedIn("zhangsan", "")


def test_somebody_from_outside_the_company_is_refused(connection: Connection, wecom: Running) -> None:
    with pytest.raises(NotOfThisCompany):
        WeComSignIn(connection).finish(wecom.code())


def test_somebody_of_a_linked_company_is_refused(
    wecom: Running, forms: dict[str, Any], httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/cgi-bin/gettoken").respond_with_json({"errcode": 0, "access_token": "t"})
    httpserver.expect_request("/cgi-bin/auth/getuserinfo").respond_with_json(
        {"errcode": 0, "userid": "ww2/zhangsan"}
    )
    with pytest.raises(NotOfThisCompany):
        WeComSignIn(connection_to(wecom, forms, base_url=httpserver.url_for(""))).finish("code")


@pytest.mark.parametrize("kind", ["config", "agentConfig"])
def test_the_clients_script_accepts_what_we_sign(connection: Connection, wecom: Running, kind: str) -> None:
    client = WeComClient.of(connection)
    ticket = client.jsapi_ticket() if kind == "config" else client.agent_ticket()
    url = "https://v.example.com/reports/1?from=card"
    given = {
        "kind": kind,
        "corpid": wecom.corp_id,
        "agentid": str(wecom.agent_id),
        "timestamp": "1700000500",
        "nonceStr": "n0nce",
        "url": url,
        "signature": jsapi_signature(ticket=ticket, nonce="n0nce", timestamp="1700000500", url=f"{url}#top"),
    }
    answer = wecom.http.request("POST", f"{wecom.base_url}/client/config", json=given)
    assert answer.json() == {"result": "ok"}
