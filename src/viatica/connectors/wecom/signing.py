"""WeCom's callback encryption and signatures. Pure: no clock, no network, no settings.

Sources: vendor pages 加解密方案说明, 回调配置, JS-SDK 签名算法; checked against `payloads/vectors.json`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, modes

from viatica.connectors.callback_cipher import callback_signature, cipher_of, opened
from viatica.connectors.errors import ForeignCallback, ForgedCallback, UnreadableCallback
from viatica.kernel.errors import BadInput
from viatica.kernel.words import N_


class BadAesKey(BadInput):
    code = "wecom.aes_key_bad"
    message = N_("EncodingAESKey must be 43 letters and digits.")
    hint = N_("Copy it again from the page of the WeCom admin console on which messages are received.")


@dataclass(frozen=True, slots=True)
class CallbackCipher:
    """`receive_id` is the corp id for whatever a company's own apps, approvals and directory send."""

    token: str
    aes_key: str
    receive_id: str

    def check(self) -> None:
        """Raises BadAesKey."""
        self._cipher()

    def is_signed(self, *, signature: str, timestamp: str, nonce: str, encrypt: str) -> bool:
        expected = callback_signature(self.token, timestamp, nonce, encrypt)
        return hmac.compare_digest(expected.encode(), signature.encode())

    def open(self, *, signature: str, timestamp: str, nonce: str, encrypt: str) -> str:
        """The plaintext. Raises ForgedCallback, UnreadableCallback, ForeignCallback, BadAesKey."""
        if not self.is_signed(signature=signature, timestamp=timestamp, nonce=nonce, encrypt=encrypt):
            raise ForgedCallback()
        message, receive_id = self._decrypt(encrypt)
        if receive_id != self.receive_id:
            raise ForeignCallback()
        return message

    def _decrypt(self, encrypt: str) -> tuple[str, str]:
        cipher = self._cipher()
        try:
            encrypted = base64.b64decode(encrypt, validate=True)
        except (binascii.Error, ValueError) as error:
            raise UnreadableCallback() from error
        return opened(cipher, encrypted)

    def _cipher(self) -> Cipher[modes.CBC]:
        return cipher_of(self.aes_key, BadAesKey)


def jsapi_signature(*, ticket: str, nonce: str, timestamp: str, url: str) -> str:
    """Of `wx.config` (the company's ticket) and `wx.agentConfig` (the app's): the URL as it is, without its fragment."""
    page = url.partition("#")[0]
    plain = f"jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp}&url={page}"
    return hashlib.sha1(plain.encode()).hexdigest()
