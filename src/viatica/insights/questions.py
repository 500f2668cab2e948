"""What a reader asks: whose spending, when, of which company and department. Read from an address, told back to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection

from viatica.insights.scopes import Condition, Scope
from viatica.insights.windows import Span, Window, read_month
from viatica.kernel import clock
from viatica.kernel.errors import NotFound
from viatica.kernel.money import known_currency
from viatica.offices.access.viewer import Viewer

DEFAULT = Span.QUARTER  # what budgets are mostly made for
MOST_DEPARTMENTS = 300
MOST_NAMED = 2


@dataclass(frozen=True, slots=True)
class Entity:
    id: int
    code: str
    name: str
    currency: str


@dataclass(frozen=True, slots=True)
class Department:
    id: int
    name: str
    path: str
    entity_id: int

    @property
    def depth(self) -> int:
        """1 for a root."""
        return self.path.count("/") - 1

    @property
    def indent(self) -> str:
        """For a list that shows the tree."""
        return "\u3000" * (self.depth - 1)


@dataclass(frozen=True, slots=True)
class Question:
    """`entities` and `departments` are what the viewer may choose from: their own reach, the top of the tree first.

    `is_direct`: the chosen department without those below it.
    """

    scope: Scope
    window: Window
    today: date
    currency: str
    entities: list[Entity] = field(default_factory=list)
    departments: list[Department] = field(default_factory=list)
    entity: Entity | None = None
    department: Department | None = None
    is_direct: bool = False

    def params(self, **changes: Any) -> dict[str, str]:
        """What an address needs to ask the same, with `changes`; None leaves one out."""
        if "department" in changes:
            changes = {"direct": None, **changes}
        said: dict[str, Any] = {
            "period": str(self.window.span),
            # The present is not named: a kept address goes along with the calendar.
            "of": None if self.today in self.window.period else self.window.of,
            "entity": self.entity.code if self.entity else None,
            "department": self.department.id if self.department else None,
            "direct": "1" if self.is_direct else None,
            "currency": self.currency,
        } | changes
        return {name: str(value) for name, value in said.items() if value not in (None, "")}

    @property
    def crumbs(self) -> list[Department]:
        """The chosen department's ancestors within reach, from the top, and itself."""
        if self.department is None:
            return []
        chosen = self.department
        above = [one for one in self.departments if chosen.path.startswith(one.path)]
        return sorted(above, key=lambda one: one.depth)

    @property
    def tree(self) -> list[Department]:
        """In the order of the tree, each below its parent."""
        return sorted(
            self.departments, key=lambda one: [int(part) for part in one.path.strip("/").split("/")]
        )

    @property
    def bases(self) -> list[tuple[str, int]]:
        """Under which departments to add up, and at which place of a path the row's department stands.

        Below the chosen one, or the only one at the top: its children. With several at the top: each of them.
        """
        roots = [self.department] if self.department else self.roots
        step = 2 if len(roots) == 1 else 1
        return [(root.path, root.depth + step) for root in roots]

    @property
    def roots(self) -> list[Department]:
        """The departments nobody within reach stands above."""
        roots: list[Department] = []
        for one in sorted(self.departments, key=lambda one: one.depth):
            if not any(one.path.startswith(root.path) for root in roots):
                roots.append(one)
        return roots

    @property
    def whose(self) -> str:
        """Whose spending this is, as far as names say it; "" where there are too many."""
        if self.department or self.entity:
            return (self.department or self.entity).name  # type: ignore[union-attr]  # one of them is there
        named = self.roots if self.scope.is_managed else self.entities
        return "、".join(one.name for one in named) if len(named) <= MOST_NAMED else ""

    @property
    def narrowed(self) -> Condition:
        """The chosen entity and department, on `x.entity_id` and `d.path`; `x` is to be filled in."""
        whole = Condition()
        if self.entity:
            whole = whole & Condition("{x}.entity_id = %(entity)s", {"entity": self.entity.id})
        if self.department and self.is_direct:
            whole = whole & Condition("d.id = %(direct)s", {"direct": self.department.id})
        elif self.department:
            whole = whole & Condition("d.path LIKE %(below)s", {"below": f"{self.department.path}%"})
        return whole

    def of_reports(self) -> Condition:
        return self.scope.reports() & _on("r", self.narrowed)

    def of_budgets(self) -> Condition:
        return self.scope.budgets() & _on("b", self.narrowed)


