"""Clients that cost next to nothing themselves: one connection each, kept open, requests as ready bytes."""

from __future__ import annotations

import json
import multiprocessing
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit


class Wire:
    """One HTTP/1.1 connection."""

    def __init__(self, base: str) -> None:
        parts = urlsplit(base)
        self.host = f"{parts.hostname}:{parts.port}"
        self._socket = socket.create_connection((parts.hostname, parts.port or 80), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def send(self, request: bytes) -> tuple[int, bytes]:
        """Status and body. Raises OSError when the server hangs up."""
        self._socket.sendall(request)
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        lowered = head.lower()
        status = int(head[9:12])
        if b"transfer-encoding: chunked" in lowered:
            return status, self._chunks()
        place = lowered.find(b"content-length:")
        length = int(lowered[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
        return status, self._exactly(length)

    def call(self, method: str, path: str, token: str, body: Any = None, key: str = "") -> Any:
        """A JSON call. Raises RuntimeError with what the server said when it is no success."""
        status, answer = self.send(request(self.host, method, path, token, body, key))
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status} {answer.decode(errors='replace')[:500]}")
        return json.loads(answer) if answer else None

    def _exactly(self, length: int) -> bytes:
        while len(self._rest) < length:
            self._more()
        body, self._rest = self._rest[:length], self._rest[length:]
        return body

    def _chunks(self) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in self._rest:
                self._more()
            size, _, self._rest = self._rest.partition(b"\r\n")
            length = int(size, 16)
            body += self._exactly(length)
            self._exactly(2)
            if not length:
                return body

    def _more(self) -> None:
        more = self._socket.recv(65536)
        if not more:
            raise OSError("the server hung up")
        self._rest += more


def request(host: str, method: str, path: str, token: str = "", body: Any = None, key: str = "") -> bytes:
    data = b"" if body is None else json.dumps(body).encode()
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {host}",
        f"Content-Length: {len(data)}",
        "Content-Type: application/json",
    ]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if key:
        lines.append(f"Idempotency-Key: {key}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + data


def run_clients(
    count: int, seconds: float, client: Callable[[int, Callable[[], bool]], list[float]]
) -> tuple[list[float], float]:
    """Run `count` clients in threads; each works while its second argument says so. Their times, and how long it took."""
    times: list[list[float]] = [[] for _ in range(count)]
    failures: list[BaseException] = []
    start = threading.Barrier(count + 1)
    over = threading.Event()

    def one(number: int) -> None:
        try:
            start.wait()
            times[number] = client(number, lambda: not over.is_set())
        except BaseException as error:
            failures.append(error)
            over.set()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.monotonic()
    over.wait(seconds)
    over.set()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return [each for client_times in times for each in client_times], time.monotonic() - began


def pour(base: str, requests: Sequence[Sequence[bytes]], accept: bytes) -> tuple[list[float], float]:
    """Send ready requests, each list over a connection of its own, two processes sharing them. Times and duration.

    `accept` must be part of every answer; anything else stops the benchmark.
    """
    context = multiprocessing.get_context("fork")
    halves = [requests[0::2], requests[1::2]]
    queue = context.SimpleQueue()
    ready = context.Barrier(3)
    processes = [
        context.Process(target=_pour_half, args=(base, half, accept, ready, queue)) for half in halves
    ]
    for process in processes:
        process.start()
    ready.wait()
    began = time.monotonic()
    found = [queue.get() for _ in processes]
    took = time.monotonic() - began
    for process in processes:
        process.join()
    for answer in found:
        if isinstance(answer, str):
            raise RuntimeError(answer)
    return [each for times in found for each in times], took


def _pour_half(base: str, lists: Sequence[Sequence[bytes]], accept: bytes, ready: Any, queue: Any) -> None:
    ready.wait()
    times: list[list[float]] = [[] for _ in lists]
    wrong: list[str] = []

    def one(number: int) -> None:
        wire = Wire(base)
        for ready_request in lists[number]:
            began = time.monotonic()
            status, body = wire.send(ready_request)
            times[number].append(time.monotonic() - began)
            if status != 200 or accept not in body:
                wrong.append(f"{status} {body[:300].decode(errors='replace')}")
                return

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(lists))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    queue.put(wrong[0] if wrong else [each for list_times in times for each in list_times])
