from __future__ import annotations

import base64
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from simulators.tax_bureau import (
    Invoice,
    Line,
    Party,
    Trip,
    find_font,
    issue_ofd,
    issue_pdf,
    issue_rail_xbrl,
    issue_xml,
    odd_invoices,
    write_trip,
)
from viatica.kernel.money import Money
from viatica.offices.company.categories import Category
from viatica.offices.invoices import readers
from viatica.offices.invoices.readers import categories, layout, ofd
from viatica.offices.invoices.readers.reading import Item, Kind, ReadResult, Source

from .samples import HOTEL, LONG_SELLER, OURS, dinner, lodging, ride, shared_sample

OUR_NAME = "行资示例科技(上海)有限公司"
FONT = find_font()


def codes(read: ReadResult) -> list[tuple[str, str | None]]:
    return [(warning.code, warning.field) for warning in read.warnings]


def values(read: ReadResult) -> dict[str, object]:
    return {
        "kind": read.kind,
        "number": read.number,
        "code": read.code,
        "issued": read.issued,
        "seller": (read.seller_name, read.seller_tax_id),
        "buyer": (read.buyer_name, read.buyer_tax_id),
        "net": read.net.amount,
        "tax": read.tax.amount,
        "total": read.total.amount,
        "items": [(item.name, item.net.amount, item.rate, item.tax.amount) for item in read.items],
        "hint": read.category_hint,
    }


LODGING = {
    "kind": Kind.DIGITAL_ORDINARY,
    "number": "26312000000123456789",
    "code": "",
    "issued": date(2026, 11, 3),
    "seller": (HOTEL.name, HOTEL.tax_id),
    "buyer": (OUR_NAME, OURS.tax_id),
    "net": Decimal("1208.02"),
    "tax": Decimal("72.48"),
    "total": Decimal("1280.50"),
    "items": [("*住宿服务*住宿费", Decimal("1208.02"), Decimal("0.06"), Decimal("72.48"))],
    "hint": "lodging",
}
RIDE = {
    "kind": Kind.DIGITAL_ORDINARY,
    "number": "26312000000000000777",
    "code": "",
    "issued": date(2026, 11, 5),
    "seller": (LONG_SELLER.name, LONG_SELLER.tax_id),
    "buyer": (OUR_NAME, OURS.tax_id),
    "net": Decimal("38.39"),
    "tax": Decimal("1.15"),
    "total": Decimal("39.54"),
    "items": [
        ("*运输服务*客运服务费", Decimal("39.35"), Decimal("0.03"), Decimal("1.18")),
        ("*运输服务*客运服务费", Decimal("-0.96"), Decimal("0.03"), Decimal("-0.03")),
    ],
    "hint": "taxi",
}
DINNER = {
    "kind": Kind.ELECTRONIC_ORDINARY,
    "number": "12235358",
    "code": "050001700111",
    "issued": date(2020, 8, 5),
    "seller": (dinner().seller.name, dinner().seller.tax_id),
    "buyer": (OUR_NAME, OURS.tax_id),
    "net": Decimal("300.00"),
    "tax": Decimal("18.00"),
    "total": Decimal("318.00"),
    "items": [("*餐饮服务*餐费", Decimal("300.00"), Decimal("0.06"), Decimal("18.00"))],
    "hint": "meals",
}
CASES = [(lodging(), LODGING), (ride(), RIDE), (dinner(), DINNER)]


# ── the public samples ────────────────────────────────────────────────────────


def test_the_sample_of_2024_is_read_completely() -> None:
    read = readers.read(shared_sample("einvoice-digital-special-2024.ofd"), "发票.ofd")
    assert values(read) == {
        "kind": Kind.DIGITAL_SPECIAL,
        "number": "24112000000048542163",
        "code": "",
        "issued": date(2024, 5, 28),
        "seller": ("北京互联三六五科技有限公司", "91110108690017781B"),
        "buyer": ("海南麒麟云服科技有限公司", "91460300MAA92DJN95"),
        "net": Decimal("4197.17"),
        "tax": Decimal("251.83"),
        "total": Decimal("4449.00"),
        "items": [("*信息技术服务*技术服务费", Decimal("4197.17"), Decimal("0.06"), Decimal("251.83"))],
        "hint": None,
    }
    assert read.sources["total"] is Source.OFD_TAG and read.sources["kind"] is Source.TEXT
    assert read.qr is not None and read.qr.checksum_holds is True
    assert codes(read) == [("invoice.unsigned", None)]
    assert read.identity == "24112000000048542163"


