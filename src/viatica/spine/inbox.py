"""What the outside tells us: stored as it came, translated by the relay."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection as database

from viatica.spine import bell, wire
from viatica.spine import correlation as correlations
from viatica.spine.models import Connection
from viatica.spine.outcomes import Outcome

Translator = Callable[[Connection, dict[str, Any], datetime], Outcome]

_translators: dict[str, Translator] = {}


def translate_with(kind: str, handler: Translator) -> None:
    """Name who understands events of connections of `kind`. Called once, in apps.py.

    The handler gets the connection, the body as stored and the time, runs outside a transaction, and may run again
    for the same event after a crash: what it does must be safe to repeat.
    """
    if _translators.setdefault(kind, handler) is not handler:
        raise ValueError(f"events of {kind} already have a translator")


def translator_of(kind: str) -> Translator | None:
    return _translators.get(kind)


def store(connection: Connection, event_id: str, body: dict[str, Any], at: datetime) -> bool:
    """Keep an event for the worker. One statement; False when it was there already."""
    with database.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO spine_inboxevent (connection_id, event_id, body, at, correlation)
            VALUES (%s, %s, %s::jsonb, %s, %s)
            ON CONFLICT (connection_id, event_id) DO NOTHING
            """,
            [
                connection.pk,
                event_id,
                wire.storable_json(json.dumps(body, cls=DjangoJSONEncoder, ensure_ascii=False)),
                at,
                correlations.current() or correlations.new(),
            ],
        )
        is_new = bool(cursor.rowcount)
    if is_new:
        bell.ring_after_commit()
    return is_new
