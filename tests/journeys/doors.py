"""Every door of the house, what it is knocked at with, and what each kind of person is told there.

A door that is not in these tables fails `test_strangers`: whoever opens a new one says here who may pass.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.db.models import Model
from django.test import Client

from simulators.tax_bureau import Party, issue_xml, make_invoice
from tests.journeys.conftest import AT, Company, Desk, taxi
from viatica.documents.expense.models import ExpenseReport
from viatica.documents.search import pairs
from viatica.documents.travel.models import TravelRequest
from viatica.front.desks.connections.changes import version_of
from viatica.offices.access.models import Grant, Role, User
from viatica.offices.approval import queries as approvals
from viatica.offices.company.models import (
    Department,
    DirectoryConflict,
    DirectoryDifference,
    DirectoryRun,
    Employee,
    Grade,
    LegalEntity,
    StagedDepartment,
    StagedMember,
)
from viatica.offices.invoices import services as invoices
from viatica.offices.invoices.models import Invoice
from viatica.offices.notices.models import Notice
from viatica.offices.payment import queries as payments
from viatica.offices.payment import services as payment
from viatica.offices.payment.models import PaymentBatch, PaymentOrder
from viatica.spine import inbox, issues, outbox
from viatica.spine.models import Connection, Fact, InboxEvent, OutboxMessage

TITLE = "并购机密拜访"
BUDGET = "销售部 2026 四季度"
ACCOUNT = "6225880123456789"
SELLER = "机密酒店"
PARKED = "对方没有打开权限"
NEWCOMER = "机密新人"
TWIN = "机密双胞"

ROLES = (
    "nobody", "owner", "colleague", "approver", "stranger", "foreigner", "outpost", "auditor", "administrator",
    "finance", "cashier",
)  # fmt: skip
"""`stranger` manages another department, `foreigner` is finance, cashier and auditor of another entity, `outpost`
its administrator; the others are of the owner's entity."""
SEES = frozenset({"owner", "approver", "auditor", "administrator", "finance", "cashier"})
MONEY = frozenset({"auditor", "finance", "cashier"})
SIGNED_IN = frozenset(ROLES) - {"nobody"}


@dataclass
class World:
    """The owner's papers, one for each stage of their lives, and what came of them."""

    desk: Desk
    draft: ExpenseReport
    asked: ExpenseReport
    to_audit: ExpenseReport
    to_pay: ExpenseReport
    batched: ExpenseReport
    trip_draft: TravelRequest
    trip_asked: TravelRequest
    paper: Invoice
    file: Invoice
    order: PaymentOrder
    order_in_batch: PaymentOrder
    batch: PaymentBatch
    connection: Connection
    parked: OutboxMessage

    @property
    def company(self) -> Company:
        return self.desk.company

    def item(self, paper: ExpenseReport | TravelRequest) -> int:
        item = approvals.my_item(paper.ref, self.company.employee("approver").pk)
        assert item is not None
        return item.pk

    @property
    def notice(self) -> int:
        """The owner's."""
        notice = Notice.objects.filter(employee=self.company.employee("owner")).first()
        assert notice is not None
        return notice.pk


def build_world(desk: Desk) -> World:
    company = desk.company
    _hire_others(company)
    paper = desk.paper_invoice("26317000000123456789", "88.00")
    file = _file_of(company)

    def report(*lines: Any) -> ExpenseReport:
        made = desk.draft(*lines or [taxi("48.00")])
        ExpenseReport.objects.filter(pk=made.pk).update(title=TITLE, pairs=pairs(TITLE))
        made.title = TITLE
        return made

    def handed_in() -> ExpenseReport:
        return desk.submit(report())

    draft = report(taxi("48.00"), taxi("980.00", invoice_id=file.pk, reason="深夜"))
    asked, to_audit, to_pay, batched = (handed_in() for _ in range(4))
    for one in (to_audit, to_pay, batched):
        desk.decide(one.ref)
    for one in (to_pay, batched):
        desk.audit(one)
    trip_draft, trip_asked = _trip(desk), _trip(desk)
    desk.submit_trip(trip_asked)
    batch = payment.put_in_batch(
        [_order(batched).pk], entity_id=company.entity.pk, actor=company.viewer("cashier"), at=desk.at
    )
    connection, parked = _connection(company)
    inbox.store(connection, "approval.came", {"event": "approval.came"}, AT)
    InboxEvent.objects.filter(event_id="approval.came").update(ref=str(asked.ref), state="done")
    every: list[Model] = [draft, asked, to_audit, to_pay, batched, trip_draft, trip_asked, batch]
    for row in every:
        row.refresh_from_db()
    return World(
        desk, draft, asked, to_audit, to_pay, batched, trip_draft, trip_asked, paper, file, _order(to_pay), _order(batched), batch,
        connection, parked,
    )  # fmt: skip


