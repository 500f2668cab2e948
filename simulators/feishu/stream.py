"""The long connection (长连接): events without a public address, over a WebSocket the app opens.

Frames are protobuf messages small enough to be read and written here. Source: lark-oapi's ws client and its
pbbp2 descriptor; 使用长连接接收事件.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from simulators.feishu.callbacks import Callbacks
from simulators.feishu.errors import FlatRefusal
from simulators.feishu.settings import Identity, Settings
from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door

CONTROL, DATA = 0, 1
MOST_CONNECTIONS = 50
PATH = "/callback/ws/connect"


@dataclass(slots=True)
class Frame:
    seq_id: int = 0
    log_id: int = 0
    service: int = 0
    method: int = CONTROL
    headers: dict[str, str] = field(default_factory=dict)
    payload: bytes = b""

    def packed(self) -> bytes:
        parts = [
            _number(1, self.seq_id),
            _number(2, self.log_id),
            _number(3, self.service),
            _number(4, self.method),
        ]
        for key, value in self.headers.items():
            parts.append(_block(5, _block(1, key.encode()) + _block(2, value.encode())))
        if self.payload:
            parts.append(_block(8, self.payload))
        return b"".join(parts)

    @classmethod
    def unpacked(cls, data: bytes) -> Frame:
        """Raises ValueError."""
        frame = cls()
        for number, value in _fields(data):
            match number, value:
                case 1, int():
                    frame.seq_id = value
                case 2, int():
                    frame.log_id = value
                case 3, int():
                    frame.service = value
                case 4, int():
                    frame.method = value
                case 5, bytes():
                    pair = dict(_fields(value))
                    key, text = pair.get(1, b""), pair.get(2, b"")
                    if isinstance(key, bytes) and isinstance(text, bytes):
                        frame.headers[key.decode()] = text.decode()
                case 8, bytes():
                    frame.payload = value
        return frame


@dataclass(eq=False, slots=True)
class Line:
    """One open connection, and the events on it that wait for an answer."""

    socket: WebSocket
    service: int
    waiting: dict[str, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)


@dataclass(slots=True)
class Stream:
    base_url: str
    identity: Identity
    settings: Settings
    callbacks: Callbacks
    lines: list[Line] = field(default_factory=list)
    tickets: dict[str, int] = field(default_factory=dict)  # device_id → service_id

    def doors(self) -> list[Door]:
        return [Door("POST", "/callback/ws/endpoint", self.endpoint, is_open_to_all=True)]

    def routes(self) -> list[WebSocketRoute]:
        return [WebSocketRoute(PATH, self.serve)]

    def endpoint(self, call: Call) -> dict[str, Any]:
        # The client reads the code out of an answer that is itself HTTP 200.
        fields = Fields(call.body, lambda detail: FlatRefusal(514, detail, 200))
        if (fields.text("AppID"), fields.text("AppSecret")) != (
            self.identity.app_id,
            self.identity.app_secret,
        ):
            raise FlatRefusal(514, "app_id or app_secret is wrong", 200)
        if len(self.lines) >= MOST_CONNECTIONS:
            raise FlatRefusal(1000040350, "the number of connections exceeded the limit", 200)
        device, service = secrets.token_hex(10), secrets.randbelow(10**8)
        self.tickets[device] = service
        query = urlencode({"device_id": device, "service_id": service, "fpid": "493", "aid": "552564"})
        scheme = "wss" if self.base_url.startswith("https:") else "ws"
        return {
            "URL": f"{scheme}://{urlsplit(self.base_url).netloc}{PATH}?{query}",
            "ClientConfig": {
                "ReconnectCount": -1,
                "ReconnectInterval": 120,
                "ReconnectNonce": 30,
                "PingInterval": 120,
            },
        }

    async def serve(self, socket: WebSocket) -> None:
        service = self.tickets.pop(socket.query_params.get("device_id", ""), None)
        if service is None:
            await socket.close()
            return
        await socket.accept()
        line = Line(socket, service)
        self.lines.append(line)
        # From now on this is the app's way of hearing, even while nobody is connected.
        self.callbacks.other_way = self.tell
        try:
            while True:
                await self._hear(line, Frame.unpacked(await socket.receive_bytes()))
        except (WebSocketDisconnect, ValueError, RuntimeError):
            pass
        finally:
            self.lines.remove(line)
            for answer in line.waiting.values():
                if not answer.done():
                    answer.set_exception(ConnectionError("the connection was closed"))

    async def cut(self) -> None:
        for line in list(self.lines):
            await line.socket.close()

    async def _hear(self, line: Line, frame: Frame) -> None:
        if frame.method == CONTROL:
            if frame.headers.get("type") == "ping":
                pong = Frame(service=frame.service, headers={"type": "pong"})
                await line.socket.send_bytes(pong.packed())
            return
        answer = line.waiting.pop(frame.headers.get("message_id", ""), None)
        if answer is not None and not answer.done():
            answer.set_result(dict(json.loads(frame.payload)))

    async def tell(self, text: str) -> tuple[str, bytes]:
        """To one of the connections, any of them: "success" or what went wrong, and the answer's own data."""
        if not self.lines:
            return "nobody is connected", b""
        line = self.callbacks.random.choice(self.lines)
        message_id = secrets.token_hex(16)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        line.waiting[message_id] = answer
        headers = {"type": "event", "message_id": message_id, "trace_id": message_id, "sum": "1", "seq": "0"}
        frame = Frame(1, 1, line.service, DATA, headers, text.encode())
        try:
            async with asyncio.timeout(self.settings.callback_timeout_s):
                await line.socket.send_bytes(frame.packed())
                said = await answer
        except (TimeoutError, ConnectionError, RuntimeError, WebSocketDisconnect):
            line.waiting.pop(message_id, None)
            return "no answer over the long connection", b""
        if said.get("code") != 200:
            return f"code {said.get('code')}", b""
        return "success", b64decode(said.get("data") or "")


def _varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _block(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            if place >= len(data) or shift > 63:
                raise ValueError("the frame is cut off")
            byte = data[place]
            place += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while place < len(data):
        head = varint()
        match head & 7:
            case 0:
                yield head >> 3, varint()
            case 2:
                length = varint()
                if place + length > len(data):
                    raise ValueError("the frame is cut off")
                place += length
                yield head >> 3, data[place - length : place]
            case _:
                raise ValueError("not a frame")
