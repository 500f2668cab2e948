"""Files of a report in a form that takes six: originals, what is bound together, and what stays behind a link."""

from __future__ import annotations

import hashlib
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pypdfium2
import pytest
from django.conf import LazySettings
from PIL import Image

from simulators.wecom.testing import Running
from viatica.connectors.errors import AttachmentGone, AttachmentTooBig, FormDoesNotFit
from viatica.connectors.naming import file_name
from viatica.connectors.testing import AT, form, ref
from viatica.connectors.wecom import attachments, binding
from viatica.connectors.wecom.approvals import WeComApproval
from viatica.connectors.wecom.client import WeComClient
from viatica.connectors.wecom.tests.conftest import order
from viatica.kernel.errors import OutsideUnavailable
from viatica.offices.approval.ports import Attachment, CaseOrder
from viatica.offices.archive import services
from viatica.spine.models import Connection

UPLOAD = "/cgi-bin/media/upload"
XML = b"<?xml version='1.0'?><invoice/>"


@pytest.fixture(autouse=True)
def archive(tmp_path: Path, settings: LazySettings, db: None) -> None:
    settings.ARCHIVE_DIR = tmp_path


@cache  # PDFium writes the time of its making
def pdf(pages: int = 1, width: int = 200) -> bytes:
    document = pypdfium2.PdfDocument.new()
    for _ in range(pages):
        document.new_page(width, 100)
    out = BytesIO()
    document.save(out)
    return out.getvalue()


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 20), **more: Any) -> bytes:
    out = BytesIO()
    Image.new("RGB", size, "white").save(out, kind, **more)
    return out.getvalue()


def kept(name: str, data: bytes, media_type: str = "application/pdf") -> Attachment:
    services.keep(data=data, name=name, media_type=media_type, owner_id=None, at=AT)
    return Attachment(name, f"https://viatica.example.com/files/{name}", hashlib.sha256(data).hexdigest())


def with_files(number: str, *files: Attachment) -> CaseOrder:
    return order(number, form=form(files=files))


def uploaded(connection: Connection, sent: CaseOrder, instance_id: Any) -> list[tuple[str, bytes]]:
    """Name and bytes of each file the form over there holds."""
    client = WeComClient.of(connection)
    info = client.form(instance_id)
    assert info is not None
    (row,) = (one for one in info["apply_data"]["contents"] if one["control"] == "File")
    found = []
    for file in row["value"]["files"]:
        query = {"access_token": client._with_token(lambda token: {"token": token})["token"]}
        answer = client._files.call("GET", "/cgi-bin/media/get", query={**query, "media_id": file["file_id"]})
        name = unquote(answer.header("content-disposition").partition("filename*=UTF-8''")[2])
        found.append((name, answer.body))
    return found


def sizes(data: bytes) -> list[tuple[float, float]]:
    document = pypdfium2.PdfDocument(data)
    return [document[no].get_size() for no in range(len(document))]


def test_originals_are_attached_with_their_extensions(connection: Connection) -> None:
    files = [
        kept("01 发票", pdf()),
        kept("02 发票", picture(), "image/png"),
        kept("03 发票", XML, "text/xml"),
    ]
    sent = with_files("BX-1", *files)
    found = uploaded(connection, sent, WeComApproval(connection).submit(sent))
    assert found == [("01 发票.pdf", pdf()), ("02 发票.png", picture()), ("03 发票.xml", XML)]


def test_six_are_six(connection: Connection, wecom: Running) -> None:
    files = [kept(f"{no:02d} 发票", pdf(width=100 + no)) for no in range(1, 7)]
    sent = with_files("BX-1", *files)
    found = uploaded(connection, sent, WeComApproval(connection).submit(sent))
    assert [name for name, _ in found] == [f"{no:02d} 发票.pdf" for no in range(1, 7)]
    assert wecom.calls()[f"POST {UPLOAD}"] == 6


