"""Who is asked in a step, resolved when the step is entered, so that today's organisation counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, assert_never

from django.db import connection
from django.db.models import Q

from viatica.kernel.errors import Refused
from viatica.kernel.words import N_
from viatica.offices.access.models import Grant, Role
from viatica.offices.approval.flows import By, Nobody, Route, StepPlan, Who
from viatica.offices.approval.models import Mode, Oneself, Reason, SamePerson
from viatica.offices.company.models import CostCenter, Department, Project

MOST_SUPERIORS = 20


class NobodyToAsk(Refused):
    code = "approval.nobody_to_ask"
    message = N_("Nobody can be found to approve the step “{step}”.")
    hint = N_(
        "Ask your administrator to name a fallback in the flow, or an administrator for the legal entity."
    )


@dataclass(frozen=True, slots=True)
class Subject:
    """What the resolvers know of the case. `department_path` is the document's, `/1/7/31/`."""

    kind: str
    applicant_id: int
    entity_id: int
    department_path: str
    project_id: int | None = None
    cost_center_id: int | None = None

    @classmethod
    def of(cls, context: Mapping[str, Any], *, kind: str, applicant_id: int, entity_id: int) -> Subject:
        return cls(
            kind,
            applicant_id,
            entity_id,
            context["department_path"],
            context["project_id"],
            context["cost_center_id"],
        )


@dataclass(frozen=True, slots=True)
class Person:
    """`stand_in`: the active delegate (授权代理) of this moment."""

    id: int
    name: str
    is_active: bool
    manager_id: int | None
    stand_in: int | None
    stand_in_name: str


@dataclass(frozen=True, slots=True)
class Seat:
    """One person asked. `is_auto`: they need not look, for `reason`; `repeats` is the item that says so."""

    employee_id: int
    name: str
    on_behalf_of: int | None = None
    principal: str = ""
    reason: Reason = Reason.NONE
    is_auto: bool = False
    repeats: int | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """An earlier approval in the same case; no `item_id` while it is only foreseen."""

    employee_id: int
    seq: int
    item_id: int | None = None


@dataclass(frozen=True, slots=True)
class Seating:
    """Who sits in one step. Empty: the step is skipped, since the flow says so."""

    seats: tuple[Seat, ...]
    mode: Mode


# In SQL, since it is asked for every paper. Nobody gets their own paper by delegation.
_PEOPLE = """
SELECT p.id, p.name, p.is_active, p.manager_id, other.id, coalesce(other.name, '')
  FROM company_employee p
  LEFT JOIN LATERAL (
       SELECT o.id, o.name FROM company_delegation d JOIN company_employee o ON o.id = d.delegate_id
        WHERE d.principal_id = p.id AND d.kind IN (%(kind)s, '') AND d.starts_at <= %(at)s AND d.ends_at > %(at)s
          AND o.is_active AND o.id <> %(applicant)s
        ORDER BY d.kind DESC, d.starts_at DESC LIMIT 1) other ON true
 WHERE p.id IN (SELECT unnest(%(ids)s) UNION SELECT manager_id FROM company_employee WHERE id = ANY(%(ids)s))
"""


