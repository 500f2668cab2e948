"""One test approval, shown to one person, before anything is switched on: made, seen, decided, heard, taken away.

It is no paper of ours: nothing is booked and nobody else is told. What is known of it stands in the facts.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext

from viatica.connectors import registry
from viatica.documents.expense.models import ExpenseReport
from viatica.front.desks.connections.changes import record, ref_of
from viatica.kernel.errors import NotFound, OutsideRefused, OutsideUnknown, Refused
from viatica.kernel.money import Money
from viatica.kernel.words import N_
from viatica.offices.access.viewer import Viewer
from viatica.offices.approval import ports
from viatica.offices.approval.ports import (
    ApproverGroup,
    Board,
    BoardStatus,
    CaseForm,
    CaseOrder,
    CaseRef,
    CaseStatus,
    DeskPort,
    DeskStatus,
    DeskTask,
    Field,
    FieldKind,
    GroupMode,
    InstanceId,
    Line,
    OutsidePerson,
)
from viatica.offices.company.models import OutsideIdentity
from viatica.spine import exchanges
from viatica.spine.models import Connection, Fact, InboxEvent

BEGUN, SENT, FAILED, ENDED = (f"connection.rehearsal_{word}" for word in ("begun", "sent", "failed", "ended"))
MOST_EVENTS = 500
MOST_PEOPLE = 50


class NobodyLinked(Refused):
    code = "connections.nobody_linked"
    message = N_("Nobody here is known to be somebody over there yet.")
    hint = N_("Apply the directory first; it says who is who.")


class CannotWithdraw(Refused):
    code = "connections.cannot_withdraw"
    message = N_("{product} lets no server withdraw an approval.")
    hint = N_("The applicant takes it back in the client; it is marked as a test.")


@dataclass(frozen=True, slots=True)
class Trial:
    """`way` approval or desk. `instance_id` and `handles` are theirs; `said`: why it could not be made."""

    number: str
    way: str
    userid: str
    name: str
    dept_id: str
    unionid: str
    begun_at: datetime
    instance_id: str = ""
    handles: Mapping[str, str] = field(default_factory=dict)
    said: str = ""
    is_over: bool = False

    @property
    def was_made(self) -> bool:
        return bool(self.instance_id or self.handles)

    @property
    def person(self) -> OutsidePerson:
        return OutsidePerson(self.userid, self.name, self.unionid, self.dept_id)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known now. `status` and `decided` are words of ours; `heard_at`: when the product told us by itself."""

    status: str = ""
    decided: str = ""
    comment: str = ""
    heard_at: datetime | None = None

    @property
    def is_decided(self) -> bool:
        return self.decided in ("approved", "rejected")


def way_of(connection: Connection) -> str:
    return next((use for use in ("approval", "desk") if use in connection.uses), "")


def decides(connection: Connection) -> bool:
    """Whether it can be decided over there; else a task there only leads to our page."""
    return way_of(connection) != "desk" or _desk(connection).can_decide


def people(viewer: Viewer, connection: Connection) -> list[OutsideIdentity]:
    """Who may play the applicant: the viewer first."""
    rows = OutsideIdentity.objects.filter(connection=connection, employee__is_active=True).select_related(
        "employee"
    )
    mine = list(rows.filter(employee_id=viewer.employee_id))
    return mine + list(
        rows.exclude(employee_id=viewer.employee_id).order_by("employee__name", "pk")[:MOST_PEOPLE]
    )


def current(connection: Connection) -> Trial | None:
    """The latest one. One statement."""
    rows = Fact.objects.filter(
        ref_kind="connection", ref_key=connection.slug, fact__in=[BEGUN, SENT, FAILED, ENDED]
    ).order_by("-at", "-id")
    later: dict[str, Any] = {}
    for row in rows[:20]:
        data = row.data or {}
        if row.fact == BEGUN:
            known = {name: data[name] for name in ("number", "way", "userid", "name", "dept_id", "unionid")}
            return Trial(**known, begun_at=row.at, **later)
        told = {
            SENT: {"instance_id": data.get("instance_id", ""), "handles": data.get("handles", {})},
            FAILED: {"said": data.get("said", "")},
            ENDED: {"is_over": True},
        }[row.fact]
        later = {**told, **later}
    return None


