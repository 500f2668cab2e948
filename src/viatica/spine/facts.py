"""Facts: who did what, when, to which paper, through which system. Append-only; timeline and insights read them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection

from viatica.kernel.refs import Ref
from viatica.spine import correlation as correlations
from viatica.spine.models import Fact

_COLUMNS = "at, ref_kind, ref_key, fact, actor, via, data, correlation"
_ROW = "(%s, %s, %s, %s, %s, %s, %s::jsonb, %s)"


@dataclass(frozen=True, slots=True)
class NewFact:
    """`actor` is employee:12, system or <kind>:<userid>; `via` is web, api, worker, cli, system or a connection's kind."""

    ref: Ref
    fact: str
    actor: str
    via: str
    at: datetime
    data: dict[str, Any] | None = None
    correlation: str | None = None


@dataclass(frozen=True, slots=True)
class FactRow:
    at: datetime
    fact: str
    actor: str
    via: str
    data: dict[str, Any]


_gathered: ContextVar[list[NewFact] | None] = ContextVar("gathered_facts", default=None)


@contextmanager
def together() -> Iterator[None]:
    """What the block records is written at its end, in order, by one INSERT; what it raises leaves no fact.

    For doors, around one command: a timeline read inside the block does not show the block's own facts.
    """
    rows: list[NewFact] = []
    token = _gathered.set(rows)
    try:
        yield
    finally:
        _gathered.reset(token)
    record_many(rows)


def record(
    *,
    ref: Ref,
    fact: str,
    actor: str,
    via: str,
    at: datetime,
    data: dict[str, Any] | None = None,
    correlation: str | None = None,
) -> None:
    """Add one fact in the open transaction."""
    record_many([NewFact(ref, fact, actor, via, at, data, correlation)])


def record_many(rows: Iterable[NewFact]) -> None:
    """Add facts, in their order, by one INSERT (or, inside `together`, at its end)."""
    gathered = _gathered.get()
    if gathered is not None:
        gathered.extend(rows)
        return
    ambient = correlations.current()
    values = [_values(row, ambient) for row in rows]
    if not values:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO spine_fact ({_COLUMNS}) VALUES {', '.join([_ROW] * len(values))}",
            [value for row in values for value in row],
        )


def timeline(ref: Ref) -> list[FactRow]:
    """The paper's facts, oldest first. One statement."""
    rows = Fact.objects.filter(ref_kind=ref.kind, ref_key=ref.key).order_by("at", "id")
    return [
        FactRow(at, fact, actor, via, data or {})
        for at, fact, actor, via, data in rows.values_list("at", "fact", "actor", "via", "data")
    ]


def _values(row: NewFact, ambient: str | None) -> tuple[Any, ...]:
    data = None if row.data is None else json.dumps(row.data, cls=DjangoJSONEncoder, ensure_ascii=False)
    return (
        row.at, row.ref.kind, row.ref.key, row.fact, row.actor, row.via, data, row.correlation or ambient,
    )  # fmt: skip
