"""Files by their content: written once, never changed, checked whenever they are read."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from datetime import datetime
from pathlib import Path

from django.conf import settings

from viatica.kernel.errors import Refused
from viatica.kernel.words import N_
from viatica.offices.archive.models import StoredFile
from viatica.offices.archive.queries import FileGone


class FileDamaged(Refused):
    code = "archive.damaged"
    status = 500
    message = N_("This file was changed after it was archived.")
    hint = N_("Tell your administrator: the archive must be restored from a backup.")


def keep(*, data: bytes, name: str, media_type: str, owner_id: int | None, at: datetime) -> StoredFile:
    """The row of `data`; the bytes are on disk before it is written, so a row never lacks its file."""
    digest = hashlib.sha256(data).hexdigest()
    _write(place(digest), data)
    row, _ = StoredFile.objects.get_or_create(
        digest=digest,
        defaults={
            "size": len(data),
            "media_type": media_type[:100],
            "name": safe_name(name),
            "owner_id": owner_id,
            "created_at": at,
        },
    )
    return row


def open_file(digest: str) -> bytes:
    """The bytes, checked against their digest. Raises FileGone, FileDamaged."""
    try:
        data = place(digest).read_bytes()
    except OSError as error:
        raise FileGone() from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise FileDamaged()
    return data


def place(digest: str, shelf: str = "files") -> Path:
    """Where a content lies: two levels of folders, so that none grows large. Raises FileGone for no digest."""
    if len(digest) != 64 or any(letter not in "0123456789abcdef" for letter in digest):
        raise FileGone()
    return Path(settings.ARCHIVE_DIR) / shelf / digest[:2] / digest[2:4] / digest


def safe_name(name: str) -> str:
    """The last part of a path, printable, at most 200 characters: fit for a download header and a page."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(letter for letter in last if letter.isprintable() and letter not in '<>"|?*').strip(" .")
    if len(kept) > 200:
        stem, dot, extension = kept.rpartition(".")
        kept = f"{stem[: 199 - len(extension)]}.{extension}" if dot and len(extension) < 12 else kept[:200]
    return kept or "file"


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, and on disk when it returns; a content that is there already is left alone."""
    if path.exists() and path.stat().st_size == len(data):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o440)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
