"""A writing door's key: the same request again gets the first answer again, and has no second effect."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection

from viatica.kernel.errors import BadInput, Conflict
from viatica.kernel.words import N_

T = TypeVar("T")

LONGEST_KEY = 200


class KeyReused(Conflict):
    code = "idempotency.key_reused"
    message = N_("This idempotency key was already used for another request.")
    hint = N_(
        "Send a new Idempotency-Key with every new request; repeat a key only to repeat the very same request."
    )


class BadKey(BadInput):
    code = "idempotency.bad_key"
    message = N_("An Idempotency-Key has 1 to {longest} characters.")
    hint = N_("Send a new random value, such as a UUID.")


def once(*, owner: str, key: str | None, fingerprint: str, at: datetime, run: Callable[[], T]) -> T:
    """`run()`, or what it gave when `owner` first sent `key`. Without a key: just `run()`.

    Call it inside the door's transaction, which `run` joins without opening one of its own:

        with transaction.atomic():
            return once(owner=viewer.actor, key=request.headers.get("Idempotency-Key"), fingerprint=sha256(request),
                        at=at, run=lambda: journey.submit(...))

    The answer (any JSON value) commits with the effect. When `run` raises, the transaction rolls back and the key is
    free again, so that a refusal can be mended and sent once more. A second request with the same key waits for the
    first one to commit. Two statements around `run`; two in all for a repeat. Raises KeyReused, BadKey.
    """
    if key is None:
        return run()
    if not 1 <= len(key) <= LONGEST_KEY or not key.isprintable():
        raise BadKey(field="Idempotency-Key", longest=LONGEST_KEY)
    if not connection.in_atomic_block:
        raise RuntimeError("idempotency.once is called inside a transaction")
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO spine_idempotencykey (owner, key, fingerprint, at) VALUES (%s, %s, %s, %s)
            ON CONFLICT (owner, key) DO NOTHING RETURNING id
            """,
            [owner, key, fingerprint, at],
        )
        claimed = cursor.fetchone()
        if claimed is None:
            first: T = _first_answer(owner, key, fingerprint)
            return first
        answer = run()
        cursor.execute(
            "UPDATE spine_idempotencykey SET answer = %s::jsonb WHERE id = %s",
            [json.dumps(answer, cls=DjangoJSONEncoder, ensure_ascii=False), claimed[0]],
        )
    return answer


def _first_answer(owner: str, key: str, fingerprint: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT fingerprint, answer::text FROM spine_idempotencykey WHERE owner = %s AND key = %s",
            [owner, key],
        )
        kept, answer = cursor.fetchone()
    if kept != fingerprint:
        raise KeyReused(field="Idempotency-Key")
    return json.loads(answer)
