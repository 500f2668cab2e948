"""What a delivery or a translation came to, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Done:
    """It is so. `result` is kept with the message (JSON)."""

    result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Later:
    """Nothing is wrong, but it is too early: ask again in `seconds`."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Park:
    """It will not go by itself; a person must mend `reason`, guided by `hint`, and replay."""

    reason: str
    hint: str = ""


Outcome = Done | Later | Park


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to deliver one message.

    `attempt` counts from 1. `earlier_unknown`: an earlier attempt may have done it (no answer came, or the worker
    died): look before doing it again.
    """

    id: int
    kind: str
    lane: str
    payload: dict[str, Any]
    connection_id: int | None
    attempt: int
    earlier_unknown: bool
