"""A traveller's invoices, ready to be handed in: what demo employees drop in and a rehearsal uses."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from .invoice import Invoice, Line, Party, Trip, make_invoice, uscc
from .ofd import issue_ofd
from .pdf import find_font, issue_pdf
from .xml import issue_rail_xbrl, issue_xml

HOTEL = Party("上海示例酒店管理有限公司", uscc("91310000MA1FL0A01"))
RIDES = Party("杭州示例出行科技有限公司", uscc("91330100MA2GL0C03"))
RESTAURANT = Party("上海示例餐饮管理有限公司", uscc("91310000MA1FL0D04"))


def trip_invoices(
    *, buyer: Party, traveller: str, day: date, serial: int, nights: int = 2
) -> dict[str, Invoice]:
    """Train, hotel, ride and dinner of one trip that began on `day`. Other serials give other invoices."""
    end = day + timedelta(days=nights)
    base = serial * 10
    hotel = make_invoice(
        base + 1, issued=end, buyer=buyer, seller=HOTEL, gross=Decimal("438.00") * nights, special=True
    )
    train = make_invoice(
        base + 2, issued=end, buyer=buyer, item="*铁路旅客运输*客票", gross=Decimal("73.00"), rate="0.09",
        seller=Party("中国铁路"), trips=(Trip(traveller, day, "杭州东", "上海虹桥"),),
    )  # fmt: skip
    ride = make_invoice(
        base + 3, issued=day, buyer=buyer, item="*运输服务*客运服务费", gross=Decimal("46.80"), rate="0.03", seller=RIDES,
        trips=(Trip(traveller, day, "上海市", "上海市", "网约车", ""),), region="33",
    )  # fmt: skip
    dinner = make_invoice(
        base + 4, issued=day, buyer=buyer, item="*餐饮服务*餐费", gross=Decimal("168.00"), seller=RESTAURANT
    )
    return {"住宿": hotel, "高铁": train, "网约车": ride, "餐费": dinner}


def write_trip(
    folder: Path, *, buyer: Party, traveller: str, day: date, serial: int, nights: int = 2
) -> list[Path]:
    """The invoices of a trip as files in `folder`: OFD, XBRL, PDF (XML where no Chinese font is installed), XML."""
    folder.mkdir(parents=True, exist_ok=True)
    font = find_font()
    written = []
    for name, invoice in trip_invoices(
        buyer=buyer, traveller=traveller, day=day, serial=serial, nights=nights
    ).items():
        match name:
            case "住宿":
                file, data = f"{name}.ofd", issue_ofd(invoice)
            case "高铁":
                file, data = f"{name}.xml", issue_rail_xbrl(invoice)
            case "网约车" if font is not None:
                # The plain form: any reader with a Chinese font shows it, and its text needs none.
                file, data = f"{name}.pdf", issue_pdf(invoice)
            case _:
                file, data = f"{name}.xml", issue_xml(invoice)
        path = folder / file
        path.write_bytes(data)
        written.append(path)
    return written


def odd_invoices(*, buyer: Party, day: date, serial: int) -> dict[str, bytes]:
    """Files that ask for attention: another buyer, a sum that does not tie, a red invoice."""
    base = serial * 10
    good = make_invoice(base + 5, issued=day, buyer=buyer, seller=HOTEL)
    return {
        "抬头不符.xml": issue_xml(good.but(number=good.number[:-1] + "6", buyer=Party("个人"))),
        "金额不符.xml": issue_xml(good.but(number=good.number[:-1] + "7", stated_total=Decimal("999.00"))),
        "红字发票.xml": issue_xml(
            good.but(
                number=good.number[:-1] + "8",
                red_of=good.number,
                lines=(Line("*住宿服务*住宿费", Decimal("-300.00")),),
            )
        ),
    }
