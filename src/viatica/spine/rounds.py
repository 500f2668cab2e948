"""One round of the relay: write down what came back, then take what is due. All its SQL is in claims and pressure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import structlog
from django.db import connection as database
from django.db import transaction
from django.db.backends.utils import CursorWrapper

from viatica.kernel.errors import BadInput
from viatica.kernel.refs import Ref
from viatica.kernel.words import N_
from viatica.spine import capabilities, claims, exchanges, facts, issues, pressure, quotas
from viatica.spine.claims import Box, Ending, Job, News, Settled, Standing
from viatica.spine.handlers import traits_of

log = structlog.get_logger(__name__)

# A due message that could not be taken (its row is locked, or its limit reached) is looked at again, in seconds.
LOOK_AGAIN = 0.02


class Purse:
    """Tokens a worker was granted and has not used yet; they lapse soon, so that it cannot save them up."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[int, datetime]] = {}

    def holds(self, connection_id: int, at: datetime) -> int:
        tokens, until = self._kept.get(connection_id, (0, at))
        return tokens if until >= at else 0

    def put(self, connection_id: int, tokens: int, until: datetime) -> None:
        self._kept[connection_id] = (tokens, until)

    def spend(self, connection_id: int, tokens: int) -> None:
        kept, until = self._kept.get(connection_id, (0, datetime.max.replace(tzinfo=UTC)))
        self._kept[connection_id] = (max(0, kept - tokens), until)


@dataclass(slots=True)
class Round:
    """`next_in`: seconds until something more may be due; None: nothing waits."""

    at: datetime
    jobs: list[Job] = field(default_factory=list)
    next_in: float | None = None


@dataclass(slots=True)
class _Shares:
    out: dict[int, int] = field(default_factory=dict)
    into: dict[int, int] = field(default_factory=dict)
    probes: set[int] = field(default_factory=set)
    next_in: float | None = None

    def look_in(self, seconds: float) -> None:
        self.next_in = max(0.0, seconds if self.next_in is None else min(self.next_in, seconds))


def work(
    news: Sequence[News],
    *,
    worker: str,
    capacity: int,
    lease: timedelta,
    purse: Purse | None,
    ahead: timedelta = timedelta(0),
) -> Round:
    """Settle `news` and take up to about `capacity` jobs, as their connections' limits allow (no `purse`: no rate limit).

    Two transactions. The first looks and asks for tokens, and need not survive a crash of the database; the second
    settles, and writes attempts down before anything is called. `ahead` moves the clock, for tests.
    """
    with transaction.atomic(), database.cursor() as cursor:
        standings = {one.connection_id: one for one in claims.standings(cursor)}
        at = standings[0].at + ahead
        shares = _shares(cursor, standings, capacity, purse, at)
    taken = Round(at, next_in=shares.next_in)
    capabilities.hear(_went(news, at))
    heard = capabilities.due()
    if not news and not shares.out and not shares.into and not heard:
        return taken
    with transaction.atomic(), database.cursor() as cursor:
        _settle(cursor, news, standings, worker=worker, at=at)
        claims.plan_for_claims(cursor)
        taken.jobs = claims.take_in(cursor, shares.into, worker=worker, at=at, lease=lease)
        for job in claims.take_out(cursor, shares.out, worker=worker, at=at, lease=lease):
            taken.jobs.append(replace(job, is_probe=True) if job.connection_id in shares.probes else job)
        _record(cursor, news, heard, at)
    capabilities.written(heard)
    if news:
        taken.next_in = 0.0  # lanes were set free, or a breaker closed
    if purse is not None:
        for job in taken.jobs:
            if job.box == "out" and job.connection_id is not None:
                purse.spend(job.connection_id, 1)
    return taken


def _shares(
    cursor: CursorWrapper, standings: dict[int, Standing], capacity: int, purse: Purse | None, at: datetime
) -> _Shares:
    """Capacity shared evenly among connections with something due, less what their breaker and rate forbid."""
    shares = _Shares()
    out: list[Standing] = []
    into: list[Standing] = []
    for one in standings.values():
        if not one.is_active:
            continue
        for due_at, due in ((one.out_due_at, out), (one.in_due_at, into)):
            if due_at is not None and due_at <= at:
                due.append(one)
            elif due_at is not None:
                shares.look_in((due_at - at).total_seconds())
    if capacity <= 0 or not (out or into):
        return shares
    share = math.ceil(capacity / (len(out) + len(into)))
    shares.into = {one.connection_id: share for one in into}
    limited: dict[int, int] = {}
    for one in out:
        if one.open_until is not None:
            if one.open_until > at:
                shares.look_in((one.open_until - at).total_seconds())
            elif pressure.win_probe(cursor, one.connection_id, at):
                shares.out[one.connection_id] = 1
                shares.probes.add(one.connection_id)
        elif one.rate_per_second == 0 or purse is None:
            shares.out[one.connection_id] = share
        elif held := purse.holds(one.connection_id, at):
            shares.out[one.connection_id] = min(held, share)
        else:
            limited[one.connection_id] = share
    for connection_id, granted in pressure.take_tokens(cursor, limited, at).items():
        rate = standings[connection_id].rate_per_second
        if granted and purse is not None:
            shares.out[connection_id] = granted
            purse.put(connection_id, granted, at + timedelta(seconds=max(0.25, 2 / rate)))
        else:
            shares.look_in(max(LOOK_AGAIN, 1 / rate))
    if shares.out or shares.into:
        shares.look_in(LOOK_AGAIN)
    return shares


