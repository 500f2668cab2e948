from __future__ import annotations

import threading
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries

from simulators.tax_bureau import Invoice as Issued
from simulators.tax_bureau import Line, Party, issue_ofd, issue_pdf, issue_xml
from viatica.kernel.errors import Refused
from viatica.kernel.money import Money, UnknownCurrency
from viatica.kernel.refs import Ref
from viatica.offices.archive import services as archive
from viatica.offices.archive.models import StoredFile
from viatica.offices.company.categories import Category
from viatica.offices.company.models import Employee
from viatica.offices.invoices import books, queries, readers, services
from viatica.offices.invoices.models import Claim, Invoice, InvoiceFile
from viatica.offices.invoices.readers.reading import Kind
from viatica.spine import facts

from .conftest import AT, Cast, make_cast
from .samples import OURS, dinner, lodging, ride

REPORT = Ref("expense_report", "1")
OTHER_REPORT = Ref("expense_report", "2")


def take(cast: Cast, data: bytes, name: str = "a.xml", owner: Employee | None = None) -> Invoice:
    person = owner or cast.owner
    return services.take_in(data=data, name=name, owner=person, entity=person.entity, at=AT)


def codes(invoice: Invoice) -> list[str]:
    return [warning["code"] for warning in invoice.warnings]


def live(identity: str) -> list[str]:
    return list(
        Claim.objects.filter(identity=identity, released_at__isnull=True).values_list("ref", flat=True)
    )


# ── taking in ─────────────────────────────────────────────────────────────────


def test_a_file_is_read_checked_and_kept(cast: Cast) -> None:
    data = issue_xml(lodging())
    invoice = take(cast, data, "住宿.xml")
    invoice.refresh_from_db()
    assert (invoice.number, invoice.issued, invoice.money) == (
        "26312000000123456789", date(2026, 11, 3), Money("1280.50", "CNY"),
    )  # fmt: skip
    assert (invoice.net, invoice.tax, invoice.category_hint) == (
        Decimal("1208.02"),
        Decimal("72.48"),
        "lodging",
    )
    assert invoice.source_of("total") == "xml"
    assert invoice.warnings == [] and invoice.blocked_by == ""
    assert archive.open_file(invoice.digest) == data
    assert [(fact.fact, fact.actor, fact.data["name"]) for fact in facts.timeline(invoice.ref)] == [
        ("invoice.taken_in", f"employee:{cast.owner.pk}", "住宿.xml")
    ]


def test_the_same_file_twice_is_the_same_row(cast: Cast) -> None:
    first = take(cast, issue_pdf(lodging()), "a.pdf")
    assert take(cast, issue_pdf(lodging()), "copy.pdf") == first
    assert Invoice.objects.count() == InvoiceFile.objects.count() == StoredFile.objects.count() == 1
    assert len(facts.timeline(first.ref)) == 1


def test_pdf_ofd_and_xml_of_one_ticket_are_one_invoice_and_the_surest_is_believed(cast: Cast) -> None:
    first = take(cast, issue_pdf(lodging()), "a.pdf")
    assert first.source_of("total") == "text"
    second = take(cast, issue_ofd(lodging()), "a.ofd")
    third = take(cast, issue_xml(lodging()), "a.xml")
    assert first == second == third
    third.refresh_from_db()
    assert third.source_of("total") == "xml"
    assert third.digest == StoredFile.objects.get(name="a.xml").digest
    assert sorted(third.files.values_list("name", flat=True)) == ["a.ofd", "a.pdf", "a.xml"]
    take(cast, issue_pdf(lodging(), kangxi=True), "b.pdf")
    third.refresh_from_db()
    assert third.source_of("total") == "xml"


def test_a_claimed_invoice_keeps_what_the_document_relied_on(cast: Cast) -> None:
    invoice = take(cast, issue_pdf(lodging()), "a.pdf")
    services.claim(invoice_ids=[invoice.pk], ref=REPORT, at=AT)
    take(cast, issue_xml(lodging()), "a.xml")
    invoice.refresh_from_db()
    assert invoice.source_of("total") == "text"
    assert invoice.files.count() == 2


