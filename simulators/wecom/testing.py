"""A WeCom for one test: `with running() as wecom: …` serves on loopback and hands out its control door."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

from simulators.stage.server import listen, serving
from simulators.wecom.app import WeCom
from simulators.wecom.simulator import Simulator


class ControlError(Exception):
    """The control door said no."""


class Running:
    """The facts of a running simulator and the handles of its control door, usable from any thread."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.facts = dict(facts)
        self.base_url: str = facts["base_url"]
        self.corp_id: str = facts["corp_id"]
        self.agent_id: int = facts["agent_id"]
        self.secret: str = facts["secret"]
        self.token: str = facts["token"]
        self.aes_key: str = facts["aes_key"]
        self.contacts_secret: str = facts["contacts_secret"]
        self.template_ids: dict[str, str] = facts["template_ids"]
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

    def control_id(self, form: str, title: str, child: str = "") -> str:
        """The id of a control of the expense or travel template, or of a column of one of its tables."""
        rows = self.facts["forms"][self.template_ids[form]]
        row = next(row for row in rows if row["title"] == title)
        if child:
            row = next(row for row in row["children"] if row["title"] == child)
        return str(row["id"])

    # Turning knobs.

    def set(self, **settings: Any) -> None:
        self.control("PUT", "/settings", settings)

    def fault(self, harm: str, path: str = "*", **more: Any) -> None:
        """`times=N` for the next N calls, or `fraction=0.2` for a share; `status` (HTTP, or an errcode), `seconds`."""
        self.control("POST", "/faults", {"harm": harm, "path": path, **more})

    def clear_faults(self) -> None:
        self.control("DELETE", "/faults")

    def calls(self) -> dict[str, int]:
        """How often each call was made: {"POST /cgi-bin/oa/applyevent": 3, …}."""
        counts: dict[str, int] = self.control("GET", "/calls")["counts"]
        return counts

    def expire_tokens(self, *, forget: bool = False) -> None:
        """42001 from here on; with `forget`, 40014."""
        self.control("POST", "/tokens/expire", {"forget": forget})

    def reset(self) -> None:
        self.control("POST", "/reset")

    # Callbacks.

    def set_callback(self, url: str | None, **more: Any) -> str:
        """Register the address (`kind="contacts"` for the sync assistant's); "success", or why not."""
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

    def code(self, userid: str = "", *, private: bool = False) -> str:
        """A sign-in code; `private` as by snsapi_privateinfo, no userid as of somebody from outside."""
        return str(self.control("POST", "/codes", {"userid": userid, "private": private})["code"])

    # Approval, as people do it in the client. `instance_id` is an sp_no, or a thirdNo of the engine's.

    def start_engine(
        self, third_no: str, userid: str, template: str = "expense", **more: Any
    ) -> dict[str, Any]:
        body = {"third_no": third_no, "template_id": template, "userid": userid, **more}
        started: dict[str, Any] = self.control("POST", "/engine", body)
        return started

    def instances(self, **query: Any) -> list[dict[str, Any]]:
        """Newest first."""
        found: list[dict[str, Any]] = self.control("GET", "/instances", **query)["instances"]
        return found

    def instance(self, instance_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.control("GET", f"/instances/{quote(instance_id)}")
        return found

    def decide(
        self, instance_id: str, verdict: str = "agree", *, userid: str = "", remark: str = ""
    ) -> dict[str, Any]:
        """As `userid`, or as whoever is asked first; `verdict` agree or reject."""
        return self._act(instance_id, "decide", verdict=verdict, userid=userid, remark=remark)

    def hand_over(
        self, instance_id: str, to_userid: str, *, userid: str = "", remark: str = ""
    ) -> dict[str, Any]:
        return self._act(instance_id, "redirect", to_userid=to_userid, userid=userid, remark=remark)

    def add_signer(
        self, instance_id: str, to_userid: str, *, after: bool, userid: str = "", remark: str = ""
    ) -> dict[str, Any]:
        more = {"to_userid": to_userid, "userid": userid, "remark": remark}
        return self._act(instance_id, "add-signer", after=after, **more)

    def send_back(
        self, instance_id: str, node: int = 0, *, userid: str = "", remark: str = ""
    ) -> dict[str, Any]:
        return self._act(instance_id, "send-back", node=node, userid=userid, remark=remark)

    def comment(self, instance_id: str, userid: str, text: str) -> dict[str, Any]:
        return self._act(instance_id, "comment", userid=userid, text=text)

    def urge(self, instance_id: str) -> dict[str, Any]:
        return self._act(instance_id, "urge")

    def withdraw(self, instance_id: str, remark: str = "") -> dict[str, Any]:
        """Also after approval: sp_status 6."""
        return self._act(instance_id, "withdraw", remark=remark)

    def pay(self, instance_id: str) -> dict[str, Any]:
        return self._act(instance_id, "pay")

    def delete(self, instance_id: str) -> None:
        self.control("DELETE", f"/instances/{quote(instance_id)}")

    def tasks(self, userid: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "/tasks", userid=userid)
        return found

    def _act(self, instance_id: str, deed: str, **body: Any) -> dict[str, Any]:
        shown: dict[str, Any] = self.control("POST", f"/instances/{quote(instance_id)}/{deed}", body)
        return shown

    # What people got.

    def messages(self, userid: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "/messages", userid=userid)
        return found

    def click(self, msgid: str, userid: str, key: str, **more: Any) -> dict[str, Any]:
        """Press a card's button (`msgid`, or the card's task_id); waits for the answer to the event."""
        body = {"userid": userid, "key": key, **more}
        shown: dict[str, Any] = self.control("POST", f"/messages/{quote(msgid)}/click", body)
        return shown

    def workbench(self) -> dict[str, Any]:
        shown: dict[str, Any] = self.control("GET", "/workbench")
        return shown


@contextmanager
def running(
    *, port: int = 0, seed: int = 0, org: Mapping[str, Any] | None = None, **settings: Any
) -> Iterator[Running]:
    """A simulator in a thread of this process. `settings` are those of wecom/settings.py."""
    bound = listen("127.0.0.1", port)
    simulator = Simulator(f"http://127.0.0.1:{bound.getsockname()[1]}", seed=seed, org=org)
    simulator.settings.change(settings)
    with serving(WeCom(simulator), bound):
        handle = Running(simulator.facts())
        yield handle
        handle.http.clear()