def _hire_others(company: Company) -> None:
    """The stranger becomes a manager; the other entity gets an administrator."""
    stranger = company.employee("stranger")
    Department.objects.filter(pk=stranger.department_id).update(head=stranger)
    there = company.employee("foreigner")
    outpost = Employee.objects.create(
        number="outpost", name="outpost", entity=there.entity, department=there.department, grade=Grade.objects.get()
    )  # fmt: skip
    company.people["outpost"] = User.objects.create(username="outpost", employee=outpost)
    Grant.objects.create(user=company.people["outpost"], role=Role.ADMINISTRATOR, entity=there.entity)


def _file_of(company: Company) -> Invoice:
    owner = company.employee("owner")
    data = issue_xml(
        make_invoice(
            1,
            buyer=Party(company.entity.name, company.entity.tax_id),
            seller=Party(SELLER, "91310000MA1FL0A01X"),
            issued=date(2026, 11, 18),
        )
    )
    return invoices.take_in(data=data, name="发票.xml", owner=owner, entity=owner.entity, at=AT)


def _trip(desk: Desk) -> TravelRequest:
    trip = desk.trip()
    TravelRequest.objects.filter(pk=trip.pk).update(purpose=TITLE, pairs=pairs(TITLE))
    trip.purpose = TITLE
    return trip


def _order(report: ExpenseReport) -> PaymentOrder:
    order = payments.order_of(report.ref)
    assert order is not None
    return order


def _connection(company: Company) -> tuple[Connection, OutboxMessage]:
    """It serves a subsidiary, so that the papers above are decided here; the administrator is that one's as well."""
    connection = Connection.objects.create(slug="dingtalk", kind="dingtalk", name="钉钉", uses=["approval"])
    subsidiary = LegalEntity.objects.create(code="SZ", name="行远科技（苏州）有限公司", connection=connection)
    Grant.objects.create(user=company.people["administrator"], role=Role.ADMINISTRATOR, entity=subsidiary)
    message_id = outbox.put(
        kind="approval.submit",
        lane="expense_report:1",
        payload={"case": 7},
        at=AT,
        connection_id=connection.pk,
    )
    OutboxMessage.objects.filter(pk=message_id).update(
        state="parked", reason=PARKED, hint="打开它", attempts=3
    )
    issues.raise_issue(
        key="unreachable:dingtalk", kind="connection.unreachable", message="{connection}: {reason}",
        params={"connection": "钉钉", "reason": PARKED}, ref=None, at=AT,
    )  # fmt: skip
    _directory(connection)
    return connection, OutboxMessage.objects.get(pk=message_id)


def _directory(connection: Connection) -> None:
    """A run that waits for a yes, and somebody who cannot be told apart."""
    run = DirectoryRun.objects.create(
        connection=connection,
        state="staged",
        started_by="system",
        started_at=AT,
        read_at=AT,
        people=1,
        departments=1,
    )
    StagedDepartment.objects.create(run=run, outside_id="1", name="苏州")
    StagedMember.objects.create(run=run, userid="ou_new", name=NEWCOMER, department_ids=["1"])
    DirectoryDifference.objects.create(
        run=run, subject="person", kind="added", outside_id="ou_new", name=NEWCOMER, place="苏州"
    )
    DirectoryConflict.objects.create(
        connection=connection, userid="ou_twin", name=TWIN, reason="same_mobile", opened_at=AT,
        others=[{"userid": "ou_other", "name": "另一位", "employee": None, "number": "9"}],
    )  # fmt: skip


# Knocking

Values = Callable[[World], dict[str, Any]]


@dataclass(frozen=True)
class Door:
    """`answers`: status by role, by group (`sees`: may see the owner's papers, `money`: watches the entity's money),
    and `rest`. `shows`: whose answer has `marker` in it, where that is not the same as being let in."""

    answers: dict[str, int]
    at: Values = field(default=lambda world: {})
    body: Values | None = None
    query: str = ""
    shows: frozenset[str] | None = None
    marker: str = TITLE

    def telling(self, *, query: str = "", shows: frozenset[str] | None = None, marker: str = TITLE) -> Door:
        return replace(self, query=query, shows=shows, marker=marker)

    def answer(self, role: str) -> int:
        if role in self.answers:
            return self.answers[role]
        for group, members in (("money", MONEY), ("sees", SEES)):
            if role in members and group in self.answers:
                return self.answers[group]
        return self.answers["rest"]

    @property
    def is_passable(self) -> bool:
        return any(self.answer(role) < 400 for role in ROLES[1:])

    @property
    def doer(self) -> str:
        """Somebody who is let in."""
        return next(role for role in ("owner", "approver", "cashier", *ROLES[1:]) if self.answer(role) < 400)


