from __future__ import annotations

import time
from typing import Any

import pytest
from Tea.exceptions import UnretryableException

from simulators.dingtalk.testing import Running
from simulators.dingtalk.tests.official import Official

DAY = 24 * 3600 * 1000


def now() -> int:
    return int(time.time() * 1000)


def listed(official: Official, **more: Any) -> Any:
    fields = {
        "processCode": official.dingtalk.process_codes["expense"],
        "startTime": now() - DAY,
        "nextToken": 0,
        "maxResults": 20,
        **more,
    }
    return official.flow(
        "ListProcessInstanceIds", {key: item for key, item in fields.items() if item is not None}
    )


def walked(official: Official, **more: Any) -> list[str]:
    found: list[str] = []
    token = 0
    while True:
        answer = listed(official, nextToken=token, **more)
        found += answer.result.list
        if not answer.result.next_token:
            return found
        token = int(answer.result.next_token)


def test_pages_join_into_the_whole_in_order(official: Official) -> None:
    made = [official.create(number=str(place)) for place in range(45)]
    first = listed(official)
    assert (len(first.result.list), first.result.next_token, first.success) == (20, "20", True)
    assert walked(official) == made
    assert walked(official, maxResults=7) == made


def test_the_window_is_about_the_start(dingtalk: Running, official: Official) -> None:
    made = [official.create()]
    time.sleep(0.002)
    middle = now()
    time.sleep(0.002)
    made.append(official.create())
    assert walked(official, endTime=middle) == made[:1]
    assert walked(official, startTime=middle) == made[1:]
    assert walked(official, startTime=now() + 1000) == []


def test_filters(dingtalk: Running, official: Official) -> None:
    running, agreed, withdrawn = (official.create() for _ in range(3))
    other = official.create(originatorUserId="linxiao", deptId=10)
    dingtalk.decide(agreed)
    dingtalk.decide(agreed)
    dingtalk.withdraw(withdrawn)
    assert walked(official, statuses=["RUNNING"]) == [running, other]
    assert walked(official, statuses=["COMPLETED", "TERMINATED"]) == [agreed, withdrawn]
    assert walked(official, userIds=["linxiao"]) == [other]
    assert walked(official, userIds=["linxiao"], maxResults=1) == [other]


def test_templates_do_not_mix(dingtalk: Running, official: Official) -> None:
    official.create()
    assert walked(official, processCode=dingtalk.process_codes["travel"]) == []


@pytest.mark.parametrize(
    "more",
    [
        {"maxResults": 21},
        {"maxResults": 0},
        {"userIds": ["a"] * 11},
        {"statuses": ["DONE"]},
        {"nextToken": None},
        {"startTime": None},
    ],
    ids=str,
)
def test_wishes_that_are_refused(official: Official, more: dict[str, Any]) -> None:
    with pytest.raises(UnretryableException) as error:
        listed(official, **more)
    assert error.value.code == "invalidParameter"


@pytest.mark.parametrize(
    ("start_days_ago", "end_days_ago"),
    [(121, None), (300, 100), (366, 360), (0, 1)],
)
def test_windows_that_are_refused(official: Official, start_days_ago: int, end_days_ago: int | None) -> None:
    end = None if end_days_ago is None else now() - end_days_ago * DAY
    with pytest.raises(UnretryableException) as error:
        listed(official, startTime=now() - start_days_ago * DAY, endTime=end)
    assert error.value.code == "invalidParameter"


def test_old_windows_with_both_ends(official: Official) -> None:
    assert walked(official, startTime=now() - 360 * DAY, endTime=now() - 250 * DAY) == []


def test_a_deleted_instance_is_in_no_list(dingtalk: Running, official: Official) -> None:
    gone, stays = official.create(), official.create()
    dingtalk.delete(gone)
    assert walked(official) == [stays]


def test_whole_instances_in_pages(dingtalk: Running, official: Official) -> None:
    made = [official.create() for _ in range(3)]
    dingtalk.decide(made[0], "refuse", remark="不行")
    fields = {
        "processCode": dingtalk.process_codes["expense"],
        "startTimeInMills": now() - DAY,
        "maxResults": 2,
    }
    first = official.flow("QueryAllProcessInstances", fields).result
    assert [row.process_instance_id for row in first.list] == made[:2]
    assert (first.has_more, first.next_token) == (True, "2")
    assert (first.list[0].status, first.list[0].result) == ("COMPLETED", "refuse")
    assert first.list[0].operation_records[-1].remark == "不行"
    rest = official.flow("QueryAllProcessInstances", {**fields, "nextToken": first.next_token}).result
    assert [row.process_instance_id for row in rest.list] == made[2:]
    assert rest.has_more is False