def begin(*, viewer: Viewer, connection: Connection, identity_id: int, at: datetime, via: str) -> Trial:
    """Write down that one begins, before it is made. Raises NobodyLinked, NotFound."""
    rows = OutsideIdentity.objects.filter(connection=connection).select_related("employee")
    if not rows.exists():
        raise NobodyLinked()
    person = rows.filter(pk=identity_id).first()
    if person is None:
        raise NotFound()
    trial = Trial(
        number=f"CS{timezone.localtime(at):%Y%m}-{secrets.token_hex(3).upper()}",
        way=way_of(connection),
        userid=person.userid,
        name=person.employee.name,
        dept_id=person.dept_id,
        unionid=person.unionid,
        begun_at=at,
    )
    known = ("number", "way", "userid", "name", "dept_id", "unionid")
    record(connection, BEGUN, viewer, at, via, {name: getattr(trial, name) for name in known})
    return trial


def make(connection: Connection, trial: Trial) -> dict[str, Any]:
    """Make it over there; what is to be kept of it. Never inside a transaction. Raises OutsideError."""
    with exchanges.gathered(connection, trial.way):
        if trial.way == "desk":
            return {"handles": _show(connection, trial, BoardStatus.RUNNING, DeskStatus.OPEN)}
        port = ports.port_for(connection)
        order = _order(connection, trial, can_name=port.can.given_approvers)
        try:
            return {"instance_id": port.submit(order)}
        except OutsideUnknown:
            state = port.look(_case(trial))
            if state is None:
                raise
            return {"instance_id": state.instance_id}


def look(connection: Connection, trial: Trial, *, ask: bool) -> Seen:
    """What the product told us; and, when asked or told of something, what it says now. Raises OutsideError."""
    events = _events(connection, trial)
    heard_at = events[0].at if events else None
    if trial.way == "desk":
        return _decision(connection, trial, events, heard_at)
    if not (ask or heard_at):
        return Seen(heard_at=heard_at)
    with exchanges.gathered(connection, trial.way):
        state = ports.port_for(connection).look(_case(trial))
    if state is None:
        return Seen(status=CaseStatus.GONE.value, heard_at=heard_at)
    comment = next((task.comment for task in reversed(state.tasks) if task.comment), "")
    decided = state.status.value if state.status in (CaseStatus.APPROVED, CaseStatus.REJECTED) else ""
    return Seen(state.status.value, decided, comment, heard_at)


def take_away(connection: Connection, trial: Trial) -> None:
    """Nobody is asked any more. Never inside a transaction. Raises OutsideError, CannotWithdraw."""
    with exchanges.gathered(connection, trial.way):
        if trial.way == "desk":
            _show(connection, trial, BoardStatus.WITHDRAWN, DeskStatus.CANCELLED)
            return
        port = ports.port_for(connection)
        state = port.look(_case(trial))
        if state is None or state.status is not CaseStatus.RUNNING:
            return
        if not port.can.withdraw:
            raise CannotWithdraw(product=registry.of(connection.kind).name)
        try:
            port.withdraw(_case(trial), gettext("The rehearsal is over."))
        except OutsideRefused:
            state = port.look(_case(trial))  # it may have ended meanwhile
            if state is not None and state.status is CaseStatus.RUNNING:
                raise


def _case(trial: Trial) -> CaseRef:
    instance_id = InstanceId(trial.instance_id) if trial.instance_id else None
    return CaseRef(trial.number, ExpenseReport.KIND, trial.begun_at, instance_id, trial.userid)


