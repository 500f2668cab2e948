"""Connections at hand: looked up once every few seconds by each process, because every callback and event needs one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from viatica.spine.models import Connection

KEPT_SECONDS = 3.0

_known: dict[tuple[str, Any], tuple[float, Connection | None]] = {}
_lock = threading.Lock()


def by_slug(slug: str) -> Connection | None:
    """As it was at most KEPT_SECONDS ago; None when there is none or it is switched off."""
    return _look("slug", slug)


def by_id(connection_id: int) -> Connection | None:
    """As it was at most KEPT_SECONDS ago; None when there is none or it is switched off."""
    return _look("pk", connection_id)


def forget() -> None:
    """Look again next time: a connection was changed in this process."""
    with _lock:
        _known.clear()


def _look(column: str, value: Any, clock: Callable[[], float] = time.monotonic) -> Connection | None:
    from viatica.spine.models import Connection

    known = _known.get((column, value))
    if known is not None and known[0] > clock():
        return known[1]
    found = Connection.objects.filter(**{column: value}, is_active=True).first()
    if found is not None:
        # Only what exists is kept: a stranger's guesses must not fill the memory.
        with _lock:
            _known[column, value] = (clock() + KEPT_SECONDS, found)
    return found
