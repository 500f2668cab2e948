"""Exchanges through the API: searched by an administrator, page by page, by words and by paper; one in full."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from viatica.front.tests.conftest import AT, House
from viatica.kernel.refs import Ref
from viatica.offices.access.services import issue_token
from viatica.spine import exchanges, inbox
from viatica.spine.models import Connection

ROOT = "/api/v1/connections"


@pytest.fixture
def connection(house: House) -> Connection:
    made = Connection.objects.create(slug="oa", kind="toy", name="演示 OA", uses=["approval"])
    for n in range(60):
        with exchanges.gathered(made, "approval"):
            exchanges.note(
                exchanges.Asked("POST", f"/n/{n}", body=b'{"secret": "s3cret", "n": 1}', media_type="application/json"),
                exchanges.Answered(200, body=f'{{"id": "i-{n}"}}'.encode()),
                at=AT + timedelta(minutes=n), ms=5, error="40035" if n == 30 else "",
            )  # fmt: skip
    inbox.store(made, "evt-1", {"token": "verify", "n": 7}, AT - timedelta(days=1))
    return made


def ask(house: House, path: str, who: str = "administrator", **query: Any) -> Any:
    token = issue_token(user=house.people[who], name="t", at=AT, expires_at=None)
    return Client(headers={"Authorization": f"Bearer {token}"}).get(ROOT + path, query)


def test_all_of_them_page_by_page(house: House, connection: Connection) -> None:
    first = ask(house, "/oa/exchanges").json()
    assert [one["path"] for one in first["items"]] == [f"/n/{n}" for n in range(59, 9, -1)]
    rest = ask(house, "/oa/exchanges", page=first["next"]).json()
    assert [one["path"] for one in rest["items"]] == [*(f"/n/{n}" for n in range(9, -1, -1)), "evt-1"]
    assert rest["next"] is None
    event = rest["items"][-1]
    assert (event["key"].partition("-")[0], event["direction"], event["status"]) == ("in", "in", None)
    assert first["items"][0] == {
        "key": first["items"][0]["key"], "connection": "oa", "direction": "out", "at": "2026-11-24T04:59:00Z",
        "capability": "approval", "method": "POST", "path": "/n/59", "status": 200, "ms": 5, "error": "", "paper": None,
        "correlation": first["items"][0]["correlation"], "box": None, "message": None, "left_out": 0,
    }  # fmt: skip


def test_by_words_failures_time_and_paper(house: House, connection: Connection) -> None:
    def paths(**query: Any) -> list[str]:
        return [one["path"] for one in ask(house, "/oa/exchanges", **query).json()["items"]]

    assert paths(text='"i-42"') == ["/n/42"]
    assert paths(text="s3cret") == []
    assert paths(only_failed="true") == ["/n/30"]
    assert paths(since="2026-11-24T04:58:30Z") == ["/n/59"]
    assert paths(paper="expense_report:1") == []
    assert ask(house, "/oa/exchanges", paper="nonsense").json()["code"] == "ref.bad"
    assert ask(house, "/oa/exchanges", page="nonsense").json()["code"] == "exchanges.bad_page"


def test_one_in_full_without_its_secrets(house: House, connection: Connection) -> None:
    (found,) = ask(house, "/oa/exchanges", text='"i-42"').json()["items"]
    whole = ask(house, f"/oa/exchanges/{found['key']}").json()
    assert whole["request"] == '{"secret": "…", "n": 1}'
    assert whole["answer"] == '{"id": "i-42"}'
    (event,) = ask(house, "/oa/exchanges", text="evt-1").json()["items"]
    assert '"token": "…"' in ask(house, f"/oa/exchanges/{event['key']}").json()["request"]
    assert ask(house, "/oa/exchanges/out-999999999").status_code == 404


def test_those_of_a_paper_for_who_administers_and_sees_it(house: House, connection: Connection) -> None:
    report = house.report()
    with exchanges.gathered(connection, "approval"):
        exchanges.note(exchanges.Asked("GET", "/look"), exchanges.Answered(200), at=AT, ms=1)
        exchanges.about(Ref("expense_report", str(report.pk)))
    path = f"/exchanges/expense_report/{report.pk}"
    (found,) = ask(house, path).json()
    assert (found["path"], found["connection"], found["paper"]) == (
        "/look",
        "oa",
        f"expense_report:{report.pk}",
    )
    assert ask(house, path, "owner").status_code == 403
    assert ask(house, "/exchanges/expense_report/999999").status_code == 404
    assert ask(house, "/exchanges/no_such_paper/1").status_code == 404


@pytest.mark.parametrize("who", ["owner", "finance", "auditor"])
def test_nobody_else_reads_them(house: House, connection: Connection, who: str) -> None:
    for path in ("/oa/exchanges", "/oa/exchanges/out-1"):
        assert ask(house, path, who).status_code == 403
