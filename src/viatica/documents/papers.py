"""The shapes and doors every paper's API shares: money, people, timeline, and what is done with its approval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Protocol

from django.http import HttpRequest
from django.utils.translation import gettext
from ninja import Router, Schema, Status
from pydantic import Field, StringConstraints

from viatica.kernel.errors import NotFound, ViaticaError
from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.offices.access.doors import viewer, write_once
from viatica.offices.access.shapes import EmployeeNumber, Number, Text, Version
from viatica.offices.access.viewer import Viewer
from viatica.offices.approval import queries as approval
from viatica.offices.approval import services as approvals
from viatica.offices.budget.charges import BudgetStanding
from viatica.offices.company.models import Employee
from viatica.spine import facts

MOST_COPIES = 50


class MoneyData(Schema):
    """An exact amount: digits in a string, never a JSON number."""

    amount: Annotated[str, StringConstraints(pattern=r"^-?\d{1,16}(\.\d{1,2})?$")] = Field(
        examples=["1280.50"]
    )
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = Field("CNY", examples=["CNY"])

    def money(self) -> Money:
        return Money(self.amount, self.currency)

    @classmethod
    def of(cls, amount: Decimal, currency: str) -> MoneyData:
        return cls(amount=str(amount), currency=currency)


class Person(Schema):
    number: str
    name: str


class FactOut(Schema):
    at: datetime
    fact: str
    actor: str
    via: str
    data: dict[str, Any]


class Expected(Schema):
    """The version the writer saw; another one means that somebody was first (409)."""

    version: Version


class WithComment(Expected):
    comment: Text = ""


def timeline(ref: Ref) -> list[FactOut]:
    return [
        FactOut(at=row.at, fact=row.fact, actor=row.actor, via=row.via, data=row.data or {})
        for row in facts.timeline(ref)
    ]


# Its approval


class StepPerson(Schema):
    name: str
    on_behalf_of: str
    state: str
    reason: str = Field(description="Why this person, or why they did not have to look.")
    decided_at: datetime | None
    comment: str
    via: str


class StepOut(Schema):
    no: int
    name: str
    mode: str
    state: str
    people: list[StepPerson]


class YourItem(Schema):
    item: int
    version: int


class ApprovalOut(Schema):
    state: str = Field(description="Of the newest round; empty before the first.")
    round: int
    decided_in: str = Field(description="The OA in which it is decided; empty: here.")
    steps: list[StepOut] = Field(description="In-house, steps still to come are not known yet.")
    yours: YourItem | None = Field(description="What waits for you here: decide it at /todos/{item}.")


class UrgedOut(Schema):
    reminded: int


class CommentIn(Schema):
    text: Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class CopyIn(Schema):
    to: list[EmployeeNumber] = Field(min_length=1, max_length=MOST_COPIES, description="Employee numbers.")


class CopiedOut(Schema):
    new: int = Field(description="How many did not have one yet.")


class Paper(Protocol):
    """What a document is to the doors of its approval."""

    owner: Any

    @property
    def ref(self) -> Ref: ...


def add_approval_doors(router: Router, get: Callable[[str, Viewer], Paper], what: str) -> None:
    """`/{number}/approval`, `/urge`, `/comments`, `/copies`. `get` raises NotFound for what a viewer may not see."""

    @router.get(
        "/{number}/approval",
        response=ApprovalOut,
        summary="Who decides it, in which steps, and what they said",
        operation_id=f"{what}_approval",
    )
    def see_approval(request: HttpRequest, number: Number) -> ApprovalOut:
        asker = viewer(request)
        return approval_of(get(number, asker).ref, asker)

    @router.post(
        "/{number}/urge",
        response=UrgedOut,
        summary="Remind whoever is asked now (催办); its owner, every two hours",
        operation_id=f"urge_{what}",
    )
    def urge(request: HttpRequest, number: Number) -> Any:
        def run(asker: Viewer, at: datetime) -> UrgedOut:
            paper = get(number, asker)
            return UrgedOut(reminded=approvals.urge(ref=paper.ref, actor=_me(asker), at=at, via="api"))

        return write_once(request, run)

    @router.post(
        "/{number}/comments",
        response={201: CommentIn},
        summary="Say something to all who take part; it decides nothing",
        operation_id=f"comment_on_{what}",
    )
    def comment(request: HttpRequest, number: Number, body: CommentIn) -> Any:
        def run(asker: Viewer, at: datetime) -> CommentIn:
            paper = get(number, asker)
            approvals.comment(ref=paper.ref, actor=_me(asker), text=body.text, at=at, via="api")
            return body

        return Status(201, write_once(request, run))

    @router.post(
        "/{number}/copies",
        response={201: CopiedOut},
        summary="Send colleagues a copy to read (抄送)",
        operation_id=f"copy_{what}",
    )
    def copy(request: HttpRequest, number: Number, body: CopyIn) -> Any:
        def run(asker: Viewer, at: datetime) -> CopiedOut:
            paper = get(number, asker)
            return CopiedOut(
                new=approvals.cc(
                    ref=paper.ref, actor=_me(asker), employees=_colleagues(body.to), at=at, via="api"
                )
            )

        return Status(201, write_once(request, run))


def approval_of(ref: Ref, asker: Viewer) -> ApprovalOut:
    """Four statements."""
    case = approval.current_case(ref)
    mine = approval.my_item(ref, asker.employee_id)
    return ApprovalOut(
        state=case.state if case else "",
        round=case.round if case else 0,
        decided_in=case.connection.name if case and case.is_outside and case.connection else "",
        steps=steps_out(approval.path(ref)) if case else [],
        yours=YourItem(item=mine.pk, version=mine.version) if mine and not mine.case.is_outside else None,
    )


def steps_out(steps: Sequence[approval.PathStep]) -> list[StepOut]:
    return [
        StepOut(
            no=step.seq,
            name=step.name,
            mode=step.mode,
            state=step.state,
            people=[
                StepPerson(
                    name=person.name,
                    on_behalf_of=person.on_behalf_of,
                    state=person.state,
                    reason=person.reason,
                    decided_at=person.decided_at,
                    comment=person.comment,
                    via=person.via,
                )
                for person in step.persons
            ],
        )
        for step in steps
    ]


def _me(asker: Viewer) -> Employee:
    return Employee.objects.get(pk=asker.employee_id)


def _colleagues(numbers: list[str]) -> list[Employee]:
    found = {one.number: one for one in Employee.objects.filter(number__in=numbers, is_active=True)}
    for no, number in enumerate(numbers):
        if number not in found:
            raise NotFound(field=f"to.{no}")
    return list(found.values())


# Before it is handed in


class BudgetAsked(Schema):
    name: str
    control: str = Field(description="hard: nothing passes beyond it; soft: it is only said.")
    left: MoneyData
    asked: MoneyData
    is_short: bool


class Hindrance(Schema):
    code: str
    said: str
    hint: str
    field: str | None


class CheckOut(Schema):
    is_ready: bool = Field(description="Whether handing it in now would be accepted.")
    hindrances: list[Hindrance] = Field(description="What keeps it back, and what to do about it.")
    budgets: list[BudgetAsked]
    path: list[StepOut] = Field(description="Who would be asked, in order.")


def budgets_out(standings: Sequence[BudgetStanding]) -> list[BudgetAsked]:
    return [
        BudgetAsked(
            name=one.name,
            control=one.control,
            left=MoneyData.of(one.left.amount, one.left.currency),
            asked=MoneyData.of(one.asked.amount, one.asked.currency),
            is_short=one.is_short,
        )
        for one in standings
    ]


def hindrance(error: ViaticaError) -> Hindrance:
    """In the reader's language."""
    return Hindrance(code=error.code, said=error.said(gettext), hint=error.advice(gettext), field=error.field)
