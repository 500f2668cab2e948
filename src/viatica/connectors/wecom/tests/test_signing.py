"""Every vector of `payloads/vectors.json`, the refusals included; and the best-kept client's crypto as a second judge."""

from __future__ import annotations

import base64
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from viatica.connectors.callback_cipher import callback_signature
from viatica.connectors.errors import ForeignCallback, ForgedCallback, UnreadableCallback
from viatica.connectors.wecom.events import encrypted_in
from viatica.connectors.wecom.signing import BadAesKey, CallbackCipher, jsapi_signature
from viatica.connectors.wecom.tests.sealing import Sealer
from viatica.kernel.errors import BadInput, ViaticaError

# Untyped; a class found at run time.
WeChatCrypto: Any = import_module("wechatpy.enterprise.crypto").WeChatCrypto
VECTORS: dict[str, Any] = json.loads((Path(__file__).parent.parent / "payloads" / "vectors.json").read_text())
INPUTS = VECTORS["inputs"]
TOKEN, AES_KEY, CORP = INPUTS["token"], INPUTS["encodingAesKey"], INPUTS["corpId_receiveId"]
REQUESTS = {vector["name"]: vector for vector in VECTORS["request_vectors"]}
SEALER = Sealer(TOKEN, AES_KEY, CORP)


def cipher(**changes: str) -> CallbackCipher:
    return CallbackCipher(
        token=changes.get("token", TOKEN),
        aes_key=changes.get("aes_key", AES_KEY),
        receive_id=changes.get("receive_id", CORP),
    )


def opened(vector: dict[str, Any], using: CallbackCipher, **changes: str) -> str:
    given = {**vector, **changes}
    return using.open(
        signature=given["msg_signature"],
        timestamp=given["timestamp"],
        nonce=given["nonce"],
        encrypt=given["encrypt"],
    )


def test_the_key_and_its_beginning_are_the_vectors() -> None:
    key = base64.b64decode(AES_KEY + "=")
    assert (key.hex(), key[:16].hex()) == (INPUTS["aesKey_hex"], INPUTS["iv_hex"])


@pytest.mark.parametrize("vector", VECTORS["captured_from_official_material"], ids=lambda v: v["name"])
def test_the_vendors_own_example_opens(vector: dict[str, Any]) -> None:
    using = CallbackCipher(vector["token"], vector["encodingAesKey"], vector["receiveId"])
    assert opened(vector, using) == vector["plaintext"]


@pytest.mark.parametrize("vector", VECTORS["url_verification"], ids=lambda v: v["nonce"])
def test_the_check_of_the_address_opens(vector: dict[str, Any]) -> None:
    assert opened(vector, cipher(), encrypt=vector["echostr"]) == vector["echostr_plaintext"]


@pytest.mark.parametrize("vector", VECTORS["request_vectors"], ids=lambda v: v["name"])
def test_requests_open(vector: dict[str, Any]) -> None:
    assert opened(vector, cipher()) == vector["plaintext"]


@pytest.mark.parametrize("vector", VECTORS["request_vectors"], ids=lambda v: v["name"])
def test_our_own_sealing_for_tests_is_the_vendors_to_the_byte(vector: dict[str, Any]) -> None:
    encrypt = SEALER.seal(vector["plaintext"], vector["random16"].encode())
    assert encrypt == vector["encrypt"]
    query = SEALER.signed(encrypt, vector["timestamp"], vector["nonce"])
    assert query["msg_signature"] == vector["msg_signature"]


@pytest.mark.parametrize("vector", VECTORS["reply_vectors"], ids=lambda v: v["name"])
def test_replies_open(vector: dict[str, Any]) -> None:
    body = vector["response_body_xml"]
    encrypt = encrypted_in(body.encode())
    signature = body.partition("<MsgSignature><![CDATA[")[2].partition("]")[0]
    given = {"msg_signature": signature, "encrypt": encrypt}
    assert opened(vector, cipher(), **given) == vector["plaintext"]


@pytest.mark.parametrize("vector", VECTORS["request_vectors"], ids=lambda v: v["name"])
def test_the_community_client_reads_the_same(vector: dict[str, Any]) -> None:
    body = SEALER.envelope(vector["encrypt"]).decode()
    judge = WeChatCrypto(TOKEN, AES_KEY, CORP)
    said = judge.decrypt_message(body, vector["msg_signature"], vector["timestamp"], vector["nonce"])
    assert said == opened(vector, cipher())


