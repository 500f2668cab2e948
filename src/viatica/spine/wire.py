"""Our own lines to the database, beside Django's pool: they stay open for the life of a worker or a bell.

And what may be said on them: foreign systems send text that PostgreSQL does not keep.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

import psycopg
from django.db import connection as django_connection

# Options of a Django database that libpq does not know.
_DJANGOS_OWN = frozenset({"pool", "server_side_binding", "isolation_level", "assume_role"})


_NUL_IN_JSON = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


class Cursor(Protocol):
    """Django's or psycopg's."""

    def copy(self, sql: str, /) -> Any: ...
    def execute(self, sql: str, params: Any = None, /) -> Any: ...
    def fetchall(self) -> list[tuple[Any, ...]]: ...


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


def storable(text: str) -> str:
    """Without NUL and halves of characters: one odd answer must not stop what is written with it."""
    if text.isascii():
        return text.replace("\0", "")
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def storable_json(text: str) -> str:
    """The same of JSON, where NUL is an escape."""
    text = storable(text)
    return _NUL_IN_JSON.sub(r"\1", text) if "\\u0000" in text else text
