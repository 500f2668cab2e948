"""What a person must mend: one open row per cause, with the papers that wait on it; the next success closes it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection

from viatica.kernel.refs import Ref
from viatica.spine.models import Issue, IssueWait

_RAISE = """
WITH raised AS (
    INSERT INTO spine_issue (key, kind, message, params, ref, opened_at, last_at)
    VALUES (%(key)s, %(kind)s, %(message)s, %(params)s::jsonb, %(ref)s, %(at)s, %(at)s)
    ON CONFLICT (key) WHERE closed_at IS NULL DO UPDATE
        SET times = spine_issue.times + 1, last_at = EXCLUDED.last_at,
            message = EXCLUDED.message, params = EXCLUDED.params
    RETURNING id
)
INSERT INTO spine_issuewait (issue_id, ref)
SELECT raised.id, waiting.ref FROM raised, unnest(%(waiting)s::text[]) AS waiting (ref)
ON CONFLICT (issue_id, ref) DO NOTHING
"""


def raise_issue(
    *,
    key: str,
    kind: str,
    message: str,
    params: dict[str, Any],
    ref: Ref | None,
    at: datetime,
    waiting: Iterable[Ref | str] = (),
) -> None:
    """Open the issue `key`, or renew it when it is open. One statement.

    `message` is an English msgid with {named} `params`; `ref` the paper it is about, `waiting` the papers that
    or lanes that cannot go on before it is mended (`ref` among them, when given).
    """
    held_up = {str(one) for one in waiting} | ({str(ref)} if ref else set())
    with connection.cursor() as cursor:
        cursor.execute(
            _RAISE,
            {
                "key": key[:200],
                "kind": kind,
                "message": message,
                "params": json.dumps(params, cls=DjangoJSONEncoder, ensure_ascii=False),
                "ref": str(ref) if ref else None,
                "at": at,
                "waiting": sorted(held_up),
            },
        )


def close_issue(key: str, at: datetime) -> bool:
    """Close the issue `key`; False when none was open."""
    return bool(Issue.objects.filter(key=key[:200], closed_at__isnull=True).update(closed_at=at))


def let_go(key: str, ref: str, at: datetime) -> None:
    """`ref` no longer waits on the issue `key`; it closes when nothing waits on it any more."""
    IssueWait.objects.filter(issue__key=key[:200], issue__closed_at__isnull=True, ref=ref).delete()
    Issue.objects.filter(key=key[:200], closed_at__isnull=True, waits__isnull=True).update(closed_at=at)


def open_issues() -> list[Issue]:
    """Latest first. `issue.waits` are the papers held up."""
    return list(Issue.objects.filter(closed_at__isnull=True).order_by("-last_at").prefetch_related("waits"))


def blocking(ref: Ref) -> list[Issue]:
    """The open issues `ref` waits on."""
    return list(Issue.objects.filter(closed_at__isnull=True, waits__ref=str(ref)).order_by("-last_at"))
