"""The stories every connector lives through, told of Feishu."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from simulators.feishu.testing import Running
from viatica.connectors.conformance import (
    GONE,
    ApprovalStories,
    DeskRig,
    DeskStories,
    FormStories,
    Instance,
    Task,
)
from viatica.connectors.feishu import connector, desk, translate
from viatica.connectors.feishu.approvals import FeishuApproval
from viatica.connectors.feishu.tests.conftest import connection_to
from viatica.connectors.feishu.tests.sealing import callback
from viatica.connectors.testing import Person, looks_afresh, office_of
from viatica.offices.approval.ports import CaseStatus, Verdict
from viatica.spine.hooks import RawCallback

PEOPLE = (
    Person("zhangsan", "张三", "D11", "wangkai"),
    Person("wangkai", "王凯", "D11"),
    Person("sunhui", "孙慧", "D30"),
)
STEPS = {"主管": "wangkai", "财务": "sunhui"}


class FeishuRig(DeskRig[Running]):
    stranger = "linxiao"
    create = "/open-apis/approval/v4/instances"
    show = "/open-apis/approval/v4/external_instances"
    look = "GET /open-apis/approval/v4/instances/{instance_id}"

    def decide(self, instance_id: str, verdict: Verdict, comment: str = "", *, userid: str = "") -> None:
        self.oa.decide(instance_id, verdict.value, user_id=userid, comment=comment)

    def hand_over(self, instance_id: str, to: str) -> None:
        self.oa.hand_over(instance_id, to)

    def number_in(self, instance: Instance) -> str:
        return str(instance["uuid"])

    def status_of(self, instance: Instance) -> CaseStatus:
        return translate.CASE_STATUS[instance["status"]]

    def text_in(self, instance: Instance) -> str:
        return str(instance["values"]["事由"])

    def lines_in(self, instance: Instance) -> int:
        return len(instance["values"]["费用明细"])

    def files_in(self, instance: Instance) -> int:
        return len(instance["values"]["附件"])

    def misplaced(self, field: Any) -> Any:
        return {**field, "id": GONE}

    def tasks(self, userid: str) -> list[Task]:
        return [Task(userid, str(one["task"]["links"]["mobile_link"]), one) for one in self.oa.todos(userid)]

    def press(self, task: Task, verdict: Verdict) -> None:
        one = task.there
        self.oa.press(
            one["approval_code"], one["instance_id"], one["task"]["task_id"], verdict.value.upper(), "见附言"
        )

    def lose(self) -> None:
        self.oa.reset()

    def forged(self) -> Iterator[RawCallback]:
        key = self.oa.encrypt_key
        event = {
            "uuid": "e-1",
            "token": self.oa.verification_token,
            "type": "event_callback",
            "event": {"type": "approval_instance", "instance_code": "x", "status": "APPROVED"},
        }
        now = int(time.time())
        genuine = callback(key, event, now)
        yield callback("another key", event, now)
        yield callback(key, event | {"token": "another"}, now)
        yield callback(key, event, now - 9 * 3600)
        yield RawCallback("POST", {}, {**genuine.headers, "x-lark-request-nonce": "m"}, genuine.body)


@pytest.fixture
def rig(
    feishu: Running, forms: dict[str, Any], live_server: LiveServer, transactional_db: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[FeishuRig]:  # fmt: skip
    looks_afresh(connector, monkeypatch)
    monkeypatch.setattr(desk, "_defined", {})
    connection = connection_to(feishu, forms)
    with office_of(
        feishu, connection, people=PEOPLE, steps=STEPS, url=live_server.url, patch=monkeypatch
    ) as office:
        FeishuApproval(connection).subscribe()
        yield FeishuRig(office)


class TestApprovals(ApprovalStories): ...


class TestForms(FormStories): ...


class TestDesk(DeskStories): ...
