"""Encryption and signature of events. Source: 步骤三：接收事件 (事件订阅), 三方快捷审批回调; lark-oapi's decryptor."""

from __future__ import annotations

import hmac
import os
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from hashlib import sha1, sha256

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

BLOCK = 16


class CryptoError(Exception):
    """Something sealed does not open."""


class BadSignature(CryptoError):
    """Signed with another key, or changed on the way."""


class BadCipher(CryptoError):
    """Not encrypted with this key."""


@dataclass(frozen=True, slots=True)
class EventCrypto:
    encrypt_key: str

    def key(self) -> bytes:
        return sha256(self.encrypt_key.encode()).digest()

    def sign(self, *, timestamp: str, nonce: str, body: bytes) -> str:
        """Over the bytes of the body as they travel, not over the JSON they mean."""
        return sha256(f"{timestamp}{nonce}{self.encrypt_key}".encode() + body).hexdigest()

    def check(self, *, signature: str, timestamp: str, nonce: str, body: bytes) -> None:
        expected = self.sign(timestamp=timestamp, nonce=nonce, body=body)
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise BadSignature("the signature does not fit")

    def encrypt(self, text: str, *, iv: bytes | None = None) -> str:
        iv = os.urandom(BLOCK) if iv is None else iv
        plain = text.encode()
        pad = BLOCK - len(plain) % BLOCK
        sealer = Cipher(AES(self.key()), CBC(iv)).encryptor()
        return b64encode(iv + sealer.update(plain + bytes([pad]) * pad) + sealer.finalize()).decode()

    def decrypt(self, encrypt: str) -> str:
        try:
            sealed = b64decode(encrypt, validate=True)
            opener = Cipher(AES(self.key()), CBC(sealed[:BLOCK])).decryptor()
            plain = opener.update(sealed[BLOCK:]) + opener.finalize()
        except (ValueError, Base64Error):
            raise BadCipher("not a sealed message") from None
        pad = plain[-1] if plain else 0
        if not 1 <= pad <= BLOCK or plain[-pad:] != bytes([pad]) * pad:
            raise BadCipher("the padding is wrong")
        try:
            return plain[:-pad].decode()
        except UnicodeDecodeError:
            raise BadCipher("the text is not UTF-8") from None


def jsapi_signature(*, ticket: str, nonce: str, timestamp: str, url: str) -> str:
    """组件 SDK 鉴权流程: `timestamp` is in milliseconds, `url` without its fragment."""
    plain = f"jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp}&url={url}"
    return sha1(plain.encode()).hexdigest()
