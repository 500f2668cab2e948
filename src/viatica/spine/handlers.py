"""Who delivers which kind of message."""

from __future__ import annotations

from collections.abc import Callable

from viatica.spine.outcomes import Delivery, Outcome

Handler = Callable[[Delivery], Outcome]

_handlers: dict[str, Handler] = {}


def deliver_with(kind: str, handler: Handler) -> None:
    """Name who delivers messages of `kind`. Called once, in apps.py.

    The handler runs outside a transaction, in a worker's thread, and returns an Outcome. It may raise
    OutsideUnavailable (asked again later), OutsideUnknown (asked again with `earlier_unknown`), OutsideRefused or
    another Refused (parked); anything else is logged and treated as unknown. It runs at least once: look first when
    `earlier_unknown` is set.
    """
    if _handlers.setdefault(kind, handler) is not handler:
        raise ValueError(f"messages of {kind} already have a handler")


def handler_of(kind: str) -> Handler | None:
    return _handlers.get(kind)
