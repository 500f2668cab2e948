"""Whatever people do, in whatever order: the invariants of an approval hold after every action, refused or not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from viatica.kernel.errors import Conflict, ViaticaError
from viatica.kernel.refs import Ref
from viatica.offices.approval import books, services
from viatica.offices.approval.models import LIVE, Item, ItemState, Mode, Origin, Reason, Step, StepState
from viatica.offices.approval.tests.conftest import Desk
from viatica.spine import facts

NAMES = ("甲", "乙", "丙", "丁", "戊")
ACTION_FACTS = ("case.decided", "case.handed_over", "case.signer_added", "case.withdrawn", "case.urged")
KEYS = count(1000)


@dataclass(frozen=True)
class Act:
    what: str
    actor: str
    other: str
    nth: int
    is_stale: bool


acts = st.builds(
    Act,
    what=st.sampled_from(
        [
            "approve",
            "approve",
            "approve",
            "reject",
            "send_back",
            "to",
            "before",
            "after",
            "beside",
            "withdraw",
            "urge",
        ]
    ),
    actor=st.sampled_from((*NAMES, "owner")),
    other=st.sampled_from((*NAMES, "owner")),
    nth=st.integers(0, 3),
    is_stale=st.booleans().filter(lambda value: value) | st.just(False) | st.just(False),
)
steps = st.tuples(
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True),
    st.sampled_from([*Mode.values]),
    st.sampled_from(["first", "all"]),
    st.sampled_from(["", "amount > 500", "amount > 5000"]),
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    plan=st.lists(steps, min_size=1, max_size=3),
    same_person=st.sampled_from(["none", "consecutive", "once"]),
    story=st.lists(acts, min_size=1, max_size=14),
)
def test_invariants_hold(desk: Desk, plan: list[Any], same_person: str, story: list[Act]) -> None:
    desk.conclusions.clear()
    desk.flow(
        *(
            desk.named(*who, mode=mode, when=when, refusal=refusal if mode == "any_sign" else "first")
            for who, mode, refusal, when in plan
        ),
        same_person=same_person,
        fallback_id=desk["boss"].pk,
    )
    ref = desk.submit(str(next(KEYS)))
    done = 0
    check(desk, ref, done)
    for act in story:
        before = snapshot(desk, ref)
        try:
            perform(desk, ref, act)
        except ViaticaError as refusal:
            assert snapshot(desk, ref) == before, refusal.code
        else:
            done += 1
        check(desk, ref, done)
        desk.wait(minutes=40)
    assert books.disagreements(desk.at) == []


def perform(desk: Desk, ref: Ref, act: Act) -> None:
    """Anybody may try anything on any item; most of it is refused."""
    if act.what == "withdraw":
        services.withdraw(ref=ref, actor=desk[act.actor], at=desk.at)
        return
    if act.what == "urge":
        services.urge(ref=ref, actor=desk[act.actor], at=desk.at)
        return
    items = desk.items(ref)
    mine = [item for item in items if item.approver_id == desk[act.actor].pk and item.state == ItemState.OPEN]
    item = (mine or items)[act.nth % len(mine or items)]
    base: dict[str, Any] = {
        "item_id": item.pk, "actor": desk[act.actor], "at": desk.at, "comment": "说明",
        "expected_version": item.version - act.is_stale,
    }  # fmt: skip
    if act.what == "to":
        services.hand_over(**base, to=desk[act.other])
    elif act.what in ("before", "after", "beside"):
        services.add_signer(**base, signer=desk[act.other], position=act.what)
    else:
        services.decide(**base, verdict=act.what)
        try:  # the very same again: a double click
            services.decide(**base, verdict=act.what)
        except Conflict:
            return
        raise AssertionError("a double click counted twice")


def snapshot(desk: Desk, ref: Ref) -> Any:
    case = desk.case(ref)
    rows = Item.objects.filter(case=case).order_by("id").values_list("pk", "state", "version", "urged_at")
    steps = Step.objects.filter(case=case).order_by("seq").values_list("pk", "state")
    return case.state, case.version, list(rows), list(steps), desk.facts(ref), len(desk.conclusions)


def check(desk: Desk, ref: Ref, done: int) -> None:
    case, items = desk.case(ref), desk.items(ref)
    steps = list(Step.objects.filter(case=case).order_by("seq"))
    active = [step for step in steps if step.state == StepState.ACTIVE]
    live = [item for item in items if item.state in LIVE]
    # 1. A running case has one step where somebody is asked; an ended one asks nobody.
    if case.is_active:
        assert len(active) == 1
        assert any(item.state == ItemState.OPEN for item in live)
        assert {item.step_id for item in live} == {active[0].pk}
    else:
        assert not active and not live
        assert case.concluded_at is not None
    # 2. A person is asked at most once a step.
    twice = Counter((item.step_id, item.approver_id) for item in live)
    assert all(times == 1 for times in twice.values())
    assert all(item.approver_id != case.applicant_id for item in live)
    for step in steps:
        mine = [item for item in items if item.step_id == step.pk]
        states = {item.state for item in mine}
        # 3. A passed countersign: everybody approved, or handed over to one who did.
        if step.state == StepState.PASSED and step.mode != Mode.ANY_SIGN:
            assert states <= {ItemState.APPROVED, ItemState.AUTO_APPROVED, ItemState.HANDED_OVER}
        # 4. A passed any-sign: one approval of its own decided.
        if step.state == StepState.PASSED and step.mode == Mode.ANY_SIGN:
            own = [
                item for item in mine
                if item.state in (ItemState.APPROVED, ItemState.AUTO_APPROVED)
                and item.origin in (Origin.FLOW, Origin.BESIDE)
            ]  # fmt: skip
            assert len([item for item in own if item.state == ItemState.APPROVED]) <= 1
            assert own
    # 5. One fact for every action; each decided item has exactly one, by the one who decided.
    told = facts.timeline(ref)
    assert len([row for row in told if row.fact in ACTION_FACTS]) == done
    about = Counter(row.data["item"] for row in told if row.fact in ("case.decided", "case.handed_over"))
    decided = {
        item.pk for item in items
        if item.state in (ItemState.APPROVED, ItemState.REJECTED, ItemState.RETURNED, ItemState.HANDED_OVER)
    }  # fmt: skip
    assert about == dict.fromkeys(decided, 1)
    assert (
        sum(row.fact == "case.concluded" for row in told) == int(not case.is_active) == len(desk.conclusions)
    )
    # Who passed automatically had approved before, in this case.
    for item in items:
        if item.state == ItemState.AUTO_APPROVED:
            assert item.reason == Reason.SAME_PERSON
            original = next(one for one in items if one.pk == item.replaces_id)
            assert (original.approver_id, original.state) == (item.approver_id, ItemState.APPROVED)
