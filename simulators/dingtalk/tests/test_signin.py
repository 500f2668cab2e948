from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from Tea.exceptions import UnretryableException

from simulators.dingtalk.testing import Running
from simulators.dingtalk.tests.official import Official, contact_models, oauth_models

TARGET = "https://expense.example.com/sign-in/dingtalk?next=%2F"


def wish(dingtalk: Running, **more: str) -> str:
    fields = {
        "redirect_uri": TARGET,
        "response_type": "code",
        "client_id": dingtalk.app_key,
        "scope": "openid corpid",
        "state": "st/ate 1",
        "prompt": "consent",
        **more,
    }
    return urlencode(fields)


def go(official: Official, path: str) -> Any:
    return official.http.request("GET", f"{official.dingtalk.base_url}{path}", redirect=False)


def exchange(official: Official, **fields: str) -> Any:
    request = oauth_models.GetUserTokenRequest(
        client_id=official.dingtalk.app_key, client_secret=official.dingtalk.app_secret, **fields
    )
    return official.oauth.get_user_token(request).body


def me(official: Official, token: str) -> Any:
    return official.call(official.contact, contact_models, "GetUser", "me", token=token)


def test_the_browser_way(dingtalk: Running, official: Official) -> None:
    page = go(official, f"/oauth2/auth?{wish(dingtalk)}")
    assert page.status == 200
    assert "张三" in page.data.decode()
    answer = go(official, f"/oauth2/auth/pick?{wish(dingtalk)}&userid=zhangsan")
    assert answer.status == 302
    back = urlsplit(answer.headers["location"])
    assert back.netloc == "expense.example.com"
    query = parse_qs(back.query)
    assert query["next"] == ["/"]
    assert query["state"] == ["st/ate 1"]
    assert query["code"] == query["authCode"]
    code = query["code"][0]
    token = exchange(official, code=code, grant_type="authorization_code")
    assert (token.expire_in, token.corp_id) == (7200, dingtalk.corp_id)
    person = me(official, token.access_token)
    assert (person.nick, person.state_code) == ("张三", "86")
    assert (
        official.old("/topapi/user/getbyunionid", unionid=person.union_id)["result"]["userid"] == "zhangsan"
    )
    with pytest.raises(UnretryableException):
        exchange(official, code=code, grant_type="authorization_code")  # a code works once
    renewed = exchange(official, refresh_token=token.refresh_token, grant_type="refresh_token")
    assert me(official, renewed.access_token).union_id == person.union_id


def test_saying_no(dingtalk: Running, official: Official) -> None:
    answer = go(official, f"/oauth2/auth/pick?{wish(dingtalk)}&denied=1")
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert (query["error"], query["state"]) == (["access_denied"], ["st/ate 1"])
    assert "code" not in query


@pytest.mark.parametrize(
    "more",
    [
        {"client_id": "other"},
        {"response_type": "token"},
        {"scope": "everything"},
        {"redirect_uri": "javascript:alert(1)"},
    ],
    ids=str,
)
def test_bad_wishes_stay_on_the_page(dingtalk: Running, official: Official, more: dict[str, str]) -> None:
    assert go(official, f"/oauth2/auth?{wish(dingtalk, **more)}").status == 400
    assert go(official, f"/oauth2/auth/pick?{wish(dingtalk, **more)}&userid=zhangsan").status == 400


def test_only_registered_addresses(dingtalk: Running, official: Official) -> None:
    dingtalk.control("PUT", "/redirect-uris", {"redirect_uris": ["https://other.example.com/"]})
    assert go(official, f"/oauth2/auth?{wish(dingtalk)}").status == 400
    dingtalk.control("PUT", "/redirect-uris", {"redirect_uris": [TARGET]})
    assert go(official, f"/oauth2/auth?{wish(dingtalk)}").status == 200


def test_tokens_do_not_stand_in_for_each_other(dingtalk: Running, official: Official) -> None:
    code = dingtalk.browser_code("zhangsan")
    user_token = exchange(official, code=code, grant_type="authorization_code").access_token
    with pytest.raises(UnretryableException) as error:
        me(official, official.token)
    assert error.value.code == "InvalidAuthentication"
    official.__dict__["token"] = user_token
    assert official.old("/topapi/user/getbyunionid", unionid="x")["errcode"] == 40014


def test_free_login(dingtalk: Running, official: Official) -> None:
    code = dingtalk.free_login_code("zhoumingyuan")
    person = official.old("/topapi/v2/user/getuserinfo", code=code)["result"]
    assert (person["userid"], person["name"], person["sys_level"]) == ("zhoumingyuan", "周明远", 1)
    assert official.old("/topapi/v2/user/getuserinfo", code=code)["errcode"] == 40078
    assert official.old("/topapi/v2/user/getuserinfo", code="made-up")["errcode"] == 40078


def test_the_client_hands_out_codes(dingtalk: Running, official: Official) -> None:
    script = go(official, "/client/dingtalk.js").data.decode()
    assert "requestAuthCode" in script
    assert go(official, "/client/auth-code").status == 401
    headers = {"cookie": "dingtalk_user=linxiao", "origin": "https://expense.example.com"}
    url = f"{dingtalk.base_url}/client/auth-code?corpId={dingtalk.corp_id}"
    answer = official.http.request("GET", url, headers=headers)
    assert answer.headers["access-control-allow-origin"] == "https://expense.example.com"
    code = json.loads(answer.data)["code"]
    assert official.old("/topapi/v2/user/getuserinfo", code=code)["result"]["userid"] == "linxiao"
