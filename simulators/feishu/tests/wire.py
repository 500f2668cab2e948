"""Feishu's calls by plain HTTP, as its pages give them; the official SDK has its own file of tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import urllib3

from simulators.feishu.testing import Running

CREATE = "/open-apis/approval/v4/instances"


@dataclass(frozen=True)
class Said:
    status: int
    code: int
    body: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def data(self) -> dict[str, Any]:
        assert (self.status, self.code) == (200, 0), self.body
        found: dict[str, Any] = self.body["data"]
        return found


class Wire:
    def __init__(self, feishu: Running) -> None:
        self.feishu = feishu
        self.http = urllib3.PoolManager(retries=False, timeout=10)

    @cached_property
    def token(self) -> str:
        body = {"app_id": self.feishu.app_id, "app_secret": self.feishu.app_secret}
        said = self.call("POST", "/open-apis/auth/v3/tenant_access_token/internal", body, token="")
        return str(said.body["tenant_access_token"])

    def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **query: Any
    ) -> Said:
        token = self.token if token is None else token
        headers = {"authorization": f"Bearer {token}"} if token else {}
        url = f"{self.feishu.base_url}{path}" + (f"?{urlencode(query, doseq=True)}" if query else "")
        data = json.dumps(body).encode() if body is not None else None
        answer = self.http.request(method, url, body=data, headers=headers)
        said = json.loads(answer.data)
        return Said(answer.status, said["code"], said, answer.headers)

    def get(self, path: str, **query: Any) -> Said:
        return self.call("GET", path, **query)

    def post(self, path: str, body: Any = None, **query: Any) -> Said:
        return self.call("POST", path, body if body is not None else {}, **query)

    def widget(self, custom_id: str, short: str = "expense") -> dict[str, Any]:
        form = self.feishu.forms[self.feishu.approval_codes[short]]
        rows = [*form, *(child for row in form for child in row.get("children", []))]
        return next(row for row in rows if row["custom_id"] == custom_id)

    def item(self, custom_id: str, value: Any, short: str = "expense", **more: Any) -> dict[str, Any]:
        widget = self.widget(custom_id, short)
        return {"id": widget["id"], "type": widget["type"], "value": value, **more}

    def line(self, category: str, amount: float, note: str = "") -> list[dict[str, Any]]:
        options = {row["text"]: row["key"] for row in self.widget("line_category")["options"]}
        return [
            self.item("line_category", options.get(category, category)),
            self.item("line_day", "2026-11-20T00:00:00+08:00"),
            self.item("line_amount", amount, currency="CNY"),
            self.item("line_note", note),
        ]

    def form(self, *, number: str = "BX202611-000001") -> list[dict[str, Any]]:
        """A whole expense report of 张三."""
        period = {"start": "2026-11-18T00:00:00+08:00", "end": "2026-11-20T00:00:00+08:00", "interval": 3.0}
        lines = [
            self.line("机票", 980.00, "上海往返"),
            self.line("市内交通", 48.50),
            self.line("住宿", 420.00),
        ]
        return [
            self.item("number", number),
            self.item("applicant", ["zhangsan"]),
            self.item("reason", "拜访上海客户"),
            self.item("amount", 1448.50, currency="CNY"),
            self.item("period", period),
            self.item("lines", lines),
            self.item("url", "https://expense.example.com/reports/1"),
        ]

    def order(self, *, form: Any = None, **more: Any) -> dict[str, Any]:
        whole = {
            "approval_code": self.feishu.approval_codes["expense"],
            "user_id": "zhangsan",
            "department_id": "D11",
            "form": json.dumps(self.form() if form is None else form, ensure_ascii=False),
        }
        return {key: value for key, value in {**whole, **more}.items() if value is not None}

    def create(self, **more: Any) -> str:
        return str(self.post(CREATE, self.order(**more)).data["instance_code"])

    def look(self, instance: str) -> dict[str, Any]:
        return self.get(f"{CREATE}/{instance}").data

    def act(self, verb: str, instance: str, *, task: int = -1, **more: Any) -> Said:
        """approve, reject, transfer or resubmit, by user_id, on the last task of the instance (or another)."""
        shown = self.look(instance)
        row = shown["task_list"][task]
        body = {
            "approval_code": shown["approval_code"],
            "instance_code": shown["instance_code"],
            "user_id": row["user_id"],
            "task_id": row["id"],
            **more,
        }
        return self.post(f"/open-apis/approval/v4/tasks/{verb}", body, user_id_type="user_id")

    def open_id(self, user_id: str) -> str:
        return str(next(user["open_id"] for user in self.feishu.facts["users"] if user["user_id"] == user_id))
