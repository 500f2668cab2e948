"""Create a report with three lines, submit, look at the to-dos, approve: through the HTTP API, approved in-house."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from benchmarks import clients, database, serving
from benchmarks import limit as limits
from benchmarks.result import Result, milliseconds
from benchmarks.trips import Traveller, travellers

CLIENTS, PROCESSES = 8, 2
SECONDS = float(os.environ.get("BENCH_SECONDS", "20"))
COUNTED = 10
APPROVED = "SELECT count(*) FROM expense_expensereport WHERE state = 'to_audit'"


def run(server: str) -> Result:
    url = database.fresh("bench_round_trip", server)
    with serving.web(url, processes=PROCESSES) as (base, child):
        people = travellers(url, base, CLIENTS)
        _trips(people[0], lambda: people[0].requests < 40)  # warm: imports, plans, pools
        before = database.one(url, APPROVED)
        app, store = database.family(child.process.pid), database.postmaster()
        app_cpu, store_cpu = database.cpu_seconds(app), database.cpu_seconds(database.family(store))
        times, seconds = clients.run_clients(
            CLIENTS, SECONDS, lambda number, goes_on: _trips(people[number], goes_on)
        )
        app_cpu = database.cpu_seconds(app) - app_cpu
        store_cpu = database.cpu_seconds(database.family(store)) - store_cpu
        done = database.one(url, APPROVED) - before
        counts: dict[str, int] = {}
        with database.counted(url, counts):
            start = people[0].requests
            _trips(people[0], lambda: people[0].requests < start + 4 * COUNTED)
        requests = (people[0].requests - start) / COUNTED
    if done != len(times):
        raise RuntimeError(f"{len(times)} trips were answered, {done} are approved in the database")
    value = done / seconds
    limit = limits.round_trips(url, seconds=10, clients=CLIENTS)
    return Result(
        "round_trip", value, "round trips/s", "≥ 0.10 × pgbench, ≤ 25 statements", limit, value / limit,
        {
            "trips": done, "seconds": round(seconds, 1), "clients": CLIENTS, "processes": PROCESSES, **milliseconds(times),
            "statements_per_trip": round(counts["statements"] / COUNTED, 1),
            "transactions_per_trip": round(counts["transactions"] / COUNTED, 1),
            "requests_per_trip": requests,
            "web_cpu_ms_per_trip": round(app_cpu / done * 1000, 1),
            "postgres_cpu_ms_per_trip": round(store_cpu / done * 1000, 1),
        },
    )  # fmt: skip


def _trips(person: Traveller, goes_on: Callable[[], bool]) -> list[float]:
    times = []
    while goes_on():
        began = time.monotonic()
        report = person.submit(person.create())
        person.approve(report)
        times.append(time.monotonic() - began)
    return times
