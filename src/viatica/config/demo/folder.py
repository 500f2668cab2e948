"""A folder of fresh invoices that fit 林晓雨's trip: most are right, some ask for a decision, one is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from viatica.config.demo.receipts import RAILWAY, RESTAURANT, TAXIS, Bill, Bureau, order_of
from viatica.config.demo.registry import tax_id
from viatica.documents.travel.models import TravelRequest
from viatica.offices.company.categories import Category

HOTEL = ("南京金陵云舍酒店管理有限公司", tax_id("320106", "MA1W8K3P"))
ANOTHER_COMPANY = ("上海星河贸易有限公司", tax_id("310110", "MA1G93Q7"))
FIRST_SERIAL = 900_000_000


def fill(folder: Path, *, traveller: str) -> int:
    """Write the files; how many. None when the trip is not there."""
    trip = TravelRequest.objects.filter(owner__name=traveller).order_by("-pk").first()
    leg = trip.legs.first() if trip else None
    if trip is None or leg is None:
        return 0
    buyer = (trip.entity.name, trip.entity.tax_id)
    with Bureau(folder) as bureau:
        for place, (name, bill, whom) in enumerate(_papers(leg.leaves_on, leg.returns_on, traveller, buyer)):
            bureau.issue(order_of(bill, whom, FIRST_SERIAL + place, name))
    return len(list(folder.iterdir()))


def _papers(
    first: date, last: date, traveller: str, buyer: tuple[str, str]
) -> list[tuple[str, Bill, tuple[str, str]]]:
    nights = (last - first).days
    out = Bill(
        Category.RAIL, first, Decimal("139.50"), "", "*运输服务*铁路旅客运输", "0.09", seller=RAILWAY,
        ride=(traveller, "上海", "南京"),
    )  # fmt: skip
    # 580 a night; the standard for her grade in a second-tier city is 500.
    hotel = Bill(
        Category.LODGING, last, Decimal(580) * nights, "", "*住宿服务*住宿费", special=True, seller=HOTEL
    )  # fmt: skip
    taxi = Bill(Category.TAXI, first, Decimal("46.80"), "", "*运输服务*客运服务费", "0.03", seller=TAXIS)
    dinner = Bill(
        Category.ENTERTAINMENT,
        first + timedelta(days=1),
        Decimal("688.00"),
        "",
        "*餐饮服务*餐费",
        seller=RESTAURANT,
    )
    return [
        ("1 高铁 上海—南京.xml", out, buyer),
        ("2 酒店住宿.pdf", hotel, buyer),
        ("3 网约车.ofd", taxi, buyer),
        ("4 客户晚餐.pdf", dinner, buyer),
        ("5 高铁 南京—上海.xml", replace(out, day=last, ride=(traveller, "南京", "上海")), buyer),
        ("6 抬头有误的网约车.pdf", replace(taxi, day=last, gross=Decimal("38.20")), ANOTHER_COMPANY),
    ]
