"""The doors a rehearsal goes through: our API as a person, the simulator's control door as the OA's people."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

from viatica.config.simulated.product import Product, carries

HTTP = urllib3.PoolManager(timeout=30, retries=False)


class DoorRefused(RuntimeError):
    """What was refused, by which door, in its own words."""


class NotNow(DoorRefused):
    """The door asks for another try later."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who uses the API. Every write carries a key, so that asking again does nothing twice."""

    name: str
    url: str
    token: str = field(repr=False)

    def get(self, path: str, **query: Any) -> Any:
        return self._call("GET", path + (f"?{urlencode(query)}" if query else ""))

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return self._call("POST", path, json=body or {})

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._call("PUT", path, json=body)

    def upload(self, path: str, file: Path) -> Any:
        return self._call("POST", path, fields={"file": (file.name, file.read_bytes())})

    def _call(self, method: str, path: str, **how: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": uuid.uuid4().hex}
        answer = HTTP.request(method, f"{self.url}/api/v1{path}", headers=headers, **how)
        said = json.loads(answer.data) if answer.data else None
        if answer.status >= 400:
            refusal = NotNow if answer.status == 503 else DoorRefused
            raise refusal(f"{self.name} {method} {path} → {answer.status} {said}")
        return said


@dataclass(frozen=True, slots=True)
class Control:
    """The control door of a simulated OA."""

    url: str
    product: Product

    def instances(self, number: str) -> list[dict[str, Any]]:
        """The instances whose form carries `number`."""
        found = self._call("GET", "/instances?limit=500")["instances"]
        return [one for one in found if carries(one, number)]

    def approve_next(self, number: str) -> None:
        """Whoever is asked first agrees."""
        for instance in self.instances(number):
            if instance["status"] == self.product.running:
                self._call("POST", f"/instances/{instance['id']}/decide", self.product.agreeing())

    def shown(self, key: str) -> list[dict[str, Any]]:
        """What the desk shows, or showed, of one of our tasks."""
        return self.product.shown(self._call, key)

    def agree(self, seen: Mapping[str, Any]) -> bool:
        """As its approver at the desk; False where the desk only leads to our page."""
        return self.product.agree(self._call, seen)

    def spoil(self) -> None:
        """Every fault at once, often enough to be met and rarely enough to get through."""
        for harm, more in (
            ("lost_answer", {"path": self.product.creating, "method": "POST", "times": 2}),
            ("lost_answer", {"fraction": 0.2}),
            ("server_error", {"fraction": 0.2}),
            ("hang_up", {"fraction": 0.1}),
            ("html_page", {"fraction": 0.05}),
            ("rate_limit", {"fraction": 0.05}),
            ("slow", {"fraction": 0.1, "seconds": 0.5}),
        ):
            self._call("POST", "/faults", {"harm": harm, **more})
        spoiling = {
            "repeat": 2, "repeat_fraction": 0.5, "reorder_fraction": 0.4, "delay_s": 1.0, "delay_fraction": 0.4,
            "drop_fraction": 0.2,
        }  # fmt: skip
        self._call("PUT", "/callback/spoiling", spoiling)

    def struck(self) -> int:
        """How many answers were spoiled so far."""
        return sum(row["struck"] for row in self._call("GET", "/faults"))

    def behave(self) -> None:
        self._call("DELETE", "/faults")
        spoiling = {"repeat": 0, "reorder_fraction": 0.0, "delay_s": 0.0, "drop_fraction": 0.0}
        self._call("PUT", "/callback/spoiling", spoiling)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        answer = HTTP.request(method, f"{self.url}{path}", body=json.dumps(body).encode() if body else None)
        said = json.loads(answer.data) if answer.data else None
        if answer.status >= 400:
            raise DoorRefused(f"the simulator: {method} {path} → {answer.status} {said}")
        return said
