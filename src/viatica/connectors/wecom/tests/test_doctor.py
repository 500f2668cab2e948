"""What doctor finds, and nothing more."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import LazySettings
from pytest_httpserver import HTTPServer

from simulators.wecom.testing import Running
from viatica.connectors.wecom.doctor import check
from viatica.connectors.wecom.tests.conftest import connection_to
from viatica.spine.models import Connection

Found = list[tuple[str, bool, dict[str, str]]]


def found(connection: Connection) -> Found:
    return [(one.name, one.ok, dict(one.params)) for one in check(connection)]


GOOD: Found = [
    ("token", True, {}),
    ("app", True, {}),
    ("callback", True, {}),
    ("directory_events", True, {}),
    ("directory", True, {}),
    ("form.expense_report", True, {}),
    ("form.travel_request", True, {}),
]


def faults(connection: Connection) -> Found:
    return [one for one in found(connection) if not one[1]]


def said(connection: Connection) -> list[tuple[str, str]]:
    """Name and beginning of what is said, of what is wrong."""
    return [(name, params.get("said_by", "").partition(" ")[0]) for name, _, params in faults(connection)]


def test_a_sound_connection_creates_nothing(connection: Connection, wecom: Running) -> None:
    assert found(connection) == GOOD
    assert wecom.instances() == [] and wecom.messages() == []


def test_only_what_is_used_is_examined(connection: Connection) -> None:
    connection.uses = ["messages"]
    assert [one[0] for one in found(connection)] == ["token", "app", "callback"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"secret": "wrong-secret-one"}, [("token", "40001")]),
        ({"corp_id": "ww0000000000000000"}, [("token", "40013")]),
        ({"agent_id": "1000001"}, [("app", "301002")]),
        ({"agent_id": "行资"}, [("credentials", "")]),
        ({"secret": ""}, [("credentials", "")]),
    ],
)
def test_wrong_credentials_are_told_apart_and_end_the_examination(
    connection: Connection, change: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    secrets = connection.secrets()
    connection.seal(
        {name: value for name, value in {**secrets, **change}.items() if value and name in secrets}
    )
    connection.settings |= {name: value for name, value in change.items() if name not in secrets}
    assert said(connection) == expected
    assert "wrong-secret-one" not in str(found(connection))


def test_an_address_that_is_not_trusted_is_named(connection: Connection, wecom: Running) -> None:
    wecom.set(trusted_ip=False)
    ((name, _, params),) = faults(connection)
    assert (name, params["said_by"]) == ("app", "60020 not allow to access from your ip, from ip: 127.0.0.1")


def test_an_app_not_listed_for_approvals(connection: Connection, wecom: Running) -> None:
    wecom.set(may_approve=False)
    assert said(connection) == [("form.expense_report", "301055"), ("form.travel_request", "301055")]
    wecom.set(may_approve=True, approval_is_enabled=False)
    assert said(connection) == [("form.expense_report", "301056"), ("form.travel_request", "301056")]


def test_an_app_that_sees_nobody(connection: Connection, wecom: Running) -> None:
    wecom.set(visible_departments=[])
    assert faults(connection) == [("directory", False, {})]


def test_an_interface_the_app_may_not_call(
    wecom: Running, forms: dict[str, Any], httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/cgi-bin/gettoken").respond_with_json({"errcode": 0, "access_token": "t"})
    httpserver.expect_request("/cgi-bin/agent/get").respond_with_json({"errcode": 0, "close": 0})
    httpserver.expect_request("/cgi-bin/department/list").respond_with_json(
        {"errcode": 48002, "errmsg": "api forbidden"}
    )
    connection = connection_to(wecom, forms, base_url=httpserver.url_for(""), uses=["directory"])
    ((name, _, params),) = faults(connection)
    assert (name, params["scopes"]) == ("directory", "48002 api forbidden")


def test_an_app_that_is_switched_off_and_a_foreign_domain(
    wecom: Running, forms: dict[str, Any], httpserver: HTTPServer, settings: LazySettings
) -> None:
    settings.PUBLIC_URL = "https://v.example.com:8443"
    agent = {"errcode": 0, "name": "行资", "close": 1, "redirect_domain": "v.example.com:8443"}
    httpserver.expect_request("/cgi-bin/gettoken").respond_with_json({"errcode": 0, "access_token": "t"})
    handler = httpserver.expect_request("/cgi-bin/agent/get")
    connection = connection_to(wecom, forms, base_url=httpserver.url_for(""), uses=["sign_in"])
    handler.respond_with_json(agent)
    assert faults(connection) == [("app", False, {"app": "行资"})]
    handler.respond_with_json(agent | {"close": 0})
    assert faults(connection) == []
    handler.respond_with_json(agent | {"close": 0, "redirect_domain": "other.example.com"})
    assert faults(connection) == [
        ("sign_in", False, {"domain": "other.example.com", "ours": "v.example.com:8443"})
    ]


def test_callback_keys_that_are_missing_or_malformed(connection: Connection) -> None:
    secrets = connection.secrets()
    without = {name: value for name, value in secrets.items() if name != "aes_key"}
    connection.seal(without)
    assert [one[0] for one in faults(connection)] == ["callback"]
    connection.seal({**secrets, "aes_key": secrets["aes_key"][:42]})
    assert [one[0] for one in faults(connection)] == ["callback"]
    connection.seal({**secrets, "contacts_aes_key": "short"})
    assert [one[0] for one in faults(connection)] == ["directory_events"]
    connection.seal({name: value for name, value in secrets.items() if not name.startswith("contacts")})
    assert faults(connection) == []  # the nightly run does without


def test_an_employee_number_that_cannot_be_read(connection: Connection, wecom: Running) -> None:
    wecom.set(exposes_extattr=False)
    assert faults(connection) == [("directory", False, {"attribute": "工号"})]
    connection.settings["number_attribute"] = ""
    assert faults(connection) == []


# Forms against their mapping


def test_a_control_the_form_lacks_and_one_nothing_fills(connection: Connection) -> None:
    fields = connection.settings["forms"]["expense_report"]["fields"]
    fields["reason"]["id"] = "Textarea-gone"
    assert faults(connection) == [
        ("form.expense_report", False, {"key": "Textarea-gone", "field": "reason"}),
        ("form.expense_report", False, {"label": "事由"}),
    ]


def test_a_control_whose_kind_changed_or_does_not_take_the_value(connection: Connection) -> None:
    fields = connection.settings["forms"]["expense_report"]["fields"]
    fields["period"]["type"] = "DateRange/hour"
    fields["attachments"] = dict(fields["applicant"])
    assert [(one["label"], one["type"], one["field"]) for _, _, one in faults(connection)] == [
        ("起止时间", "DateRange/halfday", "period"),
        ("申请人", "Contact/user", "attachments"),
    ]


def test_columns_that_came_and_went(connection: Connection) -> None:
    """A row must hold every column: one that is new breaks every form with lines."""
    lines = connection.settings["forms"]["expense_report"]["lines"]
    (gone,) = (cell for cell in lines["cells"] if cell["title"] == "说明")
    lines["cells"].remove(gone)
    lines["cells"].append({"id": "Text-old", "type": "Text", "title": "旧"})
    assert faults(connection) == [
        ("form.expense_report", False, {"label": "费用明细", "changed": "说明, Text-old"})
    ]


def test_options_that_are_gone(connection: Connection) -> None:
    category = connection.settings["forms"]["expense_report"]["lines"]["columns"]["category"]
    category["options"]["机票"] = "option-gone"
    assert faults(connection) == [
        ("form.expense_report", False, {"label": "费用类型", "gone": "option-gone"})
    ]


def test_a_flow_that_is_none(connection: Connection) -> None:
    connection.settings["forms"]["travel_request"]["flow"] = "mine"
    assert faults(connection) == [("form.travel_request", False, {"flow": "mine"})]


def test_a_template_that_is_gone(connection: Connection) -> None:
    connection.settings["forms"]["travel_request"]["template_id"] = "3TmGone"
    ((name, _, params),) = faults(connection)
    assert (name, params["code"], params["said_by"].partition(" ")[0]) == (
        "form.travel_request",
        "3TmGone",
        "301025",
    )


def test_a_mapping_that_is_no_mapping(connection: Connection) -> None:
    del connection.settings["forms"]["expense_report"]["fields"]["number"]
    ((name, _, params),) = faults(connection)
    assert (name, params["kind"], params["missing"]) == ("forms", "expense_report", "number")
