"""A case comes into being: its flow, its connection, its context, its first step or its plan for the OA."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, connection

from viatica.kernel.refs import Ref
from viatica.offices.approval import conditions, flows
from viatica.offices.approval.casefile import LAST_RESORT, CaseFile, route
from viatica.offices.approval.errors import CaseIsLive
from viatica.offices.approval.models import (
    Case,
    Flow,
    ItemState,
    Mode,
    Sent,
    State,
    Step,
    StepState,
)
from viatica.offices.approval.people import Approval, Directory, Seating
from viatica.offices.approval.ports import CaseForm, port_for
from viatica.offices.company.models import Employee
from viatica.spine.models import Connection

SOMEBODY = 0  # one of several: not known before they act
CAME_BACK = (State.RETURNED, State.REJECTED)


@dataclass(frozen=True, slots=True)
class Ground:
    """All that opening a case needs to know beforehand."""

    connection: Connection | None
    flow_id: int
    context: dict[str, Any]
    rounds: int
    last_state: str

    @property
    def is_protected(self) -> bool:
        return self.last_state in CAME_BACK


# In SQL, since it is asked for every paper: Django takes longer to build it than PostgreSQL to answer.
# The closest flow: for this kind and entity, for this kind, for this entity, for all.
_GROUND = """
SELECT e.code, e.currency, e.connection_id, g.code, g.rank, d.id, d.name, d.path,
       (SELECT code FROM company_project WHERE id = %(project)s),
       (SELECT code FROM company_costcenter WHERE id = %(cost_center)s),
       (SELECT f.id FROM approval_flow f
         WHERE f.kind IN (%(kind)s, '') AND (f.entity_id = e.id OR f.entity_id IS NULL)
           AND f.valid_from <= %(at)s AND (f.valid_until IS NULL OR f.valid_until > %(at)s)
         ORDER BY f.kind DESC, f.entity_id NULLS LAST, f.valid_from DESC, f.id DESC LIMIT 1),
       newest.round, newest.state
  FROM company_legalentity e
  JOIN company_employee p ON p.id = %(applicant)s
  JOIN company_grade g ON g.id = p.grade_id
  JOIN company_department d ON d.id = coalesce(%(department)s, p.department_id)
  LEFT JOIN LATERAL (
       SELECT c.round, c.state FROM approval_case c
        WHERE c.ref_kind = %(ref_kind)s AND c.ref_key = %(ref_key)s ORDER BY c.id DESC LIMIT 1) newest ON true
 WHERE e.id = %(entity)s
