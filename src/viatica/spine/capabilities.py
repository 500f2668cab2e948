"""When each connection last did, and last failed to do, each thing it is used for.

Coarse, so that it costs nothing: each process keeps what it heard in memory and writes a capability at most once a
minute; the relay does so with what it settles. A process that dies takes at most that minute with it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import translation

from viatica.kernel.errors import ViaticaError
from viatica.spine.wire import Cursor, storable

CALLBACKS = "callbacks"
RECONCILE = "reconcile"
EVERY_SECONDS = 60.0
LONGEST_ERROR = 500

# In one order, so that two workers cannot wait for each other.
_WRITE = """
INSERT INTO spine_capability AS c (connection_id, name, succeeded_at, failed_at, error)
SELECT * FROM unnest(
    %(connections)s::bigint[], %(names)s::text[], %(succeeded)s::timestamptz[], %(failed)s::timestamptz[],
    %(errors)s::text[]
) AS n (connection_id, name, succeeded_at, failed_at, error) ORDER BY connection_id, name
ON CONFLICT (connection_id, name) DO UPDATE SET
    succeeded_at = GREATEST(c.succeeded_at, EXCLUDED.succeeded_at),
    error = CASE WHEN EXCLUDED.failed_at > COALESCE(c.failed_at, '-infinity') THEN EXCLUDED.error ELSE c.error END,
    failed_at = GREATEST(c.failed_at, EXCLUDED.failed_at)
"""


@dataclass(frozen=True, slots=True)
class Went:
    """How one use of a capability went; `error` is empty when it went well."""

    connection_id: int
    name: str
    at: datetime
    error: str


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of one capability."""

    connection_id: int
    name: str
    succeeded_at: datetime | None = None
    failed_at: datetime | None = None
    error: str = ""

    @property
    def is_failing(self) -> bool:
        return self.failed_at is not None and (
            self.succeeded_at is None or self.failed_at > self.succeeded_at
        )

    def after(self, went: Went) -> Row:
        if not went.error:
            at = max(went.at, self.succeeded_at or went.at)
            return Row(self.connection_id, self.name, at, self.failed_at, self.error)
        if self.failed_at is not None and went.at < self.failed_at:
            return self
        return Row(self.connection_id, self.name, self.succeeded_at, went.at, went.error[:LONGEST_ERROR])


@dataclass(slots=True)
class _Kept:
    row: Row
    written: Row | None = None
    written_at: float = 0.0


_kept: dict[tuple[int, str], _Kept] = {}
_lock = threading.Lock()


def hear(went: Iterable[Went]) -> None:
    """Keep them in mind; `due` says when to write them."""
    with _lock:
        for one in went:
            key = (one.connection_id, one.name[:20])
            kept = _kept.setdefault(key, _Kept(Row(*key)))
            kept.row = kept.row.after(one)


def due(*, at_once: bool = False, clock: Callable[[], float] = time.monotonic) -> list[Row]:
    """What should be written now. `at_once`: also what turned from good to bad, or back, within its minute."""
    if not _kept:
        return []
    now = clock()
    with _lock:
        return [
            kept.row
            for kept in _kept.values()
            if kept.row is not kept.written
            and (
                kept.written is None
                or now - kept.written_at >= EVERY_SECONDS
                or (at_once and kept.row.is_failing != kept.written.is_failing)
            )
        ]


def write(cursor: Cursor, rows: Sequence[Row]) -> None:
    """In the open transaction, by one statement. Call `written` after its commit."""
    if rows:
        cursor.execute(
            _WRITE,
            {
                "connections": [row.connection_id for row in rows],
                "names": [row.name for row in rows],
                "succeeded": [row.succeeded_at for row in rows],
                "failed": [row.failed_at for row in rows],
                "errors": [storable(row.error) for row in rows],
            },
        )


def written(rows: Iterable[Row], clock: Callable[[], float] = time.monotonic) -> None:
    now = clock()
    with _lock:
        for row in rows:
            kept = _kept[row.connection_id, row.name]
            kept.written, kept.written_at = row, now


def words_of(error: ViaticaError) -> str:
    """For the operators, whoever they are."""
    with translation.override(settings.LANGUAGE_CODE):
        return error.said(translation.gettext)
