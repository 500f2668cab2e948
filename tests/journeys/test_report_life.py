"""One report's life, and every way it can end."""

import pytest
from django.db import IntegrityError

from tests.journeys.conftest import Desk, refuses, taxi
from viatica.documents import errors
from viatica.documents.expense import journey, queries, services
from viatica.documents.expense.models import ExpenseLine, ExpenseReport
from viatica.kernel.errors import NotFound
from viatica.offices.access.viewer import RoleNeeded
from viatica.offices.budget.services import BudgetShort
from viatica.offices.invoices.services import AlreadyClaimed
from viatica.offices.ledger import queries as ledger
from viatica.offices.notices.models import Notice
from viatica.offices.payment import queries as payments
from viatica.spine import facts
from viatica.spine.models import Fact


def told(report: ExpenseReport) -> list[str]:
    return [row.fact for row in facts.timeline(report.ref)]


def test_from_draft_to_paid(desk: Desk) -> None:
    invoice = desk.paper_invoice("26317000000123456789")
    report = desk.draft(taxi("48.00", invoice_id=invoice.pk), taxi("52.00", reason="深夜无地铁"))
    assert report.total_amount == 100
    desk.submit(report)
    assert desk.state(report) == "in_approval"
    assert desk.standing() == ("100.00", "0.00")
    desk.decide(report.ref)
    assert desk.state(report) == "to_audit"
    assert desk.standing() == ("0.00", "100.00")
    desk.audit(report)
    assert desk.state(report) == "to_pay"
    voucher = ledger.voucher_of(report.ref)
    assert voucher is not None and voucher.total == 100
    desk.pay(report)
    assert desk.state(report) == "paid"
    order = payments.order_of(report.ref)
    assert order is not None and order.state == "paid"
    assert [fact for fact in told(report) if fact.startswith("report.")] == [
        "report.created", "report.submitted", "report.approved", "report.audited", "report.paid",
    ]  # fmt: skip
    kinds = list(
        Notice.objects.filter(employee_id=report.owner_id).order_by("id").values_list("kind", flat=True)
    )
    assert kinds == ["report.approved", "report.paid"]


def test_withdrawn_it_holds_nothing(desk: Desk) -> None:
    invoice = desk.paper_invoice("26317000000123456789")
    report = desk.handed_in(taxi(invoice_id=invoice.pk))
    desk.withdraw(report)
    assert desk.state(report) == "draft"
    assert desk.standing() == ("0.00", "0.00")
    desk.submit(queries.get(report.number, desk.company.viewer("owner")))
    assert desk.state(report) == "in_approval"


@pytest.mark.parametrize(("verdict", "state"), [("reject", "rejected"), ("send_back", "returned")])
def test_refused_it_holds_nothing(desk: Desk, verdict: str, state: str) -> None:
    report = desk.handed_in(taxi())
    desk.decide(report.ref, verdict, comment="请补充说明")
    assert desk.state(report) == state
    assert desk.standing() == ("0.00", "0.00")


def test_sent_back_by_finance_money_and_invoices_are_free_again(desk: Desk) -> None:
    invoice = desk.paper_invoice("26317000000123456789")
    report = desk.handed_in(taxi(invoice_id=invoice.pk))
    desk.decide(report.ref)
    report.refresh_from_db()
    journey.audit_send_back(
        report=report, viewer=desk.company.viewer("finance"), comment="发票抬头不对", expected_version=report.version,
        at=desk.at, via="web",
    )  # fmt: skip
    assert desk.state(report) == "returned"
    assert desk.standing() == ("0.00", "0.00")
    other = desk.draft(taxi(invoice_id=invoice.pk))
    desk.submit(other)
    assert desk.state(other) == "in_approval"


def test_the_report_takes_over_what_its_trip_held(desk: Desk) -> None:
    trip = desk.submit_trip(desk.trip(rail="1000", lodging="1500"))
    assert desk.standing() == ("2500.00", "0.00")
    desk.decide(trip.ref)
    assert desk.state(trip) == "approved"
    desk.submit(desk.draft(taxi("48.00"), trip=trip))
    assert desk.standing() == ("48.00", "0.00")


def test_an_invoice_claimed_twice_names_where_it_is(desk: Desk) -> None:
    invoice = desk.paper_invoice("26317000000123456789")
    first = desk.handed_in(taxi(invoice_id=invoice.pk))
    twin = desk.paper_invoice("26317000000123456789", owner="colleague")
    second = desk.draft(taxi(invoice_id=twin.pk), owner="colleague")
    with refuses(AlreadyClaimed) as refused:
        desk.submit(second)
    assert refused.value.params["document"] == first.number
    assert desk.state(second) == "draft"
    assert desk.standing() == ("48.00", "0.00")


def test_without_budget_nothing_happens(desk: Desk) -> None:
    report = desk.draft(taxi("60000.00", reason="包车"), taxi("60000.00", reason="包车"))
    before = Fact.objects.count()
    with refuses(BudgetShort):
        desk.submit(report)
    assert desk.state(report) == "draft"
    assert Fact.objects.count() == before


def test_a_line_over_the_standard_needs_a_reason(desk: Desk) -> None:
    report = desk.draft(taxi("300.00"))
    with refuses(errors.Blocked) as refused:
        desk.submit(report)
    assert refused.value.field == "lines.1"
    assert desk.state(report) == "draft"
    assert desk.standing() == ("0.00", "0.00")


