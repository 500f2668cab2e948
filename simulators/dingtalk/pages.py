"""The pages where a person plays: pick who you are, see what waits for you, decide; and DingTalk's login page."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from simulators.dingtalk.company import Company, Department, User
from simulators.dingtalk.errors import NewRefusal
from simulators.dingtalk.messages import Card, Notification
from simulators.dingtalk.simulator import Simulator
from simulators.dingtalk.workflow import CHINA, Instance, Record, Status, Task, TaskStatus, Value, Verdict

HERE = Path(__file__).parent / "templates"
COOKIE = "dingtalk_user"

TABS = (
    ("todo", "待处理"),
    ("done", "已处理"),
    ("mine", "我发起的"),
    ("copied", "抄送我的"),
    ("cards", "待办"),
    ("news", "工作通知"),
)
OPERATIONS = {
    "START_PROCESS_INSTANCE": "发起申请",
    "TERMINATE_PROCESS_INSTANCE": "撤销了申请",
    "REDIRECT_TASK": "转交了审批",
    "ADD_REMARK": "添加了评论",
    "PROCESS_CC": "抄送",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One form value, ready for the template; `kind` says which of the parts is filled."""

    label: str
    kind: str
    text: str = ""
    columns: list[str] = field(default_factory=list)
    numeric: set[str] = field(default_factory=set)
    rows: list[dict[str, str]] = field(default_factory=list)
    photos: list[str] = field(default_factory=list)
    files: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ShownNode:
    name: str
    mode: str
    state: str  # done, refused, current, waiting, ended
    people: list[tuple[str, str]]  # name, what they did


