"""One case in memory with its steps and items: what changes is gathered, then written at once.

Writing begins with `UPDATE … WHERE version = <the one read>`: of two who act at the same time, one finds the version
gone, reads again and is told what happened. Nothing of a lost attempt is written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import models

from viatica.kernel.errors import Conflict
from viatica.kernel.words import N_
from viatica.offices.approval import conditions, flows, hearing, modes, telling, writing
from viatica.offices.approval.flows import Refusal, Route, StepPlan
from viatica.offices.approval.models import (
    Case,
    Flow,
    Item,
    ItemState,
    Mode,
    Oneself,
    SamePerson,
    State,
    Step,
    StepState,
)
from viatica.offices.approval.people import Approval, Directory, Seat, Seating, Subject
from viatica.offices.approval.ports import Conclusion, Outcome, Why
from viatica.spine import facts

TRIES = 50
MOST_IGNORED = 50
LAST_RESORT = N_("Review by an administrator")


@lru_cache(maxsize=512)
def route(flow_id: int) -> Route:
    """A flow's route. Its row never changes, so it is read once a process."""
    flow = Flow.objects.get(pk=flow_id)
    return Route(
        flow.pk,
        flows.parse(flow.steps),
        SamePerson(flow.same_person),
        Oneself(flow.oneself),
        flow.fallback_id,
    )


