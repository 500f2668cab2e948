"""Photographs and scans: only the QR code is read; everything else is entered by hand."""

from __future__ import annotations

from viatica.offices.archive import sandbox

from . import qr
from .reading import HostileFile, NoText, Raw, Unreadable


def read(data: bytes, name: str) -> tuple[list[Raw], qr.QrCode | None]:
    """The QR code of the invoice in the picture. Raises NoText when it does not state the total."""
    try:
        texts = sandbox.codes(data)
    except sandbox.TooMuch as error:
        raise HostileFile(name=name) from error
    except sandbox.Unopenable as error:
        raise Unreadable(name=name) from error
    code = next((found for text in texts if (found := qr.parse(text))), None)
    if code is None or not code.says_total:
        raise NoText(name=name)
    return [], code
