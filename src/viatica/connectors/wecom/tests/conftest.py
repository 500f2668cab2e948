"""A real WeCom simulator on loopback, and a connection pointed at it."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from simulators.wecom.company import default_document
from simulators.wecom.testing import Running, running
from viatica.connectors import registry, testing
from viatica.connectors.tokens import TokenCache
from viatica.connectors.wecom import client, post
from viatica.connectors.wecom.pace import Pace
from viatica.connectors.wecom.tests.sealing import Sealer
from viatica.offices.approval.ports import CaseOrder, OutsidePerson
from viatica.spine.models import Connection

KINDS = {"expense_report": "expense", "travel_request": "travel"}
USES = ("approval", "messages", "directory", "sign_in")
SECRETS = ("secret", "token", "aes_key", "contacts_token", "contacts_aes_key")


@pytest.fixture(scope="session")
def wecom_server() -> Iterator[Running]:
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def settings_there(wecom_server: Running) -> dict[str, Any]:
    """What its knobs stood at."""
    found: dict[str, Any] = wecom_server.control("GET", "/settings")
    return found


@pytest.fixture(scope="session")
def forms(wecom_server: Running) -> dict[str, Any]:
    """The mapping the simulator's own templates suggest, read once."""
    codes = {kind: wecom_server.template_ids[short] for kind, short in KINDS.items()}
    return registry.suggest(connection_to(wecom_server, {}), codes)


@pytest.fixture
def wecom(
    wecom_server: Running,
    settings_there: dict[str, Any],
    forms: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Running:
    """As fresh: nothing kept over there, no token and no count kept here."""
    wecom_server.reset()
    wecom_server.set(**settings_there)
    for kind in ("app", "contacts"):
        wecom_server.set_callback(None, kind=kind)
    wecom_server.load(default_document())
    monkeypatch.setattr(client, "_tokens", TokenCache())
    monkeypatch.setattr(post, "_pace", Pace())
    return wecom_server


def connection_to(server: Running, forms: dict[str, Any], **settings: Any) -> Connection:
    """Not saved; `settings` go over the usual ones."""
    uses = settings.pop("uses", USES)
    connection = Connection(
        slug="wecom",
        kind="wecom",
        name="企业微信",
        uses=list(uses),
        settings={
            "base_url": server.base_url,
            "authorize_url": server.facts["authorize_url"],
            "sso_url": server.facts["sso_url"],
            "corp_id": server.corp_id,
            "agent_id": str(server.agent_id),
            "number_attribute": "工号",
            "forms": deepcopy(forms),
            **settings,
        },
    )
    connection.seal({name: server.facts[name] for name in SECRETS})
    return connection


@pytest.fixture
def connection(wecom: Running, forms: dict[str, Any]) -> Connection:
    return connection_to(wecom, forms)


@pytest.fixture
def sealer(wecom: Running) -> Sealer:
    """Seals as the app's callbacks are sealed."""
    return Sealer(wecom.token, wecom.aes_key, wecom.corp_id, str(wecom.agent_id))


def order(number: str = testing.NUMBER, **changes: Any) -> CaseOrder:
    return testing.order(
        number, **{"applicant": OutsidePerson(userid="zhangsan", name="张三", dept_id="11"), **changes}
    )
