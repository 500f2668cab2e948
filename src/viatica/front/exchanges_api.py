"""`/api/v1/connections/{slug}/exchanges`: what outside systems were asked and answered, and what they told us."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field, StringConstraints

from viatica.front.desks.connections.health import connection_of
from viatica.front.desks.search import paper_at
from viatica.kernel.refs import Ref
from viatica.offices.access.doors import viewer
from viatica.offices.access.queries import administered
from viatica.offices.access.shapes import Slug
from viatica.spine import exchanges
from viatica.spine.exchanges import Exchange

router = Router(tags=["connections"])

Kind = Annotated[str, StringConstraints(max_length=40, pattern=r"^[a-z_]+$")]
Key = Annotated[str, StringConstraints(max_length=18, pattern=r"^[0-9]+$")]


class ExchangeOut(Schema):
    key: str = Field(description="out-12: we asked; in-7: an event came.")
    connection: str
    direction: str
    at: datetime
    capability: str = Field(description="What it was for: approval, messages, directory …; may be empty.")
    method: str
    path: str = Field(description="Of an event: its id.")
    status: int | None = Field(description="null: no answer came.")
    ms: int | None
    error: str = Field(
        description="Our code or the product's own; of an event why it stopped. Empty: all is well."
    )
    paper: str | None = Field(description="kind:key, when it is known which paper it was about.")
    correlation: str | None
    box: str | None
    message: int | None = Field(description="The message (box out) or event (box in) it was made for.")
    left_out: int = Field(description="Exchanges after it that were not kept: of very many only a sample is.")


class ExchangePageOut(Schema):
    items: list[ExchangeOut]
    next: str | None = Field(description="Ask with `page` for what came before; null: that is all.")
    reached: datetime | None = Field(
        description="How far this page looked; a search for words may find nothing and go on."
    )


class WholeOut(ExchangeOut):
    request: str = Field(description="Redacted, and cut; of an event what came.")
    answer: str


class Wanted(Schema):
    text: str = Field("", max_length=200, description="As it is written, in paths, requests and answers.")
    paper: str = Field("", max_length=110, description="kind:key, as in expense_report:42.")
    only_failed: bool = False
    since: datetime | None = None
    page: str = Field("", max_length=80)


@router.get(
    "/{slug}/exchanges", response=ExchangePageOut, summary="What was asked and answered, latest first (50 at most)"
)  # fmt: skip
def list_exchanges(request: HttpRequest, slug: Slug, wanted: Query[Wanted]) -> ExchangePageOut:
    connection = connection_of(viewer(request), slug)
    found = exchanges.search(
        connection,
        text=wanted.text,
        ref=Ref.parse(wanted.paper) if wanted.paper else None,
        only_failed=wanted.only_failed,
        since=wanted.since,
        page=wanted.page,
    )
    slugs = {connection.pk: connection.slug}
    return ExchangePageOut(
        items=[ExchangeOut(**_row(one, slugs)) for one in found.rows], next=found.next, reached=found.reached
    )


@router.get("/{slug}/exchanges/{key}", response=WholeOut, summary="One of them in full, redacted")
def get_exchange(
    request: HttpRequest, slug: Slug, key: Annotated[str, StringConstraints(max_length=24)]
) -> WholeOut:
    connection = connection_of(viewer(request), slug)
    whole = exchanges.one(connection, key)
    row = _row(whole.exchange, {connection.pk: connection.slug})
    return WholeOut(**row, request=whole.request, answer=whole.answer)


@router.get(
    "/exchanges/{kind}/{key}",
    response=list[ExchangeOut],
    summary="Those about one paper, latest first (500 at most); for who administers a connection and sees the paper",
)
def exchanges_of_paper(request: HttpRequest, kind: Kind, key: Key) -> list[ExchangeOut]:
    asker = viewer(request)
    mine = dict(administered(asker).values_list("pk", "slug"))
    _page, paper = paper_at(asker, kind, key)
    return [ExchangeOut(**_row(one, mine)) for one in exchanges.of(paper.ref, connection_ids=mine)]


def _row(one: Exchange, slugs: dict[int, str]) -> dict[str, Any]:
    return {
        "key": one.key, "connection": slugs.get(one.connection_id or 0, ""), "direction": one.direction, "at": one.at,
        "capability": one.capability, "method": one.method, "path": one.path, "status": one.status, "ms": one.ms,
        "error": one.error, "paper": str(one.ref) if one.ref else None, "correlation": one.correlation, "box": one.box,
        "message": one.item_id, "left_out": one.left_out,
    }  # fmt: skip
