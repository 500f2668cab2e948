"""The product's own processes, started as an operator would."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.database import HOME
from viatica.config.processes import Child, Family, free_port, viatica


def environment(url: str, **more: str) -> dict[str, str]:
    """Quiet logs; everything else as it comes out of the box."""
    return {
        **os.environ,
        "DATABASE_URL": url,
        "VIATICA_HOME": str(HOME.resolve()),
        "VIATICA_LOG_LEVEL": "WARNING",
        **more,
    }


@contextmanager
def web(url: str, *, processes: int = 2, **more: str) -> Iterator[tuple[str, Child]]:
    """`viatica web`; its address and process."""
    family = Family(HOME / "log")
    port = free_port("127.0.0.1", 0)
    base = f"http://127.0.0.1:{port}"
    settings = environment(
        url, VIATICA_PORT=str(port), VIATICA_PUBLIC_URL=base, VIATICA_WEB_PROCESSES=str(processes), **more
    )
    try:
        child = family.start("web", viatica("web"), settings)
        family.wait_for(child, "127.0.0.1", port)
        yield base, child
    finally:
        family.stop()


@contextmanager
def process(name: str, command: list[str], url: str, **more: str) -> Iterator[tuple[Child, Family]]:
    family = Family(HOME / "log")
    try:
        yield family.start(name, command, environment(url, **more)), family
    finally:
        family.stop()
