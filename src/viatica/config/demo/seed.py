"""Make the whole company in an empty database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from django.db import connection

from viatica.config.demo import money, structure
from viatica.config.demo.calendar import Calendar
from viatica.config.demo.history import History, write
from viatica.config.demo.receipts import Bureau
from viatica.offices.company.models import LegalEntity

SEED = 20261124
TRIPS, WORK_REPORTS = 118, 46
DAYS_LIVE = timedelta(days=2)  # how long ago the parent began to approve in DingTalk


def is_empty() -> bool:
    return not LegalEntity.objects.exists()


def people_and_places(*, at: datetime, seed: int = SEED) -> structure.Company:
    company = structure.build(random=Random(seed), at=at)
    money.fill(company, at=at)
    return company


def three_months(
    company: structure.Company,
    *,
    connect: Callable[[], object],
    at: datetime,
    folder: Path,
    seed: int = SEED,
    trips: int = TRIPS,
    work_reports: int = WORK_REPORTS,
) -> History:
    """`connect`: from then on the parent approves in its OA."""
    with Bureau(folder / "bureau") as bureau, connection.cursor() as cursor:
        # What a power cut could take is made again in a minute.
        cursor.execute("SET synchronous_commit = off")
        calendar = Calendar(Random(seed + 1), at)
        history = History(company, calendar, bureau, at - DAYS_LIVE, trips, work_reports)
        write(history, switch_on=connect)
        cursor.execute("RESET synchronous_commit")
        cursor.execute("ANALYZE")
    return history
