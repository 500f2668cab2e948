"""Looking exchanges up: what went out, from their own table, and what came in, from the inbox, in one line of time.

Latest first, page by page from a place in time, so that no page costs more than another. Words are looked for in what
they say, a bounded stretch a page: a page may be short, even empty, and still have a next one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import connection as database

from viatica.kernel.errors import BadInput, NotFound
from viatica.kernel.refs import Ref
from viatica.kernel.words import N_
from viatica.spine import redaction

if TYPE_CHECKING:
    from viatica.spine.models import Connection

PAGE = 50
STRETCH = 5_000  # rows a search for words reads for one page
MOST_OF_A_PAPER = 500

_OUT = """
SELECT 'out' AS direction, id, at, connection_id, capability, method, path, status, ms, error, ref_kind, ref_key,
       correlation, box, item_id, left_out{more}
FROM spine_exchange WHERE {conditions} ORDER BY at DESC, id DESC LIMIT %(limit)s
"""
_IN = """
SELECT 'in' AS direction, id, at, connection_id, 'callbacks' AS capability, '' AS method, event_id AS path,
       NULL::smallint AS status, NULL::int AS ms,
       CASE WHEN state = 'parked' THEN COALESCE(NULLIF(reason, ''), state) ELSE '' END AS error,
       split_part(ref, ':', 1) AS ref_kind, substr(ref, strpos(ref, ':') + 1) AS ref_key,
       correlation, 'in' AS box, id AS item_id, 0 AS left_out{more}
FROM spine_inboxevent WHERE {conditions} ORDER BY at DESC, id DESC LIMIT %(limit)s
"""
# The stretch first, by the index alone; only then is what it says looked at. Its last row tells that there is more.
_WORDS = """
WITH stretch AS MATERIALIZED ({rows})
(
    SELECT true, * FROM stretch
    WHERE strpos(path, %(text)s) > 0 OR strpos(request, %(text)s) > 0 OR strpos(answer, %(text)s) > 0
    ORDER BY at DESC, id DESC LIMIT %(page)s
) UNION ALL (SELECT false, * FROM stretch ORDER BY at DESC, id DESC OFFSET %(limit)s - 1 LIMIT 1)
"""


class BadPlace(BadInput):
    code = "exchanges.bad_page"
    message = N_("“{page}” is no page of exchanges.")
    hint = N_("Use the `next` of the page before, or leave it out for the latest.")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange, without what it said.

    `direction` out: we asked (`method`, `path`); in: an event came (`path` is its id), and `error` says why it stopped.
    `box` and `item_id`: the message (out) or event (in) it belongs to. `left_out`: how many after it were not kept.
    `ref_kind` and `ref_key` name its paper, when it is known.
    """

    direction: str
    id: int
    at: datetime
    connection_id: int | None
    capability: str
    method: str
    path: str
    status: int | None
    ms: int | None
    error: str
    ref_kind: str | None
    ref_key: str | None
    correlation: str | None
    box: str | None
    item_id: int | None
    left_out: int

    @property
    def ref(self) -> Ref | None:
        return Ref(self.ref_kind, self.ref_key) if self.ref_kind and self.ref_key else None

    @property
    def key(self) -> str:
        """Names it to `one`: out-12, in-7."""
        return f"{self.direction}-{self.id}"


@dataclass(frozen=True, slots=True)
class Whole:
    """One exchange with what it said, redacted. Of an event `request` is what came and `answer` is empty."""

    exchange: Exchange
    request: str
    answer: str


@dataclass(frozen=True, slots=True)
class Page:
    """`next`: where to go on, None at the end. `reached`: nothing later than that is left to look at."""

    rows: list[Exchange]
    next: str | None
    reached: datetime | None


@dataclass(frozen=True, slots=True)
class _Place:
    """A place between two exchanges: after (at, direction, id)."""

    at: datetime
    direction: str
    id: int

    @classmethod
    def parse(cls, text: str) -> _Place:
        at, _, rest = text.partition("~")
        direction, _, key = rest.partition("-")
        try:
            place = cls(datetime.fromisoformat(at), direction, int(key))
        except ValueError as error:
            raise BadPlace(page=text[:80]) from error
        if place.at.tzinfo is None or direction not in ("in", "out") or not 0 <= place.id < 2**63:
            raise BadPlace(page=text[:80])
        return place

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.direction}-{self.id}"


def search(
    connection: Connection,
    *,
    text: str = "",
    ref: Ref | None = None,
    only_failed: bool = False,
    since: datetime | None = None,
    page: str = "",
) -> Page:
    """Exchanges of one connection, latest first. `text` is looked for as it is written, in paths, requests and answers.

    `page` is the `next` of the page before. Two statements. Raises BadPlace.
    """
    wanted = _Wanted([connection.pk], ref, only_failed, since, _Place.parse(page) if page else None)
    if text:
        return _search_words(wanted, text)
    rows = _merged([*_rows(_OUT, wanted, PAGE + 1), *_rows(_IN, wanted, PAGE + 1)])
    shown = rows[:PAGE]
    more = str(_place_of(shown[-1])) if len(rows) > PAGE else None
    return Page(shown, more, shown[-1].at if more else None)


