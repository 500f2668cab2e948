"""Each connector declares itself once; its parts are found by the offices."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from viatica.connectors import claims, registry
from viatica.kernel.errors import Refused
from viatica.offices.access import ports as access
from viatica.offices.approval import ports as approval
from viatica.offices.notices import ports as notices
from viatica.spine import hooks, inbox
from viatica.spine.models import Connection

CLAIMED = {"done", "todo", "exempt"}


def test_dingtalk_is_everywhere_it_should_be() -> None:
    connector = registry.of("dingtalk")
    assert (hooks.door_of("dingtalk"), inbox.translator_of("dingtalk")) == (
        connector.door,
        connector.translate,
    )
    connection = Connection(slug="d", kind="dingtalk", name="钉钉", settings={})
    connection.seal({"app_key": "k", "app_secret": "s"})
    kinds = [
        approval.port_for(connection).kind,
        notices.messages_for(connection).kind,
        notices.todos_for(connection).kind,
        access.port_for(connection).kind,
    ]
    assert kinds == ["dingtalk"] * 4


def test_an_unknown_kind_is_refused_everywhere() -> None:
    connection = Connection(slug="x", kind="fax", name="传真")
    for find in (approval.port_for, notices.messages_for, notices.todos_for, access.port_for):
        with pytest.raises(Refused, match="fax"):
            find(connection)
    with pytest.raises(registry.UnknownKind):
        registry.of("fax")


def test_without_forms_nothing_is_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._connectors, "fax", registry.Connector(kind="fax", name="传真"))
    with pytest.raises(registry.NoForms, match="fax"):
        registry.suggest(Connection(slug="x", kind="fax", name="传真"), {"expense_report": "1"})


def test_every_connector_says_what_it_can_and_by_what_that_is_proved() -> None:
    folder = Path(registry.__file__).parent
    for connector in registry.kinds():
        claims = tomllib.loads((folder / connector.kind / "claims.toml").read_text())
        assert claims["kind"] == connector.kind
        for name, claim in claims["claims"].items():
            assert claim["state"] in CLAIMED, name
            if claim["state"] == "done":
                for proof in claim["proved_by"]:
                    path, _, test = proof.partition("::")
                    place = folder if path.startswith("conformance/") else folder / connector.kind / "tests"
                    assert f"def {test}(" in (place / path).read_text(), proof
            else:
                assert claim["why"], name


def test_the_table_of_claims_is_the_one_that_is_kept() -> None:
    kept = Path(registry.__file__).parents[3] / "docs" / "connectors.md"
    assert kept.read_text(encoding="utf-8") == claims.page(), "run make docs"
