"""Stream mode: the official SDK's line to the simulator, and what comes in on it."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from django.db import DatabaseError, connections
from pytest_httpserver import HTTPServer

from simulators.dingtalk.testing import Running
from viatica.connectors.dingtalk import connector
from viatica.connectors.dingtalk.stream import stream
from viatica.connectors.dingtalk.tests.conftest import connection_to
from viatica.connectors.http import AddressForbidden
from viatica.connectors.settling import HEARD_AT
from viatica.connectors.testing import Office, Person, looks_afresh, office_of
from viatica.kernel.errors import OutsideRefused, OutsideUnavailable
from viatica.spine import exchanges, inbox
from viatica.spine.models import Connection, InboxEvent, Issue
from viatica.spine.redaction import HIDDEN
from viatica.spine.streams import Line, PackageMissing, Switchboard
from viatica.spine.tests.toy.handles import until

PEOPLE = (Person("zhangsan", "张三", "11", "lisiyuan"), Person("lisiyuan", "李思源", "10"))


@pytest.fixture
def office(
    dingtalk: Running, transactional_db: None, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Office[Running]]:
    """Its callback address answers nobody: all that is heard comes by the line."""
    looks_afresh(connector, monkeypatch)
    monkeypatch.setattr(Running, "set_callback", lambda self, url, **more: "success")
    dingtalk.set(push_mode="stream", stream_retry_after_s=[0.2, 0.4])
    connection = connection_to(dingtalk, long_connection=True)
    with office_of(
        dingtalk, connection, people=PEOPLE, steps={"审批": "lisiyuan"}, url=httpserver.url_for(""), patch=monkeypatch,
    ) as made:  # fmt: skip
        yield made
    dingtalk.set(push_mode="http")
    until(lambda: dingtalk.connections() == [])


@pytest.fixture
def switchboard(office: Office[Running]) -> Iterator[Switchboard]:
    """As the worker runs it."""
    made = Switchboard(look=0.1, patience=0.5)
    made.start()
    until(lambda: len(office.oa.connections()) == 1)
    yield made
    made.stop()
    made.join(15)
    assert not made.is_alive()


def heard(count: int) -> list[InboxEvent]:
    until(lambda: InboxEvent.objects.count() == count)
    return list(InboxEvent.objects.order_by("id"))


def test_approved_over_there_is_approved_here_without_an_address(
    office: Office[Running], switchboard: Switchboard
) -> None:
    (line,) = office.oa.connections()
    assert line["subscriptions"] == ["EVENT *"]
    ref, instance_id = office.sent()
    office.oa.decide(instance_id, "agree", remark="同意")
    office.work()
    case = office.case(ref)
    assert (case.state, case.is_agreed) == ("approved", True)
    assert office.conclusions[0].comment == "同意"
    told = office.oa.events(instance_id=instance_id)
    assert [one["fate"] for one in told] == ["delivered"] * len(told)
    assert {one.event_id for one in InboxEvent.objects.all()} == {one["id"] for one in told}


def test_an_event_has_the_shape_of_a_callback(office: Office[Running], switchboard: Switchboard) -> None:
    office.oa.leave("xujia")
    (event,) = heard(1)
    body = {
        key: value for key, value in event.body.items() if key not in (HEARD_AT, "EventTime", "timeStamp")
    }
    assert body == {
        "EventType": "user_leave_org", "CorpId": office.oa.corp_id, "eventId": event.event_id, "userId": ["xujia"],
    }  # fmt: skip
    assert isinstance(event.body["EventTime"], int)


def test_what_comes_again_is_kept_once(office: Office[Running], switchboard: Switchboard) -> None:
    office.oa.leave("xujia")
    (event,) = heard(1)
    office.oa.resend(event.event_id, times=3)
    assert office.oa.wait_for_callbacks()
    assert len(heard(1)) == 1


def test_only_what_is_stored_is_acknowledged(
    office: Office[Running], switchboard: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.oa.set(stream_ack_s=0.3)
    stored, tries = inbox.store, [0]

    def store_badly(*args: object, **more: object) -> bool:
        tries[0] += 1
        if tries[0] == 1:
            raise DatabaseError("the database went away")
        return stored(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(inbox, "store", store_badly)
    office.oa.leave("xujia")
    (event,) = heard(1)
    assert office.oa.wait_for_callbacks(retries=True)
    (told,) = [one for one in office.oa.events() if one["id"] == event.event_id]
    assert len(told["attempts"]) == 2
    office.oa.set(stream_ack_s=15)


@pytest.mark.parametrize("abrupt", [False, True])
def test_sent_away_it_comes_again(office: Office[Running], switchboard: Switchboard, abrupt: bool) -> None:
    (before,) = office.oa.connections()
    office.oa.disconnect(abrupt=abrupt)
    until(lambda: [one["id"] for one in office.oa.connections()] not in ([before["id"]], []))
    office.oa.leave("xujia")
    heard(1)
    until(lambda: not Issue.objects.filter(closed_at__isnull=True).exists())


def test_a_ping_is_answered(office: Office[Running], switchboard: Switchboard) -> None:
    assert office.oa.control("POST", "/stream/ping") == {"pinged": 1, "answered": 1}


def test_wrong_credentials_are_told_of_until_they_are_mended(
    office: Office[Running], switchboard: Switchboard
) -> None:
    office.connection.seal(office.connection.secrets() | {"app_secret": "wrong-one"})
    office.connection.save()
    until(lambda: Issue.objects.filter(closed_at__isnull=True).exists())
    issue = Issue.objects.get(closed_at__isnull=True)
    assert (issue.key, "authFailed" in str(issue.params)) == ("spine.long_connection_down:dingtalk", True)
    assert "wrong-one" not in str(issue.params)
    office.connection.seal(office.connection.secrets() | {"app_secret": office.oa.app_secret})
    office.connection.save()
    until(lambda: not Issue.objects.filter(closed_at__isnull=True).exists())
    assert len(office.oa.connections()) == 1


# One line by itself


def hold(connection: Connection, line: Line) -> threading.Thread:
    def run() -> None:
        try:
            stream(connection, line)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_a_stop_is_noticed_at_once(office: Office[Running]) -> None:
    line = Line(office.connection)
    thread = hold(office.connection, line)
    until(lambda: line.down_since is None)
    began = time.monotonic()
    line.stopping.set()
    thread.join(10)
    assert (thread.is_alive(), time.monotonic() - began < 3) == (False, True)


def test_the_ticket_and_the_secret_are_in_no_record(office: Office[Running]) -> None:
    line = Line(office.connection)
    thread = hold(office.connection, line)
    until(lambda: line.down_since is None)
    line.stopping.set()
    thread.join(10)
    (row,) = exchanges.search(connection=office.connection).rows
    whole = exchanges.one(office.connection, row.key)
    assert row.path == "/v1.0/gateway/connections/open"
    assert office.oa.app_secret not in whole.request + whole.answer
    assert json.loads(whole.answer.split("\n\n")[-1])["ticket"] == HIDDEN


def test_without_the_package_it_says_which(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "viatica.connectors.dingtalk.stream_client", raising=False)
    monkeypatch.setitem(sys.modules, "dingtalk_stream", None)
    with pytest.raises(PackageMissing, match=r"pip install 'viatica\[dingtalk-stream\]'"):
        stream(connection, Line(connection))


@pytest.mark.parametrize(
    ("endpoint", "trouble"),
    [
        ("ws://169.254.169.254/connect", AddressForbidden),
        ("ws://127.0.0.1:9/connect", OutsideUnavailable),
        ("ws://no-such-host.invalid/connect", OutsideUnavailable),
    ],
)
@pytest.mark.django_db
def test_a_gateway_that_leads_nowhere(
    dingtalk: Running, httpserver: HTTPServer, endpoint: str, trouble: type[OutsideRefused]
) -> None:
    httpserver.expect_request("/v1.0/gateway/connections/open").respond_with_json(
        {"endpoint": endpoint, "ticket": "t"}
    )
    connection = connection_to(dingtalk, base_url=httpserver.url_for(""))
    connection.save()
    with pytest.raises(trouble):
        stream(connection, Line(connection))
    assert InboxEvent.objects.count() == 0
