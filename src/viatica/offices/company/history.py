"""Every change of a row is kept, by triggers that run once a statement: once a row would cost bulk changes dear."""

from __future__ import annotations

from typing import Any, TypeVar

import pghistory
import pghistory.trigger
import pgtrigger
from django.db import models

M = TypeVar("M", bound=type[models.Model])


class _Changed(pghistory.trigger.Event):
    """Keeps the rows that differ from before.

    Two sets are compared, not joined: PostgreSQL plans a trigger's join for its first caller's one row, and would
    run that plan for a hundred thousand.
    """

    def get_func_template_kwargs(self, model: models.Model) -> dict[str, Any]:
        known: dict[str, Any] = super().get_func_template_kwargs(model)
        changed = "(SELECT * FROM new_values EXCEPT SELECT * FROM old_values) AS new_values"
        return known | {"cond_new_values": changed}


class _UpdateEvent(pghistory.UpdateEvent):
    def add_event_trigger(self, event_model: Any) -> None:
        trigger = _Changed(  # type: ignore[no-untyped-call]
            event_model=event_model,
            label=self.label,
            name=self.trigger_name,
            row=self.row,
            operation=self.operation,
            level=pghistory.Statement,
        )
        pgtrigger.register(trigger)(event_model.pgh_tracked_model)


def keep_history(model: M) -> M:
    """The model's history: a row of `<Model>Event` for each row put in or changed."""
    kept: M = pghistory.track(pghistory.InsertEvent(level=pghistory.Statement), _UpdateEvent())(model)
    return kept
