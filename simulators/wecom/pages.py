"""The pages where a person plays: pick who you are, see what waits for you, decide; and WeCom's sign-in pages."""

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

from simulators.stage.fields import Fields
from simulators.wecom.approval import Change, Deed, Form, Node, NotPossible, Record, Status
from simulators.wecom.company import ROOT, User
from simulators.wecom.control import answered
from simulators.wecom.errors import Refusal
from simulators.wecom.forms import Control
from simulators.wecom.messages import Message
from simulators.wecom.simulator import Simulator
from simulators.wecom.values import CHINA, local

HERE = Path(__file__).parent / "templates"
COOKIE = "wecom_user"
TABS = (
    ("todo", "待处理"),
    ("done", "已处理"),
    ("mine", "已提交"),
    ("copied", "抄送我"),
    ("news", "应用消息"),
)
STATES = {
    Status.RUNNING: ("审批中", "running"),
    Status.APPROVED: ("已通过", "agreed"),
    Status.REJECTED: ("已驳回", "refused"),
    Status.WITHDRAWN: ("已撤销", "ended"),
    Status.WITHDRAWN_AFTER: ("通过后撤销", "ended"),
    Status.DELETED: ("已删除", "ended"),
    Status.PAID: ("已支付", "agreed"),
}
DEEDS = {
    Deed.AGREED: "已同意",
    Deed.REJECTED: "已驳回",
    Deed.TRANSFERRED: "已转审",
    Deed.RETURNED: "已退回",
    Deed.ADDED: "已加签",
    Deed.AGREED_AND_ADDED: "已同意并加签",
    Deed.HANDLED: "已办理",
    Deed.FORWARDED: "已转交",
}
CHANGES = {
    Change.SUBMITTED: "提交了申请",
    Change.AGREED: "同意",
    Change.REJECTED: "驳回",
    Change.TRANSFERRED: "转审",
    Change.URGED: "催办",
    Change.WITHDRAWN: "撤销了申请",
    Change.WITHDRAWN_AFTER: "在通过后撤销了申请",
    Change.COMMENTED: "添加了备注",
    Change.RETURNED: "退回",
    Change.APPROVER_ADDED: "加签",
    Change.AGREED_AND_ADDED: "同意并加签",
    Change.HANDLED: "办理",
    Change.FORWARDED: "转交",
}
RELATIONS = {1: "会签", 2: "或签", 3: "依次审批"}
NODE_NAMES = {1: "审批人", 2: "抄送人", 3: "办理人"}


