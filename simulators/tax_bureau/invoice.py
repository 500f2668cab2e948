"""What an invoice says, before it takes a form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
USCC_LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@dataclass(frozen=True, slots=True)
class Party:
    name: str
    tax_id: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """`net` without tax; `rate` such as `0.06`, or 免税. `tax` is computed when left out."""

    name: str
    net: Decimal
    rate: str = "0.06"
    tax: Decimal | None = None
    quantity: str = "1"

    @property
    def tax_amount(self) -> Decimal:
        if self.tax is not None:
            return self.tax
        if not self.rate[:1].isdigit():
            return Decimal("0.00")
        return (self.net * Decimal(self.rate)).quantize(CENT, ROUND_HALF_UP)

    @property
    def rate_text(self) -> str:
        return f"{(Decimal(self.rate) * 100).normalize():f}%" if self.rate[:1].isdigit() else self.rate


@dataclass(frozen=True, slots=True)
class Trip:
    """A line of the 旅客运输服务 table."""

    traveller: str
    day: date
    start: str
    end: str
    vehicle: str = "火车"
    grade: str = "二等座"


@dataclass(frozen=True, slots=True)
class Invoice:
    """`code` empty: a 数电票 with a number of 20 digits; otherwise an older e-invoice with 8.

    `stated_total` and `stated_words` let a test say something that does not tie.
    """

    number: str
    issued: date
    seller: Party
    buyer: Party
    lines: tuple[Line, ...]
    trips: tuple[Trip, ...] = ()
    special: bool = False
    code: str = ""
    check_code: str = ""
    remark: str = ""
    red_of: str = ""
    drawer: str = "开票员"
    stated_total: Decimal | None = None
    stated_words: str = ""

    @property
    def net(self) -> Decimal:
        return sum((line.net for line in self.lines), Decimal("0.00"))

    @property
    def tax(self) -> Decimal:
        return sum((line.tax_amount for line in self.lines), Decimal("0.00"))

    @property
    def total(self) -> Decimal:
        return self.net + self.tax if self.stated_total is None else self.stated_total

    @property
    def words(self) -> str:
        return self.stated_words or in_words(self.total)

    @property
    def is_digital(self) -> bool:
        return not self.code

    @property
    def title(self) -> str:
        if self.is_digital:
            return "电子发票（增值税专用发票）" if self.special else "电子发票（普通发票）"
        return "增值税电子专用发票" if self.special else "增值税电子普通发票"

    @property
    def note(self) -> str:
        """The remark as printed; a red invoice names the blue one it cancels."""
        return f"被红冲蓝字数电发票号码：{self.red_of} {self.remark}".strip() if self.red_of else self.remark

    @property
    def qr(self) -> str:
        """The text of the QR code. Older kinds carry the amount without tax, 数电票 the total."""
        kind = ("31" if self.special else "32") if self.is_digital else ("08" if self.special else "10")
        amount = self.total if self.is_digital else self.net
        parts = [
            "01",
            kind,
            self.code,
            self.number,
            f"{amount:.2f}",
            f"{self.issued:%Y%m%d}",
            self.check_code,
        ]
        body = ",".join(parts) + ","
        return f"{body}{_crc(body.encode()):04X},"

    def but(self, **changes: object) -> Invoice:
        """The same invoice with some values changed."""
        return replace(self, **changes)  # type: ignore[arg-type]  # the names and types are the fields'


def _crc(payload: bytes) -> int:
    value = 0
    for byte in payload:
        value ^= byte << 8
        for _ in range(8):
            value = ((value << 1) ^ 0x8005) & 0xFFFF if value & 0x8000 else (value << 1) & 0xFFFF
    return value


def uscc(body: str) -> str:
    """A valid 统一社会信用代码 from its first 17 characters."""
    total = sum(USCC_LETTERS.index(letter) * pow(3, n, 31) for n, letter in enumerate(body))
    return body + USCC_LETTERS[(31 - total % 31) % 31]


def make_invoice(
    serial: int,
    *,
    issued: date,
    buyer: Party,
    item: str = "*住宿服务*住宿费",
    gross: Decimal = Decimal("318.00"),
    rate: str = "0.06",
    seller: Party | None = None,
    special: bool = False,
    trips: tuple[Trip, ...] = (),
    region: str = "31",
) -> Invoice:
    """A 数电票 over `gross` (tax included); `serial` makes its number, region code `31` is Shanghai."""
    net = (gross / (1 + Decimal(rate))).quantize(CENT, ROUND_HALF_UP)
    return Invoice(
        number=f"{issued:%y}{region}2{serial:015d}",
        issued=issued,
        seller=seller or Party("上海示例酒店管理有限公司", uscc("91310000MA1FL0A01")),
        buyer=buyer,
        lines=(Line(item, net, rate, gross - net),),
        trips=trips,
        special=special,
    )


def in_words(amount: Decimal) -> str:
    """大写金额, as invoices print it: `肆仟肆佰肆拾玖圆整`."""
    negative, amount = amount < 0, abs(amount)
    yuan, cents = divmod(int((amount * 100).to_integral_value()), 100)
    text = f"{_integer(yuan)}圆" if yuan else ""
    jiao, fen = divmod(cents, 10)
    if not cents:
        text = (text or "零圆") + "整"
    else:
        if jiao:
            text += f"{_DIGITS[jiao]}角"
        elif yuan:
            text += "零"
        text += f"{_DIGITS[fen]}分" if fen else "整"
    return f"（负数）{text}" if negative else text


_DIGITS = "零壹贰叁肆伍陆柒捌玖"


def _integer(value: int) -> str:
    text, gap = "", False
    groups = []
    while value:
        value, group = divmod(value, 10_000)
        groups.append(group)
    for place in range(len(groups) - 1, -1, -1):
        group = groups[place]
        if not group:
            gap = True
            continue
        if text and (gap or group < 1000):
            text += "零"
        text += _four(group) + ("", "万", "亿", "万亿")[place]
        gap = False
    return text


def _four(group: int) -> str:
    text, gap = "", False
    for place, unit in ((1000, "仟"), (100, "佰"), (10, "拾"), (1, "")):
        digit = group // place % 10
        if digit:
            text += ("零" if gap and text else "") + _DIGITS[digit] + unit
            gap = False
        else:
            gap = True
    return text
