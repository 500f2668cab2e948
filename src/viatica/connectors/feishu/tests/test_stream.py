"""The long connection: the same events, without a public address."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections

from simulators.feishu.testing import Running
from viatica.connectors.feishu.approvals import FeishuApproval
from viatica.connectors.feishu.stream import stream
from viatica.connectors.feishu.tests.conftest import order
from viatica.kernel.errors import OutsideError, OutsideUnavailable
from viatica.spine.models import Connection, InboxEvent
from viatica.spine.streams import Line

pytestmark = pytest.mark.django_db(transaction=True)


def until(happened: Callable[[], Any], seconds: float = 20) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := happened():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


@pytest.fixture
def line(feishu: Running, connection: Connection) -> Iterator[Line]:
    connection.save()
    made = Line(connection)
    ended: list[BaseException] = []

    def hold() -> None:
        try:
            stream(connection, made)
        except OutsideError as error:
            ended.append(error)
            made.down(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    until(lambda: made.down_since is None)
    yield made
    made.stopping.set()
    thread.join(20)
    assert not thread.is_alive()


def test_events_come_in_and_are_kept_before_feishu_hears_of_it(
    feishu: Running, connection: Connection, line: Line
) -> None:
    port = FeishuApproval(connection)
    port.subscribe()
    instance_id = port.submit(order())
    feishu.decide(instance_id)
    assert feishu.wait_for_callbacks()
    kept = until(lambda: list(InboxEvent.objects.order_by("id")) if InboxEvent.objects.count() >= 3 else None)
    assert {one.body["event"]["instance_code"] for one in kept} == {instance_id}
    assert {event["fate"] for event in feishu.events()} == {"delivered"}
    assert feishu.verification_token not in str([one.body for one in kept])


def test_a_line_that_is_cut_says_so(feishu: Running, line: Line) -> None:
    feishu.control("POST", "/stream/cut")
    until(lambda: line.down_since is not None)
    assert isinstance(line.trouble, OutsideUnavailable)


def test_wrong_credentials_are_told_in_our_words(feishu: Running, connection: Connection) -> None:
    connection.seal(connection.secrets() | {"app_secret": "wrong-one"})
    connection.save()
    with pytest.raises(OutsideError) as refused:
        stream(connection, Line(connection))
    assert "wrong-one" not in str(refused.value)
