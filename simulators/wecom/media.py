"""Temporary media (临时素材): up by the server, three days' life, back byte for byte."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door, Reply, Upload
from simulators.wecom.errors import Refusal, bad, fine
from simulators.wecom.settings import Settings

MEGABYTE = 1024 * 1024
LIMITS = {"image": 10, "voice": 2, "video": 10, "file": 20}
IMAGES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
LINK_S = 15 * 60


@dataclass(slots=True)
class Kept:
    upload: Upload
    kind: str
    ends: float  # forever, once a form has it


@dataclass(slots=True)
class Media:
    base_url: str
    settings: Settings
    files: dict[str, Kept] = field(default_factory=dict)
    links: dict[str, tuple[str, float]] = field(default_factory=dict)

    def doors(self) -> list[Door]:
        return [
            Door("POST", "/cgi-bin/media/upload", self.upload),
            Door("POST", "/cgi-bin/media/uploadimg", self.upload_image),
            Door("GET", "/cgi-bin/media/get", self.get),
        ]

    def upload(self, call: Call) -> dict[str, Any]:
        kind = Fields(call.query, bad).text_or("type")
        if kind not in LIMITS:
            raise Refusal(40004, "invalid media type")
        media_id = self._keep(call, kind)
        return fine(type=kind, media_id=media_id, created_at=str(int(time.time())))

    def upload_image(self, call: Call) -> dict[str, Any]:
        """A lasting address, for pictures in messages."""
        media_id = self._keep(call, "image")
        self.hold(media_id)
        return fine(url=self.link(media_id, ends=float("inf")))

    def _keep(self, call: Call, kind: str) -> str:
        upload = call.uploads.get("media")
        if upload is None:
            raise Refusal(41005, "media data missing")
        if len(upload.data) <= 5:
            raise Refusal(40006, "invalid file size")
        if len(upload.data) > LIMITS[kind] * MEGABYTE:
            raise Refusal(45001, "media size out of limit")
        if kind == "image" and not upload.data.startswith(IMAGES):
            raise Refusal(40005, "invalid image type")
        media_id = "3" + secrets.token_urlsafe(48)
        self.files[media_id] = Kept(upload, kind, time.time() + self.settings.media_ttl_s)
        return media_id

    def find(self, media_id: str) -> Kept | None:
        kept = self.files.get(media_id)
        return kept if kept and kept.ends > time.time() else None

    def hold(self, media_id: str) -> None:
        """A submitted form keeps its attachments for good."""
        self.files[media_id].ends = float("inf")

    def get(self, call: Call) -> Reply:
        kept = self.find(Fields(call.query, bad).text_or("media_id"))
        if kept is None:
            raise Refusal(40007, "invalid media_id")
        name = kept.upload.name
        plain = re.sub(r'[^\x20-\x7e]|["\\]', "_", name)
        headers = [
            ("content-disposition", f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}")
        ]
        data, status = kept.upload.data, 200
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", call.headers.get("range", "")):
            first = int(wanted.group(1))
            last = min(int(wanted.group(2) or len(data) - 1), len(data) - 1)
            headers.append(("content-range", f"bytes {first}-{last}/{len(data)}"))
            data, status = data[first : last + 1], 206
        return Reply(data, status=status, content_type="application/octet-stream", headers=tuple(headers))

    # For the pages.

    def link(self, media_id: str, *, ends: float | None = None) -> str:
        key = secrets.token_urlsafe(16)
        self.links[key] = (media_id, time.time() + LINK_S if ends is None else ends)
        return f"{self.base_url}/files/{key}"

    def linked(self, key: str) -> Upload | None:
        media_id, ends = self.links.get(key, ("", 0.0))
        kept = self.files.get(media_id)
        return kept.upload if kept and ends > time.time() else None
