"""Callbacks as WeCom seals and signs them."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from viatica.connectors.callback_cipher import callback_signature
from viatica.spine.hooks import RawCallback


@dataclass(frozen=True)
class Sealer:
    token: str
    aes_key: str
    receive_id: str
    agent_id: str = "1000007"

    def seal(self, text: str, random: bytes = b"0123456789abcdef") -> str:
        """An `Encrypt` value."""
        key = base64.b64decode(self.aes_key + "=")
        said = text.encode()
        plain = random + struct.pack(">I", len(said)) + said + self.receive_id.encode()
        pad = 32 - len(plain) % 32
        encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
        return base64.b64encode(encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()).decode()

    def signed(self, encrypt: str, at_s: int | str, nonce: str = "n0nce") -> dict[str, str]:
        """The query that goes with it."""
        signature = callback_signature(self.token, str(at_s), nonce, encrypt)
        return {"msg_signature": signature, "timestamp": str(at_s), "nonce": nonce}

    def push(self, text: str, at_s: int | str) -> RawCallback:
        encrypt = self.seal(text)
        return RawCallback("POST", self.signed(encrypt, at_s), {}, self.envelope(encrypt))

    def check(self, echo: str, at_s: int | str) -> RawCallback:
        """The GET by which the address is tried."""
        encrypt = self.seal(echo)
        return RawCallback("GET", {**self.signed(encrypt, at_s), "echostr": encrypt}, {}, b"")

    def envelope(self, encrypt: str) -> bytes:
        return (
            f"<xml><ToUserName><![CDATA[{self.receive_id}]]></ToUserName>"
            f"<Encrypt><![CDATA[{encrypt}]]></Encrypt><AgentID><![CDATA[{self.agent_id}]]></AgentID></xml>"
        ).encode()
