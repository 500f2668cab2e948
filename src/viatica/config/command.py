"""The `viatica` command. Each verb is a small function here or in the room that owns it."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "viatica.config.settings")
    from viatica.config.database import ensure_database

    ensure_database(Path(os.environ.get("VIATICA_HOME", "var")))
    if arguments[:1] == ["manage"]:
        from django.core.management import execute_from_command_line

        execute_from_command_line(["viatica manage", *arguments[1:]])
    return 0
