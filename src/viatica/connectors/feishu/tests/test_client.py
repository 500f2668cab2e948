"""Answers the simulator is too well-behaved to give."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from viatica.connectors import errors
from viatica.connectors.feishu import client as module
from viatica.connectors.feishu.client import FeishuClient, FeishuSetup
from viatica.connectors.setup import ConnectionIncomplete
from viatica.connectors.tokens import TokenCache
from viatica.kernel.errors import OutsideError, OutsideRefused, OutsideUnavailable, OutsideUnknown
from viatica.spine.models import Connection

INSTANCES = "/open-apis/approval/v4/instances"
TOKEN = "/open-apis/auth/v3/tenant_access_token/internal"


@pytest.fixture
def client(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> FeishuClient:
    monkeypatch.setattr(module, "_tokens", TokenCache())
    issued = {"code": 0, "msg": "ok", "tenant_access_token": "t-1", "expire": 7200}
    httpserver.expect_request(TOKEN).respond_with_json(issued)
    url = httpserver.url_for("")
    return FeishuClient(FeishuSetup("飞书", url, url, url, app_id="cli_1", app_secret="secret-of-app"))


def error_of(client: FeishuClient, *, creating: bool) -> OutsideError:
    with pytest.raises(OutsideError) as caught:
        if creating:
            client.create_instance({})
        else:
            client.instance("i")
    return caught.value


@pytest.mark.parametrize(
    ("status", "body", "looking", "creating", "retry_after"),
    [
        (429, {"code": 99991400, "msg": "limit"}, OutsideUnavailable, OutsideUnavailable, 1.0),
        (400, {"code": 99991400, "msg": "limit"}, OutsideUnavailable, OutsideUnavailable, 1.0),
        (429, {"code": 1, "msg": "x"}, OutsideUnavailable, OutsideUnavailable, 1.0),
        (400, {"code": 1390014, "msg": "too often"}, OutsideUnavailable, OutsideUnavailable, 5.0),
        (400, {"code": 99991403, "msg": "quota"}, errors.QuotaUsedUp, errors.QuotaUsedUp, 21600.0),
        (400, {"code": 1395001, "msg": "too fast"}, OutsideUnavailable, OutsideUnknown, None),
        (500, {"code": 1, "msg": "oops"}, OutsideUnavailable, OutsideUnknown, None),
        (400, {"code": 1390001, "msg": "widget1"}, errors.FormRefused, errors.FormRefused, None),
        (400, {"code": 1390002, "msg": "x"}, errors.FormClosed, errors.FormClosed, None),
        (400, {"code": 1390004, "msg": "x"}, errors.PersonUnknown, errors.PersonUnknown, None),
        (400, {"code": 1390015, "msg": "x"}, errors.FormClosed, errors.FormClosed, None),
        (400, {"code": 99991401, "msg": "ip"}, errors.AddressNotListed, errors.AddressNotListed, None),
        (200, {"code": 1390009, "msg": "no permission"}, OutsideRefused, OutsideRefused, None),
        (400, {"code": 0, "msg": "x"}, OutsideRefused, OutsideRefused, None),
        (200, {"msg": "no code"}, OutsideUnavailable, OutsideUnknown, None),
        (200, {"code": "many"}, OutsideUnavailable, OutsideUnknown, None),
        (200, [1], OutsideUnavailable, OutsideUnknown, None),
    ],
)
def test_success_is_judged_by_status_and_code(
    client: FeishuClient,
    httpserver: HTTPServer,
    status: int,
    body: Any,
    looking: type[OutsideError],
    creating: type[OutsideError],
    retry_after: float | None,
) -> None:
    for path in (INSTANCES, f"{INSTANCES}/i"):
        httpserver.expect_request(path).respond_with_json(body, status=status)
    found = [error_of(client, creating=creating) for creating in (False, True)]
    assert [type(one) for one in found] == [looking, creating]
    assert {getattr(one, "retry_after", None) for one in found} == {retry_after}


def test_a_page_instead_of_json(client: FeishuClient, httpserver: HTTPServer) -> None:
    for path in (INSTANCES, f"{INSTANCES}/i"):
        httpserver.expect_request(path).respond_with_data("<html>502</html>", content_type="text/html")
    assert [type(error_of(client, creating=creating)) for creating in (False, True)] == [
        OutsideUnavailable,
        OutsideUnknown,
    ]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-ogw-ratelimit-reset": "17", "x-ogw-ratelimit-limit": "100"}, 17.0),
        ({"X-Ogw-Ratelimit-Reset": "soon", "retry-after": "9"}, 9.0),
    ],
)
def test_a_rate_limit_says_when_its_window_ends(
    client: FeishuClient, httpserver: HTTPServer, headers: dict[str, str], expected: float
) -> None:
    httpserver.expect_request(INSTANCES).respond_with_json(
        {"code": 99991400, "msg": "request trigger frequency limit"}, status=429, headers=headers
    )
    error = error_of(client, creating=True)
    assert isinstance(error, OutsideUnavailable) and error.retry_after == expected


def test_a_missing_permission_is_named(client: FeishuClient, httpserver: HTTPServer) -> None:
    said = {
        "code": 99991672,
        "msg": "Access denied. One of the following scopes is required",
        "error": {
            "log_id": "l",
            "permission_violations": [
                {"type": "action_scope_required", "subject": "approval:approval"},
                {"type": "action_scope_required", "subject": "approval:instance"},
            ],
        },
    }
    httpserver.expect_request(f"{INSTANCES}/i").respond_with_json(said, status=400)
    error = error_of(client, creating=False)
    assert isinstance(error, errors.ScopeMissing)
    assert error.params["scopes"] == "approval:approval, approval:instance"


def test_an_instance_nobody_knows_is_none(client: FeishuClient, httpserver: HTTPServer) -> None:
    httpserver.expect_request(f"{INSTANCES}/i").respond_with_json({"code": 1390003, "msg": "x"}, status=400)
    assert client.instance("i") is None


def test_a_create_without_a_code_may_have_worked(client: FeishuClient, httpserver: HTTPServer) -> None:
    httpserver.expect_request(INSTANCES).respond_with_json({"code": 0, "msg": "success", "data": {}})
    assert type(error_of(client, creating=True)) is OutsideUnknown


def test_a_token_rejected_for_ever_is_a_refusal(client: FeishuClient, httpserver: HTTPServer) -> None:
    said = {"code": 99991663, "msg": "Invalid access token for authorization"}
    httpserver.expect_request(INSTANCES).respond_with_json(said, status=400)
    assert type(error_of(client, creating=True)) is OutsideRefused
    paths = [one.path for one, _ in httpserver.log]
    assert (paths.count(INSTANCES), paths.count(TOKEN)) == (2, 2)


def test_what_feishu_repeats_of_our_secrets_is_hidden(client: FeishuClient, httpserver: HTTPServer) -> None:
    said = {"code": 1390001, "msg": "bad secret-of-app, tenant_access_token=t-1"}
    httpserver.expect_request(INSTANCES).respond_with_json(said, status=400)
    text = str(error_of(client, creating=True))
    assert "1390001" in text
    assert "secret-of-app" not in text and "t-1" not in text


def test_the_token_is_asked_for_once_and_shown(client: FeishuClient, httpserver: HTTPServer) -> None:
    httpserver.expect_request(f"{INSTANCES}/i", headers={"Authorization": "Bearer t-1"}).respond_with_json(
        {"code": 0, "data": {"status": "PENDING"}}
    )
    assert client.instance("i") == client.instance("i") == {"status": "PENDING"}
    assert [one.path for one, _ in httpserver.log].count(TOKEN) == 1


def test_pages_follow_their_tokens(client: FeishuClient, httpserver: HTTPServer) -> None:
    pages = {
        None: {"instance_code_list": ["a", "b"], "has_more": True, "page_token": "p2"},
        "p2": {"instance_code_list": [], "has_more": True, "page_token": "p3"},  # a page may be short
        "p3": {"instance_code_list": ["c"], "has_more": False, "page_token": "p4"},
    }

    def answer(request: Request) -> Response:
        data = pages[request.args.get("page_token")]
        return Response(json.dumps({"code": 0, "data": data}), content_type="application/json")

    httpserver.expect_request(INSTANCES).respond_with_handler(answer)
    assert list(client.instance_codes("C", start_ms=1, end_ms=2)) == ["a", "b", "c"]


def test_an_upload_goes_to_its_own_host_as_a_multipart_form(
    client: FeishuClient, httpserver: HTTPServer
) -> None:
    seen: list[Any] = []

    def answer(request: Request) -> Response:
        data = request.files["content"].read()
        seen.append((dict(request.form), data, request.headers["Authorization"]))
        return Response('{"code":0,"msg":"success","data":{"code":"FILE-1","url":"https://x?a=1\\u0026b=2"}}')

    httpserver.expect_request("/approval/openapi/v2/file/upload").respond_with_handler(answer)
    assert client.upload("01 发票.pdf", b"%PDF-1.7", kind="attachment") == "FILE-1"
    assert seen == [({"name": "01 发票.pdf", "type": "attachment"}, b"%PDF-1.7", "Bearer t-1")]


@pytest.mark.parametrize(
    ("body", "fresh"), [({"code": 0}, True), ({"code": 1390007, "msg": "existed"}, False)]
)
def test_subscribing_twice_is_subscribing(
    client: FeishuClient, httpserver: HTTPServer, body: dict[str, Any], fresh: bool
) -> None:
    status = 200 if fresh else 400
    httpserver.expect_request("/open-apis/approval/v4/approvals/C/subscribe").respond_with_json(
        body, status=status
    )
    assert client.subscribe("C") is fresh


def test_a_jsapi_ticket_is_fetched_once(client: FeishuClient, httpserver: HTTPServer) -> None:
    path = "/open-apis/jssdk/ticket/get"
    httpserver.expect_request(path).respond_with_json({"code": 0, "data": {"ticket": "T", "expire_in": 7200}})
    assert [client.jsapi_ticket(), client.jsapi_ticket()] == ["T", "T"]
    assert [one.path for one, _ in httpserver.log].count(path) == 1


def test_ids_are_quoted_in_paths(client: FeishuClient, httpserver: HTTPServer) -> None:
    httpserver.expect_request(f"{INSTANCES}/a/b?c").respond_with_json({"code": 0, "data": {"uuid": "1"}})
    assert client.instance("a/b?c") == {"uuid": "1"}


def test_a_connection_says_what_it_lacks() -> None:
    connection = Connection(slug="f", kind="feishu", name="飞书", settings={})
    connection.seal({"app_id": "a"})
    with pytest.raises(ConnectionIncomplete, match="app_secret"):
        FeishuSetup.of(connection)
    connection.seal({"app_id": "a", "app_secret": "hush-hush"})
    setup = FeishuSetup.of(connection)
    assert (setup.base_url, setup.login_url, setup.upload_url) == (
        "https://open.feishu.cn",
        "https://accounts.feishu.cn",
        "https://www.feishu.cn",
    )
    with pytest.raises(ConnectionIncomplete, match="encrypt_key"):
        setup.need("encrypt_key")
    assert "hush-hush" not in repr(setup)
