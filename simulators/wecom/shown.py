"""WeCom's forms, messages and cards as its pages show them."""

from __future__ import annotations

from typing import Any

from simulators.stage.pushing import Fate
from simulators.stage.showing import is_web, plain
from simulators.wecom.approval import Change, Deed, Form, Node, Status
from simulators.wecom.callbacks import Push
from simulators.wecom.messages import Message
from simulators.wecom.values import local

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
SILENCE = ("应用没有接收地址", "应用没有应答")
RELATIONS = {1: "会签", 2: "或签", 3: "依次审批"}
NODE_NAMES = {1: "审批人", 2: "抄送人", 3: "办理人"}


def outcome(event: Push) -> str:
    """What the app did with a pressed button."""
    if event.fate is Fate.UNHEARD:
        return SILENCE[0]
    if not event.attempts or event.attempts[-1].startswith(("no answer", "HTTP")):
        return SILENCE[1]
    return "应用已更新卡片" if event.attempts[-1] == "reply" else "应用已收到"


def node_state(form: Form, place: int, node: Node) -> str:
    if node.status in (Deed.REJECTED, Deed.RETURNED):
        return "refused"
    if place < form.place:
        return "done"
    if form.status is not Status.RUNNING:
        return "ended"
    return "current" if place == form.place else "waiting"


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
    buttons = card.get("button_list") or [] if card["card_type"] == "button_interaction" else []
    submit = card.get("submit_button") or {}
    asks = card["card_type"] in ("vote_interaction", "multiple_interaction")
    questions = [
        *(card.get("select_list") or []),
        *filter(None, [card.get("checkbox"), card.get("button_selection")]),
    ]
    links = [(row.get("text"), row.get("url")) for row in buttons if row.get("type") == 1]
    links += [(row.get("title"), row.get("url")) for row in card.get("jump_list") or []]
    action = card.get("card_action") or {}
    if action.get("type") == 1 and action.get("url") not in [url for _, url in links]:
        links.append(("查看详情", action.get("url")))
    return {
        "source": (card.get("source") or {}).get("desc", ""),
        "title": title.get("title", ""),
        "desc": title.get("desc", ""),
        "emphasis": card.get("emphasis_content") or {},
        "quote": (card.get("quote_area") or {}).get("quote_text", ""),
        "text": card.get("sub_title_text", ""),
        "form": card.get("horizontal_content_list") or [],
        "questions": questions,
        "buttons": [submit] if asks else [row for row in buttons if not row.get("type")],
        "links": links,
        "menu": (card.get("action_menu") or {}).get("action_list") or [],
    }


def day(stamp: str, kind: str) -> str:
    return local(int(stamp)).strftime("%Y-%m-%d" if kind == "day" else "%Y-%m-%d %H:%M")


def between(given: dict[str, Any], kind: str) -> str:
    def shown(at_s: int) -> str:
        at = local(at_s)
        if kind == "halfday":
            return f"{at:%Y-%m-%d} {'上午' if at.hour < 12 else '下午'}"
        return f"{at:%Y-%m-%d %H:%M}"

    return f"{shown(given['new_begin'])} 至 {shown(given['new_end'])}"
