"""The program that holds one long connection with Feishu's own SDK: `python -m viatica.connectors.feishu.line`.

The SDK keeps one event loop for a whole process and never returns from it, so each line has a process of its own. Its first
line of input is {"app_id", "app_secret", "domain"}. It prints {"up": true} once connected, and {"event": "<the event's
JSON>"} for each event, and tells Feishu that an event has arrived only when a line of input says "ok". It ends when the line
is lost. It knows nothing of the product.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import Any

import lark_oapi as lark
from lark_oapi.ws import client as ws

LOST = 3  # exit code


class NotKept(RuntimeError):
    """Feishu sends the event again."""


class Teller:
    """Takes the place of the SDK's dispatcher, which would want each kind of event named."""

    def _do_without_validation(self, payload: bytes) -> None:
        say({"event": payload.decode()})
        if sys.stdin.readline().strip() != "ok":
            raise NotKept


class Client(ws.Client):  # type: ignore[misc]  # the SDK has no types
    async def _connect(self) -> None:
        await super()._connect()
        say({"up": True})


def say(told: dict[str, Any]) -> None:
    print(json.dumps(told, ensure_ascii=False), flush=True)


def main() -> int:
    wanted = json.loads(sys.stdin.readline())
    logging.getLogger("Lark").setLevel(logging.CRITICAL)
    client = Client(
        wanted["app_id"],
        wanted["app_secret"],
        event_handler=Teller(),
        domain=wanted["domain"],
        log_level=lark.LogLevel.CRITICAL,
    )
    # Who started us opens the next line, with pauses of its own.
    client.on_reconnecting = lambda: os._exit(LOST)
    client.start()
    return LOST


if __name__ == "__main__":
    sys.exit(main())
