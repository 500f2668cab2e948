"""Work notifications (工作通知), the robot's one-to-one messages, and interactive cards."""

from __future__ import annotations

import json
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from simulators.dingtalk.company import Company
from simulators.dingtalk.directory import asked
from simulators.dingtalk.errors import NewRefusal, OldRefusal, bad_new, bad_old
from simulators.dingtalk.settings import Identity
from simulators.dingtalk.workflow import Book
from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door

MOST_PER_DAY = 500
WEEK_MS = 7 * 24 * 3600 * 1000
SAME_TEXT_TODAY = "143105"
TOO_MANY_TODAY = "143106"
KEPT_PER_PERSON = 200
MSG_TYPES = ("text", "image", "voice", "file", "link", "oa", "markdown", "action_card")


@dataclass(slots=True)
class Notification:
    task_id: int
    sent_ms: int
    msg: dict[str, Any]
    invalid: list[str] = field(default_factory=list)
    forbidden: dict[str, str] = field(default_factory=dict)  # userid → code
    unread: dict[str, None] = field(default_factory=dict)
    read: dict[str, None] = field(default_factory=dict)
    status_value: str = ""
    status_bg: str = ""
    is_recalled: bool = False


@dataclass(slots=True)
class RobotMessage:
    key: str
    sent_ms: int
    userids: list[str]
    kind: str
    param: dict[str, Any]


@dataclass(slots=True)
class Card:
    out_track_id: str
    template_id: str
    created_ms: int
    params: dict[str, str]
    userids: list[str]
    callback_type: str = ""
    route_key: str = ""
    private: dict[str, dict[str, str]] = field(default_factory=dict)
    updates: int = 0


@dataclass(slots=True)
class CardRoute:
    url: str
    secret: str


@dataclass(slots=True)
class Postbox:
    notifications: dict[int, Notification] = field(default_factory=dict)
    inbox: dict[str, deque[int]] = field(default_factory=dict)
    # Who got what today, to swallow repeats: the day, then userid → fingerprints.
    today: str = ""
    received: dict[str, set[str]] = field(default_factory=dict)
    robot: deque[RobotMessage] = field(default_factory=lambda: deque(maxlen=2000))
    cards: dict[str, Card] = field(default_factory=dict)
    routes: dict[str, CardRoute] = field(default_factory=dict)
    last_task: int = 0


