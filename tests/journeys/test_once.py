"""Every writing door, asked twice with one key: the same answer, one effect."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.db import transaction
from django.test import Client

from tests.journeys.conftest import Desk
from tests.journeys.doors import API, Visitor, World, effects, fill, text_of
from tests.journeys.test_at_once import at_once
from viatica.documents.expense.models import ExpenseReport
from viatica.spine.models import IdempotencyKey

# These say how things shall be: said twice, they are so, and no row tells how often it was said.
STATES = {"PUT /connections/{slug}/entities/{code}"}
# A door that this world gives nobody a reason to pass is measured in its own room.
WRITES = [
    name for name in API if not name.startswith("GET ") and API[name].is_passable and name not in STATES
]


@pytest.mark.parametrize("room", sorted({name.split("/")[1].split(" ")[0] for name in WRITES}))
def test_the_same_key_gets_the_same_answer_and_has_one_effect(world: World, room: str) -> None:
    for name in WRITES:
        method, address = name.split(" ")
        if address.split("/")[1] == room:
            visitor = Visitor(world, API[name].doer, api=True)
            with transaction.atomic():
                ask_three_times(visitor, name, method, f"/api/v1{fill(address, API[name].at(world))}")
                transaction.set_rollback(True)


def ask_three_times(visitor: Visitor, name: str, method: str, address: str) -> None:
    door, before = API[name], effects()
    first = visitor.send(method, address, door, key="k-1")
    assert first.status_code == door.answer(door.doer), f"{name}: {text_of(first)}"
    once = effects()
    assert once != before, f"{name} had no effect that is counted"
    again = visitor.send(method, address, door, key="k-1")
    assert (again.status_code, text_of(again)) == (first.status_code, text_of(first)), name
    assert effects() == once, f"{name} had a second effect"
    other = visitor.send(method, address, door, key="k-1", another="body")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency.key_reused"), name
    assert effects() == once, name
    assert IdempotencyKey.objects.filter(key="k-1").count() == 1, name


def test_a_refused_request_leaves_its_key_free(world: World) -> None:
    owner, door = Visitor(world, "owner", api=True), API["POST /reports"]
    refused = owner.send("POST", "/api/v1/reports", door, key="k-1", title="")
    assert (refused.status_code, refused.json()["code"]) == (422, "document.missing")
    assert owner.send("POST", "/api/v1/reports", door, key="k-1").status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 201, "ключ\n"])
def test_a_key_that_is_none_is_refused(world: World, key: str) -> None:
    client = Client(headers={"Authorization": f"Bearer {world.company.token('owner')}"})
    answer = client.post(
        "/api/v1/reports",
        {"title": "打车"},
        content_type="application/json",
        headers={"Idempotency-Key": key},
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency.bad_key")


def test_the_same_key_at_once_is_one_report(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    token = desk.company.token("owner")

    def create() -> object:
        client = Client(headers={"Authorization": f"Bearer {token}"})
        answer = client.post(
            "/api/v1/reports", json.dumps({"title": "打车"}), content_type="application/json",
            headers={"Idempotency-Key": "k-1"},
        )  # fmt: skip
        return answer.status_code, answer.json()

    answers = at_once(*[create] * 4)
    assert all(answer == answers[0] for answer in answers)
    assert ExpenseReport.objects.count() == 1
