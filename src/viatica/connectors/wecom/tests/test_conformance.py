"""The stories every connector lives through, told of WeCom."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from simulators.wecom.testing import Running
from viatica.connectors.conformance import (
    GONE,
    ApprovalStories,
    DeskRig,
    DeskStories,
    FormStories,
    Instance,
    Task,
)
from viatica.connectors.testing import Person, looks_afresh, office_of
from viatica.connectors.wecom import connector
from viatica.connectors.wecom.tests.conftest import connection_to
from viatica.connectors.wecom.tests.sealing import Sealer
from viatica.offices.approval.ports import CaseStatus, Verdict
from viatica.spine.hooks import RawCallback

PEOPLE = (
    Person("zhangsan", "张三", "11", "wangkai"),
    Person("wangkai", "王凯", "11"),
    Person("sunhui", "孙慧", "30"),
)
STEPS = {"主管": "wangkai", "财务": "sunhui"}
VERDICTS = {Verdict.APPROVE: "agree", Verdict.REJECT: "reject"}
STATUSES = {
    1: CaseStatus.RUNNING,
    2: CaseStatus.APPROVED,
    3: CaseStatus.REJECTED,
    4: CaseStatus.WITHDRAWN,
}


class WeComRig(DeskRig[Running]):
    stranger = "linxiao"
    create = "/cgi-bin/oa/applyevent"
    show = "/cgi-bin/message/send"
    tells = False
    most_text = 2000
    look = "POST /cgi-bin/oa/getapprovaldetail"

    def decide(self, instance_id: str, verdict: Verdict, comment: str = "", *, userid: str = "") -> None:
        self.oa.decide(instance_id, VERDICTS[verdict], userid=userid, remark=comment)

    def hand_over(self, instance_id: str, to: str) -> None:
        self.oa.hand_over(instance_id, to)

    def number_in(self, instance: Instance) -> str:
        return str(instance["values"]["单号"]["text"])

    def status_of(self, instance: Instance) -> CaseStatus:
        return STATUSES[instance["sp_status"]]

    def text_in(self, instance: Instance) -> str:
        return str(instance["values"]["事由"]["text"])

    def lines_in(self, instance: Instance) -> int:
        return len(instance["values"]["费用明细"]["children"])

    def files_in(self, instance: Instance) -> int:
        return len(instance["values"]["附件"]["files"])

    def files_for(self, pictures: int) -> int:
        """More than six are bound into one PDF."""
        return pictures if pictures <= 6 else 1

    def misplaced(self, field: Any) -> Any:
        return {**field, "id": GONE}

    def tasks(self, userid: str) -> list[Task]:
        cards = [(one, one["replaced"].get(userid, one["body"])) for one in self.oa.messages(userid)]
        return [
            Task(userid, str(card["card_action"]["url"]), (one["msgid"], card))
            for one, card in cards
            if card["card_type"] == "button_interaction"
        ]

    def press(self, task: Task, verdict: Verdict) -> None:
        msgid, card = task.there
        (key,) = (
            one["key"] for one in card["button_list"] if str(one.get("key")).startswith(f"{verdict.value}@")
        )
        self.oa.click(msgid, task.userid, key)

    def lose(self) -> None:
        self.oa.reset()

    def forged(self) -> Iterator[RawCallback]:
        oa, now = self.oa, int(time.time())
        text = (
            "<xml><MsgType>event</MsgType><Event>sys_approval_change</Event><CreateTime>1</CreateTime></xml>"
        )
        mine = Sealer(oa.token, oa.aes_key, oa.corp_id, str(oa.agent_id))
        genuine = mine.push(text, now)
        yield Sealer("another", oa.aes_key, oa.corp_id, str(oa.agent_id)).push(text, now)
        yield Sealer(oa.token, oa.aes_key, "ww2", str(oa.agent_id)).push(text, now)
        yield mine.push(text, now - 7200)
        yield RawCallback("POST", {**genuine.query, "nonce": "m"}, {}, genuine.body)


@pytest.fixture
def rig(
    wecom: Running, forms: dict[str, Any], live_server: LiveServer, transactional_db: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[WeComRig]:  # fmt: skip
    looks_afresh(connector, monkeypatch)
    with office_of(
        wecom, connection_to(wecom, forms), people=PEOPLE, steps=STEPS, url=live_server.url, patch=monkeypatch
    ) as office:
        yield WeComRig(office)


class TestApprovals(ApprovalStories): ...


class TestForms(FormStories): ...


class TestDesk(DeskStories): ...
