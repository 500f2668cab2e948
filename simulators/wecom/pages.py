"""The pages where a person plays: see what waits for you, decide; and WeCom's sign-in pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from simulators.stage.fields import Fields
from simulators.stage.gate import Upload
from simulators.stage.pages import PagesBase
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
from simulators.wecom.approval import Change, Form, NotPossible, Record, Status
from simulators.wecom.company import ROOT, Company, User
from simulators.wecom.control import answered
from simulators.wecom.errors import Refusal
from simulators.wecom.forms import Control
from simulators.wecom.shown import (
    CHANGES,
    DEEDS,
    NODE_NAMES,
    RELATIONS,
    SILENCE,
    STATES,
    between,
    day,
    node_state,
    outcome,
    shown_news,
)
from simulators.wecom.simulator import Simulator

TABS = (
    ("todo", "待处理"),
    ("done", "已处理"),
    ("mine", "已提交"),
    ("copied", "抄送我"),
    ("news", "应用消息"),
)


class Pages(PagesBase[Simulator]):
    brand = Brand("企业微信", "WeCom", "#2b62c4", "#e9f0fc", "#214f9f")
    here = Path(__file__).parent / "templates"
    script = "wecom.js"

    def routes(self) -> list[Route]:
        return [
            *super().routes(),
            Route("/u/{userid}", self.home),
            Route("/u/{userid}/forms/{key}", self.form),
            Route("/u/{userid}/forms/{key}/{action}", self.act, methods=["POST"]),
            Route("/u/{userid}/messages/{msgid}", self.press, methods=["POST"]),
            Route("/connect/oauth2/authorize", self.authorize),
            Route("/wwlogin/sso/login", self.scan),
            Route("/signin/{way}/pick", self.pick),
            Route("/client/config", self.check_config, methods=["POST"]),
            Route("/client/approval", self.open_approval, methods=["POST"]),
        ]

    @property
    def company(self) -> Company:
        return self.sim.company

    def corp(self) -> str:
        return self.company.departments[ROOT].name

    def face(self, user: User) -> Face:
        return Face(user.userid, user.name, user.position)

    def name_of_room(self, key: int) -> str:
        return self.company.departments[key].name

    def waiting(self, userid: str) -> int:
        return len(self.sim.workflow.book.waiting.get(userid, {}))

    def welcome(self) -> str:
        total = len(self.sim.workflow.book.forms)
        return f"选一个人，用他的企业微信：处理待审批、查看应用消息和卡片。已有 {total} 张审批单。"

    def linked(self, key: str) -> Upload | None:
        return self.sim.media.linked(key)

    def _name(self, userid: str) -> str:
        return self.company.name(userid)

    # One person's desk.

    async def home(self, request: Request) -> Response:
        user = self.company.users.get(request.path_params["userid"])
        if user is None:
            return self.message(404, "找不到", "没有这个人")
        tab = request.query_params.get("tab", "todo")
        said = request.query_params.get("said", "")  # what came of the last press
        toast = {"content": said, "type": "error" if said in SILENCE else "success"} if said else None
        page = self.page(
            "home.html", me=self.face(user), tab=tab, tabs=TABS, toast=toast, **self._desk(user, tab)
        )
        return self.remember(page, user.userid)

    def _desk(self, user: User, tab: str) -> dict[str, Any]:
        postbox = self.sim.messages.postbox
        context: dict[str, Any] = {
            "counts": {
                "todo": self.waiting(user.userid),
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
            context["rows"] = [self._row(user.userid, form) for form in self._forms(user, tab)]
        return context

    def _row(self, userid: str, form: Form) -> Row:
        return Row(
            f"/u/{userid}/forms/{form.key}",
            self._name(form.applicant),
            self._title(form),
            *STATES[form.status],
            self._brief(form),
            form.created_ms,
        )

    def _title(self, form: Form) -> str:
        return f"{self._name(form.applicant)}的{form.name}"

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
        user = self.company.users.get(request.path_params["userid"])
        form = self.sim.workflow.book.forms.get(request.path_params["key"])
        if user is None or form is None:
            return self.message(404, "找不到", "没有这张审批单")
        may_withdraw = (Status.RUNNING,) if form.is_engine else (Status.RUNNING, Status.APPROVED)
        page = self.page(
            "form.html",
            status,
            me=self.face(user),
            form=form,
            paper=self._paper(form),
            is_asked=self.sim.workflow.asked(form, user.userid) is not None,
            is_handler=form.place < len(form.nodes) and form.nodes[form.place].type == 3,
            can_withdraw=form.applicant == user.userid and form.status in may_withdraw,
            others=self.faces(but=user.userid),
            earlier=[
                (place, "、".join(self._name(sub.userid) for sub in node.subs))
                for place, node in enumerate(form.nodes[: form.place])
                if node.type != 2
            ],
            error=error,
        )
        return self.remember(page, user.userid)

    def _paper(self, form: Form) -> Paper:
        department = self.company.department_name(form.dept_id)
        applicant = ShownNode("申请人", "", "done", [(self._name(form.applicant), "")])
        return Paper(
            self._title(form),
            *STATES[form.status],
            f"{department} · {'单号' if form.is_engine else '审批编号'} {form.no}",
            form.created_ms,
            self._values(form),
            [applicant, *(self._shown_node(form, place) for place in range(len(form.nodes)))],
            [self._shown_record(record) for record in form.records],
        )

    def _shown_record(self, record: Record) -> ShownRecord:
        did = CHANGES[record.change] + (f" {self._name(record.to_userid)}" if record.to_userid else "")
        is_bad = record.change in (Change.REJECTED, Change.RETURNED)
        return ShownRecord(self._name(record.userid), did, record.at_ms, record.text, is_bad)

    def _values(self, form: Form) -> list[Shown]:
        if form.is_engine:
            return [shown_text(row.get("title", ""), row.get("value", "")) for row in form.extra]
        return [self._shown_value(control, form.values[control.id]) for control in form.controls]

    def _shown_value(self, control: Control, value: dict[str, Any]) -> Shown:
        if "children" in value:
            return self._shown_table(control, value)
        if "files" in value:
            return Shown(control.title, "files", files=[self._shown_file(row) for row in value["files"]])
        text = self._text(control, value)
        if control.kind == "Money" and text:
            return Shown(control.title, "money", text=text)
        return shown_text(control.title, text)

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
            "size": size_of(kept.upload.data) if kept else "",
            "kind": name.rpartition(".")[2].lower()[:4],
            "url": self.sim.media.link(row["file_id"]) if kept else "",
        }

    def _shown_node(self, form: Form, place: int) -> ShownNode:
        node = form.nodes[place]
        people = [
            (self._name(sub.userid), DEEDS.get(sub.deed) or ("审批中" if sub.is_asked else ""))
            for sub in node.subs
        ]
        mode = RELATIONS[node.rel] if len(node.subs) > 1 and node.type != 2 else ""
        return ShownNode(NODE_NAMES[node.type], mode, node_state(form, place, node), people)

    async def act(self, request: Request) -> Response:
        userid, key = request.path_params["userid"], request.path_params["key"]
        given = {name: str(value).strip() for name, value in (await request.form()).items()}
        form = self.sim.workflow.book.forms.get(key)
        if form is None or userid not in self.company.users:
            return self.message(404, "找不到", "没有这张审批单")
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
        if message is None or userid not in self.company.users:
            return self.message(404, "找不到", "没有这条消息")
        form = await request.form()
        selected: dict[str, list[str]] = {}
        for name, value in form.multi_items():
            if name != "key":
                selected.setdefault(name, []).append(str(value))
        try:
            event = self.sim.messages.click(message, userid, str(form.get("key", "")), selected)
        except NotPossible as error:
            return self.message(409, "不能操作", str(error))
        await answered(event)
        query = urlencode({"tab": "news", "said": outcome(event)})
        return RedirectResponse(f"/u/{quote(userid)}?{query}", status_code=303)

    # Signing in to somebody else's site.

    async def authorize(self, request: Request) -> Response:
        """In the client (somebody was picked here before) snsapi_base is silent, as it is there."""
        wish = dict(request.query_params)
        if wrong := self.sim.signin.check_authorize(wish):
            return self.message(400, "无法登录", wrong)
        userid = self.last(request)
        if userid and not self.sim.signin.is_private(wish):
            return RedirectResponse(self.sim.signin.back(wish, userid), status_code=302)
        return self._login_page("authorize", wish, userid)

    async def scan(self, request: Request) -> Response:
        wish = dict(request.query_params)
        if wrong := self.sim.signin.check_sso(wish):
            return self.message(400, "无法登录", wrong)
        return self._login_page("sso", wish, self.last(request))

    def _login_page(self, way: str, wish: dict[str, str], last: str) -> Response:
        site = urlsplit(wish["redirect_uri"]).netloc
        more = "，并获取你的手机号、邮箱、性别与头像" if self.sim.signin.is_private(wish) else ""
        how = "点一个人，代替扫码" if way == "sso" else "选择登录的人"
        return self.page(
            "login.html",
            title="企业微信扫码登录" if way == "sso" else "用企业微信登录",
            text=f"{site} 想知道你是谁{more}。{how}：",
            action=f"/signin/{way}/pick",
            answer="userid",
            denial=("userid", "", "我不是企业成员"),
            wish=wish,
            faces=self.faces(first=last),
            last=last,
        )

    async def pick(self, request: Request) -> Response:
        wish = dict(request.query_params)
        userid = wish.pop("userid", "")
        check = self.sim.signin.check_sso if request.path_params["way"] == "sso" else None
        if wrong := (check or self.sim.signin.check_authorize)(wish):
            return self.message(400, "无法登录", wrong)
        if userid and userid not in self.company.users:
            return self.message(404, "找不到", "没有这个人")
        answer = RedirectResponse(self.sim.signin.back(wish, userid), status_code=302)
        return self.remember(answer, userid) if userid else answer

    # The client's JS calls, for pages opened "in the client".

    async def check_config(self, request: Request) -> Response:
        given = Fields(await _json(request), ValueError)
        said = self.sim.signin.check_config(given.text_or("kind"), given)
        return self._to_script(request, {"result": said})

    async def open_approval(self, request: Request) -> Response:
        """wx.invoke("thirdPartyOpenPage"): start an approval of the engine, or find the page of one."""
        given = Fields(await _json(request), ValueError)
        userid = given.text_or("userid") or self.last(request)
        try:
            if userid not in self.company.users:
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


async def _json(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
