"""`viatica sync`: link our people to their accounts in the connected OA products."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

from django.utils.translation import gettext

from viatica.connectors import registry
from viatica.kernel import clock
from viatica.kernel.errors import ViaticaError
from viatica.spine.models import Connection

MOST_SHOWN = 10


def sync(options: argparse.Namespace) -> int:
    """Exit 1 when a connection could not be read. Nobody is created, renamed or dismissed."""
    wanted = Connection.objects.filter(is_active=True).order_by("slug")
    if options.connection:
        wanted = wanted.filter(slug=options.connection)
        if not wanted:
            print(f"✗ 没有连接 · no such connection: {options.connection}", file=sys.stderr)
            return 1
    answers = [_sync_one(one) for one in wanted]
    is_ok = all(answer["ok"] for answer in answers)
    if options.json:
        print(json.dumps({"ok": is_ok, "connections": answers}, ensure_ascii=False))
    else:
        for answer in answers:
            print(_sentence(answer))
    return 0 if is_ok else 1


def _sync_one(connection: Connection) -> dict[str, Any]:
    try:
        connector = registry.of(connection.kind)
        if connector.link_people is None:
            return {"connection": connection.slug, "ok": True, "has_directory": False}
        report = connector.link_people(connection, clock.now())
    except ViaticaError as error:
        problem = {"code": error.code, "said": error.said(gettext), "hint": error.advice(gettext)}
        return {"connection": connection.slug, "ok": False, "problem": problem}
    return {"connection": connection.slug, "ok": True, **asdict(report)}


def _sentence(answer: dict[str, Any]) -> str:
    slug = answer["connection"]
    if not answer["ok"]:
        return f"✗ {slug}  {answer['problem']['said']}\n    → {answer['problem']['hint']}"
    if answer.get("has_directory") is False:
        return f"✓ {slug}  没有通讯录 · has no directory"
    line = (
        f"✓ {slug}  读取 {answer['read']} 人，新关联 {answer['linked']}，已关联 {answer['already']}"
        f" · {answer['read']} read, {answer['linked']} linked, {answer['already']} already"
    )
    strangers = answer["unmatched"]
    if strangers:
        more = " …" if len(strangers) > MOST_SHOWN else ""
        line += f"\n    未匹配 · unmatched: {'、'.join(strangers[:MOST_SHOWN])}{more}"
    return line
