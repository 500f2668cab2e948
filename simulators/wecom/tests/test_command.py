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

from simulators.wecom.testing import Running
from simulators.wecom.tests.client import Api

ROOT = Path(__file__).parents[3]


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "simulators.wecom", "--json", *arguments],
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
        assert set(facts["template_ids"]) == {"expense", "travel"}
        assert set(facts["forms"]) == set(facts["template_ids"].values())
        expense = facts["forms"][facts["template_ids"]["expense"]]
        assert {"control": "Money", "title": "金额（元）"}.items() <= expense[3].items()
        assert all(row["id"].startswith(f"{row['control']}-") for row in expense)
        person = next(user for user in facts["users"] if user["userid"] == "zhangsan")
        assert (person["name"], person["department"]) == ("张三", 11)
        assert (len(facts["aes_key"]), len(facts["contacts_aes_key"])) == (43, 43)
        assert {"corp_id", "agent_id", "secret", "token"} <= set(facts)
        Api(Running(facts)).apply()
        assert len(Running(facts).instances()) == 1
        assert end(process, signal.SIGTERM) == (0, "")


def test_state_survives_a_restart(tmp_path: Path) -> None:
    state = str(tmp_path / "wecom.state")
    with started("--state", state, "--seed", "5") as (process, facts):
        sp_no = Api(Running(facts)).apply()
        Running(facts).start_engine("BX-1", "zhangsan")
        Running(facts).set_callback("http://127.0.0.1:9/hooks", check=False)
        assert end(process, signal.SIGINT) == (0, "")
    with started("--state", state, "--seed", "5") as (_, again):
        assert again["secret"] == facts["secret"]
        after = Running(again)
        assert after.instance(sp_no)["status"] == "RUNNING"
        assert after.control("GET", "/callback")["url"] == "http://127.0.0.1:9/hooks"
        after.decide(sp_no)
        after.decide("BX-1")
        assert Api(after).apply() == str(int(sp_no) + 1)


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
        [sys.executable, "-m", "simulators.wecom", "--org", str(org)],
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
        "import sys, simulators.wecom.__main__, simulators.wecom.testing; "
        "print([name for name in sys.modules if name.split('.')[0] in ('viatica', 'django')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stdout.strip() == "[]"
