"""Three months of trips and reports, lived through with the product's own journeys: what they leave behind is real."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from random import Random

from django.db import transaction

from viatica.config.demo import plan
from viatica.config.demo.calendar import ZONE, Calendar
from viatica.config.demo.receipts import Bill, Bureau, of_trip, of_work, order_of
from viatica.config.demo.structure import Company
from viatica.documents.expense import journey as reports
from viatica.documents.expense.models import ExpenseReport, ReportState
from viatica.documents.expense.services import LineDraft, ReportDraft
from viatica.documents.travel import journey as trips
from viatica.documents.travel.models import TravelRequest, TravelState
from viatica.documents.travel.services import LegDraft, TripDraft
from viatica.kernel.errors import ViaticaError
from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.offices.access.queries import viewer_of
from viatica.offices.access.viewer import Viewer
from viatica.offices.approval import services as approval
from viatica.offices.approval.models import Item, ItemState
from viatica.offices.company.categories import Category
from viatica.offices.company.models import Employee
from viatica.offices.invoices import services as invoices
from viatica.offices.invoices.models import Invoice
from viatica.offices.payment import services as payment
from viatica.offices.payment.models import BatchState, OrderState, PaymentBatch, PaymentOrder

MONTHS = timedelta(days=92)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

PURPOSES = {
    "销售": (
        "拜访{city}客户，推进续约",
        "{city}重点客户季度回访",
        "{city}招标项目现场答疑",
        "{city}渠道伙伴洽谈",
    ),
    "客户": ("{city}客户商务谈判", "{city}行业客户交流会", "{city}年度框架合同签署"),
    "实施": ("{city}项目上线支持", "{city}现场实施第二阶段", "{city}数据迁移与验收", "{city}用户培训"),
    "交付": ("{city}项目上线支持", "{city}现场部署与联调", "{city}项目验收"),
    "研发": ("{city}联合实验室技术交流", "{city}客户环境问题排查", "{city}开发者大会"),
    "采购": ("{city}供应商审核", "{city}样品验收与议价"),
    "": ("{city}出差办公", "{city}公司例会与交流", "{city}行业会议", "{city}现场支持"),
}
REASONS = ("展会期间酒店满房", "临时改期，余票仅剩高价", "客户指定酒店，便于会谈", "末班高铁已售罄")
SENT_BACK = ("请补充客户名称", "住宿超标请说明原因", "行程与申请不一致，请核对", "请关联对应项目")
REJECTED = ("本月出差已排满，请改为线上会议", "预算紧张，暂缓", "与上周出差重复")
AUDIT_BACK = ("发票抬头有误，请换开", "缺少住宿清单", "请把招待费单独填报")


@dataclass(slots=True)
class History:
    """`refused` counts what the product said no to, by code; a full budget is the only expected one."""

    company: Company
    calendar: Calendar
    bureau: Bureau
    goes_live: datetime
    trips: int
    work_reports: int
    serial: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    _viewers: dict[int, Viewer] = field(default_factory=dict)

    @property
    def random(self) -> Random:
        return self.calendar.random

    def viewer(self, person: Employee) -> Viewer:
        if person.pk not in self._viewers:
            self._viewers[person.pk] = viewer_of(person.user.pk)
        return self._viewers[person.pk]

    def viewer_called(self, login: str) -> Viewer:
        return self.viewer(self.company.logins[login])


def write(history: History, *, switch_on: Callable[[], object]) -> int:
    """Live through the months. `switch_on` connects the OA when its day has come."""
    start = history.calendar.ends - MONTHS
    for _ in range(history.trips):
        _plan_trip(history, start)
    for _ in range(history.work_reports):
        _plan_work_report(history, start)
    _plan_paydays(history, start)
    _plan_cast(history)

    def go_live(_at: datetime) -> None:
        switch_on()

    history.calendar.plan(history.goes_live, go_live)
    return history.calendar.live()


# Trips


@dataclass(slots=True)
class TripPlan:
    owner: Employee
    city: str
    leaves_on: date
    nights: int
    project: str | None
    purpose: str
    is_sure: bool = False  # the story needs it approved and unreported
    is_waiting: bool = False  # the visitor decides

    @property
    def returns_on(self) -> date:
        return self.leaves_on + timedelta(days=self.nights)


def _plan_trip(history: History, start: datetime) -> None:
    random = history.random
    owner, key = _traveller(history)
    far = (history.calendar.ends - start).days + 8
    leaves = (start + timedelta(days=random.randrange(3, far))).astimezone(ZONE).date()
    home = plan.HOME_CITY[key[:2]]
    city = random.choice(
        [
            name
            for name, tier, _ in plan.CITIES
            if name != home and (tier != "abroad" or random.random() < 0.1)
        ]
    )
    trip = TripPlan(
        owner=owner,
        city=city,
        leaves_on=leaves,
        nights=random.choices((1, 2, 3, 4, 5), (30, 34, 20, 10, 6))[0],
        project=random.choice(list(history.company.projects)) if random.random() < 0.22 else None,
        purpose=_purpose(random, history.company.departments[key].name, city),
    )
    asked = datetime.combine(leaves - timedelta(days=random.randrange(2, 9)), time(10), ZONE)
    at = history.calendar.at_work(asked, -HOUR, 8 * HOUR)
    history.calendar.plan(at, lambda at: _ask_for_trip(history, trip, at))


def _traveller(history: History) -> tuple[Employee, str]:
    random = history.random
    weights = [(one.people + 1) * one.travel for one in plan.DEPARTMENTS]
    key = random.choices([one.key for one in plan.DEPARTMENTS], weights)[0]
    return random.choice(history.company.members[key]), key


def _purpose(random: Random, department: str, city: str) -> str:
    words = next(words for part, words in PURPOSES.items() if part in department)
    return random.choice(words).format(city=city)


def _ask_for_trip(history: History, trip: TripPlan, at: datetime) -> None:
    estimate = {
        Category.RAIL: Decimal(history.random.randrange(8, 24) * 50),
        Category.LODGING: Decimal(trip.nights * history.random.randrange(7, 13) * 50),
        Category.MEALS: Decimal((trip.nights + 1) * 100),
        Category.TAXI: Decimal((trip.nights + 1) * 80),
    }
    draft = TripDraft(
        purpose=trip.purpose,
        legs=[
            LegDraft(
                city_id=history.company.cities[trip.city].pk,
                leaves_on=trip.leaves_on,
                returns_on=trip.returns_on,
                origin=plan.HOME_CITY[trip.owner.entity.code],
            )
        ],
        estimates={category: Money(amount, "CNY") for category, amount in estimate.items()},
        project_id=history.company.projects[trip.project].pk if trip.project else None,
    )
    viewer = history.viewer(trip.owner)
    made = trips.create(viewer=viewer, draft=draft, at=at, via="web")
    if not trip.is_sure and history.random.random() < 0.03:
        return  # never handed in
    at = at + timedelta(minutes=history.random.randrange(2, 12))

    def hand_in(at: datetime) -> None:
        row = TravelRequest.objects.select_related("owner__grade", "department").get(pk=made.pk)
        trips.submit(trip=row, viewer=viewer, expected_version=row.version, at=at, via="web")
        if not trip.is_waiting:
            _await_decision(history, row.ref, at, _after_trip(history, trip, row.ref), is_sure=trip.is_sure)

    history.calendar.plan(at, lambda at: _try(history, hand_in, at))


def _after_trip(history: History, trip: TripPlan, ref: Ref) -> Callable[[datetime], None]:
    """Once approved and travelled, most people claim within the week."""

    def decided(at: datetime) -> None:
        row = TravelRequest.objects.get(pk=int(ref.key))
        if row.state == TravelState.RETURNED:
            back = history.calendar.at_work(at, HOUR, 6 * HOUR)
            history.calendar.plan(
                back, lambda at: _try(history, lambda at: _again(history, trip, ref, at), at)
            )
        if row.state != TravelState.APPROVED or trip.is_sure or history.random.random() < 0.05:
            return
        home = datetime.combine(trip.returns_on, time(18), ZONE)
        claim = history.calendar.at_work(max(home, at), 10 * HOUR, 6 * DAY)
        history.calendar.plan(claim, lambda at: _claim_trip(history, trip, row.pk, at))

    return decided


def _again(history: History, trip: TripPlan, ref: Ref, at: datetime) -> None:
    row = TravelRequest.objects.select_related("owner__grade", "department").get(pk=int(ref.key))
    trips.submit(trip=row, viewer=history.viewer(trip.owner), expected_version=row.version, at=at, via="web")
    _await_decision(history, ref, at, _after_trip(history, trip, ref))


# Reports


def _claim_trip(history: History, trip: TripPlan, trip_id: int, at: datetime) -> None:
    bills = of_trip(
        history.random, home=plan.HOME_CITY[trip.owner.entity.code], city=trip.city,
        tier=history.company.cities[trip.city].tier, leaves_on=trip.leaves_on, nights=trip.nights,
        traveller=trip.owner.name, heads=trip.owner.grade.rank >= 11,
    )  # fmt: skip
    project = history.company.projects[trip.project].pk if trip.project else None
    _claim(
        history,
        trip.owner,
        f"{trip.city}出差：{trip.purpose}"[:60],
        bills,
        at,
        trip_id=trip_id,
        project_id=project,
    )


def _plan_work_report(history: History, start: datetime) -> None:
    random = history.random
    owner, _key = _traveller(history)
    span = (history.calendar.ends - start).total_seconds()
    at = history.calendar.at_work(start, DAY, timedelta(seconds=span))

    def claim(at: datetime) -> None:
        title, bills = of_work(random, at.astimezone(ZONE).date())
        _claim(history, owner, title, bills, at)

    history.calendar.plan(at, claim)


def _claim(
    history: History,
    owner: Employee,
    title: str,
    bills: Sequence[Bill],
    at: datetime,
    *,
    trip_id: int | None = None,
    project_id: int | None = None,
) -> None:
    viewer = history.viewer(owner)
    lines = [_line(history, owner, bill, at) for bill in bills]
    draft = ReportDraft(title=title, lines=lines, trip_id=trip_id, project_id=project_id)
    report = reports.create(viewer=viewer, draft=draft, at=at, via="web")
    if history.random.random() < 0.04:
        return  # still a draft
    later = at + timedelta(minutes=history.random.randrange(3, 30))
    history.calendar.plan(
        later, lambda at: _try(history, lambda at: _hand_in(history, report.pk, owner, at), at)
    )


def _line(history: History, owner: Employee, bill: Bill, at: datetime) -> LineDraft:
    invoice = _take_in(history, owner, bill, at) if bill.item else None
    return LineDraft(
        category=bill.category,
        day=bill.day,
        paid=Money(bill.gross, "CNY"),
        city_id=history.company.cities[bill.city].pk if bill.city else None,
        nights=bill.nights,
        tax=invoice.tax_money if invoice and invoice.is_deductible else None,
        note=bill.note,
        reason=history.random.choice(REASONS) if bill.reason else "",
        invoice_id=invoice.pk if invoice else None,
        recognised=["category", "day", "paid", "tax", "note"] if invoice else [],
    )


def _take_in(history: History, owner: Employee, bill: Bill, at: datetime) -> Invoice:
    buyer = owner.entity
    history.serial += 1
    order = order_of(bill, (buyer.name, buyer.tax_id), history.serial, f"{history.serial}.xml")
    data = history.bureau.issue(order).read_bytes()
    name = f"{bill.day:%m%d}{bill.note[:8]}.xml"
    return invoices.take_in(data=data, name=name, owner=owner, entity=owner.entity, at=at)


def _hand_in(history: History, report_id: int, owner: Employee, at: datetime) -> None:
    report = ExpenseReport.objects.select_related("owner__grade", "department", "trip").get(pk=report_id)
    reports.submit(
        report=report, viewer=history.viewer(owner), expected_version=report.version, at=at, via="web"
    )

    def decided(at: datetime) -> None:
        state = ExpenseReport.objects.values_list("state", flat=True).get(pk=report_id)
        if state == ReportState.TO_AUDIT:
            audit = history.calendar.at_work(at, 4 * HOUR, 5 * DAY)
            history.calendar.plan(audit, lambda at: _audit(history, report_id, owner, at))
        elif state == ReportState.RETURNED:
            _mend(history, report_id, owner, at)

    _await_decision(history, report.ref, at, decided)


def _mend(history: History, report_id: int, owner: Employee, at: datetime) -> None:
    if history.random.random() < 0.75:
        again = history.calendar.at_work(at, 2 * HOUR, 2 * DAY)
        history.calendar.plan(
            again, lambda at: _try(history, lambda at: _hand_in(history, report_id, owner, at), at)
        )


def _audit(history: History, report_id: int, owner: Employee, at: datetime) -> None:
    report = ExpenseReport.objects.select_related("owner", "department").get(pk=report_id)
    auditor = history.viewer_called("qiansiyuan" if owner.email.startswith("suwanqing") else "suwanqing")
    if history.random.random() < 0.06:
        comment = history.random.choice(AUDIT_BACK)
        reports.audit_send_back(
            report=report, viewer=auditor, comment=comment, expected_version=report.version, at=at, via="web"
        )
        _mend(history, report_id, owner, at)
    else:
        reports.audit_pass(report=report, viewer=auditor, expected_version=report.version, at=at, via="web")


# Approvals


def _await_decision(
    history: History, ref: Ref, at: datetime, decided: Callable[[datetime], None], *, is_sure: bool = False
) -> None:
    """Somebody in our own flow decides in office hours. What lies in the OA waits for the person who tries the demo."""
    slow = not is_sure and history.random.random() < 0.3
    when = history.calendar.at_work(at, timedelta(minutes=20), 3 * DAY if slow else 9 * HOUR)
    history.calendar.plan(when, lambda at: _decide(history, ref, at, decided, is_sure=is_sure))


def _decide(
    history: History, ref: Ref, at: datetime, decided: Callable[[datetime], None], *, is_sure: bool
) -> None:
    asked = Item.objects.filter(
        case__ref_kind=ref.kind, case__ref_key=ref.key, case__connection=None, state=ItemState.OPEN
    )
    item = asked.select_related("approver", "case").order_by("pk").first()
    if item is None or item.approver is None:
        return
    dice = 1.0 if is_sure else history.random.random()
    verdict = "approve"
    words: tuple[str, ...] = ("同意",)
    if dice < 0.03:
        verdict, words = "reject", REJECTED
    elif dice < 0.075:
        verdict, words = "send_back", SENT_BACK
    elif dice < 0.6:
        words = ("",)
    with transaction.atomic():
        case = approval.decide(
            item_id=item.pk, actor=item.approver, verdict=approval.Verdict(verdict),
            comment=history.random.choice(words), expected_version=item.version, at=at, via="web",
        )  # fmt: skip
    if case.concluded_at is None:
        _await_decision(history, ref, at, decided, is_sure=is_sure)
    else:
        decided(at)


# Money


def _plan_paydays(history: History, start: datetime) -> None:
    """Fridays: a batch for each entity in the morning, confirmed in the afternoon."""
    day = start.astimezone(ZONE).date()
    while day <= history.calendar.ends.astimezone(ZONE).date():
        if day.weekday() == 4:
            morning = datetime.combine(day, time(10, 20), ZONE)
            history.calendar.plan(morning, lambda at: _make_batches(history, at))
            history.calendar.plan(morning + 5 * HOUR, lambda at: _confirm_batches(history, at))
        day += DAY


def _make_batches(history: History, at: datetime) -> None:
    cashier = history.viewer_called("jinke")
    for entity in history.company.entities.values():
        due = PaymentOrder.objects.filter(
            entity=entity, state=OrderState.WAITING, ordered_at__lt=at - 12 * HOUR
        )
        orders = list(due.order_by("pk").values_list("pk", flat=True))
        if orders:
            with transaction.atomic():
                payment.put_in_batch(orders, entity_id=entity.pk, actor=cashier, at=at)


def _confirm_batches(history: History, at: datetime) -> None:
    checker = history.viewer_called("qiansiyuan")
    # Today's batches stay open: the visitor marks them paid.
    if history.calendar.ends - at < DAY:
        return
    for batch in PaymentBatch.objects.filter(state=BatchState.OPEN).order_by("pk"):
        with transaction.atomic():
            payment.mark_paid(batch.pk, actor=checker, at=at, expected_version=batch.version)


# The cast of the demo


def _plan_cast(history: History) -> None:
    """林晓雨 is back from 南京 with an approved trip and a folder of invoices; 王博文 waits for 李卓 to let him go."""
    today = history.calendar.ends.astimezone(ZONE).date()
    people = history.company.logins
    back = TripPlan(
        people["linxiaoyu"], "南京", today - timedelta(days=4), 2, None, "南京重点客户季度回访", is_sure=True
    )
    asked = datetime.combine(today - timedelta(days=9), time(10, 12), ZONE)
    history.calendar.plan(asked, partial(_ask_for_trip, history, back))
    for hours, city, purpose in ((3, "济南", "济南招标项目现场答疑"), (26, "石家庄", "石家庄渠道伙伴洽谈")):
        leaves_on = today + timedelta(days=hours // 3 + 3)
        trip = TripPlan(people["wangbowen"], city, leaves_on, 2, None, purpose, is_sure=True, is_waiting=True)
        history.calendar.plan(history.calendar.ends - hours * HOUR, partial(_ask_for_trip, history, trip))


def _try(history: History, what: Callable[[datetime], None], at: datetime) -> None:
    """People run into the rules: what was refused stays a draft."""
    try:
        what(at)
    except ViaticaError as error:
        history.refused[error.code] += 1
