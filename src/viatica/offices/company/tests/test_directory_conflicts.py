"""People who cannot be told apart are left out, named, and told apart once."""

from __future__ import annotations

from typing import Any

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from viatica.offices.company import jobs
from viatica.offices.company.directory.conflicts import keep_apart, leave_out, resolve
from viatica.offices.company.directory.errors import NoSuchMember
from viatica.offices.company.directory.queries import conflicts
from viatica.offices.company.models import (
    Department,
    DirectoryConflict,
    DirectoryDecision,
    Employee,
    Grade,
    OutsideIdentity,
)
from viatica.offices.company.tests.toy import AT, Office, lines
from viatica.spine.models import Fact, Issue

pytestmark = pytest.mark.django_db

ADMIN: dict[str, Any] = {"actor": "employee:7", "via": "api", "at": AT}


def employee(office: Office, number: str, name: str, **more: Any) -> Employee:
    department, _made = Department.objects.get_or_create(name="手工部门", entity=office.entity)
    grade = Grade.objects.get(code="P4")
    return Employee.objects.create(
        number=number, name=name, entity=office.entity, department=department, grade=grade, **more
    )


def open_conflicts(office: Office) -> dict[str, tuple[str, set[str]]]:
    """userid → the reason, and the userids or numbers of the others."""
    return {
        one.userid: (one.reason, {other["userid"] or other["number"] for other in one.others})
        for one in conflicts(office.connection, most=999)
    }


def issue_of(userid: str) -> Issue | None:
    return Issue.objects.filter(key=f"company.directory_conflict:toy:{userid}", closed_at=None).first()


def identity(office: Office, userid: str) -> Employee | None:
    found = OutsideIdentity.objects.filter(connection=office.connection, userid=userid).first()
    return found.employee if found else None


def work_off() -> None:
    """What a worker would do with what was asked for."""
    for job in ProcrastinateJob.objects.filter(task_name="directory.change", status="todo").order_by("id"):
        jobs.change(**job.args)


def test_two_new_members_with_one_mobile_are_left_out_and_both_named(office: Office) -> None:
    office.directory.member_is("he1", "何一", "20", number="E5", mobile="13900000005")
    office.directory.member_is("he2", "何二", "20", number="E6", mobile="+86 139 0000 0005")

    run = office.first_sync()

    assert Employee.objects.count() == 4
    assert run.counts["conflicts"] == 2
    assert open_conflicts(office) == {"he1": ("same_mobile", {"he2"}), "he2": ("same_mobile", {"he1"})}
    issue = issue_of("he1")
    assert issue is not None
    assert (
        issue.message.format(**issue.params) == "何一 (he1) in 通讯录 toy has the same mobile as 何二 (he2)."
    )


def test_different_people_are_made_both_and_stay_so(office: Office) -> None:
    office.directory.member_is("he1", "何一", "20", number="E5", mobile="13900000005")
    office.directory.member_is("he2", "何二", "20", number="E6", mobile="13900000005")
    office.first_sync()

    keep_apart(connection=office.connection, userid="he1", **ADMIN)
    keep_apart(connection=office.connection, userid="he2", **ADMIN)
    assert open_conflicts(office) == {}
    assert not Issue.objects.filter(closed_at=None).exists()
    work_off()

    assert (identity(office, "he1"), identity(office, "he2")) == (
        Employee.objects.get(number="E5"), Employee.objects.get(number="E6"),
    )  # fmt: skip
    run = office.sync()
    assert (run.counts["person"], run.counts["conflicts"]) == ({}, 0)
    assert set(Fact.objects.filter(fact="directory.decided").values_list("actor", flat=True)) == {
        "employee:7"
    }


def test_new_account_with_the_mobile_of_a_colleague_is_left_out_and_the_colleague_is_not(
    office: Office,
) -> None:
    office.first_sync()
    office.directory.member_is("wang9", "王五", "20", mobile="13800000004")
    office.directory.changes("wang", title="经理")

    run = office.sync()

    assert lines(run) == {"changed": {"wang"}}
    assert open_conflicts(office) == {"wang9": ("same_employee", {"wang"})}
    assert identity(office, "wang9") is None


