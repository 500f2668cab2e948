"""What an OA product must be able to do for approvals, and the plain words exchanged with it.

A connector registers a factory for its kind; the office asks `port_for(connection)` and never knows
the vendor.
Every call may raise OutsideRefused, OutsideUnavailable or OutsideUnknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NewType, Protocol

from viatica.kernel.errors import Refused
from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.kernel.words import N_

if TYPE_CHECKING:  # the package exports these words before Django's tables are ready
    from viatica.spine.models import Connection

InstanceId = NewType("InstanceId", str)


class FieldKind(StrEnum):
    TEXT = "text"
    LONG_TEXT = "long_text"
    MONEY = "money"
    NUMBER = "number"
    DATE = "date"
    DATE_RANGE = "date_range"  # its value is [first, last]
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Field:
    """`name` is stable (mapped in the connection's settings), `label` is what people read.

    `kind` is a FieldKind.
    `value` is written for a machine: money `1280.50`, date `2026-11-24`, date_range `[first, last]`.
    """

    name: str
    label: str
    kind: str
    value: str | Sequence[str]


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table of lines: column → value, in the order they are shown."""

    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Attachment:
    """`url` is signed and opens without a sign-in; `digest` is the archive's SHA-256."""

    name: str
    url: str
    digest: str


@dataclass(frozen=True, slots=True)
class CaseForm:
    """A document as the approver sees it, at the moment it was submitted.

    `context` feeds conditions and resolvers, beside what the office knows of the applicant:
    department_id, project_id, cost_center_id (of the document), findings (list of str), over_standard (bool).
    """

    title: str
    amount: Money | None = None
    fields: Sequence[Field] = ()
    lines: Sequence[Line] = ()
    attachments: Sequence[Attachment] = ()
    url: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """What the case keeps; `context` is kept apart from it."""
        return {
            "title": self.title,
            "amount": self.amount.json() if self.amount else None,
            "fields": [_field_json(one) for one in self.fields],
            "lines": [dict(line.values) for line in self.lines],
            "attachments": [
                {"name": one.name, "url": one.url, "digest": one.digest} for one in self.attachments
            ],
            "url": self.url,
        }

    @classmethod
    def parse(cls, data: dict[str, Any]) -> CaseForm:
        """From `json()`."""
        return cls(
            title=data["title"],
            amount=Money.parse(data["amount"]) if data["amount"] else None,
            fields=tuple(_parse_field(one) for one in data["fields"]),
            lines=tuple(Line(line) for line in data["lines"]),
            attachments=tuple(Attachment(**one) for one in data["attachments"]),
            url=data["url"],
        )


def _field_json(one: Field) -> dict[str, Any]:
    value = one.value if isinstance(one.value, str) else list(one.value)
    return {"name": one.name, "label": one.label, "kind": FieldKind(one.kind).value, "value": value}


def _parse_field(data: dict[str, Any]) -> Field:
    return Field(data["name"], data["label"], FieldKind(data["kind"]), data["value"])


@dataclass(frozen=True, slots=True)
class OutsidePerson:
    """A person as the OA knows them; `unionid` and `dept_id` are empty where the product has none."""

    userid: str
    name: str
    unionid: str = ""
    dept_id: str = ""


class GroupMode(StrEnum):
    AND = "AND"  # 会签: all of them
    OR = "OR"  # 或签: the first of them
    NONE = "NONE"  # one person


@dataclass(frozen=True, slots=True)
class ApproverGroup:
    mode: GroupMode
    userids: Sequence[str]


@dataclass(frozen=True, slots=True)
class CaseOrder:
    """What to create. `number` is unique to this case, never reused, and must be findable in the instance.

    No `approvers`: the OA's own flow decides. Groups are asked one after another.
    """

    number: str
    kind: str
    title: str
    applicant: OutsidePerson
    form: CaseForm
    opened_at: datetime
    approvers: Sequence[ApproverGroup] = ()
    cc: Sequence[str] = ()

    @property
    def url(self) -> str:
        return self.form.url


@dataclass(frozen=True, slots=True)
class CaseRef:
    """How to find a case: by `instance_id` when known, else by our `number`; not older than `opened_at`."""

    number: str
    kind: str
    opened_at: datetime
    instance_id: InstanceId | None
    applicant_userid: str = ""


class CaseStatus(StrEnum):
    RUNNING = "running"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    GONE = "gone"  # deleted over there


class TaskStatus(StrEnum):
    OPEN = "open"
    DECIDED = "decided"
    CANCELLED = "cancelled"


class TaskResult(StrEnum):
    NONE = ""
    APPROVED = "approved"
    REJECTED = "rejected"
    HANDED_OVER = "handed_over"


@dataclass(frozen=True, slots=True)
class TaskState:
    """One person's task. `at` is when it was decided, or opened while it is open; None when not told."""

    task_id: str
    userid: str
    status: TaskStatus
    result: TaskResult = TaskResult.NONE
    at: datetime | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class CaseState:
    """What the OA says of one instance. `number` is ours, read from its form; None where it has none.

    `tasks` are all there are, in the order they were opened.
    """

    instance_id: InstanceId
    number: str | None
    status: CaseStatus
    tasks: Sequence[TaskState] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    finished_at: datetime | None = None


class What(StrEnum):
    STARTED = "started"
    TASK_OPENED = "task_opened"
    TASK_DECIDED = "task_decided"
    TASK_HANDED_OVER = "task_handed_over"
    TASK_CANCELLED = "task_cancelled"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class ApprovalNews:
    """One event the OA told us. `result` says how a task was decided; `at` is the OA's own time."""

    connection_id: int
    instance_id: InstanceId
    what: What
    at: datetime
    event_id: str
    number: str | None = None
    actor_userid: str = ""
    task_id: str = ""
    result: TaskResult = TaskResult.NONE
    comment: str = ""
    version: int = 0


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the product can do.

    `callback`: push, stream or none. `list_window_days`: how far back `list_since` reaches.
    `may_be_undone`: an approval can be taken back over there later, so that it is asked for again before money goes.
    """

    withdraw: bool = True
    comment: bool = True
    add_signer: bool = False
    given_approvers: bool = True
    cc: bool = True
    callback: str = "push"
    list_window_days: int = 120
    may_be_undone: bool = False


class ApprovalPort(Protocol):
    @property
    def kind(self) -> str: ...

    @property
    def can(self) -> Capabilities: ...

    def submit(self, order: CaseOrder) -> InstanceId:
        """Create the instance. The office has looked first when an earlier try may have worked."""
        ...

    def look(self, case: CaseRef) -> CaseState | None:
        """The truth about one case; None when the OA has no such instance."""
        ...

    def withdraw(self, case: CaseRef, reason: str) -> None:
        """End it on behalf of the applicant. OutsideRefused when it has already ended."""
        ...

    def comment(self, case: CaseRef, text: str) -> None: ...

    def hear(self, event: dict[str, Any]) -> list[ApprovalNews]:
        """Pure translation of one stored callback; an event that concerns no approval gives an empty list."""
        ...

    def list_since(self, start: datetime, end: datetime) -> Iterator[InstanceId]:
        """Instances of our forms started in [start, end)."""
        ...


# Our flow, their desk (mode B): the case runs here, the OA shows each task to its approver.


class Verdict(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    SEND_BACK = "send_back"


class BoardStatus(StrEnum):
    RUNNING = "running"
    APPROVED = "approved"
    REJECTED = "rejected"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"


class DeskStatus(StrEnum):
    OPEN = "open"
    WAITING = "waiting"  # was open and will be again: an added signer comes first, so it leaves their list
    APPROVED = "approved"
    REJECTED = "rejected"
    RETURNED = "returned"
    HANDED_OVER = "handed_over"
    CANCELLED = "cancelled"  # no longer needed: somebody else decided the step, or the case is over


@dataclass(frozen=True, slots=True)
class DeskTask:
    """One person's task, as their desk should show it.

    `key` is ours, of letters, digits and dashes, the same in every show and never used for another task. A decision made
    at the desk names it, and the `version` the person saw. `shown` is the handle kept from the last show; "": it is not
    over there, or was taken away; so a task that is over and has none needs nothing. `url` opens our page signed in, in a
    browser and inside the client.
    """

    key: str
    version: int
    person: OutsidePerson
    status: DeskStatus
    step: str
    step_no: int
    url: str
    opened_at: datetime
    closed_at: datetime | None = None
    comment: str = ""
    on_behalf_of: str = ""
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Board:
    """The whole of one case as a desk should show it: every task that was ever open, in the order they were opened.

    `number` is unique to this case and never reused. `version` grows with every board of a case, so that of two the
    newer is known. People without an account over there are left out; the applicant's `userid` is "" then. `shown` is
    the case's own handle, as in DeskTask. `earlier_unknown`: an earlier show may have made what no handle tells of;
    look before making anything anew, as far as the product allows.
    """

    number: str
    kind: str
    title: str
    applicant: OutsidePerson
    form: CaseForm
    status: BoardStatus
    url: str
    opened_at: datetime
    changed_at: datetime
    version: int
    tasks: Sequence[DeskTask]
    shown: str = ""
    earlier_unknown: bool = False

    @property
    def is_over(self) -> bool:
        return self.status is not BoardStatus.RUNNING


@dataclass(frozen=True, slots=True)
class Shown:
    """What was just made or changed over there.

    `handle` is the case's ("": as it was), `tasks` are handles by task key: any text the connector needs to find and
    change the task again; "" when it was taken away for good and must be made anew if it opens again. Tasks not named
    keep theirs. `refused` are tasks whose person the product does not know or does not let us reach, with what it said.
    """

    handle: str = ""
    tasks: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeskDecision:
    """What somebody decided at their desk. `version` None: the desk does not tell which they saw.

    `handle`: the task's new one, when the click itself brought it (a code to change the card by).
    """

    task_key: str
    userid: str
    verdict: Verdict
    event_id: str
    at: datetime
    version: int | None = None
    comment: str = ""
    handle: str = ""


class DeskPort(Protocol):
    @property
    def kind(self) -> str: ...

    @property
    def can_decide(self) -> bool:
        """Whether people can decide at the desk itself; else it only leads them to our page."""
        ...

    def show(self, board: Board) -> Iterator[Shown]:
        """Bring the desk up to this board, whatever it shows now, and yield each handle as soon as it is known.

        What was yielded is kept even when what follows fails. The same board shown again changes nothing, and the end
        of the iteration says that all of it is shown.
        """
        ...

    def hear(self, event: dict[str, Any]) -> list[DeskDecision]:
        """Pure translation of one stored callback; an event that is no decision gives an empty list."""
        ...

    def differs(self, boards: Sequence[Board]) -> Iterable[str]:
        """Numbers of those the desk shows otherwise; none where the product cannot be asked."""
        ...


class Outcome(StrEnum):
    """How a case ended."""

    APPROVED = "approved"
    REJECTED = "rejected"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Conclusion:
    """A case ended, once. `content_hash` is what was approved; `by` and `via` are written as in facts."""

    ref: Ref
    case_id: int
    outcome: Outcome
    content_hash: str
    by: str
    via: str
    comment: str
    at: datetime


class Why(StrEnum):
    OPENED = "opened"
    URGED = "urged"
    COPIED = "copied"


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody is asked to look: a task was opened for them, they are urged (催办), or got a copy (抄送).

    `times` counts the urges, so that a text can vary; `in_oa`: an OA product shows the task itself. `url` is where they
    decide; "" for a copy.
    """

    ref: Ref
    case_id: int
    item_id: int | None
    employee_id: int
    why: Why
    number: str
    title: str
    amount: Money | None
    applicant_id: int
    since: datetime
    times: int
    in_oa: bool
    at: datetime
    url: str = ""


@dataclass(frozen=True, slots=True)
class Unasked:
    """Somebody is not asked any more, and a message or to-do of ours tells of the task; `now` is what became of it.

    `since` is as in Asked.
    """

    ref: Ref
    case_id: int
    item_id: int
    employee_id: int
    since: datetime
    now: DeskStatus
    at: datetime


class NoPort(Refused):
    code = "approval.no_port"
    message = N_("Connections of the kind “{kind}” cannot run approvals.")
    hint = N_("Choose another connection for the legal entity, or install the connector.")


class NoDesk(Refused):
    code = "approval.no_desk"
    message = N_("Connections of the kind “{kind}” cannot show our tasks.")
    hint = N_("Choose another connection for the legal entity, or install the connector.")


Factory = Callable[["Connection"], ApprovalPort]
DeskFactory = Callable[["Connection"], DeskPort]
_factories: dict[str, Factory] = {}
_desks: dict[str, DeskFactory] = {}


def register(kind: str, factory: Factory) -> None:
    _factories[kind] = factory


def kinds() -> Iterable[str]:
    return tuple(_factories)


def port_for(connection: Connection) -> ApprovalPort:
    """Raises NoPort when no connector of that kind is installed."""
    factory = _factories.get(connection.kind)
    if factory is None:
        raise NoPort(kind=connection.kind)
    return factory(connection)


def register_desk(kind: str, factory: DeskFactory) -> None:
    _desks[kind] = factory


def desk_for(connection: Connection) -> DeskPort:
    """Raises NoDesk when no connector of that kind can show our tasks."""
    factory = _desks.get(connection.kind)
    if factory is None:
        raise NoDesk(kind=connection.kind)
    return factory(connection)
