"""Submitting: what a form must hold, control by control, and that a refusal leaves nothing behind."""

from __future__ import annotations

from typing import Any

import pytest

from simulators.wecom.testing import Running
from simulators.wecom.tests.client import (
    DAY,
    NOVEMBER_18,
    Api,
    content,
    contents,
    line,
    report,
    summary,
    through,
    window,
)
from simulators.wecom.tests.test_media import PNG


def refused(api: Api, errcode: int = 301025, **more: Any) -> str:
    answer = api.post("/oa/applyevent", report(api.wecom, **more))
    assert answer["errcode"] == errcode, answer
    assert "sp_no" not in answer
    assert api.wecom.instances() == []
    return str(answer["errmsg"])


def test_a_template_tells_its_controls(wecom: Running, api: Api) -> None:
    answer = api.post("/oa/gettemplatedetail", {"template_id": wecom.template_ids["expense"]})
    assert answer["template_names"] == [{"text": "差旅报销", "lang": "zh_CN"}]
    controls = {row["property"]["title"][0]["text"]: row for row in answer["template_content"]["controls"]}
    assert [row["property"]["control"] for row in controls.values()] == [
        "Text",
        "Contact",
        "Textarea",
        "Money",
        "DateRange",
        "Table",
        "File",
        "RelatedApproval",
        "Text",
    ]
    assert controls["单号"]["property"]["require"] == 1
    assert controls["申请人"]["config"] == {"contact": {"type": "single", "mode": "user"}}
    assert controls["起止时间"]["config"]["date_range"]["type"] == "halfday"
    kind, *_ = controls["费用明细"]["config"]["table"]["children"]
    # An array here, an object in create_template.
    assert kind["config"]["selector"]["options"][0]["value"] == [{"text": "机票", "lang": "zh_CN"}]
    assert api.post("/oa/gettemplatedetail", {"template_id": "none"})["errcode"] == 301025


def test_a_whole_report_reads_back(wecom: Running, api: Api) -> None:
    media_id = api.upload("发票.pdf", b"%PDF-1.7")["media_id"]
    trip = api.post("/oa/applyevent", travel(wecom))["sp_no"]
    values = contents(
        wecom,
        附件={"files": [{"file_id": media_id}]},
        关联出差申请={"related_approval": [{"sp_no": trip}]},
    )
    sp_no = api.apply(apply_data={"contents": values})
    assert sp_no.isdigit() and len(sp_no) == 12
    info = api.info(sp_no)
    assert (info["sp_no"], info["sp_name"], info["sp_status"]) == (sp_no, "差旅报销", 1)
    assert info["applyer"] == {"userid": "zhangsan", "partyid": "11"}
    read = {row["title"][0]["text"]: row["value"] for row in info["apply_data"]["contents"]}
    assert read["单号"]["text"] == "BX202611-000001"
    assert read["金额（元）"]["new_money"] == "1448.50"
    assert read["申请人"]["members"] == [{"userid": "zhangsan", "name": "张三"}]
    assert read["起止时间"]["date_range"]["new_begin"] == NOVEMBER_18
    assert read["附件"]["files"] == [{"file_id": media_id}]
    assert read["关联出差申请"]["related_approval"] == [{"sp_no": trip}]
    first, second, _ = read["费用明细"]["children"]
    cells = {cell["title"][0]["text"]: cell["value"] for cell in first["list"]}
    assert cells["费用类型"]["selector"]["options"][0]["value"][0]["text"] == "机票"
    assert cells["日期"]["date"] == {"type": "day", "s_timestamp": str(NOVEMBER_18)}
    assert (cells["金额（元）"]["new_money"], cells["说明"]["text"]) == ("980.00", "上海往返")
    assert second["list"][3]["value"]["text"] == ""


