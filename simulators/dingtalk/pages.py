"""The pages where a person plays: see what waits for you, decide; and DingTalk's login page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from simulators.dingtalk.centre import CentreInstance, CentreTask
from simulators.dingtalk.company import Company, User
from simulators.dingtalk.errors import NewRefusal
from simulators.dingtalk.messages import Card
from simulators.dingtalk.showing import (
    Showing,
    brief,
    color,
    deed,
    node_state,
    opened,
    operation,
    shown_news,
    state_of,
)
from simulators.dingtalk.simulator import Simulator
from simulators.dingtalk.todo import Todo
from simulators.dingtalk.workflow import Instance, Record, Status, Task, Verdict
from simulators.stage.gate import Upload
from simulators.stage.pages import PagesBase
from simulators.stage.showing import Brand, Face, Paper, Row, Shown, ShownNode, ShownRecord

TABS = (
    ("todo", "待处理"),
    ("done", "已处理"),
    ("mine", "我发起的"),
    ("copied", "抄送我的"),
    ("cards", "待办"),
    ("news", "工作通知"),
)


class Pages(PagesBase[Simulator]):
    brand = Brand("钉钉", "DingTalk", "#0066ff", "#e8f1ff", "#0055d6")
    here = Path(__file__).parent / "templates"
    script = "dingtalk.js"

    def __init__(self, simulator: Simulator) -> None:
        super().__init__(simulator)
        self.showing = Showing(simulator.company, simulator.files)
        self.templates.filters |= {"color": color, "opened": opened}

    def routes(self) -> list[Route]:
        return [
            *super().routes(),
            Route("/u/{userid}", self.home),
            Route("/u/{userid}/instances/{instance_id}", self.instance),
            Route("/u/{userid}/instances/{instance_id}/{action}", self.act, methods=["POST"]),
            Route("/u/{userid}/todos/{todo_id}/done", self.tick, methods=["POST"]),
            Route("/u/{userid}/todos/{todo_id}/press/{key}", self.press, methods=["POST"]),
            Route("/oauth2/auth", self.login),
            Route("/oauth2/auth/pick", self.pick),
            Route("/client/auth-code", self.auth_code),
        ]

    @property
    def company(self) -> Company:
        return self.sim.company

    def corp(self) -> str:
        return self.company.departments[self.company.root].name

    def face(self, user: User) -> Face:
        return Face(user.userid, user.name, user.title)

    def name_of_room(self, key: int) -> str:
        return self.company.departments[key].name

    def waiting(self, userid: str) -> int:
        official, own = self.sim.workflow.book.open_tasks, self.sim.centre.box.open_tasks
        return len(official.get(userid, {})) + len(own.get(userid, {}))

    def welcome(self) -> str:
        total = len(self.sim.workflow.book.instances) + len(self.sim.centre.box.instances)
        return f"选一个人，用他的钉钉：处理待审批、查看工作通知和待办。已有 {total} 张审批单。"

    def linked(self, key: str) -> Upload | None:
        return self.sim.files.linked(key)

    def name(self, userid: str) -> str:
        return self.company.name(userid)

    # One person's desk.

    async def home(self, request: Request) -> Response:
        user = self.company.users.get(request.path_params["userid"])
        if user is None:
            return self.missing("没有这个人")
        tab = request.query_params.get("tab", "todo")
        page = self.page(
            "home.html", me=self.face(user), user=user, tab=tab, tabs=TABS, **self._desk(user, tab)
        )
        return self.remember(page, user.userid)

    def _desk(self, user: User, tab: str) -> dict[str, Any]:
        synced, todos = self._synced(user), self.sim.todos.of(user.unionid)
        counts = {
            "todo": self.waiting(user.userid),
            "cards": len(synced) + sum(1 for todo in todos if user.unionid not in todo.done_by),
            "news": sum(1 for sent in self.sim.messages.inbox(user.userid) if user.userid in sent.unread),
        }
        context: dict[str, Any] = {"counts": counts}
        match tab:
            case "cards":
                context |= {"todos": todos, "synced": synced}
            case "news":
                context["news"] = [
                    shown_news(sent, user.userid) for sent in self.sim.messages.inbox(user.userid)
                ]
                context["chat"] = [
                    (message, message.param)
                    for message in reversed(self.sim.messages.postbox.robot)
                    if user.userid in message.userids
                ]
                context["bots"] = self._cards_of(user.userid)
                self.sim.messages.mark_read(user.userid)
            case _:
                context["rows"] = self._rows(user, tab)
        return context

    def _cards_of(self, userid: str) -> list[Card]:
        cards = self.sim.messages.postbox.cards.values()
        return [card for card in reversed(cards) if userid in card.userids]

    def _synced(self, user: User) -> list[tuple[CentreTask, CentreInstance]]:
        """Tasks of 流程中心 that stand in the to-do list as well."""
        box = self.sim.centre.box
        return [
            (task, box.instances[task.instance_id])
            for task in reversed(box.open_tasks.get(user.userid, {}).values())
            if self.sim.centre.is_in_todo_list(task)
        ]

    def _rows(self, user: User, tab: str) -> list[Row]:
        """Official papers and those of 流程中心 together; newest first, what is done by when it was done."""
        userid, book, box = user.userid, self.sim.workflow.book, self.sim.centre.box
        match tab:
            case "mine":
                ids = [*book.started.get(userid, ()), *box.started.get(userid, ())]
            case "copied":
                ids = [*book.copied.get(userid, ()), *box.copied.get(userid, ())]
            case "done":
                done: list[Task | CentreTask] = [
                    *book.done_tasks.get(userid, ()),
                    *box.done_tasks.get(userid, ()),
                ]
                latest = sorted(done, key=lambda task: task.finished_ms, reverse=True)
                return self._papers(user, [task.instance_id for task in latest])
            case _:
                waiting: list[Task | CentreTask] = [
                    *book.open_tasks.get(userid, {}).values(),
                    *box.open_tasks.get(userid, {}).values(),
                ]
                ids = [task.instance_id for task in waiting]
        return sorted(self._papers(user, ids), key=lambda row: row.at_ms, reverse=True)

    def _papers(self, user: User, ids: list[str]) -> list[Row]:
        rows = (self._row(user, instance_id) for instance_id in dict.fromkeys(ids))
        return [row for row in rows if row]

    def _row(self, user: User, instance_id: str) -> Row | None:
        official = self.sim.workflow.book.instances.get(instance_id)
        paper = official or self.sim.centre.box.instances.get(instance_id)
        if paper is None:
            return None
        return Row(
            f"/u/{user.userid}/{'instances' if official else 'centre'}/{paper.id}",
            self.name(paper.originator),
            paper.title,
            *state_of(paper),
            brief(paper.values),
            paper.created_ms,
        )

    # One instance.

    async def instance(self, request: Request) -> Response:
        return self._instance_page(request)

    def _instance_page(self, request: Request, *, error: str = "", status: int = 200) -> Response:
        user = self.company.users.get(request.path_params["userid"])
        instance = self.sim.workflow.book.instances.get(request.path_params["instance_id"])
        if user is None or instance is None:
            return self.missing("没有这张审批单")
        page = self.page(
            "instance.html",
            status,
            me=self.face(user),
            instance=instance,
            paper=self._paper(instance, user.userid),
            task=self.sim.workflow.open_task_of(instance.id, user.userid),
            can_withdraw=instance.originator == user.userid and instance.status is Status.RUNNING,
            can_revoke=instance.originator == user.userid and self.sim.workflow.can_be_revoked(instance),
            others=self.faces(but=user.userid),
            error=error,
        )
        return self.remember(page, user.userid)

    def _paper(self, instance: Instance, userid: str) -> Paper:
        department = self.company.departments.get(instance.dept_id)
        originator = ShownNode("发起人", "", "done", [(self.name(instance.originator), "")])
        return Paper(
            instance.title,
            *state_of(instance),
            f"{department.name if department else ''} · 审批编号 {instance.business_id}",
            instance.created_ms,
            [*self._related(instance, userid), *(self.showing.value(value) for value in instance.values)],
            [originator, *(self._shown_node(instance, place) for place in range(len(instance.nodes)))],
            [self._shown_record(record) for record in instance.records],
            instance.url,
        )

    def _related(self, instance: Instance, userid: str) -> list[Shown]:
        """What it is to undo, or what was started to undo it."""
        related = [("撤销的审批单", instance.revokes)] if instance.revokes else []
        related += [("撤销申请", revocation) for revocation in instance.revocations]
        return [Shown(label, "link", text=self.sim.page_of(userid, one)) for label, one in related]

    def _shown_record(self, record: Record) -> ShownRecord:
        did = operation(record) + "、".join(f" {self.name(userid)}" for userid in record.cc)
        is_bad = record.result == "REFUSE"
        return ShownRecord(self.name(record.userid), did, record.at_ms, record.remark, is_bad)

    def _shown_node(self, instance: Instance, place: int) -> ShownNode:
        node = instance.nodes[place]
        tasks = [task for task in instance.tasks if task.activity_id == node.activity_id]
        people = [(self.name(task.userid), deed(task)) for task in tasks]
        if not tasks:
            people = [(self.name(userid), "") for userid in node.user_ids]
        mode = {"AND": "会签", "OR": "或签"}.get(node.mode, "") if len(node.user_ids) > 1 else ""
        return ShownNode(node.name, mode, node_state(instance, place, tasks), people)

    async def act(self, request: Request) -> Response:
        userid, instance_id = request.path_params["userid"], request.path_params["instance_id"]
        form = await request.form()
        text = str(form.get("text", "")).strip()[:1024]
        instance = self.sim.workflow.book.instances.get(instance_id)
        if instance is None or userid not in self.company.users:
            return self.missing("没有这张审批单")
        try:
            instance = self._do(
                request.path_params["action"], instance, userid, text, str(form.get("to", ""))
            )
        except NewRefusal as error:
            return self._instance_page(request, error=error.message, status=409)
        return RedirectResponse(f"/u/{userid}/instances/{instance.id}", status_code=303)

    def _do(self, action: str, instance: Instance, userid: str, text: str, to_userid: str) -> Instance:
        """The paper to be shown next."""
        workflow = self.sim.workflow
        match action:
            case "agree" | "refuse":
                workflow.decide(self._own_task(instance, userid), Verdict(action), remark=text)
            case "redirect":
                workflow.hand_over(self._own_task(instance, userid), to_userid, remark=text)
            case "comment":
                if not text:
                    raise NewRefusal("invalidParameter", "请先写评论")
                workflow.comment(instance, userid, text)
            case "withdraw":
                if userid != instance.originator:
                    raise NewRefusal("needAuth", "只有发起人可以撤销")
                workflow.withdraw(instance, userid, remark=text)
            case "revoke":
                if userid != instance.originator:
                    raise NewRefusal("needAuth", "只有发起人可以撤销")
                return workflow.revoke(instance, remark=text)
            case _:
                raise NewRefusal("invalidParameter", "没有这个操作")
        return instance

    def _own_task(self, instance: Instance, userid: str) -> Task:
        task = self.sim.workflow.open_task_of(instance.id, userid)
        if task is None:
            raise NewRefusal("needAuth", "这里没有等你处理的任务，可能已被处理或撤销")
        return task

    async def tick(self, request: Request) -> Response:
        return await self._with_todo(request, lambda todo, user: self._tick(todo, user))

    async def _tick(self, todo: Todo, user: User) -> None:
        self.sim.todos.tick(todo, user.unionid)

    async def press(self, request: Request) -> Response:
        key = request.path_params["key"]
        return await self._with_todo(request, lambda todo, user: self.sim.todos.press(todo, key))

    async def _with_todo(self, request: Request, act: Callable[[Todo, User], Awaitable[object]]) -> Response:
        user = self.company.users.get(request.path_params["userid"])
        todo = self.sim.todos.box.todos.get(request.path_params["todo_id"])
        if user is None or todo is None or user.unionid not in todo.executors:
            return self.missing("没有这条待办")
        try:
            await act(todo, user)
        except NewRefusal as error:
            return self.message(409, "没有完成", error.message)
        return RedirectResponse(f"/u/{user.userid}?tab=cards", status_code=303)

    # Signing in to somebody else's site.

    async def login(self, request: Request) -> Response:
        wish = dict(request.query_params)
        if wrong := self.sim.signin.check_wish(wish):
            return self.page("message.html", 400, title="无法登录", text=wrong)
        site = urlsplit(wish["redirect_uri"]).netloc
        more = "，以及你所在的组织" if "corpid" in wish["scope"] else ""
        last = self.last(request)
        return self.page(
            "login.html",
            title="用钉钉登录",
            text=f"{site} 想知道你是谁{more}。选择登录的人：",
            action="/oauth2/auth/pick",
            answer="userid",
            denial=("denied", "1", "不同意"),
            wish=wish,
            faces=self.faces(first=last),
            last=last,
        )

    async def pick(self, request: Request) -> Response:
        wish = dict(request.query_params)
        userid = wish.pop("userid", None)
        if wrong := self.sim.signin.check_wish(wish):
            return self.page("message.html", 400, title="无法登录", text=wrong)
        answer = RedirectResponse(self.sim.signin.back(wish, userid), status_code=302)
        return self.remember(answer, userid) if userid in self.company.users and userid else answer

    async def auth_code(self, request: Request) -> Response:
        """What dd.requestAuthCode does inside the client, for the person of the cookie or `userid`."""
        origin = request.headers.get("origin", "*")
        headers = {"access-control-allow-origin": origin, "access-control-allow-credentials": "true"}
        userid = request.query_params.get("userid") or self.last(request)
        if userid not in self.company.users:
            return JSONResponse({"errorMessage": "未登录"}, status_code=401, headers=headers)
        if request.query_params.get("corpId") not in (None, "", self.sim.identity.corp_id):
            return JSONResponse({"errorMessage": "corpId 无效"}, status_code=400, headers=headers)
        return JSONResponse({"code": self.sim.signin.free_code(userid)}, headers=headers)
