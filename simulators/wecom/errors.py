"""How WeCom says no: HTTP 200, an errcode, and an errmsg with a tail that changes from call to call."""

from __future__ import annotations

import random
import time
from typing import Any

CONSOLE = "https://open.work.weixin.qq.com/devtool/query?e="


class Refusal(Exception):
    def __init__(self, errcode: int, errmsg: str) -> None:
        super().__init__(f"{errcode}: {errmsg}")
        self.errcode = errcode
        self.errmsg = errmsg

    def body(self) -> dict[str, Any]:
        hint = f"{int(time.time())}{random.randrange(10**9):09d}"
        tail = f", hint: [{hint}], from ip: 127.0.0.1, more info at {CONSOLE}{self.errcode}"
        return {"errcode": self.errcode, "errmsg": self.errmsg + tail}


def bad(detail: str) -> Refusal:
    return Refusal(40058, f"invalid Request Parameter: {detail}")


def bad_form(detail: str) -> Refusal:
    """301025: what the approval calls say to anything that does not fit the template."""
    return Refusal(301025, f"get approval param error:{detail}")


def fine(**more: Any) -> dict[str, Any]:
    return {"errcode": 0, "errmsg": "ok", **more}