class Pages:
    def __init__(self, simulator: Simulator) -> None:
        self.sim = simulator
        self.templates = Environment(
            loader=FileSystemLoader(HERE),
            autoescape=select_autoescape(),
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.templates.filters |= {"when": when, "money": money, "initial": initial, "color": color}
        self.templates.globals |= {"name_of": self._name, "corp": lambda: self._company().departments[1].name}

    def routes(self) -> list[Route]:
        return [
            Route("/", self.people),
            Route("/u/{userid}", self.home),
            Route("/u/{userid}/instances/{instance_id}", self.instance),
            Route("/u/{userid}/instances/{instance_id}/{action}", self.act, methods=["POST"]),
            Route("/u/{userid}/todos/{todo_id}/done", self.tick, methods=["POST"]),
            Route("/oauth2/auth", self.login),
            Route("/oauth2/auth/pick", self.pick),
            Route("/client/auth-code", self.auth_code),
            Route("/client/dingtalk.js", self.client_script),
            Route("/files/{key}", self.file),
            Route("/style.css", self.style),
        ]

    def _company(self) -> Company:
        return self.sim.company

    def _name(self, userid: str) -> str:
        return self.sim.company.name(userid)

    def _page(self, template: str, status: int = 200, /, **context: Any) -> HTMLResponse:
        return HTMLResponse(self.templates.get_template(template).render(**context), status_code=status)

    def _missing(self, what: str) -> HTMLResponse:
        return self._page("message.html", 404, title="找不到", text=what)

    # Who am I?

    async def people(self, request: Request) -> Response:
        open_tasks = self.sim.workflow.book.open_tasks
        groups = []
        for department in self._departments():
            members = [
                self.sim.company.users[userid] for userid in self.sim.company.members[department.dept_id]
            ]
            if members:
                shown = [(user, len(open_tasks.get(user.userid, {}))) for user in members]
                groups.append((department, shown))
        waiting = sorted(
            ((user, count) for _, shown in groups for user, count in shown if count),
            key=lambda pair: -pair[1],
        )
        total = len(self.sim.workflow.book.instances)
        return self._page("people.html", groups=groups, waiting=waiting[:12], total=total)

    def _departments(self) -> list[Department]:
        company = self.sim.company
        return [company.departments[dept_id] for dept_id in company.below(1)]

    # One person's desk.

    async def home(self, request: Request) -> Response:
        user = self.sim.company.users.get(request.path_params["userid"])
        if user is None:
            return self._missing("没有这个人")
        tab = request.query_params.get("tab", "todo")
        context = self._desk(user, tab)
        page = self._page("home.html", user=user, tab=tab, tabs=TABS, **context)
        page.set_cookie(COOKIE, user.userid, samesite="lax")
        return page

    def _desk(self, user: User, tab: str) -> dict[str, Any]:
        book = self.sim.workflow.book
        counts = {
            "todo": len(book.open_tasks.get(user.userid, {})),
            "cards": sum(1 for todo in self.sim.todos.of(user.unionid) if user.unionid not in todo.done_by),
            "news": sum(1 for sent in self.sim.messages.inbox(user.userid) if user.userid in sent.unread),
        }
        context: dict[str, Any] = {"counts": counts}
        match tab:
            case "cards":
                context["todos"] = self.sim.todos.of(user.unionid)
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

    def _rows(self, user: User, tab: str) -> list[dict[str, Any]]:
        book = self.sim.workflow.book
        if tab == "mine":
            ids = list(reversed(book.started.get(user.userid, ())))
        elif tab == "copied":
            ids = list(reversed(book.copied.get(user.userid, ())))
        elif tab == "done":
            done = reversed(book.done_tasks.get(user.userid, ()))
            ids = list(dict.fromkeys(task.instance_id for task in done))
        else:
            ids = list(
                dict.fromkeys(task.instance_id for task in book.open_tasks.get(user.userid, {}).values())
            )
        found = [book.instances[instance_id] for instance_id in ids if instance_id in book.instances]
        return [
            {"instance": instance, "state": state_of(instance), "brief": brief(instance)}
            for instance in found
        ]

    # One instance.

    async def instance(self, request: Request) -> Response:
        return self._instance_page(request)

    def _instance_page(self, request: Request, *, error: str = "", status: int = 200) -> Response:
        user = self.sim.company.users.get(request.path_params["userid"])
        instance = self.sim.workflow.book.instances.get(request.path_params["instance_id"])
        if user is None or instance is None:
            return self._missing("没有这张审批单")
        department = self.sim.company.departments.get(instance.dept_id)
        page = self._page(
            "instance.html",
            status,
            user=user,
            instance=instance,
            state=state_of(instance),
            department=department.name if department else "",
            values=[self._shown_value(value) for value in instance.values],
            nodes=[self._shown_node(instance, place) for place in range(len(instance.nodes))],
            records=[(record, operation(record)) for record in instance.records],
            task=self.sim.workflow.open_task_of(instance.id, user.userid),
            can_withdraw=instance.originator == user.userid and instance.status is Status.RUNNING,
            others=[other for other in self.sim.company.users.values() if other.active and other is not user],
            error=error,
        )
        page.set_cookie(COOKIE, user.userid, samesite="lax")
        return page

    def _shown_value(self, value: Value) -> Shown:
        label, kind = value.component.label, value.component.kind
        if not value.value:
            return Shown(label, "text", text="—")
        match kind:
            case "TableField":
                return _shown_table(value)
            case "DDPhotoField":
                return Shown(label, "photos", photos=[url for url in json.loads(value.value) if is_web(url)])
            case "DDAttachment":
                return Shown(
                    label, "files", files=[self._shown_file(item) for item in json.loads(value.value)]
                )
            case "MoneyField":
                return Shown(label, "money", text=value.value)
            case "DDDateRangeField":
                return Shown(" – ".join(json.loads(label)), "text", text=" 至 ".join(json.loads(value.value)))
            case "InnerContactField":
                return Shown(
                    label, "text", text="、".join(self._name(item) for item in json.loads(value.value))
                )
            case "DDMultiSelectField" | "RelateField":
                return Shown(label, "text", text="、".join(json.loads(value.value)))
            case _ if is_web(value.value):
                return Shown(label, "link", text=value.value)
            case _:
                return Shown(label, "text", text=value.value)

    def _shown_file(self, item: dict[str, Any]) -> dict[str, str]:
        return {
            "name": str(item["fileName"]),
            "size": f"{max(1, int(item['fileSize']) // 1024)} KB" if str(item["fileSize"]).isdigit() else "",
            "kind": str(item["fileType"]).lower(),
            "url": self.sim.files.link(str(item["fileId"])) if self._has(item) else "",
        }

    def _has(self, item: dict[str, Any]) -> bool:
        return self.sim.files.is_there(str(item["spaceId"]), str(item["fileId"]))

    def _shown_node(self, instance: Instance, place: int) -> ShownNode:
        node = instance.nodes[place]
        tasks = [task for task in instance.tasks if task.activity_id == node.activity_id]
        people = [(self._name(task.userid), deed(task)) for task in tasks]
        if not tasks:
            people = [(self._name(userid), "") for userid in node.user_ids]
        mode = {"AND": "会签", "OR": "或签"}.get(node.mode, "") if len(node.user_ids) > 1 else ""
        return ShownNode(node.name, mode, node_state(instance, place, tasks), people)

    async def act(self, request: Request) -> Response:
        userid, instance_id = request.path_params["userid"], request.path_params["instance_id"]
        form = await request.form()
        text = str(form.get("text", "")).strip()[:1024]
        instance = self.sim.workflow.book.instances.get(instance_id)
        if instance is None or userid not in self.sim.company.users:
            return self._missing("没有这张审批单")
        try:
            self._do(request.path_params["action"], instance, userid, text, str(form.get("to", "")))
        except NewRefusal as error:
            return self._instance_page(request, error=error.message, status=409)
        return RedirectResponse(f"/u/{userid}/instances/{instance_id}", status_code=303)

    def _do(self, action: str, instance: Instance, userid: str, text: str, to_userid: str) -> None:
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
            case _:
                raise NewRefusal("invalidParameter", "没有这个操作")

    def _own_task(self, instance: Instance, userid: str) -> Task:
        task = self.sim.workflow.open_task_of(instance.id, userid)
        if task is None:
            raise NewRefusal("needAuth", "这里没有等你处理的任务，可能已被处理或撤销")
        return task

    async def tick(self, request: Request) -> Response:
        user = self.sim.company.users.get(request.path_params["userid"])
        todo = self.sim.todos.box.todos.get(request.path_params["todo_id"])
        if user is None or todo is None or user.unionid not in todo.executors:
            return self._missing("没有这条待办")
        try:
            self.sim.todos.tick(todo, user.unionid)
        except NewRefusal as error:
            return self._page("message.html", 409, title="不能在这里完成", text=error.message)
        return RedirectResponse(f"/u/{user.userid}?tab=cards", status_code=303)

    # Signing in to somebody else's site.

    async def login(self, request: Request) -> Response:
        wish = dict(request.query_params)
        if wrong := self.sim.signin.check_wish(wish):
            return self._page("message.html", 400, title="无法登录", text=wrong)
        users = sorted(self.sim.company.users.values(), key=lambda user: user.userid != self._last(request))
        return self._page(
            "login.html",
            wish=wish,
            users=users,
            site=urlsplit(wish["redirect_uri"]).netloc,
            last=self._last(request),
        )

    async def pick(self, request: Request) -> Response:
        wish = dict(request.query_params)
        userid = wish.pop("userid", None)
        if wrong := self.sim.signin.check_wish(wish):
            return self._page("message.html", 400, title="无法登录", text=wrong)
        answer = RedirectResponse(self.sim.signin.back(wish, userid), status_code=302)
        if userid in self.sim.company.users:
            answer.set_cookie(COOKIE, str(userid), samesite="lax")
        return answer

    def _last(self, request: Request) -> str:
        return request.cookies.get(COOKIE, "")

    async def auth_code(self, request: Request) -> Response:
        """What dd.requestAuthCode does inside the client, for the person of the cookie or `userid`."""
        origin = request.headers.get("origin", "*")
        headers = {"access-control-allow-origin": origin, "access-control-allow-credentials": "true"}
        userid = request.query_params.get("userid") or self._last(request)
        if userid not in self.sim.company.users:
            return JSONResponse({"errorMessage": "未登录"}, status_code=401, headers=headers)
        if request.query_params.get("corpId") not in (None, "", self.sim.identity.corp_id):
            return JSONResponse({"errorMessage": "corpId 无效"}, status_code=400, headers=headers)
        return JSONResponse({"code": self.sim.signin.free_code(userid)}, headers=headers)

    async def client_script(self, request: Request) -> Response:
        return self._asset("dingtalk.js", "text/javascript")

    async def style(self, request: Request) -> Response:
        return self._asset("style.css", "text/css")

    def _asset(self, name: str, media_type: str) -> Response:
        return Response((HERE / name).read_bytes(), media_type=media_type)

    async def file(self, request: Request) -> Response:
        upload = self.sim.files.linked(request.path_params["key"])
        if upload is None:
            return self._missing("链接已失效")
        # Whatever was uploaded is shown as data, never run as a page of ours.
        headers = {"content-security-policy": "sandbox", "x-content-type-options": "nosniff"}
        return Response(upload.data, media_type=upload.media_type, headers=headers)


def state_of(instance: Instance) -> tuple[str, str]:
    """A word and its colour."""
    match instance.status, instance.result:
        case Status.RUNNING, _:
            return "审批中", "running"
        case Status.TERMINATED, _:
            return "已撤销", "ended"
        case _, "agree":
            return "已同意", "agreed"
        case _:
            return "已拒绝", "refused"


def node_state(instance: Instance, place: int, tasks: list[Task]) -> str:
    if any(task.result == "REFUSE" for task in tasks):
        return "refused"
    if place < instance.place:
        return "done"
    if instance.status is not Status.RUNNING:
        return "ended"
    return "current" if place == instance.place else "waiting"


def deed(task: Task) -> str:
    match task.status, task.result:
        case TaskStatus.RUNNING, _:
            return "审批中"
        case TaskStatus.COMPLETED, "AGREE":
            return "已同意"
        case TaskStatus.COMPLETED, "REFUSE":
            return "已拒绝"
        case TaskStatus.COMPLETED, _:
            return "已转交"
        case TaskStatus.CANCELED, _:
            return "无需处理"
        case _:
            return "已终止"


def operation(record: Record) -> str:
    if record.type == "EXECUTE_TASK_NORMAL":
        return "同意" if record.result == "AGREE" else "拒绝"
    return OPERATIONS.get(record.type, record.type)


def brief(instance: Instance) -> list[tuple[str, str]]:
    """The first few plain values: what a list row shows."""
    found = []
    for value in instance.values:
        if value.component.kind in ("TextField", "TextareaField", "MoneyField") and value.value:
            text = money(value.value) if value.component.kind == "MoneyField" else value.value
            if not is_web(text):
                found.append((value.component.label, text))
    return found[:3]


def shown_news(sent: Notification, userid: str) -> dict[str, Any]:
    kind = sent.msg["msgtype"]
    body = sent.msg[kind]
    shown: dict[str, Any] = {
        "sent_ms": sent.sent_ms,
        "is_unread": userid in sent.unread,
        "kind": kind,
        "status": sent.status_value,
        "status_bg": sent.status_bg,
        "links": [],
    }
    if kind == "action_card":
        shown |= {"title": body["title"], "text": plain(body["markdown"])}
        if body.get("single_url"):
            shown["links"] = [(body.get("single_title") or "查看详情", body["single_url"])]
        else:
            shown["links"] = [(row["title"], row["action_url"]) for row in body["btn_json_list"]]
    elif kind == "oa":
        inner = body.get("body") or {}
        shown |= {
            "head": (body.get("head") or {}).get("text", ""),
            "title": inner.get("title", ""),
            "form": inner.get("form") or [],
            "text": inner.get("content", ""),
            "rich": inner.get("rich"),
            "links": [("查看详情", body["message_url"])],
        }
    else:
        shown |= {
            "title": body.get("title", ""),
            "text": plain(str(body.get("text") or body.get("content") or body.get("media_id") or "")),
        }
    shown["links"] = [(title, url) for title, url in shown["links"] if is_web(url)]
    return shown


def _shown_table(value: Value) -> Shown:
    columns = [child.label for child in value.component.children]
    numeric = {
        child.label for child in value.component.children if child.kind in ("MoneyField", "NumberField")
    }
    rows = [{cell["name"]: cell["value"] for cell in row} for row in json.loads(value.value)]
    return Shown(value.component.label, "table", columns=columns, numeric=numeric, rows=rows)


def is_web(url: object) -> bool:
    return isinstance(url, str) and url.startswith(("http://", "https://")) and not re.search(r"\s", url)


def plain(markdown: str) -> str:
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    return re.sub(r"(?m)^#+\s*|\*\*|^>\s?", "", text).strip()


def when(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, CHINA)
    today = datetime.fromtimestamp(time.time(), CHINA).date()
    clock = at.strftime("%H:%M")
    match (today - at.date()).days:
        case 0:
            return f"今天 {clock}"
        case 1:
            return f"昨天 {clock}"
        case _:
            return f"{at.month}月{at.day}日 {clock}"


def money(text: str) -> str:
    """ "1280.5" → "¥1,280.50"; what is no number stays as it came."""
    match = re.fullmatch(r"(-?)(\d+)(?:\.(\d+))?", text)
    if not match:
        return text
    sign, whole, cents = match.group(1), match.group(2), match.group(3) or ""
    return f"{'−' if sign else ''}¥{int(whole):,}.{cents.ljust(2, '0')}"


def initial(name: str) -> str:
    return name[-2:] if len(name) > 2 else name


def color(given: str) -> str:
    """0xFFF65E5E → #F65E5E."""
    match = re.fullmatch(r"(?:0x|#)?(?:[0-9A-Fa-f]{2})?([0-9A-Fa-f]{6})", given or "")
    return f"#{match.group(1)}" if match else "#8f959e"
