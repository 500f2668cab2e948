"""钉钉待办: cards in a person's to-do list. People are unionIds here, not userIds."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from simulators.dingtalk.company import Company
from simulators.dingtalk.errors import NewRefusal
from simulators.dingtalk.manners import request_id
from simulators.dingtalk.workflow import Book
from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door
from simulators.stage.post import NoAnswer, Postman

PAGE = 20


CALLBACK, JUMP = 1, 2
ACTION_TIMEOUT_S = 5.0


@dataclass(slots=True)
class Action:
    """A button under the card: it calls the app, or it opens a page."""

    key: str
    title: str
    kind: int
    url: str = ""
    pc_url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass(slots=True)
class Todo:
    id: str
    subject: str
    owner: str  # the unionId in the path of the create call
    creator: str
    created_ms: int
    modified_ms: int
    source_id: str = ""
    description: str = ""
    due_ms: int = 0
    executors: list[str] = field(default_factory=list)
    participants: list[str] = field(default_factory=list)
    done_by: set[str] = field(default_factory=set)
    is_done: bool = False
    finished_ms: int = 0
    app_url: str = ""
    pc_url: str = ""
    priority: int = 20
    kind: str = "TODO"
    only_executor: bool = False
    contents: list[dict[str, str]] = field(default_factory=list)
    ding_notify: str = "0"
    actions: list[Action] = field(default_factory=list)


@dataclass(slots=True)
class TodoBox:
    todos: dict[str, Todo] = field(default_factory=dict)
    by_source: dict[str, str] = field(default_factory=dict)
    by_person: dict[str, dict[str, None]] = field(default_factory=dict)


@dataclass(slots=True)
class Todos:
    company: Company
    book: Book
    postman: Postman
    box: TodoBox = field(default_factory=TodoBox)

    def doors(self) -> list[Door]:
        tasks = "/v1.0/todo/users/{union_id}/tasks"
        return [
            Door("POST", tasks, self.create),
            Door("GET", f"{tasks}/sources/{{source_id}}", self.by_source),
            Door("PUT", f"{tasks}/{{task_id}}/executorStatus", self.set_executors),
            Door("PUT", f"{tasks}/{{task_id}}", self.update),
            Door("GET", f"{tasks}/{{task_id}}", self.look),
            Door("DELETE", f"{tasks}/{{task_id}}", self.delete),
            Door("POST", "/v1.0/todo/users/{union_id}/org/tasks/query", self.query),
            Door("POST", f"{tasks}/count", self.count),
            Door("DELETE", f"{tasks}/{{task_id}}/hide", self.hide),
        ]

    def create(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, _bad)
        owner = self._person(call.args["union_id"])
        source_id = fields.text_or("sourceId")
        if source_id and source_id in self.box.by_source:
            raise _bad("task exist")
        executors, participants = self._people(fields, "executorIds"), self._people(fields, "participantIds")
        detail = fields.part("detailUrl")
        now = self.book.now()
        todo = Todo(
            id="task" + secrets.token_hex(14),
            subject=fields.text("subject", most=1024),
            owner=owner,
            creator=self._person(fields.text_or("creatorId") or call.query.get("operatorId") or owner),
            created_ms=now,
            modified_ms=now,
            source_id=source_id,
            description=fields.text_or("description", most=4096),
            due_ms=fields.number_or("dueTime", 0),
            executors=executors or [owner],
            participants=participants,
            app_url=detail.text_or("appUrl"),
            pc_url=detail.text_or("pcUrl"),
            priority=self._priority(fields),
            kind=fields.text_or("todoType", "TODO") or "TODO",
            only_executor=fields.flag_or("isOnlyShowExecutor", False),
            contents=_contents(fields),
            ding_notify=fields.part("notifyConfigs").text_or("dingNotify", "0"),
            actions=[_action(row) for row in fields.rows("actionList")],
        )
        if todo.kind not in ("TODO", "READ"):
            raise _bad("todoType must be TODO or READ")
        self.box.todos[todo.id] = todo
        if source_id:
            self.box.by_source[source_id] = todo.id
        self._hand_out(todo)
        return shown_todo(todo) | {
            "requestId": request_id(),
            "notifyConfigs": {"dingNotify": todo.ding_notify},
            "contentFieldList": todo.contents,
        }

    def update(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, _bad_update)
        todo = self._todo(call)
        subject = fields.text_or("subject", todo.subject, most=1024)
        description = fields.text_or("description", todo.description, most=4096)
        due_ms = fields.number_or("dueTime", todo.due_ms)
        is_done = fields.flag_or("done", todo.is_done)
        executors = self._people(fields, "executorIds") or todo.executors
        participants = self._people(fields, "participantIds") or todo.participants
        contents = _contents(fields) or todo.contents
        todo.subject, todo.description, todo.due_ms = subject, description, due_ms
        todo.participants, todo.contents = participants, contents
        if executors != todo.executors:
            self._take_back(todo)
            todo.executors = executors
            self._hand_out(todo)
        if is_done != todo.is_done:
            self._mark(todo, set(todo.executors) if is_done else set())
        todo.modified_ms = self.book.now()
        return {"result": True, "requestId": request_id()}

    def set_executors(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, _bad_update)
        todo = self._todo(call)
        done_by = set(todo.done_by)
        for row in fields.rows("executorStatusList"):
            person = row.text("id")
            if person not in todo.executors:
                raise _bad_update(f"{person} is no executor of this task")
            done_by = done_by | {person} if row.flag_or("isDone", False) else done_by - {person}
        self._mark(todo, done_by)
        todo.modified_ms = self.book.now()
        return {"result": True, "requestId": request_id()}

    def look(self, call: Call) -> dict[str, Any]:
        return shown_todo(self._todo(call)) | {"requestId": request_id()}

    def by_source(self, call: Call) -> dict[str, Any]:
        self._person(call.args["union_id"])
        todo = self.box.todos.get(self.box.by_source.get(call.args["source_id"], ""))
        if todo is None:
            raise NewRefusal("todo.task.notFound", "task not exist")
        return shown_todo(todo) | {"requestId": request_id()}

    def delete(self, call: Call) -> dict[str, Any]:
        todo = self._todo(call)
        self._take_back(todo)
        self.box.by_source.pop(todo.source_id, None)
        del self.box.todos[todo.id]
        return {"result": True, "requestId": request_id()}

    def query(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, _bad)
        person = self._person(call.args["union_id"])
        wants_done = fields.flag_or("isDone", False)
        skip = fields.number_or("nextToken", 0)
        mine = self._mine(person, is_done=wants_done, kind=fields.text_or("todoType"))
        answer: dict[str, Any] = {
            "todoCards": [
                {
                    "taskId": todo.id,
                    "subject": todo.subject,
                    "sourceId": todo.source_id,
                    "bizTag": "",
                    "creatorId": todo.creator,
                    "createdTime": todo.created_ms,
                    "modifiedTime": todo.modified_ms,
                    "dueTime": todo.due_ms or None,
                    "isDone": wants_done,
                    "priority": todo.priority,
                    "todoType": todo.kind,
                    "detailUrl": {"appUrl": todo.app_url, "pcUrl": todo.pc_url},
                }
                for todo in mine[skip : skip + PAGE]
            ]
        }
        if skip + PAGE < len(mine):
            answer["nextToken"] = str(skip + PAGE)
        return answer

    def count(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, _bad)
        person = self._person(call.args["union_id"])
        wants_done, kind = fields.flag_or("isDone", False), fields.text_or("todoType")
        return {"result": len(self._mine(person, is_done=wants_done, kind=kind))}

    def hide(self, call: Call) -> dict[str, Any]:
        """Off this person's list; the others keep it."""
        todo = self._todo(call)
        self.box.by_person.get(call.args["union_id"], {}).pop(todo.id, None)
        return {"success": True}

    def _mine(self, person: str, *, is_done: bool, kind: str) -> list[Todo]:
        return [
            todo
            for todo in self.of(person)
            if (person in todo.done_by or todo.is_done) == is_done and kind in ("", todo.kind)
        ]

    def of(self, unionid: str) -> list[Todo]:
        """A person's cards, newest first."""
        return [self.box.todos[todo_id] for todo_id in reversed(self.box.by_person.get(unionid, {}))]

    def tick(self, todo: Todo, unionid: str) -> None:
        """The person ticks the card in the list, which a card with a detail page of its own does not offer."""
        if todo.app_url or todo.pc_url:
            raise _bad_update("this task is finished on its own page")
        self._mark(todo, todo.done_by | {unionid})
        todo.modified_ms = self.book.now()

    async def press(self, todo: Todo, key: str) -> str:
        """A person presses one of the card's buttons; what the app answered. Raises NewRefusal."""
        action = next((one for one in todo.actions if one.key == key and one.kind == CALLBACK), None)
        if action is None:
            raise _bad_update(f"the card has no button {key} that calls")
        headers = {"content-type": "application/json; charset=utf-8"} | action.headers
        try:
            answer = await self.postman.post(
                action.url, action.body.encode(), headers, timeout_s=ACTION_TIMEOUT_S
            )
        except NoAnswer as error:
            raise _bad_update(f"业务系统没有应答：{error}") from error
        if answer.status != 200:
            raise _bad_update(f"业务系统应答 HTTP {answer.status}")
        return answer.body.decode("utf-8", "replace")

    def _mark(self, todo: Todo, done_by: set[str]) -> None:
        todo.done_by = done_by
        todo.is_done = bool(done_by) and done_by >= set(todo.executors)
        todo.finished_ms = self.book.now() if todo.is_done else 0

    def _hand_out(self, todo: Todo) -> None:
        for person in todo.executors:
            self.box.by_person.setdefault(person, {})[todo.id] = None

    def _take_back(self, todo: Todo) -> None:
        for person in todo.executors:
            self.box.by_person.get(person, {}).pop(todo.id, None)

    def _todo(self, call: Call) -> Todo:
        self._person(call.args["union_id"])
        todo = self.box.todos.get(call.args["task_id"])
        if todo is None:
            raise NewRefusal("todo.task.notFound", "task not exist")
        return todo

    def _person(self, unionid: str) -> str:
        if self.company.user_by_unionid(unionid) is None:
            raise _bad(f"unionId {unionid} not exist")
        return unionid

    def _people(self, fields: Fields, name: str) -> list[str]:
        return [self._person(unionid) for unionid in dict.fromkeys(fields.texts(name))]

    def _priority(self, fields: Fields) -> int:
        priority = fields.number_or("priority", 20)
        if priority not in (10, 20, 30, 40):
            raise _bad("priority must be 10, 20, 30 or 40")
        return priority


