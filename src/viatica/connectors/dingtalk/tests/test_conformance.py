"""The stories every connector lives through, told of DingTalk."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from simulators.dingtalk.testing import Running
from viatica.connectors.conformance import (
    GONE,
    ApprovalStories,
    DeskRig,
    DeskStories,
    FormStories,
    Instance,
    Task,
)
from viatica.connectors.dingtalk import centre, connector, desk, translate
from viatica.connectors.dingtalk.centre import CentreClient
from viatica.connectors.dingtalk.signing import CallbackCipher
from viatica.connectors.dingtalk.tests.conftest import connection_to
from viatica.connectors.testing import Person, looks_afresh, office_of
from viatica.offices.approval.ports import CaseStatus, DeskStatus, Verdict
from viatica.spine.hooks import RawCallback

PEOPLE = (
    Person("zhangsan", "张三", "11", "lisiyuan"),
    Person("lisiyuan", "李思源", "10"),
    Person("sunhui", "孙慧", "10"),
)
STEPS = {"主管": "lisiyuan", "财务": "sunhui"}
VERDICTS = {Verdict.APPROVE: "agree", Verdict.REJECT: "refuse"}
STATUSES = {
    ("RUNNING", ""): CaseStatus.RUNNING,
    ("COMPLETED", "agree"): CaseStatus.APPROVED,
    ("COMPLETED", "refuse"): CaseStatus.REJECTED,
    ("TERMINATED", ""): CaseStatus.WITHDRAWN,
}


class DingTalkRig(DeskRig[Running]):
    stranger = "qianwei"
    create = "/v1.0/workflow/processInstances"
    show = "/v1.0/workflow/processCentres/tasks"
    look = f"GET {create}"
    most_text = translate.MOST_CHARACTERS
    most_lines = translate.MOST_ROWS

    def decide(self, instance_id: str, verdict: Verdict, comment: str = "", *, userid: str = "") -> None:
        self.oa.decide(instance_id, VERDICTS[verdict], userid=userid, remark=comment)

    def hand_over(self, instance_id: str, to: str) -> None:
        self.oa.hand_over(instance_id, to)

    def number_in(self, instance: Instance) -> str:
        return str(instance["values"]["单号"])

    def status_of(self, instance: Instance) -> CaseStatus:
        return STATUSES[instance["status"], instance["result"]]

    def text_in(self, instance: Instance) -> str:
        return str(instance["values"]["事由"])

    def lines_in(self, instance: Instance) -> int:
        return len(json.loads(instance["values"]["费用明细"]))

    def files_in(self, instance: Instance) -> int:
        return len(json.loads(instance["values"]["发票"]))

    def misplaced(self, field: Any) -> Any:
        return GONE

    def tasks(self, userid: str) -> list[Task]:
        return [Task(userid, str(one["url"]), one) for one in self.oa.centre_tasks(userid)]

    def press(self, task: Task, verdict: Verdict) -> None:
        self.oa.press(task.there["id"], VERDICTS[verdict])

    def lose(self) -> None:
        client = CentreClient.of(self.office.connection)
        for one in self.oa.centre_tasks():
            client.close_tasks(one["instance_id"], [centre.closing(str(one["id"]), DeskStatus.CANCELLED)])

    def forged(self) -> Iterator[RawCallback]:
        mine = CallbackCipher(self.oa.token, self.oa.aes_key, (self.oa.app_key,))
        another = CallbackCipher("another", self.oa.aes_key, (self.oa.app_key,))
        for cipher, age_s, altered in ((another, 0, {}), (mine, 7200, {}), (mine, 0, {"nonce": "m"})):
            event = {"EventType": "bpms_instance_change", "processInstanceId": "x", "type": "finish"}
            at = str(int((time.time() - age_s) * 1000))
            sealed = cipher.seal(json.dumps(event), timestamp=at, nonce="n")
            query = {"msg_signature": sealed["msg_signature"], "timestamp": at, "nonce": "n"}
            body = json.dumps({"encrypt": sealed["encrypt"]}).encode()
            yield RawCallback("POST", query | altered, {"content-type": "application/json"}, body)


@pytest.fixture
def rig(
    dingtalk: Running, live_server: LiveServer, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DingTalkRig]:
    looks_afresh(connector, monkeypatch)
    monkeypatch.setattr(desk, "_templates", {})
    monkeypatch.setattr(desk, "_found", {})
    with office_of(
        dingtalk, connection_to(dingtalk), people=PEOPLE, steps=STEPS, url=live_server.url, patch=monkeypatch
    ) as office:
        yield DingTalkRig(office)


class TestApprovals(ApprovalStories): ...


class TestForms(FormStories): ...


class TestDesk(DeskStories): ...
