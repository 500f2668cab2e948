"""The API as its clients meet it: one report's life over HTTP, idempotency, clear problems."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from simulators import tax_bureau
from tests.journeys.conftest import Company, Desk
from viatica.documents.expense.models import ExpenseReport
from viatica.spine.models import Fact

TAXI = {"category": "taxi", "day": "2026-11-20", "paid": {"amount": "48.00"}, "note": "机场 → 酒店"}


class Caller:
    def __init__(self, company: Company, name: str) -> None:
        self.client = Client(
            raise_request_exception=False, headers={"Authorization": f"Bearer {company.token(name)}"}
        )

    def get(self, path: str, status: int = 200) -> Any:
        return self._said(self.client.get(f"/api/v1{path}"), status)

    def post(
        self, path: str, body: dict[str, Any] | None = None, status: int = 200, key: str | None = None
    ) -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        answer = self.client.post(
            f"/api/v1{path}", body or {}, content_type="application/json", headers=headers
        )
        return self._said(answer, status)

    def put(self, path: str, body: dict[str, Any], status: int = 200) -> Any:
        return self._said(self.client.put(f"/api/v1{path}", body, content_type="application/json"), status)

    @staticmethod
    def _said(answer: Any, status: int) -> Any:
        assert answer.status_code == status, answer.content.decode()[:2000]
        if status >= 400:
            assert answer.headers["Content-Type"] == "application/problem+json"
        return answer.json()


@pytest.fixture
def call(company: Company) -> Any:
    return lambda name: Caller(company, name)


def test_a_report_from_draft_to_paid(call: Any, desk: Desk) -> None:
    owner, approver = call("owner"), call("approver")
    trip = owner.post(
        "/trips",
        {
            "purpose": "拜访客户",
            "legs": [{"city": "北京", "leaves_on": "2026-11-18", "returns_on": "2026-11-20"}],
            "estimates": {"rail": {"amount": "1000.00"}},
        },
        201,
    )
    owner.post(f"/trips/{trip['number']}/submit", {"version": trip["version"]})
    (todo,) = approver.get("/todos")
    approver.post(f"/todos/{todo['item']}/approve", {"version": todo["version"]})
    report = owner.post("/reports", {"title": "北京拜访", "trip": trip["number"], "lines": [TAXI]}, 201)
    number = report["number"]
    owner.post(f"/reports/{number}/submit", {"version": report["version"]})
    (todo,) = approver.get("/todos")
    assert todo["number"] == number and todo["amount"] == {"amount": "48.00", "currency": "CNY"}
    approver.post(f"/todos/{todo['item']}/approve", {"version": todo["version"]})
    report = call("finance").get(f"/reports/{number}")
    call("finance").post(f"/reports/{number}/audit/pass", {"version": report["version"]})
    (voucher,) = call("auditor").get(f"/vouchers?document={number}")["items"]
    assert sum(float(line["debit"]) for line in voucher["lines"]) == 48.0
    (order,) = call("cashier").get("/payments/waiting")
    batch = call("cashier").post("/payments/batches", {"entity": "SH", "orders": [order["id"]]}, 201)
    call("cashier").post(f"/payments/batches/{batch['number']}/pay", {"version": batch["version"]}, 422)
    call("finance2").post(f"/payments/batches/{batch['number']}/pay", {"version": batch["version"]})
    assert owner.get(f"/reports/{number}")["state"] == "paid"
    assert "report.paid" in [row["fact"] for row in owner.get(f"/reports/{number}/timeline")]


def test_the_same_key_is_the_same_report(call: Any) -> None:
    owner = call("owner")
    first = owner.post("/reports", {"title": "打车", "lines": [TAXI]}, 201, key="k-1")
    again = owner.post("/reports", {"title": "打车", "lines": [TAXI]}, 201, key="k-1")
    assert again == first
    assert ExpenseReport.objects.count() == 1
    other = owner.post("/reports", {"title": "别的", "lines": [TAXI]}, 409, key="k-1")
    assert other["code"] == "idempotency.key_reused"


def test_the_server_computes_the_total(call: Any) -> None:
    report = call("owner").post(
        "/reports", {"title": "打车", "lines": [TAXI, TAXI], "total": {"amount": "99999"}}, 201
    )
    assert report["total"] == {"amount": "96.00", "currency": "CNY"}


def test_an_invoice_file_becomes_a_line(call: Any) -> None:
    owner = call("owner")
    data = tax_bureau.issue_xml(
        tax_bureau.make_invoice(
            1,
            buyer=tax_bureau.Party("行远科技（上海）有限公司", "91310000MA1FL0000X"),
            issued=date(2026, 11, 18),
        )
    )

    def hand_in(status: int, key: str | None = None) -> Any:
        file = SimpleUploadedFile("发票.xml", data)
        answer = owner.client.post(
            "/api/v1/invoices", {"file": file}, headers={"Idempotency-Key": key} if key else {}
        )
        return owner._said(answer, status)

    invoice = hand_in(201, "upload-1")
    assert hand_in(201, "upload-1") == invoice
    report = owner.post("/reports", {"title": "北京拜访"}, 201)
    report = owner.post(
        f"/reports/{report['number']}/invoices", {"version": report["version"], "invoices": [invoice["id"]]}
    )
    (line,) = report["lines"]
    assert (line["invoice"], line["paid"]["amount"]) == (invoice["id"], invoice["total"])
    file = owner.client.get(f"/api/v1/invoices/{invoice['id']}/file")
    assert file.content == data
    assert call("stranger").get(f"/invoices/{invoice['id']}", 404)["code"] == "invoice.not_found"


def test_another_version_is_a_conflict(call: Any) -> None:
    owner = call("owner")
    report = owner.post("/reports", {"title": "打车", "lines": [TAXI]}, 201)
    changed = owner.put(f"/reports/{report['number']}", {"title": "打车二", "lines": [TAXI], "version": 1})
    problem = owner.put(f"/reports/{report['number']}", {"title": "打车三", "lines": [], "version": 1}, 409)
    assert problem["code"] == "document.changed_meanwhile"
    assert owner.get(f"/reports/{report['number']}") == changed


@pytest.mark.parametrize(
    ("line", "status", "code", "field"),
    [
        ({**TAXI, "paid": {"amount": 48.0}}, 422, "input.invalid", "body.lines.0.paid.amount"),
        ({**TAXI, "paid": {"amount": "48.001"}}, 422, "input.invalid", "body.lines.0.paid.amount"),
        ({**TAXI, "paid": {"amount": "-48.00"}}, 422, "document.not_positive", "lines.0.amount"),
        ({**TAXI, "paid": {"amount": "1", "currency": "XQZ"}}, 400, "money.currency_unknown", None),
        ({**TAXI, "day": "2126-01-01"}, 422, "document.bad_day", "lines.0.day"),
        ({**TAXI, "city": "亚特兰蒂斯"}, 422, "document.unknown_choice", "lines.0.city"),
    ],
)
def test_a_bad_line_is_named(
    call: Any, line: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    before = Fact.objects.count()
    problem = call("owner").post("/reports", {"title": "打车", "lines": [line]}, status)
    assert (problem["code"], problem.get("field")) == (code, field)
    assert problem["hint"]
    assert not ExpenseReport.objects.exists()
    assert Fact.objects.count() == before


def test_problems_speak_the_reader_s_language(call: Any) -> None:
    owner = call("owner")
    body = {"title": "打车", "lines": [{**TAXI, "city": "亚特兰蒂斯"}]}
    for language, words in (("zh-hans", "不在可选范围内"), ("en", "is not one of the choices")):
        answer = owner.client.post(
            "/api/v1/reports", body, content_type="application/json", headers={"Accept-Language": language}
        )
        assert words in answer.json()["title"]


def test_without_a_token_nothing_is_said(client: Client, company: Company) -> None:
    answer = client.get("/api/v1/reports")
    assert answer.status_code == 401
    assert answer.json()["code"] == "not_signed_in"


def test_a_stranger_is_told_that_there_is_nothing(call: Any) -> None:
    report = call("owner").post("/reports", {"title": "打车", "lines": [TAXI]}, 201)
    for name in ("stranger", "foreigner", "colleague"):
        assert call(name).get(f"/reports/{report['number']}", 404)["code"] == "not_found"
        assert call(name).get("/reports")["items"] == []
