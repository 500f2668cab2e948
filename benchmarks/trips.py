"""One report's way through the HTTP API, as the round trips measure it."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from benchmarks import company
from benchmarks.clients import Wire
from viatica.kernel import clock

DAY = (clock.now() - timedelta(days=3)).date()


@dataclass(slots=True)
class Traveller:
    """An employee and the head who approves; `requests` counts HTTP calls."""

    wire: Wire
    own_token: str
    head_token: str
    requests: int = 0
    serial: Iterator[int] = field(default_factory=itertools.count)

    def create(self) -> dict[str, Any]:
        """A report of three lines, all within the standard."""
        lines = [
            {"category": "rail", "day": str(DAY), "paid": _cny("139.50"), "note": "上海—南京", "reason": "发票随后补交"},
            {
                "category": "lodging", "day": str(DAY), "paid": _cny("468.00"), "city": "南京", "nights": 1,
                "tax": _cny("26.49"), "note": "南京云舍酒店", "reason": "发票随后补交",
            },
            {"category": "taxi", "day": str(DAY), "paid": _cny("46.80"), "note": "网约车"},
        ]  # fmt: skip
        return self._write("/api/v1/reports", {"title": f"南京出差 {next(self.serial)}", "lines": lines})

    def submit(self, report: dict[str, Any]) -> dict[str, Any]:
        return self._write(f"/api/v1/reports/{report['number']}/submit", {"version": report["version"]})

    def approve(self, report: dict[str, Any]) -> None:
        """As the head: find it among the to-dos, approve it."""
        self.requests += 1
        todos = self.wire.call("GET", "/api/v1/todos", self.head_token)
        todo = next(row for row in todos if row["number"] == report["number"])
        self._write(
            f"/api/v1/todos/{todo['item']}/approve", {"version": todo["version"]}, token=self.head_token
        )

    def _write(self, path: str, body: dict[str, Any], token: str = "") -> dict[str, Any]:
        self.requests += 1
        answer: dict[str, Any] = self.wire.call(
            "POST", path, token or self.own_token, body, key=uuid.uuid4().hex
        )
        return answer


def _cny(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "CNY"}


def travellers(url: str, base: str, count: int) -> list[Traveller]:
    """Each from a department of its own, so that no two wait for one budget."""
    people = [company.DEPARTMENTS + number for number in range(2, 2 + count)]
    heads = list(range(2, 2 + count))
    tokens = company.tokens(url, people + heads)
    return [Traveller(Wire(base), tokens[one], tokens[head]) for one, head in zip(people, heads, strict=True)]
