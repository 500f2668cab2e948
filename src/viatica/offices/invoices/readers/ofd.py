"""OFD invoices (GB/T 33190-2016): a zip of XML, never trusted. Source: domain facts §5.3.

Three sources, none always there: the attached XML, the custom tags pointing at texts of the page, the custom
data of the document; then the page's own text by its places.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from lxml import etree

from viatica.offices.archive import sandbox

from . import layout, qr, xml
from .reading import (
    Encrypted,
    HostileFile,
    NotAnInvoice,
    Raw,
    ReadingWarning,
    Source,
    TooManyPages,
    Unreadable,
)

MOST_ENTRIES = 2000
MOST_BYTES = 50 * 1024 * 1024
MOST_RATIO = 200  # unpacked : packed, of entries above RATIO_FROM
RATIO_FROM = 1024 * 1024
MOST_PAGES = 50
MOST_IMAGES = 12
NAMESPACE = "http://www.ofdspec.org/2016"
SM3 = "1.2.156.10197.1.401"
HAS_DIGIT = re.compile(r"\d")

TAGS = {
    "InvoiceNo": "number", "InvoiceNumber": "number", "EIid": "number", "InvoiceCode": "code",
    "IssueDate": "issued", "IssueTime": "issued", "InvoiceCheckCode": "check_code",
    "BuyerName": "buyer_name", "BuyerTaxID": "buyer_tax_id", "BuyerIdNum": "buyer_tax_id",
    "SellerName": "seller_name", "SellerTaxID": "seller_tax_id", "SellerIdNum": "seller_tax_id",
    "TaxExclusiveTotalAmount": "net", "TotalAmWithoutTax": "net", "TaxTotalAmount": "tax", "TotalTaxAm": "tax",
    "TaxInclusiveTotalAmount": "total", "TotalTax-includedAmount": "total",
    "TotalTax-includedAmountInChinese": "words", "Note": "remark", "Remark": "remark",
}  # fmt: skip
LINE_TAGS = {
    "Item": "name", "ItemName": "name", "Amount": "net", "TaxScheme": "rate", "TaxRate": "rate", "TaxAmount": "tax",
    "ComTaxAm": "tax", "Price": "price", "UnPrice": "price", "Quantity": "quantity",
}  # fmt: skip
LINES = ("GoodsInfo", "IssuItemInformation")
DATA = {
    "发票号码": "number", "发票代码": "code", "开票日期": "issued", "校验码": "check_code",
    "购买方名称": "buyer_name", "购买方纳税人识别号": "buyer_tax_id",
    "销售方名称": "seller_name", "销售方纳税人识别号": "seller_tax_id",
    "合计金额": "net", "合计税额": "tax", "价税合计": "total",
}  # fmt: skip


class Package:
    """The files of the zip, read only within the limits. Paths are those of the package, without a leading slash."""

    def __init__(self, data: bytes, name: str) -> None:
        self.name = name
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            entries = self._zip.infolist()
        except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, IndexError) as error:
            raise Unreadable(name=name) from error
        self._entries = {self._path(entry): entry for entry in entries if not entry.is_dir()}
        self._refuse_bombs(entries, len(data))

    def _path(self, entry: zipfile.ZipInfo) -> str:
        path = posixpath.normpath(entry.filename.replace("\\", "/")).lstrip("/")
        if path.startswith("..") or "\0" in path or re.match(r"[A-Za-z]:", path):
            raise HostileFile(name=self.name)
        return path

    def _refuse_bombs(self, entries: list[zipfile.ZipInfo], packed: int) -> None:
        files = [entry for entry in entries if not entry.is_dir()]
        if len(entries) > MOST_ENTRIES or len(self._entries) != len(files):  # one path twice hides a file
            raise HostileFile(name=self.name)
        if any(entry.flag_bits & 0x1 for entry in files):
            raise Encrypted(name=self.name)
        if sum(entry.file_size for entry in files) > MOST_BYTES:
            raise HostileFile(name=self.name)
        if sum(entry.compress_size for entry in files) > packed:  # entries that share their bytes
            raise HostileFile(name=self.name)
        if any(
            e.file_size > RATIO_FROM and e.file_size > MOST_RATIO * max(e.compress_size, 1) for e in files
        ):
            raise HostileFile(name=self.name)

    def __contains__(self, path: str) -> bool:
        return path in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def bytes(self, path: str) -> bytes:
        """Raises Unreadable for a damaged or missing entry. Never more than the entry declares."""
        entry = self._entries.get(path)
        if entry is None or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Unreadable(name=self.name)
        try:
            with self._zip.open(entry) as opened:
                return opened.read(MOST_BYTES)
        except (
            zipfile.BadZipFile,
            zlib.error,
            RuntimeError,
            NotImplementedError,
            ValueError,
            OSError,
            EOFError,
        ) as e:
            raise Unreadable(name=self.name) from e

    def xml(self, path: str) -> etree._Element:
        return xml.parse(self.bytes(path), self.name, largest=MOST_BYTES)

    def resolve(self, reference: str, beside: str) -> str:
        """`reference`, absolute in the package or relative to the file `beside`. Raises HostileFile outside."""
        written = reference.strip().replace("\\", "/")
        joined = written if written.startswith("/") else posixpath.join(posixpath.dirname(beside), written)
        path = posixpath.normpath(joined).lstrip("/")
        if path.startswith(".."):
            raise HostileFile(name=self.name)
        return path


@dataclass(frozen=True, slots=True)
class _Text:
    """A TextObject: what it says and where, in millimetres."""

    text: str
    x: float
    y: float
    width: float
    height: float
    page: int


class _Document:
    def __init__(self, package: Package) -> None:
        self.package = package
        if "OFD.xml" not in package:
            raise NotAnInvoice(name=package.name)
        self.entry = package.xml("OFD.xml")
        body = next((child for child in self.entry if xml.local(child) == "DocBody"), None)
        if body is None:
            raise Unreadable(name=package.name)
        self.body = body
        self.root_path = package.resolve(xml.text(body, "DocRoot"), "OFD.xml")
        self.root = package.xml(self.root_path)
        self.texts, self.boxes = self._read_pages()

    def _read_pages(self) -> tuple[dict[str, list[_Text]], list[tuple[float, float]]]:
        """Texts by object id, of pages and templates; and the pages' sizes."""
        texts: dict[str, list[_Text]] = {}
        boxes: list[tuple[float, float]] = []
        pages = [e for e in self.root.iter(f"{{{NAMESPACE}}}Page") if e.get("BaseLoc")]
        if len(pages) > MOST_PAGES:
            raise TooManyPages(name=self.package.name, pages=len(pages), limit=MOST_PAGES)
        templates = [e for e in self.root.iter(f"{{{NAMESPACE}}}TemplatePage") if e.get("BaseLoc")]
        default = _box(next(self.root.iter(f"{{{NAMESPACE}}}PhysicalBox"), None))
        used: dict[str, int] = {}
        for number, page in enumerate(pages):
            root = self._part(str(page.get("BaseLoc")))
            if root is None:
                continue
            boxes.append(
                _box(next(root.iter(f"{{{NAMESPACE}}}PhysicalBox"), None)) or default or (210.0, 140.0)
            )
            for template in root.iter(f"{{{NAMESPACE}}}Template"):
                used.setdefault(str(template.get("TemplateID")), number)
            _collect(root, number, texts)
        for template in templates[:MOST_PAGES]:
            root = self._part(str(template.get("BaseLoc")))
            if root is not None:
                _collect(root, used.get(str(template.get("ID")), 0), texts)
        return texts, boxes or [(210.0, 140.0)]

    def _part(self, reference: str) -> etree._Element | None:
        path = self.package.resolve(reference, self.root_path)
        return self.package.xml(path) if path in self.package else None

    def runs(self) -> list[layout.Run]:
        return [
            layout.Run(t.text, t.x, t.y, t.x + t.width, t.y + t.height, t.page)
            for texts in self.texts.values()
            for t in texts
        ]

    def said(self, element: etree._Element) -> str:
        """The texts an element's ObjectRefs point at, in the order of reading."""
        return "".join(text.text for text in self.pointed_at(element))

    def pointed_at(self, element: etree._Element) -> list[_Text]:
        found = []
        for reference in element:
            if xml.local(reference) == "ObjectRef":
                found += self.texts.get((reference.text or "").strip(), [])
        return found


