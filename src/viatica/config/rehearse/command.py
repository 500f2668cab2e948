"""The command: set the stage, play, print what happened. Exit 0 only when every promise held."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from viatica.config.processes import ChildDied, Stopped, stoppable
from viatica.config.rehearse.doors import DoorRefused
from viatica.config.rehearse.stage import NoCast, Stage, own_stage, this_stage


def rehearse(options: argparse.Namespace) -> int:
    started = time.monotonic()
    quiet = bool(options.json)
    os.environ.setdefault("VIATICA_LOG_LEVEL", "ERROR")  # what goes wrong on purpose is no news
    try:
        with stoppable(), _stage(options) as stage:
            from viatica.config.rehearse import play

            with _spoiled(stage.control, options.chaos):
                report = play.life(stage, options.invoice, tell=_silence if quiet else _say)
            promises = play.promises(stage, report)
            timeline = play.timeline(stage, report)
    except (ChildDied, DoorRefused, NoCast, OSError, TimeoutError) as error:
        print(f"✗ {error}", file=sys.stderr)
        if quiet:
            print(
                json.dumps(
                    {"ok": False, "error": str(error), "seconds": round(time.monotonic() - started, 1)}
                )
            )
        return 1
    except Stopped:
        return 1
    answer = {
        "ok": all(promises.values()),
        "document": report,
        "timeline": timeline,
        "promises": promises,
        "seconds": round(time.monotonic() - started, 1),
    }
    _print(answer, quiet)
    return 0 if answer["ok"] else 1


def _stage(options: argparse.Namespace) -> AbstractContextManager[Stage]:
    return (this_stage if options.here else own_stage)(options.oa, options.mode, seed=options.seed)


@contextmanager
def _spoiled(control: Any, chaos: bool) -> Iterator[None]:
    """The simulator's faults are on while we play, and off when we compare."""
    if not (chaos and control):
        yield
        return
    control.spoil()
    try:
        yield
    finally:
        print(f"  ✓ {control.struck()} 次调用被打乱 · calls were spoiled", file=sys.stderr, flush=True)
        control.behave()


def _say(words: str) -> None:
    print(f"  ✓ {words}", flush=True)


def _silence(words: str) -> None:
    """With --json only the object is printed."""


def _print(answer: dict[str, Any], quiet: bool) -> None:
    if quiet:
        print(json.dumps(answer, ensure_ascii=False))
        return
    print(f"\n  {answer['document']}")
    for row in answer["timeline"]:
        print(f"  {row['at'][11:19]}  {row['fact']:<24}{row['actor']:<24}{row['via']}")
    print()
    for promise, held in answer["promises"].items():
        print(f"  {'✓' if held else '✗'} {promise}")
    print(f"\n  {'通过 · ok' if answer['ok'] else '未通过 · failed'} · {answer['seconds']} s")
