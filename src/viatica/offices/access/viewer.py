"""The Viewer: who is asking, and how far they see. Pages, API, files, exports and hooks all ask this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

from viatica.kernel.errors import NotAllowed
from viatica.kernel.words import N_
from viatica.offices.access.models import Role

M = TypeVar("M", bound=Model)

SEES_ALL_OF_ENTITY = (Role.FINANCE, Role.CASHIER, Role.AUDITOR, Role.ADMINISTRATOR)


class RoleNeeded(NotAllowed):
    code = "access.role_needed"
    message = N_("This needs the role {role}.")
    hint = N_("Ask your administrator for it, or someone who has it to do this.")


@dataclass(frozen=True, slots=True)
class GrantRow:
    """One grant; `entity_id` None: every entity; `path` "": every department."""

    role: str
    entity_id: int | None
    path: str = ""


@dataclass(frozen=True, slots=True)
class Viewer:
    """`employee_id` 0 is nobody's: such a viewer owns nothing."""

    user_id: int
    employee_id: int
    name: str
    entity_id: int
    department_id: int
    grants: tuple[GrantRow, ...] = ()

    @property
    def actor(self) -> str:
        """How facts name this person."""
        return f"employee:{self.employee_id}"

    def has(self, role: Role, entity_id: int | None = None) -> bool:
        """Whether the role is held; for `entity_id`, when given."""
        return any(
            grant.role == role and (entity_id is None or grant.entity_id in (None, entity_id))
            for grant in self.grants
        )

    def need(self, *roles: Role, entity_id: int | None = None) -> None:
        """Raises RoleNeeded unless one of `roles` is held."""
        if not any(self.has(role, entity_id) for role in roles):
            raise RoleNeeded(role=roles[0].label)

    def entities(self, *roles: Role) -> frozenset[int] | None:
        """Entities in which one of `roles` is held; None for all of them."""
        held = [grant.entity_id for grant in self.grants if grant.role in roles]
        return None if None in held else frozenset(entity for entity in held if entity is not None)

    def department_paths(self) -> tuple[str, ...]:
        """Subtrees this viewer manages, as path prefixes."""
        return tuple(grant.path for grant in self.grants if grant.role == Role.MANAGER and grant.path)

    def sees(self, *, owner_id: int, entity_id: int, path: str) -> bool:
        """The rule of `scope`, for one row at hand."""
        if owner_id == self.employee_id:
            return True
        if any(self.has(role, entity_id) for role in SEES_ALL_OF_ENTITY):
            return True
        return path.startswith(self.department_paths()) if self.department_paths() else False

    def scope(
        self,
        rows: QuerySet[M],
        *,
        owner: str = "owner_id",
        entity: str = "entity_id",
        path: str = "department__path",
    ) -> QuerySet[M]:
        """Only the rows this viewer may see: own, managed, or of an entity watched over."""
        watched = self.entities(*SEES_ALL_OF_ENTITY)
        if watched is None:
            return rows
        rule = Q(**{owner: self.employee_id})
        if watched:
            rule |= Q(**{f"{entity}__in": sorted(watched)})
        for prefix in self.department_paths():
            rule |= Q(**{f"{path}__startswith": prefix})
        return rows.filter(rule)


def system() -> Viewer:
    """Workers and commands: sees every entity, owns nothing."""
    grant: Any = GrantRow(Role.ADMINISTRATOR, None)
    return Viewer(user_id=0, employee_id=0, name="system", entity_id=0, department_id=0, grants=(grant,))