def test_nothing_in_it_is_not_handed_in(desk: Desk) -> None:
    with refuses(errors.NothingInIt):
        desk.submit(desk.draft())


def test_what_was_handed_in_does_not_change(desk: Desk) -> None:
    report = desk.handed_in(taxi())
    with refuses(errors.WrongState):
        journey.add_lines(
            report=report, viewer=desk.company.viewer("owner"), drafts=[taxi()], expected_version=report.version,
            at=desk.at, via="web",
        )  # fmt: skip
    with refuses(IntegrityError):
        ExpenseLine.objects.filter(report=report).update(amount=99999)
    with refuses(IntegrityError):
        ExpenseLine.objects.filter(report=report).delete()


def test_what_differs_from_what_was_approved_is_not_audited(desk: Desk) -> None:
    report = desk.handed_in(taxi())
    desk.decide(report.ref)
    ExpenseReport.objects.filter(pk=report.pk).update(title="换了标题")
    with refuses(errors.ContentDiffers):
        desk.audit(report)
    assert desk.state(report) == "to_audit"
    assert ledger.voucher_of(report.ref) is None


def test_the_second_editor_gets_a_clear_conflict(desk: Desk) -> None:
    report, viewer = desk.draft(taxi()), desk.company.viewer("owner")
    seen = report.version
    journey.add_lines(
        report=report, viewer=viewer, drafts=[taxi()], expected_version=seen, at=desk.at, via="web"
    )
    with refuses(errors.ChangedMeanwhile):
        journey.remove_line(report=report, viewer=viewer, no=1, expected_version=seen, at=desk.at, via="web")
    assert queries.get(report.number, viewer).line_count == 2


def test_only_the_owner_hands_in_and_only_finance_audits(desk: Desk) -> None:
    report = desk.draft(taxi())
    with refuses(errors.NotTheOwner):
        journey.submit(
            report=report,
            viewer=desk.company.viewer("approver"),
            expected_version=report.version,
            at=desk.at,
            via="web",
        )
    desk.submit(report)
    desk.decide(report.ref)
    with refuses(RoleNeeded):
        desk.audit(report, by="approver")
    assert desk.state(report) == "to_audit"


def test_finance_does_not_audit_its_own_paper(desk: Desk) -> None:
    report = desk.draft(taxi(), owner="finance")
    desk.submit(report)
    desk.decide(report.ref, by="head")
    with refuses(errors.SegregationOfDuties):
        desk.audit(report, by="finance")
    desk.audit(report, by="finance2")
    assert desk.state(report) == "to_pay"


@pytest.mark.parametrize("name", ["stranger", "foreigner"])
def test_a_stranger_finds_nothing(desk: Desk, name: str) -> None:
    report = desk.handed_in(taxi())
    with refuses(NotFound):
        queries.get(report.number, desk.company.viewer(name))
    assert not queries.visible(desk.company.viewer(name)).exists()
    assert not queries.search(desk.company.viewer(name), "北京").exists()


def test_papers_are_found_by_two_characters(desk: Desk) -> None:
    report = desk.draft(taxi())
    viewer = desk.company.viewer("owner")
    assert [found.number for found in queries.search(viewer, "拜访")] == [report.number]
    assert not queries.search(viewer, "上海").exists()
    assert [found.number for found in queries.search(viewer, report.number)] == [report.number]


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"day": "2026-12-01"}, "document.bad_day", "lines.0.day"),
        ({"day": "1999-12-31"}, "document.bad_day", "lines.0.day"),
        ({"paid": "-1.00"}, "document.not_positive", "lines.0.amount"),
        ({"paid": "0"}, "document.not_positive", "lines.0.amount"),
        ({"paid": "100000000"}, "document.not_positive", "lines.0.amount"),
        ({"category": "yacht"}, "document.unknown_choice", "lines.0.category"),
        ({"city_id": 999999}, "document.unknown_choice", "lines.0.city"),
        ({"invoice_id": 999999}, "document.unknown_choice", "lines.0.invoice"),
        ({"category": "lodging", "nights": 0}, "document.bad_nights", "lines.0.nights"),
        ({"tax": "50.00"}, "document.tax_too_high", "lines.0.tax"),
        ({"note": "字" * 201}, "document.too_long", "lines.0.note"),
        ({"currency": "USD"}, "company.no_rate", None),
    ],
)
def test_absurd_values_are_refused_by_name(
    desk: Desk, change: dict[str, object], code: str, field: str | None
) -> None:
    from dataclasses import replace
    from datetime import date

    from viatica.kernel.errors import ViaticaError
    from viatica.kernel.money import Money

    line = taxi()
    for name, value in change.items():
        match name:
            case "day":
                line = replace(line, day=date.fromisoformat(str(value)))
            case "paid":
                line = replace(line, paid=Money(str(value), "CNY"))
            case "currency":
                line = replace(line, paid=Money("10", str(value)))
            case "tax":
                line = replace(line, tax=Money(str(value), "CNY"))
            case _:
                line = replace(line, **{name: value})  # type: ignore[arg-type]  # any field of a line
    with refuses(ViaticaError) as refused:
        services.check_lines([line], owner_id=desk.company.employee("owner").pk, currency="CNY", at=desk.at)
    assert (refused.value.code, refused.value.field) == (code, field)
    assert not ExpenseReport.objects.exists()
