"""Odd answers, each sorted into the error family as the table in `http.py` says."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from pytest_httpserver import HTTPServer
from structlog.testing import capture_logs
from werkzeug import Request, Response

from viatica.connectors.http import AddressForbidden, Answer, AnswerTooBig, Client, Part
from viatica.kernel import clock
from viatica.kernel.errors import OutsideError, OutsideRefused, OutsideUnavailable, OutsideUnknown
from viatica.spine import exchanges


def client(server: HTTPServer, **more: object) -> Client:
    return Client("OA", server.url_for(""), **more)  # type: ignore[arg-type]  # only fields of Client are given


@contextmanager
def listening(answer: bytes | None) -> Iterator[str]:
    """A server that reads one request, says `answer` (None: nothing) and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            caller, _ = server.accept()
            with caller:
                caller.recv(65536)
                if answer:
                    caller.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join(5)


def test_json_goes_out_as_utf8_and_comes_back(httpserver: HTTPServer) -> None:
    def answer(request: Request) -> Response:
        assert request.get_data() == '{"事由":"👩🏽‍💻"}'.replace(":", ": ").encode()
        assert request.headers["Content-Type"] == "application/json; charset=utf-8"
        assert request.headers["X-Token"] == "t"
        return Response('{"ok": true}', content_type="application/json")

    httpserver.expect_request("/x", method="POST", query_string="a=1&b=%E4%B8%AD").respond_with_handler(
        answer
    )
    got = client(httpserver).call(
        "POST", "/x", query={"a": 1, "b": "中"}, json={"事由": "👩🏽‍💻"}, headers={"X-Token": "t"}
    )
    assert (got.status, got.json()) == (200, {"ok": True})


def test_a_form_and_a_multipart_body(httpserver: HTTPServer) -> None:
    def answer(request: Request) -> Response:
        files = {name: (file.filename, file.read()) for name, file in request.files.items()}
        return Response(repr((request.form.to_dict(), files)))

    httpserver.expect_request("/x").respond_with_handler(answer)
    assert client(httpserver).call("POST", "/x", form={"a": 1, "b": "中 &"}).body.decode() == (
        "({'a': '1', 'b': '中 &'}, {})"
    )
    sent = client(httpserver).call(
        "POST", "/x", form={"type": "file"}, multipart=[Part("media", "a.pdf", b"%PDF")]
    )
    assert sent.body.decode() == "({'type': 'file'}, {'media': ('a.pdf', b'%PDF')})"


def trouble(answer: Answer) -> OutsideError:
    try:
        answer.json()
    except OutsideError as error:
        return error
    return answer.trouble()


@pytest.mark.parametrize(
    ("status", "body", "repeatable", "lost"),
    [
        (500, "{}", OutsideUnavailable, OutsideUnknown),
        (502, "<html>Bad Gateway</html>", OutsideUnavailable, OutsideUnknown),
        (503, "", OutsideUnavailable, OutsideUnknown),
        (200, "<html>请登录</html>", OutsideUnavailable, OutsideUnknown),
        (429, "{}", OutsideUnavailable, OutsideUnavailable),
        (404, "{}", OutsideRefused, OutsideRefused),
        (403, "<html>forbidden</html>", OutsideRefused, OutsideRefused),
        (302, "", OutsideRefused, OutsideRefused),
    ],
)
def test_what_a_status_means(
    httpserver: HTTPServer, status: int, body: str, repeatable: type[OutsideError], lost: type[OutsideError]
) -> None:
    before = len(httpserver.log)
    headers = {"Location": "http://169.254.169.254/"} if status == 302 else {}
    httpserver.expect_request("/x").respond_with_data(body, status=status, headers=headers)
    assert type(trouble(client(httpserver).call("GET", "/x"))) is repeatable
    assert type(trouble(client(httpserver).call("POST", "/x", json={}))) is lost
    assert type(trouble(client(httpserver).call("POST", "/x", json={}, is_repeatable=True))) is repeatable
    assert len(httpserver.log) - before == 3  # nothing was followed or retried


def test_a_header_is_found_in_any_spelling() -> None:
    answer = Answer("OA", 200, {"X-OGW-RateLimit-Reset": " 17 "}, b"", True)
    assert (answer.header("x-ogw-ratelimit-reset"), answer.header("retry-after")) == ("17", "")


