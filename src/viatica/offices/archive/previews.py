"""A picture of every kept file, for pages and OA cards.

PDF: its first page; photographs: shrunk; formats another room understands (OFD, XML invoices) are drawn by what
that room registered with `draw_with`. Pictures are kept beside the files and can be made again at any time.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path

from django.utils.translation import get_language

from viatica.kernel.errors import Refused
from viatica.kernel.words import N_
from viatica.offices.archive import queries, sandbox, services
from viatica.offices.archive.models import StoredFile

PNG, SVG = "image/png", "image/svg+xml"
WIDTH = 1200
SHELF = "previews-1"
"""Count up when pictures are drawn differently: the old ones are then no longer found."""

Drawer = Callable[[bytes, str], bytes]
_drawers: dict[str, Drawer] = {}


class NoPreview(Refused):
    code = "archive.no_preview"
    message = N_("There is no picture of “{name}”.")
    hint = N_("Download the file to look at it.")


def draw_with(media_type: str, drawer: Drawer) -> None:
    """Register who draws files of `media_type`: from bytes and name to an SVG."""
    _drawers[media_type] = drawer


def preview(digest: str) -> tuple[bytes, str]:
    """The picture and its media type. Raises NoPreview, FileGone, and the Unopenable family."""
    kept = services.place(digest, SHELF)
    # Drawn pictures carry words, so there is one for each language.
    suffixes = {PNG: ".png", SVG: f".{get_language() or 'en'}.svg"}
    for media_type, suffix in suffixes.items():
        with contextlib.suppress(OSError):
            return kept.with_suffix(suffix).read_bytes(), media_type
    row = queries.stored(digest)
    picture, media_type = _draw(services.open_file(digest), row)
    _keep(kept.with_suffix(suffixes[media_type]), picture)
    return picture, media_type


def _draw(data: bytes, row: StoredFile) -> tuple[bytes, str]:
    if row.media_type == "application/pdf":
        return sandbox.pdf_page(data, width=WIDTH), PNG
    if row.media_type.startswith("image/") and row.media_type != SVG:
        return sandbox.picture(data, width=WIDTH), PNG
    drawer = _drawers.get(row.media_type)
    if drawer is None:
        raise NoPreview(name=row.name)
    return drawer(data, row.name), SVG


def _keep(path: Path, picture: bytes) -> None:
    """Best effort: a full disk costs the picture's speed, not the picture."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-", delete=False) as file:
            file.write(picture)
        Path(file.name).replace(path)
