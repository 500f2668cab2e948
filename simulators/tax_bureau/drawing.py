"""The face of an invoice: texts, lines and the QR code at their places, in millimetres from the top left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import zxingcpp

from .invoice import Invoice

WIDTH, HEIGHT = 210.0, 140.0


@dataclass(frozen=True, slots=True)
class Text:
    """`y` is the baseline; `size` the height of a Chinese character. `label` tells form from content."""

    x: float
    y: float
    text: str
    size: float = 3.2
    label: bool = False

    @property
    def width(self) -> float:
        return sum(self.size if ord(letter) > 0x2E80 else self.size / 2 for letter in self.text)


@dataclass(slots=True)
class Face:
    texts: list[Text] = field(default_factory=list)
    lines: list[tuple[float, float, float, float]] = field(default_factory=list)
    squares: list[tuple[float, float, float]] = field(default_factory=list)
    """Dark modules of the QR code: x, y of the top left corner, side."""

    def say(self, x: float, y: float, text: str, size: float = 3.2, *, label: bool = False) -> None:
        if text:
            self.texts.append(Text(x, y, text, size, label))

    def say_right(self, x: float, y: float, text: str, size: float = 3.2) -> None:
        """Text that ends at `x`, as amounts do."""
        self.say(x - Text(0, 0, text, size).width, y, text, size)


def qr_modules(text: str) -> list[list[bool]]:
    """Rows of the QR code without its quiet zone; True is dark."""
    barcode = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode)
    image: Any = barcode.to_image(scale=1, add_quiet_zones=False)  # its buffer is missing in the type stubs
    rows: list[list[int]] = cast("Any", memoryview(image)).tolist()
    return [[value == 0 for value in row] for row in rows]


def draw(invoice: Invoice) -> Face:
    """The face, form first and values after, as the generators of real invoices write them."""
    face = Face()
    _qr(face, invoice.qr)
    if invoice.is_digital:
        _digital_form(face, invoice)
        _digital_values(face, invoice)
    else:
        _old_form(face, invoice)
        _old_values(face, invoice)
    return face


def _qr(face: Face, text: str, x: float = 7.0, y: float = 6.0, side: float = 20.0) -> None:
    rows = qr_modules(text)
    step = side / len(rows)
    for down, row in enumerate(rows):
        for across, dark in enumerate(row):
            if dark:
                face.squares.append((x + across * step, y + down * step, step))


def _grid(face: Face, left: float, right: float, levels: tuple[float, ...]) -> None:
    for level in levels:
        face.lines.append((left, level, right, level))
    for side in (left, right):
        face.lines.append((side, levels[0], side, levels[-1]))


def _digital_form(face: Face, invoice: Invoice) -> None:
    face.say(70, 16, invoice.title, 5.6, label=True)
    face.say(152, 14, "发票号码：", label=True)
    face.say(152, 20, "开票日期：", label=True)
    _grid(face, 4.5, 205.5, (30, 50, 95, 103, 128))
    for x, letters in ((6, "购买方信息"), (106, "销售方信息")):
        for n, letter in enumerate(letters):
            face.say(x, 34.5 + 3.5 * n, letter, label=True)
    for x in (12, 112):
        face.say(x, 36.5, "名称：", label=True)
        face.say(x, 46.5, "统一社会信用代码/纳税人识别号：", label=True)
    face.lines += [(105, 30, 105, 50), (11, 30, 11, 50), (111, 30, 111, 50)]
    heads = (12, "项目名称"), (42, "规格型号"), (62, "单 位"), (80, "数 量"), (103, "单 价"), (136, "金 额")
    for x, text in (*heads, (155, "税率/征收率"), (190, "税 额")):
        face.say(x, 54, text, label=True)
    face.say(14, 93.5, "合", label=True)
    face.say(28, 93.5, "计", label=True)
    face.say(12, 100.5, "价税合计（大写）", label=True)
    face.say(140, 100.5, "（小写）", label=True)
    for n, letter in enumerate("备注"):
        face.say(6, 112 + 5 * n, letter, label=True)
    face.say(12, 133, "开票人：", label=True)


def _digital_values(face: Face, invoice: Invoice) -> None:
    face.say(170, 14, invoice.number)
    face.say(170, 20, f"{invoice.issued:%Y年%m月%d日}")
    # Both names, then both numbers: the order of the stream tells nothing.
    for x, party in ((21, invoice.buyer), (121, invoice.seller)):
        _name(face, x, 36.5, party.name)
    for x, party in ((62, invoice.buyer), (162, invoice.seller)):
        face.say(x, 46.5, party.tax_id, 3.6)
    y = _lines(face, invoice, 59.0)
    if invoice.trips:
        _trips(face, invoice, y + 3)
    face.say_right(148, 93.5, f"¥{invoice.net:.2f}")
    face.say_right(203, 93.5, f"¥{invoice.tax:.2f}" if invoice.tax else "***")
    face.say(46, 100.5, invoice.words)
    face.say(156, 100.5, f"¥{invoice.total:.2f}", 3.8)
    face.say(12, 109, invoice.note)
    face.say(26, 133, invoice.drawer)


def _name(face: Face, x: float, y: float, name: str) -> None:
    """A long name stands on two lines, above and below its label's line."""
    if len(name) <= 24:
        face.say(x, y, name)
        return
    face.say(x, y - 1.8, name[:24])
    face.say(x, y + 1.8, name[24:])


