"""Messages to the outside, put in the transaction that causes them and delivered by the relay."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection

from viatica.spine import bell
from viatica.spine import correlation as correlations

# A repeated key is answered with the id it has. Not ON CONFLICT DO UPDATE: that would lock the row until the caller
# commits, and the relay with it.
_PUT = """
WITH fresh AS (
    INSERT INTO spine_outboxmessage (kind, lane, payload, connection_id, key, at, due_at, correlation)
    VALUES (%(kind)s, %(lane)s, %(payload)s::jsonb, %(connection_id)s, %(key)s, %(at)s,
            CASE WHEN %(not_before)s::timestamptz IS NULL THEN now() ELSE %(not_before)s::timestamptz END,
            %(correlation)s)
    ON CONFLICT (key) DO NOTHING
    RETURNING id
)
SELECT id, true FROM fresh
UNION ALL
SELECT id, false FROM spine_outboxmessage WHERE key = %(key)s
LIMIT 1
"""


def put(
    *,
    kind: str,
    lane: str,
    payload: dict[str, Any],
    at: datetime,
    connection_id: int | None = None,
    key: str | None = None,
    not_before: datetime | None = None,
) -> int:
    """Leave a message; it goes out after the commit, at least once, in order within its lane. One statement.

    A `key` that was put before changes nothing and gives the earlier message's id.
    Two transactions that put into one lane at the same time are in the order they commit; a paper's steps exclude one
    another, so that its own messages keep the order of its life.
    """
    row = {
        "kind": kind,
        "lane": lane,
        "payload": json.dumps(payload, cls=DjangoJSONEncoder, ensure_ascii=False),
        "connection_id": connection_id,
        "key": key,
        "at": at,
        "not_before": not_before,
        "correlation": correlations.current(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_PUT, row)
        found = cursor.fetchone()
        if found is None:
            # Someone else's put of this key committed while ours waited for it: a new statement sees it.
            cursor.execute(_PUT, row)
            found = cursor.fetchone()
    message_id, is_fresh = found
    if is_fresh:
        bell.ring_after_commit()
    return int(message_id)
