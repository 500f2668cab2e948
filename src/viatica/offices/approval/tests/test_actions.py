"""What people do with a case, who may, and what is said when it is not possible."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from viatica.kernel.errors import ViaticaError
from viatica.kernel.refs import Ref
from viatica.offices.access.models import Role
from viatica.offices.access.viewer import Viewer
from viatica.offices.approval import errors, permissions, queries, services
from viatica.offices.approval.models import Cc, Item, ItemState
from viatica.offices.approval.tests.conftest import KIND, Desk
from viatica.spine import facts


def refused(desk: Desk, ref: Ref, name: str, error: type[ViaticaError], **changes: Any) -> ViaticaError:
    """`name` tries to approve the first item; nothing changes."""
    item = desk.items(ref)[0]
    before = (desk.states(ref), desk.facts(ref), desk.case(ref).version)
    with pytest.raises(error) as caught:
        services.decide(**{
            "item_id": item.pk, "actor": desk[name], "verdict": "approve", "comment": "好",
            "expected_version": item.version, "at": desk.at, **changes,
        })  # fmt: skip
    assert (desk.states(ref), desk.facts(ref), desk.case(ref).version) == before
    return caught.value


def test_only_the_one_asked_decides(desk: Desk) -> None:
    desk.flow(desk.named("甲"))
    ref = desk.submit()
    desk.grant("管", Role.ADMINISTRATOR)
    for name in ("owner", "管"):
        assert "甲" in str(refused(desk, ref, name, errors.NotYours))
    assert "甲" not in str(refused(desk, ref, "路人", errors.NoSuchItem))


def test_a_stale_version_is_a_conflict(desk: Desk) -> None:
    desk.flow(desk.named("甲"))
    ref = desk.submit()
    refused(desk, ref, "甲", errors.ItemChanged, expected_version=7)


def test_a_decided_task_says_who_and_when(desk: Desk) -> None:
    desk.flow(desk.named("甲", "乙", mode="any_sign"))
    ref = desk.submit()
    desk.decide(ref, "乙")
    error = refused(desk, ref, "甲", errors.AlreadyHandled)
    assert error.params["who"] == "乙"
    assert error.params["when"] == "2026-11-24 10:00"
    assert error.status == 409


def test_a_withdrawn_case_says_so(desk: Desk) -> None:
    desk.flow(desk.named("甲"))
    ref = desk.submit()
    services.withdraw(ref=ref, actor=desk["owner"], at=desk.at)
    assert "BX-1" in str(refused(desk, ref, "甲", errors.CaseOver))


def test_before_ones_turn(desk: Desk) -> None:
    desk.flow(desk.named("甲", "乙", mode="sequence"))
    ref = desk.submit()
    second = desk.item(ref, "乙", ItemState.WAITING)
    error = refused(desk, ref, "乙", errors.NotYourTurn, item_id=second.pk, expected_version=second.version)
    assert "甲" in str(error)


@pytest.mark.parametrize("verdict", ["reject", "send_back"])
def test_rejecting_needs_a_reason(desk: Desk, verdict: str) -> None:
    desk.flow(desk.named("甲"))
    ref = desk.submit()
    error = refused(desk, ref, "甲", errors.CommentNeeded, verdict=verdict, comment="  ")
    assert error.field == "comment"


def test_an_unknown_verdict_or_item(desk: Desk) -> None:
    desk.flow(desk.named("甲"))
    ref = desk.submit()
    refused(desk, ref, "甲", errors.BadVerdict, verdict="burn")
    refused(desk, ref, "甲", errors.NoSuchItem, item_id=0)
    with pytest.raises(errors.BadPosition):
        desk.add_signer(ref, "甲", "乙", "above")
    assert desk.states(ref) == {"甲": "open"}


def test_conclusion_carries_what_was_approved(desk: Desk) -> None:
    desk.flow(desk.named("甲"))
    ref = desk.submit()
    desk.wait(minutes=5)
    desk.decide(ref, "甲", comment="同意")
    (news,) = desk.conclusions
    assert (news.ref, news.outcome, news.content_hash) == (ref, "approved", "a" * 64)
    assert (news.by, news.via, news.comment, news.at) == (f"employee:{desk['甲'].pk}", "web", "同意", desk.at)


def test_timeline_of_a_case(desk: Desk) -> None:
    desk.flow(desk.named("甲", step="经理"), desk.named("乙", step="总监"))
    ref = desk.submit()
    desk.decide(ref, "甲")
    desk.decide(ref, "乙", "reject", "发票不对")
    told = [(row.fact, row.data.get("step"), row.data.get("verdict")) for row in facts.timeline(ref)]
    assert told == [
        ("case.opened", None, None),
        ("case.step_opened", "经理", None),
        ("case.decided", "经理", "approve"),
        ("case.step_opened", "总监", None),
        ("case.decided", "总监", "reject"),
        ("case.concluded", None, None),
    ]
    assert facts.timeline(ref)[-1].data == {
        "case": desk.case(ref).pk, "outcome": "rejected", "comment": "发票不对",
    }  # fmt: skip


# Withdraw


def test_withdraw_clears_every_to_do_list(desk: Desk) -> None:
    desk.flow(desk.named("甲", "乙", "丙"))
    ref = desk.submit()
    desk.decide(ref, "甲")
    services.withdraw(ref=ref, actor=desk["owner"], at=desk.at, comment="填错了")
    assert desk.states(ref) == {"甲": "approved", "乙": "cancelled", "丙": "cancelled"}
    assert queries.todo_count(desk["乙"].pk) == 0
    assert [conclusion.outcome for conclusion in desk.conclusions] == ["withdrawn"]
    with pytest.raises(errors.NoLiveCase):
        services.withdraw(ref=ref, actor=desk["owner"], at=desk.at)


def test_only_the_applicant_withdraws(desk: Desk) -> None:
    desk.flow(desk.named("甲"))
    ref = desk.submit()
    with pytest.raises(errors.NotApplicant, match="owner"):
        services.withdraw(ref=ref, actor=desk["甲"], at=desk.at)
    assert desk.case(ref).state == "active"


def test_a_live_case_is_not_opened_twice(desk: Desk) -> None:
    desk.flow(desk.named("甲"))
    ref = desk.submit()
    with pytest.raises(errors.CaseIsLive):
        desk.submit()
    assert desk.case(ref).round == 1


# Hand over, add a signer


@pytest.mark.parametrize(
    ("to", "why"), [("owner", "applicant"), ("乙", "already"), ("离职", "left"), ("甲", "already")]
)
def test_who_cannot_be_asked(desk: Desk, to: str, why: str) -> None:
    desk.hire("离职", is_active=False)
    desk.flow(desk.named("甲", "乙"))
    ref = desk.submit()
    before = desk.states(ref)
    with pytest.raises(errors.CannotAsk) as handed:
        desk.hand_over(ref, "甲", to)
    with pytest.raises(errors.CannotAsk) as added:
        desk.add_signer(ref, "甲", to, "before")
    assert handed.value.params["why"] == added.value.params["why"] == why
    assert desk.states(ref) == before


def test_an_administrator_reassigns_and_says_why(desk: Desk) -> None:
    desk.flow(desk.named("甲"))
    desk.grant("管", Role.ADMINISTRATOR, desk.entity)
    ref = desk.submit()
    with pytest.raises(errors.NoSuchItem):
        desk.hand_over(ref, "甲", "乙", by="路人", comment="我来")
    with pytest.raises(errors.CommentNeeded):
        desk.hand_over(ref, "甲", "乙", by="管")
    desk.hand_over(ref, "甲", "乙", by="管", comment="甲休假")
    assert desk.open_for(ref) == ["乙"]
    item = desk.item(ref, "甲", ItemState.HANDED_OVER)
    assert item.decided_by == f"employee:{desk['管'].pk}"
    assert "管" in str(refused(desk, ref, "甲", errors.AlreadyHandled))


def test_a_principal_takes_back_what_a_delegate_has(desk: Desk) -> None:
    desk.flow(desk.named("甲"))
    desk.stands_in("代理", "甲")
    ref = desk.submit()
    assert [item.pk for item in queries.items_for(desk["甲"].pk)] == [desk.items(ref)[0].pk]
    desk.hand_over(ref, "代理", "甲", by="甲")
    assert desk.decide(ref, "甲").state == "approved"


def test_added_signers_nest_only_so_deep(desk: Desk) -> None:
    desk.flow(desk.named("甲"))
    ref = desk.submit()
    desk.add_signer(ref, "甲", "乙", "before")
    desk.add_signer(ref, "乙", "丙", "before")
    with pytest.raises(errors.TooDeep):
        desk.add_signer(ref, "丙", "丁", "before")


# Urge, copies, comments


def test_urging_is_rationed_and_counted(desk: Desk) -> None:
    desk.flow(desk.named("甲", "乙"))
    ref = desk.submit()
    desk.asked.clear()
    assert services.urge(ref=ref, actor=desk["owner"], at=desk.at) == 2
    assert [(asked.why, asked.times) for asked in desk.asked] == [("urged", 1), ("urged", 1)]
    desk.wait(minutes=119)
    with pytest.raises(errors.UrgedLately, match="2026-11-24 12:00"):
        services.urge(ref=ref, actor=desk["owner"], at=desk.at)
    desk.wait(minutes=1)
    desk.decide(ref, "甲")
    assert services.urge(ref=ref, actor=desk["owner"], at=desk.at) == 1
    assert desk.asked[-1].times == 2
    assert desk.facts(ref).count("case.urged") == 2
    with pytest.raises(errors.NotApplicant):
        services.urge(ref=ref, actor=desk["乙"], at=desk.at)


def test_copies_once_a_person(desk: Desk) -> None:
    desk.flow(desk.named("甲"))
    ref = desk.submit()
    desk.asked.clear()
    people = [desk["阅一"], desk["阅二"], desk["owner"]]
    assert services.cc(ref=ref, actor=desk["owner"], employees=people, at=desk.at) == 2
    assert services.cc(ref=ref, actor=desk["甲"], employees=people, at=desk.at) == 0
    assert [asked.employee_id for asked in desk.asked] == [desk["阅一"].pk, desk["阅二"].pk]
    assert desk.facts(ref).count("case.copied") == 1
    assert services.read_copy(ref=ref, employee=desk["阅一"], at=desk.at)
    assert not services.read_copy(ref=ref, employee=desk["阅一"], at=desk.at)
    # A copy outlives a rejection.
    desk.decide(ref, "甲", "reject")
    assert [copy.case.number for copy in queries.copies(desk["阅二"].pk)] == ["BX-1"]
    with pytest.raises(permissions.NoPart):
        services.cc(ref=ref, actor=desk["路人"], employees=people, at=desk.at)
    assert Cc.objects.count() == 2


def test_comments_change_no_state(desk: Desk) -> None:
    desk.flow(desk.named("甲"))
    ref = desk.submit()
    before = (desk.states(ref), desk.case(ref).version)
    services.comment(ref=ref, actor=desk["甲"], text="发票呢？", at=desk.at)
    assert facts.timeline(ref)[-1].data["comment"] == "发票呢？"
    with pytest.raises(permissions.NoPart):
        services.comment(ref=ref, actor=desk["路人"], text="路过", at=desk.at)
    with pytest.raises(errors.CommentNeeded):
        services.comment(ref=ref, actor=desk["甲"], text=" ", at=desk.at)
    assert (desk.states(ref), desk.case(ref).version) == before


# Reading


def viewer(desk: Desk, name: str) -> Viewer:
    return Viewer(1, desk[name].pk, name, desk.entity.pk, desk.department.pk)


def test_todo_list(desk: Desk) -> None:
    desk.flow(desk.named("甲", step="经理"))
    refs = [desk.submit(str(n), amount=f"{n}00.50") for n in range(1, 6)]
    with CaptureQueriesContext(
        connection,
    ) as captured:
        rows = queries.todo(viewer(desk, "甲"), size=3)
    assert len(captured) == 1
    assert [row.number for row in rows] == ["BX-5", "BX-4", "BX-3"]
    assert (rows[0].ref, rows[0].applicant, rows[0].step, str(rows[0].amount)) == (
        refs[4],
        "owner",
        "经理",
        "500.50 CNY",
    )
    assert rows[0].is_decided_here
    assert rows[0].department == "市场部"
    older = queries.todo(viewer(desk, "甲"), before=rows[-1].item_id)
    assert [row.number for row in older] == ["BX-2", "BX-1"]
    assert queries.todo(viewer(desk, "路人")) == []
    assert queries.todo_count(desk["甲"].pk) == 5


def test_todo_reads_the_partial_index_however_many_cases_there_are(desk: Desk) -> None:
    """Twenty thousand decided items of the same person cost the list nothing."""
    desk.flow(desk.named("甲"))
    item = desk.items(desk.submit())[0]
    names = [str(one.column) for one in Item._meta.concrete_fields if not one.primary_key]
    values = ", ".join("'approved'" if name == "state" else name for name in names)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO approval_item ({', '.join(names)})"
            f" SELECT {values} FROM approval_item, generate_series(1, 20000) WHERE id = %s",
            [item.pk],
        )
        cursor.execute("ANALYZE approval_item")
    rows = Item.objects.filter(approver_id=desk["甲"].pk, state="open").order_by("-id")[:50]
    # Either index holds open items only.
    assert any(name in rows.explain() for name in ("item_todo", "item_one_open"))


def test_path(desk: Desk) -> None:
    desk.flow(desk.named("甲", step="经理"), desk.named("乙", "丙", step="总监", mode="any_sign"))
    ref = desk.submit()
    desk.decide(ref, "甲", comment="同意")
    with CaptureQueriesContext(connection) as captured:
        path = queries.path(ref)
    assert len(captured) == 2
    assert [(step.name, step.mode, step.state, step.people) for step in path] == [
        ("经理", "countersign", "passed", ["甲"]),
        ("总监", "any_sign", "active", ["乙", "丙"]),
    ]
    assert (path[0].persons[0].comment, path[0].persons[0].state) == ("同意", "approved")


def test_may_says_why_not_and_who_can(desk: Desk) -> None:
    desk.flow(desk.named("甲"))
    ref = desk.submit()
    item = desk.items(ref)[0]
    assert all(one.is_allowed for one in queries.may(item.pk, desk["甲"].pk, at=desk.at))
    (approve, *_) = queries.may(item.pk, desk["owner"].pk, at=desk.at)
    assert isinstance(approve.refusal, errors.NotYours)
    assert approve.refusal.params == {"who": "甲"}
    (approve, *_) = queries.may(item.pk, desk["路人"].pk, at=desk.at)
    assert isinstance(approve.refusal, errors.NoSuchItem)
    assert queries.may(0, desk["甲"].pk, at=desk.at) == []


def test_who_takes_part(desk: Desk) -> None:
    desk.flow(desk.named("甲"))
    desk.stands_in("代理", "甲")
    ref = desk.submit()
    services.cc(ref=ref, actor=desk["owner"], employees=[desk["阅"]], at=desk.at)
    told = {name: queries.takes_part(ref, desk[name].pk) for name in ("甲", "代理", "阅", "路人")}
    assert told == {"甲": True, "代理": True, "阅": True, "路人": False}
    assert list(queries.keys_of(KIND, desk["甲"].pk)) == ["1"]


def test_durations(desk: Desk) -> None:
    desk.flow(desk.named("甲"))
    start = desk.at
    for n, hours in enumerate((1, 2, 9)):
        ref = desk.submit(str(n))
        desk.wait(hours=hours)
        desk.decide(ref, "甲")
    (row,) = queries.durations(start, desk.at.replace(year=2027), entity_ids=[desk.entity.pk])
    assert (row.kind, row.count, row.median) == (KIND, 3, 2.0)
    assert queries.durations(start, desk.at.replace(year=2027), entity_ids=[]) == []


# Cost


def test_statements_of_opening_and_deciding(desk: Desk) -> None:
    """What a round trip costs: four to open, five for the last approval, two more when a step follows."""
    desk.flow({"name": "经理", "who": {"by": "manager"}}, desk.named("乙", step="总监"))
    desk.submit("warm")
    with CaptureQueriesContext(connection) as captured:
        ref = desk.submit("1")
    assert len(captured) == 4, [query["sql"][:80] for query in captured]
    first = desk.item(ref, "boss")
    with CaptureQueriesContext(connection) as captured:
        services.decide(
            item_id=first.pk, actor=desk["boss"], verdict="approve", expected_version=1, at=desk.at
        )
    assert len(captured) == 7, [query["sql"][:80] for query in captured]
    last = desk.item(ref, "乙")
    with CaptureQueriesContext(connection) as captured:
        services.decide(item_id=last.pk, actor=desk["乙"], verdict="approve", expected_version=1, at=desk.at)
    assert len(captured) == 5, [query["sql"][:80] for query in captured]