def test_retry_after_in_both_forms() -> None:
    def after(said: str) -> float | None:
        return Answer("OA", 429, {"Retry-After": said}, b"", True).retry_after

    with clock.fixed(datetime(2026, 11, 24, 6, 0, tzinfo=UTC)):
        assert after("7") == 7.0
        assert after("Tue, 24 Nov 2026 06:01:30 GMT") == 90.0
        assert after("Tue, 24 Nov 2026 05:00:00 GMT") == 0.0
        assert after("soon") is None


def test_a_closed_port_did_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(OutsideUnavailable, match="not reachable"):
        Client("OA", f"http://127.0.0.1:{port}").call("POST", "/", json={})


def test_a_name_that_does_not_exist_did_nothing() -> None:
    with pytest.raises(OutsideUnavailable, match="not reachable"):
        Client("OA", "http://no-such-host.invalid").call("POST", "/", json={})


@pytest.mark.parametrize(
    "answer", [None, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", b"rubbish\r\n\r\n"]
)
def test_a_lost_answer_may_have_done_it(answer: bytes | None) -> None:
    with listening(answer) as url, pytest.raises(OutsideUnknown):
        Client("OA", url).call("POST", "/", json={})
    with listening(answer) as url, pytest.raises(OutsideUnavailable):
        Client("OA", url).call("GET", "/")


def test_a_slow_answer_may_have_done_it(httpserver: HTTPServer) -> None:
    def answer(request: Request) -> Response:
        done.wait(5)
        return Response("{}")

    done = threading.Event()
    httpserver.expect_request("/x").respond_with_handler(answer)
    with pytest.raises(OutsideUnknown, match="no answer in time"):
        client(httpserver, read_s=0.1).call("POST", "/x", json={})
    done.set()
    while not httpserver.log:  # or its line would stand in the next test's log
        time.sleep(0.01)


def test_plain_http_on_a_tls_port_did_nothing_worth_keeping(httpserver: HTTPServer) -> None:
    with pytest.raises(OutsideUnavailable):
        Client("OA", httpserver.url_for("").replace("http:", "https:")).call("GET", "/x")


def test_an_endless_answer_is_cut_off(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/big").respond_with_data(b"x" * 5000)
    bomb = gzip.compress(b"\0" * 10_000_000)
    httpserver.expect_request("/bomb").respond_with_data(bomb, headers={"Content-Encoding": "gzip"})
    for path in ("/big", "/bomb"):
        with pytest.raises(AnswerTooBig):
            client(httpserver, most_bytes=4000).call("GET", path)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.com", "http://", "gopher://x", ""])
def test_only_http_and_https(url: str) -> None:
    with pytest.raises(AddressForbidden):
        Client("OA", url).call("GET", "/")


def test_no_secret_reaches_logs_or_errors(httpserver: HTTPServer, caplog: pytest.LogCaptureFixture) -> None:
    said = {
        "errcode": 1,
        "errmsg": "bad key s3cret-value",
        "access_token": "abc123",
        "hint": "password=hunter22",
    }
    httpserver.expect_request("/x").respond_with_json(said, status=400)
    with capture_logs() as logs, caplog.at_level(logging.DEBUG):
        answer = client(httpserver, secrets=("s3cret-value",)).call(
            "POST", "/x", query={"access_token": "abc123"}, json={"appSecret": "s3cret-value"}
        )
        ours = "".join(one.getMessage() for one in caplog.records if one.name != "werkzeug")
        error = answer.trouble()
        shown = f"{error} {error!r} {logs} {ours} {client(httpserver)!r}"
    assert [one["event"] for one in logs] == ["outside.called"]
    assert "bad key …" in shown
    for secret in ("s3cret-value", "abc123", "hunter22"):
        assert secret not in shown


# What is kept of it


@pytest.fixture
def kept() -> Iterator[exchanges.Gathering]:
    with exchanges.Gathering(7, "approval") as gathering:
        yield gathering


def test_an_exchange_is_kept_as_people_read_it(httpserver: HTTPServer, kept: exchanges.Gathering) -> None:
    httpserver.expect_request("/v1/x").respond_with_json(
        {"accessToken": "t-very-secret", "ok": True}, headers={"X-Tt-Logid": "L-1", "X-Other": "x"}
    )
    host = httpserver.url_for("").removeprefix("http://").rstrip("/")
    client(httpserver, secrets=("s3cret-value",)).call(
        "POST", "/v1/x", query={"access_token": "abc123", "id": 7},
        json={"app_secret": "s3cret-value", "mobile": "13812345678", "why": "出差 s3cret-value"},
        headers={"x-acs-dingtalk-access-token": "abc123"}, counts={"calls_a_month": 1},
    )  # fmt: skip
    (row,) = kept.rows
    assert (row.method, row.path, row.status, row.error) == ("POST", "/v1/x", 200, "")
    assert row.request == (
        f"?access_token=…&id=7\nhost: {host}\nx-acs-dingtalk-access-token: …\n\n"
        '{"app_secret": "…", "mobile": "…", "why": "出差 …"}'
    )
    assert row.answer == (
        'content-type: application/json\nx-tt-logid: L-1\n\n{"accessToken": "…", "ok": true}'
    )
    assert kept.counts == {(7, "calls_a_month"): 1}


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, '{"errcode": 0, "errmsg": "ok"}', ""),
        (200, '{"code": 0, "data": {}}', ""),
        (200, '{"success": true, "result": []}', ""),
        (200, "[1, 2]", ""),
        (200, '{"errcode": 40014, "errmsg": "invalid"}', "40014"),
        (400, '{"code": "InvalidAuthentication", "message": "no"}', "InvalidAuthentication"),
        (400, '{"code": 1390001, "msg": "param invalid"}', "1390001"),
        (200, '{"success": false}', "success: false"),
        (200, "<html>请登录</html>", "HTTP 200 HTML"),
        (502, "<HTML>Bad Gateway</HTML>", "HTTP 502 HTML"),
        (429, "{}", "HTTP 429"),
        (302, "", "HTTP 302"),
    ],
)
def test_a_failure_is_named_by_the_products_own_code(
    httpserver: HTTPServer, kept: exchanges.Gathering, status: int, body: str, error: str
) -> None:
    httpserver.expect_request("/x").respond_with_data(body, status=status)
    client(httpserver).call("GET", "/x")
    assert [(row.status, row.error) for row in kept.rows] == [(status, error)]


