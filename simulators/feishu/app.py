"""The whole simulator as one ASGI app: API calls pass the gate, people and the control door get Starlette."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from starlette.applications import Starlette

from simulators.feishu.control import Control
from simulators.feishu.manners import is_api
from simulators.feishu.pages import Pages
from simulators.feishu.simulator import Simulator
from simulators.stage.gate import Gate, Receive, Scope, Send

KEEP_EVERY_S = 5.0
MOST_BYTES = 64 * 1024 * 1024  # an attachment may have 50 MB


class Feishu:
    def __init__(self, simulator: Simulator, *, state_file: Path | None = None) -> None:
        self.simulator = simulator
        self.state_file = state_file
        self.gate = Gate(
            simulator.doors(),
            manners=simulator.manners,
            faults=simulator.faults,
            calls=simulator.calls,
            latency_s=lambda: simulator.settings.latency_ms / 1000,
            most_bytes=MOST_BYTES,
        )
        routes = [*Control(simulator).routes(), *Pages(simulator).routes(), *simulator.stream.routes()]
        self.people = Starlette(routes=routes, lifespan=self._live)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_api(scope["path"]):
            await self.gate(scope, receive, send)
        else:
            await self.people(scope, receive, send)

    @asynccontextmanager
    async def _live(self, app: Starlette) -> AsyncIterator[None]:
        keeper = asyncio.create_task(self._keep_now_and_then()) if self.state_file else None
        yield
        if keeper:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper
        await self.simulator.callbacks.close()
        self._keep()

    async def _keep_now_and_then(self) -> None:
        seen = -1
        while True:
            await asyncio.sleep(KEEP_EVERY_S)
            # Any call, click or turn of the control door that is worth keeping was counted.
            now = sum(self.simulator.calls.worked.values()) + self.simulator.workflow.book.last_ms
            if now != seen:
                seen = now
                self._keep()

    def _keep(self) -> None:
        if self.state_file:
            self.simulator.keep(self.state_file)
