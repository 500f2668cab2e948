"""One id from the click on."""

from __future__ import annotations

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from structlog.testing import capture_logs

from viatica.config.requests import RequestLog
from viatica.spine import correlation


def answered(request: HttpRequest) -> tuple[HttpResponse, list[str | None]]:
    inside: list[str | None] = []

    def view(_request: HttpRequest) -> HttpResponse:
        inside.append(correlation.current())
        return HttpResponse(status=201)

    return RequestLog(view)(request), inside


def test_the_proxys_id_is_carried_and_given_back() -> None:
    request = RequestFactory().get("/reports?token=secret", headers={"X-Request-ID": "proxy-4711-abc"})
    with capture_logs() as lines:
        answer, inside = answered(request)
    assert inside == [answer["X-Request-ID"]] == ["proxy-4711-abc"]
    (line,) = lines
    assert (line["event"], line["method"], line["path"], line["status"]) == (
        "request.answered",
        "GET",
        "/reports",
        201,
    )
    assert "secret" not in str(line)
    assert correlation.current() is None


@pytest.mark.parametrize("given", ["", "short", "two words", "x" * 65, "line\tbreak"])
def test_what_is_no_id_is_replaced(given: str) -> None:
    answer, inside = answered(RequestFactory().get("/", headers={"X-Request-ID": given}))
    assert inside == [answer["X-Request-ID"]]
    assert answer["X-Request-ID"] != given
    assert len(answer["X-Request-ID"]) == 36


def test_machines_that_only_look_are_not_logged() -> None:
    with capture_logs() as lines:
        answered(RequestFactory().get("/healthz"))
    assert lines == []


@pytest.mark.django_db(transaction=True)
def test_callbacks_are_answered_at_the_door_and_pages_by_django() -> None:
    from viatica.config.wsgi import application

    def ask(path: str) -> tuple[str, dict[str, str], bytes]:
        said: list[tuple[str, dict[str, str]]] = []
        environ = RequestFactory().post(path, b"{}", content_type="application/json").environ
        body = b"".join(application(environ, lambda status, headers: said.append((status, dict(headers)))))
        return *said[0], body

    status, headers, body = ask("/hooks/nobody")
    assert status.startswith("404")
    assert b"hook.not_found" in body
    assert "Content-Security-Policy" not in headers
    status, headers, _body = ask("/nowhere")
    assert status.startswith("404")
    assert "Content-Security-Policy" in headers
    assert "X-Request-ID" in headers
