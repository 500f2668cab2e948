"""What a flow may say, what conditions see, and who is found."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.utils import ProgrammingError
from hypothesis import given
from hypothesis import strategies as st

from viatica.kernel.money import Money
from viatica.offices.access.models import Role
from viatica.offices.approval import conditions, errors, flows, services
from viatica.offices.approval.models import Case, Flow, Item, Reason, Step
from viatica.offices.approval.people import NobodyToAsk
from viatica.offices.approval.ports import CaseForm
from viatica.offices.approval.tests.conftest import KIND, Desk
from viatica.offices.company.models import CostCenter, Department, LegalEntity, Project
from viatica.spine import facts

MANAGER = {"name": "直属上级", "who": {"by": "manager"}}
CENTS = st.integers(0, 999_999_999_999_999)


@pytest.mark.parametrize(
    ("condition", "context", "holds"),
    [
        ("", {}, True),
        ("amount > 5000", {"amount": "5000.00"}, False),
        ("amount >= 5000", {"amount": "5000.00"}, True),
        ("amount > 5000", {"amount": "5000.01"}, True),
        ("amount > 0.1 && amount < 0.3", {"amount": "0.20"}, True),
        ("cents == 123456", {"amount": "1234.56"}, True),
        ("kind == 'travel_request'", {"kind": "travel_request"}, True),
        ("grade_rank >= 10 || grade == 'M1'", {"grade_rank": 5, "grade": "M1"}, True),
        ("department_path.startsWith('/1/4/')", {"department_path": "/1/4/9/"}, True),
        ("over_standard", {"over_standard": True}, True),
        ("findings.exists(f, f.startsWith('lodging'))", {"findings": ["lodging.cap"]}, True),
        ("'air.cabin' in findings", {"findings": []}, False),
        ("project != ''", {"project": "XM01"}, True),
        ("cost_center == 'CC9' && entity == 'SH'", {"cost_center": "CC9", "entity": "SH"}, True),
        ("size(findings) == 0", {}, True),
    ],
)
def test_conditions(condition: str, context: dict[str, Any], holds: bool) -> None:
    conditions.refuse_if_bad(condition, field="when") if condition else None
    assert conditions.judge(condition, conditions.values(context)) == conditions.Judgement(holds)


@given(amount=CENTS, limit=CENTS)
def test_amounts_are_compared_to_the_cent(amount: int, limit: int) -> None:
    """Both sides round the same way, so a double is exact enough for every amount below ten trillion."""
    amount_yuan, limit_yuan = Decimal(amount) / 100, Decimal(limit) / 100
    seen = conditions.values({"amount": str(amount_yuan)})
    assert conditions.judge(f"amount > {limit_yuan:.2f}", seen).holds == (amount > limit)
    assert conditions.judge(f"amount >= {limit_yuan:.2f}", seen).holds == (amount >= limit)


def test_a_condition_that_cannot_be_judged_lets_the_step_apply() -> None:
    judged = conditions.judge("1 / cents > 1", conditions.values({"amount": "0"}))
    assert judged.holds
    assert judged.problem


@pytest.mark.parametrize(
    "condition",
    ["amount >", "amount > 'x' +", "amout > 5", "amount + 1.0", "'a'", "unknown(amount)", "over_standard && nosuch", "x" * 501],
)  # fmt: skip
def test_a_bad_condition_is_refused_when_the_flow_is_saved(desk: Desk, condition: str) -> None:
    with pytest.raises(conditions.BadCondition) as caught:
        desk.flow(MANAGER, MANAGER | {"when": condition})
    assert caught.value.code == "approval.condition_bad"
    assert caught.value.field == "steps.1.when"
    assert not Flow.objects.exists()


@pytest.mark.parametrize(
    ("step", "field"),
    [
        ("manager", "steps.0"),
        ({"who": {"by": "manager"}}, "steps.0.name"),
        ({"name": "x"}, "steps.0.who"),
        ({"name": "x", "who": {"by": "nobody"}}, "steps.0.who.by"),
        ({"name": "x", "who": {"by": "role"}}, "steps.0.who.role"),
        ({"name": "x", "who": {"by": "role", "role": "chef"}}, "steps.0.who.role"),
        ({"name": "x", "who": {"by": "people", "people": []}}, "steps.0.who.people"),
        ({"name": "x", "who": {"by": "people", "people": ["a"]}}, "steps.0.who.people"),
        ({"name": "x", "who": {"by": "people", "people": [999999]}}, "steps.0.who.people"),
        ({"name": "x", "who": {"by": "department_head", "level": 0}}, "steps.0.who.level"),
        ({"name": "x", "who": {"by": "head_chain", "levels": 99}}, "steps.0.who.levels"),
        (MANAGER | {"mode": "vote"}, "steps.0.mode"),
        (MANAGER | {"surprise": 1}, "steps.0.surprise"),
        (MANAGER | {"when": 5}, "steps.0.when"),
        (MANAGER | {"refusal": "all"}, "steps.0.refusal"),
        (MANAGER | {"fallback": "boss"}, "steps.0.fallback"),
        ({"name": "财务", "who": {"by": "role", "role": "finance"}, "oneself": "skip"}, "steps.0.oneself"),
    ],
)
def test_a_bad_step_is_refused_by_name(desk: Desk, step: Any, field: str) -> None:
    with pytest.raises(flows.BadFlow) as caught:
        desk.flow(step)
    assert caught.value.field == field
    assert not Flow.objects.exists()


def test_a_flow_without_steps_is_refused(desk: Desk) -> None:
    with pytest.raises(flows.BadFlow):
        desk.flow()


def test_steps_survive_json() -> None:
    steps = flows.parse([
        {"name": "链", "who": {"by": "head_chain", "levels": 3}},
        {"name": "或", "who": {"by": "role", "role": "finance"}, "mode": "any_sign", "refusal": "all", "when": "amount > 1"},
        {"name": "人", "who": {"by": "people", "people": [3, 1]}, "nobody": "skip", "same_person": "once", "oneself": "self"},
    ])  # fmt: skip
    assert flows.parse([step.json() for step in steps]) == steps
    assert steps[0].mode == "sequence"
    assert steps[2].json() == {
        "name": "人", "who": {"by": "people", "people": (3, 1)}, "nobody": "skip", "same_person": "once", "oneself": "self",
    }  # fmt: skip


def test_a_saved_flow_cannot_be_changed_in_place(desk: Desk) -> None:
    flow = desk.flow(MANAGER)
    with pytest.raises(ProgrammingError), transaction.atomic():
        Flow.objects.filter(pk=flow.pk).update(steps=[])
    flow.refresh_from_db()
    assert flow.steps == [MANAGER]


def test_a_running_case_keeps_its_route(desk: Desk) -> None:
    desk.flow(desk.named("甲"), desk.named("乙"))
    ref = desk.submit()
    desk.wait(minutes=1)
    desk.flow(desk.named("丙"))
    desk.decide(ref, "甲")
    assert desk.open_for(ref) == ["乙"]
    assert desk.open_for(desk.submit("2")) == ["丙"]


def test_the_closest_flow_serves(desk: Desk) -> None:
    other = LegalEntity.objects.create(code="BJ", name="北京云帆")
    for kind, entity, name in (
        ("", None, "甲"),
        (KIND, None, "乙"),
        (KIND, other.pk, "丙"),
        ("", desk.entity.pk, "丁"),
    ):
        services.save_flow(kind=kind, entity_id=entity, name=name, steps=[desk.named(name)], at=desk.at)
    assert desk.open_for(desk.submit("1")) == ["乙"]
    services.save_flow(kind=KIND, entity_id=desk.entity.pk, name="戊", steps=[desk.named("戊")], at=desk.at)
    assert desk.open_for(desk.submit("2")) == ["戊"]


def test_without_any_flow_the_manager_decides(desk: Desk) -> None:
    ref, again = desk.submit("1"), desk.submit("2")
    assert desk.open_for(ref) == desk.open_for(again) == ["boss"]
    assert Flow.objects.count() == 1


# Who is found


def tree(desk: Desk, *heads: str | None) -> None:
    """Departments below the root, each led by one of `heads`; the applicant sits in the last."""
    parent = desk.root
    for n, head in enumerate(heads):
        parent = Department.objects.create(
            name=f"部门{n}", entity=desk.entity, parent=parent, head=desk[head] if head else None
        )
        parent.refresh_from_db()
    desk["owner"].department = parent
    desk["owner"].save()


@pytest.mark.parametrize(
    ("heads", "who", "asked"),
    [
        (("总", "副", "经"), {"by": "department_head"}, ["经"]),
        (("总", "副", "经"), {"by": "department_head", "level": 2}, ["副"]),
        (("总", "副", "经"), {"by": "department_head", "level": 9}, ["总"]),
        (("总", "副", None), {"by": "department_head"}, ["副"]),
        (("总", "副", "owner"), {"by": "department_head"}, ["boss"]),
        (("总", "副", "经"), {"by": "head_chain", "levels": 2}, ["经"]),
        ((None, None), {"by": "department_head"}, ["管"]),
        (("总", "副"), {"by": "manager"}, ["boss"]),
        ((None,), {"by": "project_owner"}, ["管"]),
    ],
)
def test_heads(desk: Desk, heads: tuple[str | None, ...], who: dict[str, Any], asked: list[str]) -> None:
    desk.grant("管", Role.ADMINISTRATOR)
    tree(desk, *heads)
    desk.flow({"name": "负责人", "who": who})
    assert desk.open_for(desk.submit()) == asked


def test_a_chain_of_heads_goes_up_one_after_another(desk: Desk) -> None:
    tree(desk, "总", None, "副", "经")
    desk.flow({"name": "逐级", "who": {"by": "head_chain", "levels": 4}})
    ref = desk.submit()
    for head in ("经", "副", "总"):
        assert desk.open_for(ref) == [head]
        desk.decide(ref, head)
    assert desk.case(ref).state == "approved"


def test_the_applicant_in_the_chain_is_replaced_by_the_next_above(desk: Desk) -> None:
    tree(desk, "总", "副", "owner")
    desk["owner"].manager = None
    desk["owner"].save()
    desk.flow({"name": "逐级", "who": {"by": "head_chain", "levels": 3}})
    ref = desk.submit()
    desk.decide(ref, "副")
    assert desk.open_for(ref) == ["总"]


def test_owners_of_project_and_cost_center(desk: Desk) -> None:
    project = Project.objects.create(code="XM1", name="项目", owner=desk["项目主"])
    center = CostCenter.objects.create(code="CC1", name="中心", owner=desk["中心主"])
    desk.flow(
        {"name": "项目", "who": {"by": "project_owner"}, "nobody": "skip"},
        {
            "name": "中心",
            "who": {"by": "cost_center_owner"},
            "when": "project == 'XM1' && cost_center == 'CC1'",
        },
        MANAGER,
    )
    ref = desk.submit(project_id=project.pk, cost_center_id=center.pk)
    desk.decide(ref, "项目主")
    desk.decide(ref, "中心主")
    assert desk.open_for(ref) == ["boss"]
    without = desk.submit("2")
    assert desk.open_for(without) == ["boss"]
    assert [step.state for step in Step.objects.filter(case=desk.case(without))] == ["skipped", "active"]


def test_role_within_the_entity_goes_before_the_group(desk: Desk) -> None:
    other = LegalEntity.objects.create(code="BJ", name="北京云帆")
    desk.grant("集团财务", Role.FINANCE)
    desk.grant("北京财务", Role.FINANCE, other)
    desk.flow({"name": "财务", "who": {"by": "role", "role": "finance"}, "mode": "any_sign"})
    assert desk.open_for(desk.submit("1")) == ["集团财务"]
    desk.grant("上海财务", Role.FINANCE, desk.entity)
    assert desk.open_for(desk.submit("2")) == ["上海财务"]


def test_finance_never_reviews_its_own_paper(desk: Desk) -> None:
    desk.flow({"name": "财务", "who": {"by": "role", "role": "finance"}, "mode": "any_sign"}, oneself="self")
    desk.grant("owner", Role.FINANCE)
    assert desk.open_for(desk.submit("1")) == ["boss"]
    desk.grant("同事", Role.FINANCE)
    assert desk.open_for(desk.submit("2")) == ["同事"]


@pytest.mark.parametrize(
    ("oneself", "asked"), [("self", ["owner"]), ("superior", ["boss"]), ("skip", ["乙"])]
)
def test_the_applicant_as_approver(desk: Desk, oneself: str, asked: list[str]) -> None:
    desk.flow(desk.named("owner"), desk.named("乙"), oneself=oneself)
    assert desk.open_for(desk.submit()) == asked


def test_nobody_found_goes_to_the_named_then_to_an_administrator(desk: Desk) -> None:
    step = {"name": "项目", "who": {"by": "project_owner"}}
    desk.grant("管", Role.ADMINISTRATOR)
    desk.flow(step | {"fallback": desk["兜底"].pk})
    first = desk.submit("1")
    assert desk.open_for(first) == ["兜底"]
    assert desk.items(first)[0].reason == Reason.FALLBACK
    desk.wait(minutes=1)
    desk.flow(step, fallback_id=desk["总兜底"].pk)
    assert desk.open_for(desk.submit("2")) == ["总兜底"]
    desk.wait(minutes=1)
    desk.flow(step, fallback_id=desk["owner"].pk)  # never the applicant
    third = desk.submit("3")
    assert desk.open_for(third) == ["管"]
    assert desk.items(third)[0].reason == Reason.ADMINISTRATOR


def test_nobody_at_all_refuses_the_submission_and_writes_nothing(desk: Desk) -> None:
    desk.flow({"name": "项目", "who": {"by": "project_owner"}})
    with pytest.raises(NobodyToAsk, match="项目"):
        desk.submit()
    assert not Case.objects.exists()


def test_the_departed_are_replaced_by_delegate_then_superior_then_fallback(desk: Desk) -> None:
    desk.hire("离职", manager="大老板", is_active=False)
    desk.flow(desk.named("甲"), fallback_id=desk["兜底"].pk)
    flow = {"name": "x", "who": {"by": "people", "people": [desk["离职"].pk]}}
    Flow.objects.filter(valid_until=None).update(valid_until=desk.at)
    Flow.objects.create(kind=KIND, name="旧", steps=[flow], valid_from=desk.at, fallback=desk["兜底"])
    first = desk.submit("1")
    assert [(item.approver.name, item.reason) for item in desk.items(first) if item.approver] == [
        ("大老板", "superior")
    ]
    desk.stands_in("代理", "离职")
    second = desk.submit("2")
    assert [(item.approver.name, item.reason) for item in desk.items(second) if item.approver] == [
        ("代理", "delegate")
    ]
    desk["大老板"].is_active = False
    desk["大老板"].save()
    desk["离职"].delegations.all().delete()
    third = desk.submit("3")
    assert [(item.approver.name, item.reason) for item in desk.items(third) if item.approver] == [
        ("兜底", "fallback")
    ]


def test_a_flow_that_names_a_departed_person_is_not_saved(desk: Desk) -> None:
    desk.hire("离职", is_active=False)
    with pytest.raises(flows.BadFlow):
        desk.flow(desk.named("离职"))


def test_delegation(desk: Desk) -> None:
    desk.flow(desk.named("甲"))
    desk.stands_in("代理", "甲", kind=KIND)
    ref = desk.submit()
    (item,) = desk.items(ref)
    assert item.on_behalf_of == desk["甲"]
    assert desk.open_for(ref) == ["代理"]
    with pytest.raises(errors.NotYours, match="代理"):
        services.decide(
            item_id=item.pk, actor=desk["甲"], verdict="approve", expected_version=item.version, at=desk.at
        )
    desk.decide(ref, "代理")
    (fact,) = [row for row in facts.timeline(ref) if row.fact == "case.decided"]
    assert fact.data["on_behalf_of"] == "甲"
    assert fact.actor == f"employee:{desk['代理'].pk}"


def test_delegation_of_another_kind_or_time_or_to_the_applicant_does_not_count(desk: Desk) -> None:
    desk.flow(desk.named("甲"))
    desk.stands_in("代理", "甲", kind="other")
    desk.stands_in("owner", "甲")
    assert desk.open_for(desk.submit("1")) == ["甲"]
    desk.stands_in("代理", "甲")
    desk.wait(days=2)
    assert desk.open_for(desk.submit("2")) == ["甲"]


# The same person twice


@pytest.mark.parametrize(
    ("same_person", "asked"),
    [("none", ["甲", "乙", "甲", "甲"]), ("consecutive", ["甲", "乙", "甲"]), ("once", ["甲", "乙"])],
)
def test_the_same_person_twice(desk: Desk, same_person: str, asked: list[str]) -> None:
    desk.flow(desk.named("甲"), desk.named("乙"), desk.named("甲"), desk.named("甲"), same_person=same_person)
    ref = desk.submit()
    for name in asked:
        assert desk.open_for(ref) == [name]
        desk.decide(ref, name)
    assert desk.case(ref).state == "approved"
    auto = [item for item in desk.items(ref) if item.state == "auto_approved"]
    assert len(auto) == 4 - len(asked)
    assert all(item.reason == Reason.SAME_PERSON and item.replaces_id for item in auto)
    assert desk.facts(ref).count("case.step_passed") == 4 - len(asked)


def test_in_a_countersign_only_that_person_is_passed_over(desk: Desk) -> None:
    desk.flow(desk.named("甲"), desk.named("甲", "乙"))
    ref = desk.submit()
    desk.decide(ref, "甲")
    assert desk.open_for(ref) == ["乙"]


def test_finance_looks_even_after_having_approved(desk: Desk) -> None:
    desk.grant("甲", Role.FINANCE)
    desk.flow(
        desk.named("甲"), {"name": "财务", "who": {"by": "role", "role": "finance"}}, same_person="once"
    )
    ref = desk.submit()
    desk.decide(ref, "甲")
    assert desk.open_for(ref) == ["甲"]


def test_what_came_back_is_looked_at_by_everybody(desk: Desk) -> None:
    desk.flow(desk.named("甲"), desk.named("owner"), desk.named("甲"), oneself="skip", same_person="once")
    ref = desk.submit()
    desk.decide(ref, "甲", "send_back")
    again = desk.submit()
    case = desk.case(again)
    assert (case.round, case.is_protected, case.outside_number) == (2, True, "BX-1-2")
    for name in ("甲", "boss", "甲"):
        assert desk.open_for(again) == [name]
        desk.decide(again, name)
    assert desk.case(again).state == "approved"


def test_after_a_withdrawal_the_skips_still_hold(desk: Desk) -> None:
    desk.flow(desk.named("甲"), desk.named("甲"))
    ref = desk.submit()
    services.withdraw(ref=ref, actor=desk["owner"], at=desk.at)
    again = desk.submit()
    assert desk.case(again).round == 2
    assert desk.decide(again, "甲").state == "approved"


def test_somebody_looks_even_when_every_step_is_left_out(desk: Desk) -> None:
    desk.grant("管", Role.ADMINISTRATOR)
    desk.flow(desk.named("甲", when="amount > 99999"), desk.named("owner", oneself="skip"))
    ref = desk.submit()
    assert desk.open_for(ref) == ["管"]
    assert desk.decide(ref, "管").state == "approved"


def test_conditions_choose_the_path(desk: Desk) -> None:
    desk.flow(
        desk.named("甲", step="经理"),
        desk.named("乙", step="总监", when="amount > 5000"),
        desk.named("丙", step="超标", when="over_standard || findings.exists(f, f == 'hotel')"),
    )
    small, large, over = (
        desk.submit("1", amount="5000.00"),
        desk.submit("2", amount="5000.01"),
        desk.submit("3", findings=["hotel"]),
    )
    for ref, following in ((small, []), (large, ["乙"]), (over, ["丙"])):
        desk.decide(ref, "甲")
        assert desk.open_for(ref) == following


def test_fifty_steps_of_the_same_person_end(desk: Desk) -> None:
    desk.flow(*[desk.named("甲", step=f"第{n}步") for n in range(flows.MOST_STEPS)], same_person="once")
    ref = desk.submit()
    assert desk.decide(ref, "甲").state == "approved"
    assert Item.objects.filter(case=desk.case(ref)).count() == flows.MOST_STEPS


# Preview


def form(amount: str = "6000.00") -> CaseForm:
    return CaseForm(title="预览", amount=Money(amount, "CNY"))


def test_preview_tells_the_path_and_writes_nothing(desk: Desk) -> None:
    desk.grant("管", Role.ADMINISTRATOR)
    desk.stands_in("代理", "乙")
    desk.flow(
        desk.named("甲", step="经理"),
        desk.named("甲", "乙", step="总监", when="amount > 5000"),
        {"name": "项目", "who": {"by": "project_owner"}, "nobody": "skip"},
        {"name": "无人", "who": {"by": "project_owner"}},
    )
    path = services.preview(form(), desk["owner"], desk.entity.pk, kind=KIND, at=desk.at)
    assert [(step.name, step.state, step.people) for step in path] == [
        ("经理", "planned", ["甲"]),
        ("总监", "planned", ["甲", "代理"]),
        ("项目", "skipped", []),
        ("无人", "planned", ["管"]),
    ]
    assert [(person.reason, person.on_behalf_of) for person in path[1].persons] == [
        ("same_person", ""),
        ("delegate", "乙"),
    ]
    assert path[3].persons[0].reason == "administrator"
    assert not Case.objects.exists()


def test_preview_says_that_nobody_is_found(desk: Desk) -> None:
    desk.flow(MANAGER, {"name": "项目", "who": {"by": "project_owner"}})
    with pytest.raises(NobodyToAsk, match="项目"):
        services.preview(form(), desk["owner"], desk.entity.pk, kind=KIND, at=desk.at)


def test_every_foreign_key_has_an_index(desk: Desk) -> None:
    from viatica.offices.approval.models import Cc

    with connection.cursor() as cursor:
        for model in (Flow, Case, Step, Item, Cc):
            found = connection.introspection.get_constraints(cursor, model._meta.db_table).values()
            leading = {one["columns"][0] for one in found if one["index"] or one["unique"]}
            for one in model._meta.concrete_fields:
                if one.is_relation:
                    assert one.column in leading, (model, one.column)


def test_validity(desk: Desk) -> None:
    desk.flow(desk.named("甲"))
    desk.at += timedelta(hours=1)
    desk.flow(desk.named("乙"))
    old = services.preview(
        form(), desk["owner"], desk.entity.pk, kind=KIND, at=desk.at - timedelta(minutes=1)
    )
    assert old[0].people == ["甲"]
