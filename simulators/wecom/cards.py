"""Template cards (模板卡片): what each kind needs, what can be pressed, and the XML a passive reply brings one in."""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from simulators.stage.fields import Fields
from simulators.wecom.errors import bad

CARD_TYPES = (
    "text_notice",
    "news_notice",
    "button_interaction",
    "vote_interaction",
    "multiple_interaction",
)
ANSWERABLE = CARD_TYPES[2:]


def is_answerable(msgtype: str, body: dict[str, Any]) -> bool:
    """Whether an update, and so a response_code, is possible at all."""
    return msgtype == "template_card" and (body["card_type"] in ANSWERABLE or bool(body.get("action_menu")))


def keys_of(card: dict[str, Any]) -> list[str]:
    """What can be pressed and is told to the app: a button that opens an address is not."""
    if card["card_type"] != "button_interaction":
        submit = (card.get("submit_button") or {}).get("key")
        return [str(submit)] if submit else []
    return [str(row["key"]) for row in card.get("button_list", []) if not row.get("type") and row.get("key")]


def check_card(card: Fields) -> None:
    """Raises 40058 naming what a card of this type lacks or has too much of."""
    kind = card.text("card_type")
    if kind not in CARD_TYPES:
        raise bad("template_card.card_type is unknown")
    title = card.part("main_title")
    action = card.part("card_action")
    if kind in ("text_notice", "news_notice"):
        if not (title.has("title") or card.has("sub_title_text")):
            raise bad("main_title.title or sub_title_text is required")
        action.number("type")
        _check_jump(action)
    else:
        title.text("title")
        card.text("task_id")
    if card.has("action_menu"):
        card.text("task_id")
        if not 1 <= len(card.part("action_menu").rows("action_list", most=3)) <= 3:
            raise bad("action_menu.action_list has 1 to 3 entries")
    if kind == "news_notice" and not (card.has("card_image") or card.has("image_text_area")):
        raise bad("card_image or image_text_area is required")
    if kind == "button_interaction":
        _check_buttons(card)
    if kind in ("vote_interaction", "multiple_interaction"):
        _check_questions(card, kind)
    for row in card.rows("horizontal_content_list", most=6):
        row.text("keyname")
    for row in card.rows("jump_list", most=3):
        row.text("title")


def _check_jump(action: Fields) -> None:
    if action.number_or("type", 0) == 1:
        action.text("url")


def _check_buttons(card: Fields) -> None:
    buttons = card.rows("button_list", most=6)
    if not buttons:
        raise bad("button_list is required")
    for button in buttons:
        button.text("text")
        if button.number_or("type", 0) == 1:
            button.text("url")
        elif len(button.text("key").encode()) > 1024:
            raise bad("button_list.key is longer than 1024 bytes")
    selection = card.part("button_selection")
    if selection.values and not len(selection.rows("option_list", most=10)) >= 1:
        raise bad("button_selection.option_list has 1 to 10 entries")


def _check_questions(card: Fields, kind: str) -> None:
    submit = card.part("submit_button")
    submit.text("text")
    submit.text("key")
    if kind == "vote_interaction":
        questions, most = [card.part("checkbox")], 20
    else:
        questions, most = card.rows("select_list", most=3), 10
    for question in questions or [Fields({}, bad)]:
        question.text("question_key")
        if not question.rows("option_list", most=most):
            raise bad("option_list is required")


CARD_LISTS = {"ButtonList", "HorizontalContentList", "JumpList", "OptionList", "SelectList", "ActionList"}
CARD_NUMBERS = {"Type", "Style", "DescColor", "Mode"}


def read_card(element: Any) -> dict[str, Any]:
    """<CardType>…</CardType><MainTitle><Title>… of a passive reply as the JSON an API call would have."""
    card: dict[str, Any] = {}
    for child in element.iterchildren(etree.Element):
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", child.tag).lower()
        value: Any = read_card(child) if len(child) else child.text or ""
        if child.tag in CARD_NUMBERS and str(value).isdigit():
            value = int(value)
        if child.tag in CARD_LISTS:
            card.setdefault(name, []).append(value)
        else:
            card[name] = value
    return card
