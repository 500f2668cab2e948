"""The two templates every simulated corp has: 差旅报销 and 出差申请."""

from __future__ import annotations

import uuid
from typing import Any

from simulators.wecom.forms import Control, FlowStep, StepKind, Template


def _control(kind: str, title: str, where: str, *, required: bool = False, **more: Any) -> Control:
    # Stable ids: clients keep them, and a restarted simulator must not invent new ones.
    number = 1_569_600_000_000 + uuid.uuid5(uuid.NAMESPACE_URL, f"{where}/{kind}/{title}").int % 10**11
    return Control(kind, f"{kind}-{number}", title, required=required, **more)


CATEGORIES = (
    "机票",
    "火车",
    "长途客运/轮船",
    "市内交通",
    "住宿",
    "餐饮",
    "业务招待",
    "会务培训",
    "通讯",
    "办公用品",
    "其他",
)


def own_flow(finance_lead: str) -> list[FlowStep]:
    return [FlowStep(StepKind.SUPERIOR), FlowStep(StepKind.TAG, tag=finance_lead)]


def expense_template(finance_lead: str, travel_id: str) -> Template:
    categories = [(f"option-{1_569_600_000 + place}", text) for place, text in enumerate(CATEGORIES)]
    lines = [
        _control("Selector", "费用类型", "line", required=True, type="single", options=categories),
        _control("Date", "日期", "line", type="day"),
        _control("Money", "金额（元）", "line", required=True),
        _control("Text", "说明", "line"),
    ]
    controls = [
        _control("Text", "单号", "expense", required=True),
        _control("Contact", "申请人", "expense", type="single", mode="user"),
        _control("Textarea", "事由", "expense", required=True),
        _control("Money", "金额（元）", "expense", required=True),
        _control("DateRange", "起止时间", "expense", type="halfday"),
        _control("Table", "费用明细", "expense", children=lines),
        _control("File", "附件", "expense"),
        _control("RelatedApproval", "关联出差申请", "expense", template_ids=[travel_id]),
        _control("Text", "详情链接", "expense"),
    ]
    return Template("3TmExpense7KQ2vXcRw5dYpLsNfHbJgEaUzTo", "差旅报销", controls, own_flow(finance_lead))


def travel_template(finance_lead: str) -> Template:
    legs = [
        _control("Text", "城市", "leg", required=True),
        _control("Date", "开始日期", "leg", type="day"),
        _control("Date", "结束日期", "leg", type="day"),
        _control("Text", "说明", "leg"),
    ]
    controls = [
        _control("Text", "单号", "travel", required=True),
        _control("Contact", "申请人", "travel", type="single", mode="user"),
        _control("Textarea", "事由", "travel", required=True),
        _control("DateRange", "起止时间", "travel", required=True, type="halfday"),
        _control("Table", "行程", "travel", children=legs),
        _control("Money", "预计金额（元）", "travel"),
        _control("Text", "详情链接", "travel"),
    ]
    return Template("3TmTravel5RwXn8VbQmZkCjHsGdLyPfTaUeIo", "出差申请", controls, own_flow(finance_lead))
