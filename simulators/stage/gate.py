"""The gate every API call passes: read, delay, spoil if told to, open the door, answer, write it down.

Doors are plain functions from a Call to a dict: nothing behind the gate waits, so each call is atomic.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from simulators.stage.calls import CallLog, CallRecord
from simulators.stage.faults import FaultRule, Faults, Harm
from simulators.stage.server import connection_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Any]
Send = Callable[[Message], Any]

MOST_BYTES = 25 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    name: str
    media_type: str
    data: bytes


@dataclass(slots=True)
class Call:
    method: str
    path: str
    args: dict[str, str]
    query: dict[str, str]
    headers: Mapping[str, str]
    body: dict[str, Any]
    uploads: dict[str, Upload] = field(default_factory=dict)
    # As asked for, repeats and all; `query` keeps the last of each name.
    query_pairs: list[tuple[str, str]] = field(default_factory=list)
    overlaps: bool = False  # another call of the same lane was under way when this one came


@dataclass(frozen=True, slots=True)
class Reply:
    body: bytes
    status: int = 200
    content_type: str = "application/json; charset=utf-8"
    outcome: str = "ok"
    headers: tuple[tuple[str, str], ...] = ()  # besides content-type and content-length


@dataclass(frozen=True, slots=True)
class Door:
    method: str
    path: str  # may hold {names}
    answer: Callable[[Call], Any]
    is_open_to_all: bool = False  # no app token asked for
    lane: Callable[[Call], str] | None = None  # calls that the vendor does not let run side by side


class BadBody(Exception):
    """The body is not what its content type says, or too big."""


class Manners(Protocol):
    """How one vendor receives, and how it says no."""

    def admit(self, call: Call, door: Door) -> None:
        """Raise the vendor's refusal when the caller may not pass."""

    def refusal(self, path: str, error: Exception) -> Reply | None:
        """The answer for a refusal of the vendor's own kind; None for anything else."""

    def unknown(self, path: str) -> Reply: ...

    def unreadable(self, path: str, detail: str) -> Reply: ...

    def harmed(self, path: str, rule: FaultRule) -> Reply: ...


def json_reply(body: Any, *, status: int = 200, outcome: str = "ok") -> Reply:
    return Reply(json.dumps(body, ensure_ascii=False).encode(), status=status, outcome=outcome)


def html_reply(text: str, *, status: int, outcome: str) -> Reply:
    return Reply(text.encode(), status=status, content_type="text/html; charset=utf-8", outcome=outcome)


