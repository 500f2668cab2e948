"""Foreign PDFs and pictures, opened in a child process.

PDFium and the picture decoders are native code: a hostile file may crash or stall them, and PDFium allows one
thread only. So they never run here. A few children (each single-threaded) are kept and given one file at a
time; one that takes too long or dies is replaced, and the file is refused.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Any

from viatica.kernel.errors import Refused
from viatica.kernel.words import N_

MOST_CHILDREN = 2
SECONDS = 10.0
"""How long one file may take."""


class Unopenable(Refused):
    code = "archive.unreadable"
    message = N_("This file cannot be opened; it seems to be damaged.")
    hint = N_("Download it again from where you got it.")


class Locked(Unopenable):
    code = "archive.encrypted"
    message = N_("This file is protected by a password.")
    hint = N_("Save it without a password and hand it in again.")


class TooMuch(Unopenable):
    code = "archive.too_much"
    message = N_("This file holds more than can be opened.")
    hint = N_("Hand in only the part that matters.")


class TooManyPages(TooMuch):
    code = "archive.too_many_pages"
    message = N_("This file has {pages} pages; at most {limit} are opened.")


class TookTooLong(TooMuch):
    code = "archive.took_too_long"
    message = N_("Opening this file took too long and was given up.")


@dataclass(frozen=True, slots=True)
class TextRun:
    """Characters that follow one another on a line; points from the top left of page `page` (0 is the first)."""

    page: int
    text: str
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class PdfContents:
    """`pages` = (width, height) in points; `codes` = QR codes on the first page."""

    pages: tuple[tuple[float, float], ...]
    runs: tuple[TextRun, ...]
    codes: tuple[str, ...]
    attachments: tuple[tuple[str, bytes], ...]


class _Child:
    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-m", "viatica.offices.archive.sandbox_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is for us; the child ends when its input closes
        )

    def ask(self, request: dict[str, Any], data: bytes, seconds: float) -> tuple[dict[str, Any], list[bytes]]:
        """Raises TookTooLong when it had to be killed, Unopenable when it died by itself."""
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self.process.kill()

        timer = threading.Timer(seconds, give_up)
        timer.daemon = True
        timer.start()
        try:
            return self._exchange(request, data)
        except (OSError, ValueError) as error:
            self.process.kill()
            raise (TookTooLong() if late.is_set() else Unopenable()) from error
        finally:
            timer.cancel()

    def _exchange(self, request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], list[bytes]]:
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None and stdout is not None  # both are pipes
        stdin.write(json.dumps(request).encode() + b"\n" + data)
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise OSError("the child ended")
        answer = json.loads(line)
        blobs = [stdout.read(size) for size in answer.get("blobs", [])]
        return answer, blobs

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue  # the unsent rest of a request to a dead child


_turn = threading.BoundedSemaphore(MOST_CHILDREN)
_lock = threading.Lock()
_idle: list[_Child] = []


def _take() -> _Child:
    with _lock:
        while _idle:
            child = _idle.pop()
            if child.is_alive:
                return child
            child.end()
    return _Child()


@atexit.register
def close() -> None:
    """End the idle children; the next file starts new ones."""
    with _lock:
        while _idle:
            _idle.pop().end()


def _forget() -> None:
    """In a forked process: the children talk to the parent, so they are not ours."""
    global _turn, _lock
    _turn, _lock = threading.BoundedSemaphore(MOST_CHILDREN), threading.Lock()
    _idle.clear()


os.register_at_fork(after_in_child=_forget)


def _ask(do: str, data: bytes, seconds: float, **more: Any) -> tuple[dict[str, Any], list[bytes]]:
    with _turn:
        child = _take()
        try:
            answer, blobs = child.ask(
                {"do": do, "size": len(data), "seconds": seconds, **more}, data, seconds
            )
        except BaseException:
            child.end()
            raise
        with _lock:
            _idle.append(child)
    if "failed" in answer:
        raise _refusal(answer["failed"], more)
    return answer["result"], blobs


def _refusal(failed: list[Any], asked: dict[str, Any]) -> Unopenable:
    match failed:
        case ["encrypted"]:
            return Locked()
        case ["pages", int(pages)]:
            return TooManyPages(pages=pages, limit=asked["most_pages"])
        case ["large"]:
            return TooMuch()
        case _:
            return Unopenable()


def pdf_contents(data: bytes, *, most_pages: int, seconds: float = SECONDS) -> PdfContents:
    """Text, embedded files and QR codes. Raises Unopenable and its kin."""
    result, blobs = _ask("contents", data, seconds, most_pages=most_pages)
    return PdfContents(
        pages=tuple((width, height) for width, height in result["pages"]),
        runs=tuple(TextRun(*run) for run in result["runs"]),
        codes=tuple(result["codes"]),
        attachments=tuple(zip(result["attachments"], blobs, strict=True)),
    )


def pdf_page(data: bytes, *, page: int = 0, width: int = 1200, seconds: float = SECONDS) -> bytes:
    """One page as PNG, `width` pixels wide. Raises Unopenable and its kin."""
    return _ask("page", data, seconds, page=page, width=width)[1][0]


def picture(data: bytes, *, width: int = 1200, seconds: float = SECONDS) -> bytes:
    """A picture as PNG, at most `width` pixels wide. Raises Unopenable and its kin."""
    return _ask("shrunk", data, seconds, width=width)[1][0]


def codes(data: bytes, *, seconds: float = SECONDS) -> tuple[str, ...]:
    """The QR codes in a picture. Raises Unopenable and its kin."""
    return tuple(_ask("codes", data, seconds)[0]["codes"])
