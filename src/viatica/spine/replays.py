"""What an operator does with messages that stopped: send them again, or give them up. Every such act is a fact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from django.db import connection as database
from django.db import transaction
from django.db.models import QuerySet

from viatica.kernel.errors import Conflict
from viatica.kernel.refs import Ref
from viatica.kernel.words import N_
from viatica.spine import bell, claims, facts, issues, rounds
from viatica.spine.models import InboxEvent, OutboxMessage, State

M = TypeVar("M", OutboxMessage, InboxEvent)


class NotParked(Conflict):
    code = "replay.not_parked"
    message = N_("Message {id} is not parked: it is on its way or done.")
    hint = N_("Reload the list of parked messages.")


@dataclass(frozen=True, slots=True)
class Parked:
    """One parked message (`box` out) or event (in)."""

    box: claims.Box
    id: int
    kind: str
    lane: str
    connection: str
    reason: str
    hint: str
    attempts: int
    at: datetime


def parked(
    *, connection_id: int | None = None, since: datetime | None = None, ids: Sequence[int] | None = None
) -> list[Parked]:
    """What waits for a person, oldest first: messages (of `ids`, when given), then events."""
    found = [
        Parked(
            "out", row.pk, row.kind, row.lane, row.connection.slug if row.connection else "", row.reason, row.hint,
            row.attempts, row.at,
        )
        for row in _chosen(OutboxMessage.objects.select_related("connection"), connection_id, since, ids)
    ]  # fmt: skip
    if ids is None:
        found += [
            Parked(
                "in", row.pk, "", row.event_id, row.connection.slug, row.reason, row.hint, row.attempts, row.at
            )
            for row in _chosen(InboxEvent.objects.select_related("connection"), connection_id, since, None)
        ]  # fmt: skip
    return found


@transaction.atomic
def replay(*, message_id: int, actor: str, via: str, at: datetime, box: claims.Box = "out") -> None:
    """Send one parked message (or translate one parked event) again. Raises NotParked."""
    if not _restart(box, [message_id], actor=actor, via=via, at=at):
        raise NotParked(id=message_id)


@transaction.atomic
def replay_all(
    *, connection_id: int | None, actor: str, via: str, at: datetime, since: datetime | None = None
) -> int:
    """Send everything parked again, of one connection or all, put since `since`; gives the number."""
    out = _chosen(OutboxMessage.objects.all(), connection_id, since, None).values_list("pk", flat=True)
    into = _chosen(InboxEvent.objects.all(), connection_id, since, None).values_list("pk", flat=True)
    return len(_restart("out", list(out), actor=actor, via=via, at=at)) + len(
        _restart("in", list(into), actor=actor, via=via, at=at)
    )


@transaction.atomic
def drop(*, message_id: int, actor: str, via: str, at: datetime, reason: str) -> None:
    """Give a parked message up for good; what waited behind it in its lane goes on. Raises NotParked."""
    with database.cursor() as cursor:
        cursor.execute(
            """
            UPDATE spine_outboxmessage SET state = 'dropped', done_at = now(), reason = %s
            WHERE id = %s AND state = 'parked' RETURNING id, lane, kind, issue_key
            """,
            [reason, message_id],
        )
        row = cursor.fetchone()
        if row is None:
            raise NotParked(id=message_id)
        claims.set_free(cursor, [row[1]])
    _id, lane, kind, issue_key = row
    if issue_key:
        issues.let_go(issue_key, lane, at)
    facts.record_many([_fact("message.dropped", message_id, lane, kind, actor, via, at, reason)])
    bell.ring_after_commit()


def _restart(
    box: claims.Box, ids: Sequence[int], *, actor: str, via: str, at: datetime
) -> list[tuple[int, str, str]]:
    """Parked → waiting, due now, with three new days; the attempts already made stay counted."""
    if not ids:
        return []
    kind, lane = ("kind", "lane") if box == "out" else ("'callback'", "event_id")
    with database.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE {claims.TABLES[box]} SET state = 'waiting', due_at = now(), first_try_at = NULL
            WHERE id = ANY(%s) AND state = 'parked' RETURNING id, {lane}, {kind}
            """,
            [list(ids)],
        )
        restarted: list[tuple[int, str, str]] = cursor.fetchall()
    facts.record_many(
        _fact(
            "message.replayed",
            message_id,
            lane if box == "out" else f"inbox_event:{message_id}",
            kind,
            actor,
            via,
            at,
        )
        for message_id, lane, kind in restarted
    )
    if restarted:
        bell.ring_after_commit()
    return restarted


def _fact(
    fact: str, message_id: int, lane: str, kind: str, actor: str, via: str, at: datetime, reason: str = ""
) -> facts.NewFact:
    """In the timeline of the paper the lane belongs to; of the message itself, when it belongs to none."""
    data = {"message": message_id, "kind": kind} | ({"reason": reason} if reason else {})
    ref = rounds.paper_of(lane) or Ref("outbox_message", str(message_id))
    return facts.NewFact(ref=ref, fact=fact, actor=actor, via=via, at=at, data=data)


def _chosen(
    rows: QuerySet[M], connection_id: int | None, since: datetime | None, ids: Iterable[int] | None
) -> QuerySet[M]:
    rows = rows.filter(state=State.PARKED).order_by("pk")
    if connection_id is not None:
        rows = rows.filter(connection_id=connection_id)
    if since is not None:
        rows = rows.filter(at__gte=since)
    if ids is not None:
        rows = rows.filter(pk__in=list(ids))
    return rows
