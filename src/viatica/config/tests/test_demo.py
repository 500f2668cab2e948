"""The demo company is made by the product's own services: what they would refuse, it cannot contain."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from simulators.dingtalk.testing import running
from viatica.config import simulated
from viatica.config.books import re_add
from viatica.config.demo import folder, plan, seed
from viatica.config.simulated import starting
from viatica.config.simulated.company import parent_of
from viatica.documents.expense.models import ExpenseReport
from viatica.documents.travel.models import TravelRequest
from viatica.offices.access.models import Grant, User
from viatica.offices.company.models import City, Department, Employee, LegalEntity, Project
from viatica.offices.invoices import readers
from viatica.offices.invoices.readers.taxpayer import is_social_credit_code
from viatica.spine.models import Connection, OutboxMessage

AT = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)


@pytest.mark.django_db(transaction=True)
def test_a_small_history_leaves_books_that_agree(tmp_path: Path) -> None:
    company = seed.people_and_places(at=AT)
    product = simulated.of("dingtalk")
    with running(org=product.organisation(parent_of(company))) as dingtalk:
        connect = partial(starting.connect, company, product, dingtalk.facts, uses=product.uses)
        history = seed.three_months(
            company, connect=connect, at=AT, folder=tmp_path, trips=14, work_reports=6
        )

    assert set(history.refused) <= {"budget.short"}
    rooms, disagreements = re_add(AT)
    assert disagreements == []
    assert {"budget", "invoices", "ledger", "payment"} <= set(rooms)
    states = Counter(ExpenseReport.objects.values_list("state", flat=True))
    assert states["paid"] > 3
    assert not ExpenseReport.objects.filter(created_at__gt=AT).exists()
    numbers = set(ExpenseReport.objects.values_list("number", flat=True))
    assert all(
        number.startswith(f"BX{made.astimezone(UTC):%Y%m}") or made.day in (1, 31)
        for number, made in ExpenseReport.objects.values_list("number", "created_at")
    ), numbers
    _the_stage_is_set(tmp_path)


def _the_stage_is_set(tmp_path: Path) -> None:
    """What the welcome promises is there."""
    trip = TravelRequest.objects.get(owner__name="林晓雨", purpose="南京重点客户季度回访")
    assert trip.state == "approved"
    assert not ExpenseReport.objects.filter(trip=trip).exists()
    assert TravelRequest.objects.filter(owner__name="王博文", state="in_approval").count() == 2
    connection = Connection.objects.get(slug="dingtalk")
    assert LegalEntity.objects.get(code=plan.PARENT).connection == connection
    submitted = OutboxMessage.objects.filter(kind="approval.submit").count()
    assert (
        submitted
        == OutboxMessage.objects.exclude(connection_id__isnull=True).filter(kind="approval.submit").count()
    )

    papers = tmp_path / "invoices"
    assert folder.fill(papers, traveller="林晓雨") == 6
    buyer = LegalEntity.objects.get(code=plan.PARENT)
    read = {path.name[0]: readers.read(path.read_bytes(), path.name) for path in papers.iterdir()}
    assert [read[n].buyer_tax_id for n in "12345"] == [buyer.tax_id] * 5
    assert read["6"].buyer_tax_id != buyer.tax_id
    assert str(read["2"].total.amount) == "1160.00"


@pytest.mark.django_db
def test_the_structure_is_the_announced_one_and_the_same_each_time(tmp_path: Path) -> None:
    company = seed.people_and_places(at=AT)
    assert LegalEntity.objects.count() == 3
    assert all(is_social_credit_code(row.tax_id) for row in LegalEntity.objects.all())
    assert 36 <= Department.objects.count() <= 44
    assert 280 <= Employee.objects.count() <= 360
    assert City.objects.count() >= 35
    assert Project.objects.count() == 12
    assert not Employee.objects.filter(manager__isnull=True).exclude(title="总裁").exists()
    assert not Department.objects.filter(head__isnull=True).exists()
    assert set(Grant.objects.values_list("role", flat=True)) == {
        "finance",
        "cashier",
        "auditor",
        "administrator",
    }
    cast = [role.login for role in plan.CAST]
    assert list(User.objects.order_by("pk").values_list("username", flat=True)[: len(cast)]) == cast
    assert company.logins["linxiaoyu"].manager == company.logins["zhouming"]
    names = list(Employee.objects.order_by("number").values_list("name", flat=True))
    assert len(set(names)) == len(names)
    assert names[:3] == ["关和平", *names[1:3]]
