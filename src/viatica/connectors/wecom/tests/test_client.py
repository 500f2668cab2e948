"""Answers the simulator is too well-behaved to give; and the same calls made by the best-kept community client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from simulators.wecom.testing import Running
from viatica.connectors import errors
from viatica.connectors.setup import ConnectionIncomplete
from viatica.connectors.testing import form
from viatica.connectors.tokens import TokenCache
from viatica.connectors.wecom import client as module
from viatica.connectors.wecom import errors as own
from viatica.connectors.wecom import filling, mapping
from viatica.connectors.wecom.client import WeComClient, WeComSetup
from viatica.connectors.wecom.tests.conftest import order
from viatica.kernel.errors import OutsideError, OutsideRefused, OutsideUnavailable, OutsideUnknown
from viatica.spine.models import Connection

APPLY = "/cgi-bin/oa/applyevent"
DETAIL = "/cgi-bin/oa/getapprovaldetail"
TOKEN = "/cgi-bin/gettoken"
SECRET = "secret-of-the-app"


@pytest.fixture
def client(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> WeComClient:
    monkeypatch.setattr(module, "_tokens", TokenCache())
    httpserver.expect_request(TOKEN).respond_with_json(
        {"errcode": 0, "errmsg": "ok", "access_token": "t-1", "expires_in": 7200}
    )
    return WeComClient(
        WeComSetup(
            name="企业微信",
            base_url=httpserver.url_for(""),
            authorize_url="",
            sso_url="",
            corp_id="ww1",
            agent_id="1000007",
            secret=SECRET,
        )
    )


def error_of(client: WeComClient, *, creating: bool) -> OutsideError:
    with pytest.raises(OutsideError) as caught:
        if creating:
            client.apply({})
        else:
            client.template("t")
    return caught.value


def no(code: int, errmsg: str = "x") -> dict[str, Any]:
    return {"errcode": code, "errmsg": errmsg}


@pytest.mark.parametrize(
    ("status", "body", "reading", "creating", "retry_after"),
    [
        (200, no(-1), OutsideUnavailable, OutsideUnknown, None),
        (200, no(301057), OutsideUnavailable, OutsideUnknown, None),
        (200, no(301026), OutsideUnavailable, OutsideUnknown, None),
        (200, no(620004), OutsideUnavailable, OutsideUnknown, None),
        (200, no(45009), OutsideUnavailable, OutsideUnavailable, 60.0),
        (200, no(45033), OutsideUnavailable, OutsideUnavailable, 5.0),
        (429, no(7), OutsideUnavailable, OutsideUnavailable, 5.0),
        (500, no(7), OutsideUnavailable, OutsideUnknown, None),
        (200, no(40001), own.WrongSecret, own.WrongSecret, None),
        (200, no(40013), own.WrongCorp, own.WrongCorp, None),
        (200, no(40056), own.WrongAgent, own.WrongAgent, None),
        (200, no(301002), own.WrongAgent, own.WrongAgent, None),
        (200, no(40003), errors.PersonUnknown, errors.PersonUnknown, None),
        (200, no(60111), errors.PersonUnknown, errors.PersonUnknown, None),
        (200, no(46004), errors.PersonUnknown, errors.PersonUnknown, None),
        (200, no(60011), own.OutOfSight, own.OutOfSight, None),
        (200, no(60021), own.OutOfSight, own.OutOfSight, None),
        (200, no(60020), errors.AddressNotListed, errors.AddressNotListed, None),
        (200, no(48002), errors.ScopeMissing, errors.ScopeMissing, None),
        (200, no(60123), own.NoSuchDepartment, own.NoSuchDepartment, None),
        (200, no(301025), errors.FormRefused, errors.FormRefused, None),
        (200, no(301055), own.MayNotApprove, own.MayNotApprove, None),
        (200, no(301056), own.ApprovalsOff, own.ApprovalsOff, None),
        (200, no(301112), own.TooManyForms, own.TooManyForms, None),
        (200, no(40029), own.CodeUsed, own.CodeUsed, None),
        (200, no(50001), own.DomainNotTrusted, own.DomainNotTrusted, None),
        (200, no(43012), own.NoCallback, own.NoCallback, None),
        (200, no(42014), own.TaskTaken, own.TaskTaken, None),
        (200, no(81013), errors.CannotBeReached, errors.CannotBeReached, None),
        (200, no(40058), OutsideRefused, OutsideRefused, None),
        (200, {"errmsg": "no code"}, OutsideUnavailable, OutsideUnknown, None),
        (200, {"errcode": "many"}, OutsideUnavailable, OutsideUnknown, None),
        (200, [1], OutsideUnavailable, OutsideUnknown, None),
    ],
)
def test_success_is_judged_by_the_errcode(
    client: WeComClient,
    httpserver: HTTPServer,
    status: int,
    body: Any,
    reading: type[OutsideError],
    creating: type[OutsideError],
    retry_after: float | None,
) -> None:
    for path in (APPLY, "/cgi-bin/oa/gettemplatedetail"):
        httpserver.expect_request(path).respond_with_json(body, status=status)
    found = [error_of(client, creating=one) for one in (False, True)]
    assert [type(one) for one in found] == [reading, creating]
    assert {getattr(one, "retry_after", None) for one in found} == {retry_after}


def test_every_refusal_has_words_of_its_own_and_what_to_do(client: WeComClient) -> None:
    for reading in {one for one in own.READINGS.values() if issubclass(one, OutsideRefused)}:
        error = reading(system=own.SYSTEM, said_by="1 x", scopes="1 x")
        assert str(error) and error.hint


def test_a_page_instead_of_json_is_trouble_and_no_success(
    client: WeComClient, httpserver: HTTPServer
) -> None:
    for path in (APPLY, "/cgi-bin/oa/gettemplatedetail"):
        httpserver.expect_request(path).respond_with_data("<html>出错了</html>", content_type="text/html")
    assert type(error_of(client, creating=False)) is OutsideUnavailable
    assert type(error_of(client, creating=True)) is OutsideUnknown


TAIL = ", hint: [1650959319156053778662262], from ip: 1.2.3.4, more info at https://open.work.weixin.qq.com/x?e=1"


def test_what_is_said_is_the_same_each_time_and_tells_the_address_only_where_it_matters(
    client: WeComClient, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(APPLY).respond_with_json(no(301025, f"get approval param error{TAIL}"))
    httpserver.expect_request("/cgi-bin/oa/gettemplatedetail").respond_with_json(
        no(60020, f"not allow to access from your ip{TAIL}")
    )
    assert error_of(client, creating=True).params["said_by"] == "301025 get approval param error"
    assert (
        error_of(client, creating=False).params["said_by"]
        == "60020 not allow to access from your ip, from ip: 1.2.3.4"
    )


@pytest.mark.parametrize("code", [40014, 41001, 42001])
def test_a_token_rejected_for_ever_is_a_refusal(
    client: WeComClient, httpserver: HTTPServer, code: int
) -> None:
    asked: list[str] = []

    def reject(request: Request) -> Response:
        asked.append(request.args["access_token"])
        return Response(json.dumps(no(code)))

    httpserver.expect_request(DETAIL).respond_with_handler(reject)
    with pytest.raises(OutsideRefused, match=str(code)):
        client.form("1")
    assert len(asked) == 2  # once more with a fresh one, then no more


def test_secrets_appear_in_no_error(client: WeComClient, httpserver: HTTPServer) -> None:
    httpserver.clear()
    httpserver.expect_request(TOKEN).respond_with_json(no(40001, f"invalid credential {SECRET}"))
    with pytest.raises(own.WrongSecret) as caught:
        client.check_token()
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(client.setup)


def test_a_form_without_a_number_may_be_there_all_the_same(
    client: WeComClient, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(APPLY).respond_with_json({"errcode": 0, "errmsg": "ok"})
    assert type(error_of(client, creating=True)) is OutsideUnknown


def test_only_a_missing_cursor_ends_a_list(client: WeComClient, httpserver: HTTPServer) -> None:
    """Pages may be short or empty, and a cursor that stands still must not go round for ever."""
    pages: Iterator[dict[str, Any]] = iter(
        [
            {"sp_no_list": [], "new_next_cursor": "a"},
            {"sp_no_list": ["1"], "new_next_cursor": "b"},
            {"new_next_cursor": "c"},
            {"sp_no_list": ["2"], "new_next_cursor": "c"},
        ]
    )
    asked: list[Any] = []

    def answer(request: Request) -> Response:
        asked.append(json.loads(request.data))
        return Response(json.dumps({"errcode": 0, **next(pages)}))

    httpserver.expect_request("/cgi-bin/oa/getapprovalinfo").respond_with_handler(answer)
    found = list(client.form_numbers(start_s=1, end_s=2, filters={"creator": "z"}))
    assert found == ["1", "2"]
    assert [one["new_cursor"] for one in asked] == ["", "a", "b", "c"]
    assert {(one["starttime"], one["endtime"], json.dumps(one["filters"])) for one in asked} == {
        ("1", "2", '[{"key": "creator", "value": "z"}]')
    }


def test_characters_travel_as_they_are(client: WeComClient, httpserver: HTTPServer) -> None:
    """WeCom refuses JSON escapes (40033)."""
    bodies: list[bytes] = []

    def take(request: Request) -> Response:
        bodies.append(request.data)
        return Response(json.dumps({"errcode": 0, "sp_no": "1"}))

    httpserver.expect_request(APPLY).respond_with_handler(take)
    client.apply({"text": "𠮷野家 👩🏽‍💻"})
    assert bodies == ['{"text": "𠮷野家 👩🏽‍💻"}'.encode()]


@pytest.mark.parametrize("ending", ["", "/", "/cgi-bin", "/cgi-bin/"])
def test_the_address_may_be_given_with_or_without_its_path(
    connection: Connection, wecom: Running, ending: str
) -> None:
    connection.settings["base_url"] = f"{wecom.base_url}{ending}"
    WeComClient.of(connection).check_token()
    assert wecom.calls() == {f"GET {TOKEN}": 1}


@pytest.mark.parametrize("missing", ["corp_id", "agent_id", "secret"])
def test_what_is_missing_is_named(connection: Connection, missing: str) -> None:
    connection.settings.pop(missing, None)
    connection.seal({name: value for name, value in connection.secrets().items() if name != missing})
    with pytest.raises(ConnectionIncomplete, match=missing):
        WeComClient.of(connection)


def test_an_agent_id_that_is_no_number_is_named(connection: Connection) -> None:
    connection.settings["agent_id"] = "行资"
    with pytest.raises(own.BadAgentId, match="行资"):
        WeComClient.of(connection)


def test_tickets_are_fetched_once_and_differ(connection: Connection, wecom: Running) -> None:
    asking = WeComClient.of(connection)
    assert asking.jsapi_ticket() == asking.jsapi_ticket() != asking.agent_ticket()
    calls = wecom.calls()
    assert (calls["GET /cgi-bin/get_jsapi_ticket"], calls["GET /cgi-bin/ticket/get"]) == (1, 1)


# The same, by wechatpy


@pytest.fixture
def judge(wecom: Running) -> Any:
    base: Any = import_module("wechatpy.enterprise").WeChatClient

    class Client(base):  # type: ignore[misc] # a class found at run time
        API_BASE_URL = f"{wecom.base_url}/cgi-bin/"

        def fetch_access_token(self) -> Any:
            # Hard-wired to the vendor's host otherwise.
            params = {"corpid": self.corp_id, "corpsecret": self.secret}
            return self._fetch_access_token(url=f"{self.API_BASE_URL}gettoken", params=params)

    return Client(wecom.corp_id, wecom.secret)


def test_what_the_community_client_reads_we_read(connection: Connection, judge: Any) -> None:
    asking = WeComClient.of(connection)
    assert asking.users_of("11") == judge.user.list(11)
    assert asking.user("zhangsan") == judge.user.get("zhangsan")
    assert asking.departments() == judge.department.get()
    assert asking.agent() == judge.agent.get(int(asking.setup.agent_id))
    layout = mapping.form_map(connection.settings, "expense_report")
    assert asking.template(layout.template_id) == judge.OA.get_template_detail(layout.template_id)
    sp_no = asking.apply(filling.form_body(order(form=form(lines=1)), layout))
    assert asking.form(sp_no) == judge.OA.get_approval_detail(sp_no)["info"]


def test_what_the_community_client_sends_is_what_we_send(
    connection: Connection, judge: Any, wecom: Running
) -> None:
    """The same order, by both; only WeCom's own number and time differ."""
    layout = mapping.form_map(connection.settings, "expense_report")
    body = filling.form_body(order(form=form(lines=2)), layout)
    WeComClient.of(connection).apply(body)
    judge.OA.apply_event(**body, approver=[])
    second, first = wecom.instances()
    for one in (first, second):
        for name in ("id", "created_ms", "records", "detail"):
            del one[name]
    assert first == second
