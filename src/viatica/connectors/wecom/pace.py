"""How fast somebody is sent messages. WeCom drops what is over its limits and says nothing: it is kept back here.

Counted in each process, so the limits are well below those of the vendor (访问频率限制: 30 a minute, 1000 an hour).
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from viatica.connectors.wecom.errors import SYSTEM, MessageLimit

A_MINUTE, AN_HOUR = 10, 300
MOST_PEOPLE = 50_000


@dataclass(slots=True)
class Pace:
    """Of this process; its threads share it."""

    clock: Callable[[], float] = time.monotonic
    _sent: OrderedDict[tuple[str, ...], deque[float]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def step(self, key: tuple[str, ...], a_minute: int = A_MINUTE, an_hour: int = AN_HOUR) -> None:
        """Count one message to `key`. Raises MessageLimit, saying when there is room again."""
        with self._lock:
            now = self.clock()
            sent = self._sent.setdefault(key, deque())
            self._sent.move_to_end(key)
            while sent and sent[0] <= now - 3600:
                sent.popleft()
            for most, seconds in ((a_minute, 60.0), (an_hour, 3600.0)):
                if len(sent) >= most and sent[-most] > now - seconds:
                    said = f"{most} / {int(seconds)} s"
                    raise MessageLimit(system=SYSTEM, said_by=said, retry_after=sent[-most] + seconds - now)
            sent.append(now)
            while len(self._sent) > MOST_PEOPLE:
                self._sent.popitem(last=False)
