"""What bare PostgreSQL does with one round trip's rows: a pgbench script made from rows the product has written.

Tables of the same shape (columns, defaults, indexes; no foreign keys, no triggers) in a schema of their own; the same
rows inserted and updated in the same four transactions, the third of which only reads. No logic, no joins, no Python.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg.sql import Literal
from psycopg.types.json import Jsonb

from benchmarks import company, database

TABLES = (
    "expense_expensereport", "expense_expenseline", "approval_case", "approval_step", "approval_item", "budget_budget",
    "budget_budgetentry", "notices_notice", "spine_fact", "spine_idempotencykey",
)  # fmt: skip
JSONB = 3802  # the type's oid
FACTS = {
    "create": ("report.created",),
    "submit": ("report.submitted", "budget.reserved", "case.opened", "case.step_opened"),
    "approve": ("case.decided", "case.concluded", "report.approved", "budget.consumed"),
}


def round_trips(url: str, *, seconds: int, clients: int) -> float:
    """Round trips per second by pgbench. The product must have done at least one in this database."""
    with database.connected(url) as line:
        _tables(line)
        script = _script(line)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        return database.pgbench(url, Path(file.name), seconds=seconds, clients=clients)


def _tables(line: psycopg.Connection) -> None:
    line.execute("DROP SCHEMA IF EXISTS limits CASCADE")
    line.execute("CREATE SCHEMA limits")
    for table in TABLES:
        shape = "INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING INDEXES"
        line.execute(f"CREATE TABLE limits.{table} (LIKE public.{table} {shape})")
    line.execute(
        "INSERT INTO limits.budget_budget OVERRIDING SYSTEM VALUE SELECT * FROM public.budget_budget"
    )


def _script(line: psycopg.Connection) -> str:
    def insert(table: str, values: Mapping[str, str], where: str = "true", *, gives: str = "") -> str:
        """The newest matching row as an INSERT; `values` are expressions for columns that tie rows together."""
        cursor = line.execute(f"SELECT * FROM public.{table} WHERE {where} ORDER BY id DESC LIMIT 1")
        row = cursor.fetchone()
        assert row is not None, f"no row of {table} where {where}"
        kept = {
            column.name: _literal(
                line, Jsonb(value) if column.type_code == JSONB and value is not None else value
            )
            for column, value in zip(cursor.description or [], row, strict=True)
            if column.name != "id"
        }
        if table == "spine_fact":
            kept["id"] = "nextval('limits.fact_ids')"  # a partition's identity is its parent's
        if table == "expense_expensereport":
            del kept["number"]  # the sequence gives it, as for the product
        kept |= values
        text = (
            f"INSERT INTO limits.{table} ({', '.join(map(_name, kept))}) VALUES ({', '.join(kept.values())})"
        )
        return f"{text} RETURNING id AS {gives} \\gset" if gives else f"{text};"

    def facts(step: str) -> list[str]:
        return [
            insert("spine_fact", {"ref_key": ":report::text"}, f"fact = '{fact}'") for fact in FACTS[step]
        ]

    def once(step: str) -> tuple[str, str]:
        """The key is written at the beginning and answered at the end."""
        key = (
            f"(:report::text || '{step}')"
            if step != "create"
            else "(:random::text || clock_timestamp()::text)"
        )
        return (
            insert("spine_idempotencykey", {"key": key, "answer": "NULL"}, gives="once"),
            f"UPDATE limits.spine_idempotencykey SET answer = {answer} WHERE id = :once;",
        )

    line.execute("CREATE SEQUENCE limits.fact_ids")
    kept = line.execute("SELECT answer FROM spine_idempotencykey ORDER BY id DESC LIMIT 1").fetchone()
    assert kept is not None
    answer = _literal(line, Jsonb(kept[0]))
    create, submit, approve = once("create"), once("submit"), once("approve")
    report_changes = "version = version + 1, changed_at = now()"
    entry = {"budget_id": ":budget", "ref": "'expense_report:' || :report"}
    return "\n".join(
        [
            "\\set random random(1, 2000000000)",
            f"\\set budget random(1, {company.DEPARTMENTS})",
            "BEGIN;",
            create[0],
            insert("expense_expensereport", {}, gives="report"),
            *(insert("expense_expenseline", {"report_id": ":report", "no": str(no)}) for no in (1, 2, 3)),
            *facts("create"),
            create[1],
            "COMMIT;",
            "BEGIN;",
            submit[0],
            f"UPDATE limits.expense_expensereport SET state = 'in_approval', {report_changes} WHERE id = :report;",
            "UPDATE limits.budget_budget SET reserved = reserved + 1 WHERE id = :budget;",
            insert("budget_budgetentry", {**entry, "settles_id": "NULL"}, "kind = 'reserve'", gives="entry"),
            insert(
                "approval_case",
                {"ref_key": ":report::text", "outside_number": "'L' || :report", "state": "'active'"},
                gives="paper",
            ),
            insert("approval_step", {"case_id": ":paper"}, gives="step"),
            insert(
                "approval_item", {"case_id": ":paper", "step_id": ":step", "state": "'open'"}, gives="item"
            ),
            *facts("submit"),
            submit[1],
            "COMMIT;",
            "SELECT id, version FROM limits.approval_item WHERE step_id = :step AND state = 'open';",
            "BEGIN;",
            approve[0],
            "UPDATE limits.approval_case SET state = 'approved', version = 2, concluded_at = now() WHERE id = :paper;",
            "UPDATE limits.approval_item SET state = 'approved', version = 2, decided_at = now() WHERE id = :item;",
            "UPDATE limits.approval_step SET state = 'passed' WHERE id = :step;",
            f"UPDATE limits.expense_expensereport SET state = 'to_audit', {report_changes} WHERE id = :report;",
            "UPDATE limits.budget_budget SET reserved = reserved - 1, consumed = consumed + 1 WHERE id = :budget;",
            insert("budget_budgetentry", {**entry, "settles_id": ":entry"}, "kind = 'consume'"),
            insert("notices_notice", {"ref_key": ":report::text"}),
            *facts("approve"),
            approve[1],
            "COMMIT;",
        ]
    )


def _name(column: str) -> str:
    return f'"{column}"'


def _literal(line: psycopg.Connection, value: object) -> str:
    """The value in SQL. pgbench replaces `:name` inside quotes, too: such a colon gets a space after it."""
    text = Literal(value).as_string(line).replace("\n", " ")
    return re.sub(r"(?<!:):(?=[A-Za-z])", ": ", text)
