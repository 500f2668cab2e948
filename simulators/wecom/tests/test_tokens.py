from __future__ import annotations

import pytest

from simulators.wecom.testing import Running, running
from simulators.wecom.tests.client import Api


@pytest.mark.parametrize(
    ("query", "errcode"),
    [
        ({"corpid": "wwother"}, 40013),
        ({"corpid": ""}, 41002),
        ({"corpsecret": "wrong"}, 40001),
        ({"corpsecret": ""}, 41004),
    ],
)
def test_wrong_credentials(api: Api, query: dict[str, str], errcode: int) -> None:
    whole = {"corpid": api.wecom.corp_id, "corpsecret": api.wecom.secret, **query}
    answer = api.get("/gettoken", **whole, access_token=None)
    assert answer["errcode"] == errcode
    assert "access_token" not in answer
    assert f"more info at https://open.work.weixin.qq.com/devtool/query?e={errcode}" in answer["errmsg"]


def test_the_same_token_until_it_ends(wecom: Running) -> None:
    first = Api(wecom).token
    assert Api(wecom).token == first
    assert Api(wecom, wecom.contacts_secret).token != first
    wecom.expire_tokens()
    assert Api(wecom).token != first


def test_missing_unknown_expired_and_forgotten(wecom: Running, api: Api) -> None:
    def say(token: str | None) -> int:
        return int(api.get("/getcallbackip", access_token=token)["errcode"])

    assert (say(None), say("nonsense"), say(api.token)) == (41001, 40014, 0)
    wecom.expire_tokens()
    assert say(api.token) == 42001
    wecom.expire_tokens(forget=True)
    assert say(api.token) == 40014


def test_a_short_life() -> None:
    with running(token_ttl_s=0.0) as wecom:
        api = Api(wecom)
        assert api.get("/getcallbackip")["errcode"] == 42001


def test_tickets_differ_and_stay(api: Api) -> None:
    corp, agent = api.get("/get_jsapi_ticket"), api.get("/ticket/get", type="agent_config")
    assert corp["ticket"] != agent["ticket"]
    assert api.get("/get_jsapi_ticket")["ticket"] == corp["ticket"]
    assert 7190 < corp["expires_in"] <= 7200
    assert api.get("/ticket/get", type="else")["errcode"] == 40058


def test_what_the_console_did_not_allow(wecom: Running, api: Api) -> None:
    wecom.set(trusted_ip=False)
    assert api.get("/department/list")["errcode"] == 60020
    assert Api(wecom).token  # tokens are given out all the same
    wecom.set(trusted_ip=True, may_approve=False)
    template = {"template_id": wecom.template_ids["expense"]}
    assert api.post("/oa/gettemplatedetail", template)["errcode"] == 301055
    assert api.get("/department/list")["errcode"] == 0
    wecom.set(may_approve=True, approval_is_enabled=False)
    assert api.post("/oa/gettemplatedetail", template)["errcode"] == 301056


def test_a_secret_for_each_capability(wecom: Running, api: Api) -> None:
    contacts = Api(wecom, wecom.contacts_secret)
    assert contacts.get("/department/simplelist")["errcode"] == 0
    assert contacts.get("/user/list", department_id=1)["errcode"] == 48002
    assert contacts.post("/oa/applyevent")["errcode"] == 48002
    assert api.post("/user/list_id")["errcode"] == 48002
