"""What the demo company is made of: its entities, departments, cast, projects, cities and rates. Data only."""

from __future__ import annotations

from dataclasses import dataclass

PARENT, BEIJING, SHENZHEN = "SH", "BJ", "SZ"


@dataclass(frozen=True, slots=True)
class EntityPlan:
    code: str
    name: str
    region: str
    organisation: str
    bank: str
    account: str


ENTITIES = (
    EntityPlan(
        PARENT, "行远科技（上海）有限公司", "310115", "MA1K4XY7", "招商银行上海张江支行", "121938475610601"
    ),
    EntityPlan(
        BEIJING,
        "北京行远数据科技有限公司",
        "110108",
        "MA01R3F6",
        "中国工商银行北京中关村支行",
        "0200296409200176538",
    ),
    EntityPlan(
        SHENZHEN, "深圳行远智能设备有限公司", "440305", "MA5G8T2N", "平安银行深圳科技园支行", "15000094817263"
    ),
)

# code: name, rank. A higher rank may spend more.
GRADES = (
    ("P4", "助理", 4), ("P5", "专员", 5), ("P6", "高级专员", 6), ("P7", "专家", 7), ("P8", "高级专家", 8),
    ("P9", "资深专家", 9), ("M1", "主管", 11), ("M2", "经理", 12), ("M3", "高级经理", 13), ("M4", "总监", 14),
    ("VP", "副总裁", 20), ("CEO", "总裁", 25),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DepartmentPlan:
    """`key` is the cost centre's code, too; `people` counts its own, not those below; `travel` how often they go."""

    key: str
    name: str
    parent: str
    people: int
    head_title: str
    head_grade: str
    title: str
    travel: float = 1.0


def _department(
    key: str, name: str, parent: str, people: int, head: str, grade: str, title: str, travel: float
) -> DepartmentPlan:
    return DepartmentPlan(key, name, parent, people, head, grade, title, travel)


_ROWS = (
    ("SH00", "行远科技（上海）", "", 2, "总裁", "CEO", "总裁助理", 0.8),
    ("SH10", "销售中心", "SH00", 2, "销售副总裁", "VP", "销售运营", 1.2),
    ("SH11", "华东销售部", "SH10", 16, "华东销售总监", "M4", "销售经理", 3.0),
    ("SH12", "大客户部", "SH10", 12, "大客户总监", "M4", "大客户经理", 3.0),
    ("SH13", "渠道合作部", "SH10", 8, "渠道经理", "M2", "渠道专员", 2.0),
    ("SH14", "售前方案部", "SH10", 10, "售前高级经理", "M3", "解决方案顾问", 2.5),
    ("SH20", "产品研发中心", "SH00", 2, "研发副总裁", "VP", "研发效能", 0.4),
    ("SH21", "平台研发部", "SH20", 20, "平台研发总监", "M4", "后端工程师", 0.4),
    ("SH22", "应用研发部", "SH20", 18, "应用研发高级经理", "M3", "前端工程师", 0.4),
    ("SH23", "质量保障部", "SH20", 10, "测试经理", "M2", "测试工程师", 0.5),
    ("SH24", "产品设计部", "SH20", 9, "产品总监", "M4", "产品经理", 0.8),
    ("SH30", "客户成功中心", "SH00", 2, "客户成功副总裁", "VP", "客户运营", 0.8),
    ("SH31", "实施交付部", "SH30", 18, "交付总监", "M4", "实施顾问", 3.5),
    ("SH32", "客户服务部", "SH30", 10, "服务经理", "M2", "客户服务工程师", 1.5),
    ("SH40", "市场部", "SH00", 3, "市场总监", "M4", "市场专员", 1.0),
    ("SH41", "品牌组", "SH40", 4, "品牌主管", "M1", "品牌策划", 0.8),
    ("SH42", "活动组", "SH40", 4, "活动主管", "M1", "活动策划", 1.5),
    ("SH50", "财务部", "SH00", 2, "财务总监", "M4", "财务分析", 0.3),
    ("SH51", "会计组", "SH50", 5, "会计主管", "M2", "会计", 0.2),
    ("SH52", "资金组", "SH50", 3, "资金主管", "M1", "出纳", 0.1),
    ("SH60", "人力资源部", "SH00", 6, "人力资源总监", "M3", "人力资源专员", 0.5),
    ("SH70", "行政与采购部", "SH00", 5, "行政经理", "M2", "行政专员", 0.3),
    ("SH80", "法务与内审部", "SH00", 4, "法务高级经理", "M3", "法务专员", 0.4),
    ("SH90", "信息技术部", "SH00", 6, "信息技术经理", "M2", "运维工程师", 0.3),
    ("BJ00", "北京行远", "", 1, "北京公司总经理", "VP", "总经理助理", 0.8),
    ("BJ10", "华北销售部", "BJ00", 12, "华北销售总监", "M4", "销售经理", 3.0),
    ("BJ20", "政企事业部", "BJ00", 10, "政企事业部总监", "M4", "政企客户经理", 2.5),
    ("BJ30", "数据研究院", "BJ00", 12, "研究院院长", "M4", "算法工程师", 0.8),
    ("BJ40", "北方交付部", "BJ00", 12, "交付高级经理", "M3", "实施顾问", 3.0),
    ("BJ50", "综合管理部", "BJ00", 5, "综合管理经理", "M2", "综合管理专员", 0.3),
    ("SZ00", "深圳行远", "", 1, "深圳公司总经理", "VP", "总经理助理", 0.8),
    ("SZ10", "硬件研发部", "SZ00", 14, "硬件研发总监", "M4", "硬件工程师", 0.6),
    ("SZ11", "结构设计组", "SZ10", 6, "结构主管", "M1", "结构工程师", 0.6),
    ("SZ12", "嵌入式组", "SZ10", 8, "嵌入式主管", "M1", "嵌入式工程师", 0.6),
    ("SZ20", "供应链部", "SZ00", 8, "供应链总监", "M4", "采购工程师", 2.0),
    ("SZ30", "生产制造部", "SZ00", 10, "生产经理", "M2", "工艺工程师", 0.8),
    ("SZ40", "华南销售部", "SZ00", 10, "华南销售总监", "M4", "销售经理", 2.5),
    ("SZ50", "售后工程部", "SZ00", 8, "售后经理", "M2", "售后工程师", 2.5),
    ("SZ60", "综合管理部", "SZ00", 5, "综合管理经理", "M2", "综合管理专员", 0.3),
)  # fmt: skip
DEPARTMENTS = tuple(_department(*row) for row in _ROWS)


@dataclass(frozen=True, slots=True)
class Role:
    """One of the cast: a person with a part in the demo. `head`: leads the department."""

    login: str
    name: str
    department: str
    title: str
    grade: str
    head: bool = False
    grants: tuple[tuple[str, str], ...] = ()  # role, entity code ("" for all)
    part: str = ""


CAST = (
    Role("linxiaoyu", "林晓雨", "SH11", "销售经理", "P6", part="员工 · employee"),
    Role("zhouming", "周明", "SH11", "华东销售总监", "M4", head=True, part="她的经理 · her manager"),
    Role("hejing", "何静", "SH10", "销售副总裁", "VP", head=True, part="销售副总裁 · vice president"),
    Role("suwanqing", "苏婉清", "SH51", "会计主管", "M2", head=True, grants=(("finance", ""),), part="财务审核 · finance"),
    Role(
        "qiansiyuan", "钱思远", "SH51", "会计", "P7", grants=(("finance", ""), ("cashier", "")),
        part="第二位财务 · second finance",
    ),
    Role("jinke", "金可", "SH52", "出纳", "P6", grants=(("cashier", ""),), part="出纳 · cashier"),
    Role("luzhengping", "陆正平", "SH50", "财务总监", "M4", head=True, part="财务总监 · head of finance"),
    Role("jianran", "季安然", "SH80", "内审经理", "M2", grants=(("auditor", ""),), part="审计 · auditor"),
    Role(
        "fangzhiyuan", "方志远", "SH90", "信息技术经理", "M2", head=True, grants=(("administrator", ""),),
        part="管理员 · administrator",
    ),
    Role("wangbowen", "王博文", "BJ10", "销售经理", "P6", part="北京员工（内置审批） · Beijing, in-house flow"),
    Role("lizhuo", "李卓", "BJ10", "华北销售总监", "M4", head=True, part="他的经理 · his manager"),
    Role("guanheping", "关和平", "SH00", "总裁", "CEO", head=True, part="总裁 · president"),
)  # fmt: skip

# code, name, department of its owner
PROJECTS = (
    ("XM2601", "长三角智慧园区一期", "SH31"), ("XM2602", "申江银行数据中台", "SH31"), ("XM2603", "浦江医疗集团上线", "SH31"),
    ("XM2604", "华东渠道大会", "SH42"), ("XM2605", "行远平台 6.0", "SH21"), ("XM2606", "东海能源大客户", "SH12"),
    ("XM2607", "京畿政务云", "BJ20"), ("XM2608", "北方高校数据治理", "BJ40"), ("XM2609", "燕山钢铁试点", "BJ40"),
    ("XM2610", "X3 边缘网关量产", "SZ30"), ("XM2611", "南海港口改造", "SZ50"), ("XM2612", "X4 预研", "SZ10"),
)  # fmt: skip

# name, tier, GB/T 2260
CITIES = (
    ("北京", "t1", "110000"), ("上海", "t1", "310000"), ("广州", "t1", "440100"), ("深圳", "t1", "440300"),
    ("天津", "t2", "120000"), ("重庆", "t2", "500000"), ("杭州", "t2", "330100"), ("南京", "t2", "320100"),
    ("苏州", "t2", "320500"), ("成都", "t2", "510100"), ("武汉", "t2", "420100"), ("西安", "t2", "610100"),
    ("青岛", "t2", "370200"), ("厦门", "t2", "350200"), ("宁波", "t2", "330200"), ("长沙", "t2", "430100"),
    ("郑州", "t2", "410100"), ("济南", "t2", "370100"), ("合肥", "t2", "340100"), ("大连", "t2", "210200"),
    ("沈阳", "t2", "210100"), ("福州", "t2", "350100"), ("昆明", "t2", "530100"), ("石家庄", "t2", "130100"),
    ("无锡", "t3", "320200"), ("常州", "t3", "320400"), ("嘉兴", "t3", "330400"), ("绍兴", "t3", "330600"),
    ("徐州", "t3", "320300"), ("唐山", "t3", "130200"), ("东莞", "t3", "441900"), ("佛山", "t3", "440600"),
    ("洛阳", "t3", "410300"), ("绵阳", "t3", "510700"), ("香港", "abroad", ""), ("新加坡", "abroad", ""),
    ("东京", "abroad", ""),
)  # fmt: skip
HOME_CITY = {PARENT: "上海", BEIJING: "北京", SHENZHEN: "深圳"}

# currency: units of CNY for one; month by month it drifts a little
RATES = {"USD": "7.0925", "EUR": "8.2310", "HKD": "0.9118", "JPY": "0.0468", "SGD": "5.4630", "GBP": "9.4120"}

PASSWORD = "viatica"
