"""The connector declares itself once; its parts are found by the offices. And every claim names tests that exist."""

from __future__ import annotations

import pytest

from viatica.connectors import claims, registry
from viatica.connectors.wecom.connector import CONNECTOR
from viatica.connectors.wecom.forms import WeComForms
from viatica.kernel.errors import Refused
from viatica.offices.access import ports as access
from viatica.offices.approval import ports as approval
from viatica.offices.company import ports as company
from viatica.offices.notices import ports as notices
from viatica.spine import hooks, inbox, reconcile
from viatica.spine.models import Connection


def test_it_is_everywhere_it_should_be() -> None:
    connection = Connection(
        slug="w", kind="wecom", name="企业微信", settings={"corp_id": "w", "agent_id": "1"}
    )
    connection.seal({"secret": "s"})
    assert registry.of("wecom") is CONNECTOR
    assert (hooks.door_of("wecom"), inbox.translator_of("wecom")) == (CONNECTOR.door, CONNECTOR.translate)
    assert reconcile.can_compare(connection)
    kinds = [
        approval.port_for(connection).kind,
        approval.desk_for(connection).kind,
        notices.messages_for(connection).kind,
        access.port_for(connection).kind,
        company.port_for(connection).kind,
    ]
    assert kinds == ["wecom"] * 5
    assert WeComForms(connection).listed() == []
    assert CONNECTOR.defaults["base_url"] == "https://qyapi.weixin.qq.com"


def test_todos_are_not_pretended() -> None:
    with pytest.raises(Refused, match="wecom"):
        notices.todos_for(Connection(slug="w", kind="wecom", name="企业微信"))


def test_every_state_of_a_claim_is_told_why_or_proved() -> None:
    for claim in claims.of("wecom").values():
        assert claim.state in claims.MARKS
        assert claim.proved_by if claim.state == "done" else claim.why, claim.name
