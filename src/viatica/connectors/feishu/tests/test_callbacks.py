"""The door: who may come in, what is kept, and what is answered."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from viatica.connectors.errors import (
    BadCallback,
    ForeignCallback,
    ForgedCallback,
    OldCallback,
    UnreadableCallback,
)
from viatica.connectors.feishu.callbacks import door
from viatica.connectors.feishu.signing import event_signature
from viatica.connectors.feishu.tests.sealing import callback, sealed_body
from viatica.connectors.feishu.tests.test_signing import INPUTS, VECTORS
from viatica.connectors.settling import HEARD_AT
from viatica.connectors.setup import ConnectionIncomplete
from viatica.kernel import clock
from viatica.spine.hooks import RawCallback
from viatica.spine.models import Connection

KEY, TOKEN = INPUTS["encrypt_key"], INPUTS["verification_token"]
NOW_S = 1_700_000_030
NOW = datetime.fromtimestamp(NOW_S, UTC)
BY_NAME = {vector["name"]: vector for vector in VECTORS["vectors"]}


def connection_with(**changes: Any) -> Connection:
    connection = Connection(slug="feishu", kind="feishu", name="飞书", settings=changes.pop("settings", {}))
    secrets = {
        "app_id": "cli_a1b2c3d4e5f60001",
        "app_secret": "secret",
        "verification_token": TOKEN,
        "encrypt_key": KEY,
    }
    connection.seal({name: value for name, value in (secrets | changes).items() if value})
    return connection


@pytest.fixture
def connection() -> Connection:
    return connection_with()


def as_sent(vector: dict[str, Any]) -> RawCallback:
    headers = {name.lower(): value for name, value in vector["request"]["headers"].items()}
    return RawCallback("POST", {}, headers, vector["request"]["raw_body"].encode())


def v1(**event: Any) -> dict[str, Any]:
    return {
        "ts": "1700000000.1",
        "uuid": "evt-1",
        "token": TOKEN,
        "type": "event_callback",
        "event": {"app_id": "cli_a1b2c3d4e5f60001", "type": "approval_instance", **event},
    }


def without_token(body: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in body.items() if key != "token"}
    if "header" in kept:
        kept["header"] = {key: value for key, value in kept["header"].items() if key != "token"}
    return kept


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda v: v["name"])
def test_vectors_come_in_and_are_answered(connection: Connection, vector: dict[str, Any]) -> None:
    with clock.fixed(NOW):
        receipt = door(connection, as_sent(vector))
    event = json.loads(vector["plaintext"])
    answer = json.loads(receipt.answer)
    assert (receipt.status, receipt.content_type) == (200, "application/json")
    if "challenge" in event:
        assert (receipt.event_id, receipt.body) == (None, None)
        assert answer == json.loads(vector["official_handler_response"]["body"])
        return
    assert receipt.event_id == event.get("uuid", event.get("header", {}).get("event_id"))
    assert receipt.body == without_token(event) | {HEARD_AT: NOW.isoformat()}
    # A click is answered with nothing: what it would say depends on a decision, which the worker makes.
    is_click = event.get("header", {}).get("event_type") == "card.action.trigger"
    assert answer == ({} if is_click else json.loads(vector["official_handler_response"]["body"]))


@pytest.mark.parametrize("vector", VECTORS["plaintext_mode"], ids=lambda v: v["name"])
def test_without_an_encrypt_key_the_token_alone_proves_it(vector: dict[str, Any]) -> None:
    plain = connection_with(encrypt_key="")
    raw = RawCallback("POST", {}, {}, vector["raw_body"].encode())
    with clock.fixed(NOW):
        receipt = door(plain, raw)
        assert json.loads(receipt.answer) == json.loads(vector["official_handler_response"]["body"])
        with pytest.raises(ForgedCallback):
            door(connection_with(encrypt_key="", verification_token="another"), raw)


NEGATIVE = {vector["name"]: vector for vector in VECTORS["negative"]}


def test_negative_vectors_are_turned_away(connection: Connection) -> None:
    tampered, spaced, token, unknown = NEGATIVE
    genuine = as_sent(BY_NAME[NEGATIVE[tampered]["based_on"]])
    with clock.fixed(NOW):
        with pytest.raises(ForgedCallback):
            door(
                connection,
                RawCallback("POST", {}, {**genuine.headers, "x-lark-signature": "0" * 64}, genuine.body),
            )
        with pytest.raises(ForgedCallback):
            door(connection, RawCallback("POST", {}, genuine.headers, genuine.body.replace(b":", b": ", 1)))
        with pytest.raises(ForgedCallback):
            door(connection_with(verification_token="another"), genuine)
        # The SDK answers 500 to what it does not know, which would hold up the instance's later events.
        receipt = door(connection, callback(KEY, v1(type="approval_cc", id="7"), NOW_S))
    assert (spaced, token, unknown) == tuple(NEGATIVE)[1:]
    assert (receipt.status, receipt.event_id, json.loads(receipt.answer)) == (
        200,
        "evt-1",
        {"msg": "success"},
    )


def test_a_check_of_the_address_needs_no_signature(connection: Connection) -> None:
    check = {"challenge": "c", "token": TOKEN, "type": "url_verification"}
    with clock.fixed(NOW):
        receipt = door(connection, RawCallback("POST", {}, {}, sealed_body(KEY, check)))
        assert (receipt.event_id, json.loads(receipt.answer)) == (None, {"challenge": "c"})
        with pytest.raises(ForgedCallback):
            door(connection, RawCallback("POST", {}, {}, sealed_body(KEY, check | {"token": "x"})))


@pytest.mark.parametrize(
    "body", [sealed_body(KEY, v1()), sealed_body("other key", v1()), b'{"encrypt": "AAAA"}']
)
def test_unsigned_events_get_one_word_whatever_is_inside(connection: Connection, body: bytes) -> None:
    with clock.fixed(NOW), pytest.raises(ForgedCallback):
        door(connection, RawCallback("POST", {}, {}, body))


def test_a_callback_for_another_app_is_turned_away(connection: Connection) -> None:
    v2 = {"schema": "2.0", "header": {"token": TOKEN, "event_type": "x", "app_id": "cli_other"}, "event": {}}
    with clock.fixed(NOW):
        for event in (v1(app_id="cli_other"), v2):
            with pytest.raises(ForeignCallback):
                door(connection, callback(KEY, event, NOW_S))


@pytest.mark.parametrize("age_s", [8 * 3600 + 1, -8 * 3600 - 1, NOW_S])
def test_a_recorded_callback_is_turned_away(connection: Connection, age_s: int) -> None:
    with clock.fixed(NOW), pytest.raises(OldCallback):
        door(connection, callback(KEY, v1(), NOW_S - age_s))


def test_the_last_retry_after_seven_hours_still_comes_in(connection: Connection) -> None:
    with clock.fixed(NOW):
        assert door(connection, callback(KEY, v1(), NOW_S - 7 * 3600 - 600)).event_id == "evt-1"


def test_the_window_can_be_set() -> None:
    strict = connection_with(settings={"callback_window_s": 60})
    with clock.fixed(NOW):
        assert door(strict, callback(KEY, v1(), NOW_S - 59)).event_id == "evt-1"
        with pytest.raises(OldCallback):
            door(strict, callback(KEY, v1(), NOW_S - 61))


@pytest.mark.parametrize("timestamp", ["", "soon", "1e9", "9" * 30])
def test_a_signed_time_that_is_none_is_turned_away(connection: Connection, timestamp: str) -> None:
    body = sealed_body(KEY, v1())
    headers = {
        "x-lark-request-timestamp": timestamp,
        "x-lark-signature": event_signature(KEY, timestamp=timestamp, nonce="", body=body),
    }
    with clock.fixed(NOW), pytest.raises(OldCallback):
        door(connection, RawCallback("POST", {}, headers, body))


@pytest.mark.parametrize(
    "body", [b"", b"<xml/>", b"[]", b'{"encrypt": 5}', b"\xff\xfe", json.dumps(v1()).encode()]
)
def test_what_is_no_callback_is_bad_input(connection: Connection, body: bytes) -> None:
    with clock.fixed(NOW), pytest.raises(BadCallback):
        door(connection, RawCallback("POST", {}, {}, body))


def test_an_encrypted_callback_without_our_having_a_key_is_bad_input() -> None:
    with clock.fixed(NOW), pytest.raises(BadCallback):
        door(connection_with(encrypt_key=""), callback(KEY, v1(), NOW_S))


def test_a_get_is_bad_input(connection: Connection) -> None:
    genuine = callback(KEY, v1(), NOW_S)
    with clock.fixed(NOW), pytest.raises(BadCallback):
        door(connection, RawCallback("GET", {}, genuine.headers, genuine.body))


@pytest.mark.parametrize("said", ["not json", "[1]", '"text"'])
def test_well_signed_rubbish_is_unreadable(connection: Connection, said: str) -> None:
    with clock.fixed(NOW), pytest.raises(UnreadableCallback):
        door(connection, callback(KEY, said, NOW_S))


def test_a_signed_event_without_a_type_is_bad_input(connection: Connection) -> None:
    with clock.fixed(NOW), pytest.raises(BadCallback):
        door(connection, callback(KEY, {"token": TOKEN}, NOW_S))


def test_a_connection_without_a_verification_token_says_so() -> None:
    with clock.fixed(NOW), pytest.raises(ConnectionIncomplete, match="verification_token"):
        door(connection_with(verification_token=""), callback(KEY, v1(), NOW_S))


def test_the_door_takes_a_small_part_of_its_deadline(connection: Connection) -> None:
    genuine = callback(KEY, v1(comment="长" * 2000), NOW_S)
    with clock.fixed(NOW):
        started = time.perf_counter()
        for _ in range(100):
            door(connection, genuine)
    assert (time.perf_counter() - started) / 100 < 0.05  # the deadlines are 1 s and 3 s
