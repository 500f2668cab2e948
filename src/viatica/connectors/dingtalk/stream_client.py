"""The official SDK's client, held for one connection's life: when to connect again is ours to say (spine/streams.py).

Its own loop sleeps through a cancellation, asks the gateway without a timeout and knows one gateway for the whole process.
Frames, their routing and their acknowledgements are the SDK's. An event whose handler raises is not acknowledged, and so
comes again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from threading import Event

import websockets
from dingtalk_stream import AckMessage, Credential, DingTalkStreamClient, EventHandler, EventMessage

from viatica.connectors.dingtalk.client import DingTalkSetup
from viatica.connectors.dingtalk.errors import SYSTEM
from viatica.connectors.dingtalk.stream import Keep
from viatica.kernel.errors import OutsideUnavailable
from viatica.spine.redaction import redact
from viatica.spine.streams import Line

LOOK_S = 0.1  # how soon a stop is noticed
FINISH_S = 3.0
OPEN_S = 10.0

# It warns of every ping, with all that the frame holds.
_quiet = logging.getLogger(__name__)
_quiet.setLevel(logging.ERROR)


def hold(setup: DingTalkSetup, uri: str, sock: socket.socket, line: Line, keep: Keep) -> None:
    """Until the gateway ends it, or the line is to stop. Raises OutsideUnavailable when it breaks."""
    client = _Client(setup, keep)
    try:
        asyncio.run(client.hold(uri, sock, line))
    except (OSError, TimeoutError, websockets.exceptions.WebSocketException) as error:
        said = redact(
            f"{type(error).__name__} {error}".strip(), (*setup.secrets, uri.partition("ticket=")[2])
        )
        raise OutsideUnavailable(system=SYSTEM, said_by=said) from error


class _Events(EventHandler):  # type: ignore[misc]  # the SDK has no types
    def __init__(self, keep: Keep) -> None:
        super().__init__()
        self.keep = keep

    async def process(self, event: EventMessage) -> tuple[int, str]:
        told = event.headers
        data = event.data if isinstance(event.data, dict) else {}
        await asyncio.to_thread(
            self.keep, told.event_type or "", told.event_id or "", told.event_corp_id or "",
            told.event_born_time or 0, data,
        )  # fmt: skip
        return AckMessage.STATUS_OK, "OK"


class _Client(DingTalkStreamClient):  # type: ignore[misc]  # the SDK has no types
    def __init__(self, setup: DingTalkSetup, keep: Keep) -> None:
        super().__init__(Credential(setup.app_key, setup.app_secret), logger=_quiet)
        self.register_all_event_handler(_Events(keep))
        self.under_way: set[asyncio.Task[None]] = set()

    async def hold(self, uri: str, sock: socket.socket, line: Line) -> None:
        self.pre_start()
        async with websockets.connect(uri, sock=sock, open_timeout=OPEN_S) as self.websocket:
            line.up()
            leaving = asyncio.create_task(self._leave(line.stopping))
            try:
                async for frame in self.websocket:
                    task = asyncio.create_task(self.background_task(json.loads(frame)))
                    self.under_way.add(task)
                    task.add_done_callback(self.under_way.discard)
            finally:
                leaving.cancel()

    async def _leave(self, stopping: Event) -> None:
        """What is being kept is acknowledged first, lest it comes again."""
        while not stopping.is_set():
            await asyncio.sleep(LOOK_S)
        if self.under_way:
            await asyncio.wait(self.under_way, timeout=FINISH_S)
        await self.websocket.close()
