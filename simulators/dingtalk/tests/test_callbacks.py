"""Pushes against a small real receiver with the vendor's own way of answering."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from simulators.dingtalk.crypto import CallbackCrypto, CryptoError
from simulators.dingtalk.testing import Running
from simulators.dingtalk.tests.official import Official, event_models


class Receiver:
    """What an app does: open, note, answer a sealed "success"."""

    def __init__(self, dingtalk: Running, server: HTTPServer, owner_key: str = "") -> None:
        self.crypto = CallbackCrypto(dingtalk.token, dingtalk.aes_key, owner_key or dingtalk.app_key)
        self.url = server.url_for("/hooks/dingtalk")
        self.heard: list[dict[str, Any]] = []
        self.failures = 0  # how many pushes to answer with 500 before being well again
        self.said = "success"
        self.lock = threading.Lock()
        server.expect_request("/hooks/dingtalk").respond_with_handler(self.answer)

    def answer(self, request: Request) -> Response:
        query = request.args
        assert query["signature"] == query["msg_signature"]
        opened = self.crypto.open(
            signature=query["msg_signature"],
            timestamp=query["timestamp"],
            nonce=query["nonce"],
            encrypt=request.get_json()["encrypt"],
        )
        with self.lock:
            if self.failures:
                self.failures -= 1
                return Response("sorry", status=500)
            self.heard.append(json.loads(opened))
        encrypt = self.crypto.encrypt(self.said)
        signature = self.crypto.sign(timestamp="1700000000", nonce="abc", encrypt=encrypt)
        reply = {"msg_signature": signature, "timeStamp": "1700000000", "nonce": "abc", "encrypt": encrypt}
        return Response(json.dumps(reply), content_type="application/json")

    def events(self) -> list[tuple[str, str, str]]:
        return [
            (event["EventType"], event["type"], event["staffId"])
            for event in self.heard
            if event["EventType"].startswith("bpms")
        ]


@pytest.fixture
def receiver(dingtalk: Running, httpserver: HTTPServer) -> Iterator[Receiver]:
    receiver = Receiver(dingtalk, httpserver)
    assert dingtalk.set_callback(receiver.url) == "success"
    receiver.heard.clear()
    yield receiver
    dingtalk.wait_for_callbacks()


def test_an_address_must_answer_check_url(dingtalk: Running, httpserver: HTTPServer) -> None:
    receiver = Receiver(dingtalk, httpserver)
    assert dingtalk.set_callback(receiver.url) == "success"
    assert receiver.heard == [{"EventType": "check_url"}]
    receiver.said = '"success"'
    assert "says" in dingtalk.set_callback(receiver.url)
    receiver.failures = 1
    assert dingtalk.set_callback(receiver.url) == "HTTP 500"
    assert "no answer" in dingtalk.set_callback("http://127.0.0.1:9/")
    httpserver.expect_request("/plain").respond_with_data("success")
    assert "not a sealed reply" in dingtalk.set_callback(httpserver.url_for("/plain"))
    assert dingtalk.control("GET", "/callback")["url"] == receiver.url  # the last good one stays


def test_the_whole_story_is_told_in_order(dingtalk: Running, official: Official, receiver: Receiver) -> None:
    instance_id = official.create()
    dingtalk.decide(instance_id, remark="好")
    dingtalk.decide(instance_id)
    assert dingtalk.wait_for_callbacks()
    assert receiver.events() == [
        ("bpms_instance_change", "start", "zhangsan"),
        ("bpms_task_change", "start", "wangkai"),
        ("bpms_task_change", "finish", "wangkai"),
        ("bpms_task_change", "start", "sunhui"),
        ("bpms_task_change", "finish", "sunhui"),
        ("bpms_instance_change", "finish", "zhangsan"),
    ]
    start, _, decided, *_, finish = receiver.heard
    assert set(start) == {
        "EventType",
        "EventTime",
        "CorpId",
        "BizId",
        "eventId",
        "processInstanceId",
        "processCode",
        "businessId",
        "bizCategoryId",
        "businessType",
        "title",
        "staffId",
        "url",
        "createTime",
        "type",
    }
    assert (start["processInstanceId"], start["CorpId"]) == (instance_id, dingtalk.corp_id)
    assert start["processCode"] == dingtalk.process_codes["expense"]
    assert start["title"] == "张三提交的差旅报销"
    assert (decided["result"], decided["remark"]) == ("agree", "好")
    assert decided["taskId"] == dingtalk.instance(instance_id)["tasks"][0]["id"]
    assert finish["result"] == "agree"
    assert finish["finishTime"] >= finish["createTime"]
    assert len({event["eventId"] for event in receiver.heard}) == 6
    assert len({event["BizId"] for event in receiver.heard}) == 6


def test_refuse_withdraw_delete_hand_over_and_cancel(
    dingtalk: Running, official: Official, receiver: Receiver
) -> None:
    def story(act: Callable[[str], object], **order: Any) -> list[tuple[Any, ...]]:
        instance_id = official.create(**order)
        assert dingtalk.wait_for_callbacks()
        receiver.heard.clear()
        act(instance_id)
        assert dingtalk.wait_for_callbacks()
        return [
            (event["EventType"].split("_")[1], event["type"], event.get("result"), event["staffId"])
            for event in receiver.heard
        ]

    assert story(lambda instance_id: dingtalk.decide(instance_id, "refuse")) == [
        ("task", "finish", "refuse", "wangkai"),
        ("instance", "finish", "refuse", "zhangsan"),
    ]
    assert story(dingtalk.withdraw) == [("instance", "terminate", None, "zhangsan")]
    assert story(dingtalk.delete) == [("instance", "delete", None, "zhangsan")]
    assert story(lambda instance_id: dingtalk.hand_over(instance_id, "lisiyuan")) == [
        ("task", "finish", "redirect", "wangkai"),
        ("task", "start", None, "lisiyuan"),
    ]
    any_sign = [{"actionType": "OR", "userIds": ["wangkai", "sunhui"]}]
    assert story(lambda instance_id: dingtalk.decide(instance_id, userid="sunhui"), approvers=any_sign) == [
        ("task", "finish", "agree", "sunhui"),
        ("task", "cancel", None, "wangkai"),
        ("instance", "finish", "agree", "zhangsan"),
    ]


def test_comments_are_told_only_when_asked_for(
    dingtalk: Running, official: Official, receiver: Receiver
) -> None:
    instance_id = official.create()
    dingtalk.comment(instance_id, "sunhui", "一")
    dingtalk.set(comment_events=True)
    dingtalk.comment(instance_id, "sunhui", "二")
    assert dingtalk.wait_for_callbacks()
    assert [event["remark"] for event in receiver.heard if event["type"] == "comment"] == ["二"]


def test_people_come_and_go(dingtalk: Running, receiver: Receiver) -> None:
    dingtalk.control("PUT", "/users/newbie", {"name": "新人", "dept_id": 10})
    dingtalk.control("PUT", "/users/newbie", {"name": "新人", "dept_id": 20})
    dingtalk.leave("newbie")
    assert dingtalk.wait_for_callbacks()
    kinds = {(event["EventType"], tuple(event["userId"])) for event in receiver.heard}
    assert kinds == {
        ("user_add_org", ("newbie",)),
        ("user_modify_org", ("newbie",)),
        ("user_leave_org", ("newbie",)),
    }


def test_a_failed_push_is_tried_again(dingtalk: Running, official: Official, receiver: Receiver) -> None:
    dingtalk.set(retry_after_s=[0.01, 0.02])
    receiver.failures = 2  # one of each event, or two of one
    instance_id = official.create()
    assert dingtalk.wait_for_callbacks(retries=True)
    assert sorted(receiver.events()) == [
        ("bpms_instance_change", "start", "zhangsan"),
        ("bpms_task_change", "start", "wangkai"),
    ]
    events = dingtalk.events(instance_id=instance_id)
    assert {event["fate"] for event in events} == {"delivered"}
    assert sum(event["attempts"].count("HTTP 500") for event in events) == 2


def test_given_up_events_are_in_the_failed_list_once(
    dingtalk: Running, official: Official, receiver: Receiver
) -> None:
    dingtalk.set(retry_after_s=[0.01, 0.01])
    dingtalk.spoil_callbacks(door_is_open=False)
    instance_id = official.create()
    assert dingtalk.wait_for_callbacks(retries=True)
    assert receiver.heard == []
    url = f"{dingtalk.oapi_base_url}/call_back/get_call_back_failed_result?access_token={official.token}"
    listed = json.loads(official.http.request("GET", url).data)
    assert (listed["errcode"], listed["has_more"]) == (0, False)
    rows = {row["call_back_tag"]: row for row in listed["failed_list"]}
    inner = rows["bpms_instance_change"]["bpms_instance_change"]
    assert inner["corpid"] == dingtalk.corp_id
    assert (inner["bpmsCallBackData"]["processInstanceId"], inner["bpmsCallBackData"]["type"]) == (
        instance_id,
        "start",
    )
    assert [len(event["attempts"]) for event in dingtalk.events(instance_id=instance_id)] == [3, 3]
    assert json.loads(official.http.request("GET", url).data)["failed_list"] == []


def test_what_was_still_to_be_told_again_is_forgotten_with_its_paper(
    dingtalk: Running, official: Official, receiver: Receiver
) -> None:
    dingtalk.set(retry_after_s=[0.2])
    dingtalk.spoil_callbacks(door_is_open=False)
    official.create()
    assert dingtalk.wait_for_callbacks()  # each was tried, and sleeps until its retry
    dingtalk.reset()
    time.sleep(0.4)
    assert dingtalk.wait_for_callbacks(retries=True)
    assert (receiver.heard, dingtalk.events()) == ([], [])


def test_the_new_failed_list(dingtalk: Running, official: Official, receiver: Receiver) -> None:
    dingtalk.set(retry_after_s=[])
    dingtalk.spoil_callbacks(door_is_open=False)
    instance_id = official.create()
    assert dingtalk.wait_for_callbacks(retries=True)
    now = int(time.time() * 1000)
    request = event_models.GetCallBackFaileResultRequest(begin_time=now - 60_000, end_time=now + 60_000)
    body = official.call(official.event, event_models, "GetCallBackFaileResult", request)
    assert [row.call_back_tag for row in body.failed_list] == ["bpms_instance_change", "bpms_task_change"]
    assert json.loads(body.failed_list[0].call_back_data)["processInstanceId"] == instance_id
    assert body.has_more is False


def test_dropped_events_are_lost_for_good(dingtalk: Running, official: Official, receiver: Receiver) -> None:
    dingtalk.spoil_callbacks(drop_next=1)
    instance_id = official.create()
    assert dingtalk.wait_for_callbacks(retries=True)
    assert receiver.events() == [("bpms_task_change", "start", "wangkai")]
    assert [event["fate"] for event in dingtalk.events(instance_id=instance_id)] == ["dropped", "delivered"]


def test_repeats_carry_the_same_event_id(dingtalk: Running, official: Official, receiver: Receiver) -> None:
    dingtalk.spoil_callbacks(repeat=2)
    official.create()
    assert dingtalk.wait_for_callbacks()
    ids = [event["eventId"] for event in receiver.heard]
    assert len(ids) == 6
    assert len(set(ids)) == 2
    dingtalk.spoil_callbacks(repeat=0)
    dingtalk.resend(ids[0])
    assert dingtalk.wait_for_callbacks(retries=True)
    assert receiver.heard[-1]["eventId"] == ids[0]


def test_events_overtake_each_other(dingtalk: Running, official: Official, receiver: Receiver) -> None:
    dingtalk.spoil_callbacks(reorder_fraction=1.0)
    official.create()
    assert dingtalk.wait_for_callbacks()
    assert [kind for kind, _, _ in receiver.events()] == ["bpms_task_change", "bpms_instance_change"]


def test_delays(dingtalk: Running, official: Official, receiver: Receiver) -> None:
    dingtalk.spoil_callbacks(delay_s=0.05)
    began = time.monotonic()
    official.create()
    assert time.monotonic() - began < 0.05 or receiver.heard == []
    assert dingtalk.wait_for_callbacks()
    assert time.monotonic() - began >= 0.1


def test_a_slow_receiver_counts_as_none(dingtalk: Running, httpserver: HTTPServer) -> None:
    def sleep(request: Request) -> Response:
        time.sleep(0.2)
        return Response("{}")

    httpserver.expect_request("/slow").respond_with_handler(sleep)
    dingtalk.set(callback_timeout_s=0.05)
    assert "no answer within" in dingtalk.set_callback(httpserver.url_for("/slow"))


def test_without_an_address_nobody_is_told(dingtalk: Running, official: Official) -> None:
    instance_id = official.create()
    assert {event["fate"] for event in dingtalk.events(instance_id=instance_id)} == {"unheard"}


def test_the_old_way_seals_for_the_corp(dingtalk: Running, httpserver: HTTPServer) -> None:
    receiver = Receiver(dingtalk, httpserver, owner_key=dingtalk.corp_id)
    assert dingtalk.set_callback(receiver.url, owner_key=dingtalk.corp_id) == "success"
    with pytest.raises(CryptoError):
        CallbackCrypto(dingtalk.token, dingtalk.aes_key, dingtalk.app_key).decrypt(
            receiver.crypto.encrypt("x")
        )


def test_any_event_can_be_invented(dingtalk: Running, receiver: Receiver) -> None:
    dingtalk.control("POST", "/events", {"kind": "moon_landing", "fields": {"x": 1}})
    assert dingtalk.wait_for_callbacks()
    assert [(event["EventType"], event["x"]) for event in receiver.heard] == [("moon_landing", 1)]


def test_many_instances_are_told_at_once_each_in_order(
    dingtalk: Running, official: Official, receiver: Receiver
) -> None:
    made = [official.create(number=str(place)) for place in range(20)]
    for instance_id in made:
        dingtalk.decide(instance_id, "refuse")
    assert dingtalk.wait_for_callbacks()
    for instance_id in made:
        told = [event["type"] for event in receiver.heard if event["processInstanceId"] == instance_id]
        assert told == ["start", "start", "finish", "finish"]
