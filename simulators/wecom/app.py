"""The whole simulator as one ASGI app."""

from __future__ import annotations

from pathlib import Path

from simulators.stage.app import Stage
from simulators.wecom.control import Control
from simulators.wecom.pages import Pages
from simulators.wecom.simulator import Simulator

API = "/cgi-bin/"


def wecom(simulator: Simulator, state_file: Path | None = None) -> Stage:
    routes = [*Control(simulator).routes(), *Pages(simulator).routes()]
    return Stage(simulator, routes, is_api=is_api, state_file=state_file)


def is_api(path: str) -> bool:
    return path.startswith(API)
