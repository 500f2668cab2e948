"""Brings worker processes into the world quickly: one process that has everything imported, and forks.

Reads one JSON object a line: {"task": name, "wait": bool, …}; answers {"pid": …, "code": …}. Every child opens its own
connections.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any


def main() -> None:
    import django

    django.setup()
    from viatica.config import logs
    from viatica.spine import relay  # noqa: F401 - imported before the forks
    from viatica.spine.tests.toy import connector

    logs.configure("ERROR")
    connector.register()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        waits = order.pop("wait")
        pid = os.fork()
        if pid == 0:
            try:
                TASKS[order.pop("task")](**order)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        code = os.waitpid(pid, 0)[1] if waits else None
        print(json.dumps({"pid": pid, "code": code}), flush=True)


def work(*, die_at: int | None = None, **options: Any) -> None:
    """A worker. `die_at`: killed at that many-th point, where points lie around every statement and every call."""
    from django.db import connection

    from viatica.spine.relay import Worker
    from viatica.spine.tests.toy import connector

    worker = Worker(**options)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=worker.stop).start())
    if die_at is not None:
        points = _Points(die_at)
        connector.on_step = lambda _event: points.pass_one()

        def around(execute: Any, *call: Any) -> Any:
            points.pass_one()
            try:
                return execute(*call)
            finally:
                points.pass_one()

        connection.execute_wrappers.append(around)
    worker.run()


class _Points:
    def __init__(self, last: int) -> None:
        self._left = last
        self._lock = threading.Lock()

    def pass_one(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def migrate() -> None:
    """The spine's tables alone."""
    from django.core.management import call_command

    call_command("migrate", "spine", verbosity=0)


def put(*, orders: list[dict[str, Any]]) -> None:
    from django.db import transaction

    from viatica.kernel import clock
    from viatica.spine import outbox

    with transaction.atomic():
        for order in orders:
            outbox.put(
                kind="toy.order", lane=order["lane"], payload=order, at=clock.now(), key=order["number"]
            )


TASKS: dict[str, Callable[..., None]] = {"work": work, "migrate": migrate, "put": put}

if __name__ == "__main__":
    main()
