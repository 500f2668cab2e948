"""Answers the simulator is too well-behaved to give."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from viatica.connectors.dingtalk import client as module
from viatica.connectors.dingtalk.client import DingTalkClient, DingTalkSetup
from viatica.connectors.dingtalk.errors import TaskExists, TodoGone
from viatica.connectors.errors import NoSuchInstance, PersonUnknown, QuotaUsedUp
from viatica.connectors.setup import ConnectionIncomplete
from viatica.connectors.tokens import TokenCache
from viatica.kernel.errors import OutsideError, OutsideRefused, OutsideUnavailable, OutsideUnknown
from viatica.spine.models import Connection

INSTANCES = "/v1.0/workflow/processInstances"
USERS = "/topapi/v2/user/get"


@pytest.fixture
def client(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> DingTalkClient:
    monkeypatch.setattr(module, "_tokens", TokenCache())
    httpserver.expect_request("/v1.0/oauth2/accessToken").respond_with_json(
        {"accessToken": "t1", "expireIn": 7200}
    )
    httpserver.expect_request("/gettoken").respond_with_json(
        {"errcode": 0, "access_token": "t2", "expires_in": 7200}
    )
    url = httpserver.url_for("")
    return DingTalkClient(
        DingTalkSetup("钉钉", url, url, url, app_key="key-of-app", app_secret="secret-of-app", agent_id="7")
    )


def error_of(client: DingTalkClient, *, creating: bool) -> OutsideError:
    with pytest.raises(OutsideError) as caught:
        if creating:
            client.create_instance({})
        else:
            client.instance("i")
    return caught.value


FIREWALL = {"status": 1111, "wait": 5, "source": "x5", "punish": "deny", "uuid": "u"}


@pytest.mark.parametrize(
    ("status", "body", "looking", "creating", "retry_after"),
    [
        (200, FIREWALL, OutsideUnavailable, OutsideUnavailable, 300.0),
        (200, [1], OutsideUnavailable, OutsideUnknown, None),
        (200, {"success": False, "message": "x"}, OutsideRefused, OutsideRefused, None),
        (200, {"success": "false"}, OutsideRefused, OutsideRefused, None),
        (200, {"code": "systemError", "message": "系统异常"}, OutsideUnavailable, OutsideUnknown, None),
        (400, {"code": "internalError", "message": "x"}, OutsideRefused, OutsideUnknown, None),
        (400, {"Code": "userNotExist", "Message": "x"}, PersonUnknown, PersonUnknown, None),
        (403, {"code": "Forbidden.AccessDenied.IpNotInWhiteList"}, OutsideRefused, OutsideRefused, None),
        (
            403,
            {"code": "Forbidden.AccessDenied.QpmLimitForAppkeyAndApi"},
            OutsideUnavailable,
            OutsideUnavailable,
            1.0,
        ),
        (403, {"code": "Forbidden.AccessDenied.ApiCountLimitForOrg"}, QuotaUsedUp, QuotaUsedUp, 21600.0),
        (429, {"code": "Throttled"}, OutsideUnavailable, OutsideUnavailable, None),
    ],
)
def test_the_new_generation_says_no(
    client: DingTalkClient,
    httpserver: HTTPServer,
    status: int,
    body: Any,
    looking: type[OutsideError],
    creating: type[OutsideError],
    retry_after: float | None,
) -> None:
    httpserver.expect_request(INSTANCES).respond_with_json(body, status=status)
    errors = [error_of(client, creating=creating) for creating in (False, True)]
    assert [type(one) for one in errors] == [looking, creating]
    assert {getattr(one, "retry_after", None) for one in errors} == {retry_after}


def test_a_create_without_an_id_may_have_worked(client: DingTalkClient, httpserver: HTTPServer) -> None:
    httpserver.expect_request(INSTANCES).respond_with_json({"result": {}})
    assert type(error_of(client, creating=True)) is OutsideUnknown


@pytest.mark.parametrize("body", [{"instanceId": "i-1"}, {"result": {"instanceId": "i-1"}, "success": True}])
def test_both_shapes_of_a_created_instance(
    client: DingTalkClient, httpserver: HTTPServer, body: dict[str, Any]
) -> None:
    httpserver.expect_request(INSTANCES).respond_with_json(body)
    assert client.create_instance({}) == "i-1"


def test_a_token_rejected_for_ever_is_a_refusal(client: DingTalkClient, httpserver: HTTPServer) -> None:
    said = {"code": "InvalidAuthentication", "message": "不合法的access_token"}
    httpserver.expect_request(INSTANCES).respond_with_json(said, status=400)
    assert type(error_of(client, creating=True)) is OutsideRefused
    assert len([one for one, _ in httpserver.log if one.path == INSTANCES]) == 2


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"errcode": -1, "errmsg": "系统繁忙"}, OutsideUnavailable),
        ({"errcode": 90018, "errmsg": "qps"}, OutsideUnavailable),
        ({"errcode": 90020, "errmsg": "quota"}, QuotaUsedUp),
        ({"errcode": 88, "errmsg": "x", "sub_code": "90002", "sub_msg": "qps"}, OutsideUnavailable),
        ({"errcode": 88, "errmsg": "x", "sub_code": "60011", "sub_msg": "no permission"}, OutsideRefused),
        ({"errcode": 50002, "errmsg": "outside the scope"}, OutsideRefused),
        ({"errcode": "60121", "errmsg": "找不到该用户"}, OutsideRefused),
        ({"result": {}}, OutsideUnavailable),
        (FIREWALL, OutsideUnavailable),
    ],
)
def test_the_old_generation_says_no_with_200(
    client: DingTalkClient, httpserver: HTTPServer, body: dict[str, Any], error: type[OutsideError]
) -> None:
    httpserver.expect_request(USERS).respond_with_json(body)
    with pytest.raises(OutsideError) as caught:
        client.user("u")
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("code", "message", "error"),
    [
        ("todo.taskCreate.paramError", "task exist", TaskExists),
        ("todo.taskCreate.paramError", "unionId x not exist", OutsideRefused),
        ("todo.task.notFound", "task not exist", TodoGone),
        ("todo.taskCreate.lockError", "lock", OutsideUnavailable),
        ("todo.taskCreate.flowControlError", "flow", OutsideUnavailable),
        ("aflowProcessInstNotExist", "x", NoSuchInstance),
    ],
)
def test_refusals_with_a_meaning_of_their_own(
    client: DingTalkClient, httpserver: HTTPServer, code: str, message: str, error: type[OutsideError]
) -> None:
    httpserver.expect_request("/v1.0/todo/users/u/tasks").respond_with_json(
        {"code": code, "message": message}, status=400
    )
    with pytest.raises(OutsideError) as caught:
        client.create_todo("u", {})
    assert type(caught.value) is error


def test_what_dingtalk_repeats_of_our_secrets_is_hidden(
    client: DingTalkClient, httpserver: HTTPServer
) -> None:
    said = {"code": "invalidParameter", "message": "bad secret-of-app, access_token=t1"}
    httpserver.expect_request(INSTANCES).respond_with_json(said, status=400)
    text = str(error_of(client, creating=True))
    assert "invalidParameter" in text
    assert "secret-of-app" not in text and "t1" not in text


def test_the_token_goes_where_each_generation_wants_it(
    client: DingTalkClient, httpserver: HTTPServer
) -> None:
    new = {"x-acs-dingtalk-access-token": "t1"}
    httpserver.expect_request(INSTANCES, headers=new).respond_with_json(
        {"result": {"title": "x"}, "success": "true"}
    )
    httpserver.expect_request(USERS, query_string={"access_token": "t2"}).respond_with_json(
        {"errcode": 0, "result": {"userid": "u"}}
    )
    assert client.instance("i") == {"title": "x"}
    assert client.user("u") == {"userid": "u"}


def test_a_jsapi_ticket_is_fetched_once(client: DingTalkClient, httpserver: HTTPServer) -> None:
    path = "/v1.0/oauth2/jsapiTickets"
    httpserver.expect_request(path).respond_with_json({"jsapiTicket": "ticket", "expireIn": 7200})
    assert [client.jsapi_ticket(), client.jsapi_ticket()] == ["ticket", "ticket"]
    assert len([one for one, _ in httpserver.log if one.path == path]) == 1


def test_ids_are_quoted_in_paths(client: DingTalkClient, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1.0/todo/users/a/b/tasks/sources/x y").respond_with_json({"id": "1"})
    assert client.todo_by_source("a/b", "x y") == {"id": "1"}


def test_a_connection_says_what_it_lacks() -> None:
    connection = Connection(slug="d", kind="dingtalk", name="钉钉", settings={})
    connection.seal({"app_key": "k"})
    with pytest.raises(ConnectionIncomplete, match="app_secret"):
        DingTalkSetup.of(connection)
    connection.seal({"app_key": "k", "app_secret": "s"})
    setup = DingTalkSetup.of(connection)
    assert (setup.base_url, setup.oapi_base_url, setup.login_url) == (
        "https://api.dingtalk.com",
        "https://oapi.dingtalk.com",
        "https://login.dingtalk.com",
    )
    with pytest.raises(ConnectionIncomplete, match="agent_id"):
        setup.need("agent_id")
    assert "s'" not in repr(setup).replace("settings", "")
