"""What a directory says, streamed into the staged tables: as much in memory as one batch, and no transaction held open."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from django.db import connection as database

from viatica.offices.company.directory.models import DirectoryRun
from viatica.offices.company.ports import DirectoryPort, OutsideDepartment, OutsideMember

T = TypeVar("T")
BATCH = 2000

_DEPARTMENTS = """
COPY company_stageddepartment (run_id, outside_id, parent_id, name, head_userid, is_gone) FROM STDIN
"""
_MEMBERS = """
COPY company_stagedmember (run_id, userid, name, unionid, number, mobile, mobile_key, email, title, department_ids,
                           manager_userid, is_active) FROM STDIN
"""


def read_all(run: DirectoryRun, port: DirectoryPort) -> None:
    """The whole directory; how much that was is noted in `run`. Raises what the port raises."""
    stage_departments(run, port.departments())
    stage_members(run, port.members())


def stage_departments(run: DirectoryRun, departments: Iterable[OutsideDepartment]) -> None:
    run.departments += _pour(_DEPARTMENTS, departments, lambda one: _department(run.pk, one))


def stage_members(run: DirectoryRun, members: Iterable[OutsideMember]) -> None:
    run.people += _pour(_MEMBERS, members, lambda one: _member(run.pk, one))


def stage_gone(run: DirectoryRun, *, userids: Iterable[str], department_ids: Iterable[str]) -> None:
    """What was asked for by its id and is not there any more."""
    gone = [OutsideMember(userid=one, name="", is_active=False) for one in userids]
    _pour(_MEMBERS, gone, lambda one: _member(run.pk, one))
    nowhere = [OutsideDepartment(id=one, parent_id="", name="") for one in department_ids]
    _pour(_DEPARTMENTS, nowhere, lambda one: (*_department(run.pk, one)[:-1], True))


def mobile_key(said: str) -> str:
    """As the database's `company_mobile`: digits only, without China's country code."""
    digits = "".join(sign for sign in said if sign.isascii() and sign.isdecimal())
    for code in ("86", "0086"):
        if len(digits) == 11 + len(code) and digits.startswith(f"{code}1"):
            return digits[len(code) :]
    return digits


def _pour(copy: str, rows: Iterable[T], row_of: Callable[[T], Sequence[Any]]) -> int:
    """Batch by batch: the outside is read before a batch is written, never meanwhile."""
    total = 0
    for batch in _batches(rows):
        with database.cursor() as cursor, cursor.copy(copy) as copying:
            for row in batch:
                copying.write_row(row_of(row))
        total += len(batch)
    return total


def _batches(rows: Iterable[T]) -> Iterator[list[T]]:
    coming = iter(rows)
    while batch := list(islice(coming, BATCH)):
        yield batch


def _department(run_id: int, one: OutsideDepartment) -> tuple[Any, ...]:
    head = one.head_userids[0] if one.head_userids else ""
    return (
        run_id,
        _text(one.id, 128),
        _text(one.parent_id, 128),
        _text(one.name, 120),
        _text(head, 128),
        False,
    )


def _member(run_id: int, one: OutsideMember) -> tuple[Any, ...]:
    mobile = "" if "*" in one.mobile else _text(one.mobile, 20)
    return (
        run_id, _text(one.userid, 128), _text(one.name, 60), _text(one.unionid, 128), _text(one.number, 64), mobile,
        mobile_key(mobile), _text(one.email, 254), _text(one.title, 60),
        [_text(name, 128) for name in one.department_ids], _text(one.manager_userid, 128), one.is_active,
    )  # fmt: skip


def _text(said: str, most: int) -> str:
    """Without what PostgreSQL cannot keep, no longer than our column."""
    return said.replace("\0", "").encode(errors="ignore").decode().strip()[:most]
