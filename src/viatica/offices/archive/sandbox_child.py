"""The child process that opens foreign PDFs and pictures with native decoders. Started by `sandbox.py` alone.

One request a line of JSON plus the file's bytes, one answer the same way; it ends when its input closes. It
limits its own memory and, for each request, its processor time, so that it cannot outlive a bad file for long.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import resource
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import pypdfium2
import pypdfium2.raw as pdfium
import zxingcpp
from PIL import Image

MEMORY_BYTES = 2 * 1024**3
MOST_CHARACTERS = 60_000
MOST_ATTACHMENT_BYTES = 10 * 1024 * 1024
MOST_ATTACHMENTS = 20
MOST_PIXELS = 60_000_000
QR_SCALE = 3.0  # 216 dpi
LARGEST_SIDE = 2400  # pixels of a rendered page

Answer = tuple[dict[str, Any], list[bytes]]


class Failed(Exception):
    """`args` = the word for what is wrong, and details."""


@contextlib.contextmanager
def _opened(data: bytes) -> Iterator[pypdfium2.PdfDocument]:
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        locked = pdfium.FPDF_GetLastError() == pdfium.FPDF_ERR_PASSWORD or "assword" in str(error)
        raise Failed("encrypted" if locked else "unreadable") from error
    try:
        yield document
    finally:
        document.close()


def contents(data: bytes, request: dict[str, Any]) -> Answer:
    """Text runs with their places, embedded files and QR codes of a PDF."""
    with _opened(data) as document:
        pages = len(document)
        if pages > request["most_pages"]:
            raise Failed("pages", pages)
        runs: list[list[Any]] = []
        sizes: list[list[float]] = []
        left = MOST_CHARACTERS
        for number in range(pages):
            page = document[number]
            width, height = page.get_size()
            sizes.append([width, height])
            read, found = _runs(page, number, height, left)
            left -= read
            runs += found
        codes = _codes(_render(document[0], QR_SCALE)) if pages else []
        names, files = _attachments(document)
    return {"pages": sizes, "runs": runs, "codes": codes, "attachments": names}, files


def _runs(page: Any, number: int, height: float, most: int) -> tuple[int, list[list[Any]]]:
    """Characters of one page joined while they follow one another on a line. Points from the top left."""
    text = page.get_textpage()
    count = min(max(pdfium.FPDFText_CountChars(text), 0), max(most, 0))
    box = pdfium.FS_RECTF()
    runs: list[list[Any]] = []
    for n in range(count):
        letter = chr(pdfium.FPDFText_GetUnicode(text, n))
        if (
            letter.isspace()
            or letter == "\0"
            or not pdfium.FPDFText_GetLooseCharBox(text, n, ctypes.byref(box))
        ):
            continue
        x0, x1 = sorted((box.left, box.right))
        y0, y1 = sorted((height - box.top, height - box.bottom))
        if runs and _follows(runs[-1], x0, y0, y1):
            last = runs[-1]
            last[1] += letter
            last[4], last[3], last[5] = max(last[4], x1), min(last[3], y0), max(last[5], y1)
        else:
            runs.append([number, letter, x0, y0, x1, y1])
    return count, runs


def _follows(run: list[Any], x0: float, y0: float, y1: float) -> bool:
    tall = max(run[5] - run[3], y1 - y0, 1.0)
    same_line = abs((run[3] + run[5]) / 2 - (y0 + y1) / 2) < 0.35 * tall
    return bool(same_line and -0.4 * tall < x0 - run[4] < 0.55 * tall)


def _attachments(document: pypdfium2.PdfDocument) -> tuple[list[str], list[bytes]]:
    names, files, size = [], [], 0
    for n in range(min(document.count_attachments(), MOST_ATTACHMENTS)):
        attachment = document.get_attachment(n)
        try:
            held = bytes(attachment.get_data())
        except (pypdfium2.PdfiumError, ValueError):
            continue
        size += len(held)
        if size > MOST_ATTACHMENT_BYTES:
            raise Failed("large")
        names.append(attachment.get_name())
        files.append(held)
    return names, files


def _render(page: Any, scale: float) -> Image.Image:
    width, height = page.get_size()
    largest = max(width, height, 1.0)
    scale = min(scale, LARGEST_SIDE / largest)
    if min(width, height) * scale < 1:
        raise Failed("unreadable")
    picture: Image.Image = page.render(scale=scale).to_pil()
    return picture.convert("RGB")


def _codes(picture: Image.Image) -> list[str]:
    found = zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode]))
    return [code.text for code in found if code.valid][:20]


def _image(data: bytes) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(data), formats=["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
        if picture.width * picture.height > MOST_PIXELS:
            raise Failed("large")
        picture.load()
        return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Failed("unreadable") from error


def codes(data: bytes, request: dict[str, Any]) -> Answer:
    """QR codes in a picture."""
    picture = _image(data)
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    return {"codes": _codes(picture)}, []


def page(data: bytes, request: dict[str, Any]) -> Answer:
    """One page of a PDF as PNG, `width` pixels wide."""
    with _opened(data) as document:
        if request["page"] >= len(document):
            raise Failed("unreadable")
        shown = document[request["page"]]
        width = max(shown.get_size()[0], 1.0)
        return {}, [_png(_render(shown, request["width"] / width))]


def shrunk(data: bytes, request: dict[str, Any]) -> Answer:
    """A picture as PNG, at most `width` pixels wide."""
    picture = _image(data)
    picture.thumbnail((request["width"], request["width"] * 2))
    return {}, [_png(picture)]


def _png(picture: Image.Image) -> bytes:
    held = io.BytesIO()
    picture.save(held, "PNG", optimize=False, compress_level=6)
    return held.getvalue()


WORK: dict[str, Callable[[bytes, dict[str, Any]], Answer]] = {
    "contents": contents,
    "codes": codes,
    "page": page,
    "shrunk": shrunk,
}


def _allow_seconds(seconds: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + seconds) + 1, hard))


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    while line := source.readline():
        request = json.loads(line)
        data = source.read(request["size"])
        _allow_seconds(request["seconds"])
        try:
            result, blobs = WORK[request["do"]](data, request)
            answer: dict[str, Any] = {"result": result, "blobs": [len(blob) for blob in blobs]}
        except Failed as failure:
            blobs, answer = [], {"failed": [*failure.args]}
        except (Exception, MemoryError):  # whatever a foreign file provokes is an answer, not an end
            blobs, answer = [], {"failed": ["unreadable"]}
        # Half surrogates, which PDFium may give, pass as ASCII escapes.
        sink.write(json.dumps(answer).encode() + b"\n")
        for blob in blobs:
            sink.write(blob)
        sink.flush()


def main() -> None:
    # What native code prints must not mix with the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with contextlib.suppress(ValueError, OSError):  # not every system lets a process limit its memory
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
