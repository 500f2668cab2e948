"""Every door of the house × everyone who may knock: own, team, other department, other entity, nobody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLResolver, get_resolver, reverse

from tests.journeys.doors import (
    ACCOUNT,
    API,
    PAGES,
    PARKED,
    ROLES,
    SEES,
    SELLER,
    TITLE,
    Answer,
    Door,
    Visitor,
    World,
    fill,
    text_of,
)
from viatica.front.api import api
from viatica.offices.access.models import ApiToken, User
from viatica.spine.models import Connection

ROOT = "/api/v1"


def api_doors() -> Iterator[str]:
    for path, methods in api.get_openapi_schema()["paths"].items():
        yield from (f"{method.upper()} {path.removeprefix(ROOT)}" for method in methods)


def test_every_door_of_the_api_is_in_the_table() -> None:
    assert sorted(API) == sorted(api_doors())


@pytest.mark.parametrize("role", ROLES)
def test_who_may_pass_the_api(world: World, role: str) -> None:
    visitor = Visitor(world, role, api=True)
    wrong = []
    for name, door in API.items():
        method, address = name.split(" ")
        answer = visitor.knock(method, ROOT + fill(address, door.at(world)), door)
        expected = 401 if role == "nobody" else door.answer(role)
        wrong += [f"{role}: {name}: {what}" for what in faults(role, method, door, answer, expected)]
    assert not wrong, "\n".join(wrong)


def page_doors() -> Iterator[str]:
    """Names of every address that is not an operation of the API."""

    def walk(resolver: Any, space: str) -> Iterator[str]:
        for pattern in resolver.url_patterns:
            if isinstance(pattern, URLResolver):
                yield from walk(pattern, pattern.namespace or space)
            elif space != "api" or pattern.name in ("openapi-json", "openapi-view", "api-root"):
                yield f"{space}:{pattern.name}"

    yield from walk(get_resolver(), "")


def test_every_page_is_in_the_table() -> None:
    assert {name.split(" ")[1] for name in PAGES} == set(page_doors())


@pytest.mark.parametrize("role", ROLES)
def test_who_may_pass_the_pages(world: World, role: str) -> None:
    wrong = []
    for name, door in PAGES.items():
        method, page = name.split(" ")
        answer = Visitor(world, role, api=False).knock(method, reverse(page, kwargs=door.at(world)), door)
        expected = door.answer(role) if role != "nobody" or "nobody" in door.answers else 302
        wrong += [f"{role}: {name}: {what}" for what in faults(role, method, door, answer, expected)]
        if role == "nobody" and "nobody" not in door.answers and not answer.location.startswith("/sign-in"):
            wrong.append(f"{name}: not sent to the sign-in but to {answer.location}")
    assert not wrong, "\n".join(wrong)


def faults(role: str, method: str, door: Door, answer: Answer, expected: int) -> Iterator[str]:
    if answer.status != expected:
        yield f"{answer.status} instead of {expected}: {answer.text[:300]} {answer.location}"
    is_in = answer.status < 400 and (role != "nobody" or "nobody" in door.answers)
    may_know = role in SEES and door.marker == TITLE
    if not is_in and not may_know and door.marker in answer.text + answer.location:
        yield f"refused, and yet it tells “{door.marker}”"
    if is_in and door.shows is not None and (door.marker in answer.text) != (role in door.shows):
        yield f"“{door.marker}” {'missing' if role in door.shows else 'shown'}: {answer.text[:300]}"
    reads = method == "GET" and door is not PAGES["GET front:notice"]  # following a notice is having read it
    if answer.changed and (not is_in or reads):
        yield "it changed something"


def test_a_notice_of_another_leads_to_one_s_own(world: World) -> None:
    door = PAGES["GET front:notice"]
    address = reverse("front:notice", kwargs=door.at(world))
    assert Visitor(world, "colleague", api=False).knock("GET", address, door).location == "/notices"


def test_a_forged_picture_address_shows_nothing(world: World, client: Client) -> None:
    token = world.file.picture_token
    for forged in (token[:-1] + ("a" if token[-1] != "a" else "b"), f"{world.paper.pk}~x", "x", "%00"):
        answer = client.get(f"/files/{forged}.png")
        assert answer.status_code in (400, 404)
        assert SELLER not in text_of(answer)


def test_the_metrics_name_no_person_and_no_paper(world: World, client: Client) -> None:
    text = client.get("/metrics").content.decode()
    assert 'viatica_outbox_depth{connection="dingtalk",state="parked"} 1.0' in text
    assert not [one for one in (TITLE, ACCOUNT, "owner", world.draft.number, PARKED) if one in text]


def test_a_message_of_another_connection_is_not_this_one_s(world: World) -> None:
    other = Connection.objects.create(slug="other", kind="toy", name="别的")
    administrator = Visitor(world, "administrator", api=True)
    path = f"{ROOT}/connections/{other.slug}/parked/out/{world.parked.pk}"
    for address, body in ((f"{path}/replay", {}), (f"{path}/drop", {"reason": "x"})):
        answer = administrator.client.post(address, body, content_type="application/json")
        assert answer.status_code == 404
    page = Visitor(world, "administrator", api=False).client.post(
        "/connections/other/replay", {"what": "one", "message": f"out:{world.parked.pk}"}
    )
    assert page.status_code == 404
    world.parked.refresh_from_db()
    assert world.parked.state == "parked"


def test_a_token_that_has_expired_or_whose_owner_left_opens_nothing(world: World) -> None:
    owner = Visitor(world, "owner", api=True)
    assert owner.client.get(f"{ROOT}/me").status_code == 200
    User.objects.filter(pk=world.company.people["owner"].pk).update(is_active=False)
    assert owner.client.get(f"{ROOT}/me").status_code == 401
    User.objects.filter(pk=world.company.people["owner"].pk).update(is_active=True)
    ApiToken.objects.update(expires_at=world.desk.at)
    assert owner.client.get(f"{ROOT}/me").status_code == 401


def test_a_session_does_not_open_the_api(world: World) -> None:
    assert Visitor(world, "owner", api=False).client.get(f"{ROOT}/me").status_code == 401
