"""Credentials at rest: AES-256-GCM under rotating keys. The newest key seals; every listed key opens.

A key is 32 bytes in base64, from `VIATICA_SEAL_KEYS` (newest first) or, when that is empty, one kept in `VIATICA_HOME`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from viatica.kernel.errors import Refused
from viatica.kernel.words import N_

_NONCE = 12
_NAME = 4


class CannotOpen(Refused):
    code = "sealing.cannot_open"
    status = 500
    message = N_("The sealed credentials of {what} cannot be opened with the keys at hand.")
    hint = N_("Put the key that sealed them into VIATICA_SEAL_KEYS, or enter the credentials again.")


@cache
def _keys() -> dict[bytes, bytes]:
    """Key name (the first bytes of its hash) → key, newest first."""
    listed = [base64.b64decode(key) for key in settings.ENVIRONMENT.seal_keys.split(",") if key]
    if not listed:
        kept = settings.HOME / "seal_key"
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.touch(mode=0o600)
            kept.write_bytes(base64.b64encode(os.urandom(32)))
        listed = [base64.b64decode(kept.read_bytes())]
    return {hashlib.sha256(key).digest()[:_NAME]: key for key in listed}


def seal(data: dict[str, Any], *, what: str) -> bytes:
    """`what` (table and row) is bound in, so a sealed value cannot be moved to another row."""
    name, key = next(iter(_keys().items()))
    nonce = os.urandom(_NONCE)
    return name + nonce + AESGCM(key).encrypt(nonce, json.dumps(data).encode(), what.encode())


def unseal(sealed: bytes, *, what: str) -> dict[str, Any]:
    """Raises CannotOpen when no key fits or the value was tampered with or moved."""
    sealed = bytes(sealed)
    key = _keys().get(sealed[:_NAME])
    if key is None:
        raise CannotOpen(what=what)
    nonce, body = sealed[_NAME : _NAME + _NONCE], sealed[_NAME + _NONCE :]
    try:
        opened: dict[str, Any] = json.loads(AESGCM(key).decrypt(nonce, body, what.encode()))
    except InvalidTag as error:
        raise CannotOpen(what=what) from error
    return opened
