"""PDF invoices: an embedded XML or XBRL first, then the text by its places, the QR code as cross-check."""

from __future__ import annotations

from viatica.offices.archive import sandbox

from . import layout, qr, xml
from .reading import (
    Encrypted,
    HostileFile,
    NotAnInvoice,
    NoText,
    Raw,
    Source,
    TooManyPages,
    Unreadable,
)

MOST_PAGES = 50
LEAST_TEXT = 20  # characters; below that it is a scan


def read(data: bytes, name: str) -> tuple[list[Raw], qr.QrCode | None]:
    """What attachments, text and QR code say, surest first. Raises the Unreadable family."""
    try:
        contents = sandbox.pdf_contents(data, most_pages=MOST_PAGES)
    except sandbox.Locked as error:
        raise Encrypted(name=name) from error
    except sandbox.TooManyPages as error:
        raise TooManyPages(name=name, pages=error.params["pages"], limit=MOST_PAGES) from error
    except sandbox.TooMuch as error:
        raise HostileFile(name=name) from error
    except sandbox.Unopenable as error:
        raise Unreadable(name=name) from error
    raws = _attached(contents)
    code = next((found for text in contents.codes if (found := qr.parse(text))), None)
    runs = [layout.Run(run.text, run.x0, run.y0, run.x1, run.y1, run.page) for run in contents.runs]
    width = contents.pages[0][0] if contents.pages else 0.0
    if sum(len(run.text) for run in runs) >= LEAST_TEXT:
        raws.append(layout.read(runs, width, name))
    elif not raws and (code is None or not code.says_total):
        raise NoText(name=name)
    return raws, code


def _attached(contents: sandbox.PdfContents) -> list[Raw]:
    """Embedded invoices, told by their content: 12306 names its file just `0`."""
    raws: list[Raw] = []
    for attached_name, data in contents.attachments:
        if not data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            continue
        try:
            root = xml.parse(data, attached_name)
            raws += xml.read_root(root, attached_name, Source.XML)
        except (NotAnInvoice, Unreadable):
            continue  # some other embedded file; the page itself is still read
    return raws
