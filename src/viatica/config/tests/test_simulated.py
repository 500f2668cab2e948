"""The demo company in each simulated OA: the same people, the same chiefs, forms that fit."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import pytest

from viatica.config import simulated
from viatica.config.demo import seed
from viatica.config.simulated import starting
from viatica.config.simulated.company import parent_of
from viatica.config.simulated.product import carries
from viatica.connectors import registry
from viatica.offices.company.models import LegalEntity, OutsideIdentity

AT = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", simulated.PRODUCTS)
def test_our_people_are_there_and_the_forms_fit(kind: str) -> None:
    product = simulated.of(kind)
    company = seed.people_and_places(at=AT)
    ours = parent_of(company)
    testing: Any = import_module(f"simulators.{kind}.testing")
    with testing.running(org=product.organisation(ours)) as oa:
        connection = starting.connect(company, product, oa.facts, uses=product.uses)
        checks = registry.of(kind).check
        assert checks is not None
        assert [one.name for one in checks(connection) if not one.ok] == []
    assert {member.login for member in ours.members} == {
        user.get("userid") or user.get("user_id") for user in oa.facts["users"]
    }
    assert OutsideIdentity.objects.filter(connection=connection).count() == len(ours.members)
    assert LegalEntity.objects.get(code="SH").connection == connection
    assert set(connection.settings["forms"]) == {"expense_report", "travel_request"}


def test_a_number_is_found_however_deep_it_lies() -> None:
    assert carries({"values": {"单号": {"text": "BX1"}, "明细": [{"x": ["BX2"]}]}}, "BX2")
    assert not carries({"values": {"单号": "BX11"}}, "BX1")
