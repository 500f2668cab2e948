"""Whatever a directory looks like, and whatever becomes of it overnight."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models import F
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from viatica.offices.company.directory.queries import conflicts
from viatica.offices.company.directory.running import apply, changed
from viatica.offices.company.models import (
    Department,
    DepartmentIdentity,
    DirectoryDifference,
    DirectoryRun,
    Employee,
    Grade,
    OutsideIdentity,
)
from viatica.offices.company.ports import DirectoryChange, OutsideDepartment, OutsideMember
from viatica.offices.company.tests.toy import AT, Office

pytestmark = pytest.mark.django_db(transaction=True)

IDS = [str(number) for number in range(1, 9)]
USERIDS = [f"u{number}" for number in range(10)]

department = st.tuples(
    st.sampled_from(["", "0", *IDS]),
    st.sampled_from(["研发", "销售", "综合"]),
    st.sampled_from(["", *USERIDS]),
)
departments = st.dictionaries(st.sampled_from(IDS), department, min_size=1)
members = st.dictionaries(
    st.sampled_from([*USERIDS, "U3"]),
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["张三", "李四", "王五", ""]),
            "number": st.sampled_from(["", "", "E1", "E2", "E3", "E4", "E5", "u1"]),
            "mobile": st.sampled_from(["", "", "13800000001", "+86 13800000001", "13800000002", "13800000003"]),
            "unionid": st.sampled_from(["", "", "union-1", "union-2"]),
            "title": st.sampled_from(["", "工程师"]),
            "department_ids": st.lists(st.sampled_from([*IDS, "404"]), max_size=3, unique=True).map(tuple),
            "manager_userid": st.sampled_from(["", "u1", "u2", "nobody"]),
            "is_active": st.sampled_from([True, True, True, False]),
        }
    ),
    min_size=1,
)  # fmt: skip
company = st.tuples(departments, members)


def fill(office: Office, what: Any) -> None:
    rows, people = what
    office.directory.here = {
        key: OutsideDepartment(key, parent, name, (head,) if head else ())
        for key, (parent, name, head) in rows.items()
    }
    office.directory.people = {userid: OutsideMember(userid, **one) for userid, one in people.items()}


def clean(office: Office) -> tuple[Employee, Department]:
    """Nobody but an outsider in a department of our own."""
    for model in (DirectoryRun, DepartmentIdentity, OutsideIdentity):
        model.objects.all().delete()
    Department.objects.update(head=None, parent=None)
    Employee.objects.all().delete()
    Department.objects.all().delete()
    own = Department.objects.create(name="自建", entity=office.entity)
    outsider = Employee.objects.create(
        number="X1", name="外包", entity=office.entity, department=own, grade=Grade.objects.get(code="P4")
    )
    return outsider, own


def force(office: Office) -> DirectoryRun:
    """A run, with a yes where it needs one."""
    run = office.sync()
    if run.state in ("staged", "refused"):
        run = apply(run.pk, by="employee:1", via="api", at=AT, anyway=True)
    assert run.state == "applied", run.problem
    return run


def settle(office: Office) -> None:
    """Until a run finds nothing to do; a few are enough."""
    for _ in range(4):
        if not force(office).counts["person"]:
            return
    raise AssertionError("it never comes to rest")


def everything() -> Any:
    return [
        list(model.objects.order_by("pk").values())
        for model in (Department, Employee, OutsideIdentity, DepartmentIdentity)
    ]


def check_tree() -> None:
    for one in Department.objects.select_related("parent"):
        assert one.path == f"{one.parent.path if one.parent else '/'}{one.pk}/"


any_company = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@any_company
@given(first=company, second=company)
def test_merging_twice_is_merging_once_and_nobody_is_ever_deleted(
    real_office: Office, first: Any, second: Any
) -> None:
    outsider, own = clean(real_office)
    kept = Employee.objects.filter(pk=outsider.pk).values().get()
    fill(real_office, first)
    force(real_office)
    people = set(Employee.objects.values_list("pk", flat=True))
    fill(real_office, second)

    merged = force(real_office)
    check_tree()
    if merged.counts["conflicts"]:  # one run may free the number or mobile that another waits for
        settle(real_office)
    before = everything()
    again = force(real_office)

    assert (again.counts["person"], again.counts["department"]) == ({}, {})
    assert not DirectoryDifference.objects.filter(run=again).exists()
    assert everything() == before
    assert people <= set(Employee.objects.values_list("pk", flat=True))
    assert Employee.objects.filter(pk=outsider.pk).values().get() == kept
    assert Department.objects.get(pk=own.pk).is_active
    assert not Employee.objects.filter(manager=F("pk")).exists()


@any_company
@given(what=company)
def test_everybody_is_somebody_or_a_conflict_or_elsewhere(real_office: Office, what: Any) -> None:
    clean(real_office)
    fill(real_office, what)
    run = force(real_office)

    here = {userid for userid, one in real_office.directory.people.items() if one.is_active}
    linked = set(OutsideIdentity.objects.values_list("userid", flat=True))
    unclear = {one.userid for one in conflicts(real_office.connection, most=99)}
    assert linked <= here
    assert unclear <= here
    assert not linked & unclear
    assert len(here - linked - unclear) == run.counts["elsewhere"]
    assert set(DepartmentIdentity.objects.values_list("outside_id", flat=True)) == set(
        real_office.directory.here
    )


def plain(what: Any) -> Any:
    """The same with nobody unclear: each has a number of their own, and no id of another case stands beside it."""
    rows, people = what
    told = {"mobile": "", "unionid": "", "is_active": True}
    return rows, {
        userid: {**one, **told, "number": f"N{userid}"} for userid, one in people.items() if userid != "U3"
    }


@any_company
@given(first=company.map(plain), second=company.map(plain))
def test_events_for_everything_that_changed_come_to_what_a_full_run_comes_to(
    real_office: Office, first: Any, second: Any
) -> None:
    assume(first[1] and second[1])
    clean(real_office)
    fill(real_office, first)
    force(real_office)
    fill(real_office, second)

    everybody = tuple({*first[1], *second[1]})
    changed(real_office.connection, DirectoryChange(userids=everybody, department_ids=tuple(IDS)), at=AT)
    heard = DirectoryRun.objects.order_by("-pk")[0]
    if heard.state == "refused":
        apply(heard.pk, by="employee:1", via="api", at=AT, anyway=True)
    run = real_office.sync()

    assert run.counts["person"].keys() <= {"changed"}
    assert "added" not in run.counts["department"]
