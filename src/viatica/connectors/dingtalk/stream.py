"""Stream mode: DingTalk's events over a WebSocket that we open, so that no public address is needed.

The line itself is the official SDK's (stream_client.py), an optional extra. What comes in is brought to the shape of the
HTTP callback, so that whatever comes by both ways is kept once. Sources: Stream 模式接入; `dingtalk-stream` 0.24.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus, urlsplit

from viatica.connectors.dingtalk import translate
from viatica.connectors.dingtalk.client import DingTalkClient, DingTalkSetup
from viatica.connectors.dingtalk.errors import SYSTEM
from viatica.connectors.guard import ForbiddenAddress, addresses
from viatica.connectors.http import CONNECT_S, AddressForbidden
from viatica.connectors.settling import HEARD_AT
from viatica.kernel import clock
from viatica.kernel.errors import OutsideUnavailable
from viatica.spine import capabilities, exchanges
from viatica.spine.models import Connection
from viatica.spine.streams import Line, PackageMissing

EXTRA, PACKAGE = "dingtalk-stream", "dingtalk_stream"

Keep = Callable[
    [str, str, str, int, dict[str, Any]], None
]  # kind, id, organisation, time in ms, what it says
Hold = Callable[[DingTalkSetup, str, socket.socket, Line, Keep], None]


def stream(connection: Connection, line: Line) -> None:
    """One connection's life. Fills `spine.streams.Handler`."""
    hold = holder()
    client = DingTalkClient.of(connection)
    with exchanges.gathered(connection, capabilities.CALLBACKS):
        endpoint, ticket = client.open_stream()
    hold(client.setup, f"{endpoint}?ticket={quote_plus(ticket)}", dial(endpoint), line, heard(line))


def holder() -> Hold:
    """What holds the line. Raises PackageMissing without the extra."""
    try:
        from viatica.connectors.dingtalk.stream_client import hold
    except ModuleNotFoundError as error:
        if error.name != PACKAGE:
            raise
        raise PackageMissing(extra=EXTRA) from error
    return hold


def heard(line: Line) -> Keep:
    def keep(kind: str, event_id: str, corp_id: str, born_ms: int, data: dict[str, Any]) -> None:
        event = data | {"EventType": kind, "EventTime": born_ms, "CorpId": corp_id, "eventId": event_id}
        line.heard(translate.event_id(event), event | {HEARD_AT: clock.now().isoformat()})

    return keep


def dial(endpoint: str) -> socket.socket:
    """Where the gateway sends us, which must be where connections may go, like every address that is called."""
    parts = urlsplit(endpoint)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80)
    try:
        checked = addresses(host, port)
    except ForbiddenAddress as error:
        raise AddressForbidden(system=SYSTEM, said_by=host) from error
    except OSError as error:
        raise OutsideUnavailable(system=SYSTEM, said_by=f"{host}: {error.strerror}") from error
    trouble = f"{host}: no address"
    for address in checked:
        try:
            return socket.create_connection((address, port), timeout=CONNECT_S)
        except OSError as error:
            trouble = f"{host}: {error}"
    raise OutsideUnavailable(system=SYSTEM, said_by=trouble)
