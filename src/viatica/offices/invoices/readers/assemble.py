"""From what the sources of one file say to one invoice: the surest source wins, the others must agree."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise

from viatica.kernel.money import Money

from . import amounts, categories, taxpayer
from .qr import QrCode
from .reading import (
    MISSING,
    NUMBERED_ALONE,
    Item,
    Kind,
    NotAnInvoice,
    Raw,
    ReadingWarning,
    ReadResult,
    Source,
    Trip,
)

LONGEST_TEXT = 500
MOST_ITEMS = 2000
TITLES = (
    ("铁路电子客票", Kind.RAIL),
    ("航空运输电子客票", Kind.AIR),
    ("电子发票(增值税专用发票)", Kind.DIGITAL_SPECIAL),
    ("电子发票(普通发票)", Kind.DIGITAL_ORDINARY),
    ("增值税电子专用发票", Kind.ELECTRONIC_SPECIAL),
    ("增值税电子普通发票", Kind.ELECTRONIC_ORDINARY),
    ("电子普通发票", Kind.ELECTRONIC_ORDINARY),
    ("电子专用发票", Kind.ELECTRONIC_SPECIAL),
    ("增值税专用发票", Kind.PAPER_SPECIAL),
    ("增值税普通发票", Kind.PAPER_ORDINARY),
)
DATE = re.compile(r"(20\d{2})\s*[-年/.]?\s*(\d{1,2})\s*[-月/.]?\s*(\d{1,2})")
RED_NOTE = re.compile(r"被红冲蓝字(?:数电)?(?:电子)?(?:发票|票)(?:号码)?[:：]?\s*(\d{8,20})|对应正数发票")
COMPARED = ("number", "code", "issued", "seller_tax_id", "buyer_tax_id", "net", "tax", "total")


def plain(text: str) -> str:
    """NFKC, without control characters and half surrogates, blanks collapsed, at most LONGEST_TEXT long."""
    kept = (c if unicodedata.category(c)[0] != "C" else " " for c in unicodedata.normalize("NFKC", text))
    return " ".join("".join(kept).split())[:LONGEST_TEXT]


def day(text: str) -> date | None:
    """`2020年08月05日`, `2024-05-28 10:08:05` or `20240528`; None when it is no date."""
    found = DATE.match(plain(text))
    if not found:
        return None
    try:
        return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return None


def kind_of_title(text: str) -> Kind | None:
    bare = "".join(unicodedata.normalize("NFKC", text).split())
    return next((kind for title, kind in TITLES if title in bare), None)


def kind_of_numbers(code: str, number: str) -> Kind:
    """By 发票代码 and length of the number. Source: domain facts §2.1."""
    if len(number) == 20:
        return Kind.DIGITAL_ORDINARY
    if len(code) == 12 and code.startswith("0"):
        last = code[10:]
        by_end = {"11": Kind.ELECTRONIC_ORDINARY, "12": Kind.TOLL, "13": Kind.ELECTRONIC_SPECIAL}
        return by_end.get(last, Kind.ROLL if last in ("06", "07") else Kind.PAPER_ORDINARY)
    if len(code) == 10 and code[7] in "15":
        return Kind.PAPER_SPECIAL
    return Kind.PAPER_ORDINARY


@dataclass(slots=True)
class _Merged:
    """The winning text of each value, and where it came from."""

    texts: dict[str, str]
    sources: dict[str, Source]

    def get(self, name: str) -> str:
        return self.texts.get(name, "")


def assemble(
    raws: Sequence[Raw],
    *,
    name: str,
    media_type: str,
    qr: QrCode | None,
    found: Iterable[ReadingWarning] = (),
) -> ReadResult:
    """One invoice from `raws`, surest first. Raises NotAnInvoice and FieldsMissing.

    `found` are doubts of the reader itself; the ties and cross-checks are added here.
    """
    merged = _merge([*raws, qr.raw()] if qr else raws)
    number, code = _numbers(merged)
    kind = _kind(merged, code, number)
    issued = day(merged.get("issued"))
    net, tax, total, extra = _totals(merged)
    _refuse_when_missing(name, kind, number, code, issued, total)
    assert issued is not None and total is not None  # _refuse_when_missing saw to it
    items = tuple(_items(raws))
    trips = tuple(_trips(raws))
    remark = plain(merged.get("remark"))
    is_red = bool(merged.get("red") or RED_NOTE.search(remark) or total.is_negative)
    warnings = [
        *found,
        *extra,
        *amounts.ties(
            net=net,
            tax=tax,
            total=total,
            items=items,
            words=plain(merged.get("words")),
            differential=bool(merged.get("differential")) or "差额征税" in remark,
        ),
        *_contradictions(raws),
        *_qr_doubts(qr, number, code, issued, net, total),
        *_doubts(kind, number, issued, total, is_red, merged),
    ]
    return ReadResult(
        kind=kind,
        number=number,
        code=code,
        issued=issued,
        seller_name=plain(merged.get("seller_name")),
        seller_tax_id=taxpayer.normalised(plain(merged.get("seller_tax_id")))[:32],
        buyer_name=plain(merged.get("buyer_name")),
        buyer_tax_id=taxpayer.normalised(plain(merged.get("buyer_tax_id")))[:32],
        net=net,
        tax=tax,
        total=total,
        items=items,
        trips=trips,
        category_hint=categories.hint(kind, items, trips),
        check_code="".join(merged.get("check_code").split())[:20],
        remark=remark,
        is_red=is_red,
        media_type=media_type,
        sources=merged.sources,
        qr=qr,
        warnings=tuple(_once(warnings)),
    )


def _once(warnings: Iterable[ReadingWarning]) -> Iterable[ReadingWarning]:
    seen: set[str] = set()
    for warning in warnings:
        key = repr(warning)
        if key not in seen:
            seen.add(key)
            yield warning


def _merge(raws: Sequence[Raw]) -> _Merged:
    merged = _Merged({}, {})
    for raw in raws:
        for name, text in raw:
            if name not in merged.texts:
                merged.texts[name], merged.sources[name] = text, raw.source
    return merged


def _digits(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split())


def _numbers(merged: _Merged) -> tuple[str, str]:
    number, code = _digits(merged.get("number")), _digits(merged.get("code"))
    if not re.fullmatch(r"\d{20}|\d{8}|\d{10}", number):
        number = ""
    if not re.fullmatch(r"\d{8}|\d{10}|\d{12}", code):
        code = ""
    return number, code


def _kind(merged: _Merged, code: str, number: str) -> Kind:
    said = merged.get("kind")
    kind = Kind(said) if said in set(Kind) else None
    titled = kind_of_title(merged.get("title"))
    chosen = titled or kind or kind_of_numbers(code, number)
    if chosen in NUMBERED_ALONE and len(number) == 8 and code:
        return kind_of_numbers(code, number)
    return chosen


def _totals(merged: _Merged) -> tuple[Money, Money, Money | None, list[ReadingWarning]]:
    """net, tax and total, the missing one computed from the other two or from 大写."""
    net, tax, total = (amounts.figure(merged.get(name)) for name in ("net", "tax", "total"))
    warnings: list[ReadingWarning] = []
    if total is None:
        total = amounts.in_words(merged.get("words"))
        if total is not None:
            merged.sources["total"] = merged.sources["words"]
    if total is None and net is not None and tax is not None:
        total = net + tax
        merged.sources["total"] = Source.COMPUTED
    if total is None:
        return Money.zero("CNY"), Money.zero("CNY"), None, warnings
    if net is None:
        net = total - (tax or Decimal(0))
        merged.sources["net"] = Source.COMPUTED
    if tax is None:
        tax = total - net
        merged.sources["tax"] = Source.COMPUTED
        if tax == 0:
            warnings.append(ReadingWarning("invoice.tax_unknown", "tax"))
    return amounts.yuan(net), amounts.yuan(tax), amounts.yuan(total), warnings


def _refuse_when_missing(
    name: str, kind: Kind, number: str, code: str, issued: date | None, total: Money | None
) -> None:
    missing = [
        field for field, value in (("number", number), ("issued", issued), ("total", total)) if not value
    ]
    if number and len(number) != 20 and not code and kind is not Kind.FISCAL:
        missing.append("code")
    if total is not None and not total and "total" in missing:
        missing.remove("total")  # zero is a stated amount, judged later
    if "number" in missing and len(missing) >= 2:
        raise NotAnInvoice(name=name)
    if missing:
        raise MISSING[missing[0]](name=name, field=missing[0])


def _items(raws: Sequence[Raw]) -> Iterable[Item]:
    """The lines of the first source that has any; a line without a readable amount is left out."""
    lines = next((raw.items for raw in raws if raw.items), [])
    for line in lines[:MOST_ITEMS]:
        net = amounts.figure(line.get("net", ""))
        if net is None:
            continue
        rate_text = plain(line.get("rate", ""))
        rate = amounts.rate(rate_text)
        if rate is not None and not rate_text.endswith("%"):
            rate_text = f"{(rate * 100).normalize():f}%"
        yield Item(
            name=plain(line.get("name", "")),
            net=amounts.yuan(net),
            tax=amounts.yuan(amounts.figure(line.get("tax", "")) or Decimal(0)),
            rate=rate,
            rate_text=rate_text,
            quantity=plain(line.get("quantity", ""))[:40],
            price=plain(line.get("price", ""))[:40],
        )


def _trips(raws: Sequence[Raw]) -> Iterable[Trip]:
    for trip in next((raw.trips for raw in raws if raw.trips), [])[:MOST_ITEMS]:
        yield Trip(
            day=day(trip.get("day", "")),
            start=plain(trip.get("start", "")),
            end=plain(trip.get("end", "")),
            vehicle=plain(trip.get("vehicle", "")),
            grade=plain(trip.get("grade", "")),
            traveller=plain(trip.get("traveller", "")),
        )


def _comparable(name: str, text: str) -> str:
    """A value as it can be compared between sources; empty when it is unreadable there."""
    if name in ("net", "tax", "total"):
        value = amounts.figure(text)
        return "" if value is None else str(amounts.yuan(value).amount)
    if name == "issued":
        issued = day(text)
        return issued.isoformat() if issued else ""
    if name.endswith("tax_id"):
        return taxpayer.normalised(plain(text))
    return _digits(text)


def _contradictions(raws: Sequence[Raw]) -> Iterable[ReadingWarning]:
    for name in COMPARED:
        said = [value for raw in raws if (value := _comparable(name, raw.texts.get(name, "")))]
        for first, second in pairwise(said):
            if first != second:
                yield ReadingWarning("invoice.sources_disagree", name, {"first": first, "second": second})


def _qr_doubts(
    qr: QrCode | None, number: str, code: str, issued: date, net: Money, total: Money
) -> Iterable[ReadingWarning]:
    if qr is None:
        return
    amount = "total" if qr.says_total else "net"
    pairs = [
        ("number", qr.number, number),
        ("code", qr.code, code if qr.code else ""),
        ("issued", qr.issued.isoformat(), issued.isoformat()),
        (amount, str(amounts.yuan(qr.amount).amount), str((total if qr.says_total else net).amount)),
    ]
    for name, in_code, stated in pairs:
        if in_code != stated:
            yield ReadingWarning("invoice.qr_disagrees", name, {"qr": in_code, "stated": stated})
    if qr.checksum_holds is False:
        yield ReadingWarning("invoice.qr_checksum")


def _doubts(
    kind: Kind, number: str, issued: date, total: Money, is_red: bool, merged: _Merged
) -> Iterable[ReadingWarning]:
    if is_red:
        yield ReadingWarning("invoice.red", "total")
    if total.amount <= 0 and not is_red:
        yield ReadingWarning("invoice.not_positive", "total", {"total": str(total.amount)})
    if abs(total.amount) > amounts.LARGEST_INVOICE:
        yield ReadingWarning("invoice.absurd", "total", {"total": str(total.amount)})
    if kind in NUMBERED_ALONE and len(number) == 20 and abs(2000 + int(number[:2]) - issued.year) > 1:
        yield ReadingWarning("invoice.year_odd", "number", {"number": number, "year": str(issued.year)})
    for name in ("seller_tax_id", "buyer_tax_id"):
        tax_id = taxpayer.normalised(plain(merged.get(name)))
        if taxpayer.is_doubtful(tax_id):
            yield ReadingWarning("invoice.tax_id_check", name, {"tax_id": tax_id})
    if not merged.get("buyer_name") and not merged.get("buyer_tax_id"):
        yield ReadingWarning("invoice.buyer_missing", "buyer_name")