def _box(element: etree._Element | None) -> tuple[float, float] | None:
    numbers = _floats(element.text or "") if element is not None else []
    return (numbers[2], numbers[3]) if len(numbers) == 4 and numbers[2] > 0 and numbers[3] > 0 else None


def _floats(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split()]
    except ValueError:
        return []


def _collect(root: etree._Element, page: int, texts: dict[str, list[_Text]]) -> None:
    for element in root.iter(f"{{{NAMESPACE}}}TextObject"):
        box = _floats(str(element.get("Boundary") or ""))
        if len(box) != 4:
            continue
        size = (_floats(str(element.get("Size") or "")) or [3.2])[0]
        for code in element:
            if xml.local(code) != "TextCode" or not code.text:
                continue
            x = (_floats(str(code.get("X") or "")) or [0.0])[0]
            y = (_floats(str(code.get("Y") or "")) or [size])[0]
            width = sum(size if ord(letter) > 0x2E80 else size / 2 for letter in code.text)
            # A TextCode's Y is the baseline; its letters stand on it, `size` high.
            text = _Text(code.text, box[0] + x, box[1] + y - size, width, size, page)
            texts.setdefault(str(element.get("ID")), []).append(text)


def read(data: bytes, name: str) -> tuple[list[Raw], qr.QrCode | None, list[ReadingWarning]]:
    """What the sources of an OFD say, surest first. Raises the Unreadable family."""
    package = Package(data, name)
    document = _Document(package)
    raws = [*_attached(document), *_tagged(document), *_custom_data(document)]
    page = layout.read(document.runs(), document.boxes[0][0], name)
    complete = raws and all(
        any(f in raw.texts for raw in raws) for f in ("number", "issued", "total", "seller_name")
    )
    if complete:
        # The tags say it all: the page adds its title (the tags have none) and the amount in words.
        page.texts = {field: text for field, text in page.texts.items() if field in ("kind", "words")}
        page.items = []
    raws.append(page)
    return raws, _qr(document, raws), _digests(document)


