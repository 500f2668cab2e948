"""Who is asking: one statement from a user or a token to a Viewer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from viatica.kernel.errors import NotAllowed, NotSignedIn
from viatica.kernel.words import N_
from viatica.offices.access.models import Role, User
from viatica.offices.access.viewer import GrantRow, Viewer
from viatica.offices.company.models import Department, Employee, LegalEntity
from viatica.spine.models import Connection


class NoEmployee(NotAllowed):
    code = "access.no_employee"
    message = N_("This sign-in belongs to nobody in the company.")
    hint = N_("Ask your administrator to link it to an employee.")


def digest(raw: str) -> str:
    return hashlib.sha256(raw.encode()).hexdigest()


# Asked at every request, so it is written out: building it anew costs more than running it.
_REACH = """
SELECT u.id, u.employee_id, e.name, e.entity_id, e.department_id,
       ARRAY(SELECT g.role || '|' || COALESCE(g.entity_id::text, '') || '|' || COALESCE(d.path, '')
               FROM access_grant g LEFT JOIN company_department d ON d.id = g.department_id
              WHERE g.user_id = u.id),
       ARRAY(SELECT h.path FROM company_department h WHERE h.head_id = u.employee_id AND h.is_active)
  FROM access_user u LEFT JOIN company_employee e ON e.id = u.employee_id
 WHERE u.is_active AND e.is_active IS NOT FALSE AND u.id = ({who})
"""
_BY_ID = _REACH.format(who="%s")
_BY_TOKEN = _REACH.format(
    who="SELECT t.user_id FROM access_apitoken t WHERE t.digest = %s AND (t.expires_at IS NULL OR t.expires_at > %s)"
)


def viewer_of(user_id: int) -> Viewer:
    """Raises NotSignedIn for an inactive user or departed employee, NoEmployee for one who is nobody in the company."""
    return _viewer(_BY_ID, user_id)


def viewer_of_token(raw: str, at: datetime) -> Viewer:
    """Raises NotSignedIn, too, for an unknown or expired token."""
    return _viewer(_BY_TOKEN, digest(raw), at)


def _viewer(sql: str, *values: Any) -> Viewer:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        row = cursor.fetchone()
    if row is None:
        raise NotSignedIn()
    user_id, employee_id, name, entity_id, department_id, granted, headed = row
    if employee_id is None:
        raise NoEmployee()
    grants = [_grant(text) for text in granted]
    grants += [GrantRow(Role.MANAGER, entity_id, path) for path in headed]
    return Viewer(user_id, employee_id, name, entity_id, department_id, tuple(grants))


def _grant(text: str) -> GrantRow:
    role, entity_id, path = text.split("|")
    return GrantRow(Role(role), int(entity_id) if entity_id else None, path)


@dataclass(frozen=True, slots=True)
class RoleHeld:
    """`entity` (a code) and `department` (a name) None: all of them."""

    role: str
    entity: str | None
    department: str | None


@dataclass(frozen=True, slots=True)
class Profile:
    employee: Employee
    language: str
    roles: list[RoleHeld]


def profile(viewer: Viewer) -> Profile:
    """What a person may know of themselves. Two to four statements."""
    employee = Employee.objects.select_related("entity", "department", "grade").get(pk=viewer.employee_id)
    entity_ids = {grant.entity_id for grant in viewer.grants if grant.entity_id is not None}
    codes = (
        dict(LegalEntity.objects.filter(pk__in=entity_ids).values_list("pk", "code")) if entity_ids else {}
    )
    paths = {grant.path for grant in viewer.grants if grant.path}
    names = dict(Department.objects.filter(path__in=paths).values_list("path", "name")) if paths else {}
    held = {
        (str(grant.role), codes.get(grant.entity_id or 0), names.get(grant.path)) for grant in viewer.grants
    }
    return Profile(
        employee=employee,
        language=User.objects.values_list("language", flat=True).get(pk=viewer.user_id),
        roles=[RoleHeld(*one) for one in sorted(held, key=str)],
    )


def administered(viewer: Viewer) -> QuerySet[Connection]:
    """Connections the viewer answers for: those that serve an entity they administer, or no entity in particular.

    Raises RoleNeeded for everybody else.
    """
    viewer.need(Role.ADMINISTRATOR)
    entities = viewer.entities(Role.ADMINISTRATOR)
    rows = Connection.objects.order_by("pk")
    if entities is None:
        return rows
    return rows.filter(Q(entities__in=sorted(entities)) | Q(entities=None)).distinct()