@dataclass(slots=True)
class CaseFile:
    """`actor` and `via` are written into what changes, as in facts."""

    case: Case
    steps: list[Step]
    items: list[Item]
    at: datetime
    actor: str
    via: str
    _case: dict[str, Any] = field(default_factory=dict)
    _changed: dict[models.Model, dict[str, Any]] = field(default_factory=dict)
    _new_steps: list[tuple[Step, list[Item]]] = field(default_factory=list)
    _new_items: list[Item] = field(default_factory=list)
    _facts: list[facts.NewFact] = field(default_factory=list)
    _opened: list[Item] = field(default_factory=list)
    _closed: list[Item] = field(default_factory=list)
    _conclusion: Conclusion | None = None

    # What is there

    @property
    def step(self) -> Step | None:
        """The step the case stands at."""
        return next((step for step in self.steps if step.state == StepState.ACTIVE), None)

    def items_of(self, step: Step) -> list[Item]:
        return [item for item in self.items if item.step is step or (step.pk and item.step_id == step.pk)]

    def plan_of(self, step: Step) -> StepPlan | None:
        """What the flow says of it; None for a step the flow does not know."""
        plans = route(self.case.flow_id).steps
        return plans[step.seq - 1] if step.seq <= len(plans) else None

    def earlier(self, seq: int) -> list[Approval]:
        """Who has approved in this case before step `seq`, of their own will."""
        return [
            Approval(item.approver_id, item.step.seq, item.pk)
            for item in self.items
            if item.state == ItemState.APPROVED and item.approver_id is not None and item.step.seq < seq
        ]

    # What changes

    def set_case(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self.case, name, value)
        self._case.update(values)

    def change(self, row: Step | Item, **values: Any) -> None:
        if isinstance(row, Item) and row.state == ItemState.OPEN and "state" in values:
            self._closed.append(row)
        for name, value in values.items():
            setattr(row, name, value)
        if row.pk is not None:
            self._changed.setdefault(row, {}).update(values)

    def note(self, fact: str, *, by: str = "", **data: Any) -> None:
        """One fact about this case; empty values are left out. `by`: who did it, when not the actor."""
        filled = {name: value for name, value in data.items() if value not in (None, "", [])}
        told = {"case": self.case.pk, **filled}
        self._facts.append(facts.NewFact(self.case.ref, fact, by or self.actor, self.via, self.at, told))

    def ignore(self, told: Iterable[tuple[str, str]], *, by: str = "", **data: Any) -> None:
        """What was said from outside and changes nothing, as (reason, what) pairs.

        Each pair is recorded once, and only so many, lest repeats flood the timeline.
        """
        known = self.case.ignored
        fresh = [one for one in dict.fromkeys(told) if ":".join(one)[:200] not in known]
        fresh = fresh[: max(0, MOST_IGNORED - len(known))]
        if fresh:
            self.set_case(ignored=[*known, *(":".join(one)[:200] for one in fresh)])
        for reason, what in fresh:
            self.note("news.ignored", by=by, reason=reason, what=what, **data)

    def close(self, item: Item, state: ItemState, comment: str = "", **more: Any) -> None:
        """The item is decided, by whoever acts."""
        self.change(
            item,
            state=state,
            decided_at=self.at,
            decided_by=self.actor,
            via=self.via,
            comment=comment,
            **more,
        )

    def open(self, item: Item) -> None:
        self.change(item, state=ItemState.OPEN, opened_at=self.at)
        self._opened.append(item)

    def cancel(self, items: Iterable[Item]) -> None:
        for item in items:
            self.change(item, state=ItemState.CANCELLED, decided_at=self.at)

    def add(self, item: Item) -> Item:
        """A new item in a step that exists."""
        self.items.append(item)
        self._new_items.append(item)
        if item.state == ItemState.OPEN:
            self._opened.append(item)
        return item

    def add_step(self, step: Step, items: list[Item]) -> None:
        self.steps.append(step)
        self.items.extend(items)
        self._new_steps.append((step, items))
        self._opened += [item for item in items if item.state == ItemState.OPEN]

    # How it goes on

    def go_on(self, comment: str = "") -> None:
        """After an item was decided: open whose turn it is, end the step, enter the next, or conclude."""
        step = self.step
        if step is None:
            return
        items = self.items_of(step)
        plan = self.plan_of(step)
        standing = modes.standing(step.mode, plan.refusal if plan else Refusal.FIRST, items)
        match standing:
            case StepState.ACTIVE:
                self.cancel(modes.overtaken(step.mode, items))
                for item in modes.to_open(step.mode, items):
                    self.open(item)
            case StepState.PASSED:
                self.cancel(item for item in items if item.is_live)
                self.change(step, state=StepState.PASSED)
                self.advance(comment)
            case StepState.REJECTED:
                self.conclude(Outcome.REJECTED, comment)
            case StepState.RETURNED:
                self.conclude(Outcome.RETURNED, comment)
            case _:
                raise AssertionError(standing)

    def advance(self, comment: str = "") -> None:
        """Enter the next step that asks somebody; after the last, the case is approved.

        A flow has at most `flows.MOST_STEPS` steps and each is entered once, so this ends.
        """
        plans = route(self.case.flow_id)
        directory = self.directory()
        seen = conditions.values(self.case.context)
        for seq in range(self.case.step_no + 1, len(plans.steps) + 1):
            plan = plans.steps[seq - 1]
            if not self._applies(plan, seen):
                continue
            seating = directory.seat(plans, plan, self.earlier(seq), is_protected=self.case.is_protected)
            if self._enter(seq, plan.name, plan.refusal, seating):
                return
        if any(item.state == ItemState.APPROVED for item in self.items):
            self.conclude(Outcome.APPROVED, comment)
            return
        # Everything was left out or passed automatically: still, somebody looks at every paper once.
        seq = max(self.case.step_no, len(plans.steps)) + 1
        self._enter(seq, LAST_RESORT, Refusal.FIRST, directory.last_resort(plans, LAST_RESORT))

    def directory(self) -> Directory:
        case = self.case
        subject = Subject.of(
            case.context, kind=case.ref_kind, applicant_id=case.applicant_id, entity_id=case.entity_id
        )
        return Directory(subject, self.at)

    def _applies(self, plan: StepPlan, seen: dict[str, Any]) -> bool:
        judged = conditions.judge(plan.when, seen)
        if judged.problem:
            self.note("case.condition_failed", step=plan.name, condition=plan.when, problem=judged.problem)
        return judged.holds

    def _enter(self, seq: int, name: str, refusal: Refusal, seating: Seating) -> bool:
        """Whether somebody is asked there now."""
        step = Step(case=self.case, seq=seq, name=name, mode=seating.mode, state=StepState.ACTIVE)
        self.set_case(step_no=seq)
        items = [self._item(step, seat, place) for place, seat in enumerate(seating.seats)]
        standing = modes.standing(seating.mode, refusal, items) if items else StepState.SKIPPED
        if standing != StepState.ACTIVE:
            step.state = standing
            self.cancel(item for item in items if item.is_live)
            self.add_step(step, items)
            self.note(
                "case.step_passed", step=name, people=_names(seating.seats), reason=_reason(seating.seats)
            )
            return False
        ready = modes.to_open(Mode.SEQUENCE, items) if seating.mode == Mode.SEQUENCE else items
        for item in ready:
            if item.is_live:
                self.change(item, state=ItemState.OPEN, opened_at=self.at)
        self.add_step(step, items)
        self.note("case.step_opened", step=name, mode=str(seating.mode), people=_names(seating.seats))
        return True

    def planned(self, step: Step, seat: Seat, place: int) -> Item:
        """An item of a step to come."""
        return self._item(step, seat, place)

    def _item(self, step: Step, seat: Seat, place: int) -> Item:
        item = Item(
            case=self.case,
            step=step,
            approver_id=seat.employee_id,
            on_behalf_of_id=seat.on_behalf_of,
            reason=seat.reason,
            place=place,
            replaces_id=seat.repeats,
            state=ItemState.WAITING,
        )
        if seat.is_auto:
            self.change(
                item, state=ItemState.AUTO_APPROVED, decided_at=self.at, decided_by="system", via="system"
            )
        return item

    def conclude(self, outcome: Outcome, comment: str = "", by: str = "") -> None:
        """The case ends, once. Whoever was still asked is not any more."""
        ends = {Outcome.APPROVED: StepState.PASSED, Outcome.WITHDRAWN: StepState.CANCELLED}
        state = ends.get(outcome) or StepState(outcome.value)
        for step in self.steps:
            if step.state == StepState.ACTIVE:
                self.change(step, state=state)
            elif step.state == StepState.PLANNED:
                self.change(step, state=StepState.CANCELLED)
        self.cancel(item for item in self.items if item.is_live)
        self._opened.clear()
        self.set_case(state=State(outcome.value), concluded_at=self.at)
        self.note("case.concluded", by=by, outcome=outcome.value, comment=comment)
        self._conclusion = Conclusion(
            ref=self.case.ref,
            case_id=self.case.pk,
            outcome=outcome,
            content_hash=self.case.content_hash,
            by=by or self.actor,
            via=self.via,
            comment=comment,
            at=self.at,
        )

    # Writing

    @property
    def is_touched(self) -> bool:
        return bool(self._case or self._changed or self._new_steps or self._new_items)

    def write(self) -> bool:
        """False when somebody was first: then nothing was written, read again."""
        case = self.case
        if case.pk is None:
            writing.insert(case, self._new_steps)
            for fact in self._facts:
                if fact.data is not None:
                    fact.data["case"] = case.pk
        else:
            guard = Case.objects.filter(pk=case.pk, version=case.version)
            if not guard.update(version=case.version + 1, **self._case):
                return False
            case.version += 1
            self._write_changes()
            writing.insert(case, self._new_steps)
            if self._new_items:
                Item.objects.bulk_create(self._new_items)
        facts.record_many(self._facts)
        if self._conclusion is not None:
            hearing.conclude(self._conclusion)
        self._tell()
        return True

    def _tell(self) -> None:
        left = [item for item in self._closed if item.state != ItemState.OPEN and item.is_told]
        telling.unask(self.case, left, self.at)
        asked = [item for item in self._opened if item.state == ItemState.OPEN and item.approver_id]
        telling.ask(self.case, asked, Why.OPENED, self.at)
        telling.let_show(self.case, self.at)

    def _write_changes(self) -> None:
        """One UPDATE for all rows that change alike."""
        alike: defaultdict[tuple[Any, ...], list[int]] = defaultdict(list)
        for row, values in self._changed.items():
            alike[(type(row), *sorted(values.items(), key=lambda pair: pair[0]))].append(row.pk)
        for (model, *pairs), ids in alike.items():
            if model is Item:
                Item.objects.filter(pk__in=ids).update(**dict(pairs), version=models.F("version") + 1)
            else:
                Step.objects.filter(pk__in=ids).update(**dict(pairs))
        for row in self._changed:
            if isinstance(row, Item):
                row.version += 1


