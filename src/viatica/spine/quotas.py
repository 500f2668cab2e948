"""Quotas: what a product lets us use in a day or a month, and how much of it is gone.

A connector counts what it uses (`exchanges.note(counts=…)`) under a name that ends in `_a_day` or `_a_month`. Its limit
is the customer's, `settings["quotas"]` of the connection, or what the product usually grants. Days and months are those
of the configured zone. At 80 % an issue is opened; at 100 % messages that may wait do, until the quota starts anew.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.translation import gettext, override

from viatica.kernel.words import N_
from viatica.spine import connections, issues
from viatica.spine.wire import Cursor

if TYPE_CHECKING:
    from viatica.spine.models import Connection

LOW = 0.8
# More can be bought at any hour: what waits asks again this often.
LONGEST_WAIT = timedelta(hours=6)

LOW_MESSAGE = N_("{connection} has used {used} of {limit}: {what}. The count starts anew on {resets_on}.")
USED_UP_MESSAGE = N_(
    "{connection} has used up {limit}: {what}. Notices wait until {resets_on} or until more is bought; approvals still go."
)

_COUNT = """
INSERT INTO spine_quotause AS q (connection_id, name, since, used)
SELECT * FROM unnest(%(connections)s::bigint[], %(names)s::text[], %(since)s::date[], %(used)s::bigint[])
    AS n (connection_id, name, since, used) ORDER BY connection_id, name
ON CONFLICT (connection_id, name, since) DO UPDATE SET used = q.used + EXCLUDED.used
RETURNING connection_id, name, used
"""


@dataclass(frozen=True, slots=True)
class Quota:
    """What a kind of connection counts. `words` is an English msgid, “API calls a month”.

    `usual`: the limit the product grants when nothing was bought; None: not known. `source`: the page that says so;
    empty: unverified.
    """

    name: str
    words: str
    usual: int | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """One quota of one connection in the period at hand. `limit` None: only counted."""

    name: str
    words: str
    used: int
    limit: int | None
    resets_on: date
    is_verified: bool

    @property
    def share(self) -> float:
        """1.0: all of it is gone. 0.0 without a limit."""
        return self.used / self.limit if self.limit else 0.0

    @property
    def is_low(self) -> bool:
        return self.share >= LOW

    @property
    def is_used_up(self) -> bool:
        return self.share >= 1


@dataclass(frozen=True, slots=True)
class Used:
    """A count that went up, from `before`."""

    connection_id: int
    name: str
    before: int
    now: int


_quotas: dict[str, tuple[Quota, ...]] = {}


def register(kind: str, quotas: Iterable[Quota]) -> None:
    """Name what connections of `kind` count. Called once, in apps.py."""
    _quotas[kind] = tuple(quotas)


def count(connection: Connection, name: str, at: datetime, number: int = 1) -> None:
    """Count outside of any exchange, in the open transaction. What is noted in exchanges is counted with them."""
    from django.db import connection as database

    with database.cursor() as cursor:
        report(write(cursor, {(connection.pk, name): number}, at), at)


def write(cursor: Cursor, counts: Mapping[tuple[int, str], int], at: datetime) -> list[Used]:
    """Add `counts`, by (connection, name), in the open transaction, by one statement. Then `report` what it gives."""
    if not counts:
        return []
    keys = list(counts)
    cursor.execute(
        _COUNT,
        {
            "connections": [connection_id for connection_id, _ in keys],
            "names": [name for _, name in keys],
            "since": [period(name, at)[0] for _, name in keys],
            "used": list(counts.values()),
        },
    )
    return [
        Used(connection_id, name, used - counts[connection_id, name], used)
        for connection_id, name, used in cursor.fetchall()
    ]


def report(used: Iterable[Used], at: datetime) -> None:
    """Open an issue for what has just become low or used up."""
    for one in used:
        connection = connections.by_id(one.connection_id)
        if connection is None:
            continue
        after = _standing(connection, _quota(connection, one.name), one.now, at)
        before = _standing(connection, _quota(connection, one.name), one.before, at)
        if (after.is_low, after.is_used_up) != (before.is_low, before.is_used_up):
            _keep_issues(connection, after, frozenset(), at)


def review(at: datetime) -> None:
    """Open and close the issues of every active connection: a new period, or a limit that was changed."""
    from viatica.spine.models import Connection, Issue

    known = Issue.objects.filter(key__startswith="quota.", closed_at__isnull=True)
    are_open = frozenset(known.values_list("key", flat=True))
    active = list(Connection.objects.filter(is_active=True))
    for connection, standings in zip(active, standings_of(active, at).values(), strict=True):
        for one in standings:
            _keep_issues(connection, one, are_open, at)


def standing(connection: Connection, at: datetime) -> list[Standing]:
    """Every quota of the connection: those its kind declares, those it sets a limit for, those it has used."""
    return standings_of([connection], at)[connection.pk]


def standings_of(wanted: Sequence[Connection], at: datetime) -> dict[int, list[Standing]]:
    """One statement, however many connections there are; in their order."""
    from viatica.spine.models import QuotaUse

    used: dict[tuple[int, str], int] = {}
    rows = QuotaUse.objects.filter(
        connection_id__in=[one.pk for one in wanted], since__gte=period("a_month", at)[0]
    )
    for connection_id, name, since, number in rows.values_list("connection_id", "name", "since", "used"):
        if since == period(name, at)[0]:
            used[connection_id, name] = number
    found: dict[int, list[Standing]] = {}
    for one in wanted:
        names = [quota.name for quota in _quotas.get(one.kind, ())]
        names += sorted({*_limits(one), *(name for pk, name in used if pk == one.pk)} - set(names))
        found[one.pk] = [_standing(one, _quota(one, name), used.get((one.pk, name), 0), at) for name in names]
    return found


def wait(connection_id: int | None, at: datetime) -> float:
    """How long a message that may wait should, in seconds; 0 while there is something left."""
    connection = connections.by_id(connection_id) if connection_id is not None else None
    if connection is None:
        return 0.0
    ends = [_midnight(one.resets_on) for one in _looked_up(connection, at) if one.is_used_up]
    return max(0.0, min((max(ends) - at).total_seconds(), LONGEST_WAIT.total_seconds())) if ends else 0.0


def period(name: str, at: datetime) -> tuple[date, date]:
    """The day or month `at` lies in: its first day, and the next one's."""
    day = at.astimezone(_zone()).date()
    if name.endswith("_a_day"):
        return day, day + timedelta(days=1)
    first = day.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1)


