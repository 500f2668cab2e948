"""The Chinese catalogue, without gettext's tools: every room writes its words into `locale/zh_Hans/parts/<room>.po`;
here they become one `django.mo`.

    python -m viatica.config.translations            merge and compile
    python -m viatica.config.translations --missing  print what has no Chinese yet, ready to be filled in
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_python
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

PACKAGE = Path(__file__).resolve().parent.parent
LOCALE = PACKAGE / "locale" / "zh_Hans"
PARTS = LOCALE / "parts"
COMPILED = LOCALE / "LC_MESSAGES" / "django.mo"
KEYWORDS = dict.fromkeys(("_", "N_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"))
Text = str | tuple[str, ...] | list[str]
PLACEHOLDER = re.compile(r"\{(\w*)[^{}]*\}|%\((\w+)\)[sd]")


class CatalogueFailed(ValueError):
    """Two rooms say different things, or an entry is not finished."""


@dataclass(frozen=True, slots=True)
class Word:
    """A text of ours that people read, and where it stands."""

    msgid: str
    place: str
    has_plural: bool = False


def words() -> list[Word]:
    """Every msgid in our Python and our templates."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if not {"tests", "migrations"} & set(path.parts):
            found += list(_in_python(path.read_bytes(), path))
    for path in sorted(PACKAGE.rglob("templates/**/*.html")):
        found += list(_in_template(path))
    return found


def _in_python(source: bytes, path: Path) -> Iterator[Word]:
    for line, function, messages, _comments in extract_python(BytesIO(source), KEYWORDS, [], {}):
        # Of a plural only the singular is the key; a stray second argument is no text of ours.
        text = messages[0] if isinstance(messages, tuple) else messages
        if isinstance(text, str) and text:
            yield Word(text, f"{path.relative_to(PACKAGE)}:{line}", str(function).startswith("ngettext"))


def _in_template(path: Path) -> Iterator[Word]:
    from django.utils.translation.template import templatize

    source = templatize(path.read_text(), origin=str(path))
    # What is left of the page around the words is not Python: one line each, without indentation, reads well enough.
    for number, line in enumerate(source.splitlines(), start=1):
        if "gettext(" in line or "_(" in line:
            for word in _in_python(_calls(line), path):
                yield replace(word, place=f"{path.relative_to(PACKAGE)}:{number}")


def _calls(line: str) -> bytes:
    """Only the calls of a templatized line, one a line."""
    string = r"""(?:u?"(?:[^"\\]|\\.)*"|u?'(?:[^'\\]|\\.)*')"""
    calls = re.findall(rf"(?:\bn?gettext|\b_)\({string}(?:, {string})?", line)
    return "\n".join(f"{call})" for call in calls).encode()


def merged() -> Catalog:
    """All parts as one catalogue. Raises CatalogueFailed where they contradict one another."""
    whole = Catalog(locale="zh_Hans_CN", project="Viatica", fuzzy=False, charset="utf-8")
    said: dict[str, tuple[Text | None, str]] = {}
    for path in sorted(PARTS.glob("*.po")):
        with path.open("rb") as file:
            part = read_po(file, locale="zh_Hans_CN", abort_invalid=True)
        for message in part:
            if not message.id:
                continue
            if message.fuzzy or not all(_texts(message.string)):
                raise CatalogueFailed(f"{path.name}: “{message.id}” is fuzzy or empty")
            msgid = _key(message)
            first, where = said.setdefault(msgid, (message.string, path.name))
            if first != message.string:
                raise CatalogueFailed(
                    f"“{msgid}”: “{first}” in {where}, “{message.string}” in {path.name}: one word per thing"
                )
            whole.add(message.id, message.string)
    return whole


def _texts(text: Text | None) -> tuple[str, ...]:
    """One of a plain entry, several of a plural; an empty one of an entry without words."""
    if text is None:
        return ("",)
    return (text,) if isinstance(text, str) else tuple(text)


def _key(message: Message) -> str:
    return _texts(message.id)[0]


def missing() -> list[Word]:
    """Words without Chinese, first place each."""
    known = {(_key(message), message.pluralizable) for message in merged() if message.id}
    first: dict[tuple[str, bool], Word] = {}
    for word in words():
        if (word.msgid, word.has_plural) not in known:
            first.setdefault((word.msgid, word.has_plural), word)
    return list(first.values())


def broken() -> list[str]:
    """msgids whose Chinese has other {placeholders} than they have."""
    return [
        _key(message)
        for message in merged()
        if message.id
        and any(
            _placeholders(text) != _placeholders(_texts(message.id)[-1]) for text in _texts(message.string)
        )
    ]


def _placeholders(text: str) -> set[str]:
    return {left or right for left, right in PLACEHOLDER.findall(text)}


def compile_all() -> int:
    """Write django.mo; how many words it holds."""
    catalogue = merged()
    COMPILED.parent.mkdir(parents=True, exist_ok=True)
    with COMPILED.open("wb") as file:
        write_mo(file, catalogue)
    return len(catalogue)


def main(arguments: list[str]) -> int:
    if "--missing" in arguments:
        for word in missing():
            print(f'#: {word.place}\nmsgid {_quoted(word.msgid)}\nmsgstr ""\n')
        return 0
    print(f"中文词条 {compile_all()} · {COMPILED.relative_to(PACKAGE.parent.parent)}")
    return 0


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
