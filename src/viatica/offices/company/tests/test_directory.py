"""The directory made true here: what is read, shown and merged, and what is left alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from viatica.kernel.errors import NotFound
from viatica.offices.company import hearing
from viatica.offices.company.directory.errors import NotWaiting
from viatica.offices.company.directory.models import Kind, RunState, Subject
from viatica.offices.company.directory.queries import differences, run_of, runs
from viatica.offices.company.directory.running import apply, discard, prune, sync
from viatica.offices.company.models import (
    Department,
    DepartmentIdentity,
    DirectoryDifference,
    DirectoryRun,
    Employee,
    Grade,
    LegalEntity,
    OutsideIdentity,
    StagedDepartment,
    StagedMember,
)
from viatica.offices.company.ports import NoDirectory
from viatica.offices.company.tests.toy import AT, Office, lines, open_directory
from viatica.spine.models import Connection, Fact, Issue

pytestmark = pytest.mark.django_db


def person(number: str) -> Employee:
    return Employee.objects.select_related("department", "entity").get(number=number)


def department(name: str) -> Department:
    return Department.objects.select_related("parent", "entity", "head").get(name=name)


def changes(run: DirectoryRun, outside_id: str, subject: str = "person") -> Any:
    return (
        DirectoryDifference.objects.exclude(kind="linked")
        .get(run=run, subject=subject, outside_id=outside_id)
        .changes
    )


def everything() -> Any:
    """All that a sync may write, as it stands."""
    return [
        list(model.objects.order_by("pk").values())
        for model in (Department, Employee, OutsideIdentity, DepartmentIdentity)
    ]


# The first run


def test_first_run_waits_for_a_yes_and_then_makes_everybody(office: Office) -> None:
    run = office.sync()

    assert (run.state, run.departments, run.people) == ("staged", 4, 4)
    assert run.counts["person"] == {"added": 4}
    assert run.counts["department"] == {"added": 4}
    assert not Employee.objects.exists()
    assert not Department.objects.exists()

    apply(run.pk, by="employee:7", via="api", at=AT)

    run.refresh_from_db()
    assert (run.state, run.ended_by) == ("applied", "employee:7")
    boss, li, zhang, wang = Employee.objects.order_by("number")
    assert (zhang.number, zhang.name, zhang.mobile, zhang.manager) == ("E3", "张三", "+86 138-0000-0003", li)
    assert (li.title, li.manager, boss.manager, wang.email) == ("总监", boss, None, "wang@example.com")
    assert {one.grade.code for one in (boss, li, zhang, wang)} == {"P4"}
    assert {one.entity for one in (boss, li, zhang, wang)} == {office.entity}
    team, research, top = (department(name) for name in ("平台组", "研发部", "总部"))
    assert (zhang.department, team.parent, research.parent, top.parent) == (team, research, top, None)
    assert team.path == f"/{top.pk}/{research.pk}/{team.pk}/"
    assert (team.head, research.head, top.head) == (None, li, boss)
    assert set(OutsideIdentity.objects.values_list("userid", "employee__number", "dept_id")) == {
        ("boss", "E1", "1"), ("li", "E2", "10"), ("zhang", "E3", "11"), ("wang", "E4", "20"),
    }  # fmt: skip
    assert DepartmentIdentity.objects.count() == 4
    assert not StagedMember.objects.exists()
    assert not StagedDepartment.objects.exists()
    (fact,) = Fact.objects.filter(fact="directory.applied")
    assert (fact.ref_kind, fact.ref_key, fact.actor, fact.via) == ("connection", "toy", "employee:7", "api")


def test_second_run_finds_nothing_and_applies_itself(office: Office) -> None:
    office.first_sync()
    before = everything()

    run = office.sync()

    assert (run.state, run.ended_by) == ("applied", "system")
    assert (run.counts["person"], run.counts["department"]) == ({}, {})
    assert not DirectoryDifference.objects.filter(run=run).exists()
    assert everything() == before


def test_first_run_recognises_people_by_number_and_by_mobile_and_keeps_what_is_ours(office: Office) -> None:
    ours = Department.objects.create(name="研发部", entity=office.entity)
    grade = Grade.objects.get(code="P9")
    by_number = Employee.objects.create(
        number="E2", name="李四", entity=office.entity, department=ours, grade=grade, bank_name="招商银行", bank_account="6225"
    )  # fmt: skip
    by_mobile = Employee.objects.create(
        number="ALT-3", name="张三", entity=office.entity, department=ours, grade=grade, mobile="0086 13800000003"
    )  # fmt: skip

    run = office.sync()
    assert lines(run) == {
        "added": {"boss", "wang"},
        "moved": {"zhang"},
        "changed": {"li"},
        "linked": {"li", "zhang"},
    }
    assert lines(run, "department") == {"added": {"1", "11", "20"}, "moved": {"10"}, "linked": {"10"}}
    assert changes(run, "zhang") == {
        "number": ["ALT-3", "E3"], "department": ["研发部", "平台组"], "manager": ["", "李四"],
    }  # fmt: skip
    assert changes(run, "li") == {
        "title": ["", "总监"],
        "mobile": ["", "13800000002"],
        "manager": ["", "周总"],
    }
    apply(run.pk, by="employee:7", via="api", at=AT)

    by_number.refresh_from_db()
    by_mobile.refresh_from_db()
    assert (by_number.grade, by_number.bank_account, by_number.department) == (grade, "6225", ours)
    assert (by_mobile.number, by_mobile.mobile, by_mobile.grade) == ("E3", "0086 13800000003", grade)
    ours.refresh_from_db()
    assert ours.parent == department("总部")
    assert Employee.objects.count() == 4


def test_department_is_found_again_below_its_parent_when_its_name_is_common(office: Office) -> None:
    office.directory.department_is("12", "综合组", "10")
    office.directory.department_is("22", "综合组", "20")
    research = Department.objects.create(name="研发部", entity=office.entity)
    sales = Department.objects.create(name="销售部", entity=office.entity)
    common = [
        Department.objects.create(name="综合组", entity=office.entity, parent=one)
        for one in (research, sales)
    ]

    office.first_sync()

    linked = dict(DepartmentIdentity.objects.values_list("outside_id", "department_id"))
    assert [linked["12"], linked["22"]] == [one.pk for one in common]
    assert Department.objects.filter(name="综合组").count() == 2


# Later runs


def test_run_changes_what_the_directory_says_and_nothing_it_does_not_say(office: Office) -> None:
    office.first_sync()
    Employee.objects.filter(number="E4").update(bank_account="6225", title="客户经理")
    office.directory.changes("wang", name="王武", mobile="13900000004", email="", title="")

    run = office.sync()

    assert lines(run) == {"changed": {"wang"}}
    assert changes(run, "wang") == {"name": ["王五", "王武"], "mobile": ["13800000004", "13900000004"]}
    wang = person("E4")
    assert (wang.name, wang.mobile, wang.email, wang.title, wang.bank_account) == (
        "王武", "13900000004", "wang@example.com", "客户经理", "6225",
    )  # fmt: skip


def test_manager_and_head_are_taken_away_where_the_directory_shows_such_things(office: Office) -> None:
    office.first_sync()
    office.directory.changes("zhang", manager_userid="")
    office.directory.department_is("10", "研发部", "1")

    run = office.sync()

    assert changes(run, "zhang") == {"manager": ["李四", ""]}
    assert changes(run, "10", "department") == {"head": ["李四", ""]}
    assert person("E3").manager is None
    assert department("研发部").head is None


def test_managers_and_heads_stay_where_the_directory_never_shows_any(office: Office) -> None:
    office.first_sync()
    for userid in office.directory.people:
        office.directory.changes(userid, manager_userid="")
    for department_id, one in list(office.directory.here.items()):
        office.directory.department_is(department_id, one.name, one.parent_id)

    run = office.sync()

    assert (run.counts["person"], run.counts["department"]) == ({}, {})
    assert person("E3").manager == person("E2")
    assert department("研发部").head == person("E2")


def test_who_is_gone_is_deactivated_told_of_and_comes_back(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing, "_left", [])
    heard: list[Any] = []
    hearing.on_left(lambda ids, at: heard.append((list(ids), at)))
    office.first_sync()
    zhang = person("E3")
    away = office.directory.people["zhang"]
    office.directory.leaves("zhang")

    run = office.sync()

    assert lines(run) == {"gone": {"zhang"}}
    zhang.refresh_from_db()
    assert (zhang.is_active, zhang.name, Employee.objects.count()) == (False, "张三", 4)
    assert OutsideIdentity.objects.filter(employee=zhang).exists()
    assert heard == [([zhang.pk], AT)]

    office.directory.people["zhang"] = away
    run = office.sync()

    assert lines(run) == {"back": {"zhang"}}
    zhang.refresh_from_db()
    assert zhang.is_active
    assert len(heard) == 1


def test_member_marked_inactive_is_gone_and_a_new_one_is_not_made(office: Office) -> None:
    office.first_sync()
    office.directory.changes("zhang", is_active=False)
    office.directory.member_is("ghost", "鬼", number="E9", is_active=False)

    run = office.sync()

    assert lines(run) == {"gone": {"zhang"}}
    assert not Employee.objects.filter(number="E9").exists()


def test_nobody_unknown_to_the_directory_is_touched(office: Office) -> None:
    kept = Department.objects.create(name="临时项目组", entity=office.entity)
    outsider = Employee.objects.create(
        number="X1", name="外包", entity=office.entity, department=kept, grade=Grade.objects.get(code="P4")
    )
    before = Employee.objects.filter(pk=outsider.pk).values().get()

    office.first_sync()
    office.sync()

    assert Employee.objects.filter(pk=outsider.pk).values().get() == before
    assert Department.objects.get(pk=kept.pk).is_active


def test_departments_are_renamed_moved_closed_and_opened_again(office: Office) -> None:
    office.first_sync()
    office.directory.department_is("10", "研发中心", "1", head="li")
    office.directory.department_is("11", "平台组", "20")
    closed = office.directory.here.pop("20")
    office.directory.department_is("21", "市场部", "1")
    office.directory.changes("wang", department_ids=("21",))

    run = office.sync()

    assert lines(run, "department") == {"added": {"21"}, "renamed": {"10"}, "moved": {"11"}, "gone": {"20"}}
    # Its new parent cannot be seen any more: it stands at the top.
    assert changes(run, "11", "department") == {"parent": ["研发部", ""]}
    team = department("平台组")
    assert (team.parent, team.path) == (None, f"/{team.pk}/")
    assert not department("销售部").is_active
    assert person("E4").department == department("市场部")

    office.directory.here["20"] = closed
    run = office.sync()

    assert lines(run, "department") == {"back": {"20"}, "moved": {"11"}}
    sales = department("销售部")
    assert sales.is_active
    assert department("平台组").path == f"/{department('总部').pk}/{sales.pk}/{team.pk}/"


def test_paths_below_a_moved_department_follow_even_those_nobody_over_there_knows(office: Office) -> None:
    office.first_sync()
    research = department("研发部")
    own = Department.objects.create(name="自建组", entity=office.entity, parent=research)
    office.directory.department_is("10", "研发部", "20", head="li")

    office.sync()

    own.refresh_from_db()
    top, sales = department("总部"), department("销售部")
    assert own.path == f"/{top.pk}/{sales.pk}/{research.pk}/{own.pk}/"


def test_ring_of_departments_stands_at_the_top(office: Office) -> None:
    office.directory.department_is("30", "甲", "31")
    office.directory.department_is("31", "乙", "30")

    office.first_sync()

    assert (department("甲").parent, department("乙").parent) == (None, None)


def test_person_in_a_department_nobody_can_see_is_placed_by_the_next(office: Office) -> None:
    office.first_sync()
    office.directory.member_is("he", "何", number="E5")
    office.directory.changes("he", department_ids=("404", "20"))
    office.directory.member_is("lin", "林", number="E6")
    office.directory.changes("lin", department_ids=())

    office.sync()

    assert person("E5").department.name == "销售部"
    assert person("E6").department.name == "总部"


def test_person_without_a_number_gets_the_userid_and_keeps_a_number_given_here(office: Office) -> None:
    office.first_sync()
    office.directory.member_is("ou_" + "a" * 40, "何", "20")
    office.sync()
    he = Employee.objects.get(name="何")
    assert he.number == "ou_" + "a" * 40

    Employee.objects.filter(pk=he.pk).update(number="E55")
    run = office.sync()

    assert run.counts["person"] == {}
    he.refresh_from_db()
    assert he.number == "E55"


def test_changed_userid_is_recognised_by_the_number_and_put_right(office: Office) -> None:
    office.first_sync()
    zhang = person("E3")
    office.directory.leaves("zhang")
    office.directory.member_is("zhang2", "张三", "11", number="E3", manager_userid="li")

    run = office.sync()

    assert lines(run) == {"linked": {"zhang2"}}
    identity = OutsideIdentity.objects.get(connection=office.connection, employee=zhang)
    assert identity.userid == "zhang2"
    assert person("E3").is_active


def test_userid_of_another_case_is_the_same_person(office: Office) -> None:
    office.first_sync()
    office.directory.leaves("zhang")
    office.directory.member_is("ZhangSan", "张三", "11", manager_userid="LI")
    OutsideIdentity.objects.filter(userid="zhang").update(userid="zhangsan")

    run = office.sync()

    assert lines(run) == {"linked": {"ZhangSan"}}
    assert person("E3").manager == person("E2")


def test_long_names_and_rare_signs_are_kept_as_far_as_they_fit(office: Office) -> None:
    office.directory.member_is("rare", "𠮷" * 100, "20", number="R" * 90, title="长" * 100, mobile="1" * 40)

    office.first_sync()

    rare = Employee.objects.get(number="R" * 64)
    assert (rare.name, rare.title, rare.mobile) == ("𠮷" * 60, "长" * 60, "1" * 20)


def test_masked_mobile_says_nothing(office: Office) -> None:
    office.first_sync()
    office.directory.changes("wang", mobile="138****0004")

    assert office.sync().counts["person"] == {}
    assert person("E4").mobile == "13800000004"


# Whom a connection leads


def test_department_named_in_the_settings_belongs_to_its_entity_with_all_below(office: Office) -> None:
    beijing = LegalEntity.objects.create(code="BJ", name="北京公司")
    office.connection.settings = {"directory": {"entities": {"10": "BJ"}, "grade": "P9"}}
    office.connection.save()

    office.first_sync()

    assert {one.name: one.entity.code for one in Department.objects.all()} == {
        "总部": "SH", "研发部": "BJ", "平台组": "BJ", "销售部": "SH",
    }  # fmt: skip
    assert (person("E3").entity, person("E4").entity.code, person("E3").grade.code) == (beijing, "SH", "P9")


def test_another_connection_only_says_who_somebody_is_there(office: Office) -> None:
    office.first_sync()
    second, directory = open_directory("toy-2")
    directory.department_is("a", "别处", head="ou_3")
    directory.member_is("ou_3", "张三", "a", number="E3", title="别的头衔", mobile="13900000003")
    directory.member_is("ou_9", "路人", "a", number="E99")
    before = Employee.objects.order_by("pk").values()
    kept = list(before)

    run = sync(second, by="system", via="worker", at=AT)
    assert run.state == "staged"
    assert lines(run) == {"linked": {"ou_3"}}
    assert run.counts["elsewhere"] == 1
    apply(run.pk, by="employee:7", via="api", at=AT)

    assert list(Employee.objects.order_by("pk").values()) == kept
    assert not Department.objects.filter(name="别处").exists()
    assert set(OutsideIdentity.objects.filter(employee=person("E3")).values_list("connection__slug", "userid")) == {
        ("toy", "zhang"), ("toy-2", "ou_3"),
    }  # fmt: skip

    directory.leaves("ou_3")
    directory.member_is("ou_4", "李四", "a", number="E2")
    run = sync(second, by="system", via="worker", at=AT)

    assert lines(run) == {"linked": {"ou_4"}}
    assert person("E3").is_active


def test_entity_that_nobody_was_given_is_led_by_the_oldest_connection(office: Office) -> None:
    LegalEntity.objects.update(connection=None)
    second, directory = open_directory("toy-2")
    directory.department_is("a", "别处")
    directory.member_is("ou_3", "张三", "a", number="E3", title="别的头衔")

    assert office.first_sync().counts["person"] == {"added": 4}
    run = sync(second, by="system", via="worker", at=AT)
    assert lines(run) == {"linked": {"ou_3"}}

    office.connection.is_active = False
    office.connection.save()
    run = sync(second, by="system", via="worker", at=AT)
    assert lines(run) == {"moved": {"ou_3"}, "linked": {"ou_3"}}


def test_unionid_finds_the_person_of_another_connection_of_the_kind(office: Office) -> None:
    office.directory.changes("zhang", unionid="union-3")
    office.first_sync()
    second, directory = open_directory("toy-2")
    directory.department_is("a", "别处")
    directory.member_is("other", "Zhang San", "a", unionid="union-3")

    run = sync(second, by="system", via="worker", at=AT)
    apply(run.pk, by="employee:7", via="api", at=AT)

    assert OutsideIdentity.objects.get(connection=second).employee == person("E3")


def test_who_left_one_entity_is_taken_over_by_the_connection_of_another(office: Office) -> None:
    office.first_sync()
    second, directory = open_directory("toy-2")
    LegalEntity.objects.create(code="BJ", name="北京公司", connection=second)
    directory.department_is("a", "北京")
    directory.member_is("zhang", "张三", "a", number="E3")
    run = sync(second, by="system", via="worker", at=AT)
    assert lines(run) == {"linked": {"zhang"}}
    apply(run.pk, by="employee:7", via="api", at=AT)
    assert person("E3").entity.code == "SH"

    office.directory.leaves("zhang")
    office.sync()
    assert not person("E3").is_active
    run = sync(second, by="system", via="worker", at=AT)

    assert lines(run) == {"back": {"zhang"}}
    assert (person("E3").is_active, person("E3").entity.code, person("E3").department.name) == (
        True,
        "BJ",
        "北京",
    )
    assert office.sync().counts["person"] == {}


# Refusals


def test_unknown_entity_grade_or_homeless_department_is_said_before_anything_changes(office: Office) -> None:
    def said(settings: dict[str, Any]) -> tuple[str, str]:
        office.connection.settings = {"directory": settings}
        office.connection.save()
        run = office.sync()
        return run.state, run.problem_code

    assert said({"entities": {"10": "??"}}) == ("failed", "company.no_such_entity")
    assert said({"grade": "??"}) == ("failed", "company.no_grade")
    LegalEntity.objects.create(code="BJ", name="北京公司", connection=office.connection)
    assert said({"entities": {"10": "BJ"}}) == ("failed", "company.department_without_entity")
    assert Issue.objects.get(closed_at=None).params["name"] == "总部"
    assert not Department.objects.exists()
    assert not StagedMember.objects.exists()

    assert said({"entities": {"1": "SH", "10": "BJ"}}) == ("staged", "")
    assert not Issue.objects.filter(closed_at=None).exists()


def test_kind_without_a_directory_says_so(office: Office) -> None:
    bus = Connection.objects.create(slug="bus", kind="bus-of-no-people", name="总线")

    with pytest.raises(NoDirectory):
        sync(bus, by="system", via="cli", at=AT)


def test_discarded_run_changes_nothing_and_cannot_be_applied(office: Office) -> None:
    run = office.sync()
    discard(run.pk, by="employee:7", via="api", at=AT)

    for act in (discard, apply):
        with pytest.raises(NotWaiting):
            act(run.pk, by="employee:7", via="api", at=AT)

    run.refresh_from_db()
    assert (run.state, run.ended_by) == ("discarded", "employee:7")
    assert not Employee.objects.exists()
    assert not StagedMember.objects.exists()


def test_newer_run_takes_the_place_of_one_that_waits(office: Office) -> None:
    first = office.sync()
    office.directory.member_is("he", "何", number="E5")
    second = office.sync()

    first.refresh_from_db()
    assert (first.state, second.state) == ("discarded", "staged")
    assert set(StagedMember.objects.values_list("run_id", flat=True)) == {second.pk}
    apply(second.pk, by="employee:7", via="api", at=AT)
    assert Employee.objects.count() == 5


def test_run_that_waits_is_compared_anew_when_it_is_applied(office: Office) -> None:
    run = office.sync()
    own = Department.objects.create(name="销售部", entity=office.entity)
    Employee.objects.create(
        number="E4", name="王五", entity=office.entity, department=own, grade=Grade.objects.get(code="P4")
    )

    apply(run.pk, by="employee:7", via="api", at=AT)

    assert Employee.objects.count() == 4
    assert lines(run)["linked"] == {"wang"}
    run.refresh_from_db()
    assert run.counts["person"] == {"added": 3, "changed": 1, "linked": 1}


# History and queries


def test_history_keeps_every_change_and_says_which_run_made_it(office: Office) -> None:
    run = office.first_sync()
    office.directory.changes("wang", title="经理")
    second = office.sync()

    zhang = person("E3")
    (made,) = zhang.events.all()  # type: ignore[attr-defined]  # the history of pghistory
    assert (made.pgh_label, made.pgh_context.metadata) == (
        "insert",
        {"directory_run": run.pk, "actor": "employee:1"},
    )
    made, changed = person("E4").events.order_by("pgh_id")  # type: ignore[attr-defined]  # the history of pghistory
    assert (changed.pgh_label, changed.title, made.title) == ("update", "经理", "")
    assert changed.pgh_context.metadata == {"directory_run": second.pk, "actor": "system"}
    (opened,) = department("销售部").events.all()  # type: ignore[attr-defined]  # the history of pghistory
    assert opened.pgh_label == "insert"


def test_history_does_not_keep_a_save_that_changed_nothing(office: Office) -> None:
    office.first_sync()
    zhang = person("E3")

    zhang.save()
    Employee.objects.update(title="同一个头衔")

    assert zhang.events.count() == 2  # type: ignore[attr-defined]  # the history of pghistory


def test_pages_of_a_run(office: Office) -> None:
    run = office.sync()
    first = differences(run, subject=Subject.PERSON, most=3)
    rest = differences(run, subject=Subject.PERSON, after=first[-1].pk, most=3)

    assert {line.outside_id for line in [*first, *rest]} == set(office.directory.people)
    assert (len(first), len(rest)) == (3, 1)
    assert differences(run, subject=Subject.PERSON, kind=Kind.GONE, most=3) == []
    assert {(line.name, line.place) for line in first} <= {
        ("周总", "总部"), ("李四", "研发部"), ("张三", "平台组"), ("王五", "销售部"),
    }  # fmt: skip
    assert runs(office.connection, most=9) == [run]
    other = Connection.objects.create(slug="other", kind="toy_directory", name="别家")
    assert runs(other, most=9) == []
    with pytest.raises(NotFound):
        run_of(other, run.pk)


def test_old_runs_are_forgotten_but_for_the_last_that_was_applied(office: Office) -> None:
    first = office.first_sync()
    second = office.sync()
    DirectoryRun.objects.update(started_at=AT - timedelta(days=31))
    third = office.sync()
    DirectoryRun.objects.filter(pk=third.pk).update(started_at=AT - timedelta(days=31))

    assert prune(AT) > 0

    assert list(DirectoryRun.objects.values_list("pk", "state")) == [(third.pk, RunState.APPLIED)]
    assert {first.pk, second.pk}.isdisjoint(DirectoryDifference.objects.values_list("run_id", flat=True))