class Gate:
    def __init__(
        self,
        doors: Iterable[Door],
        *,
        manners: Manners,
        faults: Faults,
        calls: CallLog,
        latency_s: Callable[[], float],
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.manners = manners
        self.most_bytes = most_bytes
        self.faults = faults
        self.calls = calls
        self.latency_s = latency_s
        self.under_way: Counter[tuple[str, str]] = Counter()
        self.exact: dict[tuple[str, str], Door] = {}
        self.patterns: list[tuple[str, re.Pattern[str], Door]] = []
        for door in doors:
            if "{" in door.path:
                pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", door.path)
                self.patterns.append((door.method, re.compile(pattern), door))
            else:
                self.exact[door.method, door.path] = door

    def find(self, method: str, path: str) -> tuple[Door | None, dict[str, str]]:
        door = self.exact.get((method, path))
        if door is not None:
            return door, {}
        for wanted, pattern, candidate in self.patterns:
            if wanted == method and (match := pattern.fullmatch(path)):
                return candidate, match.groupdict()
        return None, {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        door, args = self.find(method, path)
        named = door.path if door else path
        rule = self.faults.strike(method, named)
        late = rule.seconds if rule and rule.harm is Harm.LATE_ANSWER else 0.0
        delay = self.latency_s() + (rule.seconds if rule and not late else 0.0)
        try:
            call = await read_call(scope, receive, args, most_bytes=self.most_bytes)
        except BadBody as error:
            await self._say(method, named, self.manners.unreadable(path, str(error)), send, worked=False)
            return
        with self._in_lane(door, named, call):
            if delay > 0:
                await asyncio.sleep(delay)
            match rule.harm if rule else None:
                case Harm.HANG_UP:
                    self._write_down(method, named, 0, Harm.HANG_UP, worked=False)
                    await hang_up(scope, receive)
                case Harm.SERVER_ERROR | Harm.HTML_PAGE | Harm.RATE_LIMIT if rule:
                    await self._say(method, named, self.manners.harmed(path, rule), send, worked=False)
                case Harm.LOST_ANSWER:
                    reply, worked = self.work(door, call)
                    self._write_down(method, named, reply.status, Harm.LOST_ANSWER, worked=worked)
                    await hang_up(scope, receive)
                case _:
                    reply, worked = self.work(door, call)
                    if late:
                        await asyncio.sleep(late)
                    await self._say(method, named, reply, send, worked=worked)

    @contextmanager
    def _in_lane(self, door: Door | None, named: str, call: Call) -> Iterator[None]:
        if door is None or door.lane is None:
            yield
            return
        lane = (named, door.lane(call))
        call.overlaps = self.under_way[lane] > 0
        self.under_way[lane] += 1
        try:
            yield
        finally:
            self.under_way[lane] -= 1
            if not self.under_way[lane]:
                del self.under_way[lane]

    def work(self, door: Door | None, call: Call) -> tuple[Reply, bool]:
        if door is None:
            return self.manners.unknown(call.path), False
        try:
            self.manners.admit(call, door)
            answer = door.answer(call)
        except Exception as error:
            reply = self.manners.refusal(call.path, error)
            if reply is None:
                raise
            return reply, False
        return (answer if isinstance(answer, Reply) else json_reply(answer)), True

    async def _say(self, method: str, named: str, reply: Reply, send: Send, *, worked: bool) -> None:
        self._write_down(method, named, reply.status, reply.outcome, worked=worked)
        headers = [
            (b"content-type", reply.content_type.encode()),
            (b"content-length", str(len(reply.body)).encode()),
            *((name.encode(), value.encode()) for name, value in reply.headers),
        ]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    def _write_down(self, method: str, named: str, status: int, outcome: str, *, worked: bool) -> None:
        self.calls.note(CallRecord(int(time.time() * 1000), method, named, status, outcome, worked))


async def hang_up(scope: Scope, receive: Receive) -> None:
    """Close the caller's connection without an answer and wait until the server has noticed."""
    connection_of(scope).close()
    while (await receive())["type"] != "http.disconnect":
        continue


async def read_call(
    scope: Scope, receive: Receive, args: dict[str, str], *, most_bytes: int = MOST_BYTES
) -> Call:
    headers = Headers(raw=list(scope["headers"]))
    raw = await read_body(receive, most_bytes=most_bytes)
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    call = Call(scope["method"], scope["path"], args, dict(pairs), headers, {}, query_pairs=pairs)
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        await _read_parts(call, headers, raw)
    elif kind == "application/x-www-form-urlencoded" and not raw.lstrip().startswith(b"{"):
        call.body = dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
    elif raw.strip():
        call.body = _read_json(raw)
    return call


async def read_body(receive: Receive, *, most_bytes: int = MOST_BYTES) -> bytes:
    chunks = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadBody("the caller went away")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > most_bytes:
            raise BadBody("the body is too big")
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)


def _read_json(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        raise BadBody("the body is not JSON") from None
    if not isinstance(body, dict):
        raise BadBody("the body is not a JSON object")
    return body


async def _read_parts(call: Call, headers: Headers, raw: bytes) -> None:
    async def whole() -> AsyncIterator[bytes]:
        yield raw

    try:
        form = await MultiPartParser(headers, _as_generator(whole())).parse()
    except (MultiPartException, KeyError):
        raise BadBody("the body is not a multipart form") from None
    for name, part in form.multi_items():
        if isinstance(part, UploadFile):
            media_type = part.content_type or "application/octet-stream"
            call.uploads[name] = Upload(part.filename or "", media_type, await part.read())
        else:
            call.body[name] = part
    await form.close()


async def _as_generator(chunks: AsyncIterator[bytes]) -> Any:
    async for chunk in chunks:
        yield chunk
