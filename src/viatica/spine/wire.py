"""Our own lines to the database, beside Django's pool: they stay open for the life of a worker or a bell."""

from __future__ import annotations

from typing import Any

import psycopg
from django.db import connection as django_connection

# Options of a Django database that libpq does not know.
_DJANGOS_OWN = frozenset({"pool", "server_side_binding", "isolation_level", "assume_role"})


def parameters() -> dict[str, Any]:
    """How psycopg reaches Django's database."""
    known: dict[str, Any] = django_connection.settings_dict
    wanted = {
        "dbname": known["NAME"],
        "user": known["USER"],
        "password": known["PASSWORD"],
        "host": known["HOST"],
        "port": known["PORT"],
    }
    extra = {key: value for key, value in known["OPTIONS"].items() if key not in _DJANGOS_OWN}
    return {key: value for key, value in wanted.items() if value} | extra


def connect(name: str) -> psycopg.Connection[tuple[Any, ...]]:
    """An autocommitting connection of our own, called `name` in pg_stat_activity. Raises psycopg.Error."""
    return psycopg.connect(autocommit=True, application_name=name, **parameters())