def test_second_account_is_left_alone_for_good(office: Office) -> None:
    office.first_sync()
    office.directory.member_is("wang9", "王五", "20", mobile="13800000004")
    office.sync()

    leave_out(connection=office.connection, userid="wang9", **ADMIN)
    run = office.sync()

    assert (open_conflicts(office), run.counts["second"]) == ({}, 1)
    assert Employee.objects.count() == 4
    assert identity(office, "wang9") is None


def test_new_account_takes_the_place_of_the_old_when_an_administrator_says_so(office: Office) -> None:
    office.first_sync()
    wang = Employee.objects.get(number="E4")
    office.directory.member_is("wang9", "王五", "20", number="E4", title="经理")
    office.sync()
    assert open_conflicts(office) == {"wang9": ("same_employee", {"wang"})}

    resolve(connection=office.connection, userid="wang9", employee=wang, **ADMIN)
    work_off()

    assert (identity(office, "wang9"), identity(office, "wang")) == (wang, None)
    wang.refresh_from_db()
    assert (wang.title, wang.is_active) == ("经理", True)
    run = office.sync()
    assert (run.counts["person"], run.counts["conflicts"], run.counts["second"]) == ({}, 0, 1)


def test_member_who_fits_two_employees_is_one_of_them_once_said(office: Office) -> None:
    first = employee(office, "M1", "何", mobile="13900000005")
    employee(office, "M2", "何", mobile="13900000005")
    office.directory.member_is("he", "何", "20", mobile="13900000005")

    run = office.first_sync()
    assert open_conflicts(office) == {"he": ("fits_several", {"M1", "M2"})}
    assert run.counts["conflicts"] == 1

    resolve(connection=office.connection, userid="he", employee=first, **ADMIN)
    run = office.sync()

    assert lines(run) == {"moved": {"he"}, "linked": {"he"}}
    assert (identity(office, "he"), run.counts["conflicts"]) == (first, 0)
    assert Employee.objects.filter(name="何").count() == 2


def test_number_of_one_and_mobile_of_another_fit_neither(office: Office) -> None:
    employee(office, "M1", "何")
    employee(office, "M2", "何", mobile="13900000005")
    office.directory.member_is("he", "何", "20", number="M1", mobile="13900000005")

    office.first_sync()

    assert open_conflicts(office) == {"he": ("fits_several", {"M1", "M2"})}


def test_number_or_mobile_alone_with_another_name_fits_nobody(office: Office) -> None:
    """Mobiles are given to others, and two companies count their people alike."""
    left = employee(office, "M1", "何", mobile="13900000005", is_active=False)
    employee(office, "M2", "林")
    employee(office, "M3", "吴", mobile="13900000007")
    office.directory.member_is("sun", "孙", "20", number="S1", mobile="13900000005")
    office.directory.member_is("qian", "钱", "20", number="M2")
    office.directory.member_is("wu", "吴小姐", "20", mobile="13900000007")
    office.directory.member_is("li-new", "林（新名）", "20", number="M2x", mobile="13900000009")

    office.first_sync()

    assert open_conflicts(office) == {"sun": ("other_name", {"M1"}), "qian": ("other_name", {"M2"})}
    assert identity(office, "wu") == Employee.objects.get(name="吴小姐")
    assert identity(office, "li-new") == Employee.objects.get(number="M2x")
    left.refresh_from_db()
    assert not left.is_active


def test_number_and_mobile_together_need_no_name(office: Office) -> None:
    he = employee(office, "M1", "何", mobile="13900000005")
    office.directory.member_is("he", "Tom", "20", number="M1", mobile="13900000005")

    office.first_sync()

    assert identity(office, "he") == he


