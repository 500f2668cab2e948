"""For tests of connectors only: papers to send, golden pairs, and a company whose papers are approved over there.

Names no vendor. A connector's conftest starts its simulator, and makes a connection to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, Protocol, TypeVar
from uuid import uuid4

import pytest
import urllib3

from viatica.connectors.looks import Looks
from viatica.kernel import clock
from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.offices.approval import hearing, services
from viatica.offices.approval.models import Case
from viatica.offices.approval.ports import (
    ApproverGroup,
    Attachment,
    CaseForm,
    CaseOrder,
    CaseRef,
    Conclusion,
    Field,
    FieldKind,
    GroupMode,
    InstanceId,
    Line,
    OutsidePerson,
)
from viatica.offices.company.models import Department, Employee, Grade, LegalEntity, OutsideIdentity
from viatica.spine import connections, facts, relay
from viatica.spine.models import Connection

AT = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
NUMBER = "BX202611-000123"
URL = f"https://viatica.example.com/reports/{NUMBER}"


# A paper on its way


def form(
    *,
    lines: int = 2,
    category: str = "市内交通",
    reason: str = "上海客户拜访",
    files: Sequence[Attachment] = (),
) -> CaseForm:
    return CaseForm(
        title="张三 报销 上海客户拜访",
        amount=Money("1280.50", "CNY"),
        fields=(
            Field("number", "单号", FieldKind.TEXT, NUMBER),
            Field("reason", "事由", FieldKind.TEXT, reason),
            Field("period", "出差日期", FieldKind.DATE_RANGE, ["2026-11-02", "2026-11-05"]),
            Field("amount", "金额（元）", FieldKind.MONEY, "1280.50"),
            Field("url", "详情链接", FieldKind.TEXT, URL),
        ),
        lines=tuple(
            Line({"category": category, "day": "2026-11-02", "amount": "10.10", "note": f"第 {no} 段"})
            for no in range(1, lines + 1)
        ),
        attachments=tuple(files),
        url=URL,
    )


def order(number: str = NUMBER, *, applicant: OutsidePerson, **changes: Any) -> CaseOrder:
    """Of a report, unless `changes` say otherwise."""
    usual = CaseOrder(
        number=number,
        kind="expense_report",
        title="张三 报销 上海客户拜访",
        applicant=applicant,
        form=changes.get("form") or form(),
        opened_at=clock.now(),
    )
    return replace(usual, **changes)


def ref(one: CaseOrder, instance_id: InstanceId | None = None) -> CaseRef:
    return CaseRef(
        number=one.number,
        kind=one.kind,
        opened_at=one.opened_at,
        instance_id=instance_id,
        applicant_userid=one.applicant.userid,
    )


# Golden pairs


@dataclass(frozen=True, slots=True)
class Golden:
    """`payloads/` of a connector: what the product says beside what we make of it, `x.json` and `x.<ending>.json`."""

    folder: Path
    endings: tuple[str, ...] = ("news", "state", "body")

    def names(self, ending: str) -> list[str]:
        files = self.folder.glob(f"*.{ending}.json")
        return sorted(path.name.removesuffix(f".{ending}.json") for path in files)

    def read(self, name: str) -> Any:
        return json.loads((self.folder / f"{name}.json").read_text())

    def alone(self) -> set[str]:
        """Files without the other half of their pair."""
        halves = tuple(f".{ending}.json" for ending in self.endings)
        said = {
            path.stem
            for path in self.folder.glob("*.json")
            if not path.name.endswith((*halves, "vectors.json"))
        }
        return said ^ {name for ending in self.endings for name in self.names(ending)}


def plain(data: Any) -> Any:
    """As a golden file would give it back."""
    return json.loads(json.dumps(data, default=lambda at: at.isoformat()))


def order_of(data: Mapping[str, Any]) -> CaseOrder:
    """An order written down in a golden file."""
    return CaseOrder(
        number=data["number"],
        kind=data["kind"],
        title=data["form"]["title"],
        applicant=OutsidePerson(**data["applicant"]),
        form=CaseForm.parse(data["form"]),
        opened_at=datetime(2026, 11, 24, tzinfo=UTC),
        approvers=tuple(ApproverGroup(GroupMode(mode), tuple(people)) for mode, people in data["approvers"]),
        cc=tuple(data["cc"]),
    )


# Whole stories

KIND = "paper"


class Simulator(Protocol):
    def set_callback(self, url: str | None, **more: Any) -> str: ...
    def wait_for_callbacks(self) -> bool: ...


OA = TypeVar("OA", bound=Simulator)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the simulated company; `manager` is a userid named before."""

    userid: str
    name: str
    dept_id: str
    manager: str = ""


