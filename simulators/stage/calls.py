"""Who called what, and what was answered: counts for assertions, the newest calls for people."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any

KEPT = 500


@dataclass(frozen=True, slots=True)
class CallRecord:
    at_ms: int
    method: str
    path: str
    status: int
    outcome: str  # the vendor's error code, "ok", or the harm done
    worked: bool  # the work behind the door was done, whatever the caller saw


@dataclass(slots=True)
class CallLog:
    counts: Counter[str] = field(default_factory=Counter)
    worked: Counter[str] = field(default_factory=Counter)
    newest: deque[CallRecord] = field(default_factory=lambda: deque(maxlen=KEPT))

    def note(self, record: CallRecord) -> None:
        key = f"{record.method} {record.path}"
        self.counts[key] += 1
        if record.worked:
            self.worked[key] += 1
        self.newest.append(record)

    def clear(self) -> None:
        self.counts.clear()
        self.worked.clear()
        self.newest.clear()

    def shown(self) -> dict[str, Any]:
        return {
            "counts": dict(self.counts),
            "worked": dict(self.worked),
            "newest": [asdict(record) for record in self.newest],
        }
