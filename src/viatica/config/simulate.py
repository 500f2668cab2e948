"""`viatica simulate <oa>`: the simulator is a program of its own; we only start it."""

from __future__ import annotations

import argparse
import os
import sys


def simulate(options: argparse.Namespace) -> int:
    """Becomes the simulator: its first line, its signals and its exit code are its own."""
    os.execv(sys.executable, [sys.executable, "-m", f"simulators.{options.oa}", *options.rest])
