"""Messages (im v1): texts, and cards that change after a decision and answer when pressed."""

from __future__ import annotations

import json
import secrets
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from simulators.feishu.callbacks import Callbacks
from simulators.feishu.company import Company, User
from simulators.feishu.errors import Refusal, bad_field, bad_message
from simulators.feishu.settings import Identity, Settings
from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door

KINDS = ("text", "post", "image", "file", "interactive")
ID_TYPES = ("open_id", "union_id", "user_id", "email", "chat_id")
MOST_TEXT, MOST_CARD = 150 * 1024, 30 * 1024
DEDUP_S = 3600
MONTH_S = 14 * 24 * 3600  # how long a card may be changed
TOKEN_S, TOKEN_USES = 30 * 60, 2
KEPT_PER_PERSON = 200
PER_USER_QPS = 5


@dataclass(slots=True)
class Sent:
    message_id: str
    chat_id: str
    user_id: str
    kind: str
    content: str
    sent_ms: int
    updated_ms: int = 0
    updates: int = 0
    is_unread: bool = True

    @property
    def card(self) -> dict[str, Any]:
        found = json.loads(self.content)
        return found if isinstance(found, dict) else {}


@dataclass(slots=True)
class ClickToken:
    message_id: str
    ends: float
    uses: int = 0


@dataclass(slots=True)
class Postbox:
    messages: dict[str, Sent] = field(default_factory=dict)
    inbox: dict[str, deque[str]] = field(default_factory=dict)
    by_uuid: dict[str, tuple[str, float]] = field(default_factory=dict)
    click_tokens: dict[str, ClickToken] = field(default_factory=dict)
    recent: dict[str, deque[float]] = field(default_factory=dict)


