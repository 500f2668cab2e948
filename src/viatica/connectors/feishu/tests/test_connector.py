"""The connector declares itself once; its parts are found by the offices."""

from __future__ import annotations

import pytest

from viatica.connectors import registry
from viatica.connectors.feishu.connector import CONNECTOR
from viatica.kernel.errors import Refused
from viatica.offices.access import ports as access
from viatica.offices.approval import ports as approval
from viatica.offices.notices import ports as notices
from viatica.spine import hooks, inbox, reconcile
from viatica.spine.models import Connection


def test_it_is_everywhere_it_should_be() -> None:
    connection = Connection(slug="f", kind="feishu", name="飞书", settings={})
    connection.seal({"app_id": "a", "app_secret": "s"})
    assert registry.of("feishu") is CONNECTOR
    assert (hooks.door_of("feishu"), inbox.translator_of("feishu")) == (CONNECTOR.door, CONNECTOR.translate)
    assert reconcile.can_compare(connection)
    kinds = [
        approval.port_for(connection).kind,
        notices.messages_for(connection).kind,
        access.port_for(connection).kind,
    ]
    assert kinds == ["feishu"] * 3


def test_todos_of_ours_are_not_pretended() -> None:
    with pytest.raises(Refused, match="feishu"):
        notices.todos_for(Connection(slug="f", kind="feishu", name="飞书"))