@dataclass
class Office(Generic[OA]):
    """One company whose papers of the kind `paper` are approved in `oa`. `people` by userid; the first one applies."""

    oa: OA
    connection: Connection
    entity: LegalEntity
    people: Mapping[str, Employee]
    hooks: str
    conclusions: list[Conclusion] = field(default_factory=list)
    # Facts and numbers outlive a test: no two tests may tell of the same paper.
    prefix: str = field(default_factory=lambda: uuid4().hex[:8])

    @property
    def applicant(self) -> Employee:
        return next(iter(self.people.values()))

    def open(self, key: str = "1") -> Ref:
        ref = Ref(KIND, f"{self.prefix}-{key}")
        services.open_case(
            ref=ref, number=f"BX-{key}", kind=KIND, entity_id=self.entity.pk, applicant=self.applicant,
            form=form(), content_hash="a" * 64, at=clock.now(),
        )  # fmt: skip
        return ref

    def case(self, ref: Ref) -> Case:
        return Case.objects.filter(ref_kind=ref.kind, ref_key=ref.key).latest("id")

    def sent(self, key: str = "1") -> tuple[Ref, str]:
        ref = self.open(key)
        self.work()
        instance_id = self.case(ref).instance_id
        assert instance_id is not None
        return ref, instance_id

    def work(self, later: float = 0) -> None:
        """Let every callback arrive and the worker do what is due, `later` seconds from now included."""
        assert self.oa.wait_for_callbacks()
        relay.drain(at=clock.now() + timedelta(seconds=later) if later else None)

    def facts(self, ref: Ref) -> list[str]:
        return [row.fact for row in facts.timeline(ref)]


@contextmanager
def office_of(
    oa: OA,
    connection: Connection,
    *,
    people: Sequence[Person],
    steps: Mapping[str, str],
    url: str,
    patch: pytest.MonkeyPatch,
) -> Iterator[Office[OA]]:
    """The company, with callbacks coming in at our own door below `url`. `steps` of the flow: name → userid.

    `connection` is saved here; its form of a report also serves papers.
    """
    connections.forget()
    forms = connection.settings["forms"]
    forms[KIND] = forms["expense_report"]
    connection.rate_per_second = 0
    connection.save()
    entity = LegalEntity.objects.create(code="SH", name="上海云帆", connection=connection)
    hired = _hire(connection, entity, people)
    flow = [
        {"name": name, "who": {"by": "people", "people": [hired[userid].pk]}}
        for name, userid in steps.items()
    ]
    services.save_flow(kind=KIND, name="测试", steps=flow, at=clock.now() - timedelta(days=1))
    made = Office(oa, connection, entity, hired, f"{url}/hooks/{connection.slug}")
    patch.setattr(hearing, "_concluded", {KIND: made.conclusions.append})
    # A live server reads in the whole house at its first request, and a product waits a second for an answer.
    urllib3.request("GET", f"{url}/hooks/nobody", retries=False, timeout=60)
    assert oa.set_callback(made.hooks) == "success"
    yield made
    oa.set_callback(None)
    connections.forget()


def _hire(connection: Connection, entity: LegalEntity, people: Sequence[Person]) -> dict[str, Employee]:
    department = Department.objects.create(name="研发部", entity=entity)
    grade = Grade.objects.create(code="P5", name="P5", rank=5)
    hired: dict[str, Employee] = {}
    # Whoever leads comes before whom they lead.
    for one in sorted(people, key=lambda one: bool(one.manager)):
        hired[one.userid] = Employee.objects.create(
            number=one.userid, name=one.name, entity=entity, department=department, grade=grade,
            manager=hired.get(one.manager),
        )  # fmt: skip
        OutsideIdentity.objects.create(
            employee=hired[one.userid], connection=connection, userid=one.userid, dept_id=one.dept_id
        )
    return {one.userid: hired[one.userid] for one in people}


def looks_afresh(connector: ModuleType, patch: pytest.MonkeyPatch) -> None:
    """As if no instance had been looked at in this process; `connector` has a SETTLING."""
    patch.setattr(connector, "SETTLING", replace(connector.SETTLING, looks=Looks()))