def test_what_got_no_answer_says_why_and_counts_only_when_it_may_have_been_done(
    kept: exchanges.Gathering,
) -> None:
    counts = {"calls_a_month": 1}
    with listening(None) as url, pytest.raises(OutsideUnknown):
        Client("OA", url).call("POST", "/lost", json={}, counts=counts)
    with pytest.raises(OutsideUnavailable):
        Client("OA", "http://no-such-host.invalid").call("POST", "/never-sent", json={}, counts=counts)
    with pytest.raises(AddressForbidden):
        Client("OA", "ftp://x").call("POST", "/forbidden", counts=counts)
    assert [(row.path, row.status, row.error) for row in kept.rows] == [
        ("/lost", None, "outside.unknown"), ("/never-sent", None, "outside.unavailable"),
        ("/forbidden", None, "outside.address_forbidden"),
    ]  # fmt: skip
    assert kept.rows[0].answer.startswith("connection lost")
    assert kept.counts == {(7, "calls_a_month"): 1}


def test_forms_and_files_are_kept_in_words(httpserver: HTTPServer, kept: exchanges.Gathering) -> None:
    httpserver.expect_request("/x").respond_with_data(b"%PDF-1.7\n\x00", content_type="application/pdf")
    client(httpserver).call("POST", "/x", form={"msg": '{"access_token": "abc"}', "to": "张三"})
    client(httpserver).call(
        "POST", "/x", form={"type": "file", "token": "abc"}, multipart=[Part("media", "发票.pdf", b"%PDF")]
    )
    form, files = (row.request.partition("\n\n")[2] for row in kept.rows)
    assert form == 'msg={"access_token": "…"}\nto=张三'
    assert files == "type=file\ntoken=…\nmedia: 发票.pdf [4 bytes, application/octet-stream]"
    assert kept.rows[0].answer == "content-type: application/pdf\n\n[10 bytes, application/pdf]"