def _on(alias: str, condition: Condition) -> Condition:
    return Condition(condition.sql.replace("{x}", alias), condition.values)


def ask(said: Mapping[str, Any], viewer: Viewer) -> Question:
    """From the parameters of an address. What cannot be read counts as not said. Two statements.

    Raises NotFound for an entity or a department out of reach, UnknownCurrency.
    """
    scope = Scope.of(viewer)
    today = clock.now().astimezone(ZoneInfo(settings.TIME_ZONE)).date()
    span = Span(said["period"]) if said.get("period") in list(Span) else DEFAULT
    window = Window.around(span, read_month(said.get("of")) or today)
    entities = _entities(scope, viewer.entity_id)
    entity = _chosen(entities, said.get("entity"))
    wanted = _number(said.get("department"))
    departments = _departments(scope, entity, wanted)
    department = next((one for one in departments if one.id == wanted), None)
    if wanted is not None and department is None:
        raise NotFound(field="department")
    if entity:  # who turns to another company leaves the department behind
        departments = [one for one in departments if one.entity_id == entity.id]
        department = department if department in departments else None
    return Question(
        scope=scope,
        window=window,
        today=today,
        currency=known_currency(said["currency"])
        if said.get("currency")
        else _usual_currency(entities, entity, viewer),
        entities=entities,
        departments=departments,
        entity=entity,
        department=department,
        is_direct=department is not None and bool(said.get("direct")),
    )


def _number(text: Any) -> int | None:
    """Raises NotFound for what no department is called."""
    if text in (None, ""):
        return None
    if not str(text).isdecimal() or len(str(text)) > 18:
        raise NotFound(field="department")
    return int(text)


def _chosen(entities: list[Entity], code: Any) -> Entity | None:
    if not code:
        return None
    found = next((one for one in entities if one.code == code), None)
    if found is None:
        raise NotFound(field="entity")
    return found


def _usual_currency(entities: list[Entity], entity: Entity | None, viewer: Viewer) -> str:
    """Of the chosen entity, of the viewer's own, or of the first."""
    home = next((one for one in entities if one.id == viewer.entity_id), None)
    one = entity or home or (entities[0] if entities else None)
    return one.currency if one else "CNY"


def _entities(scope: Scope, home: int) -> list[Entity]:
    """Those with a department within reach; for one's own expenses only the own one."""
    reach = Condition("e.id = %(home)s", {"home": home})
    if not scope.is_own:
        within = scope.departments()
        reach = Condition(
            "EXISTS (SELECT 1 FROM company_department d WHERE d.entity_id = e.id AND "
            f"{within.sql})", within.values,
        )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT e.id, e.code, e.name, e.currency FROM company_legalentity e WHERE {reach.sql} ORDER BY e.id",
            dict(reach.values),
        )
        return [Entity(*row) for row in cursor.fetchall()]


_DEPARTMENTS = """
SELECT d.id, d.name, d.path, d.entity_id
  FROM company_department d
 WHERE {where}
 ORDER BY coalesce(starts_with((SELECT c.path FROM company_department c WHERE c.id = %(wanted)s), d.path), false) DESC,
          length(d.path) - length(replace(d.path, '/', '')), d.id
 LIMIT %(most)s
"""


def _departments(scope: Scope, entity: Entity | None, wanted: int | None) -> list[Department]:
    """The chosen one with its ancestors, then level by level from the top."""
    where = scope.departments()
    if entity:
        where = where & Condition("(d.entity_id = %(entity)s OR d.id = %(wanted)s)", {"entity": entity.id})
    values = {**where.values, "wanted": wanted, "most": MOST_DEPARTMENTS}
    with connection.cursor() as cursor:
        cursor.execute(_DEPARTMENTS.format(where=where.sql), values)
        return [Department(*row) for row in cursor.fetchall()]
