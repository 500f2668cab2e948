"""A small HTTP/1.1 client for pushing callbacks: asyncio and h11, connections kept alive per host."""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import h11

IDLE_PER_HOST = 64


class NoAnswer(Exception):
    """The other side did not answer in time, or not in HTTP."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


@dataclass(slots=True)
class _Line:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    state: h11.Connection = field(default_factory=lambda: h11.Connection(our_role=h11.CLIENT))

    async def ask(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
        request = self.state.send(h11.Request(method=method, target=target, headers=headers))
        data = self.state.send(h11.Data(data=body))
        end = self.state.send(h11.EndOfMessage())
        self.writer.write((request or b"") + (data or b"") + (end or b""))
        await self.writer.drain()
        status, chunks = 0, []
        while True:
            event = self.state.next_event()
            if event is h11.NEED_DATA:
                self.state.receive_data(await self.reader.read(65536))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                chunks.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                return Answer(status, b"".join(chunks))
            elif isinstance(event, h11.ConnectionClosed):
                raise NoAnswer("the connection was closed")

    def is_reusable(self) -> bool:
        if self.state.our_state is not h11.DONE or self.state.their_state is not h11.DONE:
            return False
        self.state.start_next_cycle()
        return not self.writer.is_closing() and not self.reader.at_eof()


@dataclass(slots=True)
class Postman:
    idle: dict[tuple[str, str, int], deque[_Line]] = field(default_factory=lambda: defaultdict(deque))

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float) -> Answer:
        """POST once. Raises NoAnswer on anything but a complete HTTP answer within `timeout_s`."""
        return await self._in_time("POST", url, body, headers, timeout_s)

    async def get(self, url: str, headers: Mapping[str, str], *, timeout_s: float) -> Answer:
        """GET once, following nothing. Raises NoAnswer like `post`."""
        return await self._in_time("GET", url, b"", headers, timeout_s)

    async def _in_time(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float
    ) -> Answer:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._ask(method, url, body, headers)
        except TimeoutError:
            raise NoAnswer(f"no answer within {timeout_s} s") from None
        except (OSError, h11.ProtocolError, ValueError) as error:
            raise NoAnswer(str(error) or type(error).__name__) from error

    async def _ask(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not an HTTP address: {url}")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = [
            ("host", parts.netloc.rpartition("@")[2]),
            *([("content-length", str(len(body)))] if method != "GET" else []),
            *headers.items(),
        ]
        key = (parts.scheme, parts.hostname, port)
        line = self._idle_line(key)
        is_used = line is not None
        while True:
            line = line or await self._new_line(*key)
            try:
                answer = await line.ask(method, target, sent, body)
                break
            except BaseException as error:
                line.writer.close()
                # A kept-alive connection may have been closed under us: that is not the receiver's fault.
                if not (is_used and isinstance(error, (NoAnswer, OSError, h11.ProtocolError))):
                    raise
                line, is_used = None, False
        if line.is_reusable() and len(self.idle[key]) < IDLE_PER_HOST:
            self.idle[key].append(line)
        else:
            line.writer.close()
        return answer

    def _idle_line(self, key: tuple[str, str, int]) -> _Line | None:
        waiting = self.idle[key]
        while waiting:
            line = waiting.pop()
            if not line.reader.at_eof() and not line.writer.is_closing():
                return line
            line.writer.close()
        return None

    async def _new_line(self, scheme: str, host: str, port: int) -> _Line:
        secure = ssl.create_default_context() if scheme == "https" else None
        return _Line(*await asyncio.open_connection(host, port, ssl=secure))

    def close(self) -> None:
        for lines in self.idle.values():
            for line in lines:
                line.writer.close()
        self.idle.clear()
