"""The directory's scheduled work: every night, on demand, and what an administrator's decision asks for."""

from __future__ import annotations

import zlib

import structlog
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from viatica.kernel import clock
from viatica.offices.company import ports
from viatica.offices.company.directory import running, scheduling
from viatica.offices.company.directory.errors import Busy
from viatica.spine import connections, correlation
from viatica.spine.models import Connection
from viatica.spine.outcomes import Later

log = structlog.get_logger(__name__)

SPREAD_S = 3 * 3600  # the connections of a house do not all begin at once
PATIENTLY = RetryStrategy(max_attempts=400, wait=45, retry_exceptions={Busy})


@app.periodic(cron="11 1 * * *")
@app.task(name="directory.nightly", queueing_lock="directory.nightly", lock="directory.nightly")
def sync_every_night(timestamp: int) -> None:
    """Every night: read each directory again, each at a moment of its own, and clear what old runs left."""
    with correlation.carried(None):
        running.prune(clock.now())
        for connection in Connection.objects.filter(is_active=True, uses__contains=["directory"]).order_by(
            "pk"
        ):
            if ports.has_directory(connection.kind):
                seconds = zlib.crc32(connection.slug.encode()) % SPREAD_S
                scheduling.sync_later(connection.slug, by="system", seconds=seconds)


@app.task(name=scheduling.SYNC, retry=PATIENTLY)
def sync(slug: str, by: str) -> None:
    """A full run. By itself it leaves alone what is switched off; a person may ask before a connection is on."""
    with correlation.carried(None):
        is_asked = by != "system"
        connection = Connection.objects.filter(slug=slug).first() if is_asked else connections.by_slug(slug)
        if connection is not None:
            running.sync(connection, by=by, via="worker", at=clock.now())


@app.task(name=scheduling.CHANGE, retry=PATIENTLY)
def change(slug: str, userids: list[str], department_ids: list[str]) -> None:
    """A small run over what is named."""
    with correlation.carried(None):
        connection = connections.by_slug(slug)
        if connection is None:
            return
        named = ports.DirectoryChange(tuple(userids), tuple(department_ids))
        outcome = running.changed(connection, named, at=clock.now())
        if isinstance(outcome, Later):
            raise Busy(connection=connection.name)
