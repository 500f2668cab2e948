"""Invoices the tests hand in, made by the simulated issuer."""

from __future__ import annotations

import os
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from simulators.tax_bureau import Invoice, Line, Party, Trip, make_invoice, uscc

OURS = Party("行资示例科技（上海）有限公司", uscc("91310000MA1FL0B02"))
HOTEL = Party("上海示例酒店管理有限公司", uscc("91310000MA1FL0A01"))
LONG_SELLER = Party(
    "一家名字特别特别特别长的示例出行科技股份有限公司上海徐汇第一分公司", uscc("91310000MA1FL0C03")
)


def lodging(serial: int = 123456789, gross: str = "1280.50", issued: date = date(2026, 11, 3)) -> Invoice:
    return make_invoice(serial, issued=issued, buyer=OURS, gross=Decimal(gross), seller=HOTEL)


def ride() -> Invoice:
    """A ride with a refund line, a passenger's table, and a seller whose name needs two lines."""
    return Invoice(
        number="26312000000000000777",
        issued=date(2026, 11, 5),
        seller=LONG_SELLER,
        buyer=OURS,
        lines=(
            Line("*运输服务*客运服务费", Decimal("39.35"), "0.03"),
            Line("*运输服务*客运服务费", Decimal("-0.96"), "0.03"),
        ),
        trips=(Trip("张三", date(2026, 11, 4), "上海市", "杭州市", "网约车", ""),),
    )


def dinner() -> Invoice:
    """An old e-invoice: 12-digit code, 8-digit number, check code, password area."""
    return Invoice(
        number="12235358",
        issued=date(2020, 8, 5),
        seller=Party("财天下示例餐饮有限公司", uscc("91310000MA1FL0D04")),
        buyer=OURS,
        lines=(Line("*餐饮服务*餐费", Decimal("300.00")),),
        code="050001700111",
        check_code="16630282980991510014",
    )


def shared_sample(name: str) -> bytes:
    """One of the public sample files; they are kept beside the repository, not in it."""
    folder = Path(os.environ.get("VIATICA_SAMPLES") or Path(__file__).parents[6] / "shared" / "samples")
    path = folder / name
    if not path.exists():
        pytest.skip(f"{name} is not there: set VIATICA_SAMPLES to the folder with the sample invoices")
    return path.read_bytes()