"""


def ground(
    *, ref: Ref | None, kind: str, entity_id: int, applicant: Employee, form: CaseForm, at: datetime
) -> Ground:
    """One statement, and one for the connection if there is one. `ref` None: a paper that has no case yet."""
    given = form.context
    asked = {
        "project": given.get("project_id"),
        "cost_center": given.get("cost_center_id"),
        "kind": kind,
        "at": at,
        "applicant": applicant.pk,
        "department": given.get("department_id"),
        "ref_kind": ref.kind if ref else "",
        "ref_key": ref.key if ref else "",
        "entity": entity_id,
    }
    with connection.cursor() as cursor:
        cursor.execute(_GROUND, asked)
        (
            entity, currency, connection_id, grade, rank, department_id, department, path,
            project, cost_center, flow_id, rounds, state,
        ) = cursor.fetchone()  # fmt: skip
    context = {
        "amount": str(form.amount.amount if form.amount else given.get("amount") or Decimal(0)),
        "currency": form.amount.currency if form.amount else currency,
        "kind": kind,
        "grade": grade,
        "grade_rank": rank,
        "entity": entity,
        "department": department,
        "department_id": department_id,
        "department_path": path,
        "project": project or "",
        "project_id": given.get("project_id"),
        "cost_center": cost_center or "",
        "cost_center_id": given.get("cost_center_id"),
        "findings": [str(finding) for finding in given.get("findings", ())],
        "over_standard": bool(given.get("over_standard", False)),
    }
    return Ground(
        connection=_for_approval(connection_id),
        flow_id=flow_id if flow_id is not None else standard(at).pk,
        context=context,
        rounds=rounds or 0,
        last_state=state or "",
    )


def standard(at: datetime) -> Flow:
    """The flow of a company that has set up none: the direct manager."""
    steps = [step.json() for step in flows.STANDARD]
    return Flow.objects.get_or_create(
        kind="",
        entity=None,
        valid_until=None,
        defaults={"name": flows.STANDARD[0].name, "steps": steps, "valid_from": at},
    )[0]


def _for_approval(connection_id: int | None) -> Connection | None:
    """The OA, if approvals go there now, or are shown there."""
    found = Connection.objects.filter(pk=connection_id, is_active=True).first() if connection_id else None
    return found if found is not None and {"approval", "desk"} & set(found.uses) else None


def open_file(
    *,
    ref: Ref,
    number: str,
    entity_id: int,
    applicant: Employee,
    form: CaseForm,
    content_hash: str,
    at: datetime,
    via: str,
) -> CaseFile:
    """Write a new case. Raises CaseIsLive, NobodyToAsk, NoPort."""
    base = ground(ref=ref, kind=ref.kind, entity_id=entity_id, applicant=applicant, form=form, at=at)
    if base.last_state == State.ACTIVE:
        raise CaseIsLive(number=number)
    nth = base.rounds + 1
    case = Case(
        ref_kind=ref.kind,
        ref_key=ref.key,
        number=number,
        round=nth,
        outside_number=number if nth == 1 else f"{number}-{nth}",
        entity_id=entity_id,
        applicant=applicant,
        title=form.title[:200],
        amount=form.amount.amount if form.amount else None,
        currency=form.amount.currency if form.amount else "",
        form=form.json(),
        context=base.context,
        content_hash=content_hash,
        flow_id=base.flow_id,
        is_protected=base.is_protected,
        opened_at=at,
    )
    file = CaseFile(case, [], [], at, f"employee:{applicant.pk}", via)
    oa = base.connection
    file.note("case.opened", number=case.outside_number, round=nth, system=oa.name if oa else None)
    if oa is not None and "approval" in oa.uses:
        case.connection, case.sent, case.is_agreed = oa, Sent.WAITING, False
        port_for(oa)
        plan_outside(file, oa)
    else:
        case.desk, case.is_agreed = oa, oa is None
        file.advance()
    try:
        file.write()
    except IntegrityError as error:
        raise CaseIsLive(number=number) from error
    return file


def plan_outside(file: CaseFile, outside: Connection) -> None:
    """The steps an OA is told to ask; or one step that says the OA decides whom."""
    if outside.settings.get("approvers", "ours") != "ours":
        step = Step(case=file.case, seq=1, name=outside.name, mode=Mode.COUNTERSIGN, state=StepState.ACTIVE)
        file.add_step(step, [])
        return
    for seq, name, seating in foresee(
        file.case.flow_id, file.directory(), file.case.context, file.case.is_protected
    ):
        step = Step(case=file.case, seq=seq, name=name, mode=seating.mode, state=StepState.PLANNED)
        items = [file.planned(step, seat, place) for place, seat in enumerate(seating.seats)]
        if not any(item.state == ItemState.WAITING for item in items):
            step.state = StepState.SKIPPED
        file.add_step(step, items)


def foresee(
    flow_id: int, directory: Directory, context: dict[str, Any], is_protected: bool
) -> list[tuple[int, str, Seating]]:
    """The path as it would go now: what a preview shows and an OA is given. Raises NobodyToAsk.

    Whoever alone or with all others approves a step is taken to have done so, for the rule of the same person.
    """
    plans, seen = route(flow_id), conditions.values(context)
    path: list[tuple[int, str, Seating]] = []
    earlier: list[Approval] = []
    for seq, plan in enumerate(plans.steps, start=1):
        if not conditions.judge(plan.when, seen).holds:
            continue
        seating = directory.seat(plans, plan, earlier, is_protected=is_protected)
        path.append((seq, plan.name, seating))
        asked = [seat for seat in seating.seats if not seat.is_auto]
        if seating.mode != Mode.ANY_SIGN or len(asked) == 1:
            earlier += [Approval(seat.employee_id, seq) for seat in asked]
        elif asked:
            earlier.append(Approval(SOMEBODY, seq))
    if not any(not seat.is_auto for _, _, seating in path for seat in seating.seats):
        path.append((len(plans.steps) + 1, LAST_RESORT, directory.last_resort(plans, LAST_RESORT)))
    return path
