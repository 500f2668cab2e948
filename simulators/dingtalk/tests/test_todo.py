from __future__ import annotations

from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from Tea.exceptions import UnretryableException
from werkzeug import Request, Response

from simulators.dingtalk.testing import ControlError, Running
from simulators.dingtalk.tests.official import Official, todo_models
from simulators.dingtalk.tests.test_pages import click, get


def unionid(dingtalk: Running, userid: str) -> str:
    return str(next(user["unionid"] for user in dingtalk.facts["users"] if user["userid"] == userid))


def create(official: Official, **more: Any) -> Any:
    boss = unionid(official.dingtalk, "wangkai")
    fields = {
        "subject": "审批 张三 的差旅报销",
        "sourceId": "BX202611-000001:step-1",
        "creatorId": boss,
        "executorIds": [boss],
        "detailUrl": {"appUrl": "https://e.example.com/m/1", "pcUrl": "https://e.example.com/1"},
        "priority": 20,
        **more,
    }
    request = todo_models.CreateTodoTaskRequest().from_map(fields)
    return official.call(official.todo, todo_models, "CreateTodoTask", boss, request)


def by_source(official: Official, source_id: str = "BX202611-000001:step-1") -> Any:
    name = "GetTodoTaskBySourceId"
    boss = unionid(official.dingtalk, "wangkai")
    return official.call(official.todo, todo_models, name, boss, source_id)


def cards(official: Official, *, is_done: bool = False, userid: str = "wangkai") -> list[str]:
    request = todo_models.QueryOrgTodoTasksRequest(is_done=is_done, role_types=[["executor"]], next_token="0")
    person = unionid(official.dingtalk, userid)
    body = official.call(official.todo, todo_models, "QueryOrgTodoTasks", person, request)
    return [card.task_id for card in body.todo_cards]


def test_a_card_is_made_once_per_source(dingtalk: Running, official: Official) -> None:
    made = create(official)
    assert (made.subject, made.done, made.executor_ids) == (
        "审批 张三 的差旅报销",
        False,
        [unionid(dingtalk, "wangkai")],
    )
    with pytest.raises(UnretryableException) as error:
        create(official)
    assert error.value.code == "todo.taskCreate.paramError"
    assert "task exist" in error.value.message
    found = by_source(official)
    assert (found.id, found.source_id, found.detail_url.pc_url) == (
        made.id,
        "BX202611-000001:step-1",
        "https://e.example.com/1",
    )
    assert cards(official) == [made.id]
    assert len(dingtalk.todos()) == 1


def test_done_is_set_by_whoever_made_it(dingtalk: Running, official: Official) -> None:
    made = create(official)
    boss = unionid(dingtalk, "wangkai")
    request = todo_models.UpdateTodoTaskRequest(done=True, subject="已处理", operator_id=boss)
    body = official.call(official.todo, todo_models, "UpdateTodoTask", boss, made.id, request)
    assert body.result is True
    found = official.call(official.todo, todo_models, "GetTodoTask", boss, made.id)
    assert (found.done, found.subject) == (True, "已处理")
    assert (cards(official), cards(official, is_done=True)) == ([], [made.id])


def test_each_executor_has_a_state(dingtalk: Running, official: Official) -> None:
    both = [unionid(dingtalk, "wangkai"), unionid(dingtalk, "sunhui")]
    made = create(official, executorIds=both)

    def finish(*people: str) -> None:
        rows = [{"id": person, "isDone": True} for person in people]
        request = todo_models.UpdateTodoTaskExecutorStatusRequest().from_map({"executorStatusList": rows})
        name = "UpdateTodoTaskExecutorStatus"
        assert official.call(official.todo, todo_models, name, both[0], made.id, request).result is True

    finish(both[0])
    assert by_source(official).done is False
    assert (cards(official), cards(official, userid="sunhui")) == ([], [made.id])
    finish(both[1])
    assert by_source(official).done is True


def test_executors_change(dingtalk: Running, official: Official) -> None:
    made = create(official)
    request = todo_models.UpdateTodoTaskRequest(executor_ids=[unionid(dingtalk, "sunhui")])
    boss = unionid(dingtalk, "wangkai")
    official.call(official.todo, todo_models, "UpdateTodoTask", boss, made.id, request)
    assert (cards(official), cards(official, userid="sunhui")) == ([], [made.id])


def test_a_deleted_card_frees_its_source(dingtalk: Running, official: Official) -> None:
    made = create(official)
    boss = unionid(dingtalk, "wangkai")
    request = todo_models.DeleteTodoTaskRequest(operator_id=boss)
    assert official.call(official.todo, todo_models, "DeleteTodoTask", boss, made.id, request).result is True
    with pytest.raises(UnretryableException):
        by_source(official)
    assert create(official).id != made.id


@pytest.mark.parametrize(
    "change",
    [
        {"subject": ""},
        {"subject": "长" * 1025},
        {"description": "长" * 4097},
        {"priority": 5},
        {"executorIds": ["a-userid-is-no-unionid"]},
        {"todoType": "OTHER"},
    ],
    ids=lambda item: str(item)[:40],
)
def test_cards_that_are_refused(dingtalk: Running, official: Official, change: dict[str, Any]) -> None:
    with pytest.raises(UnretryableException) as error:
        create(official, **change)
    assert error.value.code == "todo.taskCreate.paramError"
    assert dingtalk.todos() == []


def test_buttons_call_the_app_or_open_a_page(
    dingtalk: Running, official: Official, httpserver: HTTPServer
) -> None:
    called: list[tuple[str | None, bytes]] = []

    def hear(request: Request) -> Response:
        called.append((request.headers.get("x-key"), request.get_data()))
        return Response("{}", status=200 if len(called) == 1 else 500)

    httpserver.expect_request("/agree", method="POST").respond_with_handler(hear)
    call = {
        "title": "同意",
        "actionType": 1,
        "actionKey": "agree",
        "url": httpserver.url_for("/agree"),
        "param": {"body": '{"item":7}', "header": {"X-Key": "s3cret"}},
    }
    jump = {"title": "看看", "actionType": 2, "url": "https://e.example.com/look"}
    made = create(official, actionList=[call, jump])
    assert dingtalk.control("POST", f"/todos/{made.id}/press", {"action_key": "agree"}) == {"said": "{}"}
    assert called == [("s3cret", b'{"item":7}')]
    page = get(official, "/u/wangkai?tab=cards")
    assert 'href="https://e.example.com/look">看看</a>' in page
    assert "HTTP 500" in click(official, f"/u/wangkai/todos/{made.id}/press/agree", status=409)
    with pytest.raises(ControlError, match="no button"):
        dingtalk.control("POST", f"/todos/{made.id}/press", {"action_key": "看看"})
    with pytest.raises(UnretryableException) as error:
        create(
            official,
            sourceId="2",
            actionList=[{"title": "同意", "actionType": 3, "url": "https://e.example.com"}],
        )
    assert error.value.code == "todo.taskCreate.paramError"


def test_counting_and_hiding(dingtalk: Running, official: Official) -> None:
    people = [unionid(dingtalk, "wangkai"), unionid(dingtalk, "sunhui")]
    made = create(official, executorIds=people)

    def count(userid: str) -> int:
        request = todo_models.CountTodoTasksRequest(is_done=False)
        person = unionid(dingtalk, userid)
        return int(official.call(official.todo, todo_models, "CountTodoTasks", person, request).result)

    assert (count("wangkai"), count("sunhui")) == (1, 1)
    assert official.call(official.todo, todo_models, "HideUserTodoTask", people[0], made.id).success is True
    assert (count("wangkai"), count("sunhui")) == (0, 1)
