"""Every vector of the fact sheet: what we seal is what the product seals, and we open what it sends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulators.feishu.crypto import BadCipher, BadSignature, EventCrypto, jsapi_signature

BOOK: dict[str, Any] = json.loads((Path(__file__).parent / "event_vectors.json").read_text("utf-8"))
KEY = BOOK["inputs"]["encrypt_key"]
VECTORS = {vector["name"]: vector for vector in BOOK["vectors"]}


def test_the_key() -> None:
    assert EventCrypto(KEY).key().hex() == BOOK["inputs"]["aes_key_hex"]


def test_the_pages_own_example() -> None:
    example = BOOK["official_doc_vector"]
    assert EventCrypto(example["encrypt_key"]).decrypt(example["encrypt"]) == example["plaintext"]


@pytest.mark.parametrize("name", VECTORS)
def test_sealing_and_opening(name: str) -> None:
    vector, crypto = VECTORS[name], EventCrypto(KEY)
    request = vector["request"]
    sealed = crypto.encrypt(vector["plaintext"], iv=bytes.fromhex(vector["iv_hex"]))
    assert json.dumps({"encrypt": sealed}, separators=(",", ":")) == request["raw_body"]
    assert crypto.decrypt(json.loads(request["raw_body"])["encrypt"]) == vector["plaintext"]
    headers = request["headers"]
    crypto.check(
        signature=headers["X-Lark-Signature"],
        timestamp=headers["X-Lark-Request-Timestamp"],
        nonce=headers["X-Lark-Request-Nonce"],
        body=request["raw_body"].encode(),
    )


@pytest.mark.parametrize("change", ["signature", "timestamp", "nonce", "body"])
def test_a_forgery_is_found(change: str) -> None:
    request = VECTORS["approval_instance APPROVED (v1)"]["request"]
    given: dict[str, Any] = {
        "signature": request["headers"]["X-Lark-Signature"],
        "timestamp": request["headers"]["X-Lark-Request-Timestamp"],
        "nonce": request["headers"]["X-Lark-Request-Nonce"],
        "body": request["raw_body"].encode(),
    }
    # A space more is another body: the signature is over bytes.
    given[change] = given[change] + (b" " if change == "body" else "0")
    with pytest.raises(BadSignature):
        EventCrypto(KEY).check(**given)


@pytest.mark.parametrize("sealed", ["", "AAAA", "not base64!", "AAECAwQFBgcICQoLDA0ODw=="])
def test_what_does_not_open(sealed: str) -> None:
    with pytest.raises(BadCipher):
        EventCrypto(KEY).decrypt(sealed)


def test_another_key_does_not_open() -> None:
    sealed = EventCrypto("one").encrypt("𠮷 a secret")
    assert EventCrypto("one").decrypt(sealed) == "𠮷 a secret"
    with pytest.raises(BadCipher):
        EventCrypto("two").decrypt(sealed)


def test_the_jsapi_signature() -> None:
    vector = BOOK["jsapi_signature"]
    parts = dict(part.split("=", 1) for part in vector["plain"].split("&"))
    signed = jsapi_signature(
        ticket=parts["jsapi_ticket"],
        nonce=parts["noncestr"],
        timestamp=parts["timestamp"],
        url=parts["url"],
    )
    assert signed == vector["sha1_hex"]
