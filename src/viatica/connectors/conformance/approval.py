"""Mode A: their form and flow. What people decide over there is so here, once, whatever happens on the way."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import urllib3
from django.db import close_old_connections
from django.db import connection as database

from viatica.connectors.conformance.rig import OA, Rig
from viatica.kernel import clock
from viatica.kernel.refs import Ref
from viatica.offices.approval import leaving
from viatica.offices.approval.ports import CaseStatus, Verdict
from viatica.offices.company import hearing
from viatica.spine import relay
from viatica.spine.models import InboxEvent, Issue, OutboxMessage

RUNNING, APPROVED, REJECTED, WITHDRAWN = (
    CaseStatus.RUNNING,
    CaseStatus.APPROVED,
    CaseStatus.REJECTED,
    CaseStatus.WITHDRAWN,
)
SENT = ["case.opened", "case.sent"]
AGREED = [*SENT, "case.decided", "case.decided", "case.concluded"]
REFUSED = [*SENT, "case.decided", "case.concluded"]
WEEK_S = 7 * 86400.0


def ended(rig: Rig[OA], ref: Ref, status: CaseStatus, facts: list[str]) -> None:
    """It ended once, the same way on both sides, and nothing is left to be done."""
    case = rig.office.case(ref)
    assert (case.state, case.is_agreed) == (status.value, True)
    assert rig.office.facts(ref) == facts
    assert [outcome for outcome, _by, _comment in rig.told(ref)] == [status.value]
    assert rig.statuses(ref) == [status]
    assert rig.left_in_the_inbox() == []


def under_way(rig: Rig[OA], ref: Ref, facts: Sequence[str] = SENT) -> str:
    """It is there once and here once, and nobody has decided; the instance's id."""
    (instance,) = rig.there(ref)
    case = rig.office.case(ref)
    assert (case.state, case.instance_id, rig.status_of(instance)) == ("active", instance["id"], RUNNING)
    assert (rig.office.facts(ref), rig.told(ref)) == (list(facts), [])
    return str(instance["id"])


def not_there(rig: Rig[OA], ref: Ref, state: str) -> OutboxMessage:
    """It has not been made, and its message is in `state`."""
    message = rig.message(ref)
    assert (rig.there(ref), message.state) == ([], state)
    facts = ["case.opened", *(["message.parked"] if state == "parked" else [])]
    assert (rig.office.case(ref).state, rig.office.facts(ref)) == ("active", facts)
    return message