def test_more_are_bound_into_one_in_their_order(connection: Connection, wecom: Running) -> None:
    """PDFs and photographs together; what cannot be bound goes beside it, as far as there is room."""
    files = [kept(f"{no:02d} 发票", pdf(pages=no, width=100 + no)) for no in range(1, 6)]
    turned = Image.Exif()
    turned[0x0112] = 6  # held sideways
    photo = picture("JPEG", (80, 40), exif=turned)
    files[2:2] = [kept("拍照", photo, "image/jpeg"), kept("原件", XML, "text/xml")]
    files.append(kept("损坏", b"%PDF-1.7 damaged"))
    sent = with_files("BX-1", *files)
    found = uploaded(connection, sent, WeComApproval(connection).submit(sent))
    assert [name for name, _ in found] == ["BX-1 附件 1.pdf", "原件.xml", "损坏.pdf"]
    widths = [size[0] for size in sizes(found[0][1])]
    assert widths == [101.0, 102.0, 102.0, 40.0, *[103.0] * 3, *[104.0] * 4, *[105.0] * 5]
    assert sizes(found[0][1])[3] == (40.0, 80.0)  # upright
    assert found[1:] == [("原件.xml", XML), ("损坏.pdf", b"%PDF-1.7 damaged")]


def test_what_does_not_fit_in_one_is_bound_in_volumes(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [kept(f"{no:02d} 发票", pdf(width=100 + no)) for no in range(1, 8)]
    monkeypatch.setattr(binding, "MOST_BYTES", 3 * len(pdf(width=101)))
    sent = with_files("BX-1", *files)
    found = uploaded(connection, sent, WeComApproval(connection).submit(sent))
    assert [(name, len(sizes(data))) for name, data in found] == [
        ("BX-1 附件 1.pdf", 3),
        ("BX-1 附件 2.pdf", 3),
        ("BX-1 附件 3.pdf", 1),
    ]


def test_too_many_that_cannot_be_bound_stay_behind_the_link_or_are_refused(
    connection: Connection, wecom: Running
) -> None:
    files = [kept(f"{no:02d} 发票", XML + b" " * no, "text/xml") for no in range(1, 10)]
    sent = with_files("BX-1", *files)
    found = uploaded(connection, sent, WeComApproval(connection).submit(sent))
    assert [name for name, _ in found] == [f"{no:02d} 发票.xml" for no in range(1, 7)]
    del connection.settings["forms"]["expense_report"]["fields"]["url"]
    with pytest.raises(FormDoesNotFit, match="9 > 6"):
        WeComApproval(connection).submit(with_files("BX-2", *files))
    assert len(wecom.instances()) == 1


def test_what_is_too_big_or_too_small_stays_behind_the_link(
    connection: Connection, wecom: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "MOST_FILE", len(pdf()))
    files = (kept("01 发票", pdf()), kept("02 发票", pdf(pages=3)), kept("03 发票", b"tiny", "text/plain"))
    port = WeComApproval(connection)
    assert port.submit(with_files("BX-1", *files))
    assert wecom.calls()[f"POST {UPLOAD}"] == 1
    del connection.settings["forms"]["expense_report"]["fields"]["url"]
    with pytest.raises(AttachmentTooBig, match="02 发票"):
        WeComApproval(connection).submit(with_files("BX-2", *files))
    assert len(wecom.instances()) == 1


def test_the_vendors_limit_is_ours(connection: Connection, wecom: Running) -> None:
    """20 MB and one byte are refused over there (45001); we do not even try."""
    files = (kept("大", b"%PDF" + b"0" * (20 * 1024 * 1024 - 3)), kept("小", pdf()))
    sent = with_files("BX-1", *files)
    found = uploaded(connection, sent, WeComApproval(connection).submit(sent))
    assert [name for name, _ in found] == ["小.pdf"]


def test_pictures_are_drawn_where_the_form_takes_only_pictures(
    connection: Connection, wecom: Running
) -> None:
    setting = connection.settings["forms"]["expense_report"]["fields"]["attachments"]
    setting["type"] = "File/photo"
    files = [kept("01 发票", pdf()), kept("02 发票", XML, "text/xml")]
    files += [kept(f"{no:02d} 照片", picture(size=(40, 20 + no)), "image/png") for no in range(3, 9)]
    sent = with_files("BX-1", *files)
    found = uploaded(connection, sent, WeComApproval(connection).submit(sent))
    # Nobody can draw the second one here, and six is all there is room for; the form's link leads to the others.
    assert [name for name, _ in found] == ["01 发票.png", *(f"{no:02d} 照片.png" for no in range(3, 7))]
    assert all(data.startswith(b"\x89PNG") for _, data in found)


def test_a_file_the_archive_lost_is_named(connection: Connection, wecom: Running) -> None:
    lost = Attachment("01 发票", "https://v.example.com/a.png", "a" * 64)
    with pytest.raises(AttachmentGone, match="01 发票"):
        WeComApproval(connection).submit(with_files("BX-1", lost))
    assert wecom.instances() == []


def test_a_form_that_cannot_be_filled_uploads_nothing(connection: Connection, wecom: Running) -> None:
    sent = order(form=form(files=(kept("01 发票", pdf()),), category="宠物"))
    with pytest.raises(FormDoesNotFit):
        WeComApproval(connection).submit(sent)
    assert f"POST {UPLOAD}" not in wecom.calls()


def test_an_upload_that_went_wrong_creates_nothing(connection: Connection, wecom: Running) -> None:
    sent = with_files("BX-1", kept("01 发票", pdf()))
    wecom.fault("lost_answer", UPLOAD, times=1)
    port = WeComApproval(connection)
    with pytest.raises(OutsideUnavailable):
        port.submit(sent)
    assert wecom.instances() == []
    state = port.look(ref(sent, port.submit(sent)))
    assert state is not None and len(state.fields["附件"].splitlines()) == 1


def test_where_files_are_to_be_links_nothing_is_uploaded(connection: Connection, wecom: Running) -> None:
    fields = connection.settings["forms"]["expense_report"]["fields"]
    fields["attachment_links"] = {"id": fields.pop("reason")["id"], "type": "Textarea"}
    del fields["attachments"]
    sent = with_files("BX-1", kept("01", pdf()), kept("02", pdf(2)))
    port = WeComApproval(connection)
    state = port.look(ref(sent, port.submit(sent)))
    assert state is not None and state.fields["事由"].splitlines() == [
        "01 https://viatica.example.com/files/01",
        "02 https://viatica.example.com/files/02",
    ]
    assert f"POST {UPLOAD}" not in wecom.calls()


# Binding


def test_nothing_bound_is_nothing() -> None:
    assert binding.bind([]) == binding.NOTHING
    assert binding.bind([b"%PDF no", b"\x89PNG no"]) == binding.NOTHING


def test_a_file_that_stalls_costs_this_binding_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "SECONDS", 0.01)
    assert binding.bind([pdf()]) == binding.NOTHING


def test_a_picture_too_large_to_open_is_left_out() -> None:
    bound = binding.bind([pdf(), picture(size=(9000, 9000)), pdf(2)])
    assert bound.taken == {0, 2} and len(sizes(bound.pdf)) == 3


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("01 发票", b"%PDF-1.7", "01 发票.pdf"),
        ("01 发票.pdf", b"%PDF-1.7", "01 发票.pdf"),
        ("合同.doc", b"%PDF-1.7", "合同.doc.pdf"),
        ("a/b", b"\xff\xd8\xff\xe0", "a_b.jpg"),
        ("x", b"PK\x03\x04", "x.ofd"),
        ("x", b"anything", "x.bin"),
    ],
)
def test_a_name_tells_what_the_file_is(name: str, data: bytes, expected: str) -> None:
    assert file_name(name, data) == expected
