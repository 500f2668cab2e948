from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from viatica.offices.invoices.readers import qr, taxpayer
from viatica.offices.invoices.readers.reading import Kind

INTACT = [
    "01,31,,24112000000048542163,4449.00,20240528,,B2B6",
    "01,10,050001700111,12235358,10000.00,20200805,16630282980991510014,7257",
    "01,10,050001700111,99999951,300.00,20201010,14754822929856772523,E400",
    "01,01,1200154130,03630024,94339.62,20160621,,9335",
    "01,04,4200161350,00015045,165106.00,20160501,48114255542168294433,DBFE",
    "01,32,,20882408051806541460,0.01,20240805,,649C",
    "01,32,,26427000000375586818,10.70,20260430,,FAFB",
    "01,31,,26442000004359167806,1705400.00,20260421,,8EEF",
    "01,31,,24312000000358032546,633.00,20241118,,16C0",
    "01,10,044031700111,07381346,154.37,20170828,53228432521674497387,B835",
    "01,32,,26447000001243494438,285.92,20260619,,300A",
    "01,10,041002000111,08778438,100.00,20210312,07032953716711536482,827E",
]


@pytest.mark.parametrize("code", ["91110108690017781B", "91460300MAA92DJN95", "91350100M000100Y43"])
def test_valid_social_credit_codes(code: str) -> None:
    assert taxpayer.is_social_credit_code(code)
    assert not taxpayer.is_doubtful(code)


@pytest.mark.parametrize("code", ["91500102563638729E", "9150010807MGZHI002", "91110108690017781C"])
def test_doubtful_social_credit_codes(code: str) -> None:
    assert not taxpayer.is_social_credit_code(code)
    assert taxpayer.is_doubtful(code)


@pytest.mark.parametrize("number", ["", "440300123456789", "11010119900307002X", "12345678901234567890"])
def test_other_taxpayer_numbers_are_not_judged(number: str) -> None:
    assert not taxpayer.is_doubtful(number)


def test_a_misread_letter_is_mended_only_when_the_check_passes() -> None:
    assert taxpayer.normalised(" 911101O869OO1778lB ".replace("l", "1")) == "91110108690017781B"
    assert taxpayer.normalised("9150010256363872OE") == "9150010256363872OE"


@pytest.mark.parametrize("text", INTACT)
def test_checksum_of_intact_codes(text: str) -> None:
    for written in (text, text + ","):
        code = qr.parse(written)
        assert code is not None and code.checksum_holds is True


def test_a_changed_amount_breaks_the_checksum() -> None:
    code = qr.parse("01,31,,24112000000048542163,4999.00,20240528,,B2B6,")
    assert code is not None and code.checksum_holds is False


def test_which_total_the_code_says() -> None:
    digital, old = qr.parse(INTACT[0]), qr.parse(INTACT[1])
    assert digital is not None and old is not None
    assert (digital.says_total, digital.amount, digital.issued) == (
        True,
        Decimal("4449.00"),
        date(2024, 5, 28),
    )
    assert (old.says_total, old.code, old.check_code) == (False, "050001700111", "16630282980991510014")
    assert digital.raw().texts["kind"] == Kind.DIGITAL_SPECIAL
    assert "total" in digital.raw().texts and "net" not in digital.raw().texts
    assert "net" in old.raw().texts and "total" not in old.raw().texts


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://example.invalid/?fphm=1&je=2",
        "01,31",
        "02,31,,24112000000048542163,4449.00,20240528,,B2B6",
        "01,31,,2411200000004854216,4449.00,20240528,,B2B6",
        "01,31,,24112000000048542163,abc,20240528,,B2B6",
        "01,31,,24112000000048542163,4449.00,20241399,,B2B6",
    ],
)
def test_other_codes_are_left_alone(text: str) -> None:
    assert qr.parse(text) is None
