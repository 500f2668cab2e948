from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from simulators.feishu.testing import Running
from simulators.feishu.tests.wire import Said, Wire

BACK = "https://expense.example.com/sign-in"
TOKEN = "/open-apis/authen/v2/oauth/token"


def wish(feishu: Running, **more: str) -> dict[str, str]:
    whole = {
        "client_id": feishu.app_id,
        "response_type": "code",
        "redirect_uri": BACK,
        "state": "s1",
    }
    return {**whole, **more}


def pick(wire: Wire, user_id: str | None, **more: str) -> dict[str, str]:
    """Choose a person on the login page; the query the browser comes back with."""
    query = wish(wire.feishu, **more) | ({"user_id": user_id} if user_id else {"denied": "1"})
    url = f"{wire.feishu.base_url}/login/pick?{urlencode(query)}"
    answer = wire.http.request("GET", url, redirect=False)
    assert answer.status == 302
    parts = urlsplit(answer.headers["location"])
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == BACK
    return {key: values[0] for key, values in parse_qs(parts.query).items()}


def exchange(wire: Wire, code: str, **more: Any) -> Said:
    body = {
        "grant_type": "authorization_code",
        "client_id": wire.feishu.app_id,
        "client_secret": wire.feishu.app_secret,
        "code": code,
        "redirect_uri": BACK,
        **more,
    }
    return wire.call("POST", TOKEN, body, token="")


def me(wire: Wire, token: str) -> Said:
    return wire.call("GET", "/open-apis/authen/v1/user_info", token=token)


def test_the_browser_way(feishu: Running, wire: Wire) -> None:
    url = f"{feishu.base_url}/open-apis/authen/v1/authorize?{urlencode(wish(feishu))}"
    page = wire.http.request("GET", url)
    assert (page.status, "张三" in page.data.decode()) == (200, True)
    back = pick(wire, "zhangsan")
    assert back["state"] == "s1"
    said = exchange(wire, back["code"])
    assert "data" not in said.body
    assert (said.body["token_type"], said.body["expires_in"]) == ("Bearer", 7200)
    assert "refresh_token" not in said.body
    who = me(wire, said.body["access_token"]).data
    assert (who["name"], who["user_id"], who["tenant_key"]) == ("张三", "zhangsan", feishu.tenant_key)
    assert who["open_id"] == wire.open_id("zhangsan")


def test_the_older_page_has_its_own_words(feishu: Running, wire: Wire) -> None:
    query = urlencode({"app_id": feishu.app_id, "redirect_uri": BACK, "state": "x"})
    url = f"{feishu.base_url}/open-apis/authen/v1/index?{query}"
    assert wire.http.request("GET", url).status == 200


def test_saying_no(wire: Wire) -> None:
    assert pick(wire, None) == {"error": "access_denied", "state": "s1"}


@pytest.mark.parametrize(
    "change",
    [{"client_id": "cli_other"}, {"response_type": "token"}, {"redirect_uri": "javascript:alert(1)"}],
)
def test_a_bad_wish_leads_nowhere(feishu: Running, wire: Wire, change: dict[str, str]) -> None:
    query = urlencode(wish(feishu, **change) | {"user_id": "zhangsan"})
    for path in ("/open-apis/authen/v1/authorize", "/login/pick"):
        assert wire.http.request("GET", f"{feishu.base_url}{path}?{query}", redirect=False).status == 400


def test_only_registered_addresses(feishu: Running, wire: Wire) -> None:
    feishu.control("PUT", "/redirect-uris", {"redirect_uris": ["https://other.example.com"]})
    url = f"{feishu.base_url}/open-apis/authen/v1/authorize?{urlencode(wish(feishu))}"
    assert wire.http.request("GET", url).status == 400


def test_a_code_is_good_once(wire: Wire) -> None:
    code = pick(wire, "zhangsan")["code"]
    assert exchange(wire, code).code == 0
    again = exchange(wire, code)
    assert (again.status, again.code, again.body["error"]) == (400, 20065, "invalid_grant")
    assert exchange(wire, "none").code == 20003


def test_what_does_not_fit_the_code(wire: Wire) -> None:
    code = pick(wire, "zhangsan")["code"]
    assert exchange(wire, code, client_secret="wrong").code == 20002
    assert exchange(wire, code, redirect_uri="https://other.example.com").code == 20071
    assert exchange(wire, code, grant_type="password").code == 20036
    assert exchange(wire, code).code == 0


def test_pkce(wire: Wire) -> None:
    verifier = "v" * 43
    challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    code = pick(wire, "zhangsan", code_challenge=challenge, code_challenge_method="S256")["code"]
    assert exchange(wire, code).code == 20049
    assert exchange(wire, code, code_verifier="w" * 43).code == 20049
    assert exchange(wire, code, code_verifier=verifier).code == 0


def test_staying_signed_in(wire: Wire) -> None:
    code = pick(wire, "zhangsan", scope="offline_access")["code"]
    first = exchange(wire, code).body
    again = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = exchange(wire, "", **again)
    assert second.body["refresh_token"] != first["refresh_token"]
    assert me(wire, second.body["access_token"]).data["name"] == "张三"
    assert exchange(wire, "", **again).code == 20026  # good for one use


def test_the_older_exchanges(feishu: Running, wire: Wire) -> None:
    body = {"grant_type": "authorization_code", "code": feishu.login_code("zhangsan")}
    data = wire.post("/open-apis/authen/v1/oidc/access_token", body).data
    assert set(data) == {
        "access_token",
        "refresh_token",
        "token_type",
        "expires_in",
        "refresh_expires_in",
        "scope",
    }
    assert wire.post("/open-apis/authen/v1/oidc/access_token", body).code == 20065
    refresh = {"grant_type": "refresh_token", "refresh_token": data["refresh_token"]}
    assert wire.post("/open-apis/authen/v1/oidc/refresh_access_token", refresh).data["access_token"]
    body["code"] = feishu.login_code("sunhui")
    assert wire.post("/open-apis/authen/v1/access_token", body).data["name"] == "孙慧"


def test_inside_the_client(feishu: Running, wire: Wire) -> None:
    url = f"{feishu.base_url}/client/auth-code?appId={feishu.app_id}"
    assert wire.http.request("GET", url).status == 401
    cookie = {"cookie": "feishu_user=zhangsan"}
    code = wire.http.request("GET", url, headers=cookie).json()["code"]
    assert me(wire, exchange(wire, code).body["access_token"]).data["name"] == "张三"
    script = wire.http.request("GET", f"{feishu.base_url}/client/feishu.js")
    assert b"requestAccess" in script.data


def test_strangers_and_ended_sessions(feishu: Running, wire: Wire) -> None:
    code = feishu.login_code("xujia")
    feishu.leave("xujia")
    assert exchange(wire, code).code == 20008
    token = exchange(wire, feishu.login_code("zhangsan")).body["access_token"]
    feishu.expire_tokens()
    assert me(wire, token).code == 99991677
    assert me(wire, "u-never").code == 99991668
    assert me(wire, wire.token).code == 99991668


def test_fields_hide_behind_their_scopes(feishu: Running, wire: Wire) -> None:
    token = exchange(wire, feishu.login_code("zhangsan")).body["access_token"]
    feishu.set(missing_scopes=["contact:user.phone:readonly"])
    assert "mobile" not in me(wire, token).data
    url = f"{feishu.base_url}/open-apis/authen/v1/authorize?"
    answer = wire.http.request("GET", url + urlencode(wish(feishu, scope="contact:user.phone:readonly")))
    assert (answer.status, "20027" in answer.data.decode()) == (400, True)
