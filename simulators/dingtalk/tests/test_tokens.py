from __future__ import annotations

import json

import pytest
from Tea.exceptions import UnretryableException

from simulators.dingtalk.testing import Running
from simulators.dingtalk.tests.official import Official, contact_models, oauth_models, runtime


def refused(error: pytest.ExceptionInfo[UnretryableException]) -> tuple[str, int]:
    """The SDK wraps what the server said: its code and the HTTP status."""
    return error.value.code, error.value.data["statusCode"]


def test_a_repeated_fetch_renews_the_same_token(dingtalk: Running, official: Official) -> None:
    request = oauth_models.GetAccessTokenRequest(app_key=dingtalk.app_key, app_secret=dingtalk.app_secret)
    first = official.oauth.get_access_token(request).body
    again = official.oauth.get_access_token(request).body
    assert (first.expire_in, again.expire_in) == (7200, 7200)
    assert first.access_token == again.access_token


def test_wrong_credentials_are_refused(dingtalk: Running, official: Official) -> None:
    request = oauth_models.GetAccessTokenRequest(app_key=dingtalk.app_key, app_secret="guess")
    with pytest.raises(UnretryableException) as error:
        official.oauth.get_access_token(request)
    assert refused(error) == ("invalidClientIdOrSecret", 400)


def test_oauth_style_token(dingtalk: Running, official: Official) -> None:
    request = oauth_models.GetTokenRequest(
        client_id=dingtalk.app_key, client_secret=dingtalk.app_secret, grant_type="client_credentials"
    )
    body = official.oauth.get_token(dingtalk.corp_id, request).body
    assert (body.access_token, body.expires_in) == (official.token, 7200)


def test_old_token_is_the_same_token(dingtalk: Running, official: Official) -> None:
    url = f"{dingtalk.oapi_base_url}/gettoken"
    wish = {"appkey": dingtalk.app_key, "appsecret": dingtalk.app_secret}
    answer = json.loads(official.http.request("GET", url, fields=wish).data)
    assert answer == {"errcode": 0, "errmsg": "ok", "access_token": official.token, "expires_in": 7200}
    wrong = json.loads(official.http.request("GET", url, fields=wish | {"appsecret": "x"}).data)
    assert wrong["errcode"] == 40089


def test_the_jsapi_ticket_keeps_its_value(official: Official) -> None:
    def fetch() -> tuple[str, int]:
        headers = oauth_models.CreateJsapiTicketHeaders(x_acs_dingtalk_access_token=official.token)
        body = official.oauth.create_jsapi_ticket_with_options(headers, runtime()).body
        return body.jsapi_ticket, body.expire_in

    first, again = fetch(), fetch()
    assert first == again
    assert first[1] == 7200


def test_expired_tokens_are_refused_in_both_dialects(dingtalk: Running, official: Official) -> None:
    old = official.token
    dingtalk.expire_tokens()
    with pytest.raises(UnretryableException) as error:
        official.look("any")
    assert refused(error) == ("InvalidAuthentication", 400)
    assert official.old("/topapi/v2/user/get", userid="zhangsan")["errcode"] == 42001
    wrapped = official.old("/topapi/message/corpconversation/getsendresult", task_id="1")
    assert (wrapped["errcode"], wrapped["sub_code"]) == (88, "42001")
    del official.token
    assert official.token != old
    assert official.old("/topapi/v2/user/get", userid="zhangsan")["errcode"] == 0


def test_unknown_tokens_are_refused(dingtalk: Running, official: Official) -> None:
    official.__dict__["token"] = "made-up"
    assert official.old("/topapi/v2/user/get", userid="zhangsan")["errcode"] == 40014
    status, body = official.new("GET", "/v1.0/contact/empLeaveRecords")
    assert (status, body["code"]) == (400, "InvalidAuthentication")
    assert set(body) == {"code", "requestid", "message"}


def test_a_token_ends_by_itself(dingtalk: Running, official: Official) -> None:
    dingtalk.set(token_ttl_s=0)
    assert official.old("/topapi/v2/user/get", userid="zhangsan")["errcode"] == 42001


def test_unknown_addresses(official: Official) -> None:
    status, body = official.new("POST", "/v1.0/workflow/nothing", {})
    assert (status, body["code"]) == (404, "InvalidAction.NotFound")
    assert official.old("/topapi/nothing")["errcode"] == 404


def test_bodies_that_are_no_json(official: Official) -> None:
    for raw in (b"{", b"[1]", b"\xff\xfe"):
        answer = official.http.request(
            "POST",
            f"{official.dingtalk.base_url}/v1.0/workflow/processInstances",
            body=raw,
            headers={"content-type": "application/json", "x-acs-dingtalk-access-token": official.token},
        )
        assert (answer.status, json.loads(answer.data)["code"]) == (400, "invalidParameter")


def test_limits_of_rate_and_month(dingtalk: Running, official: Official) -> None:
    official.token  # noqa: B018 - fetched before the limits count
    dingtalk.set(qps=2)
    seen = [official.old("/topapi/v2/user/get", userid="zhangsan")["errcode"] for _ in range(3)]
    assert seen == [0, 0, 90018]
    dingtalk.set(qps=None, monthly_quota=0)
    assert official.old("/topapi/v2/user/get", userid="zhangsan")["errcode"] == 0  # the address book is free
    with pytest.raises(UnretryableException) as error:
        official.create()
    assert refused(error) == ("Forbidden.AccessDenied.ApiCountLimitForOrg", 403)
    assert official.old("/topapi/message/corpconversation/recall")["errcode"] == 90020


def test_calls_are_used_up_one_by_one(dingtalk: Running, official: Official) -> None:
    dingtalk.set(monthly_quota=2)

    def left() -> int | None:
        settings: dict[str, int | None] = dingtalk.control("GET", "/settings")
        return settings["monthly_quota"]

    instance_id = official.create()
    assert left() == 1
    official.old("/topapi/v2/department/listsub")  # neither the address book nor a token counts
    assert left() == 1
    assert official.look(instance_id).result.status == "RUNNING"
    with pytest.raises(UnretryableException) as error:
        official.create()
    assert refused(error) == ("Forbidden.AccessDenied.ApiCountLimitForOrg", 403)
    assert (left(), len(dingtalk.instances())) == (0, 1)
    dingtalk.set(monthly_quota=None)
    official.create()
    assert left() is None


def test_leave_records(dingtalk: Running, official: Official) -> None:
    dingtalk.leave("xujia")
    request = contact_models.ListEmpLeaveRecordsRequest(
        start_time="2020-01-01T00:00:00Z", end_time="2099-01-01T00:00:00Z", next_token="0", max_results=50
    )
    body = official.call(official.contact, contact_models, "ListEmpLeaveRecords", request)
    assert [(row.user_id, row.name, row.leave_reason) for row in body.records] == [("xujia", "徐佳", "leave")]
    assert body.next_token is None
    assert official.old("/topapi/v2/user/get", userid="xujia")["errcode"] == 60121