def door(at: Values | None = None, body: Values | None = None, /, **answers: int) -> Door:
    return Door(answers, at or (lambda world: {}), body)


@dataclass
class Visitor:
    world: World
    role: str
    api: bool

    def __post_init__(self) -> None:
        self.client = Client(raise_request_exception=False)
        if self.role == "nobody":
            return
        if self.api:
            token = self.world.company.token(self.role)
            self.client = Client(raise_request_exception=False, headers={"Authorization": f"Bearer {token}"})
        else:
            self.client.force_login(
                self.world.company.people[self.role],
                backend="viatica.offices.access.backends.PasswordBackend",
            )

    def knock(self, method: str, address: str, at: Door, **more: Any) -> Answer:
        """The answer, and whether anything came of it; afterwards all is as before."""
        before = effects()
        with transaction.atomic():
            answer = self.send(method, address, at, **more)
            changed = effects() != before
            transaction.set_rollback(True)
        return Answer(answer.status_code, text_of(answer), answer.headers.get("Location", ""), changed)

    def send(self, method: str, address: str, at: Door, key: str = "", **extra: Any) -> Any:
        body = {**(at.body(self.world) if at.body else {}), **extra}
        headers = {"Idempotency-Key": key} if key else {}
        if not self.api or any(isinstance(value, SimpleUploadedFile) for value in body.values()):
            call = self.client.get if method == "GET" else self.client.post
            return call(address + at.query, body, headers=headers)
        if method == "GET":
            return self.client.get(address + at.query)
        call = getattr(self.client, method.lower())
        return call(address + at.query, json.dumps(body), content_type="application/json", headers=headers)


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    location: str
    changed: bool


def effects() -> tuple[int, ...]:
    """What every accepted write leaves a trace in."""
    return (
        Fact.objects.count(), OutboxMessage.objects.filter(state="waiting").count(), Notice.objects.count(),
        Notice.objects.filter(read_at=None).count(), User.objects.exclude(language="").count(), jobs(),
    )  # fmt: skip


def jobs() -> int:
    from procrastinate.contrib.django.models import ProcrastinateJob

    return int(ProcrastinateJob.objects.count())


def text_of(answer: Any) -> str:
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    kind = answer.headers.get("Content-Type", "")
    if "json" in kind and content:
        return json.dumps(json.loads(content), ensure_ascii=False, sort_keys=True)
    return content.decode("utf-8", "replace")


# What is sent

VERSION = {"version": 1}
LINE = {"category": "taxi", "day": "2026-11-20", "paid": {"amount": "12.00"}}
LEG = {"city": "北京", "leaves_on": "2026-11-18", "returns_on": "2026-11-20"}


def version(of: str) -> Values:
    return lambda world: {"version": getattr(world, of).version}


def number(of: str) -> Values:
    return lambda world: {"number": getattr(world, of).number}


def number_and_line(of: str, no: int) -> Values:
    return lambda world: {"number": getattr(world, of).number, "no": no}


def report_in(world: World) -> dict[str, Any]:
    return {"title": "新报销", "lines": [LINE]}


def trip_in(world: World) -> dict[str, Any]:
    return {"purpose": "新出差", "legs": [LEG]}


def with_version(of: str, more: Values | dict[str, Any]) -> Values:
    return lambda world: {
        "version": getattr(world, of).version, **(more(world) if callable(more) else more),
    }  # fmt: skip


def paper_in(world: World) -> dict[str, Any]:
    return {
        "kind": "other", "issued": "2026-11-20", "total": "66.00", "seller_name": "小店", "number": "A-1",
    }  # fmt: skip


def upload(world: World) -> dict[str, Any]:
    company = world.company
    data = issue_xml(
        make_invoice(2, buyer=Party(company.entity.name, company.entity.tax_id), issued=date(2026, 11, 18))
    )
    return {"file": SimpleUploadedFile("新发票.xml", data)}


def slug(world: World) -> dict[str, Any]:
    return {"slug": world.connection.slug}


def message(world: World) -> dict[str, Any]:
    return {**slug(world), "box": "out", "message_id": world.parked.pk}


def exchange(world: World) -> dict[str, Any]:
    """What came in about the paper that waits for its approver."""
    event = InboxEvent.objects.get(connection=world.connection, ref=str(world.asked.ref))
    return {**slug(world), "key": f"in-{event.pk}"}


