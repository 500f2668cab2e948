"""The child of `binding.py`: sizes as a line of JSON and the files in; the places taken as a line of JSON and a PDF out."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import sys
from typing import Any

import pypdfium2
from PIL import Image, ImageOps

MEMORY_BYTES = 2 * 1024**3
PROCESSOR_S = 30
MOST_PIXELS = 60_000_000
PAGE_POINTS = 595  # the width of A4
LEAST_DPI = 72


def bound(files: list[bytes]) -> tuple[list[int], bytes]:
    whole = pypdfium2.PdfDocument.new()
    taken = []
    for place, data in enumerate(files):
        with contextlib.suppress(pypdfium2.PdfiumError, OSError, ValueError, SyntaxError, MemoryError):
            part = pypdfium2.PdfDocument(data if data.startswith(b"%PDF") else _page(data))
            whole.import_pages(part)
            taken.append(place)
    if not taken:
        return [], b""
    out = io.BytesIO()
    whole.save(out)
    return taken, out.getvalue()


def _page(data: bytes) -> bytes:
    """A photograph as a page of its own, upright."""
    picture = Image.open(io.BytesIO(data), formats=["PNG", "JPEG"])
    if picture.width * picture.height > MOST_PIXELS:
        raise ValueError("too large")
    upright: Any = ImageOps.exif_transpose(picture).convert("RGB")
    out = io.BytesIO()
    dpi = max(LEAST_DPI, upright.width * 72 / PAGE_POINTS)
    upright.save(out, "PDF", resolution=dpi, quality=85)
    return out.getvalue()


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what native code prints must not mix with the answer
    with contextlib.suppress(ValueError, OSError):  # not every system lets a process limit itself
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_S, PROCESSOR_S))
    sizes = json.loads(sys.stdin.buffer.readline())
    taken, pdf = bound([sys.stdin.buffer.read(size) for size in sizes])
    answers.write(json.dumps(taken).encode() + b"\n" + pdf)
    answers.flush()


if __name__ == "__main__":
    main()
