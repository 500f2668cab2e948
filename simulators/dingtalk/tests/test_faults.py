from __future__ import annotations

import time

import pytest
import urllib3
from Tea.exceptions import UnretryableException

from simulators.dingtalk.testing import ControlError, Running, running
from simulators.dingtalk.tests.official import Official, report

CREATE = "/v1.0/workflow/processInstances"


def code_of(official: Official) -> tuple[str, int]:
    with pytest.raises(UnretryableException) as error:
        official.create()
    return error.value.code, error.value.data["statusCode"]


def test_the_next_calls_fail_and_then_no_more(dingtalk: Running, official: Official) -> None:
    dingtalk.fault("server_error", CREATE, times=2)
    assert code_of(official) == ("systemError", 500)
    assert code_of(official) == ("systemError", 500)
    assert dingtalk.instances() == []
    official.create()
    assert len(dingtalk.instances()) == 1


def test_the_vendors_own_words(dingtalk: Running, official: Official) -> None:
    official.token  # noqa: B018 - fetched before things go wrong
    dingtalk.fault("rate_limit")
    assert code_of(official) == ("Forbidden.AccessDenied.QpsLimitForAppkeyAndApi", 403)
    assert official.old("/topapi/v2/user/get", userid="zhangsan")["errcode"] == 90018
    dingtalk.clear_faults()
    dingtalk.fault("server_error", "/topapi/*")
    assert official.old("/topapi/v2/user/get", userid="zhangsan")["errcode"] == -1
    official.create()


@pytest.mark.parametrize(("more", "status"), [({}, 200), ({"status": 420}, 420)])
def test_html_where_json_was_expected(
    dingtalk: Running, official: Official, more: dict[str, int], status: int
) -> None:
    dingtalk.fault("html_page", CREATE, **more)
    url = f"{dingtalk.base_url}{CREATE}"
    answer = official.http.request("POST", url, json=report(dingtalk))
    assert (answer.status, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert answer.data.startswith(b"<!DOCTYPE html>")


def test_a_bad_gateway(dingtalk: Running, official: Official) -> None:
    dingtalk.fault("server_error", CREATE, status=502, times=1)
    answer = official.http.request("POST", f"{dingtalk.base_url}{CREATE}", json={})
    assert (answer.status, answer.headers["content-type"]) == (502, "text/html; charset=utf-8")


def by_hand(official: Official) -> None:
    official.http.request(
        "POST",
        f"{official.dingtalk.base_url}{CREATE}",
        json=report(official.dingtalk),
        headers={"x-acs-dingtalk-access-token": official.token},
    )


def test_the_work_is_done_and_the_answer_lost(dingtalk: Running, official: Official) -> None:
    dingtalk.fault("lost_answer", CREATE, method="POST", times=1)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        by_hand(official)
    (instance,) = dingtalk.instances()
    assert instance["values"]["单号"] == "BX202611-000001"
    assert official.look(instance["id"]).result.status == "RUNNING"
    shown = dingtalk.control("GET", "/calls")
    assert shown["worked"][f"POST {CREATE}"] == 1
    assert [call["outcome"] for call in shown["newest"] if call["path"] == CREATE] == ["lost_answer", "ok"]


def test_hanging_up_does_nothing(dingtalk: Running, official: Official) -> None:
    official.token  # noqa: B018 - fetched before things go wrong
    dingtalk.fault("hang_up", CREATE, times=1)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        by_hand(official)
    assert dingtalk.instances() == []
    by_hand(official)
    assert len(dingtalk.instances()) == 1


def test_a_share_of_calls_is_the_same_for_the_same_seed() -> None:
    def luck(seed: int) -> list[int]:
        with running(seed=seed) as dingtalk:
            official = Official(dingtalk)
            official.token  # noqa: B018
            dingtalk.fault("server_error", "/topapi/*", fraction=0.5)
            return [official.old("/topapi/v2/user/get", userid="zhangsan")["errcode"] for _ in range(24)]

    first = luck(3)
    assert luck(3) == first
    assert luck(4) != first
    assert set(first) == {0, -1}


def test_latency(dingtalk: Running, official: Official) -> None:
    official.token  # noqa: B018
    dingtalk.set(latency_ms=60)
    began = time.monotonic()
    official.create()
    assert 0.06 <= time.monotonic() - began < 1
    dingtalk.set(latency_ms=0)
    dingtalk.fault("slow", CREATE, seconds=0.06, times=1)
    began = time.monotonic()
    official.create()
    assert time.monotonic() - began >= 0.06


def test_calls_are_counted_by_door(dingtalk: Running, official: Official) -> None:
    instance_id = official.create()
    official.look(instance_id)
    official.look(instance_id)
    counts = dingtalk.calls()
    assert counts[f"POST {CREATE}"] == 1
    assert counts[f"GET {CREATE}"] == 2


def test_a_reset_forgets_what_happened_and_keeps_the_company(dingtalk: Running, official: Official) -> None:
    official.create()
    dingtalk.set(latency_ms=5)
    dingtalk.fault("rate_limit")
    dingtalk.reset()
    assert (dingtalk.instances(), dingtalk.calls(), dingtalk.tasks()) == ([], {}, [])
    assert dingtalk.control("GET", "/settings")["latency_ms"] == 0
    official.create()
    assert len(dingtalk.instances()) == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/settings", {"colour": "red"}),
        ("PUT", "/settings", {"latency_ms": "fast"}),
        ("POST", "/faults", {"harm": "earthquake"}),
        ("POST", "/faults", {"harm": "slow", "fraction": 2}),
        ("PUT", "/callback/spoiling", {"delay_s": -1}),
        ("POST", "/instances/nothing/decide", {}),
        ("POST", "/users/nobody/leave", {}),
    ],
)
def test_the_control_door_says_what_is_wrong(
    dingtalk: Running, method: str, path: str, body: dict[str, object]
) -> None:
    with pytest.raises(ControlError):
        dingtalk.control(method, path, body)
