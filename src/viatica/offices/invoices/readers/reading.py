"""What reading a file gives: plain values, each with the source that gave it, and what is doubtful about them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from viatica.kernel.errors import Refused
from viatica.kernel.money import Money
from viatica.kernel.words import N_

if TYPE_CHECKING:
    from .qr import QrCode


class Kind(StrEnum):
    """Kinds of tickets; the values are ours, `TYPE_CODES` gives the 票种代码 of the tax bureau."""

    DIGITAL_SPECIAL = "digital_special"
    DIGITAL_ORDINARY = "digital_ordinary"
    RAIL = "rail"
    AIR = "air"
    ELECTRONIC_SPECIAL = "electronic_special"
    ELECTRONIC_ORDINARY = "electronic_ordinary"
    TOLL = "toll"
    PAPER_SPECIAL = "paper_special"
    PAPER_ORDINARY = "paper_ordinary"
    ROLL = "roll"
    FISCAL = "fiscal"
    TAXI_RECEIPT = "taxi_receipt"
    FIXED_AMOUNT = "fixed_amount"
    COACH_TICKET = "coach_ticket"
    OTHER = "other"


TYPE_CODES = {
    Kind.DIGITAL_SPECIAL: "81",
    Kind.DIGITAL_ORDINARY: "82",
    Kind.RAIL: "51",
    Kind.AIR: "61",
    Kind.ELECTRONIC_SPECIAL: "08",
    Kind.ELECTRONIC_ORDINARY: "10",
    Kind.TOLL: "14",
    Kind.PAPER_SPECIAL: "01",
    Kind.PAPER_ORDINARY: "04",
    Kind.ROLL: "11",
}
KIND_NAMES = {
    Kind.DIGITAL_SPECIAL: N_("Digital invoice (special VAT)"),
    Kind.DIGITAL_ORDINARY: N_("Digital invoice (ordinary)"),
    Kind.RAIL: N_("Rail e-ticket"),
    Kind.AIR: N_("Air e-ticket itinerary"),
    Kind.ELECTRONIC_SPECIAL: N_("Electronic special VAT invoice"),
    Kind.ELECTRONIC_ORDINARY: N_("Electronic ordinary VAT invoice"),
    Kind.TOLL: N_("Electronic toll invoice"),
    Kind.PAPER_SPECIAL: N_("Paper special VAT invoice"),
    Kind.PAPER_ORDINARY: N_("Paper ordinary VAT invoice"),
    Kind.ROLL: N_("Roll invoice"),
    Kind.FISCAL: N_("Fiscal receipt"),
    Kind.TAXI_RECEIPT: N_("Taxi receipt"),
    Kind.FIXED_AMOUNT: N_("Fixed-amount invoice"),
    Kind.COACH_TICKET: N_("Coach ticket"),
    Kind.OTHER: N_("Other voucher"),
}
NUMBERED_ALONE = frozenset({Kind.DIGITAL_SPECIAL, Kind.DIGITAL_ORDINARY, Kind.RAIL, Kind.AIR})
"""Their 20-digit number is the whole identity; all others need 发票代码 too."""


class Source(StrEnum):
    """Where a value came from, surest first."""

    XML = "xml"
    XBRL = "xbrl"
    OFD_ATTACHMENT = "ofd_attachment"
    OFD_TAG = "ofd_tag"
    OFD_DATA = "ofd_data"
    TEXT = "text"
    QR = "qr"
    COMPUTED = "computed"
    HAND = "hand"


STRUCTURED = frozenset({Source.XML, Source.XBRL, Source.OFD_ATTACHMENT, Source.OFD_TAG, Source.OFD_DATA})


class Level(StrEnum):
    """`note` is worth knowing; `warning` should be looked at; `stop` means it cannot be claimed as it is."""

    NOTE = "note"
    WARNING = "warning"
    STOP = "stop"


# code → (level, what is the matter). The words are shown beside the field, translated by the page.
WARNINGS: dict[str, tuple[Level, str]] = {
    "invoice.wrong_extension": (
        Level.NOTE,
        N_("The file is named {extension} but is really {real}; it was read as what it is."),
    ),
    "invoice.total_does_not_tie": (
        Level.STOP,
        N_("Net {net} and tax {tax} do not add up to the total {total}."),
    ),
    "invoice.lines_do_not_tie": (
        Level.WARNING,
        N_("The lines add up to {lines}, the invoice says {stated}."),
    ),
    "invoice.line_tax_odd": (Level.NOTE, N_("Line {line}: tax {tax} is not {rate} of {net}.")),
    "invoice.words_disagree": (Level.STOP, N_("The amount in words says {words}, the figures say {total}.")),
    "invoice.sources_disagree": (
        Level.WARNING,
        N_("The file contradicts itself: {first} in one place, {second} in another."),
    ),
    "invoice.qr_disagrees": (Level.STOP, N_("The QR code says {qr}, the invoice says {stated}.")),
    "invoice.qr_checksum": (Level.NOTE, N_("The checksum inside the QR code does not match.")),
    "invoice.digest_mismatch": (
        Level.WARNING,
        N_("Parts of the file were changed after it was signed: {files}."),
    ),
    "invoice.unsigned": (Level.NOTE, N_("The file carries no signature that could be checked.")),
    "invoice.tax_id_check": (Level.WARNING, N_("{tax_id} is not a valid social credit code.")),
    "invoice.year_odd": (Level.WARNING, N_("The number {number} does not belong to the year {year}.")),
    "invoice.red": (
        Level.STOP,
        N_("This is a red (negative) invoice: it cancels another and cannot be claimed."),
    ),
    "invoice.not_positive": (Level.STOP, N_("The total {total} is not above zero.")),
    "invoice.absurd": (Level.STOP, N_("{total} is more than any invoice may say.")),
    "invoice.in_the_future": (Level.STOP, N_("It is dated {issued}, which is still to come.")),
    "invoice.long_ago": (Level.WARNING, N_("It is dated {issued}, more than a year ago.")),
    "invoice.tax_unknown": (Level.NOTE, N_("No tax is stated; it is taken as zero.")),
    "invoice.buyer_missing": (Level.WARNING, N_("No buyer could be read.")),
    "invoice.buyer_not_ours": (Level.WARNING, N_("The buyer “{buyer}” is not one of our companies.")),
    "invoice.buyer_other_entity": (Level.WARNING, N_("It is made out to {buyer}, not to {entity}.")),
    "invoice.held_by_another": (Level.WARNING, N_("Someone else has handed in this invoice too.")),
    "invoice.looks_alike": (
        Level.WARNING,
        N_("Another invoice of the same day, seller and amount is there: {number}."),
    ),
    "invoice.entered_by_hand": (Level.NOTE, N_("Entered by hand: compare it with the paper.")),
}


@dataclass(frozen=True, slots=True)
class ReadingWarning:
    """`field` is the value it is about; `params` fill the message of `code`."""

    code: str
    field: str | None = None
    params: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def level(self) -> Level:
        return WARNINGS[self.code][0]

    @property
    def message(self) -> str:
        """The msgid."""
        return WARNINGS[self.code][1]

    def json(self) -> dict[str, object]:
        return {"code": self.code, "field": self.field, "params": self.params}


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the invoice. `rate` is a fraction (0.06), None for 免税, 不征税 and ***."""

    name: str
    net: Money
    tax: Money
    rate: Decimal | None = None
    rate_text: str = ""
    quantity: str = ""
    price: str = ""

    def json(self) -> dict[str, str]:
        return {
            "name": self.name,
            "net": str(self.net.amount),
            "tax": str(self.tax.amount),
            "rate": self.rate_text,
            "quantity": self.quantity,
            "price": self.price,
        }


