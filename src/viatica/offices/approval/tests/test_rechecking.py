"""Before money goes: an approval that was taken back in the OA pays nothing."""

from __future__ import annotations

import pytest

from viatica.kernel.refs import Ref
from viatica.offices.approval import rechecking
from viatica.offices.approval.ports import Capabilities, CaseState, CaseStatus, InstanceId
from viatica.offices.approval.rechecking import NotRechecked, Undone, verify_before_payment
from viatica.offices.approval.services import settle
from viatica.offices.approval.tests.bridge import Bridge, submitted
from viatica.spine import issues
from viatica.spine.models import Issue


def approved(bridge: Bridge, key: str = "1") -> Ref:
    ref = submitted(bridge, bridge.desk.named("甲"), key=key)
    bridge.deliver()
    bridge.oa.decide("u-甲")
    bridge.hear()
    assert bridge.desk.case(ref).state == "approved"
    return ref


def take_back(bridge: Bridge, ref: Ref, status: CaseStatus = CaseStatus.WITHDRAWN) -> None:
    """Over there, while nobody listens."""
    bridge.oa.end(bridge.instance(ref).id, status)
    bridge.oa.news.clear()


@pytest.fixture
def undoing(bridge: Bridge) -> Bridge:
    bridge.oa.can = Capabilities(may_be_undone=True)
    return bridge


def test_an_approval_that_stands_lets_the_paper_pass(undoing: Bridge) -> None:
    refs = [approved(undoing, "1"), approved(undoing, "2")]
    looks = undoing.oa.looks
    verify_before_payment(refs, undoing.desk.at)
    assert undoing.oa.looks == looks + 2


def test_taken_back_there_it_is_refused_and_finance_is_told(undoing: Bridge) -> None:
    desk = undoing.desk
    stands, gone = approved(undoing, "1"), approved(undoing, "2")
    take_back(undoing, gone)
    with pytest.raises(Undone) as caught:
        verify_before_payment([stands, gone], desk.at)
    assert caught.value.code == "approval.undone"
    assert caught.value.params == {"numbers": "BX-2", "system": "玩具OA"}
    case = desk.case(gone)
    assert (case.state, case.undone_at) == ("approved", desk.at)
    assert desk.facts(gone).count("case.undone") == 1
    (issue,) = issues.blocking(gone)
    assert (issue.kind, issue.ref, issue.params["number"]) == ("approval.undone", str(gone), "BX-2")
    assert desk.case(stands).undone_at is None
    # Asked again, it is known and nobody is asked.
    looks = undoing.oa.looks
    with pytest.raises(Undone):
        verify_before_payment([gone], desk.at)
    assert undoing.oa.looks == looks
    assert desk.facts(gone).count("case.undone") == 1


def test_heard_of_in_time_it_is_refused_without_asking(bridge: Bridge) -> None:
    ref = approved(bridge)
    told = CaseState(InstanceId(bridge.desk.case(ref).instance_id or ""), None, CaseStatus.WITHDRAWN)
    for _ in range(3):
        settle(connection_id=bridge.connection.pk, state=told, at=bridge.desk.at)
    assert bridge.desk.facts(ref).count("case.undone") == 1
    assert [one.outcome for one in bridge.desk.conclusions] == ["approved"]
    looks = bridge.oa.looks
    with pytest.raises(Undone):
        verify_before_payment([ref], bridge.desk.at)
    assert bridge.oa.looks == looks


def test_approved_anew_it_passes_and_the_issue_closes(undoing: Bridge) -> None:
    ref = approved(undoing)
    take_back(undoing, ref)
    with pytest.raises(Undone):
        verify_before_payment([ref], undoing.desk.at)
    assert approved(undoing) == ref
    verify_before_payment([ref], undoing.desk.at)
    assert issues.blocking(ref) == []
    assert Issue.objects.get().closed_at == undoing.desk.at


def test_where_it_cannot_be_asked_the_paper_waits(undoing: Bridge) -> None:
    ref = approved(undoing)
    undoing.oa.down = True
    with pytest.raises(NotRechecked) as caught:
        verify_before_payment([ref], undoing.desk.at)
    assert (caught.value.code, caught.value.status) == ("approval.not_rechecked", 503)
    assert caught.value.params == {"numbers": "BX-1", "system": "玩具OA", "reason": "503"}
    undoing.connection.settings = {"recheck": "when_reachable"}
    undoing.connection.save()
    verify_before_payment([ref], undoing.desk.at)
    undoing.oa.down = False
    take_back(undoing, ref)
    with pytest.raises(Undone):
        verify_before_payment([ref], undoing.desk.at)


def test_what_is_not_there_any_more_is_not_confirmed(undoing: Bridge) -> None:
    ref = approved(undoing)
    undoing.oa.instances.clear()
    with pytest.raises(NotRechecked):
        verify_before_payment([ref], undoing.desk.at)
    assert undoing.desk.case(ref).undone_at is None


def test_more_than_can_be_asked_in_time_is_refused(undoing: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = approved(undoing)
    monkeypatch.setattr(rechecking, "MOST_SECONDS", -1.0)
    with pytest.raises(NotRechecked, match="BX-1"):
        verify_before_payment([ref], undoing.desk.at)


def test_products_that_never_take_back_are_not_asked(bridge: Bridge) -> None:
    ref = approved(bridge)
    looks = bridge.oa.looks
    verify_before_payment([ref, Ref("paper", "unknown"), Ref("other", "1")], bridge.desk.at)
    verify_before_payment([], bridge.desk.at)
    assert bridge.oa.looks == looks
