"""A WeCom for one test: `with running() as wecom: …` serves on loopback and hands out its control door."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from simulators.stage.testing import ControlError, Handle, standing
from simulators.wecom.app import wecom
from simulators.wecom.simulator import Simulator

__all__ = ["ControlError", "Running", "running"]


class Running(Handle):
    def __init__(self, facts: Mapping[str, Any]) -> None:
        super().__init__(facts)
        self.corp_id: str = facts["corp_id"]
        self.agent_id: int = facts["agent_id"]
        self.secret: str = facts["secret"]
        self.token: str = facts["token"]
        self.aes_key: str = facts["aes_key"]
        self.contacts_secret: str = facts["contacts_secret"]
        self.template_ids: dict[str, str] = facts["template_ids"]

    def control_id(self, form: str, title: str, child: str = "") -> str:
        """The id of a control of the expense or travel template, or of a column of one of its tables."""
        rows = self.facts["forms"][self.template_ids[form]]
        row = next(row for row in rows if row["title"] == title)
        if child:
            row = next(row for row in row["children"] if row["title"] == child)
        return str(row["id"])

    def expire_tokens(self, *, forget: bool = False) -> None:
        """42001 from here on; with `forget`, 40014."""
        self.control("POST", "/tokens/expire", {"forget": forget})

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

    def quota(self, left: int | None = None) -> dict[str, Any]:
        """Of app messages today: how much is used and left; with `left`, set first."""
        body = None if left is None else {"left": left}
        shown: dict[str, Any] = self.control("GET" if left is None else "PUT", "/quota", body)
        return shown

    def workbench(self) -> dict[str, Any]:
        shown: dict[str, Any] = self.control("GET", "/workbench")
        return shown


@contextmanager
def running(
    *, port: int = 0, seed: int = 0, org: Mapping[str, Any] | None = None, **settings: Any
) -> Iterator[Running]:
    """A simulator in a thread of this process. `settings` are those of wecom/settings.py."""
    with standing(Simulator, wecom, port=port, seed=seed, org=org, settings=settings) as facts:
        handle = Running(facts)
        yield handle
        handle.http.clear()
