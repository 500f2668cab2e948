"""A connection's settings for templates laid out the usual way, so that setting one up is naming two process codes.

Another layout is another mapping: see README.md, “Form mapping”.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

PERIOD = ["开始时间", "结束时间"]

FORMS: Mapping[str, Mapping[str, Any]] = {
    "expense_report": {
        "fields": {
            "number": "单号",
            "applicant": "申请人",
            "reason": "事由",
            "amount": "金额（元）",
            "period": PERIOD,
            "attachments": "发票",
            "url": "详情链接",
        },
        "lines": {
            "label": "费用明细",
            "columns": {"category": "费用类型", "day": "日期", "amount": "金额（元）", "note": "说明"},
        },
    },
    "travel_request": {
        "fields": {
            "number": "单号",
            "applicant": "申请人",
            "reason": "事由",
            "period": PERIOD,
            "amount": "预计金额（元）",
            "url": "详情链接",
        },
        "lines": {
            "label": "行程",
            "columns": {"city": "城市", "start": "开始日期", "end": "结束日期", "note": "说明"},
        },
    },
}
USES = ("approval", "messages", "todo", "directory", "sign_in")


def settings(
    *,
    process_codes: Mapping[str, str],
    base_url: str = "https://api.dingtalk.com",
    oapi_base_url: str = "https://oapi.dingtalk.com",
    login_url: str = "https://login.dingtalk.com",
) -> dict[str, Any]:
    """`process_codes`: our kind of document → the template's code."""
    return {
        "base_url": base_url,
        "oapi_base_url": oapi_base_url,
        "login_url": login_url,
        "forms": {
            kind: {"process_code": code, **deepcopy(dict(FORMS[kind]))}
            for kind, code in process_codes.items()
        },
    }