def directory_run(world: World) -> dict[str, Any]:
    return {
        **slug(world),
        "run_id": DirectoryRun.objects.filter(connection=world.connection).earliest("pk").pk,
    }


def item(of: str = "asked", **more: Any) -> Values:
    return lambda world: {"item": world.item(getattr(world, of)), **more}


def invoice(of: str) -> Values:
    return lambda world: {"invoice_id": getattr(world, of).pk}


CREDENTIALS = {"app_key": "dingabc", "app_secret": "secret"}


def seen(more: dict[str, Any]) -> Values:
    """A change of the connection, made from how it is."""
    return lambda world: {
        "version": version_of(world.company.viewer("administrator"), world.connection), **more,
    }  # fmt: skip


def entity(world: World) -> dict[str, Any]:
    return {**slug(world), "code": "SZ"}


def paper_kind(world: World) -> dict[str, Any]:
    return {**slug(world), "kind": ExpenseReport.KIND}


def setup_step(step: str) -> Values:
    return lambda world: {**slug(world), "step": step}


OWNER_ONLY = {"owner": 200, "sees": 403, "rest": 404}
VISIBLE = {"sees": 200, "rest": 404}
TAKES_PART = {"owner": 201, "approver": 201, "sees": 403, "rest": 404}
ASKED_ONE = {"approver": 200, "owner": 403, "administrator": 403, "rest": 404}
ADMINISTERS = {"administrator": 200, "outpost": 404, "rest": 403}
ALL = {"rest": 200}


