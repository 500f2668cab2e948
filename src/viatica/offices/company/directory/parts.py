"""A part of a directory: whom an event names, and whoever must be known to place them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from viatica.kernel.errors import ViaticaError
from viatica.offices.company.directory import staging
from viatica.offices.company.directory.models import DirectoryRun, Scope
from viatica.offices.company.directory.statements import rows
from viatica.offices.company.ports import DirectoryChange, DirectoryPort, OutsideDepartment, OutsideMember
from viatica.spine.models import Connection

DEEPEST = 50  # levels of departments followed upwards

# Who belongs to employees whom members of a part fit, without being named by it.
_RIVALS = """
WITH fit AS (
    SELECT e.id FROM company_stagedmember s JOIN company_employee e ON e.number = coalesce(nullif(s.number, ''), left(s.userid, 64))
     WHERE s.run_id = %(run)s
    UNION
    SELECT e.id FROM company_stagedmember s JOIN company_employee e ON company_mobile(e.mobile) = s.mobile_key AND e.mobile <> ''
     WHERE s.run_id = %(run)s AND s.mobile_key <> ''
    UNION
    SELECT i.employee_id FROM company_stagedmember s JOIN company_outsideidentity i ON i.unionid = s.unionid AND i.unionid <> ''
     WHERE s.run_id = %(run)s AND s.unionid <> ''
)
SELECT DISTINCT i.userid
  FROM fit JOIN company_outsideidentity i ON i.employee_id = fit.id AND i.connection_id = %(connection)s
 WHERE NOT EXISTS (SELECT 1 FROM company_stagedmember n WHERE n.run_id = %(run)s AND lower(n.userid) = lower(i.userid))
"""
_LINKED = """
SELECT outside_id FROM company_departmentidentity WHERE connection_id = %(connection)s AND outside_id = ANY(%(ids)s)
"""


def read_part(
    connection: Connection, port: DirectoryPort, change: DirectoryChange, at: datetime
) -> DirectoryRun:
    """What cannot be read leaves no run behind, so that it can simply be tried again."""
    people = {userid: port.member(userid) for userid in change.userids}
    wanted = [*change.department_ids, *_unknown_departments(connection, people.values())]
    departments = _with_those_above(port, wanted)
    run = DirectoryRun.objects.create(
        connection=connection, scope=Scope.PART, started_by="system", started_at=at, read_at=at
    )
    staging.stage_departments(run, (one for one in departments.values() if one is not None))
    staging.stage_members(run, (one for one in people.values() if one is not None))
    try:
        rivals = {userid: port.member(userid) for userid in _rivals(run)}
    except ViaticaError:
        run.delete()
        raise
    staging.stage_members(run, (one for one in rivals.values() if one is not None))
    staging.stage_gone(
        run,
        userids=[userid for userid, one in {**people, **rivals}.items() if one is None],
        department_ids=[outside_id for outside_id, one in departments.items() if one is None],
    )
    run.save(update_fields=["departments", "people"])
    return run


def _rivals(run: DirectoryRun) -> list[str]:
    found = rows(_RIVALS, {"connection": run.connection_id, "run": run.pk})
    return [userid for (userid,) in found]


def _unknown_departments(connection: Connection, people: Iterable[OutsideMember | None]) -> Iterator[str]:
    """Departments of these people that no run has linked yet."""
    theirs = {outside_id for one in people if one is not None for outside_id in one.department_ids}
    known = rows(_LINKED, {"connection": connection.pk, "ids": sorted(theirs)})
    yield from sorted(theirs - {outside_id for (outside_id,) in known})


def _with_those_above(port: DirectoryPort, wanted: Iterable[str]) -> dict[str, OutsideDepartment | None]:
    """The departments named and all above them, so that none hangs on a parent that has moved as well."""
    found: dict[str, OutsideDepartment | None] = {}
    for outside_id in wanted:
        for _level in range(DEEPEST):
            if not outside_id or outside_id in found:
                break
            one = found[outside_id] = port.department(outside_id)
            outside_id = one.parent_id if one is not None else ""
    return found
