"""What the API offers around a paper: the look before, the approval, copies, notices, outside systems."""

from __future__ import annotations

from typing import Any

import pytest

from tests.journeys.conftest import Desk, taxi
from tests.journeys.doors import TITLE, World
from tests.journeys.test_api import Caller
from viatica.documents.expense.models import ExpenseReport
from viatica.kernel import clock
from viatica.offices.budget.models import Budget
from viatica.spine import jobs, reconcile
from viatica.spine.models import Connection, Fact
from viatica.spine.reconcile import Drift, ReconcileReport


@pytest.fixture
def call(desk: Desk) -> Any:
    return lambda name: Caller(desk.company, name)


def codes(check: dict[str, Any]) -> list[str]:
    return [one["code"] for one in check["hindrances"]]


def test_the_look_before_names_all_that_keeps_it_back_and_changes_nothing(call: Any, desk: Desk) -> None:
    Budget.objects.update(amount="100")
    mine, twin = (
        desk.paper_invoice("26317000000123456789"),
        desk.paper_invoice("26317000000123456789", owner="colleague"),
    )
    desk.handed_in(taxi(invoice_id=twin.pk), owner="colleague")
    report = desk.draft(taxi("300.00"), taxi(invoice_id=mine.pk))
    before = Fact.objects.count()
    check = call("owner").get(f"/reports/{report.number}/check")
    assert codes(check) == ["policy.blocked", "invoice.already_claimed", "budget.short"]
    assert not check["is_ready"]
    blocked = [one for one in check["findings"] if one["blocks"]]
    assert {(one["line"], one["control"]) for one in blocked} == {(1, "reason"), (2, "reason")}
    assert all(one["said"] for one in blocked)
    assert check["budgets"][0]["is_short"] and check["budgets"][0]["left"]["amount"] == "52.00"
    assert [person["name"] for step in check["path"] for person in step["people"]] == ["approver"]
    assert Fact.objects.count() == before
    call("owner").post(f"/reports/{report.number}/submit", {"version": 1}, 422)


def test_what_looks_ready_is_accepted(call: Any, desk: Desk) -> None:
    report = desk.draft(taxi())
    assert call("owner").get(f"/reports/{report.number}/check")["is_ready"]
    call("owner").post(f"/reports/{report.number}/submit", {"version": 1})
    assert call("owner").get(f"/reports/{report.number}/check", 409)["code"] == "document.wrong_state"
    assert codes(call("owner").get(f"/reports/{desk.draft().number}/check")) == ["document.empty"]


def test_what_the_trip_holds_makes_way_for_its_report(call: Any, desk: Desk) -> None:
    Budget.objects.update(amount="1000")
    trip = desk.trip(rail="1000")
    assert call("owner").get(f"/trips/{trip.number}/check")["is_ready"]
    desk.decide(desk.submit_trip(trip).ref)
    report = desk.draft(taxi("48.00"), trip=trip)
    check = call("owner").get(f"/reports/{report.number}/check")
    assert check["is_ready"] and check["budgets"][0]["left"]["amount"] == "1000.00"
    call("owner").post(f"/reports/{report.number}/submit", {"version": 1})


def test_a_trip_without_budget_says_so_before(call: Any, desk: Desk) -> None:
    Budget.objects.update(amount="10")
    assert codes(call("owner").get(f"/trips/{desk.trip(rail='1000').number}/check")) == ["budget.short"]


