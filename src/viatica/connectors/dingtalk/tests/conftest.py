"""A real DingTalk simulator on loopback, and a connection pointed at it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from simulators.dingtalk.company import default_document
from simulators.dingtalk.testing import Running, running
from viatica.connectors.dingtalk import client, standard
from viatica.connectors.tokens import TokenCache
from viatica.kernel import clock
from viatica.kernel.money import Money
from viatica.offices.approval.ports import (
    ApproverGroup,
    Attachment,
    CaseForm,
    CaseOrder,
    CaseRef,
    Field,
    FieldKind,
    GroupMode,
    InstanceId,
    Line,
    OutsidePerson,
)
from viatica.spine.models import Connection


@pytest.fixture(scope="session")
def dingtalk_server() -> Iterator[Running]:
    with running(terminate_ban_s=0) as server:
        yield server


@pytest.fixture
def dingtalk(dingtalk_server: Running, monkeypatch: pytest.MonkeyPatch) -> Running:
    """As fresh: nothing kept over there, no token kept here."""
    dingtalk_server.reset()
    dingtalk_server.set(terminate_ban_s=0)
    dingtalk_server.set_callback(None)
    dingtalk_server.load(default_document())
    monkeypatch.setattr(client, "_tokens", TokenCache())
    return dingtalk_server


def connection_to(server: Running, **settings: Any) -> Connection:
    """Not saved; `settings` go over the usual ones."""
    codes = {
        "expense_report": server.process_codes["expense"],
        "travel_request": server.process_codes["travel"],
    }
    connection = Connection(
        slug="dingtalk",
        kind="dingtalk",
        name="钉钉",
        uses=list(standard.USES),
        settings=standard.settings(
            process_codes=codes,
            base_url=server.base_url,
            oapi_base_url=server.oapi_base_url,
            login_url=server.base_url,
        )
        | settings,
    )
    connection.seal(
        {
            "app_key": server.app_key,
            "app_secret": server.app_secret,
            "corp_id": server.corp_id,
            "agent_id": server.agent_id,
            "token": server.token,
            "aes_key": server.aes_key,
        }
    )
    return connection


@pytest.fixture
def connection(dingtalk: Running) -> Connection:
    return connection_to(dingtalk)


def form(*, lines: int = 2, **changes: Any) -> CaseForm:
    return CaseForm(
        title="张三 报销 上海客户拜访",
        amount=Money("1280.50", "CNY"),
        fields=(
            Field("number", "单号", FieldKind.TEXT, "BX202611-000123"),
            Field("reason", "事由", FieldKind.TEXT, changes.get("reason", "上海客户拜访")),
            Field("period", "出差日期", FieldKind.DATE_RANGE, ["2026-11-02", "2026-11-05"]),
            Field("amount", "金额（元）", FieldKind.MONEY, "1280.50"),
            Field("url", "详情链接", FieldKind.TEXT, "https://viatica.example.com/reports/BX202611-000123"),
        ),
        lines=tuple(
            Line({"category": "交通", "day": "2026-11-02", "amount": "10.10", "note": f"第 {no} 段"})
            for no in range(1, lines + 1)
        ),
        attachments=(
            Attachment("01 发票", "https://viatica.example.com/files/a.png", "a" * 64),
            Attachment("02 发票", "https://viatica.example.com/files/b.png", "b" * 64),
        ),
        url="https://viatica.example.com/reports/BX202611-000123",
    )


def order(number: str = "BX202611-000123", **changes: Any) -> CaseOrder:
    return CaseOrder(
        number=number,
        kind=changes.get("kind", "expense_report"),
        title="张三 报销 上海客户拜访",
        applicant=changes.get(
            "applicant", OutsidePerson(userid="zhangsan", name="张三", unionid="u", dept_id="11")
        ),
        form=changes.get("form", form()),
        opened_at=changes.get("opened_at", clock.now()),
        approvers=changes.get("approvers", (ApproverGroup(GroupMode.NONE, ("lisiyuan",)),)),
        cc=changes.get("cc", ()),
    )


def ref(one: CaseOrder, instance_id: InstanceId | None = None) -> CaseRef:
    return CaseRef(
        number=one.number,
        kind=one.kind,
        opened_at=one.opened_at,
        instance_id=instance_id,
        applicant_userid=one.applicant.userid,
    )


AT = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
