"""Make the whole company in an empty database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from django.db import connection

from viatica.config.demo import money, oa, structure
from viatica.config.demo.calendar import Calendar
from viatica.config.demo.history import History, write
from viatica.config.demo.receipts import Bureau
from viatica.offices.company.models import LegalEntity

SEED = 20261124
TRIPS, WORK_REPORTS = 118, 46
DAYS_LIVE = timedelta(days=2)  # how long ago the parent began to approve in DingTalk

Simulated = Callable[[], Mapping[str, Any]]


def is_empty() -> bool:
    return not LegalEntity.objects.exists()


def people_and_places(*, at: datetime, folder: Path, seed: int = SEED) -> structure.Company:
    """The structure, and the address book DingTalk is to have."""
    company = structure.build(random=Random(seed), at=at)
    money.fill(company, at=at)
    oa.write_organisation(company, folder / "organisation.json")
    return company


def three_months(
    company: structure.Company,
    facts: Mapping[str, Any],
    *,
    at: datetime,
    folder: Path,
    seed: int = SEED,
    trips: int = TRIPS,
    work_reports: int = WORK_REPORTS,
) -> History:
    """`facts`: what the simulated DingTalk said of itself."""
    with Bureau(folder / "bureau") as bureau, connection.cursor() as cursor:
        # What a power cut could take is made again in a minute.
        cursor.execute("SET synchronous_commit = off")
        calendar = Calendar(Random(seed + 1), at)
        history = History(company, calendar, bureau, at - DAYS_LIVE, trips, work_reports)
        write(history, switch_on=lambda: oa.connect(company, facts))
        cursor.execute("RESET synchronous_commit")
        cursor.execute("ANALYZE")
    return history
