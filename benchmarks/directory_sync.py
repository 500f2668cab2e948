"""A company's first sync through DingTalk's paging, the merge against bare PostgreSQL, a usual night, and memory.

The merge is everything between a person's yes and the commit: comparing anew, departments, people, managers, heads,
identities, lines of the difference, history. Bare PostgreSQL copies the same people in and puts them, their departments
and their identities into tables with the same keys, indexes and foreign keys, without history.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import database, serving
from benchmarks.result import Result
from viatica.config.processes import Family, viatica

SIZES = tuple(int(one) for one in os.environ.get("BENCH_DIRECTORY", "10000,100000").split(","))
PER_DEPARTMENT = 50
CHANGED = 0.005
SLUG = "bench"

_KEYS = """
CREATE TABLE bench_department (LIKE company_department INCLUDING ALL);
CREATE TABLE bench_employee (LIKE company_employee INCLUDING ALL);
CREATE TABLE bench_identity (LIKE company_outsideidentity INCLUDING ALL);
ALTER TABLE bench_department ADD FOREIGN KEY (entity_id) REFERENCES company_legalentity,
    ADD FOREIGN KEY (parent_id) REFERENCES bench_department DEFERRABLE INITIALLY DEFERRED,
    ADD FOREIGN KEY (head_id) REFERENCES bench_employee DEFERRABLE INITIALLY DEFERRED,
    ADD FOREIGN KEY (cost_center_id) REFERENCES company_costcenter;
ALTER TABLE bench_employee ADD FOREIGN KEY (entity_id) REFERENCES company_legalentity DEFERRABLE INITIALLY DEFERRED,
    ADD FOREIGN KEY (department_id) REFERENCES bench_department DEFERRABLE INITIALLY DEFERRED,
    ADD FOREIGN KEY (grade_id) REFERENCES company_grade DEFERRABLE INITIALLY DEFERRED,
    ADD FOREIGN KEY (manager_id) REFERENCES bench_employee DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE bench_identity ADD FOREIGN KEY (employee_id) REFERENCES bench_employee DEFERRABLE INITIALLY DEFERRED,
    ADD FOREIGN KEY (connection_id) REFERENCES spine_connection DEFERRABLE INITIALLY DEFERRED;
"""
_PLAIN = """
INSERT INTO bench_department
SELECT * FROM company_department WHERE entity_id = (SELECT id FROM company_legalentity WHERE code = 'DIR')
ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name;
INSERT INTO bench_employee (id, number, name, entity_id, department_id, grade_id, manager_id, title, mobile, email, bank_name,
                            bank_account, is_active)
SELECT id, number, name, entity_id, department_id, grade_id, manager_id, title, mobile, email, '', '', true FROM said
ON CONFLICT (number) DO UPDATE SET name = EXCLUDED.name, department_id = EXCLUDED.department_id, title = EXCLUDED.title,
    manager_id = EXCLUDED.manager_id, mobile = EXCLUDED.mobile, email = EXCLUDED.email;
INSERT INTO bench_identity (employee_id, connection_id, userid, unionid, dept_id)
SELECT id, connection_id, userid, unionid, dept_id FROM said
ON CONFLICT (connection_id, userid) DO UPDATE SET employee_id = EXCLUDED.employee_id, dept_id = EXCLUDED.dept_id;
"""
_SAID = """
SELECT e.id, e.number, e.name, e.entity_id, e.department_id, e.grade_id, e.manager_id, e.title, e.mobile, e.email,
       i.connection_id, i.userid, i.unionid, i.dept_id
  FROM company_employee e JOIN company_outsideidentity i ON i.employee_id = e.id
