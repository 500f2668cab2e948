"""企业微信."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from viatica.config.simulated.company import ADMINISTRATOR, FINANCE_LEAD, ROOT, Member, Organisation
from viatica.config.simulated.product import Ask, texts


class WeCom:
    kind = "wecom"
    name = "企业微信"
    english = "WeCom"
    uses: tuple[str, ...] = ("approval", "messages", "directory", "sign_in")
    secrets: tuple[str, ...] = ("secret", "token", "aes_key", "contacts_token", "contacts_aes_key")
    codes = "template_ids"
    creating = "/cgi-bin/oa/applyevent"
    running = "RUNNING"

    def organisation(self, ours: Organisation) -> dict[str, Any]:
        root = {"id": ROOT, "name": ours.name, "parentid": 0, "department_leader": [ours.head]}
        rooms = [
            {
                "id": room.number,
                "name": room.name,
                "parentid": room.parent,
                "department_leader": [room.head],
                "order": len(ours.rooms) - room.order,  # a larger one sorts first
            }
            for room in ours.rooms
        ]
        return {"departments": [root, *rooms], "users": [self._user(member) for member in ours.members]}

    def _user(self, member: Member) -> dict[str, Any]:
        person = member.employee
        return {
            "userid": member.login,
            "name": person.name,
            "department": member.room,
            "direct_leader": [member.manager] if member.manager else [],
            "mobile": person.mobile,
            "biz_mail": person.email,
            "position": person.title,
            "extattr": {"工号": person.number},
            "admin": member.login == ADMINISTRATOR,
            "tags": ["财务负责人"] if member.login == FINANCE_LEAD else [],
        }

    def identity(self, member: Member) -> dict[str, str]:
        return {"userid": member.login, "unionid": "", "dept_id": str(member.room)}

    def settings(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "base_url": facts["base_url"],
            "corp_id": facts["corp_id"],
            "agent_id": str(facts["agent_id"]),
            "authorize_url": facts["authorize_url"],
            "sso_url": facts["sso_url"],
            "number_attribute": "工号",
        }

    def agreeing(self) -> dict[str, str]:
        return {"verdict": "agree", "userid": "", "remark": "同意"}

    def shown(self, ask: Ask, key: str) -> list[dict[str, Any]]:
        return [
            one for one in ask("GET", "/messages") if any(text.split("@")[0] == key for text in texts(one))
        ]

    def agree(self, ask: Ask, seen: Mapping[str, Any]) -> bool:
        (userid,) = seen["userids"]
        pressed = next(text for text in texts(seen) if text.startswith("approve@"))
        ask("POST", f"/messages/{seen['msgid']}/click", {"userid": userid, "key": pressed})
        return True