def shown_todo(todo: Todo) -> dict[str, Any]:
    return {
        "id": todo.id,
        "subject": todo.subject,
        "description": todo.description,
        "sourceId": todo.source_id,
        "source": "isv_dingtalk",
        "bizTag": "",
        "done": todo.is_done,
        "creatorId": todo.creator,
        "modifierId": todo.creator,
        "createdTime": todo.created_ms,
        "modifiedTime": todo.modified_ms,
        "startTime": todo.created_ms,
        "finishTime": todo.finished_ms or None,
        "dueTime": todo.due_ms or None,
        "executorIds": list(todo.executors),
        "participantIds": list(todo.participants),
        "isOnlyShowExecutor": todo.only_executor,
        "priority": todo.priority,
        "detailUrl": {"appUrl": todo.app_url, "pcUrl": todo.pc_url},
    }


def _action(row: Fields) -> Action:
    param = row.part("param")
    action = Action(
        key=row.text_or("actionKey") or row.text("title"),
        title=row.text("title"),
        kind=row.number("actionType"),
        url=row.text_or("url"),
        pc_url=row.text_or("pcUrl"),
        headers={name.lower(): str(value) for name, value in param.part("header").values.items()},
        body=param.text_or("body"),
    )
    if action.kind not in (CALLBACK, JUMP) or not (action.url or action.pc_url):
        raise _bad("actionList: actionType must be 1 or 2, and it needs a url")
    return action


def _contents(fields: Fields) -> list[dict[str, str]]:
    return [
        {"fieldKey": row.text("fieldKey"), "fieldValue": row.text_or("fieldValue")}
        for row in fields.rows("contentFieldList")
    ]


def _bad(message: str) -> NewRefusal:
    return NewRefusal("todo.taskCreate.paramError", message)


def _bad_update(message: str) -> NewRefusal:
    return NewRefusal("todo.taskUpdate.paramError", message)
