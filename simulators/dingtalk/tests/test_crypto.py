"""Every vector of the fact sheet: what official code made must open here, and what we make must be the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulators.dingtalk.callbacks import card_signature
from simulators.dingtalk.crypto import BadCipher, BadSignature, CallbackCrypto, WrongOwner

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "callback_vectors.json").read_text("utf-8"))
INPUTS = VECTORS["inputs"]
REQUESTS = {vector["name"]: vector for vector in VECTORS["request_vectors"]}


def crypto(token: str = INPUTS["token"], owner: str = INPUTS["ownerKey_appKey"]) -> CallbackCrypto:
    return CallbackCrypto(token, INPUTS["encodingAesKey"], owner)


def test_the_key_is_the_decoded_encoding_key() -> None:
    assert crypto().key().hex() == INPUTS["aesKey_hex"]


@pytest.mark.parametrize("vector", VECTORS["captured_from_official_material"], ids=lambda row: row["name"])
def test_official_messages_open(vector: dict[str, Any]) -> None:
    opener = CallbackCrypto(vector["token"], vector["encodingAesKey"], vector["ownerKey"])
    opened = opener.open(
        signature=vector["signature"],
        timestamp=vector["timestamp"],
        nonce=vector["nonce"],
        encrypt=vector["encrypt"],
    )
    assert opened == vector["plaintext"]


@pytest.mark.parametrize("vector", REQUESTS.values(), ids=REQUESTS.keys())
def test_requests_are_sealed_bit_for_bit(vector: dict[str, Any]) -> None:
    encrypt = crypto().encrypt(vector["plaintext"], salt=vector["random16"].encode())
    assert encrypt == vector["http"]["json_body"]["encrypt"]
    signature = crypto().sign(timestamp=vector["timestamp"], nonce=vector["nonce"], encrypt=encrypt)
    assert signature == vector["http"]["query"]["msg_signature"] == vector["http"]["query"]["signature"]
    assert crypto().decrypt(encrypt) == vector["plaintext"]


@pytest.mark.parametrize("vector", VECTORS["response_vectors"], ids=lambda row: row["name"])
def test_replies_open_to_success(vector: dict[str, Any]) -> None:
    reply = vector["json_body"]
    said = crypto().open(
        signature=reply["msg_signature"],
        timestamp=reply["timeStamp"],
        nonce=reply["nonce"],
        encrypt=reply["encrypt"],
    )
    assert said == "success"


@pytest.mark.parametrize("vector", VECTORS["negative"], ids=lambda row: row["name"])
def test_what_official_code_refuses_is_refused(vector: dict[str, Any]) -> None:
    based_on = REQUESTS[vector["based_on"]]
    opener = crypto(
        token=vector.get("tok", INPUTS["token"]), owner=vector.get("own", INPUTS["ownerKey_appKey"])
    )
    expected = WrongOwner if "corpId" in vector["official_result"] else BadSignature
    with pytest.raises(expected):
        opener.open(
            signature=based_on["http"]["query"]["signature"],
            timestamp=based_on["timestamp"],
            nonce=vector.get("nonce", based_on["nonce"]),
            encrypt=based_on["http"]["json_body"]["encrypt"],
        )


@pytest.mark.parametrize("garbage", ["", "AAAA", "not base64!", "Q3stYC6hdFzMh9T8HCvyDA=="])
def test_garbage_does_not_open(garbage: str) -> None:
    with pytest.raises(BadCipher):
        crypto().decrypt(garbage)


@pytest.mark.parametrize("length", range(70))
def test_any_length_survives_the_padding(length: int) -> None:
    text = "差" * length
    assert crypto().decrypt(crypto().encrypt(text)) == text


def test_card_callbacks_are_signed_as_documented() -> None:
    vector = VECTORS["card_http_callback_signature"]
    signature = card_signature(vector["apiSecret"], vector["x-ddpaas-signature-timestamp"])
    assert signature == vector["x-ddpaas-signature"]