@dataclass(slots=True)
class Messages:
    company: Company
    identity: Identity
    book: Book
    postbox: Postbox = field(default_factory=Postbox)

    def doors(self) -> list[Door]:
        work = "/topapi/message/corpconversation"
        return [
            Door("POST", f"{work}/asyncsend_v2", self.send),
            Door("POST", f"{work}/getsendresult", self.send_result),
            Door("POST", f"{work}/status_bar/update", self.update_status_bar),
            Door("POST", f"{work}/recall", self.recall),
            Door("POST", "/v1.0/robot/oToMessages/batchSend", self.robot_send),
            Door("POST", "/v1.0/card/instances/createAndDeliver", self.create_card),
            Door("PUT", "/v1.0/card/instances", self.update_card),
            Door("POST", "/v1.0/card/callbacks/register", self.register_card_callback),
        ]

    # Work notifications.

    def send(self, call: Call) -> dict[str, Any]:
        fields = asked(call)
        self._check_agent(fields)
        msg = _read_msg(fields.values.get("msg"))
        userids, invalid = self._recipients(fields, msg)
        now = self.book.now()
        self.postbox.last_task = max(self.postbox.last_task + 1, int(time.time() * 1000))
        sent = Notification(self.postbox.last_task, now, msg, invalid=invalid)
        if msg["msgtype"] == "oa":
            bar = msg["oa"].get("status_bar") or {}
            sent.status_value, sent.status_bg = bar.get("status_value", ""), bar.get("status_bg", "")
        self.postbox.notifications[sent.task_id] = sent
        for userid in userids:
            self._deliver(sent, userid)
        # A swallowed message is a success as well: only the send result tells.
        return {"errcode": 0, "errmsg": "ok", "task_id": sent.task_id, "request_id": uuid.uuid4().hex[:16]}

    def _recipients(self, fields: Fields, msg: dict[str, Any]) -> tuple[list[str], list[str]]:
        named = fields.listed("userid_list", most=100)
        dept_ids = fields.listed("dept_id_list", most=20)
        to_all = fields.flag_or("to_all_user", False)
        if msg["msgtype"] == "oa" and msg["oa"].get("status_bar") and (len(named) > 5 or dept_ids or to_all):
            raise bad_old("a message with a status_bar goes to 5 userids at most")
        if not named and not dept_ids and not to_all:
            raise bad_old("userid_list, dept_id_list or to_all_user is required")
        found = dict.fromkeys(userid for userid in named if userid in self.company.users)
        invalid = [userid for userid in named if userid not in self.company.users]
        if to_all:
            found |= dict.fromkeys(self.company.users)
        for dept_id in dept_ids:
            if not dept_id.isdigit() or int(dept_id) not in self.company.departments:
                raise OldRefusal(60003, "部门不存在")
            for below in self.company.below(int(dept_id)):
                found |= dict.fromkeys(self.company.members_of(below))
        return list(found), invalid

    def _deliver(self, sent: Notification, userid: str) -> None:
        today = time.strftime("%Y-%m-%d", time.localtime())
        if today != self.postbox.today:
            self.postbox.today = today
            self.postbox.received.clear()
        fingerprint = sha256(json.dumps(sent.msg, sort_keys=True).encode()).hexdigest()
        received = self.postbox.received.setdefault(userid, set())
        if fingerprint in received:
            sent.forbidden[userid] = SAME_TEXT_TODAY
            return
        if len(received) >= MOST_PER_DAY:
            sent.forbidden[userid] = TOO_MANY_TODAY
            return
        received.add(fingerprint)
        sent.unread[userid] = None
        self.postbox.inbox.setdefault(userid, deque(maxlen=KEPT_PER_PERSON)).append(sent.task_id)

    def send_result(self, call: Call) -> dict[str, Any]:
        fields = asked(call)
        self._check_agent(fields)
        sent = self._sent(fields.number("task_id"))
        return {
            "errcode": 0,
            "errmsg": "ok",
            "send_result": {
                "invalid_user_id_list": sent.invalid,
                "forbidden_user_id_list": list(sent.forbidden),
                "failed_user_id_list": [],
                "read_user_id_list": list(sent.read),
                "unread_user_id_list": list(sent.unread),
                "invalid_dept_id_list": [],
                "forbidden_list": [
                    {"code": code, "count": 1, "userid": userid} for userid, code in sent.forbidden.items()
                ],
            },
        }

    def update_status_bar(self, call: Call) -> dict[str, Any]:
        fields = asked(call)
        self._check_agent(fields)
        sent = self._sent(fields.number("task_id"))
        if not sent.status_value:
            raise bad_old("the message has no status_bar")
        if sent.sent_ms < self.book.now() - WEEK_MS:
            raise bad_old("a status_bar changes within 7 days")
        sent.status_value = fields.text("status_value")
        sent.status_bg = fields.text_or("status_bg", sent.status_bg)
        return {"errcode": 0, "errmsg": "ok"}

    def recall(self, call: Call) -> dict[str, Any]:
        fields = asked(call)
        self._check_agent(fields)
        self._sent(fields.number("msg_task_id")).is_recalled = True
        return {"errcode": 0, "errmsg": "ok"}

    def inbox(self, userid: str) -> list[Notification]:
        """What lies in a person's work notifications, newest first."""
        sent = [self.postbox.notifications[task_id] for task_id in self.postbox.inbox.get(userid, ())]
        return [item for item in reversed(sent) if not item.is_recalled]

    def mark_read(self, userid: str) -> None:
        for sent in self.inbox(userid):
            if userid in sent.unread:
                del sent.unread[userid]
                sent.read[userid] = None

    def _check_agent(self, fields: Fields) -> None:
        if fields.number("agent_id") != self.identity.agent_id:
            raise OldRefusal(33001, "无效的agentId")

    def _sent(self, task_id: int) -> Notification:
        sent = self.postbox.notifications.get(task_id)
        if sent is None:
            raise bad_old("task_id is unknown")
        return sent

    # Robot.

    def robot_send(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_new)
        if fields.text("robotCode") != self.identity.app_key:
            raise NewRefusal("robot.notExist", "机器人不存在")
        userids = fields.texts("userIds", most=20)
        if not userids:
            raise bad_new("userIds is required")
        try:
            param = json.loads(fields.text("msgParam"))
        except ValueError:
            raise bad_new("msgParam must be JSON") from None
        if not isinstance(param, dict):
            raise bad_new("msgParam must be a JSON object")
        known = [userid for userid in userids if userid in self.company.users]
        message = RobotMessage(uuid.uuid4().hex, self.book.now(), known, fields.text("msgKey"), param)
        self.postbox.robot.append(message)
        return {
            "processQueryKey": message.key,
            "invalidStaffIdList": [userid for userid in userids if userid not in known],
            "flowControlledStaffIdList": [],
        }

    # Cards.

    def create_card(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_new)
        out_track_id = fields.text("outTrackId")
        template_id = fields.text("cardTemplateId")
        space = fields.text("openSpaceId")
        params = _card_params(fields)
        callback_type = fields.text_or("callbackType")
        if callback_type not in ("", "STREAM", "HTTP"):
            raise bad_new("callbackType must be STREAM or HTTP")
        route_key = fields.text_or("callbackRouteKey")
        if callback_type == "HTTP" and route_key not in self.postbox.routes:
            raise bad_new("callbackRouteKey is not registered")
        results, userids = self._spaces(space, by_unionid=fields.number_or("userIdType", 1) == 2)
        # The caller's own id is its key: the same card again is the card that is there.
        card = self.postbox.cards.get(out_track_id)
        if card is None:
            card = Card(out_track_id, template_id, self.book.now(), params, userids, callback_type, route_key)
            card.private = self._private(fields)
            self.postbox.cards[out_track_id] = card
        return {"success": True, "result": {"outTrackId": out_track_id, "deliverResults": results}}

    def _spaces(self, space: str, *, by_unionid: bool) -> tuple[list[dict[str, Any]], list[str]]:
        """One or several: dtv1.card//IM_ROBOT.user1;IM_ROBOT.user2."""
        prefix = "dtv1.card//"
        if not space.startswith(prefix):
            raise bad_new("openSpaceId must start with dtv1.card//")
        results: list[dict[str, Any]] = []
        userids: list[str] = []
        for part in space[len(prefix) :].split(";"):
            kind, _, person = part.partition(".")
            user = self.company.user_by_unionid(person) if by_unionid else self.company.users.get(person)
            is_known = kind == "IM_ROBOT" and user is not None
            if user is not None and is_known:
                userids.append(user.userid)
            results.append(
                {
                    "spaceId": person,
                    "spaceType": kind,
                    "success": is_known,
                    "carrierId": uuid.uuid4().hex if is_known else "",
                    "errorMsg": "" if is_known else "space is unknown",
                }
            )
        return results, userids

    def update_card(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_new)
        card = self.card(fields.text("outTrackId"))
        options = fields.part("cardUpdateOptions")
        self.change_card(
            card,
            _card_params(fields),
            by_key=options.flag_or("updateCardDataByKey", False),
            private=self._private(fields),
            private_by_key=options.flag_or("updatePrivateDataByKey", False),
        )
        return {"success": True, "result": True}

    def change_card(
        self,
        card: Card,
        params: dict[str, str],
        *,
        by_key: bool,
        private: dict[str, dict[str, str]] | None = None,
        private_by_key: bool = False,
    ) -> None:
        if params:
            card.params = card.params | params if by_key else params
        for userid, values in (private or {}).items():
            card.private[userid] = card.private.get(userid, {}) | values if private_by_key else values
        card.updates += 1

    def card(self, out_track_id: str) -> Card:
        card = self.postbox.cards.get(out_track_id)
        if card is None:
            raise NewRefusal("param.card.notExist", "卡片不存在")
        return card

    def _private(self, fields: Fields) -> dict[str, dict[str, str]]:
        by_unionid = fields.number_or("userIdType", 1) == 2
        private = {}
        for person in fields.part("privateData").values:
            user = self.company.user_by_unionid(person) if by_unionid else self.company.users.get(person)
            if user is None:
                raise bad_new(f"privateData: {person} is unknown")
            private[user.userid] = _card_params(fields.part("privateData").part(person), "")
        return private

    def register_card_callback(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_new)
        route_key, url = fields.text("callbackRouteKey"), fields.text("callbackUrl")
        known = self.postbox.routes.get(route_key)
        if known is not None and known.url != url and not fields.flag_or("forceUpdate", False):
            raise bad_new("callbackRouteKey is registered with another address")
        secret = fields.text_or("apiSecret") or (known.secret if known else uuid.uuid4().hex)
        self.postbox.routes[route_key] = CardRoute(url, secret)
        return {"success": True, "result": {"callbackUrl": url, "apiSecret": secret}}


