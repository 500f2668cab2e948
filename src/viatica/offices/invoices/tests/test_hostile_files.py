"""Files made to break a reader: each ends in a clear refusal, quickly; none crashes, hangs or reads outside."""

from __future__ import annotations

import io
import struct
import time
import zipfile
import zlib
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulators.tax_bureau import issue_ofd, issue_pdf, issue_xml
from viatica.offices.archive import sandbox
from viatica.offices.invoices import readers

from .samples import dinner, lodging

OFD_XML = '<?xml version="1.0"?><ofd:OFD xmlns:ofd="http://www.ofdspec.org/2016"><ofd:DocBody><ofd:DocRoot>%s</ofd:DocRoot></ofd:DocBody></ofd:OFD>'


def refused(data: bytes, name: str = "a") -> str:
    with pytest.raises(readers.Unreadable) as refusal:
        readers.read(data, name)
    problem = refusal.value.as_problem(lambda text: text)
    assert problem["status"] == 422 and problem["hint"] and "{" not in problem["title"]
    return refusal.value.code


def zipped(files: dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", compression) as package:
        for path, data in files.items():
            package.writestr(path, data)
    return held.getvalue()


def test_nothing_and_too_much() -> None:
    assert refused(b"", "empty.pdf") == "invoice.empty_file"
    assert refused(b"%PDF-" + b"x" * readers.LARGEST, "big.pdf") == "invoice.too_large"
    assert refused(b"<a>" + b" " * (6 * 1024 * 1024) + b"</a>", "big.xml") == "invoice.too_large"


def test_other_files() -> None:
    assert refused(b"hello, this is a text", "a.xml") == "invoice.not_an_invoice"
    assert refused(b"<html><body>1</body></html>", "a.xml") == "invoice.not_an_invoice"
    assert refused(zipped({"a.pdf": b"1", "a.ofd": b"2"}), "a.zip") == "invoice.bundle"
    assert refused(b"<EInvoice/>", "a.xml") == "invoice.not_an_invoice"
    assert refused(b"<EInvoice", "a.xml") == "invoice.unreadable"
    assert refused(b"%PDF-1.7 nothing follows", "a.pdf") == "invoice.unreadable"


# ── XML ───────────────────────────────────────────────────────────────────────


def test_external_entities_are_refused(tmp_path: object) -> None:
    xxe = (
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><EInvoice>&x;</EInvoice>'
    )
    assert refused(xxe, "a.xml") == "invoice.hostile_file"
    assert refused(xxe.decode().encode("utf-16"), "a.xml") == "invoice.hostile_file"
    parameter = b'<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:1/x.dtd"> %x;]><EInvoice/>'
    assert refused(parameter, "a.xml") == "invoice.hostile_file"


def test_a_billion_laughs_are_refused() -> None:
    lines = ['<!ENTITY a0 "ha">'] + [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12)]
    bomb = f'<?xml version="1.0"?><!DOCTYPE x [{"".join(lines)}]><EInvoice>&a11;</EInvoice>'
    assert refused(bomb.encode(), "a.xml") == "invoice.hostile_file"
    assert refused(bomb.encode("utf-16"), "a.xml") == "invoice.hostile_file"


def test_deep_and_wide_xml_end_in_a_refusal() -> None:
    assert refused(b"<a>" * 100_000 + b"</a>" * 100_000, "deep.xml") == "invoice.unreadable"
    assert refused(b"<EInvoice>" + b"<a/>" * 150_000 + b"</EInvoice>", "wide.xml") == "invoice.hostile_file"


def test_an_xinclude_is_only_text() -> None:
    data = issue_xml(lodging()).decode()
    data = data.replace(
        "<SellerAddr />",
        '<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="/etc/passwd" parse="text"/>',
        1,
    )
    assert "root:" not in repr(readers.read(data.encode(), "a.xml"))


# ── OFD ───────────────────────────────────────────────────────────────────────


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = zipped({"OFD.xml": b"<a/>", "Doc_0/x": b"\0" * (60 * 1024 * 1024)})
    started = time.monotonic()
    assert refused(bomb, "a.ofd") == "invoice.hostile_file"
    assert time.monotonic() - started < 1
    ratio = zipped({"OFD.xml": b"<a/>", "Doc_0/x": b"\0" * (20 * 1024 * 1024)})
    assert refused(ratio, "a.ofd") == "invoice.hostile_file"


