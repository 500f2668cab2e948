"""What may start an instance, and what may not; a refusal starts nothing and tells nobody."""

from __future__ import annotations

import json
from typing import Any

import pytest
from Tea.exceptions import UnretryableException

from simulators.dingtalk.testing import Running
from simulators.dingtalk.tests.official import Official, line, report, value

PATH = "/v1.0/workflow/processInstances"
ONE = [value("文字", "x")]
GOOD = [
    ("TextField", "任意"),
    ("TextareaField", "两行\r\n文字"),
    ("NumberField", "-12.5"),
    ("MoneyField", "100"),
    ("MoneyField", "100.00"),
    ("DDSelectField", "选项1"),
    ("DDMultiSelectField", '["选项1","选项2"]'),
    ("DDDateField", "2021-08-17"),
    ("DDPhotoField", '["https://files.example.com/1.png"]'),
    ("InnerContactField", '["zhangsan","linxiao"]'),
    ("DepartmentField", "10,11"),
    ("PhoneField", "15700004545"),
    ("StarRatingField", "5"),
    ("AddressField", "北京,北京市,东城区"),
    ("DDAttachment", '[{"spaceId":"1","fileName":"a.jpg","fileSize":"3","fileType":"jpg","fileId":"2"}]'),
]
BAD = [
    ("NumberField", "abc"),
    ("MoneyField", "1,000"),
    ("MoneyField", "¥100"),
    ("DDSelectField", "没有的选项"),
    ("DDMultiSelectField", '["选项1","没有"]'),
    ("DDMultiSelectField", "选项1"),
    ("DDDateField", "17/08/2021"),
    ("DDDateField", "2021-02-30"),
    ("DDDateField", "2021-08-17 10:00"),
    ("DDPhotoField", '["ftp://files/1.png"]'),
    ("DDPhotoField", "https://files.example.com/1.png"),
    ("InnerContactField", '["stranger"]'),
    ("InnerContactField", "zhangsan"),
    ("DepartmentField", "10,999"),
    ("PhoneField", "call me"),
    ("StarRatingField", "6"),
    ("AddressField", "北京"),
    ("RelateField", '["no-such-instance"]'),
    ("DDAttachment", '[{"spaceId":"1","fileName":"a.jpg","fileSize":"3","fileType":"jpg"}]'),
    ("TextNote", "说明"),
    ("TextField", "长" * 65_536),
]


def form_of(official: Official, kind: str, **props: Any) -> str:
    """A template with one component 项 of this kind."""
    options = [{"key": f"option_{place}", "value": f"选项{place}"} for place in (1, 2)]
    component = {"componentType": kind, "props": {"label": "项", "options": options, **props}}
    body = official.flow("FormCreate", {"name": f"试 {kind}", "formComponents": [component]})
    return str(body.result.process_code)


def no(official: Official, **more: Any) -> str:
    """The code a create is refused with."""
    before = official.dingtalk.instances()
    with pytest.raises(UnretryableException) as error:
        official.create(**more)
    assert error.value.data["statusCode"] == 400
    assert official.dingtalk.instances() == before
    assert official.dingtalk.tasks() == []
    return str(error.value.code)


@pytest.mark.parametrize(("kind", "text"), GOOD, ids=str)
def test_values_that_fit(official: Official, kind: str, text: str) -> None:
    instance_id = official.create(
        processCode=form_of(official, kind), formComponentValues=[value("项", text, kind)]
    )
    (shown,) = official.look(instance_id).result.form_component_values
    assert (shown.name, shown.value, shown.component_type) == ("项", text, kind)


@pytest.mark.parametrize(("kind", "text"), BAD, ids=lambda item: item[:30])
def test_values_that_do_not_fit(official: Official, kind: str, text: str) -> None:
    code = form_of(official, kind)
    assert no(official, processCode=code, formComponentValues=[value("项", text)]) == "formConverterError"


def test_a_date_with_hours_when_the_format_has_them(official: Official) -> None:
    code = form_of(official, "DDDateField", format="yyyy-MM-dd HH:mm")
    official.create(processCode=code, formComponentValues=[value("项", "2025-05-27 10:00")])


def test_a_related_instance(official: Official) -> None:
    first = official.create()
    code = form_of(official, "RelateField")
    official.create(processCode=code, formComponentValues=[value("项", json.dumps([first]))])


def test_a_whole_report(dingtalk: Running, official: Official) -> None:
    shown = official.look(official.create()).result
    assert shown.title == "张三提交的差旅报销"
    assert (shown.status, shown.result) == ("RUNNING", "")
    assert (shown.originator_user_id, shown.originator_dept_id) == ("zhangsan", "11")
    assert shown.originator_dept_name == "平台组"
    assert shown.approver_user_ids is None  # the template's own flow
    values = {item.name: item for item in shown.form_component_values}
    assert values["金额（元）"].value == "1448.50"
    assert values['["开始时间","结束时间"]'].value == '["2026-11-18","2026-11-20"]'
    rows = json.loads(values["费用明细"].value)
    assert [cell["value"] for cell in rows[0]["rowValue"]] == ["机票", "2026-11-20", "980.00", "上海往返"]
    assert [cell["label"] for cell in rows[0]["rowValue"]] == ["费用类型", "日期", "金额（元）", "说明"]
    dingtalk.set(table_value="as_sent")
    as_sent = {
        item.name: item.value for item in official.look(shown_id(dingtalk)).result.form_component_values
    }
    assert json.loads(as_sent["费用明细"])[1] == line("市内交通", "48.50")


