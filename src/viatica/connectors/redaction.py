"""Keeping secrets out of logs, errors and stored exchanges."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, overload

HIDDEN = "…"
SHORTEST = 6  # a shorter “secret” would blot out ordinary words

_NAMED = re.compile(r"(?i)token|secret|passw|aes_?key|signature|ticket|authorization")
_PAIR = re.compile(
    r"(?i)\b([\w-]*(?:token|secret|password|signature|ticket|authorization))"
    r"(\"?\s*[=:]\s*\"?)(?:bearer\s+)?[^\s&\"',}]+"
)


@overload
def redact(data: str, secrets: Iterable[str] = ()) -> str: ...
@overload
def redact(data: Any, secrets: Iterable[str] = ()) -> Any: ...
def redact(data: Any, secrets: Iterable[str] = ()) -> Any:
    """`data` (JSON or text) without the values named like a secret, and without the `secrets` themselves."""
    known = tuple(secret for secret in secrets if len(secret) >= SHORTEST)
    match data:
        case dict():
            return {
                key: HIDDEN if _NAMED.search(str(key)) else redact(value, known)
                for key, value in data.items()
            }
        case list() | tuple():
            return [redact(value, known) for value in data]
        case str():
            for secret in known:
                data = data.replace(secret, HIDDEN)
            return _PAIR.sub(rf"\1\2{HIDDEN}", data)
        case _:
            return data