@dataclass(slots=True)
class Messages:
    company: Company
    identity: Identity
    settings: Settings
    callbacks: Callbacks
    postbox: Postbox = field(default_factory=Postbox)

    def doors(self) -> list[Door]:
        home = "/open-apis/im/v1/messages"
        return [
            Door("POST", home, self.send),
            Door("GET", f"{home}/{{message_id}}", self.look),
            Door("PATCH", f"{home}/{{message_id}}", self.patch),
            Door("POST", "/open-apis/interactive/v1/card/update", self.update_later),
        ]

    # The API's side.

    def send(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad_field)
        id_type = Fields(call.query, bad_field).text("receive_id_type")
        if id_type not in ID_TYPES:
            raise bad_field("receive_id_type is not one of open_id, union_id, user_id, email, chat_id")
        kind, content = fields.text("msg_type"), fields.values.get("content")
        if kind not in KINDS:
            raise bad_message(f"msg_type {kind} is unknown")
        if not self.settings.has_bot:
            raise Refusal(230006, "Bot ability is not activated.")
        user = self._receiver(fields.text("receive_id"), id_type)
        check_content(kind, content)
        key = fields.text_or("uuid", most=50)
        now = time.time()
        before = self.postbox.by_uuid.get(key) if key else None
        if before and before[1] > now:
            return self._shown(self.postbox.messages[before[0]])
        self._check_rate(user.user_id, now)
        sent = Sent(
            f"om_{secrets.token_hex(16)}",
            f"oc_{user.open_id[3:]}",
            user.user_id,
            kind,
            str(content),
            int(now * 1000),
        )
        self.postbox.messages[sent.message_id] = sent
        inbox = self.postbox.inbox.setdefault(user.user_id, deque(maxlen=KEPT_PER_PERSON))
        inbox.append(sent.message_id)
        if key:
            self.postbox.by_uuid[key] = (sent.message_id, now + DEDUP_S)
        return self._shown(sent)

    def _receiver(self, given: str, id_type: str) -> User:
        match id_type:
            case "email":
                user = self.company.find_by("email", given)
            case "chat_id":
                user = self.company.find_user(f"ou_{given[3:]}", "open_id")
            case _:
                user = self.company.find_user(given, id_type)
                if user is None and self.company.find_left(given, id_type):
                    raise Refusal(230013, "Bot has NO availability to this user.")
        if user is None:
            raise bad_message("invalid receive_id")
        if not user.is_active:
            raise Refusal(230013, "Bot has NO availability to this user.")
        return user

    def _check_rate(self, user_id: str, now: float) -> None:
        if not self.settings.real_limits:
            return
        seen = self.postbox.recent.setdefault(user_id, deque())
        while seen and seen[0] <= now - 1:
            seen.popleft()
        if len(seen) >= PER_USER_QPS:
            raise Refusal(230020, "This operation triggers the frequency limit.")
        seen.append(now)

    def look(self, call: Call) -> dict[str, Any]:
        return {"items": [self._shown(self._sent(call))]}

    def patch(self, call: Call) -> dict[str, Any]:
        sent = self._sent(call)
        content = call.body.get("content")
        if sent.kind != "interactive":
            raise bad_message("This message is NOT a card.")
        if time.time() * 1000 - sent.sent_ms > MONTH_S * 1000:
            raise Refusal(230031, "Message can only be modified within 14 days after sending.")
        check_content("interactive", content)
        if not (is_shared(sent.card) and is_shared(json.loads(str(content)))):
            raise bad_message("the card before and after must both say update_multi: true")
        self._change(sent, str(content))
        return {}

    def update_later(self, call: Call) -> dict[str, Any]:
        """延时更新: with the token of a click, good for half an hour and two uses."""
        fields = Fields(call.body, lambda detail: Refusal(10002, f"card param invalid: {detail}"))
        given = fields.text("token")
        card = fields.values.get("card")
        if not given.startswith("c-"):
            raise Refusal(300020, "the token format is wrong")
        token = self.postbox.click_tokens.get(given)
        if token is None or token.ends <= time.time():
            raise Refusal(300030, "the token has expired")
        if token.uses >= TOKEN_USES:
            raise Refusal(300040, "the token has been used too often")
        if not isinstance(card, dict):
            raise Refusal(100030, "card is not a JSON object")
        sent = self.postbox.messages[token.message_id]
        if not is_shared(card) and not card.get("open_ids"):
            raise Refusal(300090, "open_ids is required for a card that is not shared")
        token.uses += 1
        self._change(sent, json.dumps(card, ensure_ascii=False))
        return {}

    def _sent(self, call: Call) -> Sent:
        sent = self.postbox.messages.get(call.args["message_id"])
        if sent is None:
            raise bad_message("invalid message_id")
        return sent

    def _change(self, sent: Sent, content: str) -> None:
        sent.content, sent.updated_ms = content, int(time.time() * 1000)
        sent.updates += 1

    def _shown(self, sent: Sent) -> dict[str, Any]:
        return {
            "message_id": sent.message_id,
            "msg_type": sent.kind,
            "create_time": str(sent.sent_ms),
            "update_time": str(sent.updated_ms or sent.sent_ms),
            "deleted": False,
            "updated": sent.updates > 0,
            "chat_id": sent.chat_id,
            "sender": {
                "id": self.identity.app_id,
                "id_type": "app_id",
                "sender_type": "app",
                "tenant_key": self.identity.tenant_key,
            },
            "body": {"content": sent.content},
        }

    # A person's side.

    def inbox(self, user_id: str) -> list[Sent]:
        """Newest first."""
        return [self.postbox.messages[key] for key in reversed(self.postbox.inbox.get(user_id, ()))]

    def mark_read(self, user_id: str) -> None:
        for sent in self.inbox(user_id):
            sent.is_unread = False

    async def click(
        self, sent: Sent, user: User, value: Any, *, tag: str = "button", name: str = ""
    ) -> dict[str, Any]:
        """A button is pressed: tell the app, apply the card it answers with, hand back its toast.

        Raises ValueError (no address) and NoAnswer; an answer that is not fit for a card is an error 200340 there.
        """
        token = f"c-{secrets.token_hex(20)}"
        self.postbox.click_tokens[token] = ClickToken(sent.message_id, time.time() + TOKEN_S)
        action: dict[str, Any] = {"value": value, "tag": tag}
        if name:
            action["name"] = name
        event = {
            "operator": {
                "tenant_key": self.identity.tenant_key,
                "user_id": user.user_id,
                "open_id": user.open_id,
                "union_id": user.union_id,
            },
            "token": token,
            "action": action,
            "host": "im_message",
            "context": {"open_message_id": sent.message_id, "open_chat_id": sent.chat_id},
        }
        status, body = await self.callbacks.push_card(event)
        if status != 200:
            raise ValueError(f"the callback answered HTTP {status}")
        return self._apply(sent, body, token)

    def _apply(self, sent: Sent, body: bytes, token: str) -> dict[str, Any]:
        try:
            said = Fields(json.loads(body or b"{}"), ValueError)
        except (ValueError, TypeError) as error:
            raise ValueError(f"200341 the answer is not JSON: {error}") from error
        toast = said.part("toast")
        if toast.values and toast.text("type") not in ("info", "success", "error", "warning"):
            raise ValueError("200343 toast.type must be info, success, error or warning")
        card = said.part("card")
        if card.values:
            if card.text("type") not in ("raw", "template"):
                raise ValueError("200344 card.type must be raw or template")
            self._change(sent, json.dumps(dict(card.part("data").values), ensure_ascii=False))
        return {"token": token, "toast": dict(toast.values), "card": sent.card}