def _attached(document: _Document) -> Iterable[Raw]:
    """Source 1: attached XML, told by content."""
    reference = xml.text(document.root, "Attachments")
    if not reference:
        return
    path = document.package.resolve(reference, document.root_path)
    if path not in document.package:
        return
    for attachment in document.package.xml(path):
        located = xml.text(attachment, "FileLoc")
        if not located:
            continue
        file = document.package.resolve(located, path)
        if file in document.package and file.lower().endswith(".xml"):
            try:
                yield from xml.read_root(document.package.xml(file), file, Source.OFD_ATTACHMENT)
            except NotAnInvoice:
                continue  # an attachment that is no invoice


def _tagged(document: _Document) -> Iterable[Raw]:
    """Source 2: the semantic tree whose leaves point at texts of the page."""
    reference = xml.text(document.root, "CustomTags")
    if not reference:
        return
    path = document.package.resolve(reference, document.root_path)
    if path not in document.package:
        return
    for tag in document.package.xml(path):
        file = document.package.resolve(xml.text(tag, "FileLoc") or "/", path)
        if file in document.package:
            yield _tag_tree(document, document.package.xml(file))


def _tag_tree(document: _Document, root: etree._Element) -> Raw:
    said = Raw(Source.OFD_TAG)
    for element in root.iter():
        field = TAGS.get(xml.local(element))
        if field is None or any(xml.local(parent) in LINES for parent in element.iterancestors()):
            continue
        text = document.said(element)
        # Some issuers tag only the ¥ of an amount: then another source must say it.
        if field not in ("net", "tax", "total") or HAS_DIGIT.search(text):
            said.say(field, text)
    grouped = [element for element in root.iter() if xml.local(element) in LINES]
    said.items = _grouped_lines(document, grouped) if grouped else _loose_lines(document, root)
    return said