def test_a_bomb_that_lies_about_its_size_gives_no_more_than_it_said() -> None:
    packed = zipped(
        {"OFD.xml": OFD_XML.encode() % b"Doc_0/Document.xml", "Doc_0/Document.xml": b" " * (8 * 1024 * 1024)}
    )
    real = struct.pack("<I", 8 * 1024 * 1024)
    assert packed.count(real) == 2
    lying = packed.replace(real, struct.pack("<I", 100))
    assert refused(lying, "a.ofd") == "invoice.unreadable"


def test_paths_outside_the_package_are_refused() -> None:
    assert refused(zipped({"OFD.xml": b"<a/>", "../../etc/passwd": b"x"})) == "invoice.hostile_file"
    assert refused(zipped({"OFD.xml": b"<a/>", "C:/windows/x": b"x"})) == "invoice.hostile_file"
    assert refused(zipped({"OFD.xml": b"<a/>", "..\\x": b"x"})) == "invoice.hostile_file"
    pointing = zipped({"OFD.xml": (OFD_XML % "../../../etc/passwd").encode()})
    assert refused(pointing) == "invoice.hostile_file"
    assert refused(zipped({"OFD.xml": (OFD_XML % "/etc/passwd").encode()})) == "invoice.unreadable"


def test_absolute_paths_inside_the_package_are_read() -> None:
    files = {}
    with zipfile.ZipFile(io.BytesIO(issue_ofd(lodging()))) as package:
        for entry in package.namelist():
            data = package.read(entry)
            files["/" + entry] = data.replace(b"<ofd:DocRoot>Doc_0/", b"<ofd:DocRoot>/Doc_0/")
    assert readers.read(zipped(files), "a.ofd").number == lodging().number


def test_one_path_twice_and_too_many_entries_are_refused() -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as package, pytest.warns(UserWarning):
        package.writestr("OFD.xml", b"<a/>")
        package.writestr("OFD.xml", b"<b/>")
    assert refused(held.getvalue()) == "invoice.hostile_file"
    assert (
        refused(zipped({"OFD.xml": b"<a/>"} | {f"Doc_0/{n}": b"" for n in range(2500)}))
        == "invoice.hostile_file"
    )


def test_an_encrypted_entry_is_refused() -> None:
    data = bytearray(issue_ofd(lodging()))
    at = data.index(b"PK\x01\x02")
    while at >= 0:  # the flag of every entry in the central directory
        data[at + 8] |= 1
        at = data.find(b"PK\x01\x02", at + 4)
    assert refused(bytes(data), "a.ofd") == "invoice.encrypted"


def test_an_entity_inside_the_package_is_refused() -> None:
    xxe = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
    assert refused(zipped({"OFD.xml": xxe}), "a.ofd") == "invoice.hostile_file"


def test_an_unusual_compression_is_refused() -> None:
    data = zipped({"OFD.xml": OFD_XML.encode()}, compression=zipfile.ZIP_LZMA)
    assert refused(data, "a.ofd") == "invoice.unreadable"


def test_an_ofd_of_ten_thousand_pages_is_refused() -> None:
    pages = "".join(f'<ofd:Page ID="{n}" BaseLoc="Pages/P/Content.xml"/>' for n in range(10_000))
    files = {
        "OFD.xml": (OFD_XML % "Doc_0/Document.xml").encode(),
        "Doc_0/Document.xml": f'<ofd:Document xmlns:ofd="http://www.ofdspec.org/2016"><ofd:Pages>{pages}</ofd:Pages></ofd:Document>'.encode(),
    }
    assert refused(zipped(files), "a.ofd") == "invoice.too_many_pages"


# ── PDF ───────────────────────────────────────────────────────────────────────


def test_a_pdf_of_ten_thousand_pages_is_refused_before_any_text_is_read() -> None:
    data = issue_pdf(lodging(), blank_pages=10_000)
    started = time.monotonic()
    assert refused(data, "a.pdf") == "invoice.too_many_pages"
    assert time.monotonic() - started < 3


def test_a_few_blank_pages_are_no_obstacle() -> None:
    assert readers.read(issue_pdf(lodging(), blank_pages=3), "a.pdf").number == lodging().number


def test_an_encrypted_pdf_is_refused() -> None:
    fpdf = pytest.importorskip("fpdf")
    pdf = fpdf.FPDF()
    pdf.set_encryption(owner_password="owner", user_password="secret")
    pdf.add_page()
    assert refused(bytes(pdf.output()), "a.pdf") == "invoice.encrypted"


