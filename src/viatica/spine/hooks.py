"""Doors for callbacks: each kind of connection has one that verifies, opens and answers in the product's own way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from viatica.spine.models import Connection


@dataclass(frozen=True, slots=True)
class RawCallback:
    """A request as it came. Header names are in lower case."""

    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a door made of a callback.

    `event_id` None: nothing to keep (a check of the URL). `body` is what the translator will get.
    """

    event_id: str | None
    body: dict[str, Any] | None
    answer: bytes
    content_type: str
    status: int = 200


Door = Callable[[Connection, RawCallback], Receipt]

_doors: dict[str, Door] = {}


def open_door(kind: str, door: Door) -> None:
    """Name who reads callbacks for connections of `kind`. Called once, in apps.py.

    The door raises NotAllowed when the signature is forged and BadInput when it cannot be read; it stores nothing.
    """
    if _doors.setdefault(kind, door) is not door:
        raise ValueError(f"callbacks of {kind} already have a door")


def door_of(kind: str) -> Door | None:
    return _doors.get(kind)
