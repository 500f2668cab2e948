from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.tax_bureau import in_words
from viatica.kernel.money import Money
from viatica.offices.invoices.readers import amounts
from viatica.offices.invoices.readers.reading import Item


def cny(text: str) -> Money:
    return Money(text, "CNY")


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("壹拾万零柒仟圆伍角叁分", "107000.53"),
        ("壹拾万柒仟元零伍角叁分", "107000.53"),
        ("壹仟肆佰零玖元伍角整", "1409.50"),
        ("陆仟零柒元壹角肆分", "6007.14"),
        ("壹仟陆佰捌拾元零叁角贰分", "1680.32"),
        ("壹仟陆佰捌拾元叁角贰分", "1680.32"),
        ("叁佰贰拾伍元零肆分", "325.04"),
        ("叁角整", "0.30"),
        ("叁角", "0.30"),
        ("肆仟肆佰肆拾玖圆整", "4449.00"),
        ("肆仟肆佰肆拾玖元正", "4449.00"),
        ("（负数）壹佰圆整", "-100.00"),
        ("〇元伍分", "0.05"),
        ("两万元整", "20000.00"),
        ("壹亿贰仟万零伍圆整", "120000005.00"),
        ("壹万亿元整", "1000000000000.00"),
        ("壹仟零佰伍拾零元零角伍分", "1050.05"),
        ("人民币拾元整", "10.00"),
    ],
)
def test_words_are_read(words: str, number: str) -> None:
    assert amounts.in_words(words) == Decimal(number)


@pytest.mark.parametrize("words", ["", "整", "壹佰abc", "壹元贰", "元角分x", "壹" * 50, "伍佰伍拾伍圆柒"])
def test_what_is_no_amount_is_none(words: str) -> None:
    assert amounts.in_words(words) is None


@given(st.integers(min_value=-(10**13), max_value=10**13))
def test_words_of_the_issuer_read_back(cents: int) -> None:
    amount = Decimal(cents).scaleb(-2)
    assert amounts.in_words(in_words(amount)) == amount


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("¥1,280.50", "1280.50"),
        ("￥ 64.9", "64.9"),
        ("0.120000", "0.120000"),
        ("−12.00", "-12.00"),
        ("１２.５０", "12.50"),
    ],
)
def test_figures(text: str, number: str) -> None:
    assert amounts.figure(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "***", "1E5", "NaN", "1.2.3", "abc", "9" * 40])
def test_no_figures(text: str) -> None:
    assert amounts.figure(text) is None


@pytest.mark.parametrize(
    ("text", "fraction"),
    [
        ("6%", "0.06"),
        ("0.060000", "0.06"),
        ("1.5%", "0.015"),
        ("0", "0"),
        ("免税", None),
        ("***", None),
        ("6", None),
    ],
)
def test_rates(text: str, fraction: str | None) -> None:
    assert amounts.rate(text) == (None if fraction is None else Decimal(fraction))


def test_an_invoice_that_ties_has_no_doubts() -> None:
    items = [
        Item("a", cny("39.35"), cny("1.18"), Decimal("0.03"), "3%"),
        Item("a", cny("-0.96"), cny("-0.03")),
    ]
    found = amounts.ties(
        net=cny("38.39"),
        tax=cny("1.15"),
        total=cny("39.54"),
        items=items,
        words="叁拾玖元伍角肆分",
        differential=False,
    )
    assert found == []


def test_each_tie_is_named_when_it_breaks() -> None:
    items = [Item("a", cny("100.00"), cny("9.00"), Decimal("0.06"), "6%")]
    found = amounts.ties(
        net=cny("200.00"),
        tax=cny("12.00"),
        total=cny("218.00"),
        items=items,
        words="贰佰圆整",
        differential=False,
    )
    assert [(doubt.code, doubt.field) for doubt in found] == [
        ("invoice.total_does_not_tie", "total"),
        ("invoice.words_disagree", "total"),
        ("invoice.lines_do_not_tie", "net"),
        ("invoice.lines_do_not_tie", "tax"),
        ("invoice.line_tax_odd", "items"),
    ]


def test_one_cent_of_rounding_is_allowed_and_differential_lines_are_not_judged() -> None:
    items = [Item("a", cny("100.00"), cny("1.00"), Decimal("0.06"), "6%")]
    assert (
        amounts.ties(
            net=cny("100.00"), tax=cny("1.00"), total=cny("101.01"), items=items, words="", differential=True
        )
        == []
    )
