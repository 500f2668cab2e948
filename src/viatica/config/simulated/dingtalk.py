"""钉钉."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from viatica.config.simulated.company import ADMINISTRATOR, CHIEF, FINANCE_LEAD, ROOT, Member, Organisation
from viatica.config.simulated.product import Ask, texts


class DingTalk:
    kind = "dingtalk"
    name = "钉钉"
    english = "DingTalk"
    uses: tuple[str, ...] = ("approval", "messages", "todo", "directory", "sign_in")
    secrets: tuple[str, ...] = ("app_key", "app_secret", "token", "aes_key")
    codes = "process_codes"
    creating = "/v1.0/workflow/processInstances"
    running = "RUNNING"

    def organisation(self, ours: Organisation) -> dict[str, Any]:
        root = {"dept_id": ROOT, "name": ours.name, "parent_id": 0, "dept_manager_userid_list": [ours.head]}
        rooms = [
            {
                "dept_id": room.number,
                "name": room.name,
                "parent_id": room.parent,
                "order": room.order,
                "dept_manager_userid_list": [room.head],
            }
            for room in ours.rooms
        ]
        return {"departments": [root, *rooms], "users": [self._user(member) for member in ours.members]}

    def _user(self, member: Member) -> dict[str, Any]:
        person = member.employee
        return {
            "userid": member.login,
            "name": person.name,
            "dept_id": member.room,
            "unionid": f"union-{member.login}",
            "manager_userid": member.manager,
            "mobile": person.mobile,
            "email": person.email,
            "org_email": person.email,
            "title": person.title,
            "job_number": person.number,
            "admin": member.login == ADMINISTRATOR,
            "boss": member.login == CHIEF,
            "roles": ["财务负责人"] if member.login == FINANCE_LEAD else [],
        }

    def identity(self, member: Member) -> dict[str, str]:
        return {"userid": member.login, "unionid": f"union-{member.login}", "dept_id": str(member.room)}

    def settings(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "base_url": facts["base_url"],
            "oapi_base_url": facts["oapi_base_url"],
            "login_url": facts["base_url"],
            "corp_id": facts["corp_id"],
            "agent_id": str(facts["agent_id"]),
            "robot_code": facts["robot_code"],
            # What a page inside the client asks for a code; the real one comes from DingTalk's own servers.
            "client_script": f"{facts['base_url']}/client/dingtalk.js",
        }

    def agreeing(self) -> dict[str, str]:
        return {"verdict": "agree", "userid": "", "remark": "同意"}

    def shown(self, ask: Ask, key: str) -> list[dict[str, Any]]:
        page = f"/approvals/{key.removeprefix('item-')}"
        return [
            task
            for instance in ask("GET", "/centre/instances")
            for task in instance["tasks"]
            if any(unquote(text).endswith(page) for text in texts(task))
        ]

    def agree(self, ask: Ask, seen: Mapping[str, Any]) -> bool:
        return False
