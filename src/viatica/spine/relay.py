"""The relay: works off the outbox and the inbox. Any number of workers may run; each survives a crash at every line.

A message's life: put (outbox.put) → taken, with an attempt written and committed → handed to a thread → the outcome
written, with those of its neighbours. A worker that dies leaves its attempt open and its lease to expire; whoever takes
the message next is told `earlier_unknown`.
"""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import psycopg
import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, transaction
from django.db import connection as database
from uuid_utils import uuid7

from viatica.kernel import clock
from viatica.spine import bell, claims, rounds, wire
from viatica.spine.attempts import attempt
from viatica.spine.claims import Box, Ending, Job, News
from viatica.spine.handlers import Handler, deliver_with
from viatica.spine.outcomes import Delivery, Done, Later, Outcome, Park

log = structlog.get_logger(__name__)

LEASE_SECONDS = 30.0
POLL_SECONDS = 2.0
GRACE_SECONDS = 20.0

# What a worker may hold beyond its threads: about what it works off in a quarter of a second.
_AHEAD_SECONDS = 0.25
_MOST_AHEAD = 1000


class Worker:
    """Takes, delivers and settles until `stop`.

    `lease`: seconds after which another worker may take what a dead one had; `poll`: seconds between looks when no
    wake-up comes; `grace`: seconds a stopping worker waits for deliveries under way.
    """

    def __init__(
        self,
        *,
        threads: int | None = None,
        lease: float = LEASE_SECONDS,
        poll: float = POLL_SECONDS,
        grace: float = GRACE_SECONDS,
        name: str | None = None,
    ) -> None:
        self.name = (name or f"{socket.gethostname()[:20]}:{os.getpid()}:{uuid7()}")[:64]
        self._threads = threads or settings.ENVIRONMENT.relay_threads
        self._lease = timedelta(seconds=lease)
        self._poll = poll
        self._grace = grace
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._todo: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._back: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._held: dict[tuple[Box, int], Job] = {}
        self._purse = rounds.Purse()
        self._losses = 0  # of the database, in a row
        self._pace = 0.0
        self._measured = time.monotonic()
        self._renewed = time.monotonic()

    def stop(self) -> None:
        """Take nothing more, finish what is under way, give the rest back. Returns at once; from any thread."""
        self._stopping.set()
        self._wake.set()

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    def run(self) -> None:
        """Until stopped. A lost database is waited for."""
        log.info("relay.started", worker=self.name, threads=self._threads)
        ears = _Ears(self.wake)
        hands = [
            threading.Thread(target=self._deliver, name=f"relay-{number}", daemon=True)
            for number in range(self._threads)
        ]
        for thread in (ears, *hands):
            thread.start()
        try:
            self._work()
            self._finish()
        finally:
            for _ in hands:
                self._todo.put(None)
            ears.stop()
            database.close()
        log.info("relay.stopped", worker=self.name, left=len(self._held))

    def _work(self) -> None:
        unsettled: list[News] = []
        pause = 0.0
        while not self._stopping.is_set():
            self._wake.wait(pause)
            self._wake.clear()
            unsettled += self._collect()
            try:
                self._renew()
                taken = self._round(unsettled, self._room(len(unsettled)))
            except (DatabaseError, InterfaceError) as error:
                pause = self._lost(error)
                continue
            self._losses = 0
            self._hand_out(taken.jobs)
            self._measure(len(unsettled))
            unsettled = []
            pause = self._poll if taken.next_in is None else min(self._poll, taken.next_in)
        # What the last look brought and could not be written is written while finishing.
        for news in unsettled:
            self._back.put(news)

    def _round(self, news: Sequence[News], room: int) -> rounds.Round:
        taken = rounds.work(news, worker=self.name, capacity=room, lease=self._lease, purse=self._purse)
        for one in news:
            self._held.pop((one.job.box, one.job.id), None)
        return taken

    def _collect(self) -> list[News]:
        """What came back. Under load it waits a moment for more, so that one commit serves many."""
        found: list[News] = []
        if not self._todo.empty() and self._back.qsize() < self._threads:
            time.sleep(0.002)
        while True:
            try:
                found.append(self._back.get_nowait())
            except queue.Empty:
                return found

    def _room(self, settling: int) -> int:
        """How many more jobs to take: enough to keep the threads busy, not so many that other workers starve.

        None before half of it is free, unless the threads run dry: a round costs the same for one and for many.
        """
        most = self._threads + min(_MOST_AHEAD, int(self._pace * _AHEAD_SECONDS))
        busy = len(self._held) - settling
        return most - busy if 2 * busy <= most or busy < self._threads else 0

    def _measure(self, count: int) -> None:
        """Keep the pace: jobs a second, lately."""
        now = time.monotonic()
        if count:
            self._pace += 0.3 * (count / max(now - self._measured, 0.001) - self._pace)
        self._measured = now

    def _hand_out(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self._held[job.box, job.id] = job
            self._todo.put(job)

    def _deliver(self) -> None:
        """One of the threads: calls handlers, one job after the other."""
        while (job := self._todo.get()) is not None:
            news = attempt(job, clock.now())
            if database.connection is not None:
                database.close()  # back to the pool, which all threads share
            self._back.put(news)
            self._wake.set()

    def _renew(self) -> None:
        """Keep the leases of what is in hand: slow work is not dead work."""
        if time.monotonic() - self._renewed < self._lease.total_seconds() / 3:
            return
        boxes: tuple[Box, ...] = ("out", "in")
        with transaction.atomic(), database.cursor() as cursor:
            claims.plan_for_claims(cursor)
            for box in boxes:
                ids = [held for kind, held in self._held if kind == box]
                claims.renew(cursor, box, ids, worker=self.name, lease=self._lease)
        self._renewed = time.monotonic()

    def _lost(self, error: Exception) -> float:
        """The database went away, or refused: begin anew with a fresh connection; gives the pause before, in seconds."""
        log.warning("relay.database_lost", worker=self.name, error=f"{type(error).__name__}: {error}".strip())
        try:
            database.close()
        except (DatabaseError, InterfaceError):
            database.connection = None
        self._losses += 1
        return min(2.0, 0.02 * 2.0 ** min(self._losses, 10))

    def _finish(self) -> None:
        """Give back what no thread has begun; wait for the rest, up to the grace, and write it down."""
        given_up = time.monotonic() + self._grace
        unsettled = [News(job, Ending.RELEASED) for job in self._unbegun()]
        while time.monotonic() < given_up:
            unsettled += self._collect()
            if unsettled:
                try:
                    self._renew()
                    self._round(unsettled, 0)
                    unsettled = []
                except (DatabaseError, InterfaceError) as error:
                    time.sleep(self._lost(error))
                    continue
            if not self._held:
                return
            self._wake.wait(0.1)
            self._wake.clear()

    def _unbegun(self) -> list[Job]:
        found: list[Job] = []
        while True:
            try:
                job = self._todo.get_nowait()
            except queue.Empty:
                return found
            if job is not None:
                found.append(job)


class _Ears(threading.Thread):
    """Listens for the bell on a connection of its own. Deaf for a while, it leaves the work to the polling."""

    def __init__(self, wake: Callable[[], None]) -> None:
        super().__init__(name="relay-ears", daemon=True)
        self._call = wake
        self._over = threading.Event()

    def stop(self) -> None:
        self._over.set()

    def run(self) -> None:
        while not self._over.is_set():
            try:
                with wire.connect("viatica relay ears") as line:
                    line.execute(f"LISTEN {bell.CHANNEL}")
                    self._call()
                    while not self._over.is_set():
                        for _ in line.notifies(timeout=1.0, stop_after=1):
                            self._call()
            except psycopg.Error as error:
                if self._over.is_set():
                    return
                log.warning("relay.deaf", error=f"{type(error).__name__}: {error}")
                self._over.wait(0.5)


def drain(*, at: datetime | None = None, most: int = 10_000) -> int:
    """Deliver and translate all that is due, in this thread and on its connection; gives the number of attempts.

    For tests and one-off commands: rate limits are not kept, breakers are. `at`: as if it were then.
    """
    name = f"drain:{os.getpid()}:{uuid7()}"[:64]
    ahead = max(timedelta(0), at - clock.now()) if at else timedelta(0)
    news: list[News] = []
    made = 0
    while True:
        taken = rounds.work(
            news, worker=name, capacity=100, lease=timedelta(seconds=LEASE_SECONDS), purse=None, ahead=ahead
        )
        news = [attempt(job, at or clock.now()) for job in taken.jobs]
        made += len(news)
        if (not news and (taken.next_in is None or taken.next_in > 0.02)) or made >= most:
            return made


__all__ = ["Delivery", "Done", "Handler", "Later", "Outcome", "Park", "Worker", "deliver_with", "drain"]
