"""`viatica web`: the pages, the API and the callbacks, served by granian."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from viatica.config import logs
from viatica.config.environment import Environment
from viatica.config.processes import die_with_parent

# A request the OA or a browser has given up on must not hold a stop for longer than this, in seconds.
LONGEST_REQUEST = 15


def serve(options: argparse.Namespace) -> int:
    from granian import Granian
    from granian.constants import Interfaces
    from granian.http import HTTP1Settings

    environment = Environment()
    logs.configure(environment.log_level)
    Granian(
        "viatica.config.web:application",
        address=options.host or environment.host,
        port=environment.port if options.port is None else options.port,
        interface=Interfaces.WSGI,
        workers=environment.web_processes,
        blocking_threads=environment.web_threads,
        factory=True,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=LONGEST_REQUEST,
        log_level="warning",  # type: ignore[arg-type]  # granian takes the value as well as its enum
        http1_settings=HTTP1Settings(keep_alive=True),
    ).serve()
    return 0


def application() -> Callable[..., Any]:
    """What each of granian's processes runs. They end with granian, even when it is killed."""
    die_with_parent()
    from viatica.config import wsgi

    served: Callable[..., Any] = wsgi.application
    return served


def collect_static(home: Path) -> None:
    """Gather every room's static files into `home`/static, from which they are served."""
    from django.core.management import call_command

    os.makedirs(home / "static", exist_ok=True)  # noqa: PTH103
    call_command("collectstatic", interactive=False, verbosity=0)
