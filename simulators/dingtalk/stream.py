"""Stream mode: events and card clicks without a public address, over a WebSocket the app opens.

Source: dingtalk-stream 0.24 (frames, acknowledgements) and the Go SDK (LATER); Stream 模式接入.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import urlsplit

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from simulators.dingtalk.errors import NewRefusal, bad_new
from simulators.dingtalk.settings import Identity, Settings
from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door

PATH = "/connect"
CARD_TOPIC = "/v1.0/card/instances/callback"
MOST_CONNECTIONS = 50
LOST = (TimeoutError, ConnectionError, RuntimeError, WebSocketDisconnect)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client asked the gateway for."""

    subscriptions: frozenset[tuple[str, str]]  # ("EVENT" or "CALLBACK", topic)
    agent: str


@dataclass(eq=False, slots=True)
class Line:
    """One open connection, and the frames on it that wait for their acknowledgement."""

    id: str
    socket: WebSocket
    wish: Wish
    since_ms: int
    waiting: dict[str, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    sent_away: asyncio.Event = field(default_factory=asyncio.Event)
    answered_pings: int = 0

    def wants(self, kind: str, topic: str) -> bool:
        return not self.sent_away.is_set() and not self.wish.subscriptions.isdisjoint(
            {(kind, topic), (kind, "*")}
        )

    async def ask(self, frame: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        """Send one frame and read its acknowledgement. Raises one of LOST."""
        message_id = frame["headers"]["messageId"]
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.waiting[message_id] = answer
        try:
            async with asyncio.timeout(timeout_s):
                await self.socket.send_text(json.dumps(frame, ensure_ascii=False))
                return await answer
        finally:
            self.waiting.pop(message_id, None)

    def hear(self, text: str) -> None:
        """An acknowledgement; one that comes too late, or belongs to nothing, is passed over. Raises ValueError."""
        frame = json.loads(text)
        if not isinstance(frame, dict) or not isinstance(frame.get("headers"), dict):
            raise ValueError("not a frame")
        answer = self.waiting.get(str(frame["headers"].get("messageId")))
        if answer is not None and not answer.done():
            answer.set_result(frame)


@dataclass(slots=True)
class Stream:
    base_url: str
    identity: Identity
    settings: Settings
    random: Random
    lines: list[Line] = field(default_factory=list)
    tickets: dict[str, Wish] = field(default_factory=dict)

    def doors(self) -> list[Door]:
        return [Door("POST", "/v1.0/gateway/connections/open", self.open, is_open_to_all=True)]

    def routes(self) -> list[WebSocketRoute]:
        return [WebSocketRoute(PATH, self.serve)]

    # Connecting.

    def open(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_new)
        client = (fields.text("clientId"), fields.text("clientSecret"))
        if client != (self.identity.app_key, self.identity.app_secret):
            raise NewRefusal("authFailed", "鉴权失败", 401)
        rows = fields.rows("subscriptions")
        subscriptions = frozenset((row.text("type"), row.text("topic")) for row in rows)
        if not subscriptions or any(kind not in ("EVENT", "CALLBACK") for kind, _ in subscriptions):
            raise bad_new("subscriptions: type must be EVENT or CALLBACK")
        if len(self.lines) >= MOST_CONNECTIONS:
            raise NewRefusal("connectionLimit", "连接数超过上限")
        ticket = secrets.token_hex(16)
        self.tickets[ticket] = Wish(subscriptions, fields.text_or("ua"))
        scheme = "wss" if self.base_url.startswith("https:") else "ws"
        return {"endpoint": f"{scheme}://{urlsplit(self.base_url).netloc}{PATH}", "ticket": ticket}

    async def serve(self, socket: WebSocket) -> None:
        # A ticket opens one connection, once.
        wish = self.tickets.pop(socket.query_params.get("ticket", ""), None)
        if wish is None:
            await socket.close()
            return
        await socket.accept()
        line = Line(secrets.token_hex(16), socket, wish, int(time.time() * 1000))
        self.lines.append(line)
        tending = asyncio.create_task(self._tend(line))
        try:
            while True:
                line.hear(await socket.receive_text())
        except (WebSocketDisconnect, ValueError, KeyError, RuntimeError):
            pass
        finally:
            tending.cancel()
            self.lines.remove(line)
            for answer in line.waiting.values():
                if not answer.done():
                    answer.set_exception(ConnectionError("the connection was closed"))

    async def _tend(self, line: Line) -> None:
        """Ping now and then; cut off who was sent away and stays."""
        while not line.sent_away.is_set():
            try:
                async with asyncio.timeout(self.settings.stream_ping_s):
                    await line.sent_away.wait()
            except TimeoutError:
                await self.ping(line)
        await asyncio.sleep(self.settings.stream_leave_s)
        await self.cut(line)

    async def ping(self, line: Line) -> bool:
        """True when the client answered with what it was sent, as it must."""
        data = json.dumps({"opaque": secrets.token_hex(16)})
        try:
            said = await line.ask(
                self._frame(line, "SYSTEM", "ping", data), timeout_s=self.settings.stream_ack_s
            )
        except LOST:
            return False
        is_right = said.get("code") == 200 and _data(said) == json.loads(data)
        line.answered_pings += is_right
        return is_right

    async def send_away(self, line: Line, reason: str) -> None:
        """As before a gateway's own restart: nothing more comes on this connection, and it ends soon."""
        line.sent_away.set()
        frame = self._frame(line, "SYSTEM", "disconnect", json.dumps({"reason": reason}))
        with suppress(*LOST):
            await line.socket.send_text(json.dumps(frame))

    async def cut(self, line: Line) -> None:
        """The connection breaks without a word before."""
        with suppress(*LOST):
            await line.socket.close(1011)

    # Telling.

    async def tell_event(self, kind: str, event_id: str, born_ms: int, fields: dict[str, Any]) -> str:
        """To any one of the connections that want it: "success", or what went wrong."""
        line = self._pick("EVENT", kind)
        if line is None:
            return "nobody is connected"
        frame = self._frame(line, "EVENT", "*", json.dumps(fields, ensure_ascii=False))
        frame["headers"] |= {
            "eventType": kind,
            "eventId": event_id,
            "eventCorpId": self.identity.corp_id,
            "eventBornTime": str(born_ms),
            "eventUnifiedAppId": self.identity.unified_app_id,
        }
        try:
            said = await line.ask(frame, timeout_s=self.settings.stream_ack_s)
        except LOST:
            return "no acknowledgement"
        if said.get("code") != 200:
            return f"code {said.get('code')}"
        # Go and Java say in the data how it went; Python sends the event back.
        later = _data(said).get("status") == "LATER"
        return "LATER" if later else "success"

    async def ask_callback(self, topic: str, sent: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        """A callback that wants an answer. Raises ValueError when there is none."""
        line = self._pick("CALLBACK", topic)
        if line is None:
            raise ValueError(f"nobody is connected for {topic}")
        frame = self._frame(line, "CALLBACK", topic, json.dumps(sent, ensure_ascii=False))
        try:
            said = await line.ask(frame, timeout_s=timeout_s)
        except LOST as error:
            raise ValueError("no acknowledgement") from error
        if said.get("code") != 200:
            raise ValueError(f"code {said.get('code')}")
        answer = _data(said)
        response = answer.get("response")
        return response if isinstance(response, dict) else answer

    def _pick(self, kind: str, topic: str) -> Line | None:
        wanting = [line for line in self.lines if line.wants(kind, topic)]
        return self.random.choice(wanting) if wanting else None

    def _frame(self, line: Line, kind: str, topic: str, data: str) -> dict[str, Any]:
        headers = {
            "appId": self.identity.unified_app_id,
            "connectionId": line.id,
            "contentType": "application/json",
            "messageId": secrets.token_hex(12),
            "time": str(int(time.time() * 1000)),
            "topic": topic,
        }
        return {"specVersion": "1.0", "type": kind, "headers": headers, "data": data}

    def shown(self) -> list[dict[str, Any]]:
        return [
            {
                "id": line.id,
                "since_ms": line.since_ms,
                "ua": line.wish.agent,
                "subscriptions": sorted(f"{kind} {topic}" for kind, topic in line.wish.subscriptions),
                "waiting": len(line.waiting),
                "answered_pings": line.answered_pings,
                "is_leaving": line.sent_away.is_set(),
            }
            for line in self.lines
        ]


def _data(frame: dict[str, Any]) -> dict[str, Any]:
    """The acknowledgement's data: JSON in a string. What is none is taken for empty."""
    try:
        data = json.loads(str(frame.get("data") or "{}"))
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
