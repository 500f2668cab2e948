"""What re-adding a room's books finds. Each room has a `books.py`; `viatica books` asks them all."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Disagreement:
    """`ours` is what the row says, `theirs` what re-adding gives; both ready to print."""

    room: str
    ref: str
    what: str
    ours: str
    theirs: str