def test_the_approval_shows_who_has_it_and_what_is_yours(call: Any, desk: Desk) -> None:
    report = desk.handed_in(taxi())
    path = f"/reports/{report.number}"
    seen = call("approver").get(f"{path}/approval")
    assert (seen["state"], seen["round"], seen["decided_in"]) == ("active", 1, "")
    assert [person["name"] for person in seen["steps"][0]["people"]] == ["approver"]
    assert call("owner").get(f"{path}/approval")["yours"] is None
    yours = seen["yours"]
    call("approver").post(
        f"/todos/{yours['item']}/signers",
        {"version": yours["version"], "signer": "finance2", "position": "before"},
    )
    (todo,) = call("finance2").get("/todos")
    call("finance2").post(f"/todos/{todo['item']}/handing-over", {"version": todo["version"], "to": "head"})
    (todo,) = call("head").get("/todos")
    call("head").post(f"/todos/{todo['item']}/approve", {"version": todo["version"], "comment": "可以"})
    (todo,) = call("approver").get("/todos")
    call("approver").post(f"/todos/{todo['item']}/approve", {"version": todo["version"]})
    seen = call("owner").get(f"{path}/approval")
    assert seen["state"] == "approved"
    people = {person["name"]: person["state"] for step in seen["steps"] for person in step["people"]}
    assert people == {"approver": "approved", "finance2": "transferred", "head": "approved"}


def test_a_copy_lets_a_colleague_in(call: Any, desk: Desk) -> None:
    report = desk.handed_in(taxi())
    path = f"/reports/{report.number}"
    call("colleague").get(path, 404)
    assert call("owner").post(f"{path}/copies", {"to": ["colleague", "colleague"]}, 201) == {"new": 1}
    assert call("owner").post(f"{path}/copies", {"to": ["colleague"]}, 201) == {"new": 0}
    problem = call("owner").post(f"{path}/copies", {"to": ["colleague", "nobody"]}, 404)
    assert problem["field"] == "to.1"
    assert call("colleague").get(path)["number"] == report.number
    (copy,) = call("colleague").get("/todos/copies")
    assert (copy["number"], copy["is_read"]) == (report.number, False)
    call("colleague").post(f"{path}/comments", {"text": "请附行程单"}, 201)
    told = [row for row in call("owner").get(f"{path}/timeline") if row["fact"] == "case.commented"]
    assert [row["data"]["comment"] for row in told] == ["请附行程单"]
    call("colleague").post(f"{path}/urge", status=403)
    assert call("owner").post(f"{path}/urge") == {"reminded": 1}
    assert call("owner").post(f"{path}/urge", status=422)["code"] == "approval.urged_lately"


def test_notices_page_by_page(call: Any, desk: Desk) -> None:
    for _ in range(3):
        desk.decide(desk.handed_in(taxi()).ref)
    owner = call("owner")
    first = owner.get("/notices?size=2")
    last = owner.get(f"/notices?size=2&before={first['next']}")
    assert (len(first["items"]), len(last["items"]), last["next"], first["unread"]) == (2, 1, None, 3)
    assert owner.post("/notices/read", {"notices": [last["items"][0]["id"]]}) == {"read": 1}
    assert owner.post("/notices/read", {}) == {"read": 2}
    assert owner.get("/notices")["unread"] == 0


def test_who_i_am(world: World) -> None:
    approver, finance = Caller(world.company, "approver"), Caller(world.company, "finance")
    assert approver.get("/me")["roles"] == [{"role": "manager", "entity": "SH", "department": "销售部"}]
    assert finance.get("/me")["roles"] == [{"role": "finance", "entity": "SH", "department": None}]
    assert finance.put("/me/language", {"language": "en"})["language"] == "en"
    finance.put("/me/language", {"language": "fr"}, 422)


def test_colleagues_are_found_by_number_or_beginning_and_only_twenty(call: Any, desk: Desk) -> None:
    owner = call("owner")
    assert [one["number"] for one in owner.get("/choices/colleagues?q=approver")] == ["approver"]
    assert {one["number"] for one in owner.get("/choices/colleagues?q=f")} == {
        "finance",
        "finance2",
        "foreigner",
    }
    employee = desk.company.employee("stranger")
    employee.is_active = False
    employee.save()
    assert owner.get("/choices/colleagues?q=stranger") == []


def test_papers_are_found_by_words_and_by_invoice(world: World) -> None:
    owner = Caller(world.company, "owner")
    assert {row["number"] for row in owner.get("/trips?q=机密&mine=true")["items"]} == {
        world.trip_draft.number, world.trip_asked.number,
    }  # fmt: skip
    found = owner.get(f"/reports?invoice={world.file.number}")["items"]
    assert [(row["number"], row["title"]) for row in found] == [(world.draft.number, TITLE)]
    assert Caller(world.company, "stranger").get(f"/reports?invoice={world.file.number}")["items"] == []


