"""Who delivers which kind of message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from viatica.spine.outcomes import Delivery, Outcome

Handler = Callable[[Delivery], Outcome]

_handlers: dict[str, Handler] = {}


@dataclass(frozen=True, slots=True)
class Traits:
    """Of a kind of message. `capability`: the use of a connection it proves; `can_wait`: for a quota to start anew."""

    capability: str
    can_wait: bool


_traits: dict[str, Traits] = {}


def deliver_with(kind: str, handler: Handler, *, capability: str = "", can_wait: bool = False) -> None:
    """Name who delivers messages of `kind`. Called once, in apps.py.

    `capability`: what of a connection it uses, as in `Connection.uses`; by default the kind up to its first dot.
    `can_wait`: it is kept back while a quota of its connection is used up.

    The handler runs outside a transaction, in a worker's thread, and returns an Outcome. It may raise
    OutsideUnavailable (asked again later), OutsideUnknown (asked again with `earlier_unknown`), OutsideRefused or
    another Refused (parked); anything else is logged and treated as unknown. It runs at least once: look first when
    `earlier_unknown` is set.
    """
    if _handlers.setdefault(kind, handler) is not handler:
        raise ValueError(f"messages of {kind} already have a handler")
    _traits[kind] = Traits(capability or _first_word(kind), can_wait)


def handler_of(kind: str) -> Handler | None:
    return _handlers.get(kind)


def traits_of(kind: str) -> Traits:
    return _traits.get(kind) or Traits(_first_word(kind), False)


def _first_word(kind: str) -> str:
    return kind.partition(".")[0]
