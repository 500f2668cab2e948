"""The invoice as OFD: pages with texts, tags that point at them, custom data, the QR code, and digests of the files."""

from __future__ import annotations

import base64
import io
import struct
import zipfile
import zlib
from xml.sax.saxutils import escape, quoteattr

from cryptography.hazmat.primitives import hashes

from .drawing import HEIGHT, WIDTH, Face, Text, draw, qr_modules
from .invoice import Invoice
from .xml import issue_old_xml

NS = 'xmlns:ofd="http://www.ofdspec.org/2016"'
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def issue_ofd(
    invoice: Invoice,
    *,
    tags: bool = True,
    custom_data: bool = True,
    attach: bool | None = None,
    glyph_only_total: bool = False,
    changed_after_signing: bool = False,
) -> bytes:
    """`attach` the old XML (by default only to older kinds); `glyph_only_total` tags the ¥ of the total alone."""
    face = draw(invoice)
    ids = {index: 100 + index for index in range(len(face.texts))}
    files = {
        "OFD.xml": _entry(invoice, custom_data),
        "Doc_0/Document.xml": _document(tags, attach if attach is not None else not invoice.is_digital),
        "Doc_0/PublicRes.xml": _resources(),
        "Doc_0/DocumentRes.xml": _media(),
        "Doc_0/Tpls/Tpl_0/Content.xml": _page(face, ids, labels=True),
        "Doc_0/Pages/Page_0/Content.xml": _page(face, ids, labels=False),
        "Doc_0/Res/qr.png": _png(qr_modules(invoice.qr)),
    }
    if tags:
        files["Doc_0/Tags/CustomTags.xml"] = (
            f'{HEAD}<ofd:CustomTags {NS}><ofd:CustomTag TypeID="root"><ofd:FileLoc>CustomTag.xml</ofd:FileLoc>'
            "</ofd:CustomTag></ofd:CustomTags>"
        ).encode()
        files["Doc_0/Tags/CustomTag.xml"] = _tags(invoice, face, ids, glyph_only_total)
    if attach if attach is not None else not invoice.is_digital:
        files["Doc_0/Attachs/Attachments.xml"] = (
            f'{HEAD}<ofd:Attachments {NS}><ofd:Attachment ID="8" Name="original_invoice" Format="xml">'
            "<ofd:FileLoc>original_invoice.xml</ofd:FileLoc></ofd:Attachment></ofd:Attachments>"
        ).encode()
        files["Doc_0/Attachs/original_invoice.xml"] = issue_old_xml(invoice)
    files["Doc_0/Signs/Signatures.xml"] = (
        f'{HEAD}<ofd:Signatures {NS}><ofd:Signature ID="1" BaseLoc="Sign_0/Signature.xml"/></ofd:Signatures>'
    ).encode()
    files["Doc_0/Signs/Sign_0/Signature.xml"] = _signature(files)
    if changed_after_signing:
        path = "Doc_0/Pages/Page_0/Content.xml"
        files[path] = files[path] + b"<!-- changed -->"
    return _zipped(files)


