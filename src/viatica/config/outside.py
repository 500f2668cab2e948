"""`viatica sync`: read the directories of the connected OA products, say what differs, and merge what may be merged."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from typing import Any

from django.utils.translation import gettext

from viatica.kernel import clock
from viatica.kernel.errors import ViaticaError
from viatica.offices.company import ports
from viatica.offices.company.directory import queries, running
from viatica.offices.company.directory.models import WAITING, DirectoryRun, RunState, Subject
from viatica.spine.models import Connection

MOST_SHOWN = 10
WORDS = {
    "added": "新增 added", "back": "恢复 back", "moved": "移动 moved", "renamed": "更名 renamed",
    "changed": "变更 changed", "gone": "离开 gone", "linked": "关联 linked",
}  # fmt: skip
SIGNS = {"added": "+", "back": "+", "gone": "-", "linked": "="}
STATES = {
    RunState.APPLIED: "已应用 · applied",
    RunState.STAGED: "等待确认 · waits for a yes",
    RunState.REFUSED: "已拒绝 · refused",
    RunState.FAILED: "失败 · failed",
}


def sync(options: argparse.Namespace) -> int:
    """Exit 1 when a directory could not be read, or its merge was refused.

    The first merge of a connection, and one that would deactivate too many people, take `--apply`.
    """
    wanted = Connection.objects.filter(is_active=True).order_by("slug")
    if options.connection:
        wanted = wanted.filter(slug=options.connection)
        if not wanted:
            print(f"✗ 没有连接 · no such connection: {options.connection}", file=sys.stderr)
            return 1
    else:
        wanted = wanted.filter(uses__contains=["directory"])
    answers = [_sync_one(one, must_apply=options.apply) for one in wanted]
    is_ok = all(answer["ok"] for answer in answers)
    if options.json:
        print(json.dumps({"ok": is_ok, "connections": answers}, ensure_ascii=False))
    else:
        print(
            "\n".join(_sentence(answer) for answer in answers)
            or "没有用于通讯录的连接 · no connection is used for this"
        )
    return 0 if is_ok else 1


def _sync_one(connection: Connection, *, must_apply: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {"connection": connection.slug, "ok": True, "has_directory": True}
    if not ports.has_directory(connection.kind):
        return answer | {"has_directory": False}
    by = f"cli:{getpass.getuser()}"
    try:
        run = running.sync(connection, by=by, via="cli", at=clock.now())
        if must_apply and run.state in WAITING:
            run = running.apply(run.pk, by=by, via="cli", at=clock.now(), anyway=True)
    except ViaticaError as error:
        return answer | {
            "ok": False,
            "problem": _problem(error.code, error.said(gettext), error.advice(gettext)),
        }
    return answer | _told(run)


def _told(run: DirectoryRun) -> dict[str, Any]:
    told: dict[str, Any] = {
        "ok": run.state in (RunState.APPLIED, RunState.STAGED),
        "run": run.pk, "state": str(run.state), "departments": run.departments, "people": run.people,
        "counts": run.counts, "differences": _first_lines(run),
    }  # fmt: skip
    if run.problem:
        said = gettext(run.problem).format(**run.problem_params)
        told["problem"] = _problem(
            run.problem_code, said, gettext(run.problem_hint).format(**run.problem_params)
        )
    return told


def _first_lines(run: DirectoryRun) -> list[dict[str, Any]]:
    lines = [
        line
        for subject in (Subject.DEPARTMENT, Subject.PERSON)
        for line in queries.differences(run, subject=subject, most=MOST_SHOWN)
    ]
    return [
        {
            "subject": line.subject, "kind": line.kind, "id": line.outside_id, "name": line.name, "place": line.place,
            "changes": line.changes,
        }
        for line in lines
    ]  # fmt: skip


def _problem(code: str, said: str, hint: str) -> dict[str, str]:
    return {"code": code, "said": said, "hint": hint}


def _sentence(answer: dict[str, Any]) -> str:
    slug = answer["connection"]
    if not answer["has_directory"]:
        return f"✓ {slug}  没有通讯录 · has no directory"
    mark = "✓" if answer["ok"] else "✗"
    lines = []
    if "state" in answer:
        lines.append(
            f"{mark} {slug}  {STATES.get(answer['state'], answer['state'])}：{answer['departments']} 个部门 departments，"
            f"{answer['people']} 人 people"
        )
        lines += [f"    部门 departments  {_counted(answer['counts'].get('department', {}))}"]
        lines += [f"    人员 people       {_counted(answer['counts'].get('person', {}))}"]
        lines += [_line(one) for one in answer["differences"]]
        if answer["counts"].get("conflicts"):
            lines.append(
                f"    ! {answer['counts']['conflicts']} 个冲突待处理 · conflicts wait for an administrator"
            )
        if answer["state"] == RunState.STAGED:
            lines.append(f"    → 首次同步需要确认 · the first merge needs a yes: viatica sync {slug} --apply")
    if "problem" in answer:
        said = answer["problem"]
        lines += [
            f"    {said['said']}" if lines else f"{mark} {slug}  {said['said']}",
            f"    → {said['hint']}",
        ]
    return "\n".join(lines)


def _counted(counts: dict[str, int]) -> str:
    return "，".join(f"{WORDS[kind]} {number}" for kind, number in counts.items()) or "无变化 nothing differs"


def _line(one: dict[str, Any]) -> str:
    changes = "；".join(f"{name} {was or '–'} → {now or '–'}" for name, (was, now) in one["changes"].items())
    place = f"  {one['place']}" if one["place"] else ""
    return f"      {SIGNS.get(one['kind'], '~')} {one['name']} ({one['id']}){place}{'  ' + changes if changes else ''}"
