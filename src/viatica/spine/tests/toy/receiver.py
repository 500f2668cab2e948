"""The toy outside system: a real HTTP server that takes orders, with faults on demand. Imports nothing of viatica.

    POST /orders {"number", "lane", "seq"}   takes an order; a number taken twice is kept twice, so that it shows
    GET  /orders/<number>                    200 when it is there, else 404
    GET  /log                                every order in the order taken, and every request counted
    POST /control {…}                        sets faults, see Faults; "callback_url" makes it call back

Run as a program it prints its port and serves until its standard input closes.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import sys
import threading
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Faults:
    """Chances from 0 to 1. `lost`: the work is done and the connection closed without an answer."""

    lost: float = 0.0
    unavailable: float = 0.0
    refused: float = 0.0
    slow: float = 0.0
    slow_seconds: float = 0.0
    retry_after: float | None = None
    callback_url: str = ""
    callback_secret: str = ""
    callback_times: int = 1
    callback_delay: float = 0.0


@dataclass
class Books:
    orders: list[dict[str, Any]] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    lock: threading.Lock = field(default_factory=threading.Lock)


BOOKS = Books()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the log is asked for."""

    def do_GET(self) -> None:
        if self.path == "/log":
            with BOOKS.lock:
                return self._answer(
                    200, {"orders": BOOKS.orders, "requests": BOOKS.requests, "times": BOOKS.times}
                )
        number = self.path.removeprefix("/orders/")
        with BOOKS.lock:
            BOOKS.requests["look"] += 1
            known = any(order["number"] == number for order in BOOKS.orders)
        return self._answer(200 if known else 404, {"number": number})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/control":
            BOOKS.faults = Faults(**body)
            return self._answer(200, {})
        return self._take(body)

    def _take(self, order: dict[str, Any]) -> None:
        faults = BOOKS.faults
        with BOOKS.lock:
            BOOKS.requests["take"] += 1
            BOOKS.times.append(time.time())
            is_slow, is_down, is_refused, is_lost = (
                BOOKS.chance.random() < chance
                for chance in (faults.slow, faults.unavailable, faults.refused, faults.lost)
            )
        if is_slow:
            time.sleep(faults.slow_seconds)
        if is_down:
            return self._answer(503, {"message": "busy"}, retry_after=faults.retry_after)
        if is_refused:
            return self._answer(422, {"message": "the form has no such field"})
        with BOOKS.lock:
            BOOKS.orders.append(order)
        if faults.callback_url:
            threading.Thread(target=call_back, args=(order, faults), daemon=True).start()
        if is_lost:
            self.close_connection = True
            return None
        return self._answer(201, {"number": order["number"]})

    def _answer(self, status: int, body: dict[str, Any], retry_after: float | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self.wfile.write(content)


def call_back(order: dict[str, Any], faults: Faults) -> None:
    """Tell the product that the order was taken; signed, perhaps late, perhaps more than once."""
    time.sleep(faults.callback_delay)
    content = json.dumps({"event_id": f"taken:{order['number']}", "number": order["number"]}).encode()
    signature = hmac.new(faults.callback_secret.encode(), content, hashlib.sha256).hexdigest()
    for _ in range(faults.callback_times):
        request = urllib.request.Request(
            faults.callback_url, content, {"X-Toy-Signature": signature, "Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
