"""Connecting an OA from one file: everything or nothing, and no secret in the clear."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulators.dingtalk.testing import Running, running
from viatica.config.connect import connect
from viatica.offices.company.models import LegalEntity
from viatica.spine.models import Connection

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def dingtalk() -> Iterator[Running]:
    with running() as server:
        yield server


@pytest.fixture
def wanted(dingtalk: Running) -> dict[str, Any]:
    return {
        "kind": "dingtalk",
        "name": "钉钉",
        "entities": ["SH"],
        "templates": {"expense_report": dingtalk.process_codes["expense"]},
        "settings": {
            "corp_id": "ding1",
            "base_url": dingtalk.base_url,
            "oapi_base_url": dingtalk.oapi_base_url,
        },
        "secrets": {
            "app_key": dingtalk.app_key,
            "app_secret": dingtalk.app_secret,
            "token": "t",
            "aes_key": "a",
        },
    }


def run(tmp_path: Path, wanted: dict[str, Any]) -> int:
    file = tmp_path / "connection.json"
    file.write_text(json.dumps(wanted))
    return connect(argparse.Namespace(slug="dingtalk", file=file))


@pytest.fixture
def entity() -> LegalEntity:
    return LegalEntity.objects.create(code="SH", name="行远科技（上海）有限公司")


def test_a_connection_serves_its_entities(
    tmp_path: Path, entity: LegalEntity, wanted: dict[str, Any], dingtalk: Running, capsys: Any
) -> None:
    assert run(tmp_path, wanted) == 0
    connection = Connection.objects.get()
    form = connection.settings["forms"]["expense_report"]
    assert form["process_code"] == dingtalk.process_codes["expense"]
    assert form["fields"]["period"] == ["开始时间", "结束时间"]
    assert connection.settings["login_url"] == "https://login.dingtalk.com"
    assert connection.uses == ["approval", "messages", "todo", "directory", "sign_in"]
    assert connection.secrets()["app_secret"] == dingtalk.app_secret
    assert dingtalk.app_secret.encode() not in bytes(connection.secrets_sealed)
    entity.refresh_from_db()
    assert entity.connection == connection
    said = capsys.readouterr().out
    assert "/hooks/dingtalk" in said and dingtalk.app_secret not in said


def test_a_file_of_an_earlier_version_still_says_process_codes(
    tmp_path: Path, entity: LegalEntity, wanted: dict[str, Any], dingtalk: Running
) -> None:
    codes = wanted.pop("templates")
    assert run(tmp_path, {**wanted, "process_codes": codes}) == 0
    form = Connection.objects.get().settings["forms"]["expense_report"]
    assert form["process_code"] == dingtalk.process_codes["expense"]


def test_again_changes_it(tmp_path: Path, entity: LegalEntity, wanted: dict[str, Any]) -> None:
    assert run(tmp_path, wanted) == 0
    assert run(tmp_path, {**wanted, "templates": {}, "settings": {"corp_id": "ding2"}}) == 0
    assert "expense_report" in Connection.objects.get().settings["forms"]
    assert Connection.objects.get().settings["corp_id"] == "ding2"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "fax"}, "fax"),
        ({"entities": ["SH", "XX"]}, "XX"),
        ({"secrets": "none"}, "secrets"),
        ({"templates": {"expense_report": "PROC-GONE"}}, "钉钉"),
        ({"secrets": {"app_key": "k", "app_secret": "wrong"}}, "钉钉"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_used_changes_nothing(
    tmp_path: Path,
    entity: LegalEntity,
    wanted: dict[str, Any],
    capsys: Any,
    change: dict[str, Any],
    said: str,
) -> None:
    assert run(tmp_path, {**wanted, **change}) == 1
    assert said in capsys.readouterr().err
    assert not Connection.objects.exists()
    entity.refresh_from_db()
    assert entity.connection is None
