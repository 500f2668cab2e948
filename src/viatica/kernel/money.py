"""Money: a Decimal and its ISO 4217 currency, which never part.

Sums are exact; only `rounded` and `convert` round, once, by a named rule.
"""

from __future__ import annotations

import decimal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache, total_ordering
from typing import Any, Self

from babel import Locale
from babel.numbers import get_currency_precision

from viatica.kernel.errors import BadInput
from viatica.kernel.words import N_

LARGEST = Decimal("9999999999999999.99")  # what NUMERIC(18, 2) holds


class Rounding(StrEnum):
    """Named rounding rules. HALF_UP is the rule of Chinese invoices and of accounting here."""

    HALF_UP = decimal.ROUND_HALF_UP
    HALF_EVEN = decimal.ROUND_HALF_EVEN
    UP = decimal.ROUND_UP
    DOWN = decimal.ROUND_DOWN


class UnknownCurrency(BadInput):
    code = "money.currency_unknown"
    message = N_("“{currency}” is not a currency code.")
    hint = N_("Use a three-letter ISO 4217 code such as CNY, USD or EUR.")


class BadAmount(BadInput):
    code = "money.amount_bad"
    message = N_("“{amount}” is not an amount of {currency}.")
    hint = N_("Write digits with at most {places} decimals, such as 1280.50.")


class MixedCurrencies(BadInput):
    code = "money.mixed_currencies"
    message = N_("{left} and {right} cannot be added or compared.")
    hint = N_("Convert one of them first, with a rate and its date.")


@cache
def _currencies() -> frozenset[str]:
    return frozenset(Locale("en").currencies)


def known_currency(code: str) -> str:
    """`code`, when it is an ISO 4217 code. Raises UnknownCurrency."""
    if code not in _currencies():
        raise UnknownCurrency(currency=code)
    return code


@cache
def minor_unit(currency: str) -> Decimal:
    """The smallest step: 0.01 for CNY, 1 for JPY. Two decimals are the most any table here keeps."""
    return Decimal(1).scaleb(-min(get_currency_precision(currency), 2))


@total_ordering
@dataclass(frozen=True, slots=True, eq=True, init=False)
class Money:
    """An exact amount in one currency. `str` gives `1280.50 CNY`."""

    amount: Decimal
    currency: str

    def __init__(self, amount: Decimal | str | int, currency: str) -> None:
        known_currency(currency)
        if isinstance(amount, float):
            raise TypeError("money is never a float")
        unit = minor_unit(currency)
        try:
            exact = Decimal(amount)
            kept = exact.quantize(unit)
        except (decimal.InvalidOperation, ValueError) as error:
            raise BadAmount(
                amount=amount, currency=currency, places=-int(unit.as_tuple().exponent)
            ) from error
        if kept != exact or abs(kept) > LARGEST:
            raise BadAmount(amount=amount, currency=currency, places=-int(unit.as_tuple().exponent))
        object.__setattr__(self, "amount", kept + 0)  # + 0 makes -0.00 plain 0.00
        object.__setattr__(self, "currency", currency)

    @classmethod
    def zero(cls, currency: str) -> Self:
        return cls(0, currency)

    @classmethod
    def rounded(cls, amount: Decimal, currency: str, rule: Rounding = Rounding.HALF_UP) -> Self:
        """`amount` at the currency's precision, by the named rule."""
        return cls(amount.quantize(minor_unit(known_currency(currency)), rounding=rule.value), currency)

    @classmethod
    def total(cls, parts: Iterable[Money], currency: str) -> Money:
        """The sum of `parts`; zero of `currency` when there is none."""
        result = Money.zero(currency)
        for part in parts:
            result += part
        return result

    @classmethod
    def parse(cls, data: Any) -> Self:
        """From JSON `{"amount": "1280.50", "currency": "CNY"}`; a JSON number is refused."""
        match data:
            case {"amount": str(amount), "currency": str(currency)}:
                return cls(amount, currency)
            case _:
                raise BadAmount(amount=data, currency="", places=2)

    def json(self) -> dict[str, str]:
        return {"amount": str(self.amount), "currency": self.currency}

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"

    def _same(self, other: Money) -> Decimal:
        if other.currency != self.currency:
            raise MixedCurrencies(left=self, right=other)
        return other.amount

    def __add__(self, other: Money) -> Money:
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount - self._same(other), self.currency)

    def __mul__(self, times: int) -> Money:
        return Money(self.amount * times, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def __abs__(self) -> Money:
        return Money(abs(self.amount), self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.amount < self._same(other)

    def __bool__(self) -> bool:
        return bool(self.amount)

    @property
    def is_negative(self) -> bool:
        return self.amount < 0

    def allocate(self, weights: Sequence[Decimal | int]) -> list[Money]:
        """Split by `weights` (≥ 0, some > 0) so that the parts add up to the cent.

        Each part is the exact share rounded down; the cents left over go one each to the
        largest remainders, earlier parts first.
        """
        shares = [Decimal(weight) for weight in weights]
        whole = sum(shares, Decimal(0))
        if whole <= 0 or any(share < 0 for share in shares):
            raise ValueError("weights must be non-negative and not all zero")
        unit = minor_unit(self.currency)
        steps = abs(self.amount) / unit
        exact = [steps * share / whole for share in shares]
        parts = [share.to_integral_value(rounding=decimal.ROUND_DOWN) for share in exact]
        left = int(steps - sum(parts, Decimal(0)))
        by_remainder = sorted(range(len(parts)), key=lambda n: (parts[n] - exact[n], n))
        for n in by_remainder[:left]:
            parts[n] += 1
        sign = -1 if self.amount < 0 else 1
        return [Money(sign * part * unit, self.currency) for part in parts]

    def convert(self, rate: Decimal, currency: str, rule: Rounding = Rounding.HALF_UP) -> Money:
        """In `currency`, at `rate` units of it for one unit of ours; rounded once."""
        return Money.rounded(self.amount * rate, currency, rule)
