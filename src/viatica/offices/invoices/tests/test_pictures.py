from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from lxml import etree

from simulators.tax_bureau import Line, Party, issue_ofd, issue_pdf, issue_xml
from viatica.kernel.money import Money
from viatica.offices.archive import previews
from viatica.offices.invoices import pictures, services
from viatica.offices.invoices.readers.reading import Kind

from .conftest import AT, Cast
from .samples import lodging, ride, shared_sample

SVG = "{http://www.w3.org/2000/svg}"


def shown(svg: bytes) -> str:
    return "\n".join(element.text or "" for element in etree.fromstring(svg).iter(f"{SVG}text"))


@pytest.mark.parametrize("data", [issue_xml(lodging()), issue_ofd(lodging())])
def test_the_picture_shows_what_the_invoice_says(data: bytes) -> None:
    text = shown(pictures.of_file(data, "a"))
    for expected in (
        "26312000000123456789",
        "2026-11-03",
        "上海示例酒店管理有限公司",
        "¥1,280.50",
        "¥72.48",
        "*住宿服务*住宿费",
    ):
        assert expected in text


def test_the_qr_code_is_drawn_when_there_is_one() -> None:
    assert b"<path transform" in pictures.of_file(issue_ofd(lodging()), "a.ofd")
    assert b"<path transform" not in pictures.of_file(issue_xml(lodging()), "a.xml")


def test_hostile_texts_stay_texts() -> None:
    evil = Party('<script>alert(1)</script>"&\'<image href="http://x"/>', "91310000MA1FL0A01J")
    invoice = lodging().but(seller=evil, lines=(Line("*a*]]><b onload=x>\u202e", Decimal("1.00")),))
    root = etree.fromstring(pictures.of_file(issue_xml(invoice), "a.xml"))
    assert {element.tag for element in root.iter()} == {
        f"{SVG}{tag}" for tag in ("svg", "rect", "text", "path")
    }
    assert not [
        name
        for element in root.iter()
        for name in element.attrib
        if "on" in str(name)[:2] or "href" in str(name)
    ]
    assert "<script>" in shown(etree.tostring(root))


def test_a_hundred_lines_are_counted() -> None:
    text = shown(pictures.of_file(shared_sample("einvoice-ordinary-2019.ofd"), "a.ofd"))
    assert text.count("*餐饮服务*餐费") == pictures.MOST_LINES and "92" in text


def test_previews_of_every_form(cast: Cast) -> None:
    for data, media_type in (
        (issue_xml(lodging()), previews.SVG),
        (issue_ofd(ride()), previews.SVG),
        (issue_pdf(lodging(2)), previews.PNG),
    ):
        invoice = services.take_in(data=data, name="a", owner=cast.owner, entity=cast.entity, at=AT)
        picture, found = pictures.of_invoice(invoice)
        assert found == media_type
        assert pictures.of_invoice(invoice) == (picture, found)


def test_a_paper_without_a_photograph_is_drawn_too(cast: Cast) -> None:
    paper = services.PaperInvoice(
        kind=Kind.OTHER, issued=date(2026, 11, 20), total=Money("1234.50", "EUR"), seller_name="Hotel <Adlon>"
    )
    invoice = services.enter_by_hand(paper=paper, owner=cast.owner, entity=cast.entity, at=AT)
    picture, media_type = pictures.of_invoice(invoice)
    assert media_type == previews.SVG
    assert "EUR 1,234.50" in shown(picture) and "Hotel <Adlon>" in shown(picture)