def test_a_pdf_without_text_is_refused() -> None:
    fpdf = pytest.importorskip("fpdf")
    pdf = fpdf.FPDF()
    pdf.add_page()
    assert refused(bytes(pdf.output()), "scan.pdf") == "invoice.no_text"


def test_a_pdf_about_something_else_is_no_invoice() -> None:
    fpdf = pytest.importorskip("fpdf")
    pdf = fpdf.FPDF()
    pdf.add_page()
    pdf.set_font("helvetica", size=12)
    pdf.multi_cell(
        0, 10, "Dear guest, your stay cost 300.00 from 2026-11-03 on. We hope to see you again soon."
    )
    assert refused(bytes(pdf.output()), "letter.pdf") == "invoice.not_an_invoice"


def test_two_invoices_in_one_pdf_are_refused() -> None:
    first, second = lodging(1), lodging(2)
    fpdf = pytest.importorskip("fpdf")
    from simulators.tax_bureau import find_font

    font = find_font()
    if font is None:
        pytest.skip("no Chinese font on this machine to embed")
    pdf = fpdf.FPDF()
    pdf.add_font("cjk", "", str(font))
    pdf.set_font("cjk", size=10)
    for invoice in (first, second):
        pdf.add_page()
        pdf.text(20, 20, f"电子发票（普通发票）发票号码：{invoice.number} 开票日期：2026年11月03日")
    assert refused(bytes(pdf.output()), "two.pdf") == "invoice.several_in_one_file"


def test_a_pdf_that_unpacks_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A content stream of a gigabyte of drawing in a small file: the child is stopped, the next file is read."""
    monkeypatch.setattr(sandbox, "SECONDS", 2.0)
    monkeypatch.setattr(sandbox.pdf_contents, "__kwdefaults__", {"seconds": 2.0})
    body = b"q 1 0 0 1 0 0 cm 0 0 m 100 100 l 50 20 l h f Q\n" * 2_000_000
    packed = zlib.compress(body, 9)
    data = issue_pdf(lodging())
    head, _, rest = data.partition(b"/Filter /FlateDecode /Length ")
    length = rest.split(b" ", 1)[0]
    tail = rest.split(b"\nstream\n", 1)[1][int(length) :]
    bomb = head + b"/Filter /FlateDecode /Length %d >>\nstream\n" % len(packed) + packed + tail
    started = time.monotonic()
    assert refused(bomb, "a.pdf") == "invoice.hostile_file"
    assert time.monotonic() - started < 6
    assert readers.read(data, "a.pdf").number == lodging().number


# ── mutations ─────────────────────────────────────────────────────────────────

WHOLE = [
    issue_xml(lodging()),
    issue_ofd(lodging()),
    issue_pdf(lodging()),
    issue_ofd(dinner()),
    issue_pdf(dinner()),
]


def mutated(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.randint(1, 6)):
        at = random.randrange(len(changed))
        match random.choice(["change", "change", "delete", "insert", "repeat", "cut"]):
            case "change":
                changed[at] = random.randrange(256)
            case "delete":
                del changed[at : at + random.randint(1, 20)]
            case "insert":
                changed[at:at] = random.randbytes(random.randint(1, 8))
            case "repeat":
                changed[at:at] = changed[at : at + random.randint(1, 400)]
            case _:
                if random.randrange(10) == 0:
                    del changed[at:]
        if not changed:
            break
    return bytes(changed)


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(which=st.integers(0, len(WHOLE) - 1), random=st.randoms(use_true_random=False))
def test_a_damaged_file_is_read_or_refused_never_worse(which: int, random: Random) -> None:
    try:
        read = readers.read(mutated(WHOLE[which], random), "damaged")
    except readers.Unreadable:
        return
    assert read.number and read.total is not None


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_a_repacked_ofd_with_damaged_parts_is_read_or_refused(random: Random) -> None:
    with zipfile.ZipFile(io.BytesIO(WHOLE[random.choice([1, 3])])) as package:
        files = {entry: package.read(entry) for entry in package.namelist()}
    victim = random.choice(sorted(files))
    files[victim] = mutated(files[victim], random)
    try:
        readers.read(zipped(files), "damaged.ofd")
    except readers.Unreadable:
        return


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=300))
def test_noise_is_refused(data: bytes) -> None:
    for head in (b"", b"<", b"%PDF-1.4\n", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"):
        with pytest.raises(readers.Unreadable):
            readers.read(head + data, "noise")
