"""The database every benchmark starts from: migrated, with the company. Copying it takes a moment."""

from __future__ import annotations

import os

from django.core.management import call_command
from django.db import connection, connections

from benchmarks import company, database
from viatica.kernel import clock

PEOPLE = int(os.environ.get("BENCH_PEOPLE", "10000"))


def make(server: str) -> None:
    url = database.fresh(database.TEMPLATE, server, template="template1")
    from viatica.config import logs

    logs.configure("WARNING")
    call_command("migrate", interactive=False, verbosity=0)
    _rules()
    connections.close_all()
    connection.close_pool()  # type: ignore[attr-defined]  # of the PostgreSQL backend
    company.make(url, people=PEOPLE)
    with database.connected(url) as line:
        line.execute("ANALYZE")


def _rules() -> None:
    """Standards, accounts and a flow of one step, as a company would have."""
    from viatica.offices.approval.services import save_flow
    from viatica.offices.ledger.services import seed_accounts
    from viatica.offices.policy.services import seed_typical

    at = clock.now()
    seed_typical(valid_from=at.date().replace(year=at.year - 2, day=1), heads_from=11)
    seed_accounts()
    save_flow(kind="", name="直属上级", steps=[{"name": "直属上级", "who": {"by": "manager"}}], at=at)
