"""Members who cannot be told apart: kept as rows and issues while it is so, and settled once by an administrator."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from viatica.kernel.errors import Translate
from viatica.kernel.refs import Ref
from viatica.kernel.words import N_
from viatica.offices.company.directory import matching, scheduling
from viatica.offices.company.directory.errors import NoSuchMember
from viatica.offices.company.directory.models import DirectoryConflict, DirectoryDecision, Verdict
from viatica.offices.company.directory.statements import rows
from viatica.offices.company.directory.terms import Terms
from viatica.offices.company.models import Employee
from viatica.offices.company.ports import DirectoryChange
from viatica.spine import facts, issues
from viatica.spine.models import Connection, Issue

MOST_OTHERS = 5
MOST_ISSUES = 100  # of one connection: beyond these the list of conflicts says the rest

SAID = {
    matching.FITS_SEVERAL: N_("{name} ({userid}) in {connection} fits several people here: {others}."),
    matching.SAME_EMPLOYEE: N_(
        "{name} ({userid}) in {connection} fits somebody another account already is: {others}."
    ),
    matching.SAME_NUMBER: N_("{name} ({userid}) in {connection} has the same employee number as {others}."),
    matching.SAME_MOBILE: N_("{name} ({userid}) in {connection} has the same mobile as {others}."),
    matching.NUMBER_TAKEN: N_(
        "{name} ({userid}) in {connection} has an employee number that belongs to {others}."
    ),
    matching.OTHER_NAME: N_(
        "{name} ({userid}) in {connection} has the number or mobile, but not the name of {others}."
    ),
}

# Candidates here, and members there with the same person, number or mobile; a few of them, however many there are.
_FOUND = """
WITH conflict AS (
    SELECT * FROM directory_person WHERE reason IS NOT NULL
), fit AS (
    SELECT c.id, x.employee_id FROM conflict c JOIN directory_candidate x ON x.id = c.id
    UNION SELECT id, employee_id FROM conflict WHERE employee_id IS NOT NULL
    UNION SELECT c.id, e.id FROM conflict c JOIN company_employee e ON e.number = c.wants_number
           WHERE c.reason = 'number_taken'
), alike AS (
    SELECT c.id, a.id AS other FROM conflict c CROSS JOIN LATERAL (
        (SELECT p.id FROM directory_person p WHERE p.employee_id = c.employee_id AND p.id <> c.id LIMIT %(most)s)
        UNION
        (SELECT p.id FROM directory_person p WHERE p.wants_number = c.wants_number AND p.id <> c.id LIMIT %(most)s)
        UNION
        (SELECT p.id FROM directory_person p
          WHERE p.mobile_key = c.mobile_key AND c.reason = 'same_mobile' AND p.id <> c.id LIMIT %(most)s)) a
), other AS (
    SELECT f.id, coalesce(i.userid, '') AS userid, e.name, e.id AS employee, e.number
      FROM fit f JOIN company_employee e ON e.id = f.employee_id
      LEFT JOIN company_outsideidentity i ON i.connection_id = %(connection)s AND i.employee_id = e.id
    UNION
    SELECT a.id, p.userid, coalesce(e.name, p.name), e.id, coalesce(e.number, p.claim)
      FROM alike a JOIN directory_person p ON p.id = a.other LEFT JOIN company_employee e ON e.id = p.employee_id
)
SELECT c.userid, c.name, c.reason,
       coalesce(jsonb_agg(jsonb_build_object('userid', o.userid, 'name', o.name, 'employee', o.employee, 'number', o.number)
                          ORDER BY o.name, o.userid, o.number) FILTER (WHERE o.userid <> c.userid), '[]')
  FROM conflict c LEFT JOIN other o ON o.id = c.id
 GROUP BY c.id, c.userid, c.name, c.reason ORDER BY c.name, c.userid
"""
_NAMED = "SELECT userid FROM directory_member"


@dataclass(frozen=True, slots=True)
class Found:
    """A conflict as a run sees it."""

    userid: str
    name: str
    reason: str
    others: list[dict[str, Any]]


def keep(terms: Terms, at: datetime) -> None:
    """Open what the run found, close what it did not find again. A part settles only whom it names."""
    params = {**terms.params, "most": MOST_OTHERS}
    found = {row[0]: Found(row[0], row[1], row[2], json.loads(row[3])) for row in rows(_FOUND, params)}
    known = {
        one.userid: one
        for one in DirectoryConflict.objects.filter(connection=terms.connection, closed_at=None)
    }
    concerned = known.keys() if terms.is_full else known.keys() & {userid for (userid,) in rows(_NAMED)}
    close(terms.connection, sorted(concerned - found.keys()), at)
    _write(terms.connection, found, known, at)
    for one in list(found.values())[:MOST_ISSUES]:
        _raise_issue(terms.connection, one, at)


def _write(
    connection: Connection, found: dict[str, Found], known: dict[str, DirectoryConflict], at: datetime
) -> None:
    DirectoryConflict.objects.bulk_create(
        DirectoryConflict(
            connection=connection,
            userid=one.userid,
            name=one.name,
            reason=one.reason,
            others=one.others,
            opened_at=at,
        )
        for one in found.values()
        if one.userid not in known
    )
    renewed = []
    for userid in found.keys() & known.keys():
        now, row = found[userid], known[userid]
        if (row.name, row.reason, row.others) != (now.name, now.reason, now.others):
            row.name, row.reason, row.others = now.name, now.reason, now.others
            renewed.append(row)
    DirectoryConflict.objects.bulk_update(renewed, ["name", "reason", "others"], batch_size=500)


def said(conflict: DirectoryConflict, connection: Connection, translate: Translate) -> str:
    """The conflict as a sentence, in the reader's language."""
    return translate(SAID[conflict.reason]).format(**_params(connection, conflict))


