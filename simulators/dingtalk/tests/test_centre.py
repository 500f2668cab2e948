"""流程中心, judged by the vendor's own SDK: a flow of the app's own, shown in DingTalk."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from Tea.exceptions import UnretryableException
from werkzeug import Request, Response

from simulators.dingtalk.testing import ControlError, Running
from simulators.dingtalk.tests.official import Official
from simulators.dingtalk.tests.test_pages import click, get

PAGE = "https://expense.example.com/reports/1"
COMPONENTS = [
    {"componentType": "TextField", "props": {"label": "单号", "componentId": "no", "required": True}},
    {"componentType": "MoneyField", "props": {"label": "金额（元）", "bizAlias": "total"}},
    {
        "componentType": "TableField",
        "props": {"label": "费用明细"},
        "children": [{"componentType": "TextField", "props": {"label": "费用类型"}}],
    },
]


def template(official: Official, *features: dict[str, Any], **more: Any) -> str:
    fields = {
        "name": "差旅报销（行资）",
        "description": "自有流程",
        "formComponents": COMPONENTS,
        "processFeatureConfig": {"features": list(features)},
        **more,
    }
    return str(official.flow("SaveProcess", fields).result.process_code)


def create(official: Official, code: str, **more: Any) -> str:
    fields = {
        "processCode": code,
        "originatorUserId": "zhangsan",
        "title": "张三的差旅报销",
        "url": PAGE,
        "formComponentValueList": [
            {"name": "单号", "value": "BX202611-000001"},
            {"bizAlias": "total", "value": "1448.50"},
            {"name": "费用明细", "value": '[[{"name":"费用类型","value":"机票"}]]'},
        ],
        **more,
    }
    return str(official.flow("SaveIntegratedInstance", fields).result.process_instance_id)


def ask(
    official: Official, instance_id: str, *userids: str, activity: str = "item-1", **more: Any
) -> list[int]:
    tasks = [{"userId": userid, "url": f"{PAGE}?who={userid}", **more} for userid in userids]
    fields = {"processInstanceId": instance_id, "activityId": activity, "tasks": tasks}
    body = official.flow("CreateIntegratedTask", fields)
    assert [row.user_id for row in body.result] == list(userids)
    assert body.success is True
    return [int(row.task_id) for row in body.result]


def close(official: Official, instance_id: str, task_id: int, result: str = "AGREE") -> None:
    tasks = [{"taskId": task_id, "status": "COMPLETED", "result": result}]
    fields = {"processInstanceId": instance_id, "tasks": tasks}
    assert official.flow("UpdateIntegratedTask", fields).success is True


def finish(official: Official, instance_id: str, status: str = "COMPLETED", result: str = "agree") -> None:
    fields = {"processInstanceId": instance_id, "status": status, "result": result}
    assert official.flow("UpdateProcessInstance", fields).success is True


def desk(official: Official, userid: str, **query: Any) -> Any:
    fields = {"userId": userid, "pageNumber": 1, "pageSize": 40, **query}
    return official.flow("QueryIntegratedTodoTask", fields).result


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(UnretryableException) as caught:
        act()
    return str(caught.value.code)


# Shown and brought up to date.


def test_a_flow_of_the_apps_own_from_start_to_end(dingtalk: Running, official: Official) -> None:
    instance_id = create(
        official, template(official), notifiers=[{"userid": "qianwei", "position": "finish"}]
    )
    (first,) = ask(official, instance_id, "wangkai")
    (waiting,) = desk(official, "wangkai").list
    assert (waiting.task_id, waiting.activity_id, waiting.status) == (first, "item-1", "RUNNING")
    assert (waiting.process_instance_id, waiting.user_id) == (instance_id, "wangkai")
    close(official, instance_id, first)
    assert desk(official, "wangkai").list == []
    (second,) = ask(official, instance_id, "sunhui", activity="item-2")
    close(official, instance_id, second, "REFUSE")
    assert "张三的差旅报销" not in get(official, "/u/qianwei?tab=copied")
    finish(official, instance_id, result="refuse")
    (kept,) = dingtalk.centre_instances()
    assert (kept["status"], kept["result"], kept["url"]) == ("COMPLETED", "refuse", PAGE)
    assert kept["values"]["金额（元）"] == "1448.50"
    assert [(task["userid"], task["status"], task["result"]) for task in kept["tasks"]] == [
        ("wangkai", "COMPLETED", "AGREE"),
        ("sunhui", "COMPLETED", "REFUSE"),
    ]
    assert "张三的差旅报销" in get(official, "/u/qianwei?tab=copied")


def test_tasks_of_a_node_are_cancelled_together(dingtalk: Running, official: Official) -> None:
    instance_id = create(official, template(official))
    ask(official, instance_id, "wangkai", "lisiyuan", activity="any-sign")
    ask(official, instance_id, "sunhui", activity="next")
    fields = {"processInstanceId": instance_id, "activityId": "any-sign"}
    assert official.flow("CancelIntegratedTask", fields).success is True
    assert [task["userid"] for task in dingtalk.centre_tasks()] == ["sunhui"]
    assert {task["status"] for task in dingtalk.centre_instances()[0]["tasks"][:2]} == {"CANCELED"}


def test_what_is_closed_stays_as_it_was_closed(dingtalk: Running, official: Official) -> None:
    instance_id = create(official, template(official))
    (task,) = ask(official, instance_id, "wangkai")
    close(official, instance_id, task, "AGREE")
    close(official, instance_id, task, "REFUSE")
    finish(official, instance_id, "TERMINATED")
    finish(official, instance_id, "COMPLETED", "refuse")
    (kept,) = dingtalk.centre_instances()
    assert (kept["status"], kept["result"], kept["tasks"][0]["result"]) == ("TERMINATED", "agree", "AGREE")


def test_instances_end_many_at_once_or_none(dingtalk: Running, official: Official) -> None:
    code = template(official)
    made = [create(official, code) for _ in range(3)]
    rows = [{"processInstanceId": one, "status": "COMPLETED", "result": "agree"} for one in made]
    wrong = [*rows, {"processInstanceId": "nobody", "status": "COMPLETED", "result": "agree"}]

    def end(rows: list[dict[str, Any]]) -> Any:
        return official.flow("BatchUpdateProcessInstance", {"updateProcessInstanceRequests": rows})

    assert refused(lambda: end(wrong)) == "process.inst.notExist"
    assert {row["status"] for row in dingtalk.centre_instances()} == {"RUNNING"}
    assert end(rows).success is True
    assert {row["status"] for row in dingtalk.centre_instances()} == {"COMPLETED"}


def test_the_desk_comes_in_pages(official: Official) -> None:
    instance_id = create(official, template(official))
    for place in range(3):
        ask(official, instance_id, "wangkai", activity=f"item-{place}")
    first = desk(official, "wangkai", pageSize=2)
    assert (first.has_more, [row.activity_id for row in first.list]) == (True, ["item-0", "item-1"])
    second = desk(official, "wangkai", pageSize=2, pageNumber=2)
    assert (second.has_more, [row.activity_id for row in second.list]) == (False, ["item-2"])
    assert refused(lambda: desk(official, "wangkai", pageSize=41)) == "integrated.params.error"
    status, answer = official.new(
        "GET", "/v1.0/workflow/processCentres/todoTasks?userId=wangkai&pageNumber=1&pageSize=1"
    )
    # The page of the documentation has it under another name than the SDK.
    assert (status, answer["taskPage"]["hasMore"], len(answer["taskPage"]["list"])) == (200, True, 1)


# Templates.


def test_a_template_is_found_by_name_changed_and_dropped(dingtalk: Running, official: Official) -> None:
    code = template(official)
    found = official.flow("GetProcessCodeByName", {"name": "差旅报销（行资）"})
    assert found.result.process_code == code
    assert refused(lambda: template(official)) == "formName.error"
    assert template(official, processCode=code, name="差旅报销") == code
    assert refused(lambda: template(official, processCode="PROC-NONE", name="x")) == "processcode.error"
    instance_id = create(official, code)
    ask(official, instance_id, "wangkai")
    official.flow("DeleteProcess", {"processCode": code, "cleanRunningTask": "true"})
    assert dingtalk.centre_tasks() == []
    assert dingtalk.centre_instances()[0]["status"] == "RUNNING"
    assert refused(lambda: create(official, code)) == "process.error"
    assert refused(lambda: official.flow("GetProcessCodeByName", {"name": "差旅报销"})) == "processNotExist"


def test_ids_of_the_two_ways_do_not_mix(dingtalk: Running, official: Official) -> None:
    official_code = dingtalk.process_codes["expense"]
    official_instance = official.create()
    assert refused(lambda: create(official, official_code)) == "permission.error"
    assert refused(lambda: ask(official, official_instance, "wangkai")) == "setup.no.permission"
    assert refused(lambda: close(official, official_instance, 1)) == "integrated.permission.error"
    assert refused(lambda: finish(official, official_instance)) == "permission.error"
    own = create(official, template(official))
    assert refused(lambda: official.look(own)) == "processInstanceNotExist"
    assert dingtalk.instance(official_instance)["status"] == "RUNNING"


# What does not fit.


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"originatorUserId": "nobody"}, "userNotExist"),
        ({"url": None}, "required.error"),
        ({"title": "长" * 65}, "parameter.invalid"),
        ({"formComponentValueList": [{"name": "没有", "value": "x"}]}, "formConverterError"),
        ({"formComponentValueList": [{"name": "金额（元）", "value": "1"}]}, "required.error"),
        (
            {"formComponentValueList": [{"id": "no", "value": "1"}, {"name": "金额（元）", "value": "一"}]},
            "formConverterError",
        ),
        ({"notifiers": [{"userid": "qianwei", "position": "sometimes"}]}, "parameter.invalid"),
    ],
)
def test_a_bad_instance(dingtalk: Running, official: Official, wrong: dict[str, Any], code: str) -> None:
    own = template(official)
    assert refused(lambda: create(official, own, **wrong)) == code
    assert dingtalk.centre_instances() == []


def test_bad_tasks(dingtalk: Running, official: Official) -> None:
    instance_id = create(official, template(official))
    assert refused(lambda: ask(official, instance_id)) == "tasks.is.null"
    assert refused(lambda: ask(official, instance_id, "nobody")) == "userNotExist"
    assert refused(lambda: ask(official, instance_id, "wangkai", dueTimestamp=1)) == "task.dueTime.error"
    assert refused(lambda: ask(official, instance_id, "wangkai", url="x" * 1025)) == "task.url.error"
    assert refused(lambda: ask(official, "nobody", "wangkai")) == "integrated.state.invalid"
    assert refused(lambda: close(official, instance_id, 1)) == "integrated.permission.error"
    (task,) = ask(official, instance_id, "wangkai")
    assert refused(lambda: close(official, instance_id, task, "agree")) == "invalidParameter"
    finish(official, instance_id)
    assert refused(lambda: ask(official, instance_id, "sunhui")) == "integrated.state.invalid"
    assert [task["userid"] for task in dingtalk.centre_tasks()] == ["wangkai"]


def test_an_instance_holds_a_hundred_tasks(dingtalk: Running, official: Official) -> None:
    instance_id = create(official, template(official))
    for place in range(5):
        ask(official, instance_id, *["wangkai"] * 20, activity=str(place))
    assert refused(lambda: ask(official, instance_id, "wangkai")) == "integrated.number.exceed"
    assert len(dingtalk.centre_tasks("wangkai")) == 100


def test_tasks_of_one_instance_are_not_made_side_by_side(dingtalk: Running, official: Official) -> None:
    code = template(official)
    one, other = create(official, code), create(official, code)
    dingtalk.set(latency_ms=200)
    outcomes: list[str] = []

    def make(instance_id: str) -> None:
        fields = {"processInstanceId": instance_id, "tasks": [{"userId": "wangkai"}]}
        status, answer = official.new("POST", "/v1.0/workflow/processCentres/tasks", fields)
        outcomes.append("fine" if status == 200 else answer["code"])

    threads = [threading.Thread(target=make, args=(instance_id,)) for instance_id in (one, one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["fine", "fine", "integrated.concurrency.error"]
    make(one)
    assert outcomes[-1] == "fine"


# What people see and press.


def test_people_open_our_page_from_their_desk(dingtalk: Running, official: Official) -> None:
    redirect = {"name": "TASK_EXECUTE", "runType": "REDIRECT", "pcUrl": "https://expense.example.com/decide"}
    instance_id = create(official, template(official, redirect))
    (task,) = ask(official, instance_id, "wangkai", customData="item-1:7")
    assert "张三的差旅报销" in get(official, "/u/wangkai")
    assert f"{PAGE}?who=wangkai&amp;customData=item-1%3A7" in get(official, "/u/wangkai?tab=cards")
    page = get(official, f"/u/wangkai/centre/{instance_id}")
    assert "¥1,448.50" in page
    assert "机票" in page
    assert "https://expense.example.com/decide?customData=item-1%3A7" in page
    assert "</form>" not in page
    with pytest.raises(ControlError, match="needAuth"):
        dingtalk.press(task)
    close(official, instance_id, task)
    assert "张三的差旅报销" not in get(official, "/u/wangkai")
    assert "张三的差旅报销" in get(official, "/u/wangkai?tab=done")
    assert "张三的差旅报销" in get(official, "/u/zhangsan?tab=mine")


def test_the_app_may_keep_its_tasks_out_of_the_todo_list(official: Official) -> None:
    apart = {"name": "SYNC_BOXSTER", "runType": "OUTBIZ_CUSTOM"}
    ask(official, create(official, template(official, apart)), "wangkai")
    assert "张三的差旅报销" in get(official, "/u/wangkai")
    assert "没有待办" in get(official, "/u/wangkai?tab=cards")


class Gateway:
    def __init__(self, server: HTTPServer, status: int = 200) -> None:
        self.told: list[dict[str, Any]] = []
        self.status = status
        server.expect_request("/gateway", method="POST").respond_with_handler(self.hear)
        self.url = server.url_for("/gateway")

    def hear(self, request: Request) -> Response:
        self.told.append(json.loads(request.get_data()))
        return Response('{"success":true}', status=self.status)


def origin(dingtalk: Running) -> dict[str, Any]:
    callback = {"appUuid": dingtalk.corp_id, "apiKey": dingtalk.facts["data_source_key"], "version": "1"}
    return {"name": "TASK_EXECUTE", "runType": "ORIGIN", "callback": callback}


def test_what_is_pressed_in_dingtalk_is_told_to_the_data_source(
    dingtalk: Running, official: Official, httpserver: HTTPServer
) -> None:
    gateway = Gateway(httpserver)
    dingtalk.set_data_source(gateway.url)
    instance_id = create(official, template(official, origin(dingtalk)))
    (task,) = ask(official, instance_id, "wangkai")
    click(official, f"/u/wangkai/centre/{instance_id}/refuse", text="缺少水单")
    assert gateway.told == [
        {
            "outResult": "refuse",
            "processInstanceId": instance_id,
            "activityId": "item-1",
            "corpId": dingtalk.corp_id,
            "data": [],
            "remark": "缺少水单",
            "title": "张三的差旅报销",
            "taskId": task,
            "operator": "wangkai",
        }
    ]
    # The app decides what becomes of it: nothing has changed here yet.
    assert [row["status"] for row in dingtalk.centre_tasks("wangkai")] == ["RUNNING"]
    assert dingtalk.press(task)["said"] == '{"success":true}'
    assert gateway.told[1]["outResult"] == "agree"
    click(official, f"/u/sunhui/centre/{instance_id}/agree", status=409)
    assert len(gateway.told) == 2


def test_a_gateway_that_does_not_answer_well(
    dingtalk: Running, official: Official, httpserver: HTTPServer
) -> None:
    instance_id = create(official, template(official, origin(dingtalk)))
    (task,) = ask(official, instance_id, "wangkai")
    with pytest.raises(ControlError, match="没有注册"):
        dingtalk.press(task)
    dingtalk.set_data_source(Gateway(httpserver, status=500).url)
    assert "HTTP 500" in click(official, f"/u/wangkai/centre/{instance_id}/agree", status=409)


def test_a_task_may_bring_its_own_buttons(
    dingtalk: Running, official: Official, httpserver: HTTPServer
) -> None:
    gateway = Gateway(httpserver)
    dingtalk.set_data_source(gateway.url, "api_own")
    instance_id = create(official, template(official))
    shortcut = {
        "name": "CUSTOM_SHORTCUT",
        "runType": "REDIRECT",
        "callback": {"appUuid": dingtalk.corp_id, "apiKey": "api_own", "version": "1"},
        "config": '{"shortcutStyle":"EXECUTE_ACTION"}',
    }
    fields = {
        "processInstanceId": instance_id,
        "activityId": "a",
        "tasks": [{"userId": "wangkai"}],
        "featureConfig": {"features": [shortcut]},
    }
    task = official.flow("CreateIntegratedTask", fields).result[0].task_id
    dingtalk.press(task, "agree")
    assert [row["outResult"] for row in gateway.told] == ["agree"]


@pytest.mark.parametrize(
    "feature",
    [
        {"name": "TASK_EXECUTE", "runType": "ORIGIN"},
        {"name": "TASK_EXECUTE", "runType": "DEFAULT"},
        {"name": "TASK_EXECUTE", "runType": "REDIRECT"},
        {"name": "PARTY", "runType": "ORIGIN"},
    ],
)
def test_a_feature_that_cannot_be(official: Official, feature: dict[str, Any]) -> None:
    assert refused(lambda: template(official, feature)) == "parameter.error"


def test_after_a_reset_only_the_templates_are_left(dingtalk: Running, official: Official) -> None:
    code = template(official)
    ask(official, create(official, code), "wangkai")
    dingtalk.reset()
    assert (dingtalk.centre_instances(), dingtalk.centre_tasks()) == ([], [])
    assert time.time() * 1000 - dingtalk.control("GET", "/centre/templates")[0]["modified_ms"] < 60_000
    ask(official, create(official, code), "wangkai")