def of(ref: Ref, *, connection_ids: Collection[int] | None = None) -> list[Exchange]:
    """The latest exchanges about one paper, latest first, of all connections or those named. Two statements."""
    wanted = _Wanted(None if connection_ids is None else list(connection_ids), ref)
    rows = [*_rows(_OUT, wanted, MOST_OF_A_PAPER), *_rows(_IN, wanted, MOST_OF_A_PAPER)]
    return _merged(rows)[:MOST_OF_A_PAPER]


def one(connection: Connection, key: str) -> Whole:
    """One exchange in full, by its `key`. Raises NotFound, also for another connection's."""
    direction, _, number = key.partition("-")
    if direction not in ("in", "out") or not (number.isdecimal() and int(number) < 2**63):
        raise NotFound()
    sql, more = (_OUT, ", request, answer") if direction == "out" else (_IN, ", body::text, ''")
    conditions = "id = %(id)s AND connection_id = %(connection)s"
    with database.cursor() as cursor:
        cursor.execute(
            sql.format(more=more, conditions=conditions),
            {"id": int(number), "connection": connection.pk, "limit": 1},
        )
        row = cursor.fetchone()
    if row is None:
        raise NotFound()
    *head, request, answer = row
    return Whole(Exchange(*head), request if direction == "out" else _event(request), answer)


def _event(body: str) -> str:
    """What came, readable and redacted: the inbox keeps it as it came."""
    shown = redaction.redact(json.loads(body))
    text = json.dumps(shown, ensure_ascii=False, indent=2)
    return text if len(text) <= 2 * redaction.KEPT else f"{text[: 2 * redaction.KEPT]}{redaction.HIDDEN}"


@dataclass(frozen=True, slots=True)
class _Wanted:
    connection_ids: list[int] | None
    ref: Ref | None = None
    only_failed: bool = False
    since: datetime | None = None
    after: _Place | None = None

    def conditions(self, direction: str) -> str:
        """The branch's own; every value is in `values`."""
        found = []
        if self.connection_ids is not None:
            single = len(self.connection_ids) == 1
            found.append(
                "connection_id = %(connection)s" if single else "connection_id = ANY(%(connections)s)"
            )
        if self.ref is not None:
            found.append(
                "ref_key = %(ref_key)s AND ref_kind = %(ref_kind)s" if direction == "out" else "ref = %(ref)s"
            )
        if self.only_failed:
            found.append("error <> ''" if direction == "out" else "state = 'parked'")
        if self.since is not None:
            found.append("at >= %(since)s")
        if self.after is not None:
            if direction == self.after.direction:
                found.append("(at, id) < (%(after_at)s, %(after_id)s)")
            else:
                found.append(f"at {'<=' if direction == 'in' else '<'} %(after_at)s")
        return " AND ".join(found) or "true"

    def values(self) -> dict[str, Any]:
        return {
            "connection": self.connection_ids[0] if self.connection_ids else None,
            "connections": self.connection_ids,
            "ref": str(self.ref),
            "ref_kind": self.ref.kind if self.ref else None,
            "ref_key": self.ref.key if self.ref else None,
            "since": self.since,
            "after_at": self.after.at if self.after else None,
            "after_id": self.after.id if self.after else None,
        }


def _rows(sql: str, wanted: _Wanted, limit: int) -> list[Exchange]:
    with database.cursor() as cursor:
        cursor.execute(
            sql.format(more="", conditions=wanted.conditions(_direction(sql))),
            wanted.values() | {"limit": limit},
        )
        return [Exchange(*row) for row in cursor.fetchall()]


def _search_words(wanted: _Wanted, text: str) -> Page:
    found: list[Exchange] = []
    ends: list[_Place] = []
    for sql, more in ((_OUT, ", request, answer"), (_IN, ", body::text AS request, '' AS answer")):
        rows, end = _stretch(
            sql.format(more=more, conditions=wanted.conditions(_direction(sql))), wanted, text
        )
        found += rows
        ends += [end] if end else []
    # Where one stretch ended, nothing is known beyond: what the other one found there is for the next page.
    end = max(ends, key=_rank, default=None)
    known = [row for row in _merged(found) if end is None or _rank(row) >= _rank(end)]
    if len(known) > PAGE:
        end = _place_of(known[PAGE - 1])
    return Page(known[:PAGE], str(end) if end else None, end.at if end else None)


def _stretch(rows: str, wanted: _Wanted, text: str) -> tuple[list[Exchange], _Place | None]:
    """What matches in the next stretch, and where it ended; None: everything was looked at."""
    values = wanted.values() | {"text": text, "limit": STRETCH, "page": PAGE + 1}
    with database.cursor() as cursor:
        cursor.execute(_WORDS.format(rows=rows), values)
        marked = [(row[0], Exchange(*row[1:-2])) for row in cursor.fetchall()]
    last = next((exchange for matches, exchange in marked if not matches), None)
    return [exchange for matches, exchange in marked if matches], _place_of(last) if last else None


def _direction(sql: str) -> str:
    return "out" if sql is _OUT else "in"


def _place_of(row: Exchange) -> _Place:
    return _Place(row.at, row.direction, row.id)


def _rank(row: Exchange | _Place) -> tuple[datetime, bool, int]:
    """At one moment what went out stands before what came in."""
    return row.at, row.direction == "out", row.id


def _merged(rows: Iterable[Exchange]) -> list[Exchange]:
    return sorted(rows, key=_rank, reverse=True)