def _raise_issue(connection: Connection, one: Found, at: datetime) -> None:
    issues.raise_issue(
        key=_key(connection, one.userid),
        kind="company.directory_conflict",
        message=SAID[one.reason],
        params={**_params(connection, one), "slug": connection.slug},
        ref=None,
        at=at,
    )


def _params(connection: Connection, one: Found | DirectoryConflict) -> dict[str, str]:
    others = "、".join(f"{other['name']} ({other['userid'] or other['number']})" for other in one.others)
    return {"name": one.name, "userid": one.userid, "others": others, "connection": connection.name}


def close(connection: Connection, userids: Sequence[str], at: datetime) -> None:
    DirectoryConflict.objects.filter(connection=connection, userid__in=userids, closed_at=None).update(
        closed_at=at
    )
    keys = [_key(connection, userid) for userid in userids]
    Issue.objects.filter(key__in=keys, closed_at=None).update(closed_at=at)


@transaction.atomic
def resolve(
    *, connection: Connection, userid: str, employee: Employee, actor: str, via: str, at: datetime
) -> None:
    """This member is that employee, now and in every later run. Another account of theirs is left alone from now on.

    Raises NoSuchMember.
    """
    _waiting(connection, userid)
    others = (
        employee.identities.filter(connection=connection)
        .exclude(userid=userid)
        .values_list("userid", flat=True)
    )
    for other in others:
        _decide(connection, other, Verdict.OUT, None, actor, at)
    DirectoryDecision.objects.filter(connection=connection, verdict=Verdict.IS, employee=employee).exclude(
        userid__iexact=userid
    ).delete()
    _decide(connection, userid, Verdict.IS, employee, actor, at)
    _settled(connection, userid, Verdict.IS, employee, actor, via, at)


@transaction.atomic
def keep_apart(*, connection: Connection, userid: str, actor: str, via: str, at: datetime) -> None:
    """This member is none of those they resemble. Raises NoSuchMember."""
    _waiting(connection, userid)
    _decide(connection, userid, Verdict.APART, None, actor, at)
    _settled(connection, userid, Verdict.APART, None, actor, via, at)


@transaction.atomic
def leave_out(*, connection: Connection, userid: str, actor: str, via: str, at: datetime) -> None:
    """This account is somebody's second one: it is left alone. Raises NoSuchMember."""
    _waiting(connection, userid)
    _decide(connection, userid, Verdict.OUT, None, actor, at)
    _settled(connection, userid, Verdict.OUT, None, actor, via, at)


def _waiting(connection: Connection, userid: str) -> None:
    open_ones = DirectoryConflict.objects.select_for_update().filter(connection=connection, userid=userid)
    if not open_ones.filter(closed_at=None).exists():
        raise NoSuchMember(userid=userid)


def _decide(
    connection: Connection, userid: str, verdict: Verdict, employee: Employee | None, actor: str, at: datetime
) -> None:
    decision = DirectoryDecision.objects.filter(connection=connection, userid__iexact=userid).first()
    decision = decision or DirectoryDecision(connection=connection, userid=userid)
    decision.verdict, decision.employee = verdict, employee
    decision.decided_by, decision.decided_at = actor, at
    decision.save()


def _settled(
    connection: Connection,
    userid: str,
    verdict: Verdict,
    employee: Employee | None,
    actor: str,
    via: str,
    at: datetime,
) -> None:
    close(connection, [userid], at)
    data: dict[str, Any] = {"userid": userid, "verdict": str(verdict)}
    if employee is not None:
        data["employee"] = employee.pk
    facts.record(
        ref=Ref("connection", connection.slug),
        fact="directory.decided",
        actor=actor,
        via=via,
        at=at,
        data=data,
    )
    scheduling.change_soon(connection.slug, DirectoryChange(userids=(userid,)))


def _key(connection: Connection, userid: str) -> str:
    return f"company.directory_conflict:{connection.slug}:{userid}"[:200]
