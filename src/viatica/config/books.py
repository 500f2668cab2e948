"""`viatica books`: every room re-adds its books; what disagrees is named. Exit 1 when anything does."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from django.apps import apps
from django.db import transaction

from viatica.kernel import clock
from viatica.kernel.books import Disagreement


def books(options: argparse.Namespace) -> int:
    at = clock.now()
    rooms, found = re_add(at)
    if options.json:
        rows = [asdict(one) for one in found]
        print(json.dumps({"ok": not found, "rooms": rooms, "disagreements": rows}, ensure_ascii=False))
    else:
        for one in found:
            print(f"✗ {one.room}  {one.ref}  {one.what}: {one.ours} ≠ {one.theirs}")
        names = "、".join(rooms)
        print(
            f"✗ {len(found)} 处不符 · disagreements" if found else f"✓ 账目相符 · the books agree（{names}）"
        )
    return 1 if found else 0


def re_add(at: datetime) -> tuple[list[str], list[Disagreement]]:
    """The rooms asked, and what they found, all on one snapshot: money under way does not look like a fault."""
    asked, found = [], []
    with transaction.atomic(durable=True):
        _one_snapshot()
        for room, module in _books():
            asked.append(room)
            found.extend(module.disagreements(at))
    return asked, found


def _one_snapshot() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def _books() -> Iterator[tuple[str, ModuleType]]:
    for app in apps.get_app_configs():
        if app.name.startswith("viatica.") and find_spec(f"{app.name}.books"):
            yield app.label, import_module(f"{app.name}.books")
