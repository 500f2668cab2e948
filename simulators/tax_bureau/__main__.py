"""python -m simulators.tax_bureau --buyer NAME --tax-id ID --out FOLDER: a trip's invoices as files."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

from .invoice import Party
from .samples import odd_invoices, write_trip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m simulators.tax_bureau", description=__doc__)
    parser.add_argument("--buyer", required=True, help="the company the invoices are made out to")
    parser.add_argument("--tax-id", default="", help="its 统一社会信用代码")
    parser.add_argument("--traveller", default="王敏")
    parser.add_argument(
        "--day", type=date.fromisoformat, required=True, help="first day of the trip, YYYY-MM-DD"
    )
    parser.add_argument("--serial", type=int, default=1, help="another serial gives other invoice numbers")
    parser.add_argument("--nights", type=int, default=2)
    parser.add_argument("--odd", action="store_true", help="also files that ask for attention")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    buyer = Party(asked.buyer, asked.tax_id)
    written = write_trip(
        asked.out,
        buyer=buyer,
        traveller=asked.traveller,
        day=asked.day,
        serial=asked.serial,
        nights=asked.nights,
    )
    if asked.odd:
        for name, data in odd_invoices(buyer=buyer, day=asked.day, serial=asked.serial).items():
            path = asked.out / name
            path.write_bytes(data)
            written.append(path)
    print("\n".join(str(path) for path in written))


if __name__ == "__main__":
    main()
