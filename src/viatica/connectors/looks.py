"""When each instance was last looked at, so that one look serves every event that had come in before it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime


class Looks:
    """Of this process; its threads share it."""

    def __init__(self, most: int = 10_000, lanes: int = 64) -> None:
        self._most = most
        self._lanes = [threading.Lock() for _ in range(lanes)]
        self._seen: OrderedDict[tuple[int, str], datetime] = OrderedDict()
        self._lock = threading.Lock()

    def turn(self, connection_id: int, instance_id: str) -> threading.Lock:
        """To be held while looking: events of one instance that come together wait for one look, not for each."""
        return self._lanes[hash((connection_id, instance_id)) % len(self._lanes)]

    def covers(self, connection_id: int, instance_id: str, heard_at: datetime) -> bool:
        """Whether a look began after the event had come in: then it saw what the event tells of."""
        with self._lock:
            looked_at = self._seen.get((connection_id, instance_id))
            return looked_at is not None and looked_at > heard_at

    def note(self, connection_id: int, instance_id: str, began_at: datetime) -> None:
        """A look that began at `began_at` has been settled."""
        key = (connection_id, instance_id)
        with self._lock:
            self._seen[key] = max(began_at, self._seen.get(key, began_at))
            self._seen.move_to_end(key)
            while len(self._seen) > self._most:
                self._seen.popitem(last=False)
