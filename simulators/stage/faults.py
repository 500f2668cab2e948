"""Misbehaviour on demand: the next N calls, or a seeded random share of them, per path."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from random import Random
from typing import Any


class Harm(StrEnum):
    SERVER_ERROR = "server_error"  # refuse with the vendor's own "system error", or a bare 502/503/504
    HTML_PAGE = "html_page"  # a page of HTML where JSON was expected
    RATE_LIMIT = "rate_limit"  # the vendor's "too many calls"
    LOST_ANSWER = "lost_answer"  # do the work, then close the connection without a word
    HANG_UP = "hang_up"  # close the connection before any work
    SLOW = "slow"  # `seconds` later, do the work and answer
    LATE_ANSWER = "late_answer"  # do the work at once, answer `seconds` later: what is pushed comes first


@dataclass(slots=True)
class FaultRule:
    """`times` counts down; `fraction` is a chance per call. One of them, or neither: every call."""

    harm: Harm
    path: str = "*"
    method: str = "*"
    times: int | None = None
    fraction: float | None = None
    seconds: float = 0.0
    status: int | None = None
    struck: int = 0

    def concerns(self, method: str, path: str) -> bool:
        return self.method in ("*", method) and fnmatchcase(path, self.path)


@dataclass(slots=True)
class Faults:
    random: Random
    rules: list[FaultRule] = field(default_factory=list)

    def strike(self, method: str, path: str) -> FaultRule | None:
        """The rule that spoils this call, if any; a rule used up is forgotten."""
        for rule in self.rules:
            if not rule.concerns(method, path):
                continue
            if rule.fraction is not None and self.random.random() >= rule.fraction:
                continue
            rule.struck += 1
            if rule.times is not None and rule.struck >= rule.times:
                self.rules.remove(rule)
            return rule
        return None

    def shown(self) -> list[dict[str, Any]]:
        return [asdict(rule) for rule in self.rules]
