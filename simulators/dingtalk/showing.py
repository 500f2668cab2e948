"""How what DingTalk keeps is shown to a person: values of a form, states, deeds, notifications."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from simulators.dingtalk.centre import CentreInstance, CentreTask
from simulators.dingtalk.company import Company
from simulators.dingtalk.files import Files
from simulators.dingtalk.messages import Notification
from simulators.dingtalk.workflow import Instance, Record, Status, Task, TaskStatus, Value
from simulators.stage.showing import Shown, is_web, money, plain, shown_text

OPERATIONS = {
    "START_PROCESS_INSTANCE": "发起申请",
    "TERMINATE_PROCESS_INSTANCE": "撤销了申请",
    "REDIRECT_TASK": "转交了审批",
    "ADD_REMARK": "添加了评论",
    "PROCESS_CC": "抄送",
}


@dataclass(frozen=True, slots=True)
class Showing:
    company: Company
    files: Files

    def value(self, value: Value) -> Shown:
        label, kind = value.component.label, value.component.kind
        if not value.value:
            return Shown(label, "text", text="—")
        match kind:
            case "TableField":
                return _table(value)
            case "DDPhotoField":
                return Shown(label, "photos", photos=[url for url in json.loads(value.value) if is_web(url)])
            case "DDAttachment":
                return Shown(label, "files", files=[self._file(item) for item in json.loads(value.value)])
            case "MoneyField":
                return Shown(label, "money", text=value.value)
            case "DDDateRangeField":
                return Shown(" – ".join(json.loads(label)), "text", text=" 至 ".join(json.loads(value.value)))
            case "InnerContactField":
                return Shown(
                    label, "text", text="、".join(self.company.name(item) for item in json.loads(value.value))
                )
            case "DDMultiSelectField" | "RelateField":
                return Shown(label, "text", text="、".join(json.loads(value.value)))
            case _:
                return shown_text(label, value.value)

    def _file(self, item: dict[str, Any]) -> dict[str, str]:
        return {
            "name": str(item["fileName"]),
            "size": f"{max(1, int(item['fileSize']) // 1024)} KB" if str(item["fileSize"]).isdigit() else "",
            "kind": str(item["fileType"]).lower(),
            "url": self.files.link(str(item["fileId"])) if self._has(item) else "",
        }

    def _has(self, item: dict[str, Any]) -> bool:
        return self.files.is_there(str(item["spaceId"]), str(item["fileId"]))


def state_of(instance: Instance | CentreInstance) -> tuple[str, str]:
    """A word and its colour."""
    if isinstance(instance, Instance) and instance.is_revoked:
        return "已被撤销", "ended"
    match instance.status, instance.result:
        case Status.RUNNING, _:
            return "审批中", "running"
        case Status.TERMINATED, _:
            return "已撤销", "ended"
        case _, "agree":
            return "已同意", "agreed"
        case _:
            return "已拒绝", "refused"


def node_state(instance: Instance, place: int, tasks: list[Task]) -> str:
    if any(task.result == "REFUSE" for task in tasks):
        return "refused"
    if place < instance.place:
        return "done"
    if instance.status is not Status.RUNNING:
        return "ended"
    return "current" if place == instance.place else "waiting"


def deed(task: Task | CentreTask) -> str:
    match task.status, task.result:
        case TaskStatus.RUNNING, _:
            return "审批中"
        case TaskStatus.COMPLETED, "AGREE":
            return "已同意"
        case TaskStatus.COMPLETED, "REFUSE":
            return "已拒绝"
        case TaskStatus.COMPLETED, _:
            return "已转交"
        case TaskStatus.CANCELED, _:
            return "无需处理"
        case _:
            return "已终止"


def opened(task: CentreTask, url: str = "") -> str:
    """The address a click goes to; what the app gave the task to carry goes along."""
    url = url or task.url
    if not is_web(url):
        return "#"
    if not task.custom_data:
        return url
    join = "&" if urlsplit(url).query else "?"
    return f"{url}{join}{urlencode({'customData': task.custom_data})}"


def operation(record: Record) -> str:
    if record.type == "EXECUTE_TASK_NORMAL":
        return "同意" if record.result == "AGREE" else "拒绝"
    return OPERATIONS.get(record.type, record.type)


def brief(values: list[Value]) -> list[str]:
    """The first few plain values: what a list row shows."""
    found = []
    for value in values:
        if value.component.kind in ("TextField", "TextareaField", "MoneyField") and value.value:
            text = money(value.value) if value.component.kind == "MoneyField" else value.value
            if not is_web(text):
                found.append(f"{value.component.label}：{text}")
    return found[:3]


def shown_news(sent: Notification, userid: str) -> dict[str, Any]:
    kind = sent.msg["msgtype"]
    body = sent.msg[kind]
    shown: dict[str, Any] = {
        "sent_ms": sent.sent_ms,
        "is_unread": userid in sent.unread,
        "kind": kind,
        "status": sent.status_value,
        "status_bg": sent.status_bg,
        "links": [],
    }
    if kind == "action_card":
        shown |= {"title": body["title"], "text": plain(body["markdown"])}
        if body.get("single_url"):
            shown["links"] = [(body.get("single_title") or "查看详情", body["single_url"])]
        else:
            shown["links"] = [(row["title"], row["action_url"]) for row in body["btn_json_list"]]
    elif kind == "oa":
        inner = body.get("body") or {}
        shown |= {
            "head": (body.get("head") or {}).get("text", ""),
            "title": inner.get("title", ""),
            "form": inner.get("form") or [],
            "text": inner.get("content", ""),
            "rich": inner.get("rich"),
            "links": [("查看详情", body["message_url"])],
        }
    else:
        shown |= {
            "title": body.get("title", ""),
            "text": plain(str(body.get("text") or body.get("content") or body.get("media_id") or "")),
        }
    shown["links"] = [(title, url) for title, url in shown["links"] if is_web(url)]
    return shown


def _table(value: Value) -> Shown:
    columns = [child.label for child in value.component.children]
    numeric = {
        child.label for child in value.component.children if child.kind in ("MoneyField", "NumberField")
    }
    rows = [{cell["name"]: cell["value"] for cell in row} for row in json.loads(value.value)]
    return Shown(value.component.label, "table", columns=columns, numeric=numeric, rows=rows)


def color(given: str) -> str:
    """0xFFF65E5E → #F65E5E."""
    match = re.fullmatch(r"(?:0x|#)?(?:[0-9A-Fa-f]{2})?([0-9A-Fa-f]{6})", given or "")
    return f"#{match.group(1)}" if match else "#8f959e"
