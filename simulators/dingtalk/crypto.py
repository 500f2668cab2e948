"""Callback encryption and signature. Source: 回调事件消息体加解密; open-dingtalk/DingTalk-Callback-Crypto."""

from __future__ import annotations

import hmac
import os
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from hashlib import sha1

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

BLOCK = 32  # PKCS#7 over 32 bytes, although AES itself works in 16


class CryptoError(Exception):
    """Something sealed does not open."""


class BadSignature(CryptoError):
    """900005: signed with another token, or changed on the way."""


class BadCipher(CryptoError):
    """900008: not encrypted with this key."""


class WrongOwner(CryptoError):
    """900010: meant for another app or organisation."""


@dataclass(frozen=True, slots=True)
class CallbackCrypto:
    """`owner_key` is the app key, or the corpId for callbacks registered the old way."""

    token: str
    aes_key: str  # EncodingAESKey: 43 letters and digits
    owner_key: str

    def key(self) -> bytes:
        key = b64decode(self.aes_key + "=")
        if len(key) != 32:
            raise BadCipher("the EncodingAESKey must have 43 characters")
        return key

    def sign(self, *, timestamp: str, nonce: str, encrypt: str) -> str:
        return sha1("".join(sorted([self.token, timestamp, nonce, encrypt])).encode()).hexdigest()

    def encrypt(self, text: str, *, salt: bytes | None = None) -> str:
        salt = os.urandom(16) if salt is None else salt
        message = text.encode()
        plain = salt + len(message).to_bytes(4, "big") + message + self.owner_key.encode()
        pad = BLOCK - len(plain) % BLOCK
        plain += bytes([pad]) * pad
        key = self.key()
        sealer = Cipher(AES(key), CBC(key[:16])).encryptor()
        return b64encode(sealer.update(plain) + sealer.finalize()).decode()

    def decrypt(self, encrypt: str) -> str:
        key = self.key()
        try:
            sealed = b64decode(encrypt)
            opener = Cipher(AES(key), CBC(key[:16])).decryptor()
            plain = opener.update(sealed) + opener.finalize()
        except (ValueError, Base64Error):
            raise BadCipher("not a sealed message") from None
        if not plain or not 1 <= plain[-1] <= BLOCK or len(plain) < 20 + plain[-1]:
            raise BadCipher("the padding is wrong")
        plain = plain[: -plain[-1]]
        end = 20 + int.from_bytes(plain[16:20], "big")
        if end > len(plain):
            raise BadCipher("the length is wrong")
        try:
            owner, message = plain[end:].decode(), plain[20:end].decode()
        except UnicodeDecodeError:
            raise BadCipher("the text is not UTF-8") from None
        if owner != self.owner_key:
            raise WrongOwner(f"meant for {owner}")
        return message

    def open(self, *, signature: str, timestamp: str, nonce: str, encrypt: str) -> str:
        expected = self.sign(timestamp=timestamp, nonce=nonce, encrypt=encrypt)
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise BadSignature("the signature does not fit")
        return self.decrypt(encrypt)
