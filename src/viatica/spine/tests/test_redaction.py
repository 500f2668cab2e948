"""What may be shown of what products and we say to each other: their own shapes, each with its secrets in place."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest

from viatica.spine import redaction
from viatica.spine.redaction import HIDDEN, redact

SECRET = "dNk3-Lq_8sQ9vXz7A1bC"
TICKET = "ZgQ2w8Jm4tR6yU1iO3pL5kH7"
MOBILE, MOBILE_ABROAD = "13812345678", "+86 139-1234-5678"
CARD, ID_CARD = "6225880123456783", "11010519491231002X"
MAIL = "zhang.san@corp.example.com"


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (
            {"appSecret": "x", "code": "InvalidAuthentication"},
            {"appSecret": "…", "code": "InvalidAuthentication"},
        ),
        (
            {"a": [{"access_token": "x"}], "n": 1, "none": None},
            {"a": [{"access_token": "…"}], "n": 1, "none": None},
        ),
        ("https://x/?access_token=abc&x=1", "https://x/?access_token=…&x=1"),
        ('{"accessToken": "abc", "expireIn": 7200}', '{"accessToken": "…", "expireIn": 7200}'),
        ("Authorization: Bearer abc.def", "Authorization: …"),
        ("the key k3y-of-app is bad", "the key … is bad"),
        ("a token was missing", "a token was missing"),
        ({"nextToken": 20, "page_token": "p2", "token_type": "Bearer"}, None),
        ({"hotel": "如家", "ticket_no": "G7", "ticket": True, "design": "x", "countersign": "y"}, None),
        ("打车 48.00 元，2026-11-24 21:30，会签人 3", None),
        ("BX20261124-0001, 1700000000000, 202102060002, 2467136722846748", None),
    ],
)
def test_what_is_shown(data: Any, shown: Any) -> None:
    assert redact(data, ("k3y-of-app", "bad")) == (data if shown is None else shown)


@pytest.mark.parametrize(
    "asked",
    [
        {"appKey": "dingkey", "appSecret": SECRET},
        {"clientId": "dingkey", "clientSecret": SECRET, "code": TICKET, "grantType": "authorization_code"},
        {"app_id": "cli_a1", "app_secret": SECRET},
        {
            "grant_type": "authorization_code",
            "client_secret": SECRET,
            "code": TICKET,
            "code_verifier": SECRET,
        },
        {"AppID": "cli_a1", "AppSecret": SECRET},
        {"user_ticket": TICKET},
        {"mobile": MOBILE},
        {"emails": [MAIL], "mobiles": [MOBILE]},
        {"form": json.dumps([{"id": "w1", "type": "telephone", "value": {"nationalNumber": MOBILE}}])},
        {
            "formComponentValues": [
                {"name": "身份证号", "value": "A1234567"},
                {"name": "电话", "value": MOBILE},
            ]
        },
        {"apply_data": {"contents": [{"control": "Text", "value": {"text": f"付到 {CARD}，{ID_CARD}"}}]}},
    ],
)
def test_what_is_asked_of_the_three_products(asked: dict[str, Any]) -> None:
    secrets = (SECRET, TICKET, MOBILE, CARD, ID_CARD, MAIL, "A1234567")
    for text in (
        redaction.body(json.dumps(asked, ensure_ascii=False).encode(), "application/json; charset=utf-8", is_asked=True),
        redaction.body(json.dumps(asked).encode(), "application/json", is_asked=True),
        redaction.body(json.dumps(asked, indent=2).encode()[:-2], "application/json", is_asked=True),
    ):  # fmt: skip
        assert HIDDEN in text
        assert not [one for one in secrets if one in text], text


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ({"accessToken": SECRET, "expireIn": 7200}, ["7200"]),
        ({"errcode": 0, "errmsg": "ok", "access_token": SECRET, "expires_in": 7200}, ['"errmsg": "ok"']),
        ({"code": 0, "msg": "ok", "tenant_access_token": f"t-{SECRET}", "expire": 5000}, ['"code": 0']),
        ({"accessToken": SECRET, "refreshToken": TICKET, "corpId": "ding1"}, ["ding1"]),
        ({"jsapiTicket": TICKET, "expireIn": 7200}, []),
        ({"data": {"ticket": TICKET, "expire_in": 7200}}, []),
        ({"endpoint": "wss://wss.dingtalk.com/connect", "ticket": TICKET}, ["wss.dingtalk.com"]),
        ({"data": {"URL": f"wss://x/ws?device_id=1&access_key={SECRET}&ticket={TICKET}&service_id=7"}}, ["service_id=7"]),
        (
            {"result": {"downloadUri": f"https://oss.example/f.pdf?Expires=1&OSSAccessKeyId=L&Signature={SECRET}%3D"}},
            ["oss.example/f.pdf?Expires=1"],
        ),
        (
            {"headerSignatureInfo": {"headers": {"Authorization": f"OSS LTAI:{SECRET}", "x-oss-date": "d"}}},
            [],
        ),
        (
            {"errcode": 0, "result": {"userid": "u1", "name": "张三", "mobile": MOBILE, "telephone": "010-86123456",
             "email": MAIL, "org_email": MAIL, "job_number": "E042", "hide_mobile": False}},
            ["张三", "E042", "false", "u1"],
        ),
        ({"records": [{"userId": "u1", "mobile": MOBILE, "leaveReason": "other"}]}, ["leaveReason"]),
        ({"data": {"user": {"mobile": MOBILE_ABROAD, "enterprise_email": MAIL, "open_id": "ou_1"}}}, ["ou_1"]),
        ({"errcode": 0, "userid": "zhangsan", "user_ticket": TICKET}, ["zhangsan"]),
        (
            {"userid": "zhangsan", "mobile": MOBILE, "biz_mail": MAIL,
             "extattr": {"attrs": [{"type": 0, "name": "身份证", "text": {"value": "A1234567"}}]}},
            ["身份证"],
        ),
        ({"bank_account": {"account_name": "张三", "account_number": CARD, "remark": "工资"}}, ["张三", "工资"]),
        ({"schema": "2.0", "header": {"event_id": "e1", "token": SECRET, "app_id": "cli_1"}}, ["e1", "cli_1"]),
        ({"code": 99991663, "msg": f"Invalid access token: t-{SECRET}, authorization"}, ["99991663", "Invalid"]),
        ({"code": 99991663, "msg": f"token attached: u-{SECRET} is not valid"}, ["99991663"]),
        ({"said": f"Bearer {SECRET}"}, []),
        ({"jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abcDEF_123"}, []),
    ],
)  # fmt: skip
def test_what_the_three_products_answer(answer: dict[str, Any], kept: list[str]) -> None:
    secrets = (
        SECRET, TICKET, MOBILE, MOBILE_ABROAD, CARD, MAIL, "A1234567", "010-86123456", "eyJzdWIiOiIxMjM0NTY3ODkwIn0",
    )  # fmt: skip
    for data in (json.dumps(answer, ensure_ascii=False), json.dumps({"wrapped": json.dumps(answer)})):
        text = redaction.body(data.encode(), "application/json")
        assert not [one for one in secrets if one in text], text
        # Torn off: no longer JSON, and the same holds.
        torn = redaction.body(data.encode()[:-1], "text/plain")
        assert not [one for one in secrets if one in torn], torn
    text = redaction.body(json.dumps(answer, ensure_ascii=False).encode(), "application/json")
    assert [one for one in kept if one not in text] == [], text


def test_a_form_is_shown_decoded_without_its_secrets() -> None:
    link = {"msgtype": "oa", "oa": {"message_url": f"https://x/?token={SECRET}", "head": {"text": "行资"}}}
    form = urlencode({"agent_id": 1, "code": TICKET, "msg": json.dumps(link), "password": "a b,c;d"})
    text = redaction.body(form.encode(), "application/x-www-form-urlencoded; charset=utf-8", is_asked=True)
    assert text.splitlines() == [
        "agent_id=1",
        "code=…",
        'msg={"msgtype": "oa", "oa": {"message_url": "https://x/?token=…", "head": {"text": "行资"}}}',
        "password=…",
    ]


def test_queries_and_headers() -> None:
    query = {"appkey": "k", "appsecret": SECRET, "access_token": TICKET, "code": "one-time", "id": 7}
    assert redaction.pairs(query, is_asked=True) == {
        "appkey": "k", "appsecret": "…", "access_token": "…", "code": "…", "id": "7",
    }  # fmt: skip
    headers = {
        "x-acs-dingtalk-access-token": SECRET, "Authorization": f"Bearer {SECRET}", "Cookie": "a=b", "Set-Cookie": "a=b",
        "X-Tt-Logid": "2026112400", "location": f"https://x/?code={TICKET}&state=1",
    }  # fmt: skip
    assert redaction.pairs(headers, is_asked=True) == {
        "x-acs-dingtalk-access-token": "…", "Authorization": "…", "Cookie": "…", "Set-Cookie": "…",
        "X-Tt-Logid": "2026112400", "location": "https://x/?code=…&state=1",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        f"<xml><AccessToken><![CDATA[{SECRET}]]></AccessToken><Id>1</Id></xml>",
        f'<soap:Body><ns:password xsi:type="xsd:string">{SECRET}</ns:password></soap:Body>',
        f"<html>at /cgi-bin/x?access_token={SECRET}&amp;id=1 <b>error</b></html>",
        f"redirect_uri=https%3A%2F%2Fx%2F%3Faccess_token%3D{SECRET}",
        f"%22app_secret%22%3A%22{SECRET}%22",
        f'{{"secret": {{"a": "{SECRET}"',
        f'{{"tokens": ["{SECRET}", "x"',
        f'{{"password": "a \\"{SECRET}',
        f"{{'password': 'it is {SECRET}'}}",
        f'"{{\\"body\\":\\"{{\\\\\\"access_token\\\\\\":\\\\\\"{SECRET}\\\\\\"}}\\"}}',
        f"password={SECRET}; user=x",
        f"secret => {SECRET}",
        f"密码：x\n密码: {SECRET}",
    ],
)
def test_text_that_is_no_json(text: str) -> None:
    for secret_in in (
        redact(text),
        redaction.body(text.encode(), "text/html"),
        redact({"said": text})["said"],
    ):
        assert SECRET not in secret_in, secret_in
        assert HIDDEN in secret_in


def test_known_secrets_in_every_spelling() -> None:
    secret = 'p"ss/wö+rd é'
    for text in (
        f"plain {secret} end",
        json.dumps({"x": secret}),
        json.dumps({"x": secret}, ensure_ascii=False),
        urlencode({"x": secret}),
    ):
        shown = redaction.body(text.encode(), "text/plain", (secret,))
        assert HIDDEN in shown
        assert not [
            part for part in ("ss/w", "rd é", "ss%2Fw", "rd+%C3%A9", "ss/w\\u00f6") if part in shown
        ], shown


@pytest.mark.parametrize("at", range(redaction.WINDOW - 60, redaction.WINDOW + 4))
def test_a_secret_torn_by_the_cut_does_not_show_its_half(at: int) -> None:
    """Long hidden text before it pulls the cut into what is shown."""
    hidden = f'{{"token": "{"x" * (at - 200)}", "note": "'
    for secret in (SECRET, "with blanks in it, long", MOBILE):
        data = f"{hidden}{'.' * (at - len(hidden) - 1)} {secret}".encode() + b" tail" * 10_000
        shown = redaction.body(data, "text/plain", (SECRET, "with blanks in it, long"))
        assert secret[:7] not in shown
        assert shown.endswith(f"… [{len(data)} bytes]")
        assert len(shown) < redaction.KEPT + 40


def test_bodies_are_cut_and_what_is_no_text_is_named_by_its_size() -> None:
    long = json.dumps({"list": [{"userid": f"u{n}"} for n in range(1000)]}).encode()
    shown = redaction.body(long, "application/json")
    assert shown.startswith('{"list": [{"userid": "u0"}')
    assert shown.endswith(f"… [{len(long)} bytes]")
    assert len(shown) < redaction.KEPT + 40
    assert redaction.body(b"\x89PNG\r\n", "image/png") == "[6 bytes, image/png]"
    assert redaction.body(b"PK\3\4\0\0", "") == "[6 bytes, binary]"
    assert redaction.body("报错".encode("gb18030"), "text/html") != ""
    assert redaction.body(b"", "application/json") == ""


@pytest.mark.parametrize(
    "data",
    [
        b"token" + b" " * 8_000_000,
        b'"token":"' * 400_000,
        b'"token":"\\' * 400_000,
        b"token" + b"\\" * 4_000_000,
        b"token<a " * 400_000,
        b"token" + b"[" * 100_000,
        b"[" * 100_000 + b"token",
        b"138" * 1_000_000,
        b"a@b." * 500_000,
        b"token " + b"a" * 4_000_000,
        b"token " + (b"a" * 79 + b".") * 50_000,
    ],
)
def test_no_body_takes_long(data: bytes) -> None:
    began = time.process_time()
    redaction.body(data, "text/plain", (SECRET,))
    assert time.process_time() - began < 0.2
