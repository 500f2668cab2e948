"""python -m simulators.tax_bureau.counter --into FOLDER: issues invoices for as long as it is asked.

An order is one line of JSON: `{"file": "hotel.xml", "serial": 1, "issued": "2026-11-03", "buyer": {"name", "tax_id"},
"seller": {"name", "tax_id"}, "item": "*住宿服务*住宿费", "gross": "318.00", "rate": "0.06", "special": false,
"trips": [{"traveller", "day", "start", "end", "vehicle", "grade"}]}`. The file's ending says its form: xml, ofd or pdf.
Each is answered with one line: the path of the file.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from . import Invoice, Party, Trip, issue_ofd, issue_pdf, issue_xml, make_invoice

FORMS = {".xml": issue_xml, ".ofd": issue_ofd, ".pdf": issue_pdf}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="tax_bureau.counter", description="Issues simulated e-invoices by order."
    )
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER", help="where the files go")
    options = parser.parse_args(argv)
    options.into.mkdir(parents=True, exist_ok=True)
    try:
        for line in sys.stdin:
            order = json.loads(line)
            target = options.into / Path(order["file"]).name
            target.write_bytes(FORMS[target.suffix](_invoice(order)))
            print(target, flush=True)
    except (KeyError, ValueError) as error:
        print(f"The order cannot be read: {error}", file=sys.stderr)
        return 1
    return 0


def _invoice(order: Mapping[str, Any]) -> Invoice:
    return make_invoice(
        int(order["serial"]),
        issued=date.fromisoformat(order["issued"]),
        buyer=Party(**order["buyer"]),
        seller=Party(**order["seller"]) if order.get("seller") else None,
        item=order.get("item", "*住宿服务*住宿费"),
        gross=Decimal(order["gross"]),
        rate=order.get("rate", "0.06"),
        special=bool(order.get("special")),
        trips=tuple(
            Trip(**{**trip, "day": date.fromisoformat(trip["day"])}) for trip in order.get("trips", ())
        ),
        region=order.get("region", "31"),
    )


if __name__ == "__main__":
    sys.exit(main())
