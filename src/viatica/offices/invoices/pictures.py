"""An invoice drawn as a picture: for OFD and XML, which browsers cannot show, and for papers without a photograph.

SVG, so that Chinese is set in the reader's own fonts and the server needs none. Every text is escaped; there is
no script, no link and no outside reference in it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, cast
from xml.sax.saxutils import escape

import zxingcpp
from django.utils.translation import gettext

from viatica.kernel.money import Money
from viatica.offices.archive import previews
from viatica.offices.invoices import readers
from viatica.offices.invoices.models import Invoice
from viatica.offices.invoices.readers.reading import KIND_NAMES, Kind, ReadResult

WIDTH = 840
MOST_LINES = 8
FONTS = "-apple-system, 'Segoe UI', 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif"
INK, FAINT, RULE, ACCENT = "#1f2933", "#66727f", "#d5dbe1", "#a33b1f"


@dataclass(frozen=True, slots=True)
class Summary:
    """What the picture shows. `lines` = (name, rate, net, tax) as texts."""

    kind: Kind
    number: str
    code: str
    issued: date
    seller: tuple[str, str]
    buyer: tuple[str, str]
    net: Money
    tax: Money
    total: Money
    lines: tuple[tuple[str, str, str, str], ...]
    line_count: int
    trips: tuple[str, ...]
    qr: str = ""


def of_file(data: bytes, name: str) -> bytes:
    """The picture of an invoice file. Raises readers.Unreadable."""
    return draw(_of_reading(readers.read(data, name)))


def of_invoice(invoice: Invoice) -> tuple[bytes, str]:
    """The picture of a kept invoice and its media type: of its file, or drawn from what was typed."""
    if invoice.file_id:
        return previews.preview(invoice.file_id)
    return draw(_of_row(invoice)), previews.SVG


def _of_reading(read: ReadResult) -> Summary:
    return Summary(
        kind=read.kind,
        number=read.number,
        code=read.code,
        issued=read.issued,
        seller=(read.seller_name, read.seller_tax_id),
        buyer=(read.buyer_name, read.buyer_tax_id),
        net=read.net,
        tax=read.tax,
        total=read.total,
        lines=tuple(
            (item.name, item.rate_text, money(item.net), money(item.tax)) for item in read.items[:MOST_LINES]
        ),
        line_count=len(read.items),
        trips=tuple(
            " ".join(
                part
                for part in (str(trip.day or ""), f"{trip.start} → {trip.end}", trip.vehicle, trip.grade)
                if part
            )
            for trip in read.trips[:3]
        ),
        qr=read.qr.text if read.qr else "",
    )


def _of_row(invoice: Invoice) -> Summary:
    return Summary(
        kind=Kind(invoice.kind),
        number=invoice.number,
        code=invoice.code,
        issued=invoice.issued,
        seller=(invoice.seller_name, invoice.seller_tax_id),
        buyer=(invoice.buyer_name, invoice.buyer_tax_id),
        net=Money(invoice.net, invoice.currency),
        tax=invoice.tax_money,
        total=invoice.money,
        lines=(),
        line_count=0,
        trips=(),
    )


def money(value: Money) -> str:
    """`¥1,280.50`; other currencies by their code."""
    sign = "−" if value.is_negative else ""
    figures = f"{abs(value.amount):,}"
    return f"{sign}¥{figures}" if value.currency == "CNY" else f"{sign}{value.currency} {figures}"


class _Sheet:
    """Collects shapes; `y` is where the next block begins."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.y = 0

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: int = 15,
        fill: str = INK,
        bold: bool = False,
        right: bool = False,
    ) -> None:
        weight = ' font-weight="600"' if bold else ""
        anchor = ' text-anchor="end"' if right else ""
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{fill}"{weight}{anchor}>{escape(text)}</text>'
        )

    def rule(self, y: float) -> None:
        self.parts.append(f'<path d="M32 {y:g}H{WIDTH - 32}" stroke="{RULE}"/>')

    def svg(self, height: int) -> bytes:
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
            f'font-family="{FONTS}" font-variant-numeric="tabular-nums">'
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
            f'<rect x="0" y="0" width="{WIDTH}" height="6" fill="{ACCENT}"/>'
        )
        return (head + "".join(self.parts) + "</svg>").encode()


def draw(shown: Summary) -> bytes:
    """The summary as SVG, in the active language."""
    sheet = _Sheet()
    _head(sheet, shown)
    _parties(sheet, shown)
    _lines(sheet, shown)
    _totals(sheet, shown)
    return sheet.svg(sheet.y + 20)


