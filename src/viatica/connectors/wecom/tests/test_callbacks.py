"""The door: who may come in, what is kept, and what is answered."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest

from viatica.connectors.errors import (
    BadCallback,
    ForeignCallback,
    ForgedCallback,
    OldCallback,
    UnreadableCallback,
)
from viatica.connectors.settling import HEARD_AT
from viatica.connectors.setup import ConnectionIncomplete
from viatica.connectors.wecom.callbacks import door
from viatica.connectors.wecom.events import tree
from viatica.connectors.wecom.tests.sealing import Sealer
from viatica.connectors.wecom.tests.test_signing import AES_KEY, CORP, REQUESTS, SEALER, TOKEN, VECTORS
from viatica.kernel import clock
from viatica.spine.hooks import RawCallback
from viatica.spine.models import Connection

NOW_S = 1_700_000_130
NOW = datetime.fromtimestamp(NOW_S, UTC)
SUBMITTED = REQUESTS["sys_approval_submit"]["plaintext"]
CONTACTS = Sealer("contactsToken", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg"[:42] + "A", CORP)


def connection_with(**changes: Any) -> Connection:
    connection = Connection(
        slug="wecom",
        kind="wecom",
        name="企业微信",
        settings={"corp_id": CORP, "agent_id": "1000007", **changes.pop("settings", {})},
    )
    secrets = {"secret": "secret", "token": TOKEN, "aes_key": AES_KEY} | changes
    connection.seal({name: value for name, value in secrets.items() if value})
    return connection


@pytest.fixture
def connection() -> Connection:
    return connection_with()


def as_sent(vector: dict[str, Any]) -> RawCallback:
    query = {name: vector[name] for name in ("msg_signature", "timestamp", "nonce")}
    return RawCallback("POST", query, {}, SEALER.envelope(vector["encrypt"]))


KEPT = ("sys_approval", "contact_", "template_card", "boundary_none")


@pytest.mark.parametrize("vector", VECTORS["request_vectors"], ids=lambda v: v["name"])
def test_vectors_come_in_and_are_answered(connection: Connection, vector: dict[str, Any]) -> None:
    with clock.fixed(NOW):
        receipt = door(connection, as_sent(vector))
    assert (receipt.status, receipt.answer) == (200, b"success")
    if not vector["name"].startswith(KEPT):
        # Another way of approving, and people opening the app: nobody here acts on it.
        assert (receipt.event_id, receipt.body) == (None, None)
        return
    body = tree(vector["plaintext"])
    assert body is not None and receipt.body == body | {HEARD_AT: NOW.isoformat()}
    assert receipt.event_id is not None and receipt.event_id.startswith(f"{body['event']}:")


def test_the_check_of_the_address_gets_the_bare_text_back(connection: Connection) -> None:
    (vector,) = VECTORS["url_verification"]
    raw = RawCallback("GET", dict(parse_qsl(vector["http"]["query_string"])), {}, b"")
    with clock.fixed(datetime.fromtimestamp(1_700_000_001, UTC)):
        receipt = door(connection, raw)
    assert receipt.answer == vector["expected_response_body"].encode()
    assert (receipt.status, receipt.event_id, receipt.body) == (200, None, None)


def test_negative_vectors_are_turned_away(connection: Connection) -> None:
    vector = REQUESTS["sys_approval_submit"]
    genuine = as_sent(vector)
    tampered = SEALER.seal(SUBMITTED)[:-4] + "AAA="
    cases: list[tuple[RawCallback, Connection, type[Exception]]] = [
        (
            RawCallback("POST", {**genuine.query, "msg_signature": "0" * 40}, {}, genuine.body),
            connection,
            ForgedCallback,
        ),
        (genuine, connection_with(token="another"), ForgedCallback),
        (genuine, connection_with(settings={"corp_id": "ww1111111111111111"}), ForeignCallback),
        (
            RawCallback("POST", SEALER.signed(tampered, NOW_S), {}, SEALER.envelope(tampered)),
            connection,
            UnreadableCallback,
        ),
        (RawCallback("POST", genuine.query, {}, b"<xml/>"), connection, BadCallback),
    ]
    with clock.fixed(NOW):
        for raw, to, error in cases:
            with pytest.raises(error):
                door(to, raw)


def test_the_address_book_has_keys_of_its_own_at_the_same_address() -> None:
    both = connection_with(contacts_token=CONTACTS.token, contacts_aes_key=CONTACTS.aes_key)
    left = REQUESTS["contact_update_user_post_2022"]["plaintext"]
    with clock.fixed(NOW):
        assert door(both, CONTACTS.check("4711", NOW_S)).answer == b"4711"
        receipt = door(both, CONTACTS.push(left, NOW_S))
        assert receipt.body is not None and receipt.body["newuserid"] == "zhangsan1"
        with pytest.raises(ForgedCallback):
            door(connection_with(), CONTACTS.push(left, NOW_S))


@pytest.mark.parametrize("age_s", [3601, -3601, NOW_S])
def test_a_recorded_callback_is_turned_away(connection: Connection, age_s: int) -> None:
    with clock.fixed(NOW), pytest.raises(OldCallback):
        door(connection, SEALER.push(SUBMITTED, NOW_S - age_s))


def test_the_window_can_be_set() -> None:
    strict = connection_with(settings={"callback_window_s": 60})
    with clock.fixed(NOW):
        assert door(strict, SEALER.push(SUBMITTED, NOW_S - 59)).event_id
        with pytest.raises(OldCallback):
            door(strict, SEALER.push(SUBMITTED, NOW_S - 61))


@pytest.mark.parametrize("timestamp", ["", "soon", "1e9", "9" * 30, "１７０００００１３０"])
def test_a_signed_time_that_is_none_is_turned_away(connection: Connection, timestamp: str) -> None:
    with clock.fixed(NOW), pytest.raises(OldCallback):
        door(connection, SEALER.push(SUBMITTED, timestamp))


@pytest.mark.parametrize("text", ["", "no xml", "<xml/>", '{"event": "x"}'])
def test_well_signed_rubbish_is_unreadable(connection: Connection, text: str) -> None:
    with clock.fixed(NOW), pytest.raises(UnreadableCallback):
        door(connection, SEALER.push(text, NOW_S))


@pytest.mark.parametrize(
    "raw",
    [
        RawCallback("GET", {}, {}, b""),
        RawCallback("POST", {}, {}, b""),
        RawCallback("POST", {}, {}, b'{"encrypt": "x"}'),
        RawCallback("POST", {}, {}, b"\xff\xfe"),
    ],
)
def test_what_is_no_callback_is_bad_input(connection: Connection, raw: RawCallback) -> None:
    with clock.fixed(NOW), pytest.raises(BadCallback):
        door(connection, raw)


def test_what_people_write_to_the_app_is_not_kept(connection: Connection) -> None:
    text = "<xml><FromUserName>zhangsan</FromUserName><MsgType>text</MsgType><Content>工资？</Content></xml>"
    with clock.fixed(NOW):
        receipt = door(connection, SEALER.push(text, NOW_S))
    assert (receipt.status, receipt.event_id, receipt.body, receipt.answer) == (200, None, None, b"success")


@pytest.mark.parametrize("missing", ["token", "aes_key"])
def test_a_connection_without_its_keys_says_so(missing: str) -> None:
    with clock.fixed(NOW), pytest.raises(ConnectionIncomplete, match=missing):
        door(connection_with(**{missing: ""}), SEALER.push(SUBMITTED, NOW_S))


def test_the_door_takes_a_small_part_of_its_deadline(connection: Connection) -> None:
    many = REQUESTS["sys_approval_comment"]["plaintext"].replace(
        "</SpName>", "</SpName>" + "<A>长</A>" * 2000
    )
    pushed, asked = SEALER.push(many, NOW_S), SEALER.check("5927782489442352469", NOW_S)
    with clock.fixed(NOW):
        for raw, deadline_s in ((pushed, 5.0), (asked, 1.0)):
            started = time.perf_counter()
            for _ in range(50):
                door(connection, raw)
            assert (time.perf_counter() - started) / 50 < deadline_s / 20