def test_the_sample_of_2019_is_read_completely_and_its_digests_hold() -> None:
    read = readers.read(shared_sample("einvoice-ordinary-2019.ofd"), "999.ofd")
    assert values(read) | {"items": len(read.items)} == {
        "kind": Kind.ELECTRONIC_ORDINARY,
        "number": "12235358",
        "code": "050001700111",
        "issued": date(2020, 8, 5),
        "seller": ("财天下科技有限公司", "91500102563638729E"),
        "buyer": ("个人", ""),
        "net": Decimal("10000.00"),
        "tax": Decimal("600.00"),
        "total": Decimal("10600.00"),
        "items": 100,
        "hint": "meals",
    }
    assert read.check_code == "16630282980991510014"
    assert read.sources["total"] is Source.OFD_ATTACHMENT
    assert read.qr is not None and read.qr.checksum_holds is True
    assert codes(read) == [("invoice.tax_id_check", "seller_tax_id")]
    assert read.identity == "050001700111-12235358"


@pytest.mark.parametrize(
    ("sample", "seller", "buyer", "total"),
    [
        (
            "einvoice-digital-special-2024.ofd",
            "北京互联三六五科技有限公司",
            "海南麒麟云服科技有限公司",
            "4449.00",
        ),
        ("einvoice-ordinary-2019.ofd", "财天下科技有限公司", "个人", "10600.00"),
    ],
)
def test_the_faces_of_the_samples_alone_say_the_same(
    sample: str, seller: str, buyer: str, total: str
) -> None:
    document = ofd._Document(ofd.Package(shared_sample(sample), sample))
    said = layout.read(document.runs(), document.boxes[0][0], sample)
    assert (said.texts["seller_name"], said.texts["buyer_name"], said.texts["total"]) == (
        seller,
        buyer,
        total,
    )


# ── XML ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("invoice", "expected"), CASES[:2])
def test_xml(invoice: Invoice, expected: dict[str, object]) -> None:
    read = readers.read(issue_xml(invoice), "dzfp.xml")
    assert values(read) == expected
    assert set(read.sources.values()) == {Source.XML}
    assert codes(read) == []


def test_xml_in_utf_16_with_a_namespace_and_the_special_kind() -> None:
    text = issue_xml(lodging().but(special=True)).decode().replace("<EInvoice>", '<EInvoice xmlns="urn:any">')
    read = readers.read(text.replace("utf-8", "utf-16").encode("utf-16"), "a.xml")
    assert (read.kind, read.total) == (Kind.DIGITAL_SPECIAL, Money("1280.50", "CNY"))


def test_trips_of_a_ride() -> None:
    for data in (issue_xml(ride()), issue_pdf(ride())):
        [trip] = readers.read(data, "ride").trips
        assert (trip.day, trip.start, trip.end, trip.vehicle, trip.traveller) == (
            date(2026, 11, 4), "上海市", "杭州市", "网约车", "张三",
        )  # fmt: skip


def test_a_passengers_identity_number_is_never_kept() -> None:
    assert "310***" not in repr(readers.read(issue_pdf(ride()), "ride.pdf"))


def test_a_red_invoice_is_marked() -> None:
    red = lodging().but(lines=(Line("*住宿服务*住宿费", Decimal("-100.00")),), red_of="26312000000123456780")
    for data in (issue_xml(red), issue_pdf(red), issue_ofd(red)):
        read = readers.read(data, "red")
        assert read.is_red and read.total == Money("-106.00", "CNY")
        assert ("invoice.red", "total") in codes(read)