def travel(wecom: Running) -> dict[str, Any]:
    leg_cells = [
        ("城市", {"text": "上海"}),
        ("开始日期", {"date": {"type": "day", "s_timestamp": str(NOVEMBER_18)}}),
        ("结束日期", {}),
        ("说明", {}),
    ]
    leg = [content(wecom, "travel", "行程", value, title) for title, value in leg_cells]
    ends = {"new_begin": NOVEMBER_18, "new_end": NOVEMBER_18 + DAY // 2, "new_duration": DAY}
    values = {
        "单号": {"text": "CC202611-000001"},
        "事由": {"text": "拜访客户"},
        "起止时间": {"date_range": {"type": "halfday", **ends}},
        "行程": {"children": [{"list": leg}]},
        "预计金额（元）": {"new_money": "3000"},
    }
    rows = [content(wecom, "travel", title, value) for title, value in values.items()]
    return report(wecom, template_id=wecom.template_ids["travel"], apply_data={"contents": rows})


def test_the_same_wish_twice_is_two_forms(api: Api) -> None:
    assert api.apply() != api.apply()
    assert len(api.wecom.instances()) == 2


def span(kind: str, begin: Any, end: Any, duration: Any = 0) -> dict[str, Any]:
    return {"date_range": {"type": kind, "new_begin": begin, "new_end": end, "new_duration": duration}}


@pytest.mark.parametrize(
    ("title", "value"),
    [
        ("单号", None),
        ("单号", {"text": ""}),
        ("单号", {"text": "a\nb"}),
        ("单号", {"text": 7}),
        ("单号", {"text": "x" * 501}),
        ("事由", {"text": "x" * 2001}),
        ("事由", "text"),
        ("金额（元）", {"new_money": 1448.5}),
        ("金额（元）", {"new_money": "1448.505"}),
        ("金额（元）", {"new_money": "¥1"}),
        ("申请人", {"members": [{"userid": "nobody", "name": "x"}]}),
        ("申请人", {"members": [{"userid": "zhangsan"}, {"userid": "wangkai"}]}),
        ("起止时间", span("hour", NOVEMBER_18, NOVEMBER_18)),
        ("起止时间", span("halfday", str(NOVEMBER_18), NOVEMBER_18)),
        ("起止时间", span("halfday", NOVEMBER_18 + 60, NOVEMBER_18 + DAY)),
        ("起止时间", span("halfday", NOVEMBER_18 + DAY, NOVEMBER_18)),
        ("起止时间", span("halfday", NOVEMBER_18, NOVEMBER_18, None)),
        ("费用明细", {"children": []}),
        ("附件", {"files": [{"file_id": "unknown"}]}),
        ("关联出差申请", {"related_approval": [{"sp_no": "1"}]}),
    ],
)
def test_values_that_do_not_fit(unharmed: Api, title: str, value: Any) -> None:
    said = refused(unharmed, apply_data={"contents": contents(unharmed.wecom, **{title: value})})
    assert unharmed.wecom.control_id("expense", title) in said


def bent(wecom: Running, place: int, **change: Any) -> list[dict[str, Any]]:
    """A report whose first line has one cell changed."""
    row = line(wecom, 0, "1.00")
    row["list"][place] |= change
    return contents(wecom, 费用明细={"children": [row]})


@pytest.mark.parametrize(
    ("place", "change"),
    [
        (0, {"value": {"selector": {"type": "single", "options": [{"key": "none"}]}}}),
        (0, {"value": {"selector": {"type": "multi", "options": [{"key": "option-1569600000"}]}}}),
        (0, {"value": {}}),
        (1, {"value": {"date": {"type": "day", "s_timestamp": NOVEMBER_18}}}),
        (1, {"value": {"date": {"type": "hour", "s_timestamp": str(NOVEMBER_18)}}}),
        (2, {"value": {"new_money": ""}}),
        (3, {"id": "Text-404"}),
        (3, {"control": "Textarea"}),
    ],
)
def test_cells_that_do_not_fit(unharmed: Api, place: int, change: dict[str, Any]) -> None:
    refused(unharmed, apply_data={"contents": bent(unharmed.wecom, place, **change)})


def test_a_line_needs_every_control(api: Api) -> None:
    row = line(api.wecom, 0, "1.00")
    del row["list"][3]
    said = refused(api, apply_data={"contents": contents(api.wecom, 费用明细={"children": [row]})})
    assert "every control must be present" in said


def test_too_many_lines(api: Api) -> None:
    api.wecom.set(table_rows_most=2)
    refused(api)


def test_six_attachments_and_no_more(wecom: Running, api: Api) -> None:
    files = [{"file_id": api.upload(f"{place}.png", PNG, "image")["media_id"]} for place in range(7)]
    said = refused(api, apply_data={"contents": contents(wecom, 附件={"files": files})})
    assert "more than 6 files" in said
    sp_no = api.apply(apply_data={"contents": contents(wecom, 附件={"files": files[:6]})})
    wecom.set(media_ttl_s=0.0)
    # Kept with the form beyond the three days.
    assert api.raw("GET", "/media/get", {"media_id": files[0]["file_id"]}, None).data == PNG
    assert api.info(sp_no)["sp_status"] == 1


@pytest.mark.parametrize(
    "more",
    [
        {"apply_data": {"contents": []}},
        {"apply_data": None},
        {"template_id": "none"},
        {"use_template_approver": 0},
        {"use_template_approver": 2},
        {"use_template_approver": None},
        {"choose_department": 30},
        {"summary_list": None},
        {"summary_list": summary("1", "2", "3", "4")},
        {"summary_list": summary("二" * 21)},
        {"summary_list": [{"summary_info": [{"text": "x", "lang": "zh-CN"}]}]},
        {"creator_userid": ""},
        through((1, 2, [])),
        through((1, 2, ["nobody"])),
        through((2, 1, ["sunhui"])),
        through((1, 4, ["sunhui"])),
        through((5, 1, ["sunhui"])),
        {"use_template_approver": 0, "approver": [{"attr": 3, "userid": ["sunhui"]}]},
    ],
)
def test_wishes_that_do_not_fit(unharmed: Api, more: dict[str, Any]) -> None:
    refused(unharmed, **more)


def test_who_may_not_apply(wecom: Running, api: Api) -> None:
    refused(api, 301055, creator_userid="nobody")
    wecom.set(visible_departments=[30])
    refused(api, 301055)


def test_a_template_that_changed_or_is_not_approved(wecom: Running, api: Api) -> None:
    wecom.control("PUT", "/templates/expense", {"drop": ["详情链接"]})
    assert "invalid control id" in refused(api)
    wecom.control("PUT", "/templates/travel", {"is_usable": False})
    refused(api, 301026, template_id=wecom.template_ids["travel"])


def test_a_flow_with_free_choice_wants_approvers_named(wecom: Running, api: Api) -> None:
    wecom.control("PUT", "/templates/expense", {"flow": [{"kind": "self_select"}]})
    refused(api)
    api.apply(**through((1, 2, ["wangkai"])))


def zh(text: str) -> dict[str, str]:
    return {"text": text, "lang": "zh_CN"}


def made(kind: str, title: str, required: int = 0, **config: Any) -> dict[str, Any]:
    about = {"control": kind, "id": f"{kind}-01", "title": [zh(title)], "require": required}
    return {"property": about, "config": config}


OWN_CONTROLS = [
    made("Text", "单号", required=1),
    # The text of an option is an object here, an array when the template is read.
    made(
        "Selector", "类型", selector={"type": "multi", "options": [{"key": "option-1", "value": zh("差旅")}]}
    ),
    made("Attendance", "出差", attendance={"date_range": {"type": "hour"}, "type": 3}),
    made("Location", "地点"),
    made("Number", "人数"),
    made("Contact", "部门", contact={"type": "multi", "mode": "department"}),
    made("Tips", "说明"),
]


def own_values() -> list[dict[str, Any]]:
    slices = {"day_items": [{"daytime": NOVEMBER_18, "duration": DAY}]}
    times = {"type": "hour", "new_begin": NOVEMBER_18 + 60, "new_end": NOVEMBER_18 + DAY}
    place = {"latitude": "30.547239", "longitude": "104.063291", "title": "成都", "address": "x", "time": 1}
    values = {
        "Text": {"text": "CC-1"},
        "Selector": {"selector": {"type": "multi", "options": [{"key": "option-1"}]}},
        "Attendance": {"attendance": {"date_range": times, "type": 3, "slice_info": slices}},
        "Location": {"location": place},
        "Number": {"new_number": "2"},
        "Contact": {"departments": [{"openapi_id": "30", "name": "财务部"}]},
    }
    return [{"control": kind, "id": f"{kind}-01", "value": value} for kind, value in values.items()]


def wish(name: str, controls: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"template_name": [zh(name)], "template_content": {"controls": controls}, **more}


def test_templates_of_ones_own(wecom: Running, api: Api) -> None:
    template_id = api.post("/oa/approval/create_template", wish("行资出差", OWN_CONTROLS))["template_id"]
    read = api.post("/oa/gettemplatedetail", {"template_id": template_id})["template_content"]["controls"]
    assert read[1]["config"]["selector"]["options"][0]["value"] == [zh("差旅")]
    sp_no = api.apply(template_id=template_id, apply_data={"contents": own_values()})
    assert api.info(sp_no)["sp_name"] == "行资出差"
    found = api.post("/oa/getapprovalinfo", window(filters=[{"key": "record_type", "value": "3"}]))
    assert found["sp_no_list"] == [sp_no]
    changed = wish("行资出差", OWN_CONTROLS[:1], template_id=template_id)
    assert api.post("/oa/approval/update_template", changed)["errcode"] == 0
    assert len(api.info(sp_no)["apply_data"]["contents"]) == 6  # as it was on the day


def test_templates_that_cannot_be_made(wecom: Running, api: Api) -> None:
    def say(verb: str, body: dict[str, Any]) -> int:
        return int(api.post(f"/oa/approval/{verb}_template", body)["errcode"])

    one = OWN_CONTROLS[:1]
    assert say("create", wish("差旅报销", one)) == 301025  # the name is taken
    assert say("create", wish("长" * 41, one)) == 301025
    assert say("create", wish("y", one * 2)) == 301086
    assert say("create", wish("y", [made("Magic", "x")])) == 301086
    assert say("create", wish("y", [made("Table", "x", table={"children": []})])) == 301086
    assert say("update", wish("y", one, template_id=wecom.template_ids["travel"])) == 301088
