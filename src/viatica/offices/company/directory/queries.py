"""What pages and the API show of the directory: runs, their differences, who cannot be told apart."""

from __future__ import annotations

from viatica.kernel.errors import NotFound
from viatica.offices.company.directory.models import (
    DirectoryConflict,
    DirectoryDifference,
    DirectoryRun,
    Kind,
    Scope,
    Subject,
)
from viatica.spine.models import Connection


def runs(
    connection: Connection, *, scope: Scope | None = None, before: int | None = None, most: int
) -> list[DirectoryRun]:
    """Newest first. One statement."""
    rows = DirectoryRun.objects.filter(connection=connection)
    if scope is not None:
        rows = rows.filter(scope=scope)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return list(rows.order_by("-pk")[:most])


def run_of(connection: Connection, run_id: int) -> DirectoryRun:
    """Raises NotFound, of another connection's, too."""
    found = DirectoryRun.objects.filter(connection=connection, pk=run_id).first()
    if found is None:
        raise NotFound()
    return found


def differences(
    run: DirectoryRun, *, subject: Subject, kind: Kind | None = None, after: int = 0, most: int
) -> list[DirectoryDifference]:
    """A page of the run's lines; the next begins `after` the last one's id. One statement."""
    rows = DirectoryDifference.objects.filter(run=run, subject=subject, pk__gt=after)
    if kind is not None:
        rows = rows.filter(kind=kind)
    return list(rows.order_by("pk")[:most])


def conflicts(connection: Connection, *, before: int | None = None, most: int) -> list[DirectoryConflict]:
    """Open ones, newest first. One statement."""
    rows = DirectoryConflict.objects.filter(connection=connection, closed_at=None)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return list(rows.order_by("-pk")[:most])
