"""Telling people. A notice is a row here at once; what goes to their OA is the relay's."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection as database
from django.db.models import QuerySet

from viatica.kernel import clock
from viatica.kernel.errors import OutsideRefused
from viatica.kernel.refs import Ref
from viatica.offices.access.models import User
from viatica.offices.access.sign_in import page_through
from viatica.offices.company.models import OutsideIdentity
from viatica.offices.notices import ports, words
from viatica.offices.notices.models import Notice, Sent
from viatica.spine import exchanges, outbox
from viatica.spine.outcomes import Delivery, Done, Outcome

SEND, UPDATE = "notice.send", "notice.update"
TODO_PUT, TODO_FINISH, TODO_REMOVE = "todo.put", "todo.finish", "todo.remove"
CARDS_CHANGE_FOR = timedelta(days=7)

# Each person once, with the connection that carries it to them, if any: one statement however many they are. What is to
# be done (a key says so) goes to a list of to-dos where they have one, and else as a message.
_TELL = """
INSERT INTO notices_notice
    (employee_id, ref_kind, ref_key, kind, subject, params, url, at, connection_id, sent, message_id, shows, todo)
SELECT told.employee_id, %(ref_kind)s, %(ref_key)s, %(kind)s, %(subject)s, %(params)s::jsonb, told.url, %(at)s,
       way.connection_id,
       CASE WHEN way.connection_id IS NULL THEN 'here' WHEN way.is_todo THEN 'todo' ELSE 'waiting' END,
       '', '', CASE WHEN way.is_todo THEN told.key ELSE '' END
FROM (
    SELECT DISTINCT ON (employee_id) employee_id, key, url
    FROM unnest(%(employees)s::bigint[], %(keys)s::text[], %(urls)s::text[]) AS one (employee_id, key, url)
) AS told
LEFT JOIN LATERAL (
    SELECT identity.connection_id, told.key <> '' AND line.uses ? 'todo' AS is_todo
    FROM company_outsideidentity AS identity
    JOIN spine_connection AS line ON line.id = identity.connection_id
    WHERE identity.employee_id = told.employee_id AND line.is_active
        AND (line.uses ? 'messages' OR (told.key <> '' AND line.uses ? 'todo'))
    ORDER BY is_todo DESC, identity.connection_id
    LIMIT 1
) AS way ON true
RETURNING id, employee_id, connection_id, url, todo
"""


@dataclass(frozen=True, slots=True)
class Task:
    """One thing for one person to do. `key` names it in their list of to-dos, `url` is where they do it."""

    employee_id: int
    key: str
    url: str


@dataclass(frozen=True, slots=True)
class Over:
    """Somebody need not do the thing `key` any more; their cards show the state `kind` ends in.

    `is_done`: they did it; else it is taken away.
    """

    employee_id: int
    key: str
    kind: str
    is_done: bool


def tell(
    *,
    employee_id: int,
    subject: str,
    params: dict[str, Any],
    ref: Ref,
    at: datetime,
    kind: str,
    url: str = "",
) -> None:
    """Tell one person. `subject` is an English msgid with {named} `params`; `kind` is dotted and ends in a state."""
    tell_many(employee_ids=[employee_id], subject=subject, params=params, ref=ref, at=at, kind=kind, url=url)


def tell_many(
    *,
    employee_ids: Iterable[int],
    subject: str,
    params: dict[str, Any],
    ref: Ref,
    at: datetime,
    kind: str,
    url: str = "",
) -> None:
    """Tell several the same: one statement, and one more for each who has an OA."""
    tasks = [Task(one, "", url) for one in employee_ids]
    ask_many(tasks=tasks, subject=subject, params=params, ref=ref, at=at, kind=kind)


def ask_many(
    *, tasks: Collection[Task], subject: str, params: dict[str, Any], ref: Ref, at: datetime, kind: str
) -> set[int]:
    """Tell each what is for them to do; who is told of it in an OA. Statements as for `tell_many`."""
    said = json.dumps(params, cls=DjangoJSONEncoder, ensure_ascii=False)
    row: dict[str, Any] = {
        "employees": [task.employee_id for task in tasks],
        "keys": [task.key for task in tasks],
        "urls": [task.url for task in tasks],
        "ref_kind": ref.kind,
        "ref_key": ref.key,
        "kind": kind,
        "subject": subject,
        "params": said,
        "at": at,
    }
    with database.cursor() as cursor:
        cursor.execute(_TELL, row)
        told = [one for one in cursor.fetchall() if one[2] is not None]
    for notice_id, employee_id, connection_id, url, key in told:
        if key:
            payload = {"subject": subject, "params": json.loads(said), "url": url}
            _put_todo(TODO_PUT, employee_id, key, ref, at, connection_id, payload)
        else:
            outbox.put(
                kind=SEND, lane=_lane(ref, employee_id), payload={"notice_id": notice_id}, at=at,
                connection_id=connection_id,
            )  # fmt: skip
    return {employee_id for _, employee_id, *_ in told}


def _lane(ref: Ref, employee_id: int) -> str:
    """Not the paper's own lane: a message that cannot go must not hold up the paper."""
    return f"notice:{ref}:{employee_id}"


