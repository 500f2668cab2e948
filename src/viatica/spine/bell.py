"""Waking the relay: NOTIFY, rung after the commit by one thread per process.

Not inside the transaction: PostgreSQL lets only one notifying transaction commit at a time, and holds the others
through its flush to disk, which would take group commit away from every paper's step. A ring that is lost (the process
died just then) costs at most one polling interval of the worker.
"""

from __future__ import annotations

import os
import threading

import structlog
from django.db import connection, transaction

log = structlog.get_logger(__name__)

CHANNEL = "viatica_relay"


def ring_after_commit() -> None:
    """Wake the relay once the open transaction has committed (at once when there is none)."""
    transaction.on_commit(ring, robust=True)


def ring() -> None:
    """Wake the relay. Returns at once; many rings become one."""
    _ringer().rung.set()


class _Ringer:
    def __init__(self) -> None:
        self.process = os.getpid()
        self.rung = threading.Event()
        threading.Thread(target=self._run, name="viatica-bell", daemon=True).start()

    def _run(self) -> None:
        while True:
            self.rung.wait()
            self.rung.clear()
            try:
                with connection.cursor() as cursor:
                    cursor.execute(f"NOTIFY {CHANNEL}")
            except Exception as error:
                # Whatever it was, the worker polls as well, and the next ring tries again.
                log.warning("bell.silent", error=type(error).__name__)
            finally:
                connection.close()  # back to the pool


_current: _Ringer | None = None
_making = threading.Lock()


def _ringer() -> _Ringer:
    """This process's ringer: a thread does not survive a fork, so a child makes its own."""
    global _current
    if _current is None or _current.process != os.getpid():
        with _making:
            if _current is None or _current.process != os.getpid():
                _current = _Ringer()
    return _current