def _head(sheet: _Sheet, shown: Summary) -> None:
    left = 32
    if shown.qr:
        sheet.parts.append(_qr(shown.qr, 32, 28, 88))
        left = 140
    sheet.text(left, 62, gettext(KIND_NAMES[shown.kind]), size=22, fill=ACCENT, bold=True)
    facts = [
        (gettext("Invoice number"), shown.number or "–"),
        (gettext("Issue date"), shown.issued.isoformat()),
    ]
    if shown.code:
        facts.insert(0, (gettext("Invoice code"), shown.code))
    y = 52 if len(facts) < 3 else 42
    for label, value in facts:
        sheet.text(WIDTH - 232, y, label, size=13, fill=FAINT, right=True)
        sheet.text(WIDTH - 32, y, value, size=15, right=True)
        y += 26
    sheet.y = 136
    sheet.rule(sheet.y)


def _parties(sheet: _Sheet, shown: Summary) -> None:
    half = WIDTH / 2
    deepest = sheet.y
    for x, label, (name, tax_id) in (
        (32, gettext("Buyer"), shown.buyer),
        (half + 16, gettext("Seller"), shown.seller),
    ):
        y = sheet.y + 28
        sheet.text(x, y, label, size=13, fill=FAINT)
        for line in _wrapped(name or "–", 22)[:2]:
            y += 24
            sheet.text(x, y, line, size=16, bold=True)
        if tax_id:
            y += 22
            sheet.text(x, y, tax_id, size=13, fill=FAINT)
        deepest = max(deepest, y)
    sheet.y = int(deepest) + 20
    sheet.rule(sheet.y)


def _lines(sheet: _Sheet, shown: Summary) -> None:
    if not shown.lines and not shown.trips:
        return
    y = sheet.y + 28
    if shown.lines:
        for x, label in (
            (500, gettext("Net amount")),
            (600, gettext("Tax rate")),
            (WIDTH - 32, gettext("Tax amount")),
        ):
            sheet.text(x, y, label, size=13, fill=FAINT, right=True)
        sheet.text(32, y, gettext("Goods or services"), size=13, fill=FAINT)
    for name, rate, net, tax in shown.lines:
        y += 26
        sheet.text(32, y, _wrapped(name, 22)[0])
        sheet.text(500, y, net, right=True)
        sheet.text(600, y, rate, fill=FAINT, right=True)
        sheet.text(WIDTH - 32, y, tax, right=True)
    if shown.line_count > len(shown.lines):
        y += 24
        more = gettext("and {count} more lines").format(count=shown.line_count - len(shown.lines))
        sheet.text(32, y, more, size=13, fill=FAINT)
    for trip in shown.trips:
        y += 24
        sheet.text(32, y, _wrapped(trip, 50)[0], size=13, fill=FAINT)
    sheet.y = y + 20
    sheet.rule(sheet.y)


def _totals(sheet: _Sheet, shown: Summary) -> None:
    y = sheet.y + 38
    sheet.text(32, y, f"{gettext('Net amount')} {money(shown.net)}", fill=FAINT)
    sheet.text(280, y, f"{gettext('Tax amount')} {money(shown.tax)}", fill=FAINT)
    sheet.text(WIDTH - 232, y, gettext("Total with tax"), fill=FAINT, right=True)
    sheet.text(WIDTH - 32, y + 2, money(shown.total), size=24, bold=True, right=True)
    sheet.y = y + 10


def _wide(letter: str) -> Decimal:
    return Decimal(1) if unicodedata.east_asian_width(letter) in "WF" else Decimal("0.55")


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` Chinese characters' room; never empty."""
    lines, room = [""], Decimal(width)
    for letter in _printable(text):
        need = _wide(letter)
        if need > room:
            lines.append("")
            room = Decimal(width)
        lines[-1] += letter
        room -= need
    return lines


def _printable(text: str) -> Iterable[str]:
    """XML 1.0 knows no control characters, escaped or not."""
    return (letter for letter in text if unicodedata.category(letter)[0] != "C")


def _qr(text: str, x: float, y: float, side: float) -> str:
    barcode = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode)
    image: Any = barcode.to_image(scale=1, add_quiet_zones=False)  # its buffer is missing in the type stubs
    rows: list[list[int]] = cast("Any", memoryview(image)).tolist()
    path = "".join(
        f"M{across} {down}h1v1h-1z"
        for down, row in enumerate(rows)
        for across, cell in enumerate(row)
        if cell == 0
    )
    return f'<path transform="translate({x:g} {y:g}) scale({side / len(rows):.4f})" d="{path}" fill="#000"/>'
