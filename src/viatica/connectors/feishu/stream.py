"""The long connection (长连接): Feishu's events over a WebSocket that we open, so that no public address is needed.

The SDK holds it, in a process of its own (line.py); an optional extra. Source: vendor page 使用长连接接收事件.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from viatica.connectors.feishu import translate
from viatica.connectors.feishu.client import FeishuClient
from viatica.connectors.feishu.errors import SYSTEM
from viatica.connectors.settling import HEARD_AT
from viatica.kernel import clock
from viatica.kernel.errors import OutsideUnavailable
from viatica.spine import capabilities, exchanges
from viatica.spine.models import Connection
from viatica.spine.streams import Line, PackageMissing

EXTRA, PACKAGE = "feishu-stream", "lark_oapi"
PROGRAM = "viatica.connectors.feishu.line"


def stream(connection: Connection, line: Line) -> None:
    """One line's life. Fills `spine.streams.Handler`."""
    if importlib.util.find_spec(PACKAGE) is None:
        raise PackageMissing(extra=EXTRA)
    client = FeishuClient.of(connection)
    with exchanges.gathered(connection, capabilities.CALLBACKS):
        client.check_token()  # wrong credentials are told in our own words, and the address is one we may call
    with _program(line) as program:
        setup = client.setup
        _tell(
            program,
            json.dumps({"app_id": setup.app_id, "app_secret": setup.app_secret, "domain": setup.base_url}),
        )
        assert program.stdout is not None
        for said in program.stdout:
            told = json.loads(said)
            if "event" in told:
                _keep(line, json.loads(told["event"]))
                _tell(program, "ok")
            else:
                line.up()
    if not line.stopping.is_set():
        raise OutsideUnavailable(system=SYSTEM, said_by=f"the long connection ended ({program.returncode})")


@contextmanager
def _program(line: Line) -> Iterator[subprocess.Popen[str]]:
    """Ended when the line is to stop, or when we are done with it."""
    program = subprocess.Popen(
        [sys.executable, "-m", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    over = threading.Event()

    def watch() -> None:
        while not over.is_set() and not line.stopping.wait(0.2):
            pass
        program.terminate()

    watcher = threading.Thread(target=watch, name=f"feishu-{line.connection.slug}", daemon=True)
    watcher.start()
    try:
        yield program
    finally:
        over.set()
        watcher.join()
        program.wait()


def _tell(program: subprocess.Popen[str], words: str) -> None:
    """Raises OutsideUnavailable when the program has gone."""
    assert program.stdin is not None
    try:
        program.stdin.write(words + "\n")
        program.stdin.flush()
    except BrokenPipeError as error:
        raise OutsideUnavailable(system=SYSTEM, said_by="the long connection ended") from error


def _keep(line: Line, event: dict[str, Any]) -> None:
    """As from the callback door: no signature, since Feishu proved itself when the line was opened."""
    kept = translate.without_token(event) | {HEARD_AT: clock.now().isoformat()}
    line.heard(translate.event_id(event), kept)
