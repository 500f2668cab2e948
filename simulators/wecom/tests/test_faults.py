from __future__ import annotations

import json
import time

import pytest
import urllib3

from simulators.wecom.testing import ControlError, Running, running
from simulators.wecom.tests.client import Api, report

APPLY = "/cgi-bin/oa/applyevent"


def apply(api: Api) -> int:
    return int(api.post("/oa/applyevent", report(api.wecom))["errcode"])


def test_the_next_calls_fail_and_then_no_more(wecom: Running, api: Api) -> None:
    wecom.fault("server_error", APPLY, times=2)
    assert [apply(api), apply(api)] == [-1, -1]
    assert wecom.instances() == []
    assert apply(api) == 0
    assert len(wecom.instances()) == 1


@pytest.mark.parametrize("errcode", [45033, 301057, 301026, 620004])
def test_the_vendors_own_words(wecom: Running, api: Api, errcode: int) -> None:
    assert api.token
    wecom.fault("rate_limit", APPLY, times=1)
    wecom.fault("server_error", APPLY, times=1, status=errcode)
    assert [apply(api), apply(api), apply(api)] == [45009, errcode, 0]


def test_html_where_json_was_expected(wecom: Running, api: Api) -> None:
    assert api.token
    wecom.fault("html_page", APPLY, times=1)
    wecom.fault("server_error", APPLY, status=502, times=1)
    for status in (200, 502):
        answer = api.raw("POST", "/oa/applyevent", {}, json.dumps(report(wecom)).encode())
        assert (answer.status, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert wecom.instances() == []


@pytest.mark.parametrize(("harm", "forms"), [("lost_answer", 1), ("hang_up", 0)])
def test_the_line_goes_dead(wecom: Running, api: Api, harm: str, forms: int) -> None:
    assert api.token
    wecom.fault(harm, APPLY, times=1)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        apply(api)
    assert len(wecom.instances()) == forms


def test_tokens_end_in_mid_flight(wecom: Running, api: Api) -> None:
    assert apply(api) == 0
    wecom.expire_tokens()
    assert apply(api) == 42001
    assert Api(wecom).token != api.token
    assert apply(Api(wecom)) == 0


def test_limits_per_minute_and_the_penalty(wecom: Running, api: Api) -> None:
    wecom.set(approval_per_minute=2, penalty_s=0.1)
    assert [apply(api) for _ in range(4)] == [0, 0, 45009, 45009]
    assert api.get("/department/list")["errcode"] == 0  # each API counts for itself
    time.sleep(0.12)
    assert apply(api) == 0
    wecom.set(per_minute=1)
    assert [api.get("/user/get", userid="sunhui")["errcode"] for _ in range(2)] == [0, 45009]


def test_a_share_of_calls_is_the_same_for_the_same_seed() -> None:
    def luck(seed: int) -> list[int]:
        with running(seed=seed) as wecom:
            api = Api(wecom)
            assert api.token
            wecom.fault("server_error", "/cgi-bin/user/*", fraction=0.5)
            return [api.get("/user/get", userid="zhangsan")["errcode"] for _ in range(24)]

    first = luck(3)
    assert luck(3) == first
    assert luck(4) != first
    assert set(first) == {0, -1}


def test_latency(wecom: Running, api: Api) -> None:
    assert api.token
    wecom.set(latency_ms=60)
    began = time.monotonic()
    assert apply(api) == 0
    assert 0.06 <= time.monotonic() - began < 2


def test_calls_are_counted_and_a_reset_forgets(wecom: Running, api: Api) -> None:
    sp_no = api.apply()
    api.info(sp_no)
    assert wecom.calls()[f"POST {APPLY}"] == 1
    wecom.set(latency_ms=5)
    wecom.fault("rate_limit")
    wecom.reset()
    assert (wecom.instances(), wecom.calls(), wecom.tasks(), wecom.messages()) == ([], {}, [], [])
    assert wecom.control("GET", "/settings")["latency_ms"] == 0
    assert api.apply() == str(int(sp_no) + 1)  # a number is not given out twice


@pytest.mark.parametrize("body", [b"{", b"[]", b"<xml/>"])
def test_bodies_that_are_no_json(api: Api, body: bytes) -> None:
    for path, errcode in (("/oa/applyevent", 301025), ("/message/send", 40058)):
        answer = api.raw("POST", path, {}, body)
        assert (answer.status, json.loads(answer.data)["errcode"]) == (200, errcode)


def test_paths_that_are_none(api: Api) -> None:
    assert api.get("/oa/withdraw")["errcode"] == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/settings", {"colour": "red"}),
        ("PUT", "/settings", {"latency_ms": "fast"}),
        ("PUT", "/settings", {"trusted_ip": 1}),
        ("PUT", "/settings", {"engine_spelling": "poem"}),
        ("POST", "/faults", {"harm": "earthquake"}),
        ("POST", "/faults", {"harm": "slow", "fraction": 2}),
        ("PUT", "/callback/spoiling", {"delay_s": -1}),
        ("PUT", "/callback", {"url": "http://x", "kind": "poem"}),
        ("POST", "/instances/nothing/decide", {}),
        ("POST", "/users/nobody/leave", {}),
        ("POST", "/messages/nothing/click", {"userid": "zhangsan", "key": "x"}),
        ("POST", "/codes", {"userid": "nobody"}),
    ],
)
def test_the_control_door_says_what_is_wrong(
    unharmed: Api, method: str, path: str, body: dict[str, object]
) -> None:
    with pytest.raises(ControlError):
        unharmed.wecom.control(method, path, body)
