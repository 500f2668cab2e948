"""The invoice as PDF.

Without a font file the text is set in STSong-Light, one of the Chinese fonts every PDF reader must know by name
and need not be given: the text is complete and can be searched, and is drawn with a font of the reader's system.
With `font` a part of that font is embedded (by fpdf2), as most issuers do.
"""

from __future__ import annotations

import zlib
from pathlib import Path

from .drawing import HEIGHT, WIDTH, Face, Text, draw
from .invoice import Invoice

POINTS = 72 / 25.4
KNOWN_FONTS = (
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/System/Library/Fonts/STHeiti Light.ttc",
    "C:/Windows/Fonts/simsun.ttc",
)


def find_font() -> Path | None:
    """A font of this machine with Chinese characters, if one is where they usually are."""
    return next((path for known in KNOWN_FONTS if (path := Path(known)).exists()), None)


def issue_pdf(
    invoice: Invoice,
    *,
    font: Path | None = None,
    attachments: dict[str, bytes] | None = None,
    kangxi: bool = False,
    blank_pages: int = 0,
) -> bytes:
    """One page (and `blank_pages` more). `kangxi` writes some characters as look-alike radicals, as some issuers do."""
    face = draw(invoice)
    if kangxi:
        face.texts = [_as_radicals(text) for text in face.texts]
    if font is None:
        return _PlainPdf().write(face, attachments or {}, blank_pages)
    return _embedded(face, font, attachments or {}, blank_pages)


def _as_radicals(text: Text) -> Text:
    swapped = text.text.translate(str.maketrans("子用人金大小行方日月", "⼦⽤⼈⾦⼤⼩⾏⽅⽇⽉"))
    return Text(text.x, text.y, swapped, text.size, text.label)


class _PlainPdf:
    """A small PDF 1.7 writer: numbered objects, one content stream, a cross-reference table."""

    def __init__(self) -> None:
        self.objects: list[bytes] = []

    def add(self, body: bytes) -> int:
        self.objects.append(body)
        return len(self.objects)

    def stream(self, data: bytes, extra: bytes = b"") -> int:
        packed = zlib.compress(data)
        head = b"<< %s /Filter /FlateDecode /Length %d >>" % (extra, len(packed))
        return self.add(head + b"\nstream\n" + packed + b"\nendstream")

    def write(self, face: Face, attachments: dict[str, bytes], blank_pages: int) -> bytes:
        descriptor = self.add(
            b"<< /Type /FontDescriptor /FontName /STSong-Light /Flags 6 /FontBBox [-25 -254 1000 880] /ItalicAngle 0"
            b" /Ascent 880 /Descent -120 /CapHeight 880 /StemV 93 >>"
        )
        descendant = self.add(
            b"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /DW 1000 /W [1 95 500 814 939 500]"
            b" /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 4 >> /FontDescriptor %d 0 R >>"
            % descriptor
        )
        font = self.add(
            b"<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UTF16-H"
            b" /DescendantFonts [%d 0 R] >>" % descendant
        )
        content = self.stream(_content(face))
        pages_at = len(self.objects) + 2 + blank_pages
        box = b"/MediaBox [0 0 %.2f %.2f]" % (WIDTH * POINTS, HEIGHT * POINTS)
        kids = [
            self.add(
                b"<< /Type /Page /Parent %d 0 R %s /Contents %d 0 R /Resources << /Font << /F1 %d 0 R >> >> >>"
                % (pages_at, box, content, font)
            )
        ]
        kids += [
            self.add(b"<< /Type /Page /Parent %d 0 R %s >>" % (pages_at, box)) for _ in range(blank_pages)
        ]
        listed = b" ".join(b"%d 0 R" % kid for kid in kids)
        pages = self.add(b"<< /Type /Pages /Kids [%s] /Count %d >>" % (listed, len(kids)))
        names = self._embed(attachments)
        catalog = self.add(b"<< /Type /Catalog /Pages %d 0 R %s >>" % (pages, names))
        return self._finish(catalog)

    def _embed(self, attachments: dict[str, bytes]) -> bytes:
        specs = []
        for name, data in attachments.items():
            file = self.stream(data, b"/Type /EmbeddedFile")
            specs.append(
                b"(%s) %d 0 R"
                % (
                    name.encode(),
                    self.add(b"<< /Type /Filespec /F (%s) /EF << /F %d 0 R >> >>" % (name.encode(), file)),
                )
            )
        return b"/Names << /EmbeddedFiles << /Names [%s] >> >>" % b" ".join(specs) if specs else b""

    def _finish(self, catalog: int) -> bytes:
        out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
        places = []
        for number, body in enumerate(self.objects, start=1):
            places.append(len(out))
            out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
        table = len(out)
        out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
        out += b"".join(b"%010d 00000 n \n" % place for place in places)
        out += b"trailer\n<< /Size %d /Root %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
            len(places) + 1,
            catalog,
            table,
        )
        return bytes(out)


def _content(face: Face) -> bytes:
    parts = ["0.6 0.2 0.1 RG 0.5 w"]
    for x0, y0, x1, y1 in face.lines:
        parts.append(f"{x0 * POINTS:.2f} {_up(y0):.2f} m {x1 * POINTS:.2f} {_up(y1):.2f} l S")
    parts.append("0 g")
    for x, y, side in face.squares:
        parts.append(f"{x * POINTS:.3f} {_up(y + side):.3f} {side * POINTS:.3f} {side * POINTS:.3f} re f")
    for text in face.texts:
        coded = text.text.encode("utf-16-be").hex()
        color = "0.6 0.2 0.1 rg" if text.label else "0 g"
        size = text.size * POINTS
        parts.append(
            f"BT {color} /F1 {size:.2f} Tf {text.x * POINTS:.2f} {_up(text.y):.2f} Td <{coded}> Tj ET"
        )
    return "\n".join(parts).encode()


def _up(y: float) -> float:
    return (HEIGHT - y) * POINTS


def _embedded(face: Face, font: Path, attachments: dict[str, bytes], blank_pages: int) -> bytes:
    # fpdf2 is a development dependency: a demo without it still has the plain form.
    from fpdf import FPDF

    pdf = FPDF(unit="mm", format=(HEIGHT, WIDTH), orientation="landscape")
    pdf.set_auto_page_break(False)
    pdf.add_font("cjk", "", str(font))
    pdf.add_page()
    pdf.set_draw_color(153, 51, 26)
    for x0, y0, x1, y1 in face.lines:
        pdf.line(x0, y0, x1, y1)
    pdf.set_fill_color(0, 0, 0)
    for x, y, side in face.squares:
        pdf.rect(x, y, side, side, style="F")
    for text in face.texts:
        pdf.set_font("cjk", size=text.size * POINTS)
        pdf.text(text.x, text.y, text.text)
    for name, data in attachments.items():
        pdf.embed_file(bytes=data, basename=name)
    for _ in range(blank_pages):
        pdf.add_page()
    return bytes(pdf.output())
