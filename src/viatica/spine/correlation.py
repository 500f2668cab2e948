"""One id from the click through outbox, relay and callback. It rides in structlog's context, so every log line has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from structlog.contextvars import bound_contextvars
from uuid_utils import uuid7


def current() -> str | None:
    """The id at hand: ours, or the request's (bound by django-structlog)."""
    bound = structlog.contextvars.get_contextvars()
    found = bound.get("correlation") or bound.get("correlation_id") or bound.get("request_id")
    return str(found)[:64] if found else None


def new() -> str:
    return str(uuid7())


@contextmanager
def carried(correlation: str | None) -> Iterator[None]:
    """Everything inside is logged and recorded under `correlation` (None: under a new one)."""
    with bound_contextvars(correlation=correlation or new()):
        yield
