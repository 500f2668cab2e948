"""What doctor finds, and nothing more."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from simulators.dingtalk.testing import Running
from viatica.connectors.dingtalk.doctor import check
from viatica.connectors.dingtalk.tests.conftest import connection_to
from viatica.spine.models import Connection


def found(connection: Connection) -> list[tuple[str, bool, dict[str, str]]]:
    return [(one.name, one.ok, dict(one.params)) for one in check(connection)]


GOOD: list[tuple[str, bool, dict[str, str]]] = [
    ("token", True, {}),
    ("callback", True, {}),
    ("form.expense_report", True, {}),
    ("form.travel_request", True, {}),
]


def test_a_sound_connection(dingtalk: Running) -> None:
    assert found(connection_to(dingtalk)) == GOOD


def changed(dingtalk: Running, **forms: Any) -> Connection:
    connection = connection_to(dingtalk)
    for name, change in forms.items():
        connection.settings["forms"][name] |= change
    return connection


def test_a_label_the_template_lacks_and_one_nothing_fills(dingtalk: Running) -> None:
    connection = connection_to(dingtalk)
    fields = connection.settings["forms"]["expense_report"]["fields"]
    fields["reason"] = "报销事由"
    assert found(connection)[2:4] == [
        ("form.expense_report", False, {"key": "报销事由", "field": "reason"}),
        ("form.expense_report", False, {"label": "事由"}),
    ]


def test_a_component_of_the_wrong_type(dingtalk: Running) -> None:
    connection = connection_to(dingtalk)
    fields = connection.settings["forms"]["expense_report"]["fields"]
    fields["attachments"], fields["amount"] = "附件", "申请人"
    del fields["applicant"]
    assert [
        (one.params[0][1], one.params[1][1])
        for one in check(connection)
        if not one.ok and len(one.params) > 1
    ] == [
        ("申请人", "InnerContactField"),
        ("附件", "DDAttachment"),
    ]


def test_links_do_not_go_into_a_photo_component(dingtalk: Running) -> None:
    connection = changed(dingtalk, expense_report={"attachments_as": "links"})
    assert [one for one in found(connection) if not one[1]] == [
        ("form.expense_report", False, {"label": "发票", "type": "DDPhotoField", "field": "attachments"})
    ]


def test_a_date_range_whose_two_labels_differ(dingtalk: Running) -> None:
    connection = connection_to(dingtalk)
    connection.settings["forms"]["travel_request"]["fields"]["period"] = ["开始", "结束"]
    assert found(connection)[-2:] == [
        ("form.travel_request", False, {"key": '["开始","结束"]', "field": "period"}),
        ("form.travel_request", False, {"label": "开始时间 结束时间"}),
    ]


def test_a_column_the_table_lacks(dingtalk: Running) -> None:
    connection = connection_to(dingtalk)
    connection.settings["forms"]["expense_report"]["lines"]["columns"]["note"] = "备注"
    assert ("form.expense_report", False, {"key": "备注", "field": "note"}) in found(connection)


def test_a_template_that_is_gone(dingtalk: Running) -> None:
    connection = changed(dingtalk, travel_request={"process_code": "PROC-GONE"})
    name, ok, params = found(connection)[-1]
    assert (name, ok, params["code"]) == ("form.travel_request", False, "PROC-GONE")
    assert params["said_by"].startswith("processCodeError")


def test_wrong_credentials_end_the_examination_of_the_token(dingtalk: Running) -> None:
    connection = connection_to(dingtalk)
    connection.seal(connection.secrets() | {"app_secret": "wrong-one"})
    checks = found(connection)
    assert checks[0][:2] == ("token", False)
    assert "wrong-one" not in str(checks)


def test_missing_credentials_are_named(dingtalk: Running) -> None:
    connection = connection_to(dingtalk)
    secrets = connection.secrets()
    connection.seal({"app_key": secrets["app_key"]})
    assert found(connection) == [("credentials", False, {"name": "钉钉", "missing": "app_secret"})]
    connection.seal({key: secrets[key] for key in ("app_key", "app_secret")} | {"token": "t"})
    assert [one[:2] for one in found(connection)][:3] == [
        ("token", True),
        ("agent_id", False),
        ("callback", False),
    ]
    connection.seal(secrets | {"aes_key": "short"})
    assert ("callback", False, {}) in found(connection)


def test_a_mapping_that_is_no_mapping(dingtalk: Running) -> None:
    connection = changed(dingtalk)
    connection.settings["forms"]["expense_report"] = {"fields": {}}
    assert [one[:2] for one in found(connection)] == [("token", True), ("callback", True), ("forms", False)]


def test_a_long_connection_is_tried_and_needs_no_callback_keys(
    dingtalk: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connection_to(dingtalk, long_connection=True)
    connection.seal(
        {key: value for key, value in connection.secrets().items() if key not in ("token", "aes_key")}
    )
    assert found(connection)[:2] == [("token", True, {}), ("long_connection", True, {})]
    assert dingtalk.connections() == []
    dingtalk.fault("rate_limit", "/v1.0/gateway/connections/open", times=1)
    assert found(connection)[1][:2] == ("long_connection", False)
    monkeypatch.delitem(sys.modules, "viatica.connectors.dingtalk.stream_client", raising=False)
    monkeypatch.setitem(sys.modules, "dingtalk_stream", None)
    assert found(connection)[1] == ("long_connection", False, {"extra": "dingtalk-stream"})


def test_the_process_centre_is_tried_where_tasks_are_shown(dingtalk: Running) -> None:
    connection = connection_to(dingtalk)
    connection.uses = ["desk"]
    assert found(connection)[2] == ("desk", True, {})
    dingtalk.fault("rate_limit", "/v1.0/workflow/processCentres/schemaNames/processCodes", times=1)
    assert found(connection)[2][:2] == ("desk", False)
    connection.settings["desk"] = "todo"
    assert "desk" not in [name for name, *_ in found(connection)]
    assert dingtalk.centre_instances() == []
