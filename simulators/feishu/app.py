"""The whole simulator as one ASGI app."""

from __future__ import annotations

from pathlib import Path

from simulators.feishu.control import Control
from simulators.feishu.manners import is_api
from simulators.feishu.pages import Pages
from simulators.feishu.simulator import Simulator
from simulators.stage.app import Stage

MOST_BYTES = 64 * 1024 * 1024  # an attachment may have 50 MB


def feishu(simulator: Simulator, state_file: Path | None = None) -> Stage:
    routes = [*Control(simulator).routes(), *Pages(simulator).routes(), *simulator.stream.routes()]
    return Stage(simulator, routes, is_api=is_api, most_bytes=MOST_BYTES, state_file=state_file)
