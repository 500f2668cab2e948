from __future__ import annotations

import json
from typing import Any

import pytest
import urllib3

from simulators.feishu.testing import ControlError, Running, running
from simulators.feishu.tests.wire import CREATE, Wire


def test_the_next_calls_fail_and_then_no_more(feishu: Running, wire: Wire) -> None:
    wire.token  # noqa: B018 - fetched before things go wrong
    feishu.fault("server_error", CREATE, times=2)
    for _ in range(2):
        said = wire.post(CREATE, wire.order())
        assert (said.status, said.code) == (400, 1395001)
    assert feishu.instances() == []
    wire.create()
    assert len(feishu.instances()) == 1


def test_other_services_have_other_words(feishu: Running, wire: Wire) -> None:
    wire.token  # noqa: B018
    feishu.fault("server_error", "/open-apis/contact/*")
    said = wire.get("/open-apis/contact/v3/departments/0/children")
    assert (said.status, said.code) == (500, 2200)


@pytest.mark.parametrize(("more", "status"), [({}, 429), ({"status": 400}, 400)])
def test_too_many_calls(feishu: Running, wire: Wire, more: dict[str, Any], status: int) -> None:
    wire.token  # noqa: B018
    feishu.set(ratelimit_reset_s=3)
    feishu.fault("rate_limit", times=1, **more)
    said = wire.post(CREATE, wire.order())
    assert (said.status, said.code) == (status, 99991400)
    assert (said.headers["x-ogw-ratelimit-limit"], said.headers["x-ogw-ratelimit-reset"]) == ("50", "3")
    assert feishu.instances() == []


def test_the_limits_of_the_pages(feishu: Running, wire: Wire) -> None:
    feishu.set(real_limits=True)
    body = {"approval_code": "none"}
    codes = [wire.post(f"{CREATE}/cancel", body) for _ in range(101)]
    assert [one.code for one in codes] == [1390002] * 100 + [99991400]
    assert 55 <= int(codes[-1].headers["x-ogw-ratelimit-reset"]) <= 60


def test_one_limit_for_all_and_the_month(feishu: Running, wire: Wire) -> None:
    wire.token  # noqa: B018
    feishu.set(qps=2)
    assert [wire.get(f"{CREATE}/none").code for _ in range(3)] == [1390003, 1390003, 99991400]
    feishu.set(qps=None, monthly_quota=0)
    assert wire.get(f"{CREATE}/none").code == 99991403


def test_html_where_json_was_expected(feishu: Running, wire: Wire) -> None:
    feishu.fault("html_page", CREATE)
    answer = wire.http.request("POST", f"{feishu.base_url}{CREATE}", body=b"{}")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    feishu.clear_faults()
    feishu.fault("server_error", CREATE, status=502, times=1)
    answer = wire.http.request("POST", f"{feishu.base_url}{CREATE}", body=b"{}")
    assert (answer.status, answer.headers["content-type"]) == (502, "text/html; charset=utf-8")


def test_the_work_is_done_and_the_answer_lost(feishu: Running, wire: Wire) -> None:
    wire.token  # noqa: B018
    feishu.fault("lost_answer", CREATE, method="POST", times=1)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        wire.post(CREATE, wire.order(uuid="BX202611-000001"))
    # What was lost is found by our own number; asking again is refused and makes no second one.
    assert wire.look("BX202611-000001")["status"] == "PENDING"
    assert wire.post(CREATE, wire.order(uuid="BX202611-000001")).code == 60012
    assert len(feishu.instances()) == 1
    assert feishu.control("GET", "/calls")["worked"][f"POST {CREATE}"] == 1


def test_hanging_up_does_nothing(feishu: Running, wire: Wire) -> None:
    wire.token  # noqa: B018
    feishu.fault("hang_up", CREATE, times=1)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        wire.post(CREATE, wire.order())
    assert feishu.instances() == []
    wire.create()


def test_a_share_of_calls_is_the_same_for_the_same_seed() -> None:
    def luck(seed: int) -> list[int]:
        with running(seed=seed) as feishu:
            wire = Wire(feishu)
            wire.token  # noqa: B018
            feishu.fault("server_error", "/open-apis/approval/*", fraction=0.5)
            return [wire.get(f"{CREATE}/none").code for _ in range(24)]

    first = luck(3)
    assert luck(3) == first
    assert luck(4) != first
    assert set(first) == {1390003, 1395001}


def test_bodies_and_paths_that_make_no_sense(feishu: Running, wire: Wire) -> None:
    headers = {"authorization": f"Bearer {wire.token}"}
    answer = wire.http.request("POST", f"{feishu.base_url}{CREATE}", body=b"{", headers=headers)
    assert (answer.status, json.loads(answer.data)["code"]) == (400, 9499)
    answer = wire.http.request("GET", f"{feishu.base_url}/open-apis/nothing/v1", headers=headers)
    assert (answer.status, answer.data) == (404, b"404 page not found")


def test_a_reset_forgets_what_happened_and_keeps_the_company(feishu: Running, wire: Wire) -> None:
    wire.create(uuid="again")
    feishu.subscribe()
    feishu.set(latency_ms=5)
    feishu.fault("rate_limit")
    feishu.reset()
    assert (feishu.instances(), feishu.calls(), feishu.tasks()) == ([], {}, [])
    assert feishu.control("GET", "/settings")["latency_ms"] == 0
    assert len(feishu.control("GET", "/subscriptions")["approval_codes"]) == 2
    wire.create(uuid="again")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/settings", {"colour": "red"}),
        ("PUT", "/settings", {"latency_ms": "fast"}),
        ("POST", "/faults", {"harm": "earthquake"}),
        ("POST", "/faults", {"harm": "slow", "fraction": 2}),
        ("PUT", "/callback/spoiling", {"delay_s": -1}),
        ("PUT", "/subscriptions", {"approval_codes": ["none"]}),
        ("PUT", "/templates/expense", {"widgets": [{"type": "odd", "name": "x"}]}),
        ("PUT", "/templates/expense", {"flow": [{"kind": "users", "mode": "MAYBE"}]}),
        ("POST", "/instances/nothing/decide", {}),
        ("POST", "/users/nobody/leave", {}),
        ("DELETE", "/departments/D10", {}),
    ],
)
def test_the_control_door_says_what_is_wrong(
    feishu: Running, method: str, path: str, body: dict[str, object]
) -> None:
    with pytest.raises(ControlError):
        feishu.control(method, path, body)
