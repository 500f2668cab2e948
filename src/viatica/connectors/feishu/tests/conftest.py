"""A real Feishu simulator on loopback, and a connection pointed at it."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from simulators.feishu.company import default_document
from simulators.feishu.testing import Running, running
from viatica.connectors import registry, testing
from viatica.connectors.feishu import client
from viatica.connectors.tokens import TokenCache
from viatica.offices.approval.ports import CaseOrder, OutsidePerson
from viatica.spine.models import Connection

KINDS = {"expense_report": "expense", "travel_request": "travel"}


@pytest.fixture(scope="session")
def feishu_server() -> Iterator[Running]:
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def forms(feishu_server: Running) -> dict[str, Any]:
    """The mapping the simulator's own forms suggest, read once."""
    codes = {kind: feishu_server.approval_codes[short] for kind, short in KINDS.items()}
    return registry.suggest(connection_to(feishu_server, {}), codes)


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
        uses=["approval", "messages", "directory", "sign_in"],
        settings={
            "base_url": server.base_url,
            "login_url": server.base_url,
            "upload_url": server.base_url,
            "forms": deepcopy(forms),
            **settings,
        },
    )
    names = ("app_id", "app_secret", "verification_token", "encrypt_key")
    connection.seal({name: server.facts[name] for name in names})
    return connection


@pytest.fixture
def connection(feishu: Running, forms: dict[str, Any]) -> Connection:
    return connection_to(feishu, forms)


ZHANGSAN = OutsidePerson(userid="zhangsan", name="张三", unionid="u", dept_id="D11")


def order(number: str = testing.NUMBER, **changes: Any) -> CaseOrder:
    return testing.order(number, **({"applicant": ZHANGSAN} | changes))
