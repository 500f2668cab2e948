"""What pages, API and other rooms read of approvals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Aggregate, Count, DurationField, ExpressionWrapper, F, Q, QuerySet
from django.utils.translation import gettext

from viatica.kernel.errors import ViaticaError
from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.offices.access.viewer import Viewer
from viatica.offices.approval import casefile, permissions
from viatica.offices.approval.models import Case, Cc, Item, ItemState, State, Step

PAGE = 50


@dataclass(frozen=True, slots=True)
class TodoRow:
    """One task of the to-do list. `system` names the OA where it is decided; empty: here."""

    item_id: int
    version: int
    ref: Ref
    number: str
    title: str
    amount: Money | None
    applicant: str
    department: str
    entity: str
    step: str
    since: datetime
    principal: str
    urged: int
    round: int
    system: str

    @property
    def is_decided_here(self) -> bool:
        return not self.system


def todo(viewer: Viewer, *, before: int | None = None, size: int = PAGE) -> list[TodoRow]:
    """The viewer's open tasks, newest first, older than the item `before`. One statement."""
    rows = _open(viewer.employee_id)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    rows = rows.select_related(
        "case__applicant", "case__connection", "case__entity", "step", "on_behalf_of"
    ).defer("case__form")
    return [_todo_row(item) for item in rows.order_by("-id")[:size]]


def todo_count(employee_id: int) -> int:
    return _open(employee_id).count()


def _open(employee_id: int) -> QuerySet[Item]:
    return Item.objects.filter(approver_id=employee_id, state=ItemState.OPEN)


def _todo_row(item: Item) -> TodoRow:
    case = item.case
    return TodoRow(
        item_id=item.pk,
        version=item.version,
        ref=case.ref,
        number=case.number,
        title=case.title,
        amount=case.money,
        applicant=case.applicant.name,
        department=case.context["department"],
        entity=case.entity.name,
        step=gettext(item.step.name),
        since=item.opened_at or case.opened_at,
        principal=item.on_behalf_of.name if item.on_behalf_of else "",
        urged=item.urged_times,
        round=case.round,
        system=case.connection.name if case.is_outside and case.connection else "",
    )


def items_for(employee_id: int) -> QuerySet[Item]:
    """Open items somebody decides, or which a delegate decides for them."""
    return Item.objects.filter(
        Q(approver_id=employee_id) | Q(on_behalf_of_id=employee_id), state=ItemState.OPEN
    ).select_related("case", "step", "approver", "on_behalf_of")


def open_items_of(ref: Ref) -> list[Item]:
    """Who is asked now, for a document."""
    return list(
        Item.objects.filter(
            case__ref_kind=ref.kind, case__ref_key=ref.key, case__state=State.ACTIVE, state=ItemState.OPEN
        ).select_related("approver", "step")
    )


def current_case(ref: Ref) -> Case | None:
    """The newest case of a document, live or over."""
    return (
        Case.objects.filter(ref_kind=ref.kind, ref_key=ref.key)
        .select_related("connection")
        .order_by("-id")
        .first()
    )


@dataclass(frozen=True, slots=True)
class PathPerson:
    """`state` is an ItemState, `reason` a Reason: why this person, or why they did not have to look."""

    employee_id: int | None
    name: str
    on_behalf_of: str = ""
    state: str = ItemState.WAITING.value
    reason: str = ""
    origin: str = "flow"
    decided_at: datetime | None = None
    comment: str = ""
    via: str = ""
    item_id: int | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class PathStep:
    """`state` is a StepState, `mode` a Mode."""

    seq: int
    name: str
    mode: str
    state: str
    persons: Sequence[PathPerson]

    @property
    def people(self) -> list[str]:
        return [person.name for person in self.persons]


def path(ref: Ref) -> list[PathStep]:
    """The steps of the newest case with people and states, in order; the caller has checked who may see it.

    In-house, the steps still to come are not known yet and not shown. Two statements.
    """
    newest = Case.objects.filter(ref_kind=ref.kind, ref_key=ref.key).order_by("-id").values("pk")[:1]
    steps = Step.objects.filter(case_id__in=newest).order_by("seq").prefetch_related(
        _prefetch(Item.objects.select_related("approver", "on_behalf_of").order_by("place", "id"))
    )  # fmt: skip
    return [
        PathStep(
            step.seq,
            gettext(step.name),
            step.mode,
            step.state,
            tuple(_path_person(item) for item in step.items.all()),
        )
        for step in steps
    ]


