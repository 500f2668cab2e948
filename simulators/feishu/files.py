"""Files: what approvals attach (another host at Feishu: www.feishu.cn), and what messages carry."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from simulators.feishu.errors import bad_approval, bad_message
from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door, Reply, Upload

LINK_S = 12 * 3600
MEGABYTE = 1024 * 1024
MOST = {"image": 10 * MEGABYTE, "attachment": 50 * MEGABYTE}
MOST_MESSAGE = {"image": 10 * MEGABYTE, "file": 30 * MEGABYTE}


@dataclass(frozen=True, slots=True)
class ApprovalFile:
    code: str
    kind: str  # image or attachment
    upload: Upload


@dataclass(slots=True)
class Files:
    base_url: str
    files: dict[str, ApprovalFile] = field(default_factory=dict)
    message_files: dict[str, Upload] = field(default_factory=dict)
    links: dict[str, tuple[str, float]] = field(default_factory=dict)

    def doors(self) -> list[Door]:
        return [
            Door("POST", "/approval/openapi/v2/file/upload", self.upload),
            Door("POST", "/open-apis/im/v1/images", self.upload_image),
            Door("POST", "/open-apis/im/v1/files", self.upload_message_file),
        ]

    def upload(self, call: Call) -> Reply:
        fields = Fields(call.body, bad_approval)
        name, kind = fields.text("name"), fields.text("type")
        upload = call.uploads.get("content")
        if kind not in MOST:
            raise bad_approval("type must be image or attachment")
        if "." not in name:
            raise bad_approval("name needs a file extension")
        if upload is None or not upload.data:
            raise bad_approval("content is required")
        if len(upload.data) > MOST[kind]:
            raise bad_approval(f"content is larger than {MOST[kind] // MEGABYTE} MB")
        kept = self.keep(name, kind, upload.data, upload.media_type)
        data = {"code": kept.code, "url": self.link(kept.code)}
        body = json.dumps({"code": 0, "msg": "success", "data": data}, ensure_ascii=False)
        # The product escapes the ampersand of its links, as Go's encoder does.
        return Reply(body.replace("&", "\\u0026").encode())

    def keep(self, name: str, kind: str, data: bytes, media_type: str) -> ApprovalFile:
        kept = ApprovalFile(str(uuid.uuid4()).upper(), kind, Upload(name, media_type, data))
        self.files[kept.code] = kept
        return kept

    def has(self, code: str, kind: str) -> bool:
        kept = self.files.get(code)
        return kept is not None and kept.kind == kind

    def name(self, code: str) -> str:
        return self.files[code].upload.name

    def link(self, code: str) -> str:
        key, ends = secrets.token_urlsafe(16), int(time.time()) + LINK_S
        self.links[key] = (code, ends)
        return f"{self.base_url}/files/{key}?x-expires={ends}&x-signature={secrets.token_urlsafe(12)}"

    def linked(self, key: str) -> Upload | None:
        code, ends = self.links.get(key, ("", 0.0))
        kept = self.files.get(code)
        return kept.upload if kept and ends > time.time() else None

    def upload_image(self, call: Call) -> dict[str, Any]:
        if Fields(call.body, bad_message).text("image_type") not in ("message", "avatar"):
            raise bad_message("image_type must be message or avatar")
        return {"image_key": self._keep_message_file(call, "image", "img_v3_")}

    def upload_message_file(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_message)
        fields.text("file_type")
        fields.text("file_name")
        return {"file_key": self._keep_message_file(call, "file", "file_v3_")}

    def _keep_message_file(self, call: Call, name: str, prefix: str) -> str:
        upload = call.uploads.get(name)
        if upload is None or not upload.data:
            raise bad_message(f"{name} is required")
        if len(upload.data) > MOST_MESSAGE[name]:
            raise bad_message(f"{name} is too large")
        key = prefix + secrets.token_hex(16)
        self.message_files[key] = upload
        return key
