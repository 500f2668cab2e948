"""What doctor finds, and nothing more."""

from __future__ import annotations

from typing import Any

from simulators.feishu.testing import Running
from viatica.connectors.feishu.doctor import check
from viatica.connectors.feishu.tests.conftest import connection_to
from viatica.spine.models import Connection

Found = list[tuple[str, bool, dict[str, str]]]


def found(connection: Connection) -> Found:
    return [(one.name, one.ok, dict(one.params)) for one in check(connection)]


GOOD: Found = [
    ("token", True, {}),
    ("callback", True, {}),
    ("directory", True, {}),
    ("form.expense_report", True, {}),
    ("form.travel_request", True, {}),
]


def faults(connection: Connection) -> Found:
    return [one for one in found(connection) if not one[1]]


def test_a_sound_connection_twice_over(connection: Connection) -> None:
    assert found(connection) == GOOD
    assert found(connection) == GOOD  # events that come already are no fault


def test_a_widget_the_form_lacks_and_one_nothing_fills(connection: Connection) -> None:
    fields = connection.settings["forms"]["expense_report"]["fields"]
    fields["reason"]["id"] = "widget-gone"
    assert faults(connection) == [
        ("form.expense_report", False, {"key": "widget-gone", "field": "reason"}),
        ("form.expense_report", False, {"label": "事由"}),
    ]


def test_a_widget_whose_type_changed_or_does_not_take_the_value(connection: Connection) -> None:
    fields = connection.settings["forms"]["expense_report"]["fields"]
    fields["amount"]["type"] = "number"
    fields["attachments"] = dict(fields["applicant"])
    assert [(one["label"], one["type"], one["field"]) for _, _, one in faults(connection)] == [
        ("金额", "amount", "amount"),
        ("申请人", "contact", "attachments"),
    ]


def test_a_column_the_table_lacks(connection: Connection) -> None:
    columns = connection.settings["forms"]["expense_report"]["lines"]["columns"]
    columns["note"]["id"] = "widget-gone"
    assert faults(connection) == [("form.expense_report", False, {"key": "widget-gone", "field": "note"})]


def test_options_that_are_gone_and_categories_without_one(connection: Connection) -> None:
    category = connection.settings["forms"]["expense_report"]["lines"]["columns"]["category"]
    del category["options"]["机票"]
    assert faults(connection) == [("form.expense_report", False, {"label": "费用类型", "lacking": "机票"})]
    category["options"]["机票"] = "option-gone"
    assert faults(connection) == [
        ("form.expense_report", False, {"label": "费用类型", "gone": "option-gone"})
    ]


def test_an_approval_that_is_gone(connection: Connection) -> None:
    connection.settings["forms"]["travel_request"]["approval_code"] = "GONE"
    ((name, _, params),) = faults(connection)
    assert (name, params["code"]) == ("form.travel_request", "GONE")
    assert params["said_by"].startswith("1390002")


def test_wrong_credentials_end_the_examination(feishu: Running, forms: dict[str, Any]) -> None:
    connection = connection_to(feishu, forms)
    connection.seal(connection.secrets() | {"app_secret": "wrong-one"})
    checks = found(connection)
    assert [one[:2] for one in checks] == [("token", False), ("callback", True)]
    assert "wrong-one" not in str(checks)


def test_missing_credentials_are_named(connection: Connection) -> None:
    secrets = connection.secrets()
    connection.seal({"app_id": secrets["app_id"]})
    assert found(connection) == [("credentials", False, {"name": "飞书", "missing": "app_secret"})]
    connection.seal({key: value for key, value in secrets.items() if key != "verification_token"})
    assert faults(connection) == [("callback", False, {})]
    connection.seal({key: value for key, value in secrets.items() if key != "encrypt_key"})
    assert faults(connection) == [("callback", False, {})]


def test_permissions_that_are_missing_are_named(connection: Connection, feishu: Running) -> None:
    feishu.set(missing_scopes=["contact:user.employee_id:readonly"])
    assert faults(connection) == [("directory", False, {"scopes": "contact:user.employee_id:readonly"})]
    feishu.set(missing_scopes=["approval:approval", "approval:approval:readonly", "approval:definition"])
    assert [name for name, _, _ in faults(connection)] == ["form.expense_report", "form.travel_request"]


def test_a_mapping_that_is_no_mapping(connection: Connection) -> None:
    connection.settings["forms"]["expense_report"] = {"fields": {}}
    assert [one[:2] for one in found(connection)] == [*(one[:2] for one in GOOD[:3]), ("forms", False)]
