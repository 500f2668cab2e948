"""A DingTalk for one test: `with running() as dingtalk: …` serves on loopback and hands out its control door."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from simulators.dingtalk.app import dingtalk
from simulators.dingtalk.simulator import Simulator
from simulators.stage.testing import ControlError, Handle, standing

__all__ = ["ControlError", "Running", "running"]


class Running(Handle):
    def __init__(self, facts: Mapping[str, Any]) -> None:
        super().__init__(facts)
        self.oapi_base_url: str = facts["oapi_base_url"]
        self.app_key: str = facts["app_key"]
        self.app_secret: str = facts["app_secret"]
        self.corp_id: str = facts["corp_id"]
        self.agent_id: int = facts["agent_id"]
        self.token: str = facts["token"]
        self.aes_key: str = facts["aes_key"]
        self.process_codes: dict[str, str] = facts["process_codes"]

    # Stream.

    def connections(self) -> list[dict[str, Any]]:
        """The open Stream connections."""
        found: list[dict[str, Any]] = self.control("GET", "/stream")
        return found

    def disconnect(self, *, abrupt: bool = False) -> None:
        """Send every Stream client away, or cut it off without a word."""
        self.control("POST", "/stream/disconnect", {"abrupt": abrupt})

    # People.

    def free_login_code(self, userid: str) -> str:
        return str(self.control("POST", "/codes", {"userid": userid, "kind": "free"})["code"])

    def browser_code(self, userid: str) -> str:
        return str(self.control("POST", "/codes", {"userid": userid, "kind": "browser"})["code"])

    # Approval, as people do it.

    def decide(
        self, instance_id: str, verdict: str = "agree", *, userid: str = "", remark: str = ""
    ) -> dict[str, Any]:
        """As `userid`, or as whoever is asked first."""
        body = {"verdict": verdict, "userid": userid, "remark": remark}
        decided: dict[str, Any] = self.control("POST", f"/instances/{instance_id}/decide", body)
        return decided

    def hand_over(self, instance_id: str, to_userid: str, *, userid: str = "", remark: str = "") -> None:
        body = {"to_userid": to_userid, "userid": userid, "remark": remark}
        self.control("POST", f"/instances/{instance_id}/redirect", body)

    def comment(self, instance_id: str, userid: str, text: str) -> None:
        self.control("POST", f"/instances/{instance_id}/comment", {"userid": userid, "text": text})

    def withdraw(self, instance_id: str, remark: str = "") -> None:
        self.control("POST", f"/instances/{instance_id}/withdraw", {"remark": remark})

    def revoke(self, instance_id: str, remark: str = "") -> str:
        """The originator asks to undo an approved one: the id of the revocation, which is still to be decided."""
        body = {"remark": remark}
        return str(self.control("POST", f"/instances/{instance_id}/revoke", body)["id"])

    def tasks(self, userid: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "/tasks", userid=userid)
        return found

    # 流程中心.

    def centre_instances(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "/centre/instances")
        return found

    def centre_tasks(self, userid: str = "") -> list[dict[str, Any]]:
        """The open ones."""
        found: list[dict[str, Any]] = self.control("GET", "/centre/tasks", userid=userid)
        return found

    def set_data_source(self, url: str | None, api_key: str = "") -> None:
        """Where the gateway tells of 同意 and 拒绝 pressed in DingTalk."""
        key = api_key or self.facts["data_source_key"]
        self.control("PUT", f"/data-sources/{quote(key)}", {"url": url or ""})

    def press(self, task_id: int, verdict: str = "agree", remark: str = "") -> dict[str, Any]:
        """A person's 同意 or 拒绝 on a task of the process centre; what the data source said."""
        body = {"verdict": verdict, "remark": remark}
        pressed: dict[str, Any] = self.control("POST", f"/centre/tasks/{task_id}/press", body)
        return pressed

    # What people got.

    def notifications(self, userid: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "/notifications", userid=userid)
        return found

    def robot_messages(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "/robot-messages")
        return found

    def todos(self, userid: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "/todos", userid=userid)
        return found

    def cards(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "/cards")
        return found

    def upload(self, name: str, data: bytes, media_type: str = "application/pdf") -> dict[str, str]:
        """A file in the approval space, as the client's own upload leaves it: the five keys of an attachment."""
        body = {"name": name, "data": b64encode(data).decode(), "media_type": media_type}
        kept: dict[str, str] = self.control("POST", "/files", body)
        return kept


@contextmanager
def running(
    *, port: int = 0, seed: int = 0, org: Mapping[str, Any] | None = None, **settings: Any
) -> Iterator[Running]:
    """A simulator in a thread of this process. `settings` are those of dingtalk/settings.py."""
    with standing(Simulator, dingtalk, port=port, seed=seed, org=org, settings=settings) as facts:
        handle = Running(facts)
        yield handle
        handle.http.clear()
