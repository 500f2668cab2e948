"""A small company, and a desk from which people act on cases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.offices.access.models import Grant, Role, User
from viatica.offices.approval import hearing, ports, services
from viatica.offices.approval.models import Case, Flow, Item, ItemState
from viatica.offices.approval.ports import Asked, CaseForm, Conclusion, Field
from viatica.offices.approval.tests.bridge import Bridge
from viatica.offices.approval.tests.toy import ToyOA
from viatica.offices.company.models import (
    CostCenter,
    Delegation,
    Department,
    Employee,
    Grade,
    LegalEntity,
    Project,
)
from viatica.spine import facts
from viatica.spine.models import Connection, OutboxMessage

AT = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
KIND = "paper"


@dataclass
class Desk:
    """`people` are made on demand by name; everybody's manager is `boss` unless said otherwise."""

    entity: LegalEntity
    root: Department
    department: Department
    grade: Grade
    at: datetime = AT
    conclusions: list[Conclusion] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    _people: dict[str, Employee] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Employee:
        return self._people.get(name) or self.hire(name)

    def hire(self, name: str, *, manager: str | None = None, is_active: bool = True) -> Employee:
        person = Employee.objects.create(
            number=f"E-{name}-{self.entity.pk}", name=name, entity=self.entity, department=self.department,
            grade=self.grade, manager=self[manager] if manager else None, is_active=is_active,
        )  # fmt: skip
        self._people[name] = person
        return person

    def grant(self, name: str, role: Role, entity: LegalEntity | None = None) -> None:
        user, _ = User.objects.get_or_create(username=f"u{self[name].pk}", defaults={"employee": self[name]})
        Grant.objects.create(user=user, role=role, entity=entity)

    def stands_in(self, delegate: str, principal: str, kind: str = "") -> None:
        Delegation.objects.create(
            principal=self[principal], delegate=self[delegate], kind=kind,
            starts_at=self.at - timedelta(days=1), ends_at=self.at + timedelta(days=1),
        )  # fmt: skip

    def flow(self, *steps: Any, **settings: Any) -> Flow:
        return services.save_flow(kind=KIND, name="测试", steps=list(steps), at=self.at, **settings)

    def named(
        self, *names: str, mode: str = "countersign", step: str = "审批", **more: Any
    ) -> dict[str, Any]:
        people = [self[name].pk for name in names]
        return {"name": step, "who": {"by": "people", "people": people}, "mode": mode, **more}

    def submit(
        self, key: str = "1", *, amount: str = "1000.00", applicant: str = "owner", **context: Any
    ) -> Ref:
        form = CaseForm(
            title=f"报销 {key}",
            amount=Money(amount, "CNY"),
            fields=[Field("reason", "事由", "text", "出差")],
            context=context,
        )
        ref = Ref(KIND, key)
        services.open_case(
            ref=ref, number=f"BX-{key}", kind=KIND, entity_id=self.entity.pk, applicant=self[applicant], form=form,
            content_hash="a" * 64, at=self.at,
        )  # fmt: skip
        return ref

    def case(self, ref: Ref) -> Case:
        return Case.objects.filter(ref_kind=ref.kind, ref_key=ref.key).latest("id")

    def items(self, ref: Ref) -> list[Item]:
        return list(
            Item.objects.filter(case=self.case(ref)).select_related("approver", "step").order_by("id")
        )

    def states(self, ref: Ref) -> dict[str, str]:
        """Name → state of their latest item."""
        return {item.approver.name if item.approver else item.userid: item.state for item in self.items(ref)}

    def open_for(self, ref: Ref) -> list[str]:
        return [
            item.approver.name for item in self.items(ref) if item.state == ItemState.OPEN and item.approver
        ]

    def item(self, ref: Ref, name: str, state: str = ItemState.OPEN) -> Item:
        return next(
            item for item in self.items(ref) if item.approver_id == self[name].pk and item.state == state
        )

    def decide(self, ref: Ref, name: str, verdict: str = "approve", comment: str = "好") -> Case:
        item = self.item(ref, name)
        return services.decide(
            item_id=item.pk, actor=self[name], verdict=verdict, comment=comment, expected_version=item.version,
            at=self.at,
        )  # fmt: skip

    def add_signer(self, ref: Ref, name: str, signer: str, position: str) -> Case:
        item = self.item(ref, name)
        return services.add_signer(
            item_id=item.pk, actor=self[name], signer=self[signer], position=position,
            expected_version=item.version, at=self.at,
        )  # fmt: skip

    def hand_over(self, ref: Ref, name: str, to: str, *, by: str | None = None, comment: str = "") -> Case:
        item = self.item(ref, name)
        return services.hand_over(
            item_id=item.pk, actor=self[by or name], to=self[to], comment=comment, expected_version=item.version,
            at=self.at,
        )  # fmt: skip

    def facts(self, ref: Ref) -> list[str]:
        return [row.fact for row in facts.timeline(ref)]

    def wait(self, **time: float) -> None:
        self.at += timedelta(**time)


def make_desk() -> Desk:
    entity = LegalEntity.objects.create(code="SH", name="上海云帆")
    root = Department.objects.create(name="总部", entity=entity)
    root.refresh_from_db()
    department = Department.objects.create(name="市场部", entity=entity, parent=root)
    department.refresh_from_db()
    grade = Grade.objects.create(code="P5", name="P5", rank=5)
    desk = Desk(entity, root, department, grade)
    desk.hire("owner", manager="boss")
    return desk


@pytest.fixture
def desk(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    desk = make_desk()
    listen(desk, monkeypatch)
    yield desk


@pytest.fixture
def bridge(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Bridge:
    connection = Connection.objects.create(slug="toy", kind="toy", name="玩具OA", uses=["approval"])
    desk.entity.connection = connection
    desk.entity.save()
    oa = ToyOA(connection.pk, lambda: desk.at)
    monkeypatch.setattr(ports, "_factories", {"toy": lambda _: oa})
    bridge = Bridge(desk, oa, connection)
    bridge.link("owner", "甲", "乙", "丙")
    bridge.delivered = max((message.pk for message in OutboxMessage.objects.all()), default=0)
    return bridge


def listen(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The desk hears what documents and notices would, for this test only."""

    def hear(asked: Sequence[Asked]) -> None:
        desk.asked.extend(asked)

    monkeypatch.setattr(hearing, "_concluded", {KIND: desk.conclusions.append})
    monkeypatch.setitem(hearing._asked, KIND, [hear])


__all__ = ["AT", "KIND", "CostCenter", "Desk", "Project", "desk", "listen", "make_desk"]
