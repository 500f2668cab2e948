"""Who is asking: one statement from a user or a token to a Viewer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, OuterRef, Q, QuerySet
from django.db.models.functions import JSONObject

from viatica.kernel.errors import NotAllowed, NotSignedIn
from viatica.kernel.words import N_
from viatica.offices.access.models import ApiToken, Grant, Role, User
from viatica.offices.access.viewer import GrantRow, Viewer
from viatica.offices.company.models import Department, Employee, LegalEntity
from viatica.spine.models import Connection


class NoEmployee(NotAllowed):
    code = "access.no_employee"
    message = N_("This sign-in belongs to nobody in the company.")
    hint = N_("Ask your administrator to link it to an employee.")


def digest(raw: str) -> str:
    return hashlib.sha256(raw.encode()).hexdigest()


def _with_reach(users: QuerySet[Any], prefix: str = "") -> Any:
    grants = Grant.objects.filter(user_id=OuterRef(f"{prefix}pk")).values(
        json=JSONObject(role="role", entity="entity_id", path="department__path")
    )
    headed = Department.objects.filter(head_id=OuterRef(f"{prefix}employee_id"), is_active=True).values(
        "path"
    )
    return (
        users.filter(**{f"{prefix}is_active": True})
        .annotate(
            granted=ArraySubquery(grants),
            headed=ArraySubquery(headed),
            uid=F(f"{prefix}pk"),
            eid=F(f"{prefix}employee_id"),
            called=F(f"{prefix}employee__name"),
            entity=F(f"{prefix}employee__entity_id"),
            department=F(f"{prefix}employee__department_id"),
        )
        .values("uid", "eid", "called", "entity", "department", "granted", "headed")
        .first()
    )


def _viewer(row: dict[str, Any]) -> Viewer:
    if row["eid"] is None:
        raise NoEmployee()
    grants = [GrantRow(grant["role"], grant["entity"], grant["path"] or "") for grant in row["granted"]]
    grants += [GrantRow(Role.MANAGER, row["entity"], path) for path in row["headed"]]
    return Viewer(row["uid"], row["eid"], row["called"], row["entity"], row["department"], tuple(grants))


def viewer_of(user_id: int) -> Viewer:
    """Raises NotSignedIn for an inactive user, NoEmployee for one who is nobody in the company."""
    row = _with_reach(User.objects.filter(pk=user_id))
    if row is None:
        raise NotSignedIn()
    return _viewer(row)


def viewer_of_token(raw: str, at: datetime) -> Viewer:
    """Raises NotSignedIn for an unknown or expired token."""
    alive = Q(expires_at__isnull=True) | Q(expires_at__gt=at)
    row = _with_reach(ApiToken.objects.filter(alive, digest=digest(raw)), prefix="user__")
    if row is None:
        raise NotSignedIn()
    return _viewer(row)


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
    codes = dict(LegalEntity.objects.filter(pk__in=entity_ids).values_list("pk", "code")) if entity_ids else {}
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