def update_cards(*, ref: Ref, kind: str, at: datetime) -> int:
    """Let every card about `ref` show the state `kind` ends in. How many will change."""
    return _put_updates(_cards(ref, at).exclude(shows=kind), kind, at)


def _cards(ref: Ref, at: datetime) -> QuerySet[Notice]:
    """Sent and still to be changed."""
    told = Notice.objects.filter(ref_kind=ref.kind, ref_key=ref.key, connection__isnull=False)
    return told.filter(at__gt=at - CARDS_CHANGE_FOR).exclude(message_id="")


def _put_updates(cards: Iterable[Notice], kind: str, at: datetime) -> int:
    wanted = list(cards)
    for card in wanted:
        outbox.put(
            kind=UPDATE, lane=_lane(card.ref, card.employee_id), payload={"notice_id": card.pk, "kind": kind},
            at=at, connection_id=card.connection_id, key=f"{UPDATE}:{card.pk}:{kind}",
        )  # fmt: skip
    return len(wanted)


def mark_read(*, employee_id: int, notice_ids: Collection[int] | None = None, at: datetime) -> int:
    """Mark these notices of `employee_id` read, or all of them (None). How many were unread."""
    mine = Notice.objects.filter(employee_id=employee_id, read_at=None)
    if notice_ids is not None:
        mine = mine.filter(pk__in=notice_ids)
    return mine.update(read_at=at)


# --- what was asked is over ------------------------------------------------------------------------------------


def settle(*, over: Collection[Over], ref: Ref, at: datetime) -> int:
    """What people were asked about `ref` is over: their to-dos and cards say so. How much will change over there.

    One statement, and one for each change.
    """
    by_employee = {one.employee_id: one for one in over}
    told = Notice.objects.filter(
        ref_kind=ref.kind, ref_key=ref.key, connection__isnull=False, employee_id__in=list(by_employee)
    )
    changes = 0
    for notice in told.order_by("pk"):
        one = by_employee[notice.employee_id]
        if notice.todo and notice.todo == one.key:
            what = TODO_FINISH if one.is_done else TODO_REMOVE
            _put_todo(what, notice.employee_id, notice.todo, ref, at, notice.connection_id, {})
            changes += 1
        elif _may_change(notice, one.kind, at):
            changes += _put_updates([notice], one.kind, at)
    return changes


def _may_change(card: Notice, kind: str, at: datetime) -> bool:
    """A card on its way counts: its change waits for it in the same lane."""
    is_young = card.at > at - CARDS_CHANGE_FOR
    return card.sent in (Sent.WAITING, Sent.SENT) and card.shows != kind and is_young


def _put_todo(
    what: str,
    employee_id: int,
    key: str,
    ref: Ref,
    at: datetime,
    connection_id: int | None,
    payload: dict[str, Any],
) -> None:
    outbox.put(
        kind=what, lane=f"todo:{key}:{employee_id}", at=at, connection_id=connection_id,
        payload={"employee_id": employee_id, "key": key, "ref": str(ref), **payload},
    )  # fmt: skip