def take(load: Callable[[], CaseFile], change: Callable[[CaseFile], None]) -> CaseFile:
    """Read, change and write a case; read again when somebody else wrote in between.

    Without a change nothing is written.
    """
    for _ in range(TRIES):
        file = load()
        change(file)
        if not file.is_touched or file.write():
            return file
    raise Conflict()


def of_item(item_id: int, *, at: datetime, actor: str, via: str) -> CaseFile | None:
    """The whole case an item belongs to. One statement."""
    own = Item.objects.filter(pk=item_id).values("case_id")[:1]
    return _file(_items().filter(case_id=models.Subquery(own)), at=at, actor=actor, via=via)


def of_case(case: Case, *, at: datetime, actor: str, via: str) -> CaseFile:
    """The file of a case at hand. Two statements: an OA's case may have no item yet."""
    items = list(Item.objects.filter(case=case).order_by("id"))
    steps = {step.pk: step for step in Step.objects.filter(case=case).order_by("seq")}
    for item in items:
        item.case, item.step = case, steps[item.step_id]
    return CaseFile(case, list(steps.values()), items, at, actor, via)


def _items() -> models.QuerySet[Item]:
    """Names are read when a refusal or a delegate's fact needs them: most decisions need none."""
    return Item.objects.select_related("case", "step").defer("case__form").order_by("id")


def _file(rows: models.QuerySet[Item], *, at: datetime, actor: str, via: str) -> CaseFile | None:
    items = list(rows)
    if not items:
        return None
    case = items[0].case
    steps: dict[int, Step] = {}
    for item in items:
        item.case, item.step = case, steps.setdefault(item.step_id, item.step)
    return CaseFile(case, sorted(steps.values(), key=lambda step: step.seq), items, at, actor, via)


def _names(seats: Sequence[Seat]) -> list[str]:
    return [f"{seat.name} ({seat.principal})" if seat.principal else seat.name for seat in seats]


def _reason(seats: Sequence[Seat]) -> str:
    return next((str(seat.reason.value) for seat in seats if seat.is_auto), "nobody")
