from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from simulators.wecom.crypto import jsapi_signature
from simulators.wecom.testing import Running
from simulators.wecom.tests.client import Api

HERE = "https://expense.example.com:8443/signin/wecom"


def wish(wecom: Running, **more: str | None) -> dict[str, str]:
    whole: dict[str, str | None] = {
        "appid": wecom.corp_id,
        "redirect_uri": HERE,
        "response_type": "code",
        "scope": "snsapi_base",
        "state": "abc123",
        "agentid": str(wecom.agent_id),
        **more,
    }
    return {key: value for key, value in whole.items() if value is not None}


def sso(wecom: Running, **more: str | None) -> dict[str, str]:
    return wish(wecom, response_type=None, scope=None, **{"login_type": "CorpApp", **more})


def visit(api: Api, path: str, query: dict[str, str], **headers: str) -> Any:
    url = f"{api.wecom.base_url}{path}?{urlencode(query)}"
    return api.http.request("GET", url, headers=headers, redirect=False)


def code_in(answer: Any) -> str:
    assert answer.status == 302, answer.data.decode()
    target = urlsplit(str(answer.headers["location"]))
    query = parse_qs(target.query)
    assert f"{target.scheme}://{target.netloc}{target.path}" == HERE
    assert query["state"] == ["abc123"]
    return str(query["code"][0])


def test_silent_in_the_client_a_page_outside(wecom: Running, api: Api) -> None:
    page = visit(api, "/connect/oauth2/authorize", wish(wecom))
    assert (page.status, "张三" in page.data.decode()) == (200, True)
    inside = visit(api, "/connect/oauth2/authorize", wish(wecom), cookie="wecom_user=zhangsan")
    code = code_in(inside)
    answer = api.get("/auth/getuserinfo", code=code)
    assert answer == {"errcode": 0, "errmsg": "ok", "userid": "zhangsan"}
    assert api.get("/auth/getuserinfo", code=code)["errcode"] == 40029
    assert api.get("/auth/getuserinfo", code="never")["errcode"] == 40029


def test_private_information_is_asked_for(wecom: Running, api: Api) -> None:
    private = wish(wecom, scope="snsapi_privateinfo")
    page = visit(api, "/connect/oauth2/authorize", private, cookie="wecom_user=zhangsan")
    assert (page.status, "手机号" in page.data.decode()) == (200, True)
    picked = visit(api, "/signin/authorize/pick", private | {"userid": "zhangsan"})
    answer = api.get("/auth/getuserinfo", code=code_in(picked))
    detail = api.post("/auth/getuserdetail", {"user_ticket": answer["user_ticket"]})
    assert (detail["userid"], detail["mobile"]) == ("zhangsan", "13800000004")
    assert detail["biz_mail"] == "zhangsan@demo.example.com"
    assert api.post("/auth/getuserdetail", {"user_ticket": "never"})["errcode"] == 84014


def test_private_without_an_agent_is_silently_base(wecom: Running, api: Api) -> None:
    private = wish(wecom, scope="snsapi_privateinfo", agentid=None)
    inside = visit(api, "/connect/oauth2/authorize", private, cookie="wecom_user=zhangsan")
    assert "user_ticket" not in api.get("/auth/getuserinfo", code=code_in(inside))


def test_by_scan(wecom: Running, api: Api) -> None:
    page = visit(api, "/wwlogin/sso/login", sso(wecom), cookie="wecom_user=zhangsan")
    assert (page.status, "扫码" in page.data.decode()) == (200, True)
    picked = visit(api, "/signin/sso/pick", sso(wecom) | {"userid": "sunhui"})
    assert api.get("/auth/getuserinfo", code=code_in(picked))["userid"] == "sunhui"


def test_strangers_and_those_out_of_sight(wecom: Running, api: Api) -> None:
    answer = api.get("/auth/getuserinfo", code=wecom.code())
    assert "userid" not in answer
    assert {"openid", "external_userid"} <= set(answer)
    wecom.set(visible_departments=[30])
    answer = api.get("/auth/getuserinfo", code=wecom.code("zhangsan", private=True))
    assert (answer["userid"], "user_ticket" in answer) == ("zhangsan", False)


def test_codes_and_tickets_end(wecom: Running, api: Api) -> None:
    wecom.set(code_ttl_s=0.0)
    assert api.get("/auth/getuserinfo", code=wecom.code("zhangsan"))["errcode"] == 40029
    wecom.set(code_ttl_s=300.0, ticket_ttl_s=0.0)
    answer = api.get("/auth/getuserinfo", code=wecom.code("zhangsan", private=True))
    assert api.post("/auth/getuserdetail", {"user_ticket": answer["user_ticket"]})["errcode"] == 84014


