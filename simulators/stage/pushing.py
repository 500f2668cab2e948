"""Pushing events: in order by lane, retried, kept to be looked at; and spoiled on demand.

What a push is (a sealed POST, a frame on an open line) and what counts as an answer is each product's own.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Coroutine
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from random import Random
from typing import Any, ClassVar, Generic, TypeVar

from simulators.stage.knobs import Amount, CommonSettings, Count, Knobs, Share
from simulators.stage.post import Postman

KEPT = 5000
REORDER_WAIT_S = 0.25


class Fate(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    DROPPED = "dropped"
    UNSUBSCRIBED = "unsubscribed"  # the app did not ask for this kind
    UNHEARD = "unheard"  # no address registered at the time


@dataclass(slots=True)
class Event:
    id: str
    kind: str
    lane: str
    at_ms: int
    body: dict[str, Any]
    fate: Fate = Fate.WAITING
    attempts: list[str] = field(default_factory=list)
    settled_ms: int = 0

    def shown(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class Spoiling(Knobs):
    """How deliveries go wrong. Fractions are chances per event."""

    delay_s: Amount = 0.0
    delay_fraction: Share = 1.0
    repeat: Count = 0  # how many times more than once
    repeat_fraction: Share = 1.0
    reorder_fraction: Share = 0.0  # swapped with the next event of the same lane
    drop_next: Count = 0
    drop_fraction: Share = 0.0  # lost for good
    door_is_open: bool = True  # False: every push fails, as if the receiver were down


P = TypeVar("P", bound=CommonSettings)
E = TypeVar("E", bound=Event)


@dataclass
class Pusher(Generic[P, E]):
    # Whether an event nobody answered holds up the rest of its lane until its retries are used up.
    holds_up: ClassVar[bool] = False

    settings: P
    random: Random
    postman: Postman = field(default_factory=Postman)
    spoiling: Spoiling = field(default_factory=Spoiling)
    events: deque[E] = field(default_factory=lambda: deque(maxlen=KEPT))
    lanes: dict[str, deque[E]] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    busy: int = 0  # tasks at work: those that sleep until a retry are not counted
    slots: asyncio.Semaphore | None = None

    # Each product's own.

    async def attempt(self, event: E) -> bool:
        """Push once and note what came of it in `attempts` and `fate`; True when it need not be tried again."""
        raise NotImplementedError

    def give_up(self, event: E) -> None:
        event.fate = Fate.FAILED
        event.settled_ms = now_ms()

    def waits(self) -> list[float]:
        """Seconds before each retry."""
        return list(self.settings.retry_after_s)

    # Sending.

    def keep(self, event: E, *, is_heard: bool) -> None:
        """Write the event down and, when somebody listens, send it: those of one lane in order."""
        self.events.append(event)
        if event.fate is not Fate.WAITING:
            return
        if not is_heard:
            event.fate = Fate.UNHEARD
        elif self._is_dropped():
            event.fate = Fate.DROPPED
        elif event.lane in self.lanes:
            self.lanes[event.lane].append(event)
        else:
            self.lanes[event.lane] = deque([event])
            self._spawn(self._drain(event.lane))

    def resend(self, event_id: str, times: int = 1) -> bool:
        """Push an old event again, past its lane, as a platform does that never saw the answer."""
        for event in self.events:
            if event.id == event_id:
                for _ in range(times):
                    self._spawn(self._once_more(event))
                return True
        return False

    async def _once_more(self, event: E) -> None:
        await self._in_a_slot(event)

    def _is_dropped(self) -> bool:
        if self.spoiling.drop_next > 0:
            self.spoiling.drop_next -= 1
            return True
        return self.random.random() < self.spoiling.drop_fraction

    async def _drain(self, lane: str) -> None:
        waiting = self.lanes[lane]
        try:
            while waiting:
                event = waiting.popleft()
                if self.random.random() < self.spoiling.reorder_fraction:
                    event = await self._overtaken(event, waiting)
                await self._deliver(event)
        finally:
            if self.lanes.get(lane) is waiting:
                del self.lanes[lane]

    async def _overtaken(self, event: E, waiting: deque[E]) -> E:
        """Let the next event go first, if one comes at all."""
        if not waiting:
            await asyncio.sleep(REORDER_WAIT_S)
        if not waiting:
            return event
        overtaking = waiting.popleft()
        waiting.appendleft(event)
        return overtaking

    async def _deliver(self, event: E) -> None:
        if self.spoiling.delay_s and self.random.random() < self.spoiling.delay_fraction:
            await asyncio.sleep(self.spoiling.delay_s)
        if await self._in_a_slot(event):
            if self.spoiling.repeat and self.random.random() < self.spoiling.repeat_fraction:
                for _ in range(self.spoiling.repeat):
                    await self._in_a_slot(event)
        elif self.holds_up:
            await self._retry(event)
        else:
            self._spawn(self._retry(event))

    async def _retry(self, event: E) -> None:
        for seconds in self.waits():
            self.busy -= 1
            try:
                await asyncio.sleep(seconds)
            finally:
                self.busy += 1
            if await self._in_a_slot(event):
                return
        self.give_up(event)

    async def _in_a_slot(self, event: E) -> bool:
        if self.slots is None:
            self.slots = asyncio.Semaphore(self.settings.callback_parallel)
        async with self.slots:
            return await self.attempt(event)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.busy += 1
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.busy -= 1
        self.tasks.discard(task)

    # Looking and ending.

    def shown(self, *, kind: str = "", lane: str = "") -> list[dict[str, Any]]:
        return [
            event.shown() for event in self.events if kind in ("", event.kind) and lane in ("", event.lane)
        ]

    async def idle(self, *, timeout_s: float, with_retries: bool) -> bool:
        """Wait until nothing is under way but what sleeps until a retry (or, if wanted, that as well)."""
        ends = time.monotonic() + timeout_s
        while self.tasks if with_retries else self.busy:
            if time.monotonic() > ends:
                return False
            await asyncio.sleep(0.005)
        return True

    async def close(self) -> None:
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.postman.close()

    def forget(self) -> None:
        """Also what is still to be told again: it would be heard as news of papers nobody has."""
        for task in list(self.tasks):
            task.cancel()
        self.lanes.clear()
        self.events.clear()
        self.spoiling = Spoiling()


def now_ms() -> int:
    return int(time.time() * 1000)