@dataclass(frozen=True, slots=True)
class Trip:
    """One passenger's journey, as 旅客运输服务, a rail or an air ticket states it."""

    day: date | None
    start: str
    end: str
    vehicle: str = ""
    grade: str = ""
    traveller: str = ""

    def json(self) -> dict[str, str | None]:
        return {
            "day": self.day.isoformat() if self.day else None,
            "start": self.start,
            "end": self.end,
            "vehicle": self.vehicle,
            "grade": self.grade,
            "traveller": self.traveller,
        }


@dataclass(frozen=True, slots=True)
class ReadResult:
    """An invoice as its file states it. `total` = 价税合计, `net` = 合计金额, all in CNY."""

    kind: Kind
    number: str
    code: str
    issued: date
    seller_name: str
    seller_tax_id: str
    buyer_name: str
    buyer_tax_id: str
    net: Money
    tax: Money
    total: Money
    items: tuple[Item, ...]
    trips: tuple[Trip, ...]
    category_hint: str | None
    check_code: str
    remark: str
    is_red: bool
    media_type: str
    sources: dict[str, Source]
    qr: QrCode | None
    warnings: tuple[ReadingWarning, ...]

    @property
    def identity(self) -> str:
        return identity(self.kind, self.code, self.number)


def identity(kind: Kind, code: str, number: str) -> str:
    """The fiscal identity: one invoice, whatever file it came in.

    A 20-digit number stands alone; older numbers repeat from code to code, so both are needed.
    Source: 数电 → number; old and fiscal → code + number.
    """
    bare = "".join(number.split()).upper()
    if kind in NUMBERED_ALONE or (len(bare) == 20 and bare.isdigit()):
        return bare
    return f"{''.join(code.split()).upper()}-{bare}"


