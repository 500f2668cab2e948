"""What the pages of all simulators show alike, ready for their templates."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

CHINA = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class Brand:
    """A product's name and its colour, the latter also soft (behind things) and dark (under the pointer)."""

    name: str
    english: str
    accent: str
    soft: str
    dark: str

    def style(self) -> str:
        return (
            f":root {{ --accent: {self.accent}; --accent-soft: {self.soft}; --accent-dark: {self.dark}; }}\n"
        )


@dataclass(frozen=True, slots=True)
class Face:
    """A person as a list shows them."""

    id: str
    name: str
    note: str


@dataclass(frozen=True, slots=True)
class Row:
    """A paper in a list."""

    link: str
    sender: str
    title: str
    word: str
    look: str  # running, agreed, refused, ended
    lines: list[str]
    at_ms: int


@dataclass(frozen=True, slots=True)
class Shown:
    """One form value; `kind` says which of the parts is filled."""

    label: str
    kind: str  # text, money, link, table, photos, files
    text: str = ""
    columns: list[str] = field(default_factory=list)
    numeric: set[str] = field(default_factory=set)
    rows: list[dict[str, str]] = field(default_factory=list)
    photos: list[str] = field(default_factory=list)
    files: list[dict[str, str]] = field(default_factory=list)  # name, size, kind, url


@dataclass(frozen=True, slots=True)
class ShownNode:
    name: str
    mode: str
    state: str  # done, refused, current, waiting, ended
    people: list[tuple[str, str]]  # name, what they did


@dataclass(frozen=True, slots=True)
class ShownRecord:
    who: str
    did: str
    at_ms: int
    said: str = ""
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class Paper:
    """One approval, whole."""

    title: str
    word: str
    look: str
    about: str
    at_ms: int
    values: list[Shown]
    nodes: list[ShownNode]
    records: list[ShownRecord]
    url: str = ""  # the detail page of the business system


def shown_text(label: str, text: str) -> Shown:
    return Shown(label, "link" if is_web(text) else "text", text=text or "—")


def is_web(url: object) -> bool:
    return isinstance(url, str) and url.startswith(("http://", "https://")) and not re.search(r"\s", url)


def plain(text: str) -> str:
    """Without the few marks and tags a message may hold."""
    text = re.sub(r"<br\s*/?>|</div>", "\n", text)
    text = re.sub(r"<[^>]*>", "", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"(?m)^#+\s*|\*\*|^>\s?", "", text).strip()


def when(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, CHINA)
    today = datetime.fromtimestamp(time.time(), CHINA).date()
    clock = at.strftime("%H:%M")
    match (today - at.date()).days:
        case 0:
            return f"今天 {clock}"
        case 1:
            return f"昨天 {clock}"
        case _:
            return f"{at.month}月{at.day}日 {clock}"


def money(text: str) -> str:
    """ "1280.5" → "¥1,280.50"; what is no number stays as it came."""
    match = re.fullmatch(r"(-?)(\d+)(?:\.(\d+))?", text)
    if not match:
        return text
    sign, whole, cents = match.group(1), match.group(2), match.group(3) or ""
    return f"{'−' if sign else ''}¥{int(whole):,}.{cents.ljust(2, '0')}"


def initial(name: str) -> str:
    return name[-2:] if len(name) > 2 else name


def size_of(data: bytes) -> str:
    return f"{max(1, len(data) // 1024)} KB"