"""


def run(server: str) -> Result:
    rows = [_measure(server, people, with_managers=people == SIZES[0]) for people in SIZES]
    last, first = rows[-1], rows[0]
    return Result(
        "directory_sync", last["people"] / last["merge s"], "people/s merged", "merge ≤ 3 × plain; memory flat",
        details={
            "plain": "COPY + INSERT … ON CONFLICT of the same departments, people and identities, without history",
            "merge_to_plain": last["merge / plain"],
            "memory_growth_mb": round(last["peak MB"] - first["peak MB"], 1),
            "rows": rows,
        },
    )  # fmt: skip


def _measure(server: str, people: int, *, with_managers: bool) -> dict[str, Any]:
    url = database.fresh(f"bench_directory_{people}", server)
    organisation = _organisation(people)
    with _dingtalk() as facts:
        _control(facts, "/directory", organisation)
        _connect(url, facts)
        read = _child(url, "sync")
        merged = _child(url, "apply", str(read["run"]))
        _promote(organisation)
        _control(facts, "/directory", organisation)
        with database.connected(url) as line:
            line.execute("VACUUM ANALYZE")
        night = _child(url, "sync")
        _expect(url, people, read, merged, night)
        managed = _with_managers(url, people) if with_managers else "–"
    plain = _plain(url)
    return {
        "people": people, "departments": len(organisation["departments"]),
        "first read s": read["read"], "compare s": round(read["seconds"] - read["read"], 2),
        "merge s": merged["seconds"], "plain s": plain, "merge / plain": round(merged["seconds"] / plain, 2),
        "night s": night["seconds"], "of it reading s": night["read"], "changed": round(people * CHANGED),
        "peak MB": max(read["peak"], night["peak"]), "night asking each for the manager s": managed,
    }  # fmt: skip


def _with_managers(url: str, people: int) -> float:
    """As it comes out of the box: everybody is asked for one by one, since a list shows no manager."""
    with database.connected(url) as line:
        line.execute("UPDATE spine_connection SET settings = settings - 'directory' WHERE slug = %s", [SLUG])
    night = _child(url, "sync")
    assert night["counts"]["person"] == {"changed": people}, night["counts"]
    seconds: float = night["seconds"]
    return seconds


def _expect(
    url: str, people: int, read: Mapping[str, Any], merged: Mapping[str, Any], night: Mapping[str, Any]
) -> None:
    """Only what the database shows done counts."""
    assert (read["state"], merged["state"], night["state"]) == ("staged", "applied", "applied")
    assert read["counts"]["person"] == {"added": people}, read["counts"]
    assert night["counts"]["person"] == {"changed": round(people * CHANGED)}, night["counts"]
    assert database.one(url, "SELECT count(*) FROM company_outsideidentity") == people
    history = database.one(
        url,
        "SELECT count(*) FROM company_employeeevent e JOIN company_outsideidentity i ON i.employee_id = e.id",
    )
    assert history == people + round(people * CHANGED)


# The stage


def _organisation(people: int) -> dict[str, Any]:
    departments = max(2, people // PER_DEPARTMENT)
    rows = [
        {
            "dept_id": n,
            "name": f"部门{n}",
            "parent_id": n // 8 if n > 1 else 0,
            "dept_manager_userid_list": [f"u{n}"],
        }
        for n in range(1, departments + 1)
    ]
    for row in rows[1:8]:
        row["parent_id"] = 1
    users = [
        {
            "userid": f"u{n}", "name": f"员工{n}", "dept_id": n % departments + 1, "unionid": f"union{n}", "title": "工程师",
            "job_number": f"DIR{n}", "manager_userid": f"u{n % departments + 1}", "mobile": f"13{n:09d}",
            "org_email": f"u{n}@bench.example",
        }
        for n in range(1, people + 1)
    ]  # fmt: skip
    return {"departments": rows, "users": users}


def _promote(organisation: dict[str, Any]) -> None:
    """What a night brings: one in two hundred has another title."""
    for user in organisation["users"][:: round(1 / CHANGED)]:
        user["title"] = "高级工程师"


@contextmanager
def _dingtalk() -> Iterator[dict[str, Any]]:
    family = Family(database.HOME / "log")
    (family.logs / "dingtalk.log").unlink(missing_ok=True)
    try:
        child = family.start("dingtalk", viatica("simulate", "dingtalk", "--port", "0", "--json"), os.environ)
        while not (child.log.exists() and "\n" in child.log.read_text()):
            family.check()
            time.sleep(0.05)
        yield json.loads(child.log.read_text().splitlines()[0])
    finally:
        family.stop()


def _control(facts: Mapping[str, Any], path: str, body: Mapping[str, Any]) -> None:
    request = urllib.request.Request(
        f"{facts['control_url']}{path}", data=json.dumps(body).encode(), method="PUT"
    )
    urllib.request.urlopen(request, timeout=60).read()


def _connect(url: str, facts: Mapping[str, Any]) -> None:
    from benchmarks.hooks import other_database
    from viatica.offices.company.models import LegalEntity
    from viatica.spine.models import Connection

    row = Connection(
        slug=SLUG, kind="dingtalk", name="bench", uses=["directory"], rate_per_second=0,
        settings={
            "base_url": facts["base_url"], "oapi_base_url": facts["oapi_base_url"],
            "directory": {"managers": False},
        },
    )  # fmt: skip
    row.seal({name: facts[name] for name in ("app_key", "app_secret", "corp_id", "token", "aes_key")})
    with other_database(url) as alias:
        row.save(using=alias)
        LegalEntity(code="DIR", name="通讯录公司", connection=row).save(using=alias)


# One step in a process of its own, so that its memory is its own


def _child(url: str, *step: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.directory_sync", *step],
        env=serving.environment(url), check=True, capture_output=True, text=True,
    )  # fmt: skip
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _step() -> None:
    import django

    django.setup()
    from viatica.config import logs
    from viatica.kernel import clock
    from viatica.offices.company.directory import running, staging
    from viatica.spine.models import Connection

    logs.configure("WARNING")
    connection = Connection.objects.get(slug=SLUG)
    read_all, reading = staging.read_all, [0.0]

    def timed(*read: Any) -> None:
        began = time.monotonic()
        read_all(*read)
        reading[0] = time.monotonic() - began

    staging.read_all = timed  # type: ignore[assignment]  # the same, and a clock
    began = time.monotonic()
    if sys.argv[1] == "sync":
        run = running.sync(connection, by="system", via="cli", at=clock.now())
    else:
        run = running.apply(int(sys.argv[2]), by="system", via="cli", at=clock.now())
    seconds = time.monotonic() - began
    print(json.dumps({
        "run": run.pk, "state": run.state, "counts": run.counts, "problem": run.problem, "seconds": round(seconds, 2),
        "read": round(reading[0], 2), "peak": _peak_mb(),
    }))  # fmt: skip


def _peak_mb() -> float:
    """The most memory this process has held. (`ru_maxrss` would count what its parent held when it forked.)"""
    said = Path("/proc/self/status").read_text()
    return round(int(said.split("VmHWM:")[1].split()[0]) / 1024, 1)


# Bare PostgreSQL


def _plain(url: str) -> float:
    """Seconds. The rows come as text, as from a client, and are put in by one transaction."""
    with database.connected(url) as line:
        line.execute(_KEYS)
        with line.cursor() as cursor, cursor.copy(f"COPY ({_SAID}) TO STDOUT") as copying:
            said = b"".join(bytes(block) for block in copying)
        began = time.monotonic()
        with line.transaction(), line.cursor() as cursor:
            cursor.execute(f"CREATE TEMP TABLE said ON COMMIT DROP AS {_SAID} LIMIT 0")
            with cursor.copy("COPY said FROM STDIN") as copying:
                copying.write(said)
            for statement in _PLAIN.split(";\n")[:3]:
                cursor.execute(statement)
        return round(time.monotonic() - began, 2)


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "viatica.config.settings"
    _step()
