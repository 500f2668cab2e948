"""An OA around our pages: its desk leads to them, the timeline names it, and what it took back is not paid."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from viatica.documents.expense import journey
from viatica.documents.expense import queries as reports
from viatica.front.tests.conftest import House, text_of
from viatica.kernel import clock
from viatica.offices.access.services import issue_token
from viatica.offices.approval import ports, services
from viatica.offices.approval import queries as approvals
from viatica.offices.approval.desk import Taken, decide_from_desk
from viatica.offices.approval.ports import Capabilities, CaseStatus, InstanceId
from viatica.offices.approval.tests.toy import ToyOA
from viatica.offices.approval.tests.toy_desk import ToyDesk
from viatica.offices.company.models import OutsideIdentity
from viatica.offices.notices import ports as notices
from viatica.offices.notices.tests.conftest import Board
from viatica.offices.payment.models import PaymentBatch, PaymentOrder
from viatica.spine import relay
from viatica.spine.models import Connection, Issue


def connect(house: House, *uses: str) -> Connection:
    connection = Connection.objects.create(slug="oa", kind="dingtalk", name="某 OA", uses=list(uses))
    house.entity.connection = connection
    house.entity.save()
    for name in ("owner", "approver", "head"):
        OutsideIdentity.objects.create(
            employee=house.employee(name), connection=connection, userid=f"u-{name}"
        )
    return connection


# A desk


@pytest.fixture
def toy(house: House, monkeypatch: pytest.MonkeyPatch) -> ToyDesk:
    toy = ToyDesk(connect(house, "desk", "sign_in").pk)
    monkeypatch.setattr(ports, "_desks", {"dingtalk": lambda _: toy})
    return toy


def test_the_desk_leads_to_the_page_where_one_decides(house: House, toy: ToyDesk) -> None:
    report = house.report()
    relay.drain()
    (task,) = toy.paper(report.number).board.tasks
    page = f"/approvals/{house.item(report)}"
    assert task.url == f"http://testserver/sign-in/with/oa?next=%2Fapprovals%2F{house.item(report)}"
    assert toy.paper(report.number).board.url.endswith(f"?next=%2Freports%2F{report.number}")
    shown = house.client("approver").get(page)
    assert shown.status_code == 200
    assert 'value="approve"' in shown.content.decode()


def test_the_timeline_says_where_it_is_shown_and_decided(house: House, toy: ToyDesk) -> None:
    report = house.report()
    relay.drain()
    page = text_of(house.client("owner").get(f"/reports/{report.number}"))
    assert "系统 已将待办显示给审批人" in page
    assert "钉钉" in page
    connection = Connection.objects.get()
    told = toy.click(report.number, "u-approver", comment="同意")
    assert decide_from_desk(connection, [told], clock.now()) == [Taken.APPLIED]
    page = text_of(house.client("owner").get(f"/reports/{report.number}"))
    assert "同意" in page
    (decided,) = approvals.path(report.ref)[0].persons
    assert (decided.state, decided.via) == ("approved", "dingtalk")


# Told once, and told when it is over


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Board:
    wall = Board(kind="dingtalk")
    monkeypatch.setattr(notices, "_todos", {"dingtalk": lambda _: wall})
    monkeypatch.setattr(notices, "_messages", {"dingtalk": lambda _: wall})
    return wall


def todos(wall: Board) -> dict[str, str]:
    """Whose → its state."""
    return {userid: state for (userid, _key), (_todo, state) in wall.todos.items()}


def test_a_todo_is_finished_when_it_is_decided_on_our_page(house: House, wall: Board) -> None:
    connect(house, "todo", "messages", "sign_in")
    report = house.report()
    relay.drain()
    assert todos(wall) == {"u-approver": "open"}
    ((todo, _),) = wall.todos.values()
    assert todo.url.endswith(f"/sign-in/with/oa?next=%2Fapprovals%2F{house.item(report)}")
    house.decide(report)
    relay.drain()
    assert todos(wall) == {"u-approver": "done"}
    # The owner alone got a message: the approver's list of to-dos has told them.
    assert [userid for userid, _card in wall.cards.values()] == ["u-owner"]


def test_a_todo_is_taken_away_when_the_paper_is_withdrawn(house: House, wall: Board) -> None:
    connect(house, "todo")
    report = house.report()
    relay.drain()
    journey.withdraw(report=report, viewer=house.viewer("owner"), at=clock.now(), via="web")
    relay.drain()
    assert wall.todos == {}


def test_a_card_that_asks_says_when_it_is_over(house: House, wall: Board) -> None:
    connect(house, "messages")
    report = house.report()
    relay.drain()
    assert wall.words() == ["待处理"]
    item = approvals.open_items_of(report.ref)[0]
    services.hand_over(
        item_id=item.pk, actor=house.employee("approver"), to=house.employee("head"), expected_version=item.version,
        at=clock.now(),
    )  # fmt: skip
    relay.drain()
    shown = {userid: wall.shown[message].word for message, (userid, _card) in wall.cards.items()}
    assert shown == {"u-approver": "已转交", "u-head": "待处理"}


def test_whom_a_desk_shows_the_task_is_not_told_again(house: House, toy: ToyDesk, wall: Board) -> None:
    Connection.objects.update(uses=["desk", "todo", "messages"])
    report = house.report()
    relay.drain()
    assert toy.list_of("u-approver") == [report.number]
    assert (wall.todos, wall.cards) == ({}, {})


# Paying what an OA approved


@pytest.fixture
def oa(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[ToyOA]:
    oa = ToyOA(connect(house, "approval").pk, clock.now, can=Capabilities(may_be_undone=True))
    monkeypatch.setattr(ports, "_factories", {"dingtalk": lambda _: oa})
    yield oa


def approved_there(house: House, oa: ToyOA) -> PaymentOrder:
    """A report the OA approved, audited here: ready to be paid."""
    report = house.report()
    relay.drain()
    (instance,) = oa.instances.values()
    while open_tasks := [task for task in instance.tasks if task.status == "open"]:
        oa.decide(open_tasks[0].userid)
    for news in oa.news:
        services.apply(news, at=clock.now())
    oa.news.clear()
    report = reports.get(report.number, house.viewer("finance"))
    journey.audit_pass(
        report=report,
        viewer=house.viewer("finance"),
        expected_version=report.version,
        at=clock.now(),
        via="web",
    )
    return PaymentOrder.objects.get()


def take_back(oa: ToyOA) -> None:
    """Nobody tells us."""
    (instance_id,) = oa.instances
    oa.end(InstanceId(instance_id), CaseStatus.WITHDRAWN)
    oa.news.clear()


def make_batch(house: House, order: PaymentOrder) -> PaymentBatch:
    form = {"once": "a", "entity": str(house.entity.pk), "order": [str(order.pk)]}
    assert house.client("cashier").post("/finance/batches/new", form).status_code == 302
    return PaymentBatch.objects.get()


def test_what_was_taken_back_is_put_in_no_batch(house: House, oa: ToyOA) -> None:
    order = approved_there(house, oa)
    take_back(oa)
    form = {"once": "a", "entity": str(house.entity.pk), "order": [str(order.pk)]}
    page = house.client("cashier").post("/finance/batches/new", form)
    assert page.status_code == 422
    assert f"{order.number} 的审批已在 某 OA 中被撤销" in text_of(page)
    assert not PaymentBatch.objects.exists()
    assert Issue.objects.get(closed_at=None).kind == "approval.undone"


@pytest.mark.parametrize(("step", "who"), [("file", "cashier"), ("paid", "cashier2")])
def test_taken_back_after_the_batch_was_made_nothing_goes_to_the_bank(
    house: House, oa: ToyOA, step: str, who: str
) -> None:
    batch = make_batch(house, approved_there(house, oa))
    take_back(oa)
    form = {"once": "b", "version": str(batch.version)}
    page = house.client(who).post(f"/finance/batches/{batch.number}/{step}", form)
    assert page.status_code == 422
    assert "被撤销" in text_of(page)
    batch.refresh_from_db()
    assert (batch.state, PaymentOrder.objects.get().state) == ("open", "batched")


def test_what_the_bank_has_is_recorded_as_paid(house: House, oa: ToyOA) -> None:
    batch = make_batch(house, approved_there(house, oa))
    form = {"once": "b", "version": str(batch.version)}
    assert house.client("cashier").post(f"/finance/batches/{batch.number}/file", form).status_code == 200
    take_back(oa)
    batch.refresh_from_db()
    form = {"once": "c", "version": str(batch.version)}
    assert house.client("cashier2").post(f"/finance/batches/{batch.number}/paid", form).status_code == 302
    assert PaymentOrder.objects.get().state == "paid"


def test_the_oa_is_down_and_nothing_is_paid_blindly(house: House, oa: ToyOA) -> None:
    batch = make_batch(house, approved_there(house, oa))
    oa.down = True
    form = {"once": "b", "version": str(batch.version)}
    page = house.client("cashier2").post(f"/finance/batches/{batch.number}/paid", form)
    assert page.status_code == 503
    assert "请几分钟后再试" in text_of(page)
    assert PaymentOrder.objects.get().state == "batched"
    oa.down = False
    assert house.client("cashier2").post(f"/finance/batches/{batch.number}/paid", form).status_code == 302


@pytest.mark.parametrize("step", ["export", "pay"])
def test_the_api_is_no_laxer(house: House, oa: ToyOA, step: str) -> None:
    order = approved_there(house, oa)

    def call(who: str, path: str, body: dict[str, object]) -> tuple[int, str]:
        token = issue_token(user=house.people[who], name="t", at=clock.now())
        answer = house.client(who).post(
            f"/api/v1/payments/batches{path}",
            body,
            "application/json",
            headers={"Authorization": f"Bearer {token}"},
        )
        return answer.status_code, answer.json().get("code", "")

    assert call("cashier", "", {"entity": "SH", "orders": [order.pk]}) == (201, "")
    batch = PaymentBatch.objects.get()
    take_back(oa)
    who = "cashier" if step == "export" else "cashier2"
    assert call(who, f"/{batch.number}/{step}", {"version": batch.version}) == (422, "approval.undone")
    batch.refresh_from_db()
    assert batch.state == "open"
