"""What was asked and answered, looked up: of a connection, and of one paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from viatica.front.desks.connections.health import MACHINERY, connection_of
from viatica.front.desks.connections.products import WORDS
from viatica.front.desks.search import PAPERS, paper_at
from viatica.front.viewer import SignedIn, signed_in
from viatica.kernel.refs import Ref
from viatica.offices.access.queries import administered
from viatica.spine import exchanges
from viatica.spine.exchanges import Exchange

LONGEST = 200
CAPABILITIES = {**WORDS, **MACHINERY}


@dataclass(frozen=True, slots=True)
class Shown:
    """One exchange as a row; `number` of the paper, where it has one of ours."""

    exchange: Exchange
    slug: str
    number: str

    @property
    def use(self) -> Any:
        return CAPABILITIES.get(self.exchange.capability, self.exchange.capability)

    @property
    def about(self) -> str:
        """What it was for, and which paper."""
        return " · ".join(str(one) for one in (self.use, self.number) if one)

    @property
    def is_failed(self) -> bool:
        return bool(self.exchange.error) or (
            self.exchange.direction == "out" and self.exchange.status is None
        )


def rows_of(found: list[Exchange], slugs: dict[int, str]) -> list[Shown]:
    """With the numbers of their papers: one statement for each kind of paper."""
    keys: dict[str, set[int]] = {}
    for one in found:
        if one.ref is not None and one.ref.kind in PAPERS and one.ref.key.isdecimal():
            keys.setdefault(one.ref.kind, set()).add(int(one.ref.key))
    numbers = {
        f"{kind}:{pk}": number
        for kind, ids in keys.items()
        for pk, number in PAPERS[kind][1].filter(pk__in=ids).values_list("pk", "number")
    }
    return [Shown(one, slugs.get(one.connection_id or 0, ""), numbers.get(str(one.ref), "")) for one in found]


def latest(connection: Any, most: int) -> list[Shown]:
    found = exchanges.search(connection).rows[:most]
    return rows_of(found, {connection.pk: connection.slug})


@signed_in
@require_GET
def search(request: SignedIn, slug: str) -> HttpResponse:
    """By words in what was said, by paper, or only what failed."""
    connection = connection_of(request.viewer, slug)
    words, paper = (request.GET.get(name, "").strip()[:LONGEST] for name in ("q", "paper"))
    ref = _ref_of(paper)
    page = (
        exchanges.search(
            connection,
            text=words,
            ref=ref,
            only_failed="failed" in request.GET,
            page=request.GET.get("page", ""),
        )
        if ref is not None or not paper
        else exchanges.Page([], None, None)
    )
    query = request.GET.copy()
    query.pop("page", None)
    context = {
        "here": "connections",
        "connection": connection,
        "rows": rows_of(page.rows, {connection.pk: connection.slug}),
        "next": page.next,
        "reached": page.reached,
        "query": query.urlencode(),
        "words": words,
        "paper": paper,
        "only_failed": "failed" in request.GET,
        "is_asked": bool(words or paper or "failed" in request.GET),
    }
    return render(request, "front/connection_exchanges.html", context)


@signed_in
@require_GET
def one(request: SignedIn, slug: str, key: str) -> HttpResponse:
    connection = connection_of(request.viewer, slug)
    whole = exchanges.one(connection, key)
    (row,) = rows_of([whole.exchange], {connection.pk: connection.slug})
    context = {"here": "connections", "connection": connection, "whole": whole, "row": row}
    return render(request, "front/connection_exchange.html", context)


@signed_in
@require_GET
def of_paper(request: SignedIn, kind: str, key: str) -> HttpResponse:
    """For who administers a connection and may see the paper."""
    mine = dict(administered(request.viewer).values_list("pk", "slug"))
    page, paper = paper_at(request.viewer, kind, key)
    found = exchanges.of(paper.ref, connection_ids=mine)
    context = {"here": "connections", "paper": paper, "page": f"front:{page}", "rows": rows_of(found, mine)}
    return render(request, "front/connection_paper.html", context)


def _ref_of(number: str) -> Ref | None:
    """The paper of a number people read."""
    if not number:
        return None
    for kind, (_page, rows, _get) in PAPERS.items():
        pk = rows.filter(number=number.upper()).values_list("pk", flat=True).first()
        if pk is not None:
            return Ref(kind, str(pk))
    return None
