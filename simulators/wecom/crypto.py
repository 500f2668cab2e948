"""Callback encryption and signature. Source: 加解密方案说明; sbzhu/weworkapi_python WXBizMsgCrypt.py."""

from __future__ import annotations

import hmac
import os
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from hashlib import sha1

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from lxml import etree

BLOCK = 32  # PKCS#7 over 32 bytes, although AES itself works in 16


class CryptoError(Exception):
    """Something sealed does not open."""


class BadSignature(CryptoError):
    """-40001: signed with another token, or changed on the way."""


class BadXml(CryptoError):
    """-40002: no XML, or no Encrypt in it."""


class BadKey(CryptoError):
    """-40004: an EncodingAESKey has 43 letters and digits."""


class WrongReceiver(CryptoError):
    """-40005: meant for another corp or suite."""


class BadCipher(CryptoError):
    """-40007: not encrypted with this key."""


@dataclass(frozen=True, slots=True)
class CallbackCrypto:
    """`receive_id` is the corpid for everything a corp's own apps, approvals and directory send."""

    token: str
    aes_key: str
    receive_id: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9+/]{43}", self.aes_key):
            raise BadKey("the EncodingAESKey must have 43 letters and digits")

    def key(self) -> bytes:
        return b64decode(self.aes_key + "=")

    def sign(self, *, timestamp: str, nonce: str, encrypt: str) -> str:
        return sha1("".join(sorted([self.token, timestamp, nonce, encrypt])).encode()).hexdigest()

    def encrypt(self, text: str, *, salt: bytes | None = None) -> str:
        salt = os.urandom(16) if salt is None else salt
        message = text.encode()
        plain = salt + len(message).to_bytes(4, "big") + message + self.receive_id.encode()
        pad = BLOCK - len(plain) % BLOCK
        plain += bytes([pad]) * pad
        key = self.key()
        sealer = Cipher(AES(key), CBC(key[:16])).encryptor()
        return b64encode(sealer.update(plain) + sealer.finalize()).decode()

    def decrypt(self, encrypt: str) -> str:
        key = self.key()
        try:
            sealed = b64decode(encrypt, validate=True)
            opener = Cipher(AES(key), CBC(key[:16])).decryptor()
            plain = opener.update(sealed) + opener.finalize()
        except (ValueError, Base64Error):
            raise BadCipher("not a sealed message") from None
        if not plain or not 1 <= plain[-1] <= BLOCK or len(plain) < 20 + plain[-1]:
            raise WrongReceiver("the padding is wrong")
        plain = plain[: -plain[-1]]
        end = 20 + int.from_bytes(plain[16:20], "big")
        if end > len(plain) or plain[end:] != self.receive_id.encode():
            raise WrongReceiver(f"meant for {plain[end:]!r}")
        try:
            return plain[20:end].decode()
        except UnicodeDecodeError:
            raise BadCipher("the text is not UTF-8") from None

    def open(self, *, signature: str, timestamp: str, nonce: str, encrypt: str) -> str:
        expected = self.sign(timestamp=timestamp, nonce=nonce, encrypt=encrypt)
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise BadSignature("the signature does not fit")
        return self.decrypt(encrypt)

    def open_reply(self, body: bytes) -> str:
        """The plaintext of an encrypted passive reply (Encrypt, MsgSignature, TimeStamp, Nonce)."""
        parts = read_xml(body)
        return self.open(
            signature=parts.get("MsgSignature", ""),
            timestamp=parts.get("TimeStamp", ""),
            nonce=parts.get("Nonce", ""),
            encrypt=encrypted_in(parts),
        )


def read_xml(body: bytes) -> dict[str, str]:
    """The texts of an envelope's own children. Raises BadXml."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError:
        raise BadXml("the body is not XML") from None
    return {str(child.tag): child.text or "" for child in root.iterchildren(etree.Element)}


def encrypted_in(parts: dict[str, str]) -> str:
    if not parts.get("Encrypt"):
        raise BadXml("there is no Encrypt")
    return parts["Encrypt"]


def jsapi_signature(*, ticket: str, nonce: str, timestamp: str, url: str) -> str:
    """SHA-1 of the four in this order, nothing url-encoded; `url` without its fragment. Source: JS-SDK 签名算法."""
    text = f"jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp}&url={url.partition('#')[0]}"
    return sha1(text.encode()).hexdigest()
