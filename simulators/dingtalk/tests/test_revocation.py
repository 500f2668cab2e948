"""撤销 of what was approved: an instance of its own, which has to be approved as well."""

from __future__ import annotations

import pytest

from simulators.dingtalk.testing import ControlError, Running
from simulators.dingtalk.tests.official import Official
from simulators.dingtalk.tests.test_pages import click, get


def approved(dingtalk: Running, official: Official) -> str:
    instance_id = official.create()
    dingtalk.decide(instance_id)
    assert dingtalk.decide(instance_id)["status"] == "COMPLETED"
    return instance_id


def test_a_revocation_is_an_instance_of_its_own(dingtalk: Running, official: Official) -> None:
    original = approved(dingtalk, official)
    revocation = dingtalk.revoke(original, "行程取消")
    shown, undone = official.look(revocation).result, official.look(original).result
    assert (shown.biz_action, shown.main_process_instance_id, shown.status) == ("REVOKE", original, "RUNNING")
    assert (undone.biz_action, undone.attached_process_instance_ids) == ("NONE", [revocation])
    assert [value.value for value in shown.form_component_values] == [
        value.value for value in undone.form_component_values
    ]
    assert (shown.operation_records[0].remark, shown.originator_user_id) == ("行程取消", "zhangsan")
    # The same people are asked again, one after the other.
    assert [task["userid"] for task in dingtalk.instance(revocation)["tasks"]] == ["wangkai"]
    dingtalk.decide(revocation, userid="wangkai")
    assert dingtalk.instance(original)["is_revoked"] is False
    dingtalk.decide(revocation, userid="sunhui")
    assert official.look(revocation).result.result == "agree"
    # The original keeps its own end: only the revocation tells that it was undone.
    undone = official.look(original).result
    assert (undone.status, undone.result) == ("COMPLETED", "agree")
    assert dingtalk.instance(original)["is_revoked"] is True


def test_what_is_told_names_the_revocation_alone(dingtalk: Running, official: Official) -> None:
    original = approved(dingtalk, official)
    before = len(dingtalk.events(instance_id=original))
    revocation = dingtalk.revoke(original)
    for _ in range(2):
        dingtalk.decide(revocation)
    bodies = [event["body"] for event in dingtalk.events("bpms_instance_change", revocation)]
    assert [(body["type"], body.get("result")) for body in bodies] == [("start", None), ("finish", "agree")]
    assert {body["processCode"] for body in bodies} == {dingtalk.process_codes["expense"]}
    assert len(dingtalk.events(instance_id=original)) == before


def test_a_refused_revocation_undoes_nothing_and_may_be_tried_again(
    dingtalk: Running, official: Official
) -> None:
    original = approved(dingtalk, official)
    first = dingtalk.revoke(original)
    with pytest.raises(ControlError, match="正在撤销"):
        dingtalk.revoke(original)
    dingtalk.decide(first, "refuse")
    assert dingtalk.instance(original)["is_revoked"] is False
    second = dingtalk.revoke(original)
    for _ in range(2):
        dingtalk.decide(second)
    assert dingtalk.instance(original)["is_revoked"] is True
    for wrong in (original, second):
        with pytest.raises(ControlError, match="已撤销"):
            dingtalk.revoke(wrong)
    assert official.look(original).result.attached_process_instance_ids == [first, second]


@pytest.mark.parametrize("verdict", ["", "refuse"])
def test_only_what_was_approved_can_be_undone(dingtalk: Running, official: Official, verdict: str) -> None:
    instance_id = official.create()
    if verdict:
        dingtalk.decide(instance_id, verdict)
    with pytest.raises(ControlError, match="未通过"):
        dingtalk.revoke(instance_id)
    assert len(dingtalk.instances()) == 1


def test_people_undo_on_the_page(dingtalk: Running, official: Official) -> None:
    original = approved(dingtalk, official)
    here = f"/u/zhangsan/instances/{original}"
    assert "申请撤销" in get(official, here)
    assert "申请撤销" not in get(official, f"/u/wangkai/instances/{original}")
    click(official, f"/u/wangkai/instances/{original}/revoke", status=409)
    click(official, f"{here}/revoke", text="不去了")
    (revocation,) = dingtalk.instance(original)["revocations"]
    assert "申请撤销" not in get(official, here)
    assert f"/u/zhangsan/instances/{revocation}" in get(official, here)
    assert f"/u/wangkai/instances/{original}" in get(official, f"/u/wangkai/instances/{revocation}")
    assert "提交的差旅报销撤销" in get(official, "/u/wangkai")
    click(official, f"/u/wangkai/instances/{revocation}/agree")
    click(official, f"/u/sunhui/instances/{revocation}/agree")
    assert "已被撤销" in get(official, here)


def test_a_revocation_is_listed_beside_the_others(dingtalk: Running, official: Official) -> None:
    original = approved(dingtalk, official)
    revocation = dingtalk.revoke(original)
    fields = {
        "processCode": dingtalk.process_codes["expense"],
        "startTime": dingtalk.instance(original)["created_ms"],
        "nextToken": 0,
        "maxResults": 20,
    }
    assert official.flow("ListProcessInstanceIds", fields).result.list == [original, revocation]