API: dict[str, Door] = {
    "GET /me": door(**ALL),
    "PUT /me/language": door(None, lambda world: {"language": "en"}, **ALL),
    "GET /choices/categories": door(**ALL),
    "GET /choices/cities": door(**ALL),
    "GET /choices/projects": door(**ALL),
    "GET /choices/currencies": door(**ALL),
    "GET /choices/colleagues": door(**ALL).telling(query="?q=owner", shows=SIGNED_IN, marker="owner"),
    # Trips
    "GET /trips": door(**ALL).telling(shows=SEES),
    "POST /trips": door(None, trip_in, rest=201),
    "GET /trips/{number}": door(number("trip_draft"), **VISIBLE),
    "PUT /trips/{number}": door(number("trip_draft"), with_version("trip_draft", trip_in), **OWNER_ONLY),
    "POST /trips/{number}/submit": door(number("trip_draft"), version("trip_draft"), **OWNER_ONLY),
    "POST /trips/{number}/withdraw": door(number("trip_asked"), **OWNER_ONLY),
    "GET /trips/{number}/timeline": door(number("trip_asked"), **VISIBLE),
    "GET /trips/{number}/check": door(number("trip_draft"), **VISIBLE),
    "GET /trips/{number}/approval": door(number("trip_asked"), **VISIBLE),
    "POST /trips/{number}/urge": door(number("trip_asked"), **OWNER_ONLY),
    "POST /trips/{number}/comments": door(
        number("trip_asked"), lambda world: {"text": "看一下"}, **TAKES_PART
    ),
    "POST /trips/{number}/copies": door(number("trip_asked"), lambda world: {"to": ["head"]}, **TAKES_PART),
    # Reports
    "GET /reports": door(**ALL).telling(shows=SEES),
    "POST /reports": door(None, report_in, rest=201),
    "GET /reports/{number}": door(number("draft"), **VISIBLE),
    "PUT /reports/{number}": door(number("draft"), with_version("draft", report_in), **OWNER_ONLY),
    "POST /reports/{number}/lines": door(
        number("draft"), with_version("draft", {"lines": [LINE]}), **OWNER_ONLY
    ),
    # Who does not hold the invoice does not learn that there is one.
    "POST /reports/{number}/invoices": door(
        number("draft"),
        with_version("draft", lambda world: {"invoices": [world.paper.pk]}),
        owner=200,
        rest=404,
    ),
    "PUT /reports/{number}/lines/{no}": door(
        number_and_line("draft", 1), with_version("draft", {"line": LINE}), **OWNER_ONLY
    ),
    "DELETE /reports/{number}/lines/{no}": door(number_and_line("draft", 1), **OWNER_ONLY).telling(
        query="?version=1"
    ),
    "POST /reports/{number}/submit": door(number("draft"), version("draft"), **OWNER_ONLY),
    "POST /reports/{number}/withdraw": door(number("asked"), **OWNER_ONLY),
    "POST /reports/{number}/audit/pass": door(
        number("to_audit"), version("to_audit"), finance=200, sees=403, rest=404
    ),
    "POST /reports/{number}/audit/send-back": door(
        number("to_audit"),
        with_version("to_audit", {"comment": "发票抬头不对"}),
        finance=200,
        sees=403,
        rest=404,
    ),
    "GET /reports/{number}/timeline": door(number("asked"), **VISIBLE),
    "GET /reports/{number}/check": door(number("draft"), **VISIBLE),
    "GET /reports/{number}/audit": door(number("to_audit"), finance=200, auditor=200, sees=403, rest=404),
    "GET /reports/{number}/payment": door(number("to_pay"), **VISIBLE),
    "GET /reports/{number}/lines/{no}/picture": door(number_and_line("draft", 2), **VISIBLE).telling(
        marker=SELLER
    ),
    "GET /reports/{number}/approval": door(number("asked"), **VISIBLE),
    "POST /reports/{number}/urge": door(number("asked"), **OWNER_ONLY),
    "POST /reports/{number}/comments": door(number("asked"), lambda world: {"text": "看一下"}, **TAKES_PART),
    "POST /reports/{number}/copies": door(number("asked"), lambda world: {"to": ["head"]}, **TAKES_PART),
    # Approvals
    "GET /todos": door(**ALL).telling(shows=frozenset({"approver"})),
    "GET /todos/copies": door(**ALL).telling(shows=frozenset()),
    "POST /todos/{item}/{verdict}": door(item(verdict="approve"), lambda world: VERSION, **ASKED_ONE),
    # An administrator may reassign, saying why.
    "POST /todos/{item}/handing-over": door(
        item(),
        lambda world: {**VERSION, "to": "head", "comment": "休假"},
        **{**ASKED_ONE, "administrator": 200},
    ),
    "POST /todos/{item}/signers": door(
        item(), lambda world: {**VERSION, "signer": "head", "position": "before"}, **ASKED_ONE
    ),
    # Invoices
    "GET /invoices": door(**ALL).telling(shows=SEES, marker=SELLER),
    "POST /invoices": door(None, upload, rest=201),
    "POST /invoices/by-hand": door(None, paper_in, rest=201),
    "GET /invoices/{invoice_id}": door(invoice("file"), **VISIBLE).telling(marker=SELLER),
    "PUT /invoices/{invoice_id}": door(invoice("paper"), paper_in, owner=200, sees=422, rest=404),
    "DELETE /invoices/{invoice_id}": door(invoice("paper"), owner=204, sees=422, rest=404),
    "GET /invoices/{invoice_id}/file": door(invoice("file"), **VISIBLE).telling(marker=SELLER),
    # Money
    "GET /payments/waiting": door(**ALL).telling(shows=MONEY, marker='"payee": "owner"'),
    "GET /payments/batches": door(**ALL).telling(shows=MONEY, marker="FK2026"),
    "POST /payments/batches": door(
        None, lambda world: {"entity": "SH", "orders": [world.order.pk]}, cashier=201, rest=403
    ),
    "GET /payments/batches/{number}": door(number("batch"), money=200, rest=404),
    "POST /payments/batches/{number}/take-out": door(
        number("batch"),
        with_version("batch", lambda world: {"orders": [world.order_in_batch.pk]}),
        cashier=200,
        money=403,
        rest=404,
    ),
    "POST /payments/batches/{number}/export": door(
        number("batch"), version("batch"), cashier=200, money=403, rest=404
    ).telling(marker=ACCOUNT),
    "GET /payments/batches/{number}/file": door(number("batch"), money=200, rest=404).telling(marker=ACCOUNT),
    "POST /payments/batches/{number}/pay": door(
        number("batch"), version("batch"), finance=200, cashier=422, auditor=403, rest=404
    ),
    "GET /vouchers": door(**ALL).telling(shows=MONEY, marker="报销 owner"),
    "GET /budgets": door(**ALL).telling(shows=SEES - {"owner"}, marker=BUDGET),
    # What one was told
    "GET /notices": door(**ALL).telling(shows=frozenset({"owner"}), marker='"tone": "good"'),
    "POST /notices/read": door(None, lambda world: {"notices": [world.notice]}, **ALL).telling(
        shows=frozenset({"owner"}), marker='"read": 1'
    ),
    # Outside systems
    "GET /connections": door(administrator=200, outpost=200, rest=403).telling(
        shows=frozenset({"administrator"}), marker="钉钉"
    ),
    "GET /connections/{slug}": door(slug, **ADMINISTERS).telling(marker="钉钉"),
    "GET /connections/{slug}/parked": door(slug, **ADMINISTERS).telling(marker=PARKED),
    "POST /connections/{slug}/parked/replay": door(slug, **ADMINISTERS),
    "POST /connections/{slug}/parked/{box}/{message_id}/replay": door(message, **ADMINISTERS),
    "POST /connections/{slug}/parked/out/{message_id}/drop": door(
        message, lambda world: {"reason": "不再需要"}, **{**ADMINISTERS, "administrator": 204}
    ),
    "POST /connections/{slug}/reconcile": door(slug, **{**ADMINISTERS, "administrator": 202}),
    "GET /connections/{slug}/check": door(slug, **ADMINISTERS),
    "GET /connections/{slug}/exchanges": door(slug, **ADMINISTERS).telling(marker="approval.came"),
    "GET /connections/{slug}/exchanges/{key}": door(exchange, **ADMINISTERS).telling(marker="approval.came"),
    "GET /connections/exchanges/{kind}/{key}": door(
        lambda world: {"kind": world.asked.KIND, "key": world.asked.pk},
        administrator=200,
        outpost=404,
        rest=403,
    ).telling(marker="approval.came"),
    "GET /connections/kinds": door(administrator=200, outpost=200, rest=403),
    "POST /connections": door(
        None, lambda world: {"kind": "feishu", "uses": ["messages"]}, administrator=201, outpost=201, rest=403
    ),
    "GET /connections/{slug}/setup": door(slug, **ADMINISTERS).telling(marker="钉钉"),
    "PUT /connections/{slug}/use": door(slug, seen({"uses": ["messages"]}), **ADMINISTERS),
    "PUT /connections/{slug}/credentials": door(slug, seen({"values": CREDENTIALS}), **ADMINISTERS),
    # Its credentials are not there, so the check that comes first fails.
    "POST /connections/{slug}/on": door(
        slug, seen({"entities": []}), **{**ADMINISTERS, "administrator": 422}
    ),
    "POST /connections/{slug}/off": door(slug, seen({}), **ADMINISTERS),
    "PUT /connections/{slug}/entities/{code}": door(entity, seen({}), **ADMINISTERS),
    "DELETE /connections/{slug}/entities/{code}": door(
        entity, **{**ADMINISTERS, "administrator": 409}
    ).telling(query="?version=0123456789abcdef"),
    # What DingTalk's own answer would need (its credentials) is not there: said, not done.
    "GET /connections/{slug}/forms/{kind}": door(paper_kind, **{**ADMINISTERS, "administrator": 400}).telling(
        query="?code=PROC-1"
    ),
    "PUT /connections/{slug}/forms/{kind}": door(
        paper_kind, seen({"code": "PROC-1", "fields": {}}), **{**ADMINISTERS, "administrator": 400}
    ),
    "GET /connections/{slug}/directory/runs": door(slug, **ADMINISTERS),
    "POST /connections/{slug}/directory/runs": door(slug, **{**ADMINISTERS, "administrator": 202}),
    "GET /connections/{slug}/directory/runs/{run_id}": door(directory_run, **ADMINISTERS),
    "GET /connections/{slug}/directory/runs/{run_id}/differences": door(directory_run, **ADMINISTERS).telling(
        marker=NEWCOMER
    ),
    "POST /connections/{slug}/directory/runs/{run_id}/apply": door(
        directory_run, lambda world: {}, **ADMINISTERS
    ),
    "POST /connections/{slug}/directory/runs/{run_id}/discard": door(directory_run, **ADMINISTERS),
    "GET /connections/{slug}/directory/conflicts": door(slug, **ADMINISTERS).telling(marker=TWIN),
    "POST /connections/{slug}/directory/conflicts/resolve": door(
        slug,
        lambda world: {"userid": "ou_twin", "employee": "owner"},
        **{**ADMINISTERS, "administrator": 204},
    ),
    "POST /connections/{slug}/directory/conflicts/keep-apart": door(
        slug, lambda world: {"userid": "ou_twin"}, **{**ADMINISTERS, "administrator": 204}
    ),
    "POST /connections/{slug}/directory/conflicts/leave-out": door(
        slug, lambda world: {"userid": "ou_twin"}, **{**ADMINISTERS, "administrator": 204}
    ),
    "GET /issues": door(administrator=200, outpost=200, rest=403).telling(
        shows=frozenset({"administrator"}), marker=PARKED
    ),
    # Figures
    "GET /insights": door(**ALL).telling(shows=SEES - {"cashier"}, marker="144.00"),
    "GET /insights/documents": door(**ALL).telling(shows=SEES - {"cashier"}),
}