def test_what_the_community_client_seals_opens() -> None:
    sealed = WeChatCrypto(TOKEN, AES_KEY, CORP).encrypt_message(
        "<xml>差旅报销 𠮷 👩🏽‍💻</xml>", "n", "1700000000"
    )
    signature = sealed.partition("<MsgSignature><![CDATA[")[2].partition("]")[0]
    encrypt = encrypted_in(sealed.encode())
    given = {"signature": signature, "timestamp": "1700000000", "nonce": "n", "encrypt": encrypt}
    assert cipher().open(**given) == "<xml>差旅报销 𠮷 👩🏽‍💻</xml>"


# Refusals


def tampered(vector: dict[str, Any]) -> dict[str, str]:
    """Its last block changed, and signed anew."""
    sealed = bytearray(base64.b64decode(vector["encrypt"]))
    sealed[-1] ^= 1
    encrypt = base64.b64encode(bytes(sealed)).decode()
    signature = callback_signature(TOKEN, vector["timestamp"], vector["nonce"], encrypt)
    return {"encrypt": encrypt, "msg_signature": signature}


def refused(case: str, vector: dict[str, Any]) -> None:
    match case:
        case "wrong_signature":
            opened(vector, cipher(), msg_signature="0" * 40)
        case "wrong_token":
            opened(vector, cipher(token="another"))
        case "wrong_receive_id":
            opened(vector, cipher(receive_id="ww1111111111111111"))
        case "tampered_last_block_resigned":
            opened(vector, cipher(), **tampered(vector))
        case "missing_Encrypt":
            encrypted_in(b"<xml><ToUserName>ww</ToUserName></xml>")
        case "aes_key_42_chars":
            opened(vector, cipher(aes_key=AES_KEY[:42]))


REFUSED_AS: dict[str, type[ViaticaError]] = {
    "wrong_signature": ForgedCallback,
    "wrong_token": ForgedCallback,
    "wrong_receive_id": ForeignCallback,
    "tampered_last_block_resigned": UnreadableCallback,
    "missing_Encrypt": BadInput,
    "aes_key_42_chars": BadAesKey,
}


@pytest.mark.parametrize("vector", VECTORS["negative"], ids=lambda v: v["case"])
def test_negative_vectors_are_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(REFUSED_AS[vector["case"]]):
        refused(vector["case"], REQUESTS[vector["based_on"]])


def test_every_negative_vector_has_its_refusal() -> None:
    assert {vector["case"] for vector in VECTORS["negative"]} == set(REFUSED_AS)


@pytest.mark.parametrize("encrypt", ["", "AAAA", "bm90IGVuY3J5cHRlZA==", "不是", "P37w+VZImNgPEO1RBhJ6Rg=="])
def test_well_signed_rubbish_is_unreadable(encrypt: str) -> None:
    signature = callback_signature(TOKEN, "1", "n", encrypt)
    with pytest.raises(UnreadableCallback):
        cipher().open(signature=signature, timestamp="1", nonce="n", encrypt=encrypt)


def test_a_length_beyond_the_end_is_unreadable() -> None:
    """The length counts bytes, and is the sender's word only."""
    key = base64.b64decode(AES_KEY + "=")
    plain = b"0" * 16 + (2**32 - 1).to_bytes(4, "big") + b"<xml/>" + CORP.encode()
    pad = 32 - len(plain) % 32
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    sealed = encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()
    encrypt = base64.b64encode(sealed).decode()
    with pytest.raises(UnreadableCallback):
        cipher().open(encrypt=encrypt, **signed(encrypt))


def signed(encrypt: str) -> dict[str, str]:
    query = SEALER.signed(encrypt, 1)
    return {"signature": query["msg_signature"], "timestamp": "1", "nonce": query["nonce"]}


@pytest.mark.parametrize("aes_key", ["", "short", "*" * 43, AES_KEY + "H"])
def test_a_bad_aes_key_is_named(aes_key: str) -> None:
    with pytest.raises(BadAesKey):
        opened(REQUESTS["boundary_pad_1"], cipher(aes_key=aes_key))


@pytest.mark.parametrize("text", ["", *("x" * n for n in (10, 11, 12, 13, 43, 44)), "差旅报销 👩🏽‍💻 𠮷"])
def test_every_length_and_script_survives(text: str) -> None:
    """Around where the padding is one byte and where it is a whole block."""
    encrypt = SEALER.seal(text)
    assert cipher().open(encrypt=encrypt, **signed(encrypt)) == text


@pytest.mark.parametrize("vector", VECTORS["jsapi_signature"], ids=lambda v: v["name"])
def test_jsapi_signature(vector: dict[str, Any]) -> None:
    given = {"ticket": vector["ticket"], "nonce": vector["noncestr"], "timestamp": vector["timestamp"]}
    assert jsapi_signature(url=vector["url"], **given) == vector["signature"]
    assert jsapi_signature(url=f"{vector['url']}#/reports", **given) == vector["signature"]
