"""What a file of a case is called over there."""

from __future__ import annotations

from pathlib import PurePath

_BEGINNINGS = (
    (b"%PDF", ".pdf"),
    (b"\x89PNG", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"PK\x03\x04", ".ofd"),
    (b"<?xml", ".xml"),
)


def file_name(name: str, data: bytes) -> str:
    """With the ending its content asks for, and without a folder."""
    extension = next((ending for beginning, ending in _BEGINNINGS if data.startswith(beginning)), ".bin")
    plain = name.replace("/", "_")
    return plain if PurePath(plain).suffix.lower() == extension else f"{plain}{extension}"
