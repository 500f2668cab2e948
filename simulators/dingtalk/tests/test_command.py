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

from simulators.dingtalk.testing import Running
from simulators.dingtalk.tests import test_centre
from simulators.dingtalk.tests.official import Official

ROOT = Path(__file__).parents[3]


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "simulators.dingtalk", "--json", *arguments],
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
        assert facts["base_url"] == facts["oapi_base_url"]
        assert facts["control_url"].startswith(facts["base_url"])
        expense = facts["forms"][facts["process_codes"]["expense"]]
        assert {"name": "金额（元）", "component_type": "MoneyField"}.items() <= expense[3].items()
        assert set(facts["forms"]) == set(facts["process_codes"].values())
        person = next(user for user in facts["users"] if user["userid"] == "zhangsan")
        assert (person["name"], person["dept_id"]) == ("张三", 11)
        official = Official(Running(facts))
        official.create()
        assert len(Running(facts).instances()) == 1
        assert facts["push_mode"] == "http"
        assert end(process, signal.SIGTERM) == (0, "")


def test_state_survives_a_restart(tmp_path: Path) -> None:
    state = str(tmp_path / "dingtalk.state")
    with started("--state", state, "--seed", "5") as (process, facts):
        before = Running(facts)
        before.set(push_mode="stream")
        before.set_data_source("http://127.0.0.1:9/pressed")
        before.leave("xujia")
        instance_id = Official(before).create()
        centre = Official(before)
        shown = test_centre.create(centre, test_centre.template(centre))
        assert end(process, signal.SIGINT) == (0, "")
    with started("--state", state, "--seed", "5") as (process, again):
        assert again["app_key"] == facts["app_key"]
        after = Running(again)
        assert after.instance(instance_id)["status"] == "RUNNING"
        after.decide(instance_id)
        second = Official(after).create()
        ids = [task["id"] for key in (instance_id, second) for task in after.instance(key)["tasks"]]
        assert len(set(ids)) == 3
        assert again["push_mode"] == "stream"
        assert "xujia" not in [user["userid"] for user in again["users"]]
        assert [row["id"] for row in after.centre_instances()] == [shown]
        test_centre.ask(Official(after), shown, "wangkai")


def test_an_organisation_of_ones_own(tmp_path: Path) -> None:
    org = tmp_path / "org.json"
    org.write_text(json.dumps({"departments": [], "users": [{"userid": "solo", "name": "独行"}]}), "utf-8")
    with started("--org", str(org)) as (_, facts):
        assert [user["userid"] for user in facts["users"]] == ["solo"]


@pytest.mark.parametrize("content", ["{", '{"users": [{"userid": "x"}]}'])
def test_a_broken_organisation_is_named(tmp_path: Path, content: str) -> None:
    org = tmp_path / "org.json"
    org.write_text(content)
    done = subprocess.run(
        [sys.executable, "-m", "simulators.dingtalk", "--org", str(org)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert "cannot start" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_knows_nothing_of_the_product() -> None:
    code = (
        "import sys, simulators.dingtalk.__main__, simulators.dingtalk.testing; "
        "print([name for name in sys.modules if name.split('.')[0] in ('viatica', 'django')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stdout.strip() == "[]"
