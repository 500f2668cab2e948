"""Who hears that somebody left: rooms register here in their `apps.py` and are called inside our transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

Left = Callable[[Sequence[int], datetime], None]

_left: list[Left] = []


def on_left(handler: Left) -> None:
    """`handler` hears the ids of employees who are not active any more, all of one run at once."""
    if handler not in _left:
        _left.append(handler)


def left(employee_ids: Sequence[int], at: datetime) -> None:
    if employee_ids:
        for handler in _left:
            handler(employee_ids, at)