def _prefetch(rows: QuerySet[Item]) -> Any:
    from django.db.models import Prefetch

    return Prefetch("items", queryset=rows)


def _path_person(item: Item) -> PathPerson:
    return PathPerson(
        employee_id=item.approver_id,
        name=permissions.who(item),
        on_behalf_of=item.on_behalf_of.name if item.on_behalf_of else "",
        state=item.state,
        reason=item.reason,
        origin=item.origin,
        decided_at=item.decided_at,
        comment=item.comment,
        via=item.via,
        item_id=item.pk,
        version=item.version,
    )


@dataclass(frozen=True, slots=True)
class May:
    """Whether an action is possible now; `refusal` says why not and who can."""

    action: str
    refusal: ViaticaError | None = None

    @property
    def is_allowed(self) -> bool:
        return self.refusal is None


DECISIONS = ("approve", "reject", "send_back", "hand_over", "add_signer")


def may(item_id: int, employee_id: int, *, at: datetime) -> list[May]:
    """What `employee_id` may do with an item now. One statement when it is theirs. An unknown item allows nothing."""
    file = casefile.of_item(item_id, at=at, actor="", via="")
    if file is None:
        return []
    item = permissions.item_of(file, item_id)
    why_not = permissions.refusal(file, item, employee_id, None)
    return [May(action, why_not) for action in DECISIONS]


def my_item(ref: Ref, employee_id: int) -> Item | None:
    """The open item of a document that waits for `employee_id`, if any."""
    return (
        _open(employee_id)
        .filter(case__ref_kind=ref.kind, case__ref_key=ref.key)
        .select_related("case", "case__connection", "step")
        .defer("case__form")
        .first()
    )


def takes_part(ref: Ref, employee_id: int) -> bool:
    """Whether somebody was ever asked about a document, stood behind a delegate, or got a copy. One statement."""
    this = {"case__ref_kind": ref.kind, "case__ref_key": ref.key}
    mine = Item.objects.filter(**this, approver_id=employee_id).values("pk")
    for_me = Item.objects.filter(**this, on_behalf_of_id=employee_id).values("pk")
    copies = Cc.objects.filter(**this, employee_id=employee_id).values("pk")
    return mine.union(for_me, copies).exists()


def keys_of(kind: str, employee_id: int) -> QuerySet[Any, str]:
    """Keys of the documents of `kind` somebody takes part in, for use inside another query."""
    asked = Item.objects.filter(
        Q(approver_id=employee_id) | Q(on_behalf_of_id=employee_id), case__ref_kind=kind
    )
    return asked.values_list("case__ref_key", flat=True)


def copies(employee_id: int, *, size: int = PAGE) -> list[Cc]:
    """抄送我的, newest first."""
    return list(
        Cc.objects.filter(employee_id=employee_id).select_related("case", "case__applicant").defer("case__form")
        .order_by("-id")[:size]
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Durations:
    """How long cases took from submission to their end, in hours."""

    kind: str
    count: int
    median: float
    ninth_decile: float


class _Percentile(Aggregate):
    function = "percentile_cont"
    template = "%(function)s(%(at)s) WITHIN GROUP (ORDER BY %(expressions)s)"


def durations(start: datetime, end: datetime, *, entity_ids: Sequence[int] | None = None) -> list[Durations]:
    """Cases approved in [start, end), by kind of document. One statement."""
    rows = Case.objects.filter(state=State.APPROVED, concluded_at__gte=start, concluded_at__lt=end)
    if entity_ids is not None:
        rows = rows.filter(entity_id__in=entity_ids)
    took = ExpressionWrapper(F("concluded_at") - F("opened_at"), output_field=DurationField())
    found = rows.values("ref_kind").annotate(
        count=Count("pk"),
        median=_Percentile(took, at=0.5, output_field=DurationField()),
        decile=_Percentile(took, at=0.9, output_field=DurationField()),
    ).order_by("ref_kind")  # fmt: skip
    return [
        Durations(row["ref_kind"], row["count"], _hours(row["median"]), _hours(row["decile"]))
        for row in found
    ]


def _hours(took: timedelta) -> float:
    return round(took.total_seconds() / 3600, 2)
