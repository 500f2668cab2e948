"""Every vector of `payloads/vectors.json`, the refusals included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypedDict

import pytest

from viatica.connectors.callback_cipher import callback_signature
from viatica.connectors.dingtalk.signing import (
    BadAesKey,
    CallbackCipher,
    card_signature,
    jsapi_plain,
    jsapi_signature,
)
from viatica.connectors.errors import ForeignCallback, ForgedCallback, UnreadableCallback

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent.parent / "payloads" / "vectors.json").read_text())
INPUTS = VECTORS["inputs"]
REQUESTS = {vector["name"]: vector for vector in VECTORS["request_vectors"]}


def cipher(**changes: str) -> CallbackCipher:
    return CallbackCipher(
        token=changes.get("token", INPUTS["token"]),
        aes_key=changes.get("aes_key", INPUTS["encodingAesKey"]),
        owner_keys=(changes.get("owner", INPUTS["ownerKey_appKey"]),),
    )


def opened(vector: dict[str, Any], using: CallbackCipher, **changes: str) -> str:
    query = {**vector["http"]["query"], **changes}
    return using.open(
        signature=query["msg_signature"],
        timestamp=query["timestamp"],
        nonce=query["nonce"],
        encrypt=vector["http"]["json_body"]["encrypt"],
    )


@pytest.mark.parametrize("vector", VECTORS["captured_from_official_material"], ids=lambda v: v["name"])
def test_captured_from_official_material(vector: dict[str, Any]) -> None:
    using = CallbackCipher(vector["token"], vector["encodingAesKey"], (vector["ownerKey"],))
    parts = {key: vector[key] for key in ("signature", "timestamp", "nonce", "encrypt")}
    assert using.open(**parts) == vector["plaintext"]


@pytest.mark.parametrize("vector", VECTORS["request_vectors"], ids=lambda v: v["name"])
def test_requests_open(vector: dict[str, Any]) -> None:
    assert opened(vector, cipher()) == vector["plaintext"]


@pytest.mark.parametrize("vector", VECTORS["request_vectors"], ids=lambda v: v["name"])
def test_requests_are_sealed_to_the_same_bytes(vector: dict[str, Any]) -> None:
    query = vector["http"]["query"]
    sealed = cipher().seal(
        vector["plaintext"],
        timestamp=query["timestamp"],
        nonce=query["nonce"],
        random=vector["random16"].encode(),
    )
    assert sealed["encrypt"] == vector["http"]["json_body"]["encrypt"]
    assert sealed["msg_signature"] == query["signature"]


@pytest.mark.parametrize("vector", VECTORS["response_vectors"], ids=lambda v: v["name"])
def test_responses_open_as_success(vector: dict[str, Any]) -> None:
    body = vector["json_body"]
    parts = {"timestamp": body["timeStamp"], "nonce": body["nonce"], "encrypt": body["encrypt"]}
    assert cipher().open(signature=body["msg_signature"], **parts) == "success"


def test_our_response_is_the_java_form_to_the_byte() -> None:
    vector = VECTORS["response_vectors"][1]
    body = vector["json_body"]
    sealed = cipher().seal(
        "success", timestamp=body["timeStamp"], nonce=body["nonce"], random=vector["random16"].encode()
    )
    assert sealed == body


class Asked(TypedDict):
    ticket: str
    nonce: str
    timestamp: str
    url: str


REFUSED_AS = {"signature check error": ForgedCallback, "corpId 校验错误": ForeignCallback}


@pytest.mark.parametrize("vector", VECTORS["negative"], ids=lambda v: v["name"])
def test_negative_vectors_are_refused(vector: dict[str, Any]) -> None:
    changes = {new: vector[old] for old, new in (("tok", "token"), ("own", "owner")) if old in vector}
    tampered = {"nonce": vector["nonce"]} if "nonce" in vector else {}
    expected = REFUSED_AS[vector["official_result"].partition(": ")[2]]
    with pytest.raises(expected):
        opened(REQUESTS[vector["based_on"]], cipher(**changes), **tampered)


def test_a_callback_under_the_legacy_owner_key_is_accepted_when_both_are_known() -> None:
    legacy = cipher(owner=INPUTS["ownerKey_corpId_legacy"])
    sealed = legacy.seal("{}", timestamp="1700000000000", nonce="n")
    both = CallbackCipher(
        INPUTS["token"],
        INPUTS["encodingAesKey"],
        (INPUTS["ownerKey_appKey"], INPUTS["ownerKey_corpId_legacy"]),
    )
    parts = {"timestamp": sealed["timeStamp"], "nonce": "n", "encrypt": sealed["encrypt"]}
    assert both.open(signature=sealed["msg_signature"], **parts) == "{}"


@pytest.mark.parametrize("text", ["", "x" * 11, "x" * 12, "x" * 200, "差旅报销 👩🏽‍💻 𠮷"])
def test_every_length_and_script_survives(text: str) -> None:
    sealed = cipher().seal(text, timestamp="1", nonce="n")
    parts = {"timestamp": "1", "nonce": "n", "encrypt": sealed["encrypt"]}
    assert cipher().open(signature=sealed["msg_signature"], **parts) == text


@pytest.mark.parametrize("encrypt", ["", "AAAA", "bm90IGVuY3J5cHRlZA==", "不是"])
def test_well_signed_rubbish_is_unreadable(encrypt: str) -> None:
    signature = callback_signature(INPUTS["token"], "1", "n", encrypt)
    with pytest.raises(UnreadableCallback):
        cipher().open(signature=signature, timestamp="1", nonce="n", encrypt=encrypt)


@pytest.mark.parametrize("aes_key", ["short", "*" * 43, ""])
def test_a_bad_aes_key_is_named(aes_key: str) -> None:
    with pytest.raises(BadAesKey):
        cipher(aes_key=aes_key).seal("success", timestamp="1", nonce="n")


def test_jsapi_signature_in_both_hashes() -> None:
    vector = VECTORS["jsapi_signature"]
    asked = Asked(
        ticket="ticketABC",
        nonce="nonceXYZ",
        timestamp="1700000000000",
        url="https://exp.example.com/m/index.html?corpid=ding1&x=1#/reports",
    )
    assert jsapi_plain(**asked) == vector["plain"]
    assert jsapi_signature(**asked) == vector["sha256_hex"]
    assert jsapi_signature(**asked, digest="sha1") == vector["sha1_hex"]


def test_card_callback_signature() -> None:
    vector = VECTORS["card_http_callback_signature"]
    made = card_signature(api_secret=vector["apiSecret"], timestamp=vector["x-ddpaas-signature-timestamp"])
    assert made == vector["x-ddpaas-signature"]
