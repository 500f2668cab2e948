"""Stream mode, judged by the vendor's own client; and by one of a few lines, for what that one never does."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import websockets

from simulators.dingtalk.testing import ControlError, Running, running
from simulators.dingtalk.tests.official import Official, card_models

CLIENT = Path(__file__).with_name("stream_client.py")
ALL_EVENTS = [{"type": "EVENT", "topic": "*"}]


@pytest.fixture
def dingtalk() -> Iterator[Running]:
    with running(push_mode="stream") as handle:
        yield handle


class OfficialClient:
    def __init__(self, said: queue.Queue[dict[str, Any]]) -> None:
        self.said = said

    def hears(self, count: int, timeout: float = 10.0) -> list[dict[str, Any]]:
        return [self.said.get(timeout=timeout) for _ in range(count)]


@contextmanager
def listening(dingtalk: Running, *, failures: int = 0) -> Iterator[OfficialClient]:
    """The official client, connected."""
    child = subprocess.Popen(
        [sys.executable, str(CLIENT), dingtalk.app_key, dingtalk.app_secret, str(failures)],
        env={**os.environ, "DINGTALK_OPENAPI_ENDPOINT": dingtalk.base_url, "NO_PROXY": "127.0.0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    said: queue.Queue[dict[str, Any]] = queue.Queue()

    def read() -> None:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith("{"):
                said.put(json.loads(line))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        until(lambda: len(dingtalk.connections()) == 1)
        yield OfficialClient(said)
    finally:
        child.kill()
        child.wait()
        reader.join()
        assert child.stdout is not None
        child.stdout.close()


def until(is_so: Callable[[], bool], timeout: float = 15.0) -> None:
    ends = time.monotonic() + timeout
    while not is_so():
        assert time.monotonic() < ends, "it did not come to pass"
        time.sleep(0.02)


# The official client.


def test_the_official_client_hears_events(dingtalk: Running, official: Official) -> None:
    with listening(dingtalk) as client:
        (connection,) = dingtalk.connections()
        assert connection["subscriptions"] == ["CALLBACK /v1.0/card/instances/callback", "EVENT *"]
        instance_id = official.create()
        started, asked = client.hears(2)
        assert dingtalk.wait_for_callbacks()
    events = dingtalk.events(instance_id=instance_id)
    assert [event["fate"] for event in events] == ["delivered", "delivered"]
    assert (started["kind"], started["type"], started["staffId"]) == (
        "bpms_instance_change",
        "start",
        "zhangsan",
    )
    assert (asked["kind"], asked["type"], asked["staffId"]) == ("bpms_task_change", "start", "wangkai")
    assert [started["id"], asked["id"]] == [event["id"] for event in events]
    assert (started["corp"], started["processInstanceId"]) == (dingtalk.corp_id, instance_id)
    # What a frame says in its headers is not said again in its data.
    assert {"EventType", "CorpId", "eventId", "BizId"}.isdisjoint(started)


def test_a_handler_that_raises_is_told_again(dingtalk: Running, official: Official) -> None:
    dingtalk.set(stream_ack_s=0.2, stream_retry_after_s=[0.05])
    with listening(dingtalk, failures=1) as client:
        official.create()
        heard = client.hears(3)
        assert dingtalk.wait_for_callbacks(retries=True)
    assert sorted(event["kind"] for event in heard) == ["bpms_instance_change"] * 2 + ["bpms_task_change"]
    first = dingtalk.events(kind="bpms_instance_change")[0]
    assert (first["attempts"], first["fate"]) == (["no acknowledgement", "success"], "delivered")


def test_the_official_client_answers_pings_and_comes_back_when_sent_away(dingtalk: Running) -> None:
    with listening(dingtalk):
        assert dingtalk.control("POST", "/stream/ping") == {"pinged": 1, "answered": 1}
        (before,) = dingtalk.connections()
        assert before["answered_pings"] == 1
        dingtalk.disconnect()
        until(lambda: [line["id"] for line in dingtalk.connections()] not in ([], [before["id"]]))
        (after,) = dingtalk.connections()
        assert after["is_leaving"] is False


def test_a_click_on_a_card_comes_over_stream(dingtalk: Running, official: Official) -> None:
    fields = {
        "cardTemplateId": "tpl.schema",
        "outTrackId": "BX1",
        "cardData": {"cardParamMap": {"状态": "审批中", "金额": "48"}},
        "openSpaceId": "dtv1.card//IM_ROBOT.wangkai",
        "callbackType": "STREAM",
    }
    request = card_models.CreateAndDeliverRequest().from_map(fields)
    official.call(official.card, card_models, "CreateAndDeliver", request)
    press = {"userid": "wangkai", "action_ids": ["agree"]}
    with pytest.raises(ControlError, match="nobody is connected"):
        dingtalk.control("POST", "/cards/BX1/click", press)
    with listening(dingtalk) as client:
        clicked = dingtalk.control("POST", "/cards/BX1/click", press)
        (heard,) = client.hears(1)
    assert clicked["params"] == {"状态": "已同意", "金额": "48"}
    assert (heard["callback"], heard["outTrackId"], heard["userId"]) == (
        "/v1.0/card/instances/callback",
        "BX1",
        "wangkai",
    )


# A client of a few lines.


def gateway(dingtalk: Running, official: Official, **more: Any) -> tuple[int, Any]:
    body = {
        "clientId": dingtalk.app_key,
        "clientSecret": dingtalk.app_secret,
        "subscriptions": ALL_EVENTS,
        "ua": "test",
        **more,
    }
    return official.new("POST", "/v1.0/gateway/connections/open", body, token="none")


def talk(
    dingtalk: Running,
    official: Official,
    act: Callable[[], object],
    acks: list[dict[str, Any] | None],
    **more: Any,
) -> list[dict[str, Any]]:
    """Connect, act, acknowledge what comes with these (None: not at all); the frames that came."""

    async def run() -> list[dict[str, Any]]:
        heard = []
        _, said = await asyncio.to_thread(gateway, dingtalk, official, **more)
        async with websockets.connect(f"{said['endpoint']}?ticket={said['ticket']}", proxy=None) as line:
            await asyncio.to_thread(act)
            for ack in acks:
                frame = json.loads(await asyncio.wait_for(line.recv(), 5))
                heard.append(frame)
                if ack is not None:
                    headers = {
                        "messageId": frame["headers"]["messageId"],
                        "contentType": "application/json",
                    }
                    await line.send(json.dumps({"headers": headers, "message": "OK", "data": "{}"} | ack))
            await asyncio.to_thread(dingtalk.wait_for_callbacks, retries=True)
        return heard

    return asyncio.run(run())


FINE = {"code": 200}
LATER = {"code": 200, "data": '{"status":"LATER"}'}


def test_the_gateway_asks_who_it_is(dingtalk: Running, official: Official) -> None:
    status, said = gateway(dingtalk, official, clientSecret="wrong")
    assert (status, said["code"], said["message"]) == (401, "authFailed", "鉴权失败")
    assert gateway(dingtalk, official, subscriptions=[])[0] == 400
    assert gateway(dingtalk, official, subscriptions=[{"type": "SYSTEM", "topic": "*"}])[0] == 400
    assert dingtalk.connections() == []


def test_a_ticket_opens_one_connection(dingtalk: Running, official: Official) -> None:
    _, said = gateway(dingtalk, official)

    async def connect(ticket: str) -> None:
        async with websockets.connect(f"{said['endpoint']}?ticket={ticket}", proxy=None):
            pass

    asyncio.run(connect(said["ticket"]))
    for ticket in (said["ticket"], "invented"):
        with pytest.raises(websockets.InvalidStatus):
            asyncio.run(connect(ticket))


def test_the_shape_of_a_frame(dingtalk: Running, official: Official) -> None:
    frame = talk(dingtalk, official, official.create, [FINE, FINE])[0]
    assert (frame["specVersion"], frame["type"]) == ("1.0", "EVENT")
    headers = frame["headers"]
    assert headers["topic"] == "*"
    assert headers["contentType"] == "application/json"
    assert (headers["eventType"], headers["eventCorpId"]) == ("bpms_instance_change", dingtalk.corp_id)
    assert abs(int(headers["eventBornTime"]) - time.time() * 1000) < 60_000
    assert int(headers["time"]) >= int(headers["eventBornTime"])
    assert json.loads(frame["data"])["type"] == "start"


def test_later_and_failures_are_told_again(dingtalk: Running, official: Official) -> None:
    dingtalk.set(stream_retry_after_s=[0.01, 0.01])

    def emit() -> None:
        dingtalk.control("POST", "/events", {"kind": "label_conf_add", "fields": {"x": 1}})

    heard = talk(dingtalk, official, emit, [LATER, {"code": 500}, FINE])
    assert len({frame["headers"]["messageId"] for frame in heard}) == 3
    assert len({frame["headers"]["eventId"] for frame in heard}) == 1
    (event,) = dingtalk.events()
    assert (event["attempts"], event["fate"]) == (["LATER", "code 500", "success"], "delivered")


def test_who_does_not_acknowledge_loses_the_event_to_the_failed_list(
    dingtalk: Running, official: Official
) -> None:
    dingtalk.set(stream_ack_s=0.05, stream_retry_after_s=[0.01])
    talk(dingtalk, official, official.create, [None] * 4)
    assert {event["fate"] for event in dingtalk.events()} == {"failed"}
    answer = official.new("GET", "/v1.0/event/callbacks/failedResults")[1]
    assert [row["callBackTag"] for row in answer["failedList"]] == [
        "bpms_instance_change",
        "bpms_task_change",
    ]


def test_while_nobody_is_connected_events_wait_for_their_retry(dingtalk: Running, official: Official) -> None:
    dingtalk.set(stream_retry_after_s=[0.3])
    official.create()
    heard = talk(dingtalk, official, lambda: None, [FINE, FINE])
    assert len(heard) == 2
    assert dingtalk.events()[0]["attempts"] == ["nobody is connected", "success"]


def test_only_what_was_subscribed_comes(dingtalk: Running, official: Official) -> None:
    wish = [{"type": "EVENT", "topic": "bpms_task_change"}]
    dingtalk.set(stream_retry_after_s=[])
    (frame,) = talk(dingtalk, official, official.create, [FINE], subscriptions=wish)
    assert frame["headers"]["eventType"] == "bpms_task_change"
    assert dingtalk.events(kind="bpms_instance_change")[0]["fate"] == "failed"


def test_who_stays_after_being_sent_away_is_cut_off(dingtalk: Running, official: Official) -> None:
    dingtalk.set(stream_leave_s=0.1, stream_retry_after_s=[])
    _, said = gateway(dingtalk, official)

    async def stay() -> list[dict[str, Any]]:
        heard = []
        async with websockets.connect(f"{said['endpoint']}?ticket={said['ticket']}", proxy=None) as line:
            await asyncio.to_thread(dingtalk.disconnect)
            await asyncio.to_thread(official.create)  # nothing more comes on this connection
            with pytest.raises(websockets.ConnectionClosedError):
                while True:
                    heard.append(json.loads(await asyncio.wait_for(line.recv(), 5)))
        return heard

    (frame,) = asyncio.run(stay())
    assert (frame["type"], frame["headers"]["topic"]) == ("SYSTEM", "disconnect")
    assert json.loads(frame["data"]) == {"reason": "persistent connection is timeout"}
    until(lambda: dingtalk.connections() == [])


def test_a_connection_that_breaks_leaves_its_events_to_the_next(
    dingtalk: Running, official: Official
) -> None:
    dingtalk.set(stream_retry_after_s=[0.3])
    _, said = gateway(dingtalk, official)

    async def break_off() -> None:
        async with websockets.connect(f"{said['endpoint']}?ticket={said['ticket']}", proxy=None) as line:
            await asyncio.to_thread(official.create)
            await asyncio.wait_for(line.recv(), 5)
            await asyncio.to_thread(lambda: dingtalk.disconnect(abrupt=True))
            with pytest.raises(websockets.ConnectionClosedError):
                while True:
                    await asyncio.wait_for(line.recv(), 5)

    asyncio.run(break_off())
    heard = talk(dingtalk, official, lambda: None, [FINE, FINE])
    assert {frame["headers"]["eventType"] for frame in heard} == {"bpms_instance_change", "bpms_task_change"}
    assert dingtalk.events(kind="bpms_instance_change")[0]["attempts"] == ["no acknowledgement", "success"]


def test_pings_come_by_themselves(dingtalk: Running, official: Official) -> None:
    dingtalk.set(stream_ping_s=0.05)
    frame = talk(dingtalk, official, lambda: None, [FINE])[0]
    assert (frame["type"], frame["headers"]["topic"]) == ("SYSTEM", "ping")
    assert set(json.loads(frame["data"])) == {"opaque"}


def test_by_http_a_connection_hears_nothing(dingtalk: Running, official: Official) -> None:
    dingtalk.set(push_mode="http")
    assert talk(dingtalk, official, official.create, []) == []
    assert {event["fate"] for event in dingtalk.events()} == {"unheard"}
    dingtalk.reset()
    assert dingtalk.control("GET", "")["push_mode"] == "http"
