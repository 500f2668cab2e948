"""A real DingTalk simulator on loopback, and a connection pointed at it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from simulators.dingtalk.company import default_document
from simulators.dingtalk.testing import Running, running
from viatica.connectors import registry, testing
from viatica.connectors.dingtalk import client
from viatica.connectors.tokens import TokenCache
from viatica.offices.approval.ports import (
    ApproverGroup,
    Attachment,
    CaseForm,
    CaseOrder,
    GroupMode,
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


KINDS = {"expense_report": "expense", "travel_request": "travel"}
USES = ("approval", "messages", "todo", "directory", "sign_in")


def connection_to(server: Running, **settings: Any) -> Connection:
    """Not saved; `settings` go over the usual ones. Its forms are what the simulator's own templates suggest."""
    connection = Connection(
        slug="dingtalk",
        kind="dingtalk",
        name="钉钉",
        uses=list(USES),
        settings={
            "base_url": server.base_url,
            "oapi_base_url": server.oapi_base_url,
            "login_url": server.base_url,
        },
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
    codes = {kind: server.process_codes[short] for kind, short in KINDS.items()}
    connection.settings |= {"forms": registry.suggest(connection, codes), **settings}
    return connection


@pytest.fixture
def connection(dingtalk: Running) -> Connection:
    return connection_to(dingtalk)


FILES = (
    Attachment("01 发票", "https://viatica.example.com/files/a.png", "a" * 64),
    Attachment("02 发票", "https://viatica.example.com/files/b.png", "b" * 64),
)
ZHANGSAN = OutsidePerson(userid="zhangsan", name="张三", unionid="u", dept_id="11")


def form(**changes: Any) -> CaseForm:
    return testing.form(category="交通", files=FILES, **changes)


def order(number: str = testing.NUMBER, **changes: Any) -> CaseOrder:
    usual: dict[str, Any] = {
        "applicant": ZHANGSAN,
        "form": form(),
        "approvers": (ApproverGroup(GroupMode.NONE, ("lisiyuan",)),),
    }
    return testing.order(number, **(usual | changes))
