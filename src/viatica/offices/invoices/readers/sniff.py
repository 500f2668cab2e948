"""What a file is, told by its first bytes; its name is only compared."""

from __future__ import annotations

import zipfile
from enum import StrEnum
from io import BytesIO

from .reading import ReadingWarning


class Format(StrEnum):
    PDF = "pdf"
    OFD = "ofd"
    XML = "xml"
    ZIP = "zip"
    PICTURE = "picture"
    OTHER = "other"


MEDIA_TYPES = {Format.PDF: "application/pdf", Format.OFD: "application/ofd", Format.XML: "application/xml"}
PICTURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
)
EXTENSIONS = {
    Format.PDF: ("pdf",),
    Format.OFD: ("ofd",),
    Format.XML: ("xml",),
    Format.PICTURE: ("png", "jpg", "jpeg", "gif", "bmp", "tif", "tiff", "webp"),
}


def sniff(data: bytes) -> tuple[Format, str]:
    """The format and its media type."""
    head = data[:1024]
    if b"%PDF-" in head:
        return Format.PDF, MEDIA_TYPES[Format.PDF]
    if head.startswith(b"PK\x03\x04"):
        found = _inside_zip(data)
        return found, MEDIA_TYPES.get(found, "application/zip")
    for mark, media_type in PICTURES:
        if head.startswith(mark):
            return Format.PICTURE, media_type
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return Format.PICTURE, "image/webp"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith((b"<", b"\xff\xfe<\0", b"\xfe\xff\0<")):
        return Format.XML, MEDIA_TYPES[Format.XML]
    return Format.OTHER, "application/octet-stream"


def _inside_zip(data: bytes) -> Format:
    try:
        names = zipfile.ZipFile(BytesIO(data)).namelist()
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, IndexError):
        # A damaged zip named in its head as OFD is reported as a damaged invoice.
        return Format.OFD if b"OFD.xml" in data[:4096] or b"Doc_0/" in data[:4096] else Format.ZIP
    return Format.OFD if any(name.lstrip("/") == "OFD.xml" for name in names) else Format.ZIP


def extension_warning(name: str, found: Format) -> list[ReadingWarning]:
    """A warning when the name promises another format than the content is."""
    extension = name.rsplit(".", 1)[-1].lower() if "." in name else ""
    if not extension or extension in EXTENSIONS.get(found, ()):
        return []
    return [
        ReadingWarning(
            "invoice.wrong_extension", None, {"extension": f".{extension[:12]}", "real": found.upper()}
        )
    ]
