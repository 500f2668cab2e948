"""Events as Feishu seals and signs them."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from viatica.connectors.feishu.signing import event_signature
from viatica.spine.hooks import RawCallback


def seal(encrypt_key: str, text: str, iv: bytes = bytes(16)) -> str:
    """An `encrypt` value, as Feishu makes it."""
    key = hashlib.sha256(encrypt_key.encode()).digest()
    data = text.encode()
    pad = 16 - len(data) % 16
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return base64.b64encode(iv + encryptor.update(data + bytes([pad]) * pad) + encryptor.finalize()).decode()


def sealed_body(encrypt_key: str, event: Any) -> bytes:
    text = event if isinstance(event, str) else json.dumps(event)
    return json.dumps({"encrypt": seal(encrypt_key, text)}).encode()


def callback(encrypt_key: str, event: Any, at_s: int, *, nonce: str = "n0nce") -> RawCallback:
    """A signed POST of `event` (JSON, or text as it is)."""
    body = sealed_body(encrypt_key, event)
    timestamp = str(at_s)
    headers = {
        "x-lark-request-timestamp": timestamp,
        "x-lark-request-nonce": nonce,
        "x-lark-signature": event_signature(encrypt_key, timestamp=timestamp, nonce=nonce, body=body),
    }
    return RawCallback("POST", {}, headers, body)
