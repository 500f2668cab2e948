"""How far a viewer's figures reach, as conditions of SQL.

Finance, auditors and administrators: the entities they watch over. Managers: their departments with all below.
Everybody else: their own expenses. Never more than the Viewer lets them open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from viatica.offices.access.models import Role
from viatica.offices.access.viewer import Viewer

WATCHES = (Role.FINANCE, Role.AUDITOR, Role.ADMINISTRATOR)


@dataclass(frozen=True, slots=True)
class Condition:
    """A piece of WHERE with its named values."""

    sql: str = "TRUE"
    values: Mapping[str, Any] = field(default_factory=dict)

    def __and__(self, other: Condition) -> Condition:
        if self.sql == "TRUE":
            return other
        if other.sql == "TRUE":
            return self
        return Condition(f"{self.sql} AND {other.sql}", {**self.values, **other.values})

    def __or__(self, other: Condition) -> Condition:
        return Condition(f"({self.sql} OR {other.sql})", {**self.values, **other.values})


NEVER = Condition("FALSE")


@dataclass(frozen=True, slots=True)
class Scope:
    """`entities` None: all of them. With neither entities nor paths: only what `employee_id` spent."""

    entities: frozenset[int] | None
    paths: tuple[str, ...]
    employee_id: int

    @classmethod
    def of(cls, viewer: Viewer) -> Scope:
        return cls(viewer.entities(*WATCHES), viewer.department_paths(), viewer.employee_id)

    @property
    def is_own(self) -> bool:
        return self.entities is not None and not self.entities and not self.paths

    @property
    def is_managed(self) -> bool:
        """Departments, but no whole entity."""
        return self.entities is not None and not self.entities and bool(self.paths)

    def reports(self, report: str = "r", department: str = "d") -> Condition:
        if self.is_own:
            return Condition(f"{report}.owner_id = %(me)s", {"me": self.employee_id})
        return self._reach(report, department)

    def budgets(self, budget: str = "b", department: str = "d") -> Condition:
        """A budget is nobody's own."""
        return NEVER if self.is_own else self._reach(budget, department)

    def departments(self, department: str = "d") -> Condition:
        return NEVER if self.is_own else self._reach(department, department)

    def _reach(self, owned: str, department: str) -> Condition:
        if self.entities is None:
            return Condition()
        parts = []
        if self.entities:
            parts.append(
                Condition(f"{owned}.entity_id = ANY(%(watched)s)", {"watched": sorted(self.entities)})
            )
        if self.paths:
            managed = [f"{path}%" for path in self.paths]
            parts.append(Condition(f"{department}.path LIKE ANY(%(managed)s)", {"managed": managed}))
        whole, *others = parts
        for other in others:
            whole = whole | other
        return whole
