"""What a flow says: its steps as typed values, read from and written to JSON. No tables.

```json
{"name": "直属上级", "who": {"by": "manager"}, "mode": "countersign", "when": "amount > 5000"}
```
`who.by` is one of
manager · department_head (`level` 1 is the document's own department, 2 the one above) ·
head_chain (`levels` heads upwards, one after another) · role (`role`, within the legal entity) ·
people (`people`: employee ids) · project_owner · cost_center_owner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext

from viatica.kernel.errors import BadInput
from viatica.kernel.words import N_
from viatica.offices.access.models import Role
from viatica.offices.approval import conditions
from viatica.offices.approval.models import Mode, Oneself, SamePerson

MOST_STEPS = 50
MOST_LEVELS = 20
MOST_PEOPLE = 50


class BadFlow(BadInput):
    code = "approval.flow_bad"
    message = N_("Step {step} of the flow cannot be used: {problem}.")
    hint = N_("Correct the marked part of the step and save again.")


class By(StrEnum):
    MANAGER = "manager"
    DEPARTMENT_HEAD = "department_head"
    HEAD_CHAIN = "head_chain"
    ROLE = "role"
    PEOPLE = "people"
    PROJECT_OWNER = "project_owner"
    COST_CENTER_OWNER = "cost_center_owner"


class Nobody(StrEnum):
    """What happens when nobody is found."""

    FALLBACK = "fallback"  # the named fallback, else an administrator
    SKIP = "skip"  # 未设置该岗位的跳过


class Refusal(StrEnum):
    """When an any-sign step is refused."""

    FIRST = "first"  # by the first who rejects
    ALL = "all"  # only when all reject


@dataclass(frozen=True, slots=True)
class Who:
    by: By
    level: int = 1
    levels: int = 1
    role: str = ""
    people: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class StepPlan:
    """`same_person`, `oneself` and `fallback` override the flow's when set."""

    name: str
    who: Who
    mode: Mode = Mode.COUNTERSIGN
    when: str = ""
    same_person: SamePerson | None = None
    oneself: Oneself | None = None
    fallback: int | None = None
    nobody: Nobody = Nobody.FALLBACK
    refusal: Refusal = Refusal.FIRST

    def json(self) -> dict[str, Any]:
        """Only what differs from the defaults, so that stored flows stay readable."""
        empty = asdict(StepPlan(self.name, Who(self.who.by)))
        filled = {key: value for key, value in asdict(self).items() if value != empty[key]}
        who = {key: value for key, value in asdict(self.who).items() if value != empty["who"][key]}
        return filled | {"name": self.name, "who": {"by": self.who.by.value} | who}


@dataclass(frozen=True, slots=True)
class Route:
    """A whole flow: its steps and the rules they share."""

    flow_id: int
    steps: tuple[StepPlan, ...]
    same_person: SamePerson
    oneself: Oneself
    fallback: int | None


STANDARD = (StepPlan("直属上级", Who(By.MANAGER)),)


def parse(steps: Sequence[Any]) -> tuple[StepPlan, ...]:
    """Raises BadFlow or BadCondition, naming step and field (`steps.0.when`)."""
    if not 1 <= len(steps) <= MOST_STEPS:
        raise BadFlow(
            step=len(steps),
            problem=gettext("a flow has 1–{most} steps").format(most=MOST_STEPS),
            field="steps",
        )
    return tuple(_step(data, n) for n, data in enumerate(steps))


def _step(data: Any, n: int) -> StepPlan:
    def refuse(problem: str, name: str) -> BadFlow:
        return BadFlow(step=n + 1, problem=problem, field=f"steps.{n}.{name}")

    def one_of(kinds: type[Any], name: str, default: Any) -> Any:
        value = data.get(name, default)
        try:
            return value if value is None else kinds(value)
        except ValueError as error:
            raise refuse(_not_known(value), name) from error

    if not isinstance(data, dict):
        raise BadFlow(step=n + 1, problem=gettext("an object is needed"), field=f"steps.{n}")
    unknown = data.keys() - StepPlan.__dataclass_fields__.keys()
    if unknown:
        raise refuse(_not_known(min(unknown)), min(unknown))
    name, when = data.get("name"), data.get("when", "")
    if not isinstance(name, str) or not 1 <= len(name) <= 120:
        raise refuse(gettext("a name of 1–120 characters is needed"), "name")
    if not isinstance(when, str):
        raise refuse(gettext("a condition is text"), "when")
    if when:
        conditions.refuse_if_bad(when, field=f"steps.{n}.when")
    who = _who(data.get("who"), refuse)
    fallback = data.get("fallback")
    if fallback is not None and not _is_id(fallback):
        raise refuse(gettext("an employee's id is needed"), "fallback")
    plan = StepPlan(
        name=name,
        who=who,
        mode=one_of(Mode, "mode", Mode.SEQUENCE if who.by is By.HEAD_CHAIN else Mode.COUNTERSIGN),
        when=when,
        same_person=one_of(SamePerson, "same_person", None),
        oneself=one_of(Oneself, "oneself", None),
        fallback=fallback,
        nobody=one_of(Nobody, "nobody", Nobody.FALLBACK),
        refusal=one_of(Refusal, "refusal", Refusal.FIRST),
    )
    if who.by is By.ROLE and plan.oneself in (Oneself.SELF, Oneself.SKIP):
        raise refuse(gettext("nobody reviews their own paper in a role"), "oneself")  # segregation of duties
    if plan.refusal is Refusal.ALL and plan.mode != Mode.ANY_SIGN:
        raise refuse(gettext("only an any-sign step can wait for all to refuse"), "refusal")
    return plan


def _who(data: Any, refuse: Any) -> Who:
    if not isinstance(data, dict) or data.keys() - Who.__dataclass_fields__.keys():
        raise refuse(gettext("by, level, levels, role or people are expected"), "who")
    try:
        by = By(str(data.get("by")))
    except ValueError as error:
        raise refuse(_not_known(data.get("by")), "who.by") from error
    level, levels = data.get("level", 1), data.get("levels", 1)
    if not (_is_id(level) and level <= MOST_LEVELS):
        raise refuse(gettext("1–{most} is expected").format(most=MOST_LEVELS), "who.level")
    if not (_is_id(levels) and levels <= MOST_LEVELS):
        raise refuse(gettext("1–{most} is expected").format(most=MOST_LEVELS), "who.levels")
    role, people = data.get("role", ""), data.get("people", [])
    if (by is By.ROLE) != (role in Role.values):
        raise refuse(_not_known(role), "who.role")
    if not isinstance(people, list | tuple) or not all(map(_is_id, people)) or len(people) > MOST_PEOPLE:
        raise refuse(
            gettext("at most {most} employee ids are expected").format(most=MOST_PEOPLE), "who.people"
        )
    if (by is By.PEOPLE) != bool(people):
        raise refuse(gettext("people are named with by = people, and only there"), "who.people")
    return Who(by, level, levels, role, tuple(dict.fromkeys(people)))


def _not_known(value: Any) -> str:
    return gettext("“{value}” is not known here").format(value=value)


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
