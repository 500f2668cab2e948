"""What an event names is read again, and merged alone; the rest is scheduled."""

from __future__ import annotations

from typing import Any

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from viatica.offices.company import hearing, jobs
from viatica.offices.company.directory import scheduling
from viatica.offices.company.directory.models import Scope
from viatica.offices.company.directory.queries import conflicts, runs
from viatica.offices.company.directory.running import changed
from viatica.offices.company.models import Department, DirectoryRun, Employee, OutsideIdentity, StagedMember
from viatica.offices.company.ports import DirectoryChange
from viatica.offices.company.tests.toy import AT, Office, lines, open_directory
from viatica.spine.outcomes import Done

pytestmark = pytest.mark.django_db


def hear(office: Office, **what: Any) -> DirectoryRun:
    outcome = changed(office.connection, DirectoryChange(**what), at=AT)
    assert isinstance(outcome, Done)
    return DirectoryRun.objects.get(pk=outcome.result["run"])


def person(number: str) -> Employee:
    return Employee.objects.select_related("department").get(number=number)


def test_only_who_is_named_is_read_and_changed(office: Office) -> None:
    office.first_sync()
    office.directory.changes("wang", title="经理", manager_userid="li")
    office.directory.changes("zhang", title="没有人说起")
    office.directory.asked.clear()

    run = hear(office, userids=("wang",))

    assert (run.scope, run.state, run.people, lines(run)) == ("part", "applied", 1, {"changed": {"wang"}})
    assert office.directory.asked == ["wang"]
    assert (person("E4").title, person("E4").manager) == ("经理", person("E2"))
    assert person("E3").title == ""
    assert not StagedMember.objects.exists()
    assert runs(office.connection, scope=Scope.FULL, most=9) == [DirectoryRun.objects.first()]


def test_repeated_event_changes_nothing_more(office: Office) -> None:
    office.first_sync()
    office.directory.changes("wang", title="经理")
    hear(office, userids=("wang",))

    assert lines(hear(office, userids=("wang",))) == {}
    assert person("E4").events.count() == 2  # type: ignore[attr-defined]  # the history of pghistory


def test_newcomer_brings_along_the_departments_nobody_knew(office: Office) -> None:
    office.first_sync()
    office.directory.department_is("30", "新事业部", "1")
    office.directory.department_is("31", "新组", "30", head="he")
    office.directory.member_is("he", "何", "31", number="E5", manager_userid="boss")

    run = hear(office, userids=("he",))

    assert lines(run) == {"added": {"he"}}
    assert lines(run, "department") == {"added": {"30", "31"}}
    he = person("E5")
    top = Department.objects.get(name="总部")
    assert he.department.path == f"/{top.pk}/{he.department.parent_id}/{he.department_id}/"
    assert (he.department.head, he.manager) == (he, person("E1"))
    assert office.sync().counts["person"] == {}


def test_who_left_is_deactivated_and_told_of(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "_left", [])
    heard: list[Any] = []
    hearing.on_left(lambda ids, at: heard.append(list(ids)))
    office.first_sync()
    office.directory.leaves("zhang")

    run = hear(office, userids=("zhang", "stranger"))

    assert lines(run) == {"gone": {"zhang"}}
    assert [one.number for one in Employee.objects.filter(is_active=False)] == ["E3"]
    assert heard == [[person("E3").pk]]


def test_department_is_renamed_moved_and_closed(office: Office) -> None:
    office.first_sync()
    office.directory.department_is("11", "基础平台组", "20")
    run = hear(office, department_ids=("11",))
    team = Department.objects.get(name="基础平台组")
    assert lines(run, "department") == {"moved": {"11"}}
    assert (team.parent, team.path) == (
        Department.objects.get(name="销售部"), f"{Department.objects.get(name='销售部').path}{team.pk}/",
    )  # fmt: skip
    assert Department.objects.filter(is_active=True).count() == 4

    del office.directory.here["11"]
    run = hear(office, department_ids=("11", "never-seen"))

    assert lines(run, "department") == {"gone": {"11"}}
    assert [one.name for one in Department.objects.filter(is_active=False)] == ["基础平台组"]
    assert person("E3").is_active


