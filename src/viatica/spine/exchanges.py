"""Exchanges: what outside systems were asked and what they answered, redacted, each with the paper it was about.

While the relay delivers, what is noted is written with the attempts it belongs to and costs no commit of its own.
Everything else that asks an outside system (a check, a sign-in, a comparison, a page) does so inside `gathered`.
Outside of both nothing is kept. What has crossed the line but whose worker died before it could write is lost; the
attempt stays open and tells so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal

import psycopg
import structlog
from django.db import DatabaseError, InterfaceError, transaction
from django.db import connection as database

from viatica.kernel import clock
from viatica.kernel.errors import OutsideError, ViaticaError
from viatica.kernel.refs import Ref
from viatica.spine import capabilities, quotas, redaction, wire
from viatica.spine import correlation as correlations
from viatica.spine.exchange_search import Exchange, Page, Whole, of, one, search

if TYPE_CHECKING:
    from viatica.spine.models import Connection
    from viatica.spine.wire import Cursor

log = structlog.get_logger(__name__)

# Of one gathering the first ones are kept, then ever fewer; and failures, up to a number.
FIRST = 20
MOST_FAILED = 100

# An answer's headers that help a person or the vendor's support; the others are noise.
_TELLING = ("id", "retry-after", "ratelimit", "content-type", "location")

_COLUMNS = (
    "at", "connection_id", "capability", "method", "path", "status", "ms", "request", "answer", "error", "correlation",
    "ref_kind", "ref_key", "box", "item_id", "left_out",
)  # fmt: skip
# Not an INSERT: quoting long texts with many quotes in them would cost more than all the rest.
_WRITE = f"COPY spine_exchange ({', '.join(_COLUMNS)}) FROM STDIN"
_values = attrgetter(*_COLUMNS)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it goes out. `headers`: only what the caller set. `path` is without its query."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(slots=True)
class Noted:
    """One row to be."""

    at: datetime
    connection_id: int | None
    capability: str
    method: str
    path: str
    status: int | None
    ms: int
    request: str
    answer: str
    error: str
    correlation: str | None
    box: str | None
    item_id: int | None
    ref_kind: str | None = None
    ref_key: str | None = None
    left_out: int = 0


class Gathering:
    """What is noted inside its block, to be written by whoever opened it."""

    __slots__ = (
        "_failed", "_seen", "_token", "box", "capability", "connection_id", "counts", "item_id", "ref", "rows", "went",
    )  # fmt: skip

    def __init__(
        self,
        connection_id: int | None,
        capability: str = "",
        box: Literal["out", "in"] | None = None,
        item_id: int | None = None,
    ) -> None:
        self.connection_id, self.capability, self.box, self.item_id = connection_id, capability, box, item_id
        self.ref: Ref | None = None
        self.rows: list[Noted] = []
        self.counts: dict[tuple[int, str], int] = {}
        self.went: list[capabilities.Went] = []
        self._seen = self._failed = 0
        self._token: Token[Gathering | None] | None = None

    def __enter__(self) -> Gathering:
        self._token = _current.set(self)
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._token is not None
        _current.reset(self._token)

    def keeps(self, is_failure: bool) -> bool:
        """Whether the next one is kept; when not, the last one kept counts it."""
        self._seen += 1
        if is_failure and self._failed < MOST_FAILED:
            self._failed += 1
            return True
        if self._seen <= FIRST or self._seen & (self._seen - 1) == 0:
            return True
        self.rows[-1].left_out += 1
        return False

    def take(self, inner: Gathering) -> None:
        """What was gathered inside this one is written with it."""
        self.rows += inner.rows
        self.went += inner.went
        for key, number in inner.counts.items():
            self.counts[key] = self.counts.get(key, 0) + number

    @property
    def has_asked(self) -> bool:
        """Whether anything was asked for its own capability."""
        return any(row.capability == self.capability for row in self.rows)

    @property
    def holds_something(self) -> bool:
        return bool(self.rows or self.counts or self.went or self.ref)

    def name(self, ref: Ref) -> None:
        self.ref = ref
        for row in self.rows:
            if row.ref_key is None:
                row.ref_kind, row.ref_key = ref.kind, ref.key


_current: ContextVar[Gathering | None] = ContextVar("gathered_exchanges", default=None)


def note(
    asked: Asked,
    answered: Answered | str,
    *,
    at: datetime,
    ms: int,
    error: str = "",
    secrets: Iterable[str] = (),
    counts: Mapping[str, int] | None = None,
) -> None:
    """Keep one exchange, begun at `at`; instead of an answer, why none came. Nothing of it is kept unredacted.

    `error`: our code, or the product's own, when it went wrong. `counts`: what it used of which quotas.
    """
    gathering = _current.get()
    if gathering is None:
        return
    if counts and gathering.connection_id is not None:
        for name, number in counts.items():
            key = (gathering.connection_id, name)
            gathering.counts[key] = gathering.counts.get(key, 0) + number
    if not gathering.keeps(bool(error)):
        return
    known = tuple(secrets)
    gathering.rows.append(
        Noted(
            at=at,
            connection_id=gathering.connection_id,
            capability=gathering.capability[:20],
            method=asked.method[:10],
            path=wire.storable(redaction.redact(asked.path, known, is_asked=True))[:300],
            status=answered.status if isinstance(answered, Answered) else None,
            ms=ms,
            request=_request(asked, known),
            answer=_answer(answered, known),
            error=wire.storable(error)[:80],
            correlation=correlations.current(),
            box=gathering.box,
            item_id=gathering.item_id,
        )
    )


def about(ref: Ref) -> None:
    """What was noted here and has no paper yet is about `ref`; in a delivery or translation, what follows too.

    For whoever learns it: the handler of a message, who applies an event, a comparison that goes from paper to paper.
    """
    gathering = _current.get()
    if gathering is not None:
        gathering.name(ref)


@contextmanager
def gathered(connection: Connection, capability: str = "") -> Iterator[None]:
    """Write at the end what is noted inside, and whether `capability` was there; also when the block raises.

    One commit of its own, whatever becomes of the caller's transaction. Of very many exchanges it keeps failures and a
    sample, and counts the others. Inside a delivery it is written with the delivery. Threads of the block's own are
    not heard. Never raises by itself: a record that cannot be written is logged and lost.
    """
    outer = _current.get()
    box, item_id = (outer.box, outer.item_id) if outer else (None, None)
    with Gathering(connection.pk, capability, box, item_id) as gathering:
        try:
            yield
        except OutsideError as error:
            gathering.went += _went(connection.pk, capability, capabilities.words_of(error))
            raise
        else:
            gathering.went += _went(connection.pk, capability, "") if gathering.rows else []
        finally:
            if outer is not None:
                outer.take(gathering)
            else:
                _write_now(gathering)


def went(connection: Connection, capability: str, error: ViaticaError | None = None) -> None:
    """Keep how a capability went of which nothing is asked: a callback that came, or was forged."""
    gathering = Gathering(connection.pk, capability)
    gathering.went += _went(connection.pk, capability, capabilities.words_of(error) if error else "")
    _write_now(gathering)


def _went(connection_id: int, capability: str, error: str) -> list[capabilities.Went]:
    return [capabilities.Went(connection_id, capability, clock.now(), error)] if capability else []


def write(cursor: Cursor, gatherings: Sequence[Gathering], at: datetime) -> list[quotas.Used]:
    """Their exchanges and counts, in the open transaction, by at most two statements. Gives what `quotas.report` wants."""
    rows = [row for gathering in gatherings for row in gathering.rows]
    if rows:
        with cursor.copy(_WRITE) as copy:
            for row in rows:
                copy.write_row(_values(row))
    counts: Counter[tuple[int, str]] = Counter()
    for gathering in gatherings:
        counts.update(gathering.counts)
    return quotas.write(cursor, counts, at)


def _write_now(gathering: Gathering) -> None:
    capabilities.hear(gathering.went)
    due = capabilities.due(at_once=True)
    if not (gathering.rows or gathering.counts or due):
        return
    at = clock.now()
    try:
        with _own_transaction() as cursor:
            used = write(cursor, [gathering], at)
            capabilities.write(cursor, due)
        capabilities.written(due)
        quotas.report(used, at)
    except (DatabaseError, InterfaceError, psycopg.Error) as error:
        log.warning(
            "exchanges.lost", count=len(gathering.rows), error=f"{type(error).__name__}: {error}".strip()
        )


@contextmanager
def _own_transaction() -> Iterator[Cursor]:
    """The caller's may be rolled back; what was said to the outside stays said.

    What the caller has locked is not waited for long: it would wait for us.
    """
    if database.in_atomic_block:
        with wire.connect("viatica exchanges") as line, line.transaction(), line.cursor() as own:
            own.execute("SET LOCAL lock_timeout = '2s'")
            yield own
    else:
        with transaction.atomic(), database.cursor() as cursor:
            yield cursor


def _request(asked: Asked, secrets: tuple[str, ...]) -> str:
    """Like a message of HTTP: the query, the headers, an empty line, the body."""
    query = redaction.pairs(asked.query, secrets, is_asked=True)
    lines = ["?" + "&".join(f"{name}={value}" for name, value in query.items())] if query else []
    lines += _lines(redaction.pairs(asked.headers, secrets, is_asked=True))
    text = redaction.body(asked.body, asked.media_type, secrets, is_asked=True)
    return _message(lines, text)


def _answer(answered: Answered | str, secrets: tuple[str, ...]) -> str:
    if isinstance(answered, str):
        return _message([], redaction.redact(answered, secrets))
    told = {
        name.lower(): value
        for name, value in sorted(answered.headers.items(), key=lambda pair: pair[0].lower())
        if any(word in name.lower() for word in _TELLING)
    }
    text = redaction.body(answered.body, told.get("content-type", ""), secrets)
    return _message(_lines(redaction.pairs(told, secrets)), text)


def _message(lines: list[str], text: str) -> str:
    return wire.storable("\n".join([*lines, "", text] if lines else [text]))[: 2 * redaction.KEPT]


def _lines(headers: Mapping[str, str]) -> list[str]:
    return [f"{name}: {' '.join(value.split())}"[:300] for name, value in headers.items()]


__all__ = [
    "Answered", "Asked", "Exchange", "Gathering", "Page", "Whole", "about", "gathered", "note", "of", "one", "search",
    "went", "write",
]  # fmt: skip
