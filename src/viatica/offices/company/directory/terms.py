"""What a run goes by: whom the connection leads, and what its settings say under `directory`.

```json
{"directory": {"entities": {"1": "SH", "77": "BJ"}, "grade": "P4", "most_gone": 5}}
```
`entities`: department over there → code of the legal entity it and everything below belongs to. `grade`: of people who
come from the directory; else the lowest. `most_gone`: per cent of the people a run may deactivate without asking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from viatica.offices.company.directory.errors import NoGrade, NoSuchEntity
from viatica.offices.company.directory.models import DirectoryRun, RunState, Scope
from viatica.offices.company.models import Grade, LegalEntity
from viatica.spine.models import Connection

MOST_GONE_PER_CENT = 5.0
NEVER_TOO_MANY = 5


@dataclass(frozen=True, slots=True)
class Terms:
    """`led`: entities whose people and departments this connection leads; elsewhere it only says who somebody is.

    `default`: the entity of departments below none that is named. `says_managers`, `says_heads`: whether the product
    lets us see them; then nobody named means nobody, else nothing.
    """

    run: DirectoryRun
    connection: Connection
    named: Mapping[str, int]
    default: int | None
    led: tuple[int, ...]
    grade: int
    says_managers: bool
    says_heads: bool

    @property
    def is_full(self) -> bool:
        return self.run.scope == Scope.FULL

    @property
    def params(self) -> dict[str, Any]:
        """As the statements name them."""
        return {
            "run": self.run.pk, "connection": self.connection.pk, "slug": self.connection.slug,
            "kind": self.connection.kind, "is_full": self.is_full, "led": list(self.led), "default": self.default,
            "named": list(self.named), "named_entities": list(self.named.values()), "grade": self.grade,
            "says_managers": self.says_managers, "says_heads": self.says_heads,
        }  # fmt: skip

    def most_gone(self, people: int) -> int:
        """How many of `people` a run may deactivate without asking."""
        share = float(_settings(self.connection).get("most_gone", MOST_GONE_PER_CENT))
        return max(NEVER_TOO_MANY, int(people * share / 100))


def terms_of(run: DirectoryRun, *, managers: int, heads: int) -> Terms:
    """`managers`, `heads`: how many the run itself names. Raises NoSuchEntity or NoGrade."""
    connection = run.connection
    entities = list(LegalEntity.objects.order_by("pk"))
    named = _named(connection, entities)
    default = _default(connection, entities)
    reached = {*named.values(), default if _is_oldest(connection) else None}
    led = tuple(
        one.pk
        for one in entities
        if one.connection_id == connection.pk or (one.connection_id is None and one.pk in reached)
    )
    said = _said_last_time(connection) if run.scope == Scope.PART else {}
    return Terms(
        run, connection, named, default, led, _grade(connection),
        says_managers=bool(managers or said.get("managers")),
        says_heads=bool(heads or said.get("heads")),
    )  # fmt: skip


def last_applied(connection: Connection) -> DirectoryRun | None:
    """The last full run that was merged."""
    rows = DirectoryRun.objects.filter(connection=connection, scope=Scope.FULL, state=RunState.APPLIED)
    return rows.order_by("-pk").first()


def _settings(connection: Connection) -> Mapping[str, Any]:
    said = connection.settings.get("directory")
    return said if isinstance(said, dict) else {}


def _named(connection: Connection, entities: list[LegalEntity]) -> dict[str, int]:
    codes = {one.code: one.pk for one in entities}
    wanted = {
        str(outside): str(code) for outside, code in (_settings(connection).get("entities") or {}).items()
    }
    unknown = sorted(set(wanted.values()) - codes.keys())
    if unknown:
        raise NoSuchEntity(codes=", ".join(unknown))
    return {outside: codes[code] for outside, code in wanted.items()}


def _default(connection: Connection, entities: list[LegalEntity]) -> int | None:
    """The one entity the connection serves; of a company that is only one entity, that one."""
    served = [one for one in entities if one.connection_id == connection.pk]
    for candidates in (served, entities):
        if len(candidates) == 1:
            return candidates[0].pk
    return None


def _is_oldest(connection: Connection) -> bool:
    """An entity that nobody was given is led by one connection: the oldest that is used for the directory."""
    older = Connection.objects.filter(is_active=True, uses__contains=["directory"], pk__lt=connection.pk or 0)
    return not older.exists()


def _grade(connection: Connection) -> int:
    wanted = str(_settings(connection).get("grade") or "")
    rows = Grade.objects.filter(code=wanted) if wanted else Grade.objects.order_by("rank", "pk")
    found = rows.values_list("pk", flat=True).first()
    if found is None:
        raise NoGrade(grade=wanted or "–")
    return found


def _said_last_time(connection: Connection) -> Mapping[str, Any]:
    last = last_applied(connection)
    return last.counts if last else {}
