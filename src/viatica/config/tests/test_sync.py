"""`viatica sync`: says what differs, merges what may be merged, and exits 1 for what was refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from viatica.config.command import _parser
from viatica.config.outside import sync
from viatica.offices.company.models import DirectoryRun, Employee
from viatica.offices.company.tests.toy import Office, open_directory, open_office
from viatica.spine.models import Connection

pytestmark = pytest.mark.django_db


@pytest.fixture
def office() -> Office:
    return open_office()


def run(*arguments: str) -> int:
    return sync(_parser().parse_args(["sync", *arguments]))


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = run(*arguments, "--json")
    return code, json.loads(capsys.readouterr().out.splitlines()[-1])  # after what is logged


def test_first_run_is_shown_and_applied_only_when_asked_to(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("toy") == 0
    shown = capsys.readouterr().out
    assert "等待确认 · waits for a yes：4 个部门 departments，4 人 people" in shown
    assert "人员 people       新增 added 4" in shown
    assert "+ 张三 (zhang)  平台组" in shown
    assert "viatica sync toy --apply" in shown
    assert not Employee.objects.exists()

    assert run("toy", "--apply") == 0

    assert "已应用 · applied" in capsys.readouterr().out
    assert Employee.objects.count() == 4
    (first, applied) = DirectoryRun.objects.order_by("pk")
    assert (first.state, applied.state) == ("discarded", "applied")
    assert applied.ended_by.startswith("cli:")


def test_later_run_is_applied_and_says_what_it_changed(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    office.first_sync()
    office.directory.changes("wang", title="经理")
    office.directory.leaves("zhang")

    code, said = answer(capsys)

    assert (code, said["ok"]) == (0, True)
    (one,) = said["connections"]
    assert (one["connection"], one["state"], one["people"]) == ("toy", "applied", 3)
    assert one["counts"]["person"] == {"changed": 1, "gone": 1}
    assert [(line["kind"], line["id"], line["changes"]) for line in one["differences"]] == [
        ("changed", "wang", {"title": ["", "经理"]}), ("gone", "zhang", {}),
    ]  # fmt: skip
    assert run() == 0
    assert "无变化 nothing differs" in capsys.readouterr().out


def test_refused_run_exits_1_with_the_numbers_and_apply_merges_it_by_name(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(20):
        office.directory.member_is(f"u{number}", f"员工{number}", "20", number=f"N{number}")
    office.first_sync()
    for number in range(6):
        office.directory.leaves(f"u{number}")

    code, said = answer(capsys, "toy")
    assert (code, said["ok"]) == (1, False)
    problem = said["connections"][0]["problem"]
    assert problem["code"] == "company.directory_too_many_gone"
    assert "6" in problem["said"] and "24" in problem["said"] and "5" in problem["said"]
    assert Employee.objects.filter(is_active=True).count() == 24

    assert run("toy", "--apply") == 0
    assert Employee.objects.filter(is_active=True).count() == 18


def test_directory_that_breaks_off_exits_1_even_with_apply(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    office.first_sync()
    office.directory.breaks_after = 2

    code, said = answer(capsys, "toy", "--apply")

    assert (code, said["connections"][0]["state"]) == (1, "failed")
    assert said["connections"][0]["problem"]["code"] == "outside.unavailable"
    assert Employee.objects.filter(is_active=True).count() == 4


def test_empty_directory_exits_1_even_with_apply(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    office.first_sync()
    office.directory.people.clear()

    code, said = answer(capsys, "toy", "--apply")

    assert (code, said["connections"][0]["problem"]["code"]) == (1, "company.directory_empty")
    assert Employee.objects.filter(is_active=True).count() == 4


def test_without_a_name_only_those_used_for_the_directory_are_read(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    idle, _directory = open_directory("toy-2")
    idle.uses = ["messages"]
    idle.save()
    Connection.objects.create(slug="bus", kind="bus-of-no-people", name="总线", uses=["directory"])

    code, said = answer(capsys)

    assert code == 0
    assert [(one["connection"], one["has_directory"]) for one in said["connections"]] == [
        ("bus", False),
        ("toy", True),
    ]
    assert run("bus") == 0
    assert "没有通讯录 · has no directory" in capsys.readouterr().out


def test_unknown_connection_exits_1(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("nobody") == 1
    assert "no such connection: nobody" in capsys.readouterr().err
