"""The QR code of VAT invoices: its layout, which total it carries, and its checksum. Source: domain facts §4."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from .amounts import figure
from .reading import Kind, Raw, Source

KINDS = {
    "01": Kind.PAPER_SPECIAL,
    "04": Kind.PAPER_ORDINARY,
    "08": Kind.ELECTRONIC_SPECIAL,
    "10": Kind.ELECTRONIC_ORDINARY,
    "11": Kind.ROLL,
    "14": Kind.TOLL,
    "31": Kind.DIGITAL_SPECIAL,
    "32": Kind.DIGITAL_ORDINARY,
    "51": Kind.RAIL,
    "61": Kind.AIR,
}
SAYS_TOTAL = frozenset({"31", "32", "51", "61"})
"""For these the amount is 价税合计; for all older kinds it is 合计金额, without tax."""


@dataclass(frozen=True, slots=True)
class QrCode:
    kind: str
    code: str
    number: str
    amount: Decimal
    issued: date
    check_code: str
    checksum_holds: bool | None  # None: no checksum in it
    text: str

    @property
    def says_total(self) -> bool:
        return self.kind in SAYS_TOTAL

    def raw(self) -> Raw:
        said = Raw(Source.QR)
        said.say("number", self.number)
        said.say("code", self.code)
        said.say("issued", self.issued.isoformat())
        said.say("check_code", self.check_code)
        said.say("kind", KINDS.get(self.kind, ""))
        said.say("total" if self.says_total else "net", str(self.amount))
        return said


def crc(payload: bytes) -> int:
    """CRC-16 (polynomial 0x8005, init 0, not reflected) over the text up to and with the comma before it."""
    value = 0
    for byte in payload:
        value ^= byte << 8
        for _ in range(8):
            value = ((value << 1) ^ 0x8005) & 0xFFFF if value & 0x8000 else (value << 1) & 0xFFFF
    return value


def parse(text: str) -> QrCode | None:
    """The code's fields, or None when it is some other QR code."""
    parts = text.strip().split(",")
    if len(parts) < 7 or parts[0] != "01" or not re.fullmatch(r"\d{2}", parts[1]):
        return None
    code, number, amount, day, check_code = parts[2:7]
    if not re.fullmatch(r"(\d{10}|\d{12})?", code) or not re.fullmatch(r"\d{8}|\d{20}", number):
        return None
    value = figure(amount)
    if value is None or not re.fullmatch(r"20\d{6}", day):
        return None
    try:
        issued = date(int(day[:4]), int(day[4:6]), int(day[6:]))
    except ValueError:
        return None
    return QrCode(parts[1], code, number, value, issued, check_code, _checksum_holds(parts), text.strip())


def _checksum_holds(parts: list[str]) -> bool | None:
    if len(parts) < 8 or not re.fullmatch(r"[0-9A-Fa-f]{4}", parts[7]):
        return None
    said = int(parts[7], 16)
    body = ",".join(parts[:7]).encode()
    return said in (crc(body + b","), crc(body))
