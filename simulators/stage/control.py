"""The control door (/_control) of every simulator: for tests, demos and trainers. No product has anything like it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Generic, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.stage.app import Simulated
from simulators.stage.faults import FaultRule, Harm
from simulators.stage.fields import Fields

Handler = Callable[[Request, Fields], Awaitable[Any]]
Table = list[tuple[str, str, Handler]]


S = TypeVar("S", bound=Simulated)


class ControlDoor(Generic[S]):
    refusals: ClassVar[tuple[type[Exception], ...]] = (ValueError,)  # the product's own ways to say no

    def __init__(self, simulator: S) -> None:
        self.sim = simulator

    def table(self) -> Table:
        """The product's own part of the door."""
        raise NotImplementedError

    def routes(self) -> list[Route]:
        shared: Table = [
            ("GET", "", self.facts),
            ("GET", "/settings", self.settings),
            ("PUT", "/settings", self.change_settings),
            ("PUT", "/callback/spoiling", self.spoil),
            ("GET", "/events", self.events),
            ("POST", "/events/{event_id}/resend", self.resend),
            ("GET", "/idle", self.idle),
            ("GET", "/faults", self.faults),
            ("POST", "/faults", self.add_fault),
            ("DELETE", "/faults", self.clear_faults),
            ("GET", "/calls", self.calls),
            ("DELETE", "/calls", self.clear_calls),
            ("POST", "/reset", self.reset),
        ]
        return [
            Route(f"/_control{path}", self._door(handler), methods=[method])
            for method, path, handler in [*shared, *self.table()]
        ]

    def _door(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def door(request: Request) -> Response:
            try:
                raw = await request.body()
                body = json.loads(raw) if raw else {}
                if not isinstance(body, dict):
                    raise ValueError("the body must be a JSON object")
                answer = await handler(request, Fields(body, ValueError))
            except LookupError as error:
                return JSONResponse({"error": f"not found: {error}"}, status_code=404)
            except self.refusals as error:
                return JSONResponse({"error": str(error)}, status_code=400)
            return JSONResponse(answer)

        return door

    # The simulator itself.

    async def facts(self, request: Request, body: Fields) -> Any:
        return self.sim.facts()

    async def settings(self, request: Request, body: Fields) -> Any:
        return self.sim.settings.shown()

    async def change_settings(self, request: Request, body: Fields) -> Any:
        self.sim.settings.change(body.values)
        return self.sim.settings.shown()

    async def reset(self, request: Request, body: Fields) -> Any:
        self.sim.forget()
        return {}

    # What is pushed.

    async def spoil(self, request: Request, body: Fields) -> Any:
        self.sim.callbacks.spoiling.change(body.values)
        return self.sim.callbacks.spoiling.shown()

    async def events(self, request: Request, body: Fields) -> Any:
        query = request.query_params
        return self.sim.callbacks.shown(kind=query.get("kind", ""), lane=query.get("instance_id", ""))

    async def resend(self, request: Request, body: Fields) -> Any:
        event_id = request.path_params["event_id"]
        if not self.sim.callbacks.resend(event_id, body.number_or("times", 1)):
            raise LookupError(event_id)
        return {}

    async def idle(self, request: Request, body: Fields) -> Any:
        query = request.query_params
        is_idle = await self.sim.callbacks.idle(
            timeout_s=float(query.get("timeout", "5")), with_retries=query.get("retries") == "true"
        )
        return {"idle": is_idle}

    # Faults and calls.

    async def faults(self, request: Request, body: Fields) -> Any:
        return self.sim.faults.shown()

    async def add_fault(self, request: Request, body: Fields) -> Any:
        self.sim.faults.rules.append(read_fault(body))
        return self.sim.faults.shown()

    async def clear_faults(self, request: Request, body: Fields) -> Any:
        self.sim.faults.rules.clear()
        return {}

    async def calls(self, request: Request, body: Fields) -> Any:
        return self.sim.calls.shown()

    async def clear_calls(self, request: Request, body: Fields) -> Any:
        self.sim.calls.clear()
        return {}


def read_fault(body: Fields) -> FaultRule:
    fraction = body.values.get("fraction")
    if fraction is not None and not (isinstance(fraction, (int, float)) and 0 <= fraction <= 1):
        raise ValueError("fraction must be 0 to 1")
    seconds = body.values.get("seconds", 0)
    if not isinstance(seconds, (int, float)):
        raise ValueError("seconds must be a number")
    return FaultRule(
        Harm(body.text("harm")),
        path=body.text_or("path", "*"),
        method=body.text_or("method", "*"),
        times=body.number("times") if body.has("times") else None,
        fraction=fraction,
        seconds=float(seconds),
        status=body.number("status") if body.has("status") else None,
    )