# --- what the relay runs ---------------------------------------------------------------------------------------


def deliver_notice(delivery: Delivery) -> Outcome:
    """Send the card, once; then let the person's earlier cards about the same paper show its state."""
    notice = Notice.objects.select_related("employee", "connection").get(pk=delivery.payload["notice_id"])
    if notice.connection is None:
        return Done({"skipped": "no connection"})
    exchanges.about(notice.ref)
    if notice.sent != Sent.SENT:
        to = _recipient(notice.employee_id, notice.connection.pk)
        if to is None:
            Notice.objects.filter(pk=notice.pk).update(sent=Sent.HERE)
            return Done({"skipped": "no longer linked"})
        try:
            message_id = ports.messages_for(notice.connection).send_card(to, _card(notice))
        except OutsideRefused:
            Notice.objects.filter(pk=notice.pk).update(sent=Sent.REFUSED)
            raise
        Notice.objects.filter(pk=notice.pk).update(sent=Sent.SENT, message_id=message_id, shows=notice.kind)
    earlier = _cards(notice.ref, notice.at).filter(employee_id=notice.employee_id, pk__lt=notice.pk)
    _put_updates(earlier.exclude(shows=notice.kind), notice.kind, clock.now())
    return Done()


def deliver_update(delivery: Delivery) -> Outcome:
    """Change the state a sent card shows. A card too old to change is left as it is."""
    kind = delivery.payload["kind"]
    notice = Notice.objects.select_related("connection").get(pk=delivery.payload["notice_id"])
    if notice.connection is None or not notice.message_id or notice.shows == kind:
        return Done()
    if notice.at <= clock.now() - CARDS_CHANGE_FOR:
        return Done({"skipped": "too old"})
    exchanges.about(notice.ref)
    with words.language_of(_language(notice.employee_id)):
        card = replace(_card(notice), status=words.status(kind))
    ports.messages_for(notice.connection).update_card(notice.message_id, card)
    Notice.objects.filter(pk=notice.pk).update(shows=kind)
    return Done()


def deliver_todo(delivery: Delivery) -> Outcome:
    """Put, finish or remove one to-do. The key makes repetitions harmless."""
    asked = delivery.payload
    identity = (
        OutsideIdentity.objects.select_related("employee", "connection")
        .filter(employee_id=asked["employee_id"], connection_id=delivery.connection_id or 0)
        .first()
    )
    if identity is None:
        return Done({"skipped": "no longer linked"})
    exchanges.about(Ref.parse(asked["ref"]))
    port = ports.todos_for(identity.connection)
    to = ports.Recipient(identity.userid, identity.employee.name, identity.unionid)
    match delivery.kind:
        case "todo.finish":
            port.finish(to, asked["key"])
        case "todo.remove":
            port.remove(to, asked["key"])
        case _:
            with words.language_of(_language(identity.employee_id)):
                subject = words.said(asked["subject"], asked["params"])
            url = page_through(identity.connection, asked["url"] or settings.PUBLIC_URL)
            port.put(to, ports.Todo(asked["key"], subject, url))
    return Done()


def _recipient(employee_id: int, connection_id: int) -> ports.Recipient | None:
    row = (
        OutsideIdentity.objects.filter(employee_id=employee_id, connection_id=connection_id)
        .values_list("userid", "employee__name", "unionid")
        .first()
    )
    return ports.Recipient(*row) if row else None


def _card(notice: Notice) -> ports.Card:
    assert notice.connection is not None  # a card goes through one
    with words.language_of(_language(notice.employee_id)):
        return ports.Card(
            title=words.said(notice.subject, notice.params),
            status=words.status(notice.kind),
            stamp=words.stamp(notice.at),
            url=page_through(notice.connection, notice.url or settings.PUBLIC_URL),
        )


def _language(employee_id: int) -> str:
    return User.objects.filter(employee_id=employee_id).values_list("language", flat=True).first() or ""
