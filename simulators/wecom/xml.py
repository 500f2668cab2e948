"""Writing the XML WeCom pushes: numbers bare, texts in CDATA, a list as siblings of one name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

UNWRITABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def document(fields: Mapping[str, Any]) -> str:
    return f"<xml>{inside(fields)}</xml>"


def inside(fields: Mapping[str, Any]) -> str:
    return "".join(element(name, value) for name, value in fields.items())


def element(name: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(element(name, item) for item in value)
    if isinstance(value, Mapping):
        return f"<{name}>{inside(value)}</{name}>"
    if isinstance(value, int):
        return f"<{name}>{int(value)}</{name}>"
    return f"<{name}>{cdata(str(value))}</{name}>"


def cdata(text: str) -> str:
    """Whatever people write, as text: a CDATA cannot hold its own end, nor what XML 1.0 forbids."""
    clean = UNWRITABLE.sub("", text).replace("]]>", "]]]]><![CDATA[>")
    return f"<![CDATA[{clean}]]>"
