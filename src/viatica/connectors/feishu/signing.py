"""Feishu's signatures and event encryption. Pure: no clock, no network, no settings.

Sources: vendor pages 将事件发送至开发者服务器, 步骤三：接收事件, 组件SDK鉴权流程; checked against `payloads/vectors.json`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from viatica.connectors.errors import UnreadableCallback

_BLOCK = 16


def event_signature(encrypt_key: str, *, timestamp: str, nonce: str, body: bytes) -> str:
    """Lower-case hex SHA-256 over the raw body as it came, never over JSON written anew."""
    return hashlib.sha256(f"{timestamp}{nonce}{encrypt_key}".encode() + body).hexdigest()


@dataclass(frozen=True, slots=True)
class EventCipher:
    encrypt_key: str

    def is_signed(self, *, signature: str, timestamp: str, nonce: str, body: bytes) -> bool:
        expected = event_signature(self.encrypt_key, timestamp=timestamp, nonce=nonce, body=body)
        return hmac.compare_digest(expected.encode(), signature.encode())

    def open(self, encrypt: str) -> str:
        """The plaintext of an `encrypt` value: base64 of 16 bytes IV and AES-256-CBC. Raises UnreadableCallback."""
        key = hashlib.sha256(self.encrypt_key.encode()).digest()
        try:
            sealed = base64.b64decode(encrypt, validate=True)
            decryptor = Cipher(algorithms.AES(key), modes.CBC(sealed[:_BLOCK])).decryptor()
            padded = decryptor.update(sealed[_BLOCK:]) + decryptor.finalize()
            return _unpadded(padded).decode()
        except (binascii.Error, ValueError) as error:
            raise UnreadableCallback() from error


def _unpadded(padded: bytes) -> bytes:
    """Without its PKCS#7 padding."""
    pad = padded[-1] if padded else 0
    if not 1 <= pad <= _BLOCK or padded[-pad:] != bytes([pad]) * pad:
        raise UnreadableCallback()
    return padded[:-pad]


def jsapi_plain(*, ticket: str, nonce: str, timestamp: str, url: str) -> str:
    """What is hashed for the client's SDK: the URL without its fragment, the time in milliseconds."""
    return f"jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp}&url={url.partition('#')[0]}"


def jsapi_signature(*, ticket: str, nonce: str, timestamp: str, url: str) -> str:
    plain = jsapi_plain(ticket=ticket, nonce=nonce, timestamp=timestamp, url=url)
    return hashlib.sha1(plain.encode()).hexdigest()
