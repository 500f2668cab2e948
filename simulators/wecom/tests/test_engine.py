"""The app's own approval engine (审批流程引擎): started in the client, asked for and heard of by thirdNo."""

from __future__ import annotations

import pytest

from simulators.wecom.testing import ControlError, Running
from simulators.wecom.tests.client import Api

NUMBER = "BX202611-000001"


def test_started_decided_and_asked_for(wecom: Running, api: Api) -> None:
    fields = [{"title": "金额", "type": "text", "value": "1448.50"}]
    started = wecom.start_engine(NUMBER, "zhangsan", fields=fields)
    assert (started["id"], started["is_engine"], started["extra"]) == (NUMBER, True, fields)
    data = api.post("/corp/getopenapprovaldata", {"thirdNo": NUMBER})["data"]
    assert (data["ThirdNo"], data["OpenSpstatus"], data["ApplyUsername"]) == (NUMBER, 1, "张三")
    assert (data["ApplyUserParty"], data["ApproverStep"]) == ("平台组", 0)
    first, second = data["ApprovalNodes"]["ApprovalNode"]
    assert (first["NodeStatus"], first["NodeAttr"], first["NodeType"]) == (1, 1, 3)
    assert second["NodeType"] == 2
    assert first["Items"]["Item"][0]["ItemUserId"] == "wangkai"
    wecom.decide(NUMBER, remark="同意")
    wecom.decide(NUMBER)
    data = api.post("/corp/getopenapprovaldata", {"thirdNo": NUMBER})["data"]
    assert (data["OpenSpstatus"], data["ApproverStep"]) == (2, 2)
    assert data["ApprovalNodes"]["ApprovalNode"][0]["Items"]["Item"][0]["ItemSpeech"] == "同意"


def test_one_number_one_approval(wecom: Running, api: Api) -> None:
    wecom.start_engine(NUMBER, "zhangsan")
    with pytest.raises(ControlError, match="已存在相同的审批编号"):
        wecom.start_engine(NUMBER, "zhangsan")
    with pytest.raises(ControlError, match="审批模板ID不正确"):
        wecom.start_engine("other", "zhangsan", "none")
    assert len(wecom.instances()) == 1
    assert api.post("/corp/getopenapprovaldata", {"thirdNo": "other"})["errcode"] == 301025


def test_it_is_no_form_of_the_approval_app(wecom: Running, api: Api) -> None:
    wecom.start_engine(NUMBER, "zhangsan")
    assert api.post("/oa/getapprovaldetail", {"sp_no": NUMBER})["errcode"] == 301025
    wecom.decide(NUMBER)
    wecom.decide(NUMBER)
    with pytest.raises(ControlError):
        wecom.withdraw(NUMBER)  # there is no "withdrawn after approval" in the engine


def test_the_other_ways_it_ends(wecom: Running, api: Api) -> None:
    for number, end, status in (("a", "reject", 3), ("b", "withdraw", 4)):
        wecom.start_engine(number, "zhangsan")
        wecom.decide(number, "reject") if end == "reject" else wecom.withdraw(number)
        assert api.post("/corp/getopenapprovaldata", {"thirdNo": number})["data"]["OpenSpstatus"] == status
