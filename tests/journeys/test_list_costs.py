"""A list costs the same number of SQL statements however long it is: three rows or thirty."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.journeys.conftest import AT, Company, Desk, taxi
from tests.journeys.doors import API, World
from viatica.kernel.refs import Ref
from viatica.offices.approval import services as approval
from viatica.offices.budget.models import Budget
from viatica.offices.company.models import (
    City,
    CurrencyRate,
    DirectoryConflict,
    DirectoryDifference,
    DirectoryRun,
    Employee,
    Project,
)
from viatica.offices.notices import services as notices
from viatica.offices.payment import queries as payments
from viatica.offices.payment import services as payment
from viatica.spine import issues, outbox
from viatica.spine.models import Connection, InboxEvent, OutboxMessage

# Statements of each list, the one that says whose token it is among them; and who asks.
COSTS: dict[str, tuple[int, str]] = {
    "GET /choices/categories": (1, "owner"),
    "GET /choices/cities": (2, "owner"),
    "GET /choices/projects": (2, "owner"),
    "GET /choices/currencies": (2, "owner"),
    "GET /choices/colleagues?q=c": (2, "owner"),
    "GET /trips": (2, "owner"),
    "GET /trips?mine=true": (2, "owner"),
    "GET /reports": (2, "owner"),
    "GET /reports?mine=true": (2, "owner"),
    "GET /reports?q=owner": (2, "approver"),
    "GET /reports?state=to_pay": (2, "auditor"),
    "GET /reports?invoice=26317000000123456789": (3, "finance"),
    "GET /reports/{number}/timeline": (3, "owner"),
    "GET /trips/{number}/timeline": (6, "owner"),
    "GET /todos": (2, "approver"),
    "GET /todos/copies": (2, "colleague"),
    "GET /invoices": (2, "owner"),
    "GET /invoices?unclaimed=true": (2, "owner"),
    "GET /payments/waiting": (2, "cashier"),
    "GET /payments/batches": (2, "cashier"),
    "GET /vouchers": (3, "auditor"),
    "GET /budgets": (2, "finance"),
    "GET /notices": (3, "owner"),
    "GET /connections": (6, "administrator"),
    "GET /connections/{slug}/parked": (6, "administrator"),
    "GET /connections/{slug}/directory/runs": (3, "administrator"),
    "GET /connections/{slug}/directory/runs/{run_id}/differences": (4, "administrator"),
    "GET /connections/{slug}/directory/conflicts": (3, "administrator"),
    "GET /connections/{slug}/exchanges": (4, "administrator"),
    "GET /connections/exchanges/{kind}/{key}": (6, "administrator"),
    "GET /issues": (4, "administrator"),
    "GET /insights/documents": (4, "auditor"),
}


def grow(world: World, first: int, beyond: int) -> None:
    """Rows `first` to `beyond` of everything that is listed."""
    desk, company = world.desk, world.company
    owner = company.employee("owner")
    for n in range(first, beyond):
        _papers(desk, company, n)
        desk.paper_invoice(f"263170000001234{n:05}")
        notices.tell(
            employee_id=owner.pk,
            subject="{n}",
            params={"n": n},
            ref=Ref("expense_report", "1"),
            at=AT,
            kind="report.paid",
        )
        City.objects.create(name=f"城{n}")
        Project.objects.create(code=f"P{n}", name=f"项目{n}")
        CurrencyRate.objects.create(currency=f"X{n:02}", day=AT.date(), rate=Decimal(n + 1), source="t")
        Employee.objects.create(
            number=f"c{n}",
            name=f"c{n}",
            entity=owner.entity,
            department=owner.department,
            grade_id=owner.grade_id,
        )
        Budget.objects.create(
            name=f"b{n}", entity=owner.entity, project=Project.objects.get(code=f"P{n}"), start=date(2027, 1, 1),
            end=date(2027, 4, 1), amount="1",
        )  # fmt: skip
        _stopped(world.connection, n)
        _read(world.connection, n)
        Connection.objects.create(slug=f"s{n}", kind="toy", name=f"s{n}")


def _papers(desk: Desk, company: Company, n: int) -> None:
    desk.submit_trip(desk.trip())
    asked, paid = desk.handed_in(taxi()), desk.handed_in(taxi())
    approval.cc(
        ref=asked.ref, actor=company.employee("owner"), employees=[company.employee("colleague")], at=desk.at
    )
    desk.decide(paid.ref)
    desk.audit(paid)
    ordered = desk.handed_in(taxi())
    desk.decide(ordered.ref)
    desk.audit(ordered)
    order = payments.order_of(ordered.ref)
    assert order is not None
    payment.put_in_batch([order.pk], entity_id=company.entity.pk, actor=company.viewer("cashier"), at=desk.at)


def _stopped(connection: Connection, n: int) -> None:
    message_id = outbox.put(
        kind="approval.submit", lane=f"expense_report:{n}", payload={}, at=AT, connection_id=connection.pk
    )
    OutboxMessage.objects.filter(pk=message_id).update(state="parked", reason="-")
    issues.raise_issue(
        key=f"k{n}", kind="k", message="{connection}", params={"connection": "钉钉"}, ref=Ref("expense_report", str(n)),
        at=AT,
    )  # fmt: skip


def _read(connection: Connection, n: int) -> None:
    run = DirectoryRun.objects.filter(connection=connection).earliest("pk")
    DirectoryRun.objects.create(
        connection=connection, scope="part", state="applied", started_by="system", started_at=AT
    )
    DirectoryDifference.objects.create(
        run=run, subject="person", kind="added", outside_id=f"u{n}", name=f"u{n}"
    )
    DirectoryConflict.objects.create(
        connection=connection, userid=f"u{n}", name=f"u{n}", reason="same_mobile", opened_at=AT
    )
    heard = InboxEvent.objects.filter(connection=connection).exclude(ref=None).earliest("pk")
    heard.pk, heard.event_id = None, f"heard-{n}"
    heard.save()


def costs(world: World) -> Iterator[tuple[str, int, int]]:
    """Each list with its statements and the length of its answer."""
    for name, (_cost, role) in COSTS.items():
        path = name.removeprefix("GET ")
        at = API[name.split("?")[0]].at(world)
        client = Client(headers={"Authorization": f"Bearer {world.company.token(role)}"})
        with CaptureQueriesContext(connection) as captured:
            answer = client.get("/api/v1" + path.format(**at))
        assert answer.status_code == 200, f"{name}: {answer.content[:300]!r}"
        yield name, len(captured), len(answer.content)


def test_every_list_is_measured() -> None:
    single = {"/me", "/insights", "/reports/{number}", "/trips/{number}", "/invoices/{invoice_id}"}
    single |= {
        f"/{paper}/{{number}}/{what}" for paper in ("reports", "trips") for what in ("check", "approval")
    }
    single |= {"/reports/{number}/audit", "/reports/{number}/payment", "/reports/{number}/lines/{no}/picture"}
    single |= {"/invoices/{invoice_id}/file", "/payments/batches/{number}", "/payments/batches/{number}/file"}
    single |= {
        "/connections/{slug}",
        "/connections/{slug}/check",
        "/connections/{slug}/directory/runs/{run_id}",
        "/connections/{slug}/exchanges/{key}",
        "/connections/{slug}/setup",
        "/connections/{slug}/forms/{kind}",
        "/connections/kinds",
    }
    lists = {name for name in API if name.startswith("GET ") and name.removeprefix("GET ") not in single}
    assert {name.split("?")[0] for name in COSTS} == lists


def test_a_list_costs_the_same_at_any_length(world: World) -> None:
    grow(world, 0, 3)
    few = {name: (cost, length) for name, cost, length in costs(world)}
    grow(world, 3, 30)
    many = {name: (cost, length) for name, cost, length in costs(world)}
    expected = {name: cost for name, (cost, _role) in COSTS.items()}
    assert {name: cost for name, (cost, _length) in few.items()} == expected
    assert {name: cost for name, (cost, _length) in many.items()} == expected
    shorter = [name for name in COSTS if many[name][1] <= few[name][1]]
    assert shorter == [
        "GET /choices/categories", "GET /reports?invoice=26317000000123456789", "GET /reports/{number}/timeline",
        "GET /trips/{number}/timeline",
    ]  # fmt: skip
