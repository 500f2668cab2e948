"""Signed, encrypted DingTalk callbacks verified, stored and acknowledged per second; no worker runs meanwhile."""

from __future__ import annotations

import json
import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from benchmarks import clients, database, serving
from benchmarks.result import Result, milliseconds
from simulators.dingtalk.crypto import CallbackCrypto
from simulators.dingtalk.settings import Identity

CALLBACKS = int(os.environ.get("BENCH_CALLBACKS", "20000"))
CLIENTS = 8
SLUG = "bench"

_INSERT = """
\\set n random(1, 2000000000)
INSERT INTO bench_event (connection_id, event_id, body, at)
VALUES (1, :n || '-' || clock_timestamp(), '{BODY}'::jsonb, now()) ON CONFLICT (connection_id, event_id) DO NOTHING;
"""


def run(server: str) -> Result:
    url = database.fresh("bench_hooks", server)
    identity = Identity.from_seed(1)
    _connect(url, identity)
    lists = _callbacks(identity)
    with serving.web(url) as (base, child):
        clients.pour(base, [requests[:50] for requests in lists], accept=b"encrypt")
        before = database.one(url, "SELECT count(*) FROM spine_inboxevent")
        cpu = database.cpu_seconds(database.family(child.process.pid))
        times, seconds = clients.pour(base, [requests[50:] for requests in lists], accept=b"encrypt")
        cpu = database.cpu_seconds(database.family(child.process.pid)) - cpu
        stored = database.one(url, "SELECT count(*) FROM spine_inboxevent") - before
    value = stored / seconds
    limit = _limit(url)
    return Result(
        "hooks", value, "callbacks/s", "≥ 0.30 × pgbench", limit, value / limit,
        {
            "sent": len(times), "stored": stored, "seconds": round(seconds, 2), "clients": CLIENTS,
            **milliseconds(times), "web_cpu_us_per_callback": round(cpu / max(stored, 1) * 1e6),
        },
    )  # fmt: skip


def _connect(url: str, identity: Identity) -> None:
    from viatica.spine.models import Connection

    row = Connection(
        slug=SLUG, kind="dingtalk", name="bench", settings={"corp_id": identity.corp_id}, uses=["approval"]
    )
    row.seal({name: getattr(identity, name) for name in ("app_key", "app_secret", "token", "aes_key")})
    with other_database(url) as alias:
        row.save(using=alias)


@contextmanager
def other_database(url: str) -> Iterator[str]:
    """Django's models on another database of the server, for a moment."""
    from django.db import connections

    from viatica.config.settings import _database

    connections.databases["bench"] = {**connections.databases["default"], **_database(url)}
    try:
        yield "bench"
    finally:
        connections["bench"].close()
        connections["bench"].close_pool()  # type: ignore[attr-defined]  # of the PostgreSQL backend
        del connections["bench"]


def _callbacks(identity: Identity) -> list[list[bytes]]:
    crypto = CallbackCrypto(identity.token, identity.aes_key, identity.app_key)
    lists: list[list[bytes]] = [[] for _ in range(CLIENTS)]
    for number in range(CALLBACKS + 50 * CLIENTS):
        lists[number % CLIENTS].append(_one(crypto, number))
    return lists


def _one(crypto: CallbackCrypto, number: int) -> bytes:
    event = {
        "EventType": "bpms_task_change", "processInstanceId": str(uuid.uuid4()), "processCode": "PROC-BENCH",
        "type": "start", "title": "员工提交的差旅报销", "createTime": int(time.time() * 1000), "staffId": "e7",
        "taskId": number, "bizCategoryId": "", "businessId": f"2026{number:012d}", "corpId": "ding",
    }  # fmt: skip
    encrypt = crypto.encrypt(json.dumps(event))
    timestamp, nonce = str(int(time.time() * 1000)), f"n{number}"
    signature = crypto.sign(timestamp=timestamp, nonce=nonce, encrypt=encrypt)
    query = urlencode(
        {"msg_signature": signature, "signature": signature, "timestamp": timestamp, "nonce": nonce}
    )
    return clients.request("bench", "POST", f"/hooks/{SLUG}?{query}", body={"encrypt": encrypt})


def _limit(url: str) -> float:
    """The same row into the same kind of table, one commit each, by pgbench with as many clients."""
    with database.connected(url) as line:
        line.execute(
            "CREATE TABLE bench_event (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, connection_id bigint NOT NULL,"
            " event_id text NOT NULL, body jsonb NOT NULL, at timestamptz NOT NULL, UNIQUE (connection_id, event_id))"
        )
        row = line.execute("SELECT body::text FROM spine_inboxevent LIMIT 1").fetchone()
    assert row is not None
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(_INSERT.replace("{BODY}", _plain(row[0])))
        script.flush()
        return database.pgbench(url, Path(script.name), seconds=8, clients=CLIENTS)


def _plain(body: str) -> str:
    """As long as the body, without what pgbench would read as a variable."""
    return json.dumps({"body": "x" * len(body)})
