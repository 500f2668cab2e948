"""The long connection, spoken to by a client of a few lines; the official client has its own test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
import websockets

from simulators.feishu.stream import DATA, Frame
from simulators.feishu.testing import Running
from simulators.feishu.tests.wire import Wire


def endpoint(wire: Wire, secret: str | None = None) -> dict[str, Any]:
    body = {"AppID": wire.feishu.app_id, "AppSecret": secret or wire.feishu.app_secret}
    return wire.call("POST", "/callback/ws/endpoint", body, token="").body


def talk(wire: Wire, act: Callable[[], object], codes: list[int]) -> list[dict[str, Any]]:
    """Connect, do something, and answer what comes with these codes; the events that came."""

    async def run() -> list[dict[str, Any]]:
        heard = []
        url = endpoint(wire)["data"]["URL"]
        async with websockets.connect(url, proxy=None) as line:
            await line.send(Frame(service=7, headers={"type": "ping"}).packed())
            pong = Frame.unpacked(_bytes(await line.recv()))
            assert pong.headers == {"type": "pong"}
            await asyncio.to_thread(act)
            for code in codes:
                frame = Frame.unpacked(_bytes(await asyncio.wait_for(line.recv(), 5)))
                assert (frame.method, frame.headers["type"], frame.headers["sum"]) == (DATA, "event", "1")
                heard.append(json.loads(frame.payload))
                frame.headers["biz_rt"] = "1"
                frame.payload = json.dumps({"code": code}).encode()
                await line.send(frame.packed())
            await settled(wire.feishu)
        return heard

    return asyncio.run(run())


async def settled(feishu: Running) -> None:
    assert await asyncio.to_thread(feishu.wait_for_callbacks)


def _bytes(message: str | bytes) -> bytes:
    assert isinstance(message, bytes)
    return message


def test_frames_survive_the_wire() -> None:
    frame = Frame(300, 2**40, 7, DATA, {"type": "event", "名": "值"}, b"\x00\xff" * 200)
    assert Frame.unpacked(frame.packed()) == frame
    for broken in (b"\x08", b"\x2a\xff", b"\x0d"):
        with pytest.raises(ValueError):
            Frame.unpacked(broken)


def test_a_wrong_secret_gets_no_address(wire: Wire) -> None:
    assert endpoint(wire, "wrong")["code"] == 514


def test_events_come_plain_over_the_open_line(feishu: Running, wire: Wire) -> None:
    feishu.subscribe()
    heard = talk(wire, wire.create, [200, 200])
    assert [body["event"]["type"] for body in heard] == ["approval_instance", "approval_task"]
    assert {event["fate"] for event in feishu.events()} == {"delivered"}


def test_a_handler_that_fails_is_told_again(feishu: Running, wire: Wire) -> None:
    feishu.subscribe()
    feishu.set(retry_after_s=[0.01])
    heard = talk(wire, wire.create, [500, 200, 200])
    assert [body["event"]["type"] for body in heard] == ["approval_instance"] * 2 + ["approval_task"]
    assert feishu.events()[0]["attempts"] == ["code 500", "success"]


def test_while_nobody_is_connected_events_wait_for_their_retry(feishu: Running, wire: Wire) -> None:
    feishu.subscribe()
    talk(wire, lambda: None, [])
    feishu.set(retry_after_s=[0.3])
    wire.create()
    assert feishu.wait_for_callbacks()
    assert feishu.events()[0]["attempts"] == ["nobody is connected"]
    heard = talk(wire, lambda: None, [200, 200])
    assert [body["event"]["status"] for body in heard] == ["PENDING", "PENDING"]
