"""钉盘 files of the approval space, and media. A real client uploads through its JSAPI; here the control door does."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from simulators.dingtalk.directory import asked
from simulators.dingtalk.errors import OldRefusal
from simulators.stage.gate import Call, Door, Upload

LINK_S = 15 * 60
MEDIA_LIMITS = {"image": 20, "voice": 2, "video": 20, "file": 20}  # megabytes


@dataclass(slots=True)
class Files:
    base_url: str
    space_id: str = field(default_factory=lambda: str(secrets.randbelow(9 * 10**9) + 10**9))
    granted: set[str] = field(default_factory=set)
    files: dict[str, Upload] = field(default_factory=dict)
    media: dict[str, Upload] = field(default_factory=dict)
    links: dict[str, tuple[str, float]] = field(default_factory=dict)

    def doors(self) -> list[Door]:
        return [Door("POST", "/media/upload", self.upload_media)]

    def grant(self, userid: str) -> str:
        """Let this person upload into the space of approval attachments."""
        self.granted.add(userid)
        return self.space_id

    def keep(self, upload: Upload) -> dict[str, str]:
        """What the client's upload would hand to the form: the five keys of an attachment."""
        file_id = str(secrets.randbelow(9 * 10**10) + 10**10)
        self.files[file_id] = upload
        return {
            "spaceId": self.space_id,
            "fileId": file_id,
            "fileName": upload.name,
            "fileSize": str(len(upload.data)),
            "fileType": upload.name.rpartition(".")[2] or "bin",
        }

    def is_there(self, space_id: str, file_id: str) -> bool:
        return space_id == self.space_id and file_id in self.files

    def link(self, file_id: str) -> str:
        key = secrets.token_urlsafe(16)
        self.links[key] = (file_id, time.time() + LINK_S)
        return f"{self.base_url}/files/{key}"

    def linked(self, key: str) -> Upload | None:
        file_id, ends = self.links.get(key, ("", 0.0))
        return self.files.get(file_id) if ends > time.time() else None

    def upload_media(self, call: Call) -> dict[str, Any]:
        kind = asked(call).text("type")
        limit = MEDIA_LIMITS.get(kind)
        upload = call.uploads.get("media")
        if limit is None:
            raise OldRefusal(40004, "不合法的媒体文件类型")
        if upload is None or not upload.data:
            raise OldRefusal(41005, "缺少多媒体文件数据")
        if len(upload.data) > limit * 1024 * 1024:
            raise OldRefusal(45001, "多媒体文件大小超过限制")
        media_id = f"@lA{secrets.token_urlsafe(18)}"
        self.media[media_id] = upload
        return {
            "errcode": 0,
            "errmsg": "ok",
            "media_id": media_id,
            "type": kind,
            "created_at": int(time.time() * 1000),
        }
