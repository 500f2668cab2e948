"""The tenant: departments and people, with the indexes the directory needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from simulators.stage.fields import Fields

ROOT = "0"
FINANCE_LEAD = "财务负责人"


@dataclass(slots=True)
class Department:
    department_id: str
    name: str
    parent_id: str = ROOT
    open_id: str = ""
    leaders: list[str] = field(default_factory=list)  # user_ids, the main one first
    order: int = 0


@dataclass(slots=True)
class User:
    user_id: str
    name: str
    department_ids: list[str]
    open_id: str = ""
    union_id: str = ""
    en_name: str = ""
    mobile: str = ""  # with the country: +86…
    email: str = ""
    enterprise_email: str = ""
    employee_no: str = ""
    employee_type: int = 1
    job_title: str = ""
    leader_user_id: str = ""
    city: str = ""
    join_time: int = 0  # seconds
    is_activated: bool = True
    is_frozen: bool = False
    is_tenant_manager: bool = False
    roles: list[str] = field(default_factory=list)

    @property
    def is_active(self) -> bool:
        return self.is_activated and not self.is_frozen


@dataclass(slots=True)
class Company:
    name: str = ""
    departments: dict[str, Department] = field(default_factory=dict)  # without the root
    users: dict[str, User] = field(default_factory=dict)
    left: dict[str, User] = field(default_factory=dict)
    children: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    members: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    by_open_id: dict[str, str] = field(default_factory=dict)
    by_union_id: dict[str, str] = field(default_factory=dict)
    by_mobile: dict[str, str] = field(default_factory=dict)
    by_email: dict[str, str] = field(default_factory=dict)
    by_open_department: dict[str, str] = field(default_factory=dict)

    def load(self, document: Mapping[str, Any]) -> None:
        """Replace the organisation. Raises ValueError naming what does not fit; then nothing has changed."""
        fresh = read_company(document)
        self.name, self.departments, self.users = fresh.name, fresh.departments, fresh.users
        self.index()

    def index(self) -> None:
        self.children = defaultdict(list)
        self.members = defaultdict(list)
        for department in sorted(self.departments.values(), key=lambda row: (row.order, row.department_id)):
            self.children[department.parent_id].append(department.department_id)
        for user in self.users.values():
            for department_id in user.department_ids:
                self.members[department_id].append(user.user_id)
        self.by_open_id = {user.open_id: user.user_id for user in self.users.values()}
        self.by_union_id = {user.union_id: user.user_id for user in self.users.values()}
        self.by_mobile = {user.mobile: user.user_id for user in self.users.values() if user.mobile}
        self.by_email = {user.email: user.user_id for user in self.users.values() if user.email}
        self.by_open_department = {row.open_id: row.department_id for row in self.departments.values()}

    def put_user(self, user: User) -> User | None:
        """Add or replace one person; answers who was there before."""
        before = self.users.get(user.user_id)
        self.users[user.user_id] = user
        self.left.pop(user.user_id, None)
        self.index()
        return before

    def let_go(self, user_id: str) -> User:
        user = self.users.pop(user_id)
        for department in self.departments.values():
            if user_id in department.leaders:
                department.leaders.remove(user_id)
        self.left[user_id] = user
        self.index()
        return user

    def find_user(self, given: str, id_type: str) -> User | None:
        match id_type:
            case "user_id":
                return self.users.get(given)
            case "union_id":
                return self.users.get(self.by_union_id.get(given, ""))
            case _:
                return self.users.get(self.by_open_id.get(given, ""))

    def find_left(self, given: str, id_type: str) -> User | None:
        return next((user for user in self.left.values() if id_of(user, id_type) == given), None)

    def find_department(self, given: str, id_type: str) -> Department | None:
        if id_type == "department_id":
            return self.departments.get(given)
        return self.departments.get(self.by_open_department.get(given, ""))

    def department_id(self, department_id: str, id_type: str) -> str:
        """The id of a department as the caller wants it; the root is "0" in both."""
        if id_type == "department_id" or department_id not in self.departments:
            return department_id
        return self.departments[department_id].open_id

    def is_active(self, user_id: str) -> bool:
        user = self.users.get(user_id)
        return user is not None and user.is_active

    def user(self, user_id: str) -> User | None:
        """Also one who has left: papers still name him."""
        return self.users.get(user_id) or self.left.get(user_id)

    def name_of(self, user_id: str) -> str:
        user = self.user(user_id)
        return user.name if user else user_id

    def open_id_of(self, user_id: str) -> str:
        user = self.user(user_id)
        return user.open_id if user else ""

    def upwards(self, department_id: str) -> Iterator[Department]:
        """The department and those above it, without the root."""
        seen: set[str] = set()
        while (department := self.departments.get(department_id)) and department_id not in seen:
            seen.add(department_id)
            yield department
            department_id = department.parent_id

    def below(self, department_id: str) -> Iterator[str]:
        """All departments beneath this one, without itself."""
        for child in self.children.get(department_id, []):
            yield child
            yield from self.below(child)

    def leader_above(self, user_id: str, department_id: str) -> str | None:
        """Who decides for this person: the leader of the department, or of the next one up."""
        for department in self.upwards(department_id):
            for leader in department.leaders:
                if leader != user_id and self.is_active(leader):
                    return leader
        return None

    def holders(self, role: str) -> list[str]:
        return [user.user_id for user in self.users.values() if role in user.roles and user.is_active]


def id_of(user: User, id_type: str) -> str:
    match id_type:
        case "user_id":
            return user.user_id
        case "union_id":
            return user.union_id
        case _:
            return user.open_id


def read_company(document: Mapping[str, Any]) -> Company:
    """{"name", "departments": [{department_id, name, parent_department_id, leaders}], "users": [{user_id, …}]}."""
    fields = Fields(document, ValueError)
    company = Company(name=fields.text_or("name", "公司"))
    for row in fields.rows("departments"):
        department = _read_department(row)
        if department.department_id in company.departments or department.department_id == ROOT:
            raise ValueError(f"department {department.department_id} appears twice")
        company.departments[department.department_id] = department
    for department in company.departments.values():
        if department.parent_id != ROOT and department.parent_id not in company.departments:
            raise ValueError(f"department {department.department_id} has no parent {department.parent_id}")
    for row in fields.rows("users"):
        user = read_user(row)
        if user.user_id in company.users:
            raise ValueError(f"user {user.user_id} appears twice")
        check_departments(company, user)
        company.users[user.user_id] = user
    for department in company.departments.values():
        for leader in department.leaders:
            if leader not in company.users:
                raise ValueError(
                    f"department {department.department_id} is led by {leader}, who does not exist"
                )
    company.index()
    if len(company.by_open_id) != len(company.users) or len(company.by_union_id) != len(company.users):
        raise ValueError("two users share an open_id or union_id")
    return company


def check_departments(company: Company, user: User) -> None:
    for department_id in user.department_ids:
        if department_id != ROOT and department_id not in company.departments:
            raise ValueError(f"user {user.user_id} is in department {department_id}, which does not exist")


def _read_department(row: Fields) -> Department:
    department_id = row.text("department_id")
    return Department(
        department_id=department_id,
        name=row.text("name"),
        parent_id=row.text_or("parent_department_id", ROOT),
        open_id=row.text_or("open_department_id") or made_up("od-", department_id),
        leaders=row.texts("leaders"),
        order=row.number_or("order", 0),
    )


def read_user(row: Fields) -> User:
    user_id = row.text("user_id")
    return User(
        user_id=user_id,
        name=row.text("name"),
        department_ids=row.texts("department_ids") or [row.text_or("department_id", ROOT)],
        open_id=row.text_or("open_id") or made_up("ou_", user_id),
        union_id=row.text_or("union_id") or made_up("on_", user_id),
        en_name=row.text_or("en_name"),
        mobile=row.text_or("mobile"),
        email=row.text_or("email"),
        enterprise_email=row.text_or("enterprise_email"),
        employee_no=row.text_or("employee_no"),
        employee_type=row.number_or("employee_type", 1),
        job_title=row.text_or("job_title"),
        leader_user_id=row.text_or("leader_user_id"),
        city=row.text_or("city"),
        join_time=row.number_or("join_time", 0),
        is_activated=row.flag_or("is_activated", True),
        is_frozen=row.flag_or("is_frozen", False),
        is_tenant_manager=row.flag_or("is_tenant_manager", False),
        roles=row.texts("roles"),
    )


def made_up(prefix: str, key: str) -> str:
    return prefix + sha256(f"{prefix}{key}".encode()).hexdigest()[:32]


DEFAULT: dict[str, Any] = {
    "name": "行资演示公司",
    "departments": [
        {"department_id": "D10", "name": "研发部", "leaders": ["lisiyuan"]},
        {"department_id": "D11", "name": "平台组", "parent_department_id": "D10", "leaders": ["wangkai"]},
        {"department_id": "D20", "name": "销售部", "leaders": ["chenjing"]},
        {"department_id": "D30", "name": "财务部", "leaders": ["sunhui"]},
        {"department_id": "D40", "name": "人力行政部", "leaders": ["zhaomin"]},
        {"department_id": "D50", "name": "市场部", "leaders": ["hetao"]},
    ],
    "users": [
        {
            "user_id": "zhoumingyuan",
            "name": "周明远",
            "department_id": ROOT,
            "job_title": "总经理",
            "is_tenant_manager": True,
        },
        {"user_id": "lisiyuan", "name": "李思源", "department_id": "D10", "job_title": "研发总监"},
        {"user_id": "wangkai", "name": "王凯", "department_id": "D11", "job_title": "平台组长"},
        {"user_id": "zhangsan", "name": "张三", "department_id": "D11", "job_title": "工程师"},
        {"user_id": "linxiao", "name": "林晓", "department_id": "D10", "job_title": "工程师"},
        {"user_id": "chenjing", "name": "陈静", "department_id": "D20", "job_title": "销售总监"},
        {"user_id": "wulei", "name": "吴磊", "department_id": "D20", "job_title": "客户经理"},
        {
            "user_id": "sunhui",
            "name": "孙慧",
            "department_id": "D30",
            "job_title": "财务负责人",
            "roles": [FINANCE_LEAD],
        },
        {"user_id": "qianwei", "name": "钱薇", "department_id": "D30", "job_title": "出纳"},
        {"user_id": "zhaomin", "name": "赵敏", "department_id": "D40", "job_title": "人力行政经理"},
        {"user_id": "hetao", "name": "何涛", "department_id": "D50", "job_title": "市场经理"},
        {"user_id": "xujia", "name": "徐佳", "department_id": "D50", "job_title": "市场专员"},
    ],
}


def default_document() -> dict[str, Any]:
    """The built-in organisation, with the numbers and addresses nobody wants to write by hand."""
    leads = {row["department_id"]: row["leaders"][0] for row in DEFAULT["departments"]}
    users = []
    for place, user in enumerate(DEFAULT["users"], start=1):
        leader = leads.get(user["department_id"], "zhoumingyuan")
        if leader == user["user_id"]:
            leader = "lisiyuan" if leader == "wangkai" else "zhoumingyuan"
        more = {
            "mobile": f"+86138000000{place:02d}",
            "email": f"{user['user_id']}@demo.example.com",
            "enterprise_email": f"{user['user_id']}@demo.example.com",
            "employee_no": f"E{place:04d}",
            "join_time": 1_609_430_400 + place * 86_400,
            "leader_user_id": "" if user["department_id"] == ROOT else leader,
        }
        users.append({**more, **user})
    return {**DEFAULT, "users": users}
