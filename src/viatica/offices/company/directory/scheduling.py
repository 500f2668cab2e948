"""Asking for a run in the open transaction; a worker does it (jobs.py). Tasks are named, since they call back into here."""

from __future__ import annotations

from django.db import transaction
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from viatica.offices.company.ports import DirectoryChange

SYNC = "directory.sync"
CHANGE = "directory.change"


def sync_soon(slug: str, *, by: str) -> bool:
    """A full run; False when one is waiting already."""
    return _defer_sync(slug, by, queueing_lock=f"{SYNC}:{slug}")


def sync_later(slug: str, *, by: str, seconds: int) -> bool:
    """A full run in so many seconds. One asked for now does not wait for it."""
    return _defer_sync(slug, by, queueing_lock=f"{SYNC}:{slug}:later", seconds=seconds)


def change_soon(slug: str, change: DirectoryChange) -> None:
    """Read again only what `change` names."""
    app.configure_task(CHANGE).defer(
        slug=slug, userids=list(change.userids), department_ids=list(change.department_ids)
    )


def _defer_sync(slug: str, by: str, *, queueing_lock: str, seconds: int = 0) -> bool:
    task = app.configure_task(SYNC, queueing_lock=queueing_lock, schedule_in={"seconds": seconds})
    try:
        with transaction.atomic():
            task.defer(slug=slug, by=by)
    except AlreadyEnqueued:
        return False
    return True
