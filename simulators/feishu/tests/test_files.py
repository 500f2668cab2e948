from __future__ import annotations

import json
from typing import Any

import pytest
import urllib3

from simulators.feishu.tests.wire import Wire

UPLOAD = "/approval/openapi/v2/file/upload"


def upload(wire: Wire, path: str, fields: dict[str, Any]) -> urllib3.BaseHTTPResponse:
    headers = {"authorization": f"Bearer {wire.token}"}
    return wire.http.request("POST", f"{wire.feishu.base_url}{path}", fields=fields, headers=headers)


def test_an_approval_file(wire: Wire) -> None:
    fields = {
        "name": "水单.pdf",
        "type": "attachment",
        "content": ("水单.pdf", b"%PDF-1.7", "application/pdf"),
    }
    answer = upload(wire, UPLOAD, fields)
    assert b"\\u0026x-signature=" in answer.data  # an ampersand the product escapes
    said = json.loads(answer.data)
    assert (said["code"], said["data"]["url"].count("&")) == (0, 1)
    form = [*wire.form(), wire.item("attachments", [said["data"]["code"]])]
    assert wire.look(wire.create(form=form))["status"] == "PENDING"
    assert wire.http.request("GET", said["data"]["url"]).data == b"%PDF-1.7"


@pytest.mark.parametrize(
    "change",
    [
        {"type": "video"},
        {"name": "no extension"},
        {"name": ""},
        {"content": ("a.pdf", b"", "application/pdf")},
    ],
)
def test_files_that_are_refused(wire: Wire, change: dict[str, Any]) -> None:
    fields = {"name": "a.pdf", "type": "attachment", "content": ("a.pdf", b"x", "application/pdf"), **change}
    answer = upload(wire, UPLOAD, fields)
    assert (answer.status, json.loads(answer.data)["code"]) == (400, 1390001)


def test_an_image_may_have_ten_megabytes_and_an_attachment_fifty(wire: Wire) -> None:
    data = b"x" * (10 * 1024 * 1024 + 1)
    for kind, status in (("image", 400), ("attachment", 200)):
        answer = upload(wire, UPLOAD, {"name": "a.png", "type": kind, "content": ("a.png", data)})
        assert answer.status == status


def test_without_a_token_nothing_is_kept(wire: Wire) -> None:
    url = f"{wire.feishu.base_url}{UPLOAD}"
    answer = wire.http.request(
        "POST", url, fields={"name": "a.pdf", "type": "attachment", "content": ("a", b"x")}
    )
    assert json.loads(answer.data)["code"] == 99991661


def test_files_of_messages(wire: Wire) -> None:
    image = upload(wire, "/open-apis/im/v1/images", {"image_type": "message", "image": ("a.png", b"\x89PNG")})
    assert json.loads(image.data)["data"]["image_key"].startswith("img_")
    fields = {"file_type": "pdf", "file_name": "a.pdf", "file": ("a.pdf", b"%PDF")}
    assert json.loads(upload(wire, "/open-apis/im/v1/files", fields).data)["data"]["file_key"].startswith(
        "file_"
    )