def test_dialects_with_pinyin_and_chinese_tags() -> None:
    pinyin = (
        "<FP><FPHM>26312000000000000001</FPHM><KPRQ>2026-11-03</KPRQ><XSFMC>甲公司</XSFMC><GMFMC>乙公司</GMFMC>"
        "<HJJE>100.00</HJJE><HJSE>6.00</HJSE><JSHJXX>106.00</JSHJXX></FP>"
    )
    chinese = (
        "<发票><发票号码>26312000000000000001</发票号码><开票日期>2026年11月03日</开票日期><销售方名称>甲公司</销售方名称>"
        "<购买方名称>乙公司</购买方名称><合计金额>100.00</合计金额><合计税额>6.00</合计税额><价税合计>106.00</价税合计></发票>"
    )
    for text in (pinyin, chinese):
        read = readers.read(text.encode(), "a.xml")
        assert (read.seller_name, read.buyer_name, read.total) == ("甲公司", "乙公司", Money("106.00", "CNY"))
        assert read.issued == date(2026, 11, 3)


# ── XBRL ──────────────────────────────────────────────────────────────────────


def rail() -> Invoice:
    return Invoice(
        number="26419122537000504214",
        issued=date(2026, 11, 8),
        seller=Party(""),
        buyer=OURS,
        lines=(Line("*铁路旅客运输*客票", Decimal("250.00"), "0.09"),),
        trips=(Trip("李四", date(2026, 11, 2), "上海虹桥", "杭州东"),),
    )


def test_a_rail_ticket_alone_or_inside_a_pdf() -> None:
    data = issue_rail_xbrl(rail())
    for held in (data, issue_pdf(rail(), attachments={"0": data})):
        read = readers.read(held, "ticket")
        assert (read.kind, read.number, read.category_hint) == (Kind.RAIL, "26419122537000504214", "rail")
        assert (read.net.amount, read.tax.amount, read.total.amount) == (
            Decimal("250.00"), Decimal("22.50"), Decimal("272.50"),
        )  # fmt: skip
        assert read.sources["total"] is Source.XBRL
        [trip] = read.trips
        assert (trip.start, trip.end, trip.vehicle) == ("上海虹桥", "杭州东", "铁路 G1281")


def test_an_air_ticket() -> None:
    data = """<xbrl xmlns="http://www.xbrl.org/2003/instance" xmlns:atr="http://xbrl.mof.gov.cn/taxonomy/2023-12-31/atr">
    <atr:ElectronicInvoiceAirTransportReceiptNumber>26312000000000000009</atr:ElectronicInvoiceAirTransportReceiptNumber>
    <atr:IssueDate>2026-11-05</atr:IssueDate><atr:PassengerName>王五</atr:PassengerName>
    <atr:DetailInformationOfAirTicketTuple><atr:DepartureStation>上海虹桥</atr:DepartureStation>
    <atr:DestinationStation>北京首都</atr:DestinationStation><atr:Flight>MU5101</atr:Flight>
    <atr:CarrierDate>2026-11-04</atr:CarrierDate><atr:Class>Y</atr:Class></atr:DetailInformationOfAirTicketTuple>
    <atr:Fare>900.00</atr:Fare><atr:FuelSurcharge>30.00</atr:FuelSurcharge><atr:VatTaxAmount>76.79</atr:VatTaxAmount>
    <atr:CivilAviationDevelopmentFund>50.00</atr:CivilAviationDevelopmentFund><atr:TotalAmount>1056.79</atr:TotalAmount>
    <atr:NameOfSeller>东方航空</atr:NameOfSeller><atr:NameOfPurchaser>行资示例</atr:NameOfPurchaser></xbrl>"""
    read = readers.read(data.encode(), "trip.xml")
    assert (read.kind, read.category_hint, read.tax.amount, read.total.amount) == (
        Kind.AIR, "air", Decimal("76.79"), Decimal("1056.79"),
    )  # fmt: skip
    assert (read.trips[0].vehicle, read.trips[0].day) == ("飞机 MU5101", date(2026, 11, 4))