def test_a_refused_file_leaves_nothing_behind(cast: Cast) -> None:
    with pytest.raises(readers.Unreadable):
        take(cast, b"not an invoice", "a.pdf")
    assert Invoice.objects.count() == StoredFile.objects.count() == 0


def test_someone_elses_copy_is_a_warning_that_names_nobody(cast: Cast) -> None:
    take(cast, issue_xml(lodging()))
    copy = take(cast, issue_xml(lodging()), owner=cast.stranger)
    assert codes(copy) == ["invoice.buyer_other_entity", "invoice.held_by_another"]
    assert cast.owner.name not in str(copy.warnings)


@pytest.mark.parametrize(
    ("buyer", "expected"),
    [
        (OURS, []),
        (Party(OURS.name), []),
        (Party("行资示例科技(上海)有限公司"), []),
        (Party("行资示例（北京）有限公司", "91110108690017781B"), ["invoice.buyer_other_entity"]),
        (Party("别家公司", "91460300MAA92DJN95"), ["invoice.buyer_not_ours"]),
        (Party("个人"), ["invoice.buyer_not_ours"]),
        (Party(OURS.name, "91460300MAA92DJN95"), ["invoice.buyer_not_ours"]),
    ],
)
def test_whom_it_is_made_out_to(cast: Cast, buyer: Party, expected: list[str]) -> None:
    assert codes(take(cast, issue_xml(lodging().but(buyer=buyer)))) == expected


def test_old_future_and_alike(cast: Cast) -> None:
    assert "invoice.long_ago" in codes(take(cast, issue_xml(lodging(1, issued=date(2024, 3, 1)))))
    assert codes(take(cast, issue_xml(lodging(2, issued=date(2026, 11, 25))))) == ["invoice.in_the_future"]
    take(cast, issue_xml(lodging(3)))
    alike = take(cast, issue_xml(lodging(4)))
    assert [(w["code"], w["params"]) for w in alike.warnings] == [
        ("invoice.looks_alike", {"number": lodging(3).number})
    ]


def test_the_calendar_is_that_of_the_company(cast: Cast) -> None:
    late = AT.replace(hour=16, minute=30)  # 00:30 of the next day in Shanghai
    invoice = services.take_in(
        data=issue_xml(lodging(issued=date(2026, 11, 25))),
        name="a.xml",
        owner=cast.owner,
        entity=cast.entity,
        at=late,
    )
    assert codes(invoice) == []


def test_what_is_deductible(cast: Cast) -> None:
    assert not take(cast, issue_xml(lodging())).is_deductible
    assert take(cast, issue_xml(lodging(2).but(special=True))).is_deductible
    meal = lodging(3).but(special=True, lines=(Line("*餐饮服务*餐费", Decimal("100.00")),))
    assert not take(cast, issue_xml(meal)).is_deductible


# ── claiming ──────────────────────────────────────────────────────────────────


def test_claimed_once_and_the_second_is_told_where(cast: Cast) -> None:
    mine, copy = take(cast, issue_xml(lodging())), take(cast, issue_pdf(lodging()), owner=cast.stranger)
    other = take(cast, issue_xml(ride()), owner=cast.stranger)
    services.claim(invoice_ids=[mine.pk], ref=REPORT, number="BX202611-000001", at=AT)
    with pytest.raises(services.AlreadyClaimed) as refusal, transaction.atomic():
        services.claim(invoice_ids=[other.pk, copy.pk], ref=OTHER_REPORT, number="BX202611-000002", at=AT)
    assert (refusal.value.status, refusal.value.code) == (409, "invoice.already_claimed")
    assert refusal.value.params == {"number": mine.number, "document": "BX202611-000001"}
    assert live(mine.identity) == [str(REPORT)] and live(other.identity) == []
    assert queries.of(REPORT) == [mine] and queries.of(OTHER_REPORT) == []


