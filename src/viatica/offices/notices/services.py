"""Telling people. A notice is a row here at once; what goes to their OA is the relay's."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection as database

from viatica.kernel import clock
from viatica.kernel.errors import OutsideRefused
from viatica.kernel.refs import Ref
from viatica.offices.access.models import User
from viatica.offices.company.models import OutsideIdentity
from viatica.offices.notices import ports, words
from viatica.offices.notices.models import Notice, Sent
from viatica.spine import outbox
from viatica.spine.outcomes import Delivery, Done, Outcome

SEND, UPDATE = "notice.send", "notice.update"
TODO_PUT, TODO_FINISH, TODO_REMOVE = "todo.put", "todo.finish", "todo.remove"
CARDS_CHANGE_FOR = timedelta(days=7)

# Each person once, with the connection that carries messages to them, if any: one statement however many they are.
_TELL = """
INSERT INTO notices_notice
    (employee_id, ref_kind, ref_key, kind, subject, params, url, at, connection_id, sent, message_id, shows)
SELECT told.employee_id, %(ref_kind)s, %(ref_key)s, %(kind)s, %(subject)s, %(params)s::jsonb, %(url)s, %(at)s,
       way.connection_id, CASE WHEN way.connection_id IS NULL THEN 'here' ELSE 'waiting' END, '', ''
FROM (SELECT DISTINCT unnest(%(employees)s::bigint[]) AS employee_id) AS told
LEFT JOIN LATERAL (
    SELECT identity.connection_id
    FROM company_outsideidentity AS identity
    JOIN spine_connection AS line ON line.id = identity.connection_id
    WHERE identity.employee_id = told.employee_id AND line.is_active AND line.uses ? 'messages'
    ORDER BY identity.connection_id
    LIMIT 1
) AS way ON true
RETURNING id, employee_id, connection_id
"""


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
    row: dict[str, Any] = {
        "employees": list(employee_ids),
        "ref_kind": ref.kind,
        "ref_key": ref.key,
        "kind": kind,
        "subject": subject,
        "params": json.dumps(params, cls=DjangoJSONEncoder, ensure_ascii=False),
        "url": url,
        "at": at,
    }
    with database.cursor() as cursor:
        cursor.execute(_TELL, row)
        told = cursor.fetchall()
    for notice_id, employee_id, connection_id in told:
        if connection_id is not None:
            outbox.put(
                kind=SEND, lane=_lane(ref, employee_id), payload={"notice_id": notice_id}, at=at,
                connection_id=connection_id,
            )  # fmt: skip


def _lane(ref: Ref, employee_id: int) -> str:
    """Not the paper's own lane: a message that cannot go must not hold up the paper."""
    return f"notice:{ref}:{employee_id}"


def update_cards(*, ref: Ref, kind: str, at: datetime) -> int:
    """Let every card about `ref` show the state `kind` ends in. How many will change."""
    cards = (
        Notice.objects.filter(ref_kind=ref.kind, ref_key=ref.key, at__gt=at - CARDS_CHANGE_FOR)
        .exclude(message_id="")
        .exclude(shows=kind)
    )
    return _put_updates(cards, kind, at)


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


# --- to-dos ----------------------------------------------------------------------------------------------------


def put_todo(
    *, employee_id: int, key: str, subject: str, params: dict[str, Any], ref: Ref, at: datetime, url: str = ""
) -> bool:
    """Put a to-do into the person's OA. `key` is one thing to do. False when no OA of theirs shows to-dos."""
    return _to_their_todos(
        TODO_PUT, employee_id, key, ref, at,
        {"subject": subject, "params": json.loads(json.dumps(params, cls=DjangoJSONEncoder)), "url": url},
    )  # fmt: skip


def finish_todo(*, employee_id: int, key: str, ref: Ref, at: datetime) -> bool:
    return _to_their_todos(TODO_FINISH, employee_id, key, ref, at, {})


def remove_todo(*, employee_id: int, key: str, ref: Ref, at: datetime) -> bool:
    return _to_their_todos(TODO_REMOVE, employee_id, key, ref, at, {})


def _to_their_todos(
    what: str, employee_id: int, key: str, ref: Ref, at: datetime, payload: dict[str, Any]
) -> bool:
    way = (
        OutsideIdentity.objects.filter(
            employee_id=employee_id, connection__is_active=True, connection__uses__contains=["todo"]
        )
        .order_by("connection_id")
        .values_list("connection_id", flat=True)
        .first()
    )
    if way is None:
        return False
    outbox.put(
        kind=what, lane=f"todo:{key}:{employee_id}", at=at, connection_id=way,
        payload={"employee_id": employee_id, "key": key, "ref": str(ref), **payload},
    )  # fmt: skip
    return True


# --- what the relay runs ---------------------------------------------------------------------------------------


def deliver_notice(delivery: Delivery) -> Outcome:
    """Send the card, once; then let the person's earlier cards about the same paper show its state."""
    notice = Notice.objects.select_related("employee", "connection").get(pk=delivery.payload["notice_id"])
    if notice.connection is None:
        return Done({"skipped": "no connection"})
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
    earlier = (
        Notice.objects.filter(
            ref_kind=notice.ref_kind, ref_key=notice.ref_key, employee_id=notice.employee_id, pk__lt=notice.pk,
            at__gt=notice.at - CARDS_CHANGE_FOR,
        )
        .exclude(message_id="")
        .exclude(shows=notice.kind)
    )  # fmt: skip
    _put_updates(earlier, notice.kind, clock.now())
    return Done()


def deliver_update(delivery: Delivery) -> Outcome:
    """Change the state a sent card shows. A card too old to change is left as it is."""
    kind = delivery.payload["kind"]
    notice = Notice.objects.select_related("connection").get(pk=delivery.payload["notice_id"])
    if notice.connection is None or not notice.message_id or notice.shows == kind:
        return Done()
    if notice.at <= clock.now() - CARDS_CHANGE_FOR:
        return Done({"skipped": "too old"})
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
            port.put(to, ports.Todo(asked["key"], subject, asked["url"] or settings.PUBLIC_URL))
    return Done()


def _recipient(employee_id: int, connection_id: int) -> ports.Recipient | None:
    row = (
        OutsideIdentity.objects.filter(employee_id=employee_id, connection_id=connection_id)
        .values_list("userid", "employee__name", "unionid")
        .first()
    )
    return ports.Recipient(*row) if row else None


def _card(notice: Notice) -> ports.Card:
    with words.language_of(_language(notice.employee_id)):
        return ports.Card(
            title=words.said(notice.subject, notice.params),
            status=words.status(notice.kind),
            stamp=words.stamp(notice.at),
            url=notice.url or settings.PUBLIC_URL,
        )


def _language(employee_id: int) -> str:
    return User.objects.filter(employee_id=employee_id).values_list("language", flat=True).first() or ""