def shown_id(dingtalk: Running) -> str:
    return str(dingtalk.instances()[0]["id"])


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ([value("没有的标签", "x")], "没有的标签"),
        ([value("单号", "1"), value("单号", "2")], "重复"),
        ([value("单号", "1", "NumberField")], "控件类型"),
        ([value("单号", "1"), value("事由", "x")], "金额（元）"),
        ([value("单号", ""), value("事由", "x"), value("金额（元）", "1")], "单号"),
        ([value('["开始时间"]', '["2026-01-01","2026-01-02"]')], "开始时间"),
        ([value('["开始时间","结束时间"]', '["2026-01-02","2026-01-01"]')], "开始晚于结束"),
        ([value('["开始时间","结束时间"]', '["2026-01-02"]')], "两个日期"),
        ([value("费用明细", "[]x")], "JSON"),
        ([value("费用明细", '[{"name":"说明","value":"x"}]')], "第1行"),
        ([value("费用明细", '[[{"name":"没有的列","value":"x"}]]')], "没有的列"),
        ([value("费用明细", '[[{"name":"金额（元）","value":100}]]')], "第1行"),
        ([value("费用明细", '[[{"name":"费用类型","value":"机票"}]]')], "金额（元）"),
    ],
)
def test_forms_that_do_not_fit(
    dingtalk: Running, official: Official, values: list[dict[str, str]], complaint: str
) -> None:
    with pytest.raises(UnretryableException) as error:
        official.create(formComponentValues=values)
    assert error.value.code == "formConverterError"
    assert complaint in error.value.message
    assert dingtalk.instances() == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"processCode": "PROC-NONE"}, "processCodeError"),
        ({"processCode": None}, "invalidParameter"),
        ({"originatorUserId": "stranger"}, "processInstanceInvalidParameter"),
        ({"deptId": None}, "processInstanceInvalidParameter"),
        ({"deptId": 10}, "processInstanceInvalidParameter"),
        ({"deptId": -1}, "processInstanceInvalidParameter"),
        ({"deptId": 1}, "processInstanceInvalidParameter"),
        ({"microappAgentId": 1}, "invalidAgentId"),
        ({"bizDetailPageUrl": "https://x.example.com"}, "benefitStatusInvalid"),
        ({"formComponentValues": []}, "invalidParameter"),
        ({"formComponentValues": ONE * 151}, "invalidParameter"),
        ({"approvers": [{"actionType": "SOME", "userIds": ["wangkai"]}]}, "invalidParameter"),
        ({"approvers": [{"actionType": "NONE", "userIds": ["wangkai", "sunhui"]}]}, "invalidParameter"),
        ({"approvers": [{"actionType": "AND", "userIds": []}]}, "invalidParameter"),
        ({"approvers": [{"actionType": "OR", "userIds": ["stranger"]}]}, "processInstanceInvalidParameter"),
        ({"approvers": [{"actionType": "NONE", "userIds": ["wangkai"]}] * 21}, "invalidParameter"),
        ({"ccList": ["stranger"]}, "processInstanceInvalidParameter"),
        ({"ccList": ["linxiao"] * 51}, "invalidParameter"),
        ({"ccPosition": "MIDDLE"}, "invalidParameter"),
    ],
    ids=lambda item: str(item)[:60],
)
def test_orders_that_are_refused(official: Official, change: dict[str, Any], code: str) -> None:
    assert no(official, **change) == code


def test_the_value_is_always_a_string(official: Official) -> None:
    body = report(official.dingtalk, formComponentValues=[{"name": "金额（元）", "value": 100}])
    status, answer = official.new("POST", PATH, body)
    assert (status, answer["code"]) == (400, "invalidParameter")


def test_the_root_department_is_minus_one(official: Official) -> None:
    shown = official.look(official.create(originatorUserId="zhoumingyuan", deptId=-1)).result
    assert (shown.originator_dept_id, shown.originator_dept_name) == ("-1", "行资演示公司")
    assert [task.user_id for task in shown.tasks] == ["sunhui"]  # nobody above: the next step at once


def test_a_detail_page_of_ones_own_is_for_premium(dingtalk: Running, official: Official) -> None:
    dingtalk.set(premium=True)
    assert official.create(bizDetailPageUrl="https://x.example.com/1")


def test_a_disabled_template(dingtalk: Running, official: Official) -> None:
    dingtalk.control("PUT", "/templates/expense", {"is_enabled": False})
    assert no(official) == "processGetFailed"


def test_somebody_who_left(dingtalk: Running, official: Official) -> None:
    dingtalk.leave("zhangsan")
    assert no(official) == "processInstanceInvalidParameter"


def test_one_number_twice_makes_two_instances(dingtalk: Running, official: Official) -> None:
    first, second = official.create(), official.create()
    assert first != second
    assert len(dingtalk.instances()) == 2
    assert len({instance["business_id"] for instance in dingtalk.instances()}) == 2
