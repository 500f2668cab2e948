"""What a trip and a working week cost, and the invoice files that prove it.

The simulated tax bureau issues the files. It is a program of its own, spoken to through its counter.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from viatica.config.demo.registry import tax_id
from viatica.offices.company.categories import Category

NIGHT_CAP = {"t1": (600, 800), "t2": (500, 650), "t3": (400, 550), "abroad": (1300, 1300)}


@dataclass(frozen=True, slots=True)
class Bill:
    """One thing paid. `item` "" has no invoice. `reason`: over the standard, so the traveller must say why."""

    category: Category
    day: date
    gross: Decimal
    note: str
    item: str = ""
    rate: str = "0.06"
    special: bool = False
    seller: tuple[str, str] = ("", "")
    city: str = ""
    nights: int = 0
    reason: bool = False
    ride: tuple[str, str, str] | None = None  # traveller, from, to


def _yuan(random: Random, low: float, high: float) -> Decimal:
    return Decimal(random.randrange(int(low * 10), int(high * 10) + 1)) / 10


def hotel_of(random: Random, city: str) -> tuple[str, str]:
    brand = random.choice(("云舍", "锦途", "栖山", "致远", "朗悦", "望江", "怡程"))
    return f"{city}{brand}酒店管理有限公司", tax_id("320100", f"MA{random.randrange(10**6):06d}")


RAILWAY = ("中国铁路上海局集团有限公司", tax_id("310106", "13220010"))
AIRLINE = ("东方行旅航空票务有限公司", tax_id("310115", "60722015"))
TAXIS = ("迅达出行科技有限公司", tax_id("120116", "MA06K2R1"))
RESTAURANT = ("百味人家餐饮管理有限公司", tax_id("310112", "MA1GC7T2"))
TELECOM = ("华信移动通信有限公司", tax_id("310106", "13221533"))
STATIONER = ("文达办公用品有限公司", tax_id("310113", "MA1K8Q05"))
FORUM = ("众思会展服务有限公司", tax_id("310104", "MA1FP3N8"))


def of_trip(
    random: Random,
    *,
    home: str,
    city: str,
    tier: str,
    leaves_on: date,
    nights: int,
    traveller: str,
    heads: bool,
) -> list[Bill]:
    """There, the hotel, taxis and meals of some days, and back; one stay in ten is dearer than the standard."""
    back = leaves_on + timedelta(days=nights)
    flies = tier == "abroad" or random.random() < 0.35
    bills = [
        _ride(random, flies, leaves_on, traveller, home, city),
        _stay(random, city, tier, leaves_on, nights, heads),
    ]
    for day in sorted(random.sample(range(nights + 1), k=min(nights + 1, random.choice((1, 2, 2, 3))))):
        bills.append(_taxi(random, leaves_on + timedelta(days=day)))
    meals = _yuan(random, 38, 96)
    bills.append(Bill(Category.MEALS, leaves_on, meals, "工作餐"))
    bills.append(_ride(random, flies, back, traveller, city, home))
    return bills


def _ride(random: Random, flies: bool, day: date, traveller: str, start: str, end: str) -> Bill:
    if flies:
        return Bill(
            Category.AIR, day, _yuan(random, 620, 1980), f"机票 {start}—{end}", "*运输服务*旅客运输", "0.09",
            seller=AIRLINE, ride=(traveller, start, end),
        )  # fmt: skip
    return Bill(
        Category.RAIL, day, _yuan(random, 86, 720), f"高铁 {start}—{end}", "*运输服务*铁路旅客运输", "0.09",
        seller=RAILWAY, ride=(traveller, start, end),
    )  # fmt: skip


def _stay(random: Random, city: str, tier: str, day: date, nights: int, heads: bool) -> Bill:
    cap = NIGHT_CAP[tier][1 if heads else 0]
    dear = random.random() < 0.1
    share = random.uniform(1.05, 1.3) if dear else random.uniform(0.55, 0.99)
    gross = Decimal(round(cap * share)) * nights
    seller = hotel_of(random, city)
    return Bill(
        Category.LODGING, day, gross, seller[0], "*住宿服务*住宿费", special=True, seller=seller, city=city,
        nights=nights, reason=dear,
    )  # fmt: skip


def _taxi(random: Random, day: date) -> Bill:
    return Bill(
        Category.TAXI, day, _yuan(random, 18, 76), "网约车", "*运输服务*客运服务费", "0.03", seller=TAXIS
    )


def of_work(random: Random, today: date) -> tuple[str, list[Bill]]:
    """A claim without a trip: its title and bills."""

    def days_ago(most: int = 12) -> date:
        return today - timedelta(days=random.randrange(1, most))

    match random.choice(("招待", "通讯", "办公", "交通", "会议")):
        case "招待":
            return "客户招待费", [
                Bill(
                    Category.ENTERTAINMENT, days_ago(), _yuan(random, 320, 1900), "客户晚餐", "*餐饮服务*餐费",
                    seller=RESTAURANT,
                ),
                _taxi(random, days_ago()),
            ]  # fmt: skip
        case "通讯":
            return "月度通讯费", [
                Bill(
                    Category.COMMUNICATION, days_ago(), _yuan(random, 58, 268), "手机话费", "*电信服务*通信服务费",
                    "0.09", seller=TELECOM,
                )
            ]  # fmt: skip
        case "办公":
            return "办公用品采购", [
                Bill(
                    Category.OFFICE, days_ago(), _yuan(random, 88, 900), "办公用品", "*文具*办公用品", "0.13",
                    special=True, seller=STATIONER,
                )
            ]  # fmt: skip
        case "会议":
            return "行业会议参会费", [
                Bill(
                    Category.CONFERENCE, days_ago(), Decimal(random.randrange(8, 33) * 100), "参会费",
                    "*会展服务*会议费", special=True, seller=FORUM,
                )
            ]  # fmt: skip
        case _:
            return "市内交通费", [_taxi(random, today - timedelta(days=n)) for n in (2, 3, 6)]


def order_of(bill: Bill, buyer: tuple[str, str], serial: int, file: str) -> dict[str, Any]:
    order: dict[str, Any] = {
        "file": file, "serial": serial, "issued": bill.day.isoformat(), "item": bill.item, "gross": str(bill.gross),
        "rate": bill.rate, "special": bill.special, "buyer": {"name": buyer[0], "tax_id": buyer[1]},
        "seller": {"name": bill.seller[0], "tax_id": bill.seller[1]},
    }  # fmt: skip
    if bill.ride:
        traveller, start, end = bill.ride
        vehicle = "飞机" if bill.category == Category.AIR else "火车"
        grade = "经济舱" if bill.category == Category.AIR else "二等座"
        order["trips"] = [
            {
                "traveller": traveller, "day": bill.day.isoformat(), "start": start, "end": end, "vehicle": vehicle,
                "grade": grade,
            }
        ]  # fmt: skip
    return order


class Bureau:
    """The counter of the simulated tax bureau; open while used as a context."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "simulators.tax_bureau.counter", "--into", str(folder)]
        self._counter = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Bureau:
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._counter.stdin is not None
        self._counter.stdin.close()
        self._counter.wait()

    def issue(self, order: dict[str, Any]) -> Path:
        """Raises BrokenPipeError when the bureau has closed."""
        assert self._counter.stdin is not None and self._counter.stdout is not None
        self._counter.stdin.write(json.dumps(order) + "\n")
        self._counter.stdin.flush()
        return Path(self._counter.stdout.readline().strip())
