from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viatica.kernel.money import BadAmount, MixedCurrencies, Money, Rounding, UnknownCurrency

cents = st.integers(min_value=-(10**12), max_value=10**12)


def test_currencies_do_not_mix() -> None:
    with pytest.raises(MixedCurrencies):
        Money("1280.50", "CNY") + Money("99.00", "USD")


def test_a_sum_is_exact() -> None:
    assert Money("1280.50", "CNY") + Money("99.00", "CNY") == Money("1379.50", "CNY")


@pytest.mark.parametrize("amount", ["1.005", "abc", "NaN", "Infinity", "1e20", ""])
def test_absurd_amounts_are_refused(amount: str) -> None:
    with pytest.raises(BadAmount):
        Money(amount, "CNY")


def test_an_unknown_currency_is_refused() -> None:
    with pytest.raises(UnknownCurrency):
        Money("1", "XQZ")


def test_a_float_never_becomes_money() -> None:
    with pytest.raises(TypeError):
        Money(1.1, "CNY")  # type: ignore[arg-type]  # the mistake under test


def test_yen_have_no_cents() -> None:
    assert str(Money("120", "JPY")) == "120 JPY"
    with pytest.raises(BadAmount):
        Money("120.5", "JPY")


def test_rounding_follows_the_named_rule() -> None:
    assert Money.rounded(Decimal("0.125"), "CNY") == Money("0.13", "CNY")
    assert Money.rounded(Decimal("0.125"), "CNY", Rounding.HALF_EVEN) == Money("0.12", "CNY")
    assert Money.rounded(Decimal("0.121"), "CNY", Rounding.UP) == Money("0.13", "CNY")


def test_json_carries_a_string_and_comes_back() -> None:
    money = Money("-0.10", "CNY")
    assert money.json() == {"amount": "-0.10", "currency": "CNY"}
    assert Money.parse(money.json()) == money
    with pytest.raises(BadAmount):
        Money.parse({"amount": 1.1, "currency": "CNY"})


def test_ten_yuan_in_three_parts() -> None:
    assert [str(part.amount) for part in Money("10.00", "CNY").allocate([1, 1, 1])] == [
        "3.34",
        "3.33",
        "3.33",
    ]


@given(cents, st.lists(st.integers(min_value=0, max_value=1000), min_size=1, max_size=20).filter(any))
def test_allocation_neither_makes_nor_loses_a_cent(steps: int, weights: list[int]) -> None:
    whole = Money(Decimal(steps) / 100, "CNY")
    parts = whole.allocate(weights)
    assert Money.total(parts, "CNY") == whole
    assert all(not part for part, weight in zip(parts, weights, strict=True) if weight == 0)
