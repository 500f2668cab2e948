"""A run that would dismiss too many people, read nobody, or broke off, changes nothing by itself."""

from __future__ import annotations

import pytest

from viatica.kernel.errors import OutsideUnavailable
from viatica.offices.company.directory.errors import EmptyDirectory, TooManyGone
from viatica.offices.company.directory.running import apply, changed
from viatica.offices.company.models import DirectoryRun, Employee, StagedMember
from viatica.offices.company.ports import DirectoryChange
from viatica.offices.company.tests.toy import AT, Office, lines
from viatica.spine.models import Issue
from viatica.spine.outcomes import Done

pytestmark = pytest.mark.django_db


@pytest.fixture
def crowd(office: Office) -> Office:
    """With 200 people merged."""
    for number in range(196):
        office.directory.member_is(f"u{number}", f"员工{number}", "20", number=f"N{number}")
    office.first_sync()
    assert Employee.objects.filter(is_active=True).count() == 200
    return office


def dismiss(office: Office, many: int) -> None:
    for number in range(many):
        office.directory.leaves(f"u{number}")


def active() -> int:
    return Employee.objects.filter(is_active=True).count()


def the_issue() -> Issue:
    return Issue.objects.get(key="company.directory:toy", closed_at=None)


def test_the_allowed_share_goes_by_itself_and_one_more_is_refused(crowd: Office) -> None:
    dismiss(crowd, 10)  # 5 per cent of 200
    assert crowd.sync().state == "applied"
    assert active() == 190

    dismiss_more = [f"u{number}" for number in range(10, 20)]  # 10 of 190: 9 are allowed
    for userid in dismiss_more:
        crowd.directory.leaves(userid)
    run = crowd.sync()

    assert (run.state, run.problem_code) == ("refused", "company.directory_too_many_gone")
    assert run.problem_params == {"connection": "通讯录 toy", "gone": "10", "people": "190", "most": "9"}
    assert lines(run) == {"gone": set(dismiss_more)}
    assert active() == 190
    issue = the_issue()
    assert (issue.params["gone"], issue.params["people"], issue.params["most"]) == (10, 190, 9)
    assert issue.message.format(**issue.params) == (
        "This run of 通讯录 toy would deactivate 10 of 190 people; without asking, 9 are allowed."
    )


def test_administrator_applies_it_anyway_and_is_named(crowd: Office) -> None:
    dismiss(crowd, 50)
    run = crowd.sync()

    with pytest.raises(TooManyGone):
        apply(run.pk, by="employee:7", via="api", at=AT)
    run.refresh_from_db()
    assert (run.state, active()) == ("refused", 200)

    apply(run.pk, by="employee:7", via="api", at=AT, anyway=True)

    run.refresh_from_db()
    assert (run.state, run.ended_by, run.problem, active()) == ("applied", "employee:7", "", 150)
    assert not Issue.objects.filter(closed_at=None).exists()


def test_next_good_run_closes_the_issue(crowd: Office) -> None:
    kept = dict(crowd.directory.people)
    dismiss(crowd, 50)
    refused = crowd.sync()
    crowd.directory.people = kept

    assert crowd.sync().state == "applied"

    refused.refresh_from_db()
    assert refused.state == "discarded"
    assert not Issue.objects.filter(closed_at=None).exists()
    assert active() == 200


def test_share_is_the_connections_own_and_never_below_five(crowd: Office) -> None:
    crowd.connection.settings = {"directory": {"most_gone": 1}}
    crowd.connection.save()
    dismiss(crowd, 6)
    assert crowd.sync().state == "refused"

    crowd.directory.member_is("u0", "员工0", "20", number="N0")
    assert crowd.sync().state == "applied"
    assert active() == 195

    crowd.connection.settings = {"directory": {"most_gone": 50}}
    crowd.connection.save()
    for number in range(6, 86):
        crowd.directory.leaves(f"u{number}")
    assert crowd.sync().state == "applied"
    assert active() == 115


def test_empty_directory_is_refused_and_can_never_be_applied(crowd: Office) -> None:
    crowd.directory.people.clear()
    run = crowd.sync()

    assert (run.state, run.problem_code) == ("refused", "company.directory_empty")
    assert the_issue().params["people"] == 0
    with pytest.raises(EmptyDirectory):
        apply(run.pk, by="employee:7", via="api", at=AT, anyway=True)
    assert active() == 200


def test_directory_that_breaks_off_is_refused_whole(crowd: Office) -> None:
    crowd.directory.breaks_after = 150
    run = crowd.sync()

    assert (run.state, run.problem_code) == ("failed", "outside.unavailable")
    assert the_issue().params["said_by"] == "gone away"
    assert active() == 200
    assert not StagedMember.objects.exists()

    crowd.directory.breaks_after = None
    assert crowd.sync().state == "applied"
    assert not Issue.objects.filter(closed_at=None).exists()


def test_event_that_names_too_many_leavers_is_refused_as_well(crowd: Office) -> None:
    dismiss(crowd, 11)
    named = DirectoryChange(userids=tuple(f"u{number}" for number in range(11)))

    outcome = changed(crowd.connection, named, at=AT)

    assert isinstance(outcome, Done)
    assert outcome.result["state"] == "refused"
    assert active() == 200
    run = DirectoryRun.objects.get(pk=outcome.result["run"])
    apply(run.pk, by="employee:7", via="api", at=AT, anyway=True)
    assert active() == 189


def test_person_who_cannot_be_asked_for_leaves_no_run_behind(
    crowd: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(userid: str) -> None:
        raise OutsideUnavailable(system="toy", said_by="not now")

    monkeypatch.setattr(crowd.directory, "member", unreachable)
    runs = DirectoryRun.objects.count()

    with pytest.raises(OutsideUnavailable):
        changed(crowd.connection, DirectoryChange(userids=("u1",)), at=AT)

    assert DirectoryRun.objects.count() == runs
