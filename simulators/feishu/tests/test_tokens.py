from __future__ import annotations

import time

import pytest

from simulators.feishu.testing import Running, running
from simulators.feishu.tests.wire import Wire

TOKEN = "/open-apis/auth/v3/tenant_access_token/internal"
USER = "/open-apis/contact/v3/users/zhangsan"


def test_a_flat_answer_and_the_same_token_again(wire: Wire) -> None:
    body = {"app_id": wire.feishu.app_id, "app_secret": wire.feishu.app_secret}
    said = wire.call("POST", TOKEN, body, token="")
    assert set(said.body) == {"code", "msg", "tenant_access_token", "expire"}
    assert said.body["tenant_access_token"].startswith("t-")
    assert 7100 < said.body["expire"] <= 7200
    assert wire.call("POST", TOKEN, body, token="").body["tenant_access_token"] == wire.token
    app = wire.call("POST", "/open-apis/auth/v3/app_access_token/internal", body, token="")
    assert app.body["app_access_token"] == wire.token


def test_a_new_token_near_the_end_and_the_old_one_beside_it() -> None:
    with running(token_ttl_s=4, token_renew_s=3.9) as feishu:
        wire = Wire(feishu)
        first = wire.token
        body = {"app_id": feishu.app_id, "app_secret": feishu.app_secret}
        time.sleep(0.05)
        assert wire.call("POST", TOKEN, body, token="").body["tenant_access_token"] == first
        feishu.expire_tokens()
        second = wire.call("POST", TOKEN, body, token="").body["tenant_access_token"]
        assert second != first
        assert wire.call("GET", USER, token=first, user_id_type="user_id").code == 99991663
        assert wire.call("GET", USER, token=second, user_id_type="user_id").code == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [({"app_secret": "wrong"}, 10015), ({"app_id": "cli_other"}, 10003), ({"app_id": ""}, 10003)],
)
def test_wrong_credentials(wire: Wire, change: dict[str, str], code: int) -> None:
    body = {"app_id": wire.feishu.app_id, "app_secret": wire.feishu.app_secret, **change}
    said = wire.call("POST", TOKEN, body, token="")
    assert (said.code, set(said.body)) == (code, {"code", "msg"})


def test_a_switched_off_app(feishu: Running, wire: Wire) -> None:
    feishu.set(is_app_enabled=False)
    body = {"app_id": feishu.app_id, "app_secret": feishu.app_secret}
    assert wire.call("POST", TOKEN, body, token="").code == 10014


@pytest.mark.parametrize(
    ("token", "code"),
    [("", 99991661), ("t-never", 99991663), ("x-odd", 99991671), ("u-never", 99991668)],
)
def test_tokens_that_open_nothing(wire: Wire, token: str, code: int) -> None:
    said = wire.call("GET", USER, token=token)
    assert (said.status, said.code) == (400, code)
    assert said.body["error"]["log_id"] == said.headers["X-Tt-Logid"]


def test_a_missing_scope_names_itself_and_the_remedy(feishu: Running, wire: Wire) -> None:
    wanted = ["approval:approval", "approval:approval:readonly", "approval:instance"]
    feishu.set(missing_scopes=wanted[:2])
    wire.create()
    feishu.set(missing_scopes=wanted)
    said = wire.post("/open-apis/approval/v4/instances", wire.order())
    assert (said.status, said.code) == (400, 99991672)
    assert [row["subject"] for row in said.body["error"]["permission_violations"]] == wanted
    assert f"https://open.feishu.cn/app/{feishu.app_id}/auth?q=" in said.body["msg"]
    assert len(feishu.instances()) == 1


def test_the_jssdk_ticket(wire: Wire) -> None:
    first = wire.post("/open-apis/jssdk/ticket/get").data
    assert 7100 < first["expire_in"] <= 7200
    assert wire.post("/open-apis/jssdk/ticket/get").data["ticket"] == first["ticket"]
