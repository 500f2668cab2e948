"""A plain HTTP client of the API, for what the community SDK cannot or would not send; and a whole report."""

from __future__ import annotations

import json
import time
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import urllib3

from simulators.wecom.testing import Running

NOVEMBER_18 = 1_794_931_200  # 2026-11-18 00:00 in UTC+8
DAY = 86_400


class Api:
    def __init__(self, wecom: Running, secret: str = "") -> None:
        self.wecom = wecom
        self.secret = secret or wecom.secret
        self.http = urllib3.PoolManager(retries=False, timeout=10)

    @cached_property
    def token(self) -> str:
        answer = self.get("/gettoken", corpid=self.wecom.corp_id, corpsecret=self.secret, access_token=None)
        return str(answer["access_token"])

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        return self._read("GET", path, query, None)

    def post(self, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        return self._read("POST", path, query, json.dumps(body or {}).encode())

    def raw(self, method: str, path: str, query: dict[str, Any], body: bytes | None, **more: Any) -> Any:
        if "access_token" not in query:
            query["access_token"] = self.token
        given = {name: str(value) for name, value in query.items() if value is not None}
        url = f"{self.wecom.base_url}/cgi-bin{path}"
        return self.http.request(method, f"{url}?{urlencode(given)}", body=body, **more)

    def _read(self, method: str, path: str, query: dict[str, Any], body: bytes | None) -> dict[str, Any]:
        answer = self.raw(method, path, query, body)
        assert answer.status == 200
        return dict(json.loads(answer.data))

    def upload(self, name: str, data: bytes, kind: str = "file") -> dict[str, Any]:
        url = f"{self.wecom.base_url}/cgi-bin/media/upload?access_token={self.token}&type={kind}"
        answer = self.http.request("POST", url, fields={"media": (name, data)})
        return dict(json.loads(answer.data))

    def apply(self, **more: Any) -> str:
        answer = self.post("/oa/applyevent", report(self.wecom, **more))
        assert answer["errcode"] == 0, answer
        return str(answer["sp_no"])

    def info(self, sp_no: str) -> dict[str, Any]:
        return dict(self.post("/oa/getapprovaldetail", {"sp_no": sp_no})["info"])


def content(wecom: Running, form: str, title: str, value: Any, child: str = "") -> dict[str, Any]:
    control_id = wecom.control_id(form, title, child)
    return {"control": control_id.partition("-")[0], "id": control_id, "value": value}


def line(wecom: Running, kind: int, amount: str, note: str = "") -> dict[str, Any]:
    table = next(row for row in wecom.facts["forms"][wecom.template_ids["expense"]] if "children" in row)
    option = table["children"][0]["options"][kind]["key"]
    cells = [
        ("费用类型", {"selector": {"type": "single", "options": [{"key": option}]}}),
        ("日期", {"date": {"type": "day", "s_timestamp": str(NOVEMBER_18)}}),
        ("金额（元）", {"new_money": amount}),
        ("说明", {"text": note} if note else {}),
    ]
    rows = [content(wecom, "expense", "费用明细", value, title) for title, value in cells]
    return {"list": [{**row, "title": [{"text": "x", "lang": "zh_CN"}]} for row in rows]}


def contents(wecom: Running, number: str = "BX202611-000001", **others: Any) -> list[dict[str, Any]]:
    """The values of an expense report; `others` are more of them by title, None leaves one out."""
    lines = [line(wecom, 0, "980.00", "上海往返"), line(wecom, 3, "48.50"), line(wecom, 4, "420.00")]
    ends = {"new_begin": NOVEMBER_18, "new_end": NOVEMBER_18 + 2 * DAY + DAY // 2, "new_duration": 3 * DAY}
    values: dict[str, Any] = {
        "单号": {"text": number},
        "申请人": {"members": [{"userid": "zhangsan", "name": "张三"}]},
        "事由": {"text": "拜访上海客户"},
        "金额（元）": {"new_money": "1448.50"},
        "起止时间": {"date_range": {"type": "halfday", **ends}},
        "费用明细": {"children": lines},
        "详情链接": {"text": "https://expense.example.com/reports/1"},
    }
    whole = {**values, **others}
    return [content(wecom, "expense", title, value) for title, value in whole.items() if value is not None]


def summary(*texts: str) -> list[dict[str, Any]]:
    return [{"summary_info": [{"text": text, "lang": "zh_CN"}]} for text in texts]


def report(wecom: Running, **more: Any) -> dict[str, Any]:
    """A whole expense report of 张三 on the template's own flow; `more` overrides top-level keys."""
    whole = {
        "creator_userid": "zhangsan",
        "template_id": wecom.template_ids["expense"],
        "use_template_approver": 1,
        "apply_data": {"contents": contents(wecom)},
        "summary_list": summary("BX202611-000001", "¥1,448.50", "拜访上海客户"),
    }
    return {key: item for key, item in {**whole, **more}.items() if item is not None}


def through(*nodes: tuple[int, int, list[str]]) -> dict[str, Any]:
    """Approvers of one's own: (type, apv_rel, userids) each."""
    rows = [{"type": type_, "apv_rel": rel, "userid": userids} for type_, rel, userids in nodes]
    return {"use_template_approver": 0, "process": {"node_list": rows}}


def window(**more: Any) -> dict[str, Any]:
    """A search of the last hour and the next."""
    now = int(time.time())
    return {"starttime": str(now - 3600), "endtime": str(now + 3600), "new_cursor": "", "size": 100, **more}