def test_a_bank_slip_is_no_invoice() -> None:
    data = b'<xbrl xmlns="http://www.xbrl.org/2003/instance" xmlns:b="http://xbrl.mof.gov.cn/taxonomy/2023-12-31/bker"/>'
    with pytest.raises(readers.Unreadable) as refusal:
        readers.read(data, "slip.xml")
    assert refusal.value.code == "invoice.not_an_invoice"


# ── OFD ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("invoice", "expected"), CASES)
@pytest.mark.parametrize(
    "form",
    [{}, {"custom_data": False}, {"tags": False}, {"tags": False, "custom_data": False, "attach": False}],
)
def test_ofd_from_every_source(invoice: Invoice, expected: dict[str, object], form: dict[str, bool]) -> None:
    read = readers.read(issue_ofd(invoice, **form), "a.ofd")
    assert values(read) == expected
    assert codes(read) == []
    assert read.qr is not None and read.qr.checksum_holds is True


def test_a_total_tagged_by_its_glyph_alone_is_found_elsewhere() -> None:
    read = readers.read(issue_ofd(lodging(), glyph_only_total=True, custom_data=False), "a.ofd")
    assert read.total == Money("1280.50", "CNY")


def test_a_page_changed_after_signing_is_named() -> None:
    read = readers.read(issue_ofd(lodging(), changed_after_signing=True), "a.ofd")
    assert [(w.code, w.params) for w in read.warnings] == [
        ("invoice.digest_mismatch", {"files": "Doc_0/Pages/Page_0/Content.xml"})
    ]


# ── PDF ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("invoice", "expected"), CASES)
@pytest.mark.parametrize("kangxi", [False, True])
def test_pdf_text(invoice: Invoice, expected: dict[str, object], kangxi: bool) -> None:
    read = readers.read(issue_pdf(invoice, kangxi=kangxi), "a.pdf")
    assert values(read) == expected
    assert codes(read) == []
    assert read.qr is not None and read.qr.checksum_holds is True


@pytest.mark.skipif(FONT is None, reason="no Chinese font on this machine to embed")
@pytest.mark.parametrize(("invoice", "expected"), CASES)
def test_pdf_with_an_embedded_font(invoice: Invoice, expected: dict[str, object]) -> None:
    read = readers.read(issue_pdf(invoice, font=FONT), "a.pdf")
    assert values(read) == expected
    assert codes(read) == []


def test_an_embedded_xml_wins_over_the_text() -> None:
    read = readers.read(issue_pdf(lodging(), attachments={"e.xml": issue_xml(lodging())}), "a.pdf")
    assert values(read) == LODGING
    assert read.sources["total"] is Source.XML
    assert codes(read) == []


def test_an_embedded_xml_that_contradicts_the_page_is_told() -> None:
    other = lodging(gross="9280.50")
    read = readers.read(issue_pdf(lodging(), attachments={"e.xml": issue_xml(other)}), "a.pdf")
    assert read.total == Money("9280.50", "CNY")
    assert ("invoice.sources_disagree", "total") in codes(read)
    assert ("invoice.qr_disagrees", "total") in codes(read)


def test_many_lines_and_no_tax() -> None:
    free = lodging().but(
        lines=tuple(Line(f"*教育服务*培训费第{n}期", Decimal("10.00"), "免税") for n in range(7))
    )
    read = readers.read(issue_pdf(free), "a.pdf")
    assert (read.net.amount, read.tax.amount, read.total.amount) == (Decimal(70), Decimal(0), Decimal(70))
    assert [item.name for item in read.items] == [f"*教育服务*培训费第{n}期" for n in range(7)]
    assert read.category_hint == "conference"
    assert codes(read) == [("invoice.tax_unknown", "tax")]