def test_two_members_that_fit_one_employee_are_both_left_out(office: Office) -> None:
    employee(office, "M1", "何", mobile="13900000005")
    office.directory.member_is("he1", "何", "20", number="M1")
    office.directory.member_is("he2", "何", "20", mobile="13900000005")

    office.first_sync()

    assert open_conflicts(office) == {
        "he1": ("same_employee", {"M1", "he2"}), "he2": ("same_employee", {"M1", "he1"}),
    }  # fmt: skip
    assert (identity(office, "he1"), identity(office, "he2")) == (None, None)


def test_one_number_for_two_is_a_conflict_even_of_people_known(office: Office) -> None:
    office.first_sync()
    office.directory.changes("wang", number="E3", title="经理")
    office.directory.member_is("he", "何", "20", number="E2")

    run = office.sync()

    assert lines(run) == {}
    assert open_conflicts(office) == {"wang": ("same_number", {"zhang"}), "he": ("other_name", {"li"})}
    assert Employee.objects.get(number="E4").title == ""


def test_number_of_somebody_outside_the_directory_cannot_be_taken(office: Office) -> None:
    office.first_sync()
    employee(office, "X1", "外包")
    office.directory.changes("wang", number="X1")

    office.sync()

    assert open_conflicts(office) == {"wang": ("number_taken", {"X1"})}
    assert Employee.objects.get(name="王五").number == "E4"


def test_who_is_kept_apart_from_the_owner_of_a_number_takes_the_userid_for_one(office: Office) -> None:
    office.first_sync()
    other = employee(office, "X1", "外包")
    office.directory.member_is("he", "何", "20", number="X1")
    office.sync()
    assert open_conflicts(office) == {"he": ("other_name", {"X1"})}

    keep_apart(connection=office.connection, userid="he", **ADMIN)
    work_off()

    he = identity(office, "he")
    assert he is not None
    assert (he.number, he.name, he.pk != other.pk) == ("he", "何", True)
    run = office.sync()
    assert (open_conflicts(office), run.counts["person"]) == ({}, {})

    Employee.objects.filter(pk=other.pk).update(number="X2")
    run = office.sync()
    assert lines(run) == {"changed": {"he"}}
    assert Employee.objects.get(pk=he.pk).number == "X1"


def test_conflict_closes_by_itself_when_it_is_gone(office: Office) -> None:
    office.directory.member_is("he1", "何一", "20", number="E5", mobile="13900000005")
    office.directory.member_is("he2", "何二", "20", number="E6", mobile="13900000005")
    office.first_sync()

    office.directory.changes("he2", mobile="13900000006")
    run = office.sync()

    assert lines(run) == {"added": {"he1", "he2"}}
    assert open_conflicts(office) == {}
    assert not Issue.objects.filter(closed_at=None).exists()
    assert DirectoryConflict.objects.exclude(closed_at=None).count() == 2


def test_conflict_is_raised_once_however_often_it_is_found(office: Office) -> None:
    office.first_sync()
    office.directory.member_is("wang9", "王五", "20", mobile="13800000004")
    office.sync()
    office.sync()

    assert DirectoryConflict.objects.count() == 1
    issue = issue_of("wang9")
    assert issue is not None
    assert issue.times == 2


def test_only_what_waits_for_a_decision_can_be_decided(office: Office) -> None:
    office.first_sync()

    for decide in (keep_apart, leave_out):
        with pytest.raises(NoSuchMember):
            decide(connection=office.connection, userid="wang", **ADMIN)
    with pytest.raises(NoSuchMember):
        resolve(
            connection=office.connection, userid="wang", employee=Employee.objects.get(number="E3"), **ADMIN
        )

    assert not DirectoryDecision.objects.exists()


def test_many_conflicts_are_listed_all_and_raised_in_part(office: Office) -> None:
    for number in range(150):
        office.directory.member_is(
            f"x{number}", f"甲{number}", "20", number=f"X{number}", mobile="13911111111"
        )

    office.first_sync()

    assert len(open_conflicts(office)) == 150
    assert Issue.objects.filter(closed_at=None).count() == 100
    assert {len(one.others) for one in conflicts(office.connection, most=999)} == {5}
