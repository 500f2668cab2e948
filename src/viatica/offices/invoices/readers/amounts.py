"""Amounts: figures, 大写金额, and the ties an invoice must keep. Source: domain facts §3, 会计基础工作规范 art. 52."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal

from viatica.kernel.money import Money

from .reading import Item, ReadingWarning

CENT = Decimal("0.01")
FIGURE = re.compile(r"-?\d{1,16}(\.\d{1,13})?")
LARGEST_INVOICE = Decimal("1000000000")  # no invoice limit of the tax bureau comes near

DIGITS = {c: n for n, c in enumerate("零壹贰叁肆伍陆柒捌玖")} | {
    "〇": 0, "○": 0, "一": 1, "二": 2, "两": 2, "贰": 2, "貳": 2, "三": 3, "叄": 3, "四": 4, "五": 5, "六": 6, "陸": 6,
    "七": 7, "八": 8, "九": 9, "壱": 1,
}  # fmt: skip
SMALL_UNITS = {"拾": 10, "十": 10, "佰": 100, "百": 100, "仟": 1000, "千": 1000}
LARGE_UNITS = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}
YUAN = frozenset("元圆圓")
WORDS = re.compile(
    "(?:[(]?负数?[)]?)?[零〇○壹贰叁肆伍陆柒捌玖两拾佰仟万亿貳叄陸萬億]+[元圆圓]?(?:[零〇○壹贰叁肆伍陆柒捌玖两]角)?零?"
    "(?:[壹贰叁肆伍陆柒捌玖两]分)?[整正]?"
)


def figure(text: str) -> Decimal | None:
    """`¥1,280.50`, `（￥12）` or `0.120000` as a Decimal; None when it is no number."""
    plain = unicodedata.normalize("NFKC", text)
    for mark in "¥¥ ,，\t\n()元圆":
        plain = plain.replace(mark, "")
    plain = plain.replace("−", "-").replace("–", "-")
    return Decimal(plain) if FIGURE.fullmatch(plain) else None


def yuan(amount: Decimal) -> Money:
    """`amount` in CNY, half up at the cent: 2.120000 in some XML is 2.12."""
    return Money.rounded(amount, "CNY")


def rate(text: str) -> Decimal | None:
    """`6%`, `0.060000` → 0.06; None for 免税, 不征税, *** and anything else."""
    plain = unicodedata.normalize("NFKC", text).replace(" ", "")
    if plain.endswith("%"):
        part = figure(plain[:-1])
        return None if part is None else (part / 100).normalize()
    part = figure(plain)
    if part is None or part >= 1:
        return None
    return part.normalize()


def in_words(text: str) -> Decimal | None:
    """大写金额 as a number, `（负数）壹佰圆整` → -100; None when it is not one. Variants 元/圆, 整/正, 〇/零 are read."""
    plain = unicodedata.normalize("NFKC", text).replace(" ", "")
    negative = False
    for mark in ("(负数)", "(负)", "负数", "负"):
        if plain.startswith(mark):
            plain, negative = plain[len(mark) :], True
            break
    plain = plain.removeprefix("人民币").rstrip("整正")
    if not plain or len(plain) > 40:
        return None
    value = _words_value(plain)
    return None if value is None else (-value if negative else value)


def _words_value(plain: str) -> Decimal | None:
    total = section = 0  # yuan so far; the part below the next 万 or 亿
    digit: int | None = None
    cents = 0
    seen_yuan = seen_any = False
    for letter in plain:
        seen_any = True
        if letter in DIGITS:
            digit = DIGITS[letter]
        elif letter in SMALL_UNITS and not seen_yuan:
            section += (digit if digit is not None else 1) * SMALL_UNITS[letter]
            digit = None
        elif letter in LARGE_UNITS and not seen_yuan:
            section += digit or 0
            # 壹万亿: the unit multiplies all that came before when it is the larger one.
            total = (
                (total + section) * LARGE_UNITS[letter]
                if total < LARGE_UNITS[letter] and total
                else (total + section * LARGE_UNITS[letter])
            )
            section, digit = 0, None
        elif letter in YUAN and not seen_yuan:
            total, section, digit, seen_yuan = total + section + (digit or 0), 0, None, True
        elif letter == "角":
            cents, digit = cents + (digit or 0) * 10, None
        elif letter == "分":
            cents, digit = cents + (digit or 0), None
        else:
            return None
    if not seen_any:
        return None
    if not seen_yuan:
        total += section
        if digit and not cents:
            total, digit = total + digit, None
    if digit:
        return None
    return Decimal(total) + Decimal(cents) * CENT


def ties(
    *, net: Money, tax: Money, total: Money, items: Sequence[Item], words: str, differential: bool
) -> list[ReadingWarning]:
    """The ties of an invoice that do not hold. `differential` = 差额征税, where line tax is not rate × net."""
    found: list[ReadingWarning] = []
    if abs((net + tax - total).amount) > CENT:
        found.append(
            ReadingWarning(
                "invoice.total_does_not_tie",
                "total",
                {"net": str(net.amount), "tax": str(tax.amount), "total": str(total.amount)},
            )
        )
    spoken = in_words(words) if words else None
    if spoken is not None and spoken != total.amount:
        found.append(
            ReadingWarning(
                "invoice.words_disagree", "total", {"words": f"{spoken:.2f}", "total": str(total.amount)}
            )
        )
    if items:
        found += _line_ties(net, tax, items, differential)
    return found


def _line_ties(net: Money, tax: Money, items: Sequence[Item], differential: bool) -> list[ReadingWarning]:
    found: list[ReadingWarning] = []
    allowed = CENT * max(len(items), 1)
    for name, stated, lines in (
        ("net", net, Money.total((item.net for item in items), net.currency)),
        ("tax", tax, Money.total((item.tax for item in items), tax.currency)),
    ):
        if abs((stated - lines).amount) > allowed:
            found.append(
                ReadingWarning(
                    "invoice.lines_do_not_tie",
                    name,
                    {"lines": str(lines.amount), "stated": str(stated.amount)},
                )
            )
    for n, item in enumerate(items, start=1):
        if item.rate is None or differential:
            continue
        if abs(item.net.amount * item.rate - item.tax.amount) > CENT:
            found.append(
                ReadingWarning(
                    "invoice.line_tax_odd",
                    "items",
                    {
                        "line": str(n),
                        "tax": str(item.tax.amount),
                        "rate": item.rate_text,
                        "net": str(item.net.amount),
                    },
                )
            )
    return found
