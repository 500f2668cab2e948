"""The pages where a person plays: pick who you are, see what waits for you, decide; and Feishu's login page."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from simulators.feishu.company import ROOT, User
from simulators.feishu.errors import Refusal
from simulators.feishu.external import ExternalInstance
from simulators.feishu.forms import START_NODE, Widget, find_widget
from simulators.feishu.messages import Sent, buttons_of, elements_of
from simulators.feishu.simulator import Simulator
from simulators.feishu.workflow import CHINA, Instance, Status, Task, TaskStatus, Verdict
from simulators.stage.post import NoAnswer

HERE = Path(__file__).parent / "templates"
COOKIE = "feishu_user"

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
    "COMMENT": "评论",
}
ACTIONS = {"APPROVE": "同意", "REJECT": "拒绝"}


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
        self.templates.filters |= {"when": when, "money": money, "initial": initial}
        self.templates.globals |= {
            "name_of": simulator.company.name_of,
            "corp": lambda: simulator.company.name,
            "start_node": START_NODE,
        }

    def routes(self) -> list[Route]:
        return [
            Route("/", self.people),
            Route("/u/{user_id}", self.home),
            Route("/u/{user_id}/external/press", self.press, methods=["POST"]),
            Route("/u/{user_id}/messages/{message_id}/click", self.click, methods=["POST"]),
            Route("/u/{user_id}/instances/{code}", self.instance),
            Route("/u/{user_id}/instances/{code}/{action}", self.act, methods=["POST"]),
            Route("/open-apis/authen/v1/authorize", self.login),
            Route("/open-apis/authen/v1/index", self.login),
            Route("/login/pick", self.pick),
            Route("/client/auth-code", self.auth_code),
            Route("/client/feishu.js", self.client_script),
            Route("/files/{key}", self.file),
            Route("/style.css", self.style),
        ]

    def _page(self, template: str, status: int = 200, /, **context: Any) -> HTMLResponse:
        return HTMLResponse(self.templates.get_template(template).render(**context), status_code=status)

    def _missing(self, what: str) -> HTMLResponse:
        return self._page("message.html", 404, title="找不到", text=what)

    # Who am I?

    async def people(self, request: Request) -> Response:
        company = self.sim.company
        groups = []
        names = [(ROOT, company.name)] + [(key, company.departments[key].name) for key in company.below(ROOT)]
        for key, name in names:
            shown = [(company.users[user_id], self._waiting(user_id)) for user_id in company.members[key]]
            if shown:
                groups.append(({"name": name}, shown))
        waiting = sorted(
            ((user, count) for _, shown in groups for user, count in shown if count),
            key=lambda pair: -pair[1],
        )
        total = len(self.sim.workflow.book.instances)
        return self._page("people.html", groups=groups, waiting=waiting[:12], total=total)

    def _waiting(self, user_id: str) -> int:
        return len(self.sim.workflow.book.open_tasks.get(user_id, {}))

    # One person's desk.

    async def home(self, request: Request) -> Response:
        return self._home(request, tab=request.query_params.get("tab", "todo"))

    def _home(
        self, request: Request, *, tab: str, error: str = "", toast: Any = None, status: int = 200
    ) -> Response:
        user = self.sim.company.users.get(request.path_params["user_id"])
        if user is None:
            return self._missing("没有这个人")
        context = self._desk(user, tab)
        page = self._page(
            "home.html", status, user=user, tab=tab, tabs=TABS, error=error, toast=toast, **context
        )
        page.set_cookie(COOKIE, user.user_id, samesite="lax")
        return page

    def _desk(self, user: User, tab: str) -> dict[str, Any]:
        inbox = self.sim.messages.inbox(user.user_id)
        todos = self.sim.external.todos(user.user_id)
        counts = {
            "todo": self._waiting(user.user_id),
            "external": len(todos),
            "messages": sum(1 for sent in inbox if sent.is_unread),
        }
        context: dict[str, Any] = {"counts": counts}
        match tab:
            case "external":
                context["external"] = [_shown_todo(*row) for row in todos]
            case "messages":
                context["messages"] = [_shown_message(sent) for sent in inbox]
                self.sim.messages.mark_read(user.user_id)
            case _:
                context["rows"] = [
                    {"instance": instance, "state": state_of(instance), "brief": brief(instance)}
                    for instance in self._rows(user.user_id, tab)
                ]
        return context

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
        form = await request.form()
        code, instance_id, task_id, action = (
            str(form.get(name, "")) for name in ("approval_code", "instance_id", "task_id", "action")
        )
        user_id = request.path_params["user_id"]
        if not any(
            (waiting.code, waiting.id, task["task_id"]) == (code, instance_id, task_id)
            for waiting, task in self.sim.external.todos(user_id)
        ):
            return self._missing("没有这条三方待办，可能已被处理")
        try:
            await self.sim.press(code, instance_id, task_id, action=action, reason="")
        except (ValueError, Refusal) as error:
            return self._home(request, tab="external", error=str(error), status=409)
        return RedirectResponse(f"/u/{user_id}?tab=external", status_code=303)

    async def click(self, request: Request) -> Response:
        user = self.sim.company.users.get(request.path_params["user_id"])
        sent = self.sim.messages.postbox.messages.get(request.path_params["message_id"])
        if user is None or sent is None or sent.user_id != user.user_id:
            return self._missing("没有这条消息")
        form = await request.form()
        buttons = buttons_of(sent.card)
        place = str(form.get("place", ""))
        if not place.isdigit() or int(place) >= len(buttons):
            return self._missing("卡片上没有这个按钮")
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
        user = self.sim.company.users.get(request.path_params["user_id"])
        instance = self.sim.workflow.book.instances.get(request.path_params["code"])
        if user is None or instance is None:
            return self._missing("没有这张审批单")
        department = self.sim.company.departments.get(instance.department_id)
        can_withdraw = instance.originator == user.user_id and (
            instance.status in (Status.PENDING, Status.APPROVED)
        )
        page = self._page(
            "instance.html",
            status,
            user=user,
            instance=instance,
            state=state_of(instance),
            department=department.name if department else self.sim.company.name,
            values=[self._shown_value(widget, item) for widget, item in instance.values],
            nodes=[self._shown_node(instance, place) for place in range(len(instance.nodes))],
            records=_history(instance),
            task=self.sim.workflow.open_task_of(instance.code, user.user_id),
            can_withdraw=can_withdraw,
            others=[
                other for other in self.sim.company.users.values() if other.is_active and other is not user
            ],
            error=error,
        )
        page.set_cookie(COOKIE, user.user_id, samesite="lax")
        return page

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
                text = self._text(widget, item)
                return Shown(label, "link" if is_web(text) else "text", text=text or "—")

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
                    user_id = self.sim.company.by_open_id.get(open_id, open_id)
                    people += [user_id] if user_id not in people else []
                return "、".join(self.sim.company.name_of(user_id) for user_id in people)
            case "amount" | "number" | "formula":
                return f"{value:.2f}" if isinstance(value, (int, float)) else ""
            case _:
                return str(value) if value else ""

    def _shown_file(self, code: str) -> dict[str, str]:
        kept = self.sim.files.files[code]
        return {
            "name": kept.upload.name,
            "size": f"{max(1, len(kept.upload.data) // 1024)} KB",
            "kind": kept.upload.name.rpartition(".")[2].lower(),
            "url": self.sim.files.link(code),
        }

    def _shown_node(self, instance: Instance, place: int) -> ShownNode:
        node = instance.nodes[place]
        tasks = [task for task in instance.tasks if task.node_id == node.node_id]
        people = [
            (self.sim.company.name_of(task.user_id) if task.user_id else "系统", deed(task)) for task in tasks
        ]
        if not tasks:
            people = [(self.sim.company.name_of(user_id), "") for user_id in node.user_ids]
        words = {"AND": "会签", "OR": "或签", "SEQUENTIAL": "依次审批"}
        mode = words.get(node.mode, "") if len(node.user_ids) > 1 else ""
        return ShownNode(node.name, mode, node_state(instance, place, tasks), people)

    async def act(self, request: Request) -> Response:
        user_id, code = request.path_params["user_id"], request.path_params["code"]
        form = await request.form()
        text = str(form.get("text", "")).strip()[:1024]
        instance = self.sim.workflow.book.instances.get(code)
        if instance is None or user_id not in self.sim.company.users:
            return self._missing("没有这张审批单")
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
            return self._page("message.html", 400, title="无法登录", text=f"错误码：{wrong}")
        last = request.cookies.get(COOKIE, "")
        users = sorted(self.sim.company.users.values(), key=lambda user: user.user_id != last)
        site = urlsplit(wish["redirect_uri"]).netloc
        return self._page("login.html", wish=wish, users=users, site=site, last=last)

    async def pick(self, request: Request) -> Response:
        wish = dict(request.query_params)
        user_id = wish.pop("user_id", None)
        if wrong := self.sim.signin.check_wish(wish):
            return self._page("message.html", 400, title="无法登录", text=f"错误码：{wrong}")
        answer = RedirectResponse(self.sim.signin.back(wish, user_id), status_code=302)
        if user_id in self.sim.company.users:
            answer.set_cookie(COOKIE, str(user_id), samesite="lax")
        return answer

    async def auth_code(self, request: Request) -> Response:
        """What tt.requestAccess does inside the client, for the person of the cookie or `user_id`."""
        origin = request.headers.get("origin", "*")
        headers = {"access-control-allow-origin": origin, "access-control-allow-credentials": "true"}
        user_id = request.query_params.get("user_id") or request.cookies.get(COOKIE, "")
        if user_id not in self.sim.company.users:
            return JSONResponse({"errMsg": "requestAccess:fail 未登录"}, status_code=401, headers=headers)
        if request.query_params.get("appId") not in (None, "", self.sim.identity.app_id):
            body = {"errMsg": "requestAccess:fail appID 无效"}
            return JSONResponse(body, status_code=400, headers=headers)
        return JSONResponse({"code": self.sim.signin.new_code(user_id)}, headers=headers)

    async def client_script(self, request: Request) -> Response:
        return self._asset("feishu.js", "text/javascript")

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
    if instance.is_reverted and instance.status is Status.PENDING:
        return "已撤销，待处理", "running"
    match instance.status:
        case Status.PENDING:
            return "审批中", "running"
        case Status.APPROVED:
            return "已通过", "agreed"
        case Status.REJECTED:
            return "已拒绝", "refused"
        case Status.CANCELED:
            return "已撤回", "ended"
        case Status.DELETED:
            return "已删除", "ended"


def node_state(instance: Instance, place: int, tasks: list[Task]) -> str:
    if any(task.status is TaskStatus.REJECTED for task in tasks):
        return "refused"
    if place < instance.place:
        return "done"
    if instance.status is not Status.PENDING:
        return "ended"
    return "current" if place == instance.place else "waiting"


def deed(task: Task) -> str:
    match task.status:
        case TaskStatus.PENDING:
            return "审批中"
        case TaskStatus.APPROVED:
            return "自动通过" if not task.user_id else "已同意"
        case TaskStatus.REJECTED:
            return "已拒绝"
        case TaskStatus.TRANSFERRED:
            return "已转交"
        case TaskStatus.DONE:
            return "无需处理"


def _history(instance: Instance) -> list[dict[str, Any]]:
    """The timeline and the comments, which the product keeps apart, as one story."""
    entries = [
        {
            "kind": entry.kind,
            "user_id": entry.user_id,
            "did": DEEDS.get(entry.kind, entry.kind),
            "at_ms": entry.at_ms,
            "comment": entry.comment,
            "others": entry.others,
        }
        for entry in instance.timeline
    ]
    entries += [
        {
            "kind": "COMMENT",
            "user_id": comment.user_id,
            "did": DEEDS["COMMENT"],
            "at_ms": comment.at_ms,
            "comment": comment.text,
            "others": [],
        }
        for comment in instance.comments
    ]
    return sorted(entries, key=lambda entry: int(str(entry["at_ms"])))


def brief(instance: Instance) -> list[tuple[str, str]]:
    """The first few plain values: what a list row shows."""
    found = []
    for widget, item in instance.values:
        value = item.get("value")
        if widget.kind == "amount":
            found.append((widget.name, money(f"{value:.2f}")))
        elif widget.kind in ("input", "textarea") and not is_web(value):
            found.append((widget.name, str(value)))
    return found[:3]


def _shown_todo(instance: ExternalInstance, task: dict[str, Any]) -> dict[str, Any]:
    texts = instance.body.get("texts", {})

    def said(key: Any) -> str:
        return str(texts.get(key, key or ""))

    links = task.get("links") or instance.body.get("links") or {}
    link = links.get("pc_link") or links.get("mobile_link") or ""
    return {
        "code": instance.code,
        "instance_id": instance.id,
        "task_id": task["task_id"],
        "title": said(task.get("title") or instance.body.get("title")) or instance.id,
        "form": [
            (said(row.get("name")), said(row.get("value"))) for row in (instance.body.get("form") or [])[:3]
        ],
        "node": said(task.get("node_name")) or "审批",
        "updated_ms": instance.update_time,
        "link": link if is_web(link) else "",
        "actions": [
            (row["action_type"], ACTIONS.get(row["action_type"]) or said(row.get("action_name")))
            for row in task.get("action_configs") or []
        ],
    }


def _shown_message(sent: Sent) -> dict[str, Any]:
    card = sent.card
    shown: dict[str, Any] = {
        "message_id": sent.message_id,
        "sent_ms": sent.sent_ms,
        "updates": sent.updates,
        "is_unread": sent.is_unread,
        "buttons": [],
    }
    if sent.kind != "interactive":
        return shown | {"title": "消息", "lines": [str(card.get("text") or sent.content)]}
    header = card.get("header")
    title = header.get("title", {}).get("content", "") if isinstance(header, dict) else ""
    inside = card.get("elements") or (card.get("body") or {}).get("elements") or []
    lines = []
    for element in elements_of(inside):
        if element["tag"] in ("lark_md", "plain_text", "markdown"):
            lines.append(str(element.get("content", "")))
    labels = {button.text for button in buttons_of(card)}
    return shown | {
        "title": title or "卡片",
        "lines": [plain(line) for line in lines if line and line not in labels],
        "buttons": [
            (place, button)
            for place, button in enumerate(buttons_of(card))
            if button.value is not None or is_web(button.url)
        ],
    }


def is_web(url: object) -> bool:
    return isinstance(url, str) and url.startswith(("http://", "https://")) and not re.search(r"\s", url)


def plain(markdown: str) -> str:
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    return re.sub(r"(?m)^#+\s*|\*\*|^>\s?|</?font[^>]*>", "", text).strip()


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
