"""Access tokens of outside systems: one per process and app, shared by its threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from viatica.kernel.errors import OutsideRefused

T = TypeVar("T")


class TokenRejected(Exception):
    """A product's client raises it when the product says that the token it was shown is no longer good."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


@dataclass(frozen=True, slots=True)
class Token:
    value: str = field(repr=False)
    lifetime_s: float


@dataclass(slots=True)
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    value: str = ""
    good_until: float = 0.0  # of the monotonic clock: neither side's wall clock matters


class TokenCache:
    """One thread fetches while the others wait for it."""

    def __init__(self) -> None:
        self._slots: dict[tuple[str, ...], _Slot] = {}
        self._lock = threading.Lock()

    def _slot(self, key: tuple[str, ...]) -> _Slot:
        with self._lock:
            return self._slots.setdefault(key, _Slot())

    def get(self, key: tuple[str, ...], fetch: Callable[[], Token]) -> str:
        slot = self._slot(key)
        with slot.lock:
            started = time.monotonic()
            if not slot.value or started >= slot.good_until:
                token = fetch()
                # Stop using it early: the answer travelled, and the other side counts by its own clock.
                margin = min(300.0, token.lifetime_s / 10)
                slot.value, slot.good_until = token.value, started + token.lifetime_s - margin
            return slot.value

    def forget(self, key: tuple[str, ...], value: str) -> None:
        """Drop `value`, unless another thread has already replaced it."""
        slot = self._slot(key)
        with slot.lock:
            if slot.value == value:
                slot.value = ""

    def use(
        self, system: str, key: tuple[str, ...], fetch: Callable[[], Token], ask: Callable[[str], T]
    ) -> T:
        """`ask` with a token; when the product rejects it, once more with a fresh one, then OutsideRefused."""
        value = self.get(key, fetch)
        try:
            return ask(value)
        except TokenRejected:
            self.forget(key, value)
        try:
            return ask(self.get(key, fetch))
        except TokenRejected as error:
            raise OutsideRefused(system=system, said_by=error.said) from error