def _grouped_lines(document: _Document, groups: list[etree._Element]) -> list[dict[str, str]]:
    return [
        {LINE_TAGS[xml.local(part)]: document.said(part) for part in group if xml.local(part) in LINE_TAGS}
        for group in groups
    ]


def _loose_lines(document: _Document, root: etree._Element) -> list[dict[str, str]]:
    """Lines whose columns are tagged as a whole: each amount starts a line, the rest joins the line beside it."""
    columns: dict[str, list[_Text]] = {}
    for element in root.iter():
        field = LINE_TAGS.get(xml.local(element))
        if field:
            columns.setdefault(field, []).extend(document.pointed_at(element))
    starts = sorted(columns.get("net", []), key=lambda t: (t.page, t.y))
    lines = [{"net": start.text} for start in starts]
    for field, texts in columns.items():
        if field == "net":
            continue
        for text in sorted(texts, key=lambda t: (t.page, t.y, t.x)):
            above = [
                n
                for n, start in enumerate(starts)
                if (start.page, start.y) <= (text.page, text.y + text.height / 2)
            ]
            if above:
                line = lines[above[-1]]
                line[field] = line.get(field, "") + text.text
    return lines


def _custom_data(document: _Document) -> Iterable[Raw]:
    """Source 3: `DocInfo/CustomDatas`. 合计金额 is without tax."""
    said = Raw(Source.OFD_DATA)
    for element in document.body.iter(f"{{{NAMESPACE}}}CustomData"):
        field = DATA.get(str(element.get("Name")))
        if field:
            said.say(field, element.text)
    if said.texts:
        yield said


def _qr(document: _Document, raws: list[Raw]) -> qr.QrCode | None:
    """The QR code, as text in the attachment or as a picture in the package."""
    for raw in raws:
        if "graph" in raw.texts and (found := qr.parse(raw.texts["graph"])):
            return found
    images = [path for path in document.package if path.lower().endswith((".png", ".jpg", ".jpeg", ".bmp"))]
    for path in images[:MOST_IMAGES]:
        try:
            texts = sandbox.codes(document.package.bytes(path))
        except (sandbox.Unopenable, Unreadable):
            continue  # a picture that cannot be opened hides no value: the QR only cross-checks
        for text in texts:
            if found := qr.parse(text):
                return found
    return None


def _digests(document: _Document) -> list[ReadingWarning]:
    """The files against the list in the signature: proves the package whole, not who signed it."""
    reference = xml.text(document.body, "Signatures")
    path = document.package.resolve(reference, "OFD.xml") if reference else ""
    if path not in document.package:
        return [ReadingWarning("invoice.unsigned")]
    changed: list[str] = []
    signatures = [e for e in document.package.xml(path) if xml.local(e) == "Signature" and e.get("BaseLoc")]
    for signature in signatures:
        file = document.package.resolve(str(signature.get("BaseLoc")), path)
        if file in document.package:
            changed += _changed(document.package, document.package.xml(file))
    if not signatures:
        return [ReadingWarning("invoice.unsigned")]
    if changed:
        names = ", ".join(dict.fromkeys(changed))
        return [ReadingWarning("invoice.digest_mismatch", None, {"files": names[:300]})]
    return []


def _changed(package: Package, signature: etree._Element) -> Iterable[str]:
    for listing in signature.iter(f"{{{NAMESPACE}}}References"):
        method = str(listing.get("CheckMethod") or "")
        for reference in listing:
            said = xml.text(reference, "CheckValue")
            file = package.resolve(str(reference.get("FileRef") or "/"), "OFD.xml")
            if file not in package or _digest(package.bytes(file), method) != _decoded(said):
                yield file


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return b""


def _digest(data: bytes, method: str) -> bytes:
    if "MD5" in method.upper() or method == "1.2.840.113549.2.5":
        return hashlib.md5(data, usedforsecurity=False).digest()
    if "SHA" in method.upper():
        return (
            hashlib.sha1(data, usedforsecurity=False).digest()
            if "1" in method
            else hashlib.sha256(data).digest()
        )
    sm3 = hashes.Hash(hashes.SM3())
    sm3.update(data)
    return sm3.finalize()
