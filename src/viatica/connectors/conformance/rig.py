"""A running product in neutral words: what people do over there, how it misbehaves, and how it stands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from viatica.connectors.testing import KIND, Office, form
from viatica.kernel import clock
from viatica.kernel.refs import Ref
from viatica.offices.approval import services
from viatica.offices.approval.ports import ApprovalPort, CaseForm, CaseStatus, Verdict, port_for
from viatica.offices.company.models import Employee
from viatica.spine import reconcile
from viatica.spine.hooks import RawCallback
from viatica.spine.models import InboxEvent, OutboxMessage
from viatica.spine.reconcile import ReconcileReport

Instance = Mapping[str, Any]  # as its simulator shows it
GONE = "reason-of-yesterday"  # a field that no template has


class Simulated(Protocol):
    """The control door of a simulated product, as far as no product differs."""

    def fault(self, harm: str, path: str = "*", **more: Any) -> None: ...
    def clear_faults(self) -> None: ...
    def calls(self) -> dict[str, int]: ...
    def expire_tokens(self) -> None: ...
    def set_callback(self, url: str | None, **more: Any) -> str: ...
    def spoil_callbacks(self, **spoiling: Any) -> None: ...
    def events(self) -> list[dict[str, Any]]: ...
    def resend(self, event_id: str, times: int = 1) -> None: ...
    def wait_for_callbacks(self) -> bool: ...
    def leave(self, person: str) -> None: ...
    def instances(self) -> list[dict[str, Any]]: ...
    def withdraw(self, instance_id: str) -> object: ...
    def delete(self, instance_id: str) -> None: ...


OA = TypeVar("OA", bound=Simulated)


@dataclass
class Rig(ABC, Generic[OA]):
    """One office beside its product. Its flow asks two people one after the other; `stranger` is a third one over there,
    of whom we know nothing.
    """

    office: Office[OA]
    later: float = field(default=0, init=False)  # seconds from now, as far as the worker has got
    stranger: ClassVar[str]
    # Paths as the simulator counts and spoils them; `look` with its method.
    create: ClassVar[str]
    look: ClassVar[str]
    # How much a form takes, in characters (rare ones may count twice) and in rows; None: all of it. What is left out
    # stands behind the link.
    most_text: ClassVar[int | None] = None
    most_lines: ClassVar[int | None] = None

    @abstractmethod
    def decide(self, instance_id: str, verdict: Verdict, comment: str = "", *, userid: str = "") -> None:
        """As `userid`, or as whoever is asked first."""

    @abstractmethod
    def hand_over(self, instance_id: str, to: str) -> None:
        """By whoever is asked first."""

    @abstractmethod
    def number_in(self, instance: Instance) -> str:
        """Our number, where a person finds it."""

    @abstractmethod
    def status_of(self, instance: Instance) -> CaseStatus: ...

    @abstractmethod
    def text_in(self, instance: Instance) -> str:
        """What its form says as the reason."""

    @abstractmethod
    def lines_in(self, instance: Instance) -> int: ...

    @abstractmethod
    def files_in(self, instance: Instance) -> int: ...

    def files_for(self, pictures: int) -> int:
        """How many files so many pictures become: fewer, where they are bound together."""
        return pictures

    @abstractmethod
    def misplaced(self, field: Any) -> Any:
        """A mapped field as it was when the template still had it: it names GONE."""

    @abstractmethod
    def forged(self) -> Iterable[RawCallback]:
        """Callbacks that look right and are not: of other keys, altered, recorded long ago."""

    # The office and its people

    @property
    def oa(self) -> OA:
        return self.office.oa

    @property
    def port(self) -> ApprovalPort:
        return port_for(self.office.connection)

    @property
    def approvers(self) -> tuple[Employee, Employee]:
        _applicant, first, second = self.office.people.values()
        return first, second

    def open(self, key: str = "1", paper: CaseForm | None = None) -> Ref:
        ref = Ref(KIND, f"{self.office.prefix}-{key}")
        services.open_case(
            ref=ref, number=f"BX-{key}", kind=KIND, entity_id=self.office.entity.pk, applicant=self.office.applicant,
            form=paper or form(), content_hash="a" * 64, at=clock.now(),
        )  # fmt: skip
        return ref

    def sent(self, key: str = "1") -> tuple[Ref, str]:
        ref = self.open(key)
        self.work()
        instance_id = self.office.case(ref).instance_id
        assert instance_id is not None
        return ref, instance_id

    def agree(self, instance_id: str) -> None:
        """Both of them, one after the other."""
        self.decide(instance_id, Verdict.APPROVE, "同意")
        self.decide(instance_id, Verdict.APPROVE, "金额已核")

    def withdraw_here(self, ref: Ref) -> None:
        services.withdraw(ref=ref, actor=self.office.applicant, at=clock.now(), comment="行程取消")

    # Time and trouble

    def work(self, later: float = 0) -> None:
        """As the office's, but never before what was worked already: what is told keeps its order."""
        self.later = max(self.later, later)
        self.office.work(self.later)

    def hours_pass(self) -> None:
        began = self.later
        for seconds in (60, 600, 3600, 7200):
            self.work(began + seconds)

    def close_the_door(self) -> None:
        """Nothing that is pushed reaches us."""
        self.oa.spoil_callbacks(drop_fraction=1.0)

    def open_the_door(self) -> None:
        self.oa.spoil_callbacks(drop_fraction=0.0)

    def tell_again(self, *, times: int = 1) -> None:
        """Everything that was ever pushed, the last first."""
        for event in reversed(self.oa.events()):
            self.oa.resend(event["id"], times=times)
            assert self.oa.wait_for_callbacks()

    def compare(self, at: datetime | None = None) -> ReconcileReport:
        (report,) = reconcile.run(self.office.connection, at or clock.now())
        return report

    # How it stands

    def there(self, ref: Ref) -> list[Instance]:
        """Everything over there that carries the number of this paper, oldest first."""
        numbers = set(self._cases(ref).values_list("outside_number", flat=True))
        return [one for one in reversed(self.oa.instances()) if self.number_in(one) in numbers]

    def statuses(self, ref: Ref) -> list[CaseStatus]:
        return [self.status_of(one) for one in self.there(ref)]

    def asked(self, ref: Ref) -> list[tuple[str, str, str]]:
        """Of our side: who was asked, what became of it, and what they said."""
        items = self.office.case(ref).items.order_by("step__seq", "pk")
        return list(items.values_list("userid", "state", "comment"))

    def told(self, ref: Ref) -> list[tuple[str, str, str]]:
        """How the paper ended, by whom, and with what words: once, or it is told twice."""
        return [(one.outcome.value, one.by, one.comment) for one in self.office.conclusions if one.ref == ref]

    def message(self, ref: Ref, kind: str = "approval.submit") -> OutboxMessage:
        return OutboxMessage.objects.filter(lane=str(ref), kind=kind).latest("pk")

    def left_in_the_inbox(self) -> list[str]:
        return list(InboxEvent.objects.exclude(state="done").values_list("state", flat=True))

    def _cases(self, ref: Ref) -> Any:
        return self.office.case(ref).__class__.objects.filter(ref_kind=ref.kind, ref_key=ref.key)
