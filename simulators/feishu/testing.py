"""A Feishu for one test: `with running() as feishu: …` serves on loopback and hands out its control door."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

from simulators.feishu.app import Feishu
from simulators.feishu.simulator import Simulator
from simulators.stage.server import listen, serving


class ControlError(Exception):
    """The control door said no."""


class Running:
    """The facts of a running simulator and the handles of its control door, usable from any thread."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.facts = dict(facts)
        self.base_url: str = facts["base_url"]
        self.app_id: str = facts["app_id"]
        self.app_secret: str = facts["app_secret"]
        self.verification_token: str = facts["verification_token"]
        self.encrypt_key: str = facts["encrypt_key"]
        self.tenant_key: str = facts["tenant_key"]
        self.approval_codes: dict[str, str] = facts["approval_codes"]
        self.forms: dict[str, list[dict[str, Any]]] = facts["forms"]
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
        """How often each call was made: {"POST /open-apis/approval/v4/instances": 3, …}."""
        counts: dict[str, int] = self.control("GET", "/calls")["counts"]
        return counts

    def expire_tokens(self) -> None:
        self.control("POST", "/tokens/expire")

    def reset(self) -> None:
        self.control("POST", "/reset")

    # Callbacks.

    def set_callback(self, url: str | None, **more: Any) -> str:
        """Register the address; "success", or what was wrong with its answer to the challenge."""
        said = self.control("PUT", "/callback", {"url": url or "", **more})
        return str(said["detail"]) if not said["ok"] else "success"

    def subscribe(self, *codes: str) -> None:
        """As the app's own calls do; without codes: both definitions."""
        wanted = list(codes) or list(self.approval_codes.values())
        self.control("PUT", "/subscriptions", {"approval_codes": wanted})

    def spoil_callbacks(self, **spoiling: Any) -> None:
        self.control("PUT", "/callback/spoiling", spoiling)

    def events(self, kind: str = "", instance_id: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "/events", kind=kind, instance_id=instance_id)
        return found

    def resend(self, event_id: str, times: int = 1) -> None:
        self.control("POST", f"/events/{event_id}/resend", {"times": times})

    def emit(self, kind: str, fields: Mapping[str, Any], *, schema: str = "2") -> None:
        self.control("POST", "/events", {"kind": kind, "fields": dict(fields), "schema": schema})

    def wait_for_callbacks(self, timeout: float = 5.0, *, retries: bool = False) -> bool:
        answer = self.control("GET", "/idle", timeout=timeout, retries=str(retries).lower())
        return bool(answer["idle"])

    # People.

    def load(self, document: Mapping[str, Any]) -> None:
        self.control("PUT", "/directory", document)

    def put_user(self, user_id: str, **fields: Any) -> None:
        self.control("PUT", f"/users/{quote(user_id)}", fields)

    def leave(self, user_id: str) -> None:
        self.control("POST", f"/users/{quote(user_id)}/leave")

    def login_code(self, user_id: str, **more: str) -> str:
        """For the browser way and for tt.requestAccess alike."""
        return str(self.control("POST", "/codes", {"user_id": user_id, **more})["code"])

    # Approval, as people do it.

    def instances(self, **query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "/instances", **query)["instances"]
        return found

    def instance(self, instance_id: str) -> dict[str, Any]:
        """By instance_code or by the uuid it was created with."""
        found: dict[str, Any] = self.control("GET", f"/instances/{quote(instance_id)}")
        return found

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

    def delete(self, instance_id: str) -> None:
        self.control("DELETE", f"/instances/{quote(instance_id)}")

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

    def bot_messages(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "/bot-messages")
        return found

    def upload(self, name: str, data: bytes, kind: str = "attachment") -> str:
        """A file as the client uploads it; its code goes into the form."""
        body = {"name": name, "data": b64encode(data).decode(), "type": kind}
        return str(self.control("POST", "/files", body)["code"])


@contextmanager
def running(
    *, port: int = 0, seed: int = 0, org: Mapping[str, Any] | None = None, **settings: Any
) -> Iterator[Running]:
    """A simulator in a thread of this process. `settings` are those of feishu/settings.py."""
    bound = listen("127.0.0.1", port)
    simulator = Simulator(f"http://127.0.0.1:{bound.getsockname()[1]}", seed=seed, org=org)
    simulator.settings.change(settings)
    with serving(Feishu(simulator), bound):
        handle = Running(simulator.facts())
        yield handle
        handle.http.clear()
