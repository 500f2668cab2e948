from __future__ import annotations

import hashlib
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_django import Settings

from simulators.tax_bureau import Party, find_font, issue_pdf, make_invoice, uscc
from viatica.offices.archive import previews, queries, sandbox, services
from viatica.offices.archive.models import StoredFile

AT = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
INVOICE = make_invoice(
    7, issued=AT.date(), buyer=Party("行资示例科技（上海）有限公司", uscc("91310000MA1FL0B02"))
)


@pytest.fixture(autouse=True)
def shelf(settings: Settings, tmp_path: Path) -> Path:
    settings.ARCHIVE_DIR = tmp_path / "archive"
    return tmp_path / "archive"


def kept(data: bytes, name: str = "a.bin", media_type: str = "application/octet-stream") -> StoredFile:
    return services.keep(data=data, name=name, media_type=media_type, owner_id=None, at=AT)


@pytest.mark.django_db
def test_the_same_content_is_kept_once(shelf: Path) -> None:
    first = kept(b"hello", "one.txt")
    again = kept(b"hello", "two.txt")
    assert first == again and first.name == "one.txt"
    digest = hashlib.sha256(b"hello").hexdigest()
    assert (first.digest, first.size) == (digest, 5)
    assert [path.name for path in shelf.rglob("*") if path.is_file()] == [digest]
    assert services.open_file(digest) == b"hello"


@pytest.mark.django_db
def test_a_changed_file_is_noticed(shelf: Path) -> None:
    row = kept(b"hello")
    path = services.place(row.digest)
    path.chmod(0o600)
    path.write_bytes(b"hellO")
    with pytest.raises(services.FileDamaged):
        services.open_file(row.digest)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "0" * 63])
def test_only_digests_are_looked_for(digest: str) -> None:
    with pytest.raises(queries.FileGone):
        services.open_file(digest)


def test_a_missing_file_is_said_to_be_missing() -> None:
    with pytest.raises(queries.FileGone):
        services.open_file("0" * 64)


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("C:\\Users\\me\\发票.pdf", "发票.pdf"),
        ("../../etc/passwd", "passwd"),
        ("a\r\nSet-Cookie: x.pdf", "aSet-Cookie: x.pdf"),
        ('<img src="x">.xml', "img src=x.xml"),
        ("", "file"),
        ("..", "file"),
        ("长" * 300 + ".pdf", "长" * 196 + ".pdf"),
    ],
)
def test_safe_names(given: str, safe: str) -> None:
    assert services.safe_name(given) == safe


@pytest.mark.django_db
def test_a_pdf_is_shown_by_its_first_page_and_drawn_once(shelf: Path) -> None:
    row = kept(issue_pdf(INVOICE, font=find_font()), "a.pdf", "application/pdf")
    picture, media_type = previews.preview(row.digest)
    assert media_type == "image/png" and picture.startswith(b"\x89PNG")
    [cached] = (shelf / previews.SHELF).rglob("*.png")
    cached.write_bytes(b"kept")
    assert previews.preview(row.digest) == (b"kept", "image/png")


@pytest.mark.django_db
def test_a_photograph_is_shrunk() -> None:
    large = sandbox.pdf_page(issue_pdf(INVOICE), width=2000)
    row = kept(large, "a.png", "image/png")
    picture, media_type = previews.preview(row.digest)
    assert media_type == "image/png"
    assert int.from_bytes(picture[16:20], "big") == previews.WIDTH


@pytest.mark.django_db
def test_what_nobody_can_draw_has_no_picture() -> None:
    row = kept(b"text", "a.txt", "text/plain")
    with pytest.raises(previews.NoPreview) as refusal:
        previews.preview(row.digest)
    assert str(refusal.value) == "There is no picture of “a.txt”."
    svg = kept(b"<svg onload='alert(1)'/>", "a.svg", "image/svg+xml")
    with pytest.raises(previews.NoPreview):
        previews.preview(svg.digest)


@pytest.mark.django_db
def test_an_unknown_digest_has_no_picture() -> None:
    with pytest.raises(queries.FileGone):
        previews.preview("0" * 64)


# ── the sandbox ───────────────────────────────────────────────────────────────


def test_a_child_that_dies_is_replaced() -> None:
    data = issue_pdf(INVOICE)
    assert sandbox.pdf_contents(data, most_pages=5).codes == (INVOICE.qr,)
    for child in sandbox._idle:
        child.process.kill()
        child.process.wait()
    assert sandbox.pdf_contents(data, most_pages=5).codes == (INVOICE.qr,)


def test_a_child_that_dies_at_its_work_is_a_refusal_and_the_next_file_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = issue_pdf(INVOICE)
    sandbox.close()
    child = sandbox._Child()
    child.process.kill()
    child.process.wait()
    monkeypatch.setattr(sandbox._Child, "is_alive", property(lambda self: True))
    sandbox._idle.append(child)
    with pytest.raises(sandbox.Unopenable):
        sandbox.pdf_contents(data, most_pages=5)
    monkeypatch.undo()
    assert sandbox.pdf_contents(data, most_pages=5).codes == (INVOICE.qr,)


def test_many_threads_share_the_children() -> None:
    data = issue_pdf(INVOICE)
    read: list[tuple[str, ...]] = []

    def work() -> None:
        for _ in range(5):
            read.append(sandbox.pdf_contents(data, most_pages=5).codes)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read == [(INVOICE.qr,)] * 40
    assert len(sandbox._idle) <= sandbox.MOST_CHILDREN


def test_a_file_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(sandbox.TookTooLong):
        sandbox.pdf_page(issue_pdf(INVOICE), width=1200, seconds=0.0001)
    assert sandbox.pdf_page(issue_pdf(INVOICE), width=100).startswith(b"\x89PNG")


def test_a_picture_of_too_many_pixels_is_refused() -> None:
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    with pytest.raises(sandbox.Unopenable):
        sandbox.picture(bomb)
