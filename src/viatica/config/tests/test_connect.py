"""Connecting an OA from one file: everything or nothing, and no secret in the clear."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from viatica.config.connect import connect
from viatica.offices.company.models import LegalEntity
from viatica.spine.models import Connection

pytestmark = pytest.mark.django_db
WANTED: dict[str, Any] = {
    "kind": "dingtalk",
    "name": "钉钉",
    "entities": ["SH"],
    "process_codes": {"expense_report": "PROC-1"},
    "settings": {"corp_id": "ding1"},
    "secrets": {"app_key": "key", "app_secret": "hidden-secret", "token": "t", "aes_key": "a"},
}


def run(tmp_path: Path, wanted: dict[str, Any]) -> int:
    file = tmp_path / "connection.json"
    file.write_text(json.dumps(wanted))
    return connect(argparse.Namespace(slug="dingtalk", file=file))


@pytest.fixture
def entity() -> LegalEntity:
    return LegalEntity.objects.create(code="SH", name="行远科技（上海）有限公司")


def test_a_connection_serves_its_entities(tmp_path: Path, entity: LegalEntity, capsys: Any) -> None:
    assert run(tmp_path, WANTED) == 0
    connection = Connection.objects.get()
    assert connection.settings["forms"]["expense_report"]["process_code"] == "PROC-1"
    assert connection.uses == ["approval", "messages", "todo", "directory", "sign_in"]
    assert connection.secrets()["app_secret"] == "hidden-secret"
    assert b"hidden-secret" not in bytes(connection.secrets_sealed)
    entity.refresh_from_db()
    assert entity.connection == connection
    said = capsys.readouterr().out
    assert "/hooks/dingtalk" in said and "hidden-secret" not in said


def test_again_changes_it(tmp_path: Path, entity: LegalEntity) -> None:
    assert run(tmp_path, WANTED) == 0
    assert run(tmp_path, {**WANTED, "settings": {"corp_id": "ding2"}}) == 0
    assert Connection.objects.get().settings["corp_id"] == "ding2"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "fax"}, "fax"),
        ({"entities": ["SH", "XX"]}, "XX"),
        ({"secrets": "none"}, "secrets"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_used_changes_nothing(
    tmp_path: Path, entity: LegalEntity, capsys: Any, change: dict[str, Any], said: str
) -> None:
    assert run(tmp_path, {**WANTED, **change}) == 1
    assert said in capsys.readouterr().err
    assert not Connection.objects.exists()
    entity.refresh_from_db()
    assert entity.connection is None
