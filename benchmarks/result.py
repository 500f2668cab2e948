"""What a benchmark found: printed as a table, kept as JSON."""

from __future__ import annotations

import json
import statistics
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path("var/bench")


@dataclass(frozen=True, slots=True)
class Result:
    """`limit` is what bare PostgreSQL does with the same rows and commits, `ratio` = value / limit; None: no limit."""

    name: str
    value: float
    unit: str
    aim: str
    limit: float | None = None
    ratio: float | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def keep(self) -> Path:
        FOLDER.mkdir(parents=True, exist_ok=True)
        path = FOLDER / f"{self.name}.json"
        kept = asdict(self)
        kept["details"] = {"aim": kept.pop("aim"), **self.details}
        path.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n")
        return path

    def show(self) -> None:
        ratio = "" if self.ratio is None else f"  = {self.ratio:.2f} × {self.limit:,.0f} (pgbench)"
        print(f"\n{self.name}: {self.value:,.1f} {self.unit}{ratio}   aim: {self.aim}")
        rows = list(self.details.get("rows", []))
        if rows:
            print_table(rows)
        for name, value in self.details.items():
            if name != "rows":
                print(f"  {name}: {value}")


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    names = list(rows[0])
    cells = [names, *([_shown(row.get(name)) for name in names] for row in rows)]
    widths = [max(_width(row[place]) for row in cells) for place in range(len(names))]
    for row in cells:
        print(
            "  "
            + "  ".join(text + " " * (width - _width(text)) for text, width in zip(row, widths, strict=True))
        )


def _shown(value: Any) -> str:
    return f"{value:,.1f}" if isinstance(value, float) else str(value)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def percentile(values: Sequence[float], share: float) -> float:
    """Of measured times, nearest rank; 0.0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def milliseconds(values: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99 of seconds, in milliseconds."""
    return {
        name: round(percentile(values, share) * 1000, 1)
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    }


def median(values: Sequence[float]) -> float:
    return statistics.median(values)
