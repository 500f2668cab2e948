"""Scheduled work, on procrastinate: one of the workers runs each, whichever takes it first."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import structlog
from django.db import transaction
from procrastinate.connector import BaseConnector
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.psycopg_connector import PsycopgConnector

from viatica.kernel import clock
from viatica.spine import connections, correlation, pruning, quotas, reconcile, wire

log = structlog.get_logger(__name__)


@app.periodic(cron="17 * * * *")
@app.task(name="spine.reconcile", queueing_lock="spine.reconcile", lock="spine.reconcile")
def reconcile_all(timestamp: int) -> None:
    """Every hour: compare each connection with us, and our counts with its quotas."""
    with correlation.carried(None):
        quotas.review(clock.now())
        reconcile.run(None, clock.now())


@app.task(name="spine.reconcile_one", lock="spine.reconcile")
def reconcile_one(slug: str) -> None:
    """On demand: compare one connection with us. A connection switched off or gone since then is left alone."""
    with correlation.carried(None):
        connection = connections.by_slug(slug)
        if connection is not None:
            reconcile.run(connection, clock.now())


def compare_soon(slug: str) -> bool:
    """Ask for a comparison in the open transaction; False when one is waiting already."""
    try:
        with transaction.atomic():
            reconcile_one.configure(queueing_lock=f"spine.reconcile:{slug}").defer(slug=slug)
    except AlreadyEnqueued:
        return False
    return True


@app.periodic(cron="41 2 * * *")
@app.task(name="spine.prune", queueing_lock="spine.prune", lock="spine.prune")
def prune(timestamp: int) -> None:
    """Every night: delete what is done and old, and make the coming months' partitions."""
    with correlation.carried(None):
        pruning.make_next_partitions(clock.now())
        pruning.prune(clock.now())


class Clerk(threading.Thread):
    """Works off scheduled jobs, in a thread with an event loop of its own. A lost database is waited for.

    `grace`: seconds that jobs under way may still take after `stop`.
    """

    def __init__(self, *, grace: float = 20.0) -> None:
        super().__init__(name="clerk", daemon=True)
        self._grace = grace
        self._over = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Take nothing more. Returns at once; from any thread."""
        self._over.set()
        loop, task = self._loop, self._task
        if loop is not None and task is not None and not loop.is_closed():
            loop.call_soon_threadsafe(task.cancel)

    def run(self) -> None:
        while not self._over.is_set():
            try:
                asyncio.run(self._serve())
            except Exception as error:
                log.warning("clerk.lost", error=f"{type(error).__name__}: {error}")
                self._over.wait(2.0)
        log.info("clerk.stopped")

    async def _serve(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        connector = _WorkerConnector(app.connector.get_sync_connector())
        # Cancelled by `stop`: procrastinate then lets its jobs finish, within the grace.
        with contextlib.suppress(asyncio.CancelledError), app.replace_connector(connector):
            if self._over.is_set():
                return
            async with app.open_async():
                await app.run_worker_async(
                    name="viatica",
                    concurrency=2,
                    shutdown_graceful_timeout=self._grace,
                    delete_jobs="successful",
                    install_signal_handlers=False,
                )


class _WorkerConnector(PsycopgConnector):
    """The worker's own pool; but who defers a job in this process still does so in Django's open transaction."""

    def __init__(self, djangos: BaseConnector) -> None:
        super().__init__(kwargs=wire.parameters(), min_size=1, max_size=4)
        self._djangos = djangos

    def get_sync_connector(self) -> BaseConnector:
        return self._djangos
