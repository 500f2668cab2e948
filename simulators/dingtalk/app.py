"""The whole simulator as one ASGI app."""

from __future__ import annotations

from pathlib import Path

from simulators.dingtalk.centre_pages import CentrePages
from simulators.dingtalk.control import Control
from simulators.dingtalk.manners import is_api
from simulators.dingtalk.pages import Pages
from simulators.dingtalk.simulator import Simulator
from simulators.stage.app import Stage


def dingtalk(simulator: Simulator, state_file: Path | None = None) -> Stage:
    pages = Pages(simulator)
    routes = [
        *Control(simulator).routes(),
        *CentrePages(pages).routes(),
        *pages.routes(),
        *simulator.stream.routes(),
    ]
    return Stage(simulator, routes, is_api=is_api, state_file=state_file)
