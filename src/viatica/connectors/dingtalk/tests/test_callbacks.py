"""The door: who may come in, what is kept, and what is answered."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulators.dingtalk.testing import Running
from viatica.connectors.dingtalk.callbacks import door
from viatica.connectors.dingtalk.signing import CallbackCipher
from viatica.connectors.dingtalk.tests.test_signing import INPUTS, REQUESTS, VECTORS
from viatica.connectors.errors import (
    BadCallback,
    ForeignCallback,
    ForgedCallback,
    OldCallback,
    UnreadableCallback,
)
from viatica.connectors.settling import HEARD_AT
from viatica.connectors.setup import ConnectionIncomplete
from viatica.kernel import clock
from viatica.spine.hooks import RawCallback, Receipt
from viatica.spine.models import Connection

CIPHER = CallbackCipher(INPUTS["token"], INPUTS["encodingAesKey"], (INPUTS["ownerKey_appKey"],))
NOW = datetime.fromtimestamp(1_700_000_030, UTC)


@pytest.fixture
def connection() -> Connection:
    connection = Connection(slug="dingtalk", kind="dingtalk", name="钉钉", settings={})
    connection.seal(
        {
            "app_key": INPUTS["ownerKey_appKey"],
            "app_secret": "secret",
            "token": INPUTS["token"],
            "aes_key": INPUTS["encodingAesKey"],
        }
    )
    return connection


def raw(query: dict[str, str], body: Any, method: str = "POST") -> RawCallback:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return RawCallback(method=method, query=query, headers={}, body=data)


def sealed(event: Any, at: datetime = NOW, cipher: CallbackCipher = CIPHER) -> RawCallback:
    text = event if isinstance(event, str) else json.dumps(event)
    made = cipher.seal(text, timestamp=str(int(at.timestamp() * 1000)), nonce="n0nce")
    query = {"msg_signature": made["msg_signature"], "timestamp": made["timeStamp"], "nonce": made["nonce"]}
    return raw(query, {"encrypt": made["encrypt"]})


def opened(receipt: Receipt) -> str:
    body = json.loads(receipt.answer)
    assert sorted(body) == ["encrypt", "msg_signature", "nonce", "timeStamp"]
    return CIPHER.open(
        signature=body["msg_signature"],
        timestamp=body["timeStamp"],
        nonce=body["nonce"],
        encrypt=body["encrypt"],
    )


@pytest.mark.parametrize("vector", VECTORS["request_vectors"], ids=lambda v: v["name"])
def test_vectors_come_in_and_are_answered_success(connection: Connection, vector: dict[str, Any]) -> None:
    with clock.fixed(NOW):
        receipt = door(connection, raw(vector["http"]["query"], vector["http"]["json_body"]))
    event = json.loads(vector["plaintext"])
    assert receipt.event_id == event.get("eventId")
    assert receipt.body == (event | {HEARD_AT: NOW.isoformat()} if "eventId" in event else None)
    assert (opened(receipt), receipt.status, receipt.content_type) == ("success", 200, "application/json")


def test_the_older_name_of_the_signature_is_read_too(connection: Connection) -> None:
    vector = REQUESTS["instance_start"]["http"]
    query = {key: value for key, value in vector["query"].items() if key != "msg_signature"}
    with clock.fixed(NOW):
        assert door(connection, raw(query, vector["json_body"])).event_id == "evt-0001"


def test_an_event_nobody_knows_is_kept(connection: Connection) -> None:
    with clock.fixed(NOW):
        receipt = door(connection, sealed({"EventType": "some_future_event", "BizId": "77", "x": 1}))
    assert (receipt.event_id, opened(receipt)) == ("77", "success")


@pytest.mark.parametrize("query", [{"msg_signature": "0" * 40}, {"msg_signature": ""}, {"nonce": "other"}])
def test_a_forged_callback_is_turned_away(connection: Connection, query: dict[str, str]) -> None:
    genuine = sealed({"EventType": "bpms_instance_change"})
    with clock.fixed(NOW), pytest.raises(ForgedCallback):
        door(connection, RawCallback("POST", {**genuine.query, **query}, {}, genuine.body))


def test_a_callback_for_another_app_is_turned_away(connection: Connection) -> None:
    other = CallbackCipher(INPUTS["token"], INPUTS["encodingAesKey"], ("anotherapp",))
    with clock.fixed(NOW), pytest.raises(ForeignCallback):
        door(connection, sealed({"EventType": "x"}, cipher=other))


@pytest.mark.parametrize("age_s", [3601, -3601, 10**9])
def test_a_recorded_callback_is_turned_away(connection: Connection, age_s: int) -> None:
    with clock.fixed(NOW), pytest.raises(OldCallback):
        door(connection, sealed({"EventType": "x"}, NOW - timedelta(seconds=age_s)))


def test_the_window_can_be_set(connection: Connection) -> None:
    connection.settings["callback_window_s"] = 60
    with clock.fixed(NOW):
        assert door(
            connection, sealed({"EventType": "x", "BizId": "1"}, NOW - timedelta(seconds=59))
        ).event_id
        with pytest.raises(OldCallback):
            door(connection, sealed({"EventType": "x", "BizId": "1"}, NOW - timedelta(seconds=61)))


@pytest.mark.parametrize("body", [b"", b"<xml/>", b"[]", b'{"encrypt": 5}', b"\xff\xfe", b'{"other": "x"}'])
def test_what_is_no_callback_is_bad_input(connection: Connection, body: bytes) -> None:
    with clock.fixed(NOW), pytest.raises(BadCallback):
        door(connection, raw({}, body))


def test_a_get_is_bad_input(connection: Connection) -> None:
    with clock.fixed(NOW), pytest.raises(BadCallback):
        door(connection, raw({}, {"encrypt": "x"}, method="GET"))


@pytest.mark.parametrize("said", ["not json", "[1]", "{}", '"text"'])
def test_well_sealed_rubbish_is_bad_input(connection: Connection, said: str) -> None:
    with clock.fixed(NOW), pytest.raises(UnreadableCallback):
        door(connection, sealed(said))


def test_a_connection_without_callback_keys_says_what_it_lacks(connection: Connection) -> None:
    connection.seal({"app_key": "k", "app_secret": "s"})
    with pytest.raises(ConnectionIncomplete, match="token"):
        door(connection, sealed({"EventType": "x"}))


def test_the_simulators_callbacks_pass(dingtalk: Running) -> None:
    from viatica.connectors.dingtalk.tests.conftest import connection_to

    cipher = CallbackCipher(dingtalk.token, dingtalk.aes_key, (dingtalk.app_key,))
    receipt = door(connection_to(dingtalk), sealed({"EventType": "x", "BizId": "1"}, clock.now(), cipher))
    assert receipt.event_id == "1"


def test_the_door_takes_a_small_part_of_its_deadline(connection: Connection) -> None:
    genuine = sealed({"EventType": "bpms_instance_change", "title": "长" * 2000})
    with clock.fixed(NOW):
        started = time.perf_counter()
        for _ in range(100):
            door(connection, genuine)
    assert (time.perf_counter() - started) / 100 < 0.05  # the deadline is 1.5 s
