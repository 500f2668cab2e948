"""What a desk shows of the cases that run here, compared with what it should show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice

from django.db.models import F

from viatica.offices.approval import boards, desk
from viatica.offices.approval.boards import Drawn
from viatica.offices.approval.models import Case
from viatica.offices.approval.ports import desk_for
from viatica.offices.approval.telling import SHOW
from viatica.spine import replays
from viatica.spine.models import Connection, IssueWait, OutboxMessage, State
from viatica.spine.reconcile import Drift, ReconcileReport

PAGE = 100
ON_ITS_WAY = timedelta(minutes=10)  # what changed a moment ago is not drift


def compare(connection: Connection, most: int, at: datetime, report: ReconcileReport) -> int:
    """Show again what the desk lacks or has otherwise; longest unchecked first, at most `most` cases."""
    chosen = list(
        Case.objects.filter(desk=connection, is_agreed=False)
        .order_by(F("checked_at").asc(nulls_first=True), "id")
        .values_list("pk", flat=True)[:most]
    )
    ids = iter(chosen)
    while page := list(islice(ids, PAGE)):
        _compare(connection, page, at, report)
    return len(chosen)


def _compare(connection: Connection, ids: Sequence[int], at: datetime, report: ReconcileReport) -> None:
    cases = list(Case.objects.filter(pk__in=ids).select_related("desk", "applicant").order_by("pk"))
    drawn = boards.draw(connection, cases)
    shown = [one.board for one in drawn if one.case.shown_version]
    differing = set(desk_for(connection).differs(shown)) if shown else set()
    amiss = [one for one in drawn if one.board.number in differing or _is_behind(one, at)]
    if amiss:
        _put_right(connection, amiss, at, report)
    Case.objects.filter(pk__in=ids).update(checked_at=at)


def _is_behind(one: Drawn, at: datetime) -> bool:
    """A show was lost, or somebody who could not see their task may see it now."""
    is_old = at - one.board.changed_at > ON_ITS_WAY
    return is_old and (one.case.shown_version < one.case.version or one.has_hidden)


def _put_right(connection: Connection, amiss: Sequence[Drawn], at: datetime, report: ReconcileReport) -> None:
    lanes = [str(one.case.ref) for one in amiss]
    waiting = _shows(connection, lanes)
    known = _known_troubles(lanes)
    for one in amiss:
        ref = str(one.case.ref)
        stopped = [message for message in waiting if message.lane == ref]
        parked = [message for message in stopped if message.state == State.PARKED]
        for message in parked:
            replays.replay(message_id=message.pk, actor="system", via="system", at=at)
        if stopped and not parked:
            continue  # it is on its way
        is_shown = bool(parked) or desk.show_again(one.case, at)
        if is_shown and ref not in known:
            report.healed.append(Drift(ref, one.case.state, "otherwise", "desk"))


def _shows(connection: Connection, lanes: Iterable[str]) -> list[OutboxMessage]:
    return list(
        OutboxMessage.objects.filter(
            connection=connection, kind=SHOW, lane__in=lanes, done_at__isnull=True
        ).order_by("pk")
    )


def _known_troubles(refs: Iterable[str]) -> set[str]:
    """Papers an open issue already says of that their desk lacks something: another try is no news."""
    kinds = (desk.NOT_SEEN_KIND, desk.NOT_SHOWN_KIND)
    waits = IssueWait.objects.filter(ref__in=refs, issue__kind__in=kinds, issue__closed_at__isnull=True)
    return set(waits.values_list("ref", flat=True))
