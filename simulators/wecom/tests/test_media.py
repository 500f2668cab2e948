from __future__ import annotations

import json

import pytest

from simulators.wecom.testing import Running
from simulators.wecom.tests.client import Api

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20


def test_up_and_back_byte_for_byte(api: Api) -> None:
    answer = api.upload("发票.pdf", b"%PDF-1.7 ...")
    assert (answer["type"], answer["created_at"].isdigit()) == ("file", True)
    got = api.raw("GET", "/media/get", {"media_id": answer["media_id"]}, None)
    assert got.data == b"%PDF-1.7 ..."
    assert "filename*=UTF-8''%E5%8F%91%E7%A5%A8.pdf" in got.headers["content-disposition"]
    part = api.raw(
        "GET", "/media/get", {"media_id": answer["media_id"]}, None, headers={"range": "bytes=1-3"}
    )
    assert (part.status, part.data, part.headers["content-range"]) == (206, b"PDF", "bytes 1-3/12")


@pytest.mark.parametrize(
    ("name", "data", "kind", "errcode"),
    [
        ("a.pdf", b"12345", "file", 40006),
        ("a.pdf", b"0" * (20 * 1024 * 1024 + 1), "file", 45001),
        ("a.pdf", b"123456", "paper", 40004),
        ("a.gif", b"GIF89a....", "image", 40005),
        ("a.png", PNG, "image", 0),
    ],
)
def test_limits(api: Api, name: str, data: bytes, kind: str, errcode: int) -> None:
    assert api.upload(name, data, kind)["errcode"] == errcode


def test_three_days(wecom: Running, api: Api) -> None:
    wecom.set(media_ttl_s=0.0)
    media_id = api.upload("a.pdf", b"%PDF-1.7")["media_id"]
    answer = api.raw("GET", "/media/get", {"media_id": media_id}, None)
    assert (answer.status, json.loads(answer.data)["errcode"]) == (200, 40007)


def test_pictures_for_messages(wecom: Running, api: Api) -> None:
    url = f"{wecom.base_url}/cgi-bin/media/uploadimg?access_token={api.token}"
    answer = json.loads(api.http.request("POST", url, fields={"media": ("a.png", PNG)}).data)
    assert api.http.request("GET", answer["url"]).data == PNG


def test_nothing_in_the_part(api: Api) -> None:
    assert api.post("/media/upload", type="file")["errcode"] == 41005
