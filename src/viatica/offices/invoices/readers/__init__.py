"""Readers of invoice files: pure functions from bytes to values. `read` is the one door."""

from __future__ import annotations

from . import ofd, pdf, picture, sniff, xml
from .assemble import assemble
from .qr import QrCode
from .reading import (
    Bundle,
    EmptyFile,
    NotAnInvoice,
    Raw,
    ReadingWarning,
    ReadResult,
    TooLarge,
    Unreadable,
)

LARGEST = 20 * 1024 * 1024
"""Bytes of one file."""

__all__ = ["LARGEST", "ReadResult", "ReadingWarning", "Unreadable", "read"]


def read(data: bytes, name: str) -> ReadResult:
    """The invoice in `data`, whatever `name` says it is. Raises the Unreadable family and nothing else."""
    if not data:
        raise EmptyFile(name=name)
    if len(data) > LARGEST:
        raise TooLarge(name=name, limit=LARGEST // 1024 // 1024)
    found, media_type = sniff.sniff(data)
    warnings = sniff.extension_warning(name, found)
    raws: list[Raw]
    code: QrCode | None = None
    match found:
        case sniff.Format.XML:
            raws = xml.read(data, name)
        case sniff.Format.OFD:
            raws, code, doubts = ofd.read(data, name)
            warnings += doubts
        case sniff.Format.PDF:
            raws, code = pdf.read(data, name)
        case sniff.Format.PICTURE:
            raws, code = picture.read(data, name)
        case sniff.Format.ZIP:
            raise Bundle(name=name)
        case sniff.Format.OTHER:
            raise NotAnInvoice(name=name)
    return assemble(raws, name=name, media_type=media_type, qr=code, found=warnings)
