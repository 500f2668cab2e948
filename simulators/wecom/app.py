"""The whole simulator as one ASGI app: API calls pass the gate, people and the control door get Starlette."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from starlette.applications import Starlette

from simulators.stage.gate import Gate, Receive, Scope, Send
from simulators.wecom.control import Control
from simulators.wecom.pages import Pages
from simulators.wecom.simulator import Simulator

KEEP_EVERY_S = 5.0
API = "/cgi-bin/"


class WeCom:
    def __init__(self, simulator: Simulator, *, state_file: Path | None = None) -> None:
        self.simulator = simulator
        self.state_file = state_file
        self.gate = Gate(
            simulator.doors(),
            manners=simulator.manners,
            faults=simulator.faults,
            calls=simulator.calls,
            latency_s=lambda: simulator.settings.latency_ms / 1000,
        )
        routes = [*Control(simulator).routes(), *Pages(simulator).routes()]
        self.people = Starlette(routes=routes, lifespan=self._live)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(API):
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
            # Anything worth keeping came through a call, a click or the control door, and told the clock.
            if self.simulator.workflow.book.last_ms != seen:
                seen = self.simulator.workflow.book.last_ms
                self._keep()

    def _keep(self) -> None:
        if self.state_file:
            self.simulator.keep(self.state_file)
