"""Template cards (模板卡片): what a message and a task look like. Pure.

Source: vendor pages 发送应用消息 (模板卡片消息), 更新模版卡片消息. Lengths there are recommendations, longer text is cut in the
client; here it is cut before, so that nothing is cut within a number or a name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from viatica.connectors.wecom.filling import cut, shown_amount
from viatica.offices.approval.ports import Board, DeskStatus, DeskTask, FieldKind
from viatica.offices.notices.ports import Card, Tone

Json = dict[str, Any]

SENDER = "行资 Viatica"
OPEN = "查看详情"
AGREE, REFUSE = "同意", "驳回"
ASKED = "待审批"
APPROVE_KEY, REJECT_KEY = "approve", "reject"

MOST_TITLE, MOST_DESC, MOST_SUB = 36, 44, 160
MOST_ROWS, MOST_KEY, MOST_VALUE = 6, 5, 30
GREY, BLACK, RED, GREEN = range(4)
COLOURS = {Tone.NEUTRAL: BLACK, Tone.GOOD: GREEN, Tone.WARNING: RED, Tone.BAD: RED}
BLUE_BUTTON, RED_BUTTON = 1, 3

# Whoever refuses has to say why, and a card has no field to write in: one of these, or our page.
REASON = "reason"
REASONS = (
    ("receipts", "票据有误或不全"),
    ("amount", "金额不符"),
    ("purpose", "事由不清楚"),
    ("standard", "超出标准"),
    ("budget", "预算不足"),
    ("other", "其他，请与我联系"),
)
USUAL_REASON = "other"

ENDED = {
    DeskStatus.WAITING: "等待加签人处理",
    DeskStatus.APPROVED: "已同意",
    DeskStatus.REJECTED: "已驳回",
    DeskStatus.RETURNED: "已退回",
    DeskStatus.HANDED_OVER: "已转交",
    DeskStatus.CANCELLED: "无需处理",
}


# Notices


def notice(card: Card, task_id: str) -> Json:
    """A message with one button that opens the paper: only a card with a button may be changed later."""
    return {
        "card_type": "button_interaction",
        **_head(card.title, card.stamp, card.sender, COLOURS[card.status.tone]),
        "horizontal_content_list": _rows([("状态", card.status.word), *card.rows]),
        "card_action": _to(card.url),
        "task_id": task_id,
        "button_list": [_open(card.url)],
    }


def changed_notice(card: Card) -> Json:
    """What takes its place when the state has changed."""
    return {
        "card_type": "text_notice",
        **_head(card.title, card.stamp, card.sender, COLOURS[card.status.tone]),
        "horizontal_content_list": _rows([("状态", card.status.word), *card.rows]),
        "card_action": _to(card.url),
    }


# Tasks


def task(board: Board, one: DeskTask, task_id: str) -> Json:
    """A task of ours with 同意 and 驳回. Each button tells the version it was shown at."""
    return {
        "card_type": "button_interaction",
        **_head(board.title, _about(board, one), ASKED, BLACK),
        "horizontal_content_list": _rows(_facts(board, one)),
        "card_action": _to(one.url),
        "task_id": task_id,
        "button_selection": _reasons(),
        "button_list": [
            _button(AGREE, f"{APPROVE_KEY}@{one.version}", BLUE_BUTTON),
            _button(REFUSE, f"{REJECT_KEY}@{one.version}", RED_BUTTON),
            _open(one.url),
        ],
    }


def task_to_open(board: Board, one: DeskTask) -> Json:
    """Where no click would come back: it leads to our page."""
    return {
        "card_type": "text_notice",
        **_head(board.title, _about(board, one), ASKED, BLACK),
        "horizontal_content_list": _rows(_facts(board, one)),
        "card_action": _to(one.url),
    }


def _about(board: Board, one: DeskTask) -> str:
    return f"{board.applicant.name} · {one.step}"


def ended_task(board: Board, one: DeskTask) -> Json:
    """What takes its place once it is not theirs to do any more."""
    word = ENDED[one.status]
    colour = {DeskStatus.APPROVED: GREEN, DeskStatus.REJECTED: RED}.get(one.status, GREY)
    comment = [("意见", one.comment)] if one.comment else []
    return {
        "card_type": "text_notice",
        **_head(board.title, _about(board, one), word, colour),
        "horizontal_content_list": _rows([("结果", word), *comment, *_facts(board, one)]),
        "card_action": _to(one.url),
    }


def _facts(board: Board, one: DeskTask) -> Iterable[tuple[str, str]]:
    yield "单号", board.number
    yield "金额", shown_amount(board.form.amount)
    if one.on_behalf_of:
        yield "代理", one.on_behalf_of
    for entry in board.form.fields:
        if entry.name not in ("number", "amount", "url"):
            between = " ~ " if entry.kind == FieldKind.DATE_RANGE else "、"
            yield entry.label, entry.value if isinstance(entry.value, str) else between.join(entry.value)


def _reasons() -> Json:
    return {
        "question_key": REASON,
        "title": "驳回理由",
        "option_list": [{"id": key, "text": text} for key, text in REASONS],
        "selected_id": USUAL_REASON,
    }


def reason(chosen: str) -> str:
    """What was chosen, in words; the usual one where nothing was touched."""
    return dict(REASONS).get(chosen, dict(REASONS)[USUAL_REASON])


# Parts


def _head(title: str, desc: str, source: str, colour: int) -> Json:
    """A title too long for its line is told in full below it."""
    head: Json = {
        "source": {"desc": cut(source or SENDER, MOST_TITLE), "desc_color": colour},
        "main_title": {"title": cut(title, MOST_TITLE), "desc": cut(desc, MOST_DESC)},
    }
    return head if cut(title, MOST_TITLE) == title else {**head, "sub_title_text": cut(title, MOST_SUB)}


def _rows(rows: Iterable[tuple[str, str]]) -> list[Json]:
    kept = [(key, value) for key, value in rows if key and value][:MOST_ROWS]
    return [{"keyname": cut(key, MOST_KEY), "value": cut(_flat(value), MOST_VALUE)} for key, value in kept]


def _flat(text: str) -> str:
    return " ".join(text.split())


def _to(url: str) -> Json:
    return {"type": 1, "url": url}


def _open(url: str) -> Json:
    return {"type": 1, "text": OPEN, "url": url}


def _button(text: str, key: str, style: int) -> Json:
    return {"type": 0, "text": text, "key": key, "style": style}