@dataclass(slots=True)
class Directory:
    """The organisation as one case needs it: whole sets, each read once."""

    subject: Subject
    at: datetime
    _people: dict[int, Person] = field(default_factory=dict)
    _heads: list[int] | None = None
    _holders: dict[str, list[int]] = field(default_factory=dict)

    def learn(self, ids: Iterable[int]) -> None:
        """Read these people and their managers: whoever cannot decide is replaced by one of those."""
        unknown = set(ids) - self._people.keys()
        if not unknown:
            return
        asked: dict[str, Any] = {
            "ids": list(unknown),
            "kind": self.subject.kind,
            "at": self.at,
            "applicant": self.subject.applicant_id,
        }
        with connection.cursor() as cursor:
            cursor.execute(_PEOPLE, asked)
            for row in cursor.fetchall():
                self._people[row[0]] = Person(*row)

    def person(self, employee_id: int) -> Person:
        self.learn([employee_id])
        return self._people[employee_id]

    def heads(self) -> list[int]:
        """From the document's department upwards, one a level; a level without a head is led from above."""
        if self._heads is None:
            path = [int(part) for part in self.subject.department_path.split("/") if part]
            head_of = dict(Department.objects.filter(pk__in=path).values_list("id", "head_id"))
            found: list[int] = []
            above: int | None = None
            for department in path:  # from the root downwards
                above = head_of.get(department) or above
                if above is not None:
                    found.append(above)
            self._heads = found[::-1]
        return self._heads

    def holders(self, role: str) -> list[int]:
        """Active holders of `role`; those for this entity alone go before those for all."""
        if role not in self._holders:
            rows = Grant.objects.filter(
                Q(entity=None) | Q(entity_id=self.subject.entity_id),
                role=role,
                user__is_active=True,
                user__employee__is_active=True,
            ).order_by("user__employee_id")
            found = [
                (employee, entity)
                for employee, entity, path in rows.values_list(
                    "user__employee_id", "entity_id", "department__path"
                )
                if self.subject.department_path.startswith(path or "")
            ]
            own = [employee for employee, entity in found if entity is not None]
            self._holders[role] = list(dict.fromkeys(own or [employee for employee, _ in found]))
        return self._holders[role]

    def candidates(self, who: Who) -> list[int]:
        """Whom the flow names, before anybody is replaced or skipped."""
        match who.by:
            case By.MANAGER:
                manager = self.person(self.subject.applicant_id).manager_id
                return [manager] if manager else self.heads()[:1]
            case By.DEPARTMENT_HEAD:
                return self.heads()[who.level - 1 : who.level] or self.heads()[-1:]
            case By.HEAD_CHAIN:
                return list(dict.fromkeys(self.heads()[: who.levels]))
            case By.ROLE:
                return self.holders(who.role)
            case By.PEOPLE:
                return list(who.people)
            case By.PROJECT_OWNER:
                project = Project.objects.filter(pk=self.subject.project_id or 0)
                return [owner for owner in project.values_list("owner_id", flat=True) if owner]
            case By.COST_CENTER_OWNER:
                center = CostCenter.objects.filter(pk=self.subject.cost_center_id or 0)
                return [owner for owner in center.values_list("owner_id", flat=True) if owner]
        assert_never(who.by)

    def superior(self, employee_id: int) -> Person | None:
        """The nearest active superior who is not the applicant: line managers first, then heads."""
        seen = {employee_id}
        person = self.person(employee_id)
        while person.manager_id is not None and person.manager_id not in seen and len(seen) <= MOST_SUPERIORS:
            seen.add(person.manager_id)
            person = self.person(person.manager_id)
            if self._can_sit(person):
                return person
        heads = self.heads()
        self.learn(heads)
        above = heads[len(heads) - heads[::-1].index(employee_id) :] if employee_id in heads else heads
        return next(
            (found for found in map(self.person, above) if self._can_sit(found) and found.id not in seen),
            None,
        )

    def _can_sit(self, person: Person) -> bool:
        return person.is_active and person.id != self.subject.applicant_id

    def seat(
        self, route: Route, plan: StepPlan, earlier: Sequence[Approval], *, is_protected: bool
    ) -> Seating:
        """Who is asked. `is_protected`: the paper came back, so nobody is passed over automatically.

        Raises NobodyToAsk.
        """
        candidates = self.candidates(plan.who)
        if plan.who.by is By.ROLE:  # another holder reviews one's own paper
            candidates = [one for one in candidates if one != self.subject.applicant_id] or candidates
        self.learn(candidates)
        oneself = plan.oneself or (Oneself.SUPERIOR if plan.who.by is By.ROLE else route.oneself)
        found = [self._people[one] for one in candidates if one in self._people]
        placed = [self._place(person, oneself, is_protected=is_protected) for person in found]
        seats = list({seat.employee_id: seat for seat in reversed(placed) if seat}.values())[::-1]
        if not seats and plan.nobody is Nobody.SKIP:
            return Seating((), plan.mode)
        if not seats:
            return Seating(self._fallback(route, plan), Mode.ANY_SIGN)
        if not is_protected:
            seats = [_passed_over(seat, route, plan, earlier) for seat in seats]
        return Seating(tuple(seats), plan.mode)

    def heirs(self, route: Route, plan: StepPlan, leaver_id: int, principal_id: int | None) -> Iterator[Seat]:
        """Who may decide for somebody who has left, first choice first: the one they stood in for, their delegate, their
        superiors upwards, then whoever is asked when nobody is found.

        Raises NobodyToAsk at the end, when even there is nobody.
        """
        if principal_id is not None and self._can_sit(self.person(principal_id)):
            yield Seat(principal_id, self.person(principal_id).name)
        leaver = self.person(leaver_id)
        if leaver.stand_in is not None:
            yield Seat(leaver.stand_in, leaver.stand_in_name, leaver.id, leaver.name, Reason.DELEGATE)
        seen = {leaver_id}
        above = self.superior(leaver_id)
        while above is not None and above.id not in seen:
            seen.add(above.id)
            yield Seat(above.id, above.name, reason=Reason.SUPERIOR)
            above = self.superior(above.id)
        yield from self._fallback(route, plan)

    def last_resort(self, route: Route, name: str) -> Seating:
        """Nobody was asked in the whole flow: a named person or an administrator looks."""
        return Seating(self._fallback(route, StepPlan(name, Who(By.MANAGER))), Mode.ANY_SIGN)

    def _place(self, person: Person, oneself: Oneself, *, is_protected: bool) -> Seat | None:
        if person.id == self.subject.applicant_id:
            if oneself == Oneself.SKIP and not is_protected:
                return Seat(person.id, person.name, reason=Reason.ONESELF, is_auto=True)
            if oneself == Oneself.SELF and person.is_active:
                return Seat(person.id, person.name)
            return self._instead(person)
        if person.stand_in is not None:
            return Seat(person.stand_in, person.stand_in_name, person.id, person.name, Reason.DELEGATE)
        return Seat(person.id, person.name) if person.is_active else self._instead(person)

    def _instead(self, person: Person) -> Seat | None:
        superior = self.superior(person.id)
        if superior is None:
            return None
        if superior.stand_in is not None:
            return Seat(
                superior.stand_in, superior.stand_in_name, superior.id, superior.name, Reason.DELEGATE
            )
        return Seat(superior.id, superior.name, reason=Reason.SUPERIOR)

    def _fallback(self, route: Route, plan: StepPlan) -> tuple[Seat, ...]:
        named = [one for one in (plan.fallback, route.fallback) if one is not None]
        self.learn(named)
        for person in [self._people[one] for one in named if one in self._people]:
            if self._can_sit(person):
                return (Seat(person.id, person.name, reason=Reason.FALLBACK),)
        administrators = self.holders(Role.ADMINISTRATOR)
        self.learn(administrators)
        seats = tuple(
            Seat(person.id, person.name, reason=Reason.ADMINISTRATOR)
            for person in map(self.person, administrators)
            if self._can_sit(person)
        )
        if not seats:
            raise NobodyToAsk(step=plan.name)
        return seats


def _passed_over(seat: Seat, route: Route, plan: StepPlan, earlier: Sequence[Approval]) -> Seat:
    """去重: someone who has approved already is not asked again, as far as the flow says so."""
    # Finance and cashier look with other eyes than a manager does: never passed over unless the step says so.
    rule = plan.same_person or (SamePerson.NONE if plan.who.by is By.ROLE else route.same_person)
    if rule == SamePerson.NONE or seat.is_auto or not earlier:
        return seat
    counted = earlier
    if rule == SamePerson.CONSECUTIVE:
        last = max(approval.seq for approval in earlier)
        counted = [approval for approval in earlier if approval.seq == last]
    match = next((approval for approval in counted if approval.employee_id == seat.employee_id), None)
    if match is None:
        return seat
    return Seat(
        seat.employee_id,
        seat.name,
        seat.on_behalf_of,
        seat.principal,
        Reason.SAME_PERSON,
        True,
        match.item_id,
    )
