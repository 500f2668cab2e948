"""Every vector of the fact sheet: what official code made must open here, and what we make must be the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from simulators.wecom.crypto import (
    BadCipher,
    BadKey,
    BadSignature,
    BadXml,
    CallbackCrypto,
    CryptoError,
    WrongReceiver,
    encrypted_in,
    jsapi_signature,
    read_xml,
)
from simulators.wecom.xml import document

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "callback_vectors.json").read_text("utf-8"))
INPUTS = VECTORS["inputs"]
REQUESTS = {vector["name"]: vector for vector in VECTORS["request_vectors"]}


def crypto(token: str = INPUTS["token"], receive_id: str = INPUTS["corpId_receiveId"]) -> CallbackCrypto:
    return CallbackCrypto(token, INPUTS["encodingAesKey"], receive_id)


def opened(by: CallbackCrypto, vector: dict[str, Any], **other: str) -> str:
    names = {"signature": "msg_signature", "timestamp": "timestamp", "nonce": "nonce", "encrypt": "encrypt"}
    return by.open(**{name: vector[key] for name, key in names.items()} | other)


def test_the_key_is_the_decoded_encoding_key() -> None:
    assert crypto().key().hex() == INPUTS["aesKey_hex"]
    assert crypto().key()[:16].hex() == INPUTS["iv_hex"]


@pytest.mark.parametrize("vector", VECTORS["captured_from_official_material"], ids=lambda row: row["name"])
def test_official_messages_open(vector: dict[str, Any]) -> None:
    opener = CallbackCrypto(vector["token"], vector["encodingAesKey"], vector["receiveId"])
    assert opened(opener, vector) == vector["plaintext"]


@pytest.mark.parametrize("vector", VECTORS["url_verification"], ids=lambda row: row["nonce"])
def test_addresses_are_verified_bit_for_bit(vector: dict[str, Any]) -> None:
    echostr = crypto().encrypt(vector["echostr_plaintext"], salt=vector["random16"].encode())
    assert echostr == vector["echostr"]
    query = {name: values[0] for name, values in parse_qs(vector["http"]["query_string"]).items()}
    assert query["echostr"] == echostr  # the + of base64 survives
    said = crypto().open(
        signature=query["msg_signature"],
        timestamp=query["timestamp"],
        nonce=query["nonce"],
        encrypt=query["echostr"],
    )
    assert said == vector["expected_response_body"]


@pytest.mark.parametrize("vector", REQUESTS.values(), ids=REQUESTS.keys())
def test_requests_are_sealed_bit_for_bit(vector: dict[str, Any]) -> None:
    encrypt = crypto().encrypt(vector["plaintext"], salt=vector["random16"].encode())
    assert encrypt == vector["encrypt"]
    timestamp, nonce = vector["timestamp"], vector["nonce"]
    assert crypto().sign(timestamp=timestamp, nonce=nonce, encrypt=encrypt) == vector["msg_signature"]
    assert opened(crypto(), vector) == vector["plaintext"]


@pytest.mark.parametrize("vector", REQUESTS.values(), ids=REQUESTS.keys())
def test_envelopes_are_written_as_documented(vector: dict[str, Any]) -> None:
    corp_id, agent_id = INPUTS["corpId_receiveId"], INPUTS["agentId"]
    template = VECTORS["request_vectors_meta"]["body_template"]
    expected = template.format(corpId=corp_id, encrypt=vector["encrypt"], agentId=agent_id)
    fields = {"ToUserName": corp_id, "Encrypt": vector["encrypt"], "AgentID": agent_id}
    assert document(fields) == expected
    assert encrypted_in(read_xml(expected.encode())) == vector["encrypt"]


@pytest.mark.parametrize("vector", VECTORS["reply_vectors"], ids=lambda row: row["name"])
def test_passive_replies_open(vector: dict[str, Any]) -> None:
    assert crypto().open_reply(vector["response_body_xml"].encode()) == vector["plaintext"]
    sealed = crypto().encrypt(vector["plaintext"], salt=vector["random16"].encode())
    assert f"<Encrypt><![CDATA[{sealed}]]></Encrypt>" in vector["response_body_xml"]


@pytest.mark.parametrize("vector", VECTORS["jsapi_signature"], ids=lambda row: row["name"])
def test_pages_are_signed_as_documented(vector: dict[str, Any]) -> None:
    given = {"ticket": vector["ticket"], "nonce": vector["noncestr"], "timestamp": vector["timestamp"]}
    assert jsapi_signature(url=vector["url"], **given) == vector["signature"]
    assert jsapi_signature(url=vector["url"] + "#/inside", **given) == vector["signature"]


def negative(case: str) -> None:
    vector = REQUESTS["sys_approval_submit"]
    match case:
        case "wrong_signature":
            opened(crypto(), vector, signature="0" * 40)
        case "wrong_token":
            opened(crypto(token="another"), vector)
        case "wrong_receive_id":
            opened(crypto(receive_id="wwanother"), vector)
        case "tampered_last_block_resigned":
            broken = vector["encrypt"][:-6] + "AAAA" + vector["encrypt"][-2:]
            signature = crypto().sign(timestamp="1", nonce="2", encrypt=broken)
            crypto().open(signature=signature, timestamp="1", nonce="2", encrypt=broken)
        case "missing_Encrypt":
            encrypted_in(read_xml(b"<xml><ToUserName>x</ToUserName></xml>"))
        case "aes_key_42_chars":
            CallbackCrypto(INPUTS["token"], INPUTS["encodingAesKey"][:-1], INPUTS["corpId_receiveId"])


REFUSALS: dict[Any, type[CryptoError]] = {
    -40001: BadSignature,
    -40002: BadXml,
    -40005: WrongReceiver,
    "FormatException": BadKey,
}


@pytest.mark.parametrize("vector", VECTORS["negative"], ids=lambda row: row["case"])
def test_what_official_code_refuses_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(REFUSALS[vector["official_return"]]):
        negative(vector["case"])


@pytest.mark.parametrize("garbage", ["", "AAAA", "not base64!", "Q3stYC6hdFzMh9T8HCvyDA"])
def test_garbage_does_not_open(garbage: str) -> None:
    with pytest.raises(CryptoError):
        crypto().decrypt(garbage)
    with pytest.raises(BadCipher):
        crypto().decrypt("not base64!")


@pytest.mark.parametrize("length", range(0, 70, 3))
def test_any_length_survives_the_padding(length: int) -> None:
    text = "差" * length
    assert crypto().decrypt(crypto().encrypt(text)) == text


def test_texts_of_people_cannot_break_the_xml() -> None:
    text = "a]]>b & <c> 𠮷😀\x00\x0b"
    written = document({"Speech": text, "SpStatus": 2, "Item": [{"A": "1"}, {"A": "2"}]})
    assert read_xml(written.encode())["Speech"] == "a]]>b & <c> 𠮷😀"
    assert re.search(r"<SpStatus>2</SpStatus><Item><A>.*</A></Item><Item>", written)
