"""Create, submit, approved by the head in DingTalk, concluded here: through DingTalk's protocol, its simulator
answering every call in 50 ms. Then the same with a million open cases in the database."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from benchmarks import clients, company, database, serving
from benchmarks.result import Result, milliseconds
from benchmarks.trips import Traveller, travellers
from viatica.config.processes import Family, tail, viatica

CLIENTS = 8
SECONDS = float(os.environ.get("BENCH_SECONDS", "15"))
OPEN_CASES = int(os.environ.get("BENCH_OPEN_CASES", "1000000"))
LATENCY_MS = 50
SLUG = "bench"
PATIENCE = 60  # seconds without a new conclusion, then something is wrong

_DONE = "SELECT count(*) FROM expense_expensereport WHERE state = 'to_audit'"
_TIMES = """
SELECT extract(epoch FROM concluded_at - submitted_at)::float8, extract(epoch FROM concluded_at)::float8
  FROM expense_expensereport WHERE state = 'to_audit' AND submitted_at >= to_timestamp(%s)
"""


def run(server: str) -> Result:
    url = database.fresh("bench_oa_round_trip", server)
    with _dingtalk() as (facts, simulator_pid):
        _connect(url, facts)
        few = _measure(url, facts, simulator_pid)
        began = time.monotonic()
        _open_cases(url)
        filling = time.monotonic() - began
        many = _measure(url, facts, simulator_pid)
    slower = 1 - many["trips/s"] / few["trips/s"]
    return Result(
        "oa_round_trip", few["trips/s"], "trips/s", f"≥ 100/s; within 10 % at {OPEN_CASES:,} open cases",
        details={
            "latency_ms": LATENCY_MS, "clients": CLIENTS, "slower_with_open_cases": f"{slower:.1%}",
            "filling_seconds": round(filling), "rows": [{"open cases": 0, **few}, {"open cases": OPEN_CASES, **many}],
        },
    )  # fmt: skip


# The stage


@contextmanager
def _dingtalk() -> Iterator[tuple[dict[str, Any], int]]:
    """The simulator with our people, every task agreed to at once; what it says of itself, and its process."""
    folder = database.HOME / "dingtalk"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "organisation.json").write_text(json.dumps(_organisation()))
    family = Family(database.HOME / "log")
    (family.logs / "dingtalk.log").unlink(missing_ok=True)
    try:
        child = family.start(
            "dingtalk",
            viatica(
                "simulate", "dingtalk", "--port", "0", "--json", "--latency", str(LATENCY_MS),
                "--org", str(folder / "organisation.json"),
            ),
            os.environ,
        )  # fmt: skip
        while not (
            child.log.exists() and child.log.read_text().startswith("{") and "\n" in child.log.read_text()
        ):
            family.check()
            time.sleep(0.05)
        facts = json.loads(child.log.read_text().splitlines()[0])
        _control(facts, "/settings", {"auto_agree_after_s": 0.0})
        yield facts, child.process.pid
    finally:
        family.stop()


def _organisation() -> dict[str, Any]:
    users = [_user(number, dept=1, manager=0) for number in range(1, company.DEPARTMENTS + 1)]
    users += [_user(company.DEPARTMENTS + number, dept=1, manager=number) for number in range(2, 2 + CLIENTS)]
    return {"departments": [{"dept_id": 1, "name": "压测科技", "parent_id": 0}], "users": users}


def _user(number: int, *, dept: int, manager: int) -> dict[str, Any]:
    return {
        "userid": f"e{number}", "name": f"员工{number}", "dept_id": dept, "unionid": f"u{number}",
        "manager_userid": f"e{manager}" if manager else "",
    }  # fmt: skip


def _control(facts: Mapping[str, Any], path: str, body: Mapping[str, Any]) -> Any:
    request = urllib.request.Request(
        f"{facts['control_url']}{path}", data=json.dumps(body).encode(), method="PUT"
    )
    return json.loads(urllib.request.urlopen(request, timeout=10).read())


def _connect(url: str, facts: Mapping[str, Any]) -> None:
    from benchmarks.hooks import other_database
    from viatica.connectors import registry
    from viatica.spine.models import Connection

    codes = {
        "expense_report": facts["process_codes"]["expense"],
        "travel_request": facts["process_codes"]["travel"],
    }
    row = Connection(
        slug=SLUG, kind="dingtalk", name="bench", uses=["approval"], rate_per_second=0,
        settings={
            "base_url": facts["base_url"], "oapi_base_url": facts["oapi_base_url"], "corp_id": facts["corp_id"],
            "agent_id": str(facts["agent_id"]),
        },
    )  # fmt: skip
    row.seal({name: facts[name] for name in ("app_key", "app_secret", "token", "aes_key")})
    row.settings["forms"] = registry.suggest(row, codes)
    with other_database(url) as alias:
        row.save(using=alias)
    with database.connected(url) as line:
        line.execute(
            "INSERT INTO company_outsideidentity (employee_id, connection_id, userid, unionid, dept_id)"
            " SELECT id, %s, 'e' || id, 'u' || id, '1' FROM company_employee WHERE id <= %s",
            [row.pk, company.DEPARTMENTS + CLIENTS + 2],
        )
        line.execute("UPDATE company_legalentity SET connection_id = %s", [row.pk])


# The measurement


def _measure(url: str, facts: Mapping[str, Any], simulator_pid: int) -> dict[str, Any]:
    with serving.web(url) as (base, web):
        worker_command = [sys.executable, "-m", "benchmarks.relay_worker"]
        with serving.process("worker", worker_command, url, VIATICA_PUBLIC_URL=base) as (worker, family):
            _control(facts, "/callback", {"url": f"{base}/hooks/{SLUG}"})
            people = travellers(url, base, CLIENTS)
            _hand_in(people[0], lambda: people[0].requests < 20)
            _until_done(url, family, _submitted(url))
            before = database.one(url, _DONE)
            pids = {"web": web.process.pid, "worker": worker.process.pid, "simulator": simulator_pid}
            cpu = {name: database.cpu_seconds(database.family(pid)) for name, pid in pids.items()}
            began = time.time()
            clients.run_clients(CLIENTS, SECONDS, lambda number, goes_on: _hand_in(people[number], goes_on))
            _until_done(url, family, _submitted(url))
            cpu = {name: database.cpu_seconds(database.family(pid)) - cpu[name] for name, pid in pids.items()}
    done = database.one(url, _DONE) - before
    with database.connected(url) as line:
        rows = line.execute(_TIMES, [began]).fetchall()
    seconds = max(ended for _, ended in rows) - began
    return {
        "trips": done,
        "trips/s": round(done / seconds, 1),
        **{
            f"{name} s": round(value / 1000, 2)
            for name, value in milliseconds([took for took, _ in rows]).items()
        },
        **{f"{name} cpu ms": round(value / done * 1000, 1) for name, value in cpu.items()},
    }


def _hand_in(person: Traveller, goes_on: Callable[[], bool]) -> list[float]:
    times = []
    while goes_on():
        began = time.monotonic()
        person.submit(person.create())
        times.append(time.monotonic() - began)
    return times


def _submitted(url: str) -> int:
    """Reports handed in so far, without those only put there to be in the way."""
    return database.one(
        url, "SELECT count(*) FROM expense_expensereport WHERE state <> 'draft' AND number NOT LIKE 'OPEN%'"
    )


def _until_done(url: str, family: Family, wanted: int) -> None:
    """Until the database shows all of them approved. Raises TimeoutError when nothing moves any more."""
    seen, moved = -1, time.monotonic()
    while (done := database.one(url, _DONE)) < wanted:
        family.check()
        if done != seen:
            seen, moved = done, time.monotonic()
        if time.monotonic() - moved > PATIENCE:
            log = "\n".join(tail(child.log) for child in family.children)
            raise TimeoutError(
                f"{done} of {wanted} reports were concluded, then nothing for {PATIENCE} s\n{log}"
            )
        time.sleep(0.1)


# A million open cases


def _open_cases(url: str) -> None:
    """Copies of one real report, case, step and to-do, open, spread over all people. As the tables allow, without triggers."""
    with database.connected(url) as line:
        line.execute("SET session_replication_role = replica")
        line.execute("SET synchronous_commit = off")
        people = database.one(url, "SELECT max(id) FROM company_employee")
        heads = company.DEPARTMENTS
        owner = f"{heads} + 1 + n %% ({people} - {heads})"
        _copy(line, "expense_expensereport", {
            "id": "nextval(pg_get_serial_sequence('expense_expensereport', 'id'))", "number": "'OPEN' || n",
            "owner_id": owner, "department_id": f"n %% {heads} + 1", "state": "'in_approval'", "concluded_at": "NULL",
            "pairs": "'{}'",
        })  # fmt: skip
        _copy(line, "approval_case", {
            "id": "nextval(pg_get_serial_sequence('approval_case', 'id'))", "ref_key": "'open' || n",
            "number": "'OPEN' || n", "outside_number": "'OPEN' || n", "instance_id": "'open-' || n", "state": "'active'",
            "concluded_at": "NULL", "applicant_id": owner, "is_agreed": "false",
        })  # fmt: skip
        _copy(line, "approval_step", {
            "id": "nextval(pg_get_serial_sequence('approval_step', 'id'))", "case_id": "c.id", "state": "'active'",
        }, beside="(SELECT id FROM approval_case WHERE number LIKE 'OPEN%%') c")  # fmt: skip
        _copy(line, "approval_item", {
            "id": "nextval(pg_get_serial_sequence('approval_item', 'id'))", "case_id": "c.case_id", "step_id": "c.id",
            "state": "'open'", "decided_at": "NULL", "decided_by": "''", "task_id": "'t' || c.id",
            "approver_id": f"c.id %% {heads} + 1",
        }, beside="(SELECT t.id, t.case_id FROM approval_step t JOIN approval_case o ON o.id = t.case_id"
                  " WHERE o.number LIKE 'OPEN%%') c")  # fmt: skip
        line.execute("VACUUM ANALYZE")


def _copy(line: Any, table: str, values: Mapping[str, str], *, beside: str = "") -> None:
    names = [row[0] for row in line.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND table_schema = 'public'"
        " ORDER BY ordinal_position", [table],
    )]  # fmt: skip
    chosen = ", ".join(values.get(name, f'sample."{name}"') for name in names).replace("%%", "%")
    source = (beside or f"generate_series(1, {OPEN_CASES}) n").replace("%%", "%")
    quoted = ", ".join(f'"{name}"' for name in names)
    line.execute(
        f"INSERT INTO {table} ({quoted}) OVERRIDING SYSTEM VALUE SELECT {chosen}"
        f" FROM (SELECT * FROM {table} ORDER BY id DESC LIMIT 1) sample, {source}"
    )
