"""What a connector's live check finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `viatica doctor`. `said` and `remedy` are msgids with `params`; `remedy` is empty when all is well."""

    name: str
    ok: bool
    said: str
    remedy: str = ""
    params: tuple[tuple[str, str], ...] = ()

    @classmethod
    def bad(cls, name: str, said: str, remedy: str, params: Mapping[str, object] | None = None) -> Check:
        return cls(name, False, said, remedy, tuple((key, str(one)) for key, one in (params or {}).items()))