def _zone() -> ZoneInfo:
    return ZoneInfo(settings.TIME_ZONE)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time_of_day(), tzinfo=_zone())


def _quota(connection: Connection, name: str) -> Quota:
    known = {quota.name: quota for quota in _quotas.get(connection.kind, ())}
    return known.get(name) or Quota(name, name.replace("_", " "))


def _limits(connection: Connection) -> dict[str, Any]:
    limits = connection.settings.get("quotas")
    return limits if isinstance(limits, dict) else {}


def _standing(connection: Connection, quota: Quota, used: int, at: datetime) -> Standing:
    """A limit of null or 0 in the settings: there is none."""
    own = _limits(connection)
    limit = own.get(quota.name) if quota.name in own else quota.usual
    is_number = isinstance(limit, int) and not isinstance(limit, bool) and limit > 0
    return Standing(
        name=quota.name,
        words=quota.words,
        used=used,
        limit=limit if is_number else None,
        resets_on=period(quota.name, at)[1],
        is_verified=quota.name in own or bool(quota.source),
    )


def _keep_issues(connection: Connection, one: Standing, are_open: frozenset[str], at: datetime) -> None:
    """`are_open`: what is said already. Low and used up exclude one another."""
    word = "used_up" if one.is_used_up else "low" if one.is_low else ""
    for other in {"low", "used_up"} - {word}:
        issues.close_issue(_key(connection, one, other), at)
    if word and _key(connection, one, word) not in are_open:
        _raise(connection, one, word, at)


def _key(connection: Connection, one: Standing, word: str) -> str:
    return f"quota.{word}:{connection.slug}:{one.name}"


def _raise(connection: Connection, one: Standing, word: str, at: datetime) -> None:
    with override(settings.LANGUAGE_CODE):  # kept for the operators, whoever they are
        what = gettext(one.words)
    issues.raise_issue(
        key=_key(connection, one, word),
        kind=f"quota.{word}",
        message=USED_UP_MESSAGE if word == "used_up" else LOW_MESSAGE,
        params={
            "connection": connection.name, "used": one.used, "limit": one.limit, "what": what, "resets_on": one.resets_on,
        },
        ref=None,
        at=at,
    )  # fmt: skip


# Looked up once every few seconds by each process, because every notice asks.
_recent: dict[int, tuple[float, list[Standing]]] = {}
_lock = threading.Lock()


def _looked_up(connection: Connection, at: datetime) -> list[Standing]:
    with _lock:
        known = _recent.get(connection.pk)
    if known is not None and known[0] > time.monotonic():
        return known[1]
    found = standing(connection, at)
    with _lock:
        _recent[connection.pk] = (time.monotonic() + connections.KEPT_SECONDS, found)
    return found


def forget() -> None:
    """Look again next time."""
    with _lock:
        _recent.clear()
