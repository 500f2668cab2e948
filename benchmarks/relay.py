"""Outbox messages delivered per second by one worker to a receiver that answers at once."""

from __future__ import annotations

import os
import sys
import time

from benchmarks import database, serving
from benchmarks.result import Result

MESSAGES = int(os.environ.get("BENCH_MESSAGES", "40000"))

# One lane each: as many papers, each with one thing to say.
_PUT = """
INSERT INTO spine_outboxmessage (kind, lane, payload, connection_id)
SELECT 'bench.deliver', 'bench:' || n, jsonb_build_object('case', n), NULL FROM generate_series(1, %s) n
"""
_DONE = "SELECT count(*) FROM spine_outboxmessage WHERE kind = 'bench.deliver' AND state = 'done'"


def run(server: str) -> Result:
    url = database.fresh("bench_relay", server)
    with database.connected(url) as line:
        line.execute(_PUT, [MESSAGES])
        line.execute("VACUUM ANALYZE spine_outboxmessage")
    with serving.process("relay", [sys.executable, "-m", "benchmarks.relay_worker"], url) as (child, family):
        while database.one(url, _DONE) < MESSAGES:
            family.check()
            time.sleep(0.2)
        cpu = database.cpu_seconds(database.family(child.process.pid))
    with database.connected(url) as line:
        row = line.execute(
            "SELECT min(at), max(ended_at), count(*), count(DISTINCT item_id) FROM spine_attempt WHERE outcome = 'done'"
        ).fetchone()
    assert row is not None
    first, last, attempts, items = row
    seconds = (last - first).total_seconds()
    return Result(
        "relay", MESSAGES / seconds, "messages/s a worker", "≥ 3,000/s",
        details={
            "messages": MESSAGES, "seconds": round(seconds, 2), "attempts": attempts, "delivered_once": items == attempts,
            "worker_cpu_us_per_message": round(cpu / MESSAGES * 1e6),
        },
    )  # fmt: skip
