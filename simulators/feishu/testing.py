"""A Feishu for one test: `with running() as feishu: …` serves on loopback and hands out its control door."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from simulators.feishu.app import feishu
from simulators.feishu.simulator import Simulator
from simulators.stage.testing import ControlError, Handle, standing

__all__ = ["ControlError", "Running", "running"]


class Running(Handle):
    def __init__(self, facts: Mapping[str, Any]) -> None:
        super().__init__(facts)
        self.app_id: str = facts["app_id"]
        self.app_secret: str = facts["app_secret"]
        self.verification_token: str = facts["verification_token"]
        self.encrypt_key: str = facts["encrypt_key"]
        self.tenant_key: str = facts["tenant_key"]
        self.approval_codes: dict[str, str] = facts["approval_codes"]
        self.forms: dict[str, list[dict[str, Any]]] = facts["forms"]

    # Callbacks.

    def subscribe(self, *codes: str) -> None:
        """As the app's own calls do; without codes: both definitions."""
        wanted = list(codes) or list(self.approval_codes.values())
        self.control("PUT", "/subscriptions", {"approval_codes": wanted})

    def emit(self, kind: str, fields: Mapping[str, Any], *, schema: str = "2") -> None:
        self.control("POST", "/events", {"kind": kind, "fields": dict(fields), "schema": schema})

    # People.

    def login_code(self, user_id: str, **more: str) -> str:
        """For the browser way and for tt.requestAccess alike."""
        return str(self.control("POST", "/codes", {"user_id": user_id, **more})["code"])

    # Approval, as people do it.

    def decide(
        self, instance_id: str, verdict: str = "approve", *, user_id: str = "", comment: str = ""
    ) -> dict[str, Any]:
        """As `user_id`, or as whoever is asked first."""
        body = {"verdict": verdict, "user_id": user_id, "comment": comment}
        decided: dict[str, Any] = self.control("POST", f"/instances/{quote(instance_id)}/decide", body)
        return decided

    def hand_over(self, instance_id: str, to_user_id: str, *, user_id: str = "", comment: str = "") -> None:
        body = {"to_user_id": to_user_id, "user_id": user_id, "comment": comment}
        self.control("POST", f"/instances/{quote(instance_id)}/redirect", body)

    def send_back(self, instance_id: str, *, user_id: str = "", comment: str = "") -> None:
        body = {"user_id": user_id, "comment": comment}
        self.control("POST", f"/instances/{quote(instance_id)}/send-back", body)

    def comment(self, instance_id: str, user_id: str, text: str) -> None:
        body = {"user_id": user_id, "text": text}
        self.control("POST", f"/instances/{quote(instance_id)}/comment", body)

    def withdraw(self, instance_id: str) -> None:
        """While pending; of an approved one: its later undoing (撤销), told as REVERTED."""
        self.control("POST", f"/instances/{quote(instance_id)}/withdraw")

    def tasks(self, user_id: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "/tasks", user_id=user_id)
        return found

    # What people got.

    def messages(self, user_id: str = "") -> list[dict[str, Any]]:
        """Newest first; `content` already read from its JSON."""
        found: list[dict[str, Any]] = self.control("GET", "/messages", user_id=user_id)
        return found

    def click(
        self, message_id: str, text: str = "", *, user_id: str = "", value: Any = None
    ) -> dict[str, Any]:
        """Press a card's button. Answers {"toast", "card", "token"}; raises ControlError when the callback failed."""
        body: dict[str, Any] = {"text": text, "user_id": user_id}
        if value is not None:
            body["value"] = value
        clicked: dict[str, Any] = self.control("POST", f"/messages/{message_id}/click", body)
        return clicked

    def external_instances(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "/external-instances")
        return found

    def todos(self, user_id: str = "") -> list[dict[str, Any]]:
        """Open third-party tasks."""
        found: list[dict[str, Any]] = self.control("GET", "/todos", user_id=user_id)
        return found

    def press(
        self, approval_code: str, instance_id: str, task_id: str, action: str = "APPROVE", reason: str = ""
    ) -> dict[str, Any]:
        """三方快捷审批: the button on a third-party task. Raises ControlError with what the person would read."""
        body = {
            "approval_code": approval_code,
            "instance_id": instance_id,
            "task_id": task_id,
            "action": action,
            "reason": reason,
        }
        said: dict[str, Any] = self.control("POST", "/external-tasks/press", body)
        return said

    def bot_messages(self, user_id: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "/bot-messages", user_id=user_id)
        return found

    def press_card(self, message_id: str, action: str = "APPROVE", reason: str = "") -> dict[str, Any]:
        """The button on a card of the approval bot. Raises ControlError with what the person would read."""
        body = {"action": action, "reason": reason}
        said: dict[str, Any] = self.control("POST", f"/bot-messages/{message_id}/press", body)
        return said

    def upload(self, name: str, data: bytes, kind: str = "attachment") -> str:
        """A file as the client uploads it; its code goes into the form."""
        body = {"name": name, "data": b64encode(data).decode(), "type": kind}
        return str(self.control("POST", "/files", body)["code"])


@contextmanager
def running(
    *, port: int = 0, seed: int = 0, org: Mapping[str, Any] | None = None, **settings: Any
) -> Iterator[Running]:
    """A simulator in a thread of this process. `settings` are those of feishu/settings.py."""
    with standing(Simulator, feishu, port=port, seed=seed, org=org, settings=settings) as facts:
        handle = Running(facts)
        yield handle
        handle.http.clear()
