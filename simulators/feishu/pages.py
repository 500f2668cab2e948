"""The pages where a person plays: see what waits for you, decide; and Feishu's login page."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from simulators.feishu.company import ROOT, Company, User
from simulators.feishu.errors import Refusal
from simulators.feishu.forms import START_NODE, Widget, find_widget
from simulators.feishu.messages import buttons_of
from simulators.feishu.quick import Press
from simulators.feishu.shown import brief, deed, node_state, shown_card, shown_message, shown_todo, state_of
from simulators.feishu.simulator import Simulator
from simulators.feishu.workflow import Instance, Status, Task, Verdict
from simulators.stage.gate import Upload
from simulators.stage.pages import PagesBase
from simulators.stage.post import NoAnswer
from simulators.stage.showing import (
    Brand,
    Face,
    Paper,
    Row,
    Shown,
    ShownNode,
    ShownRecord,
    shown_text,
    size_of,
)

TABS = (
    ("todo", "待处理"),
    ("done", "已处理"),
    ("mine", "已发起"),
    ("copied", "抄送我"),
    ("external", "三方审批"),
    ("messages", "消息"),
)
DEEDS = {
    "START": "发起申请",
    "PASS": "同意",
    "REJECT": "拒绝",
    "AUTO_PASS": "自动通过（审批人为空）",
    "REMOVE_REPEAT": "自动去重",
    "TRANSFER": "转交给",
    "ROLLBACK": "退回",
    "CANCEL": "撤回",
    "DELETE": "删除",
    "CC": "抄送",
}


class Pages(PagesBase[Simulator]):
    brand = Brand("飞书", "Feishu", "#3370ff", "#e1eaff", "#245bdb")
    here = Path(__file__).parent / "templates"
    script = "feishu.js"

    def __init__(self, simulator: Simulator) -> None:
        super().__init__(simulator)
        self.templates.globals["start_node"] = START_NODE

    def routes(self) -> list[Route]:
        return [
            *super().routes(),
            Route("/u/{user_id}", self.home),
            Route("/u/{user_id}/external/press", self.press, methods=["POST"]),
            Route("/u/{user_id}/messages/{message_id}/click", self.click, methods=["POST"]),
            Route("/u/{user_id}/cards/{message_id}/press", self.press_card, methods=["POST"]),
            Route("/u/{user_id}/instances/{code}", self.instance),
            Route("/u/{user_id}/instances/{code}/{action}", self.act, methods=["POST"]),
            Route("/open-apis/authen/v1/authorize", self.login),
            Route("/open-apis/authen/v1/index", self.login),
            Route("/login/pick", self.pick),
            Route("/client/auth-code", self.auth_code),
        ]

    @property
    def company(self) -> Company:
        return self.sim.company

    def corp(self) -> str:
        return self.company.name

    def face(self, user: User) -> Face:
        return Face(user.user_id, user.name, user.job_title)

    def name_of_room(self, key: str) -> str:
        return self.company.name if key == ROOT else self.company.departments[key].name

    def waiting(self, userid: str) -> int:
        return len(self.sim.workflow.book.open_tasks.get(userid, {}))

    def welcome(self) -> str:
        total = len(self.sim.workflow.book.instances)
        return f"选一个人，用他的飞书：处理待审批、三方待办、查看消息卡片。已有 {total} 张审批单。"

    def linked(self, key: str) -> Upload | None:
        return self.sim.files.linked(key)

    # One person's desk.

    async def home(self, request: Request) -> Response:
        """`said`: what came of the last press."""
        said = request.query_params.get("said", "")
        toast = {"type": "success", "content": said} if said else None
        return self._home(request, tab=request.query_params.get("tab", "todo"), toast=toast)

    def _home(
        self, request: Request, *, tab: str, error: str = "", toast: Any = None, status: int = 200
    ) -> Response:
        user = self.company.users.get(request.path_params["user_id"])
        if user is None:
            return self.missing("没有这个人")
        page = self.page(
            "home.html",
            status,
            me=self.face(user),
            tab=tab,
            tabs=TABS,
            error=error,
            toast=toast,
            **self._desk(user, tab),
        )
        return self.remember(page, user.user_id)

    def _desk(self, user: User, tab: str) -> dict[str, Any]:
        inbox = self.sim.messages.inbox(user.user_id)
        todos = self.sim.external.todos(user.user_id)
        counts = {
            "todo": self.waiting(user.user_id),
            "external": len(todos),
            "messages": sum(1 for sent in inbox if sent.is_unread),
        }
        context: dict[str, Any] = {"counts": counts}
        match tab:
            case "external":
                context["external"] = [shown_todo(*row) for row in todos]
            case "messages":
                shown = [*map(shown_message, inbox), *map(shown_card, self.sim.bot.of(user.user_id))]
                context["messages"] = sorted(shown, key=lambda item: -int(item["sent_ms"]))
                self.sim.messages.mark_read(user.user_id)
            case _:
                context["rows"] = [
                    self._row(user.user_id, instance) for instance in self._rows(user.user_id, tab)
                ]
        return context

    def _row(self, user_id: str, instance: Instance) -> Row:
        return Row(
            f"/u/{user_id}/instances/{instance.code}",
            self.company.name_of(instance.originator),
            instance.title,
            *state_of(instance),
            brief(instance),
            instance.created_ms,
        )

    def _rows(self, user_id: str, tab: str) -> list[Instance]:
        book = self.sim.workflow.book
        match tab:
            case "mine":
                codes = list(reversed(book.started.get(user_id, ())))
            case "copied":
                codes = list(reversed(book.copied.get(user_id, ())))
            case "done":
                codes = [task.instance_code for task in reversed(book.done_tasks.get(user_id, ()))]
            case _:
                codes = [task.instance_code for task in book.open_tasks.get(user_id, {}).values()]
        return [book.instances[code] for code in dict.fromkeys(codes)]

    async def press(self, request: Request) -> Response:
        """三方快捷审批 in the to-do list."""
        form = await request.form()
        code, instance_id, task_id = (
            str(form.get(name, "")) for name in ("approval_code", "instance_id", "task_id")
        )
        user_id = request.path_params["user_id"]
        if not any(
            (waiting.code, waiting.id, task["task_id"]) == (code, instance_id, task_id)
            for waiting, task in self.sim.external.todos(user_id)
        ):
            return self.missing("没有这条三方待办，可能已被处理")
        return await self._told(request, "external", self.sim.press(code, instance_id, task_id, read(form)))

    async def press_card(self, request: Request) -> Response:
        """The same on a card of the approval bot."""
        message = self.sim.bot.inbox.messages.get(request.path_params["message_id"])
        if message is None or message.user_id != request.path_params["user_id"]:
            return self.missing("没有这条消息")
        press = read(await request.form())
        return await self._told(request, "messages", self.sim.press_card(message, press))

    async def _told(self, request: Request, tab: str, telling: Awaitable[dict[str, Any]]) -> Response:
        try:
            said = await telling
        except (ValueError, Refusal) as error:
            return self._home(request, tab=tab, error=str(error), status=409)
        words = f"业务系统已收到，待其同步结果。答复：HTTP {said['status']} {said['body'][:200]}"
        where = f"/u/{quote(request.path_params['user_id'])}"
        return RedirectResponse(f"{where}?{urlencode({'tab': tab, 'said': words})}", status_code=303)

    async def click(self, request: Request) -> Response:
        user = self.company.users.get(request.path_params["user_id"])
        sent = self.sim.messages.postbox.messages.get(request.path_params["message_id"])
        if user is None or sent is None or sent.user_id != user.user_id:
            return self.missing("没有这条消息")
        form = await request.form()
        buttons = buttons_of(sent.card)
        place = str(form.get("place", ""))
        if not place.isdigit() or int(place) >= len(buttons):
            return self.missing("卡片上没有这个按钮")
        button = buttons[int(place)]
        try:
            said = await self.sim.messages.click(sent, user, button.value, name=button.name)
        except (ValueError, NoAnswer) as error:
            return self._home(request, tab="messages", error=f"操作失败：{error}", status=409)
        return self._home(request, tab="messages", toast=said["toast"])

    # One instance.

    async def instance(self, request: Request) -> Response:
        return self._instance_page(request)

    def _instance_page(self, request: Request, *, error: str = "", status: int = 200) -> Response:
        user = self.company.users.get(request.path_params["user_id"])
        instance = self.sim.workflow.book.instances.get(request.path_params["code"])
        if user is None or instance is None:
            return self.missing("没有这张审批单")
        can_withdraw = instance.originator == user.user_id and (
            instance.status in (Status.PENDING, Status.APPROVED)
        )
        page = self.page(
            "instance.html",
            status,
            me=self.face(user),
            instance=instance,
            paper=self._paper(instance),
            task=self.sim.workflow.open_task_of(instance.code, user.user_id),
            can_withdraw=can_withdraw,
            others=self.faces(but=user.user_id),
            error=error,
        )
        return self.remember(page, user.user_id)

    def _paper(self, instance: Instance) -> Paper:
        department = self.company.departments.get(instance.department_id)
        originator = ShownNode("发起人", "", "done", [(self.company.name_of(instance.originator), "")])
        return Paper(
            instance.title,
            *state_of(instance),
            f"{department.name if department else self.company.name} · 审批编号 {instance.serial_number}",
            instance.created_ms,
            [self._shown_value(widget, item) for widget, item in instance.values],
            [originator, *(self._shown_node(instance, place) for place in range(len(instance.nodes)))],
            self._history(instance),
        )

    def _history(self, instance: Instance) -> list[ShownRecord]:
        """The timeline and the comments, which the product keeps apart, as one story."""
        name_of = self.company.name_of
        records = [
            ShownRecord(
                name_of(entry.user_id) or "系统",
                " ".join([DEEDS.get(entry.kind, entry.kind), *map(name_of, entry.others)]),
                entry.at_ms,
                entry.comment,
                entry.kind == "REJECT",
            )
            for entry in instance.timeline
        ]
        comments = [
            ShownRecord(name_of(comment.user_id), "评论", comment.at_ms, comment.text)
            for comment in instance.comments
        ]
        return sorted([*records, *comments], key=lambda record: record.at_ms)

    def _shown_value(self, widget: Widget, item: dict[str, Any]) -> Shown:
        value, label = item.get("value"), widget.name
        match widget.kind:
            case "fieldList":
                return self._shown_table(widget, value or [])
            case "image" | "imageV2":
                return Shown(label, "photos", photos=[self.sim.files.link(code) for code in value or []])
            case "attachmentV2":
                return Shown(label, "files", files=[self._shown_file(code) for code in value or []])
            case "amount":
                currency = item.get("currency", "CNY")
                kind = "money" if currency == "CNY" else "text"
                return Shown(label, kind, text=f"{value:.2f}" + ("" if kind == "money" else f" {currency}"))
            case _:
                return shown_text(label, self._text(widget, item))

    def _shown_table(self, widget: Widget, rows: list[Any]) -> Shown:
        columns = [child.name for child in widget.children]
        numeric = {child.name for child in widget.children if child.kind in ("amount", "number")}
        shown = []
        for row in rows:
            cells = {}
            for cell in row:
                child = find_widget(widget.children, str(cell.get("id")))
                if child:
                    cells[child.name] = self._text(child, cell)
            shown.append(cells)
        return Shown(widget.name, "table", columns=columns, numeric=numeric, rows=shown)

    def _text(self, widget: Widget, item: dict[str, Any]) -> str:
        value = item.get("value")
        texts = dict(widget.options)
        match widget.kind:
            case "radioV2":
                return texts.get(str(value), str(value))
            case "checkboxV2":
                return "、".join(texts.get(str(key), str(key)) for key in value or [])
            case "date":
                return str(value)[:10]
            case "dateInterval":
                return f"{str(value['start'])[:10]} 至 {str(value['end'])[:10]}" if value else ""
            case "contact":
                people = list(value or [])
                for open_id in item.get("open_ids") or []:
                    found = self.company.find_user(open_id, "open_id")
                    user_id = found.user_id if found else open_id
                    people += [user_id] if user_id not in people else []
                return "、".join(self.company.name_of(user_id) for user_id in people)
            case "amount" | "number" | "formula":
                return f"{value:.2f}" if isinstance(value, (int, float)) else ""
            case _:
                return str(value) if value else ""

    def _shown_file(self, code: str) -> dict[str, str]:
        kept = self.sim.files.files[code]
        return {
            "name": kept.upload.name,
            "size": size_of(kept.upload.data),
            "kind": kept.upload.name.rpartition(".")[2].lower(),
            "url": self.sim.files.link(code),
        }

    def _shown_node(self, instance: Instance, place: int) -> ShownNode:
        node = instance.nodes[place]
        tasks = [task for task in instance.tasks if task.node_id == node.node_id]
        people = [
            (self.company.name_of(task.user_id) if task.user_id else "系统", deed(task)) for task in tasks
        ]
        if not tasks:
            people = [(self.company.name_of(user_id), "") for user_id in node.user_ids]
        words = {"AND": "会签", "OR": "或签", "SEQUENTIAL": "依次审批"}
        mode = words.get(node.mode, "") if len(node.user_ids) > 1 else ""
        return ShownNode(node.name, mode, node_state(instance, place, tasks), people)

    async def act(self, request: Request) -> Response:
        user_id, code = request.path_params["user_id"], request.path_params["code"]
        form = await request.form()
        text = str(form.get("text", "")).strip()[:1024]
        instance = self.sim.workflow.book.instances.get(code)
        if instance is None or user_id not in self.company.users:
            return self.missing("没有这张审批单")
        try:
            self._do(request.path_params["action"], instance, user_id, text, str(form.get("to", "")))
        except Refusal as error:
            return self._instance_page(request, error=error.msg, status=409)
        return RedirectResponse(f"/u/{quote(user_id)}/instances/{code}", status_code=303)

    def _do(self, action: str, instance: Instance, user_id: str, text: str, to_user_id: str) -> None:
        workflow = self.sim.workflow
        match action:
            case "approve" | "reject":
                workflow.decide(self._own_task(instance, user_id), Verdict(action), comment=text)
            case "transfer":
                workflow.hand_over(self._own_task(instance, user_id), to_user_id, comment=text)
            case "send-back":
                workflow.send_back(self._own_task(instance, user_id), comment=text)
            case "comment":
                if not text:
                    raise Refusal(1390001, "请先写评论")
                workflow.comment(instance, user_id, text)
            case "withdraw":
                workflow.withdraw(instance, user_id)
            case _:
                raise Refusal(1390001, "没有这个操作")

    def _own_task(self, instance: Instance, user_id: str) -> Task:
        task = self.sim.workflow.open_task_of(instance.code, user_id)
        if task is None:
            raise Refusal(1390010, "这里没有等你处理的任务，可能已被处理或撤回")
        return task

    # Signing in to somebody else's site.

    async def login(self, request: Request) -> Response:
        wish = dict(request.query_params)
        if wrong := self.sim.signin.check_wish(wish):
            return self.page("message.html", 400, title="无法登录", text=f"错误码：{wrong}")
        site = urlsplit(wish["redirect_uri"]).netloc
        last = self.last(request)
        return self.page(
            "login.html",
            title="用飞书登录",
            text=f"{site} 申请获取你的用户信息。选择登录的人：",
            action="/login/pick",
            answer="user_id",
            denial=("denied", "1", "不同意"),
            wish=wish,
            faces=self.faces(first=last),
            last=last,
        )

    async def pick(self, request: Request) -> Response:
        wish = dict(request.query_params)
        user_id = wish.pop("user_id", None)
        if wrong := self.sim.signin.check_wish(wish):
            return self.page("message.html", 400, title="无法登录", text=f"错误码：{wrong}")
        answer = RedirectResponse(self.sim.signin.back(wish, user_id), status_code=302)
        return self.remember(answer, user_id) if user_id in self.company.users and user_id else answer

    async def auth_code(self, request: Request) -> Response:
        """What tt.requestAccess does inside the client, for the person of the cookie or `user_id`."""
        origin = request.headers.get("origin", "*")
        headers = {"access-control-allow-origin": origin, "access-control-allow-credentials": "true"}
        user_id = request.query_params.get("user_id") or self.last(request)
        if user_id not in self.company.users:
            return JSONResponse({"errMsg": "requestAccess:fail 未登录"}, status_code=401, headers=headers)
        if request.query_params.get("appId") not in (None, "", self.sim.identity.app_id):
            body = {"errMsg": "requestAccess:fail appID 无效"}
            return JSONResponse(body, status_code=400, headers=headers)
        return JSONResponse({"code": self.sim.signin.new_code(user_id)}, headers=headers)


def read(form: FormData) -> Press:
    return Press(str(form.get("action", "")), str(form.get("reason", "")).strip()[:1024])
