"""The command as anybody starts it: one line of facts, then a server, then a clean end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from simulators.feishu.__main__ import main
from simulators.feishu.testing import Running, running
from simulators.feishu.tests.wire import Wire

ROOT = Path(__file__).parents[3]


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "simulators.feishu", "--json", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def end(process: subprocess.Popen[str], number: int) -> tuple[int, str]:
    process.send_signal(number)
    _, errors = process.communicate(timeout=10)
    return process.returncode, errors


def test_the_first_line_is_all_a_client_needs() -> None:
    with started("--port", "0", "--latency", "1") as (process, facts):
        assert facts["control_url"].startswith(facts["base_url"])
        assert set(facts["approval_codes"]) == {"expense", "travel"}
        assert set(facts["forms"]) == set(facts["approval_codes"].values())
        expense = facts["forms"][facts["approval_codes"]["expense"]]
        assert {"name": "金额", "type": "amount"}.items() <= expense[3].items()
        assert all(facts[name] for name in ("app_id", "app_secret", "verification_token", "encrypt_key"))
        person = next(user for user in facts["users"] if user["user_id"] == "zhangsan")
        assert (person["name"], person["department_id"], person["open_id"][:3]) == ("张三", "D11", "ou_")
        Wire(Running(facts)).create()
        assert len(Running(facts).instances()) == 1
        assert end(process, signal.SIGTERM) == (0, "")


def test_state_survives_a_restart(tmp_path: Path) -> None:
    state = str(tmp_path / "feishu.state")
    with started("--state", state, "--seed", "5") as (process, facts):
        before = Running(facts)
        instance_id = Wire(before).create(uuid="kept")
        before.subscribe("expense")
        assert end(process, signal.SIGINT) == (0, "")
    with started("--state", state, "--seed", "5") as (process, again):
        assert again["app_id"] == facts["app_id"]
        after = Running(again)
        assert after.instance("kept")["status"] == "PENDING"
        assert len(after.control("GET", "/subscriptions")["approval_codes"]) == 1
        after.decide(instance_id)
        second = Wire(after).create()
        ids = [task["id"] for key in (instance_id, second) for task in after.instance(key)["tasks"]]
        assert len(set(ids)) == 3


def test_an_organisation_of_ones_own() -> None:
    org = {"departments": [], "users": [{"user_id": "solo", "name": "独行"}]}
    with running(org=org) as feishu:
        assert [user["user_id"] for user in feishu.facts["users"]] == ["solo"]


@pytest.mark.parametrize("content", ["{", '{"users": [{"user_id": "x"}]}'])
def test_a_broken_organisation_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    org = tmp_path / "org.json"
    org.write_text(content)
    assert main(["--org", str(org)]) == 1
    assert "cannot start" in capsys.readouterr().err


def test_it_knows_nothing_of_the_product() -> None:
    code = (
        "import sys, simulators.feishu.__main__, simulators.feishu.testing; "
        "print([name for name in sys.modules if name.split('.')[0] in ('viatica', 'django')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stdout.strip() == "[]"
