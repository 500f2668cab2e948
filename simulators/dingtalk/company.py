"""The organisation: departments and people, with the indexes the address book needs."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from simulators.stage.fields import Fields

ROOT = 1
FINANCE_LEAD = "财务负责人"


@dataclass(slots=True)
class Department:
    dept_id: int
    name: str
    parent_id: int  # 0 for the root
    managers: list[str] = field(default_factory=list)
    order: int = 0
    code: str = ""
    source_identifier: str = ""


@dataclass(slots=True)
class User:
    userid: str
    name: str
    dept_ids: list[int]
    unionid: str = ""
    openid: str = ""
    manager_userid: str = ""
    mobile: str = ""
    email: str = ""
    org_email: str = ""
    title: str = ""
    job_number: str = ""
    work_place: str = ""
    remark: str = ""
    avatar: str = ""
    hired_date: int = 0  # ms
    extension: str = ""  # a JSON string
    active: bool = True
    admin: bool = False
    boss: bool = False
    leads: list[int] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Leaving:
    userid: str
    name: str
    mobile: str
    left_at: float  # seconds
    reason: str


@dataclass(slots=True)
class Company:
    departments: dict[int, Department] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    children: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    members: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    by_mobile: dict[str, str] = field(default_factory=dict)
    by_unionid: dict[str, str] = field(default_factory=dict)
    left: list[Leaving] = field(default_factory=list)

    def load(self, document: Mapping[str, Any]) -> None:
        """Replace the organisation. Raises ValueError naming what does not fit; then nothing has changed."""
        fresh = read_company(document)
        self.departments, self.users = fresh.departments, fresh.users
        self.index()

    def index(self) -> None:
        self.children = defaultdict(list)
        self.members = defaultdict(list)
        for department in sorted(self.departments.values(), key=lambda row: (row.order, row.dept_id)):
            self.children[department.parent_id].append(department.dept_id)
        for user in self.users.values():
            for dept_id in user.dept_ids:
                self.members[dept_id].append(user.userid)
        self.by_mobile = {user.mobile: user.userid for user in self.users.values() if user.mobile}
        self.by_unionid = {user.unionid: user.userid for user in self.users.values()}

    def put_user(self, user: User) -> bool:
        """Add or replace one person; True when the person is new."""
        is_new = user.userid not in self.users
        self.users[user.userid] = user
        self.index()
        return is_new

    def let_go(self, userid: str, reason: str = "leave") -> None:
        user = self.users.pop(userid)
        for department in self.departments.values():
            if userid in department.managers:
                department.managers.remove(userid)
        self.left.append(Leaving(userid, user.name, user.mobile, time.time(), reason))
        self.index()

    def user_by_unionid(self, unionid: str) -> User | None:
        return self.users.get(self.by_unionid.get(unionid, ""))

    def name(self, userid: str) -> str:
        user = self.users.get(userid)
        return user.name if user else userid

    def upwards(self, dept_id: int) -> Iterator[Department]:
        """The department and those above it."""
        seen: set[int] = set()
        while (department := self.departments.get(dept_id)) and dept_id not in seen:
            seen.add(dept_id)
            yield department
            dept_id = department.parent_id

    def below(self, dept_id: int) -> Iterator[int]:
        """The department and all beneath it."""
        yield dept_id
        for child in self.children.get(dept_id, []):
            yield from self.below(child)

    def manager_above(self, userid: str, dept_id: int) -> str | None:
        """Who decides for this person: the manager of the department, or of the next one up."""
        for department in self.upwards(dept_id):
            for manager in department.managers:
                if manager != userid and manager in self.users:
                    return manager
        return None

    def holders(self, role: str) -> list[str]:
        return [user.userid for user in self.users.values() if role in user.roles]


def read_company(document: Mapping[str, Any]) -> Company:
    """{"departments": [{dept_id, name, parent_id, dept_manager_userid_list}], "users": [{userid, name, …}]}."""
    fields = Fields(document, lambda detail: ValueError(detail))
    company = Company()
    for row in fields.rows("departments"):
        department = _read_department(row)
        if department.dept_id in company.departments:
            raise ValueError(f"department {department.dept_id} appears twice")
        company.departments[department.dept_id] = department
    if ROOT not in company.departments:
        company.departments[ROOT] = Department(ROOT, "公司", 0)
    company.departments[ROOT].parent_id = 0
    for department in company.departments.values():
        if department.dept_id != ROOT and department.parent_id not in company.departments:
            raise ValueError(f"department {department.dept_id} has no parent {department.parent_id}")
    for row in fields.rows("users"):
        user = read_user(row)
        if user.userid in company.users:
            raise ValueError(f"user {user.userid} appears twice")
        _settle(company, user)
        company.users[user.userid] = user
    for department in company.departments.values():
        _check_managers(company, department)
    company.index()
    if len(company.by_unionid) != len(company.users):
        raise ValueError("two users share a unionid")
    return company


def _read_department(row: Fields) -> Department:
    return Department(
        dept_id=row.number("dept_id"),
        name=row.text("name"),
        parent_id=row.number_or("parent_id", ROOT),
        managers=row.texts("dept_manager_userid_list"),
        order=row.number_or("order", 0),
        code=row.text_or("code"),
        source_identifier=row.text_or("source_identifier"),
    )


def read_user(row: Fields) -> User:
    userid = row.text("userid")
    dept_ids = row.values.get("dept_id_list") or [row.number_or("dept_id", ROOT)]
    if not isinstance(dept_ids, list) or not all(isinstance(item, int) for item in dept_ids):
        raise ValueError(f"user {userid}: dept_id_list must be a list of numbers")
    return User(
        userid=userid,
        name=row.text("name"),
        dept_ids=list(dept_ids),
        unionid=row.text_or("unionid") or _made_up("union", userid),
        openid=row.text_or("openid") or _made_up("open", userid),
        manager_userid=row.text_or("manager_userid"),
        mobile=row.text_or("mobile"),
        email=row.text_or("email"),
        org_email=row.text_or("org_email"),
        title=row.text_or("title"),
        job_number=row.text_or("job_number"),
        work_place=row.text_or("work_place"),
        remark=row.text_or("remark"),
        avatar=row.text_or("avatar"),
        hired_date=row.number_or("hired_date", 0),
        extension=row.text_or("extension"),
        active=row.flag_or("active", True),
        admin=row.flag_or("admin", False),
        boss=row.flag_or("boss", False),
        leads=_read_leads(row),
        roles=row.texts("roles"),
    )


def _read_leads(row: Fields) -> list[int]:
    return [entry.number("dept_id") for entry in row.rows("leader_in_dept") if entry.flag_or("leader", True)]


def _settle(company: Company, user: User) -> None:
    for dept_id in user.dept_ids:
        if dept_id not in company.departments:
            raise ValueError(f"user {user.userid} is in department {dept_id}, which does not exist")
    for dept_id in user.leads:
        department = company.departments.get(dept_id)
        if department and user.userid not in department.managers:
            department.managers.append(user.userid)


def _check_managers(company: Company, department: Department) -> None:
    for userid in department.managers:
        user = company.users.get(userid)
        if user is None:
            raise ValueError(f"department {department.dept_id} is led by {userid}, who does not exist")
        if department.dept_id not in user.leads:
            user.leads.append(department.dept_id)


def _made_up(kind: str, userid: str) -> str:
    return sha256(f"{kind}:{userid}".encode()).hexdigest()[:22] + "iE"


DEFAULT: dict[str, Any] = {
    "departments": [
        {"dept_id": 1, "name": "行资演示公司", "parent_id": 0, "dept_manager_userid_list": ["zhoumingyuan"]},
        {"dept_id": 10, "name": "研发部", "parent_id": 1, "dept_manager_userid_list": ["lisiyuan"]},
        {"dept_id": 11, "name": "平台组", "parent_id": 10, "dept_manager_userid_list": ["wangkai"]},
        {"dept_id": 20, "name": "销售部", "parent_id": 1, "dept_manager_userid_list": ["chenjing"]},
        {"dept_id": 30, "name": "财务部", "parent_id": 1, "dept_manager_userid_list": ["sunhui"]},
        {"dept_id": 40, "name": "人力行政部", "parent_id": 1, "dept_manager_userid_list": ["zhaomin"]},
        {"dept_id": 50, "name": "市场部", "parent_id": 1, "dept_manager_userid_list": ["hetao"]},
    ],
    "users": [
        {
            "userid": "zhoumingyuan",
            "name": "周明远",
            "dept_id": 1,
            "title": "总经理",
            "boss": True,
            "admin": True,
        },
        {"userid": "lisiyuan", "name": "李思源", "dept_id": 10, "title": "研发总监"},
        {"userid": "wangkai", "name": "王凯", "dept_id": 11, "title": "平台组长"},
        {"userid": "zhangsan", "name": "张三", "dept_id": 11, "title": "工程师"},
        {"userid": "linxiao", "name": "林晓", "dept_id": 10, "title": "工程师"},
        {"userid": "chenjing", "name": "陈静", "dept_id": 20, "title": "销售总监"},
        {"userid": "wulei", "name": "吴磊", "dept_id": 20, "title": "客户经理"},
        {"userid": "sunhui", "name": "孙慧", "dept_id": 30, "title": "财务负责人", "roles": [FINANCE_LEAD]},
        {"userid": "qianwei", "name": "钱薇", "dept_id": 30, "title": "出纳"},
        {"userid": "zhaomin", "name": "赵敏", "dept_id": 40, "title": "人力行政经理"},
        {"userid": "hetao", "name": "何涛", "dept_id": 50, "title": "市场经理"},
        {"userid": "xujia", "name": "徐佳", "dept_id": 50, "title": "市场专员"},
    ],
}


def default_document() -> dict[str, Any]:
    """The built-in organisation, with the numbers and addresses nobody wants to write by hand."""
    users = []
    for place, user in enumerate(DEFAULT["users"], start=1):
        more = {
            "mobile": f"138000000{place:02d}",
            "org_email": f"{user['userid']}@demo.example.com",
            "email": f"{user['userid']}@demo.example.com",
            "job_number": f"E{place:04d}",
            "hired_date": 1_609_430_400_000 + place * 86_400_000,
        }
        users.append({**more, **user})
    return {"departments": DEFAULT["departments"], "users": users}