def _settle(
    cursor: CursorWrapper, news: Sequence[News], standings: dict[int, Standing], *, worker: str, at: datetime
) -> None:
    if not news:
        return
    claims.plan_for_settling(cursor)
    by_id = {(one.job.box, one.job.id): one for one in news}
    boxes: tuple[Box, ...] = ("out", "in")
    parked: list[News] = []
    mended: list[Settled] = []
    for box in boxes:
        own = [one for one in news if one.job.box == box]
        for row in claims.settle(cursor, box, own, worker=worker, at=at):
            if row.ending == Ending.PARK:
                parked.append(by_id[box, row.id])
            elif row.ending == Ending.DONE and row.issue_key:
                mended.append(row)
    claims.plan_for_claims(cursor)
    for row in mended:
        issues.let_go(row.issue_key or "", row.lane, at)
    pressure.note(news, standings, at)
    _report_parked(parked, standings, at)


def _record(
    cursor: CursorWrapper, news: Sequence[News], heard: Sequence[capabilities.Row], at: datetime
) -> None:
    """What was said to the outside; last, because rows that all workers write are locked until the commit."""
    gatherings = [one.gathering for one in news if one.gathering is not None]
    capabilities.write(cursor, heard)
    if gatherings:
        quotas.report(exchanges.write(cursor, gatherings, at), at)


def _went(news: Sequence[News], at: datetime) -> Iterable[capabilities.Went]:
    """What deliveries and translations prove of their connections: the last of each kind, good and bad.

    A delivery that asked nothing outside proves nothing.
    """
    found: dict[tuple[int, str, bool], capabilities.Went] = {}
    for one in news:
        for went in one.gathering.went if one.gathering else ():
            found[went.connection_id, went.name, bool(went.error)] = went
        job = one.job
        is_bad = one.failed or one.ending in (Ending.PARK, Ending.UNKNOWN)
        is_good = one.ending is Ending.DONE and (
            job.box == "in" or (one.gathering is not None and one.gathering.has_asked)
        )
        if job.connection_id is None or not (is_bad or is_good):
            continue
        name = capabilities.CALLBACKS if job.box == "in" else traits_of(job.kind).capability
        error = (one.reason or one.ending.value) if is_bad else ""
        found[job.connection_id, name, is_bad] = capabilities.Went(job.connection_id, name, at, error)
    return found.values()


def _report_parked(parked: Sequence[News], standings: dict[int, Standing], at: datetime) -> None:
    """One issue for each cause, with all the papers that wait on it; a fact in each paper's timeline."""
    by_cause: dict[str, list[News]] = defaultdict(list)
    for one in parked:
        by_cause[one.issue_key or ""].append(one)
    for key, held_up in by_cause.items():
        first = held_up[0]
        known = standings.get(first.job.connection_id or 0)
        what = first.job.kind or "callback"
        log.warning("relay.parked", kind=what, count=len(held_up), reason=first.reason)
        issues.raise_issue(
            key=key,
            kind="message.parked",
            message=N_("{connection}: “{what}” waits for a person: {reason}"),
            params={
                "connection": known.name if known else "",
                "what": what,
                "reason": first.reason,
                "hint": first.hint,
            },
            ref=None,
            at=at,
            waiting=[one.job.lane for one in held_up],
        )
    facts.record_many(
        facts.NewFact(
            ref=ref,
            fact="message.parked",
            actor="system",
            via="worker",
            at=at,
            data={"kind": one.job.kind, "reason": one.reason},
            correlation=one.job.correlation,
        )
        for one in parked
        if one.job.box == "out" and (ref := paper_of(one.job.lane)) is not None
    )


def paper_of(lane: str) -> Ref | None:
    """The paper a lane belongs to, when it belongs to one: `notice:expense_report:42:7` is nobody's."""
    try:
        ref = Ref.parse(lane)
    except BadInput:
        return None
    return None if ":" in ref.key else ref
