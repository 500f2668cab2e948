"""The vendor's own SDK, pointed at a simulator; and the old API, which has none, by plain HTTP."""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import Any

import urllib3
from alibabacloud_dingtalk.card_1_0 import models as card_models
from alibabacloud_dingtalk.card_1_0.client import Client as CardClient
from alibabacloud_dingtalk.contact_1_0 import models as contact_models
from alibabacloud_dingtalk.contact_1_0.client import Client as ContactClient
from alibabacloud_dingtalk.event_1_0 import models as event_models
from alibabacloud_dingtalk.event_1_0.client import Client as EventClient
from alibabacloud_dingtalk.oauth2_1_0 import models as oauth_models
from alibabacloud_dingtalk.oauth2_1_0.client import Client as OauthClient
from alibabacloud_dingtalk.robot_1_0 import models as robot_models
from alibabacloud_dingtalk.robot_1_0.client import Client as RobotClient
from alibabacloud_dingtalk.todo_1_0 import models as todo_models
from alibabacloud_dingtalk.todo_1_0.client import Client as TodoClient
from alibabacloud_dingtalk.workflow_1_0 import models as workflow_models
from alibabacloud_dingtalk.workflow_1_0.client import Client as WorkflowClient
from alibabacloud_dingtalk.workflow_1_0.client import util_models
from alibabacloud_tea_openapi.models import Config

from simulators.dingtalk.testing import Running

__all__ = [
    "Official",
    "card_models",
    "contact_models",
    "event_models",
    "oauth_models",
    "robot_models",
    "todo_models",
    "workflow_models",
]


class Official:
    def __init__(self, dingtalk: Running) -> None:
        self.dingtalk = dingtalk
        config = Config(
            protocol="http", region_id="central", endpoint=dingtalk.base_url.removeprefix("http://")
        )
        self.oauth = OauthClient(config)
        self.workflow = WorkflowClient(config)
        self.contact = ContactClient(config)
        self.todo = TodoClient(config)
        self.robot = RobotClient(config)
        self.card = CardClient(config)
        self.event = EventClient(config)
        self.http = urllib3.PoolManager(retries=False, timeout=10)

    @cached_property
    def token(self) -> str:
        request = oauth_models.GetAccessTokenRequest(
            app_key=self.dingtalk.app_key, app_secret=self.dingtalk.app_secret
        )
        return str(self.oauth.get_access_token(request).body.access_token)

    def call(self, client: Any, models: Any, name: str, *args: Any, token: str | None = None) -> Any:
        """`name` in CamelCase; the last of `args` is the request. Answers the SDK's body object."""
        headers = getattr(models, f"{name}Headers")()
        headers.x_acs_dingtalk_access_token = token or self.token
        # The generator of the SDK eats the underscore after an abbreviation: batch_send_otowith_options.
        tail = "with_options" if name.endswith("OTO") else "_with_options"
        method = getattr(client, snake(name) + tail)
        return method(*args, headers, runtime()).body

    def create(self, **fields: Any) -> str:
        request = workflow_models.StartProcessInstanceRequest().from_map(report(self.dingtalk, **fields))
        body = self.call(self.workflow, workflow_models, "StartProcessInstance", request)
        return str(body.instance_id)

    def look(self, instance_id: str) -> Any:
        request = workflow_models.GetProcessInstanceRequest(process_instance_id=instance_id)
        return self.call(self.workflow, workflow_models, "GetProcessInstance", request)

    def flow(self, name: str, fields: dict[str, Any]) -> Any:
        """Any call of the workflow module, its request given as the JSON it becomes."""
        request = getattr(workflow_models, f"{name}Request")().from_map(fields)
        return self.call(self.workflow, workflow_models, name, request)

    def old(self, path: str, **fields: Any) -> dict[str, Any]:
        """POST to oapi as a form, the way its documentation does; the token goes in the query."""
        answer = self.http.request(
            "POST",
            f"{self.dingtalk.oapi_base_url}{path}?access_token={self.token}",
            fields={name: value for name, value in fields.items() if value is not None},
            encode_multipart=False,
        )
        assert answer.status == 200
        return dict(json.loads(answer.data))

    def new(self, method: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
        """The new API by hand, for what the SDK would not send."""
        answer = self.http.request(
            method,
            f"{self.dingtalk.base_url}{path}",
            body=json.dumps(body).encode() if body is not None else None,
            headers={"x-acs-dingtalk-access-token": token or self.token, "content-type": "application/json"},
        )
        return answer.status, json.loads(answer.data)


def runtime() -> Any:
    return util_models.RuntimeOptions()


def snake(name: str) -> str:
    """GetProcessInstance → get_process_instance."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def value(name: str, text: str, kind: str | None = None) -> dict[str, str]:
    given = {"name": name, "value": text}
    return given | {"componentType": kind} if kind else given


def line(kind: str, amount: str, note: str = "") -> list[dict[str, str]]:
    return [
        value("费用类型", kind),
        value("日期", "2026-11-20"),
        value("金额（元）", amount),
        value("说明", note),
    ]


def report(dingtalk: Running, *, number: str = "BX202611-000001", **more: Any) -> dict[str, Any]:
    """A whole expense report of 张三, as the wire wants it; `more` overrides top-level keys."""
    lines = [line("机票", "980.00", "上海往返"), line("市内交通", "48.50"), line("住宿", "420.00")]
    values = [
        value("单号", number),
        value("申请人", '["zhangsan"]'),
        value("事由", "拜访上海客户"),
        value("金额（元）", "1448.50", "MoneyField"),
        value('["开始时间","结束时间"]', '["2026-11-18","2026-11-20"]', "DDDateRangeField"),
        value("费用明细", json.dumps(lines, ensure_ascii=False), "TableField"),
        value("发票", '["https://files.example.com/a.png"]'),
        value("详情链接", "https://expense.example.com/reports/1"),
    ]
    whole = {
        "processCode": dingtalk.process_codes["expense"],
        "originatorUserId": "zhangsan",
        "deptId": 11,
        "microappAgentId": dingtalk.agent_id,
        "formComponentValues": values,
    }
    return {key: item for key, item in {**whole, **more}.items() if item is not None}
