"""The report list with 100,000 reports, 300,000 lines and 10,000 people, as those who use it see it."""

from __future__ import annotations

import os
import time
from urllib.parse import quote

from benchmarks import clients, company, database, serving
from benchmarks.result import Result, percentile

REPORTS = int(os.environ.get("BENCH_REPORTS", "100000"))
PEOPLE = int(os.environ.get("BENCH_PEOPLE", "10000"))
CALLS = int(os.environ.get("BENCH_CALLS", "60"))

# Titles differ, and each keeps its pairs of characters as the product writes them (viatica.documents.search).
_FILL = """
INSERT INTO expense_expensereport (number, owner_id, entity_id, department_id, title, currency, total_amount, line_count,
                                   state, version, content_hash, findings, pairs, created_at, changed_at, submitted_at)
SELECT 'BX' || to_char(at, 'YYYYMM') || '-' || lpad(n::text, 6, '0'), e.id, e.entity_id, e.department_id, made.title, 'CNY',
       300, 3,
       (ARRAY['draft','in_approval','returned','rejected','to_audit','to_pay','paid','paid','paid','paid']
       )[abs(hashint4(n)) % 10 + 1],
       3, '', '[]', pairs_of(made.title || e.name), at, at, at
  FROM (SELECT n, now() - make_interval(mins => {reports} - n) AS at,
               (ARRAY['北京','上海','南京','西安','成都'])[abs(hashint4(n + 10000000)) % 5 + 1]
               || (ARRAY['客户拜访','项目上线','年度会议','供应商审核'])[abs(hashint4(n + 20000000)) % 4 + 1] || n AS title,
               n % {people} + 1 AS owner
          FROM generate_series(1, {reports}) n) made
  JOIN company_employee e ON e.id = made.owner
 ORDER BY n
"""
_LINES = """
INSERT INTO expense_expenseline (report_id, no, category, day, nights, paid_amount, paid_currency, rate, rate_source, amount,
                                 tax_amount, note, reason, recognised)
SELECT r.id, no, (ARRAY['rail','lodging','taxi'])[no], r.created_at::date, CASE no WHEN 2 THEN 1 ELSE 0 END, 100, 'CNY', 1,
       '', 100, 0, '', '', '{{}}'
  FROM expense_expensereport r, generate_series(1, 3) no
"""
_PAIRS_OF = """
CREATE FUNCTION pairs_of(words text) RETURNS varchar(2)[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(DISTINCT lower(substr(words, n, 2))) FROM generate_series(1, length(words) - 1) n
$$
"""


def run(server: str) -> Result:
    url = database.fresh("bench_lists", server)
    _fill(url)
    who = _people(url)
    rows: list[dict[str, object]] = []
    with serving.web(url) as (base, _child):
        wire = clients.Wire(base)
        for role, token in who.items():
            for name, path in _calls(wire, token):
                rows.append({"as": role, "page": name, **_measure(url, wire, path, token)})
    worst = max(rows, key=lambda row: float(str(row["p95 ms"])))
    return Result(
        "lists", float(str(worst["p95 ms"])), "ms, the slowest p95", "≤ 60 ms",
        details={
            "reports": REPORTS, "lines": REPORTS * 3, "people": PEOPLE, "worst": f"{worst['as']}: {worst['page']}",
            "rows": rows,
        },
    )  # fmt: skip


def _fill(url: str) -> None:
    with database.connected(url) as line:
        line.execute(
            "SET session_replication_role = replica"
        )  # rows as they are, without what triggers forbid
        line.execute(_PAIRS_OF)
        for statement in (_FILL, _LINES):
            line.execute(statement.format(reports=REPORTS, people=PEOPLE))
        line.execute("VACUUM ANALYZE")


def _people(url: str) -> dict[str, str]:
    """An employee with ten reports, a head of 200 people, an auditor of everything; their tokens."""
    employee, manager, auditor = company.DEPARTMENTS + 7, 3, 2
    with database.connected(url) as line:
        line.execute("INSERT INTO access_grant (user_id, role) VALUES (%s, 'auditor')", [auditor])
    made = company.tokens(url, [employee, manager, auditor])
    return {"employee": made[employee], "manager": made[manager], "auditor": made[auditor]}


def _calls(wire: clients.Wire, token: str) -> list[tuple[str, str]]:
    """The newest page, one far back, one state, and a search with few hits and with many."""
    newest = wire.call("GET", "/api/v1/reports", token)
    before = (
        max(2, newest["items"][0]["id"] // 2)
        if newest["items"] and "id" in newest["items"][0]
        else REPORTS // 2
    )
    return [
        ("newest 50", "/api/v1/reports"),
        ("deep page", f"/api/v1/reports?before={before}"),
        ("filter: to audit", "/api/v1/reports?state=to_audit"),
        ("search: common", f"/api/v1/reports?q={quote('项目上线')}"),
        ("search: one", f"/api/v1/reports?q={quote(str(REPORTS // 2 + 1))}"),
        ("filter and search", f"/api/v1/reports?state=paid&q={quote('北京')}"),
        ("mine", "/api/v1/reports?mine=true"),
    ]


def _measure(url: str, wire: clients.Wire, path: str, token: str) -> dict[str, object]:
    ready = clients.request(wire.host, "GET", path, token)
    times = []
    for number in range(CALLS + 5):
        began = time.monotonic()
        status, body = wire.send(ready)
        if status != 200:
            raise RuntimeError(f"{path}: {status} {body[:300].decode(errors='replace')}")
        if number >= 5:
            times.append(time.monotonic() - began)
    counts: dict[str, int] = {}
    with database.counted(url, counts):
        wire.send(ready)
    found = wire.call("GET", path, token)
    return {
        "rows": len(found["items"]),
        "p50 ms": round(percentile(times, 0.5) * 1000, 1),
        "p95 ms": round(percentile(times, 0.95) * 1000, 1),
        "statements": counts["statements"],
    }
