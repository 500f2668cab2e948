"""A real Feishu simulator on loopback, and a connection pointed at it."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest

from simulators.feishu.company import default_document
from simulators.feishu.testing import Running, running
from viatica.connectors.feishu import client, standard, translate
from viatica.connectors.feishu.client import FeishuClient, Setup
from viatica.connectors.tokens import TokenCache
from viatica.kernel import clock
from viatica.kernel.money import Money
from viatica.offices.approval.ports import (
    Attachment,
    CaseForm,
    CaseOrder,
    CaseRef,
    Field,
    FieldKind,
    InstanceId,
    Line,
    OutsidePerson,
)
from viatica.spine.models import Connection

KINDS = {"expense_report": "expense", "travel_request": "travel"}


@pytest.fixture(scope="session")
def feishu_server() -> Iterator[Running]:
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def forms(feishu_server: Running) -> dict[str, Any]:
    """The mapping the simulator's own forms suggest, read once."""
    facts = feishu_server.facts
    asking = FeishuClient(
        Setup(
            name="飞书",
            base_url=feishu_server.base_url,
            login_url="",
            upload_url="",
            app_id=facts["app_id"],
            app_secret=facts["app_secret"],
        )
    )
    codes = {kind: facts["approval_codes"][short] for kind, short in KINDS.items()}
    return {
        kind: standard.form(kind, code, translate.definition(asking.definition(code)))
        for kind, code in codes.items()
    }


@pytest.fixture
def feishu(feishu_server: Running, forms: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Running:
    """As fresh: nothing kept over there, no token kept here."""
    feishu_server.reset()
    feishu_server.set_callback(None)
    feishu_server.load(default_document())
    monkeypatch.setattr(client, "_tokens", TokenCache())
    return feishu_server


def connection_to(server: Running, forms: dict[str, Any], **settings: Any) -> Connection:
    """Not saved; `settings` go over the usual ones."""
    connection = Connection(
        slug="feishu",
        kind="feishu",
        name="飞书",
        uses=list(standard.USES),
        settings=standard.settings(
            forms=deepcopy(forms),
            base_url=server.base_url,
            login_url=server.base_url,
            upload_url=server.base_url,
        )
        | settings,
    )
    names = ("app_id", "app_secret", "verification_token", "encrypt_key")
    connection.seal({name: server.facts[name] for name in names})
    return connection


@pytest.fixture
def connection(feishu: Running, forms: dict[str, Any]) -> Connection:
    return connection_to(feishu, forms)


def form(*, lines: int = 2, files: tuple[Attachment, ...] = (), **changes: Any) -> CaseForm:
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
            Line(
                {
                    "category": changes.get("category", "市内交通"),
                    "day": "2026-11-02",
                    "amount": "10.10",
                    "note": f"第 {no} 段",
                }
            )
            for no in range(1, lines + 1)
        ),
        attachments=files,
        url="https://viatica.example.com/reports/BX202611-000123",
    )


def order(number: str = "BX202611-000123", **changes: Any) -> CaseOrder:
    return CaseOrder(
        number=number,
        kind=changes.get("kind", "expense_report"),
        title="张三 报销 上海客户拜访",
        applicant=changes.get(
            "applicant", OutsidePerson(userid="zhangsan", name="张三", unionid="u", dept_id="D11")
        ),
        form=changes.get("form", form()),
        opened_at=changes.get("opened_at", clock.now()),
        approvers=changes.get("approvers", ()),
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
