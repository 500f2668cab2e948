"""What every HTTP door does first: who is asking, and has this very request been answered before?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from ninja import Schema
from ninja.security import HttpBearer

from viatica.kernel import clock
from viatica.offices.access.queries import viewer_of, viewer_of_token
from viatica.offices.access.viewer import Viewer
from viatica.spine import facts, idempotency


class TokenAuth(HttpBearer):
    """`Authorization: Bearer via_…`. Raises NotSignedIn."""

    openapi_name = "token"

    def authenticate(self, request: HttpRequest, token: str) -> Viewer:
        return viewer_of_token(token, clock.now())


def viewer(request: HttpRequest) -> Viewer:
    """Who the token or the session stands for."""
    known = getattr(request, "auth", None)
    if isinstance(known, Viewer):
        return known
    return viewer_of(request.user.pk or 0)


def write_once(request: HttpRequest, run: Callable[[Viewer, datetime], Any]) -> Any:
    """Run a writing door in one transaction; a repeated `Idempotency-Key` gets the first answer again.

    `run` returns a Schema (or a dict) that is kept with the key. Raises Conflict when the key came with another body.
    """
    asker, at = viewer(request), clock.now()
    with transaction.atomic():
        return idempotency.once(
            owner=asker.actor,
            key=request.headers.get("Idempotency-Key"),
            fingerprint=fingerprint(request),
            at=at,
            run=lambda: _run(run, asker, at),
        )


def fingerprint(request: HttpRequest) -> str:
    """SHA-256 of what was asked, files included."""
    whole = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    if request.FILES:
        whole.update(repr(sorted(request.POST.lists())).encode())
    else:
        whole.update(request.body)
    add_files(whole, request)
    return whole.hexdigest()


def add_files(whole: hashlib._Hash, request: HttpRequest) -> None:
    """Let `whole` cover the names and contents of the files sent; they can still be read afterwards."""
    for name, files in sorted(request.FILES.lists()):
        for file in files:
            whole.update(f"{name} {file.name} {file.size}\n".encode())
            for chunk in file.chunks():
                whole.update(chunk)
            file.seek(0)


def _run(run: Callable[[Viewer, datetime], Any], asker: Viewer, at: datetime) -> Any:
    with facts.together():
        answer = run(asker, at)
    return answer.model_dump(mode="json") if isinstance(answer, Schema) else answer
