"""A case, its steps and their items in one INSERT: three statements less for every paper than row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection, models

from viatica.offices.approval.models import Case, Item, Step

Rows = Sequence[tuple[Step, Sequence[Item]]]


def insert(case: Case, steps: Rows) -> None:
    """Write `steps` and their items, and `case` first when it is new; ids are set on all of them."""
    parts: list[str] = []
    values: list[Any] = []

    def add(
        name: str, model: type[models.Model], rows: Sequence[models.Model], links: Sequence[dict[str, Any]]
    ) -> None:
        columns, tuples = _columns(model), []
        for row, link in zip(rows, links, strict=True):
            cells = []
            for field in columns:
                sql, params = link.get(field.attname, ("%s", None))
                cells.append(sql)
                values.extend(
                    [field.get_db_prep_save(getattr(row, field.attname), connection)]
                    if params is None
                    else params
                )
            tuples.append(f"({', '.join(cells)})")
        names = ", ".join(str(field.column) for field in columns)
        kept = ", seq" if model is Step else ""
        parts.append(
            f"{name} AS (INSERT INTO {model._meta.db_table} ({names}) VALUES {', '.join(tuples)} RETURNING id{kept})"
        )

    of_case: dict[str, Any] = {}
    if case.pk is None:
        add("new_case", Case, [case], [{}])
        of_case = {"case_id": ("(SELECT id FROM new_case)", [])}
    else:
        of_case = {"case_id": ("%s", [case.pk])}
    if steps:
        add("new_step", Step, [step for step, _ in steps], [of_case] * len(steps))
    links = [
        of_case | {"step_id": ("(SELECT id FROM new_step WHERE seq = %s)", [step.seq])}
        for step, items in steps
        for _ in items
    ]
    new_items = [item for _, items in steps for item in items]
    if new_items:
        add("new_item", Item, new_items, links)
    if not parts:
        return
    with connection.cursor() as cursor:
        cursor.execute(f"WITH {', '.join(parts)} SELECT {', '.join(_ids(case, steps, new_items))}", values)
        found = list(cursor.fetchone())
    if case.pk is None:
        case.pk = found.pop(0)
        case._state.adding = False
    step_ids = found.pop(0) if steps else []
    item_ids = found.pop(0) if new_items else []
    for (step, items), step_id in zip(steps, step_ids, strict=True):
        step.pk, step.case, step._state.adding = step_id, case, False
        for item in items:
            item.case, item.step = case, step
    for item, item_id in zip(new_items, item_ids, strict=True):
        item.pk, item._state.adding = item_id, False


def _columns(model: type[models.Model]) -> list[models.Field[Any, Any]]:
    return [field for field in model._meta.concrete_fields if not field.primary_key]


def _ids(case: Case, steps: Rows, items: Sequence[Item]) -> list[str]:
    wanted = [("new_case", case.pk is None), ("new_step", bool(steps)), ("new_item", bool(items))]
    return [
        f"(SELECT id FROM {name})" if name == "new_case" else f"ARRAY(SELECT id FROM {name} ORDER BY id)"
        for name, is_there in wanted
        if is_there
    ]