def test_the_desk_sees_the_voucher_before_it_is_posted(world: World) -> None:
    finance = Caller(world.company, "finance")
    sides = finance.get(f"/reports/{world.to_audit.number}/audit")["sides"]
    assert sum(float(side["debit"]) for side in sides) == sum(float(side["credit"]) for side in sides) == 48.0
    assert finance.get(f"/reports/{world.to_pay.number}/audit", 409)["code"] == "document.wrong_state"
    waits = finance.get(f"/reports/{world.batched.number}/payment")
    assert (waits["state"], waits["batch"]) == ("batched", world.batch.number)
    finance.get(f"/reports/{world.draft.number}/payment", 404)


def test_an_operator_mends_what_stopped(world: World) -> None:
    operator = Caller(world.company, "administrator")
    (connection,) = operator.get("/connections")
    assert (connection["slug"], connection["health"], connection["parked"]) == ("dingtalk", "attention", 1)
    (parked,) = operator.get("/connections/dingtalk/parked")
    assert (parked["reason"], parked["hint"], parked["attempts"]) == ("对方没有打开权限", "打开它", 3)
    (issue,) = operator.get("/issues")
    assert issue["said"] == "钉钉: 对方没有打开权限"
    path = f"/connections/dingtalk/parked/out/{parked['id']}/replay"
    assert operator.post(path) == {"replayed": 1}
    assert operator.post(path, status=409)["code"] == "replay.not_parked"
    assert Fact.objects.filter(fact="message.replayed", via="api").count() == 1
    assert operator.get("/connections/dingtalk")["health"] in ("healthy", "slow")


def test_a_comparison_is_asked_for_once_and_done_by_a_worker(world: World) -> None:
    reconcile.register("compared", _compare)
    Connection.objects.filter(slug="dingtalk").update(kind="compared")
    operator = Caller(world.company, "administrator")
    path = "/connections/dingtalk/reconcile"
    assert [operator.post(path, status=202)["is_new"] for _ in range(2)] == [True, False]
    jobs.reconcile_one("dingtalk")
    after = operator.get("/connections/dingtalk")
    assert (after["compared"], after["healed"], after["unhealed"], after["health"]) == (7, 1, 1, "attention")
    assert after["compared_at"] == clock.now().isoformat().replace("+00:00", "Z")
    Connection.objects.filter(slug="dingtalk").update(kind="toy")
    assert operator.post(path, status=422)["code"] == "connections.nothing_to_compare"


def _compare(connection: Connection, at: Any) -> ReconcileReport:
    drift = Drift("expense_report:1", "active", "approved", "status")
    return ReconcileReport(connection.slug, 7, healed=[drift], unhealed=[drift])


def test_the_bank_s_file_is_the_same_every_time(world: World) -> None:
    cashier = Caller(world.company, "cashier").client
    path = f"/api/v1/payments/batches/{world.batch.number}"
    first = cashier.post(f"{path}/export", {"version": world.batch.version}, content_type="application/json")
    assert first.status_code == 200 and first.content.startswith("\ufeff".encode())
    assert cashier.get(f"{path}/file").content == first.content
    again = cashier.post(f"{path}/export", {"version": world.batch.version}, content_type="application/json")
    assert again.status_code == 409


def test_totals_are_the_server_s(call: Any, desk: Desk) -> None:
    report = desk.draft(taxi())
    line = {
        "category": "taxi",
        "day": "2026-11-20",
        "paid": {"amount": "12.00"},
        "amount": {"amount": "9999"},
    }
    changed = call("owner").put(f"/reports/{report.number}/lines/1", {"version": 1, "line": line})
    assert changed["total"]["amount"] == "12.00"
    assert str(ExpenseReport.objects.get(pk=report.pk).total_amount) == "12.00"
