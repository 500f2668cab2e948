"""A simulator for one test: serves on loopback and hands out its control door, usable from any thread."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

from simulators.stage.app import Build
from simulators.stage.server import App, listen, serving


class ControlError(Exception):
    """The control door said no."""


class Handle:
    """The facts of a running simulator, and what every control door can do."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.facts = dict(facts)
        self.base_url: str = facts["base_url"]
        self.control_url: str = facts["control_url"]
        self.http = urllib3.PoolManager(maxsize=4, retries=False, timeout=30)

    def control(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """One call through the control door. Raises ControlError with its reason."""
        url = f"{self.control_url}{path}" + (f"?{urlencode(query)}" if query else "")
        data = json.dumps(body).encode() if body is not None else None
        answer = self.http.request(method, url, body=data)
        said = json.loads(answer.data)
        if answer.status >= 400:
            raise ControlError(said.get("error", answer.status))
        return said

    # Turning knobs.

    def set(self, **settings: Any) -> None:
        self.control("PUT", "/settings", settings)

    def fault(self, harm: str, path: str = "*", **more: Any) -> None:
        """`times=N` for the next N calls, or `fraction=0.2` for a share of them; `status`, `seconds`, `method`."""
        self.control("POST", "/faults", {"harm": harm, "path": path, **more})

    def clear_faults(self) -> None:
        self.control("DELETE", "/faults")

    def calls(self) -> dict[str, int]:
        """How often each call was made, by method and path: {"POST /…": 3, …}."""
        counts: dict[str, int] = self.control("GET", "/calls")["counts"]
        return counts

    def expire_tokens(self) -> None:
        self.control("POST", "/tokens/expire")

    def reset(self) -> None:
        self.control("POST", "/reset")

    # Callbacks.

    def set_callback(self, url: str | None, **more: Any) -> str:
        """Register the address; "success", or what was wrong with how it answered."""
        said = self.control("PUT", "/callback", {"url": url or "", **more})
        return str(said["detail"]) if not said["ok"] else "success"

    def spoil_callbacks(self, **spoiling: Any) -> None:
        self.control("PUT", "/callback/spoiling", spoiling)

    def events(self, kind: str = "", instance_id: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "/events", kind=kind, instance_id=instance_id)
        return found

    def resend(self, event_id: str, times: int = 1) -> None:
        self.control("POST", f"/events/{event_id}/resend", {"times": times})

    def wait_for_callbacks(self, timeout: float = 5.0, *, retries: bool = False) -> bool:
        answer = self.control("GET", "/idle", timeout=timeout, retries=str(retries).lower())
        return bool(answer["idle"])

    # People.

    def load(self, document: Mapping[str, Any]) -> None:
        self.control("PUT", "/directory", document)

    def put_user(self, person: str, **fields: Any) -> None:
        """Somebody new, or somebody changed: what is not named stays."""
        self.control("PUT", f"/users/{quote(person)}", fields)

    def put_department(self, department: str | int, **fields: Any) -> None:
        self.control("PUT", f"/departments/{quote(str(department))}", fields)

    def drop_department(self, department: str | int) -> None:
        self.control("DELETE", f"/departments/{quote(str(department))}")

    def gather(self, people: int, departments: int, *, seed: int = 0) -> dict[str, int]:
        """A crowd of this size beside those who are here, the same every time; how many there are now."""
        body = {"people": people, "departments": departments, "seed": seed}
        size: dict[str, int] = self.control("PUT", "/directory/crowd", body)
        return size

    def change_crowd(self, people: int, *, seed: int = 1, tell: bool = False) -> dict[str, list[str]]:
        """So many of the crowd get another title, move or leave; who did what."""
        body = {"people": people, "seed": seed, "tell": tell}
        done: dict[str, list[str]] = self.control("POST", "/directory/changes", body)
        return done

    def leave(self, person: str) -> None:
        self.control("POST", f"/users/{quote(person)}/leave")

    # Approval.

    def instances(self, **query: Any) -> list[dict[str, Any]]:
        """Newest first."""
        found: list[dict[str, Any]] = self.control("GET", "/instances", **query)["instances"]
        return found

    def instance(self, instance_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.control("GET", f"/instances/{quote(instance_id)}")
        return found

    def delete(self, instance_id: str) -> None:
        self.control("DELETE", f"/instances/{quote(instance_id)}")


@contextmanager
def standing(
    build: Build,
    serve_as: Callable[[Any, Path | None], App],
    *,
    port: int,
    seed: int,
    org: Mapping[str, Any] | None,
    settings: Mapping[str, Any],
) -> Iterator[dict[str, Any]]:
    """Serve from a thread of this process while the block runs; the facts."""
    bound = listen("127.0.0.1", port)
    simulator = build(f"http://127.0.0.1:{bound.getsockname()[1]}", seed=seed, org=org)
    simulator.settings.change(settings)
    with serving(serve_as(simulator, None), bound):
        yield simulator.facts()
