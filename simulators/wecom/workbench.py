"""The app's tile on the workbench (工作台自定义展示): how many things wait, by person."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door
from simulators.wecom.directory import Directory
from simulators.wecom.errors import Refusal, bad, fine
from simulators.wecom.settings import Identity, Settings

KINDS = ("keydata", "image", "list", "webview", "normal")
MOST_AT_ONCE = 1000


@dataclass(slots=True)
class Workbench:
    directory: Directory
    identity: Identity
    settings: Settings
    template: dict[str, Any] = field(default_factory=dict)
    tiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    recent: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def doors(self) -> list[Door]:
        return [
            Door("POST", "/cgi-bin/agent/set_workbench_template", self.set_template),
            Door("POST", "/cgi-bin/agent/set_workbench_data", self.set_tile),
            Door("POST", "/cgi-bin/agent/batch_set_workbench_data", self.set_tiles),
        ]

    def set_template(self, call: Call) -> dict[str, Any]:
        fields = self._asked(call)
        self.template = self._data(fields)
        if fields.flag_or("replace_user_data", False):
            self.tiles.clear()
        return fine()

    def set_tile(self, call: Call) -> dict[str, Any]:
        fields = self._asked(call)
        self._set(fields.text("userid"), self._data(fields))
        return fine()

    def set_tiles(self, call: Call) -> dict[str, Any]:
        fields = self._asked(call)
        data = self._data(fields.part("data"))
        for userid in fields.texts("userid_list", most=MOST_AT_ONCE):
            self._set(userid, data)
        return fine()

    def _asked(self, call: Call) -> Fields:
        fields = Fields(call.body, bad)
        if fields.number("agentid") != self.identity.agent_id:
            raise Refusal(301002, "not allow operate another agent with this accesstoken")
        return fields

    def _data(self, fields: Fields) -> dict[str, Any]:
        kind = fields.text("type")
        if kind not in KINDS:
            raise bad("type is unknown")
        fields.part("keydata").rows("items", most=4)
        return {"type": kind, kind: dict(fields.part(kind).values)}

    def _set(self, userid: str, data: dict[str, Any]) -> None:
        user = self.directory.visible_user(userid)
        if user is None:
            raise Refusal(60111, "userid not found")
        seen, now = self.recent[user.userid], time.monotonic()
        while seen and seen[0] <= now - 60:
            seen.popleft()
        if len(seen) >= self.settings.workbench_per_minute:
            raise Refusal(45009, "api freq out of limit")
        seen.append(now)
        self.tiles[user.userid] = data

    def items(self, userid: str) -> list[dict[str, Any]]:
        """The numbers a person sees on the tile."""
        data = self.tiles.get(userid, self.template)
        found = (data.get("keydata") or {}).get("items", [])
        return [row for row in found if isinstance(row, dict)]
