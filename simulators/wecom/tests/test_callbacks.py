"""Pushes against a small real receiver with an app's own ways of answering."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from simulators.wecom.testing import ControlError, Running
from simulators.wecom.tests.client import Api, report, through
from simulators.wecom.tests.receiver import Receiver, shape

VECTORS = json.loads((Path(__file__).parent / "callback_vectors.json").read_text("utf-8"))
DOCUMENTED = {vector["name"]: vector["plaintext"] for vector in VECTORS["request_vectors"]}


def test_an_address_must_give_the_bare_echostr_back(wecom: Running, httpserver: HTTPServer) -> None:
    receiver = Receiver(wecom, httpserver)
    assert wecom.set_callback(receiver.url) == "success"
    for wrapping in ('"', "\n", "\ufeff"):
        receiver.wrapping = wrapping
        assert "not the bare echostr" in wecom.set_callback(receiver.url)
    httpserver.expect_request("/gone").respond_with_data("", status=404)
    assert "HTTP 404" in wecom.set_callback(httpserver.url_for("/gone"))
    assert "no answer" in wecom.set_callback("http://127.0.0.1:9/")
    assert wecom.control("GET", "/callback")["url"] == receiver.url  # the last good one stays


def test_an_address_has_a_second(wecom: Running, httpserver: HTTPServer) -> None:
    def slowly(request: Request) -> Response:
        time.sleep(0.1)
        return Response("1")

    httpserver.expect_request("/slow").respond_with_handler(slowly)
    wecom.set(verify_timeout_s=0.05)
    assert "no answer within" in wecom.set_callback(httpserver.url_for("/slow"))


def test_a_key_of_the_wrong_length_is_refused(wecom: Running) -> None:
    with pytest.raises(ControlError, match="43"):
        wecom.set_callback("http://127.0.0.1:9/", aes_key="short")


def test_the_whole_story_is_told_in_order(wecom: Running, api: Api, receiver: Receiver) -> None:
    sp_no = api.apply()
    wecom.decide(sp_no, remark="好")
    wecom.comment(sp_no, "zhangsan", "补充了发票")
    wecom.urge(sp_no)
    wecom.decide(sp_no)
    wecom.withdraw(sp_no)
    assert wecom.wait_for_callbacks()
    assert receiver.changes() == [(1, 1), (2, 1), (10, 1), (5, 1), (2, 2), (8, 6)]
    first = receiver.heard()[0]
    assert first.findtext("ToUserName") == wecom.corp_id
    assert (first.findtext("FromUserName"), first.findtext("MsgType")) == ("sys", "event")
    assert (first.findtext("Event"), first.findtext("AgentID")) == ("sys_approval_change", "3010040")
    assert first.findtext("ApprovalInfo/SpNoStr") == sp_no
    assert first.findtext("ApprovalInfo/Applyer/UserId") == "zhangsan"
    assert "BX202611" not in receiver.texts[0]  # the form's values are not told
    envelope, query = receiver.envelopes[0], receiver.queries[0]
    assert (envelope["ToUserName"], envelope["AgentID"]) == (wecom.corp_id, str(wecom.agent_id))
    assert set(query) == {"msg_signature", "timestamp", "nonce"}


@pytest.mark.parametrize(
    ("act", "change"),
    [
        (lambda wecom, sp_no: wecom.decide(sp_no, "reject"), (3, 3)),
        (lambda wecom, sp_no: wecom.withdraw(sp_no), (6, 4)),
        (lambda wecom, sp_no: wecom.hand_over(sp_no, "lisiyuan"), (4, 1)),
        (lambda wecom, sp_no: wecom.add_signer(sp_no, "lisiyuan", after=False), (12, 1)),
        (lambda wecom, sp_no: wecom.add_signer(sp_no, "lisiyuan", after=True), (13, 1)),
    ],
)
def test_each_deed_has_its_number(
    wecom: Running, api: Api, receiver: Receiver, act: object, change: tuple[int, int]
) -> None:
    sp_no = api.apply()
    assert callable(act)
    act(wecom, sp_no)
    assert wecom.wait_for_callbacks()
    assert receiver.changes() == [(1, 1), change]


def test_returned_handled_and_forwarded(wecom: Running, api: Api, receiver: Receiver) -> None:
    sp_no = api.apply(**through((1, 2, ["wangkai"]), (1, 2, ["sunhui"]), (3, 2, ["qianwei"])))
    wecom.decide(sp_no)
    wecom.send_back(sp_no, 0)
    wecom.decide(sp_no)
    wecom.decide(sp_no)
    wecom.hand_over(sp_no, "zhaomin")
    wecom.decide(sp_no)
    assert wecom.wait_for_callbacks()
    assert receiver.changes() == [(1, 1), (2, 1), (11, 1), (2, 1), (2, 1), (15, 1), (14, 2)]


def test_paid_and_deleted_are_not_told(wecom: Running, api: Api, receiver: Receiver) -> None:
    paid, deleted = api.apply(**through((1, 2, ["wangkai"]))), api.apply()
    wecom.decide(paid)
    assert wecom.wait_for_callbacks()
    before = len(receiver.texts)
    wecom.pay(paid)
    wecom.delete(deleted)
    assert wecom.wait_for_callbacks()
    assert len(receiver.texts) == before


def test_what_is_pushed_has_the_documented_shape(wecom: Running, api: Api, receiver: Receiver) -> None:
    nodes = through((1, 2, ["lisiyuan"]), (2, 1, ["zhaomin"]))
    # The documented samples show no copy among the nodes, only among those told of it.
    sp_no = api.apply(**nodes)
    wecom.comment(sp_no, "zhangsan", "补充了发票")
    assert wecom.wait_for_callbacks()
    node = "/ApprovalInfo/ProcessList/NodeList"
    copies = [path for path in shape(receiver.texts[0]) if path.startswith(node)]
    assert copies[: len(copies) // 2] == copies[len(copies) // 2 :]
    for text, name in zip(receiver.texts, ("sys_approval_submit", "sys_approval_comment"), strict=True):
        told = shape(text)
        second = told.index(node, told.index(node) + 1)
        del told[second : second + len(copies) // 2]
        assert told == shape(DOCUMENTED[name])


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("event_page", "open_approval_approved_spelling_of_event_page"),
        ("engine_page", "open_approval_rejected_spelling_of_engine_page"),
    ],
)
def test_both_spellings_of_the_engines_event(
    wecom: Running, receiver: Receiver, spelling: str, name: str
) -> None:
    wecom.set(engine_spelling=spelling)
    flow = [
        {"kind": "users", "user_ids": ["lisiyuan"]},
        {"kind": "users", "type": 2, "user_ids": ["zhaomin"]},
    ]
    wecom.control("PUT", f"/templates/{wecom.facts['engine_template_ids']['expense']}", {"flow": flow})
    wecom.start_engine("BX-1", "zhangsan")
    wecom.decide("BX-1")
    assert wecom.wait_for_callbacks()
    assert [row.findtext("ApprovalInfo/OpenSpStatus") for row in receiver.heard()] == ["1", "2"]
    assert shape(receiver.texts[-1]) == shape(DOCUMENTED[name])
    assert receiver.heard()[0].findtext("AgentID") == str(wecom.agent_id)


def test_silence_is_retried_three_times_a_bad_status_never(
    wecom: Running, api: Api, receiver: Receiver
) -> None:
    wecom.spoil_callbacks(door_is_open=False)
    api.apply()
    assert wecom.wait_for_callbacks(retries=True)
    (event,) = wecom.events("sys_approval_change")
    assert (event["fate"], len(event["attempts"])) == ("failed", 4)
    wecom.spoil_callbacks(door_is_open=True)
    receiver.failures = 1
    api.apply()
    assert wecom.wait_for_callbacks(retries=True)
    event = wecom.events("sys_approval_change")[-1]
    assert (event["fate"], event["attempts"]) == ("failed", ["HTTP 500"])
    wecom.set(retry_on_bad_status=True)
    receiver.failures = 1
    api.apply()
    assert wecom.wait_for_callbacks(retries=True)
    event = wecom.events("sys_approval_change")[-1]
    assert (event["fate"], event["attempts"]) == ("delivered", ["HTTP 500", "success"])
    assert receiver.changes() == [(1, 1)]


def test_a_retry_says_the_same_again(wecom: Running, api: Api, receiver: Receiver) -> None:
    sp_no = api.apply()
    assert wecom.wait_for_callbacks()
    (event,) = wecom.events(instance_id=sp_no)
    wecom.resend(event["id"], times=2)
    assert wecom.wait_for_callbacks(retries=True)
    assert len(receiver.texts) == 3
    assert len(set(receiver.texts)) == 1


def test_repeats_drops_and_reordering(wecom: Running, api: Api, receiver: Receiver) -> None:
    wecom.spoil_callbacks(repeat=1)
    api.apply()
    assert wecom.wait_for_callbacks()
    assert receiver.changes() == [(1, 1), (1, 1)]
    wecom.spoil_callbacks(repeat=0, drop_next=1)
    sp_no = api.apply()
    assert wecom.wait_for_callbacks()
    assert len(receiver.texts) == 2
    assert wecom.events(instance_id=sp_no)[0]["fate"] == "dropped"
    receiver.texts.clear()
    wecom.spoil_callbacks(reorder_fraction=1.0)
    sp_no = api.apply()
    wecom.decide(sp_no)
    assert wecom.wait_for_callbacks()
    assert receiver.changes() == [(2, 1), (1, 1)]


def test_the_news_comes_before_the_answer(wecom: Running, api: Api, receiver: Receiver) -> None:
    heard_when_answered = []
    wecom.fault("late_answer", "/cgi-bin/oa/applyevent", seconds=0.2, times=1)
    answer = api.post("/oa/applyevent", report(wecom))
    heard_when_answered += receiver.changes()
    assert answer["errcode"] == 0
    assert heard_when_answered == [(1, 1)]


def test_the_directory_is_told_to_the_assistant_alone(
    wecom: Running, receiver: Receiver, httpserver: HTTPServer
) -> None:
    assistant = Receiver(wecom, httpserver, "contacts")
    assert wecom.set_callback(assistant.url, kind="contacts") == "success"
    wecom.control("PUT", "/users/newbie", {"name": "新人", "department": [11]})
    wecom.control("PUT", "/departments/11", {"parentid": 20})
    wecom.leave("xujia")
    assert wecom.wait_for_callbacks()
    told = [
        (row.findtext("ChangeType"), row.findtext("UserID") or row.findtext("Id"))
        for row in assistant.heard()
    ]
    assert told == [("create_user", "newbie"), ("update_party", "11"), ("delete_user", "xujia")]
    # Ids only, for addresses saved after 2022-08-15.
    assert shape(assistant.texts[1]) == shape(DOCUMENTED["contact_update_party"])
    assert assistant.heard()[0].findtext("Name") is None
    assert "AgentID" not in assistant.envelopes[0]
    assert receiver.texts == []
    wecom.set(full_contact_events=True)
    wecom.control("PUT", "/users/newbie", {"name": "新人", "department": [20], "mobile": "139"})
    assert wecom.wait_for_callbacks()
    last = assistant.heard()[-1]
    assert (last.findtext("ChangeType"), last.findtext("Mobile")) == ("update_user", "139")


def test_anything_at_all_can_be_pushed(wecom: Running, receiver: Receiver) -> None:
    wecom.control("POST", "/events", {"kind": "enter_agent", "from_user": "lisi", "fields": {"EventKey": ""}})
    assert wecom.wait_for_callbacks()
    assert receiver.heard()[0].findtext("Event") == "enter_agent"


def test_nobody_listening(wecom: Running, api: Api) -> None:
    api.apply()
    assert wecom.events()[0]["fate"] == "unheard"