def _lines(face: Face, invoice: Invoice, y: float) -> float:
    for line in invoice.lines:
        face.say(5, y, line.name[:12])
        face.say_right(100, y, line.quantity)
        face.say_right(126, y, f"{line.net:.2f}", 2.8)
        face.say_right(148, y, f"{line.net:.2f}")
        face.say_right(172, y, line.rate_text)
        face.say_right(203, y, f"{line.tax_amount:.2f}" if line.tax_amount else "***")
        for start in range(12, len(line.name), 12):
            y += 4
            face.say(5, y, line.name[start : start + 12])
        y += 4.5
    return y


def _trips(face: Face, invoice: Invoice, y: float) -> None:
    columns = (8, 30, 80, 104, 130, 156, 180)
    heads = ("出行人", "有效身份证件号", "出行日期", "出发地", "到达地", "等级", "交通工具类型")
    for x, text in zip(columns, heads, strict=True):
        face.say(x, y, text, 3, label=True)
    for trip in invoice.trips:
        y += 4.5
        cells = (
            trip.traveller,
            "310***********1234",
            trip.day.isoformat(),
            trip.start,
            trip.end,
            trip.grade,
            trip.vehicle,
        )
        for x, text in zip(columns, cells, strict=True):
            face.say(x, y, text, 3)


def _old_form(face: Face, invoice: Invoice) -> None:
    face.say(74, 14, invoice.title, 5.6, label=True)
    for y, text in ((10, "发票代码："), (15.5, "发票号码："), (21, "开票日期："), (26.5, "校 验 码：")):
        face.say(148, y, text, label=True)
    _grid(face, 4.5, 205.5, (30, 52, 92, 100, 122))
    for n, letter in enumerate("购买方"):
        face.say(6, 35 + 5 * n, letter, label=True)
    for n, letter in enumerate("密码区"):
        face.say(122, 35 + 5 * n, letter, label=True)
    for y in (34.5, 104.5):
        face.say(12, y, "名        称：", label=True)
        face.say(12, y + 5, "纳税人识别号：", label=True)
        face.say(12, y + 10, "地 址、 电 话：", label=True)
    heads = (
        (10, "货物或应税劳务、服务名称"),
        (62, "规格型号"),
        (80, "单位"),
        (94, "数 量"),
        (112, "单 价"),
        (138, "金 额"),
    )
    for x, text in (*heads, (160, "税率"), (190, "税 额")):
        face.say(x, 56, text, label=True)
    face.say(18, 90.5, "合", label=True)
    face.say(34, 90.5, "计", label=True)
    face.say(16, 97.5, "价税合计（大写）", label=True)
    face.say(144, 97.5, "（小写）", label=True)
    for n, letter in enumerate("销售方"):
        face.say(6, 105 + 5 * n, letter, label=True)
    face.say(12, 128, "收 款 人：", label=True)
    face.say(110, 128, "开 票 人：", label=True)


def _old_values(face: Face, invoice: Invoice) -> None:
    face.say(166, 10, invoice.code)
    face.say(166, 15.5, invoice.number)
    face.say(166, 21, f"{invoice.issued:%Y年%m月%d日}")
    check = invoice.check_code
    face.say(166, 26.5, " ".join(check[n : n + 5] for n in range(0, len(check), 5)))
    for n in range(4):
        face.say(127, 34.5 + 5 * n, "03/2-7<054/18*88<*<1/689++>"[n:] + "+65*<2"[: n + 2], 3)
    for y, party in ((34.5, invoice.buyer), (104.5, invoice.seller)):
        face.say(38, y, party.name)
        face.say(38, y + 5, party.tax_id, 3.6)
    _lines(face, invoice, 61.0)
    face.say_right(148, 90.5, f"¥{invoice.net:.2f}")
    face.say_right(203, 90.5, f"¥{invoice.tax:.2f}" if invoice.tax else "***")
    face.say(50, 97.5, invoice.words)
    face.say(160, 97.5, f"¥{invoice.total:.2f}")
    face.say(126, 106, invoice.note)
    face.say(128, 128, invoice.drawer)