# Pages: a stranger who is not signed in is sent to the sign-in. Keys are the names of the URLconf.

OPEN = frozenset(ROLES)
PAGE_OWNER = {"owner": 200, "sees": 403, "rest": 404}
DONE_BY_OWNER = {"owner": 302, "sees": 403, "rest": 404}
PAGE_ASKED = {"approver": 200, "rest": 404}
BATCH = {"money": 200, "foreigner": 404, "rest": 403}
DESK = {"money": 200, "foreigner": 200, "rest": 403}
PAGE_ADMINISTERS = {"administrator": 200, "outpost": 404, "rest": 403}
DONE_BY_ADMINISTRATOR = {**PAGE_ADMINISTERS, "administrator": 302}


def item_id(world: World) -> dict[str, Any]:
    return {"item_id": world.item(world.asked)}


def removed(world: World) -> dict[str, Any]:
    from django.core import signing

    from viatica.front.papers.reports import REMOVED, _as_json

    line = world.draft.lines.get(no=1)
    return {**version("draft")(world), "removed": signing.dumps(_as_json(line), salt=REMOVED, compress=True)}


def picture_token(world: World) -> dict[str, Any]:
    return {"token": world.file.picture_token}


PAGES: dict[str, Door] = {
    "GET front:mine": door(**ALL).telling(shows=frozenset({"owner"})),
    # Doors of the house itself
    "GET front:sign_in": door(nobody=200, **ALL),
    "POST front:sign_in_as": door(lambda world: {"username": "owner"}, nobody=404, rest=404),
    "GET front:outside_start": door(slug, nobody=404, rest=404),
    "GET front:outside_finish": door(slug, nobody=400, rest=400),
    "GET front:inside": door(slug, nobody=404, rest=404),
    "POST front:sign_out": door(nobody=302, rest=302),
    "POST front:language": door(None, lambda world: {"language": "en"}, nobody=302, rest=302),
    # Trips
    "GET front:trip_new": door(**ALL),
    "GET front:trip": door(number("trip_draft"), **VISIBLE),
    "GET front:trip_live": door(number("trip_asked"), **VISIBLE),
    "GET front:trip_edit": door(number("trip_draft"), **PAGE_OWNER),
    "GET front:trip_submit": door(number("trip_draft"), **PAGE_OWNER),
    "POST front:trip_submit": door(number("trip_draft"), version("trip_draft"), **DONE_BY_OWNER),
    "POST front:trip_withdraw": door(number("trip_asked"), **DONE_BY_OWNER),
    "POST front:trip_urge": door(number("trip_asked"), **DONE_BY_OWNER),
    # Reports
    "GET front:report_new": door(**ALL),
    "GET front:report": door(number("draft"), **VISIBLE),
    "GET front:report_live": door(number("asked"), **VISIBLE),
    "GET front:report_edit": door(number("draft"), **PAGE_OWNER),
    "POST front:report_invoices": door(
        number("draft"), lambda world: {"files": upload(world)["file"]}, **DONE_BY_OWNER
    ),
    "GET front:line_new": door(number("draft"), **PAGE_OWNER),
    "GET front:line": door(number_and_line("draft", 1), **PAGE_OWNER),
    "POST front:line_remove": door(number_and_line("draft", 1), version("draft"), **DONE_BY_OWNER),
    "POST front:line_reason": door(
        number_and_line("draft", 1), with_version("draft", {"reason": "深夜"}), **DONE_BY_OWNER
    ),
    "POST front:line_restore": door(number("draft"), removed, **DONE_BY_OWNER),
    "GET front:picture": door(number_and_line("draft", 2), **VISIBLE).telling(marker=SELLER),
    "GET front:report_submit": door(number("draft"), **PAGE_OWNER),
    "POST front:report_submit": door(number("draft"), version("draft"), **DONE_BY_OWNER),
    "POST front:report_withdraw": door(number("asked"), **DONE_BY_OWNER),
    "POST front:report_urge": door(number("asked"), **DONE_BY_OWNER),
    # Approvals
    "GET front:approvals": door(**ALL).telling(shows=frozenset({"approver"})),
    "POST front:approve_many": door(None, lambda world: {"item": world.item(world.asked)}, rest=302),
    "GET front:approval": door(item_id, **PAGE_ASKED),
    "GET front:approval_live": door(item_id, **PAGE_ASKED),
    "POST front:decide": door(
        item_id, lambda world: {**VERSION, "verdict": "approve"}, **{**PAGE_ASKED, "approver": 302}
    ),
    "GET front:hand_over": door(item_id, **PAGE_ASKED),
    "GET front:add_signer": door(item_id, **PAGE_ASKED),
    # Finance
    "GET front:finance": door(money=302, foreigner=302, rest=403),
    "GET front:audits": door(finance=200, auditor=200, foreigner=200, rest=403).telling(
        shows=frozenset({"finance"})
    ),
    "GET front:audit": door(number("to_audit"), finance=200, auditor=200, sees=403, rest=404),
    "POST front:audit_decide": door(
        number("to_audit"), with_version("to_audit", {"verdict": "pass"}), finance=302, sees=403, rest=404
    ),
    "GET front:payments": door(**DESK).telling(shows=MONEY, marker="BX2026"),
    "GET front:batches": door(**DESK).telling(shows=MONEY, marker="FK2026"),
    "POST front:make_batch": door(
        None,
        lambda world: {"entity": world.company.entity.pk, "order": world.order.pk},
        cashier=302,
        rest=403,
    ),
    "GET front:batch": door(number("batch"), **BATCH).telling(marker="BX2026"),
    "POST front:batch_file": door(
        number("batch"), version("batch"), cashier=200, money=403, foreigner=404, rest=403
    ).telling(marker=ACCOUNT),
    "POST front:batch_paid": door(
        number("batch"), version("batch"), finance=302, cashier=422, auditor=403, foreigner=404, rest=403
    ),
    "POST front:batch_take_out": door(
        number("batch"),
        with_version("batch", lambda world: {"order": world.order_in_batch.pk}),
        cashier=302,
        money=403,
        foreigner=404,
        rest=403,
    ),
    # Outside systems
    "GET front:connections": door(administrator=200, outpost=200, rest=403).telling(
        shows=frozenset({"administrator"}), marker=PARKED
    ),
    "GET front:connection": door(slug, **PAGE_ADMINISTERS).telling(marker=PARKED),
    "GET front:connection_new": door(administrator=200, outpost=200, rest=403),
    "POST front:connection_new": door(
        None, lambda world: {"kind": "feishu", "uses": "messages"}, administrator=302, outpost=302, rest=403
    ),
    "GET front:connection_setup": door(setup_step("switch"), **PAGE_ADMINISTERS).telling(marker="钉钉"),
    "POST front:connection_setup": door(
        setup_step("credentials"), seen(CREDENTIALS), **DONE_BY_ADMINISTRATOR
    ),
    "GET front:exchanges": door(slug, **PAGE_ADMINISTERS).telling(marker="钉钉"),
    "GET front:exchange": door(exchange, **PAGE_ADMINISTERS).telling(marker="approval.came"),
    "POST front:replay": door(
        slug, lambda world: {"what": "one", "message": f"out:{world.parked.pk}"}, **DONE_BY_ADMINISTRATOR
    ),
    # What DingTalk's own answer would need (its credentials) is not there: said, not done.
    "POST front:compare": door(slug, **{**DONE_BY_ADMINISTRATOR, "administrator": 400}),
    "POST front:check": door(slug, **DONE_BY_ADMINISTRATOR),
    # Everywhere
    "GET front:notices": door(**ALL).telling(shows=frozenset({"owner"}), marker="已通过审批"),
    "GET front:notice": door(lambda world: {"notice_id": world.notice}, rest=302),
    "POST front:notices_read": door(rest=302),
    "GET front:search": door(**ALL).telling(query="?q=机密", shows=SEES),
    "GET front:paper_exchanges": door(
        lambda world: {"kind": world.asked.KIND, "key": world.asked.pk},
        administrator=200,
        outpost=404,
        rest=403,
    ).telling(marker="BX2026"),
    "GET front:paper": door(
        lambda world: {"kind": world.asked.KIND, "key": world.asked.pk}, sees=302, rest=404
    ).telling(marker="BX2026"),
    # The address is the key: an OA fetches it without a sign-in.
    "GET front:picture_by_token": door(picture_token, nobody=200, **ALL),
    # Figures
    "GET insights:overview": door(**ALL).telling(shows=SEES - {"cashier"}, marker="144.00"),
    "GET insights:overview_file": door(**ALL).telling(shows=SEES - {"cashier"}, marker="144.00"),
    "GET insights:documents": door(**ALL).telling(shows=SEES - {"cashier"}),
    "GET insights:documents_file": door(**ALL).telling(shows=SEES - {"cashier"}),
    # The machine's
    "POST spine:hook": door(lambda world: {"slug": "nowhere"}, nobody=404, rest=404),
    "GET spine:healthz": door(nobody=200, **ALL),
    "GET spine:readyz": door(nobody=200, **ALL),
    "GET spine:metrics": door(nobody=200, **ALL).telling(shows=frozenset()),
    "GET api:openapi-json": door(nobody=200, **ALL).telling(shows=frozenset()),
    "GET api:openapi-view": door(nobody=200, **ALL).telling(shows=frozenset()),
    "GET api:api-root": door(nobody=404, rest=404),
}


def fill(address: str, values: dict[str, Any]) -> str:
    return address.format(**{name: str(value) for name, value in values.items()})
