"""A whole simulator as one ASGI app: API calls pass the gate, people and the control door get Starlette."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from simulators.stage.calls import CallLog
from simulators.stage.faults import Faults
from simulators.stage.gate import MOST_BYTES, Door, Gate, Manners, Receive, Scope, Send
from simulators.stage.knobs import CommonSettings
from simulators.stage.pushing import Pusher

KEEP_EVERY_S = 5.0


class ForgetfulManners(Manners, Protocol):
    def forget(self) -> None:
        """Of who called how often."""


class Simulated:
    """One simulated product: its rooms are its own, these it has like all others."""

    settings: CommonSettings
    manners: ForgetfulManners
    callbacks: Pusher[Any, Any]

    def __init__(self, base_url: str, seed: int) -> None:
        self.base_url = base_url
        self.seed = seed
        self.faults = Faults(Random(seed))
        self.calls = CallLog()

    def doors(self) -> list[Door]:
        raise NotImplementedError

    def facts(self) -> dict[str, Any]:
        """What a client needs to be pointed here: the first line the command prints."""
        raise NotImplementedError

    def forget(self) -> None:
        """Back to how it started; what is kept, each product says."""
        self.callbacks.forget()
        self.faults.rules.clear()
        self.faults.random.seed(self.seed)
        self.calls.clear()
        self.manners.forget()
        self.settings.change(type(self.settings)().shown())

    # Between two runs.

    def worth_keeping(self) -> int:
        """A number that changes when something worth keeping has happened."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        raise NotImplementedError

    def resume(self, state: Mapping[str, Any]) -> None:
        raise NotImplementedError


class Build(Protocol):
    def __call__(self, base_url: str, *, seed: int, org: Mapping[str, Any] | None) -> Simulated: ...


class Stage:
    def __init__(
        self,
        simulator: Simulated,
        routes: Sequence[BaseRoute],
        *,
        is_api: Callable[[str], bool],
        most_bytes: int = MOST_BYTES,
        state_file: Path | None = None,
    ) -> None:
        self.simulator = simulator
        self.is_api = is_api
        self.state_file = state_file
        self.gate = Gate(
            simulator.doors(),
            manners=simulator.manners,
            faults=simulator.faults,
            calls=simulator.calls,
            latency_s=lambda: simulator.settings.latency_ms / 1000,
            most_bytes=most_bytes,
        )
        self.people = Starlette(routes=routes, lifespan=self._live)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self.is_api(scope["path"]):
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
            if (now := self.simulator.worth_keeping()) != seen:
                seen = now
                self._keep()

    def _keep(self) -> None:
        """Write what people did to a file of our own, whole or not at all."""
        if self.state_file:
            fresh = self.state_file.with_suffix(".new")
            fresh.write_bytes(pickle.dumps(self.simulator.state()))
            fresh.replace(self.state_file)


def read_state(path: Path) -> dict[str, Any]:
    """What `Stage` kept. Read only files this program wrote: a pickle can run code."""
    state: dict[str, Any] = pickle.loads(path.read_bytes())
    return state
