"""`/api/v1/notices`: what you were told. Nobody reads another's."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from viatica.offices.access.doors import viewer, write_once
from viatica.offices.access.shapes import Id, Listing
from viatica.offices.access.viewer import Viewer
from viatica.offices.notices import queries, services

router = Router(tags=["notices"])


class NoticeOut(Schema):
    id: int
    at: datetime
    text: str = Field(description="In the reader's language.")
    state: str = Field(description="The state it tells of, in the reader's language.")
    tone: str
    about: str = Field(description="The paper, as `kind:key`.")
    url: str
    is_read: bool


class NoticePage(Schema):
    items: list[NoticeOut]
    next: int | None = Field(description="Pass it as `before` to get the next page.")
    unread: int


class ReadIn(Schema):
    notices: Annotated[list[Id], Field(min_length=1, max_length=1000)] | None = Field(
        None, description="Which ones; null: all of them."
    )


class ReadOut(Schema):
    read: int = Field(description="How many were unread until now; those of others do not count.")


@router.get("", response=NoticePage, summary="What you were told, newest first")
def list_notices(request: HttpRequest, listing: Query[Listing]) -> NoticePage:
    asker = viewer(request)
    rows = queries.latest(asker, before_id=listing.before, limit=listing.size + 1)
    shown = rows[: listing.size]
    return NoticePage(
        items=[_out(row) for row in shown],
        next=shown[-1].id if len(rows) > listing.size else None,
        unread=queries.unread_count(asker),
    )


@router.post("/read", response=ReadOut, summary="Mark notices of yours as read")
def mark_read(request: HttpRequest, body: ReadIn) -> Any:
    def run(asker: Viewer, at: datetime) -> ReadOut:
        return ReadOut(read=services.mark_read(employee_id=asker.employee_id, notice_ids=body.notices, at=at))

    return write_once(request, run)


def _out(row: queries.NoticeRow) -> NoticeOut:
    return NoticeOut(
        id=row.id,
        at=row.at,
        text=row.text,
        state=row.status.word,
        tone=row.status.tone.value,
        about=str(row.ref),
        url=row.url,
        is_read=row.is_read,
    )
