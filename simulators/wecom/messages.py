"""App messages (应用消息): text, textcard, markdown and template cards; updating, clicking and recalling them."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from lxml import etree

from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door
from simulators.wecom.approval import Book, NotPossible
from simulators.wecom.callbacks import Callbacks, Event, Place
from simulators.wecom.company import Company
from simulators.wecom.directory import Directory
from simulators.wecom.errors import Refusal, bad, fine
from simulators.wecom.settings import Identity, Settings

MOST_USERS = 1000
MOST_PARTIES = 100
RECALL_S = 24 * 3600
TASK_ID = re.compile(r"[0-9A-Za-z_\-@]{1,128}")
CARD_TYPES = (
    "text_notice",
    "news_notice",
    "button_interaction",
    "vote_interaction",
    "multiple_interaction",
)
ANSWERABLE = CARD_TYPES[2:]
PLAIN_TYPES = {"text": "content", "markdown": "content"}
OTHER_TYPES = ("image", "voice", "video", "file", "news", "mpnews", "miniprogram_notice")
KEPT_PER_PERSON = 200


@dataclass(slots=True)
class Message:
    msgid: str
    sent_ms: int
    msgtype: str
    body: dict[str, Any]
    userids: list[str]
    is_recalled: bool = False
    # Of a template card, by person: what an update made of it.
    replaced: dict[str, dict[str, Any]] = field(default_factory=dict)
    greyed: dict[str, str] = field(default_factory=dict)

    def card_of(self, userid: str) -> dict[str, Any]:
        return self.replaced.get(userid, self.body)


@dataclass(slots=True)
class ResponseCode:
    msgid: str
    ends: float
    is_used: bool = False


@dataclass(slots=True)
class Postbox:
    messages: dict[str, Message] = field(default_factory=dict)
    inbox: dict[str, deque[str]] = field(default_factory=dict)
    unread: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    codes: dict[str, ResponseCode] = field(default_factory=dict)
    task_ids: dict[str, str] = field(default_factory=dict)  # task_id → msgid
    fingerprints: dict[str, float] = field(default_factory=dict)
    received: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    dropped: int = 0  # over the limit per member, in silence


@dataclass(slots=True)
class Messages:
    company: Company
    directory: Directory
    identity: Identity
    settings: Settings
    callbacks: Callbacks
    book: Book
    postbox: Postbox = field(default_factory=Postbox)

    def doors(self) -> list[Door]:
        return [
            Door("POST", "/cgi-bin/message/send", self.send),
            Door("POST", "/cgi-bin/message/update_template_card", self.update),
            Door("POST", "/cgi-bin/message/recall", self.recall),
        ]

    # Sending.

    def send(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad)
        self._check_agent(fields)
        msgtype = fields.text("msgtype")
        body = self._body(fields, msgtype)
        userids, invalid = self._recipients(fields)
        if not userids:
            raise Refusal(81013, "user & party & tag all invalid")
        message = Message(secrets.token_urlsafe(24), self.book.now(), msgtype, body, userids)
        if not self._is_repeated(fields, call.body):
            self._deliver(message)
        answer = fine(**invalid, unlicenseduser="", msgid=message.msgid)
        if is_answerable(msgtype, body):
            answer["response_code"] = self._new_code(message.msgid)
        return answer

    def _check_agent(self, fields: Fields) -> None:
        if not fields.has("agentid"):
            raise Refusal(40056, "invalid agentid")
        if fields.number("agentid") != self.identity.agent_id:
            raise Refusal(301002, "not allow operate another agent with this accesstoken")

    def _body(self, fields: Fields, msgtype: str) -> dict[str, Any]:
        if msgtype not in (*PLAIN_TYPES, "textcard", "template_card", *OTHER_TYPES):
            raise Refusal(40008, "invalid message type")
        part = fields.part(msgtype)
        if msgtype in PLAIN_TYPES:
            # Longer than this it arrives cut off.
            return {"content": cut_bytes(part.text("content"), 2048)}
        if msgtype == "textcard":
            return {
                "title": part.text("title")[:128],
                "description": part.text("description")[:512],
                "url": part.text("url"),
                "btntxt": part.text_or("btntxt", "详情")[:4],
            }
        if msgtype == "template_card":
            check_card(part)
            self._check_task_id(part)
        return dict(part.values)

    def _check_task_id(self, card: Fields) -> None:
        task_id = card.text_or("task_id")
        if task_id and not TASK_ID.fullmatch(task_id):
            raise bad("task_id holds up to 128 of 0-9A-Za-z_-@")
        if task_id in self.postbox.task_ids:
            raise bad("task_id is not new")

    def _recipients(self, fields: Fields) -> tuple[list[str], dict[str, str]]:
        """Who gets it, and who was named in vain: partly invalid is a success."""
        named = split(fields.text_or("touser"), MOST_USERS)
        parties = split(fields.text_or("toparty"), MOST_PARTIES)
        tags = split(fields.text_or("totag"), MOST_PARTIES)
        if not (named or parties or tags):
            raise Refusal(82001, "touser & toparty & totag is all empty")
        found: dict[str, None] = {}
        invalid: dict[str, list[str]] = {"invaliduser": [], "invalidparty": [], "invalidtag": tags}
        if named == ["@all"]:
            found |= dict.fromkeys(self._everybody())
            named = []
        for userid in named:
            if user := self.directory.visible_user(userid):
                found[user.userid] = None
            else:
                # userids in the answer are lower-cased.
                invalid["invaliduser"].append(userid.lower())
        for party in parties:
            if party.isdigit() and int(party) in self.directory.visible_departments():
                for dept_id in self.company.below(int(party)):
                    found |= dict.fromkeys(self.company.members[dept_id])
            else:
                invalid["invalidparty"].append(party)
        return list(found), {name: "|".join(names) for name, names in invalid.items()}

    def _everybody(self) -> list[str]:
        return [user.userid for user in self.company.users.values() if self.directory.is_visible(user)]

    def _is_repeated(self, fields: Fields, body: dict[str, Any]) -> bool:
        """enable_duplicate_check: the same JSON within the interval is swallowed, with errcode 0."""
        if not fields.number_or("enable_duplicate_check", 0):
            return False
        now = time.time()
        fingerprint = sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        is_repeated = self.postbox.fingerprints.get(fingerprint, 0.0) > now
        if not is_repeated:
            interval = fields.number_or("duplicate_check_interval", 1800)
            self.postbox.fingerprints[fingerprint] = now + interval
        return is_repeated

    def _deliver(self, message: Message) -> None:
        message.userids = [userid for userid in message.userids if self._has_room(userid)]
        self.postbox.messages[message.msgid] = message
        if task_id := message.body.get("task_id"):
            self.postbox.task_ids[str(task_id)] = message.msgid
        for userid in message.userids:
            self.postbox.inbox.setdefault(userid, deque(maxlen=KEPT_PER_PERSON)).append(message.msgid)
            self.postbox.unread[userid].add(message.msgid)

    def _has_room(self, userid: str) -> bool:
        seen, now = self.postbox.received[userid], time.monotonic()
        while seen and seen[0] <= now - 60:
            seen.popleft()
        if len(seen) >= self.settings.per_member_per_minute:
            self.postbox.dropped += 1
            return False
        seen.append(now)
        return True

    def _new_code(self, msgid: str) -> str:
        code = secrets.token_urlsafe(32)
        ends = time.time() + self.settings.response_code_ttl_s
        self.postbox.codes[code] = ResponseCode(msgid, ends)
        return code

    # Updating and recalling.

    def update(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad)
        self._check_agent(fields)
        code = self.postbox.codes.get(fields.text("response_code"))
        if code is None or code.is_used or code.ends <= time.time():
            raise bad("response_code is used, expired or unknown")
        button, card = fields.part("button"), fields.part("template_card")
        if card.values:
            check_card(card)
        elif not button.has("replace_name"):
            raise bad("button.replace_name or template_card is required")
        userids, invalid = self._named(fields, self.postbox.messages.get(code.msgid))
        code.is_used = True
        for userid in userids:
            message = self.postbox.messages[code.msgid]
            self._change(message, userid, button.text_or("replace_name"), dict(card.values))
        return fine(invaliduser=invalid)

    def _named(self, fields: Fields, message: Message | None) -> tuple[list[str], list[str]]:
        """Whose card changes; naming somebody who never got it is not an error."""
        holders = message.userids if message else []
        if fields.number_or("atall", 0):
            return list(holders), []
        named = fields.texts("userids", most=MOST_USERS)
        for dept_id in fields.values.get("partyids") or []:
            named += [
                userid for below in self.company.below(int(dept_id)) for userid in self.company.members[below]
            ]
        if not named:
            raise Refusal(82001, "userids & partyids & tagids is all empty")
        spellings = {userid.lower(): userid for userid in holders}
        found = [spellings[userid.lower()] for userid in named if userid.lower() in spellings]
        return found, [userid.lower() for userid in named if userid.lower() not in spellings]

    def _change(self, message: Message, userid: str, replace_name: str, card: dict[str, Any]) -> None:
        if card:
            message.replaced[userid] = card
            message.greyed.pop(userid, None)
            if text := card.get("replace_text"):
                message.greyed[userid] = str(text)
        else:
            message.greyed[userid] = replace_name

    def recall(self, call: Call) -> dict[str, Any]:
        message = self.postbox.messages.get(Fields(call.body, bad).text("msgid"))
        if message is None or message.sent_ms < self.book.now() - RECALL_S * 1000:
            raise bad("msgid is unknown or older than 24 hours")
        message.is_recalled = True
        return fine()

    # People.

    def of(self, userid: str) -> list[Message]:
        """What lies in a person's app messages, newest first."""
        sent = [self.postbox.messages[msgid] for msgid in self.postbox.inbox.get(userid, ())]
        return [message for message in reversed(sent) if not message.is_recalled]

    def click(self, message: Message, userid: str, key: str, selected: dict[str, list[str]]) -> Event:
        """A person presses a button (or submits): the app is told and may answer with a new card. Raises NotPossible."""
        card = message.card_of(userid)
        if userid not in message.userids or message.is_recalled:
            raise NotPossible("没有这张卡片")
        if userid in message.greyed:
            raise NotPossible(f"按钮已失效：{message.greyed[userid]}")
        menu = [row.get("key") for row in (card.get("action_menu") or {}).get("action_list", [])]
        if key not in keys_of(card) + menu:
            raise NotPossible("没有这个按钮")
        fields: dict[str, Any] = {
            "EventKey": key,
            "TaskId": str(card.get("task_id") or message.body.get("task_id", "")),
            "CardType": str(card["card_type"]),
            "ResponseCode": self._new_code(message.msgid),
            "AgentID": self.identity.agent_id,
        }
        if key not in menu and selected:
            fields["SelectedItems"] = {
                "SelectedItem": [
                    {"QuestionKey": question, "OptionIds": {"OptionId": ids}}
                    for question, ids in selected.items()
                ]
            }
        return self.callbacks.tell(
            Place.APP,
            "template_card_menu_event" if key in menu else "template_card_event",
            f"card:{message.msgid}:{userid}",
            userid,
            fields,
            hear_reply=lambda text: self._follow(message, userid, text),
        )

    def _follow(self, message: Message, userid: str, text: str) -> None:
        """A passive reply changes the card of the one who clicked, nobody else's. Raises ValueError."""
        try:
            root = etree.fromstring(text.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
        except etree.XMLSyntaxError:
            raise ValueError("the reply is not XML") from None
        match root.findtext("MsgType"):
            case "update_button":
                self._change(message, userid, root.findtext("Button/ReplaceName") or "", {})
            case "update_template_card" if (card := root.find("TemplateCard")) is not None:
                self._change(message, userid, "", read_card(card))
            case other:
                raise ValueError(f"a reply of type {other}")


def split(text: str, most: int) -> list[str]:
    found = [item.strip() for item in text.split("|") if item.strip()]
    if len(found) > most:
        raise bad(f"more than {most} recipients of one kind")
    return found


def cut_bytes(text: str, most: int) -> str:
    return text.encode()[:most].decode(errors="ignore")


def is_answerable(msgtype: str, body: dict[str, Any]) -> bool:
    """Whether an update, and so a response_code, is possible at all."""
    return msgtype == "template_card" and (body["card_type"] in ANSWERABLE or bool(body.get("action_menu")))


def keys_of(card: dict[str, Any]) -> list[str]:
    """What can be pressed and is told to the app: a button that opens an address is not."""
    keys = [str(row["key"]) for row in card.get("button_list", []) if not row.get("type") and row.get("key")]
    submit = (card.get("submit_button") or {}).get("key")
    return [*keys, str(submit)] if submit else keys


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