def test_managers_of_a_part_are_what_the_directory_shows_in_full_runs(office: Office) -> None:
    office.first_sync()
    office.directory.changes("zhang", manager_userid="")

    hear(office, userids=("zhang",))

    assert person("E3").manager is None


def test_changed_userid_in_an_event_asks_for_the_old_one_too(office: Office) -> None:
    office.first_sync()
    zhang = person("E3")
    office.directory.leaves("zhang")
    office.directory.member_is("zhang2", "张三", "11", number="E3", manager_userid="li")
    office.directory.asked.clear()

    run = hear(office, userids=("zhang2",))

    assert set(office.directory.asked) == {"zhang2", "zhang"}
    assert lines(run) == {"linked": {"zhang2"}}
    assert OutsideIdentity.objects.get(employee=zhang).userid == "zhang2"
    assert person("E3").is_active


def test_second_account_in_an_event_is_a_conflict_and_the_first_stays(office: Office) -> None:
    office.first_sync()
    office.directory.member_is("zhang2", "张三", "11", number="E3")

    run = hear(office, userids=("zhang2",))

    assert (lines(run), run.counts["conflicts"]) == ({}, 1)
    assert [one.userid for one in conflicts(office.connection, most=9)] == ["zhang2"]
    assert OutsideIdentity.objects.get(employee=person("E3")).userid == "zhang"

    office.directory.leaves("zhang2")
    hear(office, userids=("wang",))
    assert [one.userid for one in conflicts(office.connection, most=9)] == ["zhang2"]
    hear(office, userids=("zhang2",))
    assert conflicts(office.connection, most=9) == []


def test_nothing_is_merged_before_somebody_said_yes(office: Office) -> None:
    office.sync()

    outcome = changed(office.connection, DirectoryChange(userids=("wang",)), at=AT)

    assert outcome == Done({"ignored": "the directory has not been applied yet"})
    assert not Employee.objects.exists()


def test_change_of_everything_is_one_full_run_however_often_it_is_heard(office: Office) -> None:
    first = changed(office.connection, DirectoryChange(everything=True), at=AT)
    again = changed(office.connection, DirectoryChange(everything=True), at=AT)

    assert (first, again) == (Done({"scheduled": True}), Done({"scheduled": False}))
    (job,) = ProcrastinateJob.objects.all()
    assert (job.task_name, job.args) == ("directory.sync", {"slug": "toy", "by": "system"})


def test_one_that_is_switched_off_is_read_only_when_a_person_asks(office: Office) -> None:
    office.first_sync()
    office.directory.changes("wang", title="经理")

    jobs.sync(slug="toy", by="employee:7")

    run = DirectoryRun.objects.order_by("-pk")[0]
    assert (run.started_by, run.state, lines(run)) == ("employee:7", "applied", {"changed": {"wang"}})

    office.connection.is_active = False
    office.connection.save()
    jobs.sync(slug="toy", by="system")
    jobs.sync(slug="nobody", by="employee:7")
    assert DirectoryRun.objects.count() == 2
    jobs.sync(slug="toy", by="employee:7")  # as on the way to switching it on
    assert DirectoryRun.objects.count() == 3


def test_every_night_each_directory_in_use_is_read_at_a_moment_of_its_own(office: Office) -> None:
    open_directory("toy-2")
    idle, _directory = open_directory("toy-3")
    idle.uses = ["approval"]
    idle.save()

    jobs.sync_every_night(0)
    jobs.sync_every_night(0)

    planned = ProcrastinateJob.objects.filter(task_name="directory.sync").order_by("id")
    assert [job.args["slug"] for job in planned] == ["toy", "toy-2"]
    assert len({job.scheduled_at for job in planned}) == 2
    assert scheduling.sync_soon("toy", by="employee:7")
