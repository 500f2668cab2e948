"""One statement of the merge at a time, in the open transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import connection


def execute(sql: str, params: Mapping[str, Any] | None = None) -> int:
    """How many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)


def rows(sql: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def create(name: str, sql: str, params: Mapping[str, Any], *looked_up_by: str) -> None:
    """A temporary table `directory_<name>`; the planner knows the columns it is looked up by."""
    execute(sql, params)
    for column in looked_up_by:
        execute(f"CREATE INDEX ON directory_{name} ({column})")
    if looked_up_by:
        execute(f"ANALYZE directory_{name} ({', '.join(looked_up_by)})")