class ApprovalStories:
    # Decided over there

    def test_approved_there_is_approved_here(self, rig: Rig[Any]) -> None:
        ref, instance_id = rig.sent()
        first, second = rig.approvers
        rig.decide(instance_id, Verdict.APPROVE, "同意")
        rig.work()
        assert rig.asked(ref) == [(first.number, "approved", "同意"), (second.number, "open", "")]
        assert (rig.told(ref), rig.statuses(ref)) == ([], [RUNNING])
        rig.decide(instance_id, Verdict.APPROVE, "金额已核")
        rig.work()
        ended(rig, ref, APPROVED, AGREED)
        assert rig.told(ref) == [("approved", f"employee:{second.pk}", "金额已核")]
        assert [one.via for one in rig.office.conclusions] == [rig.office.connection.kind]

    def test_refused_there_is_refused_here(self, rig: Rig[Any]) -> None:
        ref, instance_id = rig.sent()
        rig.decide(instance_id, Verdict.REJECT, "缺发票")
        rig.work()
        ended(rig, ref, REJECTED, REFUSED)
        assert rig.told(ref) == [("rejected", f"employee:{rig.approvers[0].pk}", "缺发票")]

    def test_withdrawn_there_is_withdrawn_here(self, rig: Rig[Any]) -> None:
        ref, instance_id = rig.sent()
        rig.oa.withdraw(instance_id)
        rig.work()
        ended(rig, ref, WITHDRAWN, [*SENT, "case.concluded"])

    def test_deleted_there_is_withdrawn_here(self, rig: Rig[Any]) -> None:
        """Whether or not the product tells of it."""
        ref, instance_id = rig.sent()
        rig.oa.delete(instance_id)
        rig.work()
        rig.compare()
        assert (rig.office.case(ref).state, rig.office.case(ref).is_agreed) == ("withdrawn", True)
        assert [outcome for outcome, _by, _comment in rig.told(ref)] == ["withdrawn"]
        assert rig.office.facts(ref) == [*SENT, "case.concluded"]

    def test_handed_over_to_somebody_unknown_to_us_their_decision_counts(self, rig: Rig[Any]) -> None:
        ref, instance_id = rig.sent()
        rig.hand_over(instance_id, rig.stranger)
        rig.decide(instance_id, Verdict.REJECT, "不行", userid=rig.stranger)
        rig.work()
        ended(rig, ref, REJECTED, [*SENT, "case.handed_over", "case.decided", "case.concluded"])
        assert rig.told(ref) == [("rejected", f"{rig.office.connection.kind}:{rig.stranger}", "不行")]

    def test_an_approver_who_leaves_is_named_until_somebody_else_decides(self, rig: Rig[Any]) -> None:
        ref, instance_id = rig.sent()
        rig.work()
        first, _second = rig.approvers
        rig.oa.leave(first.number)
        _dismiss(first)
        rig.work()
        (issue,) = Issue.objects.filter(kind=leaving.THERE_KIND)
        assert (issue.params["who"], issue.params["number"]) == (first.name, "BX-1")
        assert [wait.ref for wait in issue.waits.all()] == [str(ref)]
        assert (rig.office.case(ref).state, rig.told(ref)) == ("active", [])
        rig.hand_over(instance_id, rig.stranger)
        rig.decide(instance_id, Verdict.REJECT, "不行", userid=rig.stranger)
        rig.work()
        rig.compare()
        assert (rig.office.case(ref).state, len(rig.told(ref)), rig.statuses(ref)) == (
            "rejected", 1, [REJECTED],
        )  # fmt: skip
        issue.refresh_from_db()
        assert issue.closed_at is not None

    # Withdrawn here

    def test_withdrawn_here_is_withdrawn_there_where_the_product_can(self, rig: Rig[Any]) -> None:
        ref, _instance_id = rig.sent()
        rig.withdraw_here(ref)
        rig.work()
        rig.work()
        here = [*SENT, "case.withdrawn", "case.concluded"]
        if rig.port.can.withdraw:
            ended(rig, ref, WITHDRAWN, here)
        else:
            assert (rig.statuses(ref), rig.office.case(ref).is_agreed) == ([RUNNING], False)
            assert (rig.office.case(ref).state, rig.office.facts(ref)) == ("withdrawn", here)
        assert rig.told(ref) == [("withdrawn", f"employee:{rig.office.applicant.pk}", "行程取消")]

    def test_what_was_withdrawn_comes_again_as_another(self, rig: Rig[Any]) -> None:
        ref, instance_id = rig.sent()
        rig.oa.withdraw(instance_id)
        rig.work()
        again, another_id = rig.sent()
        assert again == ref and another_id != instance_id
        rig.agree(another_id)
        rig.work()
        assert rig.statuses(ref) == [WITHDRAWN, APPROVED]
        assert [outcome for outcome, _by, _comment in rig.told(ref)] == ["withdrawn", "approved"]
        assert rig.office.facts(ref) == [*SENT, "case.concluded", *AGREED]

    def test_a_decision_after_our_withdrawal_changes_nothing_here_and_is_told(self, rig: Rig[Any]) -> None:
        ref, instance_id = rig.sent()
        rig.withdraw_here(ref)
        rig.agree(instance_id)  # before the worker could withdraw it there
        rig.work()
        rig.work(later=60)
        assert (rig.office.case(ref).state, rig.statuses(ref)) == ("withdrawn", [APPROVED])
        assert [outcome for outcome, _by, _comment in rig.told(ref)] == ["withdrawn"]
        assert rig.office.facts(ref).count("news.ignored") == 1

    # On the way there

    def test_a_lost_answer_makes_no_second_instance(self, rig: Rig[Any]) -> None:
        rig.oa.fault("lost_answer", rig.create, method="POST", times=1)
        ref = rig.open()
        rig.work()
        assert len(rig.there(ref)) == 1
        rig.hours_pass()
        instance_id = under_way(rig, ref)
        assert rig.oa.calls()[f"POST {rig.create}"] == 1
        rig.agree(instance_id)
        rig.work()
        ended(rig, ref, APPROVED, AGREED)

    def test_a_callback_before_the_create_has_returned(self, rig: Rig[Any]) -> None:
        """The answer is on its way while the bosses have already decided and our door has heard of it."""
        rig.oa.fault("late_answer", rig.create, method="POST", seconds=0.5, times=1)
        ref = rig.open()
        with ThreadPoolExecutor(1) as over_there:
            decided = over_there.submit(_decide_at_once, rig)
            rig.work()
            instance_id = decided.result()
        rig.work()
        ended(rig, ref, APPROVED, AGREED)
        assert rig.office.case(ref).instance_id == instance_id

    def test_a_page_of_html_is_no_answer(self, rig: Rig[Any]) -> None:
        rig.oa.fault("html_page", rig.create, method="POST", times=1)
        ref = rig.open()
        rig.work()
        not_there(rig, ref, "waiting")
        rig.hours_pass()
        instance_id = under_way(rig, ref)
        rig.oa.fault("html_page", rig.look.split()[1], times=1)
        rig.agree(instance_id)
        rig.work()
        assert "waiting" in rig.left_in_the_inbox()
        rig.hours_pass()
        ended(rig, ref, APPROVED, AGREED)

    def test_a_call_too_many_is_made_later(self, rig: Rig[Any]) -> None:
        rig.oa.fault("rate_limit", rig.create, method="POST", times=1)
        ref = rig.open()
        rig.work()
        assert not not_there(rig, ref, "waiting").earlier_unknown
        rig.hours_pass()
        instance_id = under_way(rig, ref)
        assert rig.message(ref).attempts == 2
        rig.oa.fault("rate_limit", rig.look.split()[1], times=1)
        rig.agree(instance_id)
        rig.work()
        rig.hours_pass()
        ended(rig, ref, APPROVED, AGREED)

    def test_a_token_that_expires_in_mid_flight_is_replaced_unseen(self, rig: Rig[Any]) -> None:
        first, first_id = rig.sent("1")
        rig.oa.expire_tokens()
        second, second_id = rig.sent("2")
        assert [rig.message(ref).attempts for ref in (first, second)] == [1, 1]
        rig.oa.expire_tokens()
        for instance_id in (first_id, second_id):
            rig.agree(instance_id)
        rig.work()
        for ref in (first, second):
            ended(rig, ref, APPROVED, AGREED)

    def test_an_hour_without_the_product_loses_nothing(self, rig: Rig[Any]) -> None:
        earlier, earlier_id = rig.sent("0")
        rig.oa.fault("server_error", status=502)
        rig.agree(earlier_id)
        refs = [rig.open(str(no)) for no in range(1, 4)]
        for later in (0, 60, 600, 3600):
            rig.work(later=later)
        for ref in refs:
            not_there(rig, ref, "waiting")
        assert (rig.office.case(earlier).state, rig.told(earlier)) == ("active", [])
        rig.oa.clear_faults()
        for later in (7200, 10800):
            rig.work(later=later)
        ended(rig, earlier, APPROVED, AGREED)
        for ref in refs:
            rig.agree(under_way(rig, ref))
        rig.work()
        for ref in refs:
            ended(rig, ref, APPROVED, AGREED)

    def test_bad_days_change_nothing_in_the_end(self, rig: Rig[Any]) -> None:
        rig.oa.spoil_callbacks(repeat=2, reorder_fraction=0.5, delay_s=0.02, delay_fraction=0.5)
        for harm, times in (("server_error", 2), ("html_page", 1), ("rate_limit", 1), ("lost_answer", 1)):
            rig.oa.fault(harm, rig.create, method="POST", times=times)
        refs = [rig.open(str(no)) for no in range(5)]
        rig.work()
        rig.hours_pass()
        for ref in refs:
            rig.agree(under_way(rig, ref))
        rig.work()
        rig.hours_pass()
        for ref in refs:
            ended(rig, ref, APPROVED, AGREED)

    # What is told

    def test_one_look_serves_all_events_that_had_come_in(self, rig: Rig[Any]) -> None:
        ref, instance_id = rig.sent()
        rig.work()
        rig.agree(instance_id)
        before = rig.oa.calls().get(rig.look, 0)
        rig.work()
        assert rig.oa.calls()[rig.look] - before == 1
        ended(rig, ref, APPROVED, AGREED)

    def test_told_twice_and_backwards_it_is_kept_and_done_once(self, rig: Rig[Any]) -> None:
        ref, instance_id = rig.sent()
        rig.work()
        rig.close_the_door()
        rig.agree(instance_id)
        rig.open_the_door()
        rig.tell_again(times=2)
        kept = InboxEvent.objects.count()
        rig.work()
        ended(rig, ref, APPROVED, AGREED)
        rig.tell_again()
        rig.work()
        ended(rig, ref, APPROVED, AGREED)
        assert InboxEvent.objects.count() == kept == len(rig.oa.events())

    def test_what_was_decided_behind_our_closed_door_is_found(self, rig: Rig[Any]) -> None:
        rig.close_the_door()
        approved, approved_id = rig.sent("1")
        refused, refused_id = rig.sent("2")
        rig.agree(approved_id)
        rig.decide(refused_id, Verdict.REJECT, "缺发票")
        rig.work()
        assert [rig.office.case(ref).state for ref in (approved, refused)] == ["active", "active"]
        report = rig.compare()
        assert sorted((drift.ref, drift.ours, drift.theirs) for drift in report.healed) == [
            (str(approved), "active", "approved"),
            (str(refused), "active", "rejected"),
        ]
        assert report.unhealed == []
        again = rig.compare()
        assert (again.healed, again.unhealed) == ([], [])
        ended(rig, approved, APPROVED, AGREED)
        ended(rig, refused, REJECTED, REFUSED)

    def test_a_week_late_it_changes_nothing(self, rig: Rig[Any]) -> None:
        rig.close_the_door()
        ref, instance_id = rig.sent()
        rig.agree(instance_id)
        rig.compare()
        ended(rig, ref, APPROVED, AGREED)
        rig.open_the_door()
        rig.tell_again()
        assert InboxEvent.objects.count() == len(rig.oa.events()) > 0
        rig.work(later=WEEK_S)
        ended(rig, ref, APPROVED, AGREED)

    def test_a_forged_callback_leaves_no_trace(self, rig: Rig[Any]) -> None:
        ref, _instance_id = rig.sent()
        rig.work()
        kept = InboxEvent.objects.count()
        forged = list(rig.forged())
        assert forged
        for raw in forged:
            query = "&".join(f"{name}={value}" for name, value in raw.query.items())
            answer = urllib3.request(
                raw.method, f"{rig.office.hooks}?{query}", body=raw.body, headers=dict(raw.headers), retries=False
            )  # fmt: skip
            assert answer.status in (400, 403)
        rig.work()
        assert InboxEvent.objects.count() == kept
        under_way(rig, ref)


def _dismiss(employee: Any) -> None:
    """As a run of the directory does it."""
    type(employee).objects.filter(pk=employee.pk).update(is_active=False)
    hearing.left([employee.pk], clock.now())


def _decide_at_once(rig: Rig[Any]) -> str:
    deadline = time.monotonic() + 5
    while not (found := rig.oa.instances()) and time.monotonic() < deadline:
        time.sleep(0.01)
    rig.agree(found[0]["id"])
    assert rig.oa.wait_for_callbacks()
    try:
        relay.drain()
    finally:
        close_old_connections()
        database.close()
    return str(found[0]["id"])
