"""How DingTalk says no, in both generations of its API."""

from __future__ import annotations

from typing import Any


class NewRefusal(Exception):
    """api.dingtalk.com: an HTTP status and {"code", "requestid", "message"}."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status

    def body(self, request_id: str) -> dict[str, Any]:
        return {"code": self.code, "requestid": request_id, "message": self.message}


class OldRefusal(Exception):
    """oapi.dingtalk.com: HTTP 200 with errcode and errmsg, some services with sub_code and sub_msg."""

    def __init__(self, errcode: int, errmsg: str, *, sub_code: str = "", sub_msg: str = "") -> None:
        super().__init__(f"{errcode}: {errmsg}")
        self.errcode = errcode
        self.errmsg = errmsg
        self.sub_code = sub_code
        self.sub_msg = sub_msg

    def body(self, request_id: str) -> dict[str, Any]:
        body: dict[str, Any] = {"errcode": self.errcode, "errmsg": self.errmsg, "request_id": request_id}
        if self.sub_code:
            body |= {"sub_code": self.sub_code, "sub_msg": self.sub_msg}
        return body


def bad_new(message: str) -> NewRefusal:
    return NewRefusal("invalidParameter", message)


def bad_old(message: str) -> OldRefusal:
    return OldRefusal(400002, f"参数错误: {message}")