def _order(connection: Connection, trial: Trial, *, can_name: bool) -> CaseOrder:
    """Only the applicant is asked, where we may say so; else whoever the flow over there asks."""
    ours = can_name and connection.settings.get("approvers", "ours") == "ours"
    return CaseOrder(
        number=trial.number,
        kind=ExpenseReport.KIND,
        title=_title(),
        applicant=trial.person,
        form=_form(trial),
        opened_at=trial.begun_at,
        approvers=(ApproverGroup(GroupMode.NONE, (trial.userid,)),) if ours else (),
    )


def _title() -> str:
    return gettext("TEST: rehearsal of the connection with Viatica")


def _form(trial: Trial) -> CaseForm:
    day = timezone.localtime(trial.begun_at).date()
    url = f"{settings.PUBLIC_URL}/connections"
    reason = gettext("A test: please approve or reject it. Nothing is paid.")
    return CaseForm(
        title=_title(),
        amount=Money("0.01", "CNY"),
        fields=(
            Field("number", "单号", FieldKind.TEXT, trial.number),
            Field("reason", "事由", FieldKind.TEXT, reason),
            Field("period", "出差日期", FieldKind.DATE_RANGE, [str(day - timedelta(days=1)), str(day)]),
            Field("amount", "金额（元）", FieldKind.MONEY, "0.01"),
            Field("url", "详情链接", FieldKind.TEXT, url),
        ),
        lines=(Line({"category": gettext("Other"), "day": str(day), "amount": "0.01", "note": reason}),),
        url=url,
    )


def _show(connection: Connection, trial: Trial, status: BoardStatus, task: DeskStatus) -> dict[str, str]:
    """Bring the desk up to a board of one task; the handles it gave."""
    handles = dict(trial.handles)
    key = _key(trial)
    board = Board(
        number=trial.number,
        kind=ExpenseReport.KIND,
        title=_title(),
        applicant=trial.person,
        form=_form(trial),
        status=status,
        url=f"{settings.PUBLIC_URL}/connections",
        opened_at=trial.begun_at,
        changed_at=timezone.now(),
        version=1 if status is BoardStatus.RUNNING else 2,
        tasks=(
            DeskTask(
                key=key, version=1, person=trial.person, status=task, step=gettext("Rehearsal"), step_no=1,
                url=f"{settings.PUBLIC_URL}/connections", opened_at=trial.begun_at, shown=handles.get(key, ""),
            ),
        ),
        shown=handles.get("", ""),
    )  # fmt: skip
    for shown in _desk(connection).show(board):
        if shown.handle:
            handles[""] = shown.handle
        handles |= shown.tasks
        if key in shown.refused:
            raise OutsideRefused(system=registry.of(connection.kind).name, said_by=shown.refused[key])
    return handles


def _desk(connection: Connection) -> DeskPort:
    factory = registry.of(connection.kind).desk
    if factory is None:
        raise ports.NoDesk(kind=connection.kind)
    return factory(connection)


def _key(trial: Trial) -> str:
    return f"trial-{trial.number}"


def _events(connection: Connection, trial: Trial) -> list[InboxEvent]:
    """What came in about it since it began, latest first."""
    marks = [mark for mark in (trial.instance_id, trial.number, *trial.handles.values()) if mark]
    rows = InboxEvent.objects.filter(connection=connection, at__gte=trial.begun_at).order_by("-at", "-id")
    return [
        row
        for row in rows[:MOST_EVENTS]
        if any(mark in json.dumps(row.body, ensure_ascii=False) for mark in marks)
    ]


def _decision(
    connection: Connection, trial: Trial, events: Sequence[InboxEvent], heard_at: datetime | None
) -> Seen:
    port = _desk(connection)
    for event in events:
        for one in port.hear(event.body):
            if one.task_key == _key(trial):
                decided = {"approve": "approved", "reject": "rejected"}.get(one.verdict.value, "returned")
                return Seen(decided, decided, one.comment, event.at)
    return Seen("running", heard_at=heard_at)


__all__ = ["begin", "current", "look", "make", "people", "ref_of", "take_away", "way_of"]
