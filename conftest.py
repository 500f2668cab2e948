"""Every test that asks for the database gets a real PostgreSQL: `DATABASE_URL`, or the embedded one in var/test."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("VIATICA_HOME", str(Path(__file__).parent / "var" / "test"))
os.environ["DJANGO_SETTINGS_MODULE"] = "viatica.config.settings"

from viatica.config.database import ensure_database  # noqa: E402 - the environment comes first

ensure_database(Path(os.environ["VIATICA_HOME"]))
