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
from simulators.wecom.callbacks import Callbacks, Place, Push
from simulators.wecom.cards import check_card, is_answerable, keys_of, read_card
from simulators.wecom.company import Company
from simulators.wecom.directory import Directory
from simulators.wecom.errors import Refusal, bad, fine
from simulators.wecom.settings import Identity, Settings

MOST_USERS = 1000
MOST_PARTIES = 100
RECALL_S = 24 * 3600
TASK_ID = re.compile(r"[0-9A-Za-z_\-@]{1,128}")
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
    today: str = ""
    used_today: int = 0  # person-times


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
        self._check_day(len(userids))
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
            raise Refusal(42014, "taskid has existed or empty or exceed max len")

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
                    found |= dict.fromkeys(self.company.members_of(dept_id))
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
        while seen and seen[0] <= now - 3600:
            seen.popleft()
        lately = sum(1 for at in reversed(seen) if at > now - 60)
        if lately >= self.settings.per_member_per_minute or len(seen) >= self.settings.per_member_per_hour:
            self.postbox.dropped += 1
            return False
        seen.append(now)
        return True

    def used_today(self) -> int:
        today = time.strftime("%Y-%m-%d")
        if today != self.postbox.today:
            self.postbox.today, self.postbox.used_today = today, 0
        return self.postbox.used_today

    def _check_day(self, people: int) -> None:
        used, limit = self.used_today(), self.settings.daily_messages
        if limit is not None and used + people > limit:
            raise Refusal(45009, "api freq out of limit")
        self.postbox.used_today = used + people

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
                userid
                for below in self.company.below(int(dept_id))
                for userid in self.company.members_of(below)
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

    def click(self, message: Message, userid: str, key: str, selected: dict[str, list[str]]) -> Push:
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