def test_the_total_that_does_not_tie_is_stopped() -> None:
    for data in (
        issue_xml(lodging().but(stated_total=Decimal("9999.00"))),
        issue_pdf(lodging().but(stated_total=Decimal("9999.00"))),
        issue_ofd(lodging().but(stated_total=Decimal("9999.00"))),
    ):
        assert ("invoice.total_does_not_tie", "total") in codes(readers.read(data, "a"))


def test_words_that_disagree_are_stopped() -> None:
    read = readers.read(issue_xml(lodging().but(stated_words="玖仟圆整")), "a.xml")
    assert ("invoice.words_disagree", "total") in codes(read)


def test_a_wrong_extension_is_a_note_and_no_obstacle() -> None:
    read = readers.read(issue_ofd(lodging()), "invoice.PDF")
    assert values(read) == LODGING
    assert [(w.code, w.params) for w in read.warnings] == [
        ("invoice.wrong_extension", {"extension": ".pdf", "real": "OFD"})
    ]


# ── pictures ──────────────────────────────────────────────────────────────────


def test_a_photographed_qr_code_gives_number_date_and_total() -> None:
    from viatica.offices.archive import sandbox

    photo = sandbox.pdf_page(issue_pdf(lodging()), width=1000)
    read = readers.read(photo, "photo.png")
    assert (read.number, read.issued, read.total) == (
        "26312000000123456789", date(2026, 11, 3), Money("1280.50", "CNY"),
    )  # fmt: skip
    assert read.sources["total"] is Source.QR
    assert ("invoice.buyer_missing", "buyer_name") in codes(read)


def test_a_picture_without_a_code_asks_for_hand_entry() -> None:
    dot = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    with pytest.raises(readers.Unreadable) as refusal:
        readers.read(dot, "dot.png")
    assert refusal.value.code == "invoice.no_text"


# ── hints ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("*经纪代理服务*代订机票", "air"),
        ("*经纪代理服务*代订火车票", "rail"),
        ("*住宿服务*房费", "lodging"),
        ("*餐饮服务*餐费", "meals"),
        ("*会展服务*会议费", "conference"),
        ("*运输服务*客运服务费", "taxi"),
        ("*电信服务*通信费", "communication"),
        ("*文具*办公用品", "office"),
        ("*软件*许可", None),
    ],
)
def test_category_hints(name: str, hint: str | None) -> None:
    item = Item(name, Money("1.00", "CNY"), Money("0.06", "CNY"))
    assert categories.hint(Kind.DIGITAL_ORDINARY, [item], []) == hint


def test_every_hint_is_a_category() -> None:
    hints = {
        *categories.BY_KIND.values(),
        *(c for _, c in categories.BY_VEHICLE),
        *(c for _, c in categories.BY_WORDS),
    }
    assert hints <= set(Category.values)


def test_the_demo_trip_is_read_without_a_doubt(tmp_path: Path) -> None:
    files = write_trip(tmp_path, buyer=OURS, traveller="王敏", day=date(2026, 11, 16), serial=1)
    read = [readers.read(path.read_bytes(), path.name) for path in files]
    assert [(r.category_hint, r.total.amount) for r in read] == [
        ("lodging", Decimal("876.00")), ("rail", Decimal("73.00")), ("taxi", Decimal("46.80")), ("meals", Decimal("168.00")),
    ]  # fmt: skip
    assert [r.warnings for r in read] == [(), (), (), ()]
    assert all(r.buyer_name == OUR_NAME for r in read[:1] + read[2:3])


def test_the_odd_invoices_are_odd() -> None:
    odd = odd_invoices(buyer=OURS, day=date(2026, 11, 16), serial=1)
    found = {name: codes(readers.read(data, name)) for name, data in odd.items()}
    assert found["抬头不符.xml"] == []
    assert found["金额不符.xml"][0] == ("invoice.total_does_not_tie", "total")
    assert ("invoice.red", "total") in found["红字发票.xml"]


def test_the_issuers_files_are_the_same_every_time() -> None:
    assert issue_ofd(lodging()) == issue_ofd(lodging())
    assert issue_pdf(lodging()) == issue_pdf(lodging())
    assert issue_xml(lodging()) == issue_xml(lodging())
