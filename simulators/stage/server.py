"""Running a simulator: in the foreground until told to stop, or in a thread for as long as a test lasts."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

App = Callable[..., Any]
CONNECTION = "simulators.connection"


class OpenConnection(HttpToolsProtocol):
    """HTTP that lets the app reach its own connection, to close it without an answer."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("MutableMapping[str, Any]", self.scope)["extensions"] = {CONNECTION: self.transport}


def connection_of(scope: MutableMapping[str, Any]) -> asyncio.Transport:
    return cast(asyncio.Transport, scope["extensions"][CONNECTION])


def listen(host: str, port: int) -> socket.socket:
    """A bound socket (port 0: a free one), so the address is known before the app is built."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    return bound


class _Server(uvicorn.Server):
    def __init__(self, app: App, *, when_ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=OpenConnection,
                log_level="warning",
                access_log=False,
                lifespan="on",
                backlog=2048,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=2,
                server_header=False,
            )
        )
        self.when_ready = when_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            asyncio.get_running_loop().call_soon(self.when_ready)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on the first Ctrl-C or SIGTERM and count that as a normal end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(number: int, frame: FrameType | None) -> None:
            self.force_exit = self.should_exit
            self.should_exit = True

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _ThreadServer(_Server):
    """Stops at a word from another thread, and at once: a test has no requests under way that matter."""

    async def main_loop(self) -> None:
        self.loop, self.told = asyncio.get_running_loop(), asyncio.Event()
        tick = 0
        while not await self.on_tick(tick):
            tick += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self.told.wait(), timeout=0.1)

    def stop(self) -> None:
        self.should_exit = True
        self.loop.call_soon_threadsafe(self.told.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        for task in list(self.server_state.tasks):
            task.cancel()
        await self.lifespan.shutdown()


def serve(app: App, bound: socket.socket, *, when_ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM."""
    _Server(app, when_ready=when_ready).run(sockets=[bound])


@contextmanager
def serving(app: App, bound: socket.socket) -> Iterator[None]:
    """Serve from a thread of this process while the block runs."""
    ready = threading.Event()
    server = _ThreadServer(app, when_ready=ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        while not ready.wait(0.05):
            if not thread.is_alive():
                raise RuntimeError("The simulator did not start.")
        yield
    finally:
        if ready.is_set():
            server.stop()
        thread.join(timeout=10)
        bound.close()