@dataclass(slots=True)
class Raw:
    """What one source says, as text; `assemble` turns it into values. Keys are the names of ReadResult."""

    source: Source
    texts: dict[str, str] = dataclasses.field(default_factory=dict)
    items: list[dict[str, str]] = dataclasses.field(default_factory=list)
    trips: list[dict[str, str]] = dataclasses.field(default_factory=list)

    def say(self, name: str, text: str | None) -> None:
        """Keep `text` unless it is empty or something was said before."""
        cleaned = (text or "").strip()
        if cleaned and name not in self.texts:
            self.texts[name] = cleaned

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.texts.items())


class Unreadable(Refused):
    """The family of files that give no invoice."""

    code = "invoice.unreadable"
    message = N_("“{name}” cannot be read as an invoice; the file seems to be damaged.")
    hint = N_("Download the file again from where you got it, or enter the invoice by hand.")


class EmptyFile(Unreadable):
    code = "invoice.empty_file"
    message = N_("“{name}” is empty.")
    hint = N_("Choose the file again; the upload may have been interrupted.")


class TooLarge(Unreadable):
    code = "invoice.too_large"
    message = N_("“{name}” is larger than {limit} MB.")
    hint = N_("Hand in the original invoice file: it is seldom larger than 1 MB.")


class TooManyPages(Unreadable):
    code = "invoice.too_many_pages"
    message = N_("“{name}” has {pages} pages; at most {limit} are read.")
    hint = N_("Hand in only the invoice; add other papers as attachments of the report.")


class Encrypted(Unreadable):
    code = "invoice.encrypted"
    message = N_("“{name}” is protected by a password.")
    hint = N_("Open it with the password and save it without one, or hand in the original XML or OFD file.")


class HostileFile(Unreadable):
    code = "invoice.hostile_file"
    message = N_("“{name}” is built in a way that invoices never are, and was not opened.")
    hint = N_("Download the original from the tax bureau's site and hand that in.")


class NotAnInvoice(Unreadable):
    code = "invoice.not_an_invoice"
    message = N_("“{name}” is not an invoice that can be read.")
    hint = N_(
        "Hand in the XML, OFD or PDF file of the invoice, or enter it by hand; itineraries and hotel bills are attachments."
    )


class NoText(Unreadable):
    code = "invoice.no_text"
    message = N_("“{name}” is a picture without text, and its QR code does not say enough.")
    hint = N_("Hand in the original PDF, OFD or XML file, or enter the invoice by hand.")


class SeveralInvoices(Unreadable):
    code = "invoice.several_in_one_file"
    message = N_("“{name}” holds several invoices: {numbers}.")
    hint = N_("Hand in one file for each invoice.")


class Bundle(Unreadable):
    code = "invoice.bundle"
    message = N_("“{name}” is a bundle of files.")
    hint = N_("Unpack it and hand in the invoice files inside.")


class FieldMissing(Unreadable):
    """The family of invoices that lack what makes a claim; `field` names it."""

    code = "invoice.fields_missing"
    hint = N_("Hand in the original XML or OFD file, or enter the invoice by hand.")


class NumberMissing(FieldMissing):
    message = N_("“{name}” looks like an invoice, but its number could not be read.")


class CodeMissing(FieldMissing):
    message = N_("“{name}” looks like an invoice, but its code could not be read.")


class DateMissing(FieldMissing):
    message = N_("“{name}” looks like an invoice, but its date could not be read.")


class TotalMissing(FieldMissing):
    message = N_("“{name}” looks like an invoice, but its total could not be read.")


MISSING: dict[str, type[FieldMissing]] = {
    "number": NumberMissing,
    "code": CodeMissing,
    "issued": DateMissing,
    "total": TotalMissing,
}
