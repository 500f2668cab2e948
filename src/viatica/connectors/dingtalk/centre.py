"""Our cases as instances of DingTalk's process centre (流程中心, 自有 OA): its calls, and our words for them.

Each task of ours is one task there, alone in an activity named by our key: by that it is found again in its person's list.
Sources: vendor pages 创建或更新审批模板, 创建实例, 更新实例状态, 创建流程中心待处理任务, 更新流程中心任务状态,
查询通过流程中心集成的OA审批任务.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from viatica.connectors.dingtalk.client import DingTalkClient, Json, result_of
from viatica.connectors.dingtalk.errors import SYSTEM, NoSuchTemplate
from viatica.connectors.dingtalk.translate import shortened
from viatica.connectors.http import Values
from viatica.kernel.errors import OutsideUnknown
from viatica.offices.approval.ports import Board, BoardStatus, DeskStatus, DeskTask

HOME = "/v1.0/workflow/processCentres"
TASKS_PER_PAGE = 40
MOST_PAGES = 50
MOST_AT_ONCE = 20
MOST_TITLE = 64
MOST_TEXT = 4000
MOST_LINES = 20

NAMES: Mapping[str, str] = {
    "expense_report": "差旅费用报销（行资）",
    "travel_request": "出差申请审批（行资）",
}
ELSEWHERE = frozenset({"number", "amount", "url"})  # fields that stand for themselves, or lead to our page
NUMBER, AMOUNT, CONTENT, LINES = "单号", "金额", "内容", "明细"
COMPONENTS: Mapping[str, str] = {
    NUMBER: "TextField",
    AMOUNT: "TextField",
    CONTENT: "TextareaField",
    LINES: "TextareaField",
}

# How it ends there. A result is asked for even of what was withdrawn.
ENDS: Mapping[BoardStatus, tuple[str, str]] = {
    BoardStatus.APPROVED: ("COMPLETED", "agree"),
    BoardStatus.REJECTED: ("COMPLETED", "refuse"),
    BoardStatus.RETURNED: ("COMPLETED", "refuse"),
    BoardStatus.WITHDRAWN: ("TERMINATED", "refuse"),
}
RESULTS: Mapping[DeskStatus, str] = {
    DeskStatus.APPROVED: "AGREE",
    DeskStatus.REJECTED: "REFUSE",
    DeskStatus.RETURNED: "REFUSE",
}


class CentreClient(DingTalkClient):
    """The calls that only the desk makes."""

    def template_named(self, name: str) -> str | None:
        try:
            found = self._ask_new("GET", f"{HOME}/schemaNames/processCodes", query={"name": name})
        except NoSuchTemplate:
            return None
        return str(result_of(found).get("processCode") or "") or None

    def put_template(self, body: Json) -> str:
        """Raises TemplateExists when another one bears its name: asking twice makes one."""
        return str(
            result_of(self._ask_new("POST", f"{HOME}/schemas", body=body, is_repeatable=True))["processCode"]
        )

    def start(self, body: Json) -> str:
        """The new instance's id. Raises OutsideUnknown when it may exist without our knowing."""
        answer = self._ask_new("POST", f"{HOME}/instances", body=body, is_repeatable=False)
        instance_id = result_of(answer).get("processInstanceId")
        if not instance_id:
            raise OutsideUnknown(system=SYSTEM, said_by="no processInstanceId")
        return str(instance_id)

    def end(self, instance_id: str, status: BoardStatus) -> None:
        word, result = ENDS[status]
        body = {"processInstanceId": instance_id, "status": word, "result": result}
        self._ask_new("PUT", f"{HOME}/instances", body=body, is_repeatable=True)

    def open_task(self, body: Json) -> str:
        answer = self._ask_new("POST", f"{HOME}/tasks", body=body, is_repeatable=False)
        made = answer.get("result")
        if not isinstance(made, list) or not made:
            raise OutsideUnknown(system=SYSTEM, said_by="no taskId")
        return str(made[0]["taskId"])

    def close_tasks(self, instance_id: str, tasks: Sequence[Json]) -> None:
        """At most MOST_AT_ONCE."""
        body = {"processInstanceId": instance_id, "tasks": list(tasks)}
        self._ask_new("PUT", f"{HOME}/tasks", body=body, is_repeatable=True)

    def tasks_of(self, userid: str) -> Iterator[Json]:
        """What somebody still has to decide; page after page."""
        for page_no in range(1, MOST_PAGES + 1):
            query: Values = {"userId": userid, "pageNumber": page_no, "pageSize": TASKS_PER_PAGE}
            answer = self._ask_new("GET", f"{HOME}/todoTasks", query=query)
            # The vendor's page says taskPage, the SDK's model result.
            page = answer.get("taskPage") or answer.get("result") or {}
            yield from page.get("list") or []
            if page.get("hasMore") not in (True, "true"):
                return


def template(kind: str, code: str | None) -> Json:
    """What a kind of document looks like there. Nobody starts one over there, so nobody finds it to start."""
    body: Json = {
        "name": name_of(kind),
        "description": "由行资发起，在行资中审批",
        "formComponents": [
            {"componentType": component, "props": {"componentId": f"{component}-{number}", "label": label}}
            for number, (label, component) in enumerate(COMPONENTS.items(), start=1)
        ],
        "templateConfig": {"hidden": True, "disableSendCard": False},
    }
    return body | ({"processCode": code} if code else {})


def name_of(kind: str) -> str:
    return NAMES.get(kind, "行资审批单据流程")


def instance(board: Board, code: str) -> Json:
    form = board.form
    values = {
        NUMBER: board.number,
        AMOUNT: f"{form.amount.amount} {form.amount.currency}" if form.amount else "",
        CONTENT: "\n".join(f"{one.label}：{_text(one.value)}" for one in form.fields if one.name not in ELSEWHERE),
        LINES: "\n".join(_lines(board)),
    }  # fmt: skip
    return {
        "processCode": code,
        "originatorUserId": board.applicant.userid,
        "url": board.url,
        "title": shortened(board.title, MOST_TITLE),
        "formComponentValueList": [
            {"name": name, "value": shortened(value, MOST_TEXT)} for name, value in values.items() if value
        ],
    }


def _text(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else " ~ ".join(value)


def _lines(board: Board) -> Iterator[str]:
    lines = board.form.lines
    yield from (" · ".join(value for value in line.values.values() if value) for line in lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        yield f"其余 {len(lines) - MOST_LINES} 行见详情"


def task(one: DeskTask, instance_id: str) -> Json:
    """Its 同意 and 拒绝 open our page, as a tap on it does."""
    feature = {"name": "TASK_EXECUTE", "runType": "REDIRECT", "pcUrl": one.url, "mobileUrl": one.url}
    return {
        "processInstanceId": instance_id,
        "activityId": one.key,
        "tasks": [{"userId": one.person.userid, "url": one.url}],
        "featureConfig": {"features": [feature]},
    }


def closing(task_id: str, status: DeskStatus) -> Json:
    result = RESULTS.get(status)
    if result is None:
        return {"taskId": int(task_id), "status": "CANCELED"}
    return {"taskId": int(task_id), "status": "COMPLETED", "result": result}
