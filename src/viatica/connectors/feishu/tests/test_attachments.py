"""Files of a report in a form: originals, pictures, and what stays behind a link."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from PIL import Image

from simulators.feishu.testing import Running
from viatica.connectors.errors import AttachmentGone, AttachmentTooBig
from viatica.connectors.feishu import attachments
from viatica.connectors.feishu.approvals import FeishuApproval
from viatica.connectors.feishu.tests.conftest import connection_to, order
from viatica.connectors.naming import file_name
from viatica.connectors.testing import AT, form, ref
from viatica.kernel.errors import OutsideUnavailable
from viatica.offices.approval.ports import Attachment
from viatica.offices.archive import services
from viatica.spine.models import Connection

PDF = b"%PDF-1.7\nnot much of one"
UPLOAD = "/approval/openapi/v2/file/upload"


@pytest.fixture(autouse=True)
def archive(tmp_path: Path, settings: LazySettings, db: None) -> None:
    settings.ARCHIVE_DIR = tmp_path


def kept(name: str, data: bytes, media_type: str) -> Attachment:
    services.keep(data=data, name=name, media_type=media_type, owner_id=None, at=AT)
    return Attachment(name, f"https://viatica.example.com/files/{name}", hashlib.sha256(data).hexdigest())


def png() -> bytes:
    out = BytesIO()
    Image.new("RGB", (40, 20), "white").save(out, "PNG")
    return out.getvalue()


def with_pictures(feishu: Running, forms: dict[str, Any]) -> Connection:
    """The same form, its files in the picture widget."""
    connection = connection_to(feishu, forms)
    (widget,) = (
        one
        for one in feishu.facts["forms"][feishu.facts["approval_codes"]["expense"]]
        if one["type"] == "image"
    )
    fields = connection.settings["forms"]["expense_report"]["fields"]
    fields["attachments"] = {"id": widget["id"], "type": "image"}
    return connection


def test_originals_are_attached_with_their_extensions(connection: Connection, feishu: Running) -> None:
    files = (kept("01 发票", PDF, "application/pdf"), kept("02 发票", png(), "image/png"))
    sent = order(form=form(files=files))
    port = FeishuApproval(connection)
    state = port.look(ref(sent, port.submit(sent)))
    assert state is not None and len(state.fields["附件"].splitlines()) == 2
    assert feishu.calls()[f"POST {UPLOAD}"] == 2


def test_pictures_are_drawn_where_the_form_wants_pictures(feishu: Running, forms: dict[str, Any]) -> None:
    connection = with_pictures(feishu, forms)
    files = (kept("01 发票", png(), "image/png"), kept("02 发票", b"<?xml version='1.0'?><x/>", "text/xml"))
    sent = order(form=form(files=files))
    port = FeishuApproval(connection)
    state = port.look(ref(sent, port.submit(sent)))
    # Nobody can draw the second one here; the form's link leads to it.
    assert state is not None and len(state.fields["发票"].splitlines()) == 1


def test_what_is_too_big_stays_behind_the_link(
    connection: Connection, feishu: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "MOST_FILE", len(PDF))
    files = (kept("01 发票", PDF, "application/pdf"), kept("02 发票", PDF + b"!", "application/pdf"))
    port = FeishuApproval(connection)
    assert port.submit(order("BX-1", form=form(files=files)))
    assert feishu.calls()[f"POST {UPLOAD}"] == 1
    del connection.settings["forms"]["expense_report"]["fields"]["url"]
    with pytest.raises(AttachmentTooBig, match="02 发票"):
        FeishuApproval(connection).submit(order("BX-2", form=form(files=files)))
    assert len(feishu.instances()) == 1


def test_a_file_the_archive_lost_is_named(connection: Connection, feishu: Running) -> None:
    files = (Attachment("01 发票", "https://v.example.com/a.png", "a" * 64),)
    with pytest.raises(AttachmentGone, match="01 发票"):
        FeishuApproval(connection).submit(order(form=form(files=files)))
    assert feishu.instances() == []


def test_an_upload_that_went_wrong_creates_nothing(connection: Connection, feishu: Running) -> None:
    files = (kept("01 发票", PDF, "application/pdf"),)
    feishu.fault("lost_answer", UPLOAD, times=1)
    port = FeishuApproval(connection)
    with pytest.raises(OutsideUnavailable):
        port.submit(order(form=form(files=files)))
    assert feishu.instances() == []
    assert port.submit(order(form=form(files=files)))


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("01 发票", PDF, "01 发票.pdf"),
        ("01 发票.pdf", PDF, "01 发票.pdf"),
        ("合同.doc", PDF, "合同.doc.pdf"),
        ("a/b", b"\xff\xd8\xff\xe0", "a_b.jpg"),
        ("x", b"PK\x03\x04", "x.ofd"),
        ("x", b"anything", "x.bin"),
    ],
)
def test_a_name_tells_what_the_file_is(name: str, data: bytes, expected: str) -> None:
    assert file_name(name, data) == expected
