"""Several PDFs and photographs bound into one PDF, in a child process: the files are foreign and PDFium is native code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

SECONDS = 30.0
MOST_BYTES = 18 * 1024 * 1024  # of what goes in; a file may have 20 MB over there
BINDABLE = (b"%PDF", b"\x89PNG", b"\xff\xd8\xff")


@dataclass(frozen=True, slots=True)
class Bound:
    """`taken` are the places of what is in it; the others could not be opened. `pdf` is empty when none could."""

    pdf: bytes
    taken: frozenset[int]


NOTHING = Bound(b"", frozenset())


def bind(files: Sequence[bytes]) -> Bound:
    """In their order. A file that stalls or breaks the child costs this binding, nothing else."""
    if not files:
        return NOTHING
    head = json.dumps([len(data) for data in files]).encode() + b"\n"
    try:
        answer = subprocess.run(
            [sys.executable, "-I", "-m", "viatica.connectors.wecom.binding_child"],
            input=head + b"".join(files),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return NOTHING
    line, _, pdf = answer.stdout.partition(b"\n")
    if answer.returncode or not line or not pdf:
        return NOTHING
    return Bound(pdf, frozenset(json.loads(line)))
