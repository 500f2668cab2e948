"""python -m benchmarks [NAME…]: all of them when none is named."""

from __future__ import annotations

import os
import sys
import time
from importlib import import_module

NAMES = ("hooks", "relay", "lists", "round_trip", "oa_round_trip", "directory_sync")


def main() -> int:
    wanted = sys.argv[1:] or list(NAMES)
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        print(f"✗ {', '.join(unknown)}: one of {', '.join(NAMES)}", file=sys.stderr)
        return 2
    os.environ["DJANGO_SETTINGS_MODULE"] = "viatica.config.settings"
    from benchmarks import database

    server = database.start()
    os.environ["DATABASE_URL"] = database.of(database.TEMPLATE, server)
    os.environ["VIATICA_HOME"] = str(database.HOME.resolve())
    import django

    django.setup()
    import_module("benchmarks.template").make(server)
    for name in wanted:
        began = time.monotonic()
        result = import_module(f"benchmarks.{name}").run(server)
        result.show()
        print(f"  → {result.keep()}  ({time.monotonic() - began:.0f} s)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