@dataclass(frozen=True, slots=True)
class Shown:
    """One form value, ready for the template; `kind` says which of the parts is filled."""

    label: str
    kind: str
    text: str = ""
    columns: list[str] = field(default_factory=list)
    numeric: set[str] = field(default_factory=set)
    rows: list[dict[str, str]] = field(default_factory=list)
    files: list[dict[str, str]] = field(default_factory=list)


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
        self.templates.globals |= {"name_of": self._name, "corp": self._corp}

    def routes(self) -> list[Route]:
        return [
            Route("/", self.people),
            Route("/u/{userid}", self.home),
            Route("/u/{userid}/forms/{key}", self.form),
            Route("/u/{userid}/forms/{key}/{action}", self.act, methods=["POST"]),
            Route("/u/{userid}/messages/{msgid}", self.press, methods=["POST"]),
            Route("/connect/oauth2/authorize", self.authorize),
            Route("/wwlogin/sso/login", self.scan),
            Route("/signin/{way}/pick", self.pick),
            Route("/client/wecom.js", self.client_script),
            Route("/client/config", self.check_config, methods=["POST"]),
            Route("/client/approval", self.open_approval, methods=["POST"]),
            Route("/files/{key}", self.file),
            Route("/style.css", self.style),
        ]

    def _name(self, userid: str) -> str:
        return self.sim.company.name(userid)

    def _corp(self) -> str:
        return self.sim.company.departments[ROOT].name

    def _page(self, template: str, status: int = 200, /, **context: Any) -> HTMLResponse:
        return HTMLResponse(self.templates.get_template(template).render(**context), status_code=status)

    def _message(self, status: int, title: str, text: str) -> HTMLResponse:
        return self._page("message.html", status, title=title, text=text)

    def _remember(self, page: Response, userid: str) -> Response:
        page.set_cookie(COOKIE, userid, samesite="lax")
        return page

    def _last(self, request: Request) -> str:
        userid = request.cookies.get(COOKIE, "")
        return userid if userid in self.sim.company.users else ""

    # Who am I?

    async def people(self, request: Request) -> Response:
        company, waiting = self.sim.company, self.sim.workflow.book.waiting
        groups = []
        for dept_id in company.below(ROOT):
            members = [company.users[userid] for userid in company.members[dept_id]]
            if members:
                shown = [(user, len(waiting.get(user.userid, {}))) for user in members]
                groups.append((company.departments[dept_id], shown))
        busy = sorted((pair for _, shown in groups for pair in shown if pair[1]), key=lambda pair: -pair[1])
        total = len(self.sim.workflow.book.forms)
        return self._page("people.html", groups=groups, waiting=busy[:12], total=total)

    # One person's desk.

    async def home(self, request: Request) -> Response:
        user = self.sim.company.users.get(request.path_params["userid"])
        if user is None:
            return self._message(404, "找不到", "没有这个人")
        tab = request.query_params.get("tab", "todo")
        error = request.query_params.get("error", "")
        page = self._page("home.html", user=user, tab=tab, tabs=TABS, error=error, **self._desk(user, tab))
        return self._remember(page, user.userid)

    def _desk(self, user: User, tab: str) -> dict[str, Any]:
        book, postbox = self.sim.workflow.book, self.sim.messages.postbox
        context: dict[str, Any] = {
            "counts": {
                "todo": len(book.waiting.get(user.userid, {})),
                "news": len(postbox.unread[user.userid]),
            },
            "tile": self.sim.workbench.items(user.userid),
        }
        if tab == "news":
            context["news"] = [
                shown_news(message, user.userid) for message in self.sim.messages.of(user.userid)
            ]
            postbox.unread[user.userid].clear()
        else:
            context["rows"] = [
                {"form": form, "state": STATES[form.status], "brief": self._brief(form)}
                for form in self._forms(user, tab)
            ]
        return context

    def _forms(self, user: User, tab: str) -> list[Form]:
        book = self.sim.workflow.book
        if tab == "todo":
            return list(reversed(book.waiting.get(user.userid, {}).values()))
        shelf = {"done": book.done, "mine": book.started, "copied": book.copied}.get(tab, {})
        keys = dict.fromkeys(reversed(shelf.get(user.userid, ())))
        return [book.forms[key] for key in keys if key in book.forms]

    def _brief(self, form: Form) -> list[str]:
        """What a list row shows: the summary the app sent, or the engine's first fields."""
        if form.is_engine:
            return [f"{row.get('title', '')}：{row.get('value', '')}" for row in form.extra[:3]]
        return form.summary

    # One form.

    async def form(self, request: Request) -> Response:
        return self._form_page(request)

    def _form_page(self, request: Request, *, error: str = "", status: int = 200) -> Response:
        user = self.sim.company.users.get(request.path_params["userid"])
        form = self.sim.workflow.book.forms.get(request.path_params["key"])
        if user is None or form is None:
            return self._message(404, "找不到", "没有这张审批单")
        may_withdraw = (Status.RUNNING,) if form.is_engine else (Status.RUNNING, Status.APPROVED)
        page = self._page(
            "form.html",
            status,
            user=user,
            form=form,
            state=STATES[form.status],
            department=self.sim.company.department_name(form.dept_id),
            values=self._values(form),
            nodes=[self._shown_node(form, place) for place in range(len(form.nodes))],
            records=[(record, CHANGES[record.change], look_of(record)) for record in form.records],
            is_asked=self.sim.workflow.asked(form, user.userid) is not None,
            is_handler=form.place < len(form.nodes) and form.nodes[form.place].type == 3,
            can_withdraw=form.applicant == user.userid and form.status in may_withdraw,
            others=[other for other in self.sim.company.users.values() if other is not user],
            earlier=[
                (place, "、".join(self._name(sub.userid) for sub in node.subs))
                for place, node in enumerate(form.nodes[: form.place])
                if node.type != 2
            ],
            error=error,
        )
        return self._remember(page, user.userid)

    def _values(self, form: Form) -> list[Shown]:
        if form.is_engine:
            return [
                Shown(
                    row.get("title", ""), "link" if is_web(row.get("value")) else "text", row.get("value", "")
                )
                for row in form.extra
            ]
        return [self._shown_value(control, form.values[control.id]) for control in form.controls]

    def _shown_value(self, control: Control, value: dict[str, Any]) -> Shown:
        if "children" in value:
            return self._shown_table(control, value)
        if "files" in value:
            return Shown(control.title, "files", files=[self._shown_file(row) for row in value["files"]])
        text = self._text(control, value)
        kind = "money" if control.kind == "Money" else "link" if is_web(text) else "text"
        return Shown(control.title, kind if text else "text", text=text or "—")

    def _text(self, control: Control, value: dict[str, Any]) -> str:
        match control.kind:
            case "Money" | "Number":
                return str(value.get("new_money") or value.get("new_number") or "")
            case "Date":
                return day(value["date"]["s_timestamp"], control.type) if value else ""
            case "DateRange" | "Attendance":
                given = (value.get("attendance") or value).get("date_range")
                return between(given, control.type) if given else ""
            case "Selector":
                options = value.get("selector", {}).get("options", [])
                return "、".join(row["value"][0]["text"] for row in options)
            case "Contact":
                people = [self._name(row["userid"]) for row in value.get("members", [])]
                return "、".join(people or [row["name"] for row in value.get("departments", [])])
            case "RelatedApproval":
                return "、".join(row["sp_no"] for row in value.get("related_approval", []))
            case "Location":
                return str(value.get("location", {}).get("title", ""))
            case _:
                return str(value.get("text", ""))

    def _shown_table(self, control: Control, value: dict[str, Any]) -> Shown:
        columns = {child.id: child for child in control.children}
        rows = [
            {cell["title"][0]["text"]: self._text(columns[cell["id"]], cell["value"]) for cell in row["list"]}
            for row in value["children"]
        ]
        numeric = {child.title for child in control.children if child.kind in ("Money", "Number")}
        titles = [child.title for child in control.children]
        return Shown(control.title, "table", columns=titles, numeric=numeric, rows=rows)

    def _shown_file(self, row: dict[str, Any]) -> dict[str, str]:
        kept = self.sim.media.files.get(row["file_id"])
        name = kept.upload.name if kept else str(row.get("file_name", row["file_id"]))
        return {
            "name": name,
            "size": f"{max(1, len(kept.upload.data) // 1024)} KB" if kept else "",
            "kind": name.rpartition(".")[2].lower()[:4],
            "url": self.sim.media.link(row["file_id"]) if kept else "",
        }

    def _shown_node(self, form: Form, place: int) -> dict[str, Any]:
        node = form.nodes[place]
        people = [
            (self._name(sub.userid), DEEDS.get(sub.deed) or ("审批中" if sub.is_asked else ""))
            for sub in node.subs
        ]
        mode = RELATIONS[node.rel] if len(node.subs) > 1 and node.type != 2 else ""
        return {
            "name": NODE_NAMES[node.type],
            "mode": mode,
            "people": people,
            "state": node_state(form, place, node),
        }

    async def act(self, request: Request) -> Response:
        userid, key = request.path_params["userid"], request.path_params["key"]
        given = {name: str(value).strip() for name, value in (await request.form()).items()}
        form = self.sim.workflow.book.forms.get(key)
        if form is None or userid not in self.sim.company.users:
            return self._message(404, "找不到", "没有这张审批单")
        try:
            self._do(request.path_params["action"], form, userid, given)
        except NotPossible as error:
            return self._form_page(request, error=str(error), status=409)
        return RedirectResponse(f"/u/{userid}/forms/{key}", status_code=303)

    def _do(self, action: str, form: Form, userid: str, given: dict[str, str]) -> None:
        workflow = self.sim.workflow
        text, to_userid = given.get("text", "")[:1024], given.get("to", "")
        match action:
            case "agree":
                workflow.agree(form, userid, speech=text)
            case "reject":
                workflow.reject(form, userid, speech=text)
            case "redirect":
                workflow.hand_over(form, userid, to_userid, speech=text)
            case "add":
                workflow.add_signer(form, userid, to_userid, after="after" in given, speech=text)
            case "return":
                place = given.get("node", "")
                workflow.send_back(form, userid, int(place) if place.isdigit() else -1, speech=text)
            case "comment" if text:
                workflow.comment(form, userid, text)
            case "urge":
                workflow.urge(form, userid)
            case "withdraw":
                workflow.withdraw(form, userid, speech=text)
            case _:
                raise NotPossible("没有这个操作，或者还没有写内容")

    # Messages.

    async def press(self, request: Request) -> Response:
        userid = request.path_params["userid"]
        message = self.sim.messages.postbox.messages.get(request.path_params["msgid"])
        if message is None or userid not in self.sim.company.users:
            return self._message(404, "找不到", "没有这条消息")
        form = await request.form()
        selected: dict[str, list[str]] = {}
        for name, value in form.multi_items():
            if name != "key":
                selected.setdefault(name, []).append(str(value))
        try:
            event = self.sim.messages.click(message, userid, str(form.get("key", "")), selected)
        except NotPossible as error:
            return self._message(409, "不能操作", str(error))
        await answered(event)
        return RedirectResponse(f"/u/{userid}?tab=news", status_code=303)

    # Signing in to somebody else's site.

    async def authorize(self, request: Request) -> Response:
        """In the client (somebody was picked here before) snsapi_base is silent, as it is there."""
        wish = dict(request.query_params)
        if wrong := self.sim.signin.check_authorize(wish):
            return self._message(400, "无法登录", wrong)
        userid = self._last(request)
        if userid and not self.sim.signin.is_private(wish):
            return RedirectResponse(self.sim.signin.back(wish, userid), status_code=302)
        return self._login_page("authorize", wish, userid)

    async def scan(self, request: Request) -> Response:
        wish = dict(request.query_params)
        if wrong := self.sim.signin.check_sso(wish):
            return self._message(400, "无法登录", wrong)
        return self._login_page("sso", wish, self._last(request))

    def _login_page(self, way: str, wish: dict[str, str], last: str) -> Response:
        users = sorted(self.sim.company.users.values(), key=lambda user: user.userid != last)
        return self._page(
            "login.html",
            way=way,
            wish=wish,
            users=users,
            site=urlsplit(wish["redirect_uri"]).netloc,
            last=last,
            is_private=self.sim.signin.is_private(wish),
        )

    async def pick(self, request: Request) -> Response:
        wish = dict(request.query_params)
        userid = wish.pop("userid", "")
        check = self.sim.signin.check_sso if request.path_params["way"] == "sso" else None
        if wrong := (check or self.sim.signin.check_authorize)(wish):
            return self._message(400, "无法登录", wrong)
        if userid and userid not in self.sim.company.users:
            return self._message(404, "找不到", "没有这个人")
        answer = RedirectResponse(self.sim.signin.back(wish, userid), status_code=302)
        return self._remember(answer, userid) if userid else answer

    # The client's JS calls, for pages opened "in the client".

    async def check_config(self, request: Request) -> Response:
        given = Fields(await _json(request), ValueError)
        said = self.sim.signin.check_config(given.text_or("kind"), given)
        return self._to_script(request, {"result": said})

    async def open_approval(self, request: Request) -> Response:
        """wx.invoke("thirdPartyOpenPage"): start an approval of the engine, or find the page of one."""
        given = Fields(await _json(request), ValueError)
        userid = given.text_or("userid") or self._last(request)
        try:
            if userid not in self.sim.company.users:
                raise NotPossible("请先在模拟器里选择你是谁")
            form = self._opened(given, userid)
        except (NotPossible, Refusal) as error:
            return self._to_script(request, {"result": str(error)})
        return self._to_script(
            request, {"result": "ok", "url": f"{self.sim.base_url}/u/{userid}/forms/{form.key}"}
        )

    def _opened(self, given: Fields, userid: str) -> Form:
        book = self.sim.workflow.book
        third_no = given.text_or("thirdNo")
        if given.text_or("oaType") == "10002":
            if third_no not in book.third_nos:
                raise NotPossible("审批申请不存在")
            return book.find(third_no)
        rows = given.part("extData").rows("fieldList")
        extra = [{key: str(value) for key, value in row.values.items()} for row in rows]
        template_id = given.text_or("templateId")
        return self.sim.workflow.start_engine(
            third_no=third_no, template_id=template_id, userid=userid, extra=extra
        )

    def _to_script(self, request: Request, body: dict[str, Any]) -> Response:
        origin = request.headers.get("origin", "*")
        headers = {"access-control-allow-origin": origin, "access-control-allow-credentials": "true"}
        return JSONResponse(body, headers=headers)

    async def client_script(self, request: Request) -> Response:
        return self._asset("wecom.js", "text/javascript")

    async def style(self, request: Request) -> Response:
        return self._asset("style.css", "text/css")

    def _asset(self, name: str, media_type: str) -> Response:
        return Response((HERE / name).read_bytes(), media_type=media_type)

    async def file(self, request: Request) -> Response:
        upload = self.sim.media.linked(request.path_params["key"])
        if upload is None:
            return self._message(404, "找不到", "链接已失效")
        # Whatever was uploaded is shown as data, never run as a page of ours.
        headers = {"content-security-policy": "sandbox", "x-content-type-options": "nosniff"}
        return Response(upload.data, media_type=upload.media_type, headers=headers)


