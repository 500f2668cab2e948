"""What a test holds of the toy's processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import urllib3

SOURCES = str(Path(__file__).parents[4])
HTTP = urllib3.PoolManager()


class Receiver:
    """The outside system, in a process of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("receiver.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def control(self, **faults: Any) -> None:
        """Set the faults; what is not named is off."""
        assert HTTP.request("POST", f"{self.url}/control", json=faults).status == 200

    def _log(self) -> dict[str, Any]:
        found: dict[str, Any] = HTTP.request("GET", f"{self.url}/log").json()
        return found

    def orders(self) -> list[dict[str, Any]]:
        """In the order they were taken."""
        orders: list[dict[str, Any]] = self._log()["orders"]
        return orders

    def requests(self) -> dict[str, int]:
        """How many of each kind came: take, look."""
        counted: dict[str, int] = self._log()["requests"]
        return counted

    def times(self) -> list[float]:
        """When each order was asked for, in seconds since the epoch."""
        times: list[float] = self._log()["times"]
        return times

    def close(self) -> None:
        _close(self._process)


class Nursery:
    """Makes processes of the product on the database at `url`."""

    def __init__(self, url: str, home: Path) -> None:
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "VIATICA_HOME": str(home),
            "PYTHONPATH": os.pathsep.join([SOURCES, os.environ.get("PYTHONPATH", "")]),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "viatica.spine.tests.toy.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._children: set[int] = set()
        assert self._answer() == {"ready": True}

    def start(self, task: str, **options: Any) -> int:
        """Fork a process that does `task`; gives its number."""
        pid = int(self._ask({"task": task, "wait": False, **options})["pid"])
        self._children.add(pid)
        return pid

    def run(self, task: str, **options: Any) -> None:
        """Fork, and wait for the good end."""
        assert self._ask({"task": task, "wait": True, **options})["code"] == 0

    def kill(self, pid: int, number: signal.Signals = signal.SIGKILL) -> None:
        if pid in self._children and is_alive(pid):
            os.kill(pid, number)

    def wait(self, pid: int, seconds: float = 30) -> None:
        until(lambda: not is_alive(pid), seconds, f"process {pid} to end")
        self._children.discard(pid)

    def close(self) -> None:
        for pid in list(self._children):
            self.kill(pid)
            self.wait(pid)
        _close(self._process)

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(is_so: Callable[[], bool], seconds: float = 30, what: str = "it") -> None:
    """Wait for `is_so`; fail after `seconds`."""
    given_up = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < given_up, f"waited {seconds} s for {what}"
        time.sleep(0.02)


def _close(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.close()
    process.wait(10)
    process.stdout.close()
