"""Pushes against a small real receiver with the product's own way of answering."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from simulators.feishu.crypto import EventCrypto
from simulators.feishu.testing import Running
from simulators.feishu.tests.wire import CREATE, Wire


class Receiver:
    """What an app does: check the signature over the raw bytes, open, note, answer 200."""

    def __init__(self, feishu: Running, server: HTTPServer) -> None:
        self.crypto = EventCrypto(feishu.encrypt_key)
        self.token = feishu.verification_token
        self.url = server.url_for("/hooks/feishu")
        self.heard: list[dict[str, Any]] = []
        self.failures = 0  # how many pushes to answer with 500 before being well again
        self.lock = threading.Lock()
        server.expect_request("/hooks/feishu").respond_with_handler(self.answer)

    def answer(self, request: Request) -> Response:
        raw = request.get_data()
        self.crypto.check(
            signature=request.headers["X-Lark-Signature"],
            timestamp=request.headers["X-Lark-Request-Timestamp"],
            nonce=request.headers["X-Lark-Request-Nonce"],
            body=raw,
        )
        body = json.loads(self.crypto.decrypt(json.loads(raw)["encrypt"]))
        assert (body["header"]["token"] if "header" in body else body["token"]) == self.token
        with self.lock:
            if self.failures:
                self.failures -= 1
                return Response("sorry", status=500)
            if body.get("type") == "url_verification":
                return Response(json.dumps({"challenge": body["challenge"]}))
            self.heard.append(body)
        return Response('{"msg":"success"}')

    def events(self) -> list[tuple[str, str, str]]:
        """(type, status, whose) of the approval events."""
        found = [body["event"] for body in self.heard if "event" in body and "ts" in body]
        return [(event["type"], event["status"], event.get("user_id", "")) for event in found]


@pytest.fixture
def receiver(feishu: Running, httpserver: HTTPServer) -> Iterator[Receiver]:
    receiver = Receiver(feishu, httpserver)
    assert feishu.set_callback(receiver.url) == "success"
    feishu.subscribe()
    yield receiver
    feishu.wait_for_callbacks()


def test_an_address_must_answer_the_challenge(feishu: Running, httpserver: HTTPServer) -> None:
    receiver = Receiver(feishu, httpserver)
    assert feishu.set_callback(receiver.url) == "success"
    assert receiver.heard == []
    receiver.failures = 1
    assert feishu.set_callback(receiver.url) == "HTTP 500"
    assert "no answer" in feishu.set_callback("http://127.0.0.1:9/")
    httpserver.expect_request("/plain").respond_with_data("success")
    assert "not JSON" in feishu.set_callback(httpserver.url_for("/plain"))
    httpserver.expect_request("/other").respond_with_json({"challenge": "other"})
    assert "does not repeat" in feishu.set_callback(httpserver.url_for("/other"))
    assert feishu.control("GET", "/callback")["url"] == receiver.url  # the last good one stays


def test_without_a_key_nothing_is_sealed_or_signed(
    feishu: Running, wire: Wire, httpserver: HTTPServer
) -> None:
    heard: list[dict[str, Any]] = []

    def answer(request: Request) -> Response:
        assert "X-Lark-Signature" not in request.headers
        heard.append(request.get_json())
        return Response(json.dumps({"challenge": heard[-1].get("challenge")}))

    httpserver.expect_request("/plain").respond_with_handler(answer)
    assert feishu.set_callback(httpserver.url_for("/plain"), plain=True) == "success"
    assert set(heard[0]) == {"challenge", "token", "type"}
    feishu.subscribe("expense")
    wire.create()
    assert feishu.wait_for_callbacks()
    assert heard[1]["event"]["type"] == "approval_instance"


def test_nothing_is_told_of_a_definition_nobody_subscribed_to(
    feishu: Running, wire: Wire, httpserver: HTTPServer
) -> None:
    receiver = Receiver(feishu, httpserver)
    assert feishu.set_callback(receiver.url) == "success"
    wire.create()
    assert feishu.wait_for_callbacks()
    assert receiver.heard == []
    assert {event["fate"] for event in feishu.events()} == {"unsubscribed"}
    path = f"/open-apis/approval/v4/approvals/{feishu.approval_codes['expense']}"
    assert wire.post(f"{path}/subscribe").data == {}
    again = wire.post(f"{path}/subscribe")
    assert (again.status, again.code) == (400, 1390007)
    wire.create()
    assert feishu.wait_for_callbacks()
    assert len(receiver.heard) == 2
    assert wire.post(f"{path}/unsubscribe").data == {}
    assert wire.post(f"{path}/unsubscribe").code == 1390007
    wire.create()
    assert feishu.wait_for_callbacks()
    assert len(receiver.heard) == 2


def test_the_whole_story_is_told_in_order(feishu: Running, wire: Wire, receiver: Receiver) -> None:
    code = wire.create(uuid="BX202611-000001")
    feishu.decide(code, comment="好")
    feishu.decide(code)
    assert feishu.wait_for_callbacks()
    assert receiver.events() == [
        ("approval_instance", "PENDING", ""),
        ("approval_task", "PENDING", "wangkai"),
        ("approval_task", "APPROVED", "wangkai"),
        ("approval_task", "PENDING", "sunhui"),
        ("approval_task", "APPROVED", "sunhui"),
        ("approval_instance", "APPROVED", ""),
    ]
    start, task, *_, end = receiver.heard
    assert set(start) == {"ts", "uuid", "token", "type", "event"}
    assert start["type"] == "event_callback"
    assert (
        start["event"].items()
        >= {
            "app_id": feishu.app_id,
            "tenant_key": feishu.tenant_key,
            "approval_code": feishu.approval_codes["expense"],
            "instance_code": code,
            "uuid": "BX202611-000001",
        }.items()
    )
    assert start["event"]["operate_time"].isdigit()
    assert start["event"]["uuid"] != start["uuid"]
    assert set(task["event"]) == {
        "app_id",
        "open_id",
        "tenant_key",
        "type",
        "approval_code",
        "instance_code",
        "task_id",
        "user_id",
        "status",
        "operate_time",
        "custom_key",
        "def_key",
        "extra",
    }
    assert task["event"]["task_id"] == wire.look(code)["task_list"][0]["id"]
    assert task["event"]["custom_key"] == "manager"
    assert int(end["event"]["operate_time"]) >= int(start["event"]["operate_time"])
    assert len({body["uuid"] for body in receiver.heard}) == 6


def test_every_ending_has_its_events(feishu: Running, wire: Wire, receiver: Receiver) -> None:
    def story(act: Callable[[str], object]) -> list[tuple[str, str, str]]:
        code = wire.create()
        assert feishu.wait_for_callbacks()
        receiver.heard.clear()
        act(code)
        assert feishu.wait_for_callbacks()
        return [(kind.split("_")[1], status, whose) for kind, status, whose in receiver.events()]

    assert story(lambda code: feishu.decide(code, "reject")) == [
        ("task", "REJECTED", "wangkai"),
        ("instance", "REJECTED", ""),
    ]
    assert story(feishu.withdraw) == [("task", "DONE", "wangkai"), ("instance", "CANCELED", "")]
    assert story(feishu.delete) == [("task", "DONE", "wangkai"), ("instance", "DELETED", "")]
    assert story(lambda code: feishu.hand_over(code, "lisiyuan")) == [
        ("task", "TRANSFERRED", "wangkai"),
        ("task", "PENDING", "lisiyuan"),
    ]
    assert story(feishu.send_back) == [("task", "ROLLBACK", "wangkai"), ("task", "PENDING", "zhangsan")]
    two = {"kind": "users", "user_ids": ["wangkai", "sunhui"]}
    feishu.control("PUT", "/templates/expense", {"flow": [{**two, "mode": "OR"}]})
    assert story(lambda code: feishu.decide(code, user_id="sunhui")) == [
        ("task", "APPROVED", "sunhui"),
        ("task", "DONE", "wangkai"),
        ("instance", "APPROVED", ""),
    ]
    feishu.control("PUT", "/templates/expense", {"flow": [{**two, "mode": "AND"}]})
    # The others of a countersign are told of again, as still pending.
    assert story(lambda code: feishu.decide(code, user_id="sunhui")) == [
        ("task", "APPROVED", "sunhui"),
        ("task", "PENDING", "wangkai"),
    ]


def test_an_undone_approval_counts_its_time_as_a_number(
    feishu: Running, wire: Wire, receiver: Receiver
) -> None:
    code = wire.create()
    feishu.decide(code)
    feishu.decide(code)
    feishu.withdraw(code)
    assert feishu.wait_for_callbacks()
    event = receiver.heard[-1]["event"]
    assert event["status"] == "REVERTED"
    assert isinstance(event["operate_time"], int)
    assert not {"uuid", "instance_operate_time"} & set(event)


def test_a_task_of_nobody(feishu: Running, wire: Wire, receiver: Receiver) -> None:
    wire.create(user_id="zhoumingyuan", department_id=None)
    assert feishu.wait_for_callbacks()
    event = receiver.heard[1]["event"]
    assert (event["user_id"], event["open_id"], event["status"]) == ("", "", "APPROVED")


def test_copies_are_told(feishu: Running, wire: Wire, receiver: Receiver) -> None:
    wire.create(node_cc_user_id_list=[{"key": "START", "value": ["qianwei"]}])
    assert feishu.wait_for_callbacks()
    (event,) = [body["event"] for body in receiver.heard if body["event"]["type"] == "approval_cc"]
    assert (event["operate"], event["user_id"]) == ("CREATE", "qianwei")


def test_people_and_departments_come_and_go(feishu: Running, receiver: Receiver) -> None:
    feishu.put_user("newbie", name="新人", department_id="D10", mobile="+8613700000000")
    feishu.put_user("newbie", name="新人", department_id="D20", mobile="+8613700000000")
    feishu.leave("newbie")
    feishu.control("PUT", "/departments/D60", {"name": "法务部"})
    feishu.control("PUT", "/departments/D60", {"name": "法务合规部"})
    feishu.control("DELETE", "/departments/D60")
    assert feishu.wait_for_callbacks()
    told = {body["header"]["event_type"]: body for body in receiver.heard}
    assert set(told) == {
        f"contact.{kind}.{what}_v3"
        for kind in ("user", "department")
        for what in ("created", "updated", "deleted")
    }
    created = told["contact.user.created_v3"]
    assert (created["schema"], created["event"]["object"]["mobile"]) == ("2.0", "+8613700000000")
    assert set(created["header"]) == {
        "event_id",
        "event_type",
        "create_time",
        "token",
        "app_id",
        "tenant_key",
    }
    changed = told["contact.user.updated_v3"]["event"]
    assert set(changed["old_object"]) == {"department_ids", "orders"}
    gone = told["contact.user.deleted_v3"]["event"]
    assert gone["object"]["status"]["is_resigned"] is True
    assert gone["old_object"]["department_ids"] == changed["object"]["department_ids"]
    assert told["contact.department.updated_v3"]["event"]["old_object"]["name"] == "法务部"


def test_a_failed_push_holds_up_the_instance_and_no_other(
    feishu: Running, wire: Wire, receiver: Receiver
) -> None:
    feishu.set(retry_after_s=[200.0], retry_scale=0.001)
    receiver.failures = 1
    first = wire.create()
    second = wire.create()
    assert feishu.wait_for_callbacks()
    codes = [body["event"]["instance_code"] for body in receiver.heard]
    assert codes == [second, second]
    assert [len(event["attempts"]) for event in feishu.events(instance_id=first)] == [1, 0]
    assert feishu.wait_for_callbacks(retries=True)
    assert [body["event"]["status"] for body in receiver.heard[2:]] == ["PENDING", "PENDING"]
    assert receiver.events()[2][0] == "approval_instance"  # in order, late as it is
    assert feishu.events(instance_id=first)[0]["attempts"] == ["HTTP 500", "success"]


def test_after_the_last_retry_the_next_event_is_told(feishu: Running, wire: Wire, receiver: Receiver) -> None:
    assert feishu.control("GET", "/settings")["retry_after_s"] == [15.0, 300.0, 3600.0, 21600.0]
    feishu.set(retry_after_s=[0.01, 0.01])
    receiver.failures = 3
    code = wire.create()
    assert feishu.wait_for_callbacks(retries=True)
    assert [event["fate"] for event in feishu.events(instance_id=code)] == ["failed", "delivered"]
    assert receiver.events() == [("approval_task", "PENDING", "wangkai")]


def test_a_closed_door_loses_nothing_within_the_retries(
    feishu: Running, wire: Wire, receiver: Receiver
) -> None:
    feishu.set(retry_after_s=[0.05, 5.0])
    feishu.spoil_callbacks(door_is_open=False)
    wire.create()
    assert feishu.wait_for_callbacks()
    assert receiver.heard == []
    feishu.spoil_callbacks(door_is_open=True)
    assert feishu.wait_for_callbacks(retries=True)
    assert len(receiver.heard) == 2


def test_dropped_events_are_lost_for_good(feishu: Running, wire: Wire, receiver: Receiver) -> None:
    feishu.spoil_callbacks(drop_next=1)
    code = wire.create()
    assert feishu.wait_for_callbacks(retries=True)
    assert receiver.events() == [("approval_task", "PENDING", "wangkai")]
    assert [event["fate"] for event in feishu.events(instance_id=code)] == ["dropped", "delivered"]


def test_repeats_carry_the_same_uuid(feishu: Running, wire: Wire, receiver: Receiver) -> None:
    feishu.spoil_callbacks(repeat=2)
    wire.create()
    assert feishu.wait_for_callbacks()
    ids = [body["uuid"] for body in receiver.heard]
    assert (len(ids), len(set(ids))) == (6, 2)
    feishu.spoil_callbacks(repeat=0)
    feishu.resend(ids[0])
    assert feishu.wait_for_callbacks()
    assert receiver.heard[-1]["uuid"] == ids[0]


def test_events_overtake_each_other_when_told_to(feishu: Running, wire: Wire, receiver: Receiver) -> None:
    feishu.spoil_callbacks(reorder_fraction=1.0)
    wire.create()
    assert feishu.wait_for_callbacks()
    assert [kind for kind, _, _ in receiver.events()] == ["approval_task", "approval_instance"]


def test_delays(feishu: Running, wire: Wire, receiver: Receiver) -> None:
    feishu.spoil_callbacks(delay_s=0.05)
    began = time.monotonic()
    wire.create()
    assert feishu.wait_for_callbacks()
    assert time.monotonic() - began >= 0.1


def test_a_slow_receiver_counts_as_none(feishu: Running, httpserver: HTTPServer) -> None:
    def sleep(request: Request) -> Response:
        time.sleep(0.2)
        return Response("{}")

    httpserver.expect_request("/slow").respond_with_handler(sleep)
    feishu.set(challenge_timeout_s=0.05)
    assert "no answer within" in feishu.set_callback(httpserver.url_for("/slow"))


def test_without_an_address_nobody_is_told(feishu: Running, wire: Wire) -> None:
    feishu.subscribe()
    code = wire.create()
    assert {event["fate"] for event in feishu.events(instance_id=code)} == {"unheard"}


def test_any_event_can_be_invented(feishu: Running, receiver: Receiver) -> None:
    feishu.emit("moon.landing_v1", {"x": 1})
    feishu.emit("leave_approval", {"instance_code": "1"}, schema="1")
    assert feishu.wait_for_callbacks()
    told = {body.get("schema", "1.0"): body for body in receiver.heard}
    assert told["2.0"]["header"]["event_type"] == "moon.landing_v1"
    assert told["1.0"]["event"]["type"] == "leave_approval"


def test_the_newer_approval_events_beside_the_older(feishu: Running, wire: Wire, receiver: Receiver) -> None:
    feishu.set(approval_v2_events=True)
    code = wire.create(uuid="N1")
    assert feishu.wait_for_callbacks()
    newer = {body["header"]["event_type"]: body["event"] for body in receiver.heard if "schema" in body}
    assert newer["approval.instance.status_changed_v4"]["external_id"] == "N1"
    assert newer["approval.task.status_changed_v4"]["assigned_user"]["user_id"] == "wangkai"
    assert newer["approval.instance.status_changed_v4"]["instance_code"] == code


def test_events_of_a_create_whose_answer_was_lost(feishu: Running, wire: Wire, receiver: Receiver) -> None:
    wire.token  # noqa: B018 - fetched before things go wrong
    feishu.fault("lost_answer", CREATE, times=1)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        wire.post(CREATE, wire.order())
    assert feishu.wait_for_callbacks()
    assert [kind for kind, _, _ in receiver.events()] == ["approval_instance", "approval_task"]


def test_events_that_come_before_the_answer(feishu: Running, wire: Wire, receiver: Receiver) -> None:
    wire.token  # noqa: B018 - fetched before things go slow
    heard_before: list[int] = []
    feishu.fault("late_answer", CREATE, times=1, seconds=0.2)
    order = wire.order()
    watcher = threading.Timer(0.15, lambda: heard_before.append(len(receiver.heard)))
    watcher.start()
    assert wire.post(CREATE, order).code == 0
    watcher.join()
    assert heard_before == [2]


def test_many_instances_are_told_at_once_each_in_order(
    feishu: Running, wire: Wire, receiver: Receiver
) -> None:
    made = [wire.create() for _ in range(20)]
    for code in made:
        feishu.decide(code, "reject")
    assert feishu.wait_for_callbacks()
    for code in made:
        told = [body["event"]["status"] for body in receiver.heard if body["event"]["instance_code"] == code]
        assert told == ["PENDING", "PENDING", "REJECTED", "REJECTED"]