def check_content(kind: str, content: Any) -> None:
    """Raises 230001, 230025 or 230099."""
    if not isinstance(content, str):
        raise bad_message("content must be a JSON string")
    try:
        inside = json.loads(content)
    except ValueError:
        raise bad_message("content is not a string in json format") from None
    if not isinstance(inside, dict):
        raise bad_message("content is not a JSON object")
    if len(content.encode()) > (MOST_TEXT if kind == "text" else MOST_CARD):
        raise Refusal(230025, "The length of the message content reaches its limit.")
    if kind == "text" and not inside.get("text"):
        raise bad_message("text is empty")
    if kind == "interactive" and not _looks_like_card(inside):
        raise Refusal(
            230099,
            "Failed to create card content, ext=ErrCode: 200621; ErrMsg: parse card json err, "
            "please check whether the card json is correct; ErrorValue: ",
        )


def _looks_like_card(card: dict[str, Any]) -> bool:
    if card.get("type") == "template":
        data = card.get("data")
        return isinstance(data, dict) and bool(data.get("template_id"))
    if card.get("schema") == "2.0":
        body = card.get("body")
        return isinstance(body, dict) and isinstance(body.get("elements"), list)
    return isinstance(card.get("elements"), list) or isinstance(card.get("i18n_elements"), dict)


def is_shared(card: dict[str, Any]) -> bool:
    """Cards of JSON 2.0 and of templates are shared unless they say otherwise."""
    config = card.get("config")
    said = config.get("update_multi") if isinstance(config, dict) else None
    if card.get("schema") == "2.0" or card.get("type") == "template":
        return said is not False
    return said is True


@dataclass(frozen=True, slots=True)
class Button:
    text: str
    url: str = ""
    value: Any = None
    kind: str = "default"
    name: str = ""


def buttons_of(card: dict[str, Any]) -> list[Button]:
    """All the buttons of a card, in both generations of its JSON."""
    return [_button(element) for element in elements_of(card) if element.get("tag") == "button"]


def elements_of(value: Any) -> Iterator[dict[str, Any]]:
    """Everything with a tag, depth first."""
    if isinstance(value, dict):
        if "tag" in value:
            yield value
        for inner in value.values():
            yield from elements_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from elements_of(inner)


def _button(element: dict[str, Any]) -> Button:
    text = element.get("text")
    label = str(text.get("content", "")) if isinstance(text, dict) else ""
    url, value = element.get("url") or "", element.get("value")
    multi = element.get("multi_url")
    if not url and isinstance(multi, dict):
        url = multi.get("pc_url") or multi.get("url") or ""
    for behavior in element.get("behaviors") or []:
        if behavior.get("type") == "callback":
            value = behavior.get("value")
        elif behavior.get("type") == "open_url":
            url = behavior.get("default_url") or ""
    return Button(label, str(url), value, str(element.get("type", "default")), str(element.get("name", "")))
