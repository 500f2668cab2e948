"""The verbs an operator types, and scheduled jobs."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest
from django.db import connection as database
from django.db import transaction
from procrastinate.contrib.django.models import ProcrastinateJob

from viatica.kernel import clock
from viatica.spine import bell, command, jobs, outbox, reconcile, relay
from viatica.spine.models import Connection, IdempotencyKey, OutboxMessage, State
from viatica.spine.tests.conftest import a_connection
from viatica.spine.tests.toy.handles import SOURCES, until


def typed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_commands(parser.add_subparsers())
    return parser.parse_args(words)


def run(*words: str) -> int:
    args = typed(*words)
    code: int = args.run(args)
    return code


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return answer


def parked(connection: Connection) -> int:
    put_id = outbox.put(
        kind="unheard of", lane="x:1", payload={}, at=clock.now(), connection_id=connection.pk
    )
    relay.drain()
    return put_id


@pytest.mark.django_db
def test_replay_lists_and_then_sends(capsys: pytest.CaptureFixture[str]) -> None:
    put_id = parked(a_connection())
    assert run("replay", "--dry-run", "--json") == 0
    answer = said(capsys)
    assert [one["id"] for one in answer["messages"]] == [put_id]
    assert not answer["replayed"]
    assert OutboxMessage.objects.get().state == State.PARKED
    assert run("replay", "--connection", "toy", str(put_id)) == 0
    assert OutboxMessage.objects.get().state == State.WAITING


@pytest.mark.django_db
def test_replay_names_what_is_not_parked_and_what_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    parked(a_connection())
    assert run("replay", "999999999", "--json") == 1
    assert said(capsys)["not_parked"] == [999999999]
    assert run("replay", "--connection", "nobody") == 1
    assert "Known: toy." in capsys.readouterr().err
    assert run("replay", "--since", "2999-01-01") == 0
    assert OutboxMessage.objects.get().state == State.PARKED


@pytest.mark.django_db
def test_reconcile_tells_drift_by_its_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    a_connection()
    drift: list[reconcile.Drift] = []
    monkeypatch.setattr(
        reconcile, "_reconcilers", {"toy": lambda one, at: reconcile.ReconcileReport("", 3, [], drift)}
    )
    assert run("reconcile") == 0
    assert capsys.readouterr().out.endswith("toy: 3 compared, 0 healed, 0 unhealed\n")
    drift.append(reconcile.Drift("expense_report:42", "in_approval", "gone", "status"))
    assert run("reconcile", "--json") == 1
    assert said(capsys)["reports"][0]["unhealed"][0]["ref"] == "expense_report:42"


@pytest.mark.django_db(transaction=True)
def test_the_clerk_runs_a_job_deferred_in_a_transaction_and_stops_cleanly() -> None:
    IdempotencyKey.objects.create(owner="o", key="k", fingerprint="f", at=clock.now().replace(year=2020))
    clerk = jobs.Clerk()
    clerk.start()
    try:
        with transaction.atomic():
            prune: Any = jobs.prune
            prune.defer(timestamp=0)
        until(lambda: not IdempotencyKey.objects.exists())
        until(lambda: not ProcrastinateJob.objects.filter(task_name="spine.prune").exists())
    finally:
        clerk.stop()
        clerk.join(20)
    assert not clerk.is_alive()


def test_a_clerk_stopped_before_it_began_ends() -> None:
    clerk = jobs.Clerk()
    clerk.stop()
    clerk.start()
    clerk.join(20)
    assert not clerk.is_alive()


@pytest.mark.django_db(transaction=True)
def test_the_worker_process_delivers_and_ends_on_sigterm() -> None:
    parts = database.settings_dict
    url = f"dbname='{parts['NAME']}' user='{parts['USER']}' host='{parts['HOST']}' port='{parts['PORT']}'"
    if parts["PASSWORD"]:
        url += f" password='{parts['PASSWORD']}'"
    code = (
        "import django; django.setup(); import argparse;"
        "from viatica.spine import command; raise SystemExit(command.worker(argparse.Namespace()))"
    )
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "PYTHONPATH": f"{SOURCES}:{os.environ.get('PYTHONPATH', '')}",
    }
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE)
    try:
        outbox.put(kind="unheard of", lane="x:1", payload={}, at=clock.now())
        until(lambda: OutboxMessage.objects.get().state == State.PARKED)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, errors.decode()


@pytest.mark.django_db(transaction=True)
def test_rings_become_one_and_a_child_process_gets_its_own_ringer() -> None:
    bell.ring()
    ours = bell._ringer()
    assert bell._ringer() is ours
    assert [thread.name for thread in threading.enumerate()].count("viatica-bell") == 1
