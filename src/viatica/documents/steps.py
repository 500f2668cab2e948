"""One step of any paper: the conditional UPDATE, and who may take it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Protocol

from django.db.models import F

from viatica.documents import errors
from viatica.offices.access.viewer import Viewer
from viatica.offices.company.models import Employee


class Paper(Protocol):
    """What every document's row has."""

    pk: Any
    number: Any
    owner: Any
    owner_id: Any
    state: Any
    version: Any

    def get_state_display(self) -> str: ...


def move(
    paper: Paper, from_states: Collection[str], expected_version: int | None, at: datetime, **changes: Any
) -> None:
    """Change the row, if it still is in one of `from_states` (and at `expected_version`); count its version up.

    Whoever comes second gets WrongState or ChangedMeanwhile, and nothing has changed.
    """
    rows = type(paper).objects.filter(pk=paper.pk, state__in=from_states)  # type: ignore[attr-defined]  # a model
    if expected_version is not None:
        rows = rows.filter(version=expected_version)
    if not rows.update(version=F("version") + 1, changed_at=at, **changes):
        now = type(paper).objects.get(pk=paper.pk)  # type: ignore[attr-defined]  # a model
        if now.state not in from_states:
            raise errors.WrongState(number=now.number, state=now.get_state_display())
        raise errors.ChangedMeanwhile(number=now.number, state=now.get_state_display(), version=now.version)
    for name, value in changes.items():
        setattr(paper, name, value)
    paper.version += 1


def own(paper: Paper, viewer: Viewer) -> None:
    """Raises NotTheOwner."""
    if paper.owner_id != viewer.employee_id:
        owner: Employee = paper.owner
        raise errors.NotTheOwner(number=paper.number, owner=owner.name)