@pytest.mark.parametrize(
    ("way", "more"),
    [
        ("authorize", {"appid": "wwother"}),
        ("authorize", {"response_type": "token"}),
        ("authorize", {"scope": "everything"}),
        ("authorize", {"redirect_uri": "javascript:alert(1)"}),
        ("authorize", {"state": "a-b"}),
        ("authorize", {"state": "a" * 129}),
        ("sso", {"login_type": "ServiceApp"}),
        ("sso", {"agentid": "1"}),
        ("sso", {"redirect_uri": None}),
    ],
)
def test_addresses_that_are_wrong(unharmed: Api, way: str, more: dict[str, str | None]) -> None:
    api, wecom = unharmed, unharmed.wecom
    query = wish(wecom, **more) if way == "authorize" else sso(wecom, **more)
    path = "/connect/oauth2/authorize" if way == "authorize" else "/wwlogin/sso/login"
    assert visit(api, path, query, cookie="wecom_user=zhangsan").status == 400
    assert visit(api, f"/signin/{way}/pick", query | {"userid": "zhangsan"}).status == 400


def test_the_trusted_domain_with_its_port(wecom: Running, api: Api) -> None:
    wecom.control("PUT", "/trusted-domains", {"domains": ["expense.example.com"]})
    page = visit(api, "/connect/oauth2/authorize", wish(wecom))
    assert (page.status, "50001" in page.data.decode()) == (400, True)
    wecom.control("PUT", "/trusted-domains", {"domains": ["expense.example.com:8443"]})
    assert visit(api, "/connect/oauth2/authorize", wish(wecom)).status == 200


def ask(api: Api, path: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    url = f"{api.wecom.base_url}{path}"
    return dict(
        json.loads(api.http.request("POST", url, body=json.dumps(body).encode(), headers=headers).data)
    )


@pytest.mark.parametrize("kind", ["config", "agentConfig"])
def test_the_client_checks_signatures(wecom: Running, api: Api, kind: str) -> None:
    tickets = {
        "config": api.get("/get_jsapi_ticket"),
        "agentConfig": api.get("/ticket/get", type="agent_config"),
    }
    url = "https://expense.example.com/m/claims/1?from=card"
    signature = jsapi_signature(ticket=tickets[kind]["ticket"], nonce="n", timestamp="1", url=url)
    given = {
        "kind": kind,
        "corpid": wecom.corp_id,
        "agentid": str(wecom.agent_id),
        "timestamp": "1",
        "nonceStr": "n",
        "signature": signature,
        "url": url,
    }
    assert ask(api, "/client/config", given) == {"result": "ok"}
    other = "agentConfig" if kind == "config" else "config"
    assert ask(api, "/client/config", given | {"kind": other})["result"].startswith("40093")
    assert ask(api, "/client/config", given | {"url": url + "&x=1"})["result"].startswith("40093")
    assert ask(api, "/client/config", given | {"corpid": "ww"})["result"].startswith("40013")


def test_an_approval_is_started_by_the_client(wecom: Running, api: Api) -> None:
    fields = [{"title": "金额", "type": "text", "value": "1448.50"}]
    given = {
        "oaType": "10001",
        "templateId": wecom.facts["engine_template_ids"]["expense"],
        "thirdNo": "BX-1",
        "extData": {"fieldList": fields},
    }
    assert "选择你是谁" in ask(api, "/client/approval", given)["result"]
    started = ask(api, "/client/approval", given, cookie="wecom_user=zhangsan")
    assert started["result"] == "ok"
    assert "1448.50" in api.http.request("GET", started["url"]).data.decode()
    assert (
        ask(api, "/client/approval", given, cookie="wecom_user=zhangsan")["result"] == "已存在相同的审批编号"
    )
    look = {"oaType": "10002", "thirdNo": "BX-1"}
    assert ask(api, "/client/approval", look, cookie="wecom_user=zhangsan")["url"] == started["url"]
    look = {"oaType": "10002", "thirdNo": "none"}
    assert ask(api, "/client/approval", look, cookie="wecom_user=zhangsan")["result"] == "审批申请不存在"
    script = api.http.request("GET", wecom.facts["client_script_url"])
    assert "thirdPartyOpenPage" in script.data.decode()
