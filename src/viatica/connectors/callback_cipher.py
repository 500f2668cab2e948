"""The envelope in which DingTalk and WeCom seal their callbacks. Pure: no clock, no network, no settings.

AES-256-CBC over 16 random bytes, the message's length (4 bytes, big-endian), the message, and whom it is for.
Sources: vendor pages 回调事件消息体加解密 (DingTalk), 加解密方案说明 (WeCom).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from viatica.connectors.errors import UnreadableCallback
from viatica.kernel.errors import BadInput

RANDOM = 16
_LENGTH = 4
_IV = 16
_PAD = 32  # PKCS#7 over 32 bytes, although AES has blocks of 16


def callback_signature(token: str, timestamp: str, nonce: str, encrypt: str) -> str:
    """Lower-case hex SHA-1 of the four, sorted by code point and joined."""
    return hashlib.sha1("".join(sorted((token, timestamp, nonce, encrypt))).encode()).hexdigest()


def cipher_of(aes_key: str, bad: type[BadInput]) -> Cipher[modes.CBC]:
    """Raises `bad` unless the key is 43 letters and digits."""
    try:
        key = base64.b64decode(aes_key + "=", validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad() from error
    if len(key) != 32:
        raise bad()
    return Cipher(algorithms.AES(key), modes.CBC(key[:_IV]))


def sealed(cipher: Cipher[modes.CBC], message: str, owner: str, random: bytes) -> bytes:
    """`random`: 16 bytes, other ones each time."""
    said = message.encode()
    plain = random + struct.pack(">I", len(said)) + said + owner.encode()
    pad = _PAD - len(plain) % _PAD
    encryptor = cipher.encryptor()
    return encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()


def opened(cipher: Cipher[modes.CBC], encrypted: bytes) -> tuple[str, str]:
    """The message, and whom it is for. Raises UnreadableCallback."""
    try:
        decryptor = cipher.decryptor()
        plain = _unpadded(decryptor.update(encrypted) + decryptor.finalize())
        (length,) = struct.unpack_from(">I", plain, RANDOM)
        start = RANDOM + _LENGTH
        if start + length > len(plain):
            raise UnreadableCallback()
        return plain[start : start + length].decode(), plain[start + length :].decode()
    except (ValueError, struct.error) as error:
        raise UnreadableCallback() from error


def _unpadded(padded: bytes) -> bytes:
    pad = padded[-1] if padded else 0
    if not 1 <= pad <= _PAD or padded[-pad:] != bytes([pad]) * pad:
        raise UnreadableCallback()
    return padded[:-pad]
