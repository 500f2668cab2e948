"""`/api/v1/todos` and what approvers, applicants and onlookers do with a case."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field, StringConstraints

from viatica.kernel.errors import NotFound
from viatica.kernel.money import Money
from viatica.offices.access.doors import viewer, write_once
from viatica.offices.access.shapes import EmployeeNumber, Id, Listing, Version
from viatica.offices.access.viewer import Viewer
from viatica.offices.approval import queries, services
from viatica.offices.approval.models import Case, Cc
from viatica.offices.company.models import Employee

router = Router(tags=["approvals"])
Comment = Annotated[str, StringConstraints(max_length=1000)]


class TodoOut(Schema):
    item: int
    version: int = Field(
        description="Send it back with your decision; another one means that somebody was first."
    )
    kind: str
    number: str
    title: str
    amount: dict[str, str] | None
    applicant: str
    step: str
    since: datetime
    on_behalf_of: str
    decided_in: str = Field(description="The OA in which it is decided; empty: here.")


class Decision(Schema):
    version: Version
    comment: Comment = ""


class HandOver(Decision):
    to: EmployeeNumber


class AddSigner(Decision):
    signer: EmployeeNumber
    position: Literal["before", "after", "beside"]


class CaseOut(Schema):
    number: str
    state: str
    version: int
    round: int


class CopyOut(Schema):
    kind: str
    number: str
    title: str
    applicant: str
    at: datetime
    is_read: bool


@router.get(
    "",
    response=list[TodoOut],
    summary="What waits for you, newest first; pass the last `item` as `before` to go on",
)
def list_todos(request: HttpRequest, listing: Query[Listing]) -> Any:
    return [_todo(row) for row in queries.todo(viewer(request), before=listing.before, size=listing.size)]


@router.get("/copies", response=list[CopyOut], summary="Copies you were sent, newest first (50 at most)")
def list_copies(request: HttpRequest) -> Any:
    return [_copy(row) for row in queries.copies(viewer(request).employee_id)]


@router.post(
    "/{int:item}/handing-over", response=CaseOut, summary="Somebody else decides instead of you (转交)"
)
def hand_over(request: HttpRequest, item: Id, body: HandOver) -> Any:
    def run(asker: Viewer, at: datetime) -> CaseOut:
        return _case(
            services.hand_over(
                item_id=item, actor=_me(asker), to=_colleague(body.to, "to"), comment=body.comment,
                expected_version=body.version, at=at, via="api",
            )
        )  # fmt: skip

    return write_once(request, run)


@router.post("/{int:item}/signers", response=CaseOut, summary="Somebody else decides as well (加签)")
def add_signer(request: HttpRequest, item: Id, body: AddSigner) -> Any:
    def run(asker: Viewer, at: datetime) -> CaseOut:
        return _case(
            services.add_signer(
                item_id=item, actor=_me(asker), signer=_colleague(body.signer, "signer"), position=body.position,
                comment=body.comment, expected_version=body.version, at=at, via="api",
            )
        )  # fmt: skip

    return write_once(request, run)


# The last of them: it would take the others' addresses for a verdict.
@router.post("/{int:item}/{verdict}", response=CaseOut, summary="Approve, reject or send back")
def decide(
    request: HttpRequest, item: Id, verdict: Literal["approve", "reject", "send-back"], body: Decision
) -> Any:
    def run(asker: Viewer, at: datetime) -> CaseOut:
        return _case(
            services.decide(
                item_id=item, actor=_me(asker), verdict=verdict.replace("-", "_"), comment=body.comment,
                expected_version=body.version, at=at, via="api",
            )
        )  # fmt: skip

    return write_once(request, run)


def _me(asker: Viewer) -> Employee:
    """Who decides; the office asks no more of them than id and name, which the Viewer knows."""
    return Employee(pk=asker.employee_id, name=asker.name, entity_id=asker.entity_id)


def _colleague(number: str, field: str) -> Employee:
    found = Employee.objects.filter(number=number, is_active=True).first()
    if found is None:
        raise NotFound(field=field)
    return found


def _todo(row: queries.TodoRow) -> TodoOut:
    amount: Money | None = row.amount
    return TodoOut(
        item=row.item_id,
        version=row.version,
        kind=row.ref.kind,
        number=row.number,
        title=row.title,
        amount=amount.json() if amount else None,
        applicant=row.applicant,
        step=row.step,
        since=row.since,
        on_behalf_of=row.principal,
        decided_in=row.system,
    )


def _copy(row: Cc) -> CopyOut:
    return CopyOut(
        kind=row.case.ref.kind,
        number=row.case.number,
        title=row.case.title,
        applicant=row.case.applicant.name,
        at=row.at,
        is_read=row.read_at is not None,
    )


def _case(case: Case) -> CaseOut:
    return CaseOut(number=case.number, state=case.state, version=case.version, round=case.round)
