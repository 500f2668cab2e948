"""A case run by an OA: sent once, heard in any order, the same on both sides in the end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from viatica.kernel.errors import OutsideRefused, OutsideUnavailable, OutsideUnknown
from viatica.kernel.refs import Ref
from viatica.offices.access.viewer import Viewer
from viatica.offices.approval import errors, ports, queries, reconciling, services
from viatica.offices.approval.models import Cc, Item, ItemState, Step
from viatica.offices.approval.news import Heard
from viatica.offices.approval.ports import ApprovalNews, CaseState, CaseStatus, InstanceId, TaskResult, What
from viatica.offices.approval.tests.bridge import Bridge, submitted
from viatica.offices.approval.tests.conftest import Desk
from viatica.spine import facts
from viatica.spine.models import Connection, Issue, OutboxMessage
from viatica.spine.outcomes import Done, Park


def test_the_case_waits_whole_until_it_is_sent(bridge: Bridge) -> None:
    ref = submitted(bridge)
    case = bridge.desk.case(ref)
    assert (case.state, case.sent, case.instance_id, case.is_agreed) == ("active", "waiting", None, False)
    (message,) = bridge.messages()
    assert (message.kind, message.lane, message.connection_id) == (
        "approval.submit",
        str(ref),
        bridge.connection.pk,
    )
    assert [(step.name, step.state, step.people) for step in queries.path(ref)] == [
        ("经理", "planned", ["甲"]),
        ("总监", "planned", ["乙", "丙"]),
    ]
    assert bridge.desk.asked == []


def test_sent_once_with_our_flow(bridge: Bridge) -> None:
    desk = bridge.desk
    desk.flow(
        desk.named("甲"),
        desk.named("乙", "丙"),
        desk.named("乙", "甲", mode="sequence"),
        desk.named("甲", "丙", mode="any_sign"),
    )
    ref = desk.submit()
    Cc.objects.create(case=desk.case(ref), employee=desk["丙"], by="system", at=desk.at)
    assert bridge.deliver() == [Done({"instance": "inst-1"})]
    case = desk.case(ref)
    assert (case.sent, case.instance_id) == ("sent", "inst-1")
    order = bridge.instance(ref).order
    assert (order.number, order.kind, order.title, order.applicant.userid) == (
        "BX-1",
        "paper",
        "报销 1",
        "u-owner",
    )
    assert [(group.mode.value, list(group.userids)) for group in order.approvers] == [
        ("NONE", ["u-甲"]),
        ("AND", ["u-乙", "u-丙"]),
        ("NONE", ["u-甲"]),  # 乙 has just approved
        ("NONE", ["u-丙"]),
    ]
    assert list(order.cc) == ["u-丙"]
    assert order.form.fields[0].value == "出差"
    assert desk.facts(ref) == ["case.opened", "case.sent"]
    # The same message again, as after a crash before it was marked done.
    again = bridge.attempt(OutboxMessage.objects.latest("id"), earlier_unknown=True)
    assert again == Done({"instance": "inst-1"})
    assert len(bridge.oa.instances) == 1


def test_the_oas_own_flow(bridge: Bridge) -> None:
    bridge.connection.settings = {"approvers": "theirs"}
    bridge.connection.save()
    ref = submitted(bridge)
    bridge.deliver()
    one = bridge.instance(ref)
    assert list(one.order.approvers) == []
    bridge.hear()
    bridge.oa._open(one, "u-甲")
    bridge.oa._open(one, "u-外人")
    bridge.hear()
    assert bridge.desk.states(ref) == {"甲": "open", "u-外人": "open"}
    assert [step.name for step in queries.path(ref)] == ["玩具OA"]
    bridge.oa.end(one.id, CaseStatus.APPROVED)
    bridge.hear()
    assert bridge.desk.case(ref).state == "approved"


def test_a_lost_answer_is_found_and_not_repeated(bridge: Bridge) -> None:
    ref = submitted(bridge)
    bridge.oa.lose = 1
    with pytest.raises(OutsideUnknown):
        bridge.deliver()
    assert bridge.desk.case(ref).sent == "trying"
    assert bridge.deliver(earlier_unknown=True) == [Done({"found": True})]
    assert len(bridge.oa.instances) == 1
    assert bridge.desk.case(ref).instance_id == "inst-1"
    assert bridge.desk.open_for(ref) == ["甲"]
    assert bridge.desk.facts(ref).count("case.sent") == 1


def test_an_unknown_attempt_that_did_nothing_is_done_again(bridge: Bridge) -> None:
    ref = submitted(bridge)
    assert bridge.deliver(earlier_unknown=True) == [Done({"instance": "inst-1"})]
    assert bridge.oa.looks == 1
    assert bridge.desk.case(ref).sent == "sent"


def test_a_callback_before_the_answer(bridge: Bridge) -> None:
    """The OA is faster than our own record of having sent."""
    ref = submitted(bridge)
    bridge.oa.lose = 1
    with pytest.raises(OutsideUnknown):
        bridge.deliver()
    bridge.oa.decide("u-甲")
    bridge.hear()
    assert bridge.desk.case(ref).instance_id == "inst-1"
    assert bridge.deliver(earlier_unknown=True) == [Done({"instance": "inst-1"})]
    assert bridge.desk.states(ref) == {"甲": "approved", "乙": "open", "丙": "open"}
    assert bridge.desk.facts(ref).count("case.sent") == 1


def test_news_without_our_number_before_we_know_the_instance(bridge: Bridge) -> None:
    submitted(bridge)
    bridge.oa.lose = 1
    with pytest.raises(OutsideUnknown):
        bridge.deliver()
    bare = ApprovalNews(bridge.connection.pk, InstanceId("inst-1"), What.APPROVED, bridge.desk.at, "x")
    assert services.apply(bare, at=bridge.desk.at) is Heard.UNKNOWN


def test_the_whole_way(bridge: Bridge) -> None:
    desk, oa = bridge.desk, bridge.oa
    ref = submitted(bridge)
    bridge.deliver()
    bridge.hear()
    assert desk.open_for(ref) == ["甲"]
    assert [(asked.employee_id, asked.in_oa) for asked in desk.asked] == [(desk["甲"].pk, True)]
    oa.decide("u-甲", comment="同意")
    bridge.hear()
    assert sorted(desk.open_for(ref)) == ["丙", "乙"]
    oa.decide("u-丙", comment="准")
    bridge.hear()
    case = desk.case(ref)
    assert (case.state, case.is_agreed) == ("approved", True)
    assert desk.states(ref) == {"甲": "approved", "乙": "cancelled", "丙": "approved"}
    assert [step.state for step in queries.path(ref)] == ["passed", "passed"]
    (news,) = desk.conclusions
    assert (news.outcome, news.by, news.via, news.comment) == (
        "approved",
        f"employee:{desk['丙'].pk}",
        "toy",
        "准",
    )
    assert bridge.ignored(ref) == []
    decided = [row for row in facts.timeline(ref) if row.fact == "case.decided"]
    assert [(row.actor, row.via) for row in decided] == [
        (f"employee:{desk[name].pk}", "toy") for name in ("甲", "丙")
    ]


def test_rejected_there(bridge: Bridge) -> None:
    ref = submitted(bridge)
    bridge.deliver()
    bridge.oa.decide("u-甲", TaskResult.REJECTED, "缺发票")
    bridge.hear()
    assert bridge.desk.case(ref).state == "rejected"
    assert bridge.desk.conclusions[0].comment == "缺发票"
    assert [step.state for step in queries.path(ref)] == ["rejected", "cancelled"]
    # It comes again with a number of its own.
    again = bridge.desk.submit()
    bridge.deliver()
    assert bridge.instance(again).order.number == "BX-1-2"


def test_handed_over_there(bridge: Bridge) -> None:
    ref = submitted(bridge, bridge.desk.named("甲"))
    bridge.deliver()
    bridge.oa.decide("u-甲", TaskResult.HANDED_OVER, to="u-乙")
    bridge.hear()
    assert bridge.desk.states(ref) == {"甲": "transferred", "乙": "open"}
    bridge.oa.decide("u-乙")
    bridge.hear()
    assert bridge.desk.case(ref).state == "approved"
    assert Step.objects.filter(case=bridge.desk.case(ref)).count() == 1


def test_a_decision_is_not_offered_here(bridge: Bridge) -> None:
    desk = bridge.desk
    ref = submitted(bridge)
    bridge.deliver()
    bridge.hear()
    item = desk.item(ref, "甲")
    with pytest.raises(errors.DecidedElsewhere, match="玩具OA"):
        desk.decide(ref, "甲")
    (approve, *_) = queries.may(item.pk, desk["甲"].pk, at=desk.at)
    assert isinstance(approve.refusal, errors.DecidedElsewhere)
    (row,) = queries.todo(Viewer(1, desk["甲"].pk, "甲", desk.entity.pk, desk.department.pk))
    assert row.system == "玩具OA"
    assert not row.is_decided_here
    assert desk.states(ref)["甲"] == "open"


def test_who_is_not_linked_is_named_once_for_all_papers(bridge: Bridge) -> None:
    desk = bridge.desk
    desk.flow(desk.named("未绑定"))
    first, second = desk.submit("1"), desk.submit("2")
    outcomes = [bridge.attempt(message) for message in bridge.messages()]
    assert all(isinstance(outcome, Park) and "未绑定" in outcome.reason for outcome in outcomes)
    issue = Issue.objects.get()
    assert issue.params["who"] == "未绑定"
    assert sorted(wait.ref for wait in issue.waits.all()) == [str(first), str(second)]
    assert desk.case(first).state == "active"
    assert not bridge.oa.instances
    bridge.link("未绑定")
    for message in bridge.messages():
        assert isinstance(bridge.attempt(message, attempt=2), Done)
    issue.refresh_from_db()
    assert issue.closed_at is not None


# Withdrawing


def test_withdrawn_here_and_there(bridge: Bridge) -> None:
    ref = submitted(bridge)
    bridge.deliver()
    services.withdraw(ref=ref, actor=bridge.desk["owner"], at=bridge.desk.at, comment="填错")
    assert bridge.desk.case(ref).state == "withdrawn"
    assert bridge.deliver() == [Done()]
    assert bridge.instance(ref).status is CaseStatus.WITHDRAWN
    assert bridge.desk.case(ref).is_agreed
    bridge.hear()
    assert len(bridge.desk.conclusions) == 1
    assert "contradicts" not in bridge.ignored(ref)


def test_withdrawn_before_it_was_sent_is_never_sent(bridge: Bridge) -> None:
    ref = submitted(bridge)
    services.withdraw(ref=ref, actor=bridge.desk["owner"], at=bridge.desk.at)
    assert bridge.deliver() == [Done({"skipped": "withdrawn"}), Done({"skipped": "waiting"})]
    assert not bridge.oa.instances
    assert bridge.oa.looks == 0


def test_withdrawn_while_the_answer_was_lost(bridge: Bridge) -> None:
    ref = submitted(bridge)
    bridge.oa.lose = 1
    with pytest.raises(OutsideUnknown):
        bridge.deliver()
    services.withdraw(ref=ref, actor=bridge.desk["owner"], at=bridge.desk.at)
    submit, withdraw = bridge.messages()
    assert bridge.attempt(submit, earlier_unknown=True) == Done({"found": True})
    assert bridge.attempt(withdraw) == Done()
    assert bridge.instance(ref).status is CaseStatus.WITHDRAWN


def test_too_young_to_withdraw_waits(bridge: Bridge) -> None:
    ref = submitted(bridge)
    bridge.deliver()
    bridge.oa.young = True
    services.withdraw(ref=ref, actor=bridge.desk["owner"], at=bridge.desk.at)
    with pytest.raises(OutsideUnavailable) as caught:
        bridge.deliver()
    assert caught.value.retry_after == 15
    bridge.oa.young = False
    assert bridge.deliver() == [Done()]


def test_approval_after_withdrawal_changes_nothing(bridge: Bridge) -> None:
    desk = bridge.desk
    ref = submitted(bridge, desk.named("甲"))
    bridge.deliver()
    services.withdraw(ref=ref, actor=desk["owner"], at=desk.at)
    bridge.oa.decide("u-甲")
    news = list(bridge.oa.news)
    bridge.hear(news)
    bridge.hear(news)
    case = desk.case(ref)
    assert (case.state, case.is_agreed) == ("withdrawn", False)
    assert [conclusion.outcome for conclusion in desk.conclusions] == ["withdrawn"]
    assert bridge.ignored(ref).count("contradicts") == 1
    # Our withdrawal then finds it over: compared, not repeated for ever.
    assert bridge.deliver() == [Done({"over": True})]
    assert bridge.ignored(ref).count("contradicts") == 1


def test_a_refused_withdrawal_of_a_running_instance_is_for_a_person(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = submitted(bridge)
    bridge.deliver()

    def refuse(case: Any, reason: str) -> None:
        raise OutsideRefused(system="Toy", said_by="not permitted by the template")

    monkeypatch.setattr(bridge.oa, "withdraw", refuse)
    services.withdraw(ref=ref, actor=bridge.desk["owner"], at=bridge.desk.at)
    with pytest.raises(OutsideRefused):
        bridge.deliver()


def test_comments_reach_the_oa(bridge: Bridge) -> None:
    ref = submitted(bridge)
    bridge.deliver()
    services.comment(ref=ref, actor=bridge.desk["owner"], text="请尽快", at=bridge.desk.at)
    bridge.deliver()
    assert bridge.oa.said == [("inst-1", "owner：请尽快")]


# Any order, any number of times


def play(bridge: Bridge, ending: str) -> Ref:
    desk, oa = bridge.desk, bridge.oa
    ref = submitted(
        bridge,
        desk.named("甲"),
        desk.named("乙", "丙", mode="any_sign"),
        desk.named("甲"),
        key=f"{next(KEYS)}",
    )
    bridge.deliver()
    oa.decide("u-甲", comment="一")
    match ending:
        case "approved":
            oa.decide("u-丙", comment="二")
            oa.decide("u-甲", comment="三")
        case "rejected":
            oa.decide("u-丙", TaskResult.REJECTED, "不")
        case _:
            one = list(oa.instances.values())[-1]
            oa.end(one.id, CaseStatus(ending))
    return ref


KEYS = iter(range(10_000))
ENDINGS = {"approved": "approved", "rejected": "rejected", "withdrawn": "withdrawn", "gone": "withdrawn"}


def look(bridge: Bridge) -> Heard:
    (one,) = bridge.oa.instances.values()
    return services.settle(connection_id=bridge.connection.pk, state=bridge.oa.state(one), at=bridge.desk.at)


def picture(desk: Desk, ref: Ref) -> Any:
    items = Item.objects.filter(case=desk.case(ref)).select_related("approver", "step")
    steps = Step.objects.filter(case=desk.case(ref)).order_by("seq").values_list("seq", "state")
    seen = sorted(
        (
            item.step.seq,
            item.approver.name if item.approver else "",
            item.state,
            item.comment,
            item.decided_by,
        )
        for item in items
    )
    return desk.case(ref).state, list(steps), seen


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), ending=st.sampled_from(sorted(ENDINGS)))
def test_news_in_any_order_repeated_or_partly_lost(bridge: Bridge, data: st.DataObject, ending: str) -> None:
    desk = bridge.desk
    bridge.oa.instances.clear()
    bridge.oa.news.clear()
    desk.conclusions.clear()
    straight = play(bridge, ending)
    bridge.hear()
    look(bridge)
    expected = picture(desk, straight)
    desk.conclusions.clear()

    bridge.oa.instances.clear()
    ref = play(bridge, ending)
    told = list(bridge.oa.news)
    bridge.oa.news.clear()
    lost = data.draw(st.sets(st.sampled_from(range(len(told)))))
    kept = [news for n, news in enumerate(told) if n not in lost]
    twice = kept + data.draw(st.lists(st.sampled_from(kept), max_size=6)) if kept else []
    bridge.hear(data.draw(st.permutations(twice)))
    # In the end one looks: what was lost is made good.
    look(bridge)
    assert desk.case(ref).state == ENDINGS[ending]
    assert [conclusion.outcome for conclusion in desk.conclusions] == [ENDINGS[ending]]
    assert picture(desk, ref) == expected
    assert desk.facts(ref).count("case.concluded") == 1
    assert "contradicts" not in bridge.ignored(ref)
    # And once more: nothing is left to change.
    version = desk.case(ref).version
    assert look(bridge) is Heard.IGNORED
    assert desk.case(ref).version == version


def test_repeats_are_recorded_once(bridge: Bridge) -> None:
    ref = submitted(bridge, bridge.desk.named("甲"))
    bridge.deliver()
    bridge.oa.decide("u-甲")
    news = list(bridge.oa.news)
    assert bridge.hear(news)[-1] is Heard.APPLIED
    for _ in range(5):
        assert set(bridge.hear(news)) == {Heard.IGNORED}
    told = bridge.ignored(ref)
    assert len(told) <= len(news)
    assert set(told) == {"late"}


def test_contradictory_tasks_keep_the_first_decision(bridge: Bridge) -> None:
    ref = submitted(bridge, bridge.desk.named("甲", "乙"))
    bridge.deliver()
    bridge.oa.decide("u-甲")
    bridge.hear()
    (task,) = [task for task in bridge.instance(ref).tasks if task.userid == "u-甲"]
    lie = ApprovalNews(
        bridge.connection.pk, InstanceId("inst-1"), What.TASK_DECIDED, bridge.desk.at, "lie",
        actor_userid="u-甲", task_id=task.task_id, result=TaskResult.REJECTED,
    )  # fmt: skip
    assert services.apply(lie, at=bridge.desk.at) is Heard.IGNORED
    assert bridge.desk.states(ref)["甲"] == "approved"
    assert bridge.ignored(ref) == ["contradicts"]


def test_news_of_nobody_we_know(bridge: Bridge) -> None:
    state = CaseState(InstanceId("strange"), "NOT-OURS", CaseStatus.APPROVED)
    assert (
        services.settle(connection_id=bridge.connection.pk, state=state, at=bridge.desk.at) is Heard.UNKNOWN
    )


def test_another_connections_news_of_the_same_number_is_not_ours(bridge: Bridge) -> None:
    ref = submitted(bridge)
    state = CaseState(InstanceId("inst-1"), "BX-1", CaseStatus.APPROVED)
    assert (
        services.settle(connection_id=bridge.connection.pk + 1, state=state, at=bridge.desk.at)
        is Heard.UNKNOWN
    )
    assert bridge.desk.case(ref).state == "active"


# Reconcile


def test_reconcile_applies_what_was_lost(bridge: Bridge) -> None:
    desk = bridge.desk
    first = submitted(bridge, desk.named("甲"), key="1")
    second = desk.submit("2")
    bridge.deliver()
    bridge.oa.decide("u-甲")
    bridge.oa.news.clear()
    report = reconciling.reconcile(bridge.connection, desk.at)
    assert (report.compared, len(report.healed), report.unhealed) == (2, 1, [])
    assert (report.healed[0].ref, report.healed[0].ours, report.healed[0].theirs) == (
        str(first),
        "active",
        "approved",
    )
    assert (desk.case(first).state, desk.case(second).state) == ("approved", "active")
    again = reconciling.reconcile(bridge.connection, desk.at)
    assert (again.compared, again.healed, again.unhealed) == (1, [], [])


def test_reconcile_looks_at_the_longest_unchecked_first(bridge: Bridge) -> None:
    desk = bridge.desk
    bridge.connection.settings = {"reconcile_looks": 2}
    bridge.connection.save()
    refs = [submitted(bridge, desk.named("甲"), key=str(n)) for n in range(5)]
    bridge.deliver()
    for _ in range(3):
        desk.wait(hours=1)
        reconciling.reconcile(bridge.connection, desk.at)
    assert all(desk.case(ref).checked_at for ref in refs)


def test_reconcile_adopts_what_was_created_without_an_answer(bridge: Bridge) -> None:
    desk = bridge.desk
    ref = submitted(bridge)
    bridge.oa.lose = 1
    with pytest.raises(OutsideUnknown):
        bridge.deliver()
    desk.wait(minutes=1)
    report = reconciling.reconcile(bridge.connection, desk.at)
    assert desk.case(ref).instance_id == "inst-1"
    assert [drift.ref for drift in report.healed] == [str(ref)]


def test_reconcile_names_what_it_cannot_heal(bridge: Bridge) -> None:
    desk, oa = bridge.desk, bridge.oa
    gone, twice, late = (submitted(bridge, desk.named("甲"), key=key) for key in ("gone", "twice", "late"))
    bridge.deliver()
    del oa.instances[InstanceId(desk.case(gone).instance_id or "")]
    copy = bridge.instance(twice).order
    oa.submit(copy)
    by_hand = oa.submit(replace(copy, number="手工"))
    services.withdraw(ref=late, actor=desk["owner"], at=desk.at)
    oa.end(InstanceId(desk.case(late).instance_id or ""), CaseStatus.APPROVED)
    desk.wait(minutes=1)
    report = reconciling.reconcile(bridge.connection, desk.at)
    assert report.healed == []
    assert sorted((drift.ref, drift.what, drift.theirs) for drift in report.unhealed) == sorted([
        (str(gone), "status", "missing"),
        (str(twice), "second_instance", list(oa.instances)[-2]),
        (f"toy/{by_hand}", "instance", "running"),
        (str(late), "status", "approved"),
    ])  # fmt: skip
    assert desk.case(gone).state == "active"
    assert desk.case(late).state == "withdrawn"


def test_reconcile_sends_a_lost_withdrawal_again(bridge: Bridge) -> None:
    desk = bridge.desk
    ref = submitted(bridge)
    bridge.deliver()
    services.withdraw(ref=ref, actor=desk["owner"], at=desk.at)
    bridge.delivered = bridge.messages()[-1].pk  # lost, say by a person who removed it
    report = reconciling.reconcile(bridge.connection, desk.at)
    assert [(drift.ours, drift.theirs) for drift in report.healed] == [("withdrawn", "running")]
    bridge.deliver()
    assert bridge.instance(ref).status is CaseStatus.WITHDRAWN
    assert reconciling.reconcile(bridge.connection, desk.at).compared == 0


def test_an_inactive_connection_or_one_for_other_uses_leaves_it_in_house(bridge: Bridge) -> None:
    desk = bridge.desk
    changes: list[dict[str, Any]] = [{"is_active": False}, {"is_active": True, "uses": ["messages"]}]
    for n, change in enumerate(changes):
        Connection.objects.filter(pk=bridge.connection.pk).update(**change)
        ref = submitted(bridge, desk.named("甲"), key=str(n))
        assert desk.case(ref).sent == "in_house"
        assert desk.open_for(ref) == ["甲"]


def test_a_kind_without_a_connector_refuses(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_factories", {})
    with pytest.raises(ports.NoPort, match="toy"):
        submitted(bridge)


def test_statements_of_sending_and_hearing(bridge: Bridge) -> None:
    ref = submitted(bridge, bridge.desk.named("甲"))
    (message,) = bridge.messages()
    with CaptureQueriesContext(database) as captured:
        bridge.attempt(message)
    assert len(captured) <= 9, [query["sql"][:90] for query in captured]
    bridge.oa.decide("u-甲")
    (one,) = bridge.oa.instances.values()
    with CaptureQueriesContext(database) as captured:
        services.settle(connection_id=bridge.connection.pk, state=bridge.oa.state(one), at=bridge.desk.at)
    assert len(captured) <= 9, [query["sql"][:90] for query in captured]
    assert bridge.desk.states(ref) == {"甲": ItemState.APPROVED}