def _read_msg(given: Any) -> dict[str, Any]:
    """JSON in a form field, or an object where the whole body is JSON; 2048 bytes at most."""
    if isinstance(given, str):
        try:
            msg = json.loads(given)
        except ValueError:
            raise bad_old("msg must be JSON") from None
        size = len(given.encode())
    else:
        msg, size = given, len(json.dumps(given, ensure_ascii=False).encode())
    if not isinstance(msg, dict) or msg.get("msgtype") not in MSG_TYPES:
        raise bad_old("msg.msgtype is unknown")
    if not isinstance(msg.get(msg["msgtype"]), dict):
        raise bad_old(f"msg.{msg['msgtype']} is required")
    if size > 2048:
        raise bad_old("msg is longer than 2048 bytes")
    if msg["msgtype"] == "action_card":
        card = msg["action_card"]
        if not (card.get("title") and card.get("markdown")):
            raise bad_old("action_card needs title and markdown")
        if not (card.get("single_url") or card.get("btn_json_list")):
            raise bad_old("action_card needs single_url or btn_json_list")
    if msg["msgtype"] == "oa":
        form = (msg["oa"].get("body") or {}).get("form") or []
        if not msg["oa"].get("message_url") or len(form) > 6:
            raise bad_old("oa needs message_url, and at most 6 lines in its form")
    return msg


def _card_params(fields: Fields, part: str = "cardData") -> dict[str, str]:
    params = (fields.part(part) if part else fields).part("cardParamMap").values
    if not all(isinstance(value, str) for value in params.values()):
        raise bad_new("cardParamMap holds strings only")
    return dict(params)
