"""Conditions of flow steps, in CEL (https://cel.dev).

`amount` is a double: comparing it with a literal is exact up to 9,999,999,999,999.99, since both sides round the
same way. Arithmetic on it is not; `cents` is the same amount as an integer for those who need to calculate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

import cel
from django.utils.translation import gettext

from viatica.kernel.errors import BadInput
from viatica.kernel.words import N_

LONGEST = 500

# A value of each type a condition can see; also what a new condition is tried with.
VOCABULARY: dict[str, Any] = {
    "amount": 1.0,
    "cents": 100,
    "currency": "CNY",
    "kind": "",
    "grade": "",
    "grade_rank": 0,
    "department": "",
    "department_id": 0,
    "department_path": "/",
    "entity": "",
    "findings": ["sample"],
    "over_standard": False,
    "project": "",
    "project_id": 0,
    "cost_center": "",
    "cost_center_id": 0,
}

# Names bound by macros, `findings.exists(f, …)`, are the condition's own.
_BOUND = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(\s*([A-Za-z_]\w*)\s*,")


class BadCondition(BadInput):
    code = "approval.condition_bad"
    message = N_("The condition “{condition}” cannot be used: {problem}")
    hint = N_("Write a comparison such as amount > 5000 && over_standard. Known names: {names}.")

    def __init__(self, *, condition: str, problem: str, field: str | None = None) -> None:
        super().__init__(field=field, condition=condition, problem=problem, names=", ".join(VOCABULARY))


@dataclass(frozen=True, slots=True)
class Judgement:
    """`problem` says why it could not be judged; the step then applies, so that somebody looks."""

    holds: bool
    problem: str = ""


@lru_cache(maxsize=1024)
def _compiled(condition: str) -> cel.Program:
    return cel.compile(condition)


def refuse_if_bad(condition: str, *, field: str) -> None:
    """Raises BadCondition for what does not parse, names something unknown, or is no yes or no."""
    if len(condition) > LONGEST:
        raise BadCondition(
            condition=condition[:60] + "…",
            problem=gettext("it is longer than {most} characters").format(most=LONGEST),
            field=field,
        )
    try:
        program = _compiled(condition)
    except ValueError as error:
        raise BadCondition(condition=condition, problem=_first_line(error), field=field) from error
    unknown = set(program.variables()) - VOCABULARY.keys() - set(_BOUND.findall(condition))
    if unknown:
        raise BadCondition(
            condition=condition,
            problem=gettext("unknown: {names}").format(names=", ".join(sorted(unknown))),
            field=field,
        )
    for over_standard in (False, True):  # both branches of the commonest switch
        result = judge(condition, VOCABULARY | {"over_standard": over_standard})
        if result.problem:
            raise BadCondition(condition=condition, problem=result.problem, field=field)


def judge(condition: str, values: Mapping[str, Any]) -> Judgement:
    """An empty condition always holds."""
    if not condition:
        return Judgement(True)
    try:
        answer = _compiled(condition).execute(dict(values))
    except (ValueError, RuntimeError, TypeError, ArithmeticError, LookupError) as error:
        return Judgement(True, _first_line(error))
    if not isinstance(answer, bool):
        return Judgement(True, gettext("it gives “{answer}”, neither true nor false").format(answer=answer))
    return Judgement(answer)


def values(context: Mapping[str, Any]) -> dict[str, Any]:
    """A case's `context` (JSON, amount as digits) as conditions see it; what is missing is empty."""
    amount = Decimal(context.get("amount") or 0)
    given = {name: value for name, value in context.items() if name in VOCABULARY and value is not None}
    empty = {name: type(value)() for name, value in VOCABULARY.items()}
    return empty | given | {"amount": float(amount), "cents": int(amount * 100)}


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200]
