"""What one person was told. Nobody reads another's notices, so the viewer's own employee id is the whole scope."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from viatica.kernel.refs import Ref
from viatica.offices.access.viewer import Viewer
from viatica.offices.notices import words
from viatica.offices.notices.models import Notice
from viatica.offices.notices.ports import Status


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """One notice in the active language."""

    id: int
    at: datetime
    text: str
    status: Status
    ref: Ref
    url: str
    is_read: bool


def latest(viewer: Viewer, *, before_id: int | None = None, limit: int = 50) -> list[NoticeRow]:
    """Newest first; `before_id` continues after the last row of the page before. One statement."""
    rows = Notice.objects.filter(employee_id=viewer.employee_id)
    if before_id is not None:
        rows = rows.filter(pk__lt=before_id)
    return [_row(notice) for notice in rows.order_by("-id")[:limit]]


def unread_count(viewer: Viewer) -> int:
    return Notice.objects.filter(employee_id=viewer.employee_id, read_at=None).count()


def _row(notice: Notice) -> NoticeRow:
    return NoticeRow(
        id=notice.pk,
        at=notice.at,
        text=words.said(notice.subject, notice.params),
        status=words.status(notice.kind),
        ref=notice.ref,
        url=notice.url,
        is_read=notice.read_at is not None,
    )
