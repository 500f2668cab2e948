"""The benchmarks' own embedded PostgreSQL, with fsync on, and what it tells about its work."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from viatica.config.database import binaries, start_embedded

HOME = Path("var/bench/home")
LOG = HOME / "postgres" / "log"
TEMPLATE = "bench_template"
# The log names the database and the program, so that statements can be counted by who sent them.
SETTINGS = (
    "log_line_prefix = '%m [%p] %d|%a '\nlog_min_duration_statement = -1\nautovacuum_naptime = '10min'\n"
)


def start() -> str:
    """The server's address; its databases are made by `template` and `fresh`."""
    return start_embedded(HOME, SETTINGS)


def of(name: str, server: str) -> str:
    """The address of one database of the server."""
    parts = urlsplit(server)
    return urlunsplit(parts._replace(path=f"/{name}"))


def drop(name: str, server: str) -> None:
    with psycopg.connect(server, autocommit=True, application_name="bench") as line:
        line.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def fresh(name: str, server: str, template: str = TEMPLATE) -> str:
    """A new copy of the template; its address."""
    drop(name, server)
    with psycopg.connect(server, autocommit=True, application_name="bench") as line:
        line.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return of(name, server)


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True, application_name="bench") as line:
        yield line


def one(url: str, sql: str) -> int:
    """The first column of the first row of one statement."""
    with connected(url) as line:
        row = line.execute(sql).fetchone()
        assert row is not None
        value: int = row[0]
        return value


def pgbench(url: str, script: Path, *, seconds: int, clients: int, jobs: int = 2) -> float:
    """Transactions (whole scripts) per second, prepared statements, no vacuum. Raises CalledProcessError."""
    parts = urlsplit(url)
    host = dict(pair.split("=") for pair in parts.query.split("&"))
    done = subprocess.run(
        [
            str(binaries() / "pgbench"), "-n", "-M", "prepared", "-f", str(script), "-T", str(seconds), "-c", str(clients),
            "-j", str(jobs), "-h", host["host"], "-p", host.get("port", "5432"), "-U", "postgres", parts.path[1:],
        ],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    assert found is not None, done.stdout
    return float(found.group(1))


@contextmanager
def counted(url: str, counts: dict[str, int]) -> Iterator[None]:
    """Count the statements others send to this database meanwhile; `counts` gets statements and transactions.

    Slow, since every statement is written to the log: not for measuring speed.
    """
    name = urlsplit(url).path[1:]
    with connected(url) as line:
        line.execute("ALTER SYSTEM SET log_statement = 'all'")
        line.execute("SELECT pg_reload_conf()")
        time.sleep(0.3)
        began = LOG.stat().st_size
        yield
        time.sleep(0.2)
        with LOG.open("rb") as log:
            log.seek(began)
            text = log.read().decode(errors="replace")
        line.execute("ALTER SYSTEM RESET log_statement")
        line.execute("SELECT pg_reload_conf()")
    sent = re.findall(
        rf"\] {re.escape(name)}\|(?!bench )[^\n]*?LOG:  (?:statement|execute [^:]*): *([^\n]*)", text
    )
    borders = [
        one
        for one in sent
        if re.match(r"(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|START TRANSACTION)\b", one, re.I)
    ]
    counts["statements"] = len(sent) - len(borders)
    counts["transactions"] = sum(1 for one in borders if one.upper().startswith(("BEGIN", "START")))


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of processes and the children they have buried."""
    tick = os.sysconf("SC_CLK_TCK")
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / tick


def family(pid: int) -> list[int]:
    """A process and its descendants, as they are now."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        found.append(queue.pop())
        queue += children.get(found[-1], [])
    return found


def postmaster() -> int:
    return int((HOME / "postgres" / "postmaster.pid").read_text().splitlines()[0])