def test_claiming_again_for_the_same_document_changes_nothing(cast: Cast) -> None:
    invoice = take(cast, issue_xml(lodging()))
    services.claim(invoice_ids=[invoice.pk], ref=REPORT, at=AT)
    services.claim(invoice_ids=[invoice.pk], ref=REPORT, at=AT + timedelta(minutes=1))
    assert Claim.objects.count() == 1
    services.claim(invoice_ids=[], ref=REPORT, at=AT)


def test_released_it_is_free_for_another_and_the_history_stays(cast: Cast) -> None:
    invoice = take(cast, issue_xml(lodging()))
    services.claim(invoice_ids=[invoice.pk], ref=REPORT, number="BX-1", at=AT)
    assert services.release(ref=REPORT, at=AT) == 1
    assert services.release(ref=REPORT, at=AT) == 0
    services.claim(invoice_ids=[invoice.pk], ref=OTHER_REPORT, number="BX-2", at=AT)
    assert queries.documents_of(invoice.pk, cast.viewer(cast.owner)) == [
        (str(OTHER_REPORT), "BX-2", True),
        (str(REPORT), "BX-1", False),
    ]


def test_one_statement_claims_them_all(cast: Cast, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    ids = [take(cast, issue_xml(lodging(n))).pk for n in range(1, 6)]
    with django_assert_num_queries(1):
        services.claim(invoice_ids=ids, ref=REPORT, at=AT)
    assert Claim.objects.filter(ref=str(REPORT)).count() == 5


def test_the_same_ticket_twice_in_one_document(cast: Cast) -> None:
    mine = take(cast, issue_xml(lodging()))
    copy = take(cast, issue_xml(lodging()), owner=cast.colleague)
    for ids in ([mine.pk, mine.pk], [mine.pk, copy.pk]):
        with pytest.raises(services.ClaimedByThis), transaction.atomic():
            services.claim(invoice_ids=ids, ref=REPORT, at=AT)
    assert Claim.objects.count() == 0


@pytest.mark.parametrize(
    ("issued", "reason"),
    [
        (lodging().but(stated_total=Decimal("9999.00")), "do not add up"),
        (
            lodging().but(lines=(Line("*住宿服务*住宿费", Decimal("-100.00")),), red_of="2" * 20),
            "red (negative)",
        ),
        (lodging().but(lines=(Line("*住宿服务*住宿费", Decimal("0.00")),)), "not above zero"),
        (lodging(gross="99999999999.00"), "more than any invoice"),
        (lodging().but(stated_words="玖仟圆整"), "in words says 9000.00"),
        (lodging(issued=date(2026, 12, 1)), "still to come"),
    ],
)
def test_what_cannot_be_claimed_says_why(cast: Cast, issued: Issued, reason: str) -> None:
    from django.utils import translation

    invoice = take(cast, issue_xml(issued))
    with translation.override("en"), pytest.raises(services.NotClaimable) as refusal, transaction.atomic():
        services.claim(invoice_ids=[invoice.pk], ref=REPORT, at=AT)
    with translation.override("en"):
        assert reason in refusal.value.said(lambda text: text)
    assert (refusal.value.status, refusal.value.code) == (422, "invoice.not_claimable")
    assert Claim.objects.count() == 0


def test_a_date_that_has_come_no_longer_holds_it_back(cast: Cast) -> None:
    invoice = take(cast, issue_xml(lodging(issued=date(2026, 11, 25))))
    services.claim(invoice_ids=[invoice.pk], ref=REPORT, at=AT + timedelta(days=1))
    assert queries.of(REPORT) == [invoice]


def test_a_buyer_that_is_not_ours_is_no_obstacle_to_the_claim(cast: Cast) -> None:
    invoice = take(cast, issue_xml(lodging().but(buyer=Party("个人"))))
    services.claim(invoice_ids=[invoice.pk], ref=REPORT, at=AT)
    assert queries.of(REPORT) == [invoice]


def test_unknown_and_discarded_invoices_cannot_be_claimed(cast: Cast) -> None:
    invoice = take(cast, issue_xml(lodging()))
    services.discard(invoice=invoice, actor=cast.owner, at=AT)
    for ids in ([invoice.pk], [10**12]):
        with pytest.raises(services.NotYours), transaction.atomic():
            services.claim(invoice_ids=ids, ref=REPORT, at=AT)
    assert Claim.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_two_documents_at_once_one_wins() -> None:
    cast = make_cast()
    invoices = [take(cast, issue_xml(lodging(n))) for n in range(1, 4)]
    ids = [invoice.pk for invoice in invoices]
    start = threading.Barrier(8)
    outcomes: list[str] = []

    def submit(n: int) -> None:
        start.wait()
        try:
            with transaction.atomic():
                # Every second document lists them the other way round: no deadlock may come of it.
                order = ids if n % 2 else ids[::-1]
                services.claim(invoice_ids=order, ref=Ref("expense_report", str(n)), number=f"BX-{n}", at=AT)
            outcomes.append("won")
        except Refused as refusal:
            outcomes.append(f"{refusal.code} {refusal.params['document']}")
        finally:
            connection.close()

    threads = [threading.Thread(target=submit, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [winner] = {row.number for row in Claim.objects.all()}
    assert Claim.objects.count() == 3
    assert sorted(outcomes) == [f"invoice.already_claimed {winner}"] * 7 + ["won"]


@pytest.mark.django_db(transaction=True)
def test_the_same_file_handed_in_eight_times_at_once_is_one_row() -> None:
    cast = make_cast()
    data = issue_xml(lodging())
    start = threading.Barrier(8)
    rows: list[int] = []

    def hand_in() -> None:
        start.wait()
        try:
            rows.append(take(cast, data).pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=hand_in) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rows) == 8 and len(set(rows)) == 1
    assert Invoice.objects.count() == InvoiceFile.objects.count() == 1


# ── by hand ───────────────────────────────────────────────────────────────────


def paper(**changes: Any) -> services.PaperInvoice:
    values: dict[str, Any] = {
        "kind": Kind.TAXI_RECEIPT,
        "issued": date(2026, 11, 20),
        "total": Money("48.00", "CNY"),
        "seller_name": "上海强生出租汽车",
        "number": "12345678",
        "code": "131001970101",
    }
    return services.PaperInvoice(**(values | changes))


def enter(cast: Cast, *, owner: Employee | None = None, **changes: Any) -> Invoice:
    person = owner or cast.owner
    return services.enter_by_hand(paper=paper(**changes), owner=person, entity=person.entity, at=AT)


def test_a_paper_is_entered_and_claimed_like_any_other(cast: Cast) -> None:
    invoice = enter(cast)
    assert (invoice.identity, invoice.category_hint) == ("131001970101-12345678", "taxi")
    assert codes(invoice) == ["invoice.entered_by_hand"]
    assert invoice.source_of("total") == "hand" and invoice.digest == ""
    services.claim(invoice_ids=[invoice.pk], ref=REPORT, number="BX-1", at=AT)
    twin = enter(cast, owner=cast.stranger)
    with pytest.raises(services.AlreadyClaimed), transaction.atomic():
        services.claim(invoice_ids=[twin.pk], ref=OTHER_REPORT, at=AT)


def test_papers_without_a_number_are_told_apart(cast: Cast) -> None:
    first, second = (
        enter(cast, number="", code=""),
        enter(cast, number="", code="", total=Money("49.00", "CNY")),
    )
    assert first.identity != second.identity
    assert "invoice.looks_alike" in codes(enter(cast, number="", code=""))


def test_a_foreign_bill_keeps_its_currency(cast: Cast) -> None:
    invoice = enter(
        cast, kind=Kind.OTHER, number="INV-001", code="", total=Money("120.00", "EUR"), seller_name="Hotel Adlon",
        category=Category.LODGING,
    )  # fmt: skip
    assert (invoice.money, invoice.category_hint) == (Money("120.00", "EUR"), "lodging")
    same_number = enter(cast, kind=Kind.OTHER, number="INV-001", code="", seller_name="Ristorante Roma")
    assert invoice.identity != same_number.identity
    with pytest.raises(UnknownCurrency):
        enter(cast, total=Money("1.00", "XXZ"))


def test_a_photograph_goes_with_it(cast: Cast) -> None:
    from viatica.offices.archive import sandbox

    photo = sandbox.pdf_page(issue_pdf(dinner()), width=300)
    invoice = services.enter_by_hand(
        paper=paper(), owner=cast.owner, entity=cast.entity, at=AT, photo=photo, photo_name="taxi.jpg"
    )
    assert archive.open_file(invoice.digest) == photo
    assert [file.name for file in invoice.files.all()] == ["taxi.jpg"]
    with pytest.raises(readers.Unreadable):
        services.enter_by_hand(
            paper=paper(number="87654321"),
            owner=cast.owner,
            entity=cast.entity,
            at=AT,
            photo=b"text",
            photo_name="t",
        )
    assert Invoice.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"kind": Kind.DIGITAL_ORDINARY, "number": "123"}, "invoice.number_wrong", "number"),
        ({"kind": Kind.PAPER_ORDINARY, "number": "1234567"}, "invoice.number_wrong", "number"),
        ({"kind": Kind.PAPER_ORDINARY, "code": "12"}, "invoice.code_wrong", "code"),
        ({"kind": Kind.FISCAL, "number": ""}, "invoice.number_wrong", "number"),
        ({"seller_name": "  "}, "invoice.seller_missing", "seller_name"),
        ({"total": Money("0.00", "CNY")}, "invoice.total_wrong", "total"),
        ({"total": Money("-5.00", "CNY")}, "invoice.total_wrong", "total"),
        ({"total": Money("1000000000.00", "CNY")}, "invoice.total_wrong", "total"),
        ({"tax": Money("-1.00", "CNY")}, "invoice.tax_wrong", "tax"),
        ({"tax": Money("48.00", "CNY")}, "invoice.tax_wrong", "tax"),
        ({"issued": date(2026, 11, 25)}, "invoice.date_wrong", "issued"),
        ({"issued": date(1926, 11, 20)}, "invoice.date_wrong", "issued"),
    ],
)
def test_mistakes_in_what_was_typed(cast: Cast, changes: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(services.EntryRefused) as refusal:
        enter(cast, **changes)
    assert (refusal.value.code, refusal.value.field, refusal.value.status) == (code, field, 422)
    assert refusal.value.as_problem(lambda text: text)["hint"]
    assert Invoice.objects.count() == 0


def test_a_misread_value_is_corrected(cast: Cast) -> None:
    invoice = take(cast, issue_pdf(lodging().but(stated_words="玖仟圆整")), "a.pdf")
    assert invoice.blocked_by == "invoice.words_disagree"
    right = services.PaperInvoice(
        kind=Kind.DIGITAL_ORDINARY, number=invoice.number, issued=invoice.issued, total=invoice.money,
        tax=Money("72.49", "CNY"), seller_name=invoice.seller_name, buyer_name=invoice.buyer_name,
        buyer_tax_id=invoice.buyer_tax_id,
    )  # fmt: skip
    mended = services.correct(invoice=invoice, paper=right, actor=cast.owner, at=AT)
    assert (mended.tax, mended.net, mended.blocked_by) == (Decimal("72.49"), Decimal("1208.01"), "")
    assert (mended.source_of("tax"), mended.source_of("total")) == ("hand", "text")
    assert facts.timeline(invoice.ref)[-1].data == {"fields": ["tax"]}


def test_a_total_against_the_qr_code_stays_blocked_and_xml_values_stay(cast: Cast) -> None:
    read_off = take(cast, issue_pdf(lodging()), "a.pdf")
    wrong = services.PaperInvoice(
        kind=Kind.DIGITAL_ORDINARY, number=read_off.number, issued=read_off.issued, total=Money("9280.50", "CNY"),
        seller_name=read_off.seller_name,
    )  # fmt: skip
    assert (
        services.correct(invoice=read_off, paper=wrong, actor=cast.owner, at=AT).blocked_by
        == "invoice.qr_disagrees"
    )
    certain = take(cast, issue_xml(lodging(2)))
    with pytest.raises(services.FieldIsCertain) as refusal:
        services.correct(
            invoice=certain,
            paper=services.PaperInvoice(
                kind=Kind.DIGITAL_ORDINARY, number=certain.number, issued=certain.issued, total=Money("1.00", "CNY"),
                tax=Money("0.06", "CNY"), seller_name=certain.seller_name, buyer_name=certain.buyer_name,
                buyer_tax_id=certain.buyer_tax_id,
            ),
            actor=cast.owner,
            at=AT,
        )  # fmt: skip
    assert refusal.value.field == "tax"
    certain.refresh_from_db()
    assert certain.money == Money("1280.50", "CNY")


def test_only_the_owner_mends_or_discards_and_never_a_claimed_one(cast: Cast) -> None:
    invoice = enter(cast)
    with pytest.raises(services.NotYours):
        services.correct(invoice=invoice, paper=paper(), actor=cast.colleague, at=AT)
    with pytest.raises(services.NotYours):
        services.discard(invoice=invoice, actor=cast.stranger, at=AT)
    services.claim(invoice_ids=[invoice.pk], ref=REPORT, number="BX-1", at=AT)
    with pytest.raises(services.InUse):
        services.correct(invoice=invoice, paper=paper(total=Money("1.00", "CNY")), actor=cast.owner, at=AT)
    with pytest.raises(services.InUse) as refusal:
        services.discard(invoice=invoice, actor=cast.owner, at=AT)
    assert refusal.value.params["document"] == "BX-1"
    services.release(ref=REPORT, at=AT)
    services.discard(invoice=invoice, actor=cast.owner, at=AT)
    assert enter(cast).pk != invoice.pk


# ── who sees what ─────────────────────────────────────────────────────────────


def test_visibility(cast: Cast) -> None:
    invoice = take(cast, issue_xml(lodging()))
    for viewer in (cast.viewer(cast.owner), cast.finance, cast.manager):
        assert queries.get(invoice.pk, viewer) == invoice
        assert queries.by_number(invoice.number, viewer) == [invoice]
    for viewer in (cast.viewer(cast.colleague), cast.viewer(cast.stranger)):
        assert queries.by_number(invoice.number, viewer) == []
        with pytest.raises(queries.NoSuchInvoice):
            queries.get(invoice.pk, viewer)
        with pytest.raises(queries.NoSuchInvoice):
            queries.documents_of(invoice.pk, viewer)


def test_mine_unclaimed(cast: Cast, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    first, second = take(cast, issue_xml(lodging(1))), take(cast, issue_xml(lodging(2)))
    take(cast, issue_xml(lodging(3)), owner=cast.stranger)
    services.claim(invoice_ids=[first.pk], ref=REPORT, at=AT)
    with django_assert_num_queries(1):
        assert list(queries.mine_unclaimed(cast.viewer(cast.owner))) == [second]
    services.release(ref=REPORT, at=AT)
    assert set(queries.mine_unclaimed(cast.viewer(cast.owner))) == {first, second}


def test_picture_tokens(cast: Cast) -> None:
    invoice = take(cast, issue_xml(lodging()))
    assert queries.by_picture_token(invoice.picture_token) == invoice
    assert all(letter.isalnum() or letter in "~-_" for letter in invoice.picture_token)
    for forged in (
        str(invoice.pk),
        f"{invoice.pk}~abc",
        invoice.picture_token.replace(str(invoice.pk), "999", 1),
        "",
    ):
        with pytest.raises(queries.NoSuchInvoice):
            queries.by_picture_token(forged)


def test_the_books_balance_and_name_what_does_not(cast: Cast) -> None:
    invoice = take(cast, issue_xml(lodging()))
    services.claim(invoice_ids=[invoice.pk], ref=REPORT, at=AT)
    assert books.disagreements(AT) == []
    assert books.live_claims("expense_report") == {str(REPORT): {invoice.pk}}
    Invoice.objects.filter(pk=invoice.pk).update(state="discarded")
    assert [found.ref for found in books.disagreements(AT)] == [str(REPORT)]
