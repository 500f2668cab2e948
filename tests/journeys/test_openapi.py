"""The API keeps what its description says, whatever it is sent: well-formed and ill-formed, to known papers and unknown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from tests.journeys.conftest import Company
from tests.journeys.doors import API, World, effects

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
EXAMPLES = 8


@pytest.fixture
def described(company: Company) -> Iterator[Any]:
    """The description as it is served. As in Django's own test client, a request does not close the test's connection."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield schemathesis.openapi.from_wsgi("/api/v1/openapi.json", get_wsgi_application())
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def operations(described: Any, beginning: str = "") -> Iterator[Any]:
    for found in described.get_all_operations():
        operation = found.ok()
        if operation.path.startswith(f"/api/v1{beginning}"):
            yield operation


@pytest.mark.parametrize(
    ("role", "beginning"), [("owner", ""), ("finance", ""), ("administrator", "/connections")]
)
def test_it_answers_as_described(world: World, described: Any, role: str, beginning: str) -> None:
    headers = {"Authorization": f"Bearer {world.company.token(role)}"}
    for operation in operations(described, beginning):
        name = f"{operation.method.upper()} {operation.path.removeprefix('/api/v1')}"
        knock(operation, headers, {key: str(value) for key, value in API[name].at(world).items()})


def knock(operation: Any, headers: dict[str, str], known: dict[str, str]) -> None:
    cases = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]
    if known:
        cases.append(operation.as_strategy(path_parameters=known))

    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.one_of(*cases))
    def check(case: Any) -> None:
        with transaction.atomic():
            answer = case.call(headers=headers)
            transaction.set_rollback(True)
        case.validate_response(answer, checks=CHECKS)

    check()


def test_it_is_openapi_3_1_and_every_door_says_what_it_is_for(client: Client) -> None:
    described = client.get("/api/v1/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            name = f"{method} {path}"
            assert len(operation["summary"].split()) > 1, name
            assert list(operation["responses"]["default"]["content"]) == ["application/problem+json"], name
            assert operation["security"] == [{"TokenAuth": []}], name
            keys = [one["name"] for one in operation["parameters"] if one["in"] == "header"]
            assert keys == (["Idempotency-Key"] if method != "get" else []), name
    names = [
        operation["operationId"] for methods in described["paths"].values() for operation in methods.values()
    ]
    assert len(names) == len(set(names))


def test_its_page_needs_no_other_server(client: Client) -> None:
    page = client.get("/api/v1/docs").content.decode()
    assert "swagger-ui-bundle.js" in page
    assert "http://" not in page and "https://" not in page


NESTED = b'{"title": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "status"),
    [
        ("GET", "/reports/%00", b"", "", 422),
        ("GET", "/reports/BX202611-000001%00", b"", "", 422),
        ("GET", "/reports/%ff%fe", b"", "", 422),
        ("GET", "/reports?q=%00%00", b"", "", 400),
        ("GET", "/trips?q=ab%00", b"", "", 400),
        ("GET", "/vouchers?document=%00", b"", "", 400),
        ("GET", "/invoices?number=%00", b"", "", 400),
        ("GET", "/choices/cities?q=%00", b"", "", 400),
        ("GET", "/choices/colleagues?q=%00", b"", "", 400),
        ("GET", "/reports?before=99999999999999999999999", b"", "", 422),
        ("GET", "/reports?size=0", b"", "", 422),
        ("GET", "/invoices/99999999999999999999999", b"", "", 422),
        ("GET", "/reports/BX202611-000001/lines/99999999999999999999/picture", b"", "", 404),
        ("GET", "/connections/%0A", b"", "", 422),
        ("GET", "/nowhere/%0A", b"", "", 404),
        ("POST", "/reports", b"", "application/json", 422),
        ("POST", "/reports", b"null", "application/json", 400),
        ("POST", "/reports", b"[]", "application/json", 400),
        ("POST", "/reports", b'"text"', "application/json", 400),
        ("POST", "/reports", b"{", "application/json", 400),
        ("POST", "/reports", b"\xff\xfe", "application/json", 400),
        ("POST", "/reports", NESTED, "application/json", 400),
        ("POST", "/reports", b'{"title": ' + b"9" * 5000 + b"}", "application/json", 400),
        ("POST", "/reports", b'{"title": "a\\u0000b"}', "application/json", 400),
        ("POST", "/reports", b'{"title": "a\\ud800"}', "application/json", 400),
        ("POST", "/reports", b'{"title": 1e999}', "application/json", 422),
        ("POST", "/reports", b'{"title": NaN}', "application/json", 422),
        ("POST", "/reports", b"title=x", "application/x-www-form-urlencoded", 400),
        ("POST", "/reports", b"--x--", "multipart/form-data; boundary=x", 400),
        ("POST", "/reports", b"--x--", "multipart/form-data", 400),
        ("POST", "/invoices", b"{}", "application/json", 422),
        ("POST", "/invoices", b"--x--", "multipart/form-data; boundary=x", 422),
        ("PUT", "/me/language", b"--x--", "multipart/form-data; boundary=x", 400),
    ],
)
def test_hostile_requests_are_refused_by_name(
    company: Company, method: str, path: str, body: bytes, kind: str, status: int
) -> None:
    client = Client(
        raise_request_exception=False, headers={"Authorization": f"Bearer {company.token('owner')}"}
    )
    before = effects()
    answer = client.generic(method, f"/api/v1{path}", body, content_type=kind)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert answer.json()["hint"]
    assert effects() == before


def test_a_smiling_title_is_no_surrogate(company: Company) -> None:
    client = Client(headers={"Authorization": f"Bearer {company.token('owner')}"})
    body = b'{"title": "\\ud83d\\ude00 \\\\u0000"}'
    answer = client.generic("POST", "/api/v1/reports", body, content_type="application/json")
    assert answer.json()["title"] == "😀 \\u0000"


@pytest.mark.parametrize("token", ["", "via_", "via_" + "x" * 10_000, "пароль", "\x00"])
def test_no_token_is_read_as_somebody(db: None, token: str) -> None:
    answer = Client(raise_request_exception=False).get(
        "/api/v1/me", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "path", ["/reports/%00", "/trips/%00", "/search?q=ab%00", "/finance/audit/%00", "/files/%00.png"]
)
def test_pages_refuse_them_as_well(company: Company, path: str) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(company.people["finance"], backend="viatica.offices.access.backends.PasswordBackend")
    assert client.get(path).status_code in (400, 404)
    assert client.post("/notices/read", {"note": "a\0b"}).status_code == 400
