"""DingTalk's signatures and callback encryption. Pure: no clock, no network, no settings.

Sources: vendor pages 回调事件消息体加解密, JSAPI鉴权, 事件回调 (互动卡片); checked against `payloads/vectors.json`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from cryptography.hazmat.primitives.ciphers import Cipher, modes

from viatica.connectors.callback_cipher import (
    RANDOM,
    callback_signature,
    cipher_of,
    opened,
    sealed,
)
from viatica.connectors.errors import ForeignCallback, ForgedCallback, UnreadableCallback
from viatica.kernel.errors import BadInput
from viatica.kernel.words import N_


class BadAesKey(BadInput):
    code = "dingtalk.aes_key_bad"
    message = N_("EncodingAESKey must be 43 letters and digits.")
    hint = N_("Copy it again from the event subscription page of the developer console.")


@dataclass(frozen=True, slots=True)
class CallbackCipher:
    """`owner_keys`: the app key, and the corp id for callbacks registered the old way. The first one seals."""

    token: str
    aes_key: str
    owner_keys: tuple[str, ...]

    def open(self, *, signature: str, timestamp: str, nonce: str, encrypt: str) -> str:
        """The plaintext. Raises ForgedCallback, UnreadableCallback or ForeignCallback."""
        expected = callback_signature(self.token, timestamp, nonce, encrypt)
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise ForgedCallback()
        message, owner = self._decrypt(encrypt)
        if owner not in self.owner_keys:
            raise ForeignCallback()
        return message

    def seal(
        self, message: str, *, timestamp: str, nonce: str, random: bytes | None = None
    ) -> dict[str, str]:
        """The JSON answer DingTalk expects. `random` (16 bytes) only for repeatable tests."""
        encrypt = self._encrypt(message, os.urandom(RANDOM) if random is None else random)
        return {
            "msg_signature": callback_signature(self.token, timestamp, nonce, encrypt),
            "encrypt": encrypt,
            "timeStamp": timestamp,
            "nonce": nonce,
        }

    def _cipher(self) -> Cipher[modes.CBC]:
        return cipher_of(self.aes_key, BadAesKey)

    def _encrypt(self, message: str, random: bytes) -> str:
        return base64.b64encode(sealed(self._cipher(), message, self.owner_keys[0], random)).decode()

    def _decrypt(self, encrypt: str) -> tuple[str, str]:
        cipher = self._cipher()
        try:
            # Not strict: the official Python sample breaks its base64 into lines.
            encrypted = base64.b64decode(encrypt)
        except (binascii.Error, ValueError) as error:
            raise UnreadableCallback() from error
        return opened(cipher, encrypted)


def jsapi_plain(*, ticket: str, nonce: str, timestamp: str, url: str) -> str:
    """What is hashed for `dd.config`: the URL without its fragment, its query part decoded."""
    page = url.partition("#")[0]
    path, question, query = page.partition("?")
    return (
        f"jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp}&url={path}{question}{unquote(query)}"
    )


def jsapi_signature(
    *, ticket: str, nonce: str, timestamp: str, url: str, digest: Literal["sha256", "sha1"] = "sha256"
) -> str:
    """Hex. The current page says SHA-256, older ones SHA-1: the connection may choose."""
    plain = jsapi_plain(ticket=ticket, nonce=nonce, timestamp=timestamp, url=url)
    return hashlib.new(digest, plain.encode()).hexdigest()


def card_signature(*, api_secret: str, timestamp: str) -> str:
    """Header `x-ddpaas-signature` of an interactive card's HTTP callback."""
    return base64.b64encode(hmac.digest(api_secret.encode(), timestamp.encode(), "sha256")).decode()
