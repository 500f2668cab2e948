"""Whether this process can serve."""

from __future__ import annotations

from functools import cache

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from psycopg_pool import PoolTimeout


def missing() -> str:
    """What is missing before this process can serve, for an operator; empty when nothing is."""
    try:
        applied = set(MigrationRecorder(connection).applied_migrations())
    except (DatabaseError, InterfaceError, PoolTimeout) as error:
        return f"the database does not answer: {type(error).__name__}"
    unapplied = sorted(_known() - applied)
    if unapplied:
        return "migrations not applied: " + ", ".join(f"{app}.{name}" for app, name in unapplied)
    return ""


@cache
def _known() -> frozenset[tuple[str, str]]:
    """The migrations this code brings."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    replaced = {
        one for migration in loader.disk_migrations.values() for one in getattr(migration, "replaces", [])
    }
    return frozenset(set(loader.disk_migrations) - replaced)
