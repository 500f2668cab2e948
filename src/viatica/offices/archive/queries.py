"""Reads of what is kept. Who may open a file follows from the paper it belongs to, which the asker has checked."""

from __future__ import annotations

from viatica.kernel.errors import NotFound
from viatica.kernel.words import N_
from viatica.offices.archive.models import StoredFile


class FileGone(NotFound):
    code = "archive.not_found"
    message = N_("This file is not in the archive.")
    hint = N_("Hand it in again; tell your administrator if it was there before.")


def stored(digest: str) -> StoredFile:
    """The row of a kept content: its size, media type and first name. Raises FileGone."""
    row = StoredFile.objects.filter(digest=digest).first()
    if row is None:
        raise FileGone()
    return row
