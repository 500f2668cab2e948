"""飞书."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from viatica.config.simulated.company import ADMINISTRATOR, FINANCE_LEAD, ROOT, Member, Organisation
from viatica.config.simulated.product import Ask


class Feishu:
    kind = "feishu"
    name = "飞书"
    english = "Feishu"
    uses: tuple[str, ...] = ("approval", "messages", "directory", "sign_in")
    secrets: tuple[str, ...] = ("app_id", "app_secret", "verification_token", "encrypt_key")
    codes = "approval_codes"
    creating = "/open-apis/approval/v4/instances"
    running = "PENDING"

    def organisation(self, ours: Organisation) -> dict[str, Any]:
        rooms = [
            {
                "department_id": self._id(room.number),
                "name": room.name,
                "parent_department_id": self._id(room.parent),
                "leaders": [room.head],
                "order": room.order,
            }
            for room in ours.rooms
        ]
        return {
            "name": ours.name,
            "departments": rooms,
            "users": [self._user(member) for member in ours.members],
        }

    def _id(self, number: int) -> str:
        return "0" if number == ROOT else f"D{number}"

    def _user(self, member: Member) -> dict[str, Any]:
        person = member.employee
        return {
            "user_id": member.login,
            "name": person.name,
            "department_id": self._id(member.room),
            "union_id": f"on_{member.login}",
            "leader_user_id": member.manager,
            "mobile": f"+86{person.mobile}",
            "email": person.email,
            "enterprise_email": person.email,
            "job_title": person.title,
            "employee_no": person.number,
            "is_tenant_manager": member.login == ADMINISTRATOR,
            "roles": ["财务负责人"] if member.login == FINANCE_LEAD else [],
        }

    def identity(self, member: Member) -> dict[str, str]:
        return {"userid": member.login, "unionid": f"on_{member.login}", "dept_id": self._id(member.room)}

    def settings(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "base_url": facts["base_url"],
            "login_url": facts["accounts_url"],
            "upload_url": facts["file_base_url"],
        }

    def agreeing(self) -> dict[str, str]:
        return {"verdict": "approve", "user_id": "", "comment": "同意"}

    def shown(self, ask: Ask, key: str) -> list[dict[str, Any]]:
        return [
            {"approval_code": one["approval_code"], "instance_id": one["body"]["instance_id"], "task_id": key}
            for one in ask("GET", "/external-instances")
            if key in one["tasks"]
        ]

    def agree(self, ask: Ask, seen: Mapping[str, Any]) -> bool:
        ask("POST", "/external-tasks/press", {**seen, "action": "APPROVE", "reason": "同意"})
        return True
