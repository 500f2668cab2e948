"""Callbacks and the supervisor's doors, over HTTP."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.live_server_helper import LiveServer

from viatica.kernel import clock
from viatica.kernel.refs import Ref
from viatica.spine import connections, doorway, facts, inbox, outbox, relay, replays
from viatica.spine.models import Attempt, Connection, Fact, InboxEvent, Issue, OutboxMessage, State
from viatica.spine.tests.conftest import a_connection
from viatica.spine.tests.toy.handles import Receiver, until

pytestmark = [pytest.mark.urls("viatica.spine.urls"), pytest.mark.django_db]


def post(client: Client, body: dict[str, Any] | bytes, *, slug: str = "toy", secret: str = "s3cret") -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    signature = hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()
    return client.post(
        f"/hooks/{slug}", content, content_type="application/json", headers={"X-Toy-Signature": signature}
    )


def assert_nothing_kept() -> None:
    assert not InboxEvent.objects.exists()


def assert_problem(answer: Any, status: int, code: str) -> None:
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == code


def test_a_callback_is_kept_as_it_came_and_answered(client: Client) -> None:
    a_connection()
    answer = post(client, {"event_id": "e1", "number": "n1"})
    assert (answer.status_code, answer.content) == (200, b'{"ok": true}')
    event = InboxEvent.objects.get()
    assert (event.event_id, event.body, event.state) == (
        "e1",
        {"event_id": "e1", "number": "n1"},
        State.WAITING,
    )
    assert event.correlation
    assert not Fact.objects.filter(correlation=event.correlation).exists()  # translated later, by the worker


def test_two_statements_at_most_and_one_when_the_connection_is_known(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    a_connection()
    with django_assert_num_queries(2):
        post(client, {"event_id": "e1"})
    with django_assert_num_queries(1):
        post(client, {"event_id": "e2"})


def test_a_repeated_callback_is_answered_alike_and_translated_once(client: Client) -> None:
    a_connection()
    answers = [post(client, {"event_id": "e1", "number": "r1"}) for _ in range(3)]
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, b'{"ok": true}')}
    relay.drain()
    post(client, {"event_id": "e1", "number": "r1"})
    assert relay.drain() == 0
    assert InboxEvent.objects.get().state == State.DONE
    assert [row.fact for row in facts.timeline(Ref("toy_order", "r1"))] == ["toy.taken"]


def test_the_same_event_id_of_another_connection_is_another_event(client: Client) -> None:
    a_connection()
    a_connection("other")
    post(client, {"event_id": "e1"})
    post(client, {"event_id": "e1"}, slug="other")
    assert InboxEvent.objects.count() == 2


def test_a_forged_callback_is_refused_and_nothing_kept(client: Client) -> None:
    a_connection()
    assert_problem(post(client, {"event_id": "e1"}, secret="guessed"), 403, "not_allowed")
    assert_nothing_kept()


def test_an_unreadable_callback_is_refused(client: Client) -> None:
    a_connection()
    assert_problem(post(client, b"<html>"), 400, "input.bad")
    assert_nothing_kept()


@pytest.mark.parametrize("slug", ["nobody", "asleep", "doorless"])
def test_nobody_listens_there(client: Client, slug: str) -> None:
    a_connection("asleep")
    Connection.objects.filter(slug="asleep").update(is_active=False)
    Connection.objects.create(slug="doorless", kind="no such kind", name="Doorless")
    assert_problem(post(client, {"event_id": "e1"}, slug=slug), 404, "hook.not_found")
    assert_nothing_kept()


def test_a_connection_switched_off_is_deaf_within_seconds(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = a_connection()
    assert post(client, {"event_id": "e1"}).status_code == 200
    connection.is_active = False
    connection.save()  # in this process: at once
    assert post(client, {"event_id": "e2"}).status_code == 404
    monkeypatch.setattr(connections, "KEPT_SECONDS", 0.0)
    Connection.objects.update(is_active=True)
    assert post(client, {"event_id": "e3"}).status_code == 200
    Connection.objects.update(is_active=False)  # in another: once the memory has lapsed
    assert post(client, {"event_id": "e4"}).status_code == 404
    assert sorted(InboxEvent.objects.values_list("event_id", flat=True)) == ["e1", "e3"]


def test_too_large_a_callback_is_refused(client: Client) -> None:
    a_connection()
    assert_problem(post(client, b"x" * (doorway.LARGEST_CALLBACK + 1)), 413, "hook.too_large")
    assert_nothing_kept()


def test_a_check_of_the_url_is_answered_and_not_kept(client: Client) -> None:
    a_connection()
    answer = client.get("/hooks/toy?challenge=hello")
    assert (answer.status_code, answer.content) == (200, b"hello")
    assert_nothing_kept()


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_are_refused(client: Client, method: str) -> None:
    a_connection()
    assert getattr(client, method)("/hooks/toy").status_code == 405


def test_needs_no_csrf_token() -> None:
    a_connection()
    assert post(Client(enforce_csrf_checks=True), {"event_id": "e1"}).status_code == 200


def test_late_news_waits_and_is_tried_again(client: Client) -> None:
    a_connection()
    post(client, {"event_id": "e1", "number": "late", "is_early": True})
    relay.drain()
    event = InboxEvent.objects.get()
    assert (event.state, event.reason) == (State.WAITING, "The order is not known yet.")
    assert event.due_at > clock.now() + timedelta(seconds=25)
    relay.drain(at=clock.now() + timedelta(days=3, minutes=1))
    event.refresh_from_db()
    assert event.state == State.PARKED
    assert Issue.objects.get(closed_at=None).waits.get().ref == "e1"
    assert Attempt.objects.filter(box="in", item_id=event.pk).count() == 2


def test_a_parked_event_is_replayed(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = a_connection()
    monkeypatch.setattr(inbox, "_translators", {})
    post(client, {"event_id": "e1", "number": "p1"})
    relay.drain()
    assert InboxEvent.objects.get().state == State.PARKED
    monkeypatch.undo()
    assert [one.lane for one in replays.parked(connection_id=connection.pk)] == ["e1"]
    assert replays.replay_all(connection_id=connection.pk, actor="system", via="cli", at=clock.now()) == 1
    relay.drain()
    assert InboxEvent.objects.get().state == State.DONE
    assert not Issue.objects.filter(closed_at=None).exists()
    event_id = InboxEvent.objects.get().pk
    assert [row.fact for row in facts.timeline(Ref("inbox_event", str(event_id)))] == ["message.replayed"]


def test_one_correlation_from_the_callback_to_the_fact(client: Client) -> None:
    a_connection()
    post(client, {"event_id": "e1", "number": "c1"})
    relay.drain()
    event = InboxEvent.objects.get()
    assert Fact.objects.get(ref_key="c1").correlation == event.correlation


@pytest.mark.django_db(transaction=True)
def test_orders_go_out_and_callbacks_come_back(live_server: LiveServer, receiver: Receiver) -> None:
    """Round trips through two real servers; every callback is sent three times, and late."""
    a_connection()
    receiver.control(
        callback_url=f"{live_server.url}/hooks/toy",
        callback_secret="s3cret",
        callback_times=3,
        callback_delay=0.1,
    )
    numbers = [f"trip{n}" for n in range(20)]
    worker = relay.Worker(threads=4, poll=0.2)
    work = threading.Thread(target=worker.run)
    work.start()
    try:
        for number in numbers:
            payload = {"url": receiver.url, "number": number, "lane": number, "seq": 0}
            outbox.put(kind="toy.order", lane=f"toy_order:{number}", payload=payload, at=clock.now())
        until(lambda: InboxEvent.objects.filter(state=State.DONE).count() == len(numbers))
    finally:
        worker.stop()
        work.join(20)
    assert receiver.requests() == {"take": len(numbers)}
    assert not OutboxMessage.objects.exclude(state=State.DONE).exists()
    told = [facts.timeline(Ref("toy_order", number)) for number in numbers]
    assert [[row.fact for row in rows] for rows in told] == [["toy.taken"]] * len(numbers)


def test_healthz_needs_no_database(client: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        assert client.get("/healthz").status_code == 200


def test_readyz_names_what_is_missing(client: Client) -> None:
    from django.db.migrations.recorder import MigrationRecorder

    assert client.get("/readyz").status_code == 200
    MigrationRecorder.Migration.objects.filter(app="spine", name="0002_partitions").delete()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.content == b"migrations not applied: spine.0002_partitions\n"


def test_metrics_tell_depth_breaker_and_issues(
    client: Client, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    connection = a_connection()
    Connection.objects.update(failures=7, open_until=clock.now() + timedelta(hours=1))
    for n in range(3):
        outbox.put(kind="toy.order", lane=f"x:{n}", payload={}, at=clock.now(), connection_id=connection.pk)
    outbox.put(kind="nobody", lane="x:9", payload={}, at=clock.now())
    post(client, {"event_id": "e1", "number": "m1"})
    relay.drain()
    post(client, {"event_id": "e2"})
    with django_assert_max_num_queries(6):
        text = client.get("/metrics").content.decode()
    assert 'viatica_outbox_depth{connection="toy",state="waiting"} 3.0' in text
    assert 'viatica_outbox_depth{connection="",state="parked"} 1.0' in text
    assert 'viatica_inbox_depth{connection="toy",state="waiting"} 1.0' in text
    assert 'viatica_breaker_state{connection="toy"} 2.0' in text
    assert 'viatica_delivery_failures{connection="toy"} 7.0' in text
    assert 'viatica_open_issues{kind="message.parked"} 1.0' in text


# The WSGI door that `viatica web` serves


class Answer:
    """What a WSGI application said."""

    def __init__(self, application: doorway.Application, **environ: Any) -> None:
        self.status = ""
        self.headers: dict[str, str] = {}
        self.content = b"".join(application(environ, self._start))

    def _start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.status, self.headers = status, dict(headers)


def behind(environ: dict[str, Any], start_response: doorway.StartResponse) -> list[bytes]:
    start_response("200 OK", [])
    return [f"behind: {environ['PATH_INFO']}".encode()]


def knock(content: bytes, **environ: Any) -> Answer:
    whole = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/hooks/toy",
        "HTTP_X_TOY_SIGNATURE": hmac.new(b"s3cret", content, hashlib.sha256).hexdigest(),
        "CONTENT_LENGTH": str(len(content)),
        "wsgi.input": io.BytesIO(content),
    }
    return Answer(doorway.hooks_first(behind), **whole | environ)


def test_callbacks_are_answered_at_the_door_and_the_rest_goes_in() -> None:
    a_connection()
    answer = knock(b'{"event_id": "e1"}')
    assert (answer.status, answer.content) == ("200 OK", b'{"ok": true}')
    assert answer.headers == {"Content-Type": "application/json", "Content-Length": "12"}
    assert InboxEvent.objects.get().event_id == "e1"
    assert knock(b"", PATH_INFO="/hooksters").content == b"behind: /hooksters"


def test_a_callback_may_come_without_its_length() -> None:
    a_connection()
    assert knock(b'{"event_id": "e1"}', CONTENT_LENGTH="").status == "200 OK"
    assert knock(b"x" * (doorway.LARGEST_CALLBACK + 1), CONTENT_LENGTH="").status.startswith("413 ")
    assert InboxEvent.objects.count() == 1


def test_a_door_that_breaks_answers_so_that_the_callback_is_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a_connection()
    monkeypatch.setattr(inbox, "store", lambda *_: 1 / 0)
    answer = knock(b'{"event_id": "e1"}')
    assert answer.status == "500 Internal Server Error"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert_nothing_kept()
