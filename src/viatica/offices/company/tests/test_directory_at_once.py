"""Two at once, and death in the middle."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection

from viatica.kernel.errors import ViaticaError
from viatica.offices.company import hearing, jobs
from viatica.offices.company.directory.errors import Busy, StagingLost
from viatica.offices.company.directory.running import apply, changed, sync
from viatica.offices.company.models import DirectoryRun, Employee, OutsideIdentity, StagedMember
from viatica.offices.company.ports import DirectoryChange, OutsideMember
from viatica.offices.company.tests.toy import AT, Office, lines, open_directory
from viatica.spine.models import Issue
from viatica.spine.outcomes import Later

pytestmark = pytest.mark.django_db(transaction=True)


def elsewhere(call: Callable[[], Any]) -> Any:
    """On a connection of its own to the database."""

    def run() -> Any:
        try:
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


@pytest.fixture
def slow(
    real_office: Office, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[threading.Event, threading.Event]]:
    """A directory that stops half-way: (it has begun, go on)."""
    begun, go_on = threading.Event(), threading.Event()
    people = list(real_office.directory.people.values())

    def members() -> Iterator[OutsideMember]:
        yield people[0]
        begun.set()
        assert go_on.wait(20)
        yield from people[1:]

    monkeypatch.setattr(real_office.directory, "members", members)
    yield begun, go_on
    go_on.set()


def test_two_runs_of_one_connection_never_go_at_once(
    real_office: Office, slow: tuple[threading.Event, threading.Event]
) -> None:
    begun, go_on = slow
    result: list[DirectoryRun] = []
    first = threading.Thread(target=lambda: result.append(elsewhere(real_office.sync)))
    first.start()
    assert begun.wait(20)

    with pytest.raises(Busy):
        real_office.sync()
    with pytest.raises(Busy):
        jobs.sync(slug="toy", by="system")
    other, directory = open_directory("toy-2")
    directory.department_is("1", "别处")
    directory.member_is("a", "甲", "1")
    assert sync(other, by="system", via="worker", at=AT).state == "staged"

    go_on.set()
    first.join(20)
    assert [run.state for run in result] == ["staged"]
    assert DirectoryRun.objects.filter(connection=real_office.connection).count() == 1


def test_event_waits_for_the_run_under_way_and_so_does_a_yes(
    real_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_office.first_sync()
    begun, go_on = threading.Event(), threading.Event()
    everybody = real_office.directory.people

    def members() -> Iterator[OutsideMember]:
        begun.set()
        assert go_on.wait(20)
        yield from list(everybody.values())

    monkeypatch.setattr(real_office.directory, "members", members)
    waiting = DirectoryRun.objects.create(
        connection=real_office.connection, state="staged", started_by="system", started_at=AT
    )
    first = threading.Thread(target=lambda: elsewhere(real_office.sync))
    first.start()
    assert begun.wait(20)

    assert isinstance(changed(real_office.connection, DirectoryChange(userids=("wang",)), at=AT), Later)
    with pytest.raises(Busy):
        apply(waiting.pk, by="employee:7", via="api", at=AT)

    go_on.set()
    first.join(20)
    real_office.directory.changes("wang", title="经理")
    changed(real_office.connection, DirectoryChange(userids=("wang",)), at=AT)
    assert Employee.objects.get(number="E4").title == "经理"


def test_two_yeses_at_once_merge_once(real_office: Office) -> None:
    run = real_office.sync()

    def say_yes() -> str:
        try:
            return str(apply(run.pk, by="employee:7", via="api", at=AT).state)
        except ViaticaError as error:
            return type(error).__name__

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(lambda _: elsewhere(say_yes), range(4)))

    assert answers.count("applied") == 1
    assert set(answers) <= {"applied", "Busy", "NotWaiting"}
    assert (Employee.objects.count(), OutsideIdentity.objects.count()) == (4, 4)


def test_merge_that_dies_leaves_nothing_behind_and_is_done_again(
    real_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Death comes at the last moment: all is written, nothing is committed."""
    real_office.first_sync()
    monkeypatch.setattr(hearing, "_left", [])
    here = Employee.objects.get(number="E3")
    real_office.directory.leaves("zhang")
    real_office.directory.member_is("he", "何", "20", number="E5")

    def die(_ids: Any, _at: Any) -> None:
        with psycopg.connect(_address()) as line:
            line.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])

    hearing.on_left(die)
    with pytest.raises(OperationalError):
        elsewhere(real_office.sync)

    here.refresh_from_db()
    assert here.is_active
    assert not Employee.objects.filter(number="E5").exists()
    dead = DirectoryRun.objects.order_by("-pk")[0]
    assert (dead.state, dead.problem_code) == ("failed", "company.directory_broke_off")

    monkeypatch.setattr(hearing, "_left", [])
    run = elsewhere(real_office.sync)

    assert (run.state, lines(run)) == ("applied", {"gone": {"zhang"}, "added": {"he"}})
    assert not StagedMember.objects.exists()
    assert not Issue.objects.filter(closed_at=None).exists()


def _address() -> str:
    settings = connection.settings_dict
    return psycopg.conninfo.make_conninfo(
        dbname=settings["NAME"], user=settings["USER"], host=settings["HOST"], port=settings["PORT"],
        password=settings["PASSWORD"],
    )  # fmt: skip


def test_run_that_died_while_it_read_is_buried_by_the_next(real_office: Office) -> None:
    real_office.first_sync()
    dead = DirectoryRun.objects.create(connection=real_office.connection, started_by="system", started_at=AT)
    StagedMember.objects.create(run=dead, userid="half")

    run = real_office.sync()

    assert run.state == "applied"
    dead.refresh_from_db()
    assert dead.state == "failed"
    assert not StagedMember.objects.exists()


def test_yes_to_a_run_whose_reading_is_lost_is_refused(real_office: Office) -> None:
    run = real_office.sync()
    StagedMember.objects.filter(run=run).delete()

    with pytest.raises(StagingLost):
        apply(run.pk, by="employee:7", via="api", at=AT)

    run.refresh_from_db()
    assert (run.state, Employee.objects.count()) == ("staged", 0)


def test_run_lets_go_of_its_connection_however_it_ends(
    real_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Iterator[OutsideMember]:
        raise KeyError("a field that was always there")
        yield

    monkeypatch.setattr(real_office.directory, "members", broken)
    with pytest.raises(KeyError):
        real_office.sync()
    monkeypatch.undo()

    failed = DirectoryRun.objects.get()
    assert (failed.state, failed.problem_code) == ("failed", "company.directory_broke_off")
    assert elsewhere(real_office.sync).state == "staged"