def _zipped(files: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as package:
        for path, data in files.items():
            # A fixed date: the same invoice gives the same bytes.
            package.writestr(zipfile.ZipInfo(path, (2024, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return held.getvalue()


def _entry(invoice: Invoice, custom_data: bool) -> bytes:
    values = {
        "发票号码": invoice.number,
        "发票代码": invoice.code,
        "开票日期": f"{invoice.issued:%Y年%m月%d日}",
        "购买方纳税人识别号": invoice.buyer.tax_id,
        "销售方纳税人识别号": invoice.seller.tax_id,
        "合计金额": f"{invoice.net:.2f}",
        "合计税额": f"{invoice.tax:.2f}",
    }
    data = "".join(
        f"<ofd:CustomData Name={quoteattr(name)}>{escape(text)}</ofd:CustomData>"
        for name, text in values.items()
        if text
    )
    custom = f"<ofd:CustomDatas>{data}</ofd:CustomDatas>" if custom_data else ""
    return (
        f'{HEAD}<ofd:OFD {NS} DocType="OFD" Version="1.0"><ofd:DocBody><ofd:DocInfo><ofd:DocID>{invoice.number}'
        f"</ofd:DocID><ofd:Author>simulated issuer</ofd:Author>{custom}</ofd:DocInfo>"
        "<ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot><ofd:Signatures>/Doc_0/Signs/Signatures.xml</ofd:Signatures>"
        "</ofd:DocBody></ofd:OFD>"
    ).encode()


def _document(tags: bool, attach: bool) -> bytes:
    more = "<ofd:CustomTags>Tags/CustomTags.xml</ofd:CustomTags>" if tags else ""
    more += "<ofd:Attachments>Attachs/Attachments.xml</ofd:Attachments>" if attach else ""
    return (
        f"{HEAD}<ofd:Document {NS}><ofd:CommonData><ofd:MaxUnitID>999</ofd:MaxUnitID><ofd:PageArea><ofd:PhysicalBox>"
        f"0 0 {WIDTH:g} {HEIGHT:g}</ofd:PhysicalBox></ofd:PageArea><ofd:PublicRes>PublicRes.xml</ofd:PublicRes>"
        '<ofd:DocumentRes>DocumentRes.xml</ofd:DocumentRes><ofd:TemplatePage ID="1" BaseLoc="Tpls/Tpl_0/Content.xml"/>'
        '</ofd:CommonData><ofd:Pages><ofd:Page ID="61" BaseLoc="Pages/Page_0/Content.xml"/></ofd:Pages>'
        f"{more}</ofd:Document>"
    ).encode()


def _resources() -> bytes:
    return (
        f'{HEAD}<ofd:Res {NS} BaseLoc="Res"><ofd:Fonts><ofd:Font ID="3" FontName="宋体" FamilyName="宋体"/></ofd:Fonts>'
        "</ofd:Res>"
    ).encode()


def _media() -> bytes:
    return (
        f'{HEAD}<ofd:Res {NS} BaseLoc="Res"><ofd:MultiMedias><ofd:MultiMedia ID="6" Type="Image" Format="PNG">'
        "<ofd:MediaFile>qr.png</ofd:MediaFile></ofd:MultiMedia></ofd:MultiMedias></ofd:Res>"
    ).encode()


def _page(face: Face, ids: dict[int, int], *, labels: bool) -> bytes:
    objects = "".join(
        _text_object(ids[index], text) for index, text in enumerate(face.texts) if text.label is labels
    )
    template = "" if labels else '<ofd:Template TemplateID="1" ZOrder="Background"/>'
    image = (
        "" if labels else '<ofd:ImageObject ID="90" CTM="20 0 0 20 0 0" Boundary="7 6 20 20" ResourceID="6"/>'
    )
    return (
        f"{HEAD}<ofd:Page {NS}><ofd:Area><ofd:PhysicalBox>0 0 {WIDTH:g} {HEIGHT:g}</ofd:PhysicalBox></ofd:Area>"
        f'{template}<ofd:Content><ofd:Layer ID="{2 if labels else 3}">{image}{objects}</ofd:Layer></ofd:Content></ofd:Page>'
    ).encode()


def _text_object(number: int, text: Text) -> str:
    steps = " ".join(f"{text.size if ord(letter) > 0x2E80 else text.size / 2:g}" for letter in text.text[:-1])
    delta = f' DeltaX="{steps}"' if steps else ""
    return (
        f'<ofd:TextObject ID="{number}" Boundary="{text.x:g} {text.y - text.size:g} {text.width + 1:g}'
        f' {text.size * 1.4:g}" Font="3" Size="{text.size:g}"><ofd:TextCode X="0" Y="{text.size:g}"{delta}>'
        f"{escape(text.text)}</ofd:TextCode></ofd:TextObject>"
    )


def _tags(invoice: Invoice, face: Face, ids: dict[int, int], glyph_only_total: bool) -> bytes:
    def reference(value: str, nth: int = 0) -> str:
        found = [ids[i] for i, text in enumerate(face.texts) if text.text == value and not text.label]
        return f'<ofd:ObjectRef PageRef="61">{found[nth]}</ofd:ObjectRef>' if len(found) > nth else ""

    def named(name: str) -> str:
        parts = [name] if len(name) <= 24 else [name[:24], name[24:]]
        return "".join(reference(part) for part in parts)

    def tag(name: str, inner: str) -> str:
        return f"<ofd:{name}>{inner}</ofd:{name}>" if inner else ""

    total = reference(f"¥{invoice.total:.2f}")
    tax = reference(f"¥{invoice.tax:.2f}") if invoice.tax else ""
    body = [
        tag("InvoiceNo", reference(invoice.number)),
        tag("InvoiceCode", reference(invoice.code)) if invoice.code else "",
        tag("IssueDate", reference(f"{invoice.issued:%Y年%m月%d日}")),
        tag(
            "Buyer",
            tag("BuyerName", named(invoice.buyer.name)) + tag("BuyerTaxID", reference(invoice.buyer.tax_id)),
        ),
        tag(
            "Seller",
            tag("SellerName", named(invoice.seller.name))
            + tag("SellerTaxID", reference(invoice.seller.tax_id)),
        ),
        tag("TaxExclusiveTotalAmount", reference(f"¥{invoice.net:.2f}")),
        tag("TaxTotalAmount", tax),
        tag("TaxInclusiveTotalAmount", "" if glyph_only_total else total),
        tag("Note", reference(invoice.note)),
    ]
    seen: dict[str, int] = {}

    def next_reference(value: str) -> str:
        nth = seen.get(value, 0)
        seen[value] = nth + 1
        return reference(value, nth)

    for line in invoice.lines:
        pieces = [line.name[n : n + 12] for n in range(0, len(line.name), 12)]
        amount = [
            ids[i] for i, text in enumerate(face.texts) if text.text == f"{line.net:.2f}" and text.size == 3.2
        ]
        nth = seen.get(f"net {line.net}", 0)
        seen[f"net {line.net}"] = nth + 1
        body += [
            tag("Item", "".join(next_reference(piece) for piece in pieces)),
            tag("TaxScheme", next_reference(line.rate_text)),
            tag("Amount", f'<ofd:ObjectRef PageRef="61">{amount[nth]}</ofd:ObjectRef>'),
            tag("TaxAmount", next_reference(f"{line.tax_amount:.2f}" if line.tax_amount else "***")),
        ]
    return f'{HEAD}<ofd:root {NS} version="1.0">{"".join(body)}</ofd:root>'.encode()


def _signature(files: dict[str, bytes]) -> bytes:
    references = "".join(
        f'<ofd:Reference FileRef="/{path}"><ofd:CheckValue>{base64.b64encode(_sm3(data)).decode()}</ofd:CheckValue>'
        "</ofd:Reference>"
        for path, data in files.items()
        if path.startswith("Doc_0/") and not path.startswith("Doc_0/Signs/")
    )
    return (
        f'{HEAD}<ofd:Signature {NS}><ofd:SignedInfo><ofd:Provider ProviderName="simulated issuer"/>'
        f'<ofd:References CheckMethod="1.2.156.10197.1.401">{references}</ofd:References></ofd:SignedInfo></ofd:Signature>'
    ).encode()


def _sm3(data: bytes) -> bytes:
    digest = hashes.Hash(hashes.SM3())
    digest.update(data)
    return digest.finalize()


def _png(rows: list[list[bool]], scale: int = 6, margin: int = 4) -> bytes:
    """A grey PNG of the QR code."""
    side = (len(rows) + 2 * margin) * scale
    lines = []
    for y in range(side):
        row = y // scale - margin
        cells = bytearray(b"\xff" * side)
        if 0 <= row < len(rows):
            for column, dark in enumerate(rows[row]):
                if dark:
                    start = (column + margin) * scale
                    cells[start : start + scale] = b"\0" * scale
        lines.append(b"\0" + bytes(cells))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"".join(lines)))
        + chunk(b"IEND", b"")
    )
