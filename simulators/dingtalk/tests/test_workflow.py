"""The life of an instance, through the official SDK."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from Tea.exceptions import UnretryableException

from simulators.dingtalk.testing import Running
from simulators.dingtalk.tests.official import Official, report, value

MINUTE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\dZ")


def tasks(official: Official, instance_id: str) -> list[tuple[str, str, str]]:
    shown = official.look(instance_id).result.tasks
    return [(task.user_id, task.status, task.result) for task in shown]


def execute(official: Official, instance_id: str, userid: str, result: str = "agree", **more: Any) -> Any:
    open_ids = {
        task.user_id: task.task_id
        for task in official.look(instance_id).result.tasks
        if task.status == "RUNNING"
    }
    fields = {
        "processInstanceId": instance_id,
        "taskId": open_ids.get(userid, 0),
        "actionerUserId": userid,
        "result": result,
        **more,
    }
    return official.flow("ExecuteProcessInstance", fields)


def refusal(official: Official, name: str, /, **fields: Any) -> str:
    with pytest.raises(UnretryableException) as error:
        official.flow(name, fields)
    assert error.value.data["statusCode"] == 400
    return str(error.value.code)


def chosen(*groups: tuple[str, list[str]]) -> list[dict[str, Any]]:
    return [{"actionType": mode, "userIds": userids} for mode, userids in groups]


def test_the_templates_own_flow_asks_the_manager_then_finance(official: Official) -> None:
    instance_id = official.create()
    assert tasks(official, instance_id) == [("wangkai", "RUNNING", "NONE")]
    answer = execute(official, instance_id, "wangkai", remark="同意")
    assert (answer.result, answer.success) == (True, True)
    assert tasks(official, instance_id) == [("wangkai", "COMPLETED", "AGREE"), ("sunhui", "RUNNING", "NONE")]
    execute(official, instance_id, "sunhui")
    shown = official.look(instance_id)
    assert shown.success == "true"
    assert (shown.result.status, shown.result.result) == ("COMPLETED", "agree")
    assert MINUTE.fullmatch(shown.result.finish_time)
    assert MINUTE.fullmatch(shown.result.create_time)
    assert [(record.type, record.user_id, record.result) for record in shown.result.operation_records] == [
        ("START_PROCESS_INSTANCE", "zhangsan", "NONE"),
        ("EXECUTE_TASK_NORMAL", "wangkai", "AGREE"),
        ("EXECUTE_TASK_NORMAL", "sunhui", "AGREE"),
    ]
    assert shown.result.operation_records[1].remark == "同意"


def test_a_manager_is_never_his_own_approver(official: Official) -> None:
    instance_id = official.create(originatorUserId="wangkai")
    assert tasks(official, instance_id) == [("lisiyuan", "RUNNING", "NONE")]


def test_success_is_a_string_on_the_wire(official: Official) -> None:
    instance_id = official.create()
    _, body = official.new("GET", f"/v1.0/workflow/processInstances?processInstanceId={instance_id}")
    assert body["success"] == "true"
    assert isinstance(body["result"]["tasks"][0]["taskId"], int)
    assert "finishTime" not in body["result"]


def test_a_refusal_ends_it(official: Official) -> None:
    instance_id = official.create()
    execute(official, instance_id, "wangkai", "refuse", remark="缺发票")
    shown = official.look(instance_id).result
    assert (shown.status, shown.result) == ("COMPLETED", "refuse")
    assert tasks(official, instance_id) == [("wangkai", "COMPLETED", "REFUSE")]


def test_countersign_waits_for_all(official: Official) -> None:
    instance_id = official.create(
        approvers=chosen(("AND", ["wangkai", "sunhui"]), ("NONE", ["zhoumingyuan"]))
    )
    assert official.look(instance_id).result.approver_user_ids == ["wangkai", "sunhui", "zhoumingyuan"]
    execute(official, instance_id, "sunhui")
    assert tasks(official, instance_id) == [("wangkai", "RUNNING", "NONE"), ("sunhui", "COMPLETED", "AGREE")]
    execute(official, instance_id, "wangkai")
    assert tasks(official, instance_id)[2:] == [("zhoumingyuan", "RUNNING", "NONE")]
    execute(official, instance_id, "zhoumingyuan")
    assert official.look(instance_id).result.result == "agree"


def test_one_no_ends_a_countersign(official: Official) -> None:
    instance_id = official.create(approvers=chosen(("AND", ["wangkai", "sunhui"])))
    execute(official, instance_id, "wangkai", "refuse")
    assert tasks(official, instance_id) == [
        ("wangkai", "COMPLETED", "REFUSE"),
        ("sunhui", "CANCELED", "NONE"),
    ]
    assert official.look(instance_id).result.result == "refuse"


def test_any_sign_takes_the_first(official: Official) -> None:
    instance_id = official.create(approvers=chosen(("OR", ["wangkai", "sunhui"])))
    execute(official, instance_id, "sunhui")
    assert tasks(official, instance_id) == [("wangkai", "CANCELED", "NONE"), ("sunhui", "COMPLETED", "AGREE")]
    assert official.look(instance_id).result.status == "COMPLETED"


def test_approvers_need_no_department(official: Official) -> None:
    instance_id = official.create(deptId=None, approvers=chosen(("NONE", ["wangkai"])))
    assert official.look(instance_id).result.originator_dept_id == "11"


def test_a_task_is_decided_once_and_by_its_owner(official: Official) -> None:
    instance_id = official.create()
    task_id = official.look(instance_id).result.tasks[0].task_id
    fields = {"processInstanceId": instance_id, "taskId": task_id, "result": "agree"}
    assert refusal(official, "ExecuteProcessInstance", **fields, actionerUserId="linxiao") == "needAuth"
    other = official.create()
    wrong = fields | {"processInstanceId": other, "actionerUserId": "wangkai"}
    assert refusal(official, "ExecuteProcessInstance", **wrong) == "invalidParameter"
    bad = fields | {"result": "maybe", "actionerUserId": "wangkai"}
    assert refusal(official, "ExecuteProcessInstance", **bad) == "invalidInstanceExecuteResult"
    assert tasks(official, instance_id) == [("wangkai", "RUNNING", "NONE")]
    official.flow("ExecuteProcessInstance", fields | {"actionerUserId": "wangkai"})
    again = refusal(official, "ExecuteProcessInstance", **fields, actionerUserId="wangkai")
    assert again == "aflowProcessInstStatusException"
    assert tasks(official, instance_id)[0] == ("wangkai", "COMPLETED", "AGREE")


def test_handing_over(official: Official) -> None:
    instance_id = official.create()
    task_id = official.look(instance_id).result.tasks[0].task_id
    fields = {"taskId": task_id, "toUserId": "lisiyuan", "operateUserId": "wangkai", "remark": "请代看"}
    assert refusal(official, "RedirectWorkflowTask", **{**fields, "operateUserId": "sunhui"}) == "needAuth"
    assert refusal(official, "RedirectWorkflowTask", **{**fields, "toUserId": "stranger"}) == "userNotExist"
    assert refusal(official, "RedirectWorkflowTask", **{**fields, "remark": "x" * 257}) == "invalidParameter"
    assert official.flow("RedirectWorkflowTask", fields).result is True
    assert tasks(official, instance_id) == [
        ("wangkai", "COMPLETED", "REDIRECTED"),
        ("lisiyuan", "RUNNING", "NONE"),
    ]
    execute(official, instance_id, "lisiyuan")
    assert tasks(official, instance_id)[2] == ("sunhui", "RUNNING", "NONE")


def test_withdrawing(dingtalk: Running, official: Official) -> None:
    instance_id = official.create()
    mine = {
        "processInstanceId": instance_id,
        "isSystem": False,
        "operatingUserId": "zhangsan",
        "remark": "填错",
    }
    with pytest.raises(UnretryableException) as error:
        official.flow("TerminateProcessInstance", mine)
    assert error.value.code == "aflowProcessInstStatusException"
    assert "15 秒" in error.value.message
    assert official.look(instance_id).result.status == "RUNNING"
    dingtalk.set(terminate_ban_s=0)
    name = "TerminateProcessInstance"
    assert refusal(official, name, **{**mine, "operatingUserId": "linxiao"}) == "internalError"
    assert refusal(official, name, **{**mine, "operatingUserId": "stranger"}) == "userNotExist"
    nobody = {key: item for key, item in mine.items() if key != "operatingUserId"}
    assert refusal(official, name, **nobody) == "invalidInstanceTerminateOperatingUserId"
    assert refusal(official, name, processInstanceId=instance_id) == "invalidInstanceTerminateIsSystem"
    assert refusal(official, name, **{**mine, "processInstanceId": "x"}) == "aflowProcessInstNotExist"
    answer = official.flow(name, mine)
    assert (answer.result, answer.success) == (True, True)
    shown = official.look(instance_id).result
    assert (shown.status, shown.result) == ("TERMINATED", "")
    assert tasks(official, instance_id) == [("wangkai", "TERMINATED", "NONE")]
    assert shown.operation_records[-1].type == "TERMINATE_PROCESS_INSTANCE"
    assert refusal(official, name, **mine) == "aflowProcessInstStatusException"


def test_the_system_withdraws_for_anybody(dingtalk: Running, official: Official) -> None:
    dingtalk.set(terminate_ban_s=0)
    dingtalk.control("PUT", "/templates/expense", {"lets_withdraw": False})
    instance_id = official.create()
    mine = {"processInstanceId": instance_id, "isSystem": False, "operatingUserId": "zhangsan"}
    assert refusal(official, "TerminateProcessInstance", **mine) == "internalError"
    official.flow("TerminateProcessInstance", {"processInstanceId": instance_id, "isSystem": True})
    assert official.look(instance_id).result.status == "TERMINATED"


def test_commenting(dingtalk: Running, official: Official) -> None:
    instance_id = official.create()
    attached = dingtalk.upload("水单.pdf", b"%PDF")
    fields = {
        "processInstanceId": instance_id,
        "text": "财务已收到原件",
        "commentUserId": "sunhui",
        "file": {"photos": ["https://files.example.com/1.png"], "attachments": [attached]},
    }
    assert official.flow("AddProcessInstanceComment", fields).success is True
    record = official.look(instance_id).result.operation_records[-1]
    assert (record.type, record.user_id, record.remark) == ("ADD_REMARK", "sunhui", "财务已收到原件")
    assert record.images == ["https://files.example.com/1.png"]
    assert record.attachments[0].file_name == "水单.pdf"
    assert (
        refusal(official, "AddProcessInstanceComment", **{**fields, "text": "x" * 1025}) == "invalidParameter"
    )


def test_copies(official: Official) -> None:
    instance_id = official.create(
        approvers=chosen(("NONE", ["wangkai"])), ccList=["linxiao"], ccPosition="START_FINISH"
    )
    execute(official, instance_id, "wangkai")
    shown = official.look(instance_id).result
    assert shown.cc_user_ids == ["linxiao"]
    copies = [record.cc_user_ids for record in shown.operation_records if record.type == "PROCESS_CC"]
    assert copies == [["linxiao"], ["linxiao"]]
    ignored = official.look(official.create(ccList=["linxiao"])).result
    assert ignored.cc_user_ids == []  # the template's own flow has its own copies


def test_a_step_the_originator_chooses(dingtalk: Running, official: Official) -> None:
    flow = [{"kind": "self_select", "name": "自选审批人"}, {"kind": "users", "user_ids": ["sunhui"]}]
    dingtalk.control("PUT", "/templates/travel", {"flow": flow})
    values = [
        value("单号", "CC1"),
        value("事由", "x"),
        value('["开始时间", "结束时间"]', '["2026-12-01","2026-12-02"]'),
    ]
    order = {"processCode": dingtalk.process_codes["travel"], "formComponentValues": values}
    forecast = official.flow("ProcessForecast", {**order, "deptId": 11, "userId": "zhangsan"}).result
    (first, second) = forecast.workflow_activity_rules
    assert (first.is_target_select, first.activity_type) == (True, "target_select")
    assert (second.activity_type, second.workflow_actor.approval_method) == ("target_approval", "ONE_BY_ONE")
    assert [actor.user_id for actor in second.activity_actioners] == ["sunhui"]
    with pytest.raises(UnretryableException) as error:
        official.create(**order)
    assert error.value.code == "targetSelectApproverMissing"
    key = first.workflow_actor.actor_key
    selected = [{"actionerKey": key, "actionerUserIds": ["linxiao"]}]
    instance_id = official.create(**order, targetSelectActioners=selected)
    assert tasks(official, instance_id) == [("linxiao", "RUNNING", "NONE")]
    with pytest.raises(UnretryableException):
        official.create(**order, targetSelectActioners=selected, approvers=chosen(("NONE", ["wangkai"])))


def test_templates_are_made_read_and_changed(official: Official) -> None:
    component = {
        "componentType": "TextField",
        "props": {"label": "单号", "required": True, "componentId": "T1"},
    }
    table = {
        "componentType": "TableField",
        "props": {"label": "明细"},
        "children": [{"componentType": "NumberField", "props": {"label": "金额"}}],
    }
    code = official.flow(
        "FormCreate", {"name": "借款", "formComponents": [component, table]}
    ).result.process_code
    schema = official.flow("QuerySchemaByProcessCode", {"processCode": code}).result
    assert schema.name == "借款"
    first, second = schema.schema_content.items
    assert (first.component_name, first.props.id, first.props.label, first.props.required) == (
        "TextField",
        "T1",
        "单号",
        True,
    )
    assert second.children[0].props.label == "金额"
    renamed = {"name": "借款单", "formComponents": [component], "processCode": code}
    assert official.flow("FormCreate", renamed).result.process_code == code
    visible = official.flow(
        "ListUserVisibleBpmsProcesses", {"userId": "zhangsan", "maxResults": 100, "nextToken": 0}
    ).result
    assert {row.name for row in visible.process_list} == {"差旅报销", "出差申请", "借款单"}
    bad = {"name": "坏", "formComponents": [{"componentType": "Magic", "props": {"label": "x"}}]}
    assert refusal(official, "FormCreate", **bad) == "illegalComponent"


def test_how_much_waits_for_somebody(official: Official) -> None:
    def waiting() -> int:
        return int(official.flow("GetUserTodoTaskSum", {"userId": "wangkai"}).result)

    first = official.create()
    official.create()
    assert waiting() == 2
    execute(official, first, "wangkai")
    assert waiting() == 1


def test_attachments_live_in_the_approval_space(dingtalk: Running, official: Official) -> None:
    space = official.flow("GetAttachmentSpace", {"userId": "zhangsan", "agentId": dingtalk.agent_id})
    attached = dingtalk.upload("发票.pdf", b"%PDF-1.7 invoice")
    assert str(space.result.space_id) == attached["spaceId"]
    values = report(dingtalk)["formComponentValues"] + [value("附件", json.dumps([attached]), "DDAttachment")]
    instance_id = official.create(formComponentValues=values)
    name = "GrantProcessInstanceForDownloadFile"
    link = official.flow(name, {"processInstanceId": instance_id, "fileId": attached["fileId"]}).result
    assert official.http.request("GET", link.download_uri).data == b"%PDF-1.7 invoice"
    assert refusal(official, name, processInstanceId=instance_id, fileId="1") == "invalidParameter"


def test_unknown_instances(official: Official) -> None:
    with pytest.raises(UnretryableException) as error:
        official.look("nothing")
    assert error.value.code == "processInstanceNotExist"
    status, body = official.new("GET", "/v1.0/workflow/processInstances")
    assert (status, body["code"]) == (400, "processInstanceIdError")


def test_people_can_be_left_to_agree_by_themselves(dingtalk: Running, official: Official) -> None:
    dingtalk.set(auto_agree_after_s=0.0)
    instance_id = official.create()
    while official.look(instance_id).result.status == "RUNNING":
        pass
    assert official.look(instance_id).result.result == "agree"
    assert [row[2] for row in tasks(official, instance_id)] == ["AGREE", "AGREE"]
