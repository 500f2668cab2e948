"""Every vector of `payloads/vectors.json`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from viatica.connectors.errors import UnreadableCallback
from viatica.connectors.feishu.signing import EventCipher, event_signature, jsapi_plain, jsapi_signature
from viatica.connectors.feishu.tests.sealing import seal

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent.parent / "payloads" / "vectors.json").read_text())
INPUTS = VECTORS["inputs"]
CIPHER = EventCipher(INPUTS["encrypt_key"])


def encrypted(vector: dict[str, Any]) -> str:
    return str(json.loads(vector["request"]["raw_body"])["encrypt"])


def signed(vector: dict[str, Any], **changes: Any) -> bool:
    headers = vector["request"]["headers"]
    given: dict[str, Any] = {
        "signature": headers["X-Lark-Signature"],
        "timestamp": headers["X-Lark-Request-Timestamp"],
        "nonce": headers["X-Lark-Request-Nonce"],
        "body": vector["request"]["raw_body"].encode(),
    }
    return CIPHER.is_signed(**(given | changes))


def test_the_vendors_own_example_opens() -> None:
    vector = VECTORS["official_doc_vector"]
    assert EventCipher(vector["encrypt_key"]).open(vector["encrypt"]) == vector["plaintext"]


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda v: v["name"])
def test_vectors_open_and_are_signed(vector: dict[str, Any]) -> None:
    assert CIPHER.open(encrypted(vector)) == vector["plaintext"]
    assert signed(vector)


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda v: v["name"])
def test_our_own_sealing_for_tests_is_the_vendors_to_the_byte(vector: dict[str, Any]) -> None:
    iv = bytes.fromhex(vector["iv_hex"])
    assert seal(INPUTS["encrypt_key"], vector["plaintext"], iv) == encrypted(vector)


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda v: v["name"])
def test_anything_else_is_not_signed(vector: dict[str, Any]) -> None:
    body = vector["request"]["raw_body"].encode()
    assert not signed(vector, signature="0" * 64)
    assert not signed(vector, signature="")
    assert not signed(vector, nonce="other")
    assert not signed(vector, timestamp="1700000099")
    assert not signed(vector, body=body.replace(b":", b": ", 1))  # the same JSON, written anew


def test_the_signature_is_over_raw_bytes_whatever_they_are() -> None:
    made = event_signature("key", timestamp="1", nonce="n", body=b"\xff\x00")
    assert made == hashlib.sha256(b"1nkey\xff\x00").hexdigest()


@pytest.mark.parametrize("encrypt", ["", "AAAA", "bm90IGVuY3J5cHRlZA==", "不是", "P37w+VZImNgPEO1RBhJ6Rg=="])
def test_rubbish_is_unreadable(encrypt: str) -> None:
    with pytest.raises(UnreadableCallback):
        CIPHER.open(encrypt)


def test_another_key_opens_nothing() -> None:
    with pytest.raises(UnreadableCallback):
        EventCipher("another key").open(encrypted(VECTORS["vectors"][1]))


@pytest.mark.parametrize("text", ["", "x" * 15, "x" * 16, "x" * 200, "差旅报销 👩🏽‍💻 𠮷"])
def test_every_length_and_script_survives(text: str) -> None:
    assert CIPHER.open(seal(INPUTS["encrypt_key"], text)) == text


def test_jsapi_signature() -> None:
    vector = VECTORS["jsapi_signature"]
    asked = {
        "ticket": "TICKET1",
        "nonce": "Y7a8KkqX041bsSwT",
        "timestamp": "1510045655000",
        "url": "https://exp.example.com/m/1.html#/reports",
    }
    assert jsapi_plain(**asked) == vector["plain"]
    assert jsapi_signature(**asked) == vector["sha1_hex"]
