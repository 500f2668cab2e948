"""A DingTalk for one test: `with running() as dingtalk: …` serves on loopback and hands out its control door."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

from simulators.dingtalk.app import DingTalk
from simulators.dingtalk.simulator import Simulator
from simulators.stage.server import listen, serving


class ControlError(Exception):
    """The control door said no."""


class Running:
    """The facts of a running simulator and the handles of its control door, usable from any thread."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.facts = dict(facts)
        self.base_url: str = facts["base_url"]
        self.oapi_base_url: str = facts["oapi_base_url"]
        self.app_key: str = facts["app_key"]
        self.app_secret: str = facts["app_secret"]
        self.corp_id: str = facts["corp_id"]
        self.agent_id: int = facts["agent_id"]
        self.token: str = facts["token"]
        self.aes_key: str = facts["aes_key"]
        self.process_codes: dict[str, str] = facts["process_codes"]
        self.control_url: str = facts["control_url"]
        self.http = urllib3.PoolManager(maxsize=4, retries=False, timeout=30)

    def control(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """One call through the control door. Raises ControlError with its reason."""
        url = f"{self.control_url}{path}" + (f"?{urlencode(query)}" if query else "")
        data = json.dumps(body).encode() if body is not None else None
        answer = self.http.request(method, url, body=data)
        said = json.loads(answer.data)
        if answer.status >= 400:
            raise ControlError(said.get("error", answer.status))
        return said

    # Turning knobs.

    def set(self, **settings: Any) -> None:
        self.control("PUT", "/settings", settings)

    def fault(self, harm: str, path: str = "*", **more: Any) -> None:
        """`times=N` for the next N calls, or `fraction=0.2` for a share of them; `status`, `seconds`, `method`."""
        self.control("POST", "/faults", {"harm": harm, "path": path, **more})

    def clear_faults(self) -> None:
        self.control("DELETE", "/faults")

    def calls(self) -> dict[str, int]:
        """How often each call was made: {"POST /v1.0/workflow/processInstances": 3, …}."""
        counts: dict[str, int] = self.control("GET", "/calls")["counts"]
        return counts

    def expire_tokens(self) -> None:
        self.control("POST", "/tokens/expire")

    def reset(self) -> None:
        self.control("POST", "/reset")

    # Callbacks.

    def set_callback(self, url: str | None, **more: Any) -> str:
        """Register the address; "success", or what was wrong with its answer to check_url."""
        said = self.control("PUT", "/callback", {"url": url or "", **more})
        return str(said["detail"]) if not said["ok"] else "success"

    def spoil_callbacks(self, **spoiling: Any) -> None:
        self.control("PUT", "/callback/spoiling", spoiling)

    def events(self, kind: str = "", instance_id: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "/events", kind=kind, instance_id=instance_id)
        return found

    def resend(self, event_id: str, times: int = 1) -> None:
        self.control("POST", f"/events/{event_id}/resend", {"times": times})

    def wait_for_callbacks(self, timeout: float = 5.0, *, retries: bool = False) -> bool:
        answer = self.control("GET", "/idle", timeout=timeout, retries=str(retries).lower())
        return bool(answer["idle"])

    # People.

    def load(self, document: Mapping[str, Any]) -> None:
        self.control("PUT", "/directory", document)

    def leave(self, userid: str) -> None:
        self.control("POST", f"/users/{quote(userid)}/leave")

    def free_login_code(self, userid: str) -> str:
        return str(self.control("POST", "/codes", {"userid": userid, "kind": "free"})["code"])

    def browser_code(self, userid: str) -> str:
        return str(self.control("POST", "/codes", {"userid": userid, "kind": "browser"})["code"])

    # Approval, as people do it.

    def instances(self, **query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "/instances", **query)["instances"]
        return found

    def instance(self, instance_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.control("GET", f"/instances/{instance_id}")
        return found

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

    def delete(self, instance_id: str) -> None:
        self.control("DELETE", f"/instances/{instance_id}")

    def tasks(self, userid: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "/tasks", userid=userid)
        return found

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
    bound = listen("127.0.0.1", port)
    simulator = Simulator(f"http://127.0.0.1:{bound.getsockname()[1]}", seed=seed, org=org)
    simulator.settings.change(settings)
    with serving(DingTalk(simulator), bound):
        handle = Running(simulator.facts())
        yield handle
        handle.http.clear()
