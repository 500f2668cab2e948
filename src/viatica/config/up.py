"""`viatica up`: everything one machine needs, in one command. `viatica migrate`: the database alone."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from viatica.config.environment import Environment
from viatica.config.processes import ChildDied, Family, Stopped, free_port, stoppable, viatica


@contextmanager
def step(words: str) -> Iterator[None]:
    """One line of progress: what, then ✓ and how long it took."""
    shown = sys.stdout.isatty()
    if shown:
        print(f"  … {words}", end="\r", flush=True)
    started = time.monotonic()
    try:
        yield
    except BaseException:
        print(f"  ✗ {words}", flush=True)
        raise
    print(f"  ✓ {words} · {time.monotonic() - started:.1f} s", flush=True)


def up(options: argparse.Namespace) -> int:
    home = Path(os.environ["VIATICA_HOME"])
    print("行资 Viatica")
    family = Family(home / "log")
    try:
        with stoppable():
            with step("数据库结构 · migrations"):
                prepare(home)
            with step("网站与后台 · web and worker"):
                url = start_serving(family)
            print(f"\n  {url}\n\n  Ctrl-C 停止 · stops everything. 日志 · logs: {family.logs}", flush=True)
            watch(family)
    except Stopped:
        return 0
    except (ChildDied, TimeoutError) as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    finally:
        print("  停止中 · stopping …", flush=True)
        family.stop()
    return 0


def prepare(home: Path) -> None:
    """The database up to date, static files gathered."""
    import django

    from viatica.config.web import collect_static

    django.setup()
    migrate_quietly()
    collect_static(home)


def migrate_quietly() -> None:
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", interactive=False, verbosity=0)
    connection.close()


def migrate(options: argparse.Namespace) -> int:
    from django.core.management import call_command

    call_command("migrate", interactive=False)
    return 0


def start_serving(family: Family) -> str:
    """Web and worker as children; the address people open. Raises ChildDied, TimeoutError."""
    environment = Environment()
    port = free_port(environment.host, environment.port)
    url = environment.public_url
    if "VIATICA_PUBLIC_URL" not in os.environ:
        url = f"http://{environment.host}:{port}"
    settings = {**os.environ, "VIATICA_PORT": str(port), "VIATICA_PUBLIC_URL": url}
    web = family.start("web", viatica("web"), settings)
    family.start("worker", viatica("worker"), settings)
    family.wait_for(web, environment.host, port)
    return url


def watch(family: Family) -> None:
    """Until somebody stops us, or a child ends by itself (ChildDied)."""
    while True:
        family.check()
        time.sleep(0.5)
