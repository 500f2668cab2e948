"""Long connections: kept, opened again, switched on and off, and told of when they stay down."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection as database

from viatica.kernel.errors import OutsideUnavailable
from viatica.spine import backoff, relay, streams
from viatica.spine.models import Connection, Fact, InboxEvent, Issue
from viatica.spine.streams import Line, PackageMissing, Switchboard
from viatica.spine.tests.conftest import a_connection
from viatica.spine.tests.toy import connector
from viatica.spine.tests.toy.handles import until

pytestmark = pytest.mark.django_db(transaction=True)


class Product:
    """What the toy product's lines are connected to: it sends events, and cuts lines off."""

    def __init__(self) -> None:
        self.is_open = True
        self.trouble: Exception = OutsideUnavailable(system="toy", said_by="nobody there")
        self.opened: list[tuple[str, float]] = []
        self.lines: list[Line] = []
        self.frames: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def hold(self, connection: Connection, line: Line) -> None:
        self.opened.append((connection.settings.get("door", ""), time.monotonic()))
        if not self.is_open:
            raise self.trouble
        self.lines.append(line)
        line.up()
        try:
            while not line.stopping.is_set():
                try:
                    frame = self.frames.get(timeout=0.02)
                except queue.Empty:
                    continue
                if frame is None:
                    return
                line.heard(frame["event_id"], frame)
        finally:
            self.lines.remove(line)

    @property
    def is_up(self) -> bool:
        return bool(self.lines) and all(line.down_since is None for line in self.lines)


@pytest.fixture
def product(monkeypatch: pytest.MonkeyPatch) -> Product:
    made = Product()
    monkeypatch.setattr(streams, "_handlers", {connector.KIND: made.hold})
    monkeypatch.setattr(backoff, "before_next_try", lambda attempt, uniform, retry_after: 0.05)
    return made


@pytest.fixture
def switchboard(product: Product) -> Iterator[Switchboard]:
    made = Switchboard(look=0.05, patience=0.3, grace=5.0)
    made.start()
    yield made
    made.stop()
    made.join(10)
    assert not made.is_alive()


def a_line(slug: str = "toy", **settings: Any) -> Connection:
    connection = a_connection(slug)
    connection.settings = {streams.SETTING: True, **settings}
    connection.save()
    return connection


def an_issue() -> tuple[str, dict[str, Any]]:
    issue = Issue.objects.get(closed_at__isnull=True)
    return issue.key, issue.params


def test_events_come_in_as_through_the_door(product: Product, switchboard: Switchboard) -> None:
    connection = a_line()
    until(lambda: product.is_up)
    frame = {"event_id": "e-1", "number": "42"}
    for _ in range(2):
        product.frames.put(frame)
    product.frames.put({"event_id": "e-2", "number": "43"})
    until(lambda: InboxEvent.objects.count() == 2)
    assert list(InboxEvent.objects.order_by("id").values_list("connection_id", "event_id", "body")) == [
        (connection.pk, "e-1", frame), (connection.pk, "e-2", {"event_id": "e-2", "number": "43"}),
    ]  # fmt: skip
    relay.drain()
    assert sorted(InboxEvent.objects.values_list("state", flat=True)) == ["done", "done"]
    assert Fact.objects.filter(ref_kind="toy_order", ref_key="42", fact="toy.taken").exists()


def test_lines_follow_the_connections(product: Product, switchboard: Switchboard) -> None:
    connection = a_connection()
    time.sleep(0.2)
    assert product.opened == []  # nobody asked for a line

    Connection.objects.update(settings={streams.SETTING: True, "door": "east"})
    until(lambda: product.is_up)
    Connection.objects.update(settings={streams.SETTING: True, "door": "west"})
    until(lambda: len(product.opened) == 2 and len(product.lines) == 1)
    assert [door for door, _ in product.opened] == ["east", "west"]

    Connection.objects.filter(pk=connection.pk).update(is_active=False)
    until(lambda: not product.lines)
    time.sleep(0.2)
    assert len(product.opened) == 2
    assert not Issue.objects.exists()


def test_a_line_that_is_lost_is_opened_again(product: Product, switchboard: Switchboard) -> None:
    a_line()
    until(lambda: product.is_up)
    product.frames.put(None)
    until(lambda: len(product.opened) == 2 and product.is_up)
    product.frames.put({"event_id": "after", "number": "1"})
    until(lambda: InboxEvent.objects.filter(event_id="after").exists())
    assert not Issue.objects.exists()


def test_what_stays_down_is_an_issue_until_it_is_up(product: Product, switchboard: Switchboard) -> None:
    product.is_open = False
    a_line()
    until(lambda: len(product.opened) == 2)
    assert not Issue.objects.exists()  # not yet

    until(lambda: Issue.objects.exists())
    key, params = an_issue()
    assert (key, params["connection"]) == ("spine.long_connection_down:toy", "Toy")
    assert "nobody there" in params["reason"]
    time.sleep(0.2)
    assert Issue.objects.get().times == 1  # said once, however often it is looked at

    product.trouble = PackageMissing(extra="toy-stream")
    until(lambda: "viatica[toy-stream]" in an_issue()[1]["reason"])
    product.is_open = True
    until(lambda: not Issue.objects.filter(closed_at__isnull=True).exists())
    assert product.is_up


def test_an_issue_goes_with_the_switch(product: Product, switchboard: Switchboard) -> None:
    product.is_open = False
    a_line()
    until(lambda: Issue.objects.filter(closed_at__isnull=True).exists())
    Connection.objects.update(settings={})
    until(lambda: not Issue.objects.filter(closed_at__isnull=True).exists())


def test_one_line_that_breaks_leaves_the_others_alone(product: Product, switchboard: Switchboard) -> None:
    product.trouble = ValueError("a bug in the handler")
    product.is_open = False
    a_line("one")
    until(lambda: len(product.opened) > 1)
    product.is_open = True
    a_line("two")
    until(lambda: len(product.lines) == 2 and product.is_up)


def test_stopping_ends_every_line(product: Product) -> None:
    a_line("one")
    a_line("two")
    switchboard = Switchboard(look=0.05, grace=5.0)
    switchboard.start()
    until(lambda: len(product.lines) == 2)
    began = time.monotonic()
    switchboard.stop()
    switchboard.join(10)
    assert (switchboard.is_alive(), product.lines) == (False, [])
    assert time.monotonic() - began < 2
    assert [one.name for one in threading.enumerate() if one.name.startswith("line-")] == []
    database.close()
