"""Files for spreadsheets: CSV that Excel reads as Chinese, with text cells it does not calculate."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def text(value: str) -> str:
    """One line; a text that could start a formula begins with an apostrophe."""
    line = " ".join(value.split())
    return f"'{line}" if line.startswith(_FORMULA) else line


def written(rows: Iterable[Sequence[object]]) -> bytes:
    """UTF-8 with the mark Excel needs to read Chinese."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return codecs.BOM_UTF8 + out.getvalue().encode()