async def _json(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def node_state(form: Form, place: int, node: Node) -> str:
    if node.status in (Deed.REJECTED, Deed.RETURNED):
        return "refused"
    if place < form.place:
        return "done"
    if form.status is not Status.RUNNING:
        return "ended"
    return "current" if place == form.place else "waiting"


def look_of(record: Record) -> str:
    return "refused" if record.change in (Change.REJECTED, Change.RETURNED) else "done"


def shown_news(message: Message, userid: str) -> dict[str, Any]:
    """A message for its reader; links that are no web addresses are left out."""
    card = message.card_of(userid)
    shown: dict[str, Any] = {
        "msgid": message.msgid,
        "sent_ms": message.sent_ms,
        "msgtype": message.msgtype,
        "greyed": message.greyed.get(userid, ""),
        "links": [],
        "text": plain(str(card.get("content") or card.get("description") or "")),
        "title": str(card.get("title") or ""),
    }
    if message.msgtype == "textcard":
        shown["links"] = [(card["btntxt"], card["url"])]
    if message.msgtype == "template_card":
        shown |= _shown_card(card)
    shown["links"] = [(title, url) for title, url in shown["links"] if is_web(url)]
    return shown


def _shown_card(card: dict[str, Any]) -> dict[str, Any]:
    title = card.get("main_title") or {}
    buttons = card.get("button_list") or []
    submit = card.get("submit_button") or {}
    questions = [
        *(card.get("select_list") or []),
        *filter(None, [card.get("checkbox"), card.get("button_selection")]),
    ]
    jumps = [(row.get("title"), row.get("url")) for row in card.get("jump_list") or []]
    action = card.get("card_action") or {}
    return {
        "source": (card.get("source") or {}).get("desc", ""),
        "title": title.get("title", ""),
        "desc": title.get("desc", ""),
        "emphasis": card.get("emphasis_content") or {},
        "quote": (card.get("quote_area") or {}).get("quote_text", ""),
        "text": card.get("sub_title_text", ""),
        "form": card.get("horizontal_content_list") or [],
        "questions": questions,
        "buttons": [row for row in buttons if not row.get("type")] + ([submit] if submit else []),
        "links": [(row.get("text"), row.get("url")) for row in buttons if row.get("type") == 1]
        + jumps
        + ([("查看详情", action.get("url"))] if action.get("type") == 1 else []),
        "menu": (card.get("action_menu") or {}).get("action_list") or [],
    }


def is_web(url: object) -> bool:
    return isinstance(url, str) and url.startswith(("http://", "https://")) and not re.search(r"\s", url)


def plain(text: str) -> str:
    """Text without the few tags and marks messages may hold."""
    text = re.sub(r"<br\s*/?>|</div>", "\n", text)
    text = re.sub(r"<[^>]*>", "", text)
    return re.sub(r"(?m)^#+\s*|\*\*|^>\s?", "", text).strip()


def day(stamp: str, kind: str) -> str:
    return local(int(stamp)).strftime("%Y-%m-%d" if kind == "day" else "%Y-%m-%d %H:%M")


def between(given: dict[str, Any], kind: str) -> str:
    def shown(at_s: int) -> str:
        at = local(at_s)
        if kind == "halfday":
            return f"{at:%Y-%m-%d} {'上午' if at.hour < 12 else '下午'}"
        return f"{at:%Y-%m-%d %H:%M}"

    return f"{shown(given['new_begin'])} 至 {shown(given['new_end'])}"


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
